"""Programs whose standard input, output or error is closed or full (LESSONS 38)."""
import itertools
import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request

import pytest

from support.ports import find_ports

from .administration import Installation, within
from .commands import BUILD, CARDEA, DEADLINE

CLOSE = {0: "<&-", 1: ">&-", 2: "2>&-"}
CLOSED = [numbers for count in (1, 2, 3) for numbers in itertools.combinations(CLOSE, count)]
SERVICES = {
    "time-resource": ("examples/time-api/time-resource", {
        "authorization_server": "http://127.0.0.1:9", "resource": "http://127.0.0.1:8", "client_id": "x", "client_secret": "y"}),
    "time-webapp": ("examples/time-api/time-webapp", {}),
    "grant-resource": ("examples/resource/grant-resource", {}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Installation(tmp_path_factory.mktemp("streams") / "auth")


def begin(program, *args, redirect):
    """The program with its streams as a shell leaves them; what is not redirected can be read."""
    return subprocess.Popen(["sh", "-c", f'exec "$0" "$@" {redirect}', program, *map(str, args)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(*args, redirect):
    process = begin(CARDEA, *args, redirect=redirect)
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out, err


def closing(numbers):
    return " ".join(CLOSE[number] for number in numbers)


def is_listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


@pytest.mark.parametrize("numbers", CLOSED)
@pytest.mark.parametrize("command", [
    ["version"], ["help"], ["help", "key"], ["schema"], ["check"], ["config", "show"], ["user", "list"], ["client", "list"],
    ["key", "list"], ["key", "export"], ["audit", "tail"], ["migrate"]], ids=" ".join)
def test_lesson_38_a_command_without_standard_streams_ends_with_an_exit_code(made, command, numbers):
    args = command + (["--config", made.config] if command[0] not in ("version", "help", "schema") else [])
    code, out, err = run(*args, redirect=closing(numbers))
    if 1 not in numbers:
        assert code == 0 and out
    else:
        assert code == 1
        assert 2 in numbers or "cardea: standard output cannot be written" in err


@pytest.mark.parametrize("numbers", CLOSED)
def test_lesson_38_a_server_without_standard_streams_serves_and_stops(tmp_path, made, numbers):
    """libuv ends a program whose socket is number 0, 1 or 2, and a log instead of a database would destroy it."""
    port = find_ports()
    text = made.config.read_text().replace(str(made.port), str(port))
    path = made.folder / "closed.yaml"
    path.write_text(text)
    path.chmod(0o600)
    server = begin(CARDEA, "serve", "--config", path, redirect=closing(numbers))
    assert within(DEADLINE, lambda: is_listening(port) or server.poll() is not None)
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as half:
        half.sendall(b"no TLS at all")
        half.recv(100)
    server.send_signal(signal.SIGTERM)
    out, err = server.communicate(timeout=DEADLINE)
    assert (server.returncode, out) == (0, "")
    assert 2 in numbers or '"event":"stopped"' in err
    with sqlite3.connect(made.folder / "cardea.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("name", SERVICES)
def test_lesson_38_an_example_without_standard_streams_serves_and_stops(tmp_path, name):
    program, settings = SERVICES[name]
    port = find_ports()
    path = tmp_path / "f.yaml"
    if name == "grant-resource":
        (tmp_path / "jwks.json").write_text('{"keys":[]}')
        settings = {"issuer": "https://a.example", "audience": "https://b.example", "jwks": "jwks.json"}
    path.write_text(json.dumps({"listen": [f"127.0.0.1:{port}"], **settings}))
    path.chmod(0o600)
    service = begin(BUILD / program, "--config", path, redirect=closing((0, 1, 2)))
    assert within(DEADLINE, lambda: is_listening(port) or service.poll() is not None)
    assert service.poll() is None
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=DEADLINE) as answer:
        assert answer.status == 200
    service.send_signal(signal.SIGTERM)
    assert service.wait(DEADLINE) == 0
    service.communicate()


FULL = "standard output cannot be written: No space left on device\n"


@pytest.fixture(scope="module")
def crowded(made):
    """Lists that are longer than what stdio keeps before it writes, so that the last write is not the one that fails."""
    users = "".join(f"crowd-{n}:$2y$05$abcdefghijklmnopqrstuuPNe4q3bVJ/9j9L4nWLkwsPRq3mGhSTe\n" for n in range(200))
    made.run("user", "import", "-", stdin=users, check=0)
    return made


@pytest.mark.parametrize("command", [
    "version", "--version", "--help", "-h", "help", "help key", "user --help", "serve --help", "audit tail --help", "schema",
    "check", "config show", "config show --json", "user list", "user list --json", "user show crowd-1", "user export",
    "user disable crowd-1", "user import --dry-run /dev/null", "client list", "key list", "key export", "audit tail",
    "audit tail -n 1000", "audit tail -n 1000 --json", "audit tail --follow", "migrate"])
def test_lesson_38_full_standard_output_is_said(crowded, command):
    args = command.split()
    is_plain = args[0] in ("version", "help", "schema") or args[-1] in ("--help", "-h", "--version")
    code, _, err = run(*args, *([] if is_plain else ["--config", crowded.config]), redirect=">/dev/full")
    assert (code, err) == (1, f"cardea: {FULL}")


@pytest.mark.table
@pytest.mark.parametrize("option", ["--help", "--version"])
@pytest.mark.parametrize("name", SERVICES)
def test_lesson_38_an_example_says_that_standard_output_is_full(name, option):
    process = begin(BUILD / SERVICES[name][0], option, redirect=">/dev/full")
    assert (process.communicate(timeout=DEADLINE)[1], process.returncode) == (f"{name}: {FULL}", 1)


def test_lesson_38_a_demo_whose_passwords_nobody_sees_ends(tmp_path):
    base = find_ports(10)
    demo = begin("env", f"TMPDIR={tmp_path}", CARDEA, "demo", "--port-base", base, redirect=">/dev/full")
    _, err = demo.communicate(timeout=DEADLINE)
    assert demo.returncode == 1 and err.endswith(f"cardea: {FULL}")
    assert not any(is_listening(base + n) for n in range(10)) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command, event", [("add late -g client_credentials", "INSERT"), ("secret late", "UPDATE")])
def test_lesson_38_a_secret_that_was_printed_for_nothing_is_called_void(tmp_path, command, event):
    """The store fails after standard output did not."""
    home = Installation(tmp_path / "auth")
    if event == "UPDATE":
        home.run("client", "add", "late", "--grant-type", "client_credentials", check=0)
    with sqlite3.connect(home.folder / "cardea.db") as database:
        database.execute(f"CREATE TRIGGER fails BEFORE {event} ON clients BEGIN SELECT RAISE(ABORT, 'no'); END")
    done = home.run("client", *command.split(), check=1)
    assert len(done.stdout.strip()) == 43
    assert done.stderr.endswith(f"cardea client {command.split()[0]}: the secret that was printed is void\n")


@pytest.mark.parametrize("redirect,why", [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_lesson_38_a_client_whose_secret_cannot_be_shown_is_not_added(made, redirect, why, options):
    args = ["client", "add", "unseen", "--grant-type", "client_credentials", "--config", made.config, *options]
    code, _, err = run(*args, redirect=redirect)
    assert code == 1
    assert err == f"cardea client add: the secret cannot be written to standard output ({why}), so nothing was changed\n"
    assert "unseen" not in made.run("client", "list", check=0).stdout


@pytest.mark.parametrize("redirect", [">/dev/full", ">&-"])
def test_lesson_38_a_client_keeps_its_secret_where_the_new_one_cannot_be_shown(made, redirect):
    name = "kept" if redirect == ">&-" else "kept-too"
    secret = made.run("client", "add", name, "--grant-type", "client_credentials", check=0).stdout.strip()
    before = made.run("audit", "tail", "--json", check=0).stdout
    code, _, err = run("client", "secret", name, "--config", made.config, redirect=redirect)
    assert code == 1 and "so nothing was changed" in err
    server = begin(CARDEA, "serve", "--config", made.config, redirect="")
    try:
        assert within(DEADLINE, lambda: is_listening(made.port))
        assert made.client_token(name, secret)[0] == 200
    finally:
        server.terminate()
        server.communicate(timeout=DEADLINE)
    assert made.run("audit", "tail", "--json", check=0).stdout.count("client.secret") == before.count("client.secret")


@pytest.mark.parametrize("redirect,why", [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_lesson_38_a_link_that_cannot_be_shown_does_not_exist(made, redirect, why, options):
    path = made.folder / "portal.yaml"
    path.write_text(made.config.read_text() + "\nportal: { url: 'https://auth.example.com/_auth' }\n")
    with sqlite3.connect(made.folder / "cardea.db") as db:
        db.execute("DELETE FROM links")
    assert run("user", "invite", "unseen", "--config", path, redirect="")[0] == 0
    with sqlite3.connect(made.folder / "cardea.db") as db:
        before = db.execute("SELECT digest FROM links").fetchall()
    code, _, err = run("user", "invite", "unseen", "--config", path, *options, redirect=redirect)
    assert code == 1
    assert err == f"cardea user invite: the link cannot be written to standard output ({why}), so there is none\n"
    with sqlite3.connect(made.folder / "cardea.db") as db:
        assert db.execute("SELECT digest FROM links").fetchall() == before and len(before) == 1


def test_lesson_38_full_standard_error_stops_nothing(made):
    code, out, _ = run("client", "add", "said", "--grant-type", "client_credentials", "--config", made.config,
                       redirect="2>/dev/full")
    assert code == 0 and len(out.strip()) == 43


def test_lesson_38_a_password_is_not_read_from_closed_standard_input(made):
    code, _, err = run("user", "add", "ana", "--password-file", "-", "--config", made.config, redirect="<&-")
    assert code != 0 and "Bad file descriptor" in err
    assert "ana" not in made.run("user", "list", check=0).stdout


@pytest.mark.parametrize("redirect,why", [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")])
@pytest.mark.parametrize("was_there", [False, True])
def test_lesson_38_an_installation_that_cannot_be_announced_is_not_made(tmp_path, redirect, why, was_there):
    folder = tmp_path / "auth"
    if was_there:
        folder.mkdir(0o755)
    code, _, err = run("init", "--dir", folder, redirect=redirect)
    assert code == 1
    assert err == ("cardea init: what to do next cannot be said, so nothing was made\n"
                   f"cardea: standard output cannot be written: {why}\n")
    assert folder.exists() == was_there and (not was_there or list(folder.iterdir()) == [])


def test_lesson_38_an_installation_whose_reader_is_gone_is_not_made(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([CARDEA, "init", "--dir", tmp_path / "auth"], stdout=writer, stderr=subprocess.PIPE, timeout=DEADLINE)
    os.close(writer)
    assert done.returncode == -signal.SIGPIPE
    assert not (tmp_path / "auth").exists()
