"""tools/check-layers must see a wrong include; a check that cannot fail holds nothing."""
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A file, what stands in it, and what is said of it.
PLANTS = [
    ("src/base/planted.c", '#include "core/client.h"', "base may not use core (it may use nothing but libc)"),
    ("src/conf/planted.c", '#include "core/client.h"', "conf may not use core (it may use base)"),
    ("src/core/planted.c", '#include "http/http.h"', "core may not use http (it may use base, crypto)"),
    ("src/core/oauth/planted.c", '#  include  "web/web.h"', "core may not use web"),
    ("src/net/planted.c", '#include "crypto/jws.h"', "net may not use crypto (it may use base)"),
    ("src/net/planted.c", '#include "http/http.h"', "net may not use http (it may use base)"),
    ("src/fetch/planted.c", '#include "http/http.h"', "fetch may not use http (it may use base)"),
    ("src/store/sqlite/planted.c", '#include "http/http.h"', "store may not use http"),
    ("src/web/planted.c", '#include "store/sqlite/memory.h"', "web may not use store"),
    ("src/portal/planted.c", '#include "web/web.h"', "portal may not use web (it may use base, core, crypto, gate, http, relay, signin)"),
    ("src/web/planted.c", '#include "portal/pages.h"', "web may not use portal"),
    ("src/app/planted.h", '#include "cmd/main.h"', "app may not use cmd"),
    ("src/service/planted.c", '#include "web/web.h"', "service may not use web (it may use base, conf, http, net)"),
    ("src/service/planted.c", '#include "core/client.h"', "service may not use core"),
    ("examples/time-api/planted.c", '#include "app/config.h"', "examples may not use app"),
    ("examples/time-api/planted.c", '#include "core/client.h"', "examples may not use core"),
    ("src/libcardea/planted.c", '#include "core/client.h"', "libcardea may not use core (it may use base, crypto, fetch)"),
    ("examples/resource/planted.c", '#include "libcardea/verifier.h"', "examples may not use libcardea"),
    ("src/libcardea/planted.c", "#include <curl/curl.h>", "only fetch may use <curl/curl.h>"),
    ("src/core/planted.c", "#include <cardea.h>", "only examples may use <cardea.h>"),
    ("tests/unit/core/planted.c", '#include "net/listen.h"', "core may not use net"),
    ("src/core/planted.c", "#include <openssl/evp.h>", "only crypto may use <openssl/evp.h>"),
    ("src/net/planted.c", "#include <openssl/evp.h>", "only crypto may use <openssl/evp.h>"),
    ("src/web/planted.c", "#include <sodium.h>", "only crypto may use <sodium.h>"),
    ("src/app/planted.c", "#include <uv.h>", "only net may use <uv.h>"),
    ("src/web/planted.c", "#include <llhttp.h>", "only http and upstream may use <llhttp.h>"),
    ("src/core/planted.c", "#include <curl/curl.h>", "only fetch may use <curl/curl.h>"),
    ("src/web/planted.c", "#include <qrencode.h>", "only portal may use <qrencode.h>"),
    ("src/cmd/planted.c", "#include <yaml.h>", "only conf may use <yaml.h>"),
    ("src/app/planted.c", "#include <cap-ng.h>", "only service may use <cap-ng.h>"),
    ("src/app/planted.c", "#include <sqlite3.h>", "only store may use <sqlite3.h>"),
    ("src/core/planted.c", "#include <libpq-fe.h>", "only store may use <libpq-fe.h>"),
    ("src/core/planted.c", "#include <cmocka.h>", "only tests may use <cmocka.h>"),
    ("src/base/planted.c", "#include <jansson.h>", "of no library that tools/check-layers knows"),
    ("src/core/planted.c", '#include "../net/http.h"', "not by a relative path"),
    ("src/core/planted.c", '#include "core/client.c"', "a source file is not included"),
    ("src/extra/planted.c", "#include <stdio.h>", "src/extra is no layer"),
    ("src/core/planted.h", '#include "base/str.h"\n#include "base/buf.h"', "an umbrella header"),
]
PATHS = [path.replace("planted", f"planted{number}") for number, (path, _, _) in enumerate(PLANTS)]


