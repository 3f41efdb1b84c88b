"""SIGHUP: a running cardea takes another configuration over as a whole, or not at all (LESSONS 27)."""
import base64
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse

import pytest

from .commands import CARDEA, DEADLINE

SECRET = "0123456789abcdef0123"
OTHER = "fedcba9876543210fedc"


def client(name="a", secret=SECRET, scopes=("read",), **more):
    return {"id": name, "secret": secret, "grant_types": ["client_credentials"], "scopes": list(scopes),
            "introspect": ["http://localhost:5001"], **more}


def settings(**more):
    return {"listen": ["127.0.0.1:0"], "threads": 2, "scopes": ["read", "write"], "clients": [client()], **more}


class Server:
    def __init__(self, start, path, **options):
        self.path = path
        self.program = start("serve", "--config", path, **options)
        self.address = self.program.wait_event("listening")["address"]
        self.program.wait_event("ready")
        self.connection = self.connect()

    def connect(self):
        return http.client.HTTPConnection(self.address, timeout=30)

    def write(self, config):
        new = self.path.with_suffix(".new")
        new.write_text(config if isinstance(config, str) else json.dumps(config))
        new.rename(self.path)

    def reload(self, config=None, expect="reloaded"):
        if config is not None:
            self.write(config)
        self.program.process.send_signal(signal.SIGHUP)
        event = json.loads(self.program.wait_line(
            lambda line: '"event":"reloaded"' in line or '"event":"reload_failed"' in line))
        assert event["event"] == expect and event["cause"] == "signal", (event, self.program.err)
        return event

    def findings(self):
        """The findings of the last reload that failed."""
        events = [json.loads(line) for line in self.program.err if line.startswith("{")]
        ends = [i for i, e in enumerate(events) if e["event"] in ("reloaded", "reload_failed", "ready")]
        return [e for e in events[ends[-2]:ends[-1]] if e["event"] == "config_error"]

    def call(self, method, path, form=None, user=None, connection=None):
        connection = connection or self.connection
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        if user:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(user).encode()).decode()
        connection.request(method, path, urllib.parse.urlencode(form) if form else None, headers)
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if body.startswith(b"{") else body

    def token(self, name="a", secret=SECRET, **more):
        return self.call("POST", "/oauth/token", {"grant_type": "client_credentials"}, (name, secret), **more)

    def is_active(self, token):
        return self.call("POST", "/oauth/introspect", {"token": token}, ("a", SECRET))[1]["active"]


@pytest.fixture
def serve(start, tmp_path):
    def begin(config, **options):
        path = tmp_path / "cardea.yaml"
        path.write_text(json.dumps(config))
        return Server(start, path, **options)

    return begin


def test_lesson_27_clients_scopes_and_lifetimes_change_and_connections_go_on(serve):
    server = serve(settings())
    before = server.token()[1]["access_token"]
    assert server.token("b", OTHER)[0] == 401
    sock = server.connection.sock
    server.reload(settings(tokens={"lifetime": "1h"}, scopes=["read", "write", "admin"],
                           clients=[client(scopes=["admin"]), client("b", OTHER)]))
    status, answer = server.token()
    assert (status, answer["expires_in"], answer["scope"]) == (200, 3600, "admin")
    assert server.token("b", OTHER)[0] == 200
    assert "admin" in server.call("GET", "/.well-known/oauth-authorization-server")[1]["scopes_supported"]
    assert server.is_active(before)
    server.reload(settings(clients=[client(), client("b", SECRET)]))
    assert server.token("b", OTHER)[0] == 401 and server.token("b", SECRET)[0] == 200
    of_b = server.token("b", SECRET)[1]["access_token"]
    server.reload(settings())
    assert not server.is_active(of_b), "a token of a client that is not there any more"
    assert server.connection.sock is sock, "one connection for all"
    assert server.program.end() == 0


