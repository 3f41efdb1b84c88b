"""What is inside an access token: RFC 9068, RFC 7515, RFC 7517."""
import json
import time

import jwt
import pytest

import forge
from authority import APP, CLOCK, OTHER, STRANGER, Authority

ALGS = ["ES256", "RS256", "EdDSA"]


@pytest.fixture(scope="module")
def by_alg(launch):
    """The server that signs with an algorithm, started once."""
    made = {}

    def get(alg) -> Authority:
        if alg not in made:
            made[alg] = launch(tokens={"lifetime": "7m", "alg": alg})
        return made[alg]

    return get


@pytest.mark.parametrize("alg", ALGS)
def test_the_header_names_type_algorithm_and_a_published_key(by_alg, alg):
    server = by_alg(alg)
    header, _, _ = forge.read(server.token())
    assert header["typ"] == "at+jwt"
    assert header["alg"] == alg
    assert header["kid"] in [key["kid"] for key in server.keys()]
    assert set(header) == {"typ", "alg", "kid"}


@pytest.mark.parametrize("alg", ALGS)
def test_the_claims_of_a_client_are_those_of_rfc_9068(by_alg, alg):
    server = by_alg(alg)
    before = int(time.time())
    _, claims, _ = forge.read(server.token(scope="current_time"))
    assert set(claims) == {"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope"}
    assert claims["iss"] == server.issuer
    assert claims["sub"] == claims["client_id"] == "1234"
    assert claims["aud"] in (CLOCK, [CLOCK])
    assert claims["scope"] == "current_time"
    assert type(claims["exp"]) is int and type(claims["iat"]) is int
    assert claims["exp"] - claims["iat"] == 420
    assert before - 1 <= claims["iat"] <= time.time() + 1
    assert len(claims["jti"]) >= 16


@pytest.mark.parametrize("alg", ALGS)
def test_the_subject_of_the_password_grant_is_the_user(by_alg, alg):
    _, claims, _ = forge.read(by_alg(alg).token(user="ana"))
    assert claims["sub"] == "ana" and claims["client_id"] == "1234"


@pytest.mark.parametrize("alg", ALGS)
def test_pyjwt_verifies_the_token_by_the_published_keys(by_alg, alg):
    server = by_alg(alg)
    token = server.token()
    key = jwt.PyJWKClient(server.issuer + "/.well-known/jwks.json").get_signing_key_from_jwt(token)
    claims = jwt.decode(token, key.key, algorithms=[alg], audience=CLOCK, issuer=server.issuer,
                        options={"require": ["exp", "iat", "sub", "jti", "aud", "iss"]})
    assert claims["client_id"] == "1234"
    for part in (1, 2):
        with pytest.raises(jwt.InvalidTokenError):
            jwt.decode(forge.flipped(token, part), key.key, algorithms=[alg], audience=CLOCK)


def test_every_token_has_a_jti_of_its_own(server):
    ids = [forge.read(server.token())[1]["jti"] for _ in range(100)]
    assert len(set(ids)) == len(ids)


def test_a_jti_cannot_be_guessed_from_the_one_before(server):
    """Enough differs between two: a counter with a fixed rest would not."""
    one, two = (forge.read(server.token())[1]["jti"] for _ in range(2))
    same = sum(a == b for a, b in zip(one, two))
    assert same < len(one) / 2, (one, two)


def test_the_audience_is_that_of_the_client(server):
    assert forge.read(server.token(STRANGER))[1]["aud"] in (OTHER, [OTHER])


def test_the_lifetime_in_the_answer_is_that_of_the_token(launch):
    short = launch(tokens={"lifetime": "5s", "alg": "ES256"})
    answer = short.ask({"grant_type": "client_credentials"}).json()
    _, claims, _ = forge.read(answer["access_token"])
    assert answer["expires_in"] == claims["exp"] - claims["iat"] == 5


def test_a_scope_is_written_once_in_the_token(server):
    _, claims, _ = forge.read(server.token(scope="epoch_time epoch_time"))
    assert claims["scope"] == "epoch_time"


def test_the_scope_of_answer_and_token_agree(server):
    answer = server.ask({"grant_type": "client_credentials"}).json()
    assert forge.read(answer["access_token"])[1]["scope"] == answer["scope"]


def test_a_user_name_cannot_add_claims(server):
    name = 'x","scope":"never_given","y":"'
    _, claims, _ = forge.read(server.token(user=name))
    assert claims["sub"] == name
    assert set(claims) == {"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope"}


@pytest.mark.parametrize("alg", ALGS)
def test_a_token_outlives_a_restart_when_the_key_comes_from_a_file(launch, tmp_path, alg):
    (tmp_path / "signing.pem").write_text(forge.private_pem(forge.new_key(alg)))
    (tmp_path / "signing.pem").chmod(0o600)
    changes = {"tokens": {"lifetime": "5m", "alg": alg}, "signing_key": "${file:signing.pem}", "folder": tmp_path}
    first = launch(**changes)
    token, keys = first.token(), first.keys()
    assert first.service.stop() == 0
    second = launch(port=first.port, **changes)
    assert second.keys() == keys
    assert second.introspect(token)["active"] is True


def test_without_a_key_file_each_start_makes_another_key_and_warns(launch, tmp_path):
    first = launch(folder=tmp_path)
    token, kid = first.token(), first.keys()[0]["kid"]
    first.service.stop()
    second = launch(port=first.port, folder=tmp_path)
    assert kid not in [key["kid"] for key in second.keys()]
    assert second.introspect(token) == {"active": False}
    assert [event for event in second.service.events() if event["level"] == "warn" and "key" in json.dumps(event)]


@pytest.mark.parametrize("alg,key", [("ES256", "RS256"), ("RS256", "EdDSA"), ("EdDSA", "ES256")])
def test_a_key_that_does_not_fit_the_algorithm_stops_the_start(launch, tmp_path, alg, key):
    (tmp_path / "signing.pem").write_text(forge.private_pem(forge.new_key(key)))
    (tmp_path / "signing.pem").chmod(0o600)
    service = launch(wait=False, tokens={"alg": alg}, signing_key="${file:signing.pem}", folder=tmp_path)
    assert service.wait_end() != 0
    assert "signing_key" in service.log()
    assert "PRIVATE KEY" not in service.log()


@pytest.mark.parametrize("text", ["nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_key_that_cannot_be_read_stops_the_start_and_names_the_setting(launch, tmp_path, text):
    (tmp_path / "signing.pem").write_text(text)
    (tmp_path / "signing.pem").chmod(0o600)
    service = launch(wait=False, signing_key="${file:signing.pem}", folder=tmp_path)
    assert service.wait_end() != 0
    assert "signing_key" in service.log()


def test_an_rsa_key_that_is_too_short_stops_the_start(launch, tmp_path):
    """RFC 7518 section 3.3: 2048 bits or more."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    (tmp_path / "signing.pem").write_text(forge.private_pem(rsa.generate_private_key(65537, 1024)))
    (tmp_path / "signing.pem").chmod(0o600)
    service = launch(wait=False, tokens={"alg": "RS256"}, signing_key="${file:signing.pem}", folder=tmp_path)
    assert service.wait_end() != 0
    assert "signing_key" in service.log()


def test_apps_token_is_not_anothers(server):
    assert forge.read(server.token(APP))[1]["client_id"] == "1234"
    assert forge.read(server.token(STRANGER))[1]["client_id"] == "other"
