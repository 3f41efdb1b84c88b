"""HTTP/2 with prior knowledge, in the words of http.client and of the engine's raw sockets, so that a suite runs over either.

CARDEA_PROTOCOL=h2 makes it so for a whole run of pytest; a test that is about HTTP/1 alone is marked `h1_only("why")`."""
import collections
import http.client
import os
import socket

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

PROTOCOL = os.environ.get("CARDEA_PROTOCOL", "h1")
assert PROTOCOL in ("h1", "h2"), PROTOCOL

# Streams up to the last one that GOAWAY names are answered (RFC 9113 section 6.8); python3-h2 would give all of them up.
h2.connection.H2ConnectionStateMachine._transitions[
    h2.connection.ConnectionState.CLIENT_OPEN, h2.connection.ConnectionInputs.RECV_GOAWAY] = (
        None, h2.connection.ConnectionState.CLIENT_OPEN)

# What HTTP/2 has no header for (RFC 9113 section 8.2.2), or says in another way.
OF_HTTP_1 = {"connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}


def connect(host, port, timeout):
    """An http.client.HTTPConnection, or what looks like one."""
    return Connection(host, port, timeout) if PROTOCOL == "h2" else http.client.HTTPConnection(host, port, timeout=timeout)


def with_protocol(config):
    """A service's configuration, its listeners such that `connect` finds its protocol there."""
    if PROTOCOL == "h1" or not isinstance(config.get("listen"), list):
        return config
    items = [{"address": item, "http2": True} if isinstance(item, str) else item for item in config["listen"]]
    return {**config, "listen": items}


class Stream:
    """One request and what came back."""

    def __init__(self, number):
        self.number = number
        self.status, self.headers, self.body, self.trailers = None, [], b"", []
        self.informational = []  # statuses of 1xx
        self.ended = False
        self.error = None  # of a reset


class Session:
    """A connection that speaks HTTP/2; python3-h2 refuses whatever a server must not say."""

    def __init__(self, sock, settings=None):
        self.sock = sock
        # Frames are written one by one, and none waits for what was written before it to be acknowledged.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.streams = {}
        self.goaway = None  # (code, last stream) once it came
        self.at_eof = False
        self.knows_settings = self.is_known = False  # each side's settings reached the other
        self.auto_credit = True  # what came is credited at once
        config = h2.config.H2Configuration(client_side=True, header_encoding=None, validate_outbound_headers=False,
                                           normalize_outbound_headers=False)
        self.h2 = h2.connection.H2Connection(config)
        # Without Huffman codes: python3-hpack needs minutes for those of a megabyte.
        encode = self.h2.encoder.encode
        self.h2.encoder.encode = lambda fields: encode(fields, huffman=False)
        if settings:
            self.h2.local_settings.update(settings)
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        data = self.h2.data_to_send()
        if data and not self.at_eof:
            try:
                self.sock.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass  # what the server said before is still to be read

    def pump(self):
        """Waits for bytes and takes what they say. False at the end of the connection."""
        if self.at_eof:
            return False
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.at_eof = True
            return False
        for event in self.h2.receive_data(data):
            self._take(event)
        self.flush()
        return True

    def wait_settings(self):
        while not (self.knows_settings and self.is_known) and self.pump():
            pass

    def _take(self, event):
        kind = type(event)
        if kind is h2.events.RemoteSettingsChanged:
            self.knows_settings = True
        elif kind is h2.events.SettingsAcknowledged:
            self.is_known = True
        elif kind is h2.events.ConnectionTerminated:
            self.goaway = (int(event.error_code), event.last_stream_id)
        elif getattr(event, "stream_id", None) in self.streams:
            self._take_of_stream(self.streams[event.stream_id], kind, event)

    def _take_of_stream(self, stream, kind, event):
        if kind is h2.events.ResponseReceived:
            fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers]
            stream.status = int(dict(fields)[":status"])
            stream.headers = [(name, value) for name, value in fields if not name.startswith(":")]
            for name, _ in stream.headers:
                assert name == name.lower() and name not in OF_HTTP_1, f"{name} in an answer of HTTP/2"
        elif kind is h2.events.InformationalResponseReceived:
            stream.informational.append(int(dict(event.headers)[b":status"]))
        elif kind is h2.events.TrailersReceived:
            stream.trailers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers]
        elif kind is h2.events.DataReceived:
            stream.body += event.data
            if self.auto_credit and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif kind is h2.events.StreamEnded:
            stream.ended = True
        elif kind is h2.events.StreamReset:
            stream.error = int(event.error_code)

    def can_open(self):
        return self.h2.open_outbound_streams < self.h2.remote_settings.max_concurrent_streams

    def open(self, fields, end=True):
        stream = Stream(self.h2.get_next_available_stream_id())
        self.streams[stream.number] = stream
        self.h2.send_headers(stream.number, fields, end_stream=end)
        self.flush()
        return stream

    def send_some(self, stream, data, end):
        """Sends what the windows allow; how many bytes. A stream that the server has ended or reset takes all."""
        sent = 0
        try:
            while sent < len(data):
                room = min(self.h2.local_flow_control_window(stream.number), self.h2.max_outbound_frame_size)
                if room <= 0:
                    break
                piece = data[sent:sent + room]
                self.h2.send_data(stream.number, piece)
                sent += len(piece)
            if end and sent == len(data):
                self.h2.end_stream(stream.number)
        except (h2.exceptions.StreamClosedError, h2.exceptions.ProtocolError):
            assert stream.error is not None or stream.ended or self.goaway, "a window that is not there"
            sent = len(data)
        self.flush()
        return sent

    def finish(self, stream):
        """Waits until it has ended. An answer that is complete may be followed by a reset (RFC 9113 section 8.1)."""
        while not stream.ended and stream.error is None and self.pump():
            pass
        if not stream.ended:
            raise http.client.RemoteDisconnected(f"no answer: reset {stream.error}, GOAWAY {self.goaway}")
        return stream


