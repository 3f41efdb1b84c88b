"""Programs at the check endpoints, with a real issuer and real tokens: docs/forward-auth.md, "Programs"."""
import base64
import json
import os
import signal
import threading

import pytest

from services import wait_until

from .conftest import PASSWORD, TOTP, Home, becomes, cookie, forward, nginx

CHALLENGE = 'Basic realm="auth.example.com"'
SECRET = "the secret of the reports"
WIKI, API, ONLY = "https://wiki.example.com/x", "https://api.example.com/x", "https://only.example.com/x"
BEARER = {"audience": "https://api.example.com", "scope": "read"}
RULES = [{"host": "wiki.example.com", "allow": {"groups": ["staff"]}},
         {"host": "pub.example.com", "public": True},
         {"host": "two.example.com", "allow": {"users": ["ana"], "factors": 2}},
         {"host": "fresh.example.com", "allow": {"users": ["ana"], "max_age": "1h"}},
         {"host": "api.example.com", "methods": ["GET"], "allow": {"groups": ["staff"]}, "bearer": BEARER},
         {"host": "net.example.com", "allow": {"users": ["ana"], "networks": ["10.0.0.0/8"]}, "bearer": BEARER},
         {"host": "only.example.com", "bearer": {"audience": "https://api.example.com", "scope": "read write"}}]


def client(ident, audience, grants=("client_credentials",)):
    return {"id": ident, "secret": SECRET, "grant_types": list(grants), "scopes": ["read", "write"], "audience": audience}


SETTINGS = {"access": RULES, "issuer": "https://auth.example.com", "scopes": ["read", "write"], "lockout": {"address_attempts": 5},
            "clients": [client("reports", BEARER["audience"]), client("front", BEARER["audience"], ("password",)),
                        client("other", "https://other.example.com")]}


def fill(home):
    home.server = home.serve()
    home.add_user("ana", "--group", "staff", "--email", "ana@example.com")
    home.add_user("bo")
    return home


@pytest.fixture
def own(new_home):
    return fill(new_home(**SETTINGS))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    made = Home(tmp_path_factory.mktemp("program"), **SETTINGS)
    yield fill(made)
    made.finish()


def basic(name, password):
    return "Authorization", "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def bearer(token):
    return "Authorization", f"Bearer {token}"


def get_token(server, ident="reports", scope="read", **form):
    form = {"grant_type": "client_credentials", "scope": scope, **form}
    return server.call("/oauth/token", "POST", [basic(ident, SECRET)], form).json()["access_token"]


def get_users_token(server, user="ana"):
    return get_token(server, "front", grant_type="password", username=user, password="correct horse battery")


def passed(answer):
    assert answer.status == 200, (answer.status, answer.body)
    return [answer.headers.get_all(name) for name in ("Remote-User", "Authorization", "X-Api-Key")]


# ---- access tokens of the issuer


def test_an_access_token_of_the_issuer_is_a_second_way_in(shared):
    answer = nginx(shared.server, API, bearer(get_token(shared.server)), ("X-Api-Key", "k"))
    assert passed(answer) == [["client:reports"], [""], ["k"]]
    token = get_users_token(shared.server)
    for answer in (nginx(shared.server, API, bearer(token)), forward(shared.server, "api.example.com", "/x", bearer(token))):
        assert passed(answer) == [["ana"], [""], [""]]
        # No more is known of the user than the name: the rules judge the token.
        assert [answer.headers[name] for name in ("Remote-Groups", "Remote-Email", "Remote-Name")] == ["", "", ""]
    assert nginx(shared.server, API, cookie(shared.log_in())).headers["Remote-Groups"] == "staff"


def test_lesson_17_another_token_does_not_count_and_is_the_applications(shared):
    good = get_token(shared.server)
    head, claims, signature = good.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').decode().rstrip("=")
    forged = base64.urlsafe_b64encode(json.dumps({"aud": BEARER["audience"], "scope": "read"}).encode()).decode().rstrip("=")
    for token in (get_token(shared.server, scope="write"), get_token(shared.server, "other"), f"{unsigned}.{claims}.", f"{head}.{forged}.{signature}",
                  good[:-4], good + "A", "x", ""):
        answer = nginx(shared.server, API, bearer(token))
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, CHALLENGE), token
        answer = nginx(shared.server, API, bearer(token), cookie(shared.log_in()))
        assert passed(answer)[:2] == [["ana"], [f"Bearer {token}".strip()]]
    # Where the rule does not say so, it is the application's as well.
    assert passed(nginx(shared.server, "https://pub.example.com/x", bearer(good))) == [[""], [f"Bearer {good}"], [""]]
    assert nginx(shared.server, WIKI, bearer(good)).status == 401
    assert nginx(shared.server, API, bearer(good), bearer(good)).status == 401


