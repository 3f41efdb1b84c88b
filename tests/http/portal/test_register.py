"""Registering with and without an invitation, and the codes that complete an account."""
import contextlib
import json
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from browser import secret_of, totp

PASSWORD = "correct horse battery"
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
CODE = r"[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}"
NOT_AVAILABLE = "This user name is not available. Choose another one."


@pytest.fixture(scope="module")
def open_portal(install_module):
    home = install_module(portal={"registration": "open"}, lockout={"network_registrations": 1000})
    home.serve()
    return home


@pytest.fixture(scope="module")
def invite_portal(install_module):
    home = install_module()
    home.serve()
    return home


def users(home):
    return {json.loads(line)["name"] for line in home.cardea("user", "list", "--json").splitlines()}


def begin(home, browser, name, password=PASSWORD, **fields):
    """The page with the secret."""
    home.note_secret(password)
    page = browser.submit(browser.get("/register"), username=name, password=password, **fields)
    assert page.path == "/_auth/register/totp" and page.status == 200, page
    home.note_secret(secret_of(page))
    return page


def codes_of(page):
    assert page.status == 200 and page.title == "Your recovery codes", page
    codes = page.text_of("codes").split()
    assert len(set(codes)) == 10 and all(re.fullmatch(CODE, code) for code in codes), codes
    return codes


def confirm(home, browser, page):
    """The recovery codes."""
    codes = codes_of(browser.submit(page, code=totp(secret_of(page))))
    for code in codes:
        home.note_secret(code)
    return codes


def who(browser):
    page = browser.get("/me", headers=[("Accept", "application/json")])
    return json.loads(page.body)["user"] if page.status == 200 else None


# ---- registration: open ----

def test_a_user_registers_and_arrives_at_the_page_that_was_asked_for(open_portal):
    browser = open_portal.browser()
    login = browser.get("/login?return_to=/.well-known/jwks.json")
    assert any(link == "/_auth/register" for link in login.links), login
    page = begin(open_portal, browser, " Ana ", display_name="Ana Lima")
    assert page.values["username"] == "ana"
    assert "ana" not in users(open_portal), "an account before its first code"
    assert who(browser) is None
    page = browser.submit(page, code=totp(secret_of(page)))
    codes_of(page)
    assert f"{open_portal.issuer}/.well-known/jwks.json" in page.links, page
    me = json.loads(browser.get("/me").body)
    assert (me["user"], me["display_name"], me["groups"], me["factors"]) == ("ana", "Ana Lima", [], 2)
    assert set(browser.cookies) == {"cardea_session", "cardea_form", "cardea_device"}, browser.cookies


def test_what_was_confirmed_logs_in(open_portal):
    browser = open_portal.browser()
    page = begin(open_portal, browser, "bo")
    secret = secret_of(page)
    code = totp(secret)
    codes = codes_of(browser.submit(page, code=code))
    for second, field, value in (("/totp", "code", code), ("/totp", "code", totp(secret, 1)), ("/recovery", "recovery_code", codes[4])):
        other = open_portal.browser()
        page = other.submit(other.get("/login"), username="bo", password=PASSWORD)
        assert page.path == "/_auth/totp", page
        page = other.submit(other.get(second), **{field: value})
        if value == code:  # LESSONS 13: it was used to register
            assert page.status == 401 and who(other) is None, page
        else:
            assert who(other) == "bo", page


def test_a_code_is_read_in_any_digits_and_with_spaces(open_portal):
    browser = open_portal.browser()
    page = begin(open_portal, browser, "arabic")
    code = totp(secret_of(page))
    codes_of(browser.submit(page, code=f" {code[:3]}\u00a0{code[3:]} ".translate(ARABIC)))
    assert who(browser) == "arabic"


@pytest.mark.parametrize("code", ["000000x", "12345", "1234567", "", "١٢٣٤٥", "a" * 5000, "123456\0", "12\udcff3456"])
def test_a_code_that_is_wrong_shows_the_same_secret_again(open_portal, code):
    browser = open_portal.browser()
    page = begin(open_portal, browser, f"wrong-{abs(hash(code))}")
    again = browser.submit(page, code=code)
    assert again.status == 400 and again.error, again
    assert secret_of(again) == secret_of(page)
    assert secret_of(browser.get("/register/totp")) == secret_of(page)
    assert again.form().inputs["code"].get("aria-describedby") == "error"
    codes_of(browser.submit(again, code=totp(secret_of(page))))