def check(tree):
    done = subprocess.run([ROOT / "tools/check-layers", tree], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout


def plant(tree, path, line):
    file = tree / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("/* planted */\n" + line + ("\n" if "\n" in line else "\nint planted;\n"))


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """What is said of a copy of the tree with all the faults in it."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in ("src", "examples", "tests/unit"):
        shutil.copytree(ROOT / folder, tree / folder)
    for path, (_, line, _) in zip(PATHS, PLANTS):
        plant(tree, path, line)
    status, output = check(tree)
    assert status == 1
    return [line for line in output.splitlines() if line.startswith(("src/", "examples/", "tests/"))]


def test_the_tree_as_it_is_passes():
    status, output = check(ROOT)
    assert status == 0 and " 0 wrong includes" in output


@pytest.mark.parametrize("path, rule", [(path, rule) for path, (_, _, rule) in zip(PATHS, PLANTS)], ids=PATHS)
def test_a_wrong_include_is_named_with_its_line_and_rule(planted, path, rule):
    number = 1 if rule in ("an umbrella header", "src/extra is no layer") else 2  # the whole file, or the include
    (line,) = [line for line in planted if line.startswith(path + ":")]
    assert line.startswith(f"{path}:{number}: ") and rule in line


def test_nothing_else_is_named(planted):
    assert {line.split(":")[0] for line in planted} == set(PATHS)


def test_an_empty_tree_is_no_success(tmp_path):
    assert check(tmp_path)[0] == 1


# --- wire protocols -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path, header, wrong", [
    ("src/http/planted.c", "http/h1/request.h", "only src/http/accept.c and src/http/h1/ may use http/h1"),
    ("src/http/h1/planted.c", "http/h2/frame.h", "only src/http/accept.c and src/http/h2/ may use http/h2"),
    ("src/web/planted.c", "http/h1/request.h", "only src/http/accept.c and src/http/h1/ may use http/h1"),
    ("src/http/accept.c", "http/h2/frame.h", None),
    ("src/http/h1/planted.c", "http/h1/request.h", None),
    ("tests/unit/http/planted.c", "http/h1/request.h", None),
])
def test_a_wire_protocol_is_seen_by_its_own_folder_and_by_what_chooses_it(tmp_path, path, header, wrong):
    plant(tmp_path, path, f'#include "{header}"')
    status, output = check(tmp_path)
    assert status == (1 if wrong else 0), output
    assert (f"{path}:2: {wrong}" in output.splitlines()) == bool(wrong)


# --- circles of objects ---------------------------------------------------------------------------------------------

def compile_into(tree, library, sources):
    """Writes the sources and compiles them into a build tree as Meson lays one out."""
    place = tree / "build" / library
    folder = place.parent.relative_to(tree / "build")
    place.mkdir(parents=True, exist_ok=True)
    for path, text in sources.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
        name = path.removeprefix("" if str(folder) == "." else f"{folder}/").replace("/", "_") + ".o"
        subprocess.run(["gcc", "-c", tree / path, "-o", place / name], check=True, timeout=30)


LEFT = "void right_a(void); int left_data; void left(void); void left(void) { right_a(); }"
RIGHT = "extern int left_data; void right_a(void) { left_data = 1; }"
ALONE = "void right_a(void); void alone(void) { right_a(); }"


@pytest.mark.parametrize("library, left, right, where", [
    ("src/base/libcardea-base.a.p", "src/base/left.c", "src/base/right.c", "src/base: a circle of left.c, right.c"),
    ("src/core/libcardea-core.a.p", "src/core/left.c", "src/core/oauth/right.c",
     "src/core: a circle of left.c, oauth/right.c"),
    ("src/http/libcardea-http.a.p", "src/http/h1/left.c", "src/http/h1/right.c",
     "src/http/h1: a circle of left.c, right.c"),
    ("cardea.p", "src/cmd/left.c", "src/cmd/right.c", "src/cmd: a circle of left.c, right.c"),
])
def test_a_circle_of_objects_is_named_with_the_symbols_that_close_it(tmp_path, library, left, right, where):
    alone = left.replace("left.c", "alone.c")
    compile_into(tmp_path, library, {left: LEFT, right: RIGHT, alone: ALONE})
    status, output = check(tmp_path)
    assert status == 1
    short = where.split()[-1]
    lines = output.splitlines()
    assert where in lines
    assert f"  left.c needs right_a of {short}" in lines
    assert f"  {short} needs left_data of left.c" in lines
    assert "alone.c" not in output


def test_files_that_need_each_other_one_way_are_no_circle(tmp_path):
    compile_into(tmp_path, "src/base/libcardea-base.a.p",
                 {"src/base/left.c": LEFT, "src/base/right.c": "void right_a(void) {}"})
    status, output = check(tmp_path)
    assert status == 0, output
    assert "0 circles" in output


def test_folders_that_need_each_other_are_left_to_the_rule_of_includes(tmp_path):
    compile_into(tmp_path, "src/http/libcardea-http.a.p", {"src/http/accept.c": LEFT, "src/http/h1/right.c": RIGHT})
    assert "a circle" not in check(tmp_path)[1]


def test_an_object_whose_source_is_gone_does_not_count(tmp_path):
    compile_into(tmp_path, "src/base/libcardea-base.a.p", {"src/base/left.c": LEFT, "src/base/right.c": RIGHT})
    (tmp_path / "src/base/right.c").unlink()
    assert check(tmp_path)[0] == 0


def test_without_a_build_it_says_that_circles_were_skipped(tmp_path):
    plant(tmp_path, "src/base/planted.c", "#include <stdio.h>")
    status, output = check(tmp_path)
    assert status == 0
    assert f"circles not checked: there is no {tmp_path}/build (./dev build makes it)" in output


def test_a_build_that_is_named_must_have_every_object(tmp_path):
    compile_into(tmp_path, "src/base/libcardea-base.a.p", {"src/base/left.c": LEFT})
    plant(tmp_path, "src/base/planted.c", "#include <stdio.h>")
    done = subprocess.run([ROOT / "tools/check-layers", tmp_path, tmp_path / "build"], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 1
    assert f"src/base/planted.c: has no object in {tmp_path}/build, like 0 others; build it first" in done.stdout
    done = subprocess.run([ROOT / "tools/check-layers", tmp_path, tmp_path / "none"], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 1
