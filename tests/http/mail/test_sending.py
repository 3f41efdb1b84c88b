"""E-mails of the queue: sent by the server, once, whatever the mail server does, and whatever happens to this one."""
import base64
import json
import pathlib

import pytest

from services import wait_until
from support.ports import find_ports
from support.smtp_sink import CLOSE, HANG, SmtpSink

LINK = "https://auth.example.com/_auth/reset?token=0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"


def given_up(home):
    return [event for event in map(json.loads, home.cardea("audit", "tail", "--json").splitlines())
            if event["action"] == "mail.given_up"]


def test_an_email_is_sent_as_it_was_queued(install, sink):
    home = install(sink)
    server = home.serve()
    text = f"Dear Änne,\n\n{LINK}\n\n.\nBest regards – Cardea"
    home.queue("ana@example.org", "Grüße von Cardea, und ein sehr langer Betreff, der auf eine Zeile nicht passt", text)
    mail = sink.wait()
    assert (mail.sender, mail.recipients, mail.hello, mail.is_tls) == ("auth@example.com", ["ana@example.org"], "example.com", False)
    assert mail.subject == "Grüße von Cardea, und ein sehr langer Betreff, der auf eine Zeile nicht passt"
    assert mail.text == text + "\n"
    message = mail.message
    assert (message["From"], message["To"]) == ("Cardea <auth@example.com>", "ana@example.org")
    assert message["Auto-Submitted"] == "auto-generated" and message["MIME-Version"] == "1.0"
    assert message.get_content_type() == "text/plain" and message.get_content_charset() == "utf-8"
    assert message["Message-ID"].endswith("@example.com>") and message["Date"].datetime.utcoffset().total_seconds() == 0
    assert max(map(len, mail.data.split(b"\r\n"))) <= 78 and b"\n" not in mail.data.replace(b"\r\n", b"")
    wait_until(lambda: home.rows() == [], "the queue to be empty")
    event = server.wait_event("mail_sent")
    assert event["domain"] == "example.org" and event["attempt"] == 1
    assert message["Message-ID"] == f"<{event['mail']}@example.com>"


def test_nothing_in_the_store_shows_what_it_says(install, sink):
    home = install(sink)
    home.queue(subject="Reset your password", text=LINK + "\n")
    row = home.rows("recipient, sealed")
    assert row[0][0] == "ana@example.org"
    raw = row[0][1].encode()
    assert b"token" not in raw and base64.b64encode(b"token") not in raw and raw.startswith(b"x1.")
    files = b"".join(path.read_bytes() for path in pathlib.Path(home.folder).glob("cardea.db*"))
    assert b"0123456789abcdefghijklmnop" not in files and b"Reset your" not in files


def test_what_waits_is_sent_at_the_start(install, sink):
    home = install(sink)
    home.queue(subject="first")
    home.queue(subject="second", to="bo@example.org")
    home.serve()
    sink.wait(2)
    assert {mail.subject for mail in sink.mails} == {"first", "second"}


def test_by_starttls_and_with_a_login(install, tls, certificate):
    with SmtpSink(tls=tls, login=("cardea", "the secret")) as sink:
        home = install(sink, {"username": "cardea", "password": "the secret", "plaintext": False, "ca_file": str(certificate / "ca.pem")})
        home.note_secret("the secret")
        home.serve()
        home.queue()
        mail = sink.wait()
        assert mail.is_tls and mail.user == "cardea"


@pytest.mark.parametrize("answers", [
    {"RCPT": ["450 4.7.1 greylisted"]},
    {"greeting": ["421 4.3.2 shutting down"]},
    {"greeting": [CLOSE]},
    {"greeting": [b"garbage\r\n"]},
    {"greeting": ["554 5.7.1 not you"]},  # the server's fault, and not the e-mail's
    {"MAIL": ["530 5.7.0 log in first"]},
    {"message": [CLOSE]},
    {"message": ["451 4.3.0 later"]},
], ids=lambda answers: "-".join(answers))
def test_what_fails_is_sent_later(install, sink, answers):
    home = install(sink)
    sink.answers = answers
    server = home.serve()
    home.queue()
    event = server.wait_event("mail_failed")
    assert (event["attempt"], event["retry_s"], event["domain"]) == (1, 10, "example.org")
    assert event.get("reply") == {"RCPT": "450 4.7.1", "MAIL": "530 5.7.0"}.get(*answers, event.get("reply"))
    wait_until(lambda: home.rows("next_at", "WHERE next_at > created_at + 9 AND next_at < created_at + 60"), "the pause to begin")
    assert sink.mails == []
    home.let_time_pass()
    sink.wait()
    assert server.wait_event("mail_sent")["attempt"] == 2
    assert len({mail.message["Message-ID"] for mail in sink.seen}) == 1  # so that a reader can know a second one
    assert given_up(home) == []


