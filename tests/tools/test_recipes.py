"""The recipes of ARCHITECTURE.md are complete: an endpoint that is added by following its recipe compiles, has its route, and is in openapi.yaml;
and every file that a recipe names is there."""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CARDEA_BUILD", ROOT / "build")).resolve()
HANDLER = """#include "web/web.h"

void cd_web_example(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR("application/json"), CD_STR("{\\"example\\":true}"));
}
"""
ANSWER = """  /example:
    get:
      operationId: example
      summary: An example
      responses: { "200": { description: It is, content: { application/json: { schema: { type: object } } } } }
components:
"""
# file of the recipe: what a contributor does there
STEPS = {
    "src/web/web.h": ("cd_http_handler cd_web_healthz;", "cd_http_handler cd_web_example; /* GET /example */\ncd_http_handler cd_web_healthz;"),
    "src/web/meson.build": ("  'health.c',\n", "  'example.c',\n  'health.c',\n"),
    "src/web/routes.c": ("        ROUTE(CD_HTTP_GET, \"/healthz\"", "        ROUTE(CD_HTTP_GET, \"/example\", INLINE, cd_web_example, false),\n"
                                                              "        ROUTE(CD_HTTP_GET, \"/healthz\""),
    "tools/docs/openapi.in.yaml": ("components:\n", ANSWER),
}


def recipes():
    """name: text, of each."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    section = re.search(r"^## Where a new thing goes\n(.*?)^## ", text, re.M | re.S)[1]
    return {m[1]: m[2] for m in re.finditer(r"^- \*\*(.+?)\*\*:(.*?)(?=^- |\Z)", section, re.M | re.S)}


@pytest.fixture
def tree(tmp_path):
    """A copy of what the recipe changes, and of what that needs."""
    for folder in ("src", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def follow(tree, files=STEPS):
    for file in files:
        before, after = STEPS[file]
        text = (tree / file).read_text()
        assert before in text, file
        (tree / file).write_text(text.replace(before, after, 1))
    (tree / "src/web/example.c").write_text(HANDLER)


def compile_in(tree, name):
    """Compiles a file of src/web as the build does, in the copy. Returns the symbols, or what the compiler says."""
    entries = json.loads((BUILD / "compile_commands.json").read_text())
    entry = next(e for e in entries if e["file"].endswith("src/web/routes.c"))
    words = [w for w in shlex.split(entry["command"]) if w.startswith(("-D", "-W", "-f", "-std", "-O")) and "sanitize" not in w]
    done = subprocess.run(["gcc", *words, f"-I{tree}/src", "-c", tree / "src/web" / name, "-o", tree / (name + ".o")], capture_output=True, text=True,
                          timeout=60)
    if done.returncode:
        return done.stderr
    return subprocess.run(["nm", tree / (name + ".o")], capture_output=True, text=True, check=True).stdout


def openapi_with(tree, route):
    """What make-openapi of the copy says if the program had that route too."""
    tables = json.loads(subprocess.run([BUILD / "tools/docs/print-tables"], capture_output=True, check=True).stdout)
    tables["routes"].append({"part": "web", "path": route, "prefix": False, "any": False, "methods": ["get"]})
    (tree / "tables.json").write_text(json.dumps(tables))
    program = tree / "print-tables"
    program.write_text(f"#!/bin/sh\ncat {shlex.quote(str(tree / 'tables.json'))}\n")
    program.chmod(0o755)
    return subprocess.run([sys.executable, tree / "tools/docs/make-openapi", program], capture_output=True, text=True, timeout=30)


@pytest.mark.skipif(not (BUILD / "tools/docs/print-tables").exists(), reason="print-tables is not built")
def test_an_endpoint_that_is_added_by_the_recipe_compiles_and_is_described(tree):
    follow(tree)
    assert re.search(r" T cd_web_example$", compile_in(tree, "example.c"), re.M)
    assert re.search(r" U cd_web_example$", compile_in(tree, "routes.c"), re.M)
    made = openapi_with(tree, "/example")
    assert made.returncode == 0 and "operationId: example\n" in made.stdout, made.stderr
    assert "'example.c'" in (tree / "src/web/meson.build").read_text()


@pytest.mark.skipif(not (BUILD / "tools/docs/print-tables").exists(), reason="print-tables is not built")
def test_no_step_can_be_left_out(tree):
    follow(tree, [file for file in STEPS if file not in ("src/web/web.h", "tools/docs/openapi.in.yaml")])
    assert "undeclared" in compile_in(tree, "routes.c") and "no previous prototype" in compile_in(tree, "example.c")
    assert "get /example" in openapi_with(tree, "/example").stderr


def test_the_recipe_names_every_file_that_is_changed():
    for file in STEPS:
        assert f"`{file}`" in recipes()["An endpoint"], file


def test_every_file_that_a_recipe_names_is_there():
    named = {(name, path) for name, text in recipes().items() for path in re.findall(r"`((?:src|tests|tools|docs|packaging)/[\w./-]+)`", text)}
    assert len(named) >= 15
    assert {(name, path) for name, path in named if not (ROOT / path).exists() and not re.search(r"[A-Z]{3}", path)} == set()
