"""Links and notices by e-mail, from the real binary to a mail server of the test."""
import json
import re
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

import services
from browser import secret_of, totp
from logins import add_person, log_in
from services import wait_until
from support.ports import find_ports
from support.smtp_sink import CLOSE, HANG, SmtpSink

NEW = "another horse battery"
SENT = "If this account has a verified e-mail address, a link is on its way, valid for 30 minutes."
LINK = r"^(http://127\.0\.0\.1:\d+/_auth/(?:reset|invite)\?token=[A-Za-z0-9_-]{43})$"
USES = 50


@pytest.fixture
def sink():
    with SmtpSink() as sink:
        yield sink


@pytest.fixture
def mailing(install, sink):
    """mailing(setting=…): a portal that sends its e-mails to the sink, and is served."""
    def make(url=None, portal=None, **changes):
        home = install(portal={"title": "Example", **(portal or {})}, smtp={"url": url or sink.url, "from": "auth@example.com"}, **changes)
        home.server = home.serve()
        return home

    return make


def add_reader(home, name, **more):
    """A user who reads the e-mails to NAME@example.com."""
    return add_person(home, name, flags=("--email", f"{name}@example.com", "--email-verified"), **more)


def ask(browser, name, headers=None, follow=True):
    page = browser.get("/forgot")
    assert page.status == 200, page
    return browser.submit(page, "/forgot", headers=headers, follow=follow, username=name)


def link_in(home, mail):
    links = re.findall(LINK, mail.text, re.M)
    assert len(links) == 1, mail.text
    home.note_secret(links[0].split("token=")[1])
    return links[0]


def details(home, name):
    return json.loads(home.cardea("user", "show", name, "--json"))


def events(home, action):
    return [event for event in map(json.loads, home.cardea("audit", "tail", "--json").splitlines()) if event["action"] == action]


# ---- a forgotten password ----

@pytest.mark.parametrize("language, subject", [("en", "Example: choose a new password"), ("de", "Example: Neues Passwort wählen")])
def test_a_user_who_forgot_the_password_sets_a_new_one(mailing, sink, language, subject):
    home = mailing()
    ana = add_reader(home, "ana")
    browser = home.browser(headers=[("Accept-Language", language)])
    login = browser.get("/login")
    assert "/_auth/forgot" in login.links, login
    page = ask(browser, "Ana")
    assert page.history[-1][0] == 303 and page.path == "/_auth/forgot", page
    assert language == "de" or SENT in page.text, page
    mail = sink.wait()
    assert (mail.recipients, mail.subject) == (["ana@example.com"], subject)
    assert "127.0.0.1" in mail.text.replace(link_in(home, mail), "")
    event = events(home, "user.reset_link")[0]
    assert (event["actor"], event["subject"], event["address"]) == ("portal", "user:ana", "127.0.0.1"), event
    page = browser.get(link_in(home, mail))
    assert page.path == "/_auth/reset" and "token" not in page.url, page
    home.note_secret(NEW)
    page = browser.submit(page, "/reset", new_password=NEW)
    assert page.path == "/_auth/login" and browser.get("/me").status == 401, page
    notice = sink.wait(2)
    assert notice.recipients == ["ana@example.com"] and "token" not in notice.text, notice.text
    ana.password = NEW
    log_in(browser, ana)
    assert browser.get(link_in(home, mail)).status == 400


def test_lesson_10_the_answer_tells_nothing(mailing, sink):
    home = mailing()
    add_reader(home, "ana", has_totp=False)
    add_reader(home, "off", has_totp=False, is_disabled=True)
    add_person(home, "bare", has_totp=False)
    add_person(home, "open", has_totp=False, flags=("--email", "open@example.com"))
    typed = "the-password-of-ana-at-another-site"
    home.note_secret(typed)
    browser = home.browser()
    seen = []
    for name in ("ana", "nobody", "off", "bare", "open", typed, "ana", "ana", "ana", "ana@example.com", "a" * 300, "é\u202e"):
        answer = ask(browser, name, follow=False)
        headers = {key.lower(): value for key, value in answer.headers.items() if key.lower() not in ("date", "x-request-id")}
        seen.append((answer.status, answer.body, headers, browser.get("/forgot?done=link-sent").body))
    assert seen[0][0] == 303 and SENT.encode() in seen[0][3], seen[0]
    assert all(one == seen[0] for one in seen), seen
    sink.wait(3)  # as many links as there may be
    assert {mail.recipients[0] for mail in sink.mails} == {"ana@example.com"}
    wait_until(lambda: len([line for line in home.server.lines() if "mail_not_written" in line]) >= 4, "the reasons in the log")
    lines = [json.loads(line) for line in home.server.lines() if "mail_not_written" in line]
    reasons = {line["user"]: line["reason"] for line in lines}
    assert reasons["off"] == "the user is disabled" and reasons["bare"] == reasons["open"] == "the user has no verified e-mail address"
    assert set(reasons) == {"off", "bare", "open", "ana"}, reasons


