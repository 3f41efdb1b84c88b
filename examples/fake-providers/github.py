"""GitHub as documented: logins, and the part of the REST API that has a user's commits."""
import re
import secrets
import time
import urllib.parse

import commits
from provider import Answer, Client, OAuthError, Provider

DOCS = "https://docs.github.com"
ERROR_URI = DOCS + "/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/#"
NO_USER_AGENT = ("Request forbidden by administrative rules. Please make sure your request has a User-Agent header "
                 f"({DOCS}/en/rest/overview/resources-in-the-rest-api#user-agent-required). Check {DOCS} for other possible causes.\n")
RATE_LIMIT = 5000  # requests of one user in an hour
USERS = {
    "octocat": {"id": 583231, "name": "The Octocat", "email": None, "orgs": ["example"], "teams": [("example", "ops")],
                "emails": [("octocat@example.com", True, True), ("octocat@users.noreply.github.com", False, True)],
                "about": "A member of the organisation example and of its team ops, with many commits"},
    "mona": {"id": 9919, "name": "Mona <Lisa> & co.", "email": "mona@example.org", "orgs": [], "teams": [],
             "emails": [("mona@example.org", True, False)], "about": "No organisation, an e-mail address that is not verified, few commits"},
    "newcomer": {"id": 70000001, "name": None, "email": None, "orgs": [], "teams": [],
                 "emails": [("newcomer@example.net", True, True)], "about": "No name, no public e-mail address, no commits"},
}


