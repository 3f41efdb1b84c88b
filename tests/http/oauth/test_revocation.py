"""POST /oauth/revoke: RFC 7009."""
import json
import time

import pytest

import forge
from authority import APP, MACHINE, STRANGER, WATCH, assert_error

INACTIVE = {"active": False}


def test_a_revoked_token_is_inactive_at_once(server):
    for user in (None, "ana"):
        token = server.token(user=user)
        assert server.introspect(token)["active"] is True
        assert server.revoke(token).status == 200
        assert server.introspect(token) == INACTIVE


def test_a_token_never_introspected_before_can_be_revoked(server):
    token = server.token()
    assert server.revoke(token).status == 200
    assert server.introspect(token) == INACTIVE


def test_revoking_again_is_200(server):
    token = server.token()
    for _ in range(3):
        assert server.revoke(token).status == 200
    assert server.introspect(token) == INACTIVE


@pytest.mark.parametrize("token", ["x", "a.b.c", "....", "\u00e9", "a" * 20000], ids=lambda token: ascii(token[:9]))
def test_an_unknown_or_malformed_token_is_200(server, token):
    """Section 2.2: the client cannot do anything about it."""
    assert server.revoke(token).status == 200


def test_only_that_token_is_revoked(server):
    one, two = server.token(), server.token()
    server.revoke(one)
    assert server.introspect(one) == INACTIVE
    assert server.introspect(two)["active"] is True


def test_a_token_of_another_client_is_refused_and_stays_active(server):
    """Section 2.1: "the request is refused and the client is informed of the error"."""
    token = server.token(APP)
    for who in (MACHINE, STRANGER, WATCH):
        answer = server.revoke(token, who)
        assert 400 <= answer.status < 404, answer
        assert_error(answer, answer.status, answer.json()["error"])
        assert server.introspect(token)["active"] is True
    assert server.revoke(token, APP).status == 200
    assert server.introspect(token) == INACTIVE


def test_a_caller_without_authentication_revokes_nothing(server):
    token = server.token()
    assert_error(server.form("/oauth/revoke", {"token": token}), 401, "invalid_client")
    assert_error(server.form("/oauth/revoke", {"token": token}, ("1234", "wrong")), 401, "invalid_client")
    assert server.introspect(token)["active"] is True


@pytest.mark.parametrize("fields", [{}, {"token_type_hint": "access_token"}], ids=str)
def test_a_missing_token_is_an_invalid_request(server, fields):
    assert_error(server.form("/oauth/revoke", fields, APP), 400, "invalid_request")


def test_a_repeated_token_is_an_invalid_request_and_revokes_neither(server):
    one, two = server.token(), server.token()
    assert_error(server.form("/oauth/revoke", [("token", one), ("token", two)], APP), 400, "invalid_request")
    assert server.introspect(one)["active"] is True and server.introspect(two)["active"] is True


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "unknown", ""])
def test_any_token_type_hint_is_accepted(server, hint):
    token = server.token()
    assert server.form("/oauth/revoke", {"token": token, "token_type_hint": hint}, APP).status == 200
    assert server.introspect(token) == INACTIVE


def test_a_forged_token_with_anothers_jti_revokes_nothing(server):
    token = server.token()
    header, claims, _ = forge.read(token)
    unsigned = forge.seal({**header, "alg": "none"}, claims, "none", None)
    foreign = forge.seal(header, claims, "ES256", forge.new_key("ES256"))
    for forged in (unsigned, foreign, forge.flipped(token, 2)):
        assert server.revoke(forged).status == 200
    stolen = forge.seal(header, {**claims, "client_id": "other"}, "ES256", forge.new_key("ES256"))
    server.revoke(stolen, STRANGER)
    assert server.introspect(token)["active"] is True


def test_a_revoked_token_does_not_come_back_with_its_mirrored_signature(server):
    """(r, s) and (r, n - s) are both good ECDSA signatures of the same token."""
    token = server.token()
    mirror = forge.mirrored(token)
    before = server.introspect(mirror)
    assert before == INACTIVE or before["jti"] == forge.read(token)[1]["jti"]
    server.revoke(token)
    assert server.introspect(token) == INACTIVE
    assert server.introspect(mirror) == INACTIVE


def test_revoking_the_mirror_revokes_the_token_or_nothing(server):
    token = server.token()
    mirror = forge.mirrored(token)
    known = server.introspect(mirror)["active"]
    assert server.revoke(mirror).status == 200
    assert server.introspect(mirror) == INACTIVE
    assert server.introspect(token)["active"] is not known


def test_an_expired_token_is_200(launch):
    short = launch(tokens={"lifetime": "1s", "alg": "ES256"})
    token = short.token()
    deadline = time.monotonic() + 5
    while short.introspect(token)["active"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert short.revoke(token).status == 200


def test_many_revocations_are_all_remembered(server):
    tokens = [server.token() for _ in range(200)]
    for token in tokens[::2]:
        assert server.revoke(token).status == 200
    assert [server.introspect(token)["active"] for token in tokens] == [False, True] * 100


def test_the_answer_is_small_and_not_stored(server):
    answer = server.revoke(server.token())
    assert answer.status == 200
    assert answer.body == b"" or isinstance(json.loads(answer.body), dict)
    assert "no-store" in answer.header("Cache-Control")
