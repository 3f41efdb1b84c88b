"""GET and POST /grant: a name and a password for a JWT, as somebody with curl and PyJWT sees it; and the password grant beside it."""
import base64
import json
import subprocess
import threading
import time

import jwt
import pytest
from people import AUDIENCE, basic, cardea, make_config
from services import wait_until


def grant(server, name, password, method="GET"):
    return server.call("/grant", method, [basic(name, password)])


def claims_of(server, answer):
    keys = jwt.PyJWKSet.from_dict(server.call("/.well-known/jwks.json").json())
    token = answer.json()["token"]
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key.key, algorithms=["RS256"], audience=AUDIENCE, issuer=server.config["issuer"])


def introspect(server, token):
    answer = server.call("/oauth/introspect", "POST", [basic("api", "secret-api")], {"token": token})
    assert answer.status == 200
    return answer.json()["active"]


def assert_challenge(answer):
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="cardea", charset="UTF-8"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json()["error"] == "invalid_credentials"


# --- what a person does ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_and_a_password_give_a_token_that_pyjwt_verifies(people, method):
    answer = grant(people, "ana", "pässword of ana: with colons", method)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"], set(body)) == ("Bearer", 300, {"token", "token_type", "expires_in"})
    claims = claims_of(people, answer)
    assert claims["role"] == "editor"
    assert claims["projects"] == ["a", "b"]
    assert (claims["sub"], claims["client_id"], claims["exp"] - claims["iat"]) == ("ana", "grant", 300)
    assert jwt.get_unverified_header(body["token"])["typ"] == "at+jwt"
    assert introspect(people, body["token"])


def test_the_name_is_one_whatever_its_case(people):
    assert claims_of(people, grant(people, "Ana", "pässword of ana: with colons"))["sub"] == "ana"


def test_without_an_audience_there_is_no_grant(start):
    server = start("cardea", {"listen": ["127.0.0.1:0"], "issuer": "http://localhost:5001"}, ["serve"])
    answer = grant(server, "ana", "x")
    assert answer.status == 404
    assert "WWW-Authenticate" not in answer.headers


def test_the_password_grant_takes_the_users_of_the_store(people):
    form = {"grant_type": "password", "username": "ana", "password": "pässword of ana: with colons"}
    answer = people.call("/oauth/token", "POST", [basic("app", "secret-app")], form)
    assert answer.status == 200
    assert introspect(people, answer.json()["access_token"])
    form["password"] = "wrong"
    answer = people.call("/oauth/token", "POST", [basic("app", "secret-app")], form)
    assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")


# --- bad input ------------------------------------------------------------------------------------------------------


def encoded(raw):
    return [("Authorization", "Basic " + base64.b64encode(raw).decode())]


@pytest.mark.parametrize("headers", [
    [],
    [("Authorization", "")],
    [("Authorization", "Basic")],
    [("Authorization", "Bearer abc")],
    [("Authorization", "Basic YW5h*Og==")],
    [("Authorization", "Basic YW5hOg")],
    encoded(b"ana"),
    encoded(b"ana:with\0nul"),
    encoded(b"an\na:x"),
    encoded(b"ana:\xff\xfe"),
    encoded(b":"),
    encoded(b":x"),
    encoded(b"ana:"),
    encoded("аna:x".encode()),  # Cyrillic a
    encoded(b"ana:" + b"x" * 2000),
    encoded(b"ana:" + b"x" * 9000),
    encoded(b"a" * 200 + b":x"),
    encoded(b"ana%3Ax:x"),
    [*encoded(b"ana:x"), *encoded(b"bo:x")],
], ids=lambda h: repr([v[:24] for _, v in h]))
def test_bad_credentials_are_401_with_a_challenge(people, headers):
    for method in ("GET", "POST"):
        assert_challenge(people.call("/grant", method, headers))


def test_a_password_of_a_megabyte_is_too_much_for_a_header(people):
    assert people.call("/grant", "GET", encoded(b"ana:" + b"x" * (1 << 20))).status == 431


def test_lesson_10_unknown_wrong_and_disabled_are_one_answer(people):
    cardea(people, "user", "add", "disabled", "--password-file", "-", "--disabled", stdin="right")
    answers = [grant(people, name, password) for name, password in
               (("nobody", "x"), ("bo", "wrong"), ("disabled", "right"), ("disabled", "wrong"))]
    for answer in answers:
        assert_challenge(answer)
    assert len({a.body for a in answers}) == 1


def test_lesson_28_neither_name_nor_password_of_a_failed_login_is_logged(people):
    grant(people, "typed-my-password-here", "a-secret-typo")
    people.wait_event("request", path="/grant", reason="unknown user or wrong password")
    text = people.log_file.read_text()
    assert "typed-my-password-here" not in text and "a-secret-typo" not in text