def test_lesson_10_no_name_is_looked_up_for_the_answer(mailing, sink):
    """While nothing can be written, a name that would get a link is answered like one that gets none."""
    home = mailing()
    add_reader(home, "ana", has_totp=False)
    browsers = {name: home.browser() for name in ("ana", "nobody")}
    with sqlite3.connect(home.folder / "cardea.db", timeout=services.PATIENCE) as store:
        store.execute("BEGIN IMMEDIATE")
        for name, browser in browsers.items():
            answer = ask(browser, name, follow=False)
            assert answer.status == 303, (name, answer)
        assert not sink.mails
        store.rollback()
    assert sink.wait().recipients == ["ana@example.com"]


MISBEHAVIOUR = {
    "hangs": {"greeting": HANG},
    "hangs later": {"message": HANG},
    "closes": {"greeting": CLOSE},
    "refuses": {"RCPT": "550 5.1.1 unknown"},
    "is busy": {"greeting": "421 4.3.2 later"},
    "is no mail server": {"greeting": b"SSH-2.0-OpenSSH_9.2\r\n"},
}


@pytest.mark.parametrize("what", [*MISBEHAVIOUR, "is not there"])
def test_a_bad_mail_server_changes_no_answer(mailing, sink, what):
    sink.answers.update(MISBEHAVIOUR.get(what, {}))
    home = mailing(url=f"smtp://127.0.0.1:{find_ports()}" if what == "is not there" else None)
    add_reader(home, "ana", has_totp=False)
    browser = home.browser()
    for name in ("ana", "nobody", "ana"):
        page = ask(browser, name)
        assert page.status == 200 and SENT in page.text, page
    if what != "is not there":
        wait_until(lambda: sink.connections, "the sender to try")
    assert not sink.mails


def test_lesson_46_a_mailed_link_is_not_used_up_by_opening_it(mailing, sink):
    home = mailing(portal={"factors": ["password"]})
    add_reader(home, "ana", has_totp=False)
    ask(home.browser(), "ana")
    link = link_in(home, sink.wait())
    for _ in range(3):  # a mail scanner, which follows everything
        scanner = home.browser()
        page = scanner.get(link)
        assert page.history == [(303, link)] and page.url == home.base + "/reset" and page.status == 200, page
        assert link.split("token=")[1] not in page.text
        assert home.browser().request("HEAD", link, follow=False).status == 303
    assert not events(home, "user.reset")
    home.note_secret(NEW)
    browser = home.browser()
    page = browser.submit(browser.get(link), "/reset", new_password=NEW)
    assert page.path == "/_auth/login" and "Your password is changed." in page.text, page
    assert len(events(home, "user.reset")) == 1


def test_of_fifty_uses_of_a_mailed_link_one_wins(mailing, sink):
    home = mailing(portal={"factors": ["password"]})
    add_reader(home, "ana", has_totp=False)
    ask(home.browser(), "ana")
    link = link_in(home, sink.wait())
    browsers = [home.browser() for _ in range(USES)]
    passwords = [f"horse battery {number:02}" for number in range(USES)]
    forms = [browser.get(link) for browser in browsers]
    with ThreadPoolExecutor(USES) as pool:
        pages = list(pool.map(lambda n: browsers[n].submit(forms[n], "/reset", new_password=passwords[n]), range(USES)))
    won = [n for n, page in enumerate(pages) if "Your password is changed." in page.text]
    assert len(won) == 1 and {page.status for page in pages} <= {200, 400, 503}, [page.status for page in pages]
    assert len(events(home, "user.reset")) == 1
    browser = home.browser()
    assert browser.submit(browser.get("/login"), "/login", username="ana", password=passwords[won[0]]).path == "/_auth/"


def test_a_second_request_leaves_the_first_link_valid_and_both_end_with_the_password(mailing, sink):
    home = mailing(portal={"factors": ["password"]})
    add_reader(home, "ana", has_totp=False)
    ask(home.browser(), "ana")
    first = link_in(home, sink.wait())
    ask(home.browser(), "ana")
    second = link_in(home, sink.wait(2))
    home.note_secret(NEW)
    browser = home.browser()
    browser.submit(browser.get(first), "/reset", new_password=NEW)
    assert home.browser().get(second).status == 400


# ---- links of the operator ----

def run(home, *args, code=0):
    """Standard output and standard error."""
    done = subprocess.run([services.PROGRAMS["cardea"], *args, "--config", home.config_file], capture_output=True, text=True,
                          timeout=services.PATIENCE)
    assert done.returncode == code, done
    return done.stdout, done.stderr


