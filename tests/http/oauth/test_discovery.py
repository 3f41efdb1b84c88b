"""Metadata (RFC 8414), keys (RFC 7517), health."""
import json
from email.utils import parsedate_to_datetime
import time
from urllib.parse import urlsplit

import pytest

from authority import WATCH
from forge import unb64

METADATA = "/.well-known/oauth-authorization-server"
JWKS = "/.well-known/jwks.json"
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@pytest.fixture(scope="module")
def metadata(server):
    answer = server.get(METADATA)
    assert answer.status == 200
    return answer.json()


def test_the_issuer_is_the_configured_one_exactly(server, metadata, launch):
    assert metadata["issuer"] == server.issuer
    other = launch(issuer="https://login.example")
    assert other.get(METADATA).json()["issuer"] == "https://login.example"
    assert other.get(METADATA, headers=[("Host", "evil.example")]).json()["issuer"] == "https://login.example"


def test_every_endpoint_is_below_the_issuer(server, metadata):
    for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint", "jwks_uri"):
        assert metadata[name].startswith(server.issuer + "/"), name


def test_every_url_in_it_answers(server, metadata):
    urls = [(name, value) for name, value in metadata.items() if isinstance(value, str) and value.startswith("http") and name != "issuer"]
    assert len(urls) >= 4
    for name, url in urls:
        path = urlsplit(url).path
        if name.endswith("_endpoint"):
            assert server.form(path, {"grant_type": "x", "token": "x"}, WATCH).status in (200, 400), name
        else:
            assert server.get(path).status == 200, name


def test_it_says_what_the_server_does_and_no_more(metadata):
    both = {"client_secret_basic", "client_secret_post"}
    assert set(metadata["token_endpoint_auth_methods_supported"]) == both
    assert set(metadata["introspection_endpoint_auth_methods_supported"]) == both
    assert set(metadata["revocation_endpoint_auth_methods_supported"]) == both
    assert set(metadata["grant_types_supported"]) == {"client_credentials", "password"}
    assert {"current_time", "epoch_time"} <= set(metadata["scopes_supported"])
    assert "authorization_endpoint" not in metadata
    assert "code_challenge_methods_supported" not in metadata


def test_response_types_are_there_since_they_are_required(metadata):
    assert metadata["response_types_supported"] == []


def test_claims_of_several_values_are_arrays(metadata):
    for name, value in metadata.items():
        if name.endswith("_supported"):
            assert isinstance(value, list) and all(isinstance(item, str) for item in value), name


def test_all_of_it_is_answered_to_head_without_a_body(server):
    for path in (METADATA, JWKS, "/healthz", "/readyz"):
        get, head = server.get(path), server.get(path, "HEAD")
        assert head.status == get.status == 200 and head.body == b""
        assert head.header("Content-Length") == get.header("Content-Length")
        assert head.header("Content-Type") == get.header("Content-Type")