def test_methods_and_networks_of_the_rule_hold_for_access_tokens(shared):
    token = bearer(get_token(shared.server))
    assert nginx(shared.server, API, token, method="POST").status == 403
    assert nginx(shared.server, "https://net.example.com/x", token, ("X-Forwarded-For", "10.1.2.3")).status == 200
    assert nginx(shared.server, "https://net.example.com/x", token, ("X-Forwarded-For", "192.0.2.1")).status == 403
    assert nginx(shared.server, "https://net.example.com/x", token).status == 403


def test_a_rule_for_access_tokens_only(shared):
    assert passed(nginx(shared.server, ONLY, bearer(get_token(shared.server, scope="read write"))))[0] == [["client:reports"]][0]
    answer = nginx(shared.server, ONLY, cookie(shared.log_in()))
    assert (answer.status, answer.json()["error"], answer.headers.get("Location")) == (401, "token_required", None)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="auth.example.com", scope="read write"'
    answer = nginx(shared.server, ONLY, bearer(get_token(shared.server)))
    assert (answer.status, answer.json()["error"]) == (403, "insufficient_scope")
    answer = nginx(shared.server, ONLY, bearer("x"))
    assert (answer.status, answer.json()["error"]) == (401, "invalid_token")
    assert forward(shared.server, "only.example.com", "/x", ("Accept", "text/html")).status == 403


def test_lesson_12_an_access_token_that_is_revoked_ends_at_once(shared):
    token = get_token(shared.server)
    assert nginx(shared.server, API, bearer(token)).status == 200
    assert shared.server.call("/oauth/revoke", "POST", [basic("reports", SECRET)], {"token": token}).status == 200
    assert nginx(shared.server, API, bearer(token)).status == 401


def test_lesson_12_a_change_of_the_user_ends_the_access_token(own):
    token = get_users_token(own.server)
    assert nginx(own.server, API, bearer(token)).status == 200
    own.cardea("user", "disable", "ana")
    becomes(lambda: nginx(own.server, API, bearer(token)), 401)


def test_lesson_27_a_reload_changes_what_is_accepted(own):
    token = get_token(own.server)
    assert nginx(own.server, API, bearer(token)).status == 200
    own.write(access=[{"host": "api.example.com", "bearer": {"audience": "https://other.example.com"}}])
    os.kill(own.server.process.pid, signal.SIGHUP)
    own.server.wait_event("reloaded")
    assert nginx(own.server, API, bearer(token)).status == 401
    assert nginx(own.server, API, bearer(get_token(own.server, "other"))).status == 200


# ---- personal tokens


def test_lesson_06_a_personal_token_lets_a_program_in_and_goes_no_further(shared):
    token = shared.make_token()
    for header in (bearer(token), basic("ana", token), basic("ANA", token), basic("token", token), ("X-Api-Key", token)):
        for url in (WIKI, "https://pub.example.com/x"):
            answer = nginx(shared.server, url, header)
            assert passed(answer) == [["ana"], [""], [""]]
            assert answer.headers["Remote-Groups"] == "staff" and token not in str(answer.headers)
            line = shared.server.wait_event("request", request_id=answer.headers["X-Request-Id"])
            assert line["user"] == "ana" and len(line["token_id"]) > 8 and line["token_id"] not in token
    assert token[:20] not in shared.server.log_file.read_text()


def test_lesson_01_a_wrong_personal_token_is_refused_whatever_else_would_let_the_request_in(shared):
    token, session = shared.make_token(), cookie(shared.log_in())
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    for header in (bearer(wrong), bearer("cdp_"), basic("ana", wrong), basic("bo", token), basic("", token), basic(token, ""), ("X-Api-Key", wrong),
                   ("X-Api-Key", token + "x" * 4000), ("Authorization", token), ("Authorization", f"Token {token}")):
        for url in (WIKI, "https://pub.example.com/x"):
            answer = nginx(shared.server, url, header, session)
            assert (answer.status, answer.json()["error"]) == (401, "invalid_token"), header
            assert answer.headers["WWW-Authenticate"] == CHALLENGE and answer.headers.get("Location") is None
    for twice in ([bearer(token), bearer(token)], [bearer(token), ("X-Api-Key", token)], [basic("a", "b"), bearer(token)]):
        assert nginx(shared.server, "https://pub.example.com/x", *twice).status == 401


