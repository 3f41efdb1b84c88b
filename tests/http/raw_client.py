"""A client that sends exact bytes and keeps the exact bytes that come back, over HTTP/1.1; and streams of HTTP/2 in the same form."""
import socket

import h2client
from raw_server import Malformed, Reader, values

PATIENCE = 30  # seconds


class Reply:
    """`framing` says how its end was marked: "length", "chunked", "close", "none", or for HTTP/2 "stream"."""

    def __init__(self):
        self.status, self.reason, self.fields, self.body, self.trailers = None, None, [], b"", []
        self.interim, self.framing, self.chunks = [], None, None
        self.fault = None  # why it is not complete

    @property
    def is_complete(self):
        return self.fault is None

    def values(self, name):
        return values(self.fields, name)

    def value(self, name):
        found = self.values(name)
        assert len(found) <= 1, found
        return found[0] if found else None

    def __repr__(self):
        return f"<{self.status} {self.framing} {len(self.body)} bytes {self.fault or ''} {self.body[:200]}>"


def read_reply(reader, is_head=False):
    """The next answer of HTTP/1.1, strictly read. What is not complete has `fault` set, and what came of it."""
    reply = Reply()
    try:
        while True:
            version, status, reply.reason = reader.line().decode("latin-1").split(" ", 2)
            if version != "HTTP/1.1" or len(status) != 3:
                raise Malformed(version)
            fields = reader.fields()
            if not 100 <= int(status) < 200 or int(status) == 101:
                break
            reply.interim.append((int(status), fields))
            if len(reply.interim) > 1000:
                raise Malformed("interim answers without an end")
        reply.status, reply.fields = int(status), fields
        read_body(reader, reply, is_head)
    except (EOFError, OSError, Malformed, ValueError) as fault:
        reply.fault = fault
    return reply


def read_body(reader, reply, is_head):
    lengths, codings = reply.values("Content-Length"), reply.values("Transfer-Encoding")
    if len(lengths) > 1 or (lengths and codings) or (codings and codings != ["chunked"]) or (lengths and not lengths[0].isdigit()):
        raise Malformed(f"{lengths} {codings}")
    if is_head or reply.status in (101, 204, 304):
        reply.framing = "none"
    elif codings:
        reply.framing = "chunked"
        reply.chunks, reply.body, reply.trailers = reader.chunked()
    elif lengths:
        reply.framing = "length"
        try:
            reply.body = reader.take(int(lengths[0]))
        except EOFError:
            reply.body = bytes(reader.buffer)
            raise
    else:
        reply.framing = "close"
        while reader.fill():
            pass
        reply.body = reader.take(len(reader.buffer))


def to_bytes(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


def head_bytes(line, fields):
    """`line` is "METHOD TARGET"; fields are pairs, or whole lines as bytes."""
    lines = [field if isinstance(field, bytes) else to_bytes(field[0]) + b": " + to_bytes(field[1]) for field in fields]
    return b"\r\n".join([to_bytes(line) + b" HTTP/1.1", *lines]) + b"\r\n\r\n"


def chunked_bytes(body, sizes, trailers=()):
    """`body` in chunks of these sizes, and the rest in a last one."""
    out, at = [], 0
    for size in [*sizes, len(body)]:
        piece = body[at:at + size]
        at += len(piece)
        if piece:
            out.append(b"%x\r\n" % len(piece) + piece + b"\r\n")
    return b"".join(out) + b"0\r\n" + b"".join(to_bytes(f"{name}: {value}\r\n") for name, value in trailers) + b"\r\n"


class Http1:
    """A connection."""

    def __init__(self, port, timeout=PATIENCE, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = Reader(self.socket)

    def send(self, data):
        self.socket.sendall(data)

    def read(self, is_head=False):
        return read_reply(self.reader, is_head)

    def ask(self, line, fields, body=b""):
        try:
            self.send(head_bytes(line, fields) + body)
        except OSError:
            pass  # it may have answered before it read all
        return self.read(is_head=line.startswith("HEAD "))

    def is_at_end(self):
        """Whether nothing follows but the end of the connection."""
        try:
            return not self.reader.buffer and not self.reader.fill()
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Http2:
    """A connection that speaks HTTP/2 with prior knowledge."""

    def __init__(self, port, timeout=PATIENCE):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.session = h2client.Session(self.socket)
        self.session.wait_settings()

    def open(self, line, fields, end=True):
        """A stream. Fields as for HTTP/1.1: Host becomes :authority, and what HTTP/2 has no header for is left out."""
        method, target = line.split(" ", 1)
        host = values(fields, "Host")[0]
        pseudo = [(":method", method), (":scheme", "http"), (":authority", host), (":path", target)]
        named = [(name.lower(), value) for name, value in fields if name.lower() not in h2client.OF_HTTP_1]
        return self.session.open([(to_bytes(name), to_bytes(value)) for name, value in [*pseudo, *named]], end)

    def send(self, stream, body, trailers=()):
        """All of it and the end, as the windows allow."""
        while body and stream.error is None and not stream.ended:
            sent = self.session.send_some(stream, body, False)
            body = body[sent:]
            if body and not sent and not self.session.pump():
                return
        if stream.error is None and not stream.ended:
            if trailers:
                self.session.h2.send_headers(stream.number, [(to_bytes(n), to_bytes(v)) for n, v in trailers], end_stream=True)
                self.session.flush()
            else:
                self.session.send_some(stream, b"", True)

    def read(self, stream):
        reply = Reply()
        try:
            while not stream.ended and stream.error is None:
                if not self.session.pump():
                    reply.fault = EOFError(f"GOAWAY {self.session.goaway}")
                    break
        except OSError as fault:
            reply.fault = fault
        if stream.error is not None and not stream.ended:
            reply.fault = ConnectionResetError(f"stream reset {stream.error}")
        reply.status, reply.fields, reply.body, reply.trailers = stream.status, stream.headers, stream.body, stream.trailers
        reply.interim = [(status, []) for status in stream.informational]
        reply.framing = "stream"
        return reply

    def ask(self, line, fields, body=b"", trailers=(), end=True):
        has_body = bool(body or trailers or not end)
        stream = self.open(line, fields, end=not has_body)
        if has_body:
            self.send(stream, body, trailers)
        return self.read(stream)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
