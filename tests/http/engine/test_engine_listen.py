"""Unix sockets, sockets of systemd, and the PROXY protocol."""
import itertools
import json
import os
import socket
import ssl
import stat
import struct
import subprocess

import pytest

from engine import BINARY, PATIENCE, Reader, Server, answer_to, get, read_all, wait_until

pytestmark = pytest.mark.h1_only("what comes before any protocol")

V2 = b"\r\n\r\n\0\r\nQUIT\n"


def ask_unix(path, request):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.sendall(request)
        return Reader(sock).answer()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s"


def test_a_unix_socket_serves_on_every_loop_and_is_removed_at_the_end(path):
    with Server("threads", 2, "listen", "127.0.0.1:0", "mode", "0640", "listen", f"unix:{path}") as server:
        assert [e["address"] for e in server.events("listening")][1] == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        for _ in range(20):
            shown = ask_unix(path, get("/show")).json()
            assert (shown["peer"], shown["client_address"], shown["local_port"]) == ("unix:", "unix:", "0")
        with server.connect() as client:
            client.sendall(get("/show"))
            assert Reader(client).answer().json()["local_port"] == str(server.port)
    assert not path.exists()


def test_lesson_3_a_unix_peer_is_trusted_only_where_it_is_listed(path):
    forwarded = get("/show", "X-Forwarded-For: 203.0.113.7")
    with Server("trust", "127.0.0.1", "listen", "127.0.0.1:0", "listen", f"unix:{path}"):
        assert ask_unix(path, forwarded).json()["client_address"] == "unix:"
    with Server("trust", "unix:", "listen", "127.0.0.1:0", "listen", f"unix:{path}") as server:
        assert ask_unix(path, forwarded).json()["client_address"] == "203.0.113.7"
        assert answer_to(server, forwarded).json()["client_address"] == "127.0.0.1"


