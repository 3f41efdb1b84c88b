"""The fake providers themselves: what they answer is what the real ones are documented to answer."""
import base64
import email.utils
import hashlib
import http.client
import json
import re
import socket
import time
import urllib.parse

import pytest

from support.fake_providers import FakeProviders

BACK = "http://localhost:5000/_auth/signin/github/callback"
GITHUB = {"client_id": "Iv1.fake", "client_secret": "github-secret"}
OSU = {"client_id": "1234", "client_secret": "osu-secret"}
DISCORD = {"client_id": "157730590492196864", "client_secret": "discord-secret"}
TOKEN = {"github": "/github/login/oauth/access_token", "osu": "/osu/oauth/token", "discord": "/discord/api/oauth2/token"}
AUTHORIZE = {"github": "/github/login/oauth/authorize", "osu": "/osu/oauth/authorize", "discord": "/discord/oauth2/authorize"}
JSON = {"Accept": "application/json", "User-Agent": "test"}
VERIFIER = "a" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    settings = tmp_path_factory.mktemp("fakes") / "settings.json"
    settings.write_text(json.dumps({"client": {"provider": "github", "id": "registered", "secret": "its-secret", "redirect_uris": [BACK]}}))
    with FakeProviders("--settings", settings) as fakes:
        fakes.control(client={"provider": "osu", "id": 77, "secret": "its-secret", "redirect_uris": ["http://localhost/cb"]})
        yield fakes


@pytest.fixture
def fakes(program):
    program.control(reset=True)
    program.control(auto_approve={"github": "octocat", "osu": "peppy", "discord": "nelly"})
    return program


def authorize(fakes, provider="github", **parameters):
    """The parameters that come back, and the address."""
    client = {"github": GITHUB, "osu": OSU, "discord": DISCORD}[provider]["client_id"]
    asked = {"client_id": client, "redirect_uri": BACK, "response_type": "code", "state": "s-1", **parameters}
    status, headers, _ = fakes.ask(f"{AUTHORIZE[provider]}?{urllib.parse.urlencode({k: v for k, v in asked.items() if v is not None})}")
    assert status == 303
    target, _, query = headers["Location"].partition("?")
    return dict(urllib.parse.parse_qsl(query)), target


def post(fakes, path, form, headers=JSON):
    status, answer_headers, body = fakes.ask(path, urllib.parse.urlencode(form).encode(), headers)
    return status, json.loads(body) if "json" in answer_headers["Content-Type"] else body.decode()


def tokens(fakes, provider="github", scope="user:email read:org", **parameters):
    client = {"github": GITHUB, "osu": OSU, "discord": DISCORD}[provider]
    back, _ = authorize(fakes, provider, scope=scope)
    return post(fakes, TOKEN[provider], {**client, "code": back["code"], "redirect_uri": BACK, "grant_type": "authorization_code", **parameters})[1]


def api(fakes, path, token, **headers):
    status, answer_headers, body = fakes.ask(path, None, {**JSON, "Authorization": f"Bearer {token}", **headers})
    return status, json.loads(body), answer_headers


# ---- GitHub ----


def test_github_answers_a_form_with_commas_unless_json_is_asked_for(fakes):
    back, _ = authorize(fakes, scope="repo user:email")
    status, text = post(fakes, TOKEN["github"], {**GITHUB, "code": back["code"]}, {})
    assert status == 200 and re.fullmatch(r"access_token=gho_\w{36}&scope=repo%2Cuser%3Aemail&token_type=bearer", text)
    assert set(tokens(fakes)) == {"access_token", "scope", "token_type"}


@pytest.mark.parametrize("change, error", [
    ({"client_secret": "github-secret\n"}, "incorrect_client_credentials"), ({"client_id": "other"}, "incorrect_client_credentials"),
    ({"client_secret": ""}, "incorrect_client_credentials"), ({"code": "made-up"}, "bad_verification_code"),
    ({"redirect_uri": BACK + "/"}, "redirect_uri_mismatch"), ({"code_verifier": "b" * 43}, "bad_verification_code")])
def test_github_says_errors_with_status_200(fakes, change, error):
    back, _ = authorize(fakes, code_challenge=CHALLENGE, code_challenge_method="S256")
    form = {**GITHUB, "code": back["code"], "redirect_uri": BACK, "code_verifier": VERIFIER, **change}
    status, answer = post(fakes, TOKEN["github"], form)
    assert (status, answer["error"]) == (200, error) and answer["error_description"]
    status, text = post(fakes, TOKEN["github"], {**form, "code": "made-up"}, {})
    assert status == 200 and text.startswith("error=")


