"""The account page of the real binary: sessions, the password, links, step-up. What each form refuses is in tests/unit/portal."""
import json
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from urllib.parse import quote

import pytest

import services
from browser import secret_of, totp
from installation import soon
from logins import assert_says_how_long
from test_enrol import age, register
from test_register import PASSWORD as ANA_PASSWORD
from test_register import codes_of

PASSWORD, NEW = "correct horse battery", "another horse battery"
RULES = [
    {"host": "wiki.example.com", "allow": {"factors": 1}},
    {"host": "fresh.example.com", "allow": {"users": ["ana"], "max_age": "1s"}},
    {"host": "bo.example.com", "allow": {"users": ["bo"]}},
]


@pytest.fixture
def home(install):
    home = install(portal={"factors": ["password"], "title": "Example"}, access=RULES)
    home.add_user("ana", PASSWORD)
    home.add_user("bo", PASSWORD)
    home.server = home.serve()
    return home


def log_in(home, name="ana", password=PASSWORD, headers=()):
    browser = home.browser(headers)
    page = browser.submit(browser.get("/login"), username=name, password=password)
    assert page.status == 200 and page.path == "/_auth/", page
    return browser


def is_logged_in(browser):
    return browser.get("/me").status == 200


def sids(page):
    return [form.fields["session"] for form in page.forms if form.action.endswith("/sessions/end")]


def change_password(browser, current, new):
    return browser.submit(browser.get("/password"), current_password=current, new_password=new)


# ---- sessions ----

def test_a_user_sees_and_ends_the_sessions_of_other_devices(home):
    phone = log_in(home, headers=[("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Safari/604.1")])
    laptop = log_in(home)
    page = laptop.get("/")
    assert "Firefox (Linux)" in page.text and "Safari (iPhone)" in page.text and "127.0.0.1" in page.text, page
    assert len(sids(page)) == 1, page
    done = laptop.submit(page, "/sessions/end")
    assert done.path == "/_auth/" and "The session is ended." in done.text, done
    assert sids(done) == [] and not is_logged_in(phone) and is_logged_in(laptop)
    # A reload shows the page again, and ends nothing.
    assert "The session is ended." in laptop.get(done.url).text
    assert is_logged_in(laptop)


def test_a_user_ends_all_other_sessions(home):
    others = [log_in(home) for _ in range(3)]
    bo, laptop = log_in(home, "bo"), log_in(home)
    done = laptop.submit(laptop.get("/"), "/sessions/end-others")
    assert "All your other sessions are ended." in done.text, done
    assert not any(is_logged_in(browser) for browser in others)
    assert is_logged_in(laptop) and is_logged_in(bo)


def test_the_session_of_another_user_cannot_be_ended(home):
    bo, ana = log_in(home, "bo"), log_in(home)
    log_in(home, "bo")
    page = ana.get("/password")
    ana.post("/sessions/end", {"csrf": page.form("/password").fields["csrf"], "session": sids(bo.get("/"))[0]})
    assert is_logged_in(bo) and len(sids(bo.get("/"))) == 1


def test_a_session_that_an_operator_ends_while_a_form_is_open_changes_nothing(home):
    browser = log_in(home)
    page, form = browser.get("/"), browser.get("/password")
    home.cardea("session", "end", "--user", "ana")
    answer = browser.submit(form, current_password=PASSWORD, new_password=NEW)
    assert answer.status == 401 and answer.error == "Your session has ended. Log in again.", answer
    answer = browser.submit(page, "/not-me")
    assert answer.status == 401, answer
    assert browser.get("/password").path == "/_auth/login"
    log_in(home)


