"""Upgrades (RFC 9110 §7.8): after 101, bytes go both ways until both sides have ended."""
import signal
import socket

import pytest

from engine import PATIENCE, Server, answer_to, get, post, read_all, wait_until

pytestmark = pytest.mark.h1_only("Upgrade; see http2/test_http2_messages.py")

UPGRADE = ("Connection: upgrade", "Upgrade: echo")


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


def open_tunnel(server, path="/tunnel", **options):
    exchange = server.begin("GET", path, *UPGRADE, **options)
    if path == "/tunnel":
        check_head(exchange)
    return exchange


def check_head(exchange):
    head = exchange.head()
    assert (head.status, head.headers["upgrade"], head.headers["connection"]) == (101, "echo", "upgrade")
    assert "content-length" not in head.headers and "transfer-encoding" not in head.headers


def read_exactly(exchange, length):
    data, exchange.reader.data = exchange.reader.data, b""
    while len(data) < length:
        piece = exchange.sock.recv(65536)
        assert piece, data
        data += piece
    return data


def release(server):
    wait_until(lambda: server.streams()["held"] == 1)
    assert answer_to(server, get("/release", method="POST")).status == 200


def test_a_tunnel_moves_raw_bytes_both_ways(server):
    with open_tunnel(server) as tunnel:
        for data in (b"a", b"GET / HTTP/1.1\r\n\r\n", b"0\r\n\r\n", bytes(range(256)) * 1000):
            tunnel.send(data)
            assert read_exactly(tunnel, len(data)) == data


def test_the_limit_of_a_body_does_not_count_in_a_tunnel(server):
    """/tunnel has a body_max of 1000."""
    with open_tunnel(server) as tunnel:
        for i in range(30):
            data = b"%04d" % i * 100
            tunnel.send(data)
            assert read_exactly(tunnel, len(data)) == data


def test_bytes_that_follow_the_request_at_once_are_the_tunnels(server):
    with server.connect() as sock:
        sock.sendall(get("/tunnel", *UPGRADE) + get("/inline?not-a-request"))
        sock.shutdown(socket.SHUT_WR)
        head, data = read_all(sock).split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101 ") and data == get("/inline?not-a-request")


def test_a_side_that_is_closed_gets_what_is_on_its_way_and_the_end(server):
    with open_tunnel(server) as tunnel:
        tunnel.send(b"x" * 100000)
        tunnel.sock.shutdown(socket.SHUT_WR)
        assert len(read_all(tunnel.sock)) == 100000


def test_a_tunnel_may_open_long_after_the_request(server):
    with open_tunnel(server, "/tunnel-held") as tunnel:
        release(server)
        check_head(tunnel)
        for data in (b"after", b"x" * 200000):
            tunnel.send(data)
            assert read_exactly(tunnel, len(data)) == data
        tunnel.sock.shutdown(socket.SHUT_WR)
        assert read_all(tunnel.sock) == b""


def test_what_comes_before_a_tunnel_opens_is_kept_with_its_end(server):
    with server.connect() as sock:
        sock.sendall(get("/tunnel-held", *UPGRADE))
        wait_until(lambda: server.streams()["held"] == 1)
        sock.sendall(b"early")
        sock.shutdown(socket.SHUT_WR)
        release(server)
        head, data = read_all(sock).split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101 ") and data == b"early"


def test_the_end_of_input_before_a_tunnel_opens_is_not_lost(server):
    with server.connect() as sock:
        sock.sendall(get("/tunnel-held", *UPGRADE))
        wait_until(lambda: server.streams()["held"] == 1)
        sock.shutdown(socket.SHUT_WR)
        assert answer_to(server, get("/inline?a")).body == b"a"
        release(server)
        head, data = read_all(sock).split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101 ") and data == b""


def test_a_tunnel_whose_reader_stands_still_holds_a_megabyte_at_most(server):
    with open_tunnel(server, SO_RCVBUF=4096) as tunnel:
        before = server.memory()
        tunnel.sock.setblocking(False)
        stuck = 0
        while stuck < 100:
            try:
                tunnel.sock.send(b"x" * 65536)
                stuck = 0
            except BlockingIOError:
                stuck += 1
                assert answer_to(server, get("/inline?a")).status == 200
        if not server.is_sanitized():
            assert server.memory() - before < 2 * 1024 * 1024
        tunnel.reset()


def test_a_tunnel_moves_much():
    with Server() as server, open_tunnel(server) as tunnel:
        total = (16 if server.is_sanitized() else 256) * 1024 * 1024
        before, piece = server.memory(), bytes(range(256)) * 1000
        sent = got = 0
        while got < total:
            if sent < total:
                tunnel.send(piece)
                sent += len(piece)
            while got < sent:
                got += len(tunnel.sock.recv(1024 * 1024))
        if not server.is_sanitized():
            assert server.memory() - before < 2 * 1024 * 1024


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_client_that_goes_away_ends_its_tunnel(how):
    with Server() as server:
        tunnel = open_tunnel(server)
        tunnel.send(b"abc")
        assert read_exactly(tunnel, 3) == b"abc"
        if how == "reset":
            tunnel.reset()
        else:
            tunnel.sock.close()
        wait_until(lambda: server.streams()["cancelled" if how == "reset" else "ended"] == 1)
        counts = server.streams()
        assert counts["ended"] + counts["cancelled"] == 1


def test_a_client_that_goes_away_before_a_tunnel_opens_cancels_it():
    with Server() as server:
        tunnel = open_tunnel(server, "/tunnel-held")
        wait_until(lambda: server.streams()["held"] == 1)
        tunnel.reset()
        wait_until(lambda: server.streams()["cancelled"] == 1)
        assert answer_to(server, get("/release", method="POST")).status == 404


@pytest.mark.parametrize("headers", [(), ("Upgrade: echo",), ("Connection: upgrade",), ("Connection: upgrade", "Upgrade: other"),
                                     ("Connection: upgrade", "Upgrade: other", "Upgrade: echo")])
def test_without_an_upgrade_there_is_no_tunnel(server, headers):
    assert answer_to(server, get("/tunnel", *headers)).body == b"no tunnel"


def test_http_1_0_cannot_upgrade(server):
    data = server.ask(get("/tunnel", *UPGRADE, version="HTTP/1.0"))
    assert data.startswith(b"HTTP/1.1 200 ") and data.endswith(b"no tunnel")


def test_a_request_with_a_body_cannot_upgrade(server):
    """Else part of the body could be taken for the tunnel's bytes."""
    with server.connect() as sock:
        sock.sendall(post("/tunnel", b"the body", *UPGRADE))
        sock.shutdown(socket.SHUT_WR)
        data = read_all(sock)
        assert data.startswith(b"HTTP/1.1 200 ") and data.endswith(b"no tunnel")


def test_a_tunnel_goes_on_until_the_grace_is_over():
    with Server("grace", 300) as server, open_tunnel(server) as tunnel:
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_event("stopping")
        tunnel.send(b"after")
        assert read_exactly(tunnel, 5) == b"after"
        assert read_all(tunnel.sock) == b""
        assert server.process.wait(PATIENCE) == 0
        event = server.wait_for_event("request")
        assert event["status"] == 101


def test_an_idle_tunnel_outlives_all_timeouts():
    with Server("idle_timeout", 100, "header_timeout", 100, "body_timeout", 100, "write_timeout", 100) as server, \
            open_tunnel(server) as tunnel:
        with server.begin("GET", "/later?600") as other:
            assert other.answer().status == 200
        tunnel.send(b"still")
        assert read_exactly(tunnel, 5) == b"still"