def register(home, link, name):
    browser = home.browser()
    page = browser.submit(browser.get(link), password=NEW)
    home.note_secret(NEW)
    home.note_secret(secret_of(page))
    page = browser.submit(page, code=totp(secret_of(page)))
    assert page.status == 200 and page.title == "Your recovery codes", page
    return details(home, name)


def test_a_mailed_invitation_verifies_the_address(mailing, sink):
    home = mailing()
    out, err = run(home, "user", "invite", "bo", "--group", "staff", "--email", "bo@example.com")
    assert out == "" and err.startswith("the link will be mailed to bo@example.com; it is valid once, until "), err
    mail = sink.wait()
    assert (mail.recipients, mail.subject) == (["bo@example.com"], "Your invitation to Example")
    user = register(home, link_in(home, mail), "bo")
    assert (user["email"], user["email_verified"], user["groups"]) == ("bo@example.com", True, ["staff"]), user
    ask(home.browser(), "bo")
    assert sink.wait(2).subject == "Example: choose a new password"


def test_a_printed_invitation_does_not(mailing, sink):
    home = mailing()
    out, err = run(home, "user", "invite", "bo", "--email", "bo@example.com", "--no-mail")
    assert re.fullmatch(LINK, out.strip()) and err.startswith("the link is valid once, until "), (out, err)
    user = register(home, out.strip(), "bo")
    assert (user["email"], user["email_verified"]) == ("bo@example.com", False), user
    out, _ = run(home, "user", "invite", "cleo")
    assert re.fullmatch(LINK, out.strip()), out
    assert not sink.mails


def test_a_mailed_link_is_not_shown_with_json_either(mailing, sink):
    home = mailing(portal={"language": "de"})
    shown = json.loads(run(home, "user", "invite", "Bo", "--email", "bo@example.com", "--json")[0])
    assert shown.keys() == {"name", "mailed_to", "expires_at"} and (shown["name"], shown["mailed_to"]) == ("bo", "bo@example.com")
    mail = sink.wait()
    assert mail.subject == "Ihre Einladung zu Example" and link_in(home, mail)


def test_a_link_that_cannot_be_mailed_does_not_exist(mailing, sink):
    sink.answers["greeting"] = HANG
    home = mailing()
    for _ in range(5):
        run(home, "user", "invite", "bo", "--email", "bo@example.com")
    out, err = run(home, "user", "invite", "cleo", "--email", "bo@example.com", code=1)
    assert out == "" and err.startswith("cardea user invite: the link cannot be mailed: ") and "--no-mail" in err, err
    assert len(events(home, "user.invite")) == 5


def test_the_operator_mails_a_link_to_a_verified_address_alone(mailing, sink):
    home = mailing()
    add_reader(home, "ana", has_totp=False)
    add_person(home, "bo", has_totp=False, flags=("--email", "bo@example.com"))
    out, err = run(home, "user", "reset", "ana")
    assert out == "" and err.startswith("the link will be mailed to ana@example.com; it is valid once, until "), err
    mail = sink.wait()
    assert mail.subject == "Example: choose a new password" and "network address" not in mail.text, mail.text
    assert home.browser().get(link_in(home, mail)).path == "/_auth/reset"
    out, err = run(home, "user", "reset", "bo")
    assert re.fullmatch(LINK, out.strip()) and "the link is not mailed: the user has no verified e-mail address" in err, (out, err)
    out, err = run(home, "user", "reset", "ana", "--no-mail")
    assert re.fullmatch(LINK, out.strip()) and "not mailed" not in err, (out, err)
    run(home, "user", "reset", "ana")
    sink.wait(2)
    _, err = run(home, "user", "reset", "ana", code=1)  # a fourth one
    assert "has 3 links already" in err and "mailed is void" not in err, err
    assert len(sink.mails) == 2


# ---- notices ----

def test_a_user_is_told_once_of_a_locked_account(mailing, sink):
    home = mailing(lockout={"account_attempts": 3, "address_attempts": 1000, "delay": "1h", "max_delay": "2h"})
    add_reader(home, "ana")
    browser = home.browser()
    for _ in range(6):
        browser.submit(browser.get("/login"), "/login", username="ana", password="a wrong one")
    mail = sink.wait()
    assert mail.subject == "Example: too many wrong passwords" and "token" not in mail.text
    assert f"\n{home.base}/\n" in mail.text and "Network address: 127.0.0.1\n" in mail.text, mail.text
    home.cardea("user", "enable", "ana")
    assert len(sink.mails) == 1


def test_a_user_is_told_what_an_operator_changed(mailing, sink):
    home = mailing(portal={"language": "de"})
    add_reader(home, "ana")
    home.set_password("ana", NEW)
    mail = sink.wait()
    assert mail.subject == "Example: Ihr Passwort wurde geändert" and "Netzadresse" not in mail.text, mail.text
    home.cardea("user", "totp", "reset", "ana")
    assert sink.wait(2).subject == "Example: Ihr zweiter Faktor wurde entfernt"
