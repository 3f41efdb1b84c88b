"""Clients that others wrote: requests-oauthlib, Authlib, curl."""
import json
import subprocess
import time

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.oauth2.rfc7662 import IntrospectTokenValidator
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from oauthlib.oauth2 import BackendApplicationClient, InvalidClientError, InvalidScopeError, LegacyApplicationClient
from oauthlib.oauth2 import UnauthorizedClientError, UnsupportedGrantTypeError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from authority import APP, MACHINE, ODD, WATCH

TOKEN, INTROSPECT, REVOKE = "/oauth/token", "/oauth/introspect", "/oauth/revoke"


@pytest.fixture(autouse=True)
def plain_http(monkeypatch):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("no_proxy", "*")


# --- requests-oauthlib

def test_requests_oauthlib_gets_a_token_for_a_client_by_basic(server):
    session = OAuth2Session(client=BackendApplicationClient(client_id=APP[0]))
    token = session.fetch_token(server.issuer + TOKEN, auth=HTTPBasicAuth(*APP), scope=["current_time"])
    assert token["token_type"] == "Bearer" and token.scope == "current_time" and not token.scope_changed
    assert 290 < token["expires_at"] - time.time() < 310
    assert server.introspect(token["access_token"])["active"] is True


def test_requests_oauthlib_gets_a_token_for_a_client_by_the_form(server):
    session = OAuth2Session(client=BackendApplicationClient(client_id=APP[0], scope=["epoch_time"]))
    token = session.fetch_token(server.issuer + TOKEN, client_secret=APP[1], include_client_id=True)
    assert token.scopes == ["epoch_time"]


def test_requests_oauthlib_gets_a_token_with_its_own_basic_and_the_id_in_the_form(server):
    session = OAuth2Session(client=BackendApplicationClient(client_id=APP[0]))
    token = session.fetch_token(server.issuer + TOKEN, auth=HTTPBasicAuth(*APP), include_client_id=True)
    assert token["access_token"]


def test_requests_oauthlib_gets_a_token_for_a_user(server):
    session = OAuth2Session(client=LegacyApplicationClient(client_id=APP[0]))
    token = session.fetch_token(server.issuer + TOKEN, username="ana", password="p\u00e4ss w\u00f6rd &=+%",
                                client_id=APP[0], client_secret=APP[1])
    assert server.introspect(token["access_token"])["sub"] == "ana"


def test_requests_oauthlib_sends_the_token_as_bearer(server):
    session = OAuth2Session(client=BackendApplicationClient(client_id=APP[0]))
    session.fetch_token(server.issuer + TOKEN, client_secret=APP[1])
    assert session.get(server.issuer + "/healthz").status_code == 200


@pytest.mark.parametrize("who,fields,error", [
    ((APP[0], "wrong"), {}, InvalidClientError),
    (APP, {"scope": ["nothing"]}, InvalidScopeError),
    (MACHINE, {"scope": ["epoch_time"]}, InvalidScopeError),
], ids=["wrong secret", "unknown scope", "scope of others"])
def test_requests_oauthlib_understands_what_is_wrong(server, who, fields, error):
    session = OAuth2Session(client=BackendApplicationClient(client_id=who[0]))
    with pytest.raises(error):
        session.fetch_token(server.issuer + TOKEN, auth=HTTPBasicAuth(*who), **fields)


def test_requests_oauthlib_understands_that_the_grant_is_not_the_clients(server):
    session = OAuth2Session(client=LegacyApplicationClient(client_id=MACHINE[0]))
    with pytest.raises(UnauthorizedClientError):
        session.fetch_token(server.issuer + TOKEN, username="ana", password="x", auth=HTTPBasicAuth(*MACHINE))


def test_requests_oauthlib_understands_that_a_grant_does_not_exist(server):
    client = BackendApplicationClient(client_id=APP[0])
    client.grant_type = "urn:example:nothing"
    with pytest.raises(UnsupportedGrantTypeError):
        OAuth2Session(client=client).fetch_token(server.issuer + TOKEN, auth=HTTPBasicAuth(*APP))


# --- Authlib

@pytest.fixture(params=["client_secret_basic", "client_secret_post"])
def authlib(request, server):
    def session(who, **options):
        return AuthlibSession(*who, token_endpoint_auth_method=request.param, token_endpoint=server.issuer + TOKEN, **options)
    return session


