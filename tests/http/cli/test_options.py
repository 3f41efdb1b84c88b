"""The command line: help, versions, mistakes."""
import json
import re
import subprocess

import pytest

from .commands import CARDEA, DEADLINE, ROOT, run

COMMANDS = ["serve", "status", "reload", "check", "config", "schema", "init", "user", "access", "gate", "trace", "proxy-config", "mail", "relay", "session", "token", "client", "key", "cert", "audit", "backup", "restore", "migrate", "demo", "version", "help"]


@pytest.mark.table
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_in_three_ways(command):
    by_flag, by_letter, by_help = run(command, "--help"), run(command, "-h"), run("help", command)
    if command != "help":
        assert by_flag.stdout == by_letter.stdout == by_help.stdout
    assert by_help.returncode == 0
    assert by_help.stdout.startswith(f"Usage: cardea {command}")
    assert max(len(line) for line in by_help.stdout.splitlines()) <= 120


def test_the_summary_of_serve_names_both_of_its_tasks():
    assert "  serve         run the gate, the login portal and the authorization server\n" in run("help").stdout
    assert "Runs the login portal, " in run("help", "serve").stdout


@pytest.mark.table
@pytest.mark.parametrize("args", [["help"], ["--help"], ["-h"]])
def test_help_lists_every_command(args):
    got = run(*args)
    assert got.returncode == 0
    assert re.findall(r"^  ([\w-]+) ", got.stdout, re.M) == COMMANDS


def test_the_version_is_that_of_the_build():
    version = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text()).group(1)
    assert run("version").stdout == run("--version").stdout == f"cardea {version}\n"


@pytest.mark.parametrize("args, reason", [
    (["sevre"], 'cardea: unknown command "sevre"; did you mean "serve"?'),
    (["frobnicate"], 'cardea: unknown command "frobnicate"; see: cardea help'),
    (["help", "demmo"], 'cardea: unknown command "demmo"; did you mean "demo"?'),
    (["serve", "--confg", "x"], 'cardea serve: unknown option "--confg"; did you mean "--config"?'),
    (["serve", "--zzzzzzzz"], 'cardea serve: unknown option "--zzzzzzzz"; see: cardea help serve'),
    (["key", "retire", "-A2utvPCx96d5"],
     'cardea key retire: unknown option "-A2utvPCx96d5"; to use it as an argument, write -- before it'),
    (["serve", "--config"], "cardea serve: --config needs a value"),
    (["serve", "--config="], "cardea serve: --config needs a value"),
    (["serve", "file"], 'cardea serve: unexpected argument "file"; see: cardea help serve'),
    (["check"], "cardea check: there is no configuration; name it with --config FILE or $CARDEA_CONFIG, or write ./cardea.yaml or "
                "/etc/cardea/cardea.yaml"),
    (["config", "shw"], 'cardea config: unknown action "shw"; did you mean "show"?'),
    (["config", "show", "--json=1"], "cardea config show: --json takes no value"),
    (["schema", "confg"], 'cardea schema: no message "confg"; did you mean "config"?'),
    (["demo", "--port-base", "0"], 'cardea demo: --port-base must be a number from 1 to 65092, not "0"'),
    (["demo", "--port-base", "65093"], 'cardea demo: --port-base must be a number from 1 to 65092, not "65093"'),
    (["demo", "--port-base", "x"], 'cardea demo: --port-base must be a number from 1 to 65092, not "x"'),
])
def test_a_mistake_is_one_sentence_and_exit_code_2(args, reason):
    got = run(*args)
    assert (got.returncode, got.stdout, got.stderr) == (2, "", reason + "\n")


def test_without_a_command_the_usage_goes_to_standard_error():
    got = run()
    assert (got.returncode, got.stdout) == (2, "")
    assert got.stderr.startswith("Usage: cardea COMMAND")


def test_every_schema_is_json():
    names = run("schema").stdout.split()
    assert "config" in names and len(names) >= 3
    for name in names:
        schema = json.loads(run("schema", name).stdout)
        assert schema["type"] == "object"
    config = json.loads(run("schema", "config").stdout)
    assert "clients" in config["properties"] and "listen" in config["properties"]


def test_a_full_disk_behind_standard_output_is_a_failure():
    with open("/dev/full", "w") as full:
        assert subprocess.run([CARDEA, "help"], stdout=full, timeout=DEADLINE).returncode == 1
