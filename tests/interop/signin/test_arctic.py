"""arctic (npm), a library for logins at many providers, finds in the fake providers what it knows of the real ones."""
import json
import pathlib
import subprocess

import pytest

from support.fake_providers import FakeProviders
from support.node import node_for

HERE = pathlib.Path(__file__).resolve().parent

pytestmark = pytest.mark.skipif(not (HERE / "node_modules/arctic").is_dir(), reason="npm's packages are missing: ./dev test interop installs them")


@pytest.fixture(scope="module")
def seen():
    with FakeProviders("--auto-approve", "osu,peppy", "--auto-approve", "discord,nelly", "--auto-approve", "github,octocat") as fakes:
        done = subprocess.run([node_for(HERE), HERE / "arctic.mjs", fakes.url], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_osu_by_arctic(seen):
    osu = seen["osu"]
    assert (osu["user"]["id"], osu["user"]["username"], osu["user"]["is_restricted"]) == (2, "peppy", False)
    assert 86000 < osu["lifetime"] <= 86400 and not osu["hasScopes"]
    assert osu["rotates"] and (osu["again"], osu["usedCode"], osu["wrongSecret"]) == ("invalid_grant", "invalid_grant", "invalid_client")


def test_discord_by_arctic(seen):
    discord = seen["discord"]
    assert (discord["user"]["id"], discord["user"]["global_name"], discord["user"]["verified"]) == ("80351110224678912", "Nelly", True)
    assert 604000 < discord["lifetime"] <= 604800 and discord["scopes"] == ["identify", "email"]
    assert discord["rotates"] and (discord["again"], discord["wrongVerifier"], discord["wrongSecret"]) == (
        "invalid_grant", "invalid_grant", "invalid_client")
    assert discord["revoked"] == {"message": "401: Unauthorized", "code": 0}


def test_github_by_arctic(seen):
    github = seen["github"]
    assert (github["user"]["id"], github["user"]["login"], github["user"]["email"]) == (583231, "octocat", None)
    assert not github["hasRefreshToken"]
    assert (github["usedCode"], github["wrongSecret"]) == ("bad_verification_code", "incorrect_client_credentials")
