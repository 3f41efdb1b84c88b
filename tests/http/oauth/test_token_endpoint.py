"""POST /oauth/token: RFC 6749 sections 3.2, 4.3, 4.4, 5.1 and 5.2."""
import gzip

import pytest

from authority import APP, FRONT, MACHINE, Connection, assert_error, assert_reveals_nothing, client

CREDENTIALS = {"grant_type": "client_credentials"}
PASSWORD = {"grant_type": "password", "username": "ana", "password": "any"}


def assert_tokens(answer, scope):
    """Section 5.1: exactly these members, of these types."""
    assert answer.status == 200, answer
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert body["access_token"].count(".") == 2
    assert body["token_type"] == "Bearer"
    assert type(body["expires_in"]) is int and body["expires_in"] == 300
    assert sorted(body["scope"].split(" ")) == sorted(scope.split(" "))
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("Pragma") == "no-cache"


def test_a_client_that_shows_its_secret_by_basic_gets_a_token(server):
    assert_tokens(server.ask({**CREDENTIALS, "scope": "current_time"}), "current_time")


def test_a_client_that_shows_its_secret_in_the_form_gets_a_token(server):
    answer = server.ask({**CREDENTIALS, "scope": "epoch_time", "client_id": "1234", "client_secret": "qwerty"}, None)
    assert_tokens(answer, "epoch_time")


def test_a_user_and_password_get_a_token(server):
    assert_tokens(server.ask({**PASSWORD, "scope": "current_time"}), "current_time")


def test_a_user_and_password_with_the_secret_in_the_form_get_a_token(server):
    assert_tokens(server.ask({**PASSWORD, "client_id": "1234", "client_secret": "qwerty"}, None),
                  "current_time epoch_time")


def test_no_refresh_token_is_given(server):
    assert "refresh_token" not in server.ask(PASSWORD).json()


def test_the_content_type_may_carry_a_charset_and_any_case(server):
    kind = ("Content-Type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8")
    assert_tokens(server.ask(CREDENTIALS, APP, [kind]), "current_time epoch_time")


def test_parameters_in_any_order_are_understood(server):
    assert_tokens(server.ask("scope=epoch_time&password=p&username=u&grant_type=password"), "epoch_time")


def test_a_plus_and_percent_20_are_both_a_space(server):
    for body in ("scope=current_time+epoch_time", "scope=current_time%20epoch_time"):
        assert_tokens(server.ask(f"grant_type=client_credentials&{body}"), "current_time epoch_time")


def test_unknown_parameters_are_ignored(server):
    assert_tokens(server.ask({**CREDENTIALS, "foo": "bar", "resource": "x", "scopes": "y"}), "current_time epoch_time")


def test_empty_parameters_count_as_absent(server):
    fields = {**CREDENTIALS, "scope": "", "username": "", "password": "", "client_id": "", "client_secret": ""}
    assert_tokens(server.ask(fields), "current_time epoch_time")


def test_parameters_in_the_query_are_not_read(server):
    """Section 2.3.1: credentials must not be in the request URI; section 3.2: the form alone counts."""
    query = "?grant_type=client_credentials&client_id=1234&client_secret=qwerty"
    assert server.form("/oauth/token" + query, "").status in (400, 401)
    assert_error(server.form("/oauth/token?grant_type=client_credentials", "", APP), 400, "invalid_request")


# --- section 5.2: invalid_request

@pytest.mark.parametrize("fields", [
    {},
    {"grant_type": ""},
    {"scope": "current_time"},
    {"grant_type": "password"},
    {"grant_type": "password", "username": "ana"},
    {"grant_type": "password", "password": "any"},
    {"grant_type": "password", "username": "", "password": "any"},
    {"grant_type": "password", "username": "ana", "password": ""},
], ids=str)
def test_a_missing_or_empty_parameter_is_an_invalid_request(server, fields):
    assert_error(server.ask(fields), 400, "invalid_request")


@pytest.mark.parametrize("fields", [
    [("grant_type", "client_credentials"), ("grant_type", "client_credentials")],
    [("grant_type", "client_credentials"), ("grant_type", "password")],
    [("grant_type", "client_credentials"), ("scope", "current_time"), ("scope", "epoch_time")],
    [*PASSWORD.items(), ("username", "bob")],
    [*PASSWORD.items(), ("password", "other")],
], ids=str)
def test_a_repeated_parameter_is_an_invalid_request(server, fields):
    assert_error(server.ask(fields), 400, "invalid_request")


@pytest.mark.parametrize("name", ["client_id", "client_secret"])
def test_a_repeated_credential_is_an_invalid_request(server, name):
    fields = [*CREDENTIALS.items(), ("client_id", "1234"), ("client_secret", "qwerty")]
    again = dict(fields)[name]
    assert_error(server.ask([*fields, (name, again)], None), 400, "invalid_request")


