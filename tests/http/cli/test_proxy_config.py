"""cardea proxy-config: what it derives, what it refuses, and what it says on standard error. That the printed text protects a site is
tested with the proxies themselves (tests/interop/proxies)."""
import json
import pathlib
import re

import pytest

from .commands import run

PROXIES = ["nginx", "caddy", "haproxy", "apache", "uwsgi", "traefik", "envoy"]
CONFIG = {
    "listen": ["127.0.0.1:5001"],
    "trusted_proxies": ["127.0.0.1"],
    "portal": {"url": "https://auth.example.com/_auth", "cookie_domain": "example.com"},
    "access": [{"host": "wiki.example.com", "allow": {"groups": ["staff"]}}, {"host": "*.dev.example.com", "allow": {"groups": ["staff"]}},
               {"host": "auth.example.com", "allow": {"groups": ["staff"]}}],
}


@pytest.fixture
def config(tmp_path):
    def write(**changes):
        path = tmp_path / "cardea.yaml"
        path.write_text(json.dumps({**CONFIG, **changes}))
        return path

    return write


def shown(*words, config=None, code=0):
    """(what is printed, what is said about it). Whether Cardea is installed on the machine of the tests counts for nothing."""
    done = run("proxy-config", *words, *(["--config", config] if config else []))
    assert done.returncode == code, done.stderr
    return done.stdout, "".join(line for line in done.stderr.splitlines(True) if ": is not on this machine; " not in line)


@pytest.mark.table
@pytest.mark.parametrize("proxy", PROXIES)
def test_a_site_is_at_most_ten_lines_and_nothing_is_amiss(proxy, config):
    text, notes = shown(proxy, "--host", "wiki.example.com", config=config())
    assert len(text.splitlines()) <= 10 and notes == ""
    assert "wiki.example.com" in text and ("3000" in text or proxy == "uwsgi")  # with uWSGI the application is in the same instance


@pytest.mark.table
@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("words", [["--include"], ["--host", "auth.example.com"], ["--host", "auth.example.com", "--upstream", "https://app:9"],
                                   ["--host", "wiki.example.com:8443", "--upstream", "https://[::1]:9"]])
def test_no_key_of_a_template_is_left(proxy, words, config):
    text, _ = shown(proxy, *words, config=config())
    assert not [line for line in text.splitlines() if line.startswith(("%", "|")) or "@@" in line]
    assert "@CARDEA" not in text and "@HOST" not in text and "@INCLUDE" not in text


@pytest.mark.table
@pytest.mark.parametrize("proxy", ["nginx", "caddy", "haproxy", "apache", "uwsgi"])
def test_the_installed_include_file_is_named_where_it_fits(proxy, config):
    text, notes = shown(proxy, "--host", "wiki.example.com", "--cardea", "http://10.0.0.7:9000", config=config())
    assert "/cardea/proxy/" in text and notes == ""


@pytest.mark.table
@pytest.mark.parametrize("proxy", PROXIES)
def test_other_headers_need_another_include_file(proxy, config):
    path = config(portal={**CONFIG["portal"], "identity": {"preset": "x-auth-request"}})
    text, notes = shown(proxy, "--host", "wiki.example.com", config=path)
    assert "/cardea/proxy/" not in text and "--include" in notes
    include, _ = shown(proxy, "--include", config=path)
    assert "remote" not in re.sub("remote_(addr|user=)", "", include.lower())  # REMOTE_USER is CGI's own name for the user
    assert "auth[-_.]request" in include.lower() if proxy == "traefik" else "auth" in include.lower()


def test_nginx_reads_the_header_of_the_answer_whatever_its_letters(config):
    include, _ = shown("nginx", "--include", config=config(portal={**CONFIG["portal"], "identity": {"user": "X-AZ-az-09"}}))
    assert "auth_request_set $cardea_user $upstream_http_x_az_az_09;" in include and "proxy_set_header X-AZ-az-09 $cardea_user;" in include


def test_caddy_deletes_every_spelling_of_every_header(config):
    include, _ = shown("caddy", "--include", config=config(portal={**CONFIG["portal"], "identity": {"preset": "x-auth-request"}}))
    lines = [line for line in include.splitlines() if line.startswith("request_header -X") and "Auth" in line]
    assert len(lines) == 3 ** 3 * 4 == len(set(lines)) and "request_header -X_Auth.Request-Groups" in lines


def test_a_header_with_too_many_spellings_is_refused(config):
    four, five = ({**CONFIG["portal"], "identity": {"user": "X" + "-x" * n}} for n in (4, 5))
    shown("caddy", "--include", config=config(portal=four))
    _, error = shown("caddy", "--include", config=config(portal=five), code=2)
    assert error == ("cardea proxy-config: portal.identity: the header X-x-x-x-x-x has more spellings than can be deleted; name one with at "
                     "most four hyphens\n")


