"""Requests that a seed makes, for the differentials."""
import random
import string

from raw_client import chunked_bytes

METHODS = ["GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT", "M-SEARCH"]
SEGMENTS = ["a", "Index.html", "x.y.z", "%20", "a%20b", "%C3%BC", "~ana", "a_b-c", "100%25", "a@b", "a,b", "a+b", "a=b&c", "(x)", "'q'", "!", "$1", "a:b", "*",
            "%E2%82%AC", "%22", "%3C%3E", "%5B1%5D", "%7B%7D", "%7C", "%5E", "%60"]
OPAQUE = ["a%2Fb", "%2F", "a%2fb%2Fc", "a;b=c", ";", "a;b;c", "a%3Bb", "x%2Fy;z", "%2F%2F", "a%2F", "%2Fa", "x;%2F"]
QUERIES = ["", "", "?", "?a=b", "?a=b&a=c", "?q=%20%2F%3F", "?a;b", "?a=b=c", "?%zz", "?a+b", "?x=1&&y", "?url=https://example.com/x", "?[0]={1}", "?q='", "?a|b^c`"]
NAMES = ["X-Custom", "x-lower", "X-UPPER", "X-MiXeD", "A", "X--Two", "-X", "X-", "X-1", "1x", "Accept", "Accept-Language", "User-Agent", "Referer", "X-Requested-With",
         "If-None-Match", "If-Modified-Since", "Range", "Cache-Control", "Authorization", "Origin", "DNT", "Via", "From", "Max-Forwards", "Priority"]
VALUES = ["", "x", "a b  c", "\"quoted\"", "a, b;q=0.5", "caf\xc3\xa9", "\xff\xfe", "a\tb", ":", "a: b", "%0d%0a", "${x}", "\\", "*/*", "W/\"1\"", "x" * 300, "=?", "bytes=0-1"]
COOKIES = ["a=1", "b=\"x y\"", "c==", "d", "__Host-x=%20", "cardea=mine", "e=1; f=2; g", "h=a,b", "theme=dark;lang=de"]
SIZES = [0, 1, 2, 100, 4095, 4096, 16383, 16384, 16385, 65535, 65536, 100_000]


def token(rng):
    return "".join(rng.choice(string.ascii_letters + string.digits + "-") for _ in range(rng.randint(1, 24))).strip("-") or "x"


class Generated:
    """`line` and `fields` without Host and without what frames the body; `content` is the body, and `sent` how it is written."""

    def __init__(self, rng, number, opaque=False):
        self.method = rng.choice(METHODS)
        segments = [rng.choice(SEGMENTS) for _ in range(rng.randint(0, 4))]
        if opaque:
            segments.insert(rng.randint(0, len(segments)), rng.choice(OPAQUE))
        self.target = "/" + "/".join(segments) + (rng.choice(["", "/"]) if segments else "") + rng.choice(QUERIES)
        self.line = f"{self.method} {self.target}"
        self.fields = [("X-Number", str(number))]
        for name in rng.sample(NAMES, rng.randint(0, 6)):
            self.fields.append((name, rng.choice(VALUES)))
        for _ in range(rng.randint(0, 3)):
            self.fields.append((f"X-{token(rng)}", token(rng)))
        rng.shuffle(self.fields)
        self.cookies = rng.sample(COOKIES, rng.choice([0, 0, 1, 2]))
        if self.cookies:
            self.fields.insert(rng.randint(0, len(self.fields)), ("Cookie", "; ".join(self.cookies)))
        self._add_body(rng)

    def _add_body(self, rng):
        self.content = rng.randbytes(rng.choice(SIZES))
        how = "none" if self.method in ("GET", "HEAD", "OPTIONS") and rng.random() < 0.8 else rng.choice(["length", "length", "chunked", "empty", "none"])
        if how in ("none", "empty"):
            self.content = b""
        self.framing = []
        self.sent = self.content
        if how in ("length", "empty"):
            self.framing = [("Content-Length", str(len(self.content)))]
        elif how == "chunked":
            self.framing = [("Transfer-Encoding", "chunked")]
            self.sent = chunked_bytes(self.content, [rng.randint(1, 20_000) for _ in range(rng.randint(0, 8))])
        if how != "none" and rng.random() < 0.7:
            self.fields.append(("Content-Type", rng.choice(["application/json", "text/plain; charset=utf-8", "multipart/form-data; boundary=x", "application/octet-stream"])))

    def __repr__(self):
        return f"{self.line} {self.fields} {self.framing} {len(self.content)} bytes"


def generate(seed, count, opaque=False):
    rng = random.Random(seed)
    return [Generated(rng, number, opaque) for number in range(count)]
