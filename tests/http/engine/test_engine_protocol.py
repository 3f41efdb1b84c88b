"""HTTP/1.1 as the engine speaks it."""
import email.utils
import re
import time

import pytest

from engine import Reader, Server, answer_to, get, post, read_all, says_close


@pytest.fixture(scope="module")
def server():
    with Server("workers", 4) as running:
        yield running


def test_an_answer_says_what_it_must(server):
    answer = answer_to(server, get("/inline?hello"))
    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.headers["server"] == "Cardea"
    assert answer.headers["content-type"] == "text/plain"
    assert "connection" not in answer.headers
    assert abs(email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time()) < 5


def test_a_connection_serves_many_requests(server):
    with server.connect() as sock:
        reader = Reader(sock)
        for i in range(100):
            sock.sendall(get(f"/inline?{i}") if i % 3 else get(f"/worker?{i}"))
            assert reader.answer().body == b"%d" % i


def test_a_thousand_pipelined_requests_are_answered_in_order(server):
    paths = ["/inline", "/worker", "/outgoing", "/inline"]
    with server.connect() as sock:
        sock.sendall(b"".join(get(f"{paths[i % 4]}?{i}") for i in range(1000)))
        reader = Reader(sock)
        assert [int(reader.answer().body) for _ in range(1000)] == list(range(1000))


def test_pipelined_bodies_are_kept_apart(server):
    chunked = get("/echo", "Transfer-Encoding: chunked", method="POST") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with server.connect() as sock:
        sock.sendall((post("/echo", b"one") + chunked + post("/worker-echo", b"three")) * 30)
        reader = Reader(sock)
        assert [reader.answer().body for _ in range(90)] == [b"one", b"abcde", b"three"] * 30


@pytest.mark.h1_only("bytes of HTTP/1; see http2/test_http2_frames.py")
@pytest.mark.parametrize("request_bytes, body", [
    (get("/inline?drip"), b"drip"),
    (post("/echo", b"drip"), b"drip"),
    (post("/worker-echo", b"drip"), b"drip"),
    (get("/echo", "Transfer-Encoding: chunked", method="POST") + b"2;x=y\r\ndr\r\n02\r\nip\r\n0\r\nA: b\r\n\r\n", b"drip"),
])
def test_a_request_may_come_byte_by_byte(server, request_bytes, body):
    with server.connect() as sock:
        reader = Reader(sock)
        for _ in range(2):
            for byte in request_bytes:
                sock.sendall(bytes([byte]))
                time.sleep(0.0005)  # so that the pieces arrive apart
            assert reader.answer().body == body


def test_head_has_the_length_and_no_body(server):
    with server.connect() as sock:
        reader = Reader(sock)
        sock.sendall(get("/inline?hello", method="HEAD") + get("/inline?next"))
        answer = reader.answer(head_only=True)
        assert (answer.status, answer.headers["content-length"]) == (200, "5")
        assert reader.answer().body == b"next"


def test_a_wrong_method_is_405_with_allow(server):
    answer = answer_to(server, get("/error", "Content-Length: 0", method="POST"))
    assert (answer.status, answer.json()) == (405, {"error": "method_not_allowed"})
    assert answer.headers["allow"] == "GET, HEAD, DELETE"
    assert answer_to(server, get("/error", method="TRACE")).status == 405


def test_an_unknown_path_is_404_as_json(server):
    answer = answer_to(server, get("/nowhere"))
    assert (answer.status, answer.json(), answer.headers["content-type"]) == (
        404, {"error": "not_found"}, "application/json")
    assert answer_to(server, get("*", method="OPTIONS")).status == 404


def test_a_handlers_error_has_a_description(server):
    assert answer_to(server, get("/error")).json() == {
        "error": "invalid_request", "error_description": 'say "please"'}


@pytest.mark.h1_only("targets have one form; see http2/test_http2_messages.py")
def test_lesson_2_an_absolute_target_must_agree_with_host(server):
    assert answer_to(server, get("http://localhost/inline?a")).body == b"a"
    assert answer_to(server, get("HTTP://LOCALHOST/show")).json()["host"] == "localhost"
    assert answer_to(server, get("http://localhost?a")).status == 404
    assert answer_to(server, get("http://elsewhere/inline")).status == 400
    assert answer_to(server, get("http://user@localhost/inline")).status == 400
    assert answer_to(server, get("ftp://localhost/inline")).status == 400


def test_lesson_2_host_and_path_are_canonical(server):
    shown = answer_to(server, b"GET //a/../%73how?x=%2f HTTP/1.1\r\nHost: LocalHost.:80\r\n\r\n").json()
    assert (shown["path"], shown["query"], shown["host"]) == ("/show", "x=%2f", "localhost")


