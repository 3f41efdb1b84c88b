"""Applications that break the rules. Each behaviour is a function of the connection and the request; the path of the request says which.

What each leads to is one of these, whatever the protocol of the client:

- BAD: 502. Nothing of the answer may reach the client.
- CUT: the answer begins and must not look complete.
- LATE: 504.
- BAD_OR_LATE: 502 or 504, whichever limit is met first.
- BAD_OR_CUT: the fault may be seen before or after the head has been passed on.
"""
import random
import socket
import struct
import time

from raw_server import RawServer

BAD, CUT, LATE, BAD_OR_CUT, BAD_OR_LATE = "bad", "cut", "late", "bad or cut", "bad or late"
BEHAVIOURS = {}
EVIL = b"evil"  # in what no client may ever see
EVIL_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Evil: evil\r\n\r\nevil"
HELLO = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"


def behaviour(expected, reads_body=True):
    def add(function):
        BEHAVIOURS[function.__name__] = (function, expected, reads_body)
        return function
    return add


def says(name, expected, *pieces, pause=0.0):
    """Sends these bytes, and closes."""
    def send(connection, _):
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
    BEHAVIOURS[name] = (send, expected, True)


def reset(connection):
    """The connection ends with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# ---- before the head is complete ----

says("close at once", BAD)
says("half a status line", BAD, b"HTTP/1.1 20")
says("half a head", BAD, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Half")
says("a head without its end", BAD, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n")
says("garbage", BAD, random.Random(1).randbytes(5000))
says("no head at all", BAD, b"evil\r\n")
says("a page of HTML", BAD, b"<html><body>evil</body></html>")
says("TLS", BAD, b"\x15\x03\x01\x00\x02\x02\x50")
says("HTTP/2", BAD, b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64")
says("a request", BAD, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


@behaviour(BAD)
def reset_at_once(connection, _):
    reset(connection)


@behaviour(BAD)
def reset_in_the_head(connection, _):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-")
    reset(connection)


@behaviour(BAD)
def ten_megabytes_of_head(connection, _):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(160):
        connection.sendall(b"X-%d: " % number + b"x" * 65536 + b"\r\n")
    connection.sendall(b"Content-Length: 4\r\n\r\nevil")


@behaviour(BAD)
def ten_megabytes_of_one_name(connection, _):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(160):
        connection.sendall(b"x" * 65536)
    connection.sendall(b": evil\r\nContent-Length: 4\r\n\r\nevil")


@behaviour(BAD)
def ten_megabytes_of_reason(connection, _):
    connection.sendall(b"HTTP/1.1 200 ")
    for _ in range(160):
        connection.sendall(b"x" * 65536)
    connection.sendall(b"\r\nContent-Length: 4\r\n\r\nevil")


@behaviour(BAD)
def a_hundred_thousand_headers(connection, _):
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000 + b"Content-Length: 4\r\n\r\nevil")


@behaviour(BAD)
def ten_thousand_interim_answers(connection, _):
    for _ in range(100):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100)
    connection.sendall(EVIL_ANSWER)


@behaviour(BAD)
def interim_answers_for_ever(connection, _):
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


# ---- heads that say what must not be passed on ----

def head(name, *lines, status=b"HTTP/1.1 200 OK", body=b"evil"):
    says(name, BAD, b"\r\n".join([status, *lines]) + b"\r\n\r\n" + body)


head("both lengths", b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"4\r\nevil\r\n0\r\n\r\n")
head("both lengths, the other way", b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"4\r\nevil\r\n0\r\n\r\n")
head("two lengths", b"Content-Length: 4", b"Content-Length: 5")
head("two lengths in one", b"Content-Length: 4, 5")
for value in (b"+4", b"-4", b"4x", b"0x4", b"4 4", b"", b"99999999999999999999999", b"18446744073709551620", b"4;", b"\"4\"", b"1e1", b"4.0"):
    head(f"length {value.decode()}", b"Content-Length: " + value)
for value in (b"gzip, chunked", b"chunked, chunked", b"xchunked", b"chunked x", b"identity", b"chunked, identity", b"\"chunked\"", b"chunked;a=b", b"\x0bchunked", b""):
    head(f"coding {value.decode('latin-1')!r}", b"Transfer-Encoding: " + value, body=b"4\r\nevil\r\n0\r\n\r\n")
head("two codings", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"4\r\nevil\r\n0\r\n\r\n")
head("a space before the colon", b"Content-Length : 4")
head("a space before the colon of a coding", b"Transfer-Encoding : chunked", b"Content-Length: 4", body=b"4\r\nevil\r\n0\r\n\r\n")
head("a folded header", b"X-A: b", b" evil: c", b"Content-Length: 4")
head("a folded header first", b" X-A: b", b"Content-Length: 4")
head("a line feed in a value", b"X-A: b\nSet-Cookie: evil=1", b"Content-Length: 4")
head("a carriage return in a value", b"X-A: b\rSet-Cookie: evil=1", b"Content-Length: 4")
head("a NUL in a value", b"X-A: b\0Set-Cookie: evil=1", b"Content-Length: 4")
head("a NUL in a name", b"X-A\0: evil", b"Content-Length: 4")
head("a control character in a value", b"X-A: b\x01evil", b"Content-Length: 4")
head("a name with a space", b"X A: evil", b"Content-Length: 4")
head("a name with bytes over 127", b"X-\xe9: evil", b"Content-Length: 4")
head("an empty name", b": evil", b"Content-Length: 4")
head("a line without a colon", b"evil", b"Content-Length: 4")
says("lines that end in LF alone", BAD, b"HTTP/1.1 200 OK\nContent-Length: 4\n\nevil")
for value in (b"HTTP/1.1 099 X", b"HTTP/1.1 600 X", b"HTTP/1.1 1000 X", b"HTTP/1.1 20 X", b"HTTP/1.1 abc X", b"HTTP/1.1 -20 X", b"HTTP/1.1 2x0 X", b"HTTP/1.1  200 X", b"HTTP/1.1",
              b"HTTP/2.0 200 OK", b"HTTP/0.9 200 OK", b"HTTP/11 200 OK", b"http/1.1 200 OK", b"HTTPS/1.1 200 OK", b"ICY 200 OK", b"HTTP/1.1\t200\tOK", b" HTTP/1.1 200 OK",
              b"HTTP/1.1 200 O\0K", b"HTTP/1.1 200 O\rK", b"HTTP/1.1 000 X", b"HTTP/1.1 199 X"):
    head(f"status {value.decode()!r}", b"Content-Length: 4", status=value)
head("101 that nobody asked for", b"Upgrade: websocket", b"Connection: Upgrade", status=b"HTTP/1.1 101 Switching Protocols")
head("101 without a protocol", status=b"HTTP/1.1 101 Switching Protocols")


# ---- in the body ----

LENGTH_100 = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def breaks(name, *pieces, with_reset=False):
    """Begins well; the pause lets the head go on before the rest comes."""
    def send(connection, _):
        connection.sendall(pieces[0])
        time.sleep(0.05)
        for piece in pieces[1:]:
            connection.sendall(piece)
        if with_reset:
            time.sleep(0.05)
            reset(connection)
    BEHAVIOURS[name] = (send, BAD_OR_CUT, True)


breaks("close in a body with a length", LENGTH_100, b"x" * 50)
breaks("close before a body with a length", LENGTH_100)
breaks("reset in a body with a length", LENGTH_100, b"x" * 50, with_reset=True)
breaks("close in a chunk", CHUNKED, b"64\r\n" + b"x" * 50)
breaks("close between chunks", CHUNKED, b"5\r\nhello\r\n")
breaks("close before the last line", CHUNKED, b"5\r\nhello\r\n0\r\n")
breaks("reset in a chunk", CHUNKED, b"64\r\n" + b"x" * 50, with_reset=True)
breaks("reset of a body that the end would close", b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 50, with_reset=True)
for value in (b"5x\r\nhello\r\n", b"-5\r\nhello\r\n", b"0x5\r\nhello\r\n", b"\r\nhello\r\n", b" 5\r\nhello\r\n", b"5 \n hello\r\n", b"5\nhello\r\n", b"ffffffffffffffffff\r\nhello\r\n", b"5\r\nhelloXX",
              b"4\r\nhello\r\n", b"6\r\nhello\r\n", b"5\r\nhello\n", b"5;" + b"x" * 100_000 + b"\r\nhello\r\n", b"5;a=\"\n\"\r\nhello\r\n", b"5;\rx\r\nhello\r\n", b"g\r\n", b"5,\r\nhello\r\n"):
    breaks(f"chunk {value[:20]!r}", CHUNKED, value + b"0\r\n\r\n")
for value in (b"X-A: b\nevil: c\r\n", b"X A: b\r\n", b" X: evil\r\n", b"X-A: \0evil\r\n", b"evil\r\n", b"X: " + b"x" * 10_000_000 + b"\r\n"):
    breaks(f"trailer {value[:20]!r}", CHUNKED, b"5\r\nhello\r\n0\r\n" + value + b"\r\n")


# ---- time ----

@behaviour(LATE)
def silence(connection, _):
    connection.recv(1)  # until the other side goes


@behaviour(LATE)
def a_head_byte_by_byte(connection, _):
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


@behaviour(BAD_OR_LATE)
def interim_answers_one_by_one(connection, _):
    for _ in range(600):
        connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
        time.sleep(0.1)


@behaviour(CUT)
def silence_in_a_body(connection, _):
    connection.sendall(LENGTH_100 + b"x" * 50)
    connection.recv(1)


@behaviour(CUT)
def silence_between_chunks(connection, _):
    connection.sendall(CHUNKED + b"5\r\nhello\r\n")
    connection.recv(1)


@behaviour(LATE, reads_body=False)
def a_body_that_is_not_read(connection, _):
    time.sleep(10)


SLOW = [name for name, (function, expected, _) in BEHAVIOURS.items() if expected in (LATE, CUT, BAD_OR_LATE)]


# ---- what is answered well, beside what is not ----

def good(connection, request):
    """Says which request it is that it answers."""
    body = f"answer to {request.target}".encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + (body if request.method != "HEAD" else b""))
    return True


class HostileUpstream(RawServer):
    """A path of /good/… is answered well; /NUMBER/… is the behaviour of that number in `names`."""

    names = list(BEHAVIOURS)

    def __init__(self, **more):
        self.others = {}  # by the first part of the path
        super().__init__(self._behave, early=True, **more)

    def _behave(self, connection, request):
        word = request.path.split("/")[1]
        if word in self.others:
            return self.others[word](connection, request)
        if word == "good":
            request.read_body()
            return good(connection, request)
        function, _, reads_body = BEHAVIOURS[self.names[int(word)]]
        if reads_body:
            request.read_body()
        return function(connection, request)

    def path_of(self, name):
        return f"/{self.names.index(name)}/x"
