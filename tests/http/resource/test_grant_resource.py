"""grant-resource: which tokens pass, and what happens to the keys."""
import json
import os
import shutil
import subprocess
import threading
import time

import jwt as pyjwt
import pytest

from issuer import AUDIENCE, ISSUER, Key, KeyServer, Resource, claims, forge, jwks
from services import PATIENCE, PROGRAMS, http_answer, wait_until

REALM = 'Bearer realm="resource"'


def refused(answer):
    return (answer.status, answer.headers["WWW-Authenticate"], answer.headers["Cache-Control"]) == (
        401, REALM + ', error="invalid_token"', "no-store")


# --- what passes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ["es256", "rs256", "eddsa"])
def test_a_good_token_is_accepted_with_its_claims(resource, request, alg):
    want = claims()
    answer = resource.get(request.getfixturevalue(alg).token(want))
    assert answer.status == 202
    assert answer.json() == want
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_keys_are_fetched_once(resource, es256):
    for _ in range(20):
        assert resource.status(es256.token()) == 202
    assert resource.keys.count == 1
    assert resource.keys.peer.requests[0].startswith(b"GET /jwks.json HTTP/1.1\r\n")


@pytest.mark.parametrize("alg", ["es256", "rs256", "eddsa"])
def test_a_token_made_by_pyjwt_is_accepted(resource, request, alg):
    key = request.getfixturevalue(alg)
    token = pyjwt.encode(claims(), key.key, algorithm=key.alg, headers={"typ": "at+jwt", "kid": key.kid})
    assert resource.status(token) == 202


@pytest.mark.skipif(not shutil.which("jose"), reason="the jose command is not installed")
@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_a_token_made_by_jose_is_accepted(start_resource, peer, tmp_path, alg):
    private, want = tmp_path / "private.jwk", claims()
    header = json.dumps({"protected": {"typ": "at+jwt", "alg": alg, "kid": "theirs"}})
    run = {"capture_output": True, "text": True, "timeout": 60, "check": True}
    subprocess.run(["jose", "jwk", "gen", "-i", json.dumps({"alg": alg}), "-o", private], **run)
    public = json.loads(subprocess.run(["jose", "jwk", "pub", "-i", private, "-o", "-"], **run).stdout)
    token = subprocess.run(["jose", "jws", "sig", "-I", "-", "-k", private, "-s", header, "-c"], input=json.dumps(want),
                           **run).stdout.strip()
    keys = KeyServer(peer)
    keys.answer = http_answer(200, {"keys": [{**public, "kid": "theirs"}]})
    answer = Resource(start_resource(jwks=keys.url), keys).get(token)
    assert (answer.status, answer.json()) == (202, want)


@pytest.mark.parametrize("changes", [
    {"aud": ["https://other.example", AUDIENCE]},
    {"aud": [AUDIENCE]},
    {"nbf": 1},
    {"scope": "a b"},
    {"sub": "Jürgen \"J\" \\ O'Neil"},
    {"deep": {"a": [[[[1]]]], "n": None, "e": 1e3}},
])
def test_what_others_put_into_a_token_may_be_there(resource, es256, changes):
    want = claims(**changes)
    answer = resource.get(es256.token(want))
    assert (answer.status, answer.json()) == (202, want)


def test_the_scheme_has_no_case(resource, es256):
    answer = resource.service.call("/", headers=[("Authorization", f"bEARER {es256.token()}")])
    assert answer.status == 202


# --- what does not --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [[], [("Authorization", "Basic YTpi")], [("Authorization", "")], [("Authorization", "Bearer")],
                                     [("Authorization", "Bearer  ")]])
def test_who_sends_no_token_learns_no_error_code(resource, headers):
    answer = resource.service.call("/", headers=headers)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, REALM)
    assert answer.headers["Cache-Control"] == "no-store"
    assert resource.keys.count == 0


