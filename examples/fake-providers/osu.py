"""osu! API v2: a Laravel application, whose tokens are long, and which answers in HTML unless JSON is asked for."""
import base64
import html
import json
import secrets

from provider import Answer, Client, OAuthError, Provider

USERS = {
    "peppy": {"id": 2, "is_restricted": False, "country_code": "AU", "about": "An account in good standing"},
    "Cookiezi": {"id": 124493, "is_restricted": True, "country_code": "KR", "about": "A restricted account"},
    "white space": {"id": 3000, "is_restricted": False, "country_code": "SE", "about": "A name with a space"},
}


class Osu(Provider):
    name, label = "osu", "osu!"
    authorize_path = "/oauth/authorize"
    default_scopes = ("identify",)
    token_lifetime = 86400
    bad_code = ("invalid_grant", "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in "
                "the authorization request, or was issued to another client.")
    bad_verifier = wrong_redirect = bad_refresh_token = bad_code

    def __init__(self, fakes):
        super().__init__(fakes, [Client("1234", "osu-secret", [])], {name: dict(user, username=name) for name, user in USERS.items()})
        self.routes = [("GET POST", self.authorize_path, self.authorize), ("POST", "/oauth/token", self.token),
                       ("GET", "/api/v2/me(?:/[a-z]+)?", self.me)]

    def credentials(self, request):
        """Only in the body, which is a form or JSON; client_id is an integer."""
        fields = self.fields(request)
        return str(fields.get("client_id", "")), str(fields.get("client_secret", ""))

    @staticmethod
    def fields(request):
        if "json" not in request.header("Content-Type"):
            return request.form
        try:
            fields = json.loads(request.body)
        except ValueError:
            return {}
        return fields if isinstance(fields, dict) else {}

    def unknown_client(self):
        return Answer.json(401, {"error": "invalid_client", "error_description": "Client authentication failed",
                                 "message": "Client authentication failed"})

    def token(self, request):
        fields, (name, secret) = self.fields(request), self.credentials(request)
        client = self.clients.get(name)
        try:
            if not client or client.secret != secret:
                raise OAuthError("invalid_client", "Client authentication failed")
            if fields.get("grant_type") == "authorization_code":
                grant = self.exchange_code(client, fields)
            elif fields.get("grant_type") == "refresh_token":
                grant = self.exchange_refresh_token(client, fields)
            else:
                raise OAuthError("unsupported_grant_type", "The authorization grant type is not supported by the authorization server.")
        except OAuthError as error:
            return self.refuse(request, 401 if error.error == "invalid_client" else 400, error)
        access, refresh = long_token(client.id, grant.scopes), "def502" + secrets.token_hex(350)
        self.issue(grant, access, refresh)
        return Answer.json(200, {"token_type": "Bearer", "expires_in": self.token_lifetime, "access_token": access, "refresh_token": refresh})

    @staticmethod
    def refuse(request, status, error):
        if not request.wants_json:
            return Answer.html(status, "osu!", f"<p>{html.escape(error.description)}</p>")
        return Answer.json(status, {"error": error.error, "error_description": error.description, "message": error.description})

    def me(self, request):
        user, scopes = self.user_of(request)
        if not user:
            return Answer.json(401, {"authentication": "basic"}) if request.wants_json else Answer.redirect(f"{self.url}/home")
        if "identify" not in scopes:
            return Answer.json(403, {"error": "scope identify is missing"})
        return Answer.json(200, {"id": user["id"], "username": user["username"], "is_restricted": user["is_restricted"],
                                 "country_code": user["country_code"], "avatar_url": f"{self.url}/avatars/{user['id']}", "is_active": True,
                                 "is_bot": False, "is_deleted": False, "is_online": True, "is_supporter": False, "playmode": "osu"})


def long_token(client, scopes):
    """In the form of a JWT of about 1,000 bytes, as Laravel makes them."""
    parts = [json.dumps({"typ": "JWT", "alg": "RS256"}).encode(),
             json.dumps({"aud": client, "jti": secrets.token_hex(40), "scopes": scopes}).encode(), secrets.token_bytes(512)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
