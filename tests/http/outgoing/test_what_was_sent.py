"""The event outgoing_request: everything that was sent, and no secret of it."""
import base64
import json
import re
import subprocess

import pytest

import services
from .test_hostile_answers import HEAD, answers, with_length

SECRETS = {
    "client_secret": "hush-client-secret-0123456789",
    "code": "hush-code-9876543210",
    "code_verifier": "hush-verifier-abcdefghijklmnopqrstuvwxyz",
    "refresh_token": "hush-refresh-token",
}
FORM = "grant_type=authorization_code&client_id=abc&" + "&".join(f"{k}={v}" for k, v in SECRETS.items())
TOKENS = {"access_token": "hush-access-token-4711", "token_type": "bearer", "id_token": "hush.id.token", "scope": "a b",
          "expires_in": 3600, "unheard_of": "hush-unknown"}


def test_a_form_its_answer_and_its_times(hostile, send):
    server = hostile(answers(with_length(json.dumps(TOKENS).encode(), HEAD + b"Set-Cookie: s=hush-cookie\r\n")))
    event = send(server.url + "/token?x=1", "POST", FORM, "hush-bearer-token").event
    assert {key: event[key] for key in ("level", "name", "method", "url", "status", "address", "sent_bytes")} == {
        "level": "info", "name": "provider example", "method": "POST", "url": server.url + "/token?x=1", "status": 200,
        "address": "127.0.0.1", "sent_bytes": len(FORM)}
    assert event["dns_us"] <= event["connect_us"] <= event["first_byte_us"] <= event["total_us"]
    hidden = r"‹redacted \d+ chars, fingerprint [0-9a-f]{8}…›"
    assert re.fullmatch(rf"grant_type=authorization_code&client_id=abc&client_secret={hidden}&code={hidden}&code_verifier={hidden}&"
                        rf"refresh_token={hidden}", event["request_body"])
    sent_lines = server.requests[0].partition(b"\r\n\r\n")[0].decode().split("\r\n")
    logged = event["request_headers"].split("\n")
    assert [line for line in logged if "redacted" not in line] == [line for line in sent_lines if "hush" not in line]
    assert re.fullmatch(f"Authorization: Bearer {hidden}", next(line for line in logged if "redacted" in line))
    answer = json.loads(event["response_body"])
    assert {name: value for name, value in answer.items() if name in ("token_type", "scope", "expires_in")} == {
        "token_type": "bearer", "scope": "a b", "expires_in": 3600}
    assert all(re.fullmatch(hidden, answer[name]) for name in ("access_token", "id_token", "unheard_of"))
    assert "Set-Cookie: ‹redacted" in event["response_headers"]


def echo(connection, request):
    """Repeats all that it was sent: in a header, as HTML, as JSON, as a form."""
    text = request.replace(b"\r\n", b" ")
    for kind in (b"X-Echo: " + text[:2000] + b"\r\n",):
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n" + kind)
    body = b"<p>" + text + b"</p>" if b"/html" in request else json.dumps({"error_description": text.decode()}).encode()
    connection.sendall(b"Content-Length: %d\r\n\r\n" % len(body) + body)


@pytest.mark.parametrize("detail", ["off", "summary", "full"])
@pytest.mark.parametrize("level", ["debug", "info", "warn", "error"])
def test_lesson_28_no_secret_is_logged_at_any_level(hostile, send, detail, level):
    secrets = [*SECRETS.values(), "hush-password%20", "hush-password "]
    for path, answer in (("/html", echo), ("/json", echo),
                         ("/", answers(with_length(json.dumps(TOKENS).encode(), HEAD + b"Set-Cookie: s=hush-cookie\r\n"))),
                         ("/", answers(with_length(b"&".join(b"%s=%s" % (k.encode(), str(v).replace(" ", "+").encode())
                                                             for k, v in TOKENS.items())))),
                         ("/", answers(HEAD + b"Content-Length: 999\r\n\r\n" + json.dumps(TOKENS).encode())),
                         ("/", answers(b"hush-not-http"))):
        server = hostile(answer)
        url = f"{server.url}{path}?access_token=hush-in-query&state=hush-state"
        for credentials in ("hush-bearer-token", "client:hush-password%20"):
            sent = send(url, "POST", FORM, credentials, log={"level": level, "outgoing": detail})
            assert b"hush-code-9876543210" in server.requests[-1]
            assert "hush" not in sent.log
            for secret in (*secrets, base64.b64encode(b"client:hush-password%20").decode()):
                assert secret not in sent.log
            failed = not sent.result.startswith("ok")
            expected = detail != "off" and (level in ("debug", "info") or (level == "warn" and failed))
            assert len(sent.events) == expected
            if expected:
                assert ("request_body" in sent.event) == (detail == "full")


