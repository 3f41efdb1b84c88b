"""Each limit of net/server.h, and what a client sees of it."""
import contextlib
import select
import socket
import time

import pytest

from engine import PATIENCE, PROTOCOL, Reader, Server, answer_to, get, post, read_all, says_close, unread, wait_until


@pytest.fixture(scope="module")
def server():
    with Server("request_line", 200, "headers", 1000, "header_count", 10, "body", 1000) as running:
        yield running


def refused(server, data, status, error):
    """The answer to `data` is an error in JSON, complete although more input comes, and the connection ends. That of HTTP/2 goes on."""
    with server.connect() as sock:
        sock.sendall(data)
        reader = Reader(sock)
        answer = reader.answer()
        assert (answer.status, answer.json()) == (status, {"error": error})
        assert says_close(answer)
        if PROTOCOL == "h2":
            sock.sendall(get("/inline?next"))
            assert reader.answer().body == b"next"
        else:
            assert reader.is_closed()


@pytest.mark.h1_only("there is no request line; see http2/test_http2_limits.py")
def test_a_request_line_over_its_limit_is_414(server):
    longest = 200 - len("GET  HTTP/1.1")
    assert answer_to(server, get("/" + "a" * (longest - 1))).status == 404
    refused(server, get("/" + "a" * longest), 414, "uri_too_long")


@pytest.mark.h1_only("there is no request line")
def test_a_request_line_that_never_ends_is_414(server):
    refused(server, b"GET /" + b"a" * 300, 414, "uri_too_long")


@pytest.mark.h1_only("headers are counted otherwise; see http2/test_http2_limits.py")
def test_headers_over_their_bytes_are_431(server):
    fixed = len("Host: localhost\r\nX: \r\n\r\n")
    assert answer_to(server, get("/healthz", "X: " + "a" * (1000 - fixed))).status == 200
    refused(server, get("/healthz", "X: " + "a" * (1001 - fixed)), 431, "header_fields_too_large")


@pytest.mark.h1_only("see the flood of CONTINUATION in http2/test_http2_attacks.py")
def test_headers_that_never_end_are_431(server):
    refused(server, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 2000, 431, "header_fields_too_large")


@pytest.mark.h1_only("headers are counted otherwise; see http2/test_http2_limits.py")
def test_more_headers_than_may_be_are_431(server):
    assert answer_to(server, get("/healthz", *["A: b"] * 9)).status == 200
    refused(server, get("/healthz", *["A: b"] * 10), 431, "header_fields_too_large")


def test_a_body_over_its_limit_is_413(server):
    assert answer_to(server, post("/echo", b"x" * 1000)).body == b"x" * 1000
    refused(server, post("/echo", b"x" * 1001), 413, "content_too_large")


def test_a_413_reaches_a_client_that_goes_on_sending(server):
    with server.connect() as sock:
        sock.sendall(get("/echo", "Content-Length: 8000000", method="POST"))
        for _ in range(80):
            sock.sendall(b"x" * 100000)
        assert Reader(sock).answer().status == 413


@pytest.mark.h1_only("chunks")
def test_chunks_over_the_limit_are_413(server):
    head = get("/echo", "Transfer-Encoding: chunked", method="POST")
    chunk = b"c8\r\n" + b"x" * 200 + b"\r\n"
    assert answer_to(server, head + chunk * 5 + b"0\r\n\r\n").body == b"x" * 1000
    refused(server, head + chunk * 5 + b"1\r\nx\r\n0\r\n\r\n", 413, "content_too_large")
    refused(server, head + b"ffffffff\r\n", 413, "content_too_large")


@pytest.mark.h1_only("chunks")
def test_chunk_extensions_and_trailers_are_bounded(server):
    head = get("/echo", "Transfer-Encoding: chunked", method="POST")
    assert answer_to(server, head + b"1;a=b\r\nx\r\n0\r\nTrailer: dropped\r\n\r\n").body == b"x"
    refused(server, head + b"1;" + b"a" * 9000, 400, "bad_request")
    refused(server, head + b"1\r\nx\r\n0\r\n" + b"A: b\r\n" * 3000, 400, "bad_request")


@pytest.mark.h1_only("drips lines; see http2/test_http2_attacks.py")
def test_a_head_that_does_not_come_in_time_is_408_whatever_drips():
    with Server("header_timeout", 300) as server, server.connect() as sock:
        begun = time.monotonic()
        sock.sendall(b"GET /healthz HTTP/1.1\r\n")
        sock.settimeout(0.02)
        data = b""
        while not data:
            try:
                data = sock.recv(65536)
            except socket.timeout:
                sock.sendall(b"A: b\r\n")
            assert time.monotonic() - begun < PATIENCE
        assert time.monotonic() - begun >= 0.3
        assert data.startswith(b"HTTP/1.1 408 ")
        assert b"\r\nConnection: close\r\n" in data


@pytest.mark.h1_only("half heads")
def test_the_header_timeout_begins_anew_with_each_request():
    with Server("header_timeout", 1000) as server, server.connect() as sock:
        reader = Reader(sock)
        end = time.monotonic() + 1.5
        sock.sendall(b"GET /inline?0 HTT")
        count = 0
        while time.monotonic() < end:
            count += 1
            sock.sendall(b"P/1.1\r\nHost: localhost\r\n\r\nGET /inline?%d HTT" % count)
            assert reader.answer().body == b"%d" % (count - 1)
            time.sleep(0.05)


def test_a_body_that_does_not_come_in_time_is_408():
    with Server("body_timeout", 200) as server:
        refused(server, get("/echo", "Content-Length: 10", method="POST") + b"x", 408, "request_timeout")
        refused(server, get("/echo", "Transfer-Encoding: chunked", method="POST") + b"5\r\nx", 408, "request_timeout")


