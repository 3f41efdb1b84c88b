"""Journeys through the portal in Chromium, with scripts and without. journeys.mjs has them; this starts the server and reports each.

To see the pages that they reach: JOURNEY_SCREENSHOTS=FOLDER ./dev test browser.
"""
import json
import os
import pathlib
import re
import subprocess

import pytest

from support.fake_providers import FakeProviders
from support.ports import find_ports
from support.smtp_sink import SmtpSink

HERE = pathlib.Path(__file__).resolve().parent
CARDEA = pathlib.Path(os.environ.get("CARDEA_BUILD", HERE.parents[1] / "build")).resolve() / "cardea"
MODES = re.findall(r"^  (\w+): \{ javaScriptEnabled", (HERE / "browser.mjs").read_text(), re.M)
NAMES = [name for part in ("register", "login", "account", "mail", "signin")
         for name in re.findall(r"^  async '(.+)'\(", (HERE / f"journeys_{part}.mjs").read_text(), re.M)]

pytestmark = pytest.mark.xdist_group("journeys")


class Mailbox(list):
    """Writes each e-mail to a file, where the journeys look for it."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def append(self, mail):
        super().append(mail)
        path = self.folder / f"{len(self)}.json"
        path.with_suffix(".part").write_text(json.dumps({"to": mail.recipients[0], "subject": mail.subject, "text": mail.text}))
        path.with_suffix(".part").rename(path)


def github(fakes):
    return {"type": "github", "client_id": "Iv1.fake", "client_secret": "github-secret", "allow": {"subjects": ["583231"]}, "create": True,
            "authorization_endpoint": f"{fakes}/github/login/oauth/authorize",
            "token_endpoint": f"{fakes}/github/login/oauth/access_token", "userinfo_endpoint": f"{fakes}/github/api/user"}


def settings(url, port, smtp, fakes):
    return {
        "listen": [f"127.0.0.1:{port}"],
        "store": "sqlite:portal.db",
        "master_key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "threads": 2,
        "password_hashing": {"memory": "64KB", "iterations": 1},
        "lockout": {"address_attempts": 1000000, "network_registrations": 1000},
        "portal": {"url": url, "registration": "open", "title": "Example Ltd", "footer": "Questions? Ask Di, extension 42."},
        "signin": {"providers": [github(fakes)]},
        "outgoing": {"networks": ["127.0.0.0/8"]},
        "smtp": {"url": smtp, "from": "auth@example.com"},
        "access": [{"host": "wiki.example.com", "allow": {"groups": ["staff"]}}, {"host": "localhost", "allow": {"factors": 2}}],
    }


@pytest.fixture(scope="session")
def travelled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("journeys")
    port = find_ports()
    url = f"http://localhost:{port}/_auth"
    config = folder / "cardea.yaml"
    config.touch(0o600)
    mails = folder / "mails"
    mails.mkdir()
    screenshots = os.environ.get("JOURNEY_SCREENSHOTS")
    with SmtpSink() as sink, FakeProviders() as fakes:
        (folder / "setup.json").write_text(json.dumps({"url": url, "cardea": str(CARDEA), "config": str(config), "mails": str(mails),
                                                       "screenshots": screenshots, "fakes": fakes.url}))
        sink.mails = Mailbox(mails)
        config.write_text(json.dumps(settings(url, port, sink.url, fakes.url)))
        with open(folder / "log", "wb") as log:
            server = subprocess.Popen([CARDEA, "serve", "--config", config], stderr=log)
        try:
            done = subprocess.run(["node", HERE / "journeys.mjs", folder / "setup.json"], capture_output=True, text=True, timeout=600,
                                  env={**os.environ, "HOME": str(folder)})
        finally:
            server.terminate()
            code = server.wait(30)
    assert done.returncode == 0, done.stderr[-4000:] + (folder / "log").read_text()[-4000:]
    assert code == 0
    return {(result["name"], result["mode"]): result["error"] for result in json.loads(done.stdout)}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_journey(travelled, name, mode):
    assert travelled[name, mode] is None, travelled[name, mode]


def test_every_journey_was_made(travelled):
    assert len(MODES) == 2 and len(NAMES) > 15
    assert set(travelled) == {(name, mode) for name in NAMES for mode in MODES}
