"""What one network may do: forms, logins of many names, new accounts. Clients come through a trusted proxy."""
import concurrent.futures
import itertools
import json
import signal

import pytest

from browser import secret_of, totp
from installation import assert_refused, assert_throttled
from logins import add_person, at_login, begun_session, enter_password, log_in, who
from services import wait_until

PATIENT = {"account_attempts": 1000, "address_attempts": 1000000, "delay": "1s", "max_delay": "15m"}
PASSWORD = "correct horse battery"
BUSY = "Too many requests came from your network. Try again in "
FORMS = ["/login", "/totp", "/recovery", "/register", "/register/totp", "/totp/replace", "/password", "/reset", "/step-up",
         "/recovery-codes/new", "/tokens"]
ENDINGS = ["/logout", "/not-me", "/sessions/end", "/sessions/end-others", "/tokens/revoke"]
NETWORKS = (f"10.{a}.{b}.1" for a, b in itertools.product(range(256), repeat=2))


def at(home, address, *headers):
    return home.browser([("X-Forwarded-For", address), *headers])


@pytest.fixture(scope="module")
def home(install_module):
    """Three forms a minute: one more after 20 seconds."""
    home = install_module(portal={"registration": "open"}, trusted_proxies=["127.0.0.1"], lockout={**PATIENT, "network_attempts": 3})
    home.server = home.serve()
    home.ana = add_person(home, "ana")
    return home


def assert_busy(page, most=20):
    assert page.status == 429 and page.error.startswith(BUSY), page
    assert 1 <= int(page.headers["Retry-After"]) <= most, page
    assert page.headers["Content-Type"].startswith("text/html") and page.headers["Cache-Control"] == "no-store"


def use_up(home, address, path="/login"):
    for _ in range(3):
        page = at(home, address).post(path, {})
        assert page.status != 429, page


@pytest.mark.parametrize("path", FORMS)
def test_of_forms_the_limit_passes_and_one_more_waits(home, path):
    address = next(NETWORKS)
    use_up(home, address, path)
    assert_busy(at(home, address).post(path, {}))
    assert at(home, address).get("/login").status == 200, "pages are not limited"


def test_forms_that_a_page_of_another_site_sends_do_not_count(home):
    """Any page that somebody opens in a network could otherwise shut all of it out."""
    address = next(NETWORKS)
    for headers in ([("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")], [("Sec-Fetch-Site", "cross-site")],
                    [("Origin", "null")]):
        for _ in range(4):
            assert at(home, address).post("/login", {}, headers=headers).status == 403
    use_up(home, address)
    assert_busy(at(home, address).post("/login", {}))


@pytest.mark.parametrize("path", ENDINGS)
def test_what_ends_something_never_waits_for_others_of_the_network(home, path):
    address = next(NETWORKS)
    use_up(home, address)
    for _ in range(5):
        assert at(home, address).post(path, {}).status in (401, 403)
    assert_busy(at(home, address).post("/login", {}))


def test_a_user_of_a_busy_network_can_log_out(home):
    address = next(NETWORKS)
    browser = at(home, address)
    browser.cookies["cardea_session"] = begun_session(home, "ana", 0, 3600, 7200)
    use_up(home, address)
    assert who(browser) == "ana"
    page = browser.submit(browser.get("/logout"))
    assert page.status == 200 and who(browser) is None, page


def test_all_forms_of_a_network_count_together(home):
    address = next(NETWORKS)
    for path in ("/login", "/reset", "/totp"):
        assert at(home, address).post(path, {}).status != 429
    assert_busy(at(home, address).post("/register", {}))


@pytest.mark.parametrize("same, other", [("192.0.2.{}", "192.0.3.1"), ("2001:db8:1:2::{}", "2001:db8:1:3::1"), ("::ffff:198.51.100.{}", "198.51.101.1")])
def test_a_network_is_a_24_or_a_64(home, same, other):
    for i in range(3):
        assert at(home, same.format(i + 1)).post("/login", {}).status != 429
    assert_busy(at(home, same.format(9)).post("/login", {}))
    assert at(home, other).post("/login", {}).status != 429


