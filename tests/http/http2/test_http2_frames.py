"""RFC 9113 sections 3 to 7: the connection, its frames, and the states of its streams."""
import socket
import struct

import pytest

from engine import Reader, get
from frames import *  # noqa: F403


# ---- the beginning ----

def test_the_server_says_what_it_takes(wire):
    assert wire.settings == {MAX_CONCURRENT_STREAMS: 100, MAX_HEADER_LIST_SIZE: 16384, ENABLE_CONNECT_PROTOCOL: 1,
                             INITIAL_WINDOW_SIZE: wire.settings[INITIAL_WINDOW_SIZE]}
    assert ENABLE_PUSH not in wire.settings or wire.settings[ENABLE_PUSH] == 0


def test_the_first_frame_of_the_server_is_its_settings(server):
    with server.wire(greets=False) as wire:
        wire.send(PREFACE, settings(), headers(1, request()))
        assert wire.read().type == SETTINGS
        assert wire.answer(1).body == b"a"


def test_a_preface_may_come_byte_by_byte(server):
    with server.wire(greets=False) as wire:
        for byte in PREFACE + settings() + headers(1, request("/inline?drip")):
            wire.send(bytes([byte]))
        assert wire.answer(1).body == b"drip"


def test_what_begins_like_a_preface_and_is_http_1_is_answered_so(server):
    with server.connect_raw() as sock:
        sock.sendall(b"P")
        sock.sendall(get("/echo", "Content-Length: 4", method="POST")[1:] + b"body")
        assert Reader(sock).answer().body == b"body"


