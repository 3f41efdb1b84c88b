"""cardea serve: what it needs to start, what it says when it does not, how it ends."""
import http.client
import json
import os
import pathlib
import pwd
import signal
import socket
import tempfile
import urllib.request

import pytest

from .commands import DEADLINE, listen_somewhere, run


def get(address, path):
    with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as answer:
        return json.load(answer)


def test_no_file_at_all_serves(start):
    """On the default port, or, where somebody else has that, with an error that names it."""
    program = start("serve")
    try:
        address = program.wait_event("listening")["address"]
    except AssertionError:
        assert program.wait() == 1
        assert "127.0.0.1:5001" in "".join(program.err)
        pytest.skip("port 5001 is taken on this machine")
    assert address == "127.0.0.1:5001"
    assert get(address, "/.well-known/oauth-authorization-server")["issuer"] == "http://localhost:5001"
    assert program.end() == 0


def test_a_minimal_file_serves_and_says_where(start, config):
    program = start("serve", "--config", config('listen: ["127.0.0.1:0", "127.0.0.1:0"]\n'))
    addresses = [program.wait_event("listening")["address"] for _ in range(2)]
    assert len(set(addresses)) == 2
    program.wait_event("ready")
    for address in addresses:
        assert get(address, "/.well-known/jwks.json")["keys"][0]["alg"] == "ES256"
    assert program.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_code_0(start, config, number):
    program = start("serve", "-c", config('listen: ["127.0.0.1:0"]\n'))
    program.wait_event("ready")
    assert program.end(number) == 0
    assert [json.loads(line)["event"] for line in program.err[-2:]] == ["stopping", "stopped"]
    assert program.out == []


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN], ids=["", "under nohup"])
def test_a_hangup_does_not_end_it(start, config, before):
    program = start("serve", "-c", config('listen: ["127.0.0.1:0"]\n'),
                    preexec_fn=lambda: signal.signal(signal.SIGHUP, before))
    address = program.wait_event("listening")["address"]
    program.wait_event("ready")
    program.process.send_signal(signal.SIGHUP)
    event = program.wait_event("reloaded")
    assert event["cause"] == "signal" and "certificate_until" not in event
    assert get(address, "/.well-known/jwks.json")["keys"]
    assert program.end() == 0


@pytest.mark.parametrize("alg, crv", [("ES256", "P-256"), ("EdDSA", "Ed25519"), ("RS256", None)])
def test_the_key_has_the_configured_algorithm(start, config, alg, crv):
    program = start("serve", "--config", config(f'listen: ["127.0.0.1:0"]\ntokens: {{ alg: {alg} }}\n'))
    address = program.wait_event("listening")["address"]
    program.wait_event("ready")
    key = get(address, "/.well-known/jwks.json")["keys"][0]
    assert (key["alg"], key.get("crv")) == (alg, crv)


def test_warnings_are_log_events(start, config):
    program = start("serve", "--config", config('listen: ["127.0.0.1:0"]\n'))
    settings = {program.wait_event("config_warning")["setting"] for _ in range(2)}
    assert settings == {"signing_key", "clients"}


def test_an_unknown_key_stops_the_start(config):
    path = config("listen: ['127.0.0.1:0']\ncliets: []\n")
    got = run("serve", "--config", path)
    assert (got.returncode, got.stdout) == (2, "")
    assert got.stderr.splitlines()[0] == f'cardea: {path}:2:1: unknown setting "cliets"; did you mean "clients"?'


def test_any_user_beyond_loopback_stops_the_start(config):
    path = config("listen: ['0.0.0.0:0']\naccept_any_user: demo-only\n")
    got = run("serve", "--config", path)
    assert got.returncode == 2
    assert got.stderr.startswith(f"cardea: {path}:2:18: accept_any_user: is demo-only, but 0.0.0.0:0 is not a loopback")


def test_a_taken_port_is_an_error_that_names_it(config):
    with listen_somewhere() as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        got = run("serve", "--config", config(f'listen: ["{address}"]\nlog: {{ level: error }}\n'))
    assert got.returncode == 1
    assert address in got.stderr
    assert got.stderr.splitlines()[-1] == "cardea: 1 error, 2 warnings"


def test_lesson_24_variables_that_are_not_named_break_nothing(config, start):
    env = {**os.environ, "CARDEA_PORT": "tcp://10.0.0.1:80", "CARDEA_CONFIG": "/nowhere", "CARDEA_LISTEN": "x"}
    program = start("serve", "--config", config('listen: ["127.0.0.1:0"]\n'), env=env)
    program.wait_event("ready")
    assert program.end() == 0