@pytest.mark.parametrize("path", [METADATA, JWKS, "/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_documents_are_only_read(server, path, method):
    answer = server.form(path, "", method=method)
    assert answer.status == 405
    assert "GET" in [word.strip() for word in answer.header("Allow").split(",")]


ORIGIN = ("Origin", "https://app.example")


@pytest.mark.parametrize("path", [METADATA, JWKS])
@pytest.mark.parametrize("origin", ["https://app.example", "null", None])
def test_lesson_44_a_page_of_any_origin_may_read_metadata_and_keys(server, path, origin):
    """Without credentials: with "*" a browser sends none (Fetch, section 3.3.5)."""
    for method in ("GET", "HEAD"):
        answer = server.get(path, method, [("Origin", origin)] if origin else [])
        assert answer.status == 200
        assert answer.header("Access-Control-Allow-Origin") == "*"
        assert answer.header("Access-Control-Allow-Credentials") is None


@pytest.mark.parametrize("path", [METADATA, JWKS])
def test_lesson_44_a_preflight_for_metadata_and_keys_passes(server, path):
    asked = [ORIGIN, ("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Headers", "authorization,x-app")]
    answer = server.get(path, "OPTIONS", asked)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.header("Access-Control-Allow-Methods") == "GET, HEAD"
    assert answer.header("Access-Control-Allow-Headers") == "authorization,x-app"
    assert int(answer.header("Access-Control-Max-Age")) >= 600
    assert answer.header("Access-Control-Allow-Credentials") is None
    assert answer.header("Allow") == "GET, HEAD, OPTIONS"
    assert answer.header("Content-Length") is None


@pytest.mark.parametrize("path", [METADATA, JWKS])
def test_lesson_44_a_preflight_that_asks_for_no_header_is_told_of_none(server, path):
    answer = server.get(path, "OPTIONS", [ORIGIN, ("Access-Control-Request-Method", "GET")])
    assert answer.status == 204 and answer.header("Access-Control-Allow-Headers") is None
    odd = [ORIGIN, ("Access-Control-Request-Headers", "a"), ("Access-Control-Request-Headers", "b")]
    answer = server.get(path, "OPTIONS", odd)
    assert answer.status == 204 and answer.header("Access-Control-Allow-Headers") is None


def test_lesson_44_no_other_path_answers_other_origins(server):
    for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke", "/grant", "/healthz", "/readyz"):
        for method in ("GET", "POST", "OPTIONS"):
            answer = server.form(path, "", method=method, headers=[ORIGIN]) if method == "POST" \
                else server.get(path, method, [ORIGIN])
            assert answer.header("Access-Control-Allow-Origin") is None, (path, method)


@pytest.mark.parametrize("alg,kty", [("ES256", "EC"), ("RS256", "RSA"), ("EdDSA", "OKP")])
def test_a_published_key_is_public_and_says_what_it_is_for(launch, alg, kty):
    server = launch(tokens={"alg": alg})
    answer = server.get(JWKS)
    assert answer.status == 200
    assert answer.header("Content-Type").split(";")[0] in ("application/json", "application/jwk-set+json")
    keys = json.loads(answer.body)["keys"]
    assert len(keys) >= 1
    for key in keys:
        assert not PRIVATE & set(key)
        assert key["kty"] == kty and key["alg"] == alg and key["use"] == "sig"
        assert isinstance(key["kid"], str) and key["kid"]
    assert len({key["kid"] for key in keys}) == len(keys)
    members = {"EC": {"crv", "x", "y"}, "RSA": {"n", "e"}, "OKP": {"crv", "x"}}[kty]
    assert members <= set(keys[0])


def test_coordinates_of_a_key_have_their_full_length(launch):
    """RFC 7518 section 6.2.1.2: leading zeros stay."""
    key = launch().keys()[0]
    assert len(unb64(key["x"])) == len(unb64(key["y"])) == 32


def test_health_and_readiness_are_answered_without_authentication(server):
    for path in ("/healthz", "/readyz"):
        assert server.get(path).status == 200
        assert server.get(path, headers=[("Authorization", "Basic x")]).status == 200


def test_lesson_5_health_has_a_path_of_its_own_and_opens_no_other(server):
    for path in ("/healthz/", "/healthz/oauth/token", "/healthzx", "/HEALTHZ", "/x/healthz"):
        assert server.get(path).status == 404, path
    answer = server.form("/oauth/introspect", {"token": "x"}, headers=[("User-Agent", "kube-probe/1.30 GoogleHC/1.0")])
    assert answer.status == 401


def test_a_query_does_not_change_a_document(server):
    assert server.get(JWKS + "?x=1").body == server.get(JWKS).body


def test_the_server_header_tells_no_version_and_the_date_is_right(server):
    answer = server.get("/healthz")
    assert not any(char.isdigit() for char in answer.header("Server") or "")
    assert abs(parsedate_to_datetime(answer.header("Date")).timestamp() - time.time()) < 3