@pytest.mark.parametrize("path", ["/sessions/end", "/sessions/end-others", "/not-me", "/recovery-codes/new", "/password", "/step-up"])
def test_a_form_of_another_site_does_nothing(home, path):
    browser, other = log_in(home), log_in(home)
    page = browser.get("/")
    csrf = page.form("/sessions/end-others").fields["csrf"]
    fields = {"session": sids(page)[0], "current_password": PASSWORD, "new_password": NEW, "password": PASSWORD}
    for wrong in ({}, {"csrf": ""}, {"csrf": csrf[:-1]}, {"csrf": "A" * 43}):
        answer = browser.post(path, {**fields, **wrong})
        assert answer.status == 403 and answer.error.startswith("This form had expired"), answer
    for origin in ("https://evil.example.com", "null", home.issuer + ".evil.example.com"):
        answer = browser.post(path, {**fields, "csrf": csrf}, headers=[("Origin", origin)])
        assert answer.status == 403 and answer.error.startswith("The form was sent from another site"), answer
    answer = browser.post(path, {**fields, "csrf": csrf}, headers=[("Sec-Fetch-Site", "cross-site")])
    assert answer.status == 403, answer
    # The cookie of the form alone, as where another host of the domain has set it.
    browser.cookies["cardea_form"] = "A" * 43
    assert browser.post(path, {**fields, "csrf": csrf}).status == 403
    assert is_logged_in(browser) and is_logged_in(other)
    assert home.server.grant("ana", PASSWORD).status == 200


@pytest.mark.parametrize("path", ["/password", "/sessions/end", "/step-up", "/reset"])
def test_a_body_that_is_no_form_is_refused(home, path):
    browser = log_in(home)
    browser.cookies["cardea_reset"] = "A" * 43
    csrf = browser.get("/password").form("/password").fields["csrf"].encode()
    bodies = [b"csrf=" + csrf + b"&current_password=%zz", b"csrf=" + csrf + b"&csrf=" + csrf, b"\xff\xfe", b"", b"{}",
              b"csrf=" + csrf + b"&new_password=" + b"x" * 5000 + b"&session=" + b"x" * 5000 + b"&code=" + b"x" * 5000]
    for body in bodies:
        answer = browser.post(path, body)
        assert answer.status in (400, 403), answer
    assert browser.post(path, b"x" * (4 << 20)).status == 413
    assert is_logged_in(browser)


def test_programs_get_json(home):
    stranger = home.browser([("Accept", "application/json")])
    for path in ("/", "/password", "/step-up", "/forbidden"):
        answer = stranger.get(path)
        assert answer.status == 401 and answer.headers["Content-Type"] == "application/json", answer
        assert '"error":"login_required"' in answer.text, answer
    browser = log_in(home)
    browser.headers = [("Accept", "application/json")]
    answer = browser.get("/forbidden?return_to=" + quote("https://bo.example.com/"))
    assert answer.status == 403 and '"error":"access_denied"' in answer.text, answer
    answer = browser.get("/reset")
    assert answer.status == 400 and '"error":"invalid_request"' in answer.text, answer


# ---- the password ----

def test_lesson_12_a_changed_password_ends_every_other_session_and_token(home):
    other, browser = log_in(home), log_in(home)
    token = home.server.token("ana", PASSWORD)
    before = dict(browser.cookies)
    done = change_password(browser, PASSWORD, NEW)
    home.note_secret(NEW)
    assert done.path == "/_auth/" and "Your password is changed." in done.text, done
    assert browser.cookies["cardea_session"] != before["cardea_session"]
    assert is_logged_in(browser) and not is_logged_in(other)
    stolen = home.browser()
    stolen.cookies = before
    assert not is_logged_in(stolen)
    soon(lambda: not home.server.is_alive(token), "the token to end")
    assert home.server.grant("ana", PASSWORD).status == 401
    log_in(home, password=NEW)


def test_lesson_14_wrong_current_passwords_count_as_at_the_login(install):
    home = install(portal={"factors": ["password"]}, lockout={"account_attempts": 3, "delay": "1m"})
    home.add_user("ana", PASSWORD)
    home.server = home.serve()
    browser = log_in(home)
    for _ in range(10 + 3):  # those of the device, then those of the account
        page = change_password(browser, "wrong horse battery", NEW)
        assert page.status == 401 and page.error == "Your current password is wrong.", page
    page = change_password(browser, PASSWORD, NEW)
    assert page.status == 429, page
    assert_says_how_long(page)
    assert home.server.grant("ana", PASSWORD).status == 429
    assert is_logged_in(browser)


