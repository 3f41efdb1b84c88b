"""Requests to a proxy, byte for byte as they are written here."""
import http.client
import io
import json
import socket
import ssl

PATIENCE = 30  # seconds


class Answer:
    def __init__(self, data, method):
        class Raw:
            def makefile(self, *_):
                return io.BytesIO(data)

        if data.startswith(b"HTTP/1.1 100 "):
            data = data.split(b"\r\n\r\n", 1)[1]
        response = http.client.HTTPResponse(Raw(), method=method)
        response.begin()
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def is_from_application(self):
        return self.headers.get("X-Application") == "yes"

    def json(self):
        return json.loads(self.body)


# Made once, and without the authorities of this machine: to read them takes longer than a request.
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname, CONTEXT.verify_mode = False, ssl.CERT_NONE


def connect(port, server_name):
    return CONTEXT.wrap_socket(socket.create_connection(("127.0.0.1", port), PATIENCE), server_hostname=server_name)


def request_bytes(line, headers, body=b""):
    """Headers are pairs, or whole lines as bytes."""
    lines = [h if isinstance(h, bytes) else f"{h[0]}: {h[1]}".encode("latin-1") for h in headers]
    return b"\r\n".join([f"{line} HTTP/1.1".encode("latin-1"), *lines]) + b"\r\n\r\n" + body


def ask(port, server_name, line, headers, body=b""):
    """The whole answer to one request; None where the connection is closed without one."""
    with connect(port, server_name) as connection:
        connection.sendall(request_bytes(line, [*headers, ("Connection", "close")], body))
        data = b""
        try:
            while more := connection.recv(65536):
                data += more
        except (ConnectionError, ssl.SSLError):
            pass
    return Answer(data, line.split(" ")[0]) if data else None


def read_head(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(1)
        if not more:
            break
        data += more
    return data
