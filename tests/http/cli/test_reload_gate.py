"""SIGHUP: routes to applications change while requests are passed on."""
import http.client
import threading

import pytest

from .commands import DEADLINE, listen_somewhere
from .reloads import settings


class Application:
    """Answers each request with its name; the end of a response to /slow waits for `finish`."""

    def __init__(self, name):
        self.name = name.encode()
        self.finish = threading.Event()
        self.listening = listen_somewhere()
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        with conn, conn.makefile("rb") as lines:
            while request := lines.readline():
                while lines.readline() not in (b"\r\n", b""):
                    pass
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(self.name) + 1) + self.name)
                if request.startswith(b"GET /slow"):
                    self.finish.wait(DEADLINE)
                conn.sendall(b"\n")


@pytest.fixture
def application():
    made = []

    def make(name):
        made.append(Application(name))
        return made[-1]

    yield make
    for each in made:
        each.finish.set()
        each.listening.close()


def routes(port, **more):
    return settings(gate={"routes": [{"host": "app.example.com", "upstream": f"http://127.0.0.1:{port}", "public": True, **more}]})


def ask(server, path="/"):
    """The response has begun."""
    conn = http.client.HTTPConnection(server.address, timeout=DEADLINE)
    conn.request("GET", path, headers={"Host": "app.example.com"})
    return conn.getresponse()


def test_lesson_27_routes_change_and_requests_go_on(serve, application):
    old, new = application("old"), application("new")
    server = serve(routes(old.port))
    begun = ask(server, "/slow")
    assert begun.status == 200
    server.reload(routes(new.port))
    assert ask(server).read() == b"new\n"
    old.finish.set()
    assert begun.read() == b"old\n"
    server.reload(routes(new.port, maintenance="Back at noon"))
    assert ask(server).status == 503
    server.reload(settings())
    assert ask(server, "/healthz").read() == b'{"status":"ok"}'  # the host is no site any more


def test_lesson_27_a_wrong_route_changes_nothing(serve, application):
    app = application("app")
    server = serve(routes(app.port))
    server.reload(routes(app.port, path="/x", strip_path=True), expect="reload_failed")
    assert [(f["setting"], f["fix"]) for f in server.findings()] == [("gate.routes[0].path", "write /x/")]
    assert ask(server).read() == b"app\n"
    server.reload(settings(gate={"routes": [{"host": "app.example.com", "upstream": "https://127.0.0.1", "public": True, "tls": {"ca": "gone.pem"}}]}),
                  expect="reload_failed")
    assert [f["setting"] for f in server.findings()] == ["gate.routes[0].tls.ca"]
    assert ask(server).read() == b"app\n"


def test_an_upstream_that_is_gone_is_502_and_comes_back(serve, application):
    gone = listen_somewhere()
    port = gone.getsockname()[1]
    gone.close()
    server = serve(routes(port))
    response = ask(server)
    assert response.status == 502 and str(port) not in response.read().decode()
    app = application("app")
    server.reload(routes(app.port))
    assert ask(server).read() == b"app\n"
