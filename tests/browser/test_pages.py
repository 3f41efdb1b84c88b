"""Every page in Chromium: in both colour schemes, on a phone of 320 px and a desktop, with errors, in each language, with HTML in each field.

pages.mjs drives the browser (Playwright) and runs axe-core; ./dev test browser installs both. To see the pages:
build/tests/browser/render-pages FOLDER, and node tests/browser/pages.mjs FOLDER SCREENSHOTS.
"""
import json
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("CARDEA_BUILD", HERE.parents[1] / "build"))

# One browser looks at all pages, so all tests are for the same worker of pytest.
pytestmark = pytest.mark.xdist_group("browser")


def look(folder, home):
    done = subprocess.run(["node", HERE / "pages.mjs", folder], capture_output=True, text=True, timeout=900,
                          env={**os.environ, "HOME": str(home)})
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    subprocess.run([BUILD / "tests/browser/render-pages", folder], check=True, timeout=60)
    return folder


@pytest.fixture(scope="session")
def seen(rendered, tmp_path_factory):
    return look(rendered, tmp_path_factory.mktemp("home"))


def findings(seen, *words):
    return [f"{found['page']}, {found['scheme']}, {found['width']} px: {found['what']}"
            for found in seen["found"] if found["what"].startswith(words)]


def test_every_page_was_shown(seen, rendered):
    assert seen["pages"] == sorted(path.stem for path in rendered.glob("*.html"))
    assert len(seen["pages"]) > 100


def test_axe_finds_nothing(seen):
    assert findings(seen, "axe") == []


def test_pages_fit_a_phone_and_their_targets_are_large(seen):
    assert findings(seen, "is ", "<") == []


def test_html_in_a_field_stays_text(seen):
    assert findings(seen, "ran", "opened", "has") == []


def test_pages_load_nothing_but_their_styles_and_the_logo_and_keep_the_csp(seen):
    assert findings(seen, "asks", "says") == []


def test_nothing_else_was_found(seen):
    assert findings(seen, "") == []


# A page with one of each fault: what looks must see them.
FAULTY = """<!doctype html><html lang="en"><head><meta name="viewport" content="width=device-width"><title>x</title>
<link rel="stylesheet" href="/_auth/styles.css"><style>p { color: red }</style></head><body><main>
<p>Some text.</p><input id="a"><button>x</button><pre>%s</pre><img src="/other.png">
<footer><button>.</button></footer></main></body></html>""" % ("x" * 200)


def test_a_fault_is_seen(tmp_path, rendered):
    folder = tmp_path / "pages"
    folder.mkdir()
    styles = (rendered / "styles.css").read_text()
    (folder / "styles.css").write_text(styles + "@media (prefers-color-scheme: dark) { main { color: #555 } }")
    (folder / "faulty.en.html").write_text(FAULTY)
    (folder / "faulty.evil.html").write_text(FAULTY.replace("<footer>", "<footer><img src='/_auth/logo.svg'>"))
    seen = look(folder, tmp_path)
    for word in ("axe: label", "axe: image-alt", "is ", "says in the console: ", "has ", "asks for "):
        assert any(found["what"].startswith(word) for found in seen["found"]), (word, seen["found"])
    assert {found["scheme"] for found in seen["found"] if found["what"].startswith("axe: color-contrast")} == {"dark"}