def test_a_name_that_differs_only_in_its_encoding_is_a_repetition(server):
    assert_error(server.ask("grant_type=client_credentials&grant%5Ftype=password"), 400, "invalid_request")


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/introspect", "/oauth/revoke"])
@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "x-unknown", "identity, gzip", "gzip, gzip"])
def test_a_compressed_form_is_415_and_told_which_coding_would_do(server, path, coding):
    """RFC 9110 sections 8.4, 12.5.3 and 15.5.16. Read as it is, it would be a form of nonsense."""
    answer = server.form(path, gzip.compress(b"grant_type=client_credentials"), APP, [("Content-Encoding", coding)])
    assert_error(answer, 415, "invalid_request")
    assert answer.json()["error_description"] == "Content-Encoding: not supported; send the form without a coding"
    assert answer.header("Accept-Encoding") == "identity"


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_the_most_that_a_client_may_have_can_be_issued(launch, alg):
    """4096 bytes of scopes, with the longest of everything else, and what has to be escaped."""
    scopes = [f"{i:02}" + "x" * (97 if i < 40 else 94) for i in range(41)]
    assert len(" ".join(scopes)) == 4096
    who, audience, issuer = ('"' * 256, "secret"), "\\" * 1024, "http://127.0.0.1"
    big = launch(scopes=scopes, issuer=issuer, tokens={"alg": alg},
                 clients=[client(who, ["client_credentials"], scopes, audience, [audience])])
    for asked in ({}, {"scope": " ".join(scopes)}):
        answer = big.ask({**CREDENTIALS, **asked}, who)
        assert answer.status == 200, answer
        assert answer.json()["scope"] == " ".join(scopes)
        seen = big.introspect(answer.json()["access_token"], who)
        assert (seen["active"], seen["scope"], seen["aud"]) == (True, " ".join(scopes), audience)


@pytest.mark.parametrize("fields, description", [
    ({"scope": "reports.write"}, "unknown scope 'reports.write'"),
    ({"scope": "current_time it's"}, "unknown scope 'it's'"),
    ({"scope": "x" * 100}, f"unknown scope '{'x' * 100}'"),
    ({"scope": "x" * 101}, "unknown scope of 101 characters"),
    ({"scope": "never_given"}, "scope: never_given is not granted to this client"),
    ({"scope": "current_time "}, "scope: must be scopes with one space between two, and none before or after"),
    ({"scope": "a\"b"}, "scope: has a character that is in no scope (RFC 6749 section 3.3)"),
    ({"grant_type": "refresh_token"}, "grant_type: must be client_credentials or password"),
    ({"grant_type": "password"}, "grant_type: password is not granted to this client"),
    ({"grant_type": ""}, "grant_type: missing"),
])
def test_an_error_says_what_is_wrong_and_which(server, fields, description):
    answer = server.ask({**CREDENTIALS, **fields}, MACHINE)
    assert_error(answer, 400, answer.json()["error"])
    assert answer.json()["error_description"] == description


def test_a_second_content_encoding_is_seen(server):
    codings = [("Content-Encoding", "identity"), ("Content-Encoding", "gzip")]
    assert_error(server.ask(CREDENTIALS, APP, codings), 415, "invalid_request")


@pytest.mark.parametrize("coding", ["identity", "Identity", "", "identity, identity"])
def test_identity_is_no_coding(server, coding):
    assert_tokens(server.ask(CREDENTIALS, APP, [("Content-Encoding", coding)]), "current_time epoch_time")


def test_a_compressed_body_that_is_no_form_is_still_no_form(server):
    headers = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")]
    assert_error(server.ask("{}", APP, headers), 400, "invalid_request")


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x",
                                  "application/x-www-form-urlencodedx", ""])
def test_another_content_type_is_refused(server, kind):
    answer = server.ask(CREDENTIALS, APP, [("Content-Type", kind)])
    assert answer.status in (400, 415), answer
    assert_error(answer, answer.status, "invalid_request")


def test_a_request_without_content_type_and_body_is_an_invalid_request(server):
    with Connection(server.port) as connection:
        answer = connection.send("POST", "/oauth/token", b"", [("Authorization", "Basic MTIzNDpxd2VydHk=")])
    assert answer.status in (400, 415), answer
    assert_error(answer, answer.status, "invalid_request")


@pytest.mark.parametrize("body", [
    b"grant_type=client_credentials&scope=%ff",
    b"grant_type=client_credentials&scope=\xff",
    b"grant_type=client_credentials&scope=%c3%28",
    b"grant_type=password&username=%c0%80&password=any",
    b"grant_type=password&username=%ed%a0%80&password=any",
    b"grant_type=password&username=%fe&password=any",
    b"grant_type=password&username=ana&password=%80",
    b"grant_type=%ff",
], ids=repr)
def test_invalid_utf8_is_an_invalid_request(server, body):
    assert_error(server.ask(body), 400, "invalid_request")


