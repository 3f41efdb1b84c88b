"""cardea mail test: one e-mail, sent now, and what the mail server says to it."""
import json
import subprocess

import pytest

import services
from support.ports import find_ports
from support.smtp_sink import CLOSE, SmtpSink

TO = "ana@example.org"


@pytest.fixture
def mail_test(tmp_path):
    """mail_test(url, setting=…): the finished command."""
    def run(url, to=TO, **more):
        path = tmp_path / "cardea.yaml"
        path.write_text(json.dumps({"listen": ["127.0.0.1:0"], "portal": {"url": "http://localhost:5000/_auth"},
                                    "smtp": {"url": url, "from": "Cardea <auth@example.com>", **more}}))
        return subprocess.run([services.PROGRAMS["cardea"], "mail", "test", "-c", path, "--to", to], capture_output=True,
                              text=True, timeout=services.PATIENCE)

    return run


def assert_not_sent(done, reason):
    assert (done.returncode, done.stderr) == (1, f"cardea mail test: not sent: {reason}\n"), done


def test_it_shows_the_dialogue(mail_test, sink):
    done = mail_test(sink.url)
    mail = sink.wait()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "< 220 sink.test ESMTP", "> EHLO example.com", "< 250-sink.test", "< 250-8BITMIME", "< 250 SIZE 1000000",
        f"> MAIL FROM:<auth@example.com> SIZE={len(mail.data)}", "< 250 2.1.0 fine", "> RCPT TO:<ana@example.org>", "< 250 2.1.5 fine",
        "> DATA", "< 354 go on", "< 250 2.0.0 queued", "> QUIT", "< 221 2.0.0 bye",
        "sent to ana@example.org: the server has accepted the e-mail"]
    assert (mail.sender, mail.recipients, mail.subject) == ("auth@example.com", [TO], "Test of cardea")


def test_the_password_is_shown_to_the_server_alone(mail_test, tls, certificate):
    with SmtpSink(tls=tls, login=("cardea", "the secret")) as sink:
        done = mail_test(sink.url, username="cardea", password="the secret", plaintext=False, ca_file=str(certificate / "ca.pem"))
        mail = sink.wait()
    assert done.returncode == 0, done
    assert mail.is_tls and mail.user == "cardea"
    lines = done.stdout.splitlines()
    assert lines[lines.index("> AUTH PLAIN ***") + 1:][:3] == ["< 334 ", "> ***", "< 235 2.7.0 welcome"]
    assert not {"the secret", "AGNhcmRlYQB0aGUgc2VjcmV0"} & set(done.stdout.split()), done.stdout


@pytest.mark.parametrize("answers, reason", [
    ({"greeting": CLOSE}, "the server closed the connection"),
    ({"greeting": "554 5.7.1 not you"}, "the server turns every client away, or this one"),
    ({"greeting": "421 4.3.2 later"}, "the server refused the e-mail for now (421)"),
    ({"greeting": b"SSH-2.0-OpenSSH_9.2\r\n"}, "the answer of the server is not SMTP"),
    ({"EHLO": b"\xff\x00\x1b[31m\r\n"}, "the answer of the server is not SMTP"),
    ({"MAIL": "530 5.7.0 log in first"}, "the server wants another login (530)"),
    ({"MAIL": "553 5.7.1 not your address"}, "the server refused the e-mail (553)"),
    ({"RCPT": "550 5.1.1 unknown"}, "the server refused the e-mail (550)"),
    ({"RCPT": "550-5.1.1 unknown,\r\n550 5.1.1 I say"}, "the server refused the e-mail (550)"),
    ({"RCPT": "450 4.7.1 greylisted"}, "the server refused the e-mail for now (450)"),
    ({"DATA": "452 4.3.1 full"}, "the server refused the e-mail for now (452)"),
    ({"DATA": CLOSE}, "the server closed the connection"),
    ({"message": "554 5.7.1 spam"}, "the server refused the e-mail (554)"),
    ({"message": "451 4.3.0 later"}, "the server refused the e-mail for now (451)"),
    ({"message": CLOSE}, "the server closed the connection"),
], ids=lambda value: None if isinstance(value, str) else "-".join(value))
def test_what_goes_wrong_is_named(mail_test, sink, answers, reason):
    sink.answers = answers
    assert_not_sent(mail_test(sink.url), reason)
    assert sink.mails == []


