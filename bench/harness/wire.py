"""HTTP by hand: the requests that set things up, and the length in bytes of an answer, which tells a right one from a wrong one."""
import base64
import contextlib
import json
import re
import socket
import ssl
from urllib.parse import urlencode


HTTP2_DATA, HTTP2_HEADERS, HTTP2_SETTINGS = 0, 1, 4
HTTP2_END_STREAM, HTTP2_ACK, HTTP2_END_HEADERS = 1, 1, 4


class Answer:
    def __init__(self, raw_headers, body, length):
        self.status = int(raw_headers.split(b' ', 2)[1])
        self.raw_headers = raw_headers
        self.body = body
        self.length = length  # bytes of the whole answer on the wire

    def header(self, name):
        found = re.search(rb'(?im)^' + name.encode() + rb':[ \t]*(.*?)\r?$', self.raw_headers)
        return found.group(1).decode('latin-1') if found else None

    def json(self):
        return json.loads(self.body)


def basic(user, password):
    return 'Basic ' + base64.b64encode(f'{user}:{password}'.encode()).decode()


def form(**fields):
    return urlencode(fields)


def request_bytes(port, method, path, headers=None, body=''):
    lines = [f'{method} {path} HTTP/1.1']
    lines += [f'{name}: {value}' for name, value in {'Host': f'127.0.0.1:{port}', **(headers or {})}.items()]
    if body:
        lines.append(f'Content-Length: {len(body.encode())}')
    return ('\r\n'.join(lines) + '\r\n\r\n' + body).encode()


def read_answer(connection, pending=b''):
    """One answer and the bytes that came after it."""
    def more():
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError('closed in the middle of an answer')
        return chunk

    while b'\r\n\r\n' not in pending:
        pending += more()
    head, _, rest = pending.partition(b'\r\n\r\n')
    if re.search(rb'(?im)^transfer-encoding:[ \t]*chunked', head):
        while not rest.endswith(b'0\r\n\r\n'):
            rest += more()
        body = b''.join(re.findall(rb'(?s)[0-9a-fA-F]+\r\n(.*?)\r\n', rest))
        return Answer(head, body, len(head) + 4 + len(rest)), b''
    found = re.search(rb'(?im)^content-length:[ \t]*(\d+)', head)
    length = int(found.group(1)) if found else 0
    while len(rest) < length:
        rest += more()
    return Answer(head, rest[:length], len(head) + 4 + length), rest[length:]


def tls_1_3():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def ask(port, method, path, headers=None, body='', tls=False):
    with socket.create_connection(('127.0.0.1', port), timeout=10) as connection, \
            tls_1_3().wrap_socket(connection) if tls else contextlib.nullcontext(connection) as connection:
        connection.sendall(request_bytes(port, method, path, headers, body))
        return read_answer(connection)[0]


def http2_frame(kind, flags=0, stream=0, payload=b''):
    return len(payload).to_bytes(3, 'big') + bytes((kind, flags)) + stream.to_bytes(4, 'big') + payload


def http2_begin(connection, port, path):
    """Begins HTTP/2 with prior knowledge and asks for `path` on stream 1 (RFC 9113 §3.3)."""
    # RFC 7541: the table's :method GET and :scheme http, then its :path and :authority with other values.
    fields = b'\x82\x86' + b''.join(bytes((index, len(value))) + value.encode() for index, value in
                                    ((4, path), (1, f'127.0.0.1:{port}')))
    connection.sendall(b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + http2_frame(HTTP2_SETTINGS) +
                       http2_frame(HTTP2_HEADERS, HTTP2_END_STREAM | HTTP2_END_HEADERS, 1, fields))


def http2_read_body(connection):
    """The body of the answer on stream 1; the server's settings are acknowledged."""
    pending, body = b'', b''
    while True:
        while len(pending) < 9 or len(pending) < 9 + int.from_bytes(pending[:3], 'big'):
            chunk = connection.recv(65536)
            if not chunk:
                raise ConnectionError('closed in the middle of an answer')
            pending += chunk
        end = 9 + int.from_bytes(pending[:3], 'big')
        kind, flags, payload = pending[3], pending[4], pending[9:end]
        pending = pending[end:]
        if kind == HTTP2_SETTINGS and not flags:
            connection.sendall(http2_frame(HTTP2_SETTINGS, HTTP2_ACK))
        if kind == HTTP2_DATA:
            body += payload
        if kind in (HTTP2_DATA, HTTP2_HEADERS) and flags & HTTP2_END_STREAM:
            return body


def post_form(port, path, authorization, body):
    headers = {'Authorization': authorization, 'Content-Type': 'application/x-www-form-urlencoded'}
    return ask(port, 'POST', path, headers, body)


def collect_tokens(port, path, authorization, body, count, write):
    """Asks `count` times for a token over one connection, a few requests ahead of the answers; write(token) gets each."""
    headers = {'Authorization': authorization, 'Content-Type': 'application/x-www-form-urlencoded'}
    one = request_bytes(port, 'POST', path, headers, body)
    seen = set()
    pending = b''
    with socket.create_connection(('127.0.0.1', port), timeout=10) as connection:
        while count > 0:
            batch = min(count, 16)
            connection.sendall(one * batch)
            for _ in range(batch):
                answer, pending = read_answer(connection, pending)
                token = answer.json()['access_token']
                if token in seen:
                    raise ValueError('the same token was issued twice')
                seen.add(token)
                write(token)
            count -= batch