def test_github_checks_the_verifier_of_pkce(fakes):
    back, _ = authorize(fakes, code_challenge=CHALLENGE, code_challenge_method="S256")
    assert "access_token" in post(fakes, TOKEN["github"], {**GITHUB, "code": back["code"], "code_verifier": VERIFIER})[1]
    back, _ = authorize(fakes, code_challenge=CHALLENGE, code_challenge_method="S256")
    assert "error" in post(fakes, TOKEN["github"], {**GITHUB, "code": back["code"]})[1]
    assert authorize(fakes, code_challenge=VERIFIER, code_challenge_method="plain")[0]["error"] == "invalid_request"


def test_a_code_works_once_and_for_ten_minutes(fakes):
    for seconds, works in ((599, True), (601, False)):
        back, _ = authorize(fakes)
        fakes.control(advance=seconds)
        answers = [post(fakes, TOKEN["github"], {**GITHUB, "code": back["code"]})[1] for _ in range(2)]
        assert ["access_token" in answer for answer in answers] == [works, False]
        fakes.control(advance=0)


@pytest.mark.parametrize("uri, is_back", [
    (BACK, True), (BACK + "/below", True), (BACK.replace("5000", "1234"), True), (None, True), (BACK + "er", False),
    (BACK + "/../../x", False), (BACK + "/%2e%2e/x", False), (BACK.replace("localhost", "evil.example"), False),
    (BACK.replace("http:", "https:"), False)])
def test_github_takes_redirect_uris_below_the_registered_one(fakes, uri, is_back):
    back, target = authorize(fakes, client_id="registered", redirect_uri=uri)
    assert target == (uri or BACK if is_back else BACK)
    assert ("code" in back) == is_back and back.get("error") == (None if is_back else "redirect_uri_mismatch") and back["state"] == "s-1"


def test_a_denial_comes_back_as_an_error(fakes):
    fakes.control(auto_approve={"github": "deny"})
    back, _ = authorize(fakes)
    assert back["error"] == "access_denied" and back["error_description"] and "code" not in back


def test_the_page_asks_who_the_user_is(fakes):
    fakes.control(auto_approve={"github": None})
    query = urllib.parse.urlencode({"client_id": "Iv1.fake", "redirect_uri": BACK, "state": '"><script>', "scope": "repo"})
    status, headers, body = fakes.ask(f"{AUTHORIZE['github']}?{query}")
    text = body.decode()
    assert status == 200 and "script" not in text.replace("&lt;script&gt;", "") and "This is not GitHub" in text
    assert re.findall(r'name="user" value="([^"]+)"', text) == ["octocat", "mona", "newcomer"]
    assert re.findall(r'name="decision" value="(\w+)"', text) == ["authorize", "cancel"]
    form = {"client_id": "Iv1.fake", "redirect_uri": BACK, "state": "x", "user": "mona"}
    for decision, member in (("authorize", "code"), ("cancel", "error")):
        status, headers, _ = fakes.ask(AUTHORIZE["github"], urllib.parse.urlencode({**form, "decision": decision}).encode())
        assert status == 303 and f"{member}=" in headers["Location"]


def test_github_has_no_such_application(fakes):
    status, _, body = fakes.ask(f"{AUTHORIZE['github']}?client_id=&redirect_uri={BACK}")
    assert status == 404 and b"no such application" in body


