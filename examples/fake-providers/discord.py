"""Discord: a token endpoint as in RFC 6749, refresh tokens, and users with and without a verified e-mail address."""
import secrets

from provider import Answer, Client, OAuthError, Provider

USERS = {
    "nelly": {"id": "80351110224678912", "global_name": "Nelly", "email": "nelly@example.com", "verified": True,
              "about": "A verified e-mail address"},
    "wumpus": {"id": "80351110224678913", "global_name": None, "email": "wumpus@example.com", "verified": False,
               "about": "No display name, an e-mail address that is not verified"},
}


class Discord(Provider):
    name, label = "discord", "Discord"
    authorize_path = "/oauth2/authorize"
    token_lifetime = 604800
    bad_code = ("invalid_grant", 'Invalid "code" in request.')
    bad_verifier = ("invalid_grant", 'Invalid "code_verifier" in request.')
    wrong_redirect = ("invalid_grant", 'Invalid "redirect_uri" in request.')
    bad_refresh_token = ("invalid_grant", 'Invalid "refresh_token" in request.')

    def __init__(self, fakes):
        super().__init__(fakes, [Client("157730590492196864", "discord-secret", [])],
                         {name: dict(user, username=name) for name, user in USERS.items()})
        self.routes = [("GET POST", self.authorize_path, self.authorize), ("POST", "/api(?:/v\\d+)?/oauth2/token", self.token),
                       ("POST", "/api(?:/v\\d+)?/oauth2/token/revoke", self.revoke), ("GET", "/api(?:/v\\d+)?/users/@me", self.me)]

    def problems_of(self, asked):
        yield from super().problems_of(asked)
        if not asked.get("scope"):
            yield "invalid_scope", "The requested scope is missing."

    def token(self, request):
        form, (name, secret) = request.form, self.credentials(request)
        client = self.clients.get(name)
        try:
            if not client or client.secret != secret:
                return Answer.json(401, {"error": "invalid_client"})
            if not form:
                raise OAuthError("invalid_request", "The body must be application/x-www-form-urlencoded.")
            if form.get("grant_type") == "authorization_code":
                grant = self.exchange_code(client, form)
            elif form.get("grant_type") == "refresh_token":
                grant = self.exchange_refresh_token(client, form)
            else:
                raise OAuthError("unsupported_grant_type", "Unsupported grant_type.")
        except OAuthError as error:
            return Answer.json(400, {"error": error.error, "error_description": error.description})
        access, refresh = secrets.token_urlsafe(22)[:30], secrets.token_urlsafe(22)[:30]
        self.issue(grant, access, refresh)
        return Answer.json(200, {"token_type": "Bearer", "access_token": access, "expires_in": self.token_lifetime,
                                 "refresh_token": refresh, "scope": " ".join(grant.scopes)})

    def revoke(self, request):
        name, secret = self.credentials(request)
        if name not in self.clients or self.clients[name].secret != secret:
            return Answer.json(401, {"error": "invalid_client"})
        token = request.form.get("token", "")
        grant = self.tokens.pop(token, None) or self.refresh_tokens.pop(token, None)
        if grant:  # everything of this user and application
            for tokens in (self.tokens, self.refresh_tokens):
                for key in [key for key, other in tokens.items() if (other.user, other.client) == (grant.user, grant.client)]:
                    del tokens[key]
        return Answer.json(200, {})

    def me(self, request):
        user, scopes = self.user_of(request)
        if not user or "identify" not in scopes:
            return Answer.json(401, {"message": "401: Unauthorized", "code": 0})
        told = {"id": user["id"], "username": user["username"], "discriminator": "0", "global_name": user["global_name"], "avatar": None,
                "mfa_enabled": False, "locale": "en-US", "flags": 0, "public_flags": 0}
        if "email" in scopes:
            told.update(email=user["email"], verified=user["verified"])
        return Answer.json(200, told)