@pytest.mark.parametrize("answers, reply", [
    ({"RCPT": "550 5.1.1 <ana@example.org>: no such user"}, "550 5.1.1"),
    ({"MAIL": "553 5.7.1 not your address"}, "553 5.7.1"),
    ({"DATA": "554 no"}, "554"),
    ({"message": "554 5.7.1 spam"}, "554 5.7.1"),
], ids=["rcpt", "mail", "data", "message"])
def test_what_is_refused_for_good_is_given_up(install, sink, answers, reply):
    home = install(sink)
    sink.answers = answers
    server = home.serve()
    home.queue()
    event = server.wait_event("mail_given_up")
    assert (event["reply"], event["domain"], event["level"]) == (reply, "example.org", "error")
    wait_until(lambda: home.rows() == [], "the queue to be empty")
    home.secrets.clear()  # the audit may name the recipient; logs may not
    (audit,) = given_up(home)
    assert (audit["actor"], audit["subject"]) == ("cardea", "email:ana@example.org")
    assert audit["detail"].endswith(f": {reply}")
    assert "ana@example.org" not in "\n".join(server.lines())
    sink.answers = {}
    home.queue("bo@example.org")
    assert sink.wait().recipients == ["bo@example.org"]


def test_what_expires_before_the_next_attempt_is_given_up(install, sink):
    home = install(sink)
    sink.answers["RCPT"] = "450 4.7.1 later"
    server = home.serve()
    home.queue(lifetime=9)
    assert server.wait_event("mail_given_up")["reply"] == "450 4.7.1"
    wait_until(lambda: home.rows() == [], "the queue to be empty")


def test_a_mail_server_that_was_unavailable_gets_it_later(install, sink):
    home = install(sink)
    port = find_ports()
    home.configure(smtp={**home.config["smtp"], "url": f"smtp://127.0.0.1:{port}"})
    server = home.serve()
    home.queue()
    assert server.wait_event("mail_failed")["reason"] == "no connection: refused, or no route"
    wait_until(lambda: home.rows("1", "WHERE next_at < created_at + 60"), "the pause to begin")
    with SmtpSink(port=port) as back:
        home.let_time_pass()
        back.wait()


def test_a_server_that_is_told_to_stop_does_not_wait_for_a_mail_server_that_hangs(install, sink):
    home = install(sink)
    sink.answers["message"] = HANG
    server = home.serve()
    home.queue()
    wait_until(lambda: sink.seen, "the message")
    assert server.stop() == 0
    assert not server.find("shutdown_timeout") and not server.find("mail_failed")
    sink.answers = {}
    home.serve()  # the claim was given back: nothing has to end first
    sink.wait()


def test_a_server_that_is_killed_while_it_sends_leaves_the_email(install, sink):
    home = install(sink)
    sink.answers["message"] = HANG
    server = home.serve()
    home.queue()
    wait_until(lambda: sink.seen, "the message")
    server.kill()
    sink.answers = {}
    assert home.rows("attempts") == [(1,)]
    home.serve()
    home.queue("bo@example.org")
    assert sink.wait().recipients == ["bo@example.org"]  # the other one is claimed until its claim ends
    home.let_time_pass()
    assert sink.wait(2).recipients == ["ana@example.org"]
    wait_until(lambda: home.rows() == [], "the queue to be empty")


def test_two_nodes_send_each_once(install, sink):
    home = install(sink)
    for node in (home.serve, home.serve_another):
        node()
    for i in range(30):
        home.queue(f"user{i}@example.org", subject=f"to user {i}")
    wait_until(lambda: home.rows() == [], "the queue to be empty")
    assert sorted(mail.subject for mail in sink.mails) == sorted(f"to user {i}" for i in range(30))


def test_a_full_queue_takes_no_more(install, sink):
    home = install(sink)
    for _ in range(5):
        home.queue()
    assert "as many e-mails to this address wait" in home.queue(code=1)
    home.queue("bo@example.org")
    home.serve()
    sink.wait(6)
    home.queue()
    sink.wait(7)


def test_a_reload_changes_the_mail_server(install, sink):
    home = install(sink)
    home.configure(smtp={})
    server = home.serve()
    home.queue(subject="while there was no smtp")

    def reload(**settings):
        count = len([event for event in server.events() if event["event"] == "reloaded"])
        home.configure(**settings)
        server.process.send_signal(1)
        wait_until(lambda: len([event for event in server.events() if event["event"] == "reloaded"]) > count, "the reload")

    with SmtpSink(login=("cardea", "the secret")) as other:
        reload(smtp={"url": other.url, "from": "Another <other@example.net>", "username": "cardea", "password": "the secret"})
        mail = other.wait()
        assert (mail.sender, mail.user, mail.message["From"]) == ("other@example.net", "cardea", "Another <other@example.net>")
    reload(smtp={"url": sink.url, "from": "auth@example.com"})
    home.queue(subject="second")
    assert sink.wait().subject == "second"
    reload(smtp={})
    home.queue(subject="third")
    assert len(sink.mails) == 1 and len(home.rows()) == 1
    reload(smtp={"url": sink.url, "from": "auth@example.com"})
    assert sink.wait(2).subject == "third"
