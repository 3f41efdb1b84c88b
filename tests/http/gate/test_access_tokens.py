"""Access tokens of the issuer at the gate: as good as a login, and so withheld from applications."""
import base64
import json
import urllib.parse

import pytest

from gated import Gated
from raw_client import Http1
from raw_server import RawServer

ISSUER = "https://auth.example.com"
API = "https://api.example.com"
SECRET = "the secret of the reports"


def answer(connection, _request):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    return True


class System:
    def __init__(self, folder):
        self.application = RawServer(answer)
        upstream = {"upstream": self.application.url}
        routes = [{"host": "api.example.com", "bearer": {"audience": API, "scope": "read"}, "allow": {"groups": ["staff"]}, **upstream},
                  {"host": "pub.example.com", "public": True, **upstream},
                  {"host": "wiki.example.com", "allow": {"groups": ["staff"]}, **upstream},
                  {"host": "own.example.com", "public": True, "pass": ["tokens"], **upstream}]
        self.gate = Gated(folder, routes, issuer=ISSUER, scopes=["read", "write"], clients=[
            {"id": "reports", "secret": SECRET, "grant_types": ["client_credentials"], "scopes": ["read", "write"], "audience": API}])

    def token(self, scope):
        body = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": scope}).encode()
        basic = base64.b64encode(f"reports:{SECRET}".encode()).decode()
        with Http1(self.gate.h1) as connection:
            reply = connection.ask("POST /oauth/token", [("Host", "auth.example.com"), ("Authorization", f"Basic {basic}"), (
                "Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", str(len(body)))], body)
        return json.loads(reply.body)["access_token"]

    def received(self, host, authorization, user=None):
        """What the application sees of Authorization, and who the user is to it."""
        before = len(self.application.requests)
        fields = [("Host", host), ("Authorization", authorization)] + ([("Cookie", self.gate.cookies[user])] if user else [])
        with Http1(self.gate.h1) as connection:
            reply = connection.ask("GET /x", fields)
        assert reply.status == 200, reply
        (request,) = self.application.requests[before:]
        return request.values("Authorization"), request.values("Remote-User")

    def close(self):
        self.gate.stop()
        self.application.close()


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    running = System(tmp_path_factory.mktemp("tokens"))
    yield running
    running.close()


def test_lesson_6_an_access_token_does_not_reach_the_application(system):
    assert system.received("api.example.com", f"Bearer {system.token('read')}") == ([], ["client:reports"])
    # Where something else let the request in.
    assert system.received("api.example.com", f"Bearer {system.token('write')}", user="ana") == ([], ["ana"])
    assert system.received("wiki.example.com", f"Bearer {system.token('read')}", user="ana") == ([], ["ana"])
    assert system.received("pub.example.com", f"bearer {system.token('read')}") == ([], [""])


def test_what_is_no_token_of_ours_passes(system):
    header, payload, _signature = system.token("read").split(".")
    for other in (f"Bearer {header}.{payload}.AAAA", "Bearer of.the.application", "Bearer x", "Basic eDp5", "Digest x"):
        assert system.received("pub.example.com", other) == ([other], [""])


def test_a_route_may_pass_tokens(system):
    token = f"Bearer {system.token('read')}"
    assert system.received("own.example.com", token) == ([token], [""])
