"""cardea check --online: what the configuration names is there and answers as it should."""
import contextlib
import email.utils
import http.server
import json
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from support.ports import find_ports

from .commands import run

SECRET = "0123456789abcdef0123456789abcdef01234567"
MASTER = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class Web:
    """A provider, or whatever else answers over HTTP."""

    def __init__(self):
        self.status, self.answer, self.headers, self.clock, self.documents, self.asked = 200, {"error": "invalid_grant"}, {}, 0, {"/me": {"id": 1}}, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                outer.asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode()))
                self.say(outer.status, outer.answer)

            def do_GET(self):
                outer.asked.append((self.path, ""))
                document = outer.documents.get(self.path.split("?")[0])
                self.say(200 if document else outer.status if outer.status != 200 else 404, document or {})

            def say(self, status, document):
                body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **outer.headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def date_time_string(self, timestamp=None):
                return email.utils.formatdate(time.time() + outer.clock, usegmt=True)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def web():
    with contextlib.closing(Web()) as server:
        yield server


@pytest.fixture
def write(tmp_path):
    def write_settings(name="f.yaml", **settings):
        (tmp_path / "master.key").write_text(settings.pop("key", MASTER))
        (tmp_path / "master.key").chmod(0o600)
        path = tmp_path / name
        path.write_text(json.dumps({"listen": ["127.0.0.1:0"], "store": f"sqlite:{name}.db", "master_key": "${file:master.key}", **settings}))
        path.chmod(0o600)
        return path

    return write_settings


def check(path):
    got = run("check", "--online", "--json", "--config", path)
    answer = json.loads(got.stdout)
    assert got.returncode == (2 if answer["errors"] else 0) and SECRET not in got.stdout + got.stderr
    found = {}
    for finding in answer["findings"]:  # the worst of a setting comes first, and what is fine of it last
        earlier = found.setdefault(finding["setting"], finding)
        if earlier["level"] == "ok":
            found[finding["setting"]] = finding
    return found


def provider(web, **more):
    entry = {"type": "oauth2", "name": "id", "client_id": "a", "client_secret": SECRET, "identity": {"subject": "id"},
             "authorization_endpoint": f"{web.url}/authorize", "token_endpoint": f"{web.url}/token", "userinfo_endpoint": f"{web.url}/me", **more}
    return {"signin": {"providers": [entry]}, "outgoing": {"networks": ["127.0.0.0/8"]}, "portal": {"url": "http://localhost:1/_auth"}}


# ---- providers ----

@pytest.mark.parametrize("answer, setting, level, words", [
    ({"error": "bad_verification_code"}, ".client_secret", "ok", "the provider accepts it"),
    ({"error": "invalid_grant"}, ".client_secret", "ok", "the provider accepts it"),
    ({"error": "incorrect_client_credentials"}, ".client_secret", "error", "is not the secret of this client_id: the provider answers "
     "incorrect_client_credentials"),
    ({"error": "invalid_client"}, ".client_secret", "error", "is not the secret of this client_id: the provider answers invalid_client"),
    ({"error": "redirect_uri_mismatch"}, "", "error", "the provider does not know the redirect URI http://localhost:1/_auth/signin/id/callback"),
    ({"error": "temporarily_unavailable"}, "", "warning", "the provider answers temporarily_unavailable to a made-up code"),
    ("<html>welcome</html>", ".token_endpoint", "error", "does not answer as a token endpoint does"),
    ({"error": 7}, ".token_endpoint", "error", "does not answer as a token endpoint does"),
])
def test_wrong_credentials_are_told_from_right_ones(write, web, answer, setting, level, words):
    web.answer = answer
    found = check(write(**provider(web)))[f"signin.providers[0]{setting}"]
    assert found["level"] == level and words in found["what"] and bool(found["fix"]) == (level != "ok")
    (path, form), = [asked for asked in web.asked if asked[1]]
    assert path == "/token" and dict(urllib.parse.parse_qsl(form))["redirect_uri"] == "http://localhost:1/_auth/signin/id/callback"


