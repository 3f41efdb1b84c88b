"""PgBouncer in transaction mode between two nodes and PostgreSQL: each transaction may meet another connection of the server."""
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from installation import assert_refused, soon
from pgbouncer import PgBouncer
from postgres import Postgres

ANA = ("ana", "ana's password")


@pytest.fixture
def pooled_url():
    url = os.environ.get("CARDEA_POSTGRES")
    postgres = None if url else Postgres()
    pooler = PgBouncer(url or postgres.url)
    yield pooler.url
    pooler.remove()
    if postgres:
        postgres.remove()


def test_lesson_42_a_pooler_in_transaction_mode_works_and_is_named(install, pooled_url):
    home = install(store=pooled_url)
    home.add_user("ana", "ana's password")
    nodes = [home.serve(), home.serve_another()]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda i: nodes[i % 2].grant(*ANA).status, range(200)))
    assert answers == [200] * 200
    for server in nodes:
        assert server.wait_event("pooler_detected")["level"] == "warn"
        assert server.ask("GET", "/readyz").status == 200
        assert not server.find("store_unavailable") and not server.find("store_not_writable")

    one, other = nodes
    token, by_form = one.token(*ANA), one.password_grant(*ANA).json()["access_token"]
    assert other.form("/oauth/revoke", {"token": by_form}, "app").status == 200
    soon(lambda: not one.is_alive(by_form), "the revocation")
    home.cardea("user", "disable", "ana")
    soon(lambda: not one.is_alive(token) and not other.is_alive(token), "the user's end")
    assert_refused(one.grant(*ANA))
    soon(lambda: home.cardea("audit", "tail", "--lines", "1000").count("login.ok") == 202, "the events of all logins")
    for server in nodes:
        assert len([e for e in server.events() if e["event"] == "pooler_detected"]) == 1
