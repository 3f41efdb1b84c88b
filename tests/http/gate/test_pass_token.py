"""pass_token: the application gets the user's token of a provider, which is refreshed; and what users without one get."""
import concurrent.futures
import http.server
import json
import subprocess
import threading
import time
import urllib.parse

import pytest

import services
from gated import Gated
from raw_client import Http1
from raw_server import RawServer
from services import wait_until

TOOL = services.BUILD / "tests/support/login-tool"
BROWSER = [("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]


class Provider(http.server.ThreadingHTTPServer):
    """A token endpoint that accepts each refresh token once."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Endpoint)
        self.asked, self.good, self.down = [], "rt0", False
        self.url = f"http://127.0.0.1:{self.server_address[1]}/token"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Endpoint(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        self.server.asked.append(form)
        time.sleep(0.05)
        if self.server.down:
            return self.answer(503, {})
        if form["refresh_token"] != self.server.good:
            return self.answer(400, {"error": "invalid_grant"})
        number = len(self.server.asked)
        self.server.good = f"rt{number}"
        return self.answer(200, {"access_token": f"at{number}", "refresh_token": self.server.good, "expires_in": 86400, "token_type": "Bearer"})

    def answer(self, status, members):
        body = json.dumps(members).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def echo(connection, request):
    body = "".join(f"{name}: {value}\r\n" for name, value in request.fields).encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    return True


class System:
    def __init__(self, folder):
        self.provider = Provider()
        self.application = RawServer(echo)
        route = {"upstream": self.application.url, "pass_token": "osu", "token_header": "X-Osu-Token"}
        self.gate = Gated(folder, [{"host": "play.example.com", "allow": {"factors": 1}, **route}, {"host": "pub.example.com", "public": True, **route}],
                          outgoing={"networks": ["127.0.0.0/8"]}, signin={"providers": [
                              {"type": "osu", "client_id": "7", "client_secret": "0123456789abcdef", "token_endpoint": self.provider.url}]})

    def keep(self, user, access, refresh, lifetime, ago=0):
        subprocess.run([TOOL, self.gate.config, "tokens", user, str(ago), "osu", access, refresh, str(lifetime)], check=True, timeout=services.PATIENCE)

    def ask(self, user, headers=(), host="play.example.com"):
        cookie = [("Cookie", self.gate.cookies[user])] if user else []
        with Http1(self.gate.h1) as connection:
            return connection.ask("GET /", [("Host", host), *cookie, *headers])


@pytest.fixture
def system(tmp_path):
    system = System(tmp_path / "gate")
    yield system
    system.gate.stop()
    system.application.close()
    system.provider.shutdown()
    system.provider.server_close()


def token_of(reply):
    """The header as the application got it, which it sends back; what there is twice is an error."""
    assert reply.status == 200, reply.body
    lines = [line for line in reply.body.decode().split("\r\n") if line.lower().replace("_", "-").startswith("x-osu-token")]
    (line,) = lines
    assert line.startswith("X-Osu-Token:")
    return line.partition(":")[2].strip()


def test_50_requests_with_an_expired_token_lead_to_one_refresh(system):
    system.keep("ana", "at0", "rt0", 60, ago=60)
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        tokens = set(pool.map(lambda _: token_of(system.ask("ana")), range(50)))
    assert tokens == {"at1"}
    (form,) = system.provider.asked
    assert form == {"grant_type": "refresh_token", "refresh_token": "rt0", "client_id": "7", "client_secret": "0123456789abcdef"}
    for secret in ("at0", "at1", "rt0", "rt1", "0123456789abcdef"):
        assert f'"{secret}"' not in system.gate.log() and f"={secret}" not in system.gate.log()  # lesson 28


def test_lesson_04_a_client_sends_no_token(system):
    evil = [("X-Osu-Token", "evil"), ("x_osu_token", "evil"), ("X-OSU-TOKEN", "evil"), ("X.Osu-Token", "evil")]
    assert token_of(system.ask(None, evil, "pub.example.com")) == ""
    system.keep("ana", "at0", "", 0)
    assert token_of(system.ask("ana", evil)) == "at0"
    assert token_of(system.ask("ana", evil, "pub.example.com")) == "at0"


def test_a_user_without_a_token_is_told_which_account_to_connect(system):
    page = system.ask("bob", BROWSER)
    assert page.status == 403
    text = page.body.decode()
    assert "Connect an account" in text and "<bdi>osu</bdi>" in text and 'href="https://auth.example.com/_auth/"' in text
    program = system.ask("bob")
    assert (program.status, json.loads(program.body)["error"]) == (403, "account_not_connected")
    wait_until(lambda: "pass_token: no such token of a provider" in system.gate.log(), "the reason in the log")


def test_a_token_that_the_provider_no_longer_refreshes_asks_for_a_login(system):
    system.keep("ana", "at0", "revoked", 60, ago=60)
    for _ in range(2):
        assert system.ask("ana").status == 403
    assert len(system.provider.asked) == 1
    system.keep("ana", "at9", "rt0", 3600)
    assert token_of(system.ask("ana")) == "at9"


def test_a_provider_that_is_down_is_a_503(system):
    system.keep("ana", "at0", "rt0", 60, ago=60)
    system.provider.down = True
    page = system.ask("ana", BROWSER)
    assert page.status == 503 and b"The provider does not answer" in page.body
    assert json.loads(system.ask("ana").body)["error"] == "provider_unavailable"
    system.provider.down = False
    assert token_of(system.ask("ana")) == "at3"


def test_gate_test_shows_the_header_without_its_value(system):
    system.keep("ana", "at0", "rt0", 3600)
    shown = system.gate.run("gate", "test", "https://play.example.com/", "--user", "ana")
    assert "X-Osu-Token: <redacted: the user's token of osu>\n" in shown and "at0" not in shown
    assert "X-Osu-Token:\n" in system.gate.run("gate", "test", "https://pub.example.com/")
