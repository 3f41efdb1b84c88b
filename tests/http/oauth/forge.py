"""Access tokens made by hand, with the key of the server or another, so that one thing at a time is wrong."""
import base64
import hashlib
import hmac
import json
import time
import uuid

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def new_key(alg):
    if alg == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if alg == "RS256":
        return rsa.generate_private_key(65537, 2048)
    return ed25519.Ed25519PrivateKey.generate()


def private_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)


def b64(data):
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    assert "=" not in text, "base64url in a JWS has no padding (RFC 7515 section 2)"
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def signature(alg, key, data):
    if alg == "ES256":
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    if alg == "RS256":
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    if alg == "EdDSA":
        return key.sign(data)
    if alg == "HS256":
        return hmac.new(key, data, hashlib.sha256).digest()
    return b""


def seal(header, payload, alg, key):
    """A compact JWS of these two JSON texts (or objects), signed as `alg` whatever the header says."""
    texts = [part if isinstance(part, str) else json.dumps(part) for part in (header, payload)]
    signed = ".".join(b64(text) for text in texts)
    return f"{signed}.{b64(signature(alg, key, signed.encode()))}"


def read(token):
    header, payload, sign = token.split(".")
    return json.loads(unb64(header)), json.loads(unb64(payload)), unb64(sign)


def claims(issuer, **changes):
    """What the server itself would put into a token of client 1234. A change to None leaves the claim out."""
    now = int(time.time())
    ret = {"iss": issuer, "sub": "1234", "aud": "http://localhost:5002", "exp": now + 300, "iat": now,
           "jti": uuid.uuid4().hex, "client_id": "1234", "scope": "current_time"}
    ret.update(changes)
    return {name: value for name, value in ret.items() if value is not None}


def flipped(token, part):
    """The token with one bit of the middle byte of its part 0, 1 or 2 changed."""
    parts = token.split(".")
    data = bytearray(unb64(parts[part]))
    data[len(data) // 2] ^= 1
    parts[part] = b64(bytes(data))
    return ".".join(parts)


def mirrored(token):
    """The other ECDSA signature (r, n - s) of the same token: as valid as the first."""
    head, payload, sign = token.split(".")
    data = unb64(sign)
    s = P256_ORDER - int.from_bytes(data[32:], "big")
    return f"{head}.{payload}.{b64(data[:32] + s.to_bytes(32, 'big'))}"