def memory_of(pid):
    """All that the process can write to."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, mode = line.split()[:2]
            begin, end = (int(part, 16) for part in span.split("-"))
            if mode.startswith("rw") and end - begin < 1 << 26:
                try:
                    memory.seek(begin)
                    yield memory.read(end - begin)
                except OSError:
                    continue


def test_secrets_of_the_configuration_do_not_stay_in_memory(start, config, tmp_path):
    (tmp_path / "secret").write_text("from-a-file-7d1f\n")
    os.chmod(tmp_path / "secret", 0o600)
    program = start("serve", "--config", config(
        'listen: ["127.0.0.1:0"]\nclients:\n'
        "  - { id: a-client-with-a-name, secret: in-the-yaml-5e0c, grant_types: [client_credentials] }\n"
        "  - { id: b, secret: 'x-${file:secret}', grant_types: [client_credentials] }\n"))
    program.wait_event("ready")
    try:
        memory = b"\n".join(memory_of(program.process.pid))
    except PermissionError:
        pytest.skip("this machine does not let a parent read the memory of its child")
    assert b"a-client-with-a-name" in memory  # it was looked at
    assert b"in-the-yaml-5e0c" not in memory
    assert b"from-a-file-7d1f" not in memory


@pytest.mark.parametrize("text, position, setting, address", [
    ('listen: ["127.0.0.1:0", "127.0.0.1:PORT"]\n', ":1:25", "listen[1]", "127.0.0.1:PORT"),
    ('listen:\n  - { address: "127.0.0.1:PORT" }\n', ":2:5", "listen[0]", "127.0.0.1:PORT"),
    ('redirect_listen: ["127.0.0.1:PORT"]\nlisten: ["127.0.0.1:0"]\ntls: { certificate: cert.pem, key: key.pem }\n', ":1:19",
     "redirect_listen[0]", "127.0.0.1:PORT")])
def test_an_address_that_cannot_be_listened_on_is_named_with_its_setting_and_a_fix(config, tmp_path, text, position, setting, address):
    assert run("cert", "new", "--dir", tmp_path).returncode == 0
    with listen_somewhere() as taken:
        port = str(taken.getsockname()[1])
        path = config(text.replace("PORT", port))
        done = run("serve", "--config", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0] == (
        f"cardea: {path}{position}: {setting}: {address.replace('PORT', port)} cannot be listened on: Address already in use by "
        f"{pathlib.Path('/proc/self/comm').read_text().strip()} (process {os.getpid()}); choose another port, or stop the program that listens there")


@pytest.mark.parametrize("address, why", [
    ("192.0.2.1:0", "192.0.2.1:0 cannot be listened on: Cannot assign requested address; choose an address of this machine, which "
                    "ip address lists"),
    ("unix:/nonexistent/s", "unix:/nonexistent/s cannot be listened on: No such file or directory; choose a new path, in a folder "
                            "that exists and that the service may write to"),
    ("unix:/etc/passwd", "unix:/etc/passwd cannot be listened on: the path is not a socket: File exists; choose a new path, "
                         "in a folder that exists and that the service may write to"),
    ("systemd:http", "systemd:http cannot be listened on: systemd passed no socket with this name; set FileDescriptorName= in the "
                     "socket unit")])
def test_each_kind_of_address_has_its_fix(config, address, why):
    path = config(f'listen: ["{address}"]\n')
    done = run("serve", "--config", path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, f"cardea: {path}:1:10: listen[0]: {why}")


def test_a_store_that_does_not_open_is_named_with_its_position(config, tmp_path):
    key = tmp_path / "master.key"
    key.write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n")
    key.chmod(0o600)
    path = config('listen: ["127.0.0.1:0"]\nstore: sqlite:/nonexistent/x.db\nmaster_key: ${file:master.key}\n')
    done = run("serve", "--config", path)
    assert done.returncode == 2
    assert f"cardea: {path}:2:8: store: the folder of the database, /nonexistent: No such file or directory; create the folder" in done.stderr


def test_lesson_37_a_store_that_is_made_at_the_start_is_said_with_its_path(start, config, tmp_path):
    """Somebody whose database was moved away gets an empty one, in which no user is."""
    key = tmp_path / "master.key"
    key.write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n")
    key.chmod(0o600)
    path = config('listen: ["127.0.0.1:0"]\nstore: sqlite:new.db\nmaster_key: ${file:master.key}\n')
    for is_new in (True, False):
        server = start("serve", "--config", path.name, cwd=tmp_path)
        server.wait_event("ready")
        assert server.end() == 0
        created = [event for event in map(json.loads, server.err) if event["event"] == "store_created"]
        assert [(event["level"], event["store"], event["fix"]) for event in created] == [
            ("warn", f"{tmp_path}/new.db", 'if this is not a first start, the database was moved or "store" is wrong: stop, restore it or '
             "correct the setting")][:is_new]


def test_lesson_39_a_master_key_whose_file_is_missing_or_empty_is_to_be_restored(config, tmp_path):
    (tmp_path / "empty.key").touch(0o600)
    for file, what in (("none.key", "does not exist"), ("empty.key", "is empty")):
        path = config(f"store: sqlite:new.db\nmaster_key: ${{file:{file}}}\n")
        done = run("serve", "--config", path)
        assert (done.returncode, done.stderr.splitlines()[0]) == (
            2, f"cardea: {path}:2:13: master_key: file {tmp_path}/{file} {what}; restore the master key this store was created with; only a "
            "new store takes a new one, which openssl rand -base64 32 prints")


@pytest.mark.parametrize("closed", ["file", "folder"])
@pytest.mark.parametrize("text, at", [("store: sqlite:new.db\nmaster_key: ${file:secret/own.key}\n", "2:13: master_key"),
                                      ("signing_key: ${file:secret/own.key}\n", "1:14: signing_key"),
                                      ("clients: [ { id: a, secret: \"${file:secret/own.key}\" } ]\n", "1:29: clients[0].secret")])
def test_lesson_39_a_secret_that_this_user_may_not_read_is_a_matter_of_owner_and_mode(text, at, closed):
    """Nothing is to be restored: the file is there."""
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:  # the folders of pytest are closed for other users
        folder = pathlib.Path(name)
        (folder / "secret").mkdir()
        (folder / "secret/own.key").write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n")
        (folder / "f.yaml").write_text(text)
        (folder / "f.yaml").chmod(0o644)
        (folder / "secret/own.key").chmod(0 if closed == "file" else 0o644)
        (folder / "secret").chmod(0 if closed == "folder" else 0o755)
        folder.chmod(0o755)
        done = run("serve", "--config", folder / "f.yaml", **({"user": "nobody", "group": "nogroup", "extra_groups": []} if is_root else {}))
        (folder / "secret").chmod(0o700)
        user = pwd.getpwnam("nobody").pw_uid if is_root else os.geteuid()
        assert (done.returncode, done.stderr.splitlines()[0]) == (
            2, f"cardea: {folder}/f.yaml:{at}: file {folder}/secret/own.key cannot be read: Permission denied; run this as a user who may read "
            f"it, or give it to this user ({user}) with mode 600, and let that user enter the folders above")


def test_a_redirect_names_the_port_of_the_first_listener_that_has_one(start, config, tmp_path):
    assert run("cert", "new", "--dir", tmp_path).returncode == 0
    program = start("serve", "--config", config(f'listen: ["unix:{tmp_path}/s", "127.0.0.1:0"]\nredirect_listen: ["127.0.0.1:0"]\n'
                                                "tls: { certificate: cert.pem, key: key.pem }\n"))
    _, secure, plain = [program.wait_event("listening")["address"] for _ in range(3)]
    connection = http.client.HTTPConnection(plain, timeout=30)
    connection.request("GET", "/a", headers={"Host": "auth.example.org"})
    assert connection.getresponse().headers["Location"] == f"https://auth.example.org:{secure.rsplit(':', 1)[1]}/a"
    connection.close()
    assert program.end() == 0


@pytest.mark.parametrize("name", ["/notify", "@cardea-notify-{}"], ids=["path", "abstract"])
def test_the_service_manager_is_told_when_it_serves_and_when_it_stops(start, config, tmp_path, name):
    """As sd_notify(3) says."""
    name = f"{tmp_path}{name}" if name.startswith("/") else name.format(os.getpid())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0", 1))
        manager.settimeout(DEADLINE)
        program = start("serve", "--config", config('listen: ["127.0.0.1:0"]\n'), env={**os.environ, "NOTIFY_SOCKET": name})
        assert manager.recv(4096) == b"READY=1\nSTATUS=serving"
        assert get(program.wait_event("listening")["address"], "/readyz") == {"status": "ready"}
        assert program.end() == 0
        assert manager.recv(4096) == b"STOPPING=1\nSTATUS=stopping"


def test_the_service_manager_is_told_nothing_by_a_server_that_does_not_start(config, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"{tmp_path}/notify")
        manager.setblocking(False)
        assert run("serve", "--config", config('listen: ["127.0.0.1:99999"]\n'), env={"NOTIFY_SOCKET": f"{tmp_path}/notify"}).returncode == 2
        with pytest.raises(BlockingIOError):
            manager.recv(4096)


def test_a_service_manager_that_is_gone_does_not_stop_it(start, config, tmp_path):
    program = start("serve", "--config", config('listen: ["127.0.0.1:0"]\n'), env={**os.environ, "NOTIFY_SOCKET": f"{tmp_path}/gone"})
    assert program.wait_event("notify_failed")["reason"] == "the service manager cannot be told: No such file or directory"
    assert program.end() == 0
