"""POST /oauth/introspect: RFC 7662, and what a token check must refuse (LESSONS 17 and 18)."""
import json
import time

import jwt
import pytest

import forge
from authority import APP, CLOCK, OTHER, STRANGER, WATCH, assert_error

INACTIVE = {"active": False}
ALGS = ["ES256", "RS256", "EdDSA"]


class Signer:
    """A server whose signing key the test holds."""

    def __init__(self, launch, folder, alg):
        self.alg = alg
        self.key = forge.new_key(alg)
        folder.mkdir(exist_ok=True)
        path = folder / "signing.pem"
        path.write_text(forge.private_pem(self.key))
        path.chmod(0o600)
        self.server = launch(tokens={"alg": alg, "lifetime": "5m"}, signing_key="${file:signing.pem}", folder=folder)
        self.kid = self.server.keys()[0]["kid"]

    def header(self, **changes):
        ret = {"typ": "at+jwt", "alg": self.alg, "kid": self.kid}
        ret.update(changes)
        return {name: value for name, value in ret.items() if value is not None}

    def claims(self, **changes):
        return forge.claims(self.server.issuer, **changes)

    def seal(self, header=None, payload=None):
        """Rightly signed; what is not given is right too."""
        return forge.seal(header or self.header(), payload or self.claims(), self.alg, self.key)

    def judge(self, token):
        return self.server.introspect(token)


@pytest.fixture(scope="module")
def by_alg(launch, tmp_path_factory):
    made = {}

    def get(alg):
        if alg not in made:
            made[alg] = Signer(launch, tmp_path_factory.mktemp(alg), alg)
        return made[alg]

    return get


@pytest.fixture(scope="module", params=ALGS)
def signer(request, by_alg):
    return by_alg(request.param)


@pytest.fixture(scope="module")
def es256(by_alg):
    return by_alg("ES256")


# --- active

@pytest.mark.parametrize("user", [None, "ana"])
def test_an_active_token_is_answered_with_its_claims(signer, user):
    token = signer.server.token(scope="current_time", user=user)
    answer = signer.judge(token)
    _, claims, _ = forge.read(token)
    assert answer["active"] is True
    assert {name: answer[name] for name in claims} == claims
    assert type(answer["exp"]) is int and type(answer["iat"]) is int
    assert answer.get("token_type", "Bearer") == "Bearer"
    assert answer.get("username", user) == user
    assert set(answer) <= set(claims) | {"active", "token_type", "username"}


def test_the_answer_is_json_and_not_stored(server):
    for token in (server.token(), "x"):
        answer = server.form("/oauth/introspect", {"token": token}, WATCH)
        assert answer.status == 200 and answer.json()["active"] == (token != "x")
        assert "no-store" in answer.header("Cache-Control")


def test_the_same_token_is_active_each_time_and_on_each_spelling_of_the_body(server):
    token = server.token()
    for _ in range(5):
        assert server.introspect(token)["active"] is True
    encoded = "".join(f"%{byte:02X}" for byte in token.encode())
    assert server.form("/oauth/introspect", f"token={encoded}", WATCH).json()["active"] is True


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "anything", "", "\u00e9", "x" * 500])
def test_any_token_type_hint_is_accepted(server, hint):
    answer = server.form("/oauth/introspect", {"token": server.token(), "token_type_hint": hint}, WATCH)
    assert answer.status == 200 and answer.json()["active"] is True


# --- who may ask

def test_a_caller_without_authentication_learns_nothing(server):
    assert_error(server.form("/oauth/introspect", {"token": server.token()}), 401, "invalid_client")


def test_a_bearer_token_does_not_authenticate_the_caller(server):
    token = server.token()
    answer = server.form("/oauth/introspect", {"token": token}, headers=[("Authorization", f"Bearer {token}")])
    assert answer.status == 401, answer
    assert "active" not in answer.json()


def test_a_token_for_another_audience_is_inactive(server):
    assert server.introspect(server.token(STRANGER), WATCH) == INACTIVE
    assert server.introspect(server.token(APP), STRANGER) == INACTIVE
    assert server.introspect(server.token(STRANGER), STRANGER)["active"] is True