def test_two_authorization_headers_are_an_invalid_request(resource, es256):
    header = ("Authorization", f"Bearer {es256.token()}")
    for more in (header, ("authorization", "Basic YTpi")):
        answer = resource.service.call("/", headers=[header, more])
        assert answer.status == 400
        assert answer.json()["error"] == "invalid_request"


def test_a_token_in_the_query_does_not_count(resource, es256):
    answer = resource.service.call(f"/?access_token={es256.token()}")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, REALM)


def hs256_with_the_public_key(key):
    return forge.seal({"typ": "at+jwt", "alg": "HS256", "kid": key.kid}, claims(), "HS256", forge.public_pem(key.key))


def in_der(key):
    """The signature as most libraries make it, before JWS: SEQUENCE of two INTEGERs."""
    head, payload, _ = key.token().split(".")
    sign = key.key.sign(f"{head}.{payload}".encode(), forge.ec.ECDSA(forge.hashes.SHA256()))
    return f"{head}.{payload}.{forge.b64(sign)}"


def signed_with(key, signature):
    head, payload, _ = key.token().split(".")
    return f"{head}.{payload}.{forge.b64(signature)}"


def loosely_encoded(key):
    """Other unused bits after the last byte of the signature: the same bytes to a decoder that does not look."""
    token = key.token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


# LESSONS 17 and 18, one wrong thing at a time.
FORGED = {
    "another signature key": lambda k: Key("ES256", k.kid).token(),
    "changed header": lambda k: forge.flipped(k.token(), 0),
    "changed payload": lambda k: forge.flipped(k.token(), 1),
    "changed signature": lambda k: forge.flipped(k.token(), 2),
    "another issuer": lambda k: k.token(iss=ISSUER + "/"),
    "no issuer": lambda k: k.token(iss=None),
    "another audience": lambda k: k.token(aud="https://other.example"),
    "other audiences": lambda k: k.token(aud=["https://other.example", AUDIENCE + "/"]),
    "no audience": lambda k: k.token(aud=None),
    "expired": lambda k: k.token(exp=int(time.time()) - 1),
    "no end": lambda k: k.token(exp=None),
    "end as text": lambda k: k.token(exp="2000000000"),
    "end too large": lambda k: k.token(json.dumps(claims()).replace('"exp": ', '"exp": 1e400, "x": ')),
    "not yet valid": lambda k: k.token(nbf=int(time.time()) + 1000),
    "no client_id": lambda k: k.token(client_id=None),
    "no sub": lambda k: k.token(sub=None),
    "no jti": lambda k: k.token(jti=None),
    "no iat": lambda k: k.token(iat=None),
    "an id token": lambda k: k.token(header={"typ": "JWT"}),
    "no typ": lambda k: k.token(header={"typ": None}),
    "no alg": lambda k: k.token(header={"alg": None}),
    "alg none": lambda k: forge.seal({"typ": "at+jwt", "alg": "none", "kid": k.kid}, claims(), "none", None),
    "alg none with the signature": lambda k: k.token(header={"alg": "none"}),
    "alg of another key": lambda k: k.token(header={"alg": "RS256"}),
    "HS256 with the public key": hs256_with_the_public_key,
    "jwk": lambda k: k.token(header={"jwk": k.jwk}),
    "x5u": lambda k: k.token(header={"x5u": "http://127.0.0.1:1/"}),
    "x5c": lambda k: k.token(header={"x5c": ["AAAA"]}),
    "crit": lambda k: k.token(header={"crit": ["exp"]}),
    "zip": lambda k: k.token(header={"zip": "DEF"}),
    "b64": lambda k: k.token(header={"b64": False}),
    "nested tokens are not supported": lambda k: k.token(header={"cty": "JWT"}),
    "kid as a number": lambda k: k.token(header={"kid": 1}),
    "no kid": lambda k: Key("ES256", None).token(header={"kid": None}),
    "claim twice": lambda k: k.token(json.dumps(claims())[:-1] + ', "sub": "admin"}'),
    "header member twice": lambda k: forge.seal('{"typ":"at+jwt","alg":"none","alg":"ES256","kid":"%s"}' % k.kid, claims(), "ES256",
                                                k.key),
    "payload is an array": lambda k: k.token("[]"),
    "payload is no JSON": lambda k: k.token("claims"),
    "payload is not UTF-8": lambda k: k.token().replace(".", "._", 1),
    "DER signature": in_der,
    "r = s = 0": lambda k: signed_with(k, bytes(64)),
    "short signature": lambda k: signed_with(k, b"\1" * 63),
    "no signature": lambda k: signed_with(k, b""),
    "loose base64url": loosely_encoded,
    "padded": lambda k: k.token() + "==",
    "two parts": lambda k: k.token().rsplit(".", 1)[0],
    "four parts": lambda k: k.token() + ".AAAA",
    "no token": lambda k: "x",
    "a huge one": lambda k: k.token(role="x" * 5000) + "A" * 1000,
}


