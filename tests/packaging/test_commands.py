"""What is made from the tables of the commands: help, pages of the manual, and completion for bash, zsh and fish."""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CARDEA_BUILD", ROOT / "build")).resolve()
CARDEA = BUILD / "cardea"
COMPLETION = ROOT / "packaging/completion"
PAGES = ["access", "audit", "backup", "cert", "client", "gate", "init", "key", "mail", "migrate", "proxy-config", "relay", "restore", "session", "token", "trace", "user"]

pytestmark = pytest.mark.skipif(not CARDEA.exists(), reason="cardea is not built")

if CARDEA.exists():
    TABLES = [json.loads(line) for line in subprocess.run([CARDEA, "help", "--json"], capture_output=True, text=True, check=True).stdout.splitlines()]
else:
    TABLES = []
COMMANDS = [c["name"] for c in TABLES if " " not in c["name"]]
FAMILIES = [c["name"] for c in TABLES if c["family"]]
LEAVES = [c for c in TABLES if not c["family"]]
EXAMPLES = [(c["name"], line) for c in LEAVES for line in c["examples"].split("\n")]


def help_of(*words):
    return subprocess.run([CARDEA, "help", *words], capture_output=True, text=True, timeout=30, check=True).stdout


def actions_of(command):
    return {c["name"].split()[1] for c in TABLES if c["name"].startswith(command + " ")}


def options_of(*words):
    """Those that its help explains, each at the beginning of a line."""
    return set(re.findall(r"^ {2,6}(?:-\w, )?(--[a-z][a-z-]*)", help_of(*words), re.M))


# --- help -----------------------------------------------------------------------------------------------------------


def test_every_command_has_a_table():
    assert [c["name"] for c in LEAVES if c["about"] is None] == []


def test_help_has_80_columns_and_an_example():
    for words in [[], *(c["name"].split() for c in TABLES)]:
        text = help_of(*words)
        assert max(map(len, text.splitlines())) <= 80, words
        if words and " ".join(words) not in FAMILIES:
            assert f"\nExamples:\n  cardea {' '.join(words)}" in text and text.startswith(f"Usage: cardea {' '.join(words)}"), words


@pytest.mark.parametrize("command", [c["name"] for c in LEAVES])
def test_the_first_word_after_a_summary_is_small(command):
    table = next(c for c in LEAVES if c["name"] == command)
    for text in [table["summary"], *(o["help"] for o in table["options"])]:
        assert not text.endswith(".") and (text[0].islower() or text.split()[0].isupper() or not text.split()[0].isalpha()), text


def test_every_example_is_a_command_line(tmp_path):
    """A command that reads a configuration says that there is none, and the demo that its ports are wrong; the others do what they do."""
    for name, line in EXAMPLES:
        words = shlex.split(re.split(r" [|>&<]", line)[0])
        assert words[0] == "cardea" and len(line) <= 78, line
        table = next(c for c in LEAVES if c["name"] == name)
        more = {"--config": "/nonexistent", "--port-base": "none"} # which no command accepts
        more = [(o["name"], more[o["name"]]) for o in table["options"] if o["name"] in more]
        done = subprocess.run([CARDEA, *words[1:], *(word for option in more for word in option)], cwd=tmp_path, capture_output=True, text=True,
                              timeout=30, stdin=subprocess.DEVNULL)
        assert more[0][1] in done.stdout + done.stderr if more else done.returncode == 0, (line, done.stderr)


def test_every_option_of_the_help_is_one_of_the_program():
    for words in (c["name"].split() for c in LEAVES):
        for option in options_of(*words) - {"--help"}:
            done = subprocess.run([CARDEA, *words, option + "=x", "--no-such-option"], capture_output=True, text=True,
                                  timeout=30, stdin=subprocess.DEVNULL)
            assert done.returncode == 2 and f'unknown option "{option}"' not in done.stderr, (words, option)


# --- completion -----------------------------------------------------------------------------------------------------

ZSH = """_describe() { print -rl -- "${(@)${(@P)3}%%:*}" }; _files() { print -l *(N) }; compset() { : }
CURRENT=$#; words=("$@"); source COMPLETION"""


