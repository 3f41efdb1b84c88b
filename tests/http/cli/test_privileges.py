"""What the server still is and may do once it was started as root. These tests start it as root, for real."""
import os
import pathlib
import pwd
import resource
import socket
import subprocess
import tempfile

import pytest

from .administration import Installation
from .commands import CARDEA, Program, listen_somewhere, run

OTHER = pwd.getpwnam("nobody")
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def config():
    """Writes a configuration that only root can read."""
    with tempfile.TemporaryDirectory() as folder:
        def write(text):
            path = pathlib.Path(folder, "cardea.yaml")
            path.write_text(text)
            path.chmod(0o600)
            return path
        yield write


def details(pid, task=None):
    """/proc/PID/status, of one thread or of the first, as a dictionary of lists of words."""
    path = f"/proc/{pid}/task/{task}/status" if task else f"/proc/{pid}/status"
    lines = pathlib.Path(path).read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def is_sanitized():
    """The leak sanitizer needs to be its own debugger, so its builds stay dumpable."""
    return b"__asan_init" in CARDEA.read_bytes()


@is_root
def test_root_becomes_the_user_without_capabilities_on_every_thread(config):
    server = Program("serve", "--config", config('listen: ["127.0.0.1:0"]\nthreads: 2\nuser: nobody\n'))
    server.wait_event("ready")
    pid = server.process.pid
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        assert len(tasks) >= 3
        for task in tasks:
            status = details(pid, task)
            assert status["Uid"] == [str(OTHER.pw_uid)] * 4
            assert status["Gid"] == [str(OTHER.pw_gid)] * 4
            assert set(status["Groups"]) <= {str(OTHER.pw_gid)}
            for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                assert int(status[kind][0], 16) == 0, (task, kind)
            assert status["NoNewPrivs"] == ["1"]
        if not is_sanitized():
            # What is not dumpable belongs to root in /proc (proc(5)), so that the user cannot read its memory either.
            assert os.stat(f"/proc/{pid}/mem").st_uid == 0
    finally:
        assert server.end() == 0
    assert not any('"event":"runs_as_root"' in line for line in server.err)


@is_root
def test_a_port_below_1024_is_taken_before_root_is_given_up(config):
    port = next(port for port in range(1023, 600, -1) if is_free(port))
    server = Program("serve", "--config", config(f'listen: ["127.0.0.1:{port}"]\nuser: nobody\n'))
    server.wait_event("ready")
    with socket.create_connection(("127.0.0.1", port), 5):
        assert details(server.process.pid)["Uid"][0] == str(OTHER.pw_uid)
    assert server.end() == 0


def is_free(port):
    try:
        listen_somewhere(port).close()
        return True
    except OSError:
        return False


@is_root
def test_root_that_stays_root_is_told_so(config):
    server = Program("serve", "--config", config('listen: ["127.0.0.1:0"]\n'))
    assert server.wait_event("runs_as_root")["setting"] == "user"
    server.wait_event("ready")
    assert details(server.process.pid)["NoNewPrivs"] == ["1"]
    assert server.end() == 0


@is_root
def test_a_server_of_nobody_cannot_become_another_user(config):
    path = config('listen: ["127.0.0.1:0"]\nuser: daemon\n')
    os.chown(path, OTHER.pw_uid, OTHER.pw_gid)
    os.chown(path.parent, OTHER.pw_uid, OTHER.pw_gid)
    with CARDEA.open("rb") as program:  # the build folder may be closed to others
        got = subprocess.run([f"/proc/self/fd/{program.fileno()}", "serve", "--config", path], user=OTHER.pw_uid,
                             group=OTHER.pw_gid, extra_groups=[], pass_fds=[program.fileno()], capture_output=True,
                             text=True, timeout=30)
    assert got.returncode == 2
    assert got.stderr.splitlines()[0].endswith('" can only be another user where the program is started as root')


def test_a_user_that_is_not_there_is_refused(config):
    got = run("serve", "--config", config("user: nobdy\n"))
    assert got.returncode == 2
    assert got.stderr.splitlines()[0].endswith(':1:7: user: "nobdy" is not a user of this machine; correct the name, or create the user')


@is_root
@pytest.mark.parametrize("given, path", [([], ""), (["."], "/cardea.db")])
def test_a_store_that_the_user_cannot_write_is_refused_with_the_command_that_mends_it(config, given, path):
    """`cardea init` as root without --user, and `user: nobody` written in later."""
    made = Installation(config("").parent / "auth")
    made.folder.parent.chmod(0o755)
    made.config.write_text(made.config.read_text() + "user: nobody\n")
    for name in given:
        os.chown(made.folder / name, OTHER.pw_uid, OTHER.pw_gid)
    checked = run("check", "--config", made.config)
    got = run("serve", "--config", made.config)
    folder = made.folder
    assert got.returncode == 1
    assert checked.returncode == 2 and f" {folder}{path or ','} cannot be written by the user nobody: Permission denied" in checked.stdout
    assert f" {folder}{path or ','} cannot be written by the user nobody: Permission denied" in got.stderr
    mend = f"chown nobody: {folder} {folder}/cardea.db*"
    assert f'; as root: "{mend}"' in got.stderr
    subprocess.run(mend, shell=True, check=True)
    checked = run("check", "--config", made.config)
    assert checked.returncode == 0 and "store: sqlite:cardea.db, schema " in checked.stdout
    server = Program("serve", "--config", made.config)
    server.wait_event("ready")
    assert server.end() == 0


@is_root
def test_a_store_below_a_folder_that_is_closed_to_the_user_is_refused_by_name(config):
    made = Installation(config("").parent / "auth")
    made.config.write_text(made.config.read_text() + "user: nobody\n")
    got = run("serve", "--config", made.config)
    assert got.returncode == 1
    assert f"{made.folder}, cannot be reached by the user nobody: Permission denied; a folder above it" in got.stderr


@is_root
def test_root_is_no_user_to_become(config):
    got = run("serve", "--config", config("user: root\n"))
    assert got.returncode == 2
    assert "user: must not be root" in got.stderr


@is_root
def test_lesson_28_no_core_dump_holds_what_the_server_knew(config):
    if is_sanitized():
        pytest.skip("sanitizer builds stay dumpable")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        server = Program("serve", "--config", config('listen: ["127.0.0.1:0"]\nuser: nobody\n'), cwd=folder,
                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (-1, -1)))
        server.wait_event("ready")
        assert server.end(6) == -6
        assert os.listdir(folder) == []
