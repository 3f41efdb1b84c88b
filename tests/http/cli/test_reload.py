"""SIGHUP: a running cardea takes another configuration over as a whole, or not at all (LESSONS 27)."""
import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import pytest

from .commands import CARDEA, DEADLINE, ROOT
from .reloads import OTHER, SECRET, Server, Watch, client, settings

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


def test_lesson_27_a_hangup_while_the_configuration_is_first_read_is_a_reload(start, tmp_path):
    path = tmp_path / "cardea.yaml"
    path.write_text(json.dumps(settings(clients=[client(f"client{i}") for i in range(2000)])))
    with Watch(path) as watch:
        program = start("serve", "--config", path)
        while not watch.count_opens():
            assert program.process.poll() is None, program.err
        program.process.send_signal(signal.SIGHUP)
    program.wait_event("ready")
    assert program.wait_event("reloaded")["cause"] == "signal"
    assert program.end() == 0


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
    ("threads", 3), ("worker_threads", 5), ("outgoing_threads", 17), ("store", "sqlite:other.db"), ("user", "nobody"),
    ("password_hashing.parallel", {"parallel": 7}), ("password_hashing.queue", {"queue": 7}),
    ("sentry.dsn", {"dsn": "https://key@sentry.example/1"}), ("sentry.environment", {"environment": "test"}),
    ("sentry.crash_folder", {"crash_folder": "."}),
]


def test_the_page_says_of_each_setting_that_needs_a_restart_that_it_does():
    lines = (ROOT / "docs/configuration.md").read_text().splitlines()
    marked = {line.split("`")[1] for line in lines if line.startswith("| `") and "**Needs a restart**" in line}
    assert marked == {name for name, _ in RESTART} | {"master_key", "master_key_old"}


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
    for text, lines in [("threads: 2\nclints: []\ntokens: { lifetime: 25h }\nissuer: ${env:CD_TEST_NOT_SET}\n", [4, 2, 3]),
                        ("listen: [\n", None), ("", None)]:
        server.reload(text, expect="reload_failed")
        found = server.findings()
        assert found and (lines is None or [f["line"] for f in found][:3] == lines), found
        assert server.token()[0] == 200
    server.path.unlink()
    assert "does not exist" in server.reload(expect="reload_failed")["reason"]
    assert server.token()[0] == 200
    server.reload(settings(clients=[client(secret=OTHER)]))
    assert server.token("a", OTHER)[0] == 200


def test_another_master_key_takes_a_restart(serve, tmp_path):
    first, second = (base64.b64encode(bytes([i]) * 32).decode() for i in (1, 2))
    config = settings(store=f"sqlite:{tmp_path}/c.db", master_key=first)
    server = serve(config)
    event = server.reload({**config, "master_key": second, "clients": []}, expect="reload_failed")
    assert event["setting"] == "master_key" and "restart needed" in event["reason"]
    assert [f["setting"] for f in server.findings()] == ["master_key"]
    assert server.token()[0] == 200
    server.reload(config)
    assert server.program.end() == 0


def test_another_signing_key_signs_and_the_tokens_of_the_one_before_are_over(serve):
    pems = [subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                           capture_output=True, text=True, check=True).stdout for _ in range(2)]
    server = serve(settings(signing_key=pems[0]))
    for pem in (pems[1], None):
        token = server.token()[1]["access_token"]
        assert server.is_active(token)
        server.reload(settings(**({"signing_key": pem} if pem else {})))
        kids = [key["kid"] for key in server.call("GET", "/.well-known/jwks.json")[1]["keys"]]
        header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
        assert header["kid"] not in kids and not server.is_active(token)
    token = server.token()[1]["access_token"]  # of a key that the server made, and does not forget
    server.reload(settings(signing_key=pems[0]))
    assert server.is_active(token) and server.is_active(server.token()[1]["access_token"])
    assert server.program.end() == 0


def test_another_issuer_counts_at_once(serve):
    server = serve(settings())
    before = server.token()[1]["access_token"]
    other = "http://localhost:6000"
    server.reload(settings(issuer=other, clients=[client(introspect=[other])]))
    assert server.call("GET", "/.well-known/oauth-authorization-server")[1]["issuer"] == other
    assert not server.is_active(before)
    token = server.token()[1]["access_token"]
    answer = server.call("POST", "/oauth/introspect", {"token": token}, ("a", SECRET))[1]
    assert (answer["active"], answer["iss"], answer["aud"]) == (True, other, other)
    assert server.program.end() == 0


