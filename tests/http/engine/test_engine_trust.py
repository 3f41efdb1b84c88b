"""Whose word counts: request ids, trace context and forwarded addresses (LESSONS 3)."""
import re

import pytest

from engine import Server, answer_to, get

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def stranger():
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def friend():
    with Server("trust", "127.0.0.0/8", "trust", "::1", "trust", "10.1.0.0/16") as running:
        yield running


def test_lesson_3_nobodys_forwarded_headers_are_trusted_by_default(stranger):
    answer = answer_to(stranger, get("/show", "X-Request-Id: abc", f"traceparent: {PARENT}", "X-Forwarded-For: 9.9.9.9"))
    shown = answer.json()
    assert re.fullmatch("[0-9a-f]{32}", shown["request_id"]) and answer.headers["x-request-id"] == shown["request_id"]
    assert shown["trace_id"] != PARENT[3:35]
    assert shown["client_address"] == "127.0.0.1"


@pytest.mark.parametrize("path", ["/show", "/show-worker"])
def test_a_trusted_proxy_names_request_trace_and_client(friend, path):
    answer = answer_to(friend, get(path, "X-Request-Id: a.B_c-1", f"traceparent: {PARENT}", "X-Forwarded-For: 9.9.9.9"))
    shown = answer.json()
    assert shown["request_id"] == answer.headers["x-request-id"] == "a.B_c-1"
    assert shown["trace_id"] == PARENT[3:35] and shown["sampled"] == "1"
    assert shown["span_id"] != PARENT[36:52]
    assert (shown["peer"], shown["client_address"]) == ("127.0.0.1", "9.9.9.9")


@pytest.mark.parametrize("value", ["a" * 65, "a b", "a\"b", ""])
def test_an_invalid_request_id_is_made_anew(friend, value):
    assert re.fullmatch("[0-9a-f]{32}", answer_to(friend, get("/show", f"X-Request-Id: {value}")).json()["request_id"])


@pytest.mark.parametrize("value", [PARENT.upper(), "00-" + "0" * 32 + PARENT[35:], PARENT + "-x", PARENT[:-1], "ff" + PARENT[2:]])
def test_an_invalid_traceparent_starts_a_new_trace(friend, value):
    assert answer_to(friend, get("/show", f"traceparent: {value}")).json()["trace_id"] != PARENT[3:35]


def test_a_traceparent_given_twice_counts_as_none(friend):
    shown = answer_to(friend, get("/show", f"traceparent: {PARENT}", f"traceparent: {PARENT}")).json()
    assert shown["trace_id"] != PARENT[3:35]


@pytest.mark.parametrize("headers, client", [
    (["1.1.1.1, 9.9.9.9"], "9.9.9.9"),
    (["1.1.1.1, 9.9.9.9, 10.1.2.3"], "9.9.9.9"),
    (["1.1.1.1", "9.9.9.9, 10.1.2.3", "127.0.0.9"], "9.9.9.9"),
    (["10.1.2.3"], "10.1.2.3"),
    (["nonsense, 10.1.2.3"], ""),
    (["9.9.9.9, "], "9.9.9.9"),
    (["203.0.113.7:4001"], "203.0.113.7"),
    (["2001:db8::1"], "2001:db8::1"),
])
def test_lesson_3_the_client_is_the_last_address_that_no_trusted_proxy_has(friend, headers, client):
    lines = [f"X-Forwarded-For: {value}" for value in headers]
    assert answer_to(friend, get("/show", *lines)).json()["client_address"] == client