@pytest.mark.parametrize("preface", [
    PREFACE[:16] + b"\r\n\r\nXX\r\n\r\n"[2:], PREFACE[:-2] + b"XX", b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n", b"PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x00" * 24, b"PRI * HTTP/2.0\r\n\r\n\r\n"])
def test_a_bad_preface_ends_the_connection_and_nothing_behind_it_is_served(server, preface):
    with server.connect_raw() as sock:
        sock.sendall(preface + settings() + headers(1, request("/inline?unserved")))
        got = b""
        while piece := sock.recv(65536):
            got += piece
        assert b"unserved" not in got
    server.assert_alive()


def test_a_preface_without_settings_after_it_is_an_error(server):
    with server.wire(greets=False) as wire:
        wire.send(PREFACE, headers(1, request()))
        wire.assert_connection_error(PROTOCOL_ERROR)


def test_the_first_settings_may_not_be_an_acknowledgement(server):
    with server.wire(greets=False) as wire:
        wire.send(PREFACE, settings(ack=True))
        wire.assert_connection_error(PROTOCOL_ERROR)


# ---- frames of the connection ----

CONNECTION_ERRORS = {
    "SETTINGS on a stream": (frame(SETTINGS, 0, 1), [PROTOCOL_ERROR]),
    "SETTINGS of a length that is no multiple of six": (frame(SETTINGS, 0, 0, b"\0\0\0"), [FRAME_SIZE_ERROR]),
    "a SETTINGS acknowledgement with a payload": (frame(SETTINGS, ACK, 0, b"\0\3\0\0\0\1"), [FRAME_SIZE_ERROR]),
    "ENABLE_PUSH of 2": (settings((ENABLE_PUSH, 2)), [PROTOCOL_ERROR]),
    "INITIAL_WINDOW_SIZE over 2^31-1": (settings((INITIAL_WINDOW_SIZE, 2**31)), [FLOW_CONTROL_ERROR]),
    "MAX_FRAME_SIZE under 16384": (settings((MAX_FRAME_SIZE, 16383)), [PROTOCOL_ERROR]),
    "MAX_FRAME_SIZE over 2^24-1": (settings((MAX_FRAME_SIZE, 2**24)), [PROTOCOL_ERROR]),
    "ENABLE_CONNECT_PROTOCOL of 2": (settings((ENABLE_CONNECT_PROTOCOL, 2)), [PROTOCOL_ERROR]),
    "PING on a stream": (frame(PING, 0, 1, b"x" * 8), [PROTOCOL_ERROR]),
    "PING of 7 bytes": (frame(PING, 0, 0, b"x" * 7), [FRAME_SIZE_ERROR]),
    "PING of 9 bytes": (frame(PING, 0, 0, b"x" * 9), [FRAME_SIZE_ERROR]),
    "GOAWAY on a stream": (frame(GOAWAY, 0, 1, b"\0" * 8), [PROTOCOL_ERROR]),
    "GOAWAY of 7 bytes": (frame(GOAWAY, 0, 0, b"\0" * 7), [FRAME_SIZE_ERROR]),
    "WINDOW_UPDATE of 0 for the connection": (window_update(0, 0), [PROTOCOL_ERROR]),
    "WINDOW_UPDATE of 3 bytes": (frame(WINDOW_UPDATE, 0, 0, b"\0\0\1"), [FRAME_SIZE_ERROR]),
    "a window of the connection over 2^31-1": (window_update(0, 2**31 - 1), [FLOW_CONTROL_ERROR]),
    "WINDOW_UPDATE on an idle stream": (window_update(1, 1), [PROTOCOL_ERROR]),
    "DATA on stream 0": (data(0, b"x"), [PROTOCOL_ERROR]),
    "DATA on an idle stream": (data(1, b"x"), [PROTOCOL_ERROR, STREAM_CLOSED]),
    "HEADERS on stream 0": (headers(0, request()), [PROTOCOL_ERROR]),
    "HEADERS on a stream of an even number": (headers(2, request()), [PROTOCOL_ERROR]),
    "RST_STREAM on stream 0": (reset(0), [PROTOCOL_ERROR]),
    "RST_STREAM on an idle stream": (reset(1), [PROTOCOL_ERROR]),
    "RST_STREAM of 3 bytes": (headers(1, request(method="POST"), end=False) + frame(RST_STREAM, 0, 1, b"\0\0\0"), [FRAME_SIZE_ERROR]),
    "PRIORITY on stream 0": (frame(PRIORITY, 0, 0, b"\0" * 5), [PROTOCOL_ERROR]),
    "PUSH_PROMISE of a client": (frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + block(request())), [PROTOCOL_ERROR]),
    "PUSH_PROMISE on an open stream": (headers(1, request("/sleep?200")) +
                                       frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + block(request())), [PROTOCOL_ERROR]),
    "CONTINUATION without HEADERS": (continuation(1, block(request())), [PROTOCOL_ERROR]),
    "CONTINUATION after a block that has ended": (headers(1, request()) + continuation(1, b""), [PROTOCOL_ERROR, STREAM_CLOSED]),
    "CONTINUATION of another stream": (headers(1, request(), flags=0) + continuation(3, b""), [PROTOCOL_ERROR]),
    "CONTINUATION on stream 0": (headers(1, request(), flags=0) + continuation(0, b""), [PROTOCOL_ERROR]),
    "DATA inside a header block": (headers(1, request(), flags=0) + data(1, b"x"), [PROTOCOL_ERROR]),
    "PING inside a header block": (headers(1, request(), flags=0) + frame(PING, 0, 0, b"x" * 8), [PROTOCOL_ERROR]),
    "an unknown frame inside a header block": (headers(1, request(), flags=0) + frame(0x42, 0, 1), [PROTOCOL_ERROR]),
    "padding as long as the HEADERS frame": (frame(HEADERS, END_HEADERS | PADDED, 1, b"\x05\x82\x86"), [PROTOCOL_ERROR]),
    "padding longer than the DATA frame": (headers(1, request("/echo", method="POST"), end=False) +
                                           frame(DATA, PADDED, 1, b"\x04abc"), [PROTOCOL_ERROR]),
    "a padded DATA frame without the length of its padding": (headers(1, request("/echo", method="POST"), end=False) +
                                                              frame(DATA, PADDED, 1, b""), [PROTOCOL_ERROR, FRAME_SIZE_ERROR]),
    "a frame of 16385 bytes with a header block": (headers(1, block(request()) + b"\0" * 16385), [FRAME_SIZE_ERROR]),
    "a SETTINGS frame of 16386 bytes": (frame(SETTINGS, 0, 0, b"\0\x42\0\0\0\0" * 2731), [FRAME_SIZE_ERROR]),
    "a reference after the end of the header table": (headers(1, b"\xff\xff\x7f"), [COMPRESSION_ERROR]),
    "a reference to entry 0": (headers(1, b"\x80"), [COMPRESSION_ERROR]),
    "a header block that ends inside a field": (headers(1, block(request())[:-1]), [COMPRESSION_ERROR]),
    "a Huffman code that ends badly": (headers(1, b"\x82\x86\x84\x41\x82\xff\xff"), [COMPRESSION_ERROR]),
    "a table size over what SETTINGS say": (headers(1, integer(4097, 5, 0x20) + block(request())), [COMPRESSION_ERROR]),
    "a table size after a field": (headers(1, b"\x82" + integer(0, 5, 0x20) + block(request()[1:])), [COMPRESSION_ERROR]),
    "a number that never ends": (headers(1, b"\x00\x7f" + b"\xff" * 20), [COMPRESSION_ERROR]),
}


