"""An installation as `cardea init` makes it, and what a user does with it."""
import atexit
import base64
import functools
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from support.ports import find_ports

from .commands import CARDEA, DEADLINE, run

PASSWORD = "correct horse battery"


TEMPLATE_PORT = 11111


@functools.cache
def template():
    """What `cardea init` makes, once for all tests of a process: the keys take a quarter of a second of the processor."""
    folder = tempfile.mkdtemp(prefix="cardea-template-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    done = run("init", "--dir", f"{folder}/auth", "--listen", f"127.0.0.1:{TEMPLATE_PORT}")
    assert done.returncode == 0, done.stderr
    return pathlib.Path(folder, "auth")


class Installation:
    """With options, or `fresh`, what `cardea init` makes there itself; otherwise a copy of what it made elsewhere."""

    def __init__(self, folder, *options, port=None, fresh=False):
        self.folder = pathlib.Path(folder)
        self.port = port or find_ports(2)  # its resource service takes the next one
        self.config = self.folder / "cardea.yaml"
        if not options and not fresh:
            self.copy()
            return
        self.made = run("init", "--dir", self.folder, "--listen", f"127.0.0.1:{self.port}", *options)
        assert self.made.returncode == 0, self.made.stderr

    def copy(self):
        shutil.copytree(template(), self.folder, dirs_exist_ok=True)
        for name in ("cardea.yaml", "resource.yaml"):
            path = self.folder / name
            path.write_text(re.sub(rf"\b({TEMPLATE_PORT}|{TEMPLATE_PORT + 1})\b", lambda found: str(int(found[0]) - TEMPLATE_PORT + self.port), path.read_text()))

    def run(self, *args, stdin=None, check=None, **options):
        words = args.index("--") if "--" in args else len(args)
        command = [CARDEA, *map(str, args[:words]), "--config", self.config, *map(str, args[words:])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, input=stdin or "",
                              start_new_session=True, **options)
        assert check is None or done.returncode == check, (args, done.returncode, done.stdout, done.stderr)
        return done

    def add_user(self, name, password=PASSWORD, *options):
        return self.run("user", "add", name, "--password-file", "-", *options, stdin=password, check=0)

    def rows(self, *args):
        """The objects of a list with --json."""
        return [json.loads(line) for line in self.run(*args, "--json", check=0).stdout.splitlines()]

    def request(self, path, name, password, data=None):
        """(status, body) of an authenticated request."""
        request = urllib.request.Request(f"https://localhost:{self.port}{path}", data=data)
        secret = base64.b64encode(f"{name}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {secret}")
        trust = ssl.create_default_context(cafile=self.folder / "ca.pem")
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE, context=trust) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def login(self, name, password=PASSWORD):
        return self.request("/grant", name, password)

    def client_token(self, client, secret):
        return self.request("/oauth/token", client, secret, b"grant_type=client_credentials")


def within(seconds, question):
    """Asks until the answer is true; what it was."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(0.02)


def at_terminal(*args, answers):
    """Runs the command on a terminal of its own. answers: (what it asks, what is typed). (exit code, all that was shown)."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(CARDEA, ["cardea", *map(str, args)])
    shown = b""
    waiting = list(answers)
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if waiting and waiting[0][0].encode() in shown:
            question, text = waiting.pop(0)
            shown = shown.replace(question.encode(), b"(asked)", 1)
            os.write(terminal, text.encode())
        if not select.select([terminal], [], [], 0.05)[0]:
            continue
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        if not data:
            break
        shown += data
    else:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return status, shown.decode()


def exit_code(status):
    return os.waitstatus_to_exitcode(status)
