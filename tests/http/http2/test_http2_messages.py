"""RFC 9113 section 8: requests and responses, and what is no request; extended CONNECT (RFC 8441)."""
import re

import pytest

from frames import *  # noqa: F403


def sent(wire, fields, *bodies, end=None):
    """A request of these very fields, and DATA frames after it; its stream."""
    stream = wire.new_stream()
    frames = [data(stream, body, end=i == len(bodies) - 1) for i, body in enumerate(bodies)]
    wire.send(headers(stream, fields, end=not bodies if end is None else end), *frames)
    return stream


# ---- what is a request ----

def test_an_answer_says_what_it_must(wire):
    answer = wire.ask("/inline?hello")
    assert (answer.status, answer.body) == (200, b"hello")
    assert set(answer.headers) == {"server", "date", "content-type", "content-length", "x-request-id"}
    assert answer.headers["content-length"] == "5"


def test_the_log_says_which_protocol_it_was():
    with Http2Server() as server, server.wire() as wire:
        wire.ask("/show?secret", ("cookie", "secret"))
        event = server.wait_for_event("request")
        assert (event["protocol"], event["method"], event["path"], event["status"]) == ("2", "GET", "/show", 200)
        assert re.fullmatch("[0-9a-f]{32}", event["request_id"]) and "secret" not in server.text()


def test_host_alone_names_the_authority(wire):
    answer = wire.answer(sent(wire, request("/show", ("host", "LocalHost.:80"), authority=None)))
    assert answer.json()["host"] == "localhost"


def test_host_and_authority_may_say_the_same(wire):
    assert wire.ask("/show", ("host", "LOCALHOST")).json()["host"] == "localhost"


def test_cookies_that_were_taken_apart_are_one_header(wire):
    # Section 8.2.3; what is between them stays.
    answer = wire.ask("/show", ("cookie", "a=b"), ("x-test", "between"), ("cookie", "c=d"))
    assert (answer.status, answer.json()["x"]) == (200, "between")


def test_a_header_may_come_with_any_byte_that_is_no_control(wire):
    answer = wire.ask("/show", ("x-test", "w\u00fc\u00dfte \t !\"~"))
    assert answer.status == 200 and answer.body.startswith(b'{"path":"/show"')


@pytest.mark.parametrize("length", [[], [("content-length", "10")]], ids=["without a length", "with its length"])
def test_a_body_may_come_in_pieces(wire, length):
    stream = sent(wire, request("/echo", *length, method="POST"), b"some ", b"", b"more!", b"")
    assert wire.answer(stream).body == b"some more!"


def test_a_body_may_be_padded_at_every_length(wire):
    stream = wire.open("/echo", method="POST", end=False)
    wire.send(data(stream, b"a", padding=0), data(stream, b"b", padding=255), data(stream, b"", padding=7),
              data(stream, b"c", padding=1, end=True))
    assert wire.answer(stream).body == b"abc"


def test_trailers_end_a_body_and_are_dropped(wire):
    stream = wire.open("/echo", method="POST", end=False)
    wire.send(data(stream, b"body"), headers(stream, [("x-sum", "4")]))
    assert wire.answer(stream).body == b"body"


def test_te_may_say_trailers(wire):
    assert wire.ask("/inline?a", ("te", "trailers")).body == b"a"


def test_an_answers_trailers_come_after_its_body(wire):
    answer = wire.ask("/trailers")
    assert (answer.body, answer.trailers) == (b"body", {"x-sum": "4", "x-other": "a b"})


def test_options_of_the_whole_server_has_a_star_for_a_path(wire):
    assert wire.answer(sent(wire, request("*", method="OPTIONS"))).status == 404


def test_a_method_that_nobody_knows_is_405(wire):
    assert wire.answer(sent(wire, request("/inline", method="BREW"))).status == 405


def test_methods_are_case_sensitive(wire):
    assert wire.answer(sent(wire, request("/inline", method="get"))).status == 405


