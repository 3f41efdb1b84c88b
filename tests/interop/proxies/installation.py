"""A real server with users, sessions as a login makes them, and the rules of two sites."""
import base64
import json
import os
import subprocess

from services import BUILD, PROGRAMS, Service
from support.ports import find_ports

PATIENCE = 30  # seconds
RULES = [
    {"host": "wiki.example.com", "allow": {"groups": ["staff"]}},
    {"host": "docs.example.com", "path": "/public/", "public": True},
    {"host": "docs.example.com", "path": "/admin/", "allow": {"groups": ["admins"]}},
    {"host": "docs.example.com", "path": "/network/", "allow": {"users": ["ana"], "networks": ["10.0.0.0/8"]}},
    {"host": "docs.example.com", "path": "/bearer/", "allow": {"groups": ["staff"]}, "bearer": {"audience": "https://docs.example.com", "scope": "read"}},
    {"host": "docs.example.com", "allow": {"groups": ["staff"]}},
    {"host": "auth.example.com", "allow": {"groups": ["staff"]}},
]
USERS = {"ana": ["--group", "staff", "--email", "ana@example.com", "--display-name", "Ana Ü"],
         "bob": ["--group", "guests"],
         "eve": ["--group", "staff", "--group", "night"]}
PASSWORD = "correct horse battery"
CLIENT_SECRET = "a secret of the reports"
PASSWORD_AND_TOTP = "3"  # bits of enum cd_factor


class Installation:
    cookie_name = "__Secure-cardea_session"

    def __init__(self, folder, portal="https://auth.example.com/_auth", is_tls=False, identity=None, cookie_domain="example.com",
                 lockout=None, other_domains=(), rules=RULES):
        folder.mkdir()
        self.folder = folder
        self.key = base64.b64encode(os.urandom(32)).decode()
        settings = {"listen": [f"127.0.0.1:{find_ports()}"], "trusted_proxies": ["127.0.0.1"], "store": f"sqlite:{folder}/cardea.db",
                    "master_key": self.key, "portal": {"url": portal, "factors": ["password"], "identity": identity or {}},
                    "lockout": lockout or {}, "access": list(rules), "issuer": "https://auth.example.com", "scopes": ["read", "write"],
                    "clients": [{"id": "reports", "secret": CLIENT_SECRET, "grant_types": ["client_credentials"], "scopes": ["read", "write"],
                                 "audience": "https://docs.example.com"}]}
        if cookie_domain:
            settings["portal"]["cookie_domain"] = cookie_domain
        if other_domains:
            settings["portal"]["other_domains"] = list(other_domains)
        if is_tls:
            self.make_certificate()
            settings["tls"] = {"certificate": f"{folder}/cert.pem", "key": f"{folder}/key.pem"}
        self.service = Service("cardea", settings, folder, ["serve"])
        self.store = settings["store"]
        self.config = self.service.config_file
        self.config.write_text(json.dumps(settings))
        self.config.chmod(0o600)
        self.run("migrate")
        for name, words in USERS.items():
            self.run("user", "add", name, *words, "--password-file", "-", stdin=PASSWORD)
        self.cookies = {name: self.log_in(name) for name in ("ana", "bob")}
        self.start()

    def run(self, *words, stdin=""):
        done = subprocess.run([PROGRAMS["cardea"], *words, "--config", self.config], input=stdin, capture_output=True, text=True,
                              timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make_certificate(self):
        """A new one, of an authority of its own; ca.pem stays that of the first."""
        made = self.folder / "certificate"
        made.mkdir()
        subprocess.run([PROGRAMS["cardea"], "cert", "new", "localhost", "--dir", made], check=True, capture_output=True)
        for path in made.iterdir():
            if path.name != "ca.pem" or not (self.folder / "ca.pem").exists():
                path.rename(self.folder / path.name)
            else:
                path.unlink()
        made.rmdir()

    def log_in(self, user):
        """The cookie of a new session, as browsers send it."""
        done = subprocess.run([BUILD / "tests/http/check/session-tool", self.store, user, PASSWORD_AND_TOTP], input=self.key, capture_output=True, text=True,
                              timeout=PATIENCE, check=True)
        return f"{self.cookie_name}={done.stdout.strip()}"

    def make_token(self, user):
        """A personal token, as the account page makes it."""
        done = subprocess.run([BUILD / "tests/http/check/session-tool", self.store, user, PASSWORD_AND_TOTP, "3600", "36000", ""], input=self.key,
                              capture_output=True, text=True, timeout=PATIENCE, check=True)
        return done.stdout.strip()

    def get_access_token(self, scope):
        credentials = base64.b64encode(b"reports:" + CLIENT_SECRET.encode()).decode()
        return self.service.call("/oauth/token", "POST", [("Authorization", f"Basic {credentials}")],
                                 {"grant_type": "client_credentials", "scope": scope}).json()["access_token"]

    def cookie(self, user):
        return self.cookies[user]

    def start(self):
        self.service.start()

    def stop(self):
        assert self.service.stop() == 0, self.service.lines()[-5:]
