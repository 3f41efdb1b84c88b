"""examples/commits without the gate: uWSGI runs it, and the fake GitHub answers it."""
import contextlib
import html
import pathlib
import re
import socket
import struct
import subprocess
import time
import urllib.parse
import xml.etree.ElementTree

import pytest

from support.fake_providers import FakeProviders
from support.ports import find_ports

pytest.importorskip("flask")
EXAMPLE = pathlib.Path(__file__).resolve().parents[3] / "examples/commits"
DEADLINE = 20
SVG = "{http://www.w3.org/2000/svg}"


class Application:
    def __init__(self, port, fakes):
        self.port, self.fakes = port, fakes

    def ask(self, token, path="/", query="", **variables):
        """One request by the uwsgi protocol, as the gate sends it: status, head and page."""
        variables = {"REQUEST_METHOD": "GET", "REQUEST_URI": "/commits" + path, "PATH_INFO": path, "SCRIPT_NAME": "/commits", "QUERY_STRING": query,
                     "SERVER_NAME": "localhost", "SERVER_PORT": "5000", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_USER": "github:octocat",
                     **({"CARDEA_PROVIDER_TOKEN": token} if token is not None else {}), **variables}
        block = b"".join(struct.pack("<H", len(text.encode())) + text.encode() for pair in variables.items() for text in pair)
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE) as connection:
            connection.sendall(struct.pack("<BHB", 0, len(block), 0) + block)
            head, _, page = b"".join(iter(lambda: connection.recv(65536), b"")).decode().partition("\r\n\r\n")
        return int(head.split()[1]), head, page


@contextlib.contextmanager
def running(api):
    port = find_ports()
    process = subprocess.Popen(["uwsgi", "--plugin", "python3", "--socket", f"127.0.0.1:{port}", "--pythonpath", EXAMPLE, "--module", "app:app",
                                "--need-app", "--die-on-term", "--enable-threads", "--threads", "4", "--env", f"GITHUB_API={api}"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + DEADLINE
    try:
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        yield port
    finally:
        process.kill()
        process.wait(DEADLINE)


@pytest.fixture(scope="module")
def running_application():
    with FakeProviders() as fakes, running(f"{fakes.url}/github/api") as port:
        yield Application(port, fakes)


@pytest.fixture
def application(running_application):
    running_application.fakes.control(reset=True)
    return running_application


def token_of(fakes, login, scope="repo"):
    fakes.control(auto_approve={"github": login})
    query = urllib.parse.urlencode({"client_id": "Iv1.fake", "redirect_uri": "http://localhost/cb", "scope": scope})
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(fakes.ask(f"/github/login/oauth/authorize?{query}")[1]["Location"]).query)["code"][0]
    form = urllib.parse.urlencode({"client_id": "Iv1.fake", "client_secret": "github-secret", "code": code}).encode()
    return urllib.parse.parse_qs(fakes.ask("/github/login/oauth/access_token", form)[2].decode())["access_token"][0]


def plots(page):
    """[(title, {label: commits})] of the page's SVG."""
    found = []
    for text in re.findall(r"<svg.*?</svg>", page, re.S):
        svg = xml.etree.ElementTree.fromstring(text.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1))
        assert svg.get("role") == "img" and {child.get("id") for child in svg} >= set(svg.get("aria-labelledby").split())
        bars = dict(group.find(f"{SVG}title").text.rsplit(": ", 1) for group in svg.iter(f"{SVG}g"))
        found.append((svg.find(f"{SVG}title").text, {label: int(value.split()[0]) for label, value in bars.items()}))
    return found


