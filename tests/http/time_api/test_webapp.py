"""time-webapp between an authorization server and a resource server of every kind."""

import http.client
import signal
import threading
import time
import urllib.parse

import pytest

from services import PATIENCE, http_answer, wait_until

TOKEN = {"access_token": "tok.en", "token_type": "Bearer", "expires_in": 5}
TIMES = {"/current_time": {"current_time": "2026-11-22T09:30:05Z"}, "/epoch_time": {"epoch_time": 1795340005}}


def tells_time(request):
    return http_answer(200, TIMES[request.split(b" ", 2)[1].decode()])


@pytest.fixture
def webapp(start, peer):
    """webapp(): a web application whose two servers answer as told."""

    def start_all(issuer=http_answer(200, TOKEN), resource=tells_time, timeout="10s", **more):
        issuer, resource = peer(issuer), peer(resource)
        service = start(
            "time-webapp",
            {
                "authorization_server": issuer.url,
                "resource_server": resource.url,
                "client_id": "1234",
                "client_secret": "qwerty",
                "username": "ana & bo",
                "password": "wonder=land",
                "timeout": timeout,
                **more,
            },
        )
        service.issuer, service.resource = issuer, resource
        return service

    return start_all


def form_of(request):
    return urllib.parse.parse_qs(request.decode().split("\r\n\r\n")[1], strict_parsing=True)


@pytest.mark.parametrize("path", TIMES)
def test_each_call_asks_for_a_new_token_with_that_scope_only(webapp, path):
    service = webapp()
    for _ in range(2):
        answer = service.call(path)
        assert (answer.status, answer.json()) == (200, TIMES[path])
        assert answer.headers["Cache-Control"] == "no-store"
    assert len(service.issuer.requests) == 2
    assert form_of(service.issuer.requests[1]) == {
        "grant_type": ["password"],
        "username": ["ana & bo"],
        "password": ["wonder=land"],
        "scope": [path[1:]],
    }
    assert b"POST /oauth/token HTTP/1.1\r\n" in service.issuer.requests[0]
    assert b"Authorization: Basic MTIzNDpxd2VydHk=\r\n" in service.issuer.requests[0]
    assert f"GET {path} HTTP/1.1\r\n".encode() in service.resource.requests[0]
    assert b"Authorization: Bearer tok.en\r\n" in service.resource.requests[0]
    assert len(service.issuer.connections) == len(service.resource.connections) == 1


def test_request_id_and_trace_go_along(webapp):
    service = webapp()
    service.call("/epoch_time", headers=[("X-Request-Id", "not-trusted")])
    event = service.wait_event("request", path="/epoch_time")
    assert event["request_id"] != "not-trusted"
    for request in (service.issuer.requests[0].decode(), service.resource.requests[0].decode()):
        assert f"X-Request-Id: {event['request_id']}\r\n" in request
        assert f"traceparent: 00-{event['trace_id']}-{event['span_id']}-0" in request


def test_what_the_table_does_not_name_is_not_passed_on(webapp):
    more = {"epoch_time": 7, "note": "<script>", "token": "tok.en"}
    answer = webapp(resource=http_answer(200, more, "X-Secret: 1")).call("/epoch_time")
    assert answer.body == b'{"epoch_time":7}'
    assert "X-Secret" not in answer.headers


BAD_TOKENS = {
    "invalid_grant": http_answer(400, {"error": "invalid_grant", "error_description": "no"}),
    "invalid_client": http_answer(401, {"error": "invalid_client"}),
    "busy": http_answer(503, b"busy"),
    "not JSON": http_answer(200, b"nonsense"),
    "an empty object": http_answer(200, {}),
    "another token type": http_answer(200, {**TOKEN, "token_type": "mac"}),
    "a token with a line end": http_answer(200, {**TOKEN, "access_token": "a\r\nX-Evil: 1"}),
    "a token that is a number": http_answer(200, {**TOKEN, "access_token": 7}),
    "no token": http_answer(200, {k: v for k, v in TOKEN.items() if k != "access_token"}),
    "not HTTP": b"garbage\r\n\r\n",
    "over the ceiling": http_answer(200, b"x" * 100000),
}