def test_programs_get_json(home):
    address = next(NETWORKS)
    use_up(home, address)
    page = at(home, address, ("Accept", "application/json")).post("/login", {})
    assert page.status == 429 and int(page.headers["Retry-After"]) >= 1
    assert json.loads(page.body)["error"] == "too_many_attempts"


def test_lesson_3_an_address_said_by_the_client_is_no_way_around(home):
    address = next(NETWORKS)
    use_up(home, address)
    for i in range(5):
        assert_busy(at(home, f"198.18.{i}.1, {address}").post("/login", {}))


def test_lesson_34_addresses_that_cannot_be_read_are_not_one_network(home):
    for _ in range(10):
        assert at(home, "unknown").post("/login", {}).status != 429


def test_what_is_refused_is_neither_hashed_nor_counted_by_the_lockout(install):
    home = install(trusted_proxies=["127.0.0.1"], lockout={**PATIENT, "account_attempts": 4, "delay": "1h", "max_delay": "1h",
                                                           "network_attempts": 3})
    home.serve()
    ana = add_person(home, "ana")
    for address, count in (("192.0.2.1", 3), ("192.0.2.2", 6)):
        for _ in range(count):
            browser = at(home, address)
            enter_password(browser, ana, password="a wrong password")
    assert log_in(at(home, "198.51.100.1"), ana).status == 303, "of nine wrong passwords three were judged"


def test_a_reload_changes_the_limits(install):
    home = install(trusted_proxies=["127.0.0.1"], lockout={**PATIENT, "network_attempts": 1})
    server = home.serve()
    assert at(home, "192.0.2.1").post("/login", {}).status != 429
    assert_busy(at(home, "192.0.2.1").post("/login", {}), 60)
    home.configure(lockout={**PATIENT, "network_attempts": 1000})
    server.process.send_signal(signal.SIGHUP)
    server.wait_event("reloaded")
    assert at(home, "192.0.2.1").post("/login", {}).status != 429


# ---- many names ----

def stuff(server, network, first, most=500):
    """Wrong passwords for made-up names, each from one of 200 addresses; how many until the network is slowed."""
    for i in range(first, first + most):
        answer = server.grant(f"made-up-{i}", "a guess", headers=[("X-Forwarded-For", network.format(i % 200 + 1))])
        if answer.status == 429:
            return i - first
        assert_refused(answer)
    return None


def test_credential_stuffing_slows_the_network_on_every_path(install):
    home = install(portal={"factors": ["password"]}, trusted_proxies=["127.0.0.1"], lockout=PATIENT)
    home.add_user("ana", PASSWORD)
    server = home.serve()
    names = stuff(server, "203.0.113.{}", 0)
    assert 300 < names < 410, names
    slowed = [("X-Forwarded-For", "203.0.113.250")]
    assert 1 <= assert_throttled(server.grant("ana", PASSWORD, headers=slowed)) <= 10
    assert 1 <= assert_throttled(server.password_grant("ana", PASSWORD, headers=slowed)) <= 10
    browser = at(home, "203.0.113.251")
    page = browser.submit(browser.get("/login"), username="ana", password=PASSWORD)
    assert_busy(page, 10)
    other = [("X-Forwarded-For", "203.0.114.1")]
    assert server.grant("ana", PASSWORD, headers=other).status == 200
    browser = at(home, "203.0.114.2")
    browser.submit(browser.get("/login"), username="ana", password=PASSWORD)
    assert who(browser) == "ana"
    assert [event["network"] for event in server.events() if event["event"] == "credential_stuffing"] == ["203.0.113.0/24"]
    wait_until(lambda: "network.slowed" in home.cardea("audit", "tail", "--json", "--lines", "1000"), "the audit")
    events = [json.loads(line) for line in home.cardea("audit", "tail", "--json", "--lines", "1000").splitlines()]
    slowed = [event for event in events if event["action"] == "network.slowed"]
    assert [event["subject"] for event in slowed] == ["network:203.0.113.0/24"]
    assert "made-up" not in json.dumps(events) + "".join(server.lines()), "LESSONS 28"


