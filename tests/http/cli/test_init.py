"""cardea init: what it makes, and what is left where it fails."""
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time

import pytest

from .administration import Installation
from .commands import CARDEA, run

MADE = {"cardea.yaml", "resource.yaml", "master.key", "ca.pem", "cert.pem", "key.pem", "cardea.db"}


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_can_read_what_it_makes_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        made = Installation(tmp_path / "auth", fresh=True)
    finally:
        os.umask(before)
    assert {p.name for p in made.folder.iterdir()} == MADE
    assert mode(made.folder) == 0o700
    for path in made.folder.iterdir():
        assert mode(path) == (0o644 if path.name in ("ca.pem", "cert.pem") else 0o600), path


def test_check_has_nothing_against_what_it_makes(tmp_path):
    made = Installation(tmp_path / "auth", fresh=True)
    checked = run("check", "--config", made.config)
    assert checked.returncode == 0, checked.stdout
    assert "error" not in checked.stdout.rsplit("\n", 2)[0]
    # By the second in which they were made, then by name: which of two is first is nobody's promise.
    assert sorted((row["alg"], row["state"]) for row in made.rows("key", "list")) == [("ES256", "signing"), ("RS256", "signing")]


def test_it_says_what_to_try_with_the_real_names(tmp_path):
    made = Installation(tmp_path / "a folder", fresh=True)
    said = made.made.stdout
    for line in (f"cardea serve --config '{made.folder}'/cardea.yaml",
                 f"curl --cacert '{made.folder}'/ca.pem -u ana https://localhost:{made.port}/grant",
                 f"grant-resource --config '{made.folder}'/resource.yaml",
                 f"https://localhost:{made.port + 1}/"):
        assert line in said, line
    assert f"cardea user add ana --config '{made.folder}'/cardea.yaml --claim role=editor" in said
    assert (made.folder / "master.key").read_text().strip() not in said


def test_the_certificate_is_for_this_host_and_the_issuer(tmp_path):
    made = Installation(tmp_path / "auth", "--issuer", "https://auth.example.org", fresh=True)
    text = subprocess.run(["openssl", "x509", "-in", made.folder / "cert.pem", "-noout", "-text"], capture_output=True,
                          text=True, check=True).stdout
    for name in ("DNS:localhost", "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1", "DNS:auth.example.org"):
        assert name in text, name
    assert 'issuer: "https://auth.example.org"' in made.config.read_text()
    for name in ("cardea.yaml", "resource.yaml"):
        assert 'audience: "https://auth.example.org:' in (made.folder / name).read_text()


def test_an_existing_folder_is_accepted_where_it_is_empty(tmp_path):
    folder = tmp_path / "auth"
    folder.mkdir(0o755)
    Installation(folder, fresh=True)
    assert mode(folder) == 0o700


def test_nothing_is_overwritten(tmp_path):
    made = Installation(tmp_path / "auth", fresh=True)
    before = {p.name: p.read_bytes() for p in made.folder.iterdir()}
    again = run("init", "--dir", made.folder)
    assert (again.returncode, again.stdout) == (4, "")
    assert again.stderr == (f"cardea init: {made.folder} is not empty; nothing there is overwritten: name another "
                            "folder\n")
    assert {p.name: p.read_bytes() for p in made.folder.iterdir()} == before


@pytest.mark.parametrize("options, code, reason", [
    (["--store", "postgresql://nobody@127.0.0.1:1/none"], 1, "Connection refused"),
    (["--issuer", "ftp://x"], 2, "cardea init: --issuer: is not an http or https URL; write it as in https://auth.example.org\n"),
    (["--store", "sqlite:/nowhere/at/all.db"], 2, "cardea init: --store: the folder of the database, /nowhere/at: No such file"),
])
@pytest.mark.parametrize("exists", [False, True])
def test_a_failure_half_way_leaves_nothing_behind(tmp_path, options, code, reason, exists):
    folder = tmp_path / "auth"
    if exists:
        folder.mkdir(0o755)
    done = run("init", "--dir", folder, *options)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert reason in done.stderr
    assert folder.exists() == exists
    if exists:
        assert list(folder.iterdir()) == [] and mode(folder) == 0o755


