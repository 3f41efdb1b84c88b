"""The completion for bash and the man pages of the command families have what the program has, no more and no less."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CARDEA = pathlib.Path(os.environ.get("CARDEA_BUILD", ROOT / "build")).resolve() / "cardea"
COMPLETION = ROOT / "packaging/completion/cardea.bash"
FAMILIES = ["user", "session", "access", "client", "key", "cert", "audit"]
PAGES = [*FAMILIES, "init", "migrate", "proxy-config"]
# Commands with one action each, which they know by themselves.
OWN_ACTIONS = {"config": ["show"]}

pytestmark = pytest.mark.skipif(not CARDEA.exists(), reason="cardea is not built")


def help_of(*words):
    return subprocess.run([CARDEA, "help", *words], capture_output=True, text=True, timeout=30, check=True).stdout


def listed(text):
    return re.findall(r"^  ([\w-]+)  +\S", text, re.M)


def commands():
    return listed(help_of())


def actions_of(command):
    text = help_of(command)
    return listed(text) if " ACTION " in text.split("\n")[0] else OWN_ACTIONS.get(command, [])


def options_of(*words):
    """Those that its help explains, each at the beginning of a line."""
    return set(re.findall(r"^ {2,6}(?:-\w, )?(--[a-z][a-z-]*)", help_of(*words), re.M))


def all_actions():
    for command in commands():
        family = actions_of(command) if command not in OWN_ACTIONS else []
        yield from ((command, action) for action in family) if family else ((command,),)


def completed(*words):
    """What bash offers after these words; the last is begun."""
    script = f"""source {COMPLETION}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cardea; printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-uc", script, "bash", "cardea", *words], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.split())


def test_bash_offers_every_command():
    assert completed("") == {*commands(), "--help", "--version"}
    assert completed("us") == {"user"}
    assert completed("help", "") == set(commands())


@pytest.mark.parametrize("command", [*FAMILIES, *OWN_ACTIONS])
def test_bash_offers_every_action(command):
    assert completed(command, "") == set(actions_of(command))
    assert completed("help", command, "") == set(actions_of(command))


def test_bash_offers_every_option_of_every_action():
    for words in all_actions():
        if words != ("help",):
                assert completed(*words, "-") == options_of(*words) | {"--help"}, words


def test_bash_offers_what_an_option_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cardea.yaml").touch()
    assert completed("user", "list", "--config", "car") == {"cardea.yaml"}
    assert completed("user", "import", "-c", "x", "car") == {"cardea.yaml"}
    assert completed("key", "rotate", "--alg", "") == {"ES256", "RS256", "EdDSA"}
    assert completed("proxy-config", "") == set(re.search(r"PROXY is one of:\n (.*)", help_of("proxy-config"))[1].replace(",", "").split())


def test_every_option_of_the_help_is_one_of_the_program():
    for words in all_actions():
        for option in options_of(*words) - {"--help"}:
            done = subprocess.run([CARDEA, *words, option + "=x", "--no-such-option"], capture_output=True, text=True,
                                  timeout=30, stdin=subprocess.DEVNULL)
            assert done.returncode == 2 and f'unknown option "{option}"' not in done.stderr, (words, option)


@pytest.mark.parametrize("name", PAGES)
def test_a_man_page_has_all_of_its_commands_and_nothing_else(name):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    page = ROOT / f"packaging/man/cardea-{name}.1"
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, timeout=30)
    assert (lint.returncode, lint.stdout) == (0, "")
    text = subprocess.run(["mandoc", "-T", "ascii", page], capture_output=True, text=True, timeout=30).stdout
    text = re.sub(r"\s+", " ", re.sub(r".\x08", "", text))
    known = {"--help"}
    for words in [(name, a) for a in actions_of(name)] or [(name,)]:
        assert f"cardea {' '.join(words)} " in text
        if len(words) == 2:
            assert re.search(rf"^\.It Cm {words[1]}$", page.read_text(), re.M), words
        assert options_of(*words) <= set(re.findall(r"--[a-z][a-z-]*", text)), words
        known |= options_of(*words)
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) <= known
    assert f"cardea-{name}.1" in (ROOT / "meson.build").read_text()
    assert f".Xr cardea-{name} 1" in (ROOT / "packaging/man/cardea.1").read_text()