def test_what_is_no_token_of_ours_goes_on_byte_for_byte(shared):
    for value in ("Basic YTpi", "basic  YTpi", "Basic YTp", "Basic !", "Digest username=\"a\", realm=\"b, c\"", "Bearer x", "CDP_x", "Basic Og=="):
        answer = nginx(shared.server, "https://pub.example.com/x", ("Authorization", value), ("X-Api-Key", value))
        assert passed(answer)[1:] == [[value], [value]]
    two = nginx(shared.server, "https://pub.example.com/x", ("Authorization", "Basic YTpi"), ("Authorization", "Bearer x"))
    assert passed(two)[1] == ["Basic YTpi", "Bearer x"]


def test_the_rules_judge_the_owner_and_no_page_is_offered(shared):
    for user, host, status in (("bo", "wiki.example.com", 403), ("ana", "two.example.com", 403), ("ana", "fresh.example.com", 200)):
        answer = forward(shared.server, host, "/x", bearer(shared.make_token(user)), ("Accept", "text/html"))
        assert answer.status == status and answer.headers.get("Location") is None
    assert nginx(shared.server, "https://two.example.com/x", bearer(shared.make_token(factors=PASSWORD | TOTP))).status == 200


def test_the_tokens_own_limits_hold(shared):
    token = bearer(shared.make_token(hosts="wiki.example.com", paths="/api/"))
    assert nginx(shared.server, "https://wiki.example.com/api/x", token).status == 200
    for url in (WIKI, "https://wiki.example.com/api/../x", "https://wiki.example.com/api/%2e%2e/x", "https://pub.example.com/api/x"):
        assert nginx(shared.server, url, token).status == 403


def test_lesson_12_what_ends_the_owner_ends_the_tokens(own):
    token = own.make_token()
    assert nginx(own.server, WIKI, bearer(token)).status == nginx(own.server, WIKI, bearer(token)).status == 200
    own.cardea("user", "disable", "ana")
    becomes(lambda: nginx(own.server, WIKI, bearer(token)), 401)


def test_lesson_14_an_address_with_too_many_wrong_tokens_waits(own):
    token, there = own.make_token(), ("X-Forwarded-For", "192.0.2.1")
    wrong = bearer("cdp_" + "x" * 64)
    ask = lambda *headers: forward(own.server, "wiki.example.com", "/x", *headers)  # noqa: E731
    assert [ask(wrong, there).status for _ in range(5)] == [401] * 5
    answer = ask(bearer(token), there)
    assert (answer.status, answer.json()["error"]) == (429, "too_many_attempts") and int(answer.headers["Retry-After"]) > 0
    assert nginx(own.server, WIKI, bearer(token), there).status == 403  # nginx would make 500 of 429
    assert ask(there).status == 401  # a request without a token is not concerned
    assert ask(bearer(token), ("X-Forwarded-For", "192.0.2.2")).status == 200
    assert ask(bearer(token), there).status == 200  # the server knows it now
    wait_until(lambda: "token.locked" in own.cardea("audit", "tail"), "the audit to be written")


def test_fifty_programs_at_once(shared):
    token, statuses = shared.make_token(), []
    threads = [threading.Thread(target=lambda: statuses.append(nginx(shared.server, WIKI, bearer(token)).status)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 50


# ---- the challenge


@pytest.mark.parametrize("headers, scheme", [([("Accept", "*/*")], "Basic"), ([("User-Agent", "git/2.39")], "Basic"),
                                             ([("Accept", "*/*"), ("Sec-Fetch-Mode", "cors")], "Cardea"), ([("Accept", "text/html")], "Cardea"),
                                             ([("X-Requested-With", "x")], "Cardea"), ([("Origin", "https://wiki.example.com")], "Cardea")])
def test_a_program_is_challenged_and_a_browser_opens_no_dialog(shared, headers, scheme):
    answer = nginx(shared.server, WIKI, *headers)
    assert (answer.status, answer.json()["error"]) == (401, "login_required")
    assert answer.headers["WWW-Authenticate"] == f'{scheme} realm="auth.example.com"'
    assert answer.headers["Location"].startswith("https://auth.example.com/_auth/login?return_to=")
