"""What a request is called and where it goes: methods, hosts, prefixes, scheme, and the headers of the answer."""
import re

import pytest

from engine import Server, answer_to, get, post, says_close, wait_until


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def behind_proxy():
    with Server("trust", "127.0.0.0/8", "trust", "10.1.0.0/16") as running:
        yield running


def at(host, path, method="GET"):
    return get(path, method=method).replace(b"Host: localhost", f"Host: {host}".encode())


# ---- headers of the answer ----

def test_a_hundred_headers_arrive_in_their_order(server):
    answer = answer_to(server, get("/different-headers"))
    assert answer.body == b"many"
    fields = [(name.lower(), value) for name, value in answer.fields]
    assert [field for field in fields if field[0].startswith("x-header-")] == [(f"x-header-{i}", f"value {i}") for i in range(100)]
    answer = answer_to(server, get("/many-headers?all"))
    assert (answer.body, names(answer).count("x-one")) == (b"all", 100)


def names(answer):
    return [name.lower() for name, _ in answer.fields]


def test_a_date_of_the_handlers_is_not_doubled(server):
    answer = answer_to(server, get("/own-date"))
    assert answer.headers["date"] == "Thu, 01 Jan 1970 00:00:01 GMT" and names(answer).count("date") == 1
    assert answer.headers["server"] == "Cardea" and names(answer).count("server") == 1
    answer = answer_to(server, get("/own-date?server"))
    assert answer.headers["server"] == "another" and names(answer).count("server") == names(answer).count("date") == 1
    answer = answer_to(server, get("/inline?a"))
    assert names(answer).count("date") == names(answer).count("server") == 1
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer.headers["date"])


def test_a_streamed_answer_has_one_date_too(server):
    assert names(answer_to(server, get("/source?1"))).count("date") == 1


# ---- methods ----

@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "SEARCH", "MKCOL", "REPORT", "LINK"])
def test_a_handler_sees_the_methods_name_and_its_body(server, method):
    assert answer_to(server, get("/method", method=method)).body == f"{method} 0".encode()
    assert answer_to(server, get("/method", "Content-Length: 5", method=method) + b"hello").body == f"{method} 5".encode()


def test_head_is_a_method_of_its_own(server):
    answer = answer_to(server, get("/method", method="HEAD"), head_only=True)
    assert (answer.status, answer.headers["content-length"]) == (200, str(len("HEAD 0")))


