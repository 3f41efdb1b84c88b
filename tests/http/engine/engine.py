"""What the engine's tests share: a running echo server, and raw sockets to talk to it."""
import fcntl
import json
import os
import pathlib
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))

import h2client  # noqa: E402
from h2client import PROTOCOL  # noqa: E402
from support.ports import find_ports

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("CARDEA_BUILD", ROOT / "build"))
BINARY = (BUILD if BUILD.is_absolute() else ROOT / BUILD) / "tests" / "http" / "engine" / "echo-server"
PATIENCE = 20  # seconds until a test gives up; sanitizers are slow


def is_sanitized():
    """Ask before a server is started that is not needed: TSan loses a SIGTERM in the first milliseconds of a program."""
    code = BINARY.read_bytes()
    return b"__asan_init" in code or b"__tsan_init" in code


class Server:
    """`echo-server NAME VALUE ...` on a free port. Leaving the block stops it and expects exit 0 without a sanitizer's report."""

    def __init__(self, *arguments, expect_exit=0, binary=BINARY, descriptors=None):
        self.arguments = ["http2", "1"] if PROTOCOL == "h2" else []
        self.arguments += [str(a) for a in arguments]
        self.expect_exit = expect_exit
        self.descriptors = descriptors
        self.binary = str(binary)
        # Appending: the server shares the position that text() moves, and would write over its own lines.
        self.stderr = tempfile.TemporaryFile("a+b")

    def start(self):
        limit = self.descriptors
        limited = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))) if limit else None
        self.process = subprocess.Popen([self.binary, *self.arguments], stderr=self.stderr, preexec_fn=limited)
        # With "log 4" the server says nothing, so it is asked to say its address on a port that the test chose.
        if "log" in self.arguments:
            self.port = int(self.arguments[self.arguments.index("listen") + 1].rsplit(":", 1)[1])
            wait_until(lambda: can_connect(self.port))
        else:
            self.port = int(self.wait_for_event("listening")["address"].rsplit(":", 1)[1])
            self.wait_for_event("ready")
        return self

    def __enter__(self):
        if "log" in self.arguments and "listen" not in self.arguments:
            self.arguments += ["listen", f"127.0.0.1:{find_ports()}"]
        return self.start()

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        if kind is None:
            assert code == self.expect_exit, self.text()
            assert "Sanitizer" not in self.text(), self.text()

    def text(self):
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")

    def events(self, name):
        lines = (line for line in self.text().splitlines() if line.startswith("{") and line.endswith("}"))
        return [e for e in map(json.loads, lines) if e["event"] == name]

    def wait_for_event(self, name, count=1):
        wait_until(lambda: len(self.events(name)) >= count or self.process.poll() is not None)
        events = self.events(name)
        assert len(events) >= count, self.text()
        return events[count - 1]

    def connect(self, **options):
        """A socket to write HTTP/1 to. Over HTTP/2 what is written becomes streams."""
        sock = self.connect_raw(**options)
        return h2client.Http1Socket(sock) if PROTOCOL == "h2" else sock

    def connect_raw(self, **options):
        sock = socket.socket()
        for name, value in options.items():
            sock.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", self.port))
        return sock

    def ask(self, data):
        """All that the server says until it closes."""
        with self.connect() as sock:
            sock.sendall(data)
            return read_all(sock)

    def rss(self):
        """Resident memory in bytes."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) * 1024

    def memory(self):
        """Anonymous resident memory in bytes: what grows when something is kept."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("RssAnon:")[1].split()[0]) * 1024

    def begin(self, method, path, *headers, **options):
        """A request whose body is sent, and whose response is read, in pieces."""
        return Exchange(self, method, path, *headers, **options)

    def streams(self):
        """How many streaming exchanges have begun, ended, been cancelled; whether one is held."""
        return answer_to(self, get("/streams")).json()

    def is_sanitized(self):
        return is_sanitized()


