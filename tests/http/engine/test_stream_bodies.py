"""Handlers that stream: bodies come and go in pieces, in bounded memory, and a client that goes away is noticed."""
import errno
import signal
import socket
import subprocess
import time

import pytest

from engine import PATIENCE, Reader, Server, answer_to, get, post, read_all, wait_until

pytestmark = pytest.mark.h1_only("reads the bytes; see http2/test_http2_flow.py")

PIECE = bytes(i % 251 for i in range(251 * 1045))  # of the pattern that /source sends; any 256 KB of it are in it
MEGABYTE = 1024 * 1024
GROWTH = 2 * MEGABYTE  # the bound is 1 MB; the rest is what the allocator and the kernel round up


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


def much(server):
    return 64 * MEGABYTE if server.is_sanitized() else 1024 * MEGABYTE


def wait_for_streams(server, **numbers):
    """The counters of the server's streaming handlers, relative to what they were when the test began."""
    wait_until(lambda: numbers.items() <= server.streams().items())


class Memory:
    """Asserts that the server's memory grows by a bounded amount in a `with` block."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        assert answer_to(self.server, post("/stream-echo", b"x" * 300000)).status == 200  # buffers that stay are there
        self.start = self.most = self.server.memory()
        return self

    def look(self):
        self.most = max(self.most, self.server.memory())

    def __exit__(self, kind, value, trace):
        self.look()
        if kind is None and not self.server.is_sanitized():
            assert self.most - self.start <= GROWTH, (self.most - self.start) / MEGABYTE


def check_pattern(at, data):
    """`data` is what stands at offset `at` of a source."""
    for start in range(0, len(data), 250 * 1024):
        piece = data[start:start + 250 * 1024]
        shift = (at + start) % 251
        assert piece == PIECE[shift:shift + len(piece)], at + start


def read_source(exchange, memory=None):
    """The length of a whole response of /source, checked."""
    at = 0
    for count, data in enumerate(exchange.body):
        check_pattern(at, data)
        at += len(data)
        if memory and count % 1000 == 0:
            memory.look()
    return at


# ---- pieces ----

def test_a_streaming_handler_begins_before_the_body_is_complete(server):
    with server.begin("POST", "/stream-echo", length=10) as exchange:
        head = exchange.head()  # not one byte of the body was sent
        assert (head.status, head.headers["transfer-encoding"]) == (200, "chunked")
        exchange.send(b"first")
        assert exchange.read(5) == b"first"
        exchange.send(b"later")
        assert exchange.read(5) == b"later"
        assert list(exchange.body) == []


@pytest.mark.parametrize("path", ["/stream-echo", "/eager-echo"])
def test_what_was_chunked_comes_back_as_it_came(server, path):
    with server.begin("POST", path, chunked=True) as exchange:
        assert exchange.head().status == 200
        for i in range(50):
            exchange.send(b"%d," % i)
            assert exchange.read(len(b"%d," % i)) == b"%d," % i
        exchange.end()
        assert list(exchange.body) == []


def test_a_streamed_answer_needs_no_length_and_keeps_the_connection(server):
    with server.connect() as sock:
        reader = Reader(sock)
        for size in (0, 1, 65536, 65537, 1000000):
            sock.sendall(get(f"/source?{size}"))
            answer = reader.answer()
            assert answer.headers["transfer-encoding"] == "chunked" and "content-length" not in answer.headers
            check_pattern(0, answer.body)
            assert len(answer.body) == size
        sock.sendall(get("/inline?next"))
        assert reader.answer().body == b"next"


def test_a_streamed_answer_may_say_its_length(server):
    with server.begin("GET", "/source-length?1000000") as exchange:
        answer = exchange.answer()
        assert answer.headers["content-length"] == "1000000" and "transfer-encoding" not in answer.headers
        check_pattern(0, answer.body)


def test_an_answer_comes_later_than_its_handler_returned(server):
    with server.connect() as sock:
        sock.sendall(get("/later?100") + get("/later?1") + get("/inline?after"))
        # The loop is free meanwhile.
        assert answer_to(server, get("/inline?other")).body == b"other"
        reader = Reader(sock)
        assert [reader.answer().body for _ in range(3)] == [b"100", b"1", b"after"]


def test_trailers_come_after_the_chunks(server):
    with server.begin("GET", "/trailers") as exchange:
        answer = exchange.answer()
        assert (answer.body, answer.headers["trailer"]) == (b"body", "X-Sum, X-Other")
        assert answer.trailers == [("X-Sum", "4"), ("X-Other", "a b")]


def test_a_handler_that_asks_for_no_body_answers_all_the_same(server):
    with server.connect() as sock:
        sock.sendall(get("/unasked", "Content-Length: 1000000", method="POST") + b"x" * 100000)
        reader = Reader(sock)
        answer = reader.answer()
        assert (answer.status, answer.body) == (200, b"unasked")
        assert reader.is_closed()


def test_an_empty_body_is_an_end_at_once(server):
    for request in (get("/sink", method="POST"), post("/sink", b""),
                    get("/sink", "Transfer-Encoding: chunked", method="PUT") + b"0\r\n\r\n"):
        assert answer_to(server, request).body == b"0"


# ---- memory ----

@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_gigabyte_is_uploaded_in_a_megabyte(server, framing):
    total, piece = much(server), b"x" * MEGABYTE
    options = {"length": total} if framing == "length" else {"chunked": True}
    with Memory(server) as memory, server.begin("POST", "/sink", **options) as exchange:
        for i in range(total // len(piece)):
            exchange.send(piece)
            if i % 32 == 0:
                memory.look()
        exchange.end()
        assert exchange.answer().body == b"%d" % total


@pytest.mark.parametrize("path", ["/source", "/source-length"])
def test_a_gigabyte_is_downloaded_in_a_megabyte(server, path):
    total = much(server)
    with Memory(server) as memory, server.begin("GET", f"{path}?{total}") as exchange:
        assert exchange.head().status == 200
        assert read_source(exchange, memory) == total


def fill(sock, data):
    """Sends until nobody has taken a byte for half a second; how many went."""
    sock.setblocking(False)
    sent, moved = 0, time.monotonic()
    while time.monotonic() - moved < 0.5:
        try:
            sent += sock.send(data)
            moved = time.monotonic()
        except BlockingIOError:
            time.sleep(0.005)
    sock.settimeout(PATIENCE)
    return sent


def test_a_reader_that_waits_costs_a_megabyte_and_gets_it_all(server):
    total = 256 * MEGABYTE if not server.is_sanitized() else 16 * MEGABYTE
    with Memory(server) as memory, server.begin("GET", f"/source?{total}", SO_RCVBUF=4096) as exchange:
        assert exchange.head().status == 200
        begun = server.streams()["ended"]
        for _ in range(20):
            assert answer_to(server, get("/inline?other")).body == b"other"
            memory.look()
        assert server.streams()["ended"] == begun  # it waits for us
        exchange.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MEGABYTE)
        assert read_source(exchange, memory) == total


def test_a_handler_that_pulls_slowly_stops_the_writer():
    with Server("grace", 100) as server, Memory(server) as memory, server.begin("POST", "/sink-slow?1024", length=1024 * MEGABYTE, SO_SNDBUF=65536) as exchange:
        sent = fill(exchange.sock, b"x" * 65536)
        assert sent < 32 * MEGABYTE  # what the kernel holds on both sides
        memory.look()
        exchange.reset()


def test_a_handler_that_pulls_slowly_gets_it_all(server):
    with server.begin("POST", "/sink-slow?20000", chunked=True) as exchange:
        for i in range(100):
            exchange.send(b"x" * 1999)
        exchange.end()
        assert exchange.answer().body == b"199900"


@pytest.mark.parametrize("piece, size", [(50, 300), (200, 100), (100000, 3000000)])
def test_a_handler_that_pulls_from_a_deadline_gets_it_all_over_http_2(piece, size):
    """Ended from within a pull that no frame has caused; more than the windows that were opened on the way."""
    with Server("http2", 1) as server:
        url = f"http://127.0.0.1:{server.port}/sink-slow?{piece}"
        done = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "--data-binary", "@-", "-w", " %{http_version} %{http_code}", url],
                              input=b"x" * size, capture_output=True, timeout=PATIENCE)
        assert (done.stdout, done.stderr) == (b"%d 2 200" % size, b"")


def test_an_echo_whose_answer_nobody_reads_stops_the_writer(server):
    with Memory(server) as memory, server.begin("POST", "/stream-echo", length=1024 * MEGABYTE, SO_RCVBUF=4096) as exchange:
        sent = fill(exchange.sock, b"x" * 65536)
        assert sent < 64 * MEGABYTE
        memory.look()
        exchange.reset()


def test_an_echo_moves_more_than_all_buffers_hold(server):
    total = much(server) // 16
    with Memory(server) as memory, server.begin("POST", "/stream-echo", length=total) as exchange:
        assert exchange.head().status == 200
        sent = got = 0
        piece = PIECE[:251 * 1000]
        while got < total:
            if sent < total:
                data = piece[:total - sent]
                exchange.send(data)
                sent += len(data)
            while got < sent:
                data = exchange.read(1)
                check_pattern(got % len(piece), data) if got % len(piece) + len(data) <= len(piece) else None
                got += len(data)
            memory.look()
        assert list(exchange.body) == []


# ---- limits ----

def test_a_streaming_route_has_a_limit_of_its_own(server):
    assert answer_to(server, post("/sink", b"x" * 200000)).body == b"200000"  # more than a whole body may have
    assert answer_to(server, post("/sink-small", b"x" * 1000)).body == b"1000"
    assert answer_to(server, post("/sink-small", b"x" * 1001)).status == 413
    with server.begin("POST", "/sink-small", chunked=True) as exchange:
        for _ in range(5):
            exchange.send(b"x" * 200)
        exchange.send(b"x")
        answer = exchange.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")


def test_an_upload_with_progress_outlives_the_body_timeout():
    with Server("body_timeout", 300) as server, server.begin("POST", "/stream-echo", chunked=True) as exchange:
        begun = time.monotonic()
        assert exchange.head().status == 200
        while time.monotonic() - begun < 1.5:
            exchange.send(b"a")
            assert exchange.read(1) == b"a"
            time.sleep(0.05)
        exchange.end()
        assert list(exchange.body) == []


def test_an_upload_without_progress_is_408():
    with Server("body_timeout", 200) as server:
        with server.begin("POST", "/sink", length=10) as exchange:
            exchange.send(b"x")
            answer = exchange.answer()
            assert (answer.status, answer.json()) == (408, {"error": "request_timeout"})
        assert server.streams()["cancelled"] == 1
        # Where the answer has begun, all that can be done is to end it.
        with server.begin("POST", "/stream-echo", length=10) as exchange:
            assert exchange.head().status == 200
            assert exchange.was_cut_off()
        assert server.streams()["cancelled"] == 2


def test_an_upload_below_the_least_rate_is_408():
    with Server("body_timeout", 300) as server, server.begin("POST", "/sink-rate", length=100000) as exchange:
        end = time.monotonic() + PATIENCE
        while not exchange.has_answer():
            exchange.send(b"x")
            time.sleep(0.02)
            assert time.monotonic() < end
        assert exchange.answer().status == 408


def test_a_body_that_nobody_asks_for_is_not_missed():
    """The time in which the handler does not want it does not count."""
    with Server("body_timeout", 100) as server, server.begin("POST", "/sink-held", length=3) as exchange:
        wait_for_streams(server, held=1)
        with server.begin("GET", "/later?500") as other:
            assert other.answer().status == 200
        assert not exchange.has_answer()
        assert answer_to(server, get("/release", method="POST")).status == 200
        exchange.send(b"abc")
        assert exchange.answer().body == b"3"


# ---- Expect ----

def test_100_continue_is_sent_when_the_handler_asks_for_the_body():
    with Server() as server, server.begin("POST", "/sink-held", "Expect: 100-continue", length=3) as exchange:
        wait_for_streams(server, held=1)
        for _ in range(5):
            assert answer_to(server, get("/inline?a")).status == 200
            assert not exchange.has_answer()
        answer_to(server, get("/release", method="POST"))
        assert exchange.head().status == 100
        exchange.send(b"abc")
        assert exchange.answer().body == b"3"


def test_100_continue_is_not_sent_where_nobody_asks(server):
    with server.begin("POST", "/unasked", "Expect: 100-continue", length=3) as exchange:
        answer = exchange.answer()
        assert (answer.status, answer.body) == (200, b"unasked")
        assert exchange.reader.is_closed()


def test_100_continue_comes_before_the_head_or_not_at_all(server):
    """An interim response after a final one would be read as its body (RFC 9110 §15.2)."""
    with server.begin("POST", "/stream-echo", "Expect: 100-continue", length=3) as exchange:
        assert exchange.head().status == 200
        exchange.send(b"abc")
        assert b"".join(exchange.body) == b"abc"
    with server.begin("POST", "/eager-echo", "Expect: 100-continue", length=3) as exchange:
        assert exchange.head().status == 100
        exchange.send(b"abc")
        assert exchange.answer().body == b"abc"


def test_100_continue_is_not_sent_to_a_client_that_sends_anyway():
    with Server() as server, server.begin("POST", "/sink-held", "Expect: 100-continue", length=5000) as exchange:
        wait_for_streams(server, held=1)
        exchange.send(b"x" * 5000)
        with server.begin("GET", "/later?1") as other:
            assert other.answer().status == 200
        answer_to(server, get("/release", method="POST"))
        statuses = [exchange.head().status]
        if statuses == [100]:  # it had not read the body yet
            statuses = [exchange.head().status]
        assert statuses == [200] and b"".join(exchange.body) == b"5000"


# ---- order ----

def test_pipelined_requests_wait_behind_a_streamed_one(server):
    with server.connect() as sock:
        sock.sendall(b"".join([
            post("/stream-echo", b"a" * 100000), get("/source?70000"), get("/inline?1"), post("/sink", b"b" * 100000),
            get("/source", method="HEAD"), get("/worker?2"), get("/later?1"), get("/source-length?3"), post("/sink-slow?50", b"c" * 200),
            get("/inline?last")]))
        reader = Reader(sock)
        assert reader.answer().body == b"a" * 100000
        check_pattern(0, reader.answer().body)
        assert reader.answer().body == b"1"
        assert reader.answer().body == b"100000"
        assert reader.answer(head_only=True).status == 200
        assert [reader.answer().body for _ in range(5)] == [b"2", b"1", b"\0\1\2", b"200", b"last"]


def test_pipelined_streams_byte_by_byte(server):
    data = post("/stream-echo", b"abc") + get("/stream-echo", "Transfer-Encoding: chunked", method="POST") + \
        b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n" + get("/inline?last")
    with server.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            sock.sendall(data[i:i + 1])
        reader = Reader(sock)
        assert [reader.answer().body for _ in range(3)] == [b"abc", b"abcde", b"last"]


# ---- HTTP/1.0, HEAD ----

def test_http_1_0_gets_a_body_that_the_connection_ends(server):
    with server.connect() as sock:
        sock.sendall(b"GET /source?300000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get("/inline?never"))
        reader = Reader(sock)
        head = reader.head()
        assert "transfer-encoding" not in head.headers and "content-length" not in head.headers
        assert head.headers["connection"] == "close"
        body = b"".join(reader.pieces(head))
        assert len(body) == 300000
        check_pattern(0, body)


def test_http_1_0_may_stream_and_keep_its_connection(server):
    with server.connect() as sock:
        reader = Reader(sock)
        for i in range(2):
            sock.sendall(b"GET /source-length?5 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            answer = reader.answer()
            assert (answer.body, answer.headers["connection"]) == (b"\0\1\2\3\4", "keep-alive")
        sock.sendall(b"POST /sink HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc")
        assert reader.answer().body == b"3"
        assert reader.is_closed()


@pytest.mark.parametrize("path, field, value", [("/source", "transfer-encoding", "chunked"), ("/source-length", "content-length", "9999999"),
                                                ("/trailers", "transfer-encoding", "chunked")])
def test_head_on_a_streamed_route_is_a_head_alone(server, path, field, value):
    with server.connect() as sock:
        reader = Reader(sock)
        for _ in range(2):
            sock.sendall(get(f"{path}?9999999", method="HEAD"))
            answer = reader.answer(head_only=True)
            assert (answer.status, answer.headers[field], reader.data) == (200, value, b"")
        sock.sendall(get("/inline?next"))
        assert reader.answer().body == b"next"


# ---- what cannot be completed ----

@pytest.mark.parametrize("path", ["/cut?1", "/cut?60000", "/wrong-length?9", "/wrong-length?11"])
def test_an_answer_that_is_not_completed_is_cut_off(path):
    with Server() as server, server.begin("GET", path) as exchange:
        try:
            exchange.head()
            assert exchange.was_cut_off()
        except (AssertionError, ConnectionResetError):
            assert not exchange.reader.data.endswith(b"\r\n\r\n")
        event = server.wait_for_event("request")
        assert (event["status"], event["error"]) == (200, "cancelled")
        counts = server.streams()
        assert (counts["begun"], counts["ended"], counts["cancelled"]) == (1, 1, 0)


def test_an_answer_of_the_right_length_is_fine(server):
    assert len(answer_to(server, get("/wrong-length?10")).body) == 10
    assert answer_to(server, get("/wrong-length?9", method="HEAD"), head_only=True).headers["content-length"] == "10"


def begin_and_wait(server, stage):
    """An exchange that has come as far as `stage` says."""
    if stage == "head":
        sock = server.connect()
        sock.sendall(b"POST /sink HTTP/1.1\r\nHost: a\r\nContent-Le")
        return sock
    path, length = {"body": ("/sink", 1000), "held": ("/sink-held", 1000), "slow": ("/sink-slow?50", 100000),
                    "echo": ("/stream-echo", 1000000)}.get(stage, ("/source?99999999", None))
    exchange = server.begin("POST" if length else "GET", path, length=length, SO_RCVBUF=4096)
    if stage == "echo":
        assert exchange.head().status == 200
    if length:
        exchange.send(b"x" * 100)
    if stage == "response":
        assert exchange.head().status == 200
        exchange.read(1)
    wait_for_streams(server, begun=1)
    return exchange


@pytest.mark.parametrize("stage", ["head", "body", "held", "slow", "echo", "response"])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_client_that_goes_away_cancels_its_exchange(stage, how):
    with Server() as server:
        gone = begin_and_wait(server, stage)
        if how == "reset":
            sock = getattr(gone, "sock", gone)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()
        else:
            getattr(gone, "sock", gone).close()
        if stage == "head":
            assert answer_to(server, get("/inline?a")).body == b"a"
            assert server.streams()["begun"] == 0
            return
        if stage == "held":  # nobody reads, so nobody sees it before the body is asked for
            answer_to(server, get("/release", method="POST"))
        wait_for_streams(server, begun=1, cancelled=1, ended=0, held=0)
        answer_to(server, get("/inline?last"))
        def event():
            return [e for e in server.events("request") if e.get("error") == "client_closed_request"]
        wait_until(event)
        assert event()[0]["status"] == (200 if stage in ("echo", "response") else 499)


def test_an_answer_that_comes_later_is_cancelled_by_a_reset():
    with Server() as server:
        exchange = server.begin("GET", "/later?60000")
        wait_for_streams(server, begun=1)
        exchange.reset()
        wait_for_streams(server, cancelled=1, ended=0)


def test_an_exchange_outlives_the_connection_that_brought_it():
    """Its handler runs on a pool, with the whole request, when nobody is there any more."""
    with Server("workers", 1) as server:
        for _ in range(10):
            exchange = server.begin("GET", "/sleep?20", "X-Test: " + "x" * 1000)
            exchange.reset()
        assert answer_to(server, get("/show-worker", "X-Test: y")).json()["x"] == "y"
        wait_until(lambda: len([e for e in server.events("request") if e["path"] == "/sleep"]) == 10)
        assert {e["status"] for e in server.events("request") if e["path"] == "/sleep"} <= {499, 200}


def test_many_clients_that_go_away_leave_nothing_behind():
    with Server("threads", 1) as server:
        for _ in range(20):
            for path, body in (("/source?9999999", None), ("/sink", 100), ("/stream-echo", 100000), ("/later?90000", None),
                               ("/sink-slow?50", 1000)):
                exchange = server.begin("POST" if body else "GET", path, length=body)
                if body:
                    exchange.send(b"x" * 50)
                exchange.reset()
        def all_gone():
            counts = server.streams()
            return counts["begun"] == counts["ended"] + counts["cancelled"]
        wait_until(all_gone)


# ---- the end of the server ----

def test_a_stream_that_runs_may_end_after_the_signal():
    with Server("grace", 60000) as server, server.begin("POST", "/stream-echo", chunked=True) as exchange:
        assert exchange.head().status == 200
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_event("stopping")
        for i in range(20):
            exchange.send(b"after")
            assert exchange.read(5) == b"after"
        exchange.end()
        assert list(exchange.body) == []
        assert exchange.reader.is_closed()
        assert server.process.wait(PATIENCE) == 0


def test_a_download_that_runs_is_completed_after_the_signal():
    with Server("grace", 60000) as server, server.begin("GET", "/source?20000000", SO_RCVBUF=65536) as exchange:
        assert exchange.head().status == 200
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_event("stopping")
        assert read_source(exchange) == 20000000


def test_a_stream_that_does_not_end_is_cut_off_when_the_grace_is_over():
    with Server("grace", 200) as server, server.begin("POST", "/stream-echo", chunked=True) as exchange, \
            server.begin("POST", "/sink-slow?1", length=1000) as slow, server.begin("GET", "/later?90000"):
        assert exchange.head().status == 200
        slow.send(b"x" * 900)
        wait_for_streams(server, begun=3)
        server.process.send_signal(signal.SIGTERM)
        assert exchange.was_cut_off()
        assert server.process.wait(PATIENCE) == 0


def test_failing_allocations_end_a_stream_but_nothing_else():
    from engine import BINARY
    with Server(binary=BINARY.with_name("echo-server-failing")) as server:
        server.process.send_signal(signal.SIGUSR1)
        for i in range(150):
            try:
                with server.connect(SO_RCVBUF=4096) as sock:
                    sock.sendall([get("/source?300000"), post("/stream-echo", b"x" * 100000), post("/sink", b"x" * 70000),
                                  get("/later?1"), get("/trailers")][i % 5])
                    sock.shutdown(socket.SHUT_WR)
                    read_all(sock)
            except OSError as error:
                assert error.errno in (errno.ECONNRESET, errno.EPIPE, errno.ECONNREFUSED, errno.ENOTCONN), error
        server.process.send_signal(signal.SIGUSR2)
        wait_until(lambda: answer_to(server, get("/worker?a")).body == b"a")
        counts = {}
        def all_gone():
            counts.update(server.streams())
            return counts["begun"] == counts["ended"] + counts["cancelled"]
        wait_until(all_gone)
