"""Wrong client secrets lead to waiting at every endpoint that takes one: RFC 6749 section 2.3.1, LESSONS 9, 10 and 14."""
import json

import pytest

from authority import Connection, assert_error
from installation import APP, WATCH, assert_throttled, soon, what_a_client_sees
from services import wait_until

STRICT = {"account_attempts": 3, "address_attempts": 1000000, "delay": "1m", "max_delay": "15m"}
ENDPOINTS = {"/oauth/token": {"grant_type": "client_credentials"}, "/oauth/introspect": {"token": "x"},
             "/oauth/revoke": {"token": "x"}}


def form(server, path, who, address=None, in_form=False):
    fields, headers = dict(ENDPOINTS[path]), [("X-Forwarded-For", address)] if address else []
    if in_form:
        fields.update(client_id=who[0], client_secret=who[1])
    with Connection(server.port) as connection:
        return connection.form(path, fields, None if in_form else who, headers)


def right(home, client=APP):
    return home.clients[client]


def fail_times(server, client, times, path="/oauth/token", address=None):
    for i in range(times):
        assert_error(form(server, path, (client, f"guess number {i}"), address), 401, "invalid_client")


def assert_waits(answer):
    assert_error(answer, 429, "temporarily_unavailable")
    assert answer.json()["error_description"].startswith("too many wrong client secrets; the next one counts in ")
    assert answer.header("WWW-Authenticate") is None
    return assert_throttled(answer)


def events_of(home, action):
    lines = home.cardea("audit", "tail", "--json", "--lines", "1000").splitlines()
    return [event for event in map(json.loads, lines) if event["action"] == action]


@pytest.mark.parametrize("in_form", [False, True], ids=["basic", "form"])
@pytest.mark.parametrize("path", ENDPOINTS)
def test_lesson_14_wrong_secrets_make_a_client_wait_at_every_endpoint(install, path, in_form):
    home = install(lockout=STRICT)
    server = home.serve()
    for i in range(3):
        assert_error(form(server, path, (APP, f"guess {i}"), in_form=in_form), 401, "invalid_client")
    for there in ENDPOINTS:
        assert 1 <= assert_waits(form(server, there, right(home), in_form=in_form)) <= 60
    assert form(server, path, right(home, WATCH)).status in (200, 400)  # it has no grant, and does not wait


def test_lesson_14_wrong_secrets_of_all_endpoints_are_counted_together(install, store):
    home = install(store=store(), lockout=STRICT)
    server = home.serve()
    for path in ENDPOINTS:
        fail_times(server, APP, 1, path)
    assert_waits(form(server, "/oauth/introspect", right(home)))


def test_the_wait_is_in_the_audit_once(install, store):
    home = install(store=store(), lockout=STRICT, trusted_proxies=["127.0.0.1"])
    server = home.serve()
    for i in range(50):
        form(server, "/oauth/token", (APP, f"guess {i}"), "192.0.2.1")
        form(server, "/oauth/revoke", (f"the-secret-{i}", "in the wrong place"), "192.0.2.1")
    wait_until(lambda: len(events_of(home, "client.locked")) == 2, "the audit")
    assert [(event["subject"], event["address"], event["actor"]) for event in events_of(home, "client.locked")] == [
        (f"client:{APP}", "192.0.2.1", "cardea"), ("", "192.0.2.1", "cardea")]
    assert "the-secret" not in home.cardea("audit", "tail", "--json", "--lines", "1000")
    assert "the-secret" not in "\n".join(server.lines())


def test_lesson_9_unknown_ids_are_one_client_and_lock_no_other(install):
    home = install(lockout=STRICT)
    server = home.serve()
    for i in range(3):
        fail_times(server, f"nobody{i}", 1)
    assert_waits(form(server, "/oauth/token", ("another", "guess")))
    assert form(server, "/oauth/token", right(home)).status == 200


def test_lesson_10_an_unknown_id_waits_as_a_client_does(install):
    home = install(lockout=STRICT)
    server = home.serve()
    answers = []
    for client in (APP, "nobody"):
        fail_times(server, client, 3)
        answers.append(form(server, "/oauth/token", (client, "guess")))
        assert_waits(answers[-1])
    (status, headers, body), (other, other_headers, other_body) = map(what_a_client_sees, answers)
    assert (status, [name for name, _ in headers]) == (other, [name for name, _ in other_headers])
    assert json.loads(body)["error"] == json.loads(other_body)["error"]


def test_lesson_3_only_a_listed_proxy_says_the_address(install):
    home = install(lockout=STRICT)
    server = home.serve()
    for i in range(3):
        fail_times(server, APP, 1, address=f"192.0.2.{i}")
    assert_waits(form(server, "/oauth/token", right(home), "192.0.2.99"))


def test_another_address_goes_on(install):
    home = install(lockout=STRICT, trusted_proxies=["127.0.0.1"])
    server = home.serve()
    for i in range(3):
        fail_times(server, APP, 1, address=f"2001:db8:1:2::{i + 1:x}")
    assert_waits(form(server, "/oauth/token", right(home), "2001:db8:1:2:ffff::9"))
    assert form(server, "/oauth/token", right(home), "2001:db8:1:3::1").status == 200
    assert form(server, "/oauth/token", right(home)).status == 200


@pytest.mark.parametrize("unreadable", ["unknown", "_hidden"])
def test_lesson_34_an_address_that_cannot_be_read_is_no_way_around(install, unreadable):
    home = install(lockout=STRICT, trusted_proxies=["127.0.0.1"])
    server = home.serve()
    fail_times(server, APP, 3, address=unreadable)
    assert_waits(form(server, "/oauth/token", right(home), unreadable))
    assert form(server, "/oauth/token", right(home), unreadable).status == 429
    assert form(server, "/oauth/token", right(home, WATCH), unreadable).status == 400
    assert form(server, "/oauth/token", right(home), "192.0.2.1").status == 200


def test_a_new_secret_opens_a_locked_client(install, store):
    home = install(store=store(), lockout=STRICT)
    server = home.serve()
    fail_times(server, APP, 3)
    assert_waits(form(server, "/oauth/token", right(home)))
    new = json.loads(home.cardea("client", "secret", APP, "--json"))["secret"]
    soon(lambda: form(server, "/oauth/token", (APP, new)).status == 200, "the new secret")


def test_the_wait_ends_by_itself(install):
    """Time is counted in whole seconds: one attempt may find that a wait of 1 s is already over, but each makes it longer."""
    home = install(lockout={**STRICT, "delay": "1s"})
    server = home.serve()
    fail_times(server, APP, 3)

    def refused():
        answer = form(server, "/oauth/token", (APP, "one more guess"))
        return answer.status == 429 and answer

    assert_waits(wait_until(refused, "the client to wait"))
    wait_until(lambda: form(server, "/oauth/token", right(home)).status == 200, "the wait to end")


def test_a_locked_client_reaches_no_password(install):
    """Nor does it wait in the queue of the logins: it is refused where it is read."""
    home = install(lockout=STRICT)
    home.add_user("ana", "ana's password")
    server = home.serve()
    fail_times(server, APP, 3)
    assert_waits(server.password_grant("ana", "ana's password"))
    assert_waits(server.password_grant("ana", "a guess at a password"))
    assert server.grant("ana", "a later guess").status == 401
    wait_until(lambda: events_of(home, "login.failed"), "the audit")
    assert [event["actor"] for event in events_of(home, "login.failed")] == ["grant"]
