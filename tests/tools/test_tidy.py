"""tools/tidy reads a file again where anything that clang-tidy sees has changed, and only there. Run with a stand-in for clang-tidy."""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STAND_IN = """#!/bin/sh
[ "$1" != --version ] || { echo version 14; exit; }
for file; do :; done
echo "$file" >>read
! grep -n BAD "$file" || exit 1
"""


@pytest.fixture
def tidy(tmp_path):
    """tidy() runs it on two files: the exit status, what it says, and the files that clang-tidy read."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/clang-tidy-14").write_text(STAND_IN)
    (tmp_path / "bin/clang-tidy-14").chmod(0o755)
    (tmp_path / "build").mkdir()
    (tmp_path / ".clang-tidy").write_text("Checks: all\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/.clang-tidy").write_text("Checks: fewer\n")
    (tmp_path / "a.h").write_text("#define A 1\n")
    (tmp_path / "a.c").write_text('#include "a.h"\nint a;\n')
    (tmp_path / "b.c").write_text("int b;\n")
    (tmp_path / "build/compile_commands.json").write_text(json.dumps([
        {"directory": str(tmp_path / "build"), "file": f"../{name}", "command": f"cc -I.. -MD -MQ {name}.o -MF {name}.d -o {name}.o -c ../{name}"}
        for name in ("a.c", "b.c")]))

    def run():
        done = subprocess.run([ROOT / "tools/tidy", "build", "a.c", "b.c"], cwd=tmp_path, capture_output=True, text=True, timeout=60,
                              env={**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
        read = tmp_path / "read"
        names = sorted(read.read_text().split()) if read.exists() else []
        read.unlink(missing_ok=True)
        return done.returncode, done.stdout, names

    run.folder = tmp_path
    return run


def test_what_passed_and_is_the_same_is_not_read_again(tidy):
    assert tidy() == (0, "", ["a.c", "b.c"])
    assert tidy() == (0, "", [])


@pytest.mark.parametrize("name, text, read", [
    ("a.c", '#include "a.h"\nint a; /* NOLINT */\n', ["a.c"]),
    ("a.h", "#define A 2\n", ["a.c"]),
    (".clang-tidy", "Checks: none\n", ["a.c", "b.c"]),
    ("tests/.clang-tidy", "Checks: none\n", ["a.c", "b.c"]),
])
def test_what_changed_is_read_again(tidy, name, text, read):
    tidy()
    (tidy.folder / name).write_text(text)
    assert tidy() == (0, "", read)


def test_what_failed_is_read_again_until_it_passes(tidy):
    good = (tidy.folder / "b.c").read_text()
    (tidy.folder / "b.c").write_text("int BAD;\n")
    assert tidy() == (1, "1:int BAD;\n", ["a.c", "b.c"])
    assert tidy() == (1, "1:int BAD;\n", ["b.c"])
    (tidy.folder / "b.c").write_text(good)
    assert tidy() == (0, "", ["b.c"])


def test_a_file_that_no_build_knows_is_read_each_time(tidy):
    (tidy.folder / "build/compile_commands.json").write_text("[]")
    assert tidy()[2] == tidy()[2] == ["a.c", "b.c"]


@pytest.mark.parametrize("text, check", [
    ("int f(long a);\nint f(long a)\n{\n        return a;\n}\n", "clang-diagnostic-shorten-64-to-32"),
    ("#include <stdlib.h>\nchar *f(int n);\nchar *f(int n)\n{\n        char *a = malloc(9);\n        return n ? a : NULL;\n}\n",
     "clang-analyzer-unix.Malloc"),
])
def test_clang_itself_finds_a_fault(tmp_path, text, check):
    (tmp_path / "build").mkdir()
    (tmp_path / "tests").mkdir()
    for name in (".clang-tidy", "tests/.clang-tidy"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "a.c").write_text(text)
    (tmp_path / "build/compile_commands.json").write_text(json.dumps([
        {"directory": str(tmp_path / "build"), "file": "../a.c", "command": "clang-14 -Wconversion -Werror -c ../a.c"}]))
    done = subprocess.run([ROOT / "tools/tidy", "build", "a.c"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and check in done.stdout
