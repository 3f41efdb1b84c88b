"""signin: a reload, and the secrets of providers that the server can no longer read (LESSONS 27)."""
import base64
import json
import os
import pathlib
import shutil
import tempfile

import pytest

from .reloads import Server, settings

PORTAL = {"url": "https://auth.example.com/_auth", "factors": ["password"]}


def github(name="github", secret="${file:a}", **more):
    return {"type": "github", "name": name, "client_id": "Iv1.0123456789abcdef", "client_secret": secret, **more}


def signin(*providers):
    return {"signin": {"providers": list(providers)}}


def test_lesson_27_providers_come_and_go(serve):
    server = serve(settings(portal=PORTAL))
    server.reload(settings(portal=PORTAL, **signin(github(secret="abc"))))
    server.reload(settings(portal=PORTAL, **signin(github(secret="abd"), github("other", "x", label="Other"))))
    event = server.reload(settings(portal=PORTAL, **signin(github(secret="abc "))), expect="reload_failed")
    assert event["setting"] == "signin.providers[0].client_secret" and "white space at its end" in event["reason"]
    server.reload(settings(portal=PORTAL))
    assert server.program.end() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_lesson_27_secrets_of_providers_that_only_root_could_read_stay_as_they_are(start):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        (folder / "data").mkdir()
        shutil.chown(folder / "data", "nobody")
        master = base64.b64encode(bytes(range(32))).decode()
        for file, text in [("master", master), ("a", "secret-a"), ("b", "secret-b"), ("c", "secret-c")]:
            (folder / file).write_text(text)
            (folder / file).chmod(0o600)
        config = settings(user="nobody", store="sqlite:data/c.db", master_key="${file:master}", portal=PORTAL)
        path = folder / "cardea.yaml"
        first, second = github(), github("second", "${file:b}")
        path.write_text(json.dumps({**config, **signin(first, second)}))
        server = Server(start, path)
        # Wherever they stand, as long as they stand there; one without a secret would be refused.
        for providers in ([first, second], [second, first], [github(label="Ours"), second], [second]):
            server.reload({**config, **signin(*providers)})
        for providers in ([second, first],  # it was gone meanwhile
                          [github("second", "${file:c}")],  # another file
                          [github("third", "${file:b}")]):  # of another provider
            event = server.reload({**config, **signin(*providers)}, expect="reload_failed")
            index = len(providers) - 1
            assert event["setting"] == f"signin.providers[{index}].client_secret", event
        assert server.program.end() == 0
