"""./dev itself: what it says, and that its package list is usable."""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def dev(*arguments, **options):
    return subprocess.run([ROOT / "dev", *arguments], capture_output=True, text=True, timeout=60, **options)


def test_help_has_one_line_for_each_command():
    done = dev("help", cwd="/")
    assert done.returncode == 0
    commands = [line.split()[0] for line in done.stdout.splitlines()[1:]]
    assert set(commands) >= {"demo", "test", "build", "lint", "fmt", "fuzz", "bench", "clean", "setup", "help"}
    assert len(commands) == len(set(commands))


def test_an_unknown_command_or_suite_is_an_error():
    assert dev("deploy").returncode == 2
    done = dev("test", "nonsense")
    assert (done.returncode, done.stderr) == (2, "no such suite: nonsense\n")


def test_the_package_list_names_each_package_once_in_a_group():
    lines = [line.split("#")[0].split() for line in (ROOT / "tools/packages").read_text().splitlines()]
    lines = [line for line in lines if line]
    for group, package, *extras in lines:
        assert group in {"build", "run", "demo", "test", "bench"}
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