def at_once(count, work):
    results, gate = [None] * count, threading.Barrier(count)

    def run(number):
        gate.wait()
        results[number] = work(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def assert_only_password(home, passwords, number):
    assert home.server.grant("ana", passwords.pop(number)).status == 200
    assert {home.server.grant("ana", password).status for password in passwords} <= {401, 429}


def test_lesson_12_of_many_changes_at_a_time_one_wins(home):
    """Each knows the old password and has a session; one is the owner, and the others must learn that they were too late."""
    browsers = [log_in(home) for _ in range(8)]
    forms = [browser.get("/password") for browser in browsers]
    passwords = [f"horse battery {number}" for number in range(len(browsers))]
    pages = at_once(len(browsers), lambda n: browsers[n].submit(forms[n], current_password=PASSWORD, new_password=passwords[n]))
    won = [n for n, page in enumerate(pages) if page.status == 200 and "Your password is changed." in page.text]
    assert len(won) == 1, pages
    assert {page.status for n, page in enumerate(pages) if n not in won} <= {401}, pages
    assert [n for n, browser in enumerate(browsers) if is_logged_in(browser)] == won
    assert_only_password(home, passwords, won[0])


def test_programs_find_the_page_of_the_password(home):
    answer = services.call(home.issuer + "/.well-known/change-password")
    assert answer.status == 303 and answer.headers["Location"] == home.base + "/password", answer.headers


def test_without_a_portal_there_is_no_such_page(install):
    home = install()
    home.config.pop("portal")
    home.configure()
    home.serve()
    assert services.call(home.issuer + "/.well-known/change-password").status == 404
    assert services.call(home.base + "/").status == 404


# ---- "this was not me" ----

def test_not_me_ends_everything_and_asks_for_a_new_password(home):
    thief, browser = log_in(home), log_in(home)
    token = home.server.token("ana", PASSWORD)
    page = browser.submit(browser.get("/"), "/not-me")
    assert page.path == "/_auth/login" and "All your sessions are ended." in page.text, page
    assert not is_logged_in(thief) and not is_logged_in(browser)
    soon(lambda: not home.server.is_alive(token), "the token to end")
    page = browser.submit(page, username="ana", password=PASSWORD)
    assert page.path == "/_auth/password", page
    done = browser.submit(page, current_password=PASSWORD, new_password=NEW)
    assert "Your password is changed." in done.text, done


def test_not_me_pressed_by_a_thief_does_not_give_the_account_away(home):
    thief = log_in(home)
    page = thief.submit(thief.get("/"), "/not-me")
    assert page.path == "/_auth/login", page
    assert "cardea_session" not in thief.cookies and "cardea_reset" not in thief.cookies
    assert thief.get("/reset").status == 400
    assert thief.get("/password").path == "/_auth/login"
    log_in(home)


# ---- step-up ----

def step_up(host):
    return "/step-up?return_to=" + quote(f"https://{host}/")


def test_a_site_that_needs_a_fresh_login_gets_one(home):
    browser = log_in(home)
    before = browser.cookies["cardea_session"]
    page = services.wait_until(lambda: next((p for p in [browser.get(step_up("fresh.example.com"), follow=False)] if p.status == 200), None),
                               "the login to be old")
    assert "It has been a while since you logged in." in page.text and "fresh.example.com" in page.text, page
    wrong = browser.submit(page, password="wrong horse battery")
    assert wrong.status == 401 and wrong.error == "Your current password is wrong.", wrong
    assert browser.cookies["cardea_session"] == before
    done = browser.submit(wrong, password=PASSWORD, follow=False)
    assert done.status == 303 and done.location == "https://fresh.example.com/", done
    assert browser.cookies["cardea_session"] != before
    assert is_logged_in(browser)


def test_a_site_that_is_open_or_closed_needs_no_step_up(home):
    browser = log_in(home)
    answer = browser.get(step_up("wiki.example.com"), follow=False)
    assert answer.status == 303 and answer.location == "https://wiki.example.com/", answer
    page = browser.get(step_up("bo.example.com"))
    assert page.status == 403 and page.path == "/_auth/forbidden", page
    assert "You are logged in as ana, and this account may not open bo.example.com." in page.text, page
    # Another account may.
    page = browser.submit(page, "/logout", follow=False)
    assert page.location == "https://bo.example.com/" and not is_logged_in(browser), page


@pytest.mark.parametrize("page", ["https://evil.example.net/", "//evil.example.net/", "/\\evil.example.net", "https://wiki.example.com@evil.example.net/",
                                  "javascript:alert(1)", "https://wiki.example.com/%09/x"])
def test_lesson_7_a_step_up_leads_to_no_foreign_page(home, page):
    browser = log_in(home)
    form = browser.get("/step-up?return_to=" + quote(page))
    assert form.status == 200 and "evil" not in form.headers["Content-Security-Policy"], form
    done = browser.submit(form, password=PASSWORD, follow=False)
    assert done.status == 303 and done.location == home.base + "/", done


# ---- with a second factor ----

@pytest.fixture
def strict(install):
    """A user registers with a second factor; RULES' wiki wants both."""
    home = install(portal={"registration": "open"}, access=[{"host": "wiki.example.com", "allow": {"factors": 2}},
                                                             {"host": "fresh.example.com", "allow": {"max_age": "15m"}}])
    home.server = home.serve()
    return home


def test_new_recovery_codes_need_a_recent_code(strict):
    browser, secret, codes = register(strict, "ana")
    page = browser.get("/")
    assert "10 recovery codes are left." in page.text and "https://wiki.example.com/" in page.links, page
    new = codes_of(browser.submit(page, "/recovery-codes/new"))
    assert len(new) == 10 and not set(new) & set(codes)
    for code in new:
        strict.note_secret(code)
    age(strict, "ana", 601)
    page = browser.submit(browser.get("/"), "/recovery-codes/new")
    assert page.path == "/_auth/step-up" and "code" in page.form("/step-up").inputs and "password" not in page.form("/step-up").inputs, page
    page = browser.submit(page, code=totp(secret, 1))
    assert page.path == "/_auth/" and "Thank you. You can make new recovery codes now." in page.text, page
    assert len(codes_of(browser.submit(page, "/recovery-codes/new"))) == 10


def test_a_fresh_login_shows_both_factors(strict):
    browser, secret, _ = register(strict, "ana")
    age(strict, "ana", 901)
    page = browser.get(step_up("fresh.example.com"))
    assert set(page.form("/step-up").inputs) == {"csrf", "return_to", "password", "code"}, page
    page = browser.submit(page, password=ANA_PASSWORD, code="000000")
    assert page.status == 401 and page.error.startswith("This code is wrong or was used already."), page
    page = browser.submit(page, password=ANA_PASSWORD, code=totp(secret, 1), follow=False)
    assert page.status == 303 and page.location == "https://fresh.example.com/", page


def test_lesson_13_of_many_step_ups_with_one_code_one_wins(strict):
    browser, secret, _ = register(strict, "ana")
    age(strict, "ana", 901)
    code = totp(secret, 1)
    form = browser.get(step_up("fresh.example.com"))
    browsers = [browser.copy() for _ in range(8)]
    answers = at_once(len(browsers), lambda n: browsers[n].submit(form, password=ANA_PASSWORD, code=code, follow=False))
    assert sorted(answer.status for answer in answers).count(303) == 1, answers
    assert {answer.status for answer in answers} <= {303, 401, 429}, answers
    won = [n for n, answer in enumerate(answers) if answer.status == 303]
    assert [n for n, b in enumerate(browsers) if is_logged_in(b)] == won, "the id before is none"


def test_a_user_without_a_factor_sets_one_up_and_arrives_at_the_site(install):
    """Whose login was made before the portal wanted two factors."""
    home = install(portal={"factors": ["password"]})
    home.add_user("ana", PASSWORD)
    server = home.serve()
    browser = log_in(home)
    home.configure(portal={"url": home.base}, access=[{"host": "wiki.example.com", "allow": {"factors": 2}}])
    server.stop()
    server.start()
    page = browser.get(step_up("wiki.example.com"))
    assert page.path == "/_auth/totp/replace", page
    home.note_secret(secret_of(page))
    page = browser.submit(page, code=totp(secret_of(page)))
    assert "https://wiki.example.com/" in page.links, page
    answer = browser.get(step_up("wiki.example.com"), follow=False)
    assert answer.status == 303 and answer.location == "https://wiki.example.com/", answer


# ---- a link to set a new password ----

def reset_link(home, name="ana"):
    link = home.cardea("user", "reset", name).split()[0]
    home.note_secret(link.split("token=")[1])
    return link


def test_a_link_of_the_operator_sets_a_new_password(strict):
    before, secret, _ = register(strict, "ana")
    link = reset_link(strict)
    browser = strict.browser()
    page = browser.get(link)
    assert page.path == "/_auth/reset" and "token" not in page.url, page
    assert "token" not in (page.headers.get("Location") or "") and page.form("/reset").inputs.keys() == {"csrf", "new_password"}, page
    assert browser.get(link).status == 200, "a mail scanner opened it first"
    strict.note_secret(NEW)
    page = browser.submit(page, new_password=NEW)
    assert page.path == "/_auth/login" and "Your password is changed." in page.text, page
    assert not is_logged_in(browser) and not is_logged_in(before)
    page = browser.submit(page, username="ana", password=NEW)
    assert page.path == "/_auth/totp" and not is_logged_in(browser), page
    assert browser.submit(page, code=totp(secret, 1)).path == "/_auth/"
    page = strict.browser().get(link)
    assert page.status == 400 and page.error.startswith("This link is not valid."), page


def count_resets(home):
    events = home.cardea("audit", "tail", "--lines", "1000", "--json").splitlines()
    return sum(json.loads(event)["action"] == "user.reset" for event in events)


def test_a_link_counts_once_though_the_server_is_killed_while_it_is_consumed(home):
    server, before = home.server, 0
    for turn in range(3):
        link = reset_link(home)
        browsers = [home.browser() for _ in range(20)]
        forms = [browser.get(link) for browser in browsers]
        with ThreadPoolExecutor(len(browsers)) as pool:
            tries = [pool.submit(browser.submit, form, new_password=f"horse battery {n}")
                     for n, (browser, form) in enumerate(zip(browsers, forms))]
            if turn:
                wait(tries[:turn])
            server.kill()
        server = home.serve()
        used, browser = count_resets(home) - before, home.browser()
        assert used <= 1, f"{used} resets by one link"
        page = browser.get(link)
        assert page.status == (400 if used else 200), page
        if not used:
            assert browser.submit(page, new_password=NEW).status == 200
            assert home.browser().get(link).status == 400, "used, and offered again"
        before = count_resets(home)


def test_of_many_uses_of_a_link_one_wins(home):
    link = reset_link(home)
    browsers = [home.browser() for _ in range(50)]
    forms = [browser.get(link) for browser in browsers]
    passwords = [f"horse battery {number}" for number in range(len(browsers))]
    pages = at_once(len(browsers), lambda n: browsers[n].submit(forms[n], new_password=passwords[n]))
    won = [n for n, page in enumerate(pages) if page.status == 200 and "Your password is changed." in page.text]
    assert len(won) == 1 and {page.status for page in pages} == {200, 400}, pages
    assert_only_password(home, passwords, won[0])