@pytest.mark.parametrize("path", ["/a%2fb", "/a%5cb", "/a\\b", "/a;b", "/a%00b", "/../a", "/a#b", "/%zz", "/%e0%80%af"])
def test_lesson_2_a_path_that_others_could_read_differently_is_400(server, path):
    answer = answer_to(server, get(path))
    assert answer.status == 400 and says_close(answer)


@pytest.mark.h1_only("bytes of HTTP/1")
@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/0.9\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n",
    b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
])
def test_what_is_not_http_1_is_400_and_the_end(server, data):
    answer = server.ask(data + get("/inline?second"))
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1


def chunked(*headers, body=b"1\r\nx\r\n0\r\n\r\n"):
    return get("/echo", *headers, method="POST") + body


@pytest.mark.h1_only("reads the bytes; see http2/test_http2_messages.py")
@pytest.mark.parametrize("data", [
    chunked("Transfer-Encoding: chunked;x=y"),
    chunked("Transfer-Encoding: chunked;"),
    chunked("Transfer-Encoding: chunked ; x"),
    chunked("Transfer-Encoding: gzip;q=1, chunked"),
    chunked("Transfer-Encoding: chunked, chunked"),
    chunked("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    chunked("Transfer-Encoding: chunked, gzip"),
    chunked("Transfer-Encoding: ,chunked"),
    chunked("Transfer-Encoding: xchunked"),
    chunked("Transfer-Encoding: \"chunked\""),
    chunked("Transfer-Encoding: chunked", "Content-Length: 11"),
    chunked("Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\nno colon\r\n\r\n"),
    chunked("Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\n: empty\r\n\r\n"),
    chunked("Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\nA b: c\r\n\r\n"),
    chunked("Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\nA : c\r\n\r\n"),
    chunked("Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\nA: b\r\n folded\r\n\r\n"),
    chunked("Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\nA: b\n\r\n"),
    chunked("Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\nA: \0\r\n\r\n"),
    chunked("Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\n\nA: b\r\n\r\n"),
    post("/echo", b"x", "Content-Type: text/plain", "Content-Type: application/json"),
    post("/echo", b"x", "Content-Type: text/plain", "content-type: TEXT/plain"),
    post("/echo", b"x", "Content-Type: text/plain", "Content-Type: "),
])
@pytest.mark.parametrize("path", [b"/echo", b"/stream-echo", b"/nowhere"])
def test_a_body_that_others_could_read_differently_is_400_and_the_end(server, data, path):
    with server.connect() as sock:
        sock.sendall(data.replace(b"/echo", path) + get("/inline?second"))
        answer = read_all(sock)
    if path == b"/stream-echo" and answer.startswith(b"HTTP/1.1 200 "):
        assert not answer.endswith(b"0\r\n\r\n")  # the answer had begun, and was cut off
    elif path == b"/stream-echo" and answer == b"":
        pass  # or so, before a byte of it had left
    else:
        assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") <= 1 and b"second" not in answer


def test_the_same_content_type_twice_is_one(server):
    assert answer_to(server, post("/echo", b"x", "Content-Type: text/plain", "Content-Type: text/plain")).body == b"x"


def test_a_trailer_section_is_read_and_dropped(server):
    for path in ("/echo", "/stream-echo"):
        body = b"1\r\nx\r\n0\r\nA: b\r\nContent-Length: 5\r\nC:\r\n\r\n"
        assert answer_to(server, chunked("Transfer-Encoding: chunked", body=body).replace(b"/echo", path.encode())).body == b"x"


BAD_QUERIES = [b"#", b"a#b", b"\"", b"a=\"b\"", b"\\", b"a\\b", b"\x80", b"\xff", "ä".encode(), b"a=\xc0\xaf"]


@pytest.mark.h1_only("reads the bytes; see http2/test_http2_messages.py")
@pytest.mark.parametrize("query", BAD_QUERIES)
def test_lesson_2_a_query_that_others_could_read_differently_is_400_and_the_end(server, query):
    for path in (b"/inline", b"/method", b"/nowhere"):
        answer = server.ask(b"GET " + path + b"?" + query + b" HTTP/1.1\r\nHost: localhost\r\n\r\n" + get("/inline?second"))
        assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1 and b"\r\nConnection: close\r\n" in answer


def test_a_clean_query_reaches_the_handler_as_it_was_sent(server):
    for query in ("", "a=%23%22%5C%80", "a=b&c=d?e=/f", "[]{}|^`<>'", "%zz"):
        assert answer_to(server, get(f"/inline?{query}")).body == query.encode()


@pytest.mark.h1_only("bytes of HTTP/1")
def test_one_empty_line_before_a_request_is_let_pass(server):
    assert answer_to(server, b"\r\n" + get("/inline?a")).body == b"a"


@pytest.mark.h1_only("HTTP/1.0")
def test_http_1_0_closes_unless_it_asks(server):
    with server.connect() as sock:
        reader = Reader(sock)
        sock.sendall(b"GET /inline?a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert reader.answer().headers["connection"] == "keep-alive"
        sock.sendall(b"GET /inline?a HTTP/1.0\r\n\r\n")
        assert reader.answer().headers["connection"] == "close"
        assert reader.is_closed()


@pytest.mark.h1_only("there is no Connection")
def test_connection_close_is_kept(server):
    data = server.ask(get("/inline?a", "Connection: close") + get("/inline?b"))
    assert b"\r\nConnection: close\r\n" in data and data.count(b"HTTP/1.1 ") == 1
    assert server.ask(get("/worker?a", "Connection: close")).endswith(b"\r\n\r\na")


@pytest.mark.h1_only("a client of HTTP/2 that closes its side has gone")
def test_a_client_that_only_closes_its_side_gets_its_answers(server):
    with server.connect() as sock:
        sock.sendall(get("/sleep?50") + get("/inline?b"))
        sock.shutdown(1)
        reader = Reader(sock)
        assert (reader.answer().body, reader.answer().body) == (b"50", b"b")
        assert reader.is_closed()


@pytest.mark.h1_only("see http2/test_http2_messages.py")
def test_expect_is_answered_when_the_body_is_wanted(server):
    with server.connect() as sock:
        reader = Reader(sock)
        sock.sendall(get("/echo", "Content-Length: 3", "Expect: 100-continue", method="POST"))
        assert reader.answer().status == 100
        sock.sendall(b"abc")
        assert reader.answer().body == b"abc"
        sock.sendall(post("/echo", b"there already", "Expect: 100-continue"))
        assert reader.answer().body == b"there already"
        sock.sendall(get("/nowhere", "Content-Length: 3", "Expect: 100-continue", method="POST"))
        assert reader.answer().status == 404
        assert reader.is_closed()
    answer = answer_to(server, get("/echo", "Content-Length: 3", "Expect: tea", method="POST"))
    assert (answer.status, answer.json()) == (417, {"error": "expectation_failed"})


@pytest.mark.h1_only("reads the bytes; see http2/test_http2_messages.py")
def test_head_has_no_body_even_where_it_is_refused(server):
    for request in (get("/%00", method="HEAD"), get("/inline", method="HEAD").replace(b"Host: ", b"Host: @")):
        with server.connect() as sock:
            sock.sendall(request)
            answer = read_all(sock)
            assert answer.startswith(b"HTTP/1.1 400 ") and answer.endswith(b"\r\n\r\n"), answer


@pytest.mark.h1_only("there are no transfer codings")
def test_a_coding_below_chunked_is_501_where_the_body_is_read(server):
    answer = answer_to(server, get("/echo", "Transfer-Encoding: gzip, chunked", method="POST") + b"0\r\n\r\n")
    assert (answer.status, answer.json()) == (501, {"error": "not_implemented"})


@pytest.mark.parametrize("path", ["/inject", "/nothing"])
def test_an_answer_that_cannot_be_sent_is_500_and_never_half_a_header(server, path):
    answer = answer_to(server, get(path))
    assert (answer.status, answer.json()) == (500, {"error": "server_error"})
    assert "set-cookie" not in answer.headers and "x-one" not in answer.headers


def test_header_values_come_as_they_were_sent(server):
    assert answer_to(server, get("/show", "x-tEST: \t a  b \t")).json()["x"] == "a  b"
    assert answer_to(server, get("/show-worker", "X-Test: kept")).json()["x"] == "kept"


def test_a_log_line_tells_the_request_but_no_secret(server):
    request_id = answer_to(server, get("/show?password=secret1", "Cookie: secret2")).headers["x-request-id"]
    answer_to(server, post("/echo", b"secret3"))
    answer_to(server, get("/inline?last"))
    server.wait_for_event("request")
    def line():
        return [e for e in server.events("request") if e.get("request_id") == request_id]
    from engine import wait_until
    wait_until(line)
    event = line()[0]
    assert (event["method"], event["path"], event["status"], event["peer"], event["client_id"]) == (
        "GET", "/show", 200, "127.0.0.1", "somebody")
    assert event["duration_us"] >= 0 and re.fullmatch("[0-9a-f]{32}", event["trace_id"])
    assert "secret" not in server.text()
