"""The authorization server of these tests: its clients, and what one asks of it."""
import base64
import json
from urllib.parse import quote, quote_plus, urlencode

import h2client

CLOCK = "http://localhost:5002"  # the audience of most tokens here
OTHER = "http://localhost:6002"  # the audience of the client "other"

APP = ("1234", "qwerty")
MACHINE = ("machine", "machine-secret")  # client_credentials only, one scope
FRONT = ("front", "front-secret")  # password grant only
WATCH = ("watch", "watch-secret")  # a resource server: may introspect CLOCK's tokens
STRANGER = ("other", "other-secret")  # another audience, and may introspect that alone
ODD = ("a:b%2B+c d\u00e9", "p:%41+ w\u00fc&=\u20ac")  # every byte here means something to some decoder


def settings(port, **changes):
    """A configuration; a keyword replaces the setting of its name."""
    both = ["client_credentials", "password"]
    clocks = ["current_time", "epoch_time"]
    config = {
        "listen": [f"127.0.0.1:{port}"],
        "threads": 1,
        "issuer": f"http://127.0.0.1:{port}",
        "tokens": {"lifetime": "5m", "alg": "ES256"},
        "accept_any_user": "demo-only",
        "lockout": {"account_attempts": 1000},  # many of these tests show wrong secrets, from one address
        "scopes": ["current_time", "epoch_time", "never_given"],
        "clients": [
            client(APP, both, clocks),
            client(MACHINE, ["client_credentials"], ["current_time"]),
            client(FRONT, ["password"], clocks),
            client(WATCH, [], [], introspect=[CLOCK]),
            client(STRANGER, both, clocks, audience=OTHER, introspect=[OTHER]),
            client(ODD, both, clocks),
        ],
    }
    config.update(changes)
    return config


def client(who, grant_types, scopes, audience=CLOCK, introspect=None):
    entry = {"id": who[0], "secret": who[1], "grant_types": grant_types, "scopes": scopes, "audience": audience}
    if introspect is not None:
        entry["introspect"] = introspect
    return entry


def basic(who):
    """RFC 6749 section 2.3.1: both are form-encoded first."""
    return basic_raw(f"{quote_plus(who[0])}:{quote_plus(who[1])}")


def basic_raw(text):
    if isinstance(text, str):
        text = text.encode()
    return ("Authorization", "Basic " + base64.b64encode(text).decode())


def no_duplicates(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"a member twice: {names}"
    return dict(pairs)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        assert self.headers["Content-Type"].split(";")[0].strip() == "application/json", self
        return json.loads(self.body.decode("utf-8"), object_pairs_hook=no_duplicates)

    def header(self, name):
        """The only field of that name."""
        fields = self.headers.get_all(name, [])
        assert len(fields) <= 1, fields
        return fields[0] if fields else None

    def __repr__(self):
        return f"<{self.status} {dict(self.headers)} {self.body[:400]!r}>"


class Connection:
    """One kept-alive connection."""

    def __init__(self, port, timeout=20):
        self.http = h2client.connect("127.0.0.1", port, timeout)

    def send(self, method, path, body=None, headers=()):
        named = any(name.lower() == "host" for name, _ in headers)
        self.http.putrequest(method, path, skip_host=named, skip_accept_encoding=True)
        for name, value in headers:
            self.http.putheader(name, value)
        if body is not None:
            self.http.putheader("Content-Length", str(len(body)))
        self.http.endheaders(body)
        return Answer(self.http.getresponse())

    def form(self, path, fields, who=None, headers=(), method="POST"):
        """`fields`: a dict, a list of pairs, or the body itself as str or bytes."""
        if isinstance(fields, (dict, list)):
            fields = urlencode(fields, quote_via=quote)
        if isinstance(fields, str):
            fields = fields.encode()
        headers = list(headers)
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
        if who is not None:
            headers.append(basic(who))
        return self.send(method, path, fields, headers)

    def close(self):
        self.http.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Authority:
    """Speaks to a running server; each call on a connection of its own."""

    def __init__(self, service):
        self.service = service
        self.port = service.port
        self.issuer = f"http://127.0.0.1:{service.port}"

    def get(self, path, method="GET", headers=()):
        with Connection(self.port) as connection:
            return connection.send(method, path, None, headers)

    def form(self, path, fields, who=None, headers=(), method="POST"):
        with Connection(self.port) as connection:
            return connection.form(path, fields, who, headers, method)

    def ask(self, fields, who=APP, headers=()):
        return self.form("/oauth/token", fields, who, headers)

    def token(self, who=APP, scope=None, user=None):
        """An access token, of the password grant where a user is named."""
        fields = {"grant_type": "client_credentials"}
        if user:
            fields = {"grant_type": "password", "username": user, "password": "any"}
        if scope:
            fields["scope"] = scope
        answer = self.ask(fields, who)
        assert answer.status == 200, answer
        return answer.json()["access_token"]

    def introspect(self, token, who=WATCH):
        answer = self.form("/oauth/introspect", {"token": token}, who)
        assert answer.status == 200, answer
        return answer.json()

    def revoke(self, token, who=APP):
        return self.form("/oauth/revoke", {"token": token}, who)

    def keys(self):
        return json.loads(self.get("/.well-known/jwks.json").body)["keys"]


def assert_error(answer, status, error):
    """RFC 6749 section 5.2, to the letter."""
    assert answer.status == status, answer
    body = answer.json()
    assert body["error"] == error, answer
    assert set(body) <= {"error", "error_description", "error_uri"}, answer
    for char in body.get("error_description", ""):
        assert char in " !" or "#" <= char <= "[" or "]" <= char <= "~", answer
    assert "no-store" in answer.header("Cache-Control"), answer
    assert answer.header("Pragma") == "no-cache", answer
    if status == 401:
        assert answer.header("WWW-Authenticate").startswith("Basic "), answer
        assert "realm=" in answer.header("WWW-Authenticate"), answer
    assert_reveals_nothing(answer)


def assert_reveals_nothing(answer):
    """LESSONS 29: no path, source line, library or errno reaches a client."""
    text = answer.body.decode("utf-8", "replace").lower()
    for word in (".c:", ".pem", ".yaml", "/src/", "/tmp/", "/home/", "openssl", "error:0", "errno", "assert", "0x"):
        assert word not in text, answer
