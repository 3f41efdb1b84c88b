"""The three services of the time API as they are, from a user's call to the introspection of its token."""

import base64
import json
import time

import pytest

from services import wait_until

CLIENT = [("Authorization", "Basic " + base64.b64encode(b"1234:qwerty").decode())]
RESOURCE = "http://localhost:5002"
SECRETS = ["qwerty", "tick-tock", "wonderland"]


class System:
    def __init__(self, start, lifetime="60s"):
        trust = {"trusted_proxies": ["127.0.0.1"]}
        self.start, self.issuer = start, None
        self.issuer = start(
            "cardea",
            {
                **trust,
                "issuer": "http://localhost:5001",
                "tokens": {"lifetime": lifetime},
                "accept_any_user": "demo-only",
                "scopes": ["current_time", "epoch_time"],
                "clients": [
                    {
                        "id": "1234",
                        "secret": "qwerty",
                        "grant_types": ["client_credentials", "password"],
                        "scopes": ["current_time", "epoch_time"],
                        "audience": RESOURCE,
                    },
                    {
                        "id": "elsewhere",
                        "secret": "qwerty",
                        "grant_types": ["client_credentials"],
                        "scopes": ["current_time"],
                        "audience": "http://localhost:9",
                    },
                    {"id": "time-resource", "secret": "tick-tock", "introspect": [RESOURCE]},
                ],
            },
            arguments=["serve"],
        )
        self.resource = start(
            "time-resource",
            {
                **trust,
                "authorization_server": self.issuer.url,
                "resource": RESOURCE,
                "client_id": "time-resource",
                "client_secret": "tick-tock",
                "timeout": "10s",
            },
        )
        self.webapp = start(
            "time-webapp",
            {
                "authorization_server": self.issuer.url,
                "resource_server": self.resource.url,
                "client_id": "1234",
                "client_secret": "qwerty",
                "username": "ana",
                "password": "wonderland",
                "timeout": "10s",
            },
        )
        self.services = [self.issuer, self.resource, self.webapp]

    def token(self, scope="current_time", client=CLIENT):
        form = {"grant_type": "client_credentials", "scope": scope}
        answer = self.issuer.call("/oauth/token", "POST", client, form)
        assert answer.status == 200, answer.body
        return answer.json()["access_token"]

    def ask(self, token, path="/current_time"):
        return self.resource.call(path, headers=[("Authorization", f"Bearer {token}")])


@pytest.fixture
def system(start):
    return System(start)


def test_a_user_gets_the_time(system):
    for _ in range(3):
        answer = system.webapp.call("/current_time")
        assert answer.status == 200, answer.body
        told = time.strptime(answer.json()["current_time"], "%Y-%m-%dT%H:%M:%SZ")
        assert abs(time.mktime(told) - time.mktime(time.gmtime())) < 5
        answer = system.webapp.call("/epoch_time")
        assert answer.status == 200
        assert abs(answer.json()["epoch_time"] - time.time()) < 5


def test_one_request_id_and_one_trace_run_through_all_three(system):
    system.webapp.call("/current_time")
    first = system.webapp.wait_event("request", path="/current_time")
    same = {"request_id": first["request_id"], "trace_id": first["trace_id"]}
    token = system.issuer.wait_event("request", path="/oauth/token", **same)
    asked = system.resource.wait_event("request", path="/current_time", **same)
    looked = system.issuer.wait_event("request", path="/oauth/introspect", **same)
    assert len({e["span_id"] for e in (first, token, asked, looked)}) == 4
    assert (token["client_id"], token["user"], token["scope"]) == ("1234", "ana", "current_time")
    assert (asked["client_id"], asked["user"], asked["scope"]) == ("1234", "ana", "current_time")
    assert looked["client_id"] == "time-resource"
    assert (first["user"], first["scope"], first["status"]) == ("ana", "current_time", 200)


def test_a_token_opens_only_the_paths_of_its_scope(system):
    token = system.token("current_time")
    assert system.ask(token, "/current_time").status == 200
    answer = system.ask(token, "/epoch_time")
    assert answer.status == 403
    assert 'error="insufficient_scope", scope="epoch_time"' in answer.headers["WWW-Authenticate"]
    assert system.ask(system.token("current_time epoch_time"), "/epoch_time").status == 200


def assert_invalid(answer):
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="time", error="invalid_token"'


def test_a_foreign_token_is_refused(system):
    genuine = system.token()
    header, claims, signature = genuine.split(".")
    flipped = signature[:10] + ("A" if signature[10] != "A" else "B") + signature[11:]
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').decode().rstrip("=")
    elsewhere = [("Authorization", "Basic " + base64.b64encode(b"elsewhere:qwerty").decode())]
    for token in (
        f"{header}.{claims}.{flipped}",
        f"{none}.{claims}.",
        f"{none}.{claims}.{signature}",
        "nonsense",
        "a.b.c",
        system.token(client=elsewhere),  # for another audience
    ):
        assert_invalid(system.ask(token))
    assert system.ask(genuine).status == 200


def test_a_revoked_token_is_refused(system):
    token = system.token()
    assert system.ask(token).status == 200
    assert system.issuer.call("/oauth/revoke", "POST", CLIENT, {"token": token}).status == 200
    assert_invalid(system.ask(token))
    assert system.webapp.call("/current_time").status == 200


def test_an_expired_token_is_refused_and_the_application_does_not_notice(start):
    system = System(start, lifetime="1s")
    token = system.token()
    assert wait_until(lambda: (a := system.ask(token)).status != 200 and a, "the token to expire").status == 401
    assert_invalid(system.ask(token))
    assert system.webapp.call("/current_time").status == 200


def test_an_authorization_server_that_dies_is_named_and_all_recovers(system):
    token = system.token()
    assert system.webapp.call("/current_time").status == 200
    system.issuer.kill()
    for answer in (system.webapp.call("/current_time"), system.ask(token)):
        assert answer.status == 502
        assert answer.json()["error"] == "bad_gateway"
        assert answer.json()["server"] == "authorization_server"
    assert system.webapp.call("/healthz").status == 200
    system.issuer.restart()
    assert system.webapp.call("/current_time").status == 200
    assert_invalid(system.ask(token))  # signed with the key that died with the process


def test_a_resource_server_that_dies_is_named_and_all_recovers(system):
    assert system.webapp.call("/epoch_time").status == 200
    system.resource.kill()
    answer = system.webapp.call("/epoch_time")
    assert answer.status == 502
    assert answer.json()["server"] == "resource_server"
    system.resource.restart()
    assert system.webapp.call("/epoch_time").status == 200


def test_lesson_28_no_secret_password_or_token_is_in_any_log(start):
    system = System(start)
    token = system.token()
    system.ask(token)
    system.ask(token, "/epoch_time")
    system.webapp.call("/current_time")
    system.issuer.call("/oauth/token", "POST", CLIENT, {"grant_type": "password", "username": "ana"})
    system.issuer.call("/oauth/token", "POST", body={"client_id": "1234", "client_secret": "qwerty!", "grant_type": "x"})
    system.issuer.call("/oauth/revoke", "POST", CLIENT, {"token": token})
    system.webapp.wait_event("request", path="/current_time")
    for service in system.services:
        assert service.stop() == 0
        log = service.log_file.read_text()
        for secret in [*SECRETS, token, *token.split("."), "eyJ"]:
            assert secret not in log
        assert all(json.loads(line)["event"] for line in service.lines())


def test_many_users_at_once(system):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: system.webapp.call("/epoch_time" if i % 2 else "/current_time"), range(200)))
    assert {a.status for a in answers} == {200}