def test_lesson_27_the_files_of_tls_are_read_once(serve, tmp_path):
    """What was checked is what is used, whatever happens to the files meanwhile."""
    subprocess.run([CARDEA, "cert", "new", "localhost", "--dir", tmp_path], check=True, capture_output=True)
    tls = {"certificate": "cert.pem", "key": "key.pem"}
    server = serve(settings(tls=tls, issuer="https://localhost:5001"), plain=False)
    with Watch(tmp_path / "key.pem") as watch:
        server.reload(settings(tls=tls, issuer="https://localhost:5001", tokens={"lifetime": "1h"}))
        assert watch.count_opens() == 1
    assert server.program.end() == 0


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
        refuses("clients[1].secret", clients=[second, client("z", "${file:a}")])
        refuses("clients[0].secret", clients=[client(secret="${file:b}"), client("b", "${file:a}")])
        third = client("c", "0123456789abcdefghij")
        for clients in ([second, first], [third, second, first], [second], [second, third]):
            server.reload({**config, "clients": clients})  # wherever they stand, and as long as they stand there
            assert server.token("b", OTHER)[0] == 200
            assert server.token()[0] == (200 if first in clients else 401)
        refuses_first = server.reload({**config, "clients": [first, second]}, expect="reload_failed")
        assert refuses_first["setting"] == "clients[0].secret"  # it was gone meanwhile
        assert server.program.end() == 0
        server = Server(start, path)
        refuses("master_key", master_key="${file:c}")
        refuses("master_key", master_key=base64.b64encode(bytes(32)).decode())
        server.reload({**config, "clients": [client(secret=OTHER), second], "master_key": master})
        assert server.token("a", OTHER)[0] == 200
        server.reload({**config, "clients": [first, second], "master_key": master}, expect="reload_failed")
        assert server.program.end() == 0


def resident(process):
    with open(f"/proc/{process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def is_sanitized():
    code = CARDEA.read_bytes()
    return b"__asan_init" in code or b"__tsan_init" in code


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


class Load:
    """Clients that ask until the end: on one connection each, and on a new one for each request."""

    def __init__(self, server):
        self.server, self.stop, self.wrong, self.seen = server, threading.Event(), [], [0, 0]
        self.threads = [threading.Thread(target=self.ask, args=(keep,)) for keep in (True, True, False)]

    def ask(self, keep):
        connection = self.server.connect()
        try:
            connection.connect()
            sock = connection.sock
            while not self.stop.is_set():
                status, answer = self.server.token(connection=connection)
                pair = (answer.get("expires_in"), answer.get("scope"))
                assert status == 200 and pair in ((60, "read"), (120, "write")), (status, answer)
                self.seen[pair == (120, "write")] += 1
                if keep:
                    assert connection.sock is sock, "the connection was closed"
                else:
                    connection.close()
        except Exception as error:  # told by the main thread
            self.wrong.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def test_lesson_27_a_thousand_reloads_under_load_lose_no_request_and_no_memory(serve, tmp_path):
    """Each answer is of one configuration or of the other, never of both; listeners, limits and what is trusted differ too."""
    local, unix, issuer = "127.0.0.1:0", f"unix:{tmp_path}/http", {"issuer": "http://localhost:1"}
    kinds = [settings(listen=[local, {"address": unix, "mode": "0600"}], limits={"body": "1KB", "idle_timeout": "60s"},
                      password_hashing={"memory": "64KB", "iterations": 1}, tokens={"lifetime": "1m"},
                      clients=[client(scopes=["read"])] + [client(f"c{i}") for i in range(50)]),
             settings(listen=[{"address": local, "http2": True}, local], limits={"connections": 1000},
                      password_hashing={"memory": "128KB", "iterations": 1}, tokens={"lifetime": "2m"},
                      trusted_proxies=["127.0.0.1"], drain_delay="1ms", **issuer,
                      clients=[client(scopes=["write"])] + [client(f"d{i}") for i in range(50)])]
    server = serve(kinds[0])
    reloads = 300 if is_sanitized() else 1000  # a sanitizer reports the first use of freed memory, race or leak
    with Load(server) as load:
        sizes, opened = [], []
        for i in range(reloads):
            server.reload(kinds[(i + 1) % 2])
            if i in (299, 999):
                sizes.append(resident(server.program.process))
            assert not load.wrong
    assert not load.wrong and min(load.seen) > 0
    for i in range(2):
        server.reload(kinds[i])
        opened.append(descriptors(server.program.process))
    assert abs(opened[0] - opened[1]) <= 2, "as many as listeners and loops"
    if not is_sanitized():  # sanitizers keep what was freed
        assert sizes[1] - sizes[0] < 2048, f"KB resident after 300 and after 1000 reloads: {sizes}"
    assert server.program.end() == 0