def test_an_idle_connection_is_closed_without_a_word():
    with Server("idle_timeout", 200) as server, server.connect() as fresh, server.connect() as used:
        used.sendall(get("/healthz"))
        reader = Reader(used)
        assert reader.answer().status == 200
        assert reader.is_closed()
        assert read_all(fresh) == b""


@pytest.mark.h1_only("a connection that is turned away is told in HTTP/1")
def test_one_connection_too_many_is_503_and_the_others_go_on():
    with Server("connections", 2) as server, server.connect() as one, server.connect() as two:
        for sock in (one, two):
            sock.sendall(get("/healthz"))
            assert Reader(sock).answer().status == 200
        with server.connect() as three:
            reader = Reader(three)
            answer = reader.answer()
            assert (answer.status, answer.json()) == (503, {"error": "temporarily_unavailable"})
            assert answer.headers["retry-after"] == "1" and answer.headers["connection"] == "close"
            assert reader.is_closed()
        for sock in (one, two):
            sock.sendall(get("/inline?still"))
            assert Reader(sock).answer().body == b"still"
        one.close()
        wait_until(lambda: answer_to(server, get("/healthz")).status == 200)


def lingers(sock):
    """Whether the server still reads what comes from a client that it has turned away: it does so for two seconds."""
    try:
        for _ in range(2):  # the first send to a closed connection brings the reset, which the second one sees
            sock.sendall(b"x")
        return True
    except (ConnectionResetError, BrokenPipeError):
        return False


@pytest.mark.h1_only("a connection that is turned away is told in HTTP/1")
def test_a_free_connection_is_given_although_rejected_ones_linger():
    def is_given_while_they_linger():
        with Server("connections", 1) as server, contextlib.ExitStack() as turned_away:
            first = server.connect()
            first.sendall(get("/healthz"))
            assert Reader(first).answer().status == 200
            socks = [turned_away.enter_context(server.connect()) for _ in range(20)]
            for sock in socks:
                assert Reader(sock).answer().status == 503
            first.close()
            wait_until(lambda: answer_to(server, get("/healthz")).status == 200)
            return all(lingers(sock) for sock in socks)

    assert any(is_given_while_they_linger() for _ in range(5))  # a machine that is busy for two seconds shows nothing


def test_a_full_queue_is_503_and_the_connection_goes_on():
    with Server("workers", 1, "queue", 1) as server, contextlib.ExitStack() as stack:
        first, *others = [stack.enter_context(server.connect()) for _ in range(3)]
        first.sendall(get("/hold?1000"))
        wait_until(lambda: answer_to(server, get("/held")).body == b"1")
        for sock in others:
            sock.sendall(get("/worker?late"))
        # One of them waits behind the first; which is not ours to say.
        (refused,), _, _ = select.select(others, [], [], PATIENCE)
        reader = Reader(refused)
        answer = reader.answer()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        refused.sendall(get("/inline?fine"))
        assert reader.answer().body == b"fine"
        answer_to(server, get("/release"))
        assert Reader(first).answer().status == 200
        assert [Reader(sock).answer().body for sock in others if sock is not refused] == [b"late"]


def test_the_pool_of_outgoing_calls_is_apart():
    with Server("workers", 1, "queue", 1) as server, server.connect() as one:
        one.sendall(get("/hold-outgoing?1000"))
        wait_until(lambda: answer_to(server, get("/held")).body == b"1")
        assert answer_to(server, get("/worker?here")).body == b"here"
        answer_to(server, get("/release"))
        assert Reader(one).answer().body == b"1000"


@pytest.mark.h1_only("a pipeline; see http2/test_http2_flow.py")
def test_a_slow_reader_holds_little_memory():
    with Server("output", 65536, "write_timeout", 60000) as server:
        before = server.rss()
        socks = [server.connect(SO_RCVBUF=4096) for _ in range(4)]
        for sock in socks:
            sock.setblocking(False)
        request = get("/big?1000000")
        sent = [0, 0, 0, 0]
        stuck = time.monotonic() + 1
        while time.monotonic() < stuck:  # until the server has stopped reading for a second
            for i, sock in enumerate(socks):
                try:
                    sent[i] += sock.send(request * 100)
                    stuck = time.monotonic() + 1
                except BlockingIOError:
                    time.sleep(0.01)
        # Each asked for thousands of megabytes, and waits for at most one answer after what the kernel holds.
        assert all(count > 100 * len(request) for count in sent)
        if not server.is_sanitized():
            assert server.rss() - before < 24 * 1024 * 1024
        assert answer_to(server, get("/healthz")).status == 200
        for sock in socks:
            sock.close()


def test_a_slow_reader_gets_everything_in_order():
    with Server("output", 65536) as server, server.connect(SO_RCVBUF=4096) as sock:
        sizes = [200000 + i for i in range(20)]
        sock.sendall(b"".join(get(f"/big?{size}") for size in sizes))
        wait_until(lambda: unread(sock) > 1000)  # the answers have begun
        reader = Reader(sock)
        assert [len(reader.answer().body) for _ in sizes] == sizes


@pytest.mark.h1_only("a pipeline; see http2/test_http2_flow.py")
def test_a_reader_that_stands_still_is_reset():
    with Server("write_timeout", 300) as server, server.connect(SO_RCVBUF=4096) as sock:
        sock.sendall(get("/big?1000000") * 20)
        def is_reset():
            try:
                sock.send(b"x")
                return False
            except (ConnectionResetError, BrokenPipeError):
                return True
        wait_until(is_reset)
