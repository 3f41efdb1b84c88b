"""Debian's Glewlwyd as an issuer of OpenID Connect, with one user and one client; and the browser of that user."""
import gzip
import http.client
import json
import pathlib
import shutil
import sqlite3
import subprocess
import time
import urllib.parse

from support.ports import find_ports

PROGRAM = shutil.which("glewlwyd", path="/usr/bin:/usr/sbin:/bin")
SCHEMA = pathlib.Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
PLUGIN = "corp"
PATIENCE = 30  # seconds
CONFIG = """
port={port}
bind_address="127.0.0.1"
external_url="http://localhost:{port}"
login_url="login.html"
api_prefix="api"
log_mode="file"
log_level="WARNING"
log_file="{folder}/glewlwyd.log"
cookie_domain="localhost"
cookie_secure=0
session_expiration=2419200
session_key="GLEWLWYD2_SESSION_ID"
admin_session_authentication="cookie"
profile_session_authentication="cookie"
login_api_enabled=true
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
user_middleware_module_path="/usr/lib/glewlwyd/user_middleware"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
hash_algorithm="SHA512"
database={{ type="sqlite3" path="{folder}/glewlwyd.db" }};
"""


def key_pair():
    private = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, text=True, check=True).stdout
    public = subprocess.run(["openssl", "rsa", "-pubout"], input=private, capture_output=True, text=True, check=True).stdout
    return private, public


class Session:
    """Cookies of one person."""

    def __init__(self, port):
        self.port, self.cookie = port, None

    def ask(self, method, path, document=None):
        headers = {"Cookie": self.cookie} if self.cookie else {}
        if document is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path, None if document is None else json.dumps(document), headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.getheader("Set-Cookie"):
            self.cookie = answer.getheader("Set-Cookie").split(";")[0]
        connection.close()
        return answer, body

    def api(self, path, method="POST", **document):
        answer, body = self.ask(method, f"/api/{path}", document)
        assert answer.status == 200, (path, answer.status, body)


class Glewlwyd:
    def __init__(self, folder, redirect_uri, secret):
        self.port = find_ports()
        self.issuer = f"http://localhost:{self.port}/api/{PLUGIN}"
        schema = SCHEMA.read_text() if SCHEMA.exists() else gzip.decompress(SCHEMA.with_suffix(".gz").read_bytes()).decode()
        database = sqlite3.connect(folder / "glewlwyd.db")
        database.executescript(schema)
        database.close()
        (folder / "glewlwyd.conf").write_text(CONFIG.format(port=self.port, folder=folder))
        self.process = subprocess.Popen([PROGRAM, f"--config-file={folder}/glewlwyd.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait()
        self._configure(redirect_uri, secret)

    def _wait(self):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                Session(self.port).ask("GET", "/api/")
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end, "Glewlwyd does not start"
                time.sleep(0.02)

    def _configure(self, redirect_uri, secret):
        admin = Session(self.port)
        admin.api("auth/", username="admin", password="password")
        private, public = key_pair()
        kinds = ("code", "token", "id-token", "password", "client", "refresh", "none", "device", "implicit")
        admin.api("mod/plugin/", module="oidc", name=PLUGIN, display_name=PLUGIN, order_rank=0, readonly=False, parameters={
            "iss": self.issuer, "jwt-type": "rsa", "jwt-key-size": "256", "key": private, "cert": public, "access-token-duration": 3600,
            "refresh-token-duration": 1209600, "code-duration": 600, "refresh-token-rolling": False, "allow-non-oidc": False,
            **{f"auth-type-{kind}-enabled": kind in ("code", "id-token") for kind in kinds}, "subject-type": "public", "jwks-show": True,
            "pkce-allowed": True, "pkce-method-plain-allowed": False, "introspection-revocation-allowed": False, "scope": [],
            "additional-parameters": [], "claims": [], "name-claim": "on-demand", "name-claim-scope": ["openid"], "email-claim": "mandatory",
            "email-claim-scope": ["openid"], "request-parameter-allow": False, "secret-type": "pairwise", "client-pubkey-parameter": "",
            "oauth-par-allowed": False, "iss-in-authorize": True})
        for scope in ("profile", "email"):
            admin.api("scope", name=scope, display_name=scope, description=scope, password_required=True, scheme={})
        admin.api("user/", username="una", name="Una", email="una@example.com", enabled=True, password="password1",
                  scope=["g_profile", "openid", "profile", "email"])
        admin.api("client/", client_id="cardea", name="Cardea", description="c", confidential=True, client_secret=secret, password=secret,
                  enabled=True, redirect_uri=[redirect_uri], authorization_type=["code"], token_endpoint_auth_method=["client_secret_post"],
                  scope=[])

    def agree(self, url):
        """What una's browser does at the authorization endpoint: logs in, consents, and gets the URL of the callback."""
        una = Session(self.port)
        una.api("auth/", username="una", password="password1")
        una.api("auth/grant/cardea", method="PUT", scope="openid profile email")
        parts = urllib.parse.urlsplit(url)
        answer, body = una.ask("GET", f"{parts.path}?{parts.query}&g_continue")
        assert answer.status == 302, (answer.status, body)
        return answer.getheader("Location")

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