def test_head_has_the_length_and_no_body(wire):
    answer = wire.answer(sent(wire, request("/inline?hello", method="HEAD")))
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "5", b"")


@pytest.mark.parametrize("fields", [
    request("/%00", method="HEAD"), request("/inline", ("host", "elsewhere"), method="HEAD"), request("/inline", method="HEAD", authority="@"),
    request("/none", method="HEAD"), request("/error", ("content_length", "1"), method="HEAD")],
    ids=["a bad path", "two hosts", "a bad host", "no such path", "a bad header"])
def test_head_has_no_body_even_where_it_is_refused(wire, fields):
    answer = wire.answer(sent(wire, fields))
    assert answer.status in (400, 404) and answer.body == b"", answer


def test_a_wrong_method_is_405_with_allow(wire):
    answer = wire.answer(sent(wire, request("/error", method="POST"), b""))
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, DELETE")


@pytest.mark.parametrize("path", ["/inject", "/nothing"])
def test_an_answer_that_cannot_be_sent_is_500_and_never_half_a_header(wire, path):
    answer = wire.ask(path)
    assert (answer.status, answer.json()) == (500, {"error": "server_error"})
    assert "set-cookie" not in answer.headers and "location" not in answer.headers


def test_what_a_handler_says_of_its_connection_is_left_out(wire):
    # The tunnel's handler sets Upgrade, which HTTP/2 does not have; Wire refuses an answer that has it.
    answer = wire.answer(sent(wire, request("/tunnel")))
    assert answer.body == b"no tunnel"


def test_expect_is_answered_when_the_body_is_wanted(wire):
    for path in ("/echo", "/sink"):
        stream = sent(wire, request(path, ("expect", "100-continue"), ("content-length", "3"), method="POST"), end=False)
        assert wire.wait(lambda: wire.streams[stream].informational == [100])
        wire.send(data(stream, b"abc", end=True))
        assert wire.answer(stream).body in (b"abc", b"3")
    assert wire.answer(stream).informational == [100]


def test_expect_is_answered_at_once_where_the_body_is_not_wanted(wire):
    stream = sent(wire, request("/nowhere", ("expect", "100-continue"), ("content-length", "3"), method="POST"), end=False)
    answer = wire.answer(stream)
    assert (answer.status, answer.informational) == (404, [])
    wire.wait(lambda: answer.code is not None)
    assert answer.code == NO_ERROR, "the client is told to keep its body"
    assert wire.answer(sent(wire, request("/echo", ("expect", "tea"), method="POST"), b"abc")).status == 417
    wire.assert_serves()