@pytest.mark.parametrize("length", [107, 108])
def test_a_folder_with_a_long_path_gets_no_control_socket_in_it(tmp_path, length):
    """The path of a Unix socket has at most 107 bytes."""
    folder = tmp_path / ("x" * (length - len(f"{tmp_path}//control.sock")))
    done = run("init", "--dir", folder.name, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done
    text = (folder / "cardea.yaml").read_text()
    assert ('control: "unix:control.sock"' in text.splitlines()[5]) == (length == 107)
    assert ("\n# control: unix:/run/cardea/control.sock\n" in text) == (length == 108)


@pytest.mark.parametrize("options, reason", [
    ([], "cardea init: --dir DIR is missing; see: cardea help init"),
    (["--dir", "x", "--listen", "8443"],
     "cardea init: --listen: must be ADDRESS:PORT with an IP address, such as 127.0.0.1:5001 or [::1]:5001"),
    (["--dir", "x", "--listen", "127.0.0.1:0"],
     "cardea init: --listen: must have a port from 1 to 65534, since the resource service uses the next one"),
    (["--dir", "x", "--listen", "127.0.0.1:65535"],
     "cardea init: --listen: must have a port from 1 to 65534, since the resource service uses the next one"),
    (["--dir", "x", "--store", "mysql://x"],
     "cardea init: --store: must be sqlite:PATH or postgresql://USER@HOST/DATABASE"),
    (["--dir", "x", "--store", "memory:"],
     "cardea init: --store: must be sqlite:PATH or postgresql://USER@HOST/DATABASE"),
    (["--dir", "x/y"], "cardea init: --dir: x/y: No such file or directory"),
])
def test_a_mistake_is_one_sentence_and_makes_nothing(tmp_path, options, reason):
    done = run("init", *options, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", reason + "\n")
    assert list(tmp_path.iterdir()) == []


def test_a_signal_leaves_all_or_nothing(tmp_path):
    for i in range(5):
        folder = tmp_path / f"auth{i}"
        process = subprocess.Popen([CARDEA, "init", "--dir", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while not folder.exists() and process.poll() is None and time.monotonic() < end:
            pass
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
        if code == 0:
            assert {p.name for p in folder.iterdir()} == MADE
        else:
            assert code == -signal.SIGTERM and not folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_strangers_folder_is_rejected(tmp_path):
    """Who owns a folder can replace the files in it: another configuration, another master key."""
    folder = tmp_path / "auth"
    folder.mkdir(0o777)
    stranger = pwd.getpwnam("nobody").pw_uid
    os.chown(folder, stranger, -1)
    os.chmod(folder, 0o777)
    done = run("init", "--dir", folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"cardea init: --dir: {folder} belongs to another user, who could replace what is in it; name another folder\n"
    assert (list(folder.iterdir()), mode(folder), folder.stat().st_uid) == ([], 0o777, stranger)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_folder_of_the_future_owner_is_accepted(tmp_path):
    folder = tmp_path / "auth"
    folder.mkdir(0o755)
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(folder, nobody, -1)
    failed = run("init", "--dir", folder, "--user", "nobody", "--store", "sqlite:/nowhere/at/all.db")
    assert failed.returncode == 2
    assert (list(folder.iterdir()), mode(folder), folder.stat().st_uid) == ([], 0o755, nobody)
    made = run("init", "--dir", folder, "--user", "nobody")
    assert made.returncode == 0
    assert {p.stat().st_uid for p in (folder, *folder.iterdir())} == {nobody}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("bits, group, stays", [(0o750, "nobody", True), (0o700, "nobody", False), (0o740, "nobody", False), (0o750, "root", False)])
def test_a_folder_that_the_users_group_may_enter_stays_roots(tmp_path, bits, group, stays):
    """As the package makes /etc/cardea: the server reads its configuration and cannot add to it."""
    nobody = pwd.getpwnam("nobody")
    folder = tmp_path / "auth"
    folder.mkdir()
    os.chown(folder, 0, pwd.getpwnam(group).pw_gid)
    folder.chmod(bits)
    made = run("init", "--dir", folder, "--user", "nobody")
    assert made.returncode == 0, made.stderr
    assert {p.stat().st_uid for p in folder.iterdir()} == {nobody.pw_uid}
    found = folder.stat()
    assert (found.st_uid, found.st_gid, mode(folder)) == ((0, nobody.pw_gid, 0o750) if stays else (nobody.pw_uid, nobody.pw_gid, 0o700))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_as_root_everything_belongs_to_the_user(tmp_path):
    made = Installation(tmp_path / "auth", "--user", "nobody", fresh=True)
    nobody = pwd.getpwnam("nobody")
    for path in (made.folder, *made.folder.iterdir()):
        assert (path.stat().st_uid, path.stat().st_gid) == (nobody.pw_uid, nobody.pw_gid), path
    assert 'user: "nobody"' in made.config.read_text()
    unknown = run("init", "--dir", tmp_path / "other", "--user", "no-such-user")
    assert unknown.returncode == 2
    assert unknown.stderr == 'cardea init: --user: there is no user "no-such-user" on this machine\n'
    assert not (tmp_path / "other").exists()


def test_the_issue_as_it_is_written(tmp_path, start):
    """init, user add, serve, curl: the token, and what the resource service makes of it."""
    made = Installation(tmp_path / "auth", fresh=True)
    made.run("user", "add", "ana", "--claim", "role=editor", "--claim", 'projects=["a","b"]', "--password-file", "-",
             stdin="hush, a password\n", check=0)
    server = start("serve", "--config", made.config)
    server.wait_event("ready")
    curl = [shutil.which("curl"), "-sS", "--cacert", made.folder / "ca.pem", "-w", "\n%{http_code}"]
    got = subprocess.run([*curl, "-u", "ana:hush, a password", f"https://localhost:{made.port}/grant"], capture_output=True, text=True,
                         timeout=30)
    body, code = got.stdout.rsplit("\n", 1)
    assert code == "200", got
    token = json.loads(body)["token"]
    resource = subprocess.Popen([CARDEA.parent / "examples/resource/grant-resource", "--config",
                                 made.folder / "resource.yaml"], stderr=subprocess.PIPE, text=True)
    try:
        assert any('"event":"ready"' in line for line in iter(resource.stderr.readline, ""))
        got = subprocess.run([*curl, "-H", f"Authorization: Bearer {token}", f"https://localhost:{made.port + 1}/"],
                             capture_output=True, text=True, timeout=30)
        body, code = got.stdout.rsplit("\n", 1)
        claims = json.loads(body)
        assert (code, claims["sub"], claims["role"], claims["projects"]) == ("202", "ana", "editor", ["a", "b"])
    finally:
        resource.kill()
        resource.wait()
        resource.stderr.close()
