"""HTTP/2 frame by frame, so that a test can say what no library would, and a server to say it to."""
import collections
import json
import pathlib
import socket
import struct
import sys

import hpack
import hyperframe.frame as f

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "engine"))

from engine import BINARY, PATIENCE, Server, is_sanitized, wait_until  # noqa: E402,F401

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# Frame types (RFC 9113 section 6), settings (6.5.2) and error codes (7).
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = range(1, 7)
ENABLE_CONNECT_PROTOCOL = 8
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM,
 CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM, INADEQUATE_SECURITY, HTTP_1_1_REQUIRED) = range(14)


# ---- bytes ----

def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(*pairs, ack=False):
    return frame(SETTINGS, ACK if ack else 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def reset(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def data(stream, payload=b"", end=False, padding=None):
    flags = END_STREAM if end else 0
    if padding is not None:
        flags, payload = flags | PADDED, bytes([padding]) + payload + bytes(padding)
    return frame(DATA, flags, stream, payload)


def integer(value, bits, pattern=0):
    """RFC 7541 section 5.1."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([pattern | value])
    out, value = [pattern | limit], value - limit
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def string(text):
    return integer(len(text), 7) + text


def literal(name, value, indexed=False):
    """RFC 7541 section 6.2, as the bytes are."""
    return (b"\x40" if indexed else b"\x00") + string(name) + string(value)


def block(fields):
    """Names and values as bytes, or as str in latin-1."""
    return b"".join(literal(*(part.encode("latin-1") if isinstance(part, str) else part for part in field)) for field in fields)


def headers(stream, fields, end=True, flags=END_HEADERS):
    return frame(HEADERS, flags | (END_STREAM if end else 0), stream, fields if isinstance(fields, bytes) else block(fields))


def continuation(stream, payload, end=True):
    return frame(CONTINUATION, END_HEADERS if end else 0, stream, payload)


def request(path="/inline?a", *more, method="GET", scheme="http", authority="localhost"):
    """The fields of a request; one that is None is left out."""
    pseudo = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]
    return [field for field in pseudo if field[1] is not None] + list(more)


# ---- a connection ----

class Stream:
    def __init__(self):
        self.status, self.headers, self.trailers, self.body = None, {}, None, b""
        self.size = 0  # of the body; `body` is empty where the wire keeps none
        self.granted = 0  # by updates of its window
        self.taken, self.sent = 0, 0  # bytes of DATA that count for a window, of the server and ours
        self.informational = []
        self.ended, self.code = False, None  # `code`: of a reset

    @property
    def is_over(self):
        return self.ended or self.code is not None

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:200]!r} ended={self.ended} code={self.code}>"


class Wire:
    """A client's end of a connection. What the server says is taken frame by frame, and must be well formed."""

    def __init__(self, sock, *pairs, preface=PREFACE, greets=True):
        self.sock, self.bytes, self.decoder = sock, b"", hpack.Decoder()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.streams = collections.defaultdict(Stream)
        self.next_stream = 1
        self.initial = dict(pairs).get(INITIAL_WINDOW_SIZE, 65535)  # of what each stream may bring
        self.window = 65535  # what the server may send yet on the connection
        self.settings, self.acks, self.pongs, self.goaways, self.updates = {}, 0, [], [], collections.Counter()
        self.at_eof = False
        self.credits = True  # DATA is credited at once
        self.keeps = True  # bodies are kept
        self.block = None  # (stream, flags, bytes) of a header block that goes on
        if greets:
            self.send(preface, settings(*pairs))
            self.wait(lambda: self.settings and self.acks == 1)

    # -- sending --

    def send(self, *frames):
        """What a server that has closed does not take is lost: what it said is still there to be read."""
        try:
            self.sock.sendall(b"".join(frames))
        except (BrokenPipeError, ConnectionResetError):
            pass

    def new_stream(self):
        self.next_stream += 2
        return self.next_stream - 2

    def open(self, *args, end=True, **more):
        """Sends a request; its stream."""
        stream = self.new_stream()
        self.send(headers(stream, request(*args, **more), end=end))
        return stream

    def ask(self, *args, **more):
        """The answer to a request without a body."""
        return self.answer(self.open(*args, **more))

    def post(self, path, body, *more):
        stream = self.open(path, *more, method="POST", end=False)
        self.streams[stream].sent += len(body)
        self.send(data(stream, body, end=True))
        return self.answer(stream)

    def credit(self, stream, count):
        """Lets the server send so many bytes more."""
        if stream:
            self.streams[stream].granted += count
        else:
            self.window += count
        self.send(window_update(stream, count))

    def room(self, stream):
        """How many bytes of a body the server takes now."""
        used = sum(s.sent for s in self.streams.values())
        return min(65535 + self.updates[0] - used, self.settings[INITIAL_WINDOW_SIZE] + self.updates[stream] - self.streams[stream].sent)

    def upload(self, stream, total, end=True):
        """Sends so many bytes of a body, as there is room for them."""
        piece, it = bytes(16384), self.streams[stream]
        until = it.sent + total
        while it.sent < until:
            if not self.wait(lambda: self.room(stream) > 0 or it.is_over) or it.is_over:
                return
            size = min(self.room(stream), until - it.sent, len(piece))
            it.sent += size
            self.send(data(stream, piece[:size], end=end and it.sent == until))

    # -- receiving --

    def read(self):
        """The next frame, with what it says taken in; None at the end of the connection."""
        while True:
            if len(self.bytes) >= 9:
                it, length = f.Frame.parse_frame_header(memoryview(self.bytes[:9]))
                if len(self.bytes) >= 9 + length:
                    it.parse_body(memoryview(self.bytes[9:9 + length]))
                    self.bytes = self.bytes[9 + length:]
                    self._take(it, length)
                    return it
            if self.at_eof:
                return None
            try:
                more = self.sock.recv(262144)
            except ConnectionResetError:
                more = b""
            self.at_eof = not more
            self.bytes += more

    def _take(self, it, length):
        stream = self.streams[it.stream_id] if it.stream_id else None
        assert self.block is None or isinstance(it, f.ContinuationFrame), "a header block is interrupted"
        if isinstance(it, f.SettingsFrame):
            if "ACK" in it.flags:
                self.acks += 1
            else:
                self.settings.update(it.settings)
                self.send(settings(ack=True))
        elif isinstance(it, f.PingFrame):
            if "ACK" in it.flags:
                self.pongs.append(it.opaque_data)
        elif isinstance(it, f.GoAwayFrame):
            self.goaways.append((it.error_code, it.last_stream_id))
        elif isinstance(it, f.WindowUpdateFrame):
            self.updates[it.stream_id] += it.window_increment
        elif isinstance(it, f.RstStreamFrame):
            stream.code = it.error_code
        elif isinstance(it, (f.HeadersFrame, f.ContinuationFrame)):
            self._take_block(it)
        elif isinstance(it, f.DataFrame):
            assert stream.status is not None and not stream.is_over, "DATA out of place"
            stream.size += len(it.data)
            stream.taken += length
            self.window -= length
            assert self.window >= 0 and stream.taken <= self.initial + stream.granted, "more DATA than the window had room for"
            if self.keeps:
                stream.body += it.data
            stream.ended = "END_STREAM" in it.flags
            if self.credits and length:
                self.credit(0, length)
                if not stream.ended:
                    self.credit(it.stream_id, length)

    def _take_block(self, it):
        _, flags, data_ = self.block or (it.stream_id, set(it.flags), b"")
        self.block = (it.stream_id, flags, data_ + it.data)
        if "END_HEADERS" not in it.flags:
            return
        (number, flags, encoded), self.block = self.block, None
        fields = self.decoder.decode(encoded)
        stream = self.streams[number]
        for name, _ in fields:
            assert name == name.lower(), f"{name} is not lower case"
            assert name not in ("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"), name
        if stream.status is not None:
            stream.trailers = dict(fields)
            assert "END_STREAM" in flags and ":status" not in stream.trailers
        elif dict(fields)[":status"].startswith("1"):
            stream.informational.append(int(dict(fields)[":status"]))
        else:
            assert [name for name, _ in fields if name.startswith(":")] == [":status"] and fields[0][0] == ":status"
            stream.headers = dict(fields)
            stream.status = int(stream.headers.pop(":status"))
        stream.ended = "END_STREAM" in flags

    def wait(self, condition):
        """Takes frames until it holds, or the connection ends."""
        while not condition():
            if self.read() is None:
                break
        return condition()

    def outcome(self, stream):
        """How a stream ended: ("answer", status), ("reset", code), ("goaway", code) or ("closed", None)."""
        it = self.streams[stream]
        self.wait(lambda: it.is_over or self.goaways)
        if it.ended:
            return "answer", it.status
        if it.code is not None:
            return "reset", it.code
        return ("goaway", self.goaways[-1][0]) if self.goaways else ("closed", None)

    def answer(self, stream):
        it = self.streams[stream]
        self.wait(lambda: it.is_over)
        assert it.ended, (it, self.goaways)
        return it

    def wait_bytes(self, stream, count):
        """Of a body that goes on."""
        it = self.streams[stream]
        self.wait(lambda: it.size >= count or it.is_over or self.goaways)
        assert it.size == count and it.code is None, (it, self.goaways)
        return it.body

    def ping(self):
        """Comes back when all that was sent before was seen."""
        self.send(frame(PING, 0, 0, b"attentio"))
        assert self.wait(lambda: b"attentio" in self.pongs), ("no answer to a ping", self.goaways)
        self.pongs.remove(b"attentio")

    def wait_end(self):
        """Until the server closes; the code that it gave last."""
        while self.read() is not None:
            pass
        return self.goaways[-1][0] if self.goaways else None

    def wait_end_or_ping(self):
        """Until the server closes, or has seen all that was sent."""
        self.send(frame(PING, 0, 0, b"attentio"))
        self.wait(lambda: b"attentio" in self.pongs)

    # -- what a test expects --

    def assert_connection_error(self, *codes):
        """RFC 9113 section 5.4.1: a GOAWAY that says why, and the end."""
        assert self.wait_end() in codes, self.goaways

    def assert_stream_error(self, stream, *codes):
        """Section 5.4.2; a stream error may be treated as one of the connection (section 5.4.1)."""
        how, code = self.outcome(stream)
        assert how in ("reset", "goaway") and code in codes, (how, code)
        if how == "goaway":
            self.assert_connection_error(*codes)
        else:
            self.assert_serves()

    def assert_malformed(self, stream):
        """Section 8.1.1: a stream error, or an answer that says so first."""
        how, code = self.outcome(stream)
        if how == "answer":
            assert code == 400, self.streams[stream]
            self.assert_serves()
        else:
            self.assert_stream_error(stream, PROTOCOL_ERROR)

    def assert_serves(self):
        answer = self.ask("/inline?here")
        assert (answer.status, answer.body) == (200, b"here")

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Http2Server(Server):
    """echo-server, which knows HTTP/2 without TLS."""

    def __init__(self, *arguments, **options):
        super().__init__("http2", 1, *arguments, **options)

    def wire(self, *pairs, preface=PREFACE, greets=True, **options):
        return Wire(self.connect_raw(**options), *pairs, preface=preface, greets=greets)

    def streaming(self):
        """What the streaming routes count: begun, ended, cancelled."""
        with self.wire() as wire:
            return wire.ask("/streams").json()

    def assert_alive(self):
        with self.wire() as wire:
            wire.assert_serves()
