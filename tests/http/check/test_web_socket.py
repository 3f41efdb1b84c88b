"""Web sockets to an application behind the gate: LESSON 8 with real nodes on one store."""
import base64
import hashlib
import os
import signal
import socket
import threading

import pytest

from services import PATIENCE, wait_until

from .conftest import COOKIE

pytestmark = pytest.mark.h1_only
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def read_head(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(1)
        if not more:
            break
        data += more
    return data.decode()


class Echo:
    """Switches protocols, and sends back what comes."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.heads, self.ended = [], 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            head = read_head(connection)
            self.heads.append(head)
            key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
            accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass
        self.ended += 1

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def echo():
    made = Echo()
    yield made
    made.close()


@pytest.fixture
def nodes(new_home, echo):
    """Two of them."""
    home = new_home(access=[], gate={"routes": [
        {"host": "chat.example.com", "upstream": echo.url, "allow": {"users": ["ana"]}},
    ]})
    home.nodes = [home.serve(), home.serve()]
    home.add_user("ana")
    home.token = home.log_in()
    return home


def connect(node, token, origin="http://chat.example.com"):
    connection = socket.create_connection(("127.0.0.1", int(node.url.rsplit(":", 1)[1])), timeout=PATIENCE)
    connection.sendall(f"GET /room HTTP/1.1\r\nHost: chat.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\nOrigin: {origin}\r\n"
                       f"Cookie: {COOKIE}={token}\r\n\r\n".encode())
    return connection, read_head(connection)


def is_cut(connection):
    """Waits for the end, or a reset."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_socket_passes_bytes_and_never_the_cookie(nodes, echo):
    connection, head = connect(nodes.nodes[0], nodes.token)
    assert head.startswith("HTTP/1.1 101 ") and "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    for message in (b"x", os.urandom(200_000)):
        threading.Thread(target=connection.sendall, args=(message,), daemon=True).start()
        received = b""
        while len(received) < len(message):
            received += connection.recv(65536)
        assert received == message
    assert nodes.token not in echo.heads[0]
    connection.shutdown(socket.SHUT_WR)
    assert is_cut(connection)
    wait_until(lambda: echo.ended == 1, "the application's side to end")


def test_lesson_8_a_socket_of_another_origin_is_refused(nodes, echo):
    _, head = connect(nodes.nodes[0], nodes.token, "https://evil.example")
    assert head.startswith("HTTP/1.1 403 ") and not echo.heads


def test_lesson_8_sockets_on_both_nodes_are_cut_when_the_user_is_logged_out(nodes, echo):
    both = [connect(node, nodes.token)[0] for node in nodes.nodes]
    for each in both:
        each.sendall(b"x")
        assert each.recv(1) == b"x"
    nodes.cardea("session", "end", "--user", "ana")
    for node, each in zip(nodes.nodes, both):
        assert is_cut(each)
        node.wait_event("request", error="web_socket_cut", user="ana", route="chat.example.com")
    wait_until(lambda: echo.ended == 2, "the application's sides to end")


def test_lesson_8_a_socket_is_cut_when_the_rule_changes(nodes):
    node = nodes.nodes[0]
    connection, _ = connect(node, nodes.token)
    nodes.config["gate"]["routes"][0]["allow"]["users"] = ["bo"]
    nodes.write()
    node.process.send_signal(signal.SIGHUP)
    assert is_cut(connection)
