"""Each limit of http/limits.h as a client of HTTP/2 sees it: an answer on its stream, and a connection that goes on."""
import pytest

from frames import *  # noqa: F403

LIST_MAX = 16384


def size_of(fields):
    """As SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113 section 6.5.2)."""
    return sum(len(name) + len(value) + 32 for name, value in fields)


def filled(size):
    """A request whose header list has this size."""
    fields = request("/show")
    while size_of(fields) < size:
        left = size - size_of(fields) - len("x-fill") - 32
        fields.append(("x-fill", "a" * (left if left <= 3000 else 2900)))
    assert size_of(fields) == size
    return fields


def answer_of(wire, fields):
    stream = wire.new_stream()
    encoded = block(fields)
    pieces = [encoded[i:i + 16384] for i in range(0, len(encoded), 16384)]
    wire.send(headers(stream, pieces[0], flags=0 if pieces[1:] else END_HEADERS),
              *(continuation(stream, piece, end=piece is pieces[-1]) for piece in pieces[1:]))
    return wire.answer(stream)


def test_a_header_list_of_16_kb_is_served_and_one_byte_more_is_431(wire):
    assert answer_of(wire, filled(LIST_MAX)).status == 200
    answer = answer_of(wire, filled(LIST_MAX + 1))
    assert (answer.status, answer.json()) == (431, {"error": "header_fields_too_large"})
    wire.assert_serves()


def test_a_header_list_of_60_kb_is_431_and_the_connection_goes_on(wire):
    assert answer_of(wire, filled(60000)).status == 431
    wire.assert_serves()


def test_entries_of_the_header_table_stay_when_headers_are_too_many(wire):
    """What is not kept is decoded all the same (section 4.3)."""
    stream, next_stream = wire.new_stream(), wire.new_stream()
    wire.send(headers(stream, block(request("/show") + [("x-fill", "a")] * 500) + literal(b"x-test", b"from the table", indexed=True)),
              headers(next_stream, block(request("/show")) + b"\xbe"))
    assert wire.answer(stream).status == 431
    assert wire.answer(next_stream).json()["x"] == "from the table"


def test_a_hundred_headers_are_served_and_one_more_is_431(wire):
    assert wire.ask("/healthz", *[("a", "b")] * 100).status == 200
    assert wire.ask("/healthz", *[("a", "b")] * 101).status == 431
    wire.assert_serves()


def test_a_head_that_is_refused_is_answered_before_its_body_comes(wire):
    stream = wire.new_stream()
    wire.send(headers(stream, [*request("/echo", method="POST"), *[("a", "b")] * 101], end=False))
    assert wire.answer(stream).status == 431


def test_a_path_over_its_limit_is_414(wire):
    assert wire.ask("/" + "a" * 8000).status == 404
    answer = wire.ask("/" + "a" * 8192)
    assert (answer.status, answer.json()) == (414, {"error": "uri_too_long"})
    wire.assert_serves()


@pytest.mark.parametrize("says", [True, False], ids=["with its length", "without a length"])
@pytest.mark.parametrize("path", ["/echo", "/worker-echo"])
def test_a_body_over_its_limit_is_413(wire, path, says):
    for size, status in ((65536, 200), (65537, 413)):
        stream = wire.open(path, *[("content-length", str(size))] if says else [], method="POST", end=False)
        wire.upload(stream, size)
        assert wire.answer(stream).status == status
    assert wire.streams[stream].json() == {"error": "content_too_large"}
    wire.assert_serves()


def test_a_413_comes_before_a_body_that_says_how_long_it_is(wire):
    stream = wire.open("/echo", ("content-length", "65537"), method="POST", end=False)
    assert wire.answer(stream).status == 413
    assert wire.wait(lambda: wire.streams[stream].code == NO_ERROR), "the client is told to stop (section 8.1)"


def test_a_413_reaches_a_client_that_goes_on_sending(wire):
    stream = wire.open("/echo", method="POST", end=False)
    for _ in range(15):  # what the windows allow
        wire.send(data(stream, b"x" * 16384))
    assert wire.answer(stream).status == 413
    wire.assert_serves()


def test_a_streaming_route_has_a_limit_of_its_own(wire):
    for size, status in ((1000, 200), (1001, 413)):
        stream = wire.open("/sink-small", method="POST", end=False)
        wire.upload(stream, size)
        assert wire.answer(stream).status == status


def test_a_hundred_streams_are_served_at_once(wire):
    streams = [wire.open("/later?200") for _ in range(100)]
    assert {wire.answer(stream).body for stream in streams} == {b"200"}


def test_one_stream_too_many_is_refused(server, wire):
    for _ in range(100):
        wire.open("/later?60000")
    wire.ping()
    how, code = wire.outcome(wire.open("/inline?a"))
    assert (how, code) in (("reset", REFUSED_STREAM), ("reset", PROTOCOL_ERROR), ("goaway", PROTOCOL_ERROR)), (how, code)
    server.assert_alive()