@pytest.mark.parametrize("name", CONNECTION_ERRORS)
def test_ends_the_connection(server, wire, name):
    sent, codes = CONNECTION_ERRORS[name]
    wire.send(sent)
    wire.assert_connection_error(*codes)
    server.assert_alive()


def test_a_request_whose_stream_number_falls_is_not_served(wire):
    """Section 5.1.1 wants a connection error; nghttp2 takes it for a stream that has ended, and skips it."""
    wire.send(headers(5, request("/inline?five")))
    assert wire.answer(5).body == b"five"
    wire.send(headers(3, request("/inline?three")))
    wire.wait_end_or_ping()
    assert wire.streams[3].status is None


def test_an_initial_window_that_makes_another_overflow_is_an_error(wire):
    """Section 6.9.2 wants a connection error; nghttp2 makes one of the stream."""
    stream = wire.open("/echo", method="POST", end=False)
    wire.send(window_update(stream, 2**31 - 1 - 65535), settings((INITIAL_WINDOW_SIZE, 65536)))
    wire.assert_stream_error(stream, FLOW_CONTROL_ERROR)


# ---- frames that must be let pass ----

IGNORED = {
    "a frame of unknown type": frame(0x42, 0xff, 0, b"whatever"),
    "an unknown frame on an idle stream": frame(0x42, 0xff, 99, b"whatever"),
    "an unknown setting": settings((0x4242, 42)),
    "a setting twice": settings((INITIAL_WINDOW_SIZE, 1), (INITIAL_WINDOW_SIZE, 65535)),
    "flags that have no meaning": frame(PING, 0xfe, 0, b"x" * 8),
    "a reserved bit before a stream's number": frame(SETTINGS, 0, 2**31),
    "an acknowledgement of a ping that nobody sent": frame(PING, ACK, 0, b"x" * 8),
    "PRIORITY of an idle stream": frame(PRIORITY, 0, 99, struct.pack(">IB", 0, 7)),
    "ALTSVC of a client": frame(0xa, 0, 0, b"\0\1a"),
    "PRIORITY_UPDATE": frame(0x10, 0, 0, struct.pack(">I", 1) + b"u=1"),
}


@pytest.mark.parametrize("name", IGNORED)
def test_is_let_pass(wire, name):
    wire.send(IGNORED[name])
    wire.assert_serves()


def test_a_ping_comes_back_with_its_bytes(wire):
    wire.send(frame(PING, 0, 0, b"\0\1\2\3\xff\xfe\xfd\xfc"))
    assert wire.wait(lambda: wire.pongs == [b"\0\1\2\3\xff\xfe\xfd\xfc"])


