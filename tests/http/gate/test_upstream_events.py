"""What the log says of applications that stop and start to work."""
import socket

from gated import Gated
from raw_client import Http1
from raw_server import RawServer
from services import wait_until
from support.ports import find_ports


def answer(connection, _):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    return True


def ask(gate, host):
    with Http1(gate.h1) as connection:
        return connection.ask("GET /", [("Host", host)]).status


def events(gate, name):
    return [event for event in gate.service.events() if event["event"] == name]


def check(gate, start, upstream, more):
    assert [ask(gate, "app.example.com") for _ in range(3)] == [502] * 3
    server = start()
    try:
        wait_until(lambda: ask(gate, "app.example.com") == 200, "an answer")
        gate.service.wait_event("upstream_up")
        (down,), (up,) = events(gate, "upstream_down"), events(gate, "upstream_up")
        assert down["level"] == "warn" and up["level"] == "info"
        assert {key: down.get(key) for key in ("upstream", *more)} == {"upstream": upstream, **more}
        assert up["upstream"] == upstream and up.get("address") == more.get("address")
    finally:
        server.close()


def test_a_port_that_nobody_listens_on_is_down_until_somebody_does(tmp_path):
    port = find_ports()
    url = f"http://127.0.0.1:{port}"
    gate = Gated(tmp_path, [{"host": "app.example.com", "upstream": url, "public": True}], users={}, threads=1)
    try:
        check(gate, lambda: RawServer(answer, port=port), url, {"address": "127.0.0.1", "reason": "connection refused"})
    finally:
        gate.stop()


def test_so_is_a_unix_socket(tmp_path):
    path = tmp_path / "app.sock"
    gate = Gated(tmp_path / "cardea", [{"host": "app.example.com", "upstream": f"unix:{path}", "public": True}], users={}, threads=1)
    try:
        check(gate, lambda: RawServer(answer, unix=path), f"unix:{path}", {"reason": "no such file or directory"})
    finally:
        gate.stop()
