"""`deny`: networks that are not served, whatever they ask for; checks are denied by the address of the user."""
import json
import signal
import time

import pytest

from services import wait_until

from .conftest import PASSWORD, TOTP, becomes, cookie, forward, nginx

DENIED = [{"networks": ["203.0.113.0/24", "2001:db8:1::/48"]}]
FORBIDDEN = {"error": "forbidden"}


@pytest.fixture
def denying(new_home):
    home = new_home(deny=DENIED)
    home.server = home.serve()
    home.add_user("ana", "--group", "staff")
    return home


def of(address):
    return ("X-Forwarded-For", address)


def assert_denied(answer):
    assert answer.status == 403 and answer.json() == FORBIDDEN, answer
    assert answer.headers.get("Location") is None


def reload(home, **changes):
    count = len([event for event in home.server.events() if event["event"] == "reloaded"])
    home.write(**changes)
    home.server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len([event for event in home.server.events() if event["event"] == "reloaded"]) > count, "the reload")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/.well-known/jwks.json", "/_auth/login", "/_auth/", "/_auth/style.css", "/nowhere"])
def test_no_path_is_served_to_a_denied_client(denying, path):
    assert_denied(denying.server.call(path, headers=[of("203.0.113.7")]))
    assert_denied(denying.server.call(path, headers=[of("2001:db8:1:ffff::1")]))
    assert denying.server.call(path, headers=[of("203.0.114.0")]).body != json.dumps(FORBIDDEN).encode()


def test_no_form_is_served_to_a_denied_client(denying):
    for path in ("/_auth/login", "/oauth/token", "/grant", "/oauth/introspect"):
        assert_denied(denying.server.call(path, "POST", [of("203.0.113.7")], b"a=b"))


def test_a_check_is_denied_by_the_address_of_the_user(denying):
    session = cookie(denying.log_in(factors=PASSWORD | TOTP))
    for address, denied in (("203.0.113.255", True), ("203.0.112.255", False), ("203.0.114.0", False), ("::ffff:203.0.113.0", True)):
        answers = [nginx(denying.server, "https://wiki.example.com/", session, of(address)),
                   nginx(denying.server, "https://pub.example.com/", of(address)),
                   forward(denying.server, "wiki.example.com", "/", session, of(address))]
        for answer in answers:
            if denied:
                assert_denied(answer)
                assert answer.headers.get("Remote-User") is None
            else:
                assert answer.status == 200, answer


def test_lesson_3_an_address_that_a_client_writes_itself_neither_denies_nor_saves_it(denying):
    assert denying.server.call("/healthz", headers=[of("203.0.113.7, 198.51.100.1")]).status == 200
    assert_denied(denying.server.call("/healthz", headers=[of("198.51.100.1, 203.0.113.7")]))


def test_the_log_has_the_network_and_a_count_instead_of_a_line_each(denying):
    for i in range(20):
        assert_denied(denying.server.call("/healthz", headers=[of(f"203.0.113.{i}")]))
        assert_denied(denying.server.call("/_auth/login", headers=[of("2001:db8:1::1")]))
    assert denying.server.call("/_auth/login", headers=[of("198.51.100.1")]).status == 200
    denying.server.wait_event("request", client_address="198.51.100.1")
    events = denying.server.events()
    # The second comes when a minute has passed, which a slow machine may need.
    told = [event["network"] for event in events if event["event"] == "client_denied"]
    assert set(told) == {"203.0.113.0/24", "2001:db8:1::/48"} and len(told) <= 4
    assert not [event for event in events if event["event"] == "request" and event["status"] == 403]


def test_lesson_27_a_reload_denies_and_serves_again(denying):
    assert denying.server.call("/healthz", headers=[of("192.0.2.1")]).status == 200
    reload(denying, deny=[{"networks": ["192.0.2.0/24"]}])
    assert_denied(denying.server.call("/healthz", headers=[of("192.0.2.1")]))
    assert denying.server.call("/healthz", headers=[of("203.0.113.7")]).status == 200
    reload(denying, deny=[])
    assert denying.server.call("/healthz", headers=[of("192.0.2.1")]).status == 200


def test_an_entry_that_has_passed_does_not_count_any_more_without_a_reload(denying):
    ends = int(time.time()) + 5
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends))
    reload(denying, deny=[{"networks": ["192.0.2.0/24"], "until": until}, {"networks": ["198.51.100.1"], "until": "2001-01-01T00:00:00Z"}])
    answer = denying.server.call("/healthz", headers=[of("192.0.2.1")])
    if time.time() < ends:  # a slow machine may need longer for the reload
        assert_denied(answer)
    assert denying.server.call("/healthz", headers=[of("198.51.100.1")]).status == 200
    becomes(lambda: denying.server.call("/healthz", headers=[of("192.0.2.1")]), 200)


def test_the_check_of_the_configuration_warns_of_what_shuts_out_too_much(denying):
    denying.write(deny=[{"networks": ["203.0.113.0/24"], "until": "2001-01-01T00:00:00Z"}, {"networks": ["127.0.0.1", "0.0.0.0/0"]}])
    said = denying.cardea("check")
    for words in ("deny[0].until: has passed", "deny[1].networks[0]: 127.0.0.1 has addresses of this machine",
                  "deny[1].networks[0]: 127.0.0.1 has addresses of trusted_proxies[0]", "deny[1].networks[1]: 0.0.0.0/0 is every address"):
        assert words in said, said
    denying.write(deny=[{"networks": ["203.0.113.1/24"], "unti": "2001-01-01T00:00:00Z"}])
    said = denying.cardea("check", code=2)
    assert "deny[0].networks[0]: must be an address, or a network without bits after its prefix" in said
    assert 'unknown setting "deny[0].unti"; did you mean "deny[0].until"?' in said