def wait_until(condition, patience=PATIENCE):
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.005)


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def unread(sock):
    """How many bytes the kernel has for it."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, bytes(4)))[0]


def read_all(sock):
    """Until the other side closes; a reset ends it too, with what came before."""
    if isinstance(sock, h2client.Http1Socket):
        return sock.read_all()
    data = b""
    while True:
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece


class Reader:
    """Takes one answer after another off a socket."""

    def __init__(self, sock):
        self.sock = sock
        self.data = b""

    def _more(self):
        piece = self.sock.recv(65536)
        assert piece, f"closed after {self.data!r}"
        self.data += piece

    def _until(self, mark):
        while mark not in self.data:
            self._more()
        before, self.data = self.data.split(mark, 1)
        return before

    def head(self):
        """Status and headers; `fields` has them as they came."""
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        return Answer(int(lines[0].split(" ")[1]), [tuple(line.split(": ", 1)) for line in lines[1:]])

    def _bytes(self, length):
        while length > 0:
            if not self.data:
                self._more()
            piece, self.data = self.data[:length], self.data[length:]
            length -= len(piece)
            yield piece

    def _chunks(self, answer):
        while size := int(self._until(b"\r\n"), 16):
            yield from self._bytes(size)
            assert self._until(b"\r\n") == b""
        while line := self._until(b"\r\n"):
            answer.trailers.append(tuple(line.decode("latin-1").split(": ", 1)))

    def pieces(self, answer):
        """The body after this head, as it comes."""
        if answer.status < 200 or answer.status in (204, 304):
            return
        if answer.headers.get("transfer-encoding") == "chunked":
            yield from self._chunks(answer)
        elif "content-length" in answer.headers:
            yield from self._bytes(int(answer.headers["content-length"]))
        else:
            piece, self.data = self.data, b""
            while piece:
                yield piece
                piece = self.sock.recv(65536)

    def answer(self, head_only=False):
        if isinstance(self.sock, h2client.Http1Socket):
            stream = self.sock.answer()
            answer = Answer(stream.status, stream.headers, stream.body)
            answer.trailers = stream.trailers
            return answer
        answer = self.head()
        answer.body = b"" if head_only else b"".join(self.pieces(answer))
        return answer

    def is_closed(self):
        return read_all(self.sock) == b"" and self.data == b""


class Exchange:
    """One request and its response in pieces, over HTTP/1.1: what a test of streaming says, whatever protocol carries it."""

    def __init__(self, server, method, path, *headers, length=None, chunked=False, **options):
        self.method, self.chunked = method, chunked
        self.sock = server.connect(**options)
        self.reader = Reader(self.sock)
        if length is not None:
            headers += (f"Content-Length: {length}",)
        if chunked:
            headers += ("Transfer-Encoding: chunked",)
        self.sock.sendall(get(path, *headers, method=method))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.sock.close()

    def send(self, data):
        """A piece of the body."""
        self.sock.sendall(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def end(self):
        """The body is complete."""
        if self.chunked:
            self.sock.sendall(b"0\r\n\r\n")

    def head(self):
        self.response = self.reader.head()
        self.body = iter(()) if self.method == "HEAD" else self.reader.pieces(self.response)
        return self.response

    def read(self, length):
        """At least so many bytes of the response's body."""
        data = b""
        while len(data) < length:
            data += next(self.body)
        return data

    def answer(self):
        answer = self.head()
        answer.body = b"".join(self.body)
        return answer

    def has_answer(self):
        """Whether a byte of a response is there already."""
        return bool(self.reader.data or select.select([self.sock], [], [], 0)[0])

    def was_cut_off(self):
        """The rest of the response comes, but not its end."""
        try:
            for _ in self.body:
                pass
            return False
        except (AssertionError, ConnectionResetError):
            return True

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


class Answer:
    def __init__(self, status, fields, body=b""):
        self.status, self.fields, self.body = status, fields, body
        self.headers = {name.lower(): value for name, value in fields}
        self.trailers = []

    def json(self):
        return json.loads(self.body)


def says_close(answer):
    """HTTP/1 says after which answer the connection ends. HTTP/2 has no such header (RFC 9113 section 8.2.2)."""
    return answer.headers.get("connection") == (None if PROTOCOL == "h2" else "close")


def get(path, *headers, method="GET", version="HTTP/1.1"):
    lines = [f"{method} {path} {version}", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(path, body, *headers):
    return get(path, f"Content-Length: {len(body)}", *headers, method="POST") + body


def answer_to(server, data, head_only=False):
    """The first answer to `data`."""
    with server.connect() as sock:
        sock.sendall(data)
        return Reader(sock).answer(head_only)
