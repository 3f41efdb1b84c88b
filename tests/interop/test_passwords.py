"""Stored passwords against the programs that users have them from, each asked anew: python3-argon2, python3-bcrypt, htpasswd,
openssl passwd, mkpasswd, Python's crypt and hashlib. Theirs are checked by us, ours by argon2; sealed secrets by libsodium itself.
"""
import base64
import ctypes
import hashlib
import os
import pathlib
import secrets
import shutil
import subprocess
import warnings

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CARDEA_BUILD", ROOT / "build"))
TOOL = BUILD / "tests" / "interop" / "passwords" / "password_tool"
PASSWORDS = ["x", "correct horse battery staple", "Grüße, 世界 🐎", "a:b$c\\d'e\"f", "p" * 72, "0123456789" * 20]

pytestmark = pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built")


def run(*args, stdin=""):
    return subprocess.run([str(a) for a in args], input=stdin.encode(), capture_output=True, timeout=60, check=False)


def tool(*args, stdin=""):
    done = run(TOOL, *args, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().rstrip("\n")


def assert_only_right(stored, password):
    assert tool("verify", stored, stdin=password) == "right"
    for wrong in ("", "y" + password, password[:-1]):
        assert tool("verify", stored, stdin=wrong) == "wrong"


@pytest.fixture(name="password", params=PASSWORDS, ids=range(len(PASSWORDS)))
def password_fixture(request):
    return request.param


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize("size", [16, 32, 64])
def test_what_argon2_makes_is_right_here(password, lanes, size):
    argon2 = pytest.importorskip("argon2")
    hasher = argon2.PasswordHasher(time_cost=2, memory_cost=64, parallelism=lanes, hash_len=size, salt_len=16)
    assert_only_right(hasher.hash(password), password)


def test_the_defaults_of_argon2_are_accepted(password):
    argon2 = pytest.importorskip("argon2")
    assert tool("verify", argon2.PasswordHasher().hash(password), stdin=password) == "right"


def test_what_is_made_here_is_right_in_argon2(password):
    argon2 = pytest.importorskip("argon2")
    stored = tool("hash", 19 * 1024, 2, stdin=password)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert argon2.PasswordHasher().verify(stored, password)
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        argon2.PasswordHasher().verify(stored, password + "x")


def test_argon2i_is_refused_with_its_reason():
    low_level = pytest.importorskip("argon2.low_level")
    stored = low_level.hash_secret(b"x", b"0123456789abcdef", 1, 64, 1, 32, low_level.Type.I).decode()
    done = run(TOOL, "verify", stored, stdin="x")
    assert (done.returncode, done.stderr) == (1, b"malformed: of Argon2, only Argon2id is supported\n")


def test_what_bcrypt_makes_is_right_here(password):
    bcrypt = pytest.importorskip("bcrypt")
    for prefix in (b"2a", b"2b"):
        stored = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, prefix)).decode()
        assert tool("verify", stored, stdin=password) == "right"
        assert tool("verify", stored, stdin="y" + password) == "wrong"


@pytest.mark.skipif(not shutil.which("htpasswd"), reason="htpasswd is not installed")
def test_what_htpasswd_makes_is_right_here_or_refused_with_its_reason(password):
    stored = run("htpasswd", "-niBC", "5", "u", stdin=password).stdout.decode().strip().split(":", 1)[1]
    assert stored.startswith("$2y$05$")
    assert tool("verify", stored, stdin=password) == "right"
    assert tool("verify", stored, stdin="y" + password) == "wrong"
    for option, reason in (("-nim", "apr1 MD5 of htpasswd"), ("-nis", "{SHA} of htpasswd"), ("-nid", "DES crypt"),
                           ("-nip", "plain-text passwords are not supported")):
        stored = run("htpasswd", option, "u", stdin="secret9").stdout.decode().strip().split(":", 1)[1]
        done = run(TOOL, "verify", stored, stdin="secret9")
        assert done.returncode == 1 and reason in done.stderr.decode()
        assert "secret9" not in done.stderr.decode()


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_what_openssl_passwd_makes_is_right_here(password):
    stored = run("openssl", "passwd", "-6", "-stdin", stdin=password).stdout.decode().strip()
    assert_only_right(stored, password)


@pytest.mark.skipif(not shutil.which("mkpasswd"), reason="mkpasswd is not installed")
@pytest.mark.parametrize("options", [["-m", "sha512crypt", "-R", "1000"], ["-m", "sha512crypt"], ["-m", "yescrypt"],
                                     ["-m", "yescrypt", "-R", "1"], ["-m", "bcrypt", "-R", "4"], ["-m", "bcrypt-a", "-R", "4"]],
                         ids=" ".join)
def test_what_mkpasswd_makes_is_right_here(options):
    for password in PASSWORDS[:4]:
        stored = run("mkpasswd", "-s", *options, stdin=password).stdout.decode().strip()
        assert_only_right(stored, password)


def test_what_pythons_crypt_makes_is_right_here(password):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        crypt = pytest.importorskip("crypt")
    assert_only_right(crypt.crypt(password, crypt.mksalt(crypt.METHOD_SHA512, rounds=1000)), password)


@pytest.mark.parametrize("size", [16, 20, 32, 64])
def test_what_pythons_blake2b_makes_is_right_here(password, size):
    salt = secrets.token_bytes(16)
    digest = hashlib.blake2b(password.encode(), salt=salt, digest_size=size).hexdigest()
    assert_only_right(f"$blake2b${salt.hex()}${digest}", password)


def derived(master, purpose):
    return hashlib.blake2b(purpose, key=master, person=b"cardea master v1", digest_size=32).digest()


def test_sealed_secrets_open_in_libsodium_and_its_own_here():
    try:
        sodium = ctypes.CDLL("libsodium.so.23")
    except OSError:
        pytest.skip("libsodium.so.23 is not installed")
    assert sodium.sodium_init() >= 0
    master, context, secret = secrets.token_bytes(32), b"key:k1", "a secret: ü"
    text, key = base64.b64encode(master).decode(), derived(master, b"seal")
    sealed = tool("seal", text, context.decode(), stdin=secret)
    raw = base64.urlsafe_b64decode(sealed.removeprefix("x1.") + "==")
    plain, size = ctypes.create_string_buffer(len(raw)), ctypes.c_ulonglong()
    length = ctypes.c_ulonglong
    assert sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(plain, ctypes.byref(size), None, raw[24:], length(len(raw) - 24),
                                                             context, length(len(context)), raw[:24], key) == 0
    assert plain.raw[:size.value].decode() == secret

    nonce, box = secrets.token_bytes(24), ctypes.create_string_buffer(len(secret.encode()) + 16)
    assert sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(box, ctypes.byref(size), secret.encode(),
                                                             length(len(secret.encode())), context, length(len(context)), None,
                                                             nonce, key) == 0
    theirs = "x1." + base64.urlsafe_b64encode(nonce + box.raw[:size.value]).decode().rstrip("=")
    assert tool("unseal", text, context.decode(), theirs) == secret
    done = run(TOOL, "unseal", text, "key:k2", theirs)
    assert done.returncode == 1 and b"another master key" in done.stderr
