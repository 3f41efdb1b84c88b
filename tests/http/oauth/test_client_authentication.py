"""RFC 6749 section 2.3.1 at each endpoint that a client authenticates to."""
import pytest

from authority import APP, MACHINE, ODD, WATCH, assert_error, basic, basic_raw, client

CREDENTIALS = {"grant_type": "client_credentials"}
FORM = {"client_id": "1234", "client_secret": "qwerty"}


@pytest.fixture(params=["/oauth/token", "/oauth/introspect", "/oauth/revoke"])
def endpoint(request, server):
    """Each endpoint with a body that it accepts; what changes are the credentials."""
    body = CREDENTIALS if request.param == "/oauth/token" else {"token": "x"}

    def ask(fields=(), headers=(), who=None):
        return server.form(request.param, {**body, **dict(fields)}, who, headers)

    return ask


def test_basic_and_form_are_both_good(endpoint):
    assert endpoint(who=APP).status == 200
    assert endpoint(FORM).status == 200


@pytest.mark.parametrize("who", [("1234", "wrong"), ("1234", "qwert"), ("1234", "qwertyy"), ("1234", ""), ("1234", "QWERTY"),
                                 ("nobody", "qwerty"), ("", "qwerty"), ("", ""), ("12345", "qwerty"), ("1234 ", "qwerty"),
                                 ("machine", "qwerty"), ("1234", "\u00e9" * 500)], ids=ascii)
def test_a_wrong_id_or_secret_is_an_invalid_client(endpoint, who):
    assert_error(endpoint(who=who), 401, "invalid_client")
    if all(who):
        assert_error(endpoint({"client_id": who[0], "client_secret": who[1]}), 401, "invalid_client")


def test_lesson_10_an_unknown_client_and_a_wrong_secret_are_answered_alike(endpoint):
    one, other = endpoint(who=("1234", "wrong")), endpoint(who=("nobody", "wrong"))
    assert (one.status, one.body) == (other.status, other.body)
    assert one.header("WWW-Authenticate") == other.header("WWW-Authenticate")


def test_a_request_without_credentials_is_an_invalid_client(endpoint):
    assert_error(endpoint(), 401, "invalid_client")


def test_an_id_without_secret_is_an_invalid_client(endpoint):
    assert_error(endpoint({"client_id": "1234"}), 401, "invalid_client")
    assert_error(endpoint({"client_id": "1234", "client_secret": ""}), 401, "invalid_client")


def test_a_secret_without_id_is_refused(endpoint):
    answer = endpoint({"client_secret": "qwerty"})
    assert (answer.status, answer.json()["error"]) in ((401, "invalid_client"), (400, "invalid_request")), answer


def test_both_methods_at_once_are_an_invalid_request(endpoint):
    assert_error(endpoint(FORM, who=APP), 400, "invalid_request")


def test_both_methods_at_once_are_refused_whichever_is_right(endpoint):
    for fields, who in ((FORM, ("1234", "wrong")), ({**FORM, "client_secret": "wrong"}, APP), (FORM, MACHINE)):
        answer = endpoint(fields, who=who)
        assert (answer.status, answer.json()["error"]) in ((400, "invalid_request"), (401, "invalid_client")), answer


def test_the_same_client_id_in_the_form_beside_basic_is_harmless(endpoint):
    """It names the client, it does not authenticate it: section 3.2.1."""
    assert endpoint({"client_id": "1234"}, who=APP).status == 200


def test_another_client_id_in_the_form_beside_basic_is_refused(endpoint):
    answer = endpoint({"client_id": "machine"}, who=APP)
    assert (answer.status, answer.json()["error"]) in ((400, "invalid_request"), (401, "invalid_client")), answer


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "bAsIc"])
def test_the_scheme_has_no_case(endpoint, scheme):
    name, value = basic(APP)
    assert endpoint(headers=[(name, scheme + value[5:])]).status == 200


@pytest.mark.parametrize("value", ["Bearer abc", "Digest username=\"1234\"", "Negotiate YII=", "Basicx MTIzNDpxd2VydHk=",
                                   "MTIzNDpxd2VydHk=", "DPoP x"])
def test_another_scheme_is_an_invalid_client_and_basic_is_named(endpoint, value):
    assert_error(endpoint(headers=[("Authorization", value)]), 401, "invalid_client")


def test_another_scheme_beside_good_form_credentials_is_not_overlooked(endpoint):
    answer = endpoint(FORM, [("Authorization", "Bearer abc")])
    assert answer.status in (400, 401), answer


@pytest.mark.parametrize("value", ["Basic", "Basic ", "Basic =", "Basic !!!!", "Basic MTIzNDpxd2VydHk", "Basic MTIzNDpxd2VydHk==",
                                   "Basic MTIzNDpxd2VydHk= x", "Basic MTIz NDpxd2VydHk=", "Basic MTIzNDpxd2VydHl=", "Basic Og==",
                                   "Basic MTIzNA==", "Basic " + "A" * 4000, "Basic ICAg", "Basic AAAA", "Basic 1234:qwerty"])
