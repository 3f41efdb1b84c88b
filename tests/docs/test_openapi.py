"""docs/openapi.yaml is what the program's tables make, and OpenAPI 3.1. Its answers are those of the server: tests/http/portal/test_openapi.py."""
import subprocess
import sys

import pytest

from support.node import node_for

from . import pages

ROOT = pages.ROOT
PRINT_TABLES = pages.BUILD / "tools/docs/print-tables"
NODE = ROOT / "tests/interop/openapi"
VALIDATOR = NODE / "node_modules/@seriousme/openapi-schema-validator/bin/validate-api-cli.js"


def test_the_committed_file_is_what_the_tables_make():
    if not PRINT_TABLES.exists():
        pytest.skip("print-tables is not built")
    made = subprocess.run([sys.executable, ROOT / "tools/docs/make-openapi", PRINT_TABLES], capture_output=True, text=True, timeout=30)
    assert made.returncode == 0, made.stderr
    assert made.stdout == pages.read("docs/openapi.yaml"), "docs/openapi.yaml is not up to date; run ./dev openapi"


def validate(file):
    if not VALIDATOR.exists():
        pytest.skip("the validator is not installed")
    return subprocess.run([node_for(NODE), VALIDATOR, file], capture_output=True, text=True, timeout=30)


def test_it_is_openapi_3_1():
    done = validate(ROOT / "docs/openapi.yaml")
    assert done.returncode == 0 and '"valid": true' in done.stdout, done.stdout


def test_the_validator_finds_what_is_wrong(tmp_path):
    (tmp_path / "wrong.yaml").write_text(pages.read("docs/openapi.yaml").replace("operationId: keys\n", "operationID: keys\n"))
    assert '"valid": true' not in validate(tmp_path / "wrong.yaml").stdout