def test_a_code_of_a_wrong_clock_is_refused_and_reported(open_portal):
    browser = open_portal.browser()
    page = begin(open_portal, browser, "skewed")
    again = browser.submit(page, code=totp(secret_of(page), -6))
    assert again.status == 400 and again.error.startswith("This code is wrong"), again
    event = open_portal.servers[0].wait_event("totp_clock_skew")
    assert -210 <= event["seconds"] <= -150
    assert event["user"] == "", "what was typed into the field for the name may be a password"


def test_a_code_of_a_wrong_clock_names_the_user_who_was_invited(invite_portal):
    browser = invite_portal.browser()
    page = browser.submit(browser.get(invite_portal.invite("slow")), password=PASSWORD)
    invite_portal.note_secret(secret_of(page))
    again = browser.submit(page, code=totp(secret_of(page), -6))
    assert again.status == 400, again
    assert invite_portal.servers[0].wait_event("totp_clock_skew")["user"] == "slow"


def test_unconfirmed_registrations_leave_no_account(open_portal):
    before = users(open_portal)
    browser = open_portal.browser()
    begin(open_portal, browser, "never")
    other = open_portal.browser()
    assert "Create the account" in begin(open_portal, other, "never").text, "the name is free until a code confirms it"
    assert users(open_portal) == before


def test_of_two_who_confirm_one_name_the_first_has_it(open_portal):
    first, second = open_portal.browser(), open_portal.browser()
    pages = [begin(open_portal, browser, "twice") for browser in (first, second)]
    confirm(open_portal, first, pages[0])
    page = second.submit(pages[1], code=totp(secret_of(pages[1])))
    assert page.status == 409 and page.error == NOT_AVAILABLE, page
    assert page.form().fields["username"] == "twice" and page.form().fields["password"] == ""
    assert who(second) is None and "cardea_enrol" not in second.cookies


@pytest.mark.parametrize("typed, error, field, status", [
    ({"username": "no name"}, "A user name has letters", "username", 400),
    ({"username": "x" * 129}, "A user name has letters", "username", 400),
    ({"username": "ana\u202e"}, "A user name has letters", "username", 400),
    ({"username": ""}, "Fill in every field.", "username", 400),
    ({"username": "   "}, "Fill in every field.", "username", 400),
    ({"username": "watch"}, NOT_AVAILABLE, "username", 409),  # a client
    ({"username": "EVE"}, NOT_AVAILABLE, "username", 409),
    ({"display_name": "x" * 257}, "This name is too long", "display_name", 400),
    ({"display_name": "a\u202eb"}, "This name is too long", "display_name", 400),
    ({"password": ""}, "Fill in every field.", "password", 400),
    ({"password": "äöüß!"}, "The password needs at least 8 characters.", "password", 400),
    ({"password": "1234567"}, "The password needs at least 8 characters.", "password", 400),
    ({"password": "SuperMan"}, "This is one of the most common passwords.", "password", 400),
    ({"password": "x" * 1025}, "The password may have 1024 bytes at most.", "password", 400),
    ({"password": "12345678\t"}, "The form could not be read.", "password", 400),
])
def test_what_is_wrong_is_said_at_its_field_and_the_rest_is_kept(open_portal, typed, error, field, status):
    if "eve" not in users(open_portal):
        open_portal.add_user("eve", PASSWORD)
    browser = open_portal.browser()
    fields = {"username": "gus", "display_name": "Gus <b>", "password": PASSWORD, **typed}
    page = browser.submit(browser.get("/register"), **fields)
    assert page.status == status and page.error.startswith(error), page
    form = page.form()
    assert [name for name, a in form.inputs.items() if a.get("aria-invalid") == "true"] == [field], page
    assert form.inputs[field]["aria-describedby"].split()[0] == "error"
    assert form.fields["password"] == "" and PASSWORD not in page.text
    for name in {"username", "display_name"} - {field}:
        assert form.fields[name] == fields[name], page
    assert "cardea_enrol" not in browser.cookies and "gus" not in users(open_portal)