def test_settings_are_acknowledged_each(wire):
    wire.send(settings((HEADER_TABLE_SIZE, 0)), settings(), settings((HEADER_TABLE_SIZE, 8192)))
    assert wire.wait(lambda: wire.acks == 4)
    wire.assert_serves()


def test_a_clients_table_of_nothing_is_respected(server):
    with server.wire((HEADER_TABLE_SIZE, 0)) as wire:
        wire.decoder.max_allowed_table_size = 0
        for _ in range(3):
            wire.assert_serves()
        assert not wire.decoder.header_table.dynamic_entries


def test_no_frame_is_longer_than_the_client_takes(wire):
    stream = wire.open("/big?300000")
    while not wire.streams[stream].is_over:
        it = wire.read()
        assert it.body_len <= 16384
    assert wire.streams[stream].size == 300000


def test_a_client_may_take_longer_frames(server):
    with server.wire((MAX_FRAME_SIZE, 65536), (INITIAL_WINDOW_SIZE, 2**20)) as wire:
        assert wire.ask("/big?50000").size == 50000


# ---- states of a stream ----

def test_headers_after_the_end_of_a_request_are_a_stream_error(wire):
    stream = wire.open("/sleep?300")
    wire.send(headers(stream, [("x-late", "1")]))
    wire.assert_stream_error(stream, STREAM_CLOSED)


def test_data_after_the_end_of_a_request_are_a_stream_error(wire):
    stream = wire.open("/sleep?300")
    wire.send(data(stream, b"late"))
    wire.assert_stream_error(stream, STREAM_CLOSED)


def test_a_request_on_a_stream_that_has_ended_ends_the_connection_or_is_not_served(wire):
    stream = wire.open("/inline?one")
    assert wire.answer(stream).body == b"one"
    wire.send(headers(stream, request("/inline?two")))
    wire.wait_end_or_ping()
    assert wire.streams[stream].body == b"one"


def test_what_comes_for_a_stream_just_after_it_was_reset_is_let_pass(wire):
    stream = wire.open("/echo", method="POST", end=False)
    wire.send(reset(stream), window_update(stream, 1), frame(PRIORITY, 0, stream, struct.pack(">IB", 0, 7)), reset(stream))
    wire.assert_serves()


def test_data_for_a_stream_that_the_client_has_reset_end_no_other(server, wire):
    """They may end the connection, and do no other harm."""
    stream = wire.open("/echo", method="POST", end=False)
    wire.send(reset(stream), data(stream, b"x"))
    wire.wait_end_or_ping()
    assert wire.streams[stream].status is None
    server.assert_alive()


def test_a_stream_that_is_reset_is_not_answered(server, wire):
    stream = wire.open("/later?300")
    before = server.streaming()["cancelled"]
    wire.ping()
    wire.send(reset(stream))
    wait_until(lambda: server.streaming()["cancelled"] == before + 1)
    wire.assert_serves()
    assert wire.streams[stream].status is None


def test_a_window_of_a_stream_over_its_bound_is_a_stream_error(wire):
    stream = wire.open("/sleep?300")
    wire.send(window_update(stream, 2**31 - 1))
    wire.assert_stream_error(stream, FLOW_CONTROL_ERROR)


def test_a_window_update_of_0_for_a_stream_is_an_error(wire):
    stream = wire.open("/sleep?300")
    wire.send(window_update(stream, 0))
    wire.assert_stream_error(stream, PROTOCOL_ERROR)


def test_a_stream_that_depends_on_itself_is_an_error_or_of_no_interest(wire):
    """RFC 9113 section 5.3.2 has done away with priorities; section 5.3.1 of RFC 7540 wanted a stream error."""
    stream = wire.open("/sleep?100")
    wire.send(frame(PRIORITY, 0, stream, struct.pack(">IB", stream, 7)))
    how, code = wire.outcome(stream)
    assert (how, code) == ("answer", 200) or code == PROTOCOL_ERROR