def test_authlib_gets_introspects_and_revokes_a_token(server, authlib):
    token = authlib(APP, scope="current_time").fetch_token(server.issuer + TOKEN, grant_type="client_credentials")
    assert token["token_type"] == "Bearer" and token["scope"] == "current_time"
    watch = authlib(WATCH, introspection_endpoint_auth_method="client_secret_basic")
    seen = watch.introspect_token(server.issuer + INTROSPECT, token=token["access_token"]).json()
    assert seen["active"] is True and seen["client_id"] == "1234"
    answer = authlib(APP).revoke_token(server.issuer + REVOKE, token=token["access_token"], token_type_hint="access_token")
    assert answer.status_code == 200
    assert watch.introspect_token(server.issuer + INTROSPECT, token=token["access_token"]).json() == {"active": False}


def test_authlib_gets_a_token_for_a_user(server, authlib):
    token = authlib(APP).fetch_token(server.issuer + TOKEN, username="ana", password="p")
    assert server.introspect(token["access_token"])["sub"] == "ana"


def test_authlib_reads_the_metadata(server):
    document = requests.get(server.issuer + "/.well-known/oauth-authorization-server", timeout=10).json()
    metadata = AuthorizationServerMetadata(document)
    # Not what it checks of URLs (https alone) and of response_types_supported (an empty one it calls missing).
    for name in ("scopes_supported", "grant_types_supported", "token_endpoint_auth_methods_supported",
                 "introspection_endpoint_auth_methods_supported", "revocation_endpoint_auth_methods_supported"):
        getattr(metadata, "validate_" + name)()
    assert metadata["issuer"] == server.issuer


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
def test_authlib_verifies_the_token_by_the_published_keys(launch, alg):
    server = launch(tokens={"alg": alg})
    keys = JsonWebKey.import_key_set({"keys": server.keys()})
    claims = JsonWebToken([alg]).decode(server.token(), keys)
    claims.validate()
    assert claims["client_id"] == "1234"


def test_authlibs_resource_server_accepts_a_token_by_introspection(server):
    class Validator(IntrospectTokenValidator):
        def introspect_token(self, token_string):
            return server.introspect(token_string)

    validator = Validator()
    token = validator.authenticate_token(server.token(scope="current_time"))
    assert not token.get("exp", 0) < time.time()
    assert token["scope"] == "current_time"


# --- curl

def curl(*arguments):
    done = subprocess.run(["curl", "-sS", "--noproxy", "*", "--max-time", "20", *arguments], capture_output=True, check=True)
    return done.stdout.decode()


def test_curl_gets_introspects_and_revokes_a_token(server):
    token = json.loads(curl("-u", "1234:qwerty", "-d", "grant_type=client_credentials", "-d", "scope=current_time",
                            server.issuer + TOKEN))["access_token"]
    seen = json.loads(curl("-u", ":".join(WATCH), "-d", f"token={token}", server.issuer + INTROSPECT))
    assert seen["active"] is True
    curl("-f", "-u", "1234:qwerty", "-d", f"token={token}", server.issuer + REVOKE)
    assert json.loads(curl("-u", ":".join(WATCH), "-d", f"token={token}", server.issuer + INTROSPECT)) == {"active": False}


def test_curl_gets_a_token_for_a_user(server):
    answer = json.loads(curl("-u", "1234:qwerty", "-d", "grant_type=password", "--data-urlencode", "username=ana b+c",
                             "--data-urlencode", "password=p&q=%", server.issuer + TOKEN))
    assert server.introspect(answer["access_token"])["sub"] == "ana b+c"


def test_curl_gets_a_token_with_a_difficult_secret_in_the_form(server):
    answer = json.loads(curl("-d", "grant_type=client_credentials", "--data-urlencode", f"client_id={ODD[0]}",
                             "--data-urlencode", f"client_secret={ODD[1]}", server.issuer + TOKEN))
    assert answer["token_type"] == "Bearer"


def test_curl_with_expect_100_and_chunked_bodies_is_understood(server):
    for header in ("Expect: 100-continue", "Transfer-Encoding: chunked"):
        answer = json.loads(curl("-u", "1234:qwerty", "-H", header, "-d", "grant_type=client_credentials", server.issuer + TOKEN))
        assert answer["token_type"] == "Bearer"