def test_config_show_prints_the_same_fingerprint(hostile, send, tmp_path):
    server = hostile(answers(with_length(b"{}")))
    secret = "hush-client-secret"
    event = send(server.url, "POST", f"client_id=a&client_secret={secret}").event
    config = json.loads((tmp_path / "cardea.yaml").read_text()) | {"clients": [{"id": "a", "secret": secret}]}
    (tmp_path / "show.yaml").write_text(json.dumps(config))
    shown = subprocess.run([services.PROGRAMS["cardea"], "config", "show", "--json", "--config", tmp_path / "show.yaml"],
                           capture_output=True, text=True, check=True, timeout=services.PATIENCE)
    value = next(row["value"] for row in json.loads(shown.stdout)["settings"] if row["setting"] == "clients[0].secret")
    match = re.search(r"client_secret=‹redacted (\d+) chars, fingerprint ([0-9a-f]{8})…›", event["request_body"])
    assert match[1] == str(len(secret))
    assert value == f"{len(secret)} bytes, fingerprint {match[2]}…"


def test_white_space_at_the_end_of_a_secret_is_said(hostile, send):
    server = hostile(answers(with_length(b"{}")))
    event = send(server.url, "POST", "client_id=a&client_secret=hush-client-secret%20").event
    assert re.search(r"client_secret=‹redacted 19 chars, fingerprint [0-9a-f]{8}…, white space at the end›", event["request_body"])


def test_the_sample_of_the_page_is_what_is_logged(hostile, send, tls, certificate):
    body = json.dumps({"access_token": "hush-access-token", "token_type": "bearer", "scope": ""}, separators=(",", ":")).encode()
    server = hostile(answers(with_length(body)), tls)
    form = "grant_type=authorization_code&client_id=abc&client_secret=hush-client-secret-0&code=hush-code0"
    event = send(server.url + "/token", "POST", form, ca=str(certificate / "ca.pem")).event
    page = (services.ROOT / "docs/outgoing-requests.md").read_text()
    sample = json.loads(re.search(r"^```json\n(.*?)^```$", page, re.M | re.S)[1])

    def plain(value):
        text = re.sub("fingerprint [0-9a-f]{8}", "fingerprint *", str(value)).replace(str(server.port), "8443")
        return re.sub(r"Content-Length: \d+", "Content-Length: *", text)

    assert list(event) == list(sample)
    for name, value in sample.items():
        if name != "ts" and not name.endswith(("_us", "_bytes")):
            assert plain(event[name]) == plain(value), name


def test_empty_values_are_named(hostile, send):
    server = hostile(answers(with_length(b'{"access_token":""}')))
    event = send(server.url, "POST", "client_id=&client_secret=").event
    assert event["request_body"] == "client_id=‹EMPTY›&client_secret=‹EMPTY›"
    assert event["response_body"] == '{"access_token":"‹EMPTY›"}'


def test_a_long_body_is_cut(hostile, send):
    server = hostile(answers(with_length(json.dumps(["ä" * 100] * 100, ensure_ascii=False).encode())))
    event = send(server.url, "POST", "a=" + "b" * 100_000).event
    assert event["sent_bytes"] == 100_002
    assert 3000 < len(event["request_body"]) <= 4097 and event["request_body"].endswith("…")
    assert event["response_body"].endswith("…") and len(event["response_body"].encode()) <= 4099
    assert "truncated" not in event