@pytest.mark.parametrize("path", ["/inline", "/worker", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_body_in_get_is_400_where_no_handler_streams(server, path, method):
    answer = answer_to(server, get(path, "Content-Length: 5", method=method) + b"hello", head_only=method == "HEAD")
    assert answer.status == 400 and says_close(answer)
    assert answer_to(server, get("/inline?a", "Content-Length: 0")).body == b"a"


@pytest.mark.h1_only("an empty frame is no body; see http2/test_http2_messages.py")
@pytest.mark.parametrize("path", ["/inline", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_chunks_in_get_are_400_even_if_they_are_none(server, path, method):
    answer = answer_to(server, get(path, "Transfer-Encoding: chunked", method=method) + b"0\r\n\r\n", head_only=method == "HEAD")
    assert answer.status == 400 and says_close(answer)


def test_a_method_that_a_route_lacks_is_405_with_those_it_has(server):
    for method in ("PROPFIND", "SEARCH", "DELETE"):
        answer = answer_to(server, get("/inline", method=method))
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer_to(server, get("/sink")).headers["allow"] == "POST, PUT"


def test_the_log_tells_a_method_by_its_name():
    with Server() as server:
        answer_to(server, get("/method", method="PROPFIND"))
        assert server.wait_for_event("request")["method"] == "PROPFIND"


# ---- hosts and prefixes ----

@pytest.mark.parametrize("host, path, method, found", [
    ("localhost", "/files/", "GET", "prefix"),
    ("localhost", "/files/a/b", "GET", "prefix"),
    ("localhost", "/files/deeper", "GET", "prefix"),
    ("localhost", "/files/deep", "GET", "longer_prefix"),
    ("localhost", "/files/deep/", "GET", "longer_prefix"),
    ("localhost", "/files/deep/exact", "GET", "exact"),
    ("localhost", "/files/deep/exact/", "GET", "longer_prefix"),
    ("localhost", "/files/deep/exactly", "GET", "longer_prefix"),
    ("localhost", "/files/a", "PUT", "put_prefix"),
    ("app.example", "/files/a", "GET", "prefix_of_host"),
    ("APP.example.:8080", "/files/deep/exact", "GET", "prefix_of_host"),
    ("app.example", "/inline", "GET", ""),
    ("xapp.example", "/files/a", "GET", "prefix"),
    ("other.example", "/files/a", "GET", "any_of_host"),
    ("other.example", "/inline?a", "GET", "any_of_host"),
    ("other.example", "/", "GET", "any_of_host"),
    ("localhost", "/files/x/../deep/%65xact", "GET", "exact"),
    ("localhost", "//files//a", "GET", "prefix"),
])
def test_the_most_specific_route_answers(server, host, path, method, found):
    answer = answer_to(server, at(host, path, method))
    assert (answer.status, answer.body.decode()) == (200, found)


def test_what_no_route_has_is_404_or_405(server):
    assert answer_to(server, get("/files")).status == 404
    assert answer_to(server, get("/filesystem")).status == 404
    assert answer_to(server, get("/files/deep/../../secret")).status == 400  # out of a prefix
    answer = answer_to(server, get("/files/a", method="DELETE"))
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, PUT")
    answer = answer_to(server, at("app.example", "/files/a", "PUT"))  # the host's own prefix is the more specific
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


# ---- scheme, authority, forwarded ----

@pytest.mark.h1_only("HTTP/1.0; see http2/test_http2_messages.py")
def test_the_scheme_and_the_authority_are_those_of_the_connection(server):
    shown = answer_to(server, at("LocalHost:8080", "/scheme")).json()
    assert shown == {"scheme": "http", "authority": "LocalHost:8080", "host": "localhost", "forwarded_host": "(none)",
                     "client_address": "127.0.0.1"}
    assert answer_to(server, b"GET /scheme HTTP/1.0\r\n\r\n").json()["authority"] == ""
    shown = answer_to(server, b"GET http://A.example:81/scheme HTTP/1.1\r\nHost: a.example:81\r\n\r\n").json()
    assert (shown["authority"], shown["host"]) == ("A.example:81", "a.example")


def test_lesson_3_a_stranger_cannot_say_the_scheme_or_the_host(server):
    shown = answer_to(server, get("/scheme", "X-Forwarded-Proto: https", "X-Forwarded-Host: a.example", "X-Forwarded-For: 9.9.9.9",
                                  "Forwarded: for=9.9.9.9;proto=https;host=a.example")).json()
    assert (shown["scheme"], shown["forwarded_host"], shown["client_address"]) == ("http", "(none)", "127.0.0.1")


@pytest.mark.parametrize("headers, scheme", [
    (["X-Forwarded-Proto: https"], "https"),
    (["X-Forwarded-Proto: HTTPS"], "https"),
    (["X-Forwarded-Proto: http"], "http"),
    (["X-Forwarded-Proto: https, http"], "http"),
    (["X-Forwarded-Proto: http, https"], "https"),
    (["X-Forwarded-Proto: http", "X-Forwarded-Proto: https"], "https"),
    (["X-Forwarded-Proto: ftp"], "http"),
    (["X-Forwarded-Proto: "], "http"),
    (["Forwarded: for=9.9.9.9;proto=https"], "https"),
    (["X-Forwarded-Proto: https", "Forwarded: for=9.9.9.9;proto=http"], "https"),
])
def test_a_trusted_proxy_says_the_scheme(behind_proxy, headers, scheme):
    assert answer_to(behind_proxy, get("/scheme", *headers)).json()["scheme"] == scheme


def test_a_trusted_proxy_says_the_host_but_routes_do_not_use_it(behind_proxy):
    shown = answer_to(behind_proxy, get("/scheme", "X-Forwarded-Host: Other.example:99")).json()
    assert (shown["forwarded_host"], shown["host"]) == ("Other.example:99", "localhost")
    assert answer_to(behind_proxy, get("/files/a", "X-Forwarded-Host: other.example")).body == b"prefix"


@pytest.mark.parametrize("value, client", [
    ("9.9.9.9", "9.9.9.9"),
    ("9.9.9.9:1234", "9.9.9.9"),
    ("2001:DB8:0::1", "2001:db8::1"),
    ("[2001:db8::1]", "2001:db8::1"),
    ("[2001:db8::1]:443", "2001:db8::1"),
    ("::ffff:9.9.9.9", "9.9.9.9"),
    ("\"9.9.9.9\"", "9.9.9.9"),
    ("\"[2001:db8::1]:443\"", "2001:db8::1"),
    ("fe80::1%eth0", "fe80::1"),
    ("10.1.2.3, 9.9.9.9, 10.1.9.9:80", "9.9.9.9"),
    ("9.9.9.9 , ,", "9.9.9.9"),
    ("localhost", ""),
    ("unknown", ""),
    ("_hidden", ""),
    ("9.9.9", ""),
    ("9.9.9.256", ""),
    ("9.9.9.09", ""),
    ("9.9.9.9:70000", ""),
    ("1.1.1.1, nonsense", ""),
    ("nonsense, 1.1.1.1", "1.1.1.1"),
])
def test_a_forwarded_address_in_any_form_is_read_or_counts_as_none(behind_proxy, value, client):
    assert answer_to(behind_proxy, get("/scheme", f"X-Forwarded-For: {value}")).json()["client_address"] == client


@pytest.mark.parametrize("value, client", [
    ("for=9.9.9.9", "9.9.9.9"),
    ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
    ("for=9.9.9.9;proto=http;by=203.0.113.43", "9.9.9.9"),
    ("for=1.1.1.1, for=9.9.9.9", "9.9.9.9"),
    ("for=unknown", ""),
    ("for=\"_secret\"", ""),
    ("for=\"9.9.9.9", ""),
    ("for=9.9.9.9;for=1.1.1.1", ""),
    ("proto=https", "127.0.0.1"),
])
def test_rfc_7239_is_read_or_counts_as_none(behind_proxy, value, client):
    assert answer_to(behind_proxy, get("/scheme", f"Forwarded: {value}")).json()["client_address"] == client


def test_an_unreadable_address_is_logged_once():
    with Server("trust", "127.0.0.1") as server:
        for value in ("nonsense", "unknown", "9.9.9.9.9"):
            answer = answer_to(server, get("/scheme", f"X-Forwarded-For: {value}"))
            assert (answer.status, answer.json()["client_address"]) == (200, "")
        assert answer_to(server, get("/scheme", "X-Forwarded-For: 9.9.9.9")).json()["client_address"] == "9.9.9.9"
        server.wait_for_event("request", 4)
        assert [e["peer"] for e in server.events("forwarded_address_unreadable")] == ["127.0.0.1"]
        assert "client_address" not in server.events("request")[0]


def test_streaming_routes_see_the_same_request(behind_proxy):
    answer_to(behind_proxy, post("/sink", b"x", "X-Forwarded-For: 203.0.113.99"))
    def line():
        return [e for e in behind_proxy.events("request") if e["path"] == "/sink"]
    wait_until(line)
    assert line()[0]["client_address"] == "203.0.113.99"
