"""The include files of `cardea proxy-config` are installed where what it prints names them."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CARDEA_BUILD", ROOT / "build")).resolve()
NAMED = ["nginx", "caddy", "haproxy", "apache", "uwsgi"]  # the others have no way to include a file


def printed(*words):
    return subprocess.run([BUILD / "cardea", "proxy-config", *words], capture_output=True, text=True, timeout=30, check=True).stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", root], check=True, capture_output=True, timeout=120)
    return root


@pytest.mark.parametrize("proxy", NAMED)
def test_the_file_that_a_site_includes_is_installed(installed, proxy):
    path = re.search(r"/\S+/cardea/proxy/[\w.]+", printed(proxy, "--host", "wiki.example.com"))[0]
    assert (installed / path.lstrip("/")).read_text() == printed(proxy, "--include")


def test_there_is_one_for_every_proxy(installed):
    listed = re.search(r"PROXY  one of (.*?)\n\n", subprocess.run([BUILD / "cardea", "help", "proxy-config"], capture_output=True, text=True).stdout, re.S)[1]
    files = {path.stem: path.read_text() for path in installed.rglob("cardea/proxy/*")}
    assert files == {proxy: printed(proxy, "--include") for proxy in listed.replace(",", "").split()}