@pytest.mark.parametrize("listen, url", [(["0.0.0.0:9000"], "http://127.0.0.1:9000"), (["[::]:9000"], "http://[::1]:9000"),
                                         (["unix:/run/x.sock", {"address": "127.0.0.1:1", "proxy_protocol": True}, "127.0.0.1:9001"], "http://127.0.0.1:9001")])
def test_cardea_is_asked_where_it_listens(listen, url, config):
    text, _ = shown("caddy", "--host", "wiki.example.com", config=config(listen=listen, trusted_proxies=["127.0.0.1", "::1"]))
    assert f" {url} https wiki.example.com\n" in text


def test_without_an_address_that_a_proxy_could_use_one_must_be_named(config):
    _, error = shown("nginx", "--host", "wiki.example.com", config=config(listen=["unix:/run/x.sock"]), code=2)
    assert error.startswith("cardea proxy-config: --cardea: is missing: no item of listen is an address")


def test_a_certificate_of_cardea_is_verified(config):
    for name in PROXIES:
        include, _ = shown(name, "--include", "--cardea", "https://auth.example.com:8443", config=config())
        site, _ = shown(name, "--host", "wiki.example.com", "--cardea", "https://auth.example.com:8443", config=config())
        assert "/etc/cardea/ca.pem" in include + site, name


def test_a_proxy_that_is_not_trusted_is_mentioned(config):
    for trusted, is_named in (([], False), (["192.0.2.1"], False), (["unix:"], False), (["127.0.0.0/8"], True)):
        _, notes = shown("nginx", "--host", "wiki.example.com", config=config(trusted_proxies=trusted))
        assert (notes == "") == is_named, notes
        assert is_named or notes.startswith("cardea proxy-config: trusted_proxies: does not have the address from which the proxy asks")
    _, notes = shown("nginx", "--host", "wiki.example.com", "--cardea", "http://192.0.2.9:5001", config=config(trusted_proxies=["192.0.2.1"]))
    assert notes == ""


def test_a_site_that_nobody_can_open_is_mentioned(config):
    _, notes = shown("nginx", "--host", "git.example.com", config=config())
    assert notes == "cardea proxy-config: access: no rule has the host git.example.com, so that every request to it is denied; add one\n"
    assert shown("nginx", "--host", "a.dev.example.com", config=config())[1] == ""
    assert "no rule has the host dev.example.com" in shown("nginx", "--host", "dev.example.com", config=config())[1]
    _, notes = shown("nginx", "--host", "wiki.example.org", config=config(access=[{"host": "wiki.example.org", "allow": {"factors": 1}}]))
    assert notes.startswith("cardea proxy-config: portal.cookie_domain: does not have the host wiki.example.org")
    _, notes = shown("nginx", "--host", "wiki.example.com", config=config(portal={}, access=CONFIG["access"][:1]))
    assert notes.startswith("cardea proxy-config: portal.url: is not set")


@pytest.mark.table
@pytest.mark.parametrize("proxy", PROXIES)
def test_the_host_of_the_portal_is_passed_to_cardea_and_the_check_is_not(proxy, config):
    alone, _ = shown(proxy, "--host", "auth.example.com", config=config())
    both, _ = shown(proxy, "--host", "auth.example.com", "--upstream", "http://127.0.0.1:3000", config=config())
    assert "/_auth/check/" in alone and "3000" not in alone
    assert "/_auth/check/" in both and ("3000" in both or proxy == "uwsgi" and "cardea_refuse" in both and "cardea_refuse" not in alone)


@pytest.mark.table
@pytest.mark.parametrize("proxy", PROXIES)
def test_a_site_of_another_root_domain_passes_its_part_of_the_portal_on(proxy, config):
    path = config(portal={**CONFIG["portal"], "other_domains": ["example.org"]}, access=[{"host": "wiki.example.org", "allow": {"factors": 1}}])
    text, notes = shown(proxy, "--host", "wiki.example.org", config=path)
    assert "/_auth/check/" in text and ("3000" in text or proxy == "uwsgi") and notes == "", notes
    assert "/_auth/check/" not in shown(proxy, "--host", "wiki.example.com", config=path)[0]


def test_a_site_of_another_root_domain_needs_a_rule_of_its_own(config):
    path = config(portal={**CONFIG["portal"], "other_domains": ["example.org"]}, access=[{"host": "*.example.org", "allow": {"factors": 1}}])
    _, notes = shown("nginx", "--host", "wiki.example.org", config=path)
    assert notes == ("cardea proxy-config: access: no rule names the host wiki.example.org itself, so that no login reaches it, since it is "
                     "below portal.other_domains; add one\n")


def test_a_portal_on_this_machine_has_sites_by_http(config):
    path = config(portal={"url": "http://localhost:8080/_auth"}, access=[{"host": "localhost", "allow": {"factors": 1}}])
    text, notes = shown("nginx", "--host", "localhost:8080", "--upstream", "http://127.0.0.1:3000", config=path)
    assert "set $cardea_scheme http;" in text and notes == "", notes


