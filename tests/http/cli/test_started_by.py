"""A variable that is not set: the finding says who started this process, and where that takes its variables from."""
import os
import re
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from support.ports import find_ports

from .commands import BUILD, CARDEA, DEADLINE, ROOT, run

EXAMPLE = ROOT / "examples/uwsgi-variable"
needs_uwsgi = pytest.mark.skipif(not shutil.which("uwsgi"), reason="there is no uwsgi")


@pytest.fixture
def needs_variable(config):
    return config("clients:\n  - { id: a, secret: '${env:CD_MISSING}', grant_types: [client_credentials] }\n")


def first_line(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, stdin=subprocess.DEVNULL, **options)
    return (done.stdout or done.stderr).splitlines()[0]


def program(folder, name, text):
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


WAITS = "import subprocess, sys\nsys.exit(subprocess.run(sys.argv[1:]).returncode)\n"


def test_a_supervisor_is_named_with_its_program(needs_variable, tmp_path):
    supervisor = program(tmp_path, "supervisord", f"#!{sys.executable}\n{WAITS}")
    line = first_line([supervisor, CARDEA, "check", "--config", needs_variable], env={"SUPERVISOR_GROUP_NAME": "auth", **os.environ})
    assert line == (f"error {needs_variable}:2:22: clients[0].secret: environment variable CD_MISSING is not set; supervisord started this "
                    'process: write environment=CD_MISSING="…" under [program:auth] in its configuration, then supervisorctl reread '
                    "and supervisorctl update")


def test_cron_is_named_where_its_shell_is_between(needs_variable, tmp_path):
    cron = program(tmp_path, "cron", f"#!{sys.executable}\n{WAITS}")
    line = first_line([cron, "/bin/sh", "-c", f"{CARDEA} serve --config {needs_variable}; exit"],
                      env={"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "HOME": "/", "LOGNAME": "root"})
    assert line.startswith("cardea: ") and "is not set; cron started this process: write CD_MISSING=… on a line of its own in the crontab" in line


def test_a_shell_that_is_typed_into_is_told_to_export(needs_variable):
    done = subprocess.run(["bash", "--norc", "--noprofile"], input=f"CD_MISSING=hush-hush\n{CARDEA} check --config {needs_variable}; true\n",
                          capture_output=True, text=True, timeout=DEADLINE)
    assert "is not set; a shell (bash) started this process: run export CD_MISSING=… in it before\n" in done.stdout
    assert "hush-hush" not in done.stdout + done.stderr


def test_an_environment_without_a_variable_is_said_to_be_so(needs_variable):
    line = first_line(["env", "-i", CARDEA, "check", "--config", needs_variable])
    assert "is not set; this process has no environment variable at all: write env -i CD_MISSING=…" in line


@pytest.mark.skipif(not shutil.which("sudo") or os.geteuid() != 0, reason="there is no sudo for this user")
def test_sudo_is_told_to_preserve_it(needs_variable):
    line = first_line(["sudo", "-n", CARDEA, "check", "--config", needs_variable], env={**os.environ, "CD_MISSING": "x"})
    assert "sudo started this process without it" in line and "--preserve-env=CD_MISSING" in line


def test_a_variable_of_nearly_that_name_is_named_and_its_value_is_not(needs_variable):
    for command in ("check", "serve"):
        got = run(command, "--config", needs_variable, env={"CD_MISING": "hush-hush"})
        said = (got.stdout + got.stderr).splitlines()
        assert got.returncode == 2
        assert "environment variable CD_MISSING is not set; did you mean CD_MISING, which is set? " in said[0]
        assert "hush-hush" not in got.stdout + got.stderr


def test_lesson_23_an_empty_variable_is_explained_like_one_that_is_not_set(needs_variable):
    got = run("serve", "--config", needs_variable, env={"CD_MISSING": ""})
    assert got.returncode == 2
    assert re.search(r"clients\[0\]\.secret: environment variable CD_MISSING is empty; .+CD_MISSING", got.stderr.splitlines()[0])


# ---- uWSGI ----

def wait_for(process, *wanted):
    """Reads until each text was in a line."""
    timer = threading.Timer(DEADLINE, process.kill)
    timer.start()
    said, missing = [], list(wanted)
    for line in process.stdout:
        said.append(line)
        missing = [text for text in missing if text not in line]
        if not missing:
            break
    timer.cancel()
    assert not missing, "".join(said)


class Uwsgi:
    def __init__(self, *args, folder, **env):
        self.process = subprocess.Popen(["uwsgi", *args], cwd=folder, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}", **env})

    def __enter__(self):
        return self.process

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.communicate(timeout=3)  # it does not stop while it waits to start a daemon again
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()


INI = "[uwsgi]\nplugin = python3\nsocket = {folder}/uwsgi.sock\nmaster = true\ndie-on-term = true\n"


@needs_uwsgi
@pytest.mark.parametrize("name, lines, who", [
    ("daemon", "attach-daemon = {command}\n", "uWSGI started this process"),
    ("exec", "exec-asap = {command}\n", "uWSGI started this process"),
    ("mule", "mule = {folder}/mule.py\n", "a worker or mule of uWSGI started this process"),
])
def test_uwsgi_is_named_with_its_file(needs_variable, tmp_path, name, lines, who):
    command = f"{CARDEA} serve --config {needs_variable}"
    (tmp_path / "mule.py").write_text(f"import subprocess, time\nsubprocess.run({command.split()!r})\ntime.sleep(60)\n")
    (tmp_path / f"{name}.ini").write_text(INI.format(folder=tmp_path) + lines.format(folder=tmp_path, command=command))
    with Uwsgi("--ini", f"{name}.ini", folder=tmp_path) as uwsgi:
        wait_for(uwsgi, f"{who}: write env = CD_MISSING=… under [uwsgi] in {name}.ini, then restart uWSGI\n")


@needs_uwsgi
def test_a_vassal_of_an_emperor_is_named_with_its_own_file(needs_variable, tmp_path):
    (tmp_path / "vassals").mkdir()
    (tmp_path / "vassals/site.ini").write_text(INI.format(folder=tmp_path) + f"attach-daemon = {CARDEA} serve --config {needs_variable}\n")
    with Uwsgi("--die-on-term", "--emperor", "vassals", folder=tmp_path) as uwsgi:
        wait_for(uwsgi, "a vassal of a uWSGI emperor started this process: write env = CD_MISSING=… under [uwsgi] in site.ini, ")


def readme_blocks():
    return re.findall(r"^```(\w+)\n(.*?)^```$", (EXAMPLE / "README.md").read_text(), re.M | re.S)


@needs_uwsgi
def test_the_example_of_a_variable_in_the_wrong_place_is_as_its_readme_says(tmp_path):
    first = find_ports(2)
    second = first + 1
    folder = tmp_path / "uwsgi-variable"
    shutil.copytree(EXAMPLE, folder)
    for path in folder.iterdir():
        path.write_text(path.read_text().replace("5001", str(first)).replace("5003", str(second)))
    (wrong, finding, right, curl, token) = (text.replace("5003", str(second)) for _, text in readme_blocks())
    with Uwsgi(*wrong.split()[1:], folder=folder) as uwsgi:
        wait_for(uwsgi, *finding.splitlines())
    with Uwsgi(*right.split()[1:], folder=folder) as uwsgi:
        wait_for(uwsgi, '"event":"listening"')
        assert first_line(curl.split()) == token.strip()
