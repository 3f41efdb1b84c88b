"""Runs the commands of a page as its reader would.

The ```sh blocks of a page are typed in order into one bash, in a folder that has what of the repository a page may name;
cardea and the example services on its PATH are the build's. These rules stand between the page and the shell, and no others:

- 5000 to 5009, 5443, 8443, 8444, 8080, 3031, 7865 to 7867 and 9464 stand for ports that are free, in the page, its samples, and the files of the folder.
- A line that starts a service (cardea serve, cardea demo, uwsgi, and the example services and bot) is what the reader leaves running in a
  terminal of its own: it goes to the background, and what follows waits until it is ready. At the end it gets SIGTERM and must
  exit 0. cardea demo gets those ports by --port-base.
- A page that needs PostgreSQL has a fresh server of its own: 5432 stands for its port, and psql reaches it as a superuser.
- A page that needs root and systemd is run without both: `sudo` goes, and what gives files to another user; /etc/cardea and /var/lib/cardea are
  folders of the test's own; `systemctl enable --now cardea` is what the unit starts, and `reload` the signal that it sends. A restart
  is left out.
- A command that fails ends the page. Its neighbours' exit codes count too, in a pipe.
- A ```json or ```text block right after a ```sh block is a sample of what that block prints.
"""
import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

from support.ports import find_ports

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CARDEA_BUILD", ROOT / "build")).resolve()
PATIENCE = 120  # seconds, for a whole page
SERVICE = re.compile(r"^(\S*/)?(cardea (serve|demo)|grant-resource|time-resource|time-webapp|hello-site|uwsgi|python3 examples/bot/bot\.py)\b")
PORTS = {**{str(5000 + n): n for n in range(10)}, "8443": 10, "8444": 11, "8080": 12, "3031": 13, "7865": 14, "7866": 15, "7867": 16,
         "9464": 17, "5443": 443}  # of a page: after the base
PROGRAMS = ("cardea", "examples/resource/grant-resource", "examples/time-api/time-resource", "examples/time-api/time-webapp",
            "examples/hello-site/hello-site")
FILES = ("examples/bot/bot.py", "examples/time-api/*.yaml", "packaging/compose/*.yaml", "compose.yaml")
NEEDS_POSTGRES = {"docs/postgresql.md"}
NEEDS_ROOT = {"docs/run-under-systemd.md", "docs/install.md", "docs/upgrade.md"}
WITHOUT_ROOT = (
    (r"^sudo systemctl enable --now cardea$", "cardea serve --config /etc/cardea/cardea.yaml"),
    (r"^sudo systemctl reload cardea$", 'kill -HUP "${services[0]}"'),
    (r"^sudo (systemctl (daemon-reload|restart cardea)|systemd-sysusers|systemd-tmpfiles --create|chown root: \S+)$", ":"),
    (r"\bsudo (-u cardea )?(?=[A-Z_]+=)", "env "),
    (r"\bsudo (-u cardea )?", ""),
    (r" --user cardea\b| -o cardea -g cardea\b", ""),
    (r"\b0\.0\.0\.0:", "127.0.0.1:"),
    (r"(?<=[ :=])/(etc|var/lib)/cardea\b", r"$PWD/\1/cardea"),
)
IN_ITS_FOLDER = {"examples/time-api/README.md"}  # "in this folder", it says


@dataclasses.dataclass
class Block:
    language: str
    text: str
    line: int  # of its first one

    @property
    def first(self):
        return self.text.split("\n", 1)[0]


@dataclasses.dataclass
class Ran:
    block: Block
    out: str
    samples: list


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(text):
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    return [Block(m[1], m[2], text.count("\n", 0, m.start()) + 2) for m in found]


def with_samples(page_blocks):
    """(sh block, the samples right after it)."""
    pairs = []
    for before, block in zip([None, *page_blocks], page_blocks):
        if block.language == "sh":
            pairs.append((block, []))
        elif before and before.language == "sh" and block.language in ("json", "text"):
            pairs[-1][1].append(block)
    return pairs


def move_ports(text, base):
    return re.sub(rf"\b({'|'.join(PORTS)})\b", lambda m: str(base + PORTS[m[0]]), text)


def without_root(text):
    for pattern, instead in WITHOUT_ROOT:
        text = re.sub(pattern, instead, text, flags=re.M)
    assert "sudo" not in text and "systemctl" not in text, text
    return text


def moved(block, base):
    return Block(block.language, move_ports(block.text, base), block.line)


def lay_out(folder, base):
    """What of the repository a page may name."""
    for pattern in FILES:
        for source in ROOT.glob(pattern):
            target = folder / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(move_ports(source.read_text(), base))
    (folder / "build").symlink_to(BUILD)
    (folder / "bin").mkdir()
    for program in PROGRAMS:
        (folder / "bin" / pathlib.Path(program).name).symlink_to(BUILD / program)


