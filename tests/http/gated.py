"""A server whose gate has routes, its users, and sessions as a login makes them."""
import base64
import json
import os
import pathlib
import subprocess

import services
from support.ports import find_ports

PORTAL = "https://auth.example.com/_auth"
COOKIE = "__Secure-cardea_session"
TOOL = services.BUILD / "tests/http/check/session-tool"
PASSWORD = "correct horse battery"
USERS = {"ana": ["--group", "staff", "--email", "ana@example.com", "--display-name", "Ana Müller"],
         "bob": ["--group", "guests"]}


class Gated:
    """`routes` are entries of gate.routes. It listens for HTTP/1.1 at the port `h1` and for HTTP/2 with prior knowledge at `h2`."""

    def __init__(self, folder, routes, users=USERS, **changes):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.key = base64.b64encode(os.urandom(32)).decode()
        self.h1 = find_ports(2)
        self.h2 = self.h1 + 1
        self.store = changes.get("store", f"sqlite:{folder}/cardea.db")
        self.settings = {"listen": [f"127.0.0.1:{self.h1}", {"address": f"127.0.0.1:{self.h2}", "http2": True}],
                         "store": self.store, "master_key": self.key, "threads": 1,
                         "portal": {"url": PORTAL, "factors": ["password"], "cookie_domain": "example.com"},
                         "gate": {"routes": routes}, **changes}
        self.service = services.Service("cardea", self.settings, folder, ["serve"])
        self.config = self.service.config_file
        self.config.write_text(json.dumps(self.settings))
        self.config.chmod(0o600)
        self.run("migrate")
        for name, words in users.items():
            self.run("user", "add", name, *words, "--password-file", "-", stdin=PASSWORD)
        self.cookies = {name: self.log_in(name) for name in users}
        self.service.start()

    def run(self, *words, stdin=""):
        done = subprocess.run([services.PROGRAMS["cardea"], *words, "--config", self.config], input=stdin, capture_output=True, text=True,
                              timeout=services.PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _tool(self, *words):
        return subprocess.run([TOOL, self.store, *words], input=self.key, capture_output=True, text=True, timeout=services.PATIENCE,
                              check=True).stdout.strip()

    def log_in(self, user):
        """The cookie of a new session, as browsers send it."""
        return f"{COOKIE}={self._tool(user, '1')}"

    def make_token(self, user):
        """A personal token, as the account page makes it."""
        return self._tool(user, "1", "3600", "36000", "")

    @property
    def pid(self):
        return self.service.process.pid

    def descriptors(self):
        """What is open, by kind: {"socket": 7, …}."""
        kinds = {}
        for path in pathlib.Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                kind = os.readlink(path).partition(":")[0]
            except FileNotFoundError:
                continue
            kinds[kind] = kinds.get(kind, 0) + 1
        return kinds

    @property
    def is_sanitized(self):
        """A sanitizer keeps freed memory for a while."""
        code = pathlib.Path(services.PROGRAMS["cardea"]).read_bytes()
        return b"__asan_init" in code or b"__tsan_init" in code

    def resident(self):
        """Bytes."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def log(self):
        return self.service.log_file.read_text()

    def stop(self):
        self.service.finish()


def make_authority(folder, *names):
    """A certificate for the names, else localhost, its key, and the authority that issued it."""
    folder.mkdir(exist_ok=True)
    subprocess.run([services.PROGRAMS["cardea"], "cert", "new", *(names or ("localhost", "127.0.0.1")), "--dir", folder], check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
