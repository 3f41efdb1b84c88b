"""What the Debian packages are made of."""
import filecmp
import os
import pathlib
import re
import subprocess

import pytest

from .debs import FOLDER, ROOT, built, fields, relations

DEMO = {"usr/libexec", "usr/share/cardea/demo"}  # stays in the source tree


@pytest.fixture(scope="module")
def debs():
    return built()


def run(*argv, **more):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=300, **more)


def contents(deb):
    return re.findall(r" \./(\S*[^/\s])(?: -> \S+)?$", run("dpkg-deb", "-c", deb).stdout, re.M)


def test_lintian_has_nothing_to_say(debs):
    done = run("lintian", "--allow-root", "--fail-on", "error,warning", next(FOLDER.glob("*.changes")))
    assert (done.returncode, done.stdout) == (0, "")


def test_two_builds_in_two_folders_give_the_same_bytes(debs):
    other = os.environ.get("CARDEA_DEBS_AGAIN")
    if not other:
        pytest.skip("there is no second build: ./dev test package makes one")
    again = built(pathlib.Path(other))
    assert again.keys() == debs.keys() >= {"cardea", "libcardea0", "libcardea-dev", "cardea-dbgsym"}
    assert [name for name in debs if not filecmp.cmp(debs[name], again[name], shallow=False)] == []


def test_libraries_that_are_loaded_on_demand_are_dependencies(debs):
    """dpkg-shlibdeps sees only what is linked."""
    wanted = set(re.findall(r'CD_LIBRARY\("[^"]+", "([^"]+)"', "".join(path.read_text() for path in (ROOT / "src").rglob("*.c"))))
    assert len(wanted) >= 7
    hard, soft = ({name for name, _ in relations(debs["cardea"], kind)} for kind in ("Depends", "Recommends"))
    assert wanted <= hard | soft
    assert soft == {"libcurl4", "libpq5"}


def test_what_builds_is_what_the_project_needs():
    """But for the compiler, and what only tests need."""
    listed = set(re.findall(r"^build +(\S+)", (ROOT / "tools/packages").read_text(), re.M)) - {"gcc", "libc6-dev", "ninja-build", "libcmocka-dev"}
    control = (ROOT / "debian/control").read_text()
    needed = set(re.findall(r"[\w.+-]+(?=[ :,\n(])", re.search(r"^Build-Depends: debhelper-compat \(= 13\),(.*?)\n\n", control, re.M | re.S)[1]))
    assert listed <= needed


def test_each_file_is_in_one_package(debs):
    owners = {}
    for name in ("cardea", "libcardea0", "libcardea-dev"):
        for path in contents(debs[name]):
            owners.setdefault(path, []).append(name)
    assert {path: names for path, names in owners.items() if len(names) > 1} == {}
    assert [path for path in owners if path.startswith(tuple(DEMO))] == []
    assert owners["usr/include/cardea.h"] == ["libcardea-dev"]


def test_the_pages_are_installed_as_they_are_and_link_to_each_other(debs, tmp_path):
    """For an operator on call without a network: nothing is compressed, and no link leaves the folder."""
    assert run("dpkg-deb", "-x", debs["cardea"], tmp_path).returncode == 0
    folder = tmp_path / "usr/share/doc/cardea"
    pages = {path.name: path.read_text() for path in folder.glob("*.md")}
    assert pages.keys() == {path.name for path in (ROOT / "docs").glob("*.md")}
    links = {(name, link) for name, text in pages.items() for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))}
    assert len(links) > 200 and ("README.md", "operations.md") in links
    assert [(name, link) for name, link in links if not re.match("https?:", link) and not (folder / link).resolve().is_relative_to(folder)] == []
    assert [(name, link) for name, link in links if not re.match("https?:", link) and not (folder / link).is_file()] == []
    assert "CHANGELOG.md" in pages["upgrade.md"], "the text of a link to the source tree stays"


def test_the_version_is_the_same_everywhere(debs):
    version = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text())[1]
    assert {fields(deb)["Version"] for deb in debs.values()} == {version}
    assert (ROOT / "debian/changelog").read_text().startswith(f"cardea ({version}) ")


def test_a_program_compiles_with_the_library_s_packages(debs, tmp_path):
    for name in ("libcardea0", "libcardea-dev"):
        assert run("dpkg-deb", "-x", debs[name], tmp_path).returncode == 0
    folder = next(tmp_path.rglob("libcardea.so.0")).parent
    environment = {**os.environ, "PKG_CONFIG_PATH": str(folder / "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": str(tmp_path), "LD_LIBRARY_PATH": str(folder)}
    flags = run("pkg-config", "--cflags", "--libs", "cardea", env=environment).stdout.split()
    done = run("cc", ROOT / "examples/verify/verify.c", "-o", tmp_path / "verify", *flags)
    assert done.returncode == 0, done.stderr
    assert run(tmp_path / "verify", env=environment).returncode == 2


def test_the_library_is_linked_by_its_soname_and_versioned_symbols(debs, tmp_path):
    assert run("dpkg-deb", "-e", debs["libcardea0"], tmp_path).returncode == 0
    symbols = (tmp_path / "symbols").read_text()
    assert symbols.startswith("libcardea.so.0 libcardea0 #MINVER#\n")
    declared = set(re.findall(r"\b(cardea_\w+)\(", re.sub(r"/\*.*?\*/", "", (ROOT / "include/cardea.h").read_text(), flags=re.S)))
    assert set(re.findall(r"^ (cardea_\w+)@CARDEA_0 ", symbols, re.M)) == declared
