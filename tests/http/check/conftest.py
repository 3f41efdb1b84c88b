"""A server with a portal and access rules, users, and sessions as a login page would start them."""
import json
import subprocess

import pytest
import yaml

import h2client
import services
from services import wait_until
from support.ports import find_ports

MASTER = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
TOOL = services.BUILD / "tests/http/check/session-tool"
PASSWORD, TOTP, RECOVERY = 1, 2, 4
COOKIE = "__Secure-cardea_session"
RULES = """
- { host: wiki.example.com, allow: { groups: [staff] } }
- { host: pub.example.com, public: true }
- { host: part.example.com, public: [/health, /static/], allow: { users: [ana] } }
- { host: two.example.com, allow: { users: [ana], factors: 2 } }
- { host: fresh.example.com, allow: { users: [ana], max_age: 1h } }
- { host: bo.example.com, allow: { users: [bo] } }
- { host: get.example.com, methods: [GET, HEAD], allow: { factors: 1 } }
- { host: net.example.com, allow: { users: [ana], networks: [10.0.0.0/8] } }
- { host: path.example.com, path: /open/, public: true }
- { host: path.example.com, allow: { users: [ana] } }
- { host: "*.wild.example.com", allow: { factors: 1 } }
"""


class Home:
    """Nodes on one store. Headers are lists of pairs, so that one may come twice."""

    def __init__(self, folder, store="sqlite:cardea.db", speaks_http2=False, **changes):
        self.folder, self.servers, self.speaks_http2 = folder, [], speaks_http2
        (folder / "master").write_text(MASTER)
        (folder / "master").chmod(0o600)
        self.store = store
        self.config_file = folder / "cardea.yaml"
        self.config = {
            "listen": ["127.0.0.1:0"],
            "store": store,
            "master_key": "${file:master}",
            "threads": 2,
            "trusted_proxies": ["127.0.0.1"],
            "portal": {"url": "https://auth.example.com/_auth", "cookie_domain": "example.com"},
            "access": yaml.safe_load(RULES),
            **changes,
        }
        self.write()

    def write(self, **changes):
        self.config.update(changes)
        self.config_file.write_text(json.dumps(h2client.with_protocol(self.config)))

    def serve(self):
        """One more node, on a port of its own."""
        folder = self.folder / f"run{len(self.servers)}"
        folder.mkdir()
        file = self.config_file if not self.servers else self.folder / f"node{len(self.servers)}.yaml"
        address = f"127.0.0.1:{find_ports()}"
        config = {**self.config, "listen": [{"address": address, "http2": True} if self.speaks_http2 else address]}
        if not self.servers:
            self.config = config
        file.write_text(json.dumps(h2client.with_protocol(config)))
        server = services.Service("cardea", None, folder, ["serve", "--config", file])
        self.servers.append(server)
        return server.start()

    def cardea(self, *args, text="", code=0):
        done = subprocess.run([services.PROGRAMS["cardea"], *args, "--config", self.config_file], input=text,
                              capture_output=True, text=True, timeout=services.PATIENCE)
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def add_user(self, name, *flags):
        self.cardea("user", "add", name, "--password-file", "-", *flags, text="correct horse battery")

    def log_in(self, user="ana", factors=PASSWORD, idle=3600, lifetime=36000, token=()):
        """The cookie's value."""
        url = self.store.replace("sqlite:", f"sqlite:{self.folder}/")
        done = subprocess.run([TOOL, url, user, str(factors), str(idle), str(lifetime), *token], input=MASTER, text=True,
                              capture_output=True, timeout=services.PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def make_token(self, user="ana", factors=PASSWORD, hosts="", paths=""):
        """A personal token, as the account page makes it."""
        return self.log_in(user, factors, token=(hosts, paths))

    def finish(self):
        for server in self.servers:
            server.finish()


def cookie(token, before="", after=""):
    return ("Cookie", f"{before}{COOKIE}={token}{after}")


def nginx(server, url, *headers, method="GET"):
    """The answer to a check as nginx asks it."""
    return server.call("/_auth/check/nginx", headers=[("X-Original-Method", method), ("X-Original-URL", url), *headers])


def forward(server, host, uri, *headers, method="GET", proto="https"):
    return server.call("/_auth/check/forward", headers=[
        ("X-Forwarded-Method", method), ("X-Forwarded-Proto", proto), ("X-Forwarded-Host", host), ("X-Forwarded-Uri", uri), *headers])


def becomes(ask, status):
    """Asks until the answer has that status: what another process changed is known within a second."""
    return wait_until(lambda: (answer := ask()).status == status and answer, f"a status of {status}")


@pytest.fixture
def new_home(tmp_path):
    made = []

    def make(**changes):
        folder = tmp_path / f"home{len(made)}"
        folder.mkdir()
        made.append(Home(folder, **changes))
        return made[-1]

    yield make
    for home in made:
        home.finish()


def fill(home):
    home.server = home.serve()
    home.add_user("ana", "--group", "staff", "--group", "admins", "--email", "ana@example.com", "--display-name", "Ana Müller")
    home.add_user("bo")
    return home


@pytest.fixture
def own(new_home):
    """One of the test's own, whose users it may change."""
    return fill(new_home())


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One for tests that leave nothing behind."""
    made = Home(tmp_path_factory.mktemp("check"))
    yield fill(made)
    made.finish()