@pytest.mark.parametrize("typed", [{"username": "g" * 128}, {"display_name": "ä" * 128}, {"password": "1234567\u00fc"},
                                   {"password": "ü" * 512}])
def test_what_is_as_long_as_it_may_be_is_accepted(open_portal, typed):
    browser = open_portal.browser()
    page = browser.submit(browser.get("/register"), **{"username": "long", "password": PASSWORD, **typed})
    assert page.path == "/_auth/register/totp", page


@pytest.mark.parametrize("body", [
    b"%(csrf)s&username=gus&username=gus&password=12345678",
    b"%(csrf)s&username=gus%%00&password=12345678",
    b"%(csrf)s&username=gus&display_name=%%ff&password=12345678",
    b"%(csrf)s&username=gus&password=%%ed%%a0%%80345678",
    b"%(csrf)s&username=gus&password=%%zz345678",
    b"%(csrf)s&%(csrf)s&username=gus&password=12345678",
    b"%(csrf)s&username=" + b"g" * 5000 + b"&password=12345678",
    b"&".join([b"%(csrf)s", *[b"x=1"] * 300, b"username=gus&password=12345678"]),
])
def test_a_malformed_form_is_refused(open_portal, body):
    browser = open_portal.browser()
    csrf = browser.get("/register").form().fields["csrf"]
    page = browser.post("/register", body % {b"csrf": b"csrf=" + csrf.encode()})
    assert page.status == 400 and page.error == "The form could not be read. Send it again.", page
    assert page.form().action == "/_auth/register"


@pytest.mark.parametrize("path, fields", [
    ("/register", {"username": "gus", "password": PASSWORD}),
    ("/register/totp", {"code": "123456"}),
    ("/recovery-codes", {"recovery_codes": "7k3v-0000-0000-0000"}),
])
def test_a_form_needs_its_token_and_its_origin(open_portal, path, fields):
    browser = open_portal.browser()
    if path == "/register/totp":
        begin(open_portal, browser, "csrf")
    csrf = browser.get("/register").form().fields["csrf"]
    stranger = open_portal.browser()
    stranger.get("/register")
    for wrong in ({}, {"csrf": ""}, {"csrf": "A" * 43}, {"csrf": stranger.get("/register").form().fields["csrf"]}):
        page = browser.post(path, {**wrong, **fields})
        assert page.status == 403 and page.error.startswith("This form had expired"), page
    for headers in ([("Origin", "https://evil.example")], [("Origin", "null")], [("Sec-Fetch-Site", "cross-site")],
                    [("Origin", browser.origin), ("Origin", "https://evil.example")]):
        page = browser.post(path, {"csrf": csrf, **fields}, headers)
        assert page.status == 403 and page.error.startswith("The form was sent from another site"), page
    del browser.cookies["cardea_form"]
    assert browser.post(path, {"csrf": csrf, **fields}).status == 403
    assert "gus" not in users(open_portal)


def test_a_form_that_expired_keeps_what_was_typed(open_portal):
    browser = open_portal.browser()
    page = browser.get("/register")
    del browser.cookies["cardea_form"]
    page = browser.submit(page, username="gus", display_name="Gus", password=PASSWORD)
    assert page.status == 403, page
    assert (page.form().fields["username"], page.form().fields["display_name"]) == ("gus", "Gus")
    assert browser.submit(page, password=PASSWORD).path == "/_auth/register/totp"


def test_a_forged_ticket_is_none(open_portal):
    browser = open_portal.browser()
    begin(open_portal, browser, "forged")
    ticket = browser.cookies["cardea_enrol"]
    for value in (ticket[:-1] + ("A" if ticket[-1] != "A" else "B"), "x1.", "-", ticket + "A" * 200):
        browser.cookies["cardea_enrol"] = value
        assert browser.get("/register/totp").path == "/_auth/register"
        csrf = browser.get("/register").form().fields["csrf"]
        page = browser.post("/register/totp", {"csrf": csrf, "code": "123456"})
        assert page.status == 400 and page.error.startswith("The registration took too long"), page
    assert "forged" not in users(open_portal)


