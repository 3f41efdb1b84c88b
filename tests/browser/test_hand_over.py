"""Sites of two root domains behind nginx, in Chromium: hand_over.mjs has the journeys."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "interop"), str(HERE.parent / "http")]

from proxies.application import Application  # noqa: E402
from proxies.installation import Installation  # noqa: E402
from proxies.proxies import PROXIES, find_ports  # noqa: E402

AUTH, WIKI, SHOP = "auth.a.example", "wiki.a.example", "shop.b.example"

pytestmark = pytest.mark.xdist_group("journeys")


def test_the_journeys_between_two_root_domains(tmp_path):
    base = find_ports(3)
    ports = {AUTH: base, WIKI: base + 1, SHOP: base + 2}
    url = f"https://{AUTH}:{ports[AUTH]}/_auth"
    cardea = Installation(tmp_path / "cardea", url, cookie_domain="a.example", other_domains=["b.example"],
                          rules=[{"host": host, "allow": {"groups": ["staff"]}} for host in (WIKI, SHOP)])
    application = Application()
    (tmp_path / "proxy").mkdir()
    proxy = PROXIES["nginx"](tmp_path / "proxy", ports, f"http://127.0.0.1:{application.port}", cardea.config)
    setup = tmp_path / "setup.json"
    setup.write_text(json.dumps({
        "url": url, "wiki": f"https://{WIKI}:{ports[WIKI]}", "shop": f"https://{SHOP}:{ports[SHOP]}", "addresses": "MAP *.example 127.0.0.1",
        "cardea": str(pathlib.Path(os.environ.get("CARDEA_BUILD", HERE.parents[1] / "build")).resolve() / "cardea"),
        "config": str(cardea.config), "screenshots": os.environ.get("JOURNEY_SCREENSHOTS")}))
    try:
        done = subprocess.run(["node", HERE / "hand_over.mjs", setup], capture_output=True, text=True, timeout=300,
                              env={**os.environ, "HOME": str(tmp_path)})
    finally:
        proxy.stop()
        application.close()
        cardea.stop()
    assert done.returncode == 0, done.stderr[-4000:]
    results = json.loads(done.stdout)
    assert len(results) == 6
    for result in results:
        assert result["error"] is None, (result["name"], result["mode"], result["error"])
