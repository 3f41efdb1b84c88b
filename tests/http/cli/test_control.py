"""The control socket: `cardea status` and `cardea reload` ask the running server."""
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess

import pytest

from .commands import CARDEA, run
from .reloads import OTHER, client, settings


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


def call(path, method, target):
    connection = UnixConnection(path)
    connection.request(method, target)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def controlled(**more):
    return settings(control="unix:control.sock", **more)


@pytest.fixture
def server(serve):
    return serve(controlled())


def status(server, *args, **options):
    return run("status", "--config", server.path, *args, **options)


def reload(server, config=None):
    if config is not None:
        server.write(config)
    return run("reload", "--config", server.path)


def test_status_says_what_runs(server):
    done = status(server)
    assert (done.returncode, done.stderr) == (0, ""), done
    details = dict(re.split(r"  +| ", line, maxsplit=1) for line in re.sub(r"listens on", "listens_on", done.stdout).splitlines())
    assert details["version"] == run("version").stdout.split()[1] and int(details["process"]) == server.program.process.pid
    assert details["config"] == str(server.path)
    assert f"http://{server.address}" in details["listens_on"] and str(server.path.with_name("control.sock")) in details["listens_on"]
    assert re.fullmatch(r"0 logins wait, \d+ may", details["queue"])
    assert details["store"] == "memory:, ok" and "ES256" in details["keys"] and "(signs)" in details["keys"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \(\d+ min \d+ s\)", details["started"])


def test_status_in_json_is_what_the_server_answers(server):
    done = status(server, "--json")
    assert done.returncode == 0 and done.stdout.count("\n") == 1, done
    answer = json.loads(done.stdout)
    assert answer["pid"] == server.program.process.pid and answer["store"]["state"] == "ok" and answer["connections"] >= 1
    assert answer["queue"]["waiting"] == 0 < answer["queue"]["max"]
    assert [key["signs"] for key in answer["keys"]].count(True) == len({key["alg"] for key in answer["keys"]})
    assert set(json.loads(call(server.path.with_name("control.sock"), "GET", "/status")[1])) == set(answer)


def test_the_commands_work_from_another_folder(server):
    assert status(server, cwd="/").returncode == 0
    done = subprocess.run([CARDEA, "status", "-c", server.path.name], cwd=server.path.parent, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done


def test_reload_returns_when_the_new_configuration_is_in_use(server):
    assert server.token("b", OTHER)[0] == 401
    done = reload(server, controlled(clients=[client(), client("b", OTHER)]))
    assert (done.returncode, done.stdout) == (0, "the configuration is in use\n"), done
    assert server.token("b", OTHER)[0] == 200
    assert server.program.wait_event("reloaded")["cause"] == "command"
    assert "reloaded_at" in json.loads(status(server, "--json").stdout)


def test_lesson_27_reload_says_what_is_wrong_and_changes_nothing(server):
    done = reload(server, controlled(clients=[client("b", OTHER)], tokens={"lifetime": "99h"}, lisen=1))
    lines = done.stderr.splitlines()
    assert done.returncode == 2 and done.stdout == "" and len(lines) == 3, done
    assert "tokens.lifetime" in lines[0] + lines[1] and 'unknown setting "lisen"' in lines[0] + lines[1]
    assert lines[2] == "cardea reload: nothing was changed; the server continues with the configuration that it had"
    assert server.token()[0] == 200 and server.token("b", OTHER)[0] == 401
    done = reload(server, controlled(threads=3))
    assert done.returncode == 2 and "threads" in done.stderr and "restart" in done.stderr, done


def test_status_says_when_and_why_the_last_reload_failed(server):
    assert not {"reload_failed_at", "reload_error"} & set(json.loads(status(server, "--json").stdout))
    assert re.search(r"^reload error -$", status(server).stdout, re.MULTILINE)
    assert reload(server, controlled(tokens={"lifetime": "99h"})).returncode == 2
    logged = server.program.wait_event("reload_failed")
    answer = json.loads(status(server, "--json").stdout)
    assert answer["reload_error"] == f"{logged['setting']}: {logged['reason']}" and logged["setting"] == "tokens.lifetime"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer["reload_failed_at"])
    assert f"\nreload error {answer['reload_failed_at']}: {answer['reload_error']}\n" in status(server).stdout
    assert reload(server, controlled()).returncode == 0
    later = json.loads(status(server, "--json").stdout)
    assert later["reload_error"] == answer["reload_error"] and later["reloaded_at"] >= later["reload_failed_at"]


def test_lesson_28_no_secret_is_in_the_reason_of_a_failed_reload(server):
    secret = "a secret with a line break\n"
    assert reload(server, controlled(clients=[client("b", secret)])).returncode == 2
    server.program.wait_event("reload_failed")
    done = status(server)
    assert "clients[0].secret" in done.stdout and "a secret with" not in done.stdout + status(server, "--json").stdout, done


def test_reload_prints_the_warnings(server):
    done = reload(server, controlled(trusted_proxies=["0.0.0.0/0"]))
    assert done.returncode == 0 and re.search(r"^cardea reload: warning: .*trusted_proxies\[0\]", done.stderr, re.MULTILINE), done


def test_many_reloads_at_once_are_all_answered(server):
    path = server.path.with_name("control.sock")
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: call(path, "POST", "/reload"), range(24)))
    assert all(code == 200 and json.loads(body)["reloaded"] for code, body in answers), answers
    assert server.program.end() == 0