@pytest.mark.parametrize("raw", BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_an_authorization_server_that_fails_is_named(webapp, raw):
    service = webapp(issuer=raw, timeout="1s")
    answer = service.call("/current_time")
    assert answer.status in (502, 504)
    assert answer.json()["server"] == "authorization_server"
    assert not service.resource.requests


BAD_TIMES = {
    "401": http_answer(401, {"error": "invalid_token"}),
    "403": http_answer(403, {"error": "insufficient_scope"}),
    "502": http_answer(502, {"error": "bad_gateway", "server": "authorization_server"}),
    "not JSON": http_answer(200, b"nonsense"),
    "an empty object": http_answer(200, {}),
    "no time": http_answer(200, {"current_time": "yesterday"}),
    "another form of time": http_answer(200, {"current_time": "2026-11-22T09:30:05+01:00"}),
    "a number": http_answer(200, {"current_time": 1795340005}),
    "null": http_answer(200, {"current_time": None}),
    "another message": http_answer(200, {"epoch_time": 1795340005}),
    "not HTTP": b"\x00\x01\x02\x03",
    "over the ceiling": http_answer(200, b" " * 100000),
}


@pytest.mark.parametrize("raw", BAD_TIMES.values(), ids=BAD_TIMES)
def test_a_resource_server_that_fails_is_named(webapp, raw):
    answer = webapp(resource=raw, timeout="1s").call("/current_time")
    assert answer.status in (502, 504)
    assert answer.json()["server"] == "resource_server"


@pytest.mark.parametrize("number", [b"-1", b"1.5", b"1e400", b"99999999999999999999", b'"7"', b"true"])
def test_an_epoch_time_that_is_no_time_is_not_passed_on(webapp, number):
    answer = webapp(resource=http_answer(200, b'{"epoch_time":' + number + b"}")).call("/epoch_time")
    assert answer.status == 502
    assert answer.json() == {
        "error": "bad_gateway",
        "server": "resource_server",
        "error_description": "its response is not a valid epoch-time message",
    }


@pytest.mark.parametrize("slow", ["authorization_server", "resource_server"])
def test_a_slow_server_is_504_within_the_timeout(webapp, slow):
    silent = {"authorization_server": "issuer", "resource_server": "resource"}[slow]
    service = webapp(**{silent: None}, timeout="300ms")
    answer = service.call("/current_time")  # nothing else ends it
    assert answer.status == 504
    assert answer.json()["error"] == "gateway_timeout"
    assert answer.json()["server"] == slow


def test_the_timeout_is_for_both_servers_together(webapp):
    asked = []  # when the resource server was: its share is what the authorization server left

    def slow_token(request):
        time.sleep(0.7)
        return http_answer(200, TOKEN)

    service = webapp(issuer=slow_token, resource=lambda request: asked.append(time.monotonic()), timeout="1s")

    def share_of_the_second():
        answer = service.call("/current_time")
        ended = time.monotonic()
        assert answer.status == 504
        return ended - asked[-1] if answer.json()["server"] == "resource_server" else 1

    # 0.3 s, and with a timeout of its own never less than 1 s; on a busy machine anything may be late.
    assert any(share_of_the_second() < 0.9 for _ in range(5))


def test_a_server_that_is_down_is_named_and_the_application_recovers(webapp):
    service = webapp()
    answers = service.resource.answer
    assert service.call("/epoch_time").status == 200
    service.resource.answer = lambda request: http_answer(503, {"error": "busy"})
    answer = service.call("/epoch_time")
    assert answer.status == 502
    assert answer.json()["error_description"] == "it answered 503, busy"
    service.resource.answer = answers
    assert service.call("/epoch_time").status == 200
    service.resource.close()
    answer = service.call("/epoch_time")
    assert (answer.status, answer.json()["server"]) == (502, "resource_server")


def test_connections_that_the_servers_close_are_replaced(webapp, peer):
    service = webapp()
    service.issuer.close_after = service.resource.close_after = 1
    for _ in range(5):
        assert service.call("/epoch_time").status == 200


def test_lesson_28_no_password_secret_or_token_is_logged(webapp):
    for issuer in (http_answer(200, TOKEN), http_answer(400, {"error": "tok.en\u0000", "x": "tok.en"}), b"tok.en"):
        service = webapp(issuer=issuer, log={"level": "debug"}, timeout="1s")
        service.call("/current_time")
        service.wait_event("request", path="/current_time")
        log = service.log_file.read_text()
        for secret in ("tok.en", "qwerty", "wonder"):
            assert secret not in log


def test_without_a_file_it_warns_about_what_is_missing(start):
    service = start("time-webapp")
    settings = {e["setting"] for e in service.events() if e["event"] == "config_warning"}
    assert settings == {"client_id", "client_secret", "username", "password"}


def call_16_times(service):
    """Returns when all of them wait for the authorization server."""

    def call():
        try:
            service.call("/current_time")
        except (OSError, http.client.HTTPException):
            pass  # the grace was over

    for _ in range(16):
        threading.Thread(target=call, daemon=True).start()
    wait_until(lambda: len(service.issuer.requests) == 16, "16 calls")


def test_calls_that_outlive_the_grace_are_counted_and_the_end_is_clean(webapp):
    service = webapp(issuer=None, timeout="20s", shutdown_grace="100ms")
    call_16_times(service)
    assert service.stop() == 0
    last = service.events()[-1]
    assert (last["event"], last["level"], last["requests"]) == ("shutdown_timeout", "warn", 16)


def test_answers_that_come_while_the_process_ends_find_their_memory(webapp):
    """The handlers are left alone half a second after the grace: answers come just before, at, and after that moment."""
    ends, turns = threading.Event(), iter(range(16))

    def late(request):
        ends.wait(PATIENCE)
        time.sleep(0.56 + next(turns) * 0.01)
        return http_answer(200, TOKEN)

    service = webapp(issuer=late, timeout="20s", shutdown_grace="100ms")
    call_16_times(service)
    service.process.send_signal(signal.SIGTERM)
    ends.set()
    assert service.process.wait(PATIENCE) == 0
