"""Clients that go away, wait or flood, web sockets that are cut on either side, and what the gate holds afterwards."""
import base64
import hashlib
import os
import socket
import threading
import time

import pytest
from gated import Gated
from hostile_upstream import BEHAVIOURS, SLOW, HostileUpstream, reset
from raw_client import Http1, Http2, head_bytes
from services import wait_until

pytestmark = pytest.mark.xdist_group("gate-hostile-clients")  # one server for all

KINDS = ["http", "unix", "uwsgi"]
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
MEGABYTE = 1 << 20


class System:
    def __init__(self, folder):
        more = {"http": {}, "unix": {"unix": folder / "u.sock"}, "uwsgi": {"uwsgi": True}}
        self.upstreams = {kind: HostileUpstream(**more[kind]) for kind in KINDS}
        timeouts = {"timeouts": {"connect": "5s", "first_byte": "1s", "idle": "1s"}}
        self.gate = Gated(folder / "cardea", [{"host": f"{prefix}{kind}.example.com", "upstream": self.upstreams[kind].url, "public": True, **more}
                                              for prefix, more in (("", {}), ("slow-", timeouts)) for kind in KINDS], users={})

    def behave(self, kind, function):
        self.upstreams[kind].others["other"] = function

    def connect(self, client=Http1):
        return client(self.gate.h1 if client is Http1 else self.gate.h2)

    def check_good(self, kind, client=Http1):
        path = f"/good/{time.monotonic_ns()}"
        with self.connect(client) as connection:
            reply = connection.ask(f"GET {path}", [("Host", f"{kind}.example.com")])
        assert (reply.status, reply.body) == (200, f"answer to {path}".encode()), reply

    def close(self):
        self.gate.stop()
        for upstream in self.upstreams.values():
            upstream.close()


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    running = System(tmp_path_factory.mktemp("clients"))
    yield running
    running.close()


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=[Http1, Http2])
def client(request):
    return request.param


class Seen:
    """What an upstream saw of one request."""

    def __init__(self):
        self.begun, self.ended, self.fault, self.body = threading.Event(), threading.Event(), None, None

    def read(self, connection, request):
        del connection
        self.begun.set()
        try:
            request.read_body()
            self.body = request.body
        except (EOFError, OSError) as fault:
            self.fault = fault
        self.ended.set()

    def stream(self, connection, request):
        """Sends without an end."""
        request.read_body()
        self.begun.set()
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
            while True:
                connection.sendall(b"x" * 65536)
        except OSError as fault:
            self.fault = fault
        self.ended.set()


# --- uploads --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("framing, sent", [("Content-Length: 100", b"x" * 50), ("Transfer-Encoding: chunked", b"5\r\nhello\r\n"), ("Transfer-Encoding: chunked", b"64\r\nhello")])
@pytest.mark.parametrize("kind", ["http", "unix"])
def test_an_upload_that_breaks_off_is_never_complete(system, kind, framing, sent, how):
    seen = Seen()
    system.behave(kind, seen.read)
    with system.connect() as connection:
        connection.send(head_bytes("POST /other/x", [("Host", f"{kind}.example.com"), framing.encode()]) + sent)
        assert seen.begun.wait(30)
        if how == "reset":
            reset(connection.socket)
    assert seen.ended.wait(30)
    assert seen.fault is not None and seen.body is None
    system.check_good(kind)


@pytest.mark.parametrize("chunk", [b"xyz\r\nhello\r\n", b"5\r\nhelloXX", b"-1\r\n", b"ffffffffffffffffff\r\n"])
def test_an_upload_in_broken_chunks_is_never_complete(system, chunk):
    seen = Seen()
    system.behave("http", seen.read)
    with system.connect() as connection:
        connection.send(head_bytes("POST /other/x", [("Host", "http.example.com"), ("Transfer-Encoding", "chunked")]) + b"5\r\nhello\r\n" + chunk)
        reply = connection.read()
        assert reply.status in (400, 413) or not reply.is_complete, reply
        assert connection.is_at_end()
    assert not seen.begun.is_set() or (seen.ended.wait(30) and seen.body is None)
    system.check_good("http")


def test_a_stream_that_is_reset_is_never_complete(system):
    seen = Seen()
    system.behave("http", seen.read)
    with system.connect(Http2) as connection:
        stream = connection.open("POST /other/x", [("Host", "http.example.com")], end=False)
        connection.session.send_some(stream, b"x" * 1000, False)
        assert seen.begun.wait(30)
        connection.session.h2.reset_stream(stream.number)
        connection.session.flush()
        assert seen.ended.wait(30)
        assert seen.fault is not None and seen.body is None
        path = "/good/1"
        assert connection.ask(f"GET {path}", [("Host", "http.example.com")]).body == f"answer to {path}".encode()