def test_the_page_of_a_registration_that_is_over_leads_on(open_portal):
    browser = open_portal.browser()
    page = begin(open_portal, browser, "over")
    confirm(open_portal, browser, page)
    assert browser.get("/register/totp").path == "/_auth/"
    assert open_portal.browser().get("/register/totp").path == "/_auth/register"


def test_errors_are_json_for_a_program(open_portal):
    browser = open_portal.browser(headers=[("Accept", "application/json")])
    csrf = open_portal.browser()
    page = csrf.get("/register")
    browser.cookies = dict(csrf.cookies)
    answer = browser.post("/register", {**page.form().fields, "username": "no name", "password": PASSWORD})
    assert answer.status == 400, answer
    assert json.loads(answer.body)["error"] == "invalid_request"
    assert json.loads(answer.body)["error_description"].startswith("A user name has letters")


# ---- invitations ----

def test_lesson_46_an_invitation_is_consumed_by_the_code_alone(invite_portal):
    link = invite_portal.invite("ana", "--group", "staff", "--display-name", "Ana Lima", "--email", "ana@example.com")
    for _ in range(3):  # a mail scanner, which follows everything
        scanner = invite_portal.browser()
        assert scanner.get(link).path == "/_auth/register"
        scanner.get("/register/totp")
    browser = invite_portal.browser()
    page = browser.get(link)
    assert page.history == [(303, link)] and page.url == invite_portal.base + "/register", page
    assert link.split("token=")[1] not in page.text
    form = page.form()
    assert form.fields["username"] == "ana" and "readonly" in form.inputs["username"]
    assert form.fields["display_name"] == "Ana Lima" and "invite" not in form.inputs
    page = browser.submit(page, username="mallory", password=PASSWORD)  # read-only for browsers alone
    invite_portal.note_secret(secret_of(page))
    assert page.values["username"] == "ana"
    assert invite_portal.browser().get(link).status == 200
    confirm(invite_portal, browser, page)
    me = json.loads(browser.get("/me").body)
    assert (me["user"], me["groups"], me["email"], me["email_verified"]) == ("ana", ["staff"], "ana@example.com", False)
    assert "cardea_invite" not in browser.cookies and "mallory" not in users(invite_portal)
    late = invite_portal.browser()
    page = late.get(link)
    assert page.status == 403 and page.error.startswith("The invitation is not valid"), page
    assert "cardea_invite" not in late.cookies


def test_the_code_of_an_invitation_can_be_typed(invite_portal):
    link = invite_portal.invite("typed")
    browser = invite_portal.browser()
    page = browser.get("/register")
    assert page.status == 200 and "invite" in page.form().inputs, page
    for code in ("", "A" * 43, link.split("token=")[1][:-1], "x" * 5000):
        again = browser.submit(page, username="typed", password=PASSWORD, invite=code)
        assert again.status in (400, 403) and again.error, again
    page = browser.submit(again if again.forms else page, username="other", password=PASSWORD,
                          invite=f" {link.split('token=')[1]} ")
    assert page.values["username"] == "typed", page
    confirm(invite_portal, browser, page)
    assert who(browser) == "typed"


@pytest.mark.parametrize("query", ["", "?token=", "?token=abc", "?token=" + "A" * 44, "?token=" + "A" * 42 + "%00",
                                   "?token=" + "A" * 42 + "=", "?token=" + "A" * 5000, "?token=%ff" + "A" * 42])
def test_a_link_that_is_no_invitation_is_refused(invite_portal, query):
    browser = invite_portal.browser()
    page = browser.get("/invite" + query)
    assert page.status == 400 and page.error.startswith("The invitation is not valid"), page
    assert "cardea_invite" not in browser.cookies