@pytest.mark.parametrize("answer", [CLOSE, "500 what"])
def test_what_happens_after_it_was_accepted_does_not_matter(mail_test, sink, answer):
    sink.answers["QUIT"] = answer
    assert mail_test(sink.url).returncode == 0
    sink.wait()


def test_what_the_server_says_does_not_reach_the_terminal_raw(mail_test, sink):
    sink.answers["RCPT"] = b"550 \x1b[31m\x07red\r\n"
    assert "< 550 \\x1b[31m\\x07red\n" in mail_test(sink.url).stdout


def test_nobody_listens(mail_test):
    assert_not_sent(mail_test(f"smtp://127.0.0.1:{find_ports()}"), "no connection: refused, or no route")


def test_a_wrong_password(mail_test):
    with SmtpSink(login=("cardea", "right")) as sink:
        assert_not_sent(mail_test(sink.url, username="cardea", password="wrong"), "the server wants another login (535)")


@pytest.mark.parametrize("mechanisms, used", [
    ("GSSAPI NTLM DIGEST-MD5 CRAM-MD5 LOGIN PLAIN", "PLAIN"),
    ("LOGIN", "LOGIN"),
])
def test_the_login_is_a_plain_one(mail_test, mechanisms, used):
    with SmtpSink(login=("cardea@example.com", "the secret"), mechanisms=mechanisms) as sink:
        done = mail_test(sink.url, username="cardea@example.com", password="the secret")
        assert done.returncode == 0 and sink.wait().user == "cardea@example.com", done
    assert [line.split()[1] for line in sink.commands if line.startswith("AUTH")] == [used]
    for secret in ("the secret", "dGhlIHNlY3JldA=="):
        assert secret not in done.stdout


def test_tls_from_the_first_byte(mail_test, tls, certificate):
    with SmtpSink(tls=tls, smtps=True) as sink:
        assert mail_test(sink.url, ca_file=str(certificate / "ca.pem")).returncode == 0
        assert sink.wait().is_tls
        assert_not_sent(mail_test(sink.url), "TLS certificate rejected")


def test_starttls_is_needed_where_it_is_wanted(mail_test, sink, certificate):
    assert_not_sent(mail_test(sink.url, plaintext=False, ca_file=str(certificate / "ca.pem")),
                    "the server does not offer STARTTLS, and TLS is required")
    assert not [line for line in sink.commands if not line.startswith(("EHLO", "QUIT"))]


def test_a_certificate_is_verified_after_starttls(mail_test, tls, certificate):
    with SmtpSink(tls=tls) as sink:
        assert_not_sent(mail_test(sink.url, plaintext=False), "TLS certificate rejected")
        sink.answers["STARTTLS"] = "454 4.7.0 not now"
        assert_not_sent(mail_test(sink.url, plaintext=False, ca_file=str(certificate / "ca.pem")),
                        "the server refused the e-mail for now (454)")
        assert not [line for line in sink.commands if line.startswith(("AUTH", "MAIL"))]


@pytest.mark.parametrize("to", ["", "ana", "ana@example.org\r\nRCPT TO:<eve@example.org>", "<ana@example.org>", "-x"])
def test_a_recipient_is_an_address(mail_test, sink, to):
    done = mail_test(sink.url, to=to)
    assert done.returncode == 2 and sink.connections == 0, done


def test_without_smtp_there_is_nothing_to_test(tmp_path):
    path = tmp_path / "cardea.yaml"
    path.write_text('{"listen": ["127.0.0.1:0"]}')
    command = [services.PROGRAMS["cardea"], "mail", "test", "-c", path, "--to", TO]
    done = subprocess.run(command, capture_output=True, text=True, timeout=services.PATIENCE)
    assert done.returncode == 2
    assert done.stderr == "cardea mail test: smtp.url: is not set; write it as in smtp://mail.example.com:587\n"
