"""SIGHUP: listeners, TLS, limits and the other settings of every service change while it runs (LESSONS 27)."""
import base64
import json
import os
import pathlib
import socket
import ssl
import stat
import subprocess
import tempfile

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from .commands import CARDEA, DEADLINE, listen_somewhere
from .reloads import SECRET, Server, client, settings


def free_port():
    taken = listen_somewhere()
    with taken:
        return taken.getsockname()[1]


def port_of(address):
    return int(address.rsplit(":", 1)[1])


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
    except ConnectionRefusedError:
        return False
    return True


def exchange(port, text, tls=None):
    """What comes back until the server closes."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as sock:
        if tls:
            sock = tls.wrap_socket(sock, server_hostname="localhost")
        sock.sendall(text.encode())
        while part := sock.recv(65536):
            answer += part
    return answer.decode(errors="replace")


def get(path="/healthz", **headers):
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: close\r\n\r\n"


def test_lesson_27_listeners_come_and_go_and_connections_go_on(serve, tmp_path):
    server = serve(settings())
    kept, added, path = port_of(server.address), free_port(), tmp_path / "http.sock"
    assert server.token()[0] == 200
    sock = server.connection.sock
    more = ["127.0.0.1:0", f"127.0.0.1:{added}", {"address": f"unix:{path}", "mode": "0600"}]
    server.reload(settings(listen=more))
    assert can_connect(kept) and can_connect(added)
    of_added = server.connect(f"127.0.0.1:{added}")
    assert server.token(connection=of_added)[0] == 200
    with socket.socket(socket.AF_UNIX) as unix:
        unix.connect(str(path))
        unix.sendall(get().encode())
        assert unix.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    more[2]["mode"] = "0666"
    server.reload(settings(listen=more))
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    server.reload(settings(listen=[f"127.0.0.1:{added}"]))
    assert not can_connect(kept) and can_connect(added) and not path.exists()
    assert server.token()[0] == 200 and server.connection.sock is sock, "of a listener that is gone"
    server.reload(settings(listen=["127.0.0.1:0"]))
    assert not can_connect(added) and server.token(connection=of_added)[0] == 200
    listening = [json.loads(line)["address"] for line in server.program.err if '"event":"listening"' in line]
    assert listening[:3] == [f"127.0.0.1:{kept}", f"127.0.0.1:{added}", f"unix:{path}"] and len(listening) == 4
    assert server.program.end() == 0


@pytest.mark.parametrize("mode", ["0600", "0666"])
def test_lesson_27_a_socket_whose_file_was_deleted_is_made_again(serve, tmp_path, mode):
    path = tmp_path / "http.sock"
    server = serve(settings(listen=["127.0.0.1:0", {"address": f"unix:{path}", "mode": "0600"}]))
    assert server.token()[0] == 200
    sock = server.connection.sock
    path.unlink()
    server.reload(settings(listen=["127.0.0.1:0", {"address": f"unix:{path}", "mode": mode}]))
    assert stat.S_IMODE(path.stat().st_mode) == int(mode, 8)
    server.reload(settings(listen=["127.0.0.1:0", {"address": f"unix:{path}", "mode": mode}]))
    with socket.socket(socket.AF_UNIX) as unix:
        unix.connect(str(path))
        unix.sendall(get().encode())
        assert unix.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert server.token()[0] == 200 and server.connection.sock is sock
    assert server.program.end() == 0 and not path.exists()


@pytest.mark.parametrize("other", ["file", "link"])
def test_lesson_27_a_file_that_replaced_a_socket_keeps_its_rights(serve, tmp_path, other):
    path, secret = tmp_path / "http.sock", tmp_path / "secret"
    server = serve(settings(listen=["127.0.0.1:0", {"address": f"unix:{path}", "mode": "0600"}]))
    secret.touch(0o600)
    path.unlink()
    if other == "file":
        path.touch(0o600)
    elif other == "link":
        path.symlink_to(secret)
    server.reload(settings(listen=["127.0.0.1:0", {"address": f"unix:{path}", "mode": "0666"}]), expect="reload_failed")
    assert [(f["setting"], f["reason"]) for f in server.findings()] == [
        ("listen[1]", f"the file of unix:{path} is another one; take the address out of the configuration, "
                      "reload, and put it back")]
    assert other != "file" or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert server.program.end() == 0


def test_lesson_27_a_port_that_is_taken_changes_nothing(serve, tmp_path):
    server = serve(settings())
    free = free_port()
    with listen_somewhere() as taken:
        port = taken.getsockname()[1]
        event = server.reload(settings(listen=["127.0.0.1:0", f"127.0.0.1:{free}", f"127.0.0.1:{port}"],
                                       tokens={"lifetime": "1h"}), expect="reload_failed")
    assert event["setting"] == "listen[2]" and f"127.0.0.1:{port} cannot be listened on" in event["reason"]
    assert [f["setting"] for f in server.findings()] == ["listen[2]"]
    assert not can_connect(free) and server.token()[1]["expires_in"] == 300
    event = server.reload(settings(listen=["127.0.0.1:0", f"unix:{tmp_path}/none/http"]), expect="reload_failed")
    assert event["setting"] == "listen[1]" and server.token()[0] == 200
    assert server.program.end() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_lesson_27_what_the_dropped_rights_do_not_reach_takes_a_restart(start):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        path = folder / "cardea.yaml"
        config = settings(user="nobody", listen=["127.0.0.1:0", {"address": f"unix:{folder}/http", "mode": "0600"}])
        path.write_text(json.dumps(config))
        server = Server(start, path)
        limit = int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
        changes = [("listen[1]", [{"address": f"unix:{folder}/http", "mode": "0666"}]),
                   ("listen[1]", [f"unix:{folder}/other"])]
        if limit > 1:
            changes.append(("listen[1]", ["127.0.0.1:1"]))
        for setting, listen in changes:
            event = server.reload({**config, "listen": ["127.0.0.1:0", *listen]}, expect="reload_failed")
            assert event["setting"] == setting and event["reason"].startswith("restart needed: "), event
            assert stat.S_IMODE((folder / "http").stat().st_mode) == 0o600
            assert server.token()[0] == 200
        server.reload({**config, "listen": ["127.0.0.1:0"]})
        assert server.program.end() == 0


def test_tls_begins_changes_and_ends(serve, tmp_path):
    subprocess.run([CARDEA, "cert", "new", "localhost", "--dir", tmp_path], check=True, capture_output=True)
    files = {"certificate": "cert.pem", "key": "key.pem"}
    trusting = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    server = serve(settings())
    port, redirecting = port_of(server.address), free_port()
    assert server.token()[0] == 200
    server.reload(settings(tls=files, redirect_listen=[f"127.0.0.1:{redirecting}"], issuer="https://localhost:1"))
    assert "HTTP/1.1 200 " in exchange(port, get(), trusting)
    assert f"Location: https://localhost:{port}/healthz" in exchange(redirecting, get())
    assert "HTTP/1.1 400 " in exchange(port, get())
    server.reload(settings(tls={**files, "client_ca": "ca.pem", "client_certificate": "require"},
                           issuer="https://localhost:1"))
    assert not can_connect(redirecting)
    with pytest.raises(OSError):  # the alert is that of a certificate that is missing
        assert exchange(port, get(), trusting) == ""
        raise ConnectionResetError
    assert server.token()[0] == 200, "the connection that began without TLS"
    server.reload(settings())
    assert "HTTP/1.1 200 " in exchange(port, get())
    assert server.program.end() == 0


def test_http2_and_proxy_protocol_of_a_listener_change(serve):
    server = serve(settings())
    port = port_of(server.address)
    preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    assert server.token()[0] == 200
    assert exchange(port, preface).startswith("HTTP/1.1 400 ")
    listen = {"address": "127.0.0.1:0", "http2": True}
    server.reload(settings(listen=[listen]))
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as sock:
        sock.sendall(preface.encode())
        assert sock.recv(9)[3] == 4, "SETTINGS"
    listen = {"address": "127.0.0.1:0", "proxy_protocol": True}
    server.reload(settings(listen=[listen], trusted_proxies=["127.0.0.1"]))
    assert exchange(port, get()) == ""
    assert "HTTP/1.1 200 " in exchange(port, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + get())
    assert server.token()[0] == 200, "the connection from before"
    assert server.program.end() == 0


def test_lesson_27_a_document_of_the_configuration_before_reaches_a_slow_reader_whole(serve):
    config = settings(listen=[{"address": "127.0.0.1:0", "http2": True}], threads=1, tokens={"alg": "RS256"})
    server = serve(config)
    whole = server.call("GET", "/.well-known/oauth-authorization-server")[1]
    slow = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    slow.local_settings = h2.settings.Settings(
        client=True, initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 16})
    slow.initiate_connection()
    slow.send_headers(1, [(":method", "GET"), (":path", "/.well-known/oauth-authorization-server"),
                          (":scheme", "http"), (":authority", "localhost")], end_stream=True)
    with socket.create_connection(("127.0.0.1", port_of(server.address)), 30) as sock:
        sock.sendall(slow.data_to_send())
        body, reloaded, ended = b"", False, False
        while not ended:
            for event in slow.receive_data(sock.recv(65536)):
                body += getattr(event, "data", b"") if isinstance(event, h2.events.DataReceived) else b""
                ended = ended or isinstance(event, h2.events.StreamEnded)
            if len(body) >= 16 and not reloaded:
                reloaded = True
                for scope in ("one", "two", "three"):
                    server.reload({**config, "scopes": ["read", scope * 100]})
                    server.call("GET", "/.well-known/oauth-authorization-server")
                slow.increment_flow_control_window(65536, 1)
            sock.sendall(slow.data_to_send())
    assert json.loads(body) == whole
    assert server.program.end() == 0


def test_trusted_proxies_change(serve):
    server = serve(settings())
    port = port_of(server.address)
    echoed = "X-Request-Id: of-the-proxy"
    for proxies in ([], ["127.0.0.1"], ["10.0.0.0/8"]):
        server.reload(settings(trusted_proxies=proxies))
        assert (echoed.lower() in exchange(port, get(X_Request_Id="of-the-proxy")).lower()) == (proxies == ["127.0.0.1"])
    assert server.program.end() == 0


def test_limits_change_for_open_connections_too(serve):
    server = serve(settings())
    form = {"grant_type": "client_credentials", "scope": "x" * 2000}

    def answers_within(**limits):
        server.reload(settings(limits=limits))
        status = server.call("POST", "/oauth/token", form, ("a", SECRET))[0]
        server.connection.close()  # the server closes after a refusal, and a new one begins under the same limits
        assert server.call("POST", "/oauth/token", form, ("a", SECRET))[0] == status
        return status

    assert answers_within() == 400
    assert answers_within(body="1KB") == 413
    assert answers_within(header_count=2) == 431
    assert answers_within(request_line="64", headers="1KB") == 400
    server.reload(settings(limits={"header_count": 1000}))
    assert server.token()[0] == 200
    assert server.program.end() == 0


def test_timeouts_and_the_number_of_connections_change(serve):
    server = serve(settings())
    port = port_of(server.address)
    server.reload(settings(limits={"idle_timeout": "10ms"}))
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as idle:
        assert idle.recv(1) == b"", "closed without a word"
    server.reload(settings(limits={"connections": 1}))
    assert server.token()[0] == 200, "it keeps its connection"
    assert exchange(port, get()).startswith("HTTP/1.1 503 ")
    server.reload(settings(limits={"connections": 2, "header_timeout": "10ms"}))
    assert exchange(port, "GET /").startswith("HTTP/1.1 408 ")
    assert server.program.end() == 0


def test_the_times_of_a_stop_change(serve):
    server = serve(settings(drain_delay="1h", shutdown_grace="1h"))
    with socket.create_connection(("127.0.0.1", port_of(server.address)), timeout=DEADLINE) as slow:
        slow.sendall(b"POST /oauth/token HTTP/1.1\r\n")  # under way, so that the stop waits for it
        server.reload(settings(drain_delay="0s", shutdown_grace="10ms"))
        assert server.program.end() == 0


def test_the_cost_of_a_hash_changes(serve, tmp_path):
    master = base64.b64encode(bytes(range(32))).decode()
    config = settings(store=f"sqlite:{tmp_path}/c.db", master_key=master, basic_tokens={"audience": "https://api"},
                      password_hashing={"memory": "64KB", "iterations": 1})
    server = serve(config)
    password = tmp_path / "password"
    password.write_text("correct horse battery staple")
    password.chmod(0o600)
    subprocess.run([CARDEA, "user", "add", "ana", "--config", server.path, "--password-file", password], check=True,
                   capture_output=True)

    def cost():
        assert server.call("GET", "/grant", user=("ana", password.read_text()))[0] == 200
        export = subprocess.run([CARDEA, "user", "export", "--config", server.path], capture_output=True, text=True,
                                check=True).stdout
        return export.split("$argon2id$", 1)[1].split("$")[1].split(",p=")[0]

    assert cost() == "m=64,t=1"
    server.reload({**config, "password_hashing": {"memory": "128KB", "iterations": 3}})
    assert cost() == "m=128,t=3", "the hash was made anew by the login"
    assert server.program.end() == 0