def test_a_provider_that_is_not_there_is_an_error(write, web):
    settings = provider(web, token_endpoint="https://token.invalid/token")
    found = check(write(**settings))["signin.providers[0].token_endpoint"]
    assert found["level"] == "error" and found["what"].startswith("token.invalid does not resolve: ") and "correct the name" in found["fix"]
    settings = provider(web, token_endpoint=f"http://127.0.0.1:{find_ports()}/token")
    found = check(write(**settings))["signin.providers[0].token_endpoint"]
    assert found["level"] == "error" and "cannot be asked: connection refused" in found["what"] and "nothing listens there" in found["fix"]
    settings = provider(web, token_endpoint=web.url.replace("http:", "https:") + "/token")
    found = check(write(**settings))["signin.providers[0].token_endpoint"]
    assert found["level"] == "error" and "cannot be asked: TLS " in found["what"] and "whether the port speaks https" in found["fix"]


def test_a_userinfo_endpoint_with_a_typing_error_is_an_error(write, web):
    found = check(write(**provider(web, userinfo_endpoint=f"{web.url}/mee")))["signin.providers[0].userinfo_endpoint"]
    assert (found["level"], found["what"]) == ("error", f"{web.url}/mee is not there (status 404)") and found["fix"].startswith("correct it")
    web.documents, web.status = {}, 401
    assert "signin.providers[0].userinfo_endpoint" not in check(write(**provider(web)))


@pytest.mark.parametrize("off, level", [(0, None), (50, None), (-70, "warning"), (70, "warning"), (-290, "warning"), (310, "error"), (-310, "error")])
def test_a_clock_that_is_off_is_noticed(write, web, off, level):
    web.clock = off
    found = check(write(**provider(web)))["signin.providers[0]"]
    assert found["level"] == (level or "ok")
    if level:
        assert f"seconds {'behind' if off > 0 else 'ahead of'} that of {web.url}/token" in found["what"] and "NTP" in found["fix"]


def test_discovery_is_compared_with_the_configuration(write, web):
    at = "/.well-known/openid-configuration"
    settings = provider(web, issuer=web.url)
    assert "signin.providers[0].issuer" not in check(write(**settings))  # it publishes nothing
    web.documents[at] = {"issuer": web.url, "token_endpoint": f"{web.url}/token", "authorization_endpoint": f"{web.url}/v2/authorize"}
    found = check(write(**settings))
    assert "signin.providers[0].issuer" not in found
    different = found["signin.providers[0].authorization_endpoint"]
    assert different["level"] == "warning" and f"is not {web.url}/v2/authorize, which the provider publishes" in different["what"]
    web.documents[at] = {"issuer": web.url + "/"}
    found = check(write(**settings))["signin.providers[0].issuer"]
    assert found["level"] == "error" and f'is not "{web.url}/", as the provider calls itself' in found["what"]


def test_nothing_is_asked_without_the_option_or_with_errors(write, web):
    assert run("check", "--config", write(**provider(web))).returncode == 0
    assert run("check", "--online", "--config", write(**provider(web), threads="many")).returncode == 2
    assert web.asked == []


# ---- the URL of the portal ----

def portal(url):
    return {"portal": {"url": url}}


@pytest.fixture
def running(start, write):
    """A server, and the URL of its portal."""
    port = find_ports()
    url = f"http://localhost:{port}/_auth"
    path = write(**portal(url), **{"listen": [f"127.0.0.1:{port}"]})
    server = start("serve", "--config", path)
    server.wait_event("ready")
    return url, path


def test_the_url_of_the_portal_leads_back(write, running):
    url, path = running
    found = check(path)["portal.url"]
    assert (found["level"], found["what"]) == ("ok", f"{url} leads back to this instance")
    other = check(write("other.yaml", **portal(url), key="QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="))["portal.url"]
    assert other["level"] == "error" and "(status 404), but it is another program, or a Cardea with another master key" in other["what"]


@pytest.mark.parametrize("query", ["", "?nonce=AAAAAAAAAAAAAAAAAAAAAA", "?nonce=AAAAAAAAAAAAAAAAAAAAAA&proof=" + "A" * 43, "?nonce=&proof=",
                                   "?nonce=" + "A" * 23 + "&proof=" + "A" * 43, "?proof=" + "A" * 43])
