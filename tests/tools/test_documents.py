"""CONTRIBUTING.md and SECURITY.md name files, commands and tests: each must be there."""
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMISES = re.findall(r"\| `(\w+)` in `([\w/.]+)` \|", (ROOT / "SECURITY.md").read_text())


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "SECURITY.md"])
def test_the_paths_it_names_are_there(document):
    text = (ROOT / document).read_text()
    paths = re.findall(r"`((?:tests|tools|packaging|src|bench|docs)/[\w/.-]*)`", text)
    paths += [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text)]
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_security_makes_promises():
    assert len(PROMISES) > 10


@pytest.mark.parametrize("test, file", PROMISES)
def test_each_promise_has_its_test(test, file):
    assert re.search(rf"\b{test}\b", (ROOT / file).read_text())


def test_the_commands_and_suites_of_contributing_are_those_of_dev():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    known = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, timeout=30).stdout
    commands = {line.split()[0] for line in known.splitlines()[1:]}
    assert set(re.findall(r"\./dev (\w+)", text)) <= commands
    suites = re.search(r"only these suites: ([^|]+)\|", text).group(1)
    script = (ROOT / "dev").read_text()
    assert set(re.findall(r"`(\w+)`", suites)) == set(re.findall(r"^test_(\w+)\(\)", script, re.MULTILINE))
