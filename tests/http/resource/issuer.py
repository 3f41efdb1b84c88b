"""An issuer that is not ours: its keys, their publication, and tokens of every kind."""
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "oauth"))

import forge  # noqa: E402
from services import http_answer, wait_until  # noqa: E402

ISSUER = "https://auth.example"
AUDIENCE = "https://api.example"


class Key:
    """A private key, and its public part as a JWK."""

    def __init__(self, alg, kid):
        self.alg, self.kid, self.key = alg, kid, forge.new_key(alg)
        self.jwk = {**public_jwk(alg, self.key), "kid": kid, "use": "sig", "alg": alg}

    def token(self, payload=None, header=None, **changes):
        head = {"typ": "at+jwt", "alg": self.alg, "kid": self.kid, **(header or {})}
        return forge.seal({k: v for k, v in head.items() if v is not None}, payload or claims(**changes), self.alg, self.key)


def number(value, size=None):
    return forge.b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def public_jwk(alg, key):
    public = key.public_key()
    if alg == "ES256":
        at = public.public_numbers()
        return {"kty": "EC", "crv": "P-256", "x": number(at.x, 32), "y": number(at.y, 32)}
    if alg == "RS256":
        at = public.public_numbers()
        return {"kty": "RSA", "n": number(at.n), "e": number(at.e)}
    raw = public.public_bytes(forge.serialization.Encoding.Raw, forge.serialization.PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": forge.b64(raw)}


def claims(**changes):
    """Those of a Basic token: RFC 9068's, and what the user may do. A change to None leaves the claim out."""
    base = forge.claims(ISSUER, aud=AUDIENCE, sub="ana", client_id="grant", scope=None, role="editor", projects=["a", "b"])
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


def jwks(*keys):
    return {"keys": [key.jwk for key in keys]}


class KeyServer:
    """What the fake issuer answers to who fetches its keys; `answer` may be changed at any time."""

    def __init__(self, peer, *keys):
        self.publish(*keys)
        self.peer = peer(lambda request: self.answer)
        self.url = self.peer.url + "/jwks.json"

    def publish(self, *keys):
        self.answer = http_answer(200, jwks(*keys))

    @property
    def count(self):
        return len(self.peer.requests)


class Resource:
    def __init__(self, service, keys):
        self.service, self.keys = service, keys

    def get(self, token, path="/", **more):
        return self.service.call(path, headers=[("Authorization", f"Bearer {token}")], **more)

    def status(self, token):
        return self.get(token).status

    def wait_for(self, token, status):
        """The keys are fetched again after a while; what was in the meantime is not asked."""
        wait_until(lambda: self.status(token) == status, f"status {status}")
