"""What `cardea init` makes, with its users and clients, and the servers that run on it."""
import json
import pathlib
import re
import shutil
import subprocess
from urllib.parse import urlencode

import jwt
import yaml

import h2client
import services
from authority import Connection, basic_raw
from services import wait_until
from support.ports import find_ports

SQLITE = "sqlite:cardea.db"
AUDIENCE = "https://resource.example"
WATCH = "watch"  # the client that may introspect AUDIENCE's tokens
APP = "app"  # the client that may use the password grant, and introspect its own tokens
CHEAP = {"memory": "64KB", "iterations": 1}  # hashes that cost nothing, where their cost is not what is tested
PATIENT = {"account_attempts": 5, "address_attempts": 1000000, "delay": "1s", "max_delay": "15m"}
BUSY = 10  # seconds: what is promised within one may take longer on a machine that does other things too


class Installation:
    """`changes` replace the settings of their names. One on SQLite may be a copy of another that was made for this: `cardea init` makes an
    RSA key, which takes most of the time of many a test. Every password and token that passes here must never be in a log."""

    def __init__(self, folder, store=SQLITE, template=None, **changes):
        self.folder, self.secrets, self.servers, self.clients = folder / "auth", set(), [], {}
        self.port = find_ports()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.config_file = self.folder / "cardea.yaml"
        is_copy = template and store == SQLITE
        if is_copy:
            shutil.copytree(template.folder, self.folder)
            self.secrets, self.clients = set(template.secrets), dict(template.clients)
        else:
            made = subprocess.run(
                [services.PROGRAMS["cardea"], "init", "--dir", self.folder, "--listen", f"127.0.0.1:{self.port}",
                 "--issuer", self.issuer, "--store", store], capture_output=True, text=True, timeout=services.PATIENCE)
            assert made.returncode == 0, made.stderr
        self.config = yaml.safe_load(self.config_file.read_text())
        self.config.pop("tls", None)
        self.config.update({
            "listen": [f"127.0.0.1:{self.port}"],
            "issuer": self.issuer,
            "threads": 2,
            "basic_tokens": {"audience": AUDIENCE, "lifetime": "5m", "realm": "the users"},
            "password_hashing": CHEAP,
            "passwords": {"min_length": 8},
            "lockout": PATIENT,
        })
        self.configure(**changes)
        if not is_copy:
            self.add_client(WATCH, introspect=[AUDIENCE])
            self.add_client(APP, grant_types=["password", "client_credentials"], scopes=["read"], audience=AUDIENCE,
                            introspect=[AUDIENCE])

    def configure(self, **changes):
        self.config = h2client.with_protocol({**self.config, **changes})
        self.config_file.write_text(json.dumps(self.config))

    def cardea(self, *args, text="", code=0):
        """A command on this installation; its standard output."""
        words = args.index("--") if "--" in args else len(args)
        done = subprocess.run([services.PROGRAMS["cardea"], *args[:words], "--config", self.config_file, *args[words:]],
                              input=text, capture_output=True, text=True, timeout=services.PATIENCE)
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        for secret in self.secrets:
            assert secret not in done.stdout + done.stderr, args
        return done.stdout

    def add_user(self, name, password, *claims, code=0, flags=()):
        self.note_secret(password)
        return self.cardea("user", "add", name, "--password-file", "-", *flags,
                           *[part for claim in claims for part in ("--claim", claim)], text=password, code=code)

    def note_secret(self, secret):
        """It is looked for in every log. What is as short as a word of a log line is not."""
        if len(secret) > 5:
            self.secrets.add(secret)

    def set_password(self, name, password):
        self.note_secret(password)
        return self.cardea("user", "passwd", name, "--password-file", "-", text=password)

    def add_client(self, client, grant_types=(), scopes=(), audience=None, introspect=()):
        args = ["client", "add", client, "--json"]
        for flag, values in (("--grant-type", grant_types), ("--scope", scopes), ("--introspect", introspect)):
            args += [part for value in values for part in (flag, value)]
        if audience:
            args += ["--audience", audience]
        self.clients[client] = (client, json.loads(self.cardea(*args))["secret"])
        self.secrets.add(self.clients[client][1])

    def keys(self, alg="RS256"):
        """As `cardea key list` shows them, the oldest first."""
        lines = self.cardea("key", "list", "--json").splitlines()
        return [key for key in map(json.loads, lines) if key["alg"] == alg]

    def serve(self, config_file=None):
        server = Server(self, config_file or self.config_file)
        self.servers.append(server)
        return server.start()

    def serve_another(self, **changes):
        """A second node: another port and control socket, the same store, the same name."""
        name = f"node{len(self.servers)}"
        path = self.folder / f"{name}.yaml"
        config = {**self.config, "listen": [f"127.0.0.1:{find_ports()}"], "control": f"unix:{name}.sock", **changes}
        path.write_text(json.dumps(h2client.with_protocol(config)))
        return self.serve(path)

    def finish(self):
        for server in self.servers:
            server.finish()
        for server in self.servers:
            log = "\n".join(server.lines())
            assert "Sanitizer" not in log and "runtime error" not in log, log[-4000:]
            for secret in self.secrets:
                assert secret not in log, "LESSONS 28: a secret in the log"


