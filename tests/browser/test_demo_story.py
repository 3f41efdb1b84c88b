"""The story that `cardea demo` prints, through a browser."""
import json
import os
import pathlib
import re
import subprocess

import pytest

from support.ports import find_ports

HERE = pathlib.Path(__file__).resolve().parent
CARDEA = pathlib.Path(os.environ.get("CARDEA_BUILD", HERE.parents[1] / "build")).resolve() / "cardea"

pytestmark = [pytest.mark.xdist_group("journeys"),
              pytest.mark.skipif(not (CARDEA.parent / "examples/demo-flask/app.py").exists(), reason="the example services are not built")]


@pytest.fixture
def addresses(tmp_path):
    """What the demo says to open."""
    base = find_ports(10, also=[443])
    with open(tmp_path / "log", "wb") as log:
        demo = subprocess.Popen([CARDEA, "demo", "--port-base", str(base)], stdout=subprocess.PIPE, stderr=log, text=True,
                                env={**os.environ, "TMPDIR": str(tmp_path)})
    said = ""
    while "Ctrl-C stops everything" not in said:
        line = demo.stdout.readline()
        assert line, (tmp_path / "log").read_text()[-4000:]
        said += line
    yield re.findall(r"^  open (https?://localhost:\d+/\S*)", said, re.M)
    demo.terminate()
    assert demo.wait(30) == 0


def test_the_story_of_the_demo(addresses, tmp_path):
    first, _, _, last = addresses
    assert [address.partition(":")[0] for address in (first, last)] == ["http", "https"]
    # That the certificate is valid by the file that the demo names is for tests/http/cli/test_demo.py.
    travel("demo.mjs", [first, last], tmp_path, 4)


def test_the_story_of_the_commits_application(addresses, tmp_path):
    assert [address.rpartition("/")[0].count("/commits") + address.count("/ledger") for address in addresses] == [0, 1, 1, 0]
    travel("commits.mjs", addresses[1:3], tmp_path, 7)


def travel(script, urls, folder, count):
    setup = folder / "setup.json"
    setup.write_text(json.dumps({"urls": urls, "trustsAll": True, "screenshots": os.environ.get("JOURNEY_SCREENSHOTS")}))
    done = subprocess.run(["node", HERE / script, setup], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "HOME": str(folder)})
    assert done.returncode == 0, done.stderr[-4000:]
    results = json.loads(done.stdout)
    assert len(results) == count
    for result in results:
        assert result["error"] is None, result["error"]