def test_commits_are_shown_by_repository_week_and_hour(application):
    status, head, page = application.ask(token_of(application.fakes, "octocat"))
    assert status == 200 and "default-src 'none'" in head and "Cache-Control: no-store" in head and "<script" not in page
    count = int(re.search(r'<b id="count">(\d+)</b>', page)[1])
    rows = dict(re.findall(r'<a href="[^"]+/(octocat/[^"]+)">.*?<td class="number">(\d+)</td>', page, re.S))
    assert set(rows) == {"octocat/hello-world", "octocat/spoon-knife", "octocat/linguist", "octocat/git-consortium", "octocat/octo-secrets"}
    (weeks, by_week), (hours, by_hour) = plots(page)
    assert (weeks, hours) == ("Commits by week", "Commits by hour of the day")
    assert len(by_week) == 53 and len(by_hour) == 24
    assert count == sum(map(int, rows.values())) == sum(by_week.values()) == sum(by_hour.values()) > 300
    # What the fake has for one repository, over its pages, and the commits of others left out.
    asked = [dict(entry["query"]) for entry in application.fakes.ledger("github") if entry["path"].endswith("hello-world/commits")]
    assert [query.get("page") for query in asked] == [None, "2", "3"] and all(query["author"] == "octocat" for query in asked)