def test_an_invitation_that_does_not_exist_asks_for_another(invite_portal):
    browser = invite_portal.browser()
    page = browser.get("/invite?token=" + "A" * 43)
    assert page.path == "/_auth/register" and page.status == 403, page
    assert page.form().inputs["invite"]["aria-describedby"] == "error"
    assert "cardea_invite" not in browser.cookies


def test_without_an_invitation_nobody_learns_which_names_exist(invite_portal):
    invite_portal.add_user("secret-name", PASSWORD)
    browser = invite_portal.browser()
    form = browser.get("/register")
    answers = [browser.submit(form, username=name, password=PASSWORD, invite="A" * 43) for name in ("secret-name", "no-such-name", "no name")]
    assert {(page.status, page.error) for page in answers} == {
        (403, "The invitation is not valid. It may have been used, or it has expired.")}, answers


def test_an_expired_invitation_registers_nobody(invite_portal):
    link = invite_portal.invite("slow")
    browser, begun = invite_portal.browser(), invite_portal.browser()
    form = browser.get(link)
    waiting = begun.submit(begun.get(link), password=PASSWORD)
    with contextlib.closing(sqlite3.connect(invite_portal.folder / "cardea.db")) as store, store:
        store.execute("UPDATE links SET expires_at = 1 WHERE user_name = 'slow'")
    for page in (browser.submit(form, password=PASSWORD), browser.get(link), begun.submit(waiting, code=totp(secret_of(waiting)))):
        assert page.status == 403 and page.error.startswith("The invitation is not valid"), page
    assert "slow" not in users(invite_portal)
    assert {"cardea_invite", "cardea_enrol"}.isdisjoint({**browser.cookies, **begun.cookies})


AT_ONCE = 50


