"""GET and POST /grant: a name and a password by HTTP Basic (RFC 7617) for a JWT (RFC 7519) that says what the user may do."""
import json
import subprocess
import time

import jwt
import pytest

from authority import assert_reveals_nothing
from installation import APP, AUDIENCE, assert_refused

ANA = ("ana", "ana's password")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_and_a_password_get_a_token(server, method):
    answer = server.grant(*ANA, method=method)
    assert answer.status == 200, answer
    body = answer.json()
    assert set(body) == {"token", "token_type", "expires_in"}
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 300
    assert body["token"].count(".") == 2
    assert "no-store" in answer.header("Cache-Control")


def test_the_token_has_the_registered_claims_and_the_users_claims(server, home):
    before = int(time.time())
    token = server.token(*ANA)
    claims = server.verify(token)
    assert set(claims) == {"iss", "aud", "sub", "client_id", "iat", "exp", "jti", "role", "projects"}
    assert claims["iss"] == home.issuer
    assert claims["aud"] == AUDIENCE
    assert claims["sub"] == "ana"
    assert claims["client_id"] == "grant"
    assert before <= claims["iat"] <= time.time()
    assert claims["exp"] == claims["iat"] + 300
    assert claims["role"] == "editor"
    assert claims["projects"] == ["a", "b"]


def test_the_header_names_rs256_and_a_key_of_the_jwks(server):
    header = jwt.get_unverified_header(server.token(*ANA))
    assert header["alg"] == "RS256"
    assert header["typ"] == "at+jwt"  # RFC 9068 section 2.1
    (key,) = [key for key in server.jwks()["keys"] if key["kid"] == header["kid"]]
    assert key["kty"] == "RSA" and key["alg"] == "RS256" and key["use"] == "sig"
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(key), "a private member in the JWKS"


def test_jose_verifies_the_token_too(server, tmp_path):
    token = server.token(*ANA)
    (tmp_path / "jwks").write_text(json.dumps(server.jwks()))
    (tmp_path / "token").write_text(token)
    done = subprocess.run(["jose", "jws", "ver", "-i", tmp_path / "token", "-k", tmp_path / "jwks", "-O-"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sub"] == "ana"
    (tmp_path / "token").write_text(token[:-8] + ("AAAAAAAA" if token[-8:] != "AAAAAAAA" else "BBBBBBBB"))
    assert subprocess.run(["jose", "jws", "ver", "-i", tmp_path / "token", "-k", tmp_path / "jwks"],
                          capture_output=True).returncode != 0


def test_no_two_tokens_have_one_id(server):
    assert len({server.verify(server.token(*ANA))["jti"] for _ in range(5)}) == 5


def test_the_token_introspects_as_what_it_says(server):
    token = server.token(*ANA)
    said = server.introspect(token)
    claims = server.verify(token)
    assert claims["role"] == "editor" and claims["projects"] == ["a", "b"]
    assert said == {"active": True, "token_type": "Bearer", "username": "ana", **claims}


def test_a_token_of_the_password_grant_is_the_same_user(server):
    answer = server.password_grant(*ANA)
    assert answer.status == 200, answer
    token = answer.json()["access_token"]
    server.home.secrets.add(token)
    said = server.introspect(token)
    assert said["active"] is True and said["sub"] == "ana" and said["client_id"] == APP


def test_a_wrong_password_of_the_password_grant_is_an_invalid_grant(server):
    answer = server.password_grant("ana", "not ana's password")
    assert answer.status == 400 and answer.json()["error"] == "invalid_grant", answer
    assert_reveals_nothing(answer)
    assert server.password_grant(*ANA).status == 200


@pytest.mark.parametrize("spelling", ["ana", "ANA", "Ana", "aNA"])
def test_upper_case_is_lower_case_in_a_name(server, spelling):
    assert server.verify(server.token(spelling, ANA[1]))["sub"] == "ana"


def test_claims_may_be_any_json(install):
    home = install()
    value = '{"deep":[1,2.5,null,true,{"x":"\u20ac \U0001f600 \\" \\\\"}]}'
    home.add_user("bo", "bo's password", "level=3", "beta=true", f"more={value}", "text=just words", "empty=[]")
    claims = home.serve().verify(home.servers[0].token("bo", "bo's password"))
    assert claims["level"] == 3 and claims["beta"] is True and claims["empty"] == []
    assert claims["more"] == json.loads(value)
    assert claims["text"] == "just words"


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "active", "EXP"])
def test_a_claim_cannot_replace_a_registered_one(home, name):
    home.add_user("cy", "cy's password", f"{name}=x", code=2)
    home.cardea("user", "show", "cy", code=3)


def test_claims_of_four_kilobytes_are_given_whole_and_more_are_refused(install):
    home = install()
    home.add_user("big", "big's password", "x=" + "y" * (4096 - len('{"x":""}')))
    assert len(home.serve().verify(home.servers[0].token("big", "big's password"))["x"]) == 4088
    home.add_user("bigger", "big's password", "x=" + "y" * (4097 - len('{"x":""}')), code=2)


def test_a_server_without_an_audience_gives_no_basic_tokens(install):
    home = install(basic_tokens={"lifetime": "5m"})
    home.add_user("ana", "ana's password")
    assert home.serve().grant(*ANA).status == 404
    logged = home.servers[0].wait_event("request", path="/grant")
    assert logged["reason"] == "basic_tokens.audience is not set, so there is no /grant"


def test_head_is_get_without_its_body_or_nothing_at_all(server):
    answer = server.grant(*ANA, method="HEAD")
    assert answer.status in (200, 405), answer
    assert answer.body == b""
    if answer.status == 405:
        assert {"GET", "POST"} <= {m.strip() for m in answer.header("Allow").split(",")}
    assert_refused(server.ask("HEAD", "/grant")) if answer.status == 200 else None


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused_with_what_is_allowed(server, method):
    answer = server.grant(*ANA, method=method)
    assert answer.status == 405, answer
    assert {"GET", "POST"} <= {m.strip() for m in answer.header("Allow").split(",")}


def test_a_basic_token_opens_nothing_of_the_servers_own(server):
    """The token is for the resource service: it is no client and no password."""
    token = server.token(*ANA)
    bearer = [("Authorization", f"Bearer {token}"), ("Content-Type", "application/x-www-form-urlencoded")]
    assert server.ask("POST", "/oauth/introspect", bearer, f"token={token}".encode()).status == 401
    assert_refused(server.ask("GET", "/grant", bearer[:1]))


def test_what_init_made_serves_over_tls(install):
    """The commands of the README, with the certificate that init has made."""
    home = install(tls={"certificate": "cert.pem", "key": "key.pem"})
    home.add_user("ana", "ana's password")
    home.serve()
    answer = subprocess.run(["curl", "-sS", "--cacert", home.folder / "ca.pem", "-u", "ana:ana's password",
                             f"https://localhost:{home.port}/grant"], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    body = json.loads(answer.stdout)
    home.secrets.add(body["token"])
    assert set(body) == {"token", "token_type", "expires_in"}