@pytest.mark.parametrize("what", FORGED)
def test_lesson_17_and_18_a_forged_token_is_refused(resource, es256, what):
    assert resource.status(es256.token()) == 202
    answer = resource.get(FORGED[what](es256))
    assert refused(answer), (answer.status, answer.body)
    assert answer.json() == {"error": "invalid_token"}
    assert resource.keys.count == 1  # and nothing is fetched for it


@pytest.mark.parametrize("token", [
    pytest.param(lambda k: k.token(exp=2000000000.5), id="end as a fraction"),
    pytest.param(lambda k: k.token(header={"jku": "http://127.0.0.1:1/"}), id="jku"),
    pytest.param(lambda k: k.token(header={"x5t": "AAAA", "x5t#S256": "AAAA"}), id="x5t"),
])
def test_what_other_issuers_send_is_accepted_and_nothing_fetched(resource, es256, token):
    assert resource.status(token(es256)) == 202
    assert resource.keys.count == 1


def test_lesson_36_an_odd_key_beside_a_good_one_costs_itself_only(resource, es256):
    """A rotation is seen, though the set that brings the new key has odd entries."""
    assert resource.status(es256.token()) == 202
    new = Key("ES256", "new")
    odd = [{"kty": "oct", "k": "AAAA"}, {}, 7, {"kty": "RSA", "n": 5, "e": "AQAB"}]
    resource.keys.answer = http_answer(200, json.dumps({"keys": [*odd, new.jwk]}).encode())
    resource.wait_for(new.token(), 202)


def test_a_signature_has_two_forms_that_are_both_good(resource, es256):
    """(r, n - s) verifies as (r, s) does: nothing may rely on a token having one spelling."""
    token = es256.token()
    assert resource.status(token) == 202
    assert resource.status(forge.mirrored(token)) == 202


def test_lesson_28_a_token_is_in_no_log_and_its_refusal_has_a_reason(resource, es256):
    good, bad = es256.token(), es256.token(aud="https://other.example")
    assert (resource.status(good), resource.status(bad)) == (202, 401)
    resource.service.wait_event("request", status=202, user="ana", client_id="grant")
    resource.service.wait_event("request", status=401, error="invalid_token", reason="the token is for another audience")
    log = resource.service.log_file.read_text()
    assert good not in log and bad not in log
    assert good.split(".")[2] not in log


# --- the keys -------------------------------------------------------------------------------------------------------


def test_a_rotated_key_is_found_by_its_kid(resource, es256, other):
    assert resource.status(es256.token()) == 202
    assert resource.status(other.token()) == 401
    resource.keys.publish(es256, other)
    resource.wait_for(other.token(), 202)
    assert resource.status(es256.token()) == 202


def test_a_key_that_was_taken_back_is_refused_once_the_set_is_fetched(resource, es256, other):
    assert resource.status(es256.token()) == 202
    resource.keys.publish(other)
    resource.wait_for(other.token(), 202)
    assert resource.status(es256.token()) == 401