def test_basic_tokens_lockout_and_the_level_of_the_log_change(serve, tmp_path):
    key = "ab" * 16
    config = settings(store=f"sqlite:{tmp_path}/c.db", master_key=base64.b64encode(key.encode()).decode(),
                      password_hashing={"memory": "64KB", "iterations": 1})
    server = serve(config)
    assert server.call("GET", "/grant", user=("eve", "wrong"))[0] == 404
    more = {"basic_tokens": {"audience": "https://api", "realm": "the other"},
            "lockout": {"account_attempts": 2, "delay": "1h", "max_delay": "1h"}}
    server.reload({**config, **more})
    assert [server.call("GET", "/grant", user=("eve", "wrong"))[0] for _ in range(3)] == [401, 401, 429]
    algs = {k["alg"] for k in server.call("GET", "/.well-known/jwks.json")[1]["keys"]}
    assert algs == {"ES256", "RS256"}, "the key of basic tokens was made"
    server.reload({**config, **more, "lockout": {"account_attempts": 3, "delay": "1s", "max_delay": "1s"}})
    assert server.call("GET", "/grant", user=("eve", "wrong"))[0] == 401


def test_the_level_of_the_log_changes(serve):
    server = serve(settings())
    server.write(settings(log={"level": "error"}, tokens={"lifetime": "1h"}))
    server.program.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + DEADLINE
    while server.token()[1]["expires_in"] != 3600:
        assert time.monotonic() < end
    server.reload(settings(threads=3), expect="reload_failed")  # the first event that is of the level
    assert not any('"event":"reloaded"' in line for line in server.program.err)
    server.reload(settings())
    assert server.program.end() == 0


RESTART = [
    ("threads", 3), ("worker_threads", 5), ("outgoing_threads", 17), ("listen", ["127.0.0.1:1"]),
    ("issuer", "http://localhost:6000"), ("store", "sqlite:other.db"), ("user", "nobody"), ("drain_delay", "1s"),
    ("trusted_proxies", ["10.0.0.1"]), ("limits.body", {"body": "1KB"}),
    ("password_hashing.memory", {"memory": "64MB"}), ("shutdown_grace", "1s"),
]


@pytest.mark.parametrize("setting, value", RESTART, ids=[name for name, _ in RESTART])
def test_lesson_27_what_takes_a_restart_is_a_finding_and_nothing_changes(serve, setting, value):
    server = serve(settings())
    new = settings(**{setting.split(".")[0]: value}, tokens={"lifetime": "1h"}, clients=[client(secret=OTHER)])
    if setting == "store":
        new["master_key"] = base64.b64encode(bytes(32)).decode()
    if setting == "user" and subprocess.run(["id", "-u"], capture_output=True, text=True).stdout != "0\n":
        pytest.skip("only root may name a user")
    event = server.reload(new, expect="reload_failed")
    assert event["setting"] == setting and "restart needed" in event["reason"]
    found = server.findings()
    assert [f["setting"] for f in found] == [setting] and "restart" in found[0]["fix"]
    assert server.token("a", OTHER)[0] == 401
    assert server.token()[1]["expires_in"] == 300
    server.reload(settings())


def test_lesson_27_a_bad_file_changes_nothing_and_all_its_findings_are_logged(serve):
    server = serve(settings())
    for text, lines in [("threads: 2\nclints: []\ntokens: { lifetime: 25h }\nissuer: ${env:CD_TEST_NOT_SET}\n", [2, 3, 4]),
                        ("listen: [\n", None)]:
        server.reload(text, expect="reload_failed")
        found = server.findings()
        assert found and (lines is None or [f["line"] for f in found][:3] == lines), found
        assert server.token()[0] == 200
    server.path.unlink()
    assert "does not exist" in server.reload(expect="reload_failed")["reason"]
    assert server.token()[0] == 200
    server.reload(settings(clients=[client(secret=OTHER)]))
    assert server.token("a", OTHER)[0] == 200