def test_hours_follow_the_time_zone(application):
    token = token_of(application.fakes, "octocat")
    # A zone without summer time, so that each hour moves by three.
    hours = {zone: list(plots(application.ask(token, query=f"zone={zone}")[2])[1][1].values()) for zone in ("UTC", "Africa%2FNairobi")}
    nairobi = hours["Africa%2FNairobi"]
    assert sum(abs(one - other) for one, other in zip(nairobi[3:] + nairobi[:3], hours["UTC"])) <= 6  # the first week begins at another time
    page = application.ask(token, query="zone=%3Cb%3E")[2]
    assert "There is no time zone &lt;b&gt;; the hours are in UTC." in page
    for odd in ("..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "%00", "", "x" * 3000):
        assert application.ask(token, query=f"zone={odd}")[0] == 200


def test_private_repositories_need_the_scope(application):
    assert "octo-secrets" not in application.ask(token_of(application.fakes, "octocat", "user:email"))[2]


def test_a_user_without_commits(application):
    status, _, page = application.ask(token_of(application.fakes, "newcomer"))
    assert status == 200 and 'id="none"' in page and "GitHub has no commits of newcomer since" in page and "<svg" not in page


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_the_page_says_how_to_connect_the_account(application, token):
    status, _, page = application.ask(token)
    assert status == 403 and "No account at GitHub is connected" in page and 'href="/_auth/">Connect' in page and "pass_token: github" in page
    assert application.fakes.ledger() == []


@pytest.mark.parametrize("token", ["gho_revoked", "gho_\r\nX-Injected: yes", "gho_\u00e9"])
def test_a_token_that_is_not_accepted_leads_to_another_login(application, token):
    status, _, page = application.ask(token)
    assert status == 403 and "GitHub does not accept your login any more" in page
    assert 'href="/_auth/signin/github?again=1&amp;return_to=/commits/"' in page.replace("%2F", "/")
    assert all("X-Injected" not in dict(entry["headers"]) for entry in application.fakes.ledger())


def test_a_rate_limit_says_when_it_ends(application):
    token = token_of(application.fakes, "octocat")
    application.fakes.misbehave("/github/api/repos/.*", "rate_limited")
    before = time.time()
    status, _, page = application.ask(token)
    assert status == 503 and "GitHub allows no more requests for now" in page
    ends = re.search(r">(\d\d):00 UTC</time>", page)[1]
    assert ends in {time.strftime("%H", time.gmtime(at + 3600)) for at in (before, time.time())}


@pytest.mark.parametrize("headers, is_limit", [([["Retry-After", "60"]], True), ([["X-RateLimit-Remaining", "0"]], True),
                                               ([["X-RateLimit-Remaining", "12"]], False), ([["Retry-After", "x"]], False)])
def test_what_a_403_means(application, headers, is_limit):
    token = token_of(application.fakes, "octocat")
    application.fakes.misbehave("/github/api/user", "custom", status=403, headers=headers, body="{}")
    status, _, page = application.ask(token)
    assert (status, "allows no more requests" in page) == ((503, True) if is_limit else (502, False))


@pytest.mark.parametrize("answer, path, title, expected", [
    ("error_503", "/github/api/user", "GitHub does not answer", 503), ("reset", "/github/api/user", "GitHub does not answer", 503),
    ("close", "/github/api/user/repos", "GitHub does not answer", 503), ("error_500", ".*/commits", "GitHub does not answer", 503),
    ("html", "/github/api/user", "GitHub's answer is not understood", 502), ("bad_json", ".*/commits", "GitHub's answer is not understood", 502),
    ("empty", "/github/api/user/repos", "GitHub's answer is not understood", 502), ("error_200", ".*/commits", "GitHub's answer is not understood", 502),
    ("array", "/github/api/user", "GitHub's answer is not understood", 502), ("deep_json", "/github/api/user", "GitHub's answer is not understood", 502),
    ("huge", "/github/api/user/repos", "GitHub's answer is not understood", 502), ("garbage", "/github/api/user", "GitHub's answer is not understood", 502),
    ("half", "/github/api/user", "GitHub's answer is not understood", 502), ("gzip_bomb", ".*/commits", "GitHub's answer is not understood", 502)])
def test_bad_answers_are_a_page(application, answer, path, title, expected):
    token = token_of(application.fakes, "octocat")
    application.fakes.misbehave(path, answer)
    status, _, page = application.ask(token)
    assert (status, f"<h1>{title}</h1>" in html.unescape(page)) == (expected, True), page
    assert "Traceback" not in page and token not in page
    application.fakes.control(clear_answers=True)
    assert application.ask(token)[0] == 200


def test_an_api_that_cannot_be_reached_is_a_page():
    with running(f"http://127.0.0.1:{find_ports()}") as port:
        status, _, page = Application(port, None).ask("gho_x")
        assert status == 503 and "GitHub does not answer" in page


def test_the_token_goes_nowhere_else(application):
    """Neither after a redirect nor to the next page."""
    token = token_of(application.fakes, "octocat")
    with FakeProviders() as other:
        for headers, status in (([["Location", f"{other.url}/github/api/user"]], 302), ([["Link", f'<{other.url}/x>; rel="next"']], 200)):
            application.fakes.misbehave("/github/api/user/repos", "custom", status=status, headers=headers, body="[]", times=1)
            assert application.ask(token)[0] == (200 if status == 200 else 502)
        assert other.ledger() == []


@pytest.mark.parametrize("times, is_cut", [(9, False), (10, True)])
def test_a_thousand_commits_of_a_repository_are_read(application, times, is_cut):
    """Ten pages; the fake's own answer, which is the last page, comes after so many that name a next one."""
    token = token_of(application.fakes, "octocat")
    path = "/github/api/repos/octocat/linguist/commits"
    application.fakes.misbehave(path, "custom", times=times, body="[]",
                                headers=[["Link", f'<{application.fakes.url}{path}?per_page=100>; rel="next"']])
    status, _, page = application.ask(token)
    assert (status, "There are more:" in page) == (200, is_cut)
    assert sum(entry["path"] == path for entry in application.fakes.ledger()) == 10


def test_a_renamed_repository_is_followed(application):
    token = token_of(application.fakes, "octocat")
    target = f"{application.fakes.url}/github/api/repos/octocat/linguist/commits?author=octocat&per_page=100"
    application.fakes.misbehave(".*/spoon-knife/commits", "custom", status=301, headers=[["Location", target]])
    page = application.ask(token)[2]
    rows = dict(re.findall(r'<a href="[^"]+/(octocat/[^"]+)">.*?<td class="number">(\d+)</td>', page, re.S))
    assert rows["octocat/spoon-knife"] == rows["octocat/linguist"]


def test_it_holds_no_secret_and_no_oauth_code():
    text = "".join((EXAMPLE / name).read_text() for name in ("app.py", "github_api.py", "plots.py"))
    assert not re.search(r"client_id|client_secret|access_token|refresh_token|authorize|oauth2|requests_oauthlib|authlib", text, re.I)


def test_only_what_is_meant_to_be_is_served(application):
    assert application.ask(None, "/style.css")[0] == 200
    for path in ("/app.py", "/commits.html", "/../app.py"):
        assert application.ask("x", path)[0] == 404