def test_a_client_that_may_introspect_nothing_sees_inactive_even_for_its_own_token(server):
    assert server.introspect(server.token(APP), APP) == INACTIVE


# --- the request

@pytest.mark.parametrize("fields", [{}, {"token_type_hint": "access_token"}, {"Token": "x"}, {"token": ""}], ids=str)
def test_a_missing_token_is_an_invalid_request(server, fields):
    """An empty parameter counts as omitted (RFC 6749 section 3.2), an empty token may also be called inactive."""
    answer = server.form("/oauth/introspect", fields, WATCH)
    if fields.get("token") == "" and answer.status == 200:
        assert answer.json() == INACTIVE
    else:
        assert_error(answer, 400, "invalid_request")


def test_a_repeated_token_is_an_invalid_request(server):
    token = server.token()
    assert_error(server.form("/oauth/introspect", [("token", token), ("token", token)], WATCH), 400, "invalid_request")


def test_a_token_in_the_query_is_not_read(server):
    answer = server.form(f"/oauth/introspect?token={server.token()}", "", WATCH)
    assert_error(answer, 400, "invalid_request")


def test_json_is_not_a_form(server):
    answer = server.form("/oauth/introspect", json.dumps({"token": "x"}), WATCH, [("Content-Type", "application/json")])
    assert answer.status in (400, 415), answer


# --- inactive, and nothing more

@pytest.mark.parametrize("token", [
    "x", ".", "..", "...", "a.b.c", "a.b", "a.b.c.d", "a.b.c.d.e", " ", "null", "{}", "e30.e30.e30", "e30.e30.", "e30..e30", ".e30.e30",
    "=.=.=", "%", "\U0001f600", "eyJ" * 3000, "." * 5000, "e30." * 1000, "a" * 60000, "\"", "\x7f", "../../etc/passwd"],
    ids=lambda token: ascii(token[:12]))
def test_a_malformed_token_is_inactive(server, token):
    assert server.introspect(token) == INACTIVE


def test_an_expired_token_is_inactive(launch):
    short = launch(tokens={"lifetime": "1s", "alg": "ES256"})
    token = short.token()
    expires = forge.read(token)[1]["exp"]
    asked = time.time()
    while short.introspect(token)["active"]:
        assert asked < expires, "active after its end"
        time.sleep(0.02)
        asked = time.time()
    assert time.time() >= expires, "inactive before its end"
    assert short.introspect(token) == INACTIVE


def test_a_rightly_made_token_is_active(signer):
    """The control of the tests below: what they change is all that is wrong with their tokens."""
    assert signer.judge(signer.seal())["active"] is True


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_with_a_changed_bit_is_inactive(signer, part):
    token = signer.server.token()
    assert signer.judge(token)["active"] is True
    assert signer.judge(forge.flipped(token, part)) == INACTIVE


def test_every_single_changed_character_makes_a_token_inactive(es256):
    token = es256.server.token()
    for at in range(0, len(token), 7):
        other = "A" if token[at] != "A" else "B"
        assert es256.judge(token[:at] + other + token[at + 1:]) == INACTIVE, at


def test_a_payload_with_more_scope_under_the_old_signature_is_inactive(signer):
    token = signer.server.token(scope="current_time")
    head, _, sign = token.split(".")
    claims = {**forge.read(token)[1], "scope": "current_time epoch_time"}
    assert signer.judge(f"{head}.{forge.b64(json.dumps(claims))}.{sign}") == INACTIVE


def test_a_token_signed_by_another_key_is_inactive(signer):
    foreign = forge.new_key(signer.alg)
    for kid in (signer.kid, "another", None):
        headers = {"typ": "at+jwt"} if kid is None else {"typ": "at+jwt", "kid": kid}
        token = jwt.encode(signer.claims(), foreign, algorithm=signer.alg, headers=headers)
        assert signer.judge(token) == INACTIVE


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
def test_lesson_18_alg_none_is_inactive(signer, alg):
    header = signer.header(alg=alg)
    unsigned = forge.seal(header, signer.claims(), "none", None)
    assert signer.judge(unsigned) == INACTIVE
    assert signer.judge(unsigned.rstrip(".")) == INACTIVE
    assert signer.judge(forge.seal(header, signer.claims(), signer.alg, signer.key)) == INACTIVE