def test_made_up_kids_fetch_no_more_often_than_the_gap(start_resource, peer, es256):
    keys = KeyServer(peer, es256)
    resource = Resource(start_resource(jwks=keys.url, refresh_gap="1h"), keys)
    assert resource.status(es256.token()) == 202
    for number in range(200):
        assert resource.status(es256.token(header={"kid": f"made-up-{number}"})) == 401
    assert keys.count == 1


def fetch_in_vain(resource, unknown):
    """Its kid makes them be fetched; until the gap is over, it is only refused."""
    def is_tried():
        assert resource.status(unknown.token()) == 401
        reasons = [e["reason"] for e in resource.service.events() if e.get("error") == "invalid_token"]
        return any(reason.startswith("no key has that kid, and the keys could not be fetched again") for reason in reasons)
    wait_until(is_tried, "a fetch in vain")


def test_it_goes_on_while_the_issuer_is_down(resource, es256, other):
    assert resource.status(es256.token()) == 202
    resource.keys.peer.close()
    assert resource.status(es256.token()) == 202
    fetch_in_vain(resource, other)
    assert resource.status(es256.token()) == 202
    assert resource.service.call("/readyz").status == 200


BAD_ANSWERS = {
    "nothing": None,
    "an error": http_answer(500, {"error": "down"}),
    "not found": http_answer(404, jwks()),
    "a redirect": http_answer(302, b"", "Location: https://evil.example/jwks.json"),
    "garbage": b"garbage\r\n\r\n",
    "no JSON": http_answer(200, b"<html>"),
    "no set": http_answer(200, {"error": "invalid_request"}),
    "an empty set": http_answer(200, {"keys": []}),
    "a symmetric key": http_answer(200, {"keys": [{"kty": "oct", "k": "AAAA", "kid": "key-1"}]}),
    "10 MB": http_answer(200, b" " * (10 << 20)),
    "a set cut short": http_answer(200, jwks())[:-3],
}


@pytest.mark.parametrize("what", BAD_ANSWERS)
def test_a_bad_answer_leaves_the_good_keys(start_resource, peer, es256, other, what):
    keys = KeyServer(peer, es256)
    resource = Resource(start_resource(jwks=keys.url, timeout="1s"), keys)
    wait_until(lambda: resource.status(es256.token()) == 202, "the good keys")
    keys.answer = BAD_ANSWERS[what]
    wait_until(lambda: resource.status(other.token()) == 401 and keys.count >= 2, "a second fetch")
    assert resource.status(es256.token()) == 202


@pytest.mark.parametrize("what", BAD_ANSWERS)
def test_without_any_keys_it_is_503_until_they_are_there(start_resource, peer, es256, what):
    keys = KeyServer(peer, es256)
    keys.answer = BAD_ANSWERS[what]
    resource = Resource(start_resource(jwks=keys.url, timeout="1s"), keys)
    answer = resource.get(es256.token())
    assert (answer.status, answer.headers["Retry-After"], answer.headers["Cache-Control"]) == (503, "1", "no-store")
    assert answer.json() == {"error": "temporarily_unavailable"}
    assert "WWW-Authenticate" not in answer.headers
    assert resource.service.call("/healthz").status == 200
    assert resource.service.call("/readyz").status == 503
    keys.publish(es256)
    resource.wait_for(es256.token(), 202)


@pytest.mark.parametrize("gap, retry_after", [(None, "2"), ("100ms", "1"), ("1s", "1"), ("2001ms", "3")])
def test_without_the_issuer_it_starts_and_says_when_it_tries_again(start_resource, es256, free_port, gap, retry_after):
    resource = Resource(start_resource(jwks=f"http://127.0.0.1:{free_port}/jwks.json", refresh_gap=gap), None)
    answer = resource.get(es256.token())
    assert (answer.status, answer.headers["Retry-After"]) == (503, retry_after)
    assert resource.service.call("/readyz").status == 503
    assert resource.service.call("/", headers=[]).status == 401