def test_a_priority_of_4_bytes_is_an_error(wire):
    stream = wire.open("/sleep?300")
    wire.send(frame(PRIORITY, 0, stream, b"\0" * 4))
    wire.assert_stream_error(stream, FRAME_SIZE_ERROR)


def test_headers_may_come_with_priority_and_padding(wire):
    stream = wire.new_stream()
    payload = bytes([9]) + struct.pack(">IB", 0, 7) + block(request("/inline?padded")) + bytes(9)
    wire.send(frame(HEADERS, END_HEADERS | END_STREAM | PADDED | HAS_PRIORITY, stream, payload))
    assert wire.answer(stream).body == b"padded"


def test_a_header_block_may_come_in_pieces(wire):
    stream = wire.new_stream()
    encoded = block(request("/inline?pieces"))
    pieces = [encoded[i::1][:10] for i in range(0, len(encoded), 10)]
    wire.send(headers(stream, pieces[0], flags=0), *(continuation(stream, piece, end=False) for piece in pieces[1:6]),
              continuation(stream, b"".join(pieces[6:])))
    assert wire.answer(stream).body == b"pieces"


def test_a_header_block_may_be_empty_at_first(wire):
    stream = wire.new_stream()
    wire.send(headers(stream, b"", flags=0), continuation(stream, block(request("/inline?late"))))
    assert wire.answer(stream).body == b"late"


def test_a_request_may_come_byte_by_byte(wire):
    stream = wire.new_stream()
    for byte in headers(stream, request("/echo", method="POST"), end=False) + data(stream, b"dr") + data(stream, b"ip", end=True):
        wire.send(bytes([byte]))
    assert wire.answer(stream).body == b"drip"


def test_entries_of_the_header_table_stay_when_a_request_is_refused(wire):
    """RFC 9113 section 4.3: a block is decoded whatever becomes of its stream."""
    bad, good = wire.new_stream(), wire.new_stream()
    entry = literal(b"x-test", b"from the table", indexed=True)
    wire.send(headers(bad, block(request("/show", ("UPPER", "x"))) + entry), headers(good, block(request("/show")) + b"\xbe"))
    assert wire.answer(good).json()["x"] == "from the table"


def test_entries_of_the_header_table_stay_when_a_stream_is_one_too_many(server):
    """A client may open more before it has read how many it may: the stream is refused, and may be tried again (section 8.7)."""
    with server.wire(greets=False) as wire:
        opened = [wire.new_stream() for _ in range(100)]
        over, good = wire.new_stream(), wire.new_stream()
        wire.send(PREFACE, settings(), *(headers(stream, request("/later?60000")) for stream in opened),
                  headers(over, block(request("/show")) + literal(b"x-test", b"from the table", indexed=True)),
                  reset(opened[0]), headers(good, block(request("/show")) + b"\xbe"))
        assert wire.outcome(over) == ("reset", REFUSED_STREAM)
        assert wire.answer(good).json()["x"] == "from the table"


def test_answers_come_in_the_order_in_which_they_are_ready(wire):
    slow = wire.open("/sleep?300")
    quick = wire.open("/inline?quick")
    wire.wait(lambda: wire.streams[quick].ended)
    assert not wire.streams[slow].is_over
    assert wire.answer(slow).body == b"300"


def test_a_client_that_says_goaway_gets_its_answers(wire):
    stream = wire.open("/sleep?100")
    wire.send(frame(GOAWAY, 0, 0, struct.pack(">II", 0, NO_ERROR)))
    assert wire.answer(stream).body == b"100"
    assert wire.wait_end() in (None, NO_ERROR)


def test_a_client_that_only_closes_its_side_is_gone(server, wire):
    wire.open("/later?60000")
    wire.ping()
    before = server.streaming()["cancelled"]
    wire.sock.shutdown(socket.SHUT_WR)
    wait_until(lambda: server.streaming()["cancelled"] == before + 1)
    wire.wait_end()
