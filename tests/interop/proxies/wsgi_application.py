"""The application in an instance of uWSGI: it passes each request to the one of the tests, as headers again, and its answer back."""
import http.client
import os
import re

import uwsgi


def headers_of(environ):
    """As applications read them: a variable that is empty is none, and one of a name that no header has is not looked for."""
    headers = [(name[5:].replace("_", "-"), re.sub(r"[\r\n]+", " ", value)) for name, value in environ.items() if re.fullmatch(r"HTTP_[A-Z0-9_.]+", name) and value]
    return [header for header in headers if header[0] not in ("TRANSFER-ENCODING", "EXPECT", "CONNECTION")]


def read_body(environ):
    if environ.get("HTTP_TRANSFER_ENCODING") != "chunked":
        return environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    body = b""
    while chunk := uwsgi.chunked_read():
        body += chunk
    return body


def passed_on(environ, body):
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["APPLICATION_PORT"]), timeout=30)
    connection._validate_path = lambda path: None  # the bytes of the client
    connection.putrequest(environ["REQUEST_METHOD"], environ["REQUEST_URI"], skip_host=True, skip_accept_encoding=True)
    for name, value in [*headers_of(environ), ("Content-Length", str(len(body))), ("X-Path-Info", environ["PATH_INFO"].encode("unicode_escape")),
                        ("X-Remote-User-Variable", environ.get("REMOTE_USER", ""))]:
        connection.putheader(name, value)
    connection.endheaders(body)
    return connection.getresponse()


def application(environ, start_response):
    if environ.get("HTTP_UPGRADE") == "websocket":
        connection = passed_on(environ, b"")
        assert connection.status == 101
        uwsgi.websocket_handshake()
        uwsgi.websocket_send(uwsgi.websocket_recv())
        return []
    answer = passed_on(environ, read_body(environ))
    start_response(f"{answer.status} {answer.reason}", answer.getheaders())
    return [answer.read()]