def test_the_api_of_github_wants_a_user_agent_and_a_token(fakes):
    token = tokens(fakes)["access_token"]
    connection = http.client.HTTPConnection("127.0.0.1", fakes.port)
    connection.request("GET", "/github/api/user", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    assert answer.status == 403 and b"User-Agent" in answer.read()
    connection.close()
    assert api(fakes, "/github/api/user", "gho_other")[:2] == (
        401, {"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest", "status": "401"})


def test_the_users_of_github(fakes):
    told = {}
    for login in ("octocat", "mona", "newcomer"):
        fakes.control(auto_approve={"github": login})
        token = tokens(fakes)["access_token"]
        status, user, _ = api(fakes, "/github/api/user", token)
        emails, orgs, teams = (api(fakes, f"/github/api/user/{part}", token)[1] for part in ("emails", "orgs", "teams"))
        told[login] = (user["id"], user["email"], [(email["email"], email["verified"]) for email in emails if email["primary"]],
                       [org["login"] for org in orgs], [(team["organization"]["login"], team["slug"]) for team in teams])
    assert told == {"octocat": (583231, None, [("octocat@example.com", True)], ["example"], [("example", "ops")]),
                    "mona": (9919, "mona@example.org", [("mona@example.org", False)], [], []),
                    "newcomer": (70000001, None, [("newcomer@example.net", True)], [], [])}


def test_the_api_of_github_looks_at_the_scopes(fakes):
    token = tokens(fakes, scope="")["access_token"]
    assert [api(fakes, f"/github/api/user{part}", token)[0] for part in ("", "/emails", "/orgs", "/teams")] == [200, 404, 403, 403]
    assert all(not repo["private"] for repo in api(fakes, "/github/api/user/repos", token)[1])


def test_commits_come_in_pages(fakes):
    token = tokens(fakes, scope="repo")["access_token"]
    status, repos, headers = api(fakes, "/github/api/user/repos?per_page=4", token)
    assert len(repos) == 4 and re.search(r'[?&]page=2>; rel="next", <[^>]+[?&]page=2>; rel="last"', headers["Link"])
    seen, url = [], f"{fakes.url}/github/api/repos/octocat/hello-world/commits?per_page=100&author=octocat"
    while url:
        status, commits, headers = api(fakes, url.removeprefix(fakes.url), token)
        seen += commits
        url = (re.search(r'<([^>]+)>; rel="next"', headers["Link"] or "") or [None, None])[1]
    assert status == 200 and len(seen) > 200 and len({commit["sha"] for commit in seen}) == len(seen)
    assert {commit["author"]["login"] for commit in seen} == {"octocat"}
    dates = [commit["commit"]["author"]["date"] for commit in seen]
    assert dates == sorted(dates, reverse=True)
    since = api(fakes, f"/github/api/repos/octocat/hello-world/commits?per_page=100&author=octocat&since={dates[9]}", token)[1]
    assert [commit["commit"]["author"]["date"] for commit in since] == dates[:10]
    assert api(fakes, "/github/api/repos/octocat/empty/commits", token)[0] == 409
    assert api(fakes, "/github/api/repos/octocat/none/commits", token)[0] == 404


# ---- osu! and Discord ----


@pytest.mark.parametrize("provider, client, lifetime, members", [
    ("osu", OSU, 86400, {"token_type", "expires_in", "access_token", "refresh_token"}),
    ("discord", DISCORD, 604800, {"token_type", "expires_in", "access_token", "refresh_token", "scope"})])
def test_refresh_tokens_rotate(fakes, provider, client, lifetime, members):
    first = tokens(fakes, provider, scope="identify")
    assert set(first) == members and (first["token_type"], first["expires_in"]) == ("Bearer", lifetime)
    form = {**client, "grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    status, second = post(fakes, TOKEN[provider], form)
    assert status == 200 and second["refresh_token"] != first["refresh_token"]
    status, third = post(fakes, TOKEN[provider], form)
    assert (status, third["error"]) == (400, "invalid_grant")


def test_access_tokens_expire(fakes):
    token = tokens(fakes, "osu", scope="identify")["access_token"]
    assert api(fakes, "/osu/api/v2/me", token)[0] == 200
    fakes.control(advance=86401)
    assert api(fakes, "/osu/api/v2/me", token)[0] == 401
    fakes.control(advance=0, expire="access_tokens")
    assert api(fakes, "/osu/api/v2/me", token)[0] == 401


def test_osu_takes_its_credentials_from_the_body_and_the_redirect_uri_to_the_letter(fakes):
    assert len(tokens(fakes, "osu")["access_token"]) > 800
    basic = {"Authorization": "Basic " + base64.b64encode(b"1234:osu-secret").decode(), **JSON}
    back, _ = authorize(fakes, "osu")
    assert post(fakes, TOKEN["osu"], {"grant_type": "authorization_code", "code": back["code"]}, basic) == (
        401, {"error": "invalid_client", "error_description": "Client authentication failed", "message": "Client authentication failed"})
    status, _, body = fakes.ask(f"{AUTHORIZE['osu']}?client_id=77&redirect_uri=http://localhost/cb/&response_type=code")
    assert status == 400 and b"not one that the application has registered" in body


def test_osu_tells_who_is_restricted(fakes):
    told = {}
    for name in ("peppy", "Cookiezi"):
        fakes.control(auto_approve={"osu": name})
        told[name] = api(fakes, "/osu/api/v2/me", tokens(fakes, "osu", scope="identify")["access_token"])[1]
    assert {name: (user["id"], user["is_restricted"]) for name, user in told.items()} == {"peppy": (2, False), "Cookiezi": (124493, True)}


def test_discord_takes_basic_and_tells_the_email_only_to_its_scope(fakes):
    basic = {"Authorization": "Basic " + base64.b64encode(b"157730590492196864:discord-secret").decode(), **JSON}
    for scope, members in (("identify", set()), ("identify email", {"email", "verified"})):
        back, _ = authorize(fakes, "discord", scope=scope)
        status, answer = post(fakes, TOKEN["discord"], {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": BACK}, basic)
        assert (status, answer["scope"]) == (200, scope)
        user = api(fakes, "/discord/api/users/@me", answer["access_token"])[1]
        assert (user["id"], user["global_name"]) == ("80351110224678912", "Nelly") and {"email", "verified"} & set(user) == members
    assert post(fakes, "/discord/api/oauth2/token/revoke", {"token": answer["refresh_token"]}, basic)[0] == 200
    assert api(fakes, "/discord/api/users/@me", answer["access_token"])[0] == 401


# ---- the ledger, and bad answers ----


def test_the_ledger_has_what_was_sent_and_answered(fakes):
    answer = tokens(fakes)
    authorized, exchanged = fakes.ledger("github")
    assert dict(authorized["query"])["state"] == "s-1" and (authorized["method"], authorized["status"]) == ("GET", 303)
    assert dict(exchanged["form"])["client_secret"] == "github-secret" and answer["access_token"] in exchanged["answer_body"]
    assert ["Accept", "application/json"] in exchanged["headers"]
    text = fakes.ask("/ledger", None, {"Accept": "text/html"})[2].decode()
    assert "github-secret" in text and answer["access_token"] in text
    fakes.ask("/github/login/oauth/authorize?client_id=<b>")
    assert "<b></" not in fakes.ask("/ledger", None, {"Accept": "text/html"})[2].decode()
    fakes.control(clear_ledger=True)
    assert fakes.ledger() == []


@pytest.mark.parametrize("answer, holds", [
    ("html", lambda s, h, b: s == 200 and "html" in h["Content-Type"]), ("huge", lambda s, h, b: len(b) > 10_000_000),
    ("form", lambda s, h, b: b.startswith(b"access_token=")), ("error_200", lambda s, h, b: s == 200 and "error" in json.loads(b)),
    ("no_token", lambda s, h, b: set(json.loads(b)) == {"scope", "token_type"}), ("empty_token", lambda s, h, b: json.loads(b)["access_token"] == ""),
    ("expires_text", lambda s, h, b: json.loads(b)["expires_in"] == "soon"), ("redirect", lambda s, h, b: s == 302 and h["Location"]),
    ("gzip_bomb", lambda s, h, b: h["Content-Encoding"] == "gzip" and len(b) < 1_000_000), ("bad_json", lambda s, h, b: not b.endswith(b"}")),
    ("error_503", lambda s, h, b: s == 503), ("rate_limited", lambda s, h, b: (s, h["X-RateLimit-Remaining"]) == (403, "0"))])
def test_bad_answers(fakes, answer, holds):
    fakes.misbehave(TOKEN["github"], answer, times=1)
    back, _ = authorize(fakes)
    form = urllib.parse.urlencode({**GITHUB, "code": back["code"]}).encode()
    assert holds(*fakes.ask(TOKEN["github"], form, JSON))
    assert fakes.ledger()[-1]["played"] == answer
    assert "access_token" in tokens(fakes)  # once only


@pytest.mark.parametrize("answer, ends", [("reset", ConnectionResetError), ("close", b""), ("half", None), ("garbage", b"SSH-2.0-OpenSSH_9.2\r\n")])
def test_answers_that_are_sent_badly(fakes, answer, ends):
    fakes.misbehave("/github/api/.*", answer)
    with socket.create_connection(("127.0.0.1", fakes.port), 30) as connection:
        connection.sendall(b"GET /github/api/user HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\n\r\n")
        if ends is ConnectionResetError:
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
            return
        got = b"".join(iter(lambda: connection.recv(65536), b""))
    if ends is None:
        head, _, body = got.partition(b"\r\n\r\n")
        assert 0 < len(body) < int(re.search(rb"Content-Length: (\d+)", head)[1])
    else:
        assert got == ends


def test_the_callback_and_the_date_can_be_wrong(fakes):
    fakes.control(callback={"iss": "https://other.example", "state": None}, date_offset=-400)
    back, _ = authorize(fakes)
    assert back["iss"] == "https://other.example" and "state" not in back
    ahead = email.utils.parsedate_to_datetime(fakes.ask("/healthz")[1]["Date"]).timestamp() - time.time()
    assert -402 < ahead <= -400 + 60


def test_a_wrong_control_changes_nothing(fakes):
    for body, status in ((b'{"answer":{"path":"/","answer":"none"}}', 400), (b'{"auto_approve":{"github":"nobody"}}', 400), (b"[]", 400),
                         (b'{"unknown":1}', 400)):
        assert fakes.ask("/control", body, {"Content-Type": "application/json"})[0] == status
    assert fakes.ask("/control", b'{"reset":true}', {"Content-Type": "text/plain"})[0] == 415
    assert "access_token" in tokens(fakes)