@pytest.mark.parametrize("kind", ["http", "unix"])
def test_an_upload_that_nobody_reads_is_not_kept_in_memory(system, kind):
    """The client is held up instead."""
    go_on = threading.Event()

    def waits(connection, request):
        go_on.wait(60)
        request.read_body()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    system.behave(kind, waits)
    before = system.gate.resident()
    with system.connect() as connection:
        size = 100 * MEGABYTE
        connection.send(head_bytes("POST /other/x", [("Host", f"{kind}.example.com"), ("Content-Length", str(size))]))
        connection.socket.settimeout(1)
        sent = 0
        try:
            while sent < size:
                sent += connection.socket.send(b"x" * min(65536, size - sent))
        except TimeoutError:
            pass
        assert sent < size and (system.gate.is_sanitized or system.gate.resident() - before < 8 * MEGABYTE)
        go_on.set()
        connection.socket.settimeout(30)
        while sent < size:
            sent += connection.socket.send(b"x" * min(65536, size - sent))
        reply = connection.read()
    assert (reply.status, reply.body) == (200, b"hello")


# --- downloads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_answer_that_the_client_leaves_is_given_up(system, kind, client, how):
    seen = Seen()
    system.behave(kind, seen.stream)
    with system.connect(client) as connection:
        fields = [("Host", f"{kind}.example.com")]
        if client is Http1:
            connection.send(head_bytes("GET /other/x", fields))
        else:
            connection.open("GET /other/x", fields)
        assert seen.begun.wait(30)
        connection.socket.recv(100_000)
        if how == "reset":
            reset(connection.socket)
    assert seen.ended.wait(30) and seen.fault is not None
    system.check_good(kind, client)


def test_an_answer_that_nobody_reads_is_not_kept_in_memory(system, kind, client):
    seen = Seen()
    system.behave(kind, seen.stream)
    before = system.gate.resident()
    with system.connect(client) as connection:
        fields = [("Host", f"{kind}.example.com")]
        if client is Http1:
            connection.send(head_bytes("GET /other/x", fields))
        else:
            connection.open("GET /other/x", fields)
        assert seen.begun.wait(30)
        time.sleep(0.5)  # what would be kept by then is far more than what is allowed
        assert system.gate.is_sanitized or system.gate.resident() - before < 8 * MEGABYTE
        system.check_good(kind, client)
    assert seen.ended.wait(30)


def test_answers_to_pipelined_requests_come_in_their_order(system, kind):
    with system.connect() as connection:
        connection.send(b"".join(head_bytes(f"GET /good/{number}", [("Host", f"{kind}.example.com")]) for number in range(50)))
        assert [connection.read().body for _ in range(50)] == [f"answer to /good/{number}".encode() for number in range(50)]


def test_streams_at_the_same_time_have_their_own_answers(system, kind):
    with system.connect(Http2) as connection:
        streams = [connection.open(f"GET /good/{number}", [("Host", f"{kind}.example.com")]) for number in range(80)]
        for number, stream in enumerate(streams):
            assert connection.read(stream).body == f"answer to /good/{number}".encode()


# --- web sockets ----------------------------------------------------------------------------------------------------

UPGRADE = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Origin", "http://http.example.com")]


def accepts(after):
    """The upgrade, and then what `after` does with the connection."""
    def answer(connection, request):
        key = request.values("Sec-WebSocket-Key")[0].encode()
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        after(connection, request)
    return answer