class GitHub(Provider):
    name, label = "github", "GitHub"
    authorize_path = "/login/oauth/authorize"
    bad_code = ("bad_verification_code", "The code passed is incorrect or expired.")
    bad_verifier = bad_code
    wrong_redirect = ("redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL for this application.")

    def __init__(self, fakes):
        super().__init__(fakes, [Client("Iv1.fake", "github-secret", [])], {login: dict(user, login=login) for login, user in USERS.items()})
        self.used = {}  # requests of each user in this hour
        self.repositories = commits.make(fakes.now())
        self.routes = [("GET POST", self.authorize_path, self.authorize), ("POST", "/login/oauth/access_token", self.access_token),
                       ("GET", "/api/user", self.api(self.user)), ("GET", "/api/user/emails", self.api(self.emails)),
                       ("GET", "/api/user/orgs", self.api(self.orgs)), ("GET", "/api/user/teams", self.api(self.teams)),
                       ("GET", "/api/user/repos", self.api(self.repos)), ("GET", "/api/rate_limit", self.api(self.rate_limit)),
                       ("GET", "/api/repos/(?P<owner>[^/]+)/(?P<repo>[^/]+)/commits", self.api(self.commits))]

    # ---- the login ----

    def redirect_target(self, client, asked):
        """The registered one, or a path below it; on this machine with any port. Others go back to the registered one, with an error."""
        if not client.redirect_uris:
            return (asked, "") if asked else ("", "redirect_uri is missing")
        registered = client.redirect_uris[0]
        if not asked or any(is_at_or_below(asked, uri) for uri in client.redirect_uris):
            return asked or registered, ""
        return registered, self.wrong_redirect[1]

    def default_redirect(self, grant):
        return grant.redirect_uri

    def denied(self):
        return {**super().denied(), "error_uri": "/apps/building-oauth-apps/troubleshooting-authorization-request-errors/#access-denied"}

    def access_token(self, request):
        answer = Answer.json if request.wants_json else Answer.form
        name, secret = self.credentials(request)
        client = self.clients.get(name)
        try:
            if not client or client.secret != secret:
                raise OAuthError("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.")
            grant = self.exchange_code(client, request.form)
        except OAuthError as error:
            return answer(200, {"error": error.error, "error_description": error.description,
                                "error_uri": ERROR_URI + error.error.replace("_", "-")})
        token = "gho_" + secrets.token_urlsafe(48).replace("-", "").replace("_", "")[:36].ljust(36, "0")
        self.issue(grant, token)
        return answer(200, {"access_token": token, "scope": ",".join(grant.scopes), "token_type": "bearer"})

    # ---- the API ----

    def api(self, handler):
        """With what all calls have: User-Agent, token and rate limit."""
        def call(request, **names):
            if not request.header("User-Agent"):
                return Answer(403, NO_USER_AGENT.encode(), [("Content-Type", "text/html; charset=utf-8")])
            user, scopes = self.user_of(request)
            if not user:
                return problem(401, "Bad credentials" if request.header("Authorization") else "Requires authentication")
            hour = int(self.fakes.now()) // 3600
            used = self.used.get((user["id"], hour), 0) + 1
            if used > RATE_LIMIT:
                answer = problem(403, f"API rate limit exceeded for user ID {user['id']}.")
            else:
                answer = handler(request, user, scopes, **names)
            self.used[user["id"], hour] = used
            answer.headers += [("X-GitHub-Media-Type", "github.v3; format=json"), ("X-OAuth-Scopes", ", ".join(scopes)),
                               ("X-RateLimit-Limit", str(RATE_LIMIT)), ("X-RateLimit-Remaining", str(max(0, RATE_LIMIT - used))),
                               ("X-RateLimit-Reset", str((hour + 1) * 3600)), ("X-RateLimit-Used", str(min(used, RATE_LIMIT)))]
            return answer
        return call

    def user(self, request, user, scopes):
        return Answer.json(200, {"login": user["login"], "id": user["id"], "node_id": f"MDQ6VXNlcj{user['id']}", "type": "User",
                                 "site_admin": False, "name": user["name"], "email": user["email"], "company": None,
                                 "avatar_url": f"{self.url}/avatars/{user['id']}", "html_url": f"{self.url}/{user['login']}",
                                 "url": f"{self.url}/api/users/{user['login']}", "created_at": "2011-01-25T18:44:36Z"})

    def emails(self, request, user, scopes):
        if not {"user", "user:email"} & set(scopes):
            return problem(404, "Not Found")
        return Answer.json(200, [{"email": email, "primary": primary, "verified": verified, "visibility": "private" if primary else None}
                                 for email, primary, verified in user["emails"]])

    def orgs(self, request, user, scopes):
        if not {"user", "read:org", "write:org", "admin:org"} & set(scopes):
            return problem(403, "You need at least read:org scope or user scope to list your organizations.")
        return self.paginate(request, [{"login": org, "id": 9000 + number, "description": ""} for number, org in enumerate(user["orgs"])])

    def teams(self, request, user, scopes):
        if not {"user", "repo", "read:org", "write:org", "admin:org"} & set(scopes):
            return problem(403, "Resource not accessible: the scope read:org is missing.")
        return self.paginate(request, [{"id": 100 + number, "name": slug.title(), "slug": slug, "organization": {"login": org}}
                                       for number, (org, slug) in enumerate(user["teams"])])

    def repos(self, request, user, scopes):
        seen = [repo for repo in self.repositories if repo.owner == user["login"] and ("repo" in scopes or not repo.private)]
        return self.paginate(request, [repo.description(self.url) for repo in seen])

    def commits(self, request, user, scopes, owner, repo):
        found = next((entry for entry in self.repositories if (entry.owner, entry.name) == (owner, repo)), None)
        if not found or found.private and ("repo" not in scopes or user["login"] != owner):
            return problem(404, "Not Found")
        if not found.commits:
            return problem(409, "Git Repository is empty.")
        query = request.query
        since, until, author = query.get("since", ""), query.get("until", "9"), query.get("author")
        chosen = [commit for commit in found.commits if since <= commit.date <= until and author in (None, commit.author)]
        return self.paginate(request, [commit.description(f"{self.url}/{owner}/{repo}", self.users) for commit in chosen])

    def rate_limit(self, request, user, scopes):
        return Answer.json(200, {"resources": {"core": {"limit": RATE_LIMIT}}})

    def paginate(self, request, items):
        """?per_page= (30, at most 100) and ?page=, with the Link header that leads to the others."""
        query = request.query
        size = min(max(number(query.get("per_page"), 30), 1), 100)
        page, last = max(number(query.get("page"), 1), 1), max(1, -(-len(items) // size))
        targets = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
        links = [f'<{self.url}{request.path}?{urllib.parse.urlencode({**query, "page": target})}>; rel="{rel}"'
                 for rel, target in targets.items()
                 if (page > 1 if rel in ("prev", "first") else page < last)]
        return Answer.json(200, items[(page - 1) * size:page * size], *([("Link", ", ".join(links))] if links else []))


def is_at_or_below(asked, registered):
    one, other = urllib.parse.urlsplit(asked), urllib.parse.urlsplit(registered)
    same_host = one.hostname == other.hostname and (one.port == other.port or one.hostname in ("127.0.0.1", "::1", "localhost"))
    below = one.path == other.path or one.path.startswith(other.path.rstrip("/") + "/")
    return one.scheme == other.scheme and same_host and below and ".." not in urllib.parse.unquote(one.path).split("/")


def problem(status, message):
    return Answer.json(status, {"message": message, "documentation_url": DOCS + "/rest", "status": str(status)})


def number(text, default):
    return int(text) if text and re.fullmatch(r"\d{1,9}", text) else default


def limited(now):
    """The answer to a user who has no requests left in this hour."""
    reset = (int(now) // 3600 + 1) * 3600
    answer = problem(403, "API rate limit exceeded for user ID 583231. If you reach out to GitHub Support for help, please include the "
                          f"request ID and timestamp {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(now))}.")
    answer.headers += [("X-RateLimit-Limit", str(RATE_LIMIT)), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", str(reset))]
    return answer
