"""tools/check-layers must see a wrong include; a check that cannot fail holds nothing."""
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path):
    for folder in ("src", "examples", "tests/unit"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def check(tree):
    done = subprocess.run([ROOT / "tools/check-layers", tree], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout


def plant(tree, path, line):
    file = tree / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("/* planted */\n" + line + "\nint planted;\n")


def test_the_tree_as_it_is_passes(tree):
    assert check(tree)[0] == 0


@pytest.mark.parametrize("path, line, rule", [
    ("src/base/planted.c", '#include "core/client.h"', "base may not use core (it may use nothing but libc)"),
    ("src/core/planted.c", '#include "http/http.h"', "core may not use http (it may use base, crypto)"),
    ("src/core/oauth/planted.c", '#  include  "web/web.h"', "core may not use web"),
    ("src/net/planted.c", '#include "crypto/jws.h"', "net may not use crypto (it may use base)"),
    ("src/net/planted.c", '#include "http/http.h"', "net may not use http (it may use base)"),
    ("src/fetch/planted.c", '#include "http/http.h"', "fetch may not use http (it may use base)"),
    ("src/store/memory/planted.c", '#include "http/http.h"', "store may not use http"),
    ("src/web/planted.c", '#include "store/memory/memory.h"', "web may not use store"),
    ("src/app/planted.h", '#include "cmd/main.h"', "app may not use cmd"),
    ("examples/time-api/planted.c", '#include "core/client.h"', "examples may not use core"),
    ("src/libcardea/planted.c", '#include "core/client.h"', "libcardea may not use core (it may use base, crypto, fetch)"),
    ("examples/resource/planted.c", '#include "libcardea/verifier.h"', "examples may not use libcardea"),
    ("src/libcardea/planted.c", "#include <curl/curl.h>", "only fetch may use <curl/curl.h>"),
    ("src/core/planted.c", "#include <cardea.h>", "only examples may use <cardea.h>"),
    ("tests/unit/core/planted.c", '#include "net/address.h"', "core may not use net"),
    ("src/core/planted.c", "#include <openssl/evp.h>", "only crypto may use <openssl/evp.h>"),
    ("src/net/planted.c", "#include <openssl/evp.h>", "only crypto may use <openssl/evp.h>"),
    ("src/web/planted.c", "#include <sodium.h>", "only crypto may use <sodium.h>"),
    ("src/app/planted.c", "#include <uv.h>", "only http and net may use <uv.h>"),
    ("src/web/planted.c", "#include <llhttp.h>", "only http may use <llhttp.h>"),
    ("src/core/planted.c", "#include <curl/curl.h>", "only fetch may use <curl/curl.h>"),
    ("src/cmd/planted.c", "#include <yaml.h>", "only app may use <yaml.h>"),
    ("src/app/planted.c", "#include <sqlite3.h>", "only store may use <sqlite3.h>"),
    ("src/core/planted.c", "#include <libpq-fe.h>", "only store may use <libpq-fe.h>"),
    ("src/core/planted.c", "#include <cmocka.h>", "only tests may use <cmocka.h>"),
    ("src/base/planted.c", "#include <jansson.h>", "of no library that tools/check-layers knows"),
    ("src/core/planted.c", '#include "../net/http.h"', "not by a relative path"),
    ("src/core/planted.c", '#include "core/client.c"', "a source file is not included"),
    ("src/extra/planted.c", "#include <stdio.h>", "src/extra is no layer"),
])
def test_a_wrong_include_is_named_with_its_line_and_rule(tree, path, line, rule):
    plant(tree, path, line)
    status, output = check(tree)
    assert status == 1
    assert [found for found in output.splitlines() if found.startswith(path + ":") and rule in found], output


def test_an_umbrella_header_is_refused(tree):
    (tree / "src/core/all.h").write_text('#pragma once\n/* all */\n#include "base/str.h"\n#include "base/buf.h"\n')
    status, output = check(tree)
    assert status == 1
    assert "src/core/all.h:1: an umbrella header" in output


def test_an_empty_tree_is_no_success(tmp_path):
    assert check(tmp_path)[0] == 1