def test_a_stream_that_ends_makes_room_for_another(wire):
    streams = [wire.open("/later?60000") for _ in range(100)]
    wire.send(*(reset(stream) for stream in streams[:50]))
    assert [wire.answer(stream).status for stream in [wire.open("/later?10") for _ in range(50)]] == [200] * 50


def test_a_full_queue_is_503_and_the_connection_goes_on():
    with Http2Server("workers", 1, "queue", 1) as server, server.wire() as wire:
        streams = [wire.open("/sleep?300") for _ in range(10)]
        answers = [wire.answer(stream) for stream in streams]
        statuses = [answer.status for answer in answers]
        assert set(statuses) == {200, 503} and statuses.count(200) <= 3
        assert {answer.headers["retry-after"] for answer in answers if answer.status == 503} == {"1"}
        wire.assert_serves()


# ---- time ----

def test_a_body_that_does_not_come_in_time_is_408_and_the_connection_goes_on():
    with Http2Server("body_timeout", 200) as server, server.wire() as wire:
        for path in ("/echo", "/sink"):
            stream = wire.open(path, ("content-length", "10"), method="POST", end=False)
            wire.send(data(stream, b"x"))
            answer = wire.answer(stream)
            assert (answer.status, answer.json()) == (408, {"error": "request_timeout"})
        wire.assert_serves()


def test_a_body_that_drips_is_408_where_it_is_read_whole():
    with Http2Server("body_timeout", 400) as server, server.wire() as wire, server.wire() as clock:
        stream = wire.open("/echo", method="POST", end=False)
        for _ in range(50):
            wire.send(data(stream, b"x"))
            assert clock.ask("/later?50").status == 200
            wire.ping()
            if wire.streams[stream].ended:
                break
        assert wire.answer(stream).status == 408


def test_a_body_with_progress_outlives_the_timeout_where_it_is_streamed():
    with Http2Server("body_timeout", 700) as server, server.wire() as wire, server.wire() as clock:
        stream = wire.open("/sink", method="POST", end=False)
        for _ in range(10):
            wire.send(data(stream, b"x"))
            assert clock.ask("/later?200").status == 200
        wire.send(data(stream, end=True))
        assert wire.answer(stream).body == b"10"


def test_a_body_below_the_least_rate_is_408():
    with Http2Server("body_timeout", 300) as server, server.wire() as wire, server.wire() as clock:
        stream = wire.open("/sink-rate", method="POST", end=False)
        for _ in range(100):
            wire.send(data(stream, b"x" * 100))
            assert clock.ask("/later?20").status == 200
            wire.ping()
            if wire.streams[stream].ended:
                break
        assert wire.answer(stream).status == 408


def test_a_tunnel_outlives_all_timeouts():
    with Http2Server("body_timeout", 100, "idle_timeout", 100, "header_timeout", 100, "write_timeout", 100) as server:
        with server.wire() as wire:
            stream = wire.new_stream()
            wire.send(headers(stream, [*request("/tunnel", method="CONNECT"), (":protocol", "echo")], end=False))
            assert wire.answer(wire.open("/later?1000")).status == 200
            wire.send(data(stream, b"still"))
            assert wire.wait_bytes(stream, 5) == b"still"


def test_a_handler_that_takes_long_outlives_all_timeouts():
    with Http2Server("body_timeout", 100, "idle_timeout", 100, "header_timeout", 100, "write_timeout", 100) as server:
        with server.wire() as wire:
            assert wire.ask("/sleep?1000").body == b"1000"


@pytest.mark.parametrize("used", [False, True], ids=["fresh", "used"])
def test_an_idle_connection_is_told_and_closed(used):
    with Http2Server("idle_timeout", 200) as server, server.wire() as wire:
        if used:
            assert wire.ask("/inline?a").body == b"a"
        assert wire.wait_end() == NO_ERROR


def test_pings_do_not_keep_an_idle_connection():
    with Http2Server("idle_timeout", 300) as server, server.wire() as wire, server.wire() as clock:
        def has_ended():
            wire.send(frame(PING, 0, 0, b"x" * 8))
            clock.ask("/later?20")
            seen = len(wire.pongs)
            wire.wait(lambda: len(wire.pongs) > seen)
            return wire.at_eof
        wait_until(has_ended)
        assert wire.goaways == [(NO_ERROR, 0)]


def test_one_connection_too_many_is_closed_and_the_others_go_on():
    with Http2Server("connections", 2) as server, server.wire() as one, server.wire() as two:
        one.assert_serves()
        with server.connect_raw() as sock:
            sock.sendall(PREFACE + settings() + headers(1, request("/inline?unserved")))
            got = b""
            while piece := sock.recv(65536):
                got += piece
            assert b"unserved" not in got
        one.assert_serves()
        two.assert_serves()
