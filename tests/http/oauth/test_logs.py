"""What the authorization server writes on standard error, and what it must never write (LESSONS 28, 29)."""
import json
import re

import pytest

import forge
from authority import CLOCK, assert_reveals_nothing, client

SECRET = "Zebra-Secret-9911"
WATCH_SECRET = "Walrus-Secret-8822"
PASSWORD = "Penguin-Password-7733"
APP = ("quiet", SECRET)
WATCH = ("quiet-watch", WATCH_SECRET)
KEYS = "/.well-known/jwks.json"
DISTINCT = [SECRET, WATCH_SECRET, PASSWORD, "eyJ", "PRIVATE KEY", "Basic "]
CLIENTS = [client(APP, ["client_credentials", "password"], ["current_time"]), client(WATCH, [], [], introspect=[CLOCK])]


@pytest.fixture(scope="module", params=["debug", "info"])
def quiet(request, launch):
    return launch(log={"level": request.param}, clients=CLIENTS)


@pytest.fixture
def logged(launch):
    return launch(clients=CLIENTS)


def last_request(server, path, count=1):
    """The events of `path` once there are `count` of them: the log is written by a thread of its own."""
    def found(event):
        mine = [e for e in server.service.events("request") if e.get("path") == path]
        return len(mine) >= count and event is not None
    server.service.wait(found)
    return [e for e in server.service.events("request") if e.get("path") == path]


def flow(server):
    """Everything that carries a secret, well and badly."""
    fields = {"grant_type": "password", "username": "ana", "password": PASSWORD}
    token = server.ask(fields, APP).json()["access_token"]
    answers = [
        server.ask({"grant_type": "client_credentials", "client_id": APP[0], "client_secret": SECRET}, None),
        server.ask({**fields, "scope": "x"}, APP),
        server.ask({**fields, "client_secret": SECRET}, APP),
        server.ask({**fields, "username": ""}, APP),
        server.ask({**fields, "grant_type": SECRET}, APP),
        server.ask({**fields, "password": PASSWORD + "\0"}, APP),
        server.ask(f"grant_type=password&{PASSWORD}=1&username=%zz&password={PASSWORD}", APP),
        server.ask(fields, (SECRET, APP[0])),
        server.ask(fields, (APP[0], SECRET + "x")),
        server.ask(fields, None, [("Authorization", f"Basic {SECRET}")]),
        server.ask(fields, None, [("Authorization", f"Bearer {token}")]),
        server.ask({**fields, "scope": token}, APP),
        server.form(f"/oauth/token?client_secret={SECRET}&access_token={token}", fields, APP),
        server.form(f"/oauth/introspect?token={token}", {"token": token}, WATCH),
        server.form("/oauth/introspect", {"token": token, "token_type_hint": token}, WATCH),
        server.form("/oauth/introspect", {"token": forge.flipped(token, 2)}, WATCH),
        server.form("/oauth/introspect", {"token": token + "." + SECRET}, WATCH),
        server.form("/oauth/revoke", {"token": token}, WATCH),
        server.form("/oauth/revoke", {"token": token}, APP),
        server.get(f"/oauth/token?{SECRET}"),
        server.get(f"/healthz?password={PASSWORD}"),
        server.get("/healthz", headers=[("Cookie", f"session={SECRET}"), ("X-Request-Id", SECRET),
                                        ("User-Agent", token), ("Referer", f"http://x/?token={token}")]),
    ]
    return answers


def test_lesson_28_no_secret_password_or_token_is_ever_written(quiet):
    answers = flow(quiet)
    quiet.get("/end-of-flow")
    last_request(quiet, "/end-of-flow")
    log = quiet.service.log()
    lines = [line for line in log.split("\n") if any(word in line for word in DISTINCT)]
    assert not lines, "\n".join(lines)
    for answer in answers[1:]:
        for word in (SECRET, WATCH_SECRET, PASSWORD):
            assert word.encode() not in answer.body, answer


def test_lesson_28_no_credential_is_written_in_its_base64_form(quiet):
    flow(quiet)
    quiet.get("/end-of-flow")
    last_request(quiet, "/end-of-flow")
    log = quiet.service.log()
    assert forge.b64(f"{APP[0]}:{SECRET}")[:20] not in log
    assert forge.b64(f"{WATCH[0]}:{WATCH_SECRET}")[:20] not in log


def test_lesson_28_the_command_line_holds_no_secret(quiet):
    with open(f"/proc/{quiet.service.process.pid}/cmdline", "rb") as file:
        assert SECRET.encode() not in file.read()


def test_lesson_29_errors_tell_nothing_of_the_inside(quiet):
    for answer in flow(quiet):
        if answer.status >= 400:
            assert_reveals_nothing(answer)


def test_each_line_is_one_json_object_with_time_level_and_event(quiet):
    flow(quiet)
    quiet.get("/end-of-flow")
    last_request(quiet, "/end-of-flow")
    for line in filter(None, quiet.service.log().split("\n")):
        event = json.loads(line)
        assert {"ts", "level", "event"} <= set(event), line


def test_each_request_has_one_event(logged):
    for _ in range(30):
        logged.ask({"grant_type": "client_credentials"}, APP)
    logged.get(KEYS)
    logged.get("/nothing-here")
    last_request(logged, "/nothing-here")
    last_request(logged, "/oauth/token", 30)
    events = logged.service.events("request")
    assert len(events) == 32
    assert len({event["request_id"] for event in events}) == 32
    for event in events:
        assert isinstance(event["status"], int)
        assert type(event["duration_us"]) is int and 0 <= event["duration_us"] < 10_000_000
        assert event["method"] in ("GET", "POST")
    assert [event["status"] for event in events if event["path"] == "/nothing-here"] == [404]