def test_another_master_key_or_signing_key_takes_a_restart(serve, tmp_path):
    first, second = (base64.b64encode(bytes([i]) * 32).decode() for i in (1, 2))
    config = settings(store=f"sqlite:{tmp_path}/c.db", master_key=first)
    server = serve(config)
    event = server.reload({**config, "master_key": second, "clients": []}, expect="reload_failed")
    assert event["setting"] == "master_key" and "restart needed" in event["reason"]
    assert server.token()[0] == 200
    server.reload(config)
    server.program.end()

    pems = [subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                           capture_output=True, text=True, check=True).stdout for _ in range(2)]
    for at_start, then in [(pems[0], pems[1]), (pems[0], None), (None, pems[0])]:
        server = serve(settings(**({"signing_key": at_start} if at_start else {})))
        event = server.reload(settings(**({"signing_key": then} if then else {}), clients=[]), expect="reload_failed")
        assert event["setting"] == "signing_key" and "restart needed" in event["reason"]
        assert server.token()[0] == 200
        server.reload(settings(**({"signing_key": at_start} if at_start else {})))
        server.program.end()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_lesson_27_secrets_that_only_root_could_read_stay_as_they_are(start):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        (folder / "data").mkdir()
        shutil.chown(folder / "data", "nobody")
        master = base64.b64encode(bytes(range(32))).decode()
        for file, text in [("master", master), ("a", SECRET), ("b", OTHER), ("c", OTHER)]:
            (folder / file).write_text(text)
            (folder / file).chmod(0o600)
        first, second = client(secret="${file:a}"), client("b", "${file:b}")
        config = settings(user="nobody", store="sqlite:data/c.db", master_key="${file:master}", clients=[first, second])
        path = folder / "cardea.yaml"
        path.write_text(json.dumps(config))
        server = Server(start, path)
        for lifetime in ("1h", "2h"):
            server.reload({**config, "tokens": {"lifetime": lifetime}})
            assert server.token()[1]["expires_in"] == int(lifetime[0]) * 3600
            assert server.token("b", OTHER)[0] == 200

        def refuses(setting, **more):
            event = server.reload({**config, **more}, expect="reload_failed")
            assert event["setting"] == setting
            assert server.token()[0] == 200 and server.token("b", OTHER)[0] == 200

        refuses("clients[0].secret", clients=[client(secret="${file:c}"), second])  # another file
        refuses("clients[0].secret", clients=[client("z", "${file:a}"), second])  # of another client
        refuses("clients[0].secret", clients=[second])
        refuses("master_key", master_key="${file:c}")
        refuses("master_key", master_key=base64.b64encode(bytes(32)).decode())
        server.reload({**config, "clients": [client(secret=OTHER), second], "master_key": master})
        assert server.token("a", OTHER)[0] == 200
        server.reload({**config, "clients": [first, second], "master_key": master}, expect="reload_failed")
        assert server.program.end() == 0


def resident(process):
    with open(f"/proc/{process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def test_lesson_27_a_thousand_reloads_under_load_lose_no_request_and_no_memory(serve):
    """Each answer is of one configuration or of the other, never of both."""
    kinds = [settings(tokens={"lifetime": "1m"}, clients=[client(scopes=["read"])] + [client(f"c{i}") for i in range(50)]),
             settings(tokens={"lifetime": "2m"}, clients=[client(scopes=["write"])] + [client(f"d{i}") for i in range(50)])]
    server = serve(kinds[0])
    stop, wrong, seen = threading.Event(), [], [0, 0]

    def ask():
        connection = server.connect()
        try:
            connection.connect()
            sock = connection.sock
            while not stop.is_set():
                status, answer = server.token(connection=connection)
                pair = (answer.get("expires_in"), answer.get("scope"))
                assert status == 200 and pair in ((60, "read"), (120, "write")), (status, answer)
                seen[pair == (120, "write")] += 1
                assert connection.sock is sock, "the connection was closed"
        except Exception as error:  # told by the main thread
            wrong.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        sizes = []
        for i in range(1000):
            server.reload(kinds[(i + 1) % 2])
            if i in (299, 999):
                sizes.append(resident(server.program.process))
            assert not wrong
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong and min(seen) > 0
    if b"__asan_init" not in CARDEA.read_bytes():  # which keeps what was freed, and reports leaks itself
        assert sizes[1] - sizes[0] < 2048, f"KB resident after 300 and after 1000 reloads: {sizes}"
    assert server.program.end() == 0
