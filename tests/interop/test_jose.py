"""Tokens and keys against two foreign libraries: PyJWT (on pyca/cryptography) and the `jose` command (on jansson and OpenSSL).

Ours are read by them, theirs by us, and what was tampered with is refused by both.
"""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest

jwt = pytest.importorskip("jwt")
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CARDEA_BUILD", ROOT / "build"))
TOOL = BUILD / "tests" / "interop" / "jose" / "jwt_tool"
JOSE = shutil.which("jose")
ALGS = ["ES256", "RS256", "EdDSA"]
JOSE_ALGS = ["ES256", "RS256"]  # `jose alg` has no EdDSA
ISS, AUD = "http://localhost:5001", "http://localhost:5002"
needs_jose = pytest.mark.skipif(not JOSE, reason="the jose command is not installed")

pytestmark = pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built")


def run(*args, stdin="", ok=True):
    done = subprocess.run([str(a) for a in args], input=stdin, capture_output=True, text=True, timeout=60)
    if ok:
        assert done.returncode == 0, done.stderr
    return done


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def claims(**changes):
    now = int(time.time())
    base = {"iss": ISS, "sub": "Jürgen \"J\" \\ O'Neil", "aud": AUD, "exp": now + 300, "iat": now, "jti": "id-1",
            "client_id": "1234", "scope": "current_time epoch_time"}
    return {**base, **changes}


def verify(tmp_path, keys, token, now=None, typ="at+jwt"):
    path = tmp_path / "set.json"
    path.write_text(json.dumps({"keys": keys}))
    return run(TOOL, "verify", path, typ, ISS, AUD, now or int(time.time()), stdin=token, ok=False)


def tampered(token):
    """The token with one thing changed each: payload, signature, header."""
    header, payload, signature = token.split(".")
    other = json.loads(base64.urlsafe_b64decode(payload + "=="))
    other["sub"] = "admin"
    flip = "B" if signature[10] != "B" else "C"
    none = b64(json.dumps({"typ": "at+jwt", "alg": "none"}).encode())
    return {
        "payload": ".".join([header, b64(json.dumps(other).encode()), signature]),
        "signature": ".".join([header, payload, signature[:10] + flip + signature[11:]]),
        "no signature": ".".join([header, payload, ""]),
        "alg none": ".".join([none, payload, ""]),
    }


class Ours:
    """A key of ours, its set as a file, and a token that it signed."""

    def __init__(self, folder, alg):
        self.pem = folder / f"{alg}.pem"
        self.pem.write_text(run(TOOL, "generate", alg).stdout)
        self.set = folder / f"{alg}.jwks"
        self.set.write_text(run(TOOL, "jwks", self.pem).stdout)
        self.jwk = json.loads(self.set.read_text())["keys"][0]
        self.claims = claims()
        self.token = run(TOOL, "sign", self.pem, "at+jwt", stdin=json.dumps(self.claims)).stdout.strip()


@pytest.fixture(scope="module", params=ALGS)
def ours(request, tmp_path_factory):
    return request.param, Ours(tmp_path_factory.mktemp("ours"), request.param)


def pyjwt_key(jwk):
    return jwt.PyJWK(jwk).key


class TestOursReadByPyJWT:
    def test_the_token_is_accepted_and_says_the_same(self, ours):
        alg, mine = ours
        assert jwt.get_unverified_header(mine.token) == {"typ": "at+jwt", "alg": alg, "kid": mine.jwk["kid"]}
        read = jwt.decode(mine.token, pyjwt_key(mine.jwk), algorithms=[alg], audience=AUD, issuer=ISS)
        assert read == mine.claims

    @pytest.mark.parametrize("what", ["payload", "signature", "no signature", "alg none"])
    def test_a_tampered_token_is_refused_by_both(self, ours, what, tmp_path):
        alg, mine = ours
        token = tampered(mine.token)[what]
        with pytest.raises(jwt.InvalidTokenError):
            jwt.decode(token, pyjwt_key(mine.jwk), algorithms=[alg], audience=AUD, issuer=ISS)
        assert verify(tmp_path, [mine.jwk], token).returncode == 1

    def test_our_pem_is_a_key_for_cryptography(self, ours):
        alg, mine = ours
        key = serialization.load_pem_private_key(mine.pem.read_bytes(), None)
        token = jwt.encode(mine.claims, key, algorithm=alg)
        assert jwt.decode(token, pyjwt_key(mine.jwk), algorithms=[alg], audience=AUD) == mine.claims


def foreign_key(alg):
    """A key of cryptography's, and its public part as a JWK."""
    if alg == "ES256":
        key = ec.generate_private_key(ec.SECP256R1())
        at = key.public_key().public_numbers()
        return key, {"kty": "EC", "crv": "P-256", "x": number(at.x, 32), "y": number(at.y, 32)}
    if alg == "RS256":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        at = key.public_key().public_numbers()
        return key, {"kty": "RSA", "n": number(at.n), "e": number(at.e)}
    key = ed25519.Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return key, {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}


@pytest.fixture(scope="module", params=ALGS)
def theirs(request):
    key, jwk = foreign_key(request.param)
    return request.param, key, {**jwk, "kid": "theirs", "use": "sig"}