class Response:
    """As http.client's."""

    def __init__(self, stream):
        self.status = stream.status
        self.headers = http.client.HTTPMessage()
        for name, value in stream.headers:
            self.headers[name] = value
        self.body = stream.body

    def read(self):
        return self.body


class Connection:
    """As http.client.HTTPConnection: one request at a time."""

    def __init__(self, host, port, timeout):
        self.address, self.timeout, self.session = (host, port), timeout, None

    def putrequest(self, method, path, skip_host=False, skip_accept_encoding=False):
        del skip_accept_encoding
        self.fields = [(b":method", to_bytes(method)), (b":scheme", b"http"), (b":path", to_bytes(path))]
        if not skip_host:
            self.fields.append((b":authority", b"%s:%d" % (self.address[0].encode(), self.address[1])))

    def putheader(self, name, value):
        if name.lower() == "host":
            self.fields.append((b":authority", to_bytes(value)))
        elif name.lower() not in OF_HTTP_1:
            # White space around a value is no part of it, and HTTP/2 does not let it be sent (RFC 9113 section 8.2.1).
            self.fields.append((to_bytes(name).lower(), to_bytes(value).strip(b" \t")))

    def endheaders(self, body=None):
        if self.session is None:
            self.session = Session(socket.create_connection(self.address, self.timeout))
        # Pseudo-headers come first.
        fields = sorted(self.fields, key=lambda field: not field[0].startswith(b":"))
        self.stream = self.session.open(fields, end=not body)
        while body:
            body = body[self.session.send_some(self.stream, body, True):]
            if body and not self.session.pump():
                break

    def getresponse(self):
        return Response(self.session.finish(self.stream))

    def close(self):
        if self.session is not None:
            self.session.sock.close()
        self.session = None


def to_bytes(text):
    return text if isinstance(text, bytes) else str(text).encode("latin-1")