def test_basic_that_is_not_base64_of_id_colon_secret_is_an_invalid_client(endpoint, value):
    assert_error(endpoint(headers=[("Authorization", value)]), 401, "invalid_client")


@pytest.mark.parametrize("text", [b"1234:qwerty\0", b"1234\0:qwerty", b"1234%00:qwerty", b"1234:qwerty%00", b"\xff:qwerty",
                                  b"1234:%ff", b"1234:%", b"1234:%zz", b"1234:qwert%7", b"1234:qwerty:", b"1234:qwerty\n",
                                  b" 1234:qwerty"], ids=repr)
def test_basic_that_decodes_to_nonsense_is_an_invalid_client(endpoint, text):
    assert_error(endpoint(headers=[basic_raw(text)]), 401, "invalid_client")


@pytest.mark.parametrize("second", [basic(APP), basic(MACHINE), ("Authorization", "Bearer x"), ("authorization", "")], ids=str)
def test_two_authorization_headers_are_refused(endpoint, second):
    for headers in ([basic(APP), second], [second, basic(APP)]):
        answer = endpoint(headers=headers)
        assert answer.status in (400, 401), answer


# --- percent-encoding

def test_an_id_and_secret_of_difficult_characters_are_understood_by_basic(server):
    assert server.ask(CREDENTIALS, ODD).status == 200


def test_an_id_and_secret_of_difficult_characters_are_understood_in_the_form(server):
    assert server.ask({**CREDENTIALS, "client_id": ODD[0], "client_secret": ODD[1]}, None).status == 200


def test_percent_20_and_plus_are_both_a_space_in_basic(server):
    name, secret = ("a%3Ab%252B%2Bc d%C3%A9", "p%3A%2541%2B w%C3%BC%26%3D%E2%82%AC")
    for space in ("%20", "+"):
        text = f"{name}:{secret}".replace(" ", space)
        assert server.form("/oauth/token", CREDENTIALS, headers=[basic_raw(text)]).status == 200


def test_every_character_may_be_percent_encoded_in_basic(server):
    text = ":".join("".join(f"%{byte:02x}" for byte in part.encode()) for part in ODD)
    assert server.form("/oauth/token", CREDENTIALS, headers=[basic_raw(text)]).status == 200


def test_the_secret_is_decoded_once_only(server):
    """ODD's secret has %41 in it: decoded twice it would be another secret."""
    twice = (ODD[0], ODD[1].replace("%41", "A"))
    assert_error(server.ask(CREDENTIALS, twice), 401, "invalid_client")


def test_the_token_of_a_difficult_client_names_it_exactly(server):
    answer = server.introspect(server.token(ODD))
    assert answer["client_id"] == ODD[0] and answer["sub"] == ODD[0]


def test_a_secret_may_come_from_the_environment_or_a_file(launch, tmp_path, monkeypatch):
    monkeypatch.setenv("CARDEA_TEST_SECRET", "from-the-environment")
    (tmp_path / "secret").write_text("from-a-file\n")
    (tmp_path / "secret").chmod(0o600)
    grants = ["client_credentials"]
    both = launch(folder=tmp_path, clients=[client(("env", "${env:CARDEA_TEST_SECRET}"), grants, ["current_time"]),
                                            client(("file", "${file:secret}"), grants, ["current_time"])])
    assert both.ask(CREDENTIALS, ("env", "from-the-environment")).status == 200
    assert both.ask(CREDENTIALS, ("file", "from-a-file")).status == 200
    assert_error(both.ask(CREDENTIALS, ("file", "${file:secret}")), 401, "invalid_client")


def test_long_credentials_are_compared_to_their_end(launch):
    secret = "s" * 500
    long = launch(clients=[client(("long", secret), ["client_credentials"], ["current_time"])])
    assert long.ask(CREDENTIALS, ("long", secret)).status == 200
    assert_error(long.ask(CREDENTIALS, ("long", secret[:-1] + "t")), 401, "invalid_client")
    assert_error(long.ask(CREDENTIALS, ("long", secret[:-1])), 401, "invalid_client")


def test_a_client_may_authenticate_and_still_have_no_grant(server):
    assert_error(server.ask(CREDENTIALS, WATCH), 400, "unauthorized_client")


def test_lesson_14_beyond_the_limit_no_secret_is_judged_nor_without_a_store(launch):
    strict = launch(lockout={"account_attempts": 3, "delay": "1m"})
    for i in range(3):
        assert_error(strict.ask(CREDENTIALS, ("1234", f"guess {i}")), 401, "invalid_client")
    for who in (APP, ("1234", "guess")):
        assert_error(strict.ask(CREDENTIALS, who), 429, "temporarily_unavailable")
    assert strict.ask(CREDENTIALS, MACHINE).status == 200