def test_lesson_18_hs256_with_the_public_key_as_secret_is_inactive(signer):
    public = forge.public_pem(signer.key)
    raw = json.dumps(signer.server.keys()[0]).encode()
    for secret in (public, public.rstrip(), raw, b"", b"qwerty"):
        assert signer.judge(forge.seal(signer.header(alg="HS256"), signer.claims(), "HS256", secret)) == INACTIVE


@pytest.mark.parametrize("alg", ["ES384", "RS512", "PS256", "ES256K", "Ed448", "HS256", "es256", None, 1, [], "ES256 "], ids=str)
def test_lesson_17_an_algorithm_that_is_not_the_keys_is_inactive(signer, alg):
    assert signer.judge(signer.seal(header=signer.header(alg=alg))) == INACTIVE


@pytest.mark.parametrize("alg", ALGS)
def test_lesson_17_the_algorithm_of_another_key_is_inactive(signer, alg):
    if alg == signer.alg:
        alg = "RS512"
    assert signer.judge(signer.seal(header=signer.header(alg=alg))) == INACTIVE


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at", "at+jwt2", "id_token+jwt", "logout+jwt", "", None, 1, ["at+jwt"]], ids=str)
def test_lesson_17_another_type_is_inactive(signer, typ):
    """RFC 9068 section 4: an ID token, say, is no access token."""
    assert signer.judge(signer.seal(header=signer.header(typ=typ))) == INACTIVE


@pytest.mark.parametrize("iss", ["http://localhost:1", "", None, 1, ["x"], "{issuer}/", "HTTP://127.0.0.1"], ids=str)
def test_lesson_17_another_issuer_is_inactive(signer, iss):
    if isinstance(iss, str):
        iss = iss.replace("{issuer}", signer.server.issuer)
    assert signer.judge(signer.seal(payload=signer.claims(iss=iss))) == INACTIVE


@pytest.mark.parametrize("aud", [OTHER, "", None, 1, [], [OTHER], CLOCK + "/", CLOCK.upper(), {"x": CLOCK}, [1]], ids=str)
def test_lesson_17_another_audience_is_inactive(signer, aud):
    assert signer.judge(signer.seal(payload=signer.claims(aud=aud))) == INACTIVE


@pytest.mark.parametrize("exp", [-1, 0, 1, "past", "now"], ids=str)
def test_lesson_17_a_past_end_is_inactive(signer, exp):
    now = int(time.time())
    exp = {"past": now - 1, "now": now}.get(exp, exp)
    assert signer.judge(signer.seal(payload=signer.claims(exp=exp))) == INACTIVE


@pytest.mark.parametrize("text", ["\"4102444800\"", "4102444800.5e0x", "1e400", "-1e400", "1e9999999999", "null", "true", "[4102444800]",
                                  "{}", "\"1\"", "99999999999999999999999999", "18446744073709551615", "04102444800", "+4102444800",
                                  "NaN", "Infinity", "0x7fffffff", "4102444800.", ".5"])
def test_lesson_18_an_end_that_is_no_sound_number_is_inactive(signer, text):
    claims = json.dumps(signer.claims(exp="@"))
    assert signer.judge(signer.seal(payload=claims.replace('"@"', text))) == INACTIVE


def test_lesson_17_a_token_without_end_is_inactive(signer):
    assert signer.judge(signer.seal(payload=signer.claims(exp=None))) == INACTIVE


@pytest.mark.parametrize("nbf", ["future", "\"1\"", "1e400", "null", "true"])
def test_lesson_17_a_token_that_is_not_yet_valid_is_inactive(signer, nbf):
    claims = json.dumps(signer.claims(nbf="@"))
    text = str(int(time.time()) + 3600) if nbf == "future" else nbf
    assert signer.judge(signer.seal(payload=claims.replace('"@"', text))) == INACTIVE