# ---- for the engine's tests ----

class Upload:
    """A request that was written as HTTP/1, on its way as HTTP/2."""

    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        method, path, version = lines[0].split(" ")
        assert version == "HTTP/1.1", "only HTTP/1.1 can be said in HTTP/2"
        headers = [(name.lower(), value.strip()) for name, value in (line.split(":", 1) for line in lines[1:])]
        named = dict(headers)
        self.chunked = "transfer-encoding" in named
        self.left = int(named.get("content-length", "0"))  # of the body as it is written
        self.fields = [(":method", method), (":scheme", "http"), (":authority", named["host"]), (":path", path)]
        self.fields += [field for field in headers if field[0] not in OF_HTTP_1]
        self.fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.fields]
        self.has_body = self.chunked or self.left > 0
        self.body, self.is_whole, self.is_sent, self.stream = b"", not self.has_body, not self.has_body, None

    def take(self, data):
        """Bytes of the body as HTTP/1 writes it; what is left after it, or None where more is needed."""
        if not self.chunked:
            piece, rest = data[:self.left], data[self.left:]
            self.body += piece
            self.left -= len(piece)
            self.is_whole = self.left == 0
            return rest if self.is_whole else None
        while True:  # whole chunks are written at once here
            size, more, rest = data.partition(b"\r\n")
            assert more, "a chunk in pieces"
            count = int(size.split(b";")[0], 16)
            if count == 0:
                self.is_whole = True
                while not rest.startswith(b"\r\n"):  # trailers are left out
                    rest = rest.partition(b"\r\n")[2]
                return rest[2:]
            self.body += rest[:count]
            if len(rest) < count + 2:
                return None
            data = rest[count + 2:]


class Http1Socket:
    """Takes requests as HTTP/1 writes them and sends them as streams, as many at once as the server allows. Answers are taken in the
    order of the requests, in whichever they came."""

    def __init__(self, sock):
        self.sock, self.text, self.current, self.uploads, self.unread = sock, b"", None, [], collections.deque()
        self.session = Session(sock)
        self.session.wait_settings()

    def sendall(self, data):
        self.text += data
        while self._parse():
            pass
        self._advance()

    def _parse(self):
        if self.current is None:
            head, end, rest = self.text.partition(b"\r\n\r\n")
            if not end:
                return False
            self.current, self.text = Upload(head), rest
            self.uploads.append(self.current)
            self.unread.append(self.current)
        if not self.current.is_whole:
            rest = self.current.take(self.text)
            self.text = b"" if rest is None else rest
        if not self.current.is_whole:
            return False
        self.current = None
        return bool(self.text)

    def _advance(self):
        for upload in list(self.uploads):
            if upload.stream is None:
                if not self.session.can_open():
                    return
                upload.stream = self.session.open(upload.fields, end=not upload.has_body)
            if not upload.is_sent:
                sent = self.session.send_some(upload.stream, upload.body, upload.is_whole)
                upload.body = upload.body[sent:]
                upload.is_sent = upload.is_whole and not upload.body
            if upload.is_sent:
                self.uploads.remove(upload)

    def answer(self):
        """The Stream of the next request, when it has ended."""
        assert self.unread, "no request was sent"
        upload = self.unread.popleft()
        while upload.stream is None or not (upload.stream.ended or upload.stream.error is not None):
            assert self.session.pump(), f"closed after {self.session.goaway}"
            self._advance()
        stream = upload.stream
        assert stream.ended, f"closed after a reset of {stream.error}"
        if upload in self.uploads:  # answered before it was sent: what is left of it nobody wants
            self.uploads.remove(upload)
            self.current = None if upload is self.current else self.current
        return stream

    def read_all(self):
        """The bodies of all answers, until the server closes."""
        while self.session.pump():
            self._advance()
        return b"".join(upload.stream.body for upload in self.unread if upload.stream)

    def is_closed(self):
        return self.read_all() == b""

    def close(self):
        self.sock.close()

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
