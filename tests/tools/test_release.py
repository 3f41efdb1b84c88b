"""tools/release: what it refuses, and what it makes of a commit that is ready."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
VERSION = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text())[1]
ENVIRONMENT = {**os.environ, **{f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}}

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-query"), reason="this is no Debian")


def run(folder, *argv):
    return subprocess.run([str(a) for a in argv], cwd=folder, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)


def commit(tree):
    assert run(tree, "git", "add", "-A").returncode == 0
    assert run(tree, "git", "commit", "-qm", "change").returncode == 0
    (tree / "build-results").mkdir(exist_ok=True)
    (tree / "build-results/commit").write_text(run(tree, "git", "rev-parse", "HEAD").stdout)
    (tree / "build-results/all.check").write_text("0\n")
    (tree / "build-results/all.log").touch()


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A tree whose commit may be released."""
    tree = tmp_path_factory.mktemp("release") / "tree"
    tree.mkdir()
    for name in (".gitignore", "CHANGELOG.md", "debian", "meson.build", "tools"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tree / name)
    for path in (ROOT / "src").rglob("*.c"):
        if "CD_LIBRARY(" in path.read_text():  # what the SBOM looks at
            (tree / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tree / path.relative_to(ROOT))
    run(tree, "git", "init", "-q")
    text = (tree / "CHANGELOG.md").read_text()
    (tree / "CHANGELOG.md").write_text(text.replace("## [Unreleased]", f"## [{VERSION}] - 2026-11-30", 1))
    commit(tree)
    return tree


@pytest.fixture
def tree(ready, tmp_path):
    return pathlib.Path(shutil.copytree(ready, tmp_path / "tree"))


def test_a_dry_run_makes_the_files_and_no_tag(tree):
    done = run(tree, "tools/release", VERSION, "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("A dry run: no packages were built and no tag was made.\n")
    assert run(tree, "git", "tag").stdout == "" and run(tree, "git", "status", "--porcelain").stdout == ""
    sums = dict(reversed(line.split()) for line in (tree / "build-release/SHA256SUMS").read_text().splitlines())
    assert set(sums) == {f"cardea-{VERSION}.tar.xz", f"cardea-{VERSION}.spdx.json"}
    for name, digest in sums.items():
        assert hashlib.sha256((tree / "build-release" / name).read_bytes()).hexdigest() == digest
    listed = run(tree, "tar", "-tf", f"build-release/cardea-{VERSION}.tar.xz").stdout.splitlines()
    assert f"cardea-{VERSION}/meson.build" in listed and not [name for name in listed if "build-results" in name]


def test_the_same_commit_gives_the_same_files(tree):
    sums = []
    for _ in range(2):
        assert run(tree, "tools/release", VERSION, "--dry-run").returncode == 0
        sums.append((tree / "build-release/SHA256SUMS").read_text())
    assert sums[0] == sums[1]


def edit(path, old, new):
    def act(tree):
        text = (tree / path).read_text()
        assert old in text
        (tree / path).write_text(text.replace(old, new, 1))
        commit(tree)
    return act


WRONG = {
    "version": (edit("meson.build", f"version: '{VERSION}'", "version: '9.9.9'"), f"meson.build: version is not '{VERSION}'; set it"),
    "changelog": (edit("CHANGELOG.md", f"## [{VERSION}] - 2026-11-30", "## [Unreleased]"),
                  f'CHANGELOG.md: there is no heading "## [{VERSION}] - YYYY-MM-DD"; rename [Unreleased]'),
    "debian": (edit("debian/changelog", f"cardea ({VERSION})", "cardea (0.0.1)"),
               f"debian/changelog: the first entry is not of {VERSION}; add it (dch -v {VERSION} -D unstable)"),
    "changes": (lambda tree: (tree / "new").touch(), "the working tree has changes; commit them"),
    "tag": (lambda tree: run(tree, "git", "tag", f"v{VERSION}"), f"the tag v{VERSION} exists; choose the next version"),
    "untested": (lambda tree: (tree / "build-results/commit").unlink(), "the last complete ./dev test was not of this commit; run it"),
    "red": (lambda tree: (tree / "build-results/all.check").write_text("1\n"), "the last ./dev test failed; correct what failed and run it"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_not_ready_is_named_with_its_fix_and_nothing_is_made(tree, what):
    act, reason = WRONG[what]
    act(tree)
    done = run(tree, "tools/release", VERSION)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"release: {reason}\n")
    assert not (tree / "build-release").exists()


@pytest.mark.parametrize("words", [[], ["1.0"], ["v1.0.0"], [VERSION, "--push"], [VERSION, "--dry-run", "more"]])
def test_a_wrong_command_line_makes_nothing(tree, words):
    done = run(tree, "tools/release", *words)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("usage: ./dev release VERSION")


def test_the_tag_has_the_text_of_the_changelog(tree):
    """With a builder of packages that takes no time."""
    (tree / "tools/build-deb").write_text('#!/bin/sh\nmkdir -p "$1" && touch "$1/cardea.deb"\n')
    commit(tree)
    done = run(tree, "tools/release", VERSION)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"To publish it: git push origin v{VERSION}\n")
    text = run(tree, "git", "for-each-ref", "--format=%(objecttype) %(contents)", f"refs/tags/v{VERSION}").stdout
    assert text.startswith(f"tag cardea {VERSION}\n\n### Added\n- `cardea serve`")
    assert "  cardea.deb\n" in done.stdout


def test_the_sbom_names_every_library_with_version_and_licence(tree):
    document = json.loads(subprocess.run([sys.executable, tree / "tools/sbom", VERSION], capture_output=True, check=True).stdout)
    assert document["spdxVersion"] == "SPDX-2.3" and document["dataLicense"] == "CC0-1.0"
    assert re.fullmatch(rf"https://spdx.org/spdxdocs/cardea-{re.escape(VERSION)}-[0-9a-f]{{40}}", document["documentNamespace"])
    packages = {package["name"]: package for package in document["packages"]}
    assert set(re.findall(r"^run +(\S+)", (ROOT / "tools/packages").read_text(), re.M)) | {"cardea", "libc6", "node-llhttp"} == set(packages)
    for name, package in packages.items():
        assert package["licenseDeclared"] and package["versionInfo"], name
        if name != "cardea":
            found = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True, check=True).stdout
            assert package["versionInfo"] == found
    identifiers = [package["SPDXID"] for package in document["packages"]]
    assert len(set(identifiers)) == len(identifiers)
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", identifier) for identifier in identifiers)
    kinds = {(row["spdxElementId"], row["relatedSpdxElement"]): row["relationshipType"] for row in document["relationships"]}
    assert kinds["SPDXRef-DOCUMENT", "SPDXRef-cardea"] == "DESCRIBES"
    assert kinds["SPDXRef-cardea", "SPDXRef-libssl3"] == "DYNAMIC_LINK"
    assert kinds["SPDXRef-libpq5", "SPDXRef-cardea"] == "OPTIONAL_DEPENDENCY_OF"
    assert {end for pair in kinds for end in pair} == {"SPDXRef-DOCUMENT", *identifiers}