def test_of_50_confirmations_of_one_invitation_one_wins(invite_portal):
    link = invite_portal.invite("racer")
    browser = invite_portal.browser()
    page = browser.submit(browser.get(link), password=PASSWORD)
    code = totp(secret_of(page))
    browsers = [browser.copy() for _ in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        pages = list(pool.map(lambda b: b.submit(page, code=code), browsers))
    won = [p for p in pages if p.status == 200]
    assert len(won) == 1 and len(codes_of(won[0])) == 10, [p.status for p in pages]
    assert {p.status for p in pages} <= {200, 403, 409} and all(p.error for p in pages if p.status != 200)
    assert [who(b) for b in browsers].count("racer") == 1


def test_an_invitation_counts_once_though_the_server_is_killed_while_it_is_consumed(install):
    home = install(portal={"registration": "invite"})
    for turn in range(3):
        server, name = home.serve(), f"guest{turn}"
        link = home.invite(name)
        browser = home.browser()
        page = browser.submit(browser.get(link), password=PASSWORD)
        code = totp(secret_of(page))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            tries = [pool.submit(each.submit, page, code=code) for each in [browser.copy() for _ in range(AT_ONCE)]]
            if turn:
                wait(tries[:turn])
            server.kill()
        server = home.serve()
        joined, again = name in users(home), home.browser()
        answer = again.get(link)
        assert (answer.status == 200) == (not joined), answer
        if not joined:
            page = again.submit(answer, password=PASSWORD)
            assert again.submit(page, code=totp(secret_of(page))).status == 200
            assert home.browser().get(link).status == 403, "used, and offered again"
        events = [json.loads(line) for line in home.cardea("audit", "tail", "--lines", "1000", "--json").splitlines()]
        assert sum(event["action"] == "user.register" and event["subject"] == f"user:{name}" for event in events) == 1, events
        assert server.stop() == 0


def test_a_closed_portal_registers_nobody(install):
    home = install(portal={"registration": "invite"})
    home.serve()
    link = home.invite("ana")
    browser = home.browser()
    page = browser.submit(browser.get(link), password=PASSWORD)
    home.servers[0].stop()
    home.configure(portal={**home.config["portal"], "registration": "closed"})
    home.servers[0].start()
    csrf = page.form().fields["csrf"]
    for answer in (browser.get("/register"), browser.get(link), browser.get("/register/totp"),
                   browser.post("/register", {"csrf": csrf, "username": "ana", "password": PASSWORD}),
                   browser.post("/register/totp", {"csrf": csrf, "code": totp(secret_of(page))})):
        assert answer.status == 403 and answer.error.startswith("Nobody can register here"), answer
    assert "ana" not in users(home)
    assert "/_auth/register" not in browser.get("/login").links


def test_what_began_without_an_invitation_is_not_completed_once_one_is_needed(install):
    home = install(portal={"registration": "open"})
    home.serve()
    browser = home.browser()
    page = browser.submit(browser.get("/register"), username="ana", password=PASSWORD)
    home.servers[0].stop()
    home.configure(portal={**home.config["portal"], "registration": "invite"})
    home.servers[0].start()
    answer = browser.copy().submit(page, code=totp(secret_of(page)))
    assert answer.status == 400 and answer.error.startswith("The registration took too long"), answer
    answer = browser.get("/register/totp")
    assert answer.path == "/_auth/register" and "invite" in answer.form().inputs, answer
    assert "ana" not in users(home)


# ---- other factors ----

def test_without_a_second_factor_the_form_completes_the_account(install):
    home = install(portal={"registration": "open", "factors": ["password"]})
    home.serve()
    browser = home.browser()
    browser.get("/login?return_to=/.well-known/jwks.json")
    page = browser.submit(browser.get("/register"), username="ana", password=PASSWORD)
    assert page.url == f"{home.issuer}/.well-known/jwks.json" and page.status == 200, page
    assert json.loads(browser.get("/me").body)["factors"] == 1
    assert browser.get("/totp/replace").path == "/_auth/"


def test_with_codes_alone_no_password_is_asked_for(install):
    home = install(portal={"registration": "open", "factors": ["totp"]})
    home.serve()
    browser = home.browser()
    page = browser.get("/register")
    assert "password" not in page.form().inputs
    page = browser.submit(page, username="ana")
    secret = secret_of(page)
    confirm(home, browser, page)
    other = home.browser()
    other.submit(other.get("/login"), username="ana", code=totp(secret, 1))
    assert who(other) == "ana"


# ---- secrets ----

def test_lesson_28_the_secret_is_in_no_url_log_or_cache(open_portal):
    browser = open_portal.browser()
    page = begin(open_portal, browser, "secretive")
    codes = confirm(open_portal, browser, page)
    secrets = [PASSWORD, secret_of(page), *codes, browser.cookies["cardea_session"]]
    log = "\n".join(open_portal.servers[0].lines())
    for secret in secrets:
        assert secret not in log and not any(secret in url for url in browser.visited)
    assert page.headers["Cache-Control"] == "no-store"
    link = [link for link in page.links if link.startswith("otpauth:")]
    assert len(link) == 1 and f"secret={secret_of(page)}" in link[0] and "issuer=Cardea" in link[0], page.links
    for cookie in browser.set_cookies:
        assert "; HttpOnly; SameSite=Lax" in cookie and "Domain" not in cookie, cookie
        if cookie.startswith("cardea_enrol=x1"):
            assert "Max-Age=900;" in cookie, cookie


def test_recovery_codes_come_back_as_a_file(open_portal):
    browser = open_portal.browser()
    page = begin(open_portal, browser, "filer")
    page = browser.submit(page, code=totp(secret_of(page)))
    codes = codes_of(page)
    file = browser.submit(page, "/recovery-codes")
    assert file.status == 200 and file.text == "".join(code + "\n" for code in codes), file
    assert file.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert file.headers["Content-Disposition"] == 'attachment; filename="recovery-codes.txt"'
    assert (file.headers["Cache-Control"], file.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    csrf = page.form("/recovery-codes").fields["csrf"]
    for text in ("", "x", "<script>alert(1)</script>", " ".join([*codes, codes[0]]), codes[0].upper(), codes[0] + "\n" + codes[1],
                 codes[0] + "x", "7k3v-0000-0000-0000" * 100):
        wrong = browser.post("/recovery-codes", {"csrf": csrf, "recovery_codes": text})
        assert wrong.status == 400 and "Content-Disposition" not in wrong.headers, wrong
        assert wrong.headers["Content-Type"].startswith("text/html")