def test_lesson_14_after_some_wrong_tries_an_account_waits_on_every_path(start, tmp_path):
    server = start_with_people(start, tmp_path, lockout={"account_tries": 3, "delay": "60s"})
    for _ in range(3):
        assert_challenge(grant(server, "ana", "wrong"))
    answer = grant(server, "ana", "pässword of ana: with colons")
    assert answer.status == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.json()["error"] == "too_many_tries"
    form = {"grant_type": "password", "username": "ana", "password": "pässword of ana: with colons"}
    answer = server.call("/oauth/token", "POST", [basic("app", "secret-app")], form)
    assert (answer.status, answer.json()["error"]) == (429, "temporarily_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert grant(server, "bo", "password of bo").status == 200


def start_with_people(start, tmp_path, **changes):
    server = start("cardea", make_config(tmp_path, **changes), ["serve"])
    add_people(server)
    return server


def add_people(server):
    cardea(server, "user", "add", "ana", "--password-file", "-", "--grant", "role=editor",
           "--grant", 'projects=["a","b"]', stdin="pässword of ana: with colons")
    cardea(server, "user", "add", "bo", "--password-file", "-", stdin="password of bo")


def test_lesson_15_a_full_queue_is_503_and_the_rest_goes_on(start, tmp_path):
    server = start_with_people(start, tmp_path, lockout={"address_tries": 1000000, "account_tries": 1000},
                               password_hashing={"memory": "64MB", "iterations": 4, "parallel": 1, "queue": 1})
    answers = []
    threads = [threading.Thread(target=lambda i=i: answers.append(grant(server, f"nobody{i}", "x"))) for i in range(12)]
    for thread in threads:
        thread.start()
    assert server.call("/healthz").status == 200
    assert server.call("/.well-known/jwks.json").status == 200
    for thread in threads:
        thread.join()
    full = [a for a in answers if a.status == 503]
    assert full and all(a.headers["Retry-After"] for a in full)
    assert {a.status for a in answers} <= {401, 503}
    assert any(a.status == 401 for a in answers)


# --- what changes while the server runs -----------------------------------------------------------------------------


def test_lesson_12_disabling_a_user_ends_the_tokens_within_a_second(start, tmp_path):
    server = start_with_people(start, tmp_path)
    token = grant(server, "ana", "pässword of ana: with colons").json()["token"]
    assert introspect(server, token)
    begun = time.monotonic()
    cardea(server, "user", "disable", "ana")
    wait_until(lambda: not introspect(server, token), "the token to end")
    assert time.monotonic() - begun < 4  # a second for the server, and the command's own time
    assert_challenge(grant(server, "ana", "pässword of ana: with colons"))
    cardea(server, "user", "enable", "ana")
    assert not introspect(server, token)
    answer = grant(server, "ana", "pässword of ana: with colons")
    assert answer.status == 200
    assert introspect(server, answer.json()["token"])


def test_a_client_that_is_added_gets_tokens_and_one_that_is_removed_loses_them(start, tmp_path):
    server = start_with_people(start, tmp_path)
    done = cardea(server, "client", "add", "reports", "--grant-type", "client_credentials", "--scope", "read",
                  "--audience", AUDIENCE, "--json")
    secret = json.loads(done)["secret"]

    def ask():
        return server.call("/oauth/token", "POST", [basic("reports", secret)], {"grant_type": "client_credentials"})

    wait_until(lambda: ask().status == 200, "the client to be known")
    token = ask().json()["access_token"]
    assert introspect(server, token)
    cardea(server, "client", "remove", "reports", "--yes")
    wait_until(lambda: ask().status == 401, "the client to be gone")
    assert not introspect(server, token)


def test_a_key_is_rotated_without_a_restart_and_a_retired_one_takes_its_tokens_along(start, tmp_path):
    server = start_with_people(start, tmp_path)
    old = grant(server, "bo", "password of bo").json()["token"]
    old_kid = jwt.get_unverified_header(old)["kid"]
    assert introspect(server, old)
    cardea(server, "key", "rotate", "--alg", "RS256", "--now")

    def kid_now():
        return jwt.get_unverified_header(grant(server, "bo", "password of bo").json()["token"])["kid"]

    wait_until(lambda: kid_now() != old_kid, "the new key to sign")
    assert introspect(server, old)
    cardea(server, "key", "retire", old_kid)
    wait_until(lambda: not introspect(server, old), "the old token to be dead")
    assert old_kid not in [k["kid"] for k in server.call("/.well-known/jwks.json").json()["keys"]]
    assert claims_of(server, grant(server, "bo", "password of bo"))["sub"] == "bo"


def test_users_keys_and_revocations_outlive_the_process(start, tmp_path):
    server = start_with_people(start, tmp_path)
    token, other = (grant(server, "bo", "password of bo").json()["token"] for _ in range(2))
    form = {"grant_type": "client_credentials"}
    revoked = server.call("/oauth/token", "POST", [basic("app", "secret-app")], form).json()["access_token"]
    assert server.call("/oauth/revoke", "POST", [basic("app", "secret-app")], {"token": revoked}).status == 200
    server.kill()
    server.restart()
    assert introspect(server, token) and introspect(server, other)
    assert not introspect(server, revoked)
    assert grant(server, "bo", "password of bo").status == 200


def test_a_master_key_that_is_not_the_stores_is_named(start, tmp_path):
    server = start_with_people(start, tmp_path)
    assert server.stop() == 0
    (tmp_path / "master.key").write_text(base64.b64encode(bytes(32)).decode())
    from services import PROGRAMS
    for command in (["serve"], ["check"], ["user", "list"]):
        done = subprocess.run([PROGRAMS["cardea"], *command, "--config", server.config_file], capture_output=True,
                              text=True, timeout=30)
        assert done.returncode == 2
        assert "master_key" in done.stdout + done.stderr and "is not the one" in done.stdout + done.stderr