@pytest.mark.parametrize("name", ["sub", "client_id", "jti", "scope", "iat"])
@pytest.mark.parametrize("value", [1, ["x"], {"a": 1}, True], ids=str)
def test_a_claim_of_the_wrong_type_is_inactive(es256, name, value):
    if name == "iat" and value == 1:
        value = "1"
    assert es256.judge(es256.seal(payload=es256.claims(**{name: value}))) == INACTIVE


@pytest.mark.parametrize("name", ["sub", "client_id", "jti", "iat"])
def test_a_token_without_a_required_claim_of_rfc_9068_is_inactive(es256, name):
    assert es256.judge(es256.seal(payload=es256.claims(**{name: None}))) == INACTIVE


@pytest.mark.parametrize("name,first", [("exp", 1), ("exp", 4102444800), ("iss", "x"), ("aud", OTHER), ("scope", "x"), ("sub", "root"),
                                        ("client_id", "other"), ("x", 1)])
@pytest.mark.parametrize("spelling", ["{}", "\\u{:04x}"])
def test_lesson_18_a_member_twice_in_the_claims_is_inactive(es256, name, first, spelling):
    written = name if spelling == "{}" else spelling.format(ord(name[0])) + name[1:]
    claims = {"x": 1, **es256.claims()}
    twice = "{" + f'"{written}":{json.dumps(first)},' + json.dumps(claims)[1:]
    assert es256.judge(es256.seal(payload=json.dumps(claims)))["active"] is True
    assert es256.judge(es256.seal(payload=twice)) == INACTIVE


@pytest.mark.parametrize("name", ["alg", "typ", "kid"])
def test_lesson_18_a_member_twice_in_the_header_is_inactive(signer, name):
    header = json.dumps(signer.header())
    for value in (signer.header()[name], "x"):
        assert signer.judge(signer.seal(header="{" + f'"{name}":"{value}",' + header[1:])) == INACTIVE


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_lesson_18_a_key_in_the_header_is_not_used_and_not_fetched(signer, launch, name):
    foreign = forge.new_key(signer.alg)
    public = json.loads(json.dumps(signer.server.keys()[0]))
    trap = signer.server.issuer + "/trap-" + name
    value = {"jwk": public, "jku": trap, "x5u": trap, "x5c": ["MIIB"]}[name]
    header = signer.header(**{name: value})
    rightly_signed = signer.judge(signer.seal(header=header))
    assert rightly_signed["active"] if name == "jku" else rightly_signed == INACTIVE  # jku is ignored: it brings no key
    assert signer.judge(forge.seal(header, signer.claims(), signer.alg, foreign)) == INACTIVE
    signer.server.get("/end-of-" + name)
    signer.server.service.wait(lambda event: event.get("path") == "/end-of-" + name)
    assert not [event for event in signer.server.service.events("request") if event["path"].startswith("/trap-" + name)]


@pytest.mark.parametrize("change", [{"crit": ["exp"], "exp": 1}, {"crit": []}, {"crit": ["b64"], "b64": False}, {"crit": ["b64"], "b64": True},
                                    {"crit": ["x"], "x": 1}, {"crit": "x"}, {"zip": "DEF"}, {"cty": "JWT", "crit": ["cty"]}], ids=str)
def test_lesson_18_critical_extensions_and_compression_are_inactive(signer, change):
    assert signer.judge(signer.seal(header=signer.header(**change))) == INACTIVE


def test_lesson_17_an_unknown_key_id_is_inactive(signer):
    for kid in ("x", "", signer.kid + "x", signer.kid[:-1], "../../signing.pem", 1, ["x"]):
        assert signer.judge(signer.seal(header=signer.header(kid=kid))) == INACTIVE


def test_lesson_18_a_der_signature_is_inactive(es256):
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    signed = ".".join(es256.seal().split(".")[:2])
    der = es256.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
    assert es256.judge(f"{signed}.{forge.b64(der)}") == INACTIVE


@pytest.mark.parametrize("r,s", [(0, 0), (0, 1), (1, 0), (forge.P256_ORDER, forge.P256_ORDER), (1, 1), (2**256 - 1, 2**256 - 1)])
def test_lesson_18_an_ecdsa_signature_of_edge_numbers_is_inactive(es256, r, s):
    signed = ".".join(es256.seal().split(".")[:2])
    assert es256.judge(f"{signed}.{forge.b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}") == INACTIVE