def test_only_the_owner_may_use_the_socket(server):
    info = os.stat(server.path.with_name("control.sock"))
    assert stat.S_IMODE(info.st_mode) == 0o600 and info.st_uid == os.getuid()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to be another user")
def test_another_user_is_told_whose_socket_it_is(server, tmp_path_factory):
    for folder in (server.path.parent, *server.path.parent.parents):
        if folder.stat().st_uid == 0 and folder != pathlib.Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055 if folder == server.path.parent else folder.stat().st_mode | 0o011)
    server.path.chmod(0o644)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", CARDEA, "status", "--config", server.path],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "this user may not use unix:" in done.stderr and "be that user, or root" in done.stderr, done


def test_only_the_two_routes_are_there_and_on_no_other_listener(server):
    path = server.path.with_name("control.sock")
    for method, target, code in [("GET", "/healthz", 404), ("POST", "/oauth/token", 404), ("GET", "/reload", 405), ("POST", "/status", 405)]:
        assert call(path, method, target)[0] == code, target
    assert server.call("GET", "/status")[0] == 404 and server.call("POST", "/reload")[0] == 404


def test_a_reload_opens_and_closes_the_socket(serve):
    server = serve(settings())
    done = status(server)
    assert done.returncode == 2 and "control: is not set" in done.stderr and str(server.path) in done.stderr, done
    server.reload(controlled())
    assert status(server).returncode == 0
    server.reload(settings())
    assert not server.path.with_name("control.sock").exists()


def test_without_a_server_the_message_says_how_to_start_it(server):
    assert server.program.end() == 0
    for command in ("status", "reload"):
        done = run(command, "--config", server.path)
        assert done.returncode == 1 and "no server listens on unix:" in done.stderr and "systemctl start cardea" in done.stderr, done


def test_a_service_with_tls_speaks_plain_http_on_the_socket(serve, tmp_path):
    certs = tmp_path / "certs"
    assert run("init", "--dir", certs).returncode == 0
    server = serve(controlled(tls={"certificate": str(certs / "cert.pem"), "key": str(certs / "key.pem")}), plain=False)
    answer = json.loads(status(server, "--json").stdout)
    assert f"https://{server.address}" in answer["listen"] and answer["certificate_until"] > answer["started_at"]
    assert re.search(r"^certificate +\S+ \(\d+ days\)$", status(server).stdout, re.MULTILINE)


def test_lesson_37_a_store_that_cannot_be_written_is_no_success(serve, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    key = "ABABABABABABABABABABABABABABABABABABABABABA="
    server = serve(controlled(store=f"sqlite:{store}/c.db", master_key=key))
    assert status(server).returncode == 0
    locker = subprocess.Popen(["sqlite3", store / "c.db"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        locker.stdin.write("BEGIN EXCLUSIVE; SELECT 'locked';\n")
        locker.stdin.flush()
        assert locker.stdout.readline() == "locked\n"
        server.program.wait_event("store_not_writable")
        done = status(server)
        assert done.returncode == 5 and "not writable: " in done.stdout, done
    finally:
        locker.communicate("ROLLBACK;\n", timeout=30)


def test_a_message_names_the_setting_whose_socket_cannot_be_made(config, tmp_path):
    for path, why in [("/nonexistent/c.sock", "No such file or directory"), ("a" * 120, "at most 107 bytes"), ("", "must be unix:")]:
        done = run("serve", "--config", config(json.dumps(settings(control=f"unix:{path}"))))
        first = done.stderr.splitlines()[0]
        assert done.returncode in (1, 2) and re.search(r": control(: |\[)", first) and why in first, first
    done = run("check", "--config", config(json.dumps(settings(control="/run/x"))))
    assert done.returncode == 2 and "control: must be unix: and the path of a Unix socket" in done.stdout, done


def test_an_answer_of_another_program_is_refused(config, tmp_path):
    path = config(json.dumps(settings(control="unix:other.sock")))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "other.sock"))
    listener.listen()

    def answer():
        peer, _ = listener.accept()
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        peer.close()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(answer)
        done = run("status", "--config", path)
    assert done.returncode == 1 and "is no server of this version" in done.stderr, done
    listener.close()


def test_a_socket_left_by_a_killed_server_is_replaced(serve):
    server = serve(controlled())
    server.program.process.kill()
    server.program.wait()
    assert server.path.with_name("control.sock").exists()
    assert status(serve(controlled())).returncode == 0
