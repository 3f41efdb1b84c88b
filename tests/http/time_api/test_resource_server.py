"""time-resource against authorization servers of every kind."""

import base64
import json
import signal
import subprocess
import threading
import time

import pytest

from services import PROGRAMS, http_answer, wait_until

RESOURCE = "http://localhost:5002"
TOKEN = "abc.DEF-123"
GOOD = {"active": True, "scope": "current_time epoch_time", "client_id": "1234", "sub": "ana", "aud": RESOURCE}


def bearer(token=TOKEN):
    return [("Authorization", f"Bearer {token}")]


@pytest.fixture
def resource(start, peer):
    """resource(answer): a resource server whose authorization server answers so."""

    def start_both(answer=http_answer(200, GOOD), timeout="10s", **more):
        fake = peer(answer)
        service = start(
            "time-resource",
            {
                "authorization_server": fake.url,
                "resource": RESOURCE,
                "client_id": "time resource",
                "client_secret": "tick:tock%",
                "timeout": timeout,
                **more,
            },
        )
        service.fake = fake
        return service

    return start_both


def test_a_valid_token_gets_the_time(resource):
    service = resource()
    answer = service.call("/epoch_time", headers=bearer())
    assert answer.status == 200
    assert abs(answer.json()["epoch_time"] - time.time()) < 5
    assert list(answer.json()) == ["epoch_time"]

    answer = service.call("/current_time", headers=bearer())
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    told = time.strptime(answer.json()["current_time"], "%Y-%m-%dT%H:%M:%SZ")
    assert abs(time.mktime(told) - time.mktime(time.gmtime())) < 5


def test_it_asks_as_a_client_with_encoded_credentials(resource):
    service = resource()
    service.call("/epoch_time", headers=bearer("a+b/c=="))
    head, body = service.fake.requests[0].decode().split("\r\n\r\n")
    assert head.startswith("POST /oauth/introspect HTTP/1.1\r\n")
    # RFC 6749 2.3.1: form-encoded before they go into Basic
    credentials = base64.b64encode(b"time%20resource:tick%3Atock%25").decode()
    assert f"Authorization: Basic {credentials}\r\n" in head
    assert body == "token=a%2Bb%2Fc%3D%3D&token_type_hint=access_token"


def test_connections_to_the_authorization_server_are_kept(resource):
    service = resource()
    for _ in range(10):
        assert service.call("/epoch_time", headers=bearer()).status == 200
    assert len(service.fake.connections) == 1


@pytest.mark.parametrize("headers", [[], [("Authorization", "Basic MTIzNDpxd2VydHk=")], [("Authorization", "")]])
def test_without_a_bearer_token_the_challenge_has_no_error(resource, headers):
    service = resource()
    answer = service.call("/current_time", headers=headers)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="time"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert not service.fake.requests


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", "Bearer ===")],
        [("Authorization", "Bearer a b")],
        [("Authorization", "Bearer a,b")],
        [("Authorization", 'Bearer "abc"')],
        [("Authorization", "Bearer a=b")],
        [("Authorization", "Bearer \u00e9")],
        [*bearer(), *bearer()],
        [*bearer(), ("authorization", "Basic MTIzNDpxd2VydHk=")],
    ],
)
def test_a_malformed_token_is_an_invalid_request(resource, headers):
    service = resource()
    answer = service.call("/current_time", headers=headers)
    assert answer.status == 400
    assert answer.json()["error"] == "invalid_request"
    # an engine that already refuses the header has no challenge to add
    assert answer.headers.get("WWW-Authenticate", 'error="invalid_request"').endswith('error="invalid_request"')
    assert not service.fake.requests


def test_a_token_in_the_query_does_not_count(resource):
    service = resource()
    assert service.call(f"/current_time?access_token={TOKEN}").status == 401
    assert not service.fake.requests


@pytest.mark.parametrize(
    "message",
    [
        {"active": False},
        {**GOOD, "active": False},
        {**GOOD, "aud": "http://localhost:9"},
        {**GOOD, "aud": ["http://localhost:9", RESOURCE + "/"]},
    ],
)
def test_a_token_that_is_not_for_us_is_invalid(resource, message):
    service = resource(http_answer(200, message))
    answer = service.call("/current_time", headers=bearer())
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="time", error="invalid_token"'
    assert answer.json()["error"] == "invalid_token"


@pytest.mark.parametrize("aud", [RESOURCE, [RESOURCE], ["http://localhost:9", RESOURCE]])
def test_aud_is_a_string_or_a_list(resource, aud):
    assert resource(http_answer(200, {**GOOD, "aud": aud})).call("/current_time", headers=bearer()).status == 200


@pytest.mark.parametrize("scope", ["epoch_time", "current", "current_times xcurrent_time", "CURRENT_TIME", "", None])
def test_a_scope_that_does_not_cover_the_path_is_403(resource, scope):
    message = {k: v for k, v in {**GOOD, "scope": scope}.items() if v is not None}
    answer = resource(http_answer(200, message)).call("/current_time", headers=bearer())
    assert answer.status == 403
    expected = 'Bearer realm="time", error="insufficient_scope", scope="current_time"'
    assert answer.headers["WWW-Authenticate"] == expected
    assert answer.json()["error"] == "insufficient_scope"


