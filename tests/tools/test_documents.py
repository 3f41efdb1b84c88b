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


LESSONS = set(re.findall(r"^\| (\d+) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE))


def sources():
    return [path for folder in ("src", "examples", "tests") for path in (ROOT / folder).rglob("*")
            if path.suffix in (".c", ".h", ".py")]


def test_each_lesson_that_the_code_names_is_explained():
    named = set()
    for path in sources():
        for numbers in re.findall(r"LESSONS[\s*]+((?:\d+(?:, | and )?)+)|\blesson_(\d+)_", path.read_text()):
            named |= {str(int(number)) for number in re.findall(r"\d+", " ".join(numbers))}
    assert named and named <= LESSONS


def test_each_lesson_has_a_test_that_is_named_after_it():
    tests = "\n".join(path.read_text() for path in sources() if "tests" in path.parts)
    assert {number for number in LESSONS if not re.search(rf"\b(?:test_)?lesson_0?{number}_\w+\(", tests)} == set()


# What writes over a file, or removes one: "> FILE", "-out FILE", "tee FILE", "rm FILE".
DESTROYS = re.compile(r"(?:>|-out|\btee\b)\s*(\S+\.(?:key|pem|secret|db|url))\b|\brm\s+(?!old\.)(\S+)")


def test_lesson_39_no_message_advises_to_write_over_a_file():
    """A reader of an error has data already. What a page shows under `set -C` fails where the file is there."""
    found = []
    for path in sources():
        if "tests" not in path.parts and path.suffix in (".c", ".h"):
            found += [(path.name, text) for text in re.findall(r'"(?:[^"\\\n]|\\.)*"', path.read_text()) if DESTROYS.search(text)]
    manuals = [*ROOT.glob("packaging/man/*"), *ROOT.glob("packaging/systemd/*")]
    for path in [*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "SECURITY.md", *manuals]:
        careful = re.sub(r"^\(\n.*?^set -C\b.*?^\)$|^\((?:umask 077 && )?set -C && [^\n]*", "", path.read_text(), flags=re.M | re.S)
        found += [(path.name, match.group()) for match in DESTROYS.finditer(careful)]
    assert found == []