def test_a_stranger_gets_no_proof_and_does_not_learn_that_it_is_there(running, query):
    def answer(target):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(running[0] + target, timeout=30)
        return caught.value.code, caught.value.headers["Content-Type"], caught.value.read()

    assert answer(f"/.well-known/cardea-instance{query}") == answer(f"/no-such-page{query}")


@pytest.mark.parametrize("status, headers, level, words", [
    (404, {}, "error", "answers (status 404), but it is another program"),
    (301, {"Location": "https://other.example/"}, "error", "redirects to https://other.example/: providers send codes to a URL"),
    (502, {}, "warning", "answers 502: a proxy is there and does not reach this server"),
])
def test_another_program_at_the_url_of_the_portal_is_told_apart(write, web, status, headers, level, words):
    web.status, web.headers = status, headers
    found = check(write(**portal(web.url.replace("127.0.0.1", "localhost") + "/_auth")))["portal.url"]
    assert found["level"] == level and words in found["what"] and found["fix"]


def test_a_portal_that_does_not_resolve_is_told_from_one_that_does_not_answer(write):
    found = check(write(**portal("https://auth.invalid/_auth")))["portal.url"]
    assert found["level"] == "error" and found["what"].startswith("auth.invalid does not resolve: ") and "correct the name" in found["fix"]
    found = check(write(**portal(f"http://localhost:{find_ports()}/_auth")))["portal.url"]
    assert found["level"] == "warning" and "does not answer: " in found["what"] and "start the server" in found["fix"]


# ---- connections ----

def test_upstreams_are_connected_to(write, web, tmp_path):
    closed = find_ports()
    upstreams = [web.url, f"http://127.0.0.1:{closed}", "http://app.invalid:3000", f"unix:{tmp_path}/none.sock", f"uwsgi://127.0.0.1:{closed}"]
    routes = [{"host": f"a{i}.example.com", "upstream": upstream, "allow": {"groups": ["staff"]}} for i, upstream in enumerate(upstreams)]
    path = write(**portal("http://localhost:1/_auth"), gate={"routes": routes})
    found = check(path)
    findings = [found[f"gate.routes[{i}].upstream"] for i in range(len(routes))]
    assert [finding["level"] for finding in findings] == ["ok", "error", "error", "error", "error"]
    words = ["accepts connections", f"127.0.0.1 port {closed} cannot be connected to: Connection refused", "app.invalid does not resolve: ",
             f"the socket {tmp_path}/none.sock cannot be connected to: No such file or directory", f"127.0.0.1 port {closed} cannot be"]
    assert all(word in finding["what"] for word, finding in zip(words, findings))
    first, second = (run("check", "--online", "--config", path).stdout for _ in range(2))
    assert first == second and first.startswith(f"error {path}:1:")


def test_receivers_of_the_relay_are_connected_to(write, web, tmp_path):
    receivers = [web.url.replace("http:", "tcp:"), f"tcp://127.0.0.1:{find_ports()}", f"unix:{tmp_path}/bot.sock"]
    relay = [{"path": f"/r{i}", "deliver": deliver, "encoding": "json"} for i, deliver in enumerate(receivers)]
    found = check(write(relay=relay))
    findings = [found[f"relay[{i}].deliver"] for i in range(len(relay))]
    assert [finding["level"] for finding in findings] == ["ok", "error", "error"]
    assert "cannot be connected to: Connection refused" in findings[1]["what"] and "start the program" in findings[1]["fix"]


@pytest.mark.parametrize("greeting, level, words", [(b"220 mail ESMTP\r\n", "ok", "greets as a mail server"),
                                                    (b"HTTP/1.1 400 Bad Request\r\n", "error", "does not greet as a mail server does")])
def test_a_mail_server_greets(write, greeting, level, words):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def greet():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)

        threading.Thread(target=greet, daemon=True).start()
        smtp = {"url": f"smtp://127.0.0.1:{listener.getsockname()[1]}", "from": "auth@example.com"}
        found = check(write(**portal("http://localhost:1/_auth"), smtp=smtp))["smtp.url"]
    assert found["level"] == level and words in found["what"]