def open_socket(system):
    connection = system.connect()
    connection.send(head_bytes("GET /other/x", [("Host", "http.example.com"), *UPGRADE]))
    reply = connection.read()
    assert reply.status == 101 and reply.value("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", reply
    return connection


def echo(connection, request):
    while data := bytes(request.reader.buffer) or connection.recv(65536):
        request.reader.buffer.clear()
        connection.sendall(data)


def test_a_web_socket_passes_bytes_of_any_kind(system):
    system.behave("http", accepts(echo))
    with open_socket(system) as connection:
        for size in (1, 2, 16384, 65537, 3 * MEGABYTE):
            data = os.urandom(size)
            sender = threading.Thread(target=connection.send, args=(data,))
            sender.start()
            assert connection.reader.take(size) == data
            sender.join()


def test_bytes_behind_the_upgrade_are_passed_too(system):
    """Sent with the request, and with the answer to it."""
    system.behave("http", accepts(lambda connection, request: (connection.sendall(b"first"), echo(connection, request))))
    with system.connect() as connection:
        connection.send(head_bytes("GET /other/x", [("Host", "http.example.com"), *UPGRADE]) + b"second")
        assert connection.read().status == 101
        assert connection.reader.take(11) == b"firstsecond"


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_web_socket_that_the_upstream_ends_is_ended(system, how):
    def ends(connection, request):
        connection.sendall(b"\x81\x7f\x00\x00")  # the beginning of a frame
        if how == "reset":
            reset(connection)

    system.behave("http", accepts(ends))
    with open_socket(system) as connection:
        while connection.reader.fill():
            pass
        assert bytes(connection.reader.buffer) in (b"\x81\x7f\x00\x00", b"")
    system.check_good("http")


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_web_socket_that_the_client_ends_is_ended(system, how):
    ended = threading.Event()

    def waits(connection, _):
        try:
            while connection.recv(1000):
                pass
        except OSError:
            pass
        ended.set()

    system.behave("http", accepts(waits))
    with open_socket(system) as connection:
        connection.send(b"\x81\x7f\x00\x00")
        if how == "reset":
            reset(connection.socket)
    assert ended.wait(30)
    system.check_good("http")


@pytest.mark.parametrize("answer, status", [(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200), (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 403),
                                            (b"HTTP/1.1 426 Upgrade\r\nUpgrade: other\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n", 426)])
def test_an_upgrade_that_is_refused_has_the_upstreams_answer(system, answer, status):
    def refuses(connection, _):
        connection.sendall(answer)

    system.behave("http", refuses)
    with system.connect() as connection:
        reply = connection.ask("GET /other/x", [("Host", "http.example.com"), *UPGRADE])
        assert reply.status == status and reply.is_complete


@pytest.mark.parametrize("lines", [b"Upgrade: other\r\nConnection: Upgrade\r\n", b"Connection: Upgrade\r\n", b"Upgrade: websocket, other\r\nConnection: Upgrade\r\n"])
def test_a_switch_to_a_protocol_that_was_not_asked_for_is_502(system, lines):
    system.behave("http", lambda connection, _: connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n" + lines + b"\r\nevil"))
    with system.connect() as connection:
        reply = connection.ask("GET /other/x", [("Host", "http.example.com"), *UPGRADE])
        assert reply.status == 502 and b"evil" not in reply.body


def test_what_is_no_web_socket_any_more_reads_no_request(system):
    """Smuggling by an upgrade that the application refuses: what the client sends next is a request to the gate, with a decision of its own."""
    paths = []

    def refuses(connection, request):
        request.read_body()
        paths.append(request.path)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        return True

    system.behave("http", refuses)
    with system.connect() as connection:
        connection.send(head_bytes("GET /other/1", [("Host", "http.example.com"), *UPGRADE]) + head_bytes("GET /other/2", [("Host", "unknown.example.com")]))
        assert connection.read().status == 400
        reply = connection.read()
        assert reply.status is None or reply.status in (400, 403, 404, 421), reply
    assert paths == ["/other/1"]


# --- what is held ---------------------------------------------------------------------------------------------------


def hostile_round(system):
    """Every behaviour of an upstream, and clients that go away in the middle of each."""
    def run(kind, name):
        path = f"{system.upstreams[kind].path_of(name)}"
        for host in (f"slow-{kind}.example.com",):
            with system.connect() as connection:
                connection.ask(f"GET {path}", [("Host", host)])
            with system.connect(Http2) as connection:
                connection.open(f"GET {path}", [("Host", host)])
                if name not in SLOW:
                    connection.socket.recv(10)

    threads = [threading.Thread(target=run, args=(kind, name)) for kind in KINDS for name in BEHAVIOURS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_descriptors_and_memory_return_to_where_they_were(system):
    system.behave("http", accepts(echo))
    sockets = [open_socket(system) for _ in range(50)]
    for connection in sockets:
        connection.close()
    hostile_round(system)

    def idle():
        """Connections that are kept for the next request are the upstreams' to close."""
        for upstream in system.upstreams.values():
            for connection in list(upstream.connections):
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        return system.gate.descriptors()

    wait_until(lambda: idle() == idle(), "nothing to change")
    time.sleep(1.2)
    descriptors, memory = idle(), system.gate.resident()
    for _ in range(2):
        hostile_round(system)
    wait_until(lambda: idle() == descriptors, f"descriptors to be {descriptors} again, not {idle()}")
    assert system.gate.is_sanitized or system.gate.resident() - memory < 4 * MEGABYTE
    for kind in KINDS:
        system.check_good(kind)