class Server(services.Service):
    """`cardea serve` on an installation; stopped and started, it has the port that it had."""

    def __init__(self, home, config_file):
        folder = home.folder / f"run{len(home.servers)}"
        folder.mkdir()
        super().__init__("cardea", None, folder, ["serve", "--config", config_file])
        self.home = home

    def processor_time(self):
        """Seconds that its threads have run, which do not depend on what else the machine does."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def ask(self, method, path, headers=(), body=None, timeout=services.PATIENCE):
        with Connection(self.port, timeout) as connection:
            return connection.send(method, path, body, headers)

    def grant(self, name, password, method="GET", headers=()):
        """`name` and `password`: str (as UTF-8) or bytes."""
        both = [x.encode() if isinstance(x, str) else x for x in (name, password)]
        if isinstance(password, str):
            self.home.note_secret(password)
        answer = self.ask(method, "/grant", [basic_raw(b":".join(both)), *headers], b"" if method == "POST" else None)
        if answer.status == 200 and answer.body:
            self.home.secrets.add(answer.json()["token"])
        return answer

    def token(self, name, password):
        answer = self.grant(name, password)
        assert answer.status == 200, answer
        return answer.json()["token"]

    def form(self, path, fields, client, headers=()):
        with Connection(self.port) as connection:
            return connection.form(path, fields, self.home.clients[client], headers)

    def password_grant(self, name, password, headers=()):
        fields = {"grant_type": "password", "username": name, "password": password}
        return self.form("/oauth/token", urlencode(fields), APP, headers)

    def introspect(self, token, client=WATCH):
        answer = self.form("/oauth/introspect", {"token": token}, client)
        assert answer.status == 200, answer
        return answer.json()

    def is_alive(self, token):
        return self.introspect(token)["active"]

    def jwks(self):
        return json.loads(self.ask("GET", "/.well-known/jwks.json").body)

    def kids(self, alg="RS256"):
        return {key["kid"] for key in self.jwks()["keys"] if key["alg"] == alg}

    def verify(self, token):
        """The claims, as PyJWT reads them with the key of the JWKS that the header names."""
        keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(self.jwks()).keys}
        header = jwt.get_unverified_header(token)
        return jwt.decode(token, keys[header["kid"]].key, algorithms=["RS256"], audience=AUDIENCE,
                          issuer=self.home.issuer, options={"require": ["exp", "iat", "sub", "jti", "client_id"]})


def kid_of(token):
    return jwt.get_unverified_header(token)["kid"]


def soon(condition, what):
    """A change made by a command or another node is seen within a second, see test_a_change_is_seen_within_a_second."""
    return wait_until(condition, what, BUSY)


def assert_refused(answer):
    """RFC 7617 section 2 and 2.1: no or bad credentials."""
    assert answer.status == 401, answer
    assert re.fullmatch(r'Basic realm="the users", ?charset="UTF-8"', answer.header("WWW-Authenticate")), answer
    assert "no-store" in answer.header("Cache-Control"), answer


def assert_throttled(answer):
    """RFC 6585 section 4; the seconds that Retry-After says (RFC 9110 section 10.2.3)."""
    assert answer.status == 429, answer
    assert int(answer.header("Retry-After")) >= 1, answer
    return int(answer.header("Retry-After"))


def assert_unavailable(answer):
    assert answer.status == 503, answer
    assert int(answer.header("Retry-After")) >= 1, answer


def without_seconds(body):
    """What a lockout says, at whatever second of it."""
    return re.sub(rb"counts in \d+ s", b"counts in * s", body)


def what_a_client_sees(answer):
    """All of it but what differs between any two answers."""
    passing = {"date", "x-request-id"}
    return answer.status, sorted((k, v) for k, v in answer.headers.items() if k.lower() not in passing), without_seconds(answer.body)