@pytest.mark.table
@pytest.mark.parametrize("proxy, http, https", [
    ("nginx", "listen 127.0.0.1:8080; listen [::1]:8080;", "listen 127.0.0.1:8080 ssl; listen [::1]:8080 ssl;"),
    ("caddy", "bind 127.0.0.1 [::1]", "bind 127.0.0.1 [::1]"),
    ("haproxy", "bind 127.0.0.1:8080,[::1]:8080", "bind 127.0.0.1:8080,[::1]:8080 ssl crt /etc/haproxy/localhost.pem"),
    ("apache", "<VirtualHost 127.0.0.1:8080 [::1]:8080>", "<VirtualHost 127.0.0.1:8080 [::1]:8080>"),
    ("uwsgi", "http-socket = 127.0.0.1:8080", "https-socket = 127.0.0.1:8080,/etc/ssl/certs/localhost.pem,/etc/ssl/private/localhost.key"),
])
def test_localhost_is_for_this_machine_alone(proxy, http, https, config):
    for scheme, line in (("http", http), ("https", https)):
        text, _ = shown(proxy, "--host", "localhost:8080", config=config(portal={"url": f"{scheme}://localhost:8080/_auth"}))
        bound = [found.strip() for found in text.splitlines() if re.match(r" *(listen|bind|<VirtualHost|https?-socket)\b", found)]
        assert bound == [line]
        text, _ = shown(proxy, "--host", "wiki.example.com", config=config())
        assert "127.0.0.1:443" not in text and "bind 127" not in text


def test_the_port_of_another_scheme_is_refused(config):
    _, error = shown("nginx", "--host", "wiki.example.com:80", config=config(), code=2)
    assert error == "cardea proxy-config: --host: has the port of http, and the site is reached by https; leave the port out\n"
    _, error = shown("nginx", "--host", "localhost:443", config=config(portal={"url": "http://localhost/_auth"}), code=2)
    assert error == "cardea proxy-config: --host: has the port of https, and the site is reached by http, as portal.url is; leave the port out\n"
    for host in ("wiki.example.com:443", "wiki.example.com:8080"):
        shown("nginx", "--host", host, config=config())


def test_the_host_of_the_portal_with_another_port_is_mentioned(config):
    said = ("cardea proxy-config: --host: is the host of portal.url with another port, so that what is printed does not pass the login page on; "
            "if it is the portal, write its port as portal.url has it (https://auth.example.com)\n")
    assert shown("nginx", "--host", "auth.example.com:8443", config=config())[1] == said
    assert shown("nginx", "--host", "auth.example.com:443", config=config())[1] == ""


def test_an_include_file_that_is_not_here_is_mentioned_where_it_is_named(config):
    for proxy in PROXIES:
        for host in ("wiki.example.com", "auth.example.com"):
            done = run("proxy-config", proxy, "--host", host, "--config", config())
            named = re.findall(r"/\S+/cardea/proxy/[\w.]+", done.stdout)
            missing = [path for path in named if not pathlib.Path(path).exists()]
            assert [line.split(": ")[1] for line in done.stderr.splitlines() if "is not on this machine" in line] == missing


@pytest.mark.parametrize("words, error", [
    ([], "cardea proxy-config: PROXY is missing; see: cardea help proxy-config"),
    (["squid", "--host", "a.example"], 'cardea proxy-config: there is no proxy "squid"; name one of nginx, caddy'),
    (["nginx"], "cardea proxy-config: name the host of the site: --host HOST"),
    (["nginx", "--host", "a b"], "cardea proxy-config: --host: is not a host"),
    (["nginx", "--host", "a.example:0"], "cardea proxy-config: --host: is not a host"),
    (["nginx", "--host", "a.example:65536"], "cardea proxy-config: --host: is not a host"),
    (["nginx", "--host", "a;}"], "cardea proxy-config: --host: is not a host"),
    (["nginx", "--host", "https://a.example"], "cardea proxy-config: --host: is not a host"),
    (["nginx", "--host", "a.example", "--upstream", "127.0.0.1:3000"], "cardea proxy-config: --upstream: is not an address"),
    (["nginx", "--host", "a.example", "--upstream", "http://a/b"], "cardea proxy-config: --upstream: is not an address"),
    (["nginx", "--host", "a.example", "--upstream", "ftp://a"], "cardea proxy-config: --upstream: is not an address"),
    (["nginx", "--host", "a.example", "--cardea", "http://a;x"], "cardea proxy-config: --cardea: is not an address"),
])
def test_wrong_words_are_refused(words, error):
    out, said = shown(*words, code=2)
    assert out == "" and said.startswith(error), said


def test_without_a_configuration_the_defaults_count():
    text, notes = shown("nginx", "--host", "wiki.example.com")
    assert "server 127.0.0.1:5001;" in text and notes == ""