@pytest.mark.parametrize("body", [b"x=%ff", b"%ff=x", b"x=%00", b"x=\xff\xfe"], ids=repr)
def test_nonsense_in_an_unknown_parameter_is_ignored_or_refused(server, body):
    """Section 3.2 ignores what it does not know; a strict reader may still refuse bytes that are no text."""
    assert server.ask(b"grant_type=client_credentials&" + body).status in (200, 400)


@pytest.mark.parametrize("char", ["\n", "\r", "\x1b", "\x7f", "\x01"], ids=repr)
def test_control_characters_in_a_user_name_are_an_invalid_request(server, char):
    """Appendix A.15: UNICODECHARNOCRLF."""
    assert_error(server.ask({**PASSWORD, "username": f"a{char}b"}), 400, "invalid_request")


def test_a_tab_is_allowed_in_a_password_and_in_no_user_name(server):
    """Appendix A.15 and A.16 name %x09 among the characters; a user's name has no control characters here, since it becomes "sub"."""
    assert server.ask({**PASSWORD, "password": "a\tb"}).status == 200
    assert_error(server.ask({**PASSWORD, "username": "a\tb"}), 400, "invalid_request")
    assert_error(server.ask({**PASSWORD, "password": "a\nb"}), 400, "invalid_request")


@pytest.mark.parametrize("body", [
    b"grant_type=password&username=ana%00root&password=any",
    b"grant_type=password&username=ana\x00root&password=any",
    b"grant_type=client_credentials%00",
    b"grant_type%00=client_credentials",
    b"grant_type=password&username=ana&password=a%00b",
], ids=repr)
def test_a_nul_is_an_invalid_request(server, body):
    assert_error(server.ask(body), 400, "invalid_request")


@pytest.mark.parametrize("body", ["grant_type", "client_credentials", "&", "&&&=&", "=client_credentials", "%", "grant_type%3Dpassword"])
def test_a_body_without_name_and_value_is_an_invalid_request(server, body):
    assert_error(server.ask(body), 400, "invalid_request")


@pytest.mark.parametrize("value", ["%", "%4", "%zz", "a%2", "%u0041"])
def test_a_broken_percent_escape_is_an_invalid_request(server, value):
    assert_error(server.ask(f"grant_type=password&username={value}&password=any"), 400, "invalid_request")


def test_empty_pairs_between_ampersands_do_no_harm(server):
    assert_tokens(server.ask("&grant_type=client_credentials&&scope=epoch_time&"), "epoch_time")


# --- section 5.2: the other errors

@pytest.mark.parametrize("grant", ["authorization_code", "refresh_token", "implicit", "CLIENT_CREDENTIALS", "client_credentials ",
                                   "urn:ietf:params:oauth:grant-type:device_code", "x" * 2000, "\u00e9", "a\"b\\c"])
def test_an_unknown_grant_is_an_unsupported_grant_type(server, grant):
    assert_error(server.ask({"grant_type": grant}), 400, "unsupported_grant_type")


def test_lesson_21_the_password_grant_is_off_unless_the_client_is_given_it(server):
    assert_error(server.ask(PASSWORD, MACHINE), 400, "unauthorized_client")


def test_client_credentials_are_off_unless_the_client_is_given_them(server):
    assert_error(server.ask(CREDENTIALS, FRONT), 400, "unauthorized_client")
    assert_tokens(server.ask(PASSWORD, FRONT), "current_time epoch_time")


def test_lesson_21_a_client_that_may_not_learns_nothing_of_the_password(server):
    """Refused before the user is looked at: with and without a user it is the same answer or a plain invalid request."""
    answer = server.ask({**PASSWORD, "username": "nobody-here"}, MACHINE)
    assert answer.body == server.ask(PASSWORD, MACHINE).body


def test_without_accept_any_user_every_user_is_an_invalid_grant(launch):
    never = launch(accept_any_user="never")
    assert_error(never.ask(PASSWORD), 400, "invalid_grant")
    assert_tokens(never.ask(CREDENTIALS), "current_time epoch_time")


def test_accept_any_user_is_never_by_default(launch):
    assert_error(launch(without=["accept_any_user"]).ask(PASSWORD), 400, "invalid_grant")


def test_a_name_of_any_script_is_a_user(server):
    name = "\u0416\u4e2d\U0001f600 o'Neil \"x\" \\"
    token = server.token(user=name)
    assert server.introspect(token)["sub"] == name


# --- scopes: section 3.3