@pytest.mark.parametrize("bodies", [[b"body"], [b"", b"", b"body"], [b"body", b""]], ids=["one frame", "after empty ones", "before an empty one"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/inline", "/worker", "/nowhere"])
def test_a_body_in_get_is_400(wire, path, method, bodies):
    answer = wire.answer(sent(wire, request(path, method=method), *bodies))
    assert answer.status == 400 and (method == "GET" or answer.body == b"")
    wire.assert_serves()


def test_an_empty_frame_at_the_end_makes_no_body_in_get(wire):
    """Some proxies end every request so."""
    assert wire.answer(sent(wire, request("/inline?a"), b"")).body == b"a"
    assert wire.answer(sent(wire, request("/worker?a"), b"", b"")).body == b"a"


# ---- what is none ----

MALFORMED = {
    "no :method": request(method=None),
    "no :scheme": request(scheme=None),
    "no :path": request(path=None),
    "neither :authority nor host": request(authority=None),
    "an empty :path": request(path=""),
    "an empty :method": request(method=""),
    "an empty :scheme": request(scheme=""),
    "a :path without its slash": request(path="inline"),
    "a :path that is a URL": request(path="http://localhost/inline"),
    "a star for GET": request(path="*"),
    "a space in :path": request(path="/inline?a b"),
    "a tab in :path": request(path="/inline\ta"),
    "a line end in :path": request(path="/inline HTTP/1.1\r\nHost: a"),
    "NUL in :path": request(path="/inline\0"),
    "a space in :method": request(method="GET /inline HTTP/1.1"),
    "a line end in :method": request(method="GET\r\n"),
    "a line end in :authority": request(authority="localhost\r\nX: y"),
    "a path in :authority": request(authority="localhost/admin"),
    "a user in :authority": request(authority="me@localhost"),
    "a space in :authority": request(authority="local host"),
    "an empty :authority": request(authority=""),
    "a :scheme of no letters": request(scheme="http://"),
    ":method twice": [(":method", "GET"), *request()],
    ":path twice": [(":path", "/inline"), *request()],
    ":scheme twice": [(":scheme", "http"), *request()],
    ":authority twice": [(":authority", "localhost"), *request()],
    "an unknown pseudo-header": [(":unknown", "x"), *request()],
    ":status in a request": [(":status", "200"), *request()],
    ":protocol without CONNECT": [(":protocol", "echo"), *request()],
    "a pseudo-header after a header": [("x-test", "1"), *request()],
    "a pseudo-header at the end": [*request(path=None), ("x-test", "1"), (":path", "/inline")],
    "an empty pseudo-header's name": [(":", "x"), *request()],
    ":authority and host that differ": request("/inline", ("host", "elsewhere")),
    "two hosts": request("/inline", ("host", "localhost"), ("host", "elsewhere")),
    "two hosts without :authority": request("/inline", ("host", "localhost"), ("host", "localhost"), authority=None),
    "an upper-case name": request("/inline", ("X-Test", "1")),
    "an empty name": request("/inline", ("", "1")),
    "a space in a name": request("/inline", ("x test", "1")),
    "a colon in a name": request("/inline", ("x:test", "1")),
    "a line end in a name": request("/inline", ("x\r\ny", "1")),
    "NUL in a name": request("/inline", ("x\0", "1")),
    "a byte over 0x7f in a name": request("/inline", ("x\xe9", "1")),
    "CR in a value": request("/inline", ("x-test", "a\rb")),
    "LF in a value": request("/inline", ("x-test", "a\nb")),
    "NUL in a value": request("/inline", ("x-test", "a\0b")),
    "a request in a value": request("/inline", ("x-test", "a\r\n\r\nGET /admin HTTP/1.1\r\nHost: b\r\n\r\n")),
    "DEL in a value": request("/inline", ("x-test", "a\x7fb")),
    "a space before a value": request("/inline", ("x-test", " a")),
    "a tab after a value": request("/inline", ("x-test", "a\t")),
    "connection": request("/inline", ("connection", "close")),
    "keep-alive": request("/inline", ("keep-alive", "timeout=5")),
    "proxy-connection": request("/inline", ("proxy-connection", "close")),
    "transfer-encoding": request("/inline", ("transfer-encoding", "chunked")),
    "upgrade": request("/inline", ("upgrade", "websocket")),
    "te of more than trailers": request("/inline", ("te", "trailers, gzip")),
    "a content-length that is no number": request("/inline", ("content-length", "x")),
    "a negative content-length": request("/inline", ("content-length", "-1")),
    "a content-length with a sign": request("/inline", ("content-length", "+0")),
    "two content-lengths in one": request("/inline", ("content-length", "0, 0")),
    "two content-lengths": request("/inline", ("content-length", "0"), ("content-length", "0")),
    "a content-length without a body": request("/inline", ("content-length", "5")),
    "a name that looks like content-length": request("/inline", ("content_length", "0")),
    "a name that looks like transfer-encoding": request("/inline", ("transfer_encoding", "chunked")),
    "two content-types": [*request("/inline", ("content-type", "text/plain"), ("content-type", "application/json"))],
    "a number sign in the query": request("/inline?a#b"),
    "a quotation mark in the query": request("/inline?\"a\""),
    "a backslash in the query": request("/inline?a\\b"),
    "a byte over 0x7f in the query": request("/inline?\xe9"),
    "CONNECT": [(":method", "CONNECT"), (":authority", "localhost:80")],
    "CONNECT with a path": request("/tunnel", method="CONNECT"),
    "extended CONNECT without a path": [*request(path=None, method="CONNECT"), (":protocol", "echo")],
    "extended CONNECT without a scheme": [*request("/tunnel", scheme=None, method="CONNECT"), (":protocol", "echo")],
    "extended CONNECT without an authority": [*request("/tunnel", authority=None, method="CONNECT"), (":protocol", "echo")],
    ":protocol twice": [*request("/tunnel", method="CONNECT"), (":protocol", "echo"), (":protocol", "echo")],
    "an empty :protocol": [*request("/tunnel", method="CONNECT"), (":protocol", "")],
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("end", [True, False], ids=["whole", "with a body to come"])
def test_is_malformed(wire, name, end):
    wire.assert_malformed(sent(wire, MALFORMED[name], end=end))


@pytest.mark.parametrize("length, bodies", [("3", [b"four"]), ("5", [b"four"]), ("3", [b"a", b"b", b"c", b"d"]), ("0", [b"x"]), ("1", [b""])])
@pytest.mark.parametrize("path", ["/echo", "/worker-echo"])
def test_a_content_length_that_the_data_belie_is_malformed(wire, path, length, bodies):
    wire.assert_malformed(sent(wire, request(path, ("content-length", length), method="POST"), *bodies))


def test_a_streaming_handler_is_told_when_the_data_belie_the_length(server, wire):
    before = server.streaming()
    for length, body in (("3", b"four"), ("5", b"four")):
        wire.assert_malformed(sent(wire, request("/sink", ("content-length", length), method="POST"), body))
    wait_until(lambda: server.streaming() == {**before, "begun": before["begun"] + 2, "cancelled": before["cancelled"] + 2})


def test_a_content_length_of_more_than_64_bits_is_refused(wire):
    stream = sent(wire, request("/echo", ("content-length", "99999999999999999999"), method="POST"), end=False)
    how, code = wire.outcome(stream)
    assert code in (PROTOCOL_ERROR, 400, 413), (how, code)
    wire.assert_serves()


TRAILERS = {
    "a pseudo-header": [(":path", "/inline")],
    "a status": [(":status", "200")],
    "an upper-case name": [("X-Sum", "1")],
    "a line end": [("x-sum", "1\r\n")],
    "transfer-encoding": [("transfer-encoding", "chunked")],
}


@pytest.mark.parametrize("name", TRAILERS)
def test_trailers_are_malformed_with(wire, name):
    stream = wire.open("/echo", method="POST", end=False)
    wire.send(data(stream, b"body"), headers(stream, TRAILERS[name]))
    wire.assert_malformed(stream)


def test_trailers_that_do_not_end_the_stream_are_malformed(wire):
    stream = wire.open("/echo", method="POST", end=False)
    wire.send(data(stream, b"body"), headers(stream, [("x-sum", "4")], end=False))
    wire.assert_malformed(stream)


@pytest.mark.parametrize("path", ["/a%2fb", "/a%5cb", "/a\\b", "/a;b", "/a%00b", "/../a", "/a#b", "/%zz", "/%e0%80%af"])
def test_lesson_2_a_path_that_others_could_read_differently_is_refused(wire, path):
    wire.assert_malformed(sent(wire, request(path)))


def test_lesson_2_host_and_path_are_canonical(wire):
    shown = wire.ask("//a/../%73how?x=%2f", authority="LocalHost.:80").json()
    assert (shown["path"], shown["query"], shown["host"]) == ("/show", "x=%2f", "localhost")


def test_lesson_3_a_scheme_that_a_client_claims_changes_nothing(wire):
    shown = wire.ask("/scheme", scheme="https", authority="A.example:81").json()
    assert (shown["scheme"], shown["authority"], shown["host"]) == ("http", "A.example:81", "a.example")


def test_a_malformed_request_costs_the_others_nothing():
    """Its header block is over, and no deadline of it runs on."""
    with Http2Server("header_timeout", 300) as server, server.wire() as wire:
        slow = wire.open("/later?1500")
        assert wire.outcome(sent(wire, request("/inline", ("UPPER", "x")))) == ("reset", PROTOCOL_ERROR)
        assert wire.answer(slow).body == b"1500"


def test_a_malformed_request_leaves_the_connection_idle():
    with Http2Server("header_timeout", 300, "idle_timeout", 60000) as server, server.wire() as wire:
        stream = sent(wire, request("/inline", ("UPPER", "x")))
        assert wire.outcome(stream) == ("reset", PROTOCOL_ERROR)
        with server.wire() as other:
            assert other.ask("/later?1500").status == 200
        wire.assert_serves()


# ---- extended CONNECT ----

def test_a_malformed_request_leaves_a_log_line():
    with Http2Server() as server, server.wire() as wire:
        wire.outcome(sent(wire, [*request("/inline"), ("Upper", "case")]))
        event = server.wait_for_event("request")
        assert (event["status"], event["error"], event["peer"]) == (400, "bad_request", "127.0.0.1")
        assert event["reason"] and len(server.events("request")) == 1


def tunnel(wire, protocol="echo", path="/tunnel"):
    return sent(wire, [*request(path, method="CONNECT"), (":protocol", protocol)], end=False)


def test_a_tunnel_is_opened_by_200_and_carries_bytes_both_ways(wire):
    stream = tunnel(wire)
    it, said = wire.streams[stream], b""
    for i in range(20):
        said += b"ping %d" % i
        wire.send(data(stream, b"ping %d" % i))
        assert wire.wait_bytes(stream, len(said)) == said
    assert it.status == 200 and not {"upgrade", "content-length"} & set(it.headers)
    wire.send(data(stream, b"", end=True))
    assert wire.answer(stream).body == said
    wire.assert_serves()


def test_a_tunnel_takes_more_than_a_body_may_have(wire):
    stream = tunnel(wire)
    for _ in range(10):
        wire.send(data(stream, b"x" * 10000))
    wire.wait_bytes(stream, 100000)
    wire.send(data(stream, b"", end=True))
    wire.answer(stream)


def test_a_tunnel_ends_when_the_client_resets_it(server, wire):
    before = server.streaming()["cancelled"]
    stream = tunnel(wire)
    wire.send(data(stream, b"hello"))
    wire.wait_bytes(stream, 5)
    wire.send(reset(stream))
    wait_until(lambda: server.streaming()["cancelled"] == before + 1)
    wire.assert_serves()


@pytest.mark.parametrize("path, status", [("/nowhere", 404), ("/echo", 405), ("/inline", 400)])
def test_a_tunnel_to_where_there_is_none_is_refused_at_once(wire, path, status):
    """No END_STREAM comes before the client has an answer."""
    assert wire.answer(tunnel(wire, path=path)).status == status


def test_a_tunnel_to_another_protocol_is_not_opened(wire):
    stream = tunnel(wire, "websocket")
    wire.wait(lambda: wire.streams[stream].ended)
    assert wire.streams[stream].body == b"no tunnel"


def test_extended_connect_to_a_route_without_tunnels_opens_none(wire):
    stream = tunnel(wire, path="/inline")
    how, code = wire.outcome(stream)
    assert (how, code) in (("answer", 400), ("answer", 404), ("answer", 405), ("answer", 501), ("reset", PROTOCOL_ERROR)), (how, code)
    wire.assert_serves()


def test_a_tunnel_beside_other_streams_holds_none_up(wire):
    stream = tunnel(wire)
    wire.send(*[data(stream, b"x" * 10000)] * 6)
    assert wire.ask("/big?200000").size == 200000
    wire.wait_bytes(stream, 60000)