NONSENSE = {
    "a server error": http_answer(500, {"error": "server_error"}),
    "our own credentials refused": http_answer(401, {"error": "invalid_client"}),
    "a redirect": http_answer(302, {}, "Location: /elsewhere"),
    "201": http_answer(201, GOOD),
    "an empty body": http_answer(200, b""),
    "HTML": http_answer(200, b"<html>active</html>"),
    "half an object": http_answer(200, b'{"active":true'),
    "active given twice": http_answer(200, b'{"active":true,"active":false}'),
    "active as a string": http_answer(200, {**GOOD, "active": "true"}),
    "active as a number": http_answer(200, {**GOOD, "active": 1}),
    "no active": http_answer(200, {k: v for k, v in GOOD.items() if k != "active"}),
    "scope as a list": http_answer(200, {**GOOD, "scope": ["current_time"]}),
    "aud as an object": http_answer(200, {**GOOD, "aud": {}}),
    "a list": http_answer(200, [GOOD]),
    "a deep nest": http_answer(200, b'{"active":' + b"[" * 50000),
    "over the ceiling": http_answer(200, b" " * 100000),
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a length that is no number": b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n",
}


@pytest.mark.parametrize("raw", NONSENSE.values(), ids=NONSENSE)
def test_lesson_1_an_answer_that_is_nonsense_never_lets_in(resource, raw):
    service = resource(raw, timeout="1s")
    answer = service.call("/current_time", headers=bearer())
    assert answer.status in (502, 504)
    assert answer.json()["error"] in ("bad_gateway", "gateway_timeout")
    assert answer.json()["server"] == "authorization_server"


def test_after_nonsense_it_recovers(resource):
    service = resource(http_answer(200, b"nonsense"))
    assert service.call("/current_time", headers=bearer()).status == 502
    service.fake.answer = http_answer(200, GOOD)
    assert service.call("/current_time", headers=bearer()).status == 200


def test_a_silent_authorization_server_is_504_within_the_timeout(resource):
    service = resource(None, timeout="200ms")
    answer = service.call("/current_time", headers=bearer())  # nothing else ends it
    assert answer.status == 504
    assert answer.json() == {
        "error": "gateway_timeout",
        "server": "authorization_server",
        "error_description": "no complete response in time",
    }


def test_an_authorization_server_that_is_down_is_502(start, free_port):
    service = start("time-resource", {"authorization_server": f"http://127.0.0.1:{free_port}"})
    answer = service.call("/current_time", headers=bearer())
    assert answer.status == 502
    assert answer.json()["server"] == "authorization_server"
    assert answer.json()["error_description"] == "connection refused"
    assert answer.headers["Cache-Control"] == "no-store"
    event = service.wait_event("request", status=502)
    assert event["error"] == "bad_gateway"
    assert event["reason"] == "authorization_server: connection refused"


def test_a_slow_authorization_server_does_not_hold_up_health_checks(resource):
    service = resource(None, timeout="60s", outgoing_threads=1, shutdown_grace="0s")
    waiting = threading.Thread(target=lambda: service.call("/current_time", headers=bearer()), daemon=True)
    waiting.start()
    wait_until(lambda: service.fake.requests, "the call to hang")
    for path in ("/healthz", "/readyz"):
        assert service.call(path, timeout=5).json() == {"status": "ok"}
    service.fake.close()
    waiting.join(10)


def test_lesson_28_no_token_and_no_secret_is_logged(resource):
    service = resource(log={"level": "debug"})
    secret = "Zm9yYmlkZGVu.dG9rZW4"
    service.call("/current_time", headers=bearer(secret))
    service.call("/current_time", headers=[*bearer(secret), *bearer(secret)])
    service.call(f"/current_time?access_token={secret}")
    service.wait_event("request", status=401)
    log = service.log_file.read_text()
    assert secret not in log
    assert "tock" not in log


def test_lesson_27_a_reload_changes_the_level_of_the_log_and_refuses_the_rest(resource):
    service = resource()
    started_with = json.loads(service.config_file.read_text())

    def reload(**more):
        before = len(service.events())
        service.config_file.write_text(json.dumps({**started_with, **more}))
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: service.find("reloaded", since=before) or service.find("reload_failed", since=before), "a reload")
        return service.find("config_error", since=before)

    for name, value in [("client_secret", "another"), ("timeout", "11s"), ("resource", "http://other")]:
        found = reload(**{name: value})
        assert found["setting"] == name and "restart needed" in found["reason"] and "another" not in str(found)
    assert reload(log={"level": "debug"}) is None
    assert service.call("/current_time", headers=bearer()).status == 200


def test_a_setting_that_is_no_server_url_stops_the_start(tmp_path):
    wrong = ["127.0.0.1:5001", "ftp://127.0.0.1", "http://", "http://u:p@127.0.0.1", "http://127.0.0.1/", "http://a?b"]
    for i, url in enumerate(wrong):
        file = tmp_path / f"{i}.yaml"
        file.write_text(json.dumps({"listen": ["127.0.0.1:0"], "authorization_server": url}))
        done = subprocess.run([PROGRAMS["time-resource"], "--config", file], capture_output=True, text=True, timeout=30)
        assert done.returncode == 2
        assert "authorization_server" in done.stderr
        assert "u:p" not in done.stderr or "without user" in done.stderr