def test_right_passwords_do_not_end_it_and_one_name_does_not_begin_it(install):
    home = install(trusted_proxies=["127.0.0.1"], lockout=PATIENT)
    home.add_user("ana", PASSWORD)
    server = home.serve()
    for i in range(300):
        assert_refused(server.grant("bo", "a guess", headers=[("X-Forwarded-For", f"198.51.100.{i % 200 + 1}")]))
    names = stuff(server, "203.0.113.{}", 0, 250)
    assert names is None
    assert server.grant("ana", PASSWORD, headers=[("X-Forwarded-For", "203.0.113.250")]).status == 200
    assert stuff(server, "203.0.113.{}", 250) is not None
    assert server.wait_event("credential_stuffing")
    assert len([event for event in server.events() if event["event"] == "credential_stuffing"]) == 1


# ---- new accounts ----

def register(browser, name):
    return browser.submit(browser.get("/register"), username=name, password=PASSWORD)


def users(home):
    return {json.loads(line)["name"] for line in home.cardea("user", "list", "--json").splitlines()}


def test_a_network_makes_so_many_accounts_an_hour(install):
    home = install(portal={"registration": "open", "factors": ["password"]}, trusted_proxies=["127.0.0.1"],
                   lockout={**PATIENT, "network_registrations": 2})
    home.serve()
    assert who_registers(home, "192.0.2.1", "ana") == "ana"
    for _ in range(3):  # what comes to nothing does not count
        assert register(at(home, "192.0.2.1"), "ana").status == 409
    assert who_registers(home, "192.0.2.2", "bo") == "bo"
    page = register(at(home, "192.0.2.77"), "cy")
    assert_busy(page, 1800)
    assert "minutes" in page.error
    assert who_registers(home, "192.0.3.1", "di") == "di"
    assert users(home) == {"ana", "bo", "di"}
    link = home.invite("eve")
    browser = at(home, "192.0.2.1")
    browser.submit(browser.get(link), password=PASSWORD)
    assert who(browser) == "eve", "an invitation is not limited"


def who_registers(home, address, name):
    browser = at(home, address)
    register(browser, name)
    return who(browser)


def test_with_a_second_factor_only_what_is_confirmed_counts(install):
    home = install(portal={"registration": "open"}, trusted_proxies=["127.0.0.1"], lockout={**PATIENT, "network_registrations": 2})
    home.serve()
    begun = []
    for name in ("ana", "bo", "cy", "di"):
        browser = at(home, "192.0.2.1")
        begun.append((browser, register(browser, name)))
    for browser, page in begun:
        assert page.path == "/_auth/register/totp", page
        assert browser.copy().submit(page, code="000000").status == 400
    answers = [browser.submit(page, code=totp(secret_of(page))) for browser, page in begun]
    assert [answer.status for answer in answers] == [200, 200, 429, 429], answers
    assert_busy(answers[2], 1800)
    assert users(home) == {"ana", "bo"}


def test_of_many_registrations_at_once_no_more_pass(install):
    home = install(portal={"registration": "open", "factors": ["password"]}, trusted_proxies=["127.0.0.1"],
                   lockout={**PATIENT, "network_registrations": 5})
    home.serve()

    def one(i):
        return register(at(home, f"192.0.2.{i}"), f"user{i}").status

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(one, range(1, 21)))
    assert statuses.count(429) == 15, statuses
    assert len(users(home)) == 5


# ---- a full queue ----

def test_lesson_15_a_browser_sees_a_page_while_the_queue_of_hashes_is_full(install):
    home = install(portal={"factors": ["password"]}, password_hashing={"memory": "64MB", "iterations": 15, "parallel": 1, "queue": 1},
                   lockout=PATIENT)
    home.serve()
    ana = add_person(home, "ana", has_totp=False)

    def one(_):
        browser = home.browser()
        return browser.submit(at_login(browser), username=ana.name, password="a wrong password")

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        pages = list(pool.map(one, range(6)))
    refused = [page for page in pages if page.status == 503]
    assert refused, [page.status for page in pages]
    for page in refused:
        assert page.headers["Content-Type"].startswith("text/html") and page.headers["Retry-After"] == "1", page
        assert page.error.startswith("The server cannot do this at the moment"), page
