"""A server on raw sockets: it keeps each request exactly as it came, and answers with the bytes that a test gives it.

It speaks HTTP/1.1 over TCP, TLS or a Unix socket, or the uwsgi protocol over TCP or a Unix socket. It is strict: what is not
written as RFC 9112 says is in `faults`, and ends the connection."""
import socket
import ssl
import struct
import threading


class Malformed(Exception):
    pass


class Reader:
    """Bytes of a socket, in exact numbers. `taken` has all that was handed out since it was last emptied."""

    def __init__(self, connection):
        self.connection, self.buffer, self.taken, self.at_end = connection, bytearray(), bytearray(), False

    def fill(self):
        more = b"" if self.at_end else self.connection.recv(1 << 18)
        self.at_end = self.at_end or not more
        self.buffer += more
        return bool(more)

    def take(self, count):
        while len(self.buffer) < count:
            if not self.fill():
                raise EOFError(f"{len(self.buffer)} of {count} bytes")
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        self.taken += data
        return data

    def line(self, limit=1 << 24):
        """Without its CRLF. A CR or LF alone is malformed."""
        start = 0
        while (end := self.buffer.find(b"\n", start)) < 0:
            start = len(self.buffer)
            if start > limit or not self.fill():
                raise EOFError("in the middle of a line") if self.buffer else EOFError()
        line = self.take(end + 1)
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise Malformed(line[:200])
        return line[:-2]

    def fields(self):
        """Header or trailer fields: pairs of str, names as written, values without the white space around them."""
        fields = []
        while line := self.line():
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or not name or name != name.strip() or " " in name:
                raise Malformed(line[:200])
            fields.append((name, value.strip(" \t")))
        return fields

    def chunked(self):
        """The sizes of the chunks, the body and the trailers."""
        sizes, body = [], bytearray()
        while True:
            line = self.line()
            size, _, _ = line.partition(b";")
            if not size or size.strip(b"0123456789abcdefABCDEF"):
                raise Malformed(line[:200])
            sizes.append(int(size, 16))
            if sizes[-1] == 0:
                return sizes[:-1], bytes(body), self.fields()
            body += self.take(sizes[-1])
            if self.take(2) != b"\r\n":
                raise Malformed("no CRLF behind a chunk")


def values(fields, name):
    return [value for key, value in fields if key.lower() == name.lower()]


class Request:
    """As HTTP: `fields` are its headers. As uwsgi: its variables, and `target` is REQUEST_URI."""
    version, chunks, trailers, body, raw = None, None, [], b"", b""

    def __init__(self, connection_number):
        self.connection_number, self.fields = connection_number, []

    def values(self, name):
        return values(self.fields, name)

    @property
    def path(self):
        return self.target.partition("?")[0]


def read_http(reader, request):
    reader.taken.clear()
    line = reader.line().decode("latin-1")
    parts = line.split(" ")
    if len(parts) != 3 or not all(parts):
        raise Malformed(line[:200])
    request.method, request.target, request.version = parts
    request.fields = reader.fields()
    request.head = bytes(reader.taken)


def read_http_body(reader, request):
    lengths, codings = request.values("Content-Length"), request.values("Transfer-Encoding")
    if len(lengths) > 1 or (lengths and codings) or len(codings) > 1 or (lengths and not lengths[0].isdigit()):
        raise Malformed(f"{lengths} {codings}")
    if codings:
        if codings[0].lower() != "chunked":
            raise Malformed(codings[0])
        request.chunks, request.body, request.trailers = reader.chunked()
    elif lengths:
        request.body = reader.take(int(lengths[0]))
    request.raw = bytes(reader.taken)


def read_uwsgi(reader, request):
    reader.taken.clear()
    try:
        modifier1, size, modifier2 = struct.unpack("<BHB", reader.take(4))
    except EOFError:
        if reader.buffer:
            raise
        raise EOFError() from None
    block = reader.take(size)
    request.modifiers = (modifier1, modifier2)
    at = 0
    while at < size:
        pair = []
        for _ in range(2):
            (length,) = struct.unpack_from("<H", block, at)
            if at + 2 + length > size:
                raise Malformed(block[:200])
            pair.append(block[at + 2:at + 2 + length].decode("latin-1"))
            at += 2 + length
        request.fields.append(tuple(pair))
    named = dict(request.fields)
    request.method, request.target, request.version = named["REQUEST_METHOD"], named["REQUEST_URI"], named["SERVER_PROTOCOL"]
    request.head = bytes(reader.taken)


def read_uwsgi_body(reader, request):
    length = (request.values("CONTENT_LENGTH") or [""])[-1]
    request.body = reader.take(int(length or 0))
    request.raw = bytes(reader.taken)


class RawServer:
    """`answer(connection, request)` is called for each request; what it returns is whether the connection goes on. With `early`, it is
    called after the head, and may read the body with `connection.body()`."""

    def __init__(self, answer, unix=None, certificate=None, uwsgi=False, early=False, address="127.0.0.1", port=0):
        self.answer, self.uwsgi, self.early, self.unix = answer, uwsgi, early, unix
        self.requests, self.faults, self.opened, self.lock = [], [], 0, threading.Lock()
        self.connections = set()
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        if unix:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(unix))
            self.listener.listen(128)
        else:
            self.listener = socket.create_server((address, port), backlog=128)
            self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        """As a route's `upstream`."""
        scheme = "uwsgi" if self.uwsgi else "https" if self.context else "http"
        if self.unix:
            return f"{'uwsgi+' if self.uwsgi else ''}unix:{self.unix}"
        return f"{scheme}://{'localhost' if self.context else '127.0.0.1'}:{self.port}"

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.opened += 1
                number = self.opened
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection, number):
        self.connections.add(connection)
        secured = connection
        try:
            if not self.unix:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                secured = self.context.wrap_socket(connection, server_side=True)
                self.connections.discard(connection)
                self.connections.add(secured)
            self._serve_requests(secured, number)
        except (Malformed, UnicodeError, KeyError, struct.error) as fault:
            self.faults.append(repr(fault))
        except (EOFError, OSError):
            pass  # the other side has gone
        finally:
            self.connections.discard(secured)
            if secured is not connection:
                self._say_goodbye(secured)
            secured.close()

    @staticmethod
    def _say_goodbye(secured):
        """close_notify, without which the end of an answer could be anybody's (RFC 8446 §6.1)."""
        try:
            if struct.unpack("ii", secured.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))[0]:
                return  # it is to end with RST
            secured.setblocking(False)
            secured.unwrap()
        except (OSError, ValueError):
            pass

    def _serve_requests(self, connection, number):
        reader = Reader(connection)
        read = read_uwsgi if self.uwsgi else read_http
        while True:
            request = Request(number)
            read(reader, request)
            request.reader, request.read_body = reader, lambda request=request: self._read_body(connection, reader, request)
            if not self.early:
                request.read_body()
            self.requests.append(request)
            if not self.answer(connection, request) or self.uwsgi:
                return

    def _read_body(self, connection, reader, request):
        if request.values("Expect") and not self.uwsgi:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        (read_uwsgi_body if self.uwsgi else read_http_body)(reader, request)

    def close(self):
        for each in (self.listener, *list(self.connections)):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()
