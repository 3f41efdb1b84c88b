"""./dev itself: what it says, and that its package list is usable."""
import os
import pathlib
import pty
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CARDEA_BUILD", ROOT / "build")).resolve()


def dev(*arguments, **options):
    return subprocess.run([ROOT / "dev", *arguments], capture_output=True, text=True, timeout=60, **options)


def test_help_has_one_line_for_each_command():
    done = dev("help", cwd="/")
    assert done.returncode == 0
    commands = [line.split()[0] for line in done.stdout.splitlines()[1:]]
    assert set(commands) >= {"demo", "test", "build", "lint", "fmt", "fuzz", "bench", "clean", "setup", "help", "deb", "release"}
    assert len(commands) == len(set(commands))


def test_an_unknown_command_or_suite_is_an_error():
    assert dev("deploy").returncode == 2
    done = dev("test", "nonsense")
    assert (done.returncode, done.stderr) == (2, "no such suite: nonsense\n")


def test_the_package_list_names_each_package_once_in_a_group():
    lines = [line.split("#")[0].split() for line in (ROOT / "tools/packages").read_text().splitlines()]
    lines = [line for line in lines if line]
    for group, package, *extras in lines:
        assert group in {"build", "run", "demo", "test", "bench", "image", "package"}
        assert re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", package)
        assert all(re.fullmatch(r"(unless|service)=\S+", extra) for extra in extras)
    pairs = [(line[0], line[1]) for line in lines]
    assert len(pairs) == len(set(pairs))


def test_without_root_and_sudo_the_missing_packages_are_named(tmp_path):
    """Run with stand-ins for id and dpkg-query, and a PATH that has no sudo."""
    for name, text in (("id", "echo 1000"), ("dpkg-query", "exit 1")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    for name in ("bash", "sh", "sed", "sort", "cut", "grep", "dirname"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    done = subprocess.run(["/bin/bash", ROOT / "tools/install-packages", "run"], capture_output=True, text=True,
                          env={**os.environ, "PATH": str(tmp_path)}, timeout=30)
    assert done.returncode == 1
    assert "apt-get install -y --no-install-recommends libcap-ng0 libcrypt1 libcurl4 libnghttp2-14 liboath0 libpq5 " in done.stderr


DEMO_PROGRAMS = {"cardea", "examples/demo/cardea-demo", "examples/time-api/time-resource", "examples/time-api/time-webapp", "examples/resource/grant-resource",
                 "demo-applications"}
DEMO_APPLICATIONS = {"examples/demo-flask/app.py", "examples/demo-chat/chat.py", "examples/commits/app.py",
                     "examples/fake-providers/fake_providers.py"}


@pytest.fixture
def tree(tmp_path):
    """./dev in a folder where each program is built by writing a script that says how it was called."""
    shutil.copy(ROOT / "dev", tmp_path)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/install-packages").write_text("#!/bin/sh\n")
    (tmp_path / "tools/install-packages").chmod(0o755)
    (tmp_path / "build").mkdir()
    script = "printf '#!/bin/sh\\necho ran $$*\\n' > $out && chmod +x $out"
    rules = f"rule make\n  command = {script}\nrule fail\n  command = echo a fault; exit 1\n"
    (tmp_path / "build/build.ninja").write_text(rules + "".join(f"build {name}: make\n" for name in [*DEMO_PROGRAMS, "tests/unit"]))
    return tmp_path


def test_the_demo_builds_only_what_it_runs_and_says_so_first(tree):
    done = subprocess.run([tree / "dev", "demo", "--port-base", "7000"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "ran demo --port-base 7000\n"), done.stderr
    assert done.stderr == "Building; the first time this takes a few minutes\n"
    built = {str(path.relative_to(tree / "build")) for path in (tree / "build").rglob("*") if path.is_file()}
    assert {name for name in built if not name.startswith((".ninja", "build.ninja"))} == DEMO_PROGRAMS


def test_the_demo_shows_on_a_terminal_how_far_the_build_is(tree):
    own, terminal = pty.openpty()
    done = subprocess.run([tree / "dev", "demo"], stdout=subprocess.PIPE, stderr=terminal, timeout=60)
    os.close(terminal)
    shown = os.read(own, 65536).decode()
    os.close(own)
    assert (done.returncode, done.stdout) == (0, b"ran demo\n")
    assert shown.startswith("Building; the first time this takes a few minutes\r\n\r1 of 6") and shown.endswith("\r6 of 6\r\n")


def test_a_build_that_fails_says_why_and_starts_no_demo(tree):
    rules = tree / "build/build.ninja"
    rules.write_text(rules.read_text().replace("build cardea: make", "build cardea: fail"))
    done = subprocess.run([tree / "dev", "demo"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert "building build failed:\n" in done.stderr and "a fault\n" in done.stderr


def test_the_demo_finds_its_programs_where_they_are_built():
    """And so under the names by which ./dev builds them."""
    text = (ROOT / "examples/demo/demo_files.c").read_text()
    examples = {f"examples/{folder}/{name}" for name, folder in re.findall(r'\{ "([\w.-]+)", "\.\./([\w-]+)"', text)}
    assert DEMO_PROGRAMS | DEMO_APPLICATIONS == {"cardea", "examples/demo/cardea-demo", "demo-applications", *examples}
    if (BUILD / "build.ninja").exists():
        query = subprocess.run(["ninja", "-C", BUILD, "-t", "query", *DEMO_PROGRAMS], capture_output=True, text=True, timeout=60, check=True)
        assert DEMO_APPLICATIONS <= set(query.stdout.split())