def test_being_asked_whether_it_is_ready_fetches_the_keys(resource, es256):
    assert resource.keys.count == 0
    assert resource.service.call("/readyz").status == 200
    assert resource.keys.count == 1
    assert resource.service.call("/readyz").status == 200
    assert resource.status(es256.token()) == 202
    assert resource.keys.count == 1


def test_a_redirect_is_not_followed(start_resource, peer, es256):
    elsewhere = KeyServer(peer, es256)
    keys = KeyServer(peer)
    keys.answer = http_answer(302, b"", f"Location: {elsewhere.url}")
    resource = Resource(start_resource(jwks=keys.url), keys)
    assert resource.status(es256.token()) == 503
    assert elsewhere.count == 0
    assert "redirects are not followed" in resource.service.wait_event("request", status=503)["reason"]


def test_a_hanging_server_of_keys_holds_only_callers_that_need_it(start_resource, peer, es256, other):
    keys = KeyServer(peer, es256)
    good = keys.answer
    resource = Resource(start_resource(jwks=keys.url, timeout="30s"), keys)
    assert resource.status(es256.token()) == 202
    gate, threads, statuses = threading.Event(), [], []
    keys.peer.answer = lambda request: gate.wait(PATIENCE) and good

    def a_fetch_hangs():
        if not threads or not threads[-1].is_alive():  # the gap was not over
            threads.append(threading.Thread(target=lambda: statuses.append(resource.status(other.token()))))
            threads[-1].start()
        return keys.count >= 2

    wait_until(a_fetch_hangs, "a second fetch")
    for _ in range(50):
        assert resource.status(es256.token()) == 202
    assert threads[-1].is_alive()
    gate.set()
    for thread in threads:
        thread.join()
    assert set(statuses) == {401}


def test_many_at_once_cause_one_fetch(start_resource, peer, es256):
    gate = threading.Event()
    keys = KeyServer(peer, es256)
    good = keys.answer
    keys.peer.answer = lambda request: gate.wait(0.5) or good
    resource = Resource(start_resource(jwks=keys.url), keys)
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(resource.status(es256.token()))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [202] * 16
    assert keys.count == 1


# --- a file of keys, and settings -----------------------------------------------------------------------------------


def test_keys_of_a_file_beside_the_configuration_follow_it(start_resource, es256, other, tmp_path):
    folder = tmp_path / "0"  # where the configuration of the first service stands
    resource = Resource(start_resource(jwks="keys.json"), None)
    assert resource.status(es256.token()) == 503

    def publish(*keys):
        (folder / "new.json").write_text(json.dumps(jwks(*keys)))
        os.rename(folder / "new.json", folder / "keys.json")

    publish(es256)
    resource.wait_for(es256.token(), 202)
    publish(other)
    resource.wait_for(other.token(), 202)
    assert resource.status(es256.token()) == 401
    os.remove(folder / "keys.json")
    fetch_in_vain(resource, es256)
    assert resource.status(other.token()) == 202


@pytest.mark.parametrize("config, reason", [
    ({"jwks": "http://auth.example/jwks"}, "jwks is an http:// URL of another host"),
    ({"jwks": "ftp://auth.example/jwks"}, "jwks is a URL that is neither https:// nor http://"),
    ({"jwks": "https://auth.example/jwks", "ca": "missing.pem"}, "ca_file cannot be read"),
    ({"jwks": ""}, "jwks"),
    ({}, "jwks"),
    ({"jwks": "keys.json", "audience": ""}, "audience"),
    ({"jwks": "keys.json", "refresh_gap": "99ms"}, "refresh_gap"),
])
def test_a_wrong_setting_refuses_to_start(tmp_path, config, reason):
    file = tmp_path / "resource.yaml"
    file.write_text(json.dumps({"listen": ["127.0.0.1:0"], "issuer": ISSUER, "audience": AUDIENCE, **config}))
    done = subprocess.run([PROGRAMS["grant-resource"], "--config", file], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert reason in done.stderr