def test_without_a_scope_the_client_gets_all_of_its_own(server):
    assert_tokens(server.ask(CREDENTIALS), "current_time epoch_time")
    assert_tokens(server.ask(CREDENTIALS, MACHINE), "current_time")


def test_a_part_of_its_scopes_in_any_order_is_given_as_asked(server):
    assert_tokens(server.ask({**CREDENTIALS, "scope": "epoch_time"}), "epoch_time")
    assert_tokens(server.ask({**CREDENTIALS, "scope": "epoch_time current_time"}), "current_time epoch_time")


def test_a_scope_named_twice_is_given_once(server):
    assert_tokens(server.ask({**CREDENTIALS, "scope": "current_time epoch_time current_time"}), "current_time epoch_time")


@pytest.mark.parametrize("scope", ["other", "current_time other", "never_given", "CURRENT_TIME", "current_tim", "current_time2",
                                   "x" * 2000])
def test_a_scope_that_does_not_exist_or_is_not_the_clients_is_invalid(server, scope):
    assert_error(server.ask({**CREDENTIALS, "scope": scope}), 400, "invalid_scope")


def test_a_scope_of_another_client_is_invalid(server):
    assert_error(server.ask({**CREDENTIALS, "scope": "epoch_time"}, MACHINE), 400, "invalid_scope")
    assert_error(server.ask({**CREDENTIALS, "scope": "current_time epoch_time"}, MACHINE), 400, "invalid_scope")


@pytest.mark.parametrize("scope", [" ", " current_time", "current_time ", "current_time  epoch_time", "current_time\tepoch_time",
                                   "current_time\n", "\"current_time\"", "current\\time", "current_time,epoch_time",
                                   "current_time\u00a0epoch_time", "current_tim\u00e9", "current_time\x7f"], ids=ascii)
def test_a_malformed_scope_is_invalid(server, scope):
    """scope = scope-token *( SP scope-token ), scope-token = 1*( %x21 / %x23-5B / %x5D-7E )"""
    assert_error(server.ask({**CREDENTIALS, "scope": scope}), 400, "invalid_scope")


def test_the_password_grant_obeys_the_same_scopes(server):
    assert_error(server.ask({**PASSWORD, "scope": "never_given"}), 400, "invalid_scope")


def test_a_thousand_scopes_are_refused_without_harm(server):
    for scope in (" ".join(f"s{n}" for n in range(1000)), "x" * 30000):
        answer = server.ask({**CREDENTIALS, "scope": scope})
        assert_error(answer, 400, answer.json()["error"])
        assert answer.json()["error"] in ("invalid_scope", "invalid_request")
    scope = " ".join(["current_time"] * 1000)
    assert server.ask({**CREDENTIALS, "scope": scope}).status in (200, 400)


# --- HTTP

@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/introspect", "/oauth/revoke"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_post_is_allowed(server, method, path):
    answer = server.form(path, "", APP, method=method)
    assert answer.status == 405, answer
    assert [word.strip() for word in answer.header("Allow").split(",")].count("POST") == 1, answer
    assert method not in answer.header("Allow"), answer


def test_a_body_over_the_limit_is_413(launch):
    small = launch(limits={"body": "2KB"})
    for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke"):
        answer = small.form(path, "a=" + "x" * 3000, APP)
        assert answer.status == 413, answer
        assert_reveals_nothing(answer)
    assert_tokens(small.ask({**CREDENTIALS, "x": "x" * 1900}), "current_time epoch_time")


def test_many_parameters_are_refused_or_ignored_but_never_harmful(server):
    body = "&".join(f"p{n}=v" for n in range(5000)) + "&grant_type=client_credentials"
    assert server.ask(body).status in (200, 400, 413)
    assert_tokens(server.ask(CREDENTIALS), "current_time epoch_time")


def test_an_unknown_path_is_404_in_json(server):
    for path in ("/oauth/tokens", "/oauth/", "/oauth/token/", "/", "/oauth/authorize"):
        answer = server.form(path, CREDENTIALS, APP)
        assert answer.status == 404, answer
        assert "error" in answer.json()
        assert_reveals_nothing(answer)


def test_one_connection_serves_good_and_bad_requests_in_turn(server):
    with Connection(server.port) as connection:
        for _ in range(20):
            assert_tokens(connection.form("/oauth/token", CREDENTIALS, APP), "current_time epoch_time")
            assert_error(connection.form("/oauth/token", {"grant_type": "x"}, APP), 400, "unsupported_grant_type")
            assert_error(connection.form("/oauth/token", CREDENTIALS, ("1234", "wrong")), 401, "invalid_client")


def test_a_token_is_never_an_answer_to_head(server):
    answer = server.form("/oauth/token", "", APP, method="HEAD")
    assert answer.status == 405 and answer.body == b""
