"""What the fake providers have in common: requests and answers, applications, the page that asks the user, codes and tokens."""
import base64
import dataclasses
import hashlib
import hmac
import html
import http
import json
import secrets
import urllib.parse

CODE_LIFETIME = 600  # seconds


@dataclasses.dataclass
class Request:
    method: str
    path: str  # below the provider, decoded: "/login/oauth/authorize"
    query_text: str
    headers: list  # of (name, value), as they came
    body: bytes

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def query(self):
        return dict(reversed(urllib.parse.parse_qsl(self.query_text, keep_blank_values=True)))  # of two, the first

    @property
    def form(self):
        if self.header("Content-Type").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
            return {}
        return dict(reversed(urllib.parse.parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)))

    @property
    def wants_json(self):
        return "json" in self.header("Accept").lower()

    @property
    def bearer(self):
        scheme, _, token = self.header("Authorization").partition(" ")
        return token.strip() if scheme.lower() in ("bearer", "token") else ""


@dataclasses.dataclass
class Answer:
    status: int
    body: bytes
    headers: list

    @classmethod
    def json(cls, status, value, *headers):
        return cls(status, json.dumps(value).encode(), [("Content-Type", "application/json; charset=utf-8"), *headers])

    @classmethod
    def form(cls, status, value):
        return cls(status, urllib.parse.urlencode(value).encode(), [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")])

    @classmethod
    def html(cls, status, title, body):
        return cls(status, page(title, body).encode(), [("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", CSP)])

    @classmethod
    def redirect(cls, url):
        return cls(303, b"", [("Location", url), ("Cache-Control", "no-store")])


class OAuthError(Exception):
    def __init__(self, error, description):
        super().__init__(description)
        self.error, self.description = error, description


@dataclasses.dataclass
class Client:
    id: str
    secret: str
    redirect_uris: list  # empty: any


@dataclasses.dataclass
class Grant:
    """What a code, an access token or a refresh token is for."""
    client: str
    user: str
    scopes: list
    expires_at: float
    redirect_uri: str = ""
    challenge: str = ""


class Provider:
    """A provider. What it does differently is in the class of each."""
    name = label = ""
    default_scopes = ()
    token_lifetime = None  # seconds; None: without end, and without a refresh token
    subject = "id"  # of the user's description

    def __init__(self, fakes, clients, users):
        self.fakes = fakes  # for the clock, the own URL, and what the control endpoint has set
        self.clients = {client.id: client for client in clients}
        self.users = users  # by login
        self.codes, self.tokens, self.refresh_tokens = {}, {}, {}
        self.auto = None  # a login, or "deny": answers instead of the user

    @property
    def url(self):
        return f"{self.fakes.url}/{self.name}"

    # ---- the page that asks the user ----

    def authorize(self, request):
        asked = request.form if request.method == "POST" else request.query
        client = self.clients.get(asked.get("client_id", ""))
        if not client:
            return self.unknown_client()
        target, problem = self.redirect_target(client, asked.get("redirect_uri"))
        if not target:
            return Answer.html(400, "Invalid redirect", f"<p>{html.escape(problem)}</p>")
        if problem:
            return self.back(target, asked, error="redirect_uri_mismatch", error_description=problem)
        for error, description in self.problems_of(asked):
            return self.back(target, asked, error=error, error_description=description)
        if self.auto:
            return self.decide(client, target, asked, self.auto)
        if request.method == "POST":
            return self.decide(client, target, asked, asked.get("user") if asked.get("decision") == "authorize" else "deny")
        return self.consent_page(client, target, asked)

    def unknown_client(self):
        return Answer.html(404, "Not found", "<p>There is no such application: check client_id.</p>")

    def redirect_target(self, client, asked):
        """Where the browser goes back to, and what is wrong; the target is empty where the browser must stay here."""
        if not asked:
            return (client.redirect_uris[0], "") if client.redirect_uris else ("", "redirect_uri is missing")
        if client.redirect_uris and asked not in client.redirect_uris:
            return "", "The redirect_uri is not one that the application has registered."
        return asked, ""

    def problems_of(self, asked):
        if asked.get("response_type", "code") != "code":
            yield "unsupported_response_type", "Only the response type code is supported."
        if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
            yield "invalid_request", "Only the code_challenge_method S256 is supported."
        if asked.get("code_challenge") and len(asked["code_challenge"]) != 43:
            yield "invalid_request", "code_challenge must have 43 characters."

    def denied(self):
        return {"error": "access_denied", "error_description": "The user has denied your application access."}

    def decide(self, client, target, asked, user):
        if user not in self.users:
            return self.back(target, asked, **self.denied())
        code = secrets.token_hex(10)
        self.codes[code] = Grant(client.id, user, self.scopes_of(asked.get("scope", "")), self.fakes.now() + CODE_LIFETIME,
                                 asked.get("redirect_uri", ""), asked.get("code_challenge", ""))
        return self.back(target, asked, code=code)

    def scopes_of(self, text):
        return text.replace(",", " ").split() or list(self.default_scopes)

    def back(self, target, asked, **parameters):
        if asked.get("state"):
            parameters["state"] = asked["state"]
        parameters = {key: value for key, value in {**parameters, **self.fakes.callback}.items() if value is not None}
        return Answer.redirect(f"{target}{'&' if '?' in target else '?'}{urllib.parse.urlencode(parameters)}")

    def consent_page(self, client, target, asked):
        hidden = "".join(f'<input type="hidden" name="{html.escape(key)}" value="{html.escape(value)}">\n' for key, value in asked.items())
        options = "".join(
            f'<label><input type="radio" name="user" value="{html.escape(login)}"{" checked" if number == 0 else ""}> '
            f'<span><b>{html.escape(login)}</b><br>{html.escape(user["about"])}</span></label>\n'
            for number, (login, user) in enumerate(self.users.items()))
        scopes = ", ".join(self.scopes_of(asked.get("scope", ""))) or "none"
        return Answer.html(200, f"Authorize at {self.label}", f"""
<p class="note">This is not {self.label}. It is a program on this machine that answers as {self.label} does.</p>
<p>The application <b>{html.escape(client.id)}</b> wants to know who you are. Scopes: <b>{html.escape(scopes)}</b>.
You return to <b>{html.escape(target.partition("?")[0])}</b>.</p>
<form method="post" action="{html.escape(f"/{self.name}{self.authorize_path}")}">
{hidden}<fieldset><legend>Who are you at {self.label}?</legend>
{options}</fieldset>
<p><button name="decision" value="authorize" class="main">Authorize</button> <button name="decision" value="cancel">Cancel</button></p>
</form>""")

    # ---- the token endpoint ----

    def credentials(self, request):
        """client_id and client_secret, from wherever this provider reads them."""
        scheme, _, encoded = request.header("Authorization").partition(" ")
        if scheme.lower() == "basic":
            name, _, secret = base64.b64decode(encoded, validate=False).decode("utf-8", "replace").partition(":")
            return urllib.parse.unquote_plus(name), urllib.parse.unquote_plus(secret)
        return request.form.get("client_id", ""), request.form.get("client_secret", "")

    def exchange_code(self, client, form):
        """What an access token is made from. A code that was shown is used up."""
        grant = self.codes.pop(form.get("code", ""), None)
        if not grant or grant.client != client.id or self.fakes.now() >= grant.expires_at:
            raise OAuthError(*self.bad_code)
        if grant.redirect_uri and form.get("redirect_uri", self.default_redirect(grant)) != grant.redirect_uri:
            raise OAuthError(*self.wrong_redirect)
        if grant.challenge or form.get("code_verifier"):
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            made = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if not hmac.compare_digest(made, grant.challenge):
                raise OAuthError(*self.bad_verifier)
        return grant

    def default_redirect(self, grant):
        """What a missing redirect_uri counts as."""
        return None

    def exchange_refresh_token(self, client, form):
        """Each refresh token works once."""
        grant = self.refresh_tokens.pop(form.get("refresh_token", ""), None)
        if not grant or grant.client != client.id or self.fakes.now() >= grant.expires_at:
            raise OAuthError(*self.bad_refresh_token)
        return grant

    def issue(self, grant, access_token, refresh_token=None):
        ends = self.fakes.now() + self.token_lifetime if self.token_lifetime else float("inf")
        self.tokens[access_token] = Grant(grant.client, grant.user, grant.scopes, ends)
        if refresh_token:
            self.refresh_tokens[refresh_token] = Grant(grant.client, grant.user, grant.scopes, self.fakes.now() + 90 * 86400)

    # ---- the API ----

    def user_of(self, request):
        """The user, and the scopes, of a request with a valid access token."""
        grant = self.tokens.get(request.bearer)
        if not grant or self.fakes.now() >= grant.expires_at or grant.user not in self.users:
            return None, []
        return self.users[grant.user], grant.scopes

    def expire(self, what):
        for grant in {"codes": self.codes, "access_tokens": self.tokens, "refresh_tokens": self.refresh_tokens}[what].values():
            grant.expires_at = 0


CSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
STYLE = """
:root { color-scheme: light dark; font: 1.0625rem/1.5 system-ui, sans-serif; }
* { box-sizing: border-box; }
body { margin: 0; }
main { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; }
.note { border-left: .3rem solid #b58900; padding-left: .8rem; }
fieldset { border: 1px solid #8888; border-radius: .5rem; padding: .25rem 1rem; }
label { display: flex; gap: .75rem; align-items: start; padding: .625rem 0; min-height: 2.75rem; }
input[type=radio] { width: 1.25rem; height: 1.25rem; margin-top: .2rem; flex: none; }
button { min-height: 2.75rem; padding: .4rem 1.2rem; font: inherit; }
.main { font-weight: 600; }
details { border-top: 1px solid #8886; }
summary { padding: .6rem 0; min-height: 2.75rem; cursor: pointer; }
table { border-collapse: collapse; width: 100%; margin: 0 0 1rem; font-size: .95rem; }
th, td { text-align: left; vertical-align: top; padding: .2rem .75rem .2rem 0; border: 0; }
th { font-weight: 400; opacity: .8; width: 12rem; }
h2 { font-size: 1.05rem; margin: 1rem 0 .25rem; }
pre { white-space: pre-wrap; margin: 0 0 1rem; font-size: .9rem; max-height: 20rem; overflow: auto; }
a { color: inherit; }
@media (max-width: 40rem) { th, td { display: block; width: auto; padding-right: 0; } td { padding-bottom: .5rem; } }
"""


def page(title, body):
    return (f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
            f'<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n'
            f'<h1>{html.escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n')


def reason(status):
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
