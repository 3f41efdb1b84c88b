"""The packages that were built: CARDEA_DEBS names their folder."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path(os.environ.get("CARDEA_DEBS", ROOT / "build-deb"))


def built(folder=FOLDER):
    """The files by the names of their packages."""
    files = {path.name.split("_")[0]: path for path in folder.glob("*.deb")}
    if not files:
        pytest.skip("no packages: ./dev deb builds them")
    return files


def fields(deb):
    lines = subprocess.run(["dpkg-deb", "-f", deb], capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"^(\S+): (.*)$", lines, re.M))


def relations(deb, *names):
    """(package, version) of each; of alternatives, the first."""
    found = [part for name in names for part in fields(deb).get(name, "").split(",") if part.strip()]
    return [re.fullmatch(r"\s*(\S+)(?: \(([^)]*)\))?(?: \|.*)?", part).groups() for part in found]