def test_a_request_is_logged_with_its_host_in_the_canonical_form(logged):
    """Where one server has many sites, the path alone does not tell which one has no route for it."""
    logged.get("/lost", headers=[("Host", "WIKI.Example.com.:8443")])
    event, = last_request(logged, "/lost")
    assert (event["host"], event["status"]) == ("wiki.example.com", 404)


def test_health_checks_are_logged_at_debug_only(quiet):
    quiet.get("/healthz")
    quiet.get("/end-of-health")
    last_request(quiet, "/end-of-health")
    levels = {event["level"] for event in quiet.service.events("request") if event["path"] == "/healthz"}
    debug = [event for event in quiet.service.events() if event["level"] == "debug"]
    assert levels == ({"debug"} if debug else set())


def test_a_token_request_is_logged_with_client_user_scope_and_grant(logged):
    logged.ask({"grant_type": "password", "username": "ana", "password": "x", "scope": "current_time"}, APP)
    event, = last_request(logged, "/oauth/token")
    assert event["status"] == 200
    assert event["client_id"] == "quiet" and event["user"] == "ana"
    assert event["scope"] == "current_time" and event["grant_type"] == "password"
    assert event["peer"].startswith("127.0.0.1")


def test_a_refused_request_is_logged_with_its_error_and_reason(logged):
    answer = logged.ask({"grant_type": "client_credentials", "scope": "other"}, APP)
    assert answer.json()["error_description"] == "unknown scope 'other'"
    logged.ask({"grant_type": "client_credentials"}, (APP[0], "wrong"))
    one, two = last_request(logged, "/oauth/token", 2)
    assert one["status"] == 400 and one["error"] == "invalid_scope"
    assert one["reason"] == "unknown scope"  # LESSONS 28: what was sent instead may be a secret
    assert one["client_id"] == "quiet"
    assert two["status"] == 401 and two["error"] == "invalid_client" and two["reason"]


def test_introspection_and_revocation_are_logged_with_the_client_that_asked(logged):
    token = logged.token(APP)
    logged.introspect(token, WATCH)
    logged.revoke(token, APP)
    event, = last_request(logged, "/oauth/introspect")
    assert event["client_id"] == "quiet-watch" and event["status"] == 200
    event, = last_request(logged, "/oauth/revoke")
    assert event["client_id"] == "quiet" and event["status"] == 200


def test_a_refused_token_is_logged_with_the_reason(logged):
    """The answer says {"active":false} alone; the operator needs to know why."""
    logged.introspect("x", WATCH)
    event, = last_request(logged, "/oauth/introspect")
    assert event["reason"]


def test_a_name_that_looks_like_a_log_line_stays_a_name(logged):
    name = 'a"b\\c\u2028{"event":"request"}'
    logged.ask({"grant_type": "password", "username": name, "password": "x"}, APP)
    logged.ask({"grant_type": "password", "username": "a\n{}\x1b[31m", "password": "x"}, APP)
    one, two = last_request(logged, "/oauth/token", 2)
    assert one["user"] == name and one["status"] == 200
    assert two["status"] == 400
    assert "\x1b" not in logged.service.log()
    assert len(logged.service.events("request")) == 2


def test_a_request_id_from_an_address_that_is_not_listed_is_ignored(logged):
    logged.get(KEYS, headers=[("X-Request-Id", "mine-1234567890")])
    event, = last_request(logged, KEYS)
    assert event["request_id"] != "mine-1234567890"
    assert re.fullmatch(r"[0-9A-Za-z_-]{8,64}", event["request_id"])


def test_a_request_id_from_a_listed_address_is_accepted_when_it_is_valid(launch):
    server = launch(trusted_proxies=["127.0.0.1"], clients=CLIENTS)
    bad = ["x" * 5000, "a b", 'a"b', "a{b}", "\u00e9".encode().decode("latin-1")]
    server.get(KEYS, headers=[("X-Request-Id", "mine-1234567890")])
    for value in bad:
        server.get(KEYS, headers=[("X-Request-Id", value)])
    ids = [event["request_id"] for event in last_request(server, KEYS, 1 + len(bad))]
    assert ids[0] == "mine-1234567890"
    assert not set(ids[1:]) & set(bad)
    assert all(ids)


def test_a_trace_goes_on_where_a_traceparent_came(launch):
    server = launch(trusted_proxies=["127.0.0.1"], clients=CLIENTS)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    server.get(KEYS, headers=[("traceparent", f"00-{trace}-00f067aa0ba902b7-01")])
    server.get(KEYS, headers=[("traceparent", f"00-{'0' * 32}-00f067aa0ba902b7-01")])
    server.get(KEYS, headers=[("traceparent", "nonsense")])
    one, two, three = last_request(server, KEYS, 3)
    assert one["trace_id"] == trace and one["span_id"] != "00f067aa0ba902b7"
    for event in (two, three):
        assert re.fullmatch(r"[0-9a-f]{32}", event["trace_id"]) and event["trace_id"] not in (trace, "0" * 32)
    assert len({event["span_id"] for event in (one, two, three)}) == 3
