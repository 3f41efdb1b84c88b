"""examples/fake-providers as a fixture: GitHub, osu! and Discord as login providers.

    with FakeProviders() as fakes:
        fakes.url                                       # "http://127.0.0.1:PORT"; the paths are in the README of the example
        fakes.control(auto_approve={"github": "octocat"})
        fakes.misbehave("/github/api/user", "html", times=1)
        fakes.ledger("github")                          # what GitHub received: [{method, path, query, headers, form, status, …}]
"""
import json
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "examples/fake-providers/fake_providers.py"
PATIENCE = 30  # seconds


class FakeProviders:
    def __init__(self, *options):
        self.process = subprocess.Popen([sys.executable, PROGRAM, *options], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line, "the fake providers do not start"
        ready = json.loads(line)
        self.url, self.port = ready["url"], ready["port"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process.stdout.close()

    def ask(self, path, data=None, headers=()):
        """(status, headers, body) of one request; redirects are not followed."""
        opener = urllib.request.build_opener(NoRedirects)
        try:
            with opener.open(urllib.request.Request(self.url + path, data, dict(headers)), timeout=PATIENCE) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.headers, answer.read()

    def control(self, **settings):
        status, _, body = self.ask("/control", json.dumps(settings).encode(), {"Content-Type": "application/json"})
        assert status == 200, body

    def misbehave(self, path, answer, **how):
        """From now on, to paths that match the regular expression."""
        self.control(answer={"path": path, "answer": answer, **how})

    def ledger(self, provider=None):
        records = json.loads(self.ask("/ledger")[2])
        return [record for record in records if provider in (None, record["provider"])]


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None
