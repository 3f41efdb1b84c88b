"""The application behind a proxy: it answers with what it received, and remembers it."""
import base64
import hashlib
import json
import socket
import threading

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3


class Received:
    def __init__(self, line, headers, body):
        self.line, self.headers, self.body = line, headers, body
        self.method, self.target, _ = line.split(" ", 2)

    def values(self, name):
        """Of all headers that a CGI-like server would show as this one: case, "-", "_" and "." do not differ."""
        return [value for key, value in self.headers if plain(key) == plain(name)]


def plain(name):
    return name.lower().replace("_", "-").replace(".", "-")


class Application:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.received = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection, connection.makefile("rb") as stream:
                while line := stream.readline().decode("latin-1").rstrip("\r\n"):
                    self._answer(connection, stream, self._read(connection, stream, line))
        except OSError:
            pass

    @staticmethod
    def _read(connection, stream, line):
        headers = []
        while header := stream.readline().decode("latin-1").rstrip("\r\n"):
            name, _, value = header.partition(":")
            headers.append((name, value.strip(" ")))
        fields = {name.lower(): value for name, value in headers}
        if fields.get("expect") == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fields.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(stream.readline(), 16):
                body += stream.read(size)
                stream.readline()
            stream.readline()
        else:
            body = stream.read(int(fields.get("content-length", 0)))
        return Received(line, headers, body)

    def _answer(self, connection, stream, received):
        self.received.append(received)
        fields = {name.lower(): value for name, value in received.headers}
        if fields.get("upgrade", "").lower() == "websocket":
            accept = base64.b64encode(hashlib.sha1((fields["sec-websocket-key"] + GUID).encode()).digest()).decode()
            connection.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
            while data := stream.read1(65536):
                connection.sendall(data)
            raise OSError("the end")
        body = json.dumps({"line": received.line, "headers": received.headers}).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Application: yes\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(body) + (body if received.method != "HEAD" else b""))

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
