"""The clients of others talk to the same server as the tests of tests/http/oauth."""
import pathlib
import sys

HTTP = pathlib.Path(__file__).resolve().parents[1] / "http"
sys.path += [str(HTTP), str(HTTP / "oauth")]

from serving import launch, server  # noqa: E402, F401