def completed(shell, *words):
    """What the shell offers after these words; the last is begun."""
    line = ["cardea", *words]
    if shell == "bash":
        script = f"""source {COMPLETION}/cardea.bash; COMP_LINE="$*"; COMP_POINT=${{#COMP_LINE}}; _cardea; printf '%s\\n' "${{COMPREPLY[@]}}" """
        argv = ["bash", "-uc", script, "bash", *line]
    elif shell == "zsh":
        argv = ["zsh", "-fc", ZSH.replace("COMPLETION", str(COMPLETION / "_cardea")), "zsh", *line]
    else:
        argv = ["fish", "--no-config", "-c", f"source {COMPLETION}/cardea.fish; complete -C {shlex.quote(' '.join(line))}"]
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, env=os.environ | {"PATH": f"{BUILD}:{os.environ['PATH']}"})
    assert done.stderr == "", done.stderr
    return {offered.split("\t")[0] for offered in done.stdout.splitlines() if offered}


SHELLS = pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])


@SHELLS
def test_a_shell_offers_commands_actions_and_options(shell):
    assert completed(shell, "") == {*COMMANDS, "--help", "--version"}
    assert completed(shell, "us") == {"user"}
    assert completed(shell, "help", "") == set(COMMANDS)
    assert completed(shell, "help", "key", "") == completed(shell, "key", "") == actions_of("key")
    assert completed(shell, "key", "rotate", "--") == {"--alg", "--bits", "--now", "--config", "--help"}
    assert completed(shell, "key", "rotate", "--alg", "") == {"ES256", "RS256", "EdDSA"}
    assert completed(shell, "proxy-config", "n") == {"nginx"}
    assert completed(shell, "nonsense", "") == completed(shell, "key", "nonsense", "") == completed(shell, "version", "x") == set()


@SHELLS
def test_a_shell_offers_files(shell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cardea.yaml").touch()
    assert completed(shell, "session", "list", "--config", "car") == {"cardea.yaml"}
    assert completed(shell, "key", "list", "-c", "car") == {"cardea.yaml"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home") / "auth"
    subprocess.run([CARDEA, "init", "--dir", home], check=True, capture_output=True)
    config = home / "cardea.yaml"
    for name in ("alice", "alan", "bob"):
        subprocess.run([CARDEA, "user", "add", name, "-c", config, "--password-file", "-"], input="correct horse battery staple", text=True, check=True)
    return config


@SHELLS
def test_a_shell_offers_names_of_the_store(shell, home):
    assert completed(shell, "session", "list", "--config", str(home), "--user", "al") == {"alice", "alan"}
    listed = subprocess.run([CARDEA, "key", "list", "-c", home, "--json"], capture_output=True, text=True, check=True).stdout
    kids = {json.loads(line)["kid"] for line in listed.splitlines()}
    assert completed(shell, "key", "retire", "-c", str(home), "") == {kid for kid in kids if not kid.startswith("-")}


@pytest.mark.parametrize("config", ["/nonexistent", "unreadable.yaml"])
def test_a_store_that_cannot_be_read_has_no_names_and_says_nothing(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unreadable.yaml").write_text("store: sqlite:missing.db\nnonsense: true\n")
    done = subprocess.run([CARDEA, "complete", "session", "list", "--config", config, "--user", "a"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_words_of_one_completion_may_have_an_equals_sign(home):
    done = subprocess.run([CARDEA, "complete", "session", "list", f"--config={home}", "--user=al"], capture_output=True, text=True, timeout=30)
    assert {line.split("\t")[0] for line in done.stdout.splitlines()} == {"--user=alice", "--user=alan"}
    assert completed("bash", "session", "list", f"--config={home}", "--user=al") == {"alice", "alan"}


# --- the manual -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_a_man_page_has_all_of_its_commands_and_nothing_else(name):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    page = ROOT / f"packaging/man/cardea-{name}.1"
    if not page.exists():
        page = BUILD / f"cardea-{name}.1"
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
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text.replace("session end --user", ""))) <= known
    assert f".Xr cardea-{name} 1" in (BUILD / "cardea.1").read_text()
    assert "EXAMPLES cardea " + name in text and "EXIT STATUS" in text


def test_every_page_is_installed():
    text = (ROOT / "meson.build").read_text()
    assert [name for name in PAGES if f"'cardea-{name}'" not in text and f"/cardea-{name}.1'" not in text] == []
