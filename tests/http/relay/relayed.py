"""A server with relay routes, and what the tests of it share."""
import base64
import html
import http.client
import json
import os
import re
import subprocess
import urllib.parse

import services

CODE = "def50200c0ffee-0123456789"  # of the provider; found nowhere but at the receiver
STATE = "gAAAAABlb3JpZ2luYWwtc3RhdGU="
ROUTE = {"path": "/register", "encoding": "pickle", "timeout": "2s"}


class Relayed:
    """`routes` are entries of `relay`, whose missing members are those of ROUTE."""

    def __init__(self, folder, *routes, **changes):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.failures = 0  # deliveries without an answer, so far
        key = base64.b64encode(os.urandom(32)).decode()
        self.settings = {"listen": [f"127.0.0.1:{services.find_ports()}"], "store": f"sqlite:{folder}/cardea.db", "master_key": key, "threads": 1,
                         "relay": [{**ROUTE, **route} for route in routes], **changes}
        self.service = services.Service("cardea", self.settings, folder, ["serve"])
        self.service.config_file.write_text(json.dumps(self.settings))
        self.service.config_file.chmod(0o600)
        self.run("migrate")
        self.service.start()

    def command(self, *words):
        return subprocess.run([services.PROGRAMS["cardea"], *words, "--config", self.service.config_file], capture_output=True, text=True,
                              timeout=services.PATIENCE)

    def run(self, *words):
        done = self.command(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def link(self, *words, path="/register", data="42"):
        """A state that `cardea relay link` makes."""
        return self.run("relay", "link", "--path", path, "--data", data, *words).strip()

    def get(self, path="/register", query=None, headers=(), **more):
        query = {"code": CODE, "state": STATE} if query is None else query
        query = query if isinstance(query, str) else urllib.parse.urlencode(query)
        return Page(self.service.call(path + ("?" + query if query else ""), headers=headers, **more))

    def status_at(self, host, path="/register", state=STATE):
        """Of a request to that host."""
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=services.PATIENCE)
        connection.request("GET", f"{path}?code={CODE}&state={urllib.parse.quote(state)}", headers={"Host": host})
        with connection.getresponse() as answer:
            return answer.status

    def post(self, path, form):
        return Page(self.service.call(path, "POST", body=form))

    def follow(self, page, path="/register"):
        """Where a redirect leads, as a browser asks for it."""
        assert page.status == 303, (page.status, page.text)
        target = urllib.parse.urljoin(self.service.url + path, page.headers["Location"])
        return Page(services.call(target))

    def log(self):
        return self.service.log_file.read_text()

    def secrets_in_log(self, *others):
        """Which of what nobody may read is in the log, in any of its forms."""
        log = self.log()
        found = []
        for secret in (CODE, STATE, *others):
            encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
            found += [form for form in (secret, urllib.parse.quote(secret, safe=""), encoded, secret.encode().hex()) if form in log]
        return found


class Page:
    def __init__(self, answer):
        self.status, self.headers, self.body = answer.status, answer.headers, answer.body
        self.text = answer.body.decode()
        self.form = {html.unescape(name): html.unescape(value)
                     for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', self.text)}

    @property
    def mark(self):
        """True for a tick, False for a cross, None for neither."""
        return True if "✓" in self.text else False if "✗" in self.text else None

    @property
    def message(self):
        """What the receiver said, as the browser shows it; None: nothing."""
        found = re.search(r'<p class="[^"]*\bsaid\b[^"]*"><bdi>(.*?)</bdi>', self.text, re.S)
        return html.unescape(found[1]) if found else None
