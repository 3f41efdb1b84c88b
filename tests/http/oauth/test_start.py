"""What the server refuses to start with, and what its demo settings allow."""
import pytest

from authority import APP, client, assert_error

PASSWORD = {"grant_type": "password", "username": "ana", "password": "any"}


def refused(service, *words):
    assert service.wait_end() != 0
    log = service.log()
    for word in words:
        assert word in log, log
    assert APP[1] not in log


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_any_user_of_the_demo_is_refused_beyond_loopback(launch, address):
    refused(launch(wait=False, listen=[address], accept_any_user="demo-only"), "accept_any_user", address.rsplit(":", 1)[0])


def test_any_user_of_the_demo_is_refused_when_one_of_several_listeners_is_not_loopback(launch):
    refused(launch(wait=False, listen=["127.0.0.1:0", "0.0.0.0:0"], accept_any_user="demo-only"), "accept_any_user")


def test_never_may_listen_everywhere(launch):
    server = launch(listen=["0.0.0.0:0"], accept_any_user="never", issuer="http://localhost:5001")
    assert_error(server.ask(PASSWORD), 400, "invalid_grant")


def test_any_user_of_a_private_network_may_listen_everywhere_and_is_warned_of(launch):
    server = launch(listen=["0.0.0.0:0"], accept_any_user="private-network-demo", issuer="http://localhost:5001")
    assert server.ask(PASSWORD).status == 200
    assert [e for e in server.service.events() if e["level"] == "warn" and "accept_any_user" in str(e)]


@pytest.mark.parametrize("value", ["yes", "true", "Demo-Only", "demo", ""])
def test_another_value_of_accept_any_user_is_refused(launch, value):
    refused(launch(wait=False, accept_any_user=value), "accept_any_user")


@pytest.mark.parametrize("changes,words", [
    ({"tokens": {"alg": "HS256"}}, ["tokens.alg"]),
    ({"tokens": {"alg": "none"}}, ["tokens.alg"]),
    ({"tokens": {"lifetime": "0s"}}, ["tokens.lifetime"]),
    ({"tokens": {"lifetime": "soon"}}, ["tokens.lifetime"]),
    ({"tokens": {"lifetme": "5m"}}, ["lifetme", "lifetime"]),
    ({"isuer": "http://x"}, ["isuer", "issuer"]),
    ({"issuer": "not a url"}, ["issuer"]),
    ({"issuer": "http://x/?q=1"}, ["issuer"]),
    ({"issuer": "http://x/#f"}, ["issuer"]),
    ({"scopes": ["has space"]}, ["scope"]),
    ({"signing_key": "${file:missing.pem}"}, ["signing_key", "missing.pem"]),
    ({"signing_key": "${env:CARDEA_TEST_UNSET}"}, ["signing_key", "CARDEA_TEST_UNSET"]),
    ({"listen": ["127.0.0.1"]}, ["listen"]),
    ({"listen": ["127.0.0.1:99999"]}, ["listen"]),
], ids=str)
def test_a_bad_setting_stops_the_start_and_is_named(launch, changes, words):
    refused(launch(wait=False, **changes), *words)


@pytest.mark.parametrize("entry,word", [
    ({"grant_types": ["pasword"]}, "grant_types"),
    ({"grant_types": ["authorization_code"]}, "grant_types"),
    ({"scopes": ["does_not_exist"]}, "does_not_exist"),
    ({"secret": ""}, "secret"),
    ({"id": ""}, "id"),
    ({"secrt": "x"}, "secrt"),
    ({"secret": "${env:CARDEA_TEST_UNSET}"}, "CARDEA_TEST_UNSET"),
], ids=str)
def test_a_bad_client_stops_the_start_and_is_named(launch, entry, word):
    good = client(("one", "one-secret"), ["client_credentials"], ["current_time"])
    refused(launch(wait=False, clients=[{**good, **entry}]), word)


def test_two_clients_of_one_id_stop_the_start(launch):
    good = client(("twice", "one-secret"), ["client_credentials"], ["current_time"])
    refused(launch(wait=False, clients=[good, {**good, "secret": "two-secret"}]), "twice")


def test_a_client_without_secret_or_id_stops_the_start(launch):
    good = client(("one", "one-secret"), ["client_credentials"], ["current_time"])
    for name in ("id", "secret"):
        entry = {key: value for key, value in good.items() if key != name}
        refused(launch(wait=False, clients=[entry]), name)


def test_a_taken_port_stops_the_start_and_is_named(server, launch):
    refused(launch(wait=False, port=server.port), str(server.port))


def test_port_0_takes_a_free_one(launch):
    server = launch(listen=["127.0.0.1:0"], issuer="http://localhost:5001")
    assert server.port > 0 and server.get("/healthz").status == 200


def test_several_listeners_all_answer(launch):
    server = launch(listen=["127.0.0.1:0", "127.0.0.2:0"], issuer="http://localhost:5001")
    assert len(server.service.events("listening")) == 2
    assert server.get("/healthz").status == 200