def test_a_stale_socket_is_replaced(path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with Server("listen", "127.0.0.1:0", "listen", f"unix:{path}"):
        assert ask_unix(path, get("/inline?a")).body == b"a"


def test_a_socket_on_which_somebody_answers_and_a_file_are_left_alone(path, tmp_path):
    with Server("listen", "127.0.0.1:0", "listen", f"unix:{path}"):
        ended = subprocess.run([BINARY, "listen", f"unix:{path}"], stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
        assert ended.returncode == 1 and f"unix:{path} cannot be listened on: another program answers there: Address already in use; choose another path" in ended.stderr
        assert ask_unix(path, get("/inline?a")).body == b"a"
    file = tmp_path / "file"
    file.write_text("precious")
    ended = subprocess.run([BINARY, "listen", f"unix:{file}"], stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert ended.returncode == 1 and "the path is not a socket" in ended.stderr
    assert file.read_text() == "precious"


def test_a_socket_that_is_not_ours_any_more_stays(path):
    with Server("listen", "127.0.0.1:0", "listen", f"unix:{path}"):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
    assert path.exists()


def started_by_systemd(*arguments, names="http", sock=None, count=1):
    """As systemd starts a service with a socket: descriptor 3, and three variables."""
    command = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", str(BINARY), *arguments]
    environment = {**os.environ, "LISTEN_FDS": str(count), "LISTEN_FDNAMES": names}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, preexec_fn=lambda: [os.dup2(sock.fileno(), 3 + n) for n in range(count)],
                            close_fds=False)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_a_socket_of_systemd_is_taken_over(threads):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        process = started_by_systemd("threads", threads, "listen", "systemd:http", sock=sock)
        try:
            for _ in range(10):
                with socket.create_connection(sock.getsockname()) as client:
                    client.sendall(get("/show"))
                    assert Reader(client).answer().json()["local_port"] == str(sock.getsockname()[1])
        finally:
            process.terminate()
            assert process.wait(PATIENCE) == 0
            process.stderr.close()


@pytest.mark.parametrize("names, listen, unused", [
    ("http", "systemd:http", []), ("http", "127.0.0.1:0", ["http"]), ("", "127.0.0.1:0", ["unknown"]), ("", "systemd:unknown", []),
    ("http:http", "systemd:http", ["http"]), ("http:cardea.socket", "systemd:http", ["cardea.socket"]), ("a:", "systemd:a", ["unknown"])])
def test_a_socket_of_systemd_that_nobody_listens_on_is_named(names, listen, unused):
    """Its clients connect, since systemd listens, and would wait for ever."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        process = started_by_systemd("listen", listen, names=names, sock=sock, count=names.count(":") + 1)
        lines = iter(process.stderr.readline, b"")
        said = list(itertools.takewhile(lambda event: event["event"] != "ready", map(json.loads, lines)))
        process.terminate()
        assert process.wait(PATIENCE) == 0
        process.stderr.close()
    warnings = [event for event in said if event["event"] == "systemd_socket_unused"]
    assert [(event["level"], event["name"]) for event in warnings] == [("warn", name) for name in unused]
    assert all("systemd:NAME" in event["fix"] for event in warnings)


def test_a_socket_that_systemd_has_not_passed_is_named():
    ended = subprocess.run([BINARY, "listen", "systemd:web"], stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert ended.returncode == 1 and "systemd:web cannot be listened on: systemd passed no socket with this name" in ended.stderr


def v2_header(command=1, family=0x11, address=socket.inet_aton("203.0.113.7") + socket.inet_aton("10.0.0.1")):
    body = address + struct.pack("!HH", 4001, 443)
    return V2 + bytes([0x20 | command, family]) + struct.pack("!H", len(body)) + body


@pytest.fixture(scope="module")
def proxied():
    with Server("trust", "127.0.0.1", "proxy", "1") as server:
        yield server


@pytest.mark.parametrize("header, client", [
    (b"PROXY TCP4 203.0.113.7 10.0.0.1 4001 443\r\n", "203.0.113.7"),
    (b"PROXY TCP6 2001:db8::7 ::1 4001 443\r\n", "2001:db8::7"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (v2_header(), "203.0.113.7"),
    (v2_header(command=0), "127.0.0.1"),
])
def test_a_proxy_header_says_who_the_client_is(proxied, header, client):
    shown = answer_to(proxied, header + get("/show", "X-Forwarded-For: 198.51.100.1")).json()
    # What a stranger forwards does not count; what the proxy's own check does, counts.
    assert shown["peer"] == client
    assert shown["client_address"] == (client if client != "127.0.0.1" else "198.51.100.1")


def test_a_proxy_header_may_come_byte_by_byte(proxied):
    with proxied.connect() as sock:
        for byte in v2_header() + get("/show"):
            sock.sendall(bytes([byte]))
        assert Reader(sock).answer().json()["peer"] == "203.0.113.7"


@pytest.mark.parametrize("data", [get("/show"), b"PROXY TCP4 nonsense\r\n" + get("/show"), b"\x16\x03\x01", V2[:-1] + b"X"])
def test_without_a_proxy_header_the_connection_is_closed(proxied, data):
    with proxied.connect() as sock:
        sock.sendall(data)
        assert read_all(sock) == b""
    proxied.wait_for_event("proxy_header_refused")


def test_lesson_3_a_stranger_on_a_proxy_listener_is_closed():
    with Server("trust", "10.0.0.0/8", "proxy", "1") as server, server.connect() as sock:
        try:
            sock.sendall(b"PROXY TCP4 203.0.113.7 10.0.0.1 4001 443\r\n" + get("/show"))
            assert read_all(sock) == b""
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert server.wait_for_event("proxy_header_refused")["reason"] == "the peer is not in trusted_proxies"


def test_a_proxy_header_that_never_ends_is_closed_in_time():
    with Server("trust", "127.0.0.1", "header_timeout", "200", "proxy", "1") as server, server.connect() as sock:
        sock.sendall(b"PROXY TCP4 ")
        assert read_all(sock) == b""
        wait_until(lambda: server.process.poll() is None)


def test_lesson_3_a_proxy_header_is_never_guessed():
    with Server("trust", "127.0.0.1") as server:
        assert answer_to(server, b"PROXY TCP4 203.0.113.7 10.0.0.1 4001 443\r\n" + get("/show")).status == 400


def test_tls_begins_behind_the_proxy_header(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                    "-out", certificate, "-subj", "/CN=localhost", "-days", "2"], check=True, capture_output=True)
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    with Server("certificate", str(certificate), "key", str(key), "trust", "127.0.0.1", "proxy", "1") as server:
        with server.connect() as sock:
            sock.sendall(v2_header())
            with context.wrap_socket(sock) as secured:
                secured.sendall(get("/show"))
                assert Reader(secured).answer().json()["peer"] == "203.0.113.7"