@pytest.mark.parametrize("length", [0, 1, 31, 32, 63, 65, 128])
def test_a_signature_of_another_length_is_inactive(signer, length):
    head, payload, sign = signer.seal().split(".")
    data = (forge.unb64(sign) + bytes(300))[:length]
    assert signer.judge(f"{head}.{payload}.{forge.b64(data)}") == INACTIVE


def test_lesson_18_base64url_that_is_not_canonical_is_inactive(signer):
    token = signer.seal()
    head, payload, sign = token.split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet[alphabet.index(sign[-1]) ^ 1]
    assert len(forge.unb64(sign)) % 3 != 0, "the last character has unused bits"
    others = [f"{head}.{payload}.{sign[:-1]}{last}", token + "=", token + "==", token + "A", token + " ", " " + token,
              f"{head}=.{payload}.{sign}", f"{head}.{payload}.{sign[:9]} {sign[9:]}", token + ".", "." + token]
    assert signer.judge(token)["active"] is True
    for other in others:
        assert signer.judge(other) == INACTIVE, other
    standard = f"{head}.{payload}.{sign.replace('-', '+').replace('_', '/')}"
    if standard != token:
        assert signer.judge(standard) == INACTIVE


def test_a_line_break_around_or_inside_a_token_is_inactive(signer):
    token = signer.seal()
    for other in (token + "\n", "\r\n" + token, token[:-9] + "\n" + token[-9:], token + "\t"):
        assert signer.judge(other) == INACTIVE, other


def test_deep_claims_are_inactive_whatever_their_size(es256):
    for depth in (100, 1000, 2000):
        text = '{"a":' * depth + "1" + "}" * depth
        assert es256.judge(forge.seal(es256.header(), text, "ES256", es256.key)) == INACTIVE


@pytest.mark.parametrize("text", ["[]", "null", "1", "\"x\"", "", "{", "{}", "{}{}", "{\"a\":1,}", "[" * 5000, "{\"a\":" * 3000 + "1" + "}" * 3000,
                                  "{'iss':1}", "\ufeff{}"], ids=lambda text: ascii(text[:10]))
def test_claims_that_are_no_object_are_inactive(es256, text):
    assert es256.judge(forge.seal(es256.header(), text, "ES256", es256.key)) == INACTIVE


@pytest.mark.parametrize("text", ["[]", "null", "", "{", "{}", "{\"alg\":\"ES256\",}", "[" * 5000], ids=lambda text: ascii(text[:10]))
def test_a_header_that_is_no_object_is_inactive(es256, text):
    assert es256.judge(forge.seal(text, es256.claims(), "ES256", es256.key)) == INACTIVE


def test_claims_with_bytes_after_the_object_or_bad_utf8_are_inactive(es256):
    good = json.dumps(es256.claims())
    assert es256.judge(es256.seal(payload=good + "x")) == INACTIVE
    assert es256.judge(es256.seal(payload=good + "\0")) == INACTIVE
    bad = es256.claims()
    bad["sub"] = "@"
    raw = json.dumps(bad).encode().replace(b"@", b"\xff")
    signed = f"{forge.b64(json.dumps(es256.header()))}.{forge.b64(raw)}"
    assert es256.judge(f"{signed}.{forge.b64(forge.signature('ES256', es256.key, signed.encode()))}") == INACTIVE


def test_a_token_of_another_instance_with_the_same_issuer_is_inactive(launch):
    one = launch(issuer="http://localhost:5001")
    two = launch(issuer="http://localhost:5001")
    token = one.token()
    assert one.introspect(token)["active"] is True
    assert two.introspect(token) == INACTIVE


def test_a_refused_token_says_nothing_of_why_on_the_wire(es256):
    """Every inactive answer is the same, byte for byte."""
    tokens = ["x", es256.seal(payload=es256.claims(exp=1)), es256.server.token(STRANGER), es256.seal(header=es256.header(typ="JWT"))]
    answers = {es256.server.form("/oauth/introspect", {"token": token}, WATCH).body for token in tokens}
    assert len(answers) == 1