class TestPyJWTsReadByUs:
    def test_the_token_is_accepted_and_says_the_same(self, theirs, tmp_path):
        alg, key, jwk = theirs
        want = claims()
        token = jwt.encode(want, key, algorithm=alg, headers={"typ": "at+jwt", "kid": "theirs"})
        done = verify(tmp_path, [jwk], token)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == want

    def test_many_tokens_are_accepted_so_that_short_numbers_occur(self, theirs, tmp_path):
        alg, key, jwk = theirs
        for i in range(30):
            token = jwt.encode(claims(jti=str(i)), key, algorithm=alg, headers={"typ": "at+jwt", "kid": "theirs"})
            done = verify(tmp_path, [jwk], token)
            assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize("what", ["payload", "signature", "no signature", "alg none"])
    def test_a_tampered_token_is_refused_by_both(self, theirs, what, tmp_path):
        alg, key, jwk = theirs
        token = tampered(jwt.encode(claims(), key, algorithm=alg, headers={"typ": "at+jwt", "kid": "theirs"}))[what]
        assert verify(tmp_path, [jwk], token).returncode == 1
        with pytest.raises(jwt.InvalidTokenError):
            jwt.decode(token, key.public_key(), algorithms=[alg], audience=AUD)

    @pytest.mark.parametrize("change, reason", [
        ({"exp": 1000}, "the token is expired"),
        ({"nbf": 9999999999}, "the token is not yet valid"),
        ({"iss": "http://evil"}, "the token is from another issuer"),
        ({"aud": "http://evil"}, "the token is for another audience"),
        ({"aud": [AUD, "http://evil"]}, "aud does not name exactly one audience"),
        ({"client_id": 7}, "client_id is not a string"),
    ])
    def test_a_token_with_one_wrong_claim_is_refused_for_it(self, theirs, change, reason, tmp_path):
        alg, key, jwk = theirs
        token = jwt.encode(claims(**change), key, algorithm=alg, headers={"typ": "at+jwt", "kid": "theirs"})
        done = verify(tmp_path, [jwk], token)
        assert (done.returncode, done.stderr) == (1, f"invalid_token: {reason}\n")

    def test_an_id_token_is_no_access_token(self, theirs, tmp_path):
        alg, key, jwk = theirs
        token = jwt.encode(claims(), key, algorithm=alg, headers={"kid": "theirs"})
        done = verify(tmp_path, [jwk], token)
        assert (done.returncode, done.stderr) == (1, "invalid_token: the token has another typ\n")

    def test_a_public_key_used_as_an_hmac_secret_is_refused(self, theirs, tmp_path):
        _, key, jwk = theirs
        secret = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        token = jwt.encode(claims(), secret, algorithm="HS256", headers={"typ": "at+jwt", "kid": "theirs"})
        done = verify(tmp_path, [jwk], token)
        assert (done.returncode, done.stderr) == (1, "invalid_token: alg is not ES256, RS256 or EdDSA\n")


@needs_jose
class TestOursReadByJose:
    @pytest.fixture(scope="class", params=JOSE_ALGS)
    def mine(self, request, tmp_path_factory):
        return Ours(tmp_path_factory.mktemp("ours"), request.param)

    def read(self, mine, token):
        return run(JOSE, "jws", "ver", "-i", "-", "-k", mine.set, "-O", "-", stdin=token, ok=False)

    def test_the_token_is_accepted_and_says_the_same(self, mine):
        done = self.read(mine, mine.token)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == mine.claims

    @pytest.mark.parametrize("what", ["payload", "signature", "no signature", "alg none"])
    def test_a_tampered_token_is_refused_by_both(self, mine, what, tmp_path):
        token = tampered(mine.token)[what]
        assert self.read(mine, token).returncode != 0
        assert verify(tmp_path, [mine.jwk], token).returncode == 1

    def test_the_thumbprint_is_the_same(self, mine, tmp_path):
        path = tmp_path / "key.jwk"
        path.write_text(json.dumps(mine.jwk))
        assert run(JOSE, "jwk", "thp", "-i", path, "-a", "S256").stdout.strip() == mine.jwk["kid"]


@needs_jose
class TestJosesReadByUs:
    @pytest.fixture(params=JOSE_ALGS)
    def signed(self, request, tmp_path):
        private = tmp_path / "private.jwk"
        run(JOSE, "jwk", "gen", "-i", json.dumps({"alg": request.param}), "-o", private)
        public = json.loads(run(JOSE, "jwk", "pub", "-i", private, "-o", "-").stdout)
        header = json.dumps({"protected": {"typ": "at+jwt", "alg": request.param, "kid": "theirs"}})
        want = claims()
        token = run(JOSE, "jws", "sig", "-I", "-", "-k", private, "-s", header, "-c", stdin=json.dumps(want)).stdout.strip()
        return {**public, "kid": "theirs"}, token, want, private

    def test_the_token_is_accepted_and_says_the_same(self, signed, tmp_path):
        jwk, token, want, _ = signed
        done = verify(tmp_path, [jwk], token)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == want

    @pytest.mark.parametrize("what", ["payload", "signature", "no signature", "alg none"])
    def test_a_tampered_token_is_refused(self, signed, what, tmp_path):
        jwk, token, _, _ = signed
        assert verify(tmp_path, [jwk], tampered(token)[what]).returncode == 1

    def test_its_private_jwk_is_read_and_has_the_same_thumbprint(self, signed, tmp_path):
        _, _, _, private = signed
        want = run(JOSE, "jwk", "thp", "-i", private, "-a", "S256").stdout.strip()
        assert run(TOOL, "thumbprint", private).stdout.strip() == want
