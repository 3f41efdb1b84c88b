"""PostgreSQL is unavailable: what needs it says so, and what does not goes on. Then two servers on one store."""
import json
import time

import pytest

from installation import AUDIENCE, assert_unavailable, assert_refused, kid_of, soon
from services import wait_until

ANA = ("ana", "ana's password")


def status_of(server, path):
    return server.ask("GET", path).status


@pytest.fixture
def on_postgres(install, own_postgres):
    home = install(store=own_postgres.new_schema())
    home.add_user("ana", "ana's password")
    return home, home.serve(), own_postgres


def assert_goes_on(server, token):
    assert server.is_alive(token)
    assert kid_of(token) in server.kids()
    assert status_of(server, "/healthz") == 200
    answer = server.form("/oauth/token", {"grant_type": "client_credentials"}, "app")
    assert answer.status == 200, answer
    assert server.is_alive(answer.json()["access_token"])


def test_what_needs_no_store_goes_on_without_it(on_postgres):
    home, server, postgres = on_postgres
    token = server.token(*ANA)
    by_form = server.password_grant(*ANA).json()["access_token"]
    assert status_of(server, "/readyz") == 200
    postgres.run("kill")
    assert_goes_on(server, token)
    assert_unavailable(server.grant(*ANA))
    assert_unavailable(server.grant("nobody", "a guess"))
    assert_unavailable(server.password_grant(*ANA))
    assert_unavailable(server.form("/oauth/revoke", {"token": by_form}, "app"))
    assert server.is_alive(by_form), "a revocation that was not acknowledged"
    wait_until(lambda: status_of(server, "/readyz") == 503, "readyz to say so", 10)
    assert_goes_on(server, token)
    assert_refused(server.ask("GET", "/grant"))

    postgres.run("start")
    wait_until(lambda: server.grant(*ANA).status == 200, "logins to come back", 30)
    wait_until(lambda: status_of(server, "/readyz") == 200, "readyz to say so", 10)
    assert server.form("/oauth/revoke", {"token": by_form}, "app").status == 200
    assert not server.is_alive(by_form)


def test_a_store_that_hangs_holds_nobody_for_long(on_postgres):
    home, server, postgres = on_postgres
    token = server.token(*ANA)
    postgres.run("signal", "STOP")
    try:
        start = time.monotonic()
        assert_unavailable(server.grant(*ANA))
        assert time.monotonic() - start < 20
        start = time.monotonic()
        assert_goes_on(server, token)
        assert time.monotonic() - start < 3
        wait_until(lambda: status_of(server, "/readyz") == 503, "readyz to say so", 20)
    finally:
        postgres.run("signal", "CONT")
    wait_until(lambda: server.grant(*ANA).status == 200, "logins to come back", 30)


def test_a_store_that_hangs_is_found_without_a_login(on_postgres):
    home, server, postgres = on_postgres
    token = server.token(*ANA)
    postgres.run("signal", "STOP")
    try:
        start = time.monotonic()
        wait_until(lambda: status_of(server, "/readyz") == 503, "readyz to say so", 20)
        assert time.monotonic() - start < 4
        assert_goes_on(server, token)
        start = time.monotonic()
        assert_unavailable(server.grant(*ANA))
        assert time.monotonic() - start < 1
    finally:
        postgres.run("signal", "CONT")
    wait_until(lambda: status_of(server, "/readyz") == 200, "readyz to say so", 20)
    assert server.grant(*ANA).status == 200


def test_what_was_changed_while_a_node_could_not_see_it_is_seen_then(on_postgres):
    home, server, postgres = on_postgres
    token = server.token(*ANA)
    postgres.run("kill")
    wait_until(lambda: status_of(server, "/readyz") == 503, "readyz to say so", 10)
    postgres.run("start")
    home.cardea("user", "disable", "ana")
    wait_until(lambda: not server.is_alive(token), "the token to be revoked", 20)


@pytest.fixture
def nodes(install, store):
    home = install(store=store())
    home.add_user("ana", "ana's password")
    return home, home.serve(), home.serve_another()


def test_two_nodes_take_each_others_tokens(nodes):
    home, one, other = nodes
    assert one.kids() == other.kids()
    assert other.is_alive(one.token(*ANA))
    assert one.is_alive(other.token(*ANA))
    assert other.verify(one.token(*ANA))["iss"] == home.issuer


def test_a_revocation_reaches_the_other_node(nodes):
    home, one, other = nodes
    token = one.password_grant(*ANA).json()["access_token"]
    assert other.is_alive(token)
    assert one.form("/oauth/revoke", {"token": token}, "app").status == 200
    assert not one.is_alive(token)
    soon(lambda: not other.is_alive(token), "the revocation")


def test_a_disabled_user_and_a_rotated_key_reach_both_nodes(nodes):
    home, one, other = nodes
    token = one.token(*ANA)
    home.cardea("key", "rotate", "--alg", "RS256", "--now")
    soon(lambda: kid_of(one.token(*ANA)) != kid_of(token) and kid_of(other.token(*ANA)) != kid_of(token), "the new key")
    assert one.kids() == other.kids()
    assert other.is_alive(token) and other.is_alive(one.token(*ANA))
    home.cardea("user", "disable", "ana")
    soon(lambda: not one.is_alive(token) and not other.is_alive(token), "the user's end")
    assert_refused(one.grant(*ANA))
    assert_refused(other.grant(*ANA))


def test_a_change_is_seen_within_a_second(nodes):
    """The best of a few: a busy machine makes any of them slow, but not all."""
    home, one, other = nodes
    times = []
    for _ in range(5):
        token = one.password_grant(*ANA).json()["access_token"]
        start = time.monotonic()
        assert one.form("/oauth/revoke", {"token": token}, "app").status == 200
        soon(lambda: not other.is_alive(token), "the revocation")
        times.append(time.monotonic() - start)
        kid = kid_of(other.token(*ANA))
        home.cardea("key", "rotate", "--alg", "RS256", "--now")
        start = time.monotonic()
        soon(lambda: kid_of(other.token(*ANA)) != kid, "the new key")
        times.append(time.monotonic() - start)
        if min(times[0::2]) < 1 and min(times[1::2]) < 1:
            return
    raise AssertionError(times)


def test_wrong_passwords_at_one_node_count_at_the_other(install, store):
    home = install(store=store(), lockout={"account_attempts": 4, "address_attempts": 1000000, "delay": "1m"})
    home.add_user("ana", "ana's password")
    one, other = home.serve(), home.serve_another()
    for i in range(4):
        assert_refused(one.grant("ana", f"guess number {i}"))
    assert one.grant(*ANA).status == 429
    # A right password would end the counting, so nothing is asked of the other node before it can know.
    soon(lambda: json.loads(home.cardea("user", "show", "ana", "--json"))["failures"] == 4, "the failures in the store")
    assert other.grant(*ANA).status == 429


def test_the_audience_is_the_same_on_both(nodes):
    _, one, other = nodes
    assert one.introspect(other.token(*ANA))["aud"] == AUDIENCE