PROLOGUE = r"""
set -euo pipefail
services=()
await() # PID FILE WORDS
{
        for _ in $(seq 1200); do
                grep -qs -- "$3" "$2" && return
                kill -0 "$1"
                sleep 0.05
        done
        echo "not ready after a minute" >&2
        return 1
}
finish()
{
        local status=$? pid
        for pid in "${services[@]}"; do
                kill "$pid" || status=1
                wait "$pid" || { echo "a service exited with $?" >&2; status=1; }
        done
        exit "$status"
}
trap finish EXIT
"""


def in_background(line, results, number, base):
    """The service of this line, and the wait for it."""
    command, log, out = line.split(" #")[0].rstrip(), f"{results}/{number}.log", f"{results}/{number}.service"
    own_log = re.search(r" 2> *(\S+)", command)
    if own_log:
        log = own_log[1]
    else:
        command += f" 2>{log}"
    is_demo = "cardea demo" in command
    command = command.replace("cardea demo", f"cardea demo --port-base {base}")
    watched, words = (out, "is ready after") if is_demo else (log, '"event":"ready"')
    words = "spawned uWSGI worker" if command.startswith("uwsgi ") else words
    if command.startswith("python3 "):
        watched, words = out, "listening on"
    return f"{command} >{out} </dev/null &\nservices+=($!)\nawait $! {watched} '{words}'"


def script_of(pairs, results, base):
    lines = [PROLOGUE]
    number = 0
    for block, _ in pairs:
        lines.append(f"exec >{results}/{block.line}.out 2>{results}/{block.line}.err")
        for line in block.text.splitlines():
            if SERVICE.match(line):
                number += 1
                line = in_background(line, results, number, base)
            lines.append(line)
    return "\n".join(lines) + "\n"


def describe_failure(results, code):
    said = [f"exit code {code}"]
    for file in sorted(results.iterdir(), key=lambda f: f.stat().st_mtime):
        text = file.read_text(errors="replace")
        if text:
            said.append(f"--- {file.name} (the number of an .out or .err is the line of the page)\n{text[-3000:]}")
    return "\n".join(said)


def beside_postgres(script, environment):
    """The command that runs the script with a server of its own, which exits 77 where PostgreSQL is not installed."""
    port = str(find_ports())
    environment |= {"CARDEA_POSTGRES_PORT": port, "PGPORT": port, "PGUSER": "cardea", "PGDATABASE": "postgres"}
    script = 'export PGHOST="$CARDEA_POSTGRES_FOLDER/socket"\n' + re.sub(r"\b5432\b", port, script)
    return [ROOT / "tests/support/postgres-server", "bash", "-c", script]


def end(shell):
    """Asks first, so that a database server is not left behind."""
    os.killpg(shell.pid, signal.SIGTERM)
    try:
        shell.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()


def run(page, folder, edit):
    """Runs the page in `folder`. edit(block) gives the block to run instead, or None. What ran, with its output."""
    base = find_ports(len(PORTS) - 1, also=[PORTS["5443"]])
    tree, results = folder / "tree", folder / "results"
    tree.mkdir()
    results.mkdir()
    lay_out(tree, base)
    if page in NEEDS_ROOT:
        (tree / "etc").mkdir()
    pairs = [(moved(edit(block), base), [moved(sample, base) for sample in samples])
             for block, samples in with_samples(blocks(read(page))) if edit(block)]
    where = tree / pathlib.Path(page).parent if page in IN_ITS_FOLDER else tree
    environment = {"PATH": f"{tree}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(tree), "TMPDIR": str(folder),
                   "LC_ALL": "C.UTF-8"}
    if page in NEEDS_ROOT:
        environment["CARDEA_CONFIG"] = f"{tree}/etc/cardea/cardea.yaml"  # which commands find in /etc by themselves
    script = script_of(pairs, results, base)
    command = beside_postgres(script, environment) if page in NEEDS_POSTGRES else ["bash", "-c", script]
    shell = subprocess.Popen(command, cwd=where, env=environment,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(results / "shell.err", "wb"),
                             start_new_session=True)
    try:
        code = shell.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        end(shell)
        code = "none: it took too long"
    if page in NEEDS_POSTGRES and code == 77:
        pytest.skip("PostgreSQL is not installed")
    assert code == 0, f"{page}: " + describe_failure(results, code)
    return [Ran(block, (results / f"{block.line}.out").read_text(), samples) for block, samples in pairs]


# --- comparing ------------------------------------------------------------------------------------------------------


def json_values(text):
    """All JSON objects and arrays in the text, one after the other."""
    decoder, values, at = json.JSONDecoder(), [], 0
    while True:
        start = re.compile(r"[{\[]").search(text, at)
        if not start:
            return values
        try:
            value, at = decoder.raw_decode(text, start.start())
            values.append(value)
        except ValueError:
            at = start.start() + 1
