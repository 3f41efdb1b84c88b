"""libcardea as another program gets it: installed, found by pkg-config, compiled against and run."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CARDEA_BUILD", ROOT / "build")).resolve()
HEADER = ROOT / "include/cardea.h"
EXAMPLE = ROOT / "examples/verify/verify.c"
sys.path[:0] = [str(ROOT / "tests/http"), str(ROOT / "tests/http/resource")]

from issuer import AUDIENCE, ISSUER, Key, KeyServer, claims, jwks  # noqa: E402
from services import Peer  # noqa: E402

pytestmark = pytest.mark.skipif(not (BUILD / "src/libcardea/libcardea.so.0").exists(), reason="libcardea is not built")
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]


def run(*argv, **more):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=120, **more)


def good(*argv, **more):
    done = run(*argv, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Installed:
    def __init__(self, root):
        self.root = root
        good("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", root)
        self.shared = next(root.rglob("libcardea.so.0"))
        self.folder = self.shared.parent
        self.environment = {**os.environ, "PKG_CONFIG_PATH": str(self.folder / "pkgconfig"),
                            "PKG_CONFIG_SYSROOT_DIR": str(root), "LD_LIBRARY_PATH": str(self.folder)}

    def pkg_config(self, *arguments):
        return good("pkg-config", *arguments, "cardea", env=self.environment).split()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def verify(installed, tmp_path_factory):
    """The example, compiled as its first line says."""
    program = tmp_path_factory.mktemp("verify") / "verify"
    good("cc", *STRICT, EXAMPLE, "-o", program, *installed.pkg_config("--cflags", "--libs"))

    def run_it(keys, token):
        return run(program, keys, ISSUER, AUDIENCE, input=token + "\n", env=installed.environment)

    return run_it


@pytest.fixture(scope="module")
def key():
    return Key("ES256", "key-1")


@pytest.fixture
def keys(key, tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(jwks(key)))
    return path


def declared():
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    return set(re.findall(r"\b(cardea_\w+)\(", text))


def test_only_what_the_header_declares_is_exported(installed):
    defined = good("nm", "-D", "--defined-only", "--format=posix", installed.shared)
    names = {line.split()[0].split("@")[0] for line in defined.splitlines()}
    assert len(declared()) > 10
    assert names - {"CARDEA_0"} == declared()


def test_the_shared_library_has_its_name_and_no_more_needs_than_it_says(installed):
    dynamic = good("readelf", "-d", installed.shared)
    assert "Library soname: [libcardea.so.0]" in dynamic
    needed = set(re.findall(r"Shared library: \[(\w+)\.so", dynamic))
    assert needed <= {"libcrypto", "libcurl", "libc", "libasan", "libubsan", "libtsan"}, needed


def test_no_event_loop_comes_along(installed):
    assert "libuv" not in good("ldd", installed.shared)
    symbols = good("nm", "--format=posix", installed.folder / "libcardea.a").split()
    assert "cd_fetch_call" in symbols
    assert [name for name in symbols if name.startswith(("uv_", "cd_http_", "llhttp_"))] == []


def test_the_example_has_thirty_lines():
    assert len(EXAMPLE.read_text().splitlines()) <= 35


def test_the_example_accepts_a_good_token_and_prints_its_claims(verify, keys, key):
    want = claims()
    done = verify(keys, key.token(want))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == want


def test_the_example_refuses_a_bad_token_and_says_why(verify, keys, key):
    done = verify(keys, key.token(aud="https://other.example"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "invalid_token: the token is for another audience\n"


def test_the_example_fetches_the_keys(verify, key):
    peers = []

    def peer(answer):
        peers.append(Peer(answer))
        return peers[-1]

    server = KeyServer(peer, key)
    try:
        assert verify(server.url, key.token()).returncode == 0
        assert server.count == 1
        server.answer = None
        assert verify(server.url.replace("jwks.json", "slow"), key.token()).returncode == 1
    finally:
        peers[0].close()
    done = verify(server.url, key.token())
    assert done.returncode == 1
    assert done.stderr == "unavailable: no keys: connection refused\n"


def test_the_example_says_what_is_wrong_with_an_option(verify, key):
    done = verify("http://auth.example/jwks.json", key.token())
    assert done.returncode == 2
    assert done.stderr.startswith("jwks is an http:// URL of another host")


def test_the_static_library_needs_nothing_of_ours_beside_it(installed, tmp_path, keys, key):
    if BUILD.name in ("build-asan", "build-tsan"):
        pytest.skip("a sanitizer's objects need its runtime")
    program = tmp_path / "verify"
    good("cc", EXAMPLE, installed.folder / "libcardea.a", "-o", program, *installed.pkg_config("--cflags"), "-lcurl", "-lcrypto",
         "-pthread")
    assert "libcardea" not in good("ldd", program)
    assert run(program, keys, ISSUER, AUDIENCE, input=key.token()).returncode == 0


@pytest.mark.parametrize("language", [["cc", "-x", "c", "-std=c99"], ["g++", "-x", "c++", "-std=c++98", "-Wno-long-long"],
                                      ["g++", "-x", "c++", "-std=c++17"]])
def test_the_header_is_c99_and_cxx(language, tmp_path):
    if not shutil.which(language[0]):
        pytest.skip(f"{language[0]} is not installed")
    source = tmp_path / "user.c"
    source.write_text('#include <cardea.h>\nint main(void) { cardea_options o = CARDEA_OPTIONS_INIT; '
                      'return o.size == 0 || cardea_version() == 0; }\n')
    good(*language, *STRICT, "-Wno-missing-field-initializers", "-I", HEADER.parent, "-c", source, "-o", tmp_path / "user.o")


def test_the_manual_names_every_function_and_code():
    manual = (ROOT / "packaging/man/libcardea.3").read_text()
    codes = set(re.findall(r"^\s+(CARDEA_[A-Z_]+)\b", HEADER.read_text(), re.M))
    assert {"CARDEA_OK", "CARDEA_EAGER"} <= codes
    for name in declared() | codes:
        assert name in manual, name
    for option in re.findall(r"^\s+(?:const char \*|int64_t |unsigned )(\w+);", HEADER.read_text(), re.M):
        assert option in manual, option
