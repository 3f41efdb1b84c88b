"""Where a configuration is looked for, and what administrative commands read of it."""
import json
import os

import pytest

from .commands import Program, run

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n"
PLACES = "--config FILE or $CARDEA_CONFIG, or write ./cardea.yaml or /etc/cardea/cardea.yaml"
# What only the server can resolve: a credential of its unit, variables of its environment, files of another user.
FOREIGN = {
    "signing_key": "${credential:signing.pem}",
    "tls": {"certificate": "${env:NO_SUCH_VARIABLE}", "key": "no-such.pem"},
    "user": "${env:NO_SUCH_VARIABLE}",
    "listen": ["${env:NO_SUCH_VARIABLE}"],
    "log": {"level": "${env:NO_SUCH_VARIABLE}"},
    "scopes": ["read"],
    "clients": [{"id": "c", "secret": "${credential:client}", "grant_types": ["client_credentials"], "scopes": ["read"]}],
    "portal": {"url": "https://auth.example.com/_auth"},
    "smtp": {"url": "smtp://mail.example.com:587", "from": "a@example.com", "username": "a", "password": "${file:no-such-file}"},
    "signin": {"providers": [{"type": "github", "client_id": "${env:NO_SUCH_VARIABLE}", "client_secret": "${credential:github}"}]},
    "lgo": {},
}


def write(folder, settings, name="cardea.yaml"):
    path = folder / name
    path.write_text(json.dumps(settings))
    path.chmod(0o600)
    return path


@pytest.fixture
def store(tmp_path):
    """The settings of a store that exists."""
    (tmp_path / "master.key").write_text(KEY)
    (tmp_path / "master.key").chmod(0o600)
    settings = {"store": "sqlite:cardea.db", "master_key": "${file:master.key}", "issuer": "https://auth.example.com"}
    assert run("migrate", "--config", write(tmp_path, settings, "new.yaml")).returncode == 0
    return settings


# ---- the four places ----

@pytest.fixture
def folder(tmp_path):
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


@pytest.mark.parametrize("command", [("check",), ("user", "list"), ("migrate",), ("access", "test", "--host", "a"), ("gate", "test", "https://a/"),
                                     ("mail", "test", "--to", "a@example.com")])
def test_a_command_without_a_configuration_names_the_places(folder, command):
    done = run(*command, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"cardea {' '.join(command[:2])}: there is no configuration; name it with {PLACES}\n"


def test_the_first_of_the_places_counts(folder):
    """--config before $CARDEA_CONFIG, and that before ./cardea.yaml; each is an error of its own, so none is run."""
    write(folder, {"store": 1})
    env = {"CARDEA_CONFIG": str(write(folder, {"store": 1}, "v.yaml"))}
    given = write(folder, {"store": 1}, "g.yaml")
    for command in (("check",), ("serve",), ("user", "list")):
        for arguments, variables, name in ((["--config", given], env, "/g.yaml"), ([], env, "/v.yaml"), ([], {"CARDEA_CONFIG": ""}, " cardea.yaml"),
                                           ([], {}, " cardea.yaml")):
            done = run(*command, *arguments, env=variables, cwd=folder)
            assert done.returncode == 2 and f"{name}:1:" in (done.stdout + done.stderr).splitlines()[0], (command, done)
    assert "cardea.yaml:1:" in run("config", "show", cwd=folder).stdout


def test_a_variable_that_names_no_file_is_an_error(folder):
    for command in (("check",), ("serve",), ("user", "list")):
        done = run(*command, env={"CARDEA_CONFIG": "/no/such.yaml"}, cwd=folder)
        assert done.returncode == 2 and "/no/such.yaml does not exist" in done.stdout + done.stderr


def test_serve_without_a_configuration_says_so_first(folder):
    server = Program("serve", cwd=folder)
    try:
        first = server.wait_line(lambda _: True)
        if not first.startswith("{"):  # another program has port 5001
            assert "127.0.0.1:5001" in first
            return
        event = json.loads(first)
        assert (event["event"], event["setting"]) == ("config_warning", "--config")
        assert "there is no configuration, so all settings have their defaults" in event["reason"] and PLACES in event["fix"]
        assert server.wait_event("listening")["address"] == "127.0.0.1:5001"
    finally:
        server.end()


# ---- administration ----

COMMANDS = [
    ("user", "list"), ("user", "export"), ("client", "list"), ("client", "add", "new", "--grant-type", "client_credentials"), ("key", "list"), ("key", "generate"), ("audit", "tail"),
    ("user", "add", "ana", "--password-file", "password"), ("session", "list", "--user", "ana"), ("migrate",), ("user", "show", "ana"), ("user", "disable", "ana"),
    ("access", "test", "--host", "a.example.com"),
]


def test_lesson_40_a_command_resolves_what_it_uses_only(tmp_path, store):
    path = write(tmp_path, {**store, **FOREIGN})
    (tmp_path / "password").write_text("a long enough secret\n")
    (tmp_path / "password").chmod(0o600)
    for command in COMMANDS:
        done = run(*command, "--config", path, cwd=tmp_path)
        assert done.returncode in (0, 5), (command, done.stderr)
    for command in ("check", "serve"):
        done = run(command, "--config", path)
        assert done.returncode == 2
        for setting in ("signing_key", "tls.certificate", "clients[0].secret", "smtp.password", "signin.providers[0].client_secret"):
            assert setting in done.stdout + done.stderr


@pytest.mark.parametrize("command, change, setting, cause", [
    (("user", "list"), {"master_key": "${credential:master.key}"}, "master_key", "credential master.key does not exist"),
    (("user", "list"), {"master_key": "${file:no.key}"}, "master_key", "no.key does not exist"),
    (("user", "list"), {"store": "${env:NO_SUCH_VARIABLE}"}, "store", "NO_SUCH_VARIABLE is not set"),
    (("user", "list"), {"store": None, "stroe": "sqlite:cardea.db"}, "stroe", 'did you mean "store"?'),
    (("user", "list"), {"master_key": None, "masterkey": "a"}, "masterkey", 'did you mean "master_key"?'),
    (("user", "add", "ana"), {"password_hashing": {"memory": "64M"}}, "password_hashing.memory", "must be a size"),
    (("user", "add", "ana"), {"clients": [{"id": "${env:NO_SUCH_VARIABLE}", "secret": "a"}]}, "clients[0].id", "is not set"),
    (("client", "add", "a"), {"scopes": "read"}, "scopes", "expects a list"),
    (("client", "add", "a"), {"issuer": "${env:NO_SUCH_VARIABLE}"}, "issuer", "is not set"),
    (("key", "generate"), {"tokens": {"alg": "HS256"}}, "tokens.alg", "must be one of"),
])
def test_lesson_40_what_it_uses_must_be_right(tmp_path, store, command, change, setting, cause):
    settings = {**store, **FOREIGN, **change}
    path = write(tmp_path, {name: value for name, value in settings.items() if value is not None})
    done = run(*command, "--config", path)
    assert done.returncode == 2
    first = done.stderr.splitlines()[0]
    assert setting in first and cause in first
    assert "github" not in done.stderr and "lgo" not in done.stderr


def test_a_credential_of_the_unit_is_read_from_the_folder_that_has_it(tmp_path, store):
    """As docs/run-under-systemd.md says."""
    path = write(tmp_path, {**store, "master_key": "${credential:master.key}"})
    assert run("user", "list", "--config", path).returncode == 2
    assert run("user", "list", "--config", path, env={"CREDENTIALS_DIRECTORY": str(tmp_path)}).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's files are made by root only")
@pytest.mark.parametrize("whose", ["file", "folder", "link"])
def test_root_does_not_use_the_file_of_another_user_unasked(folder, whose):
    """Who can write the configuration can have any file of root's read, and sent away."""
    path = write(folder, {"store": 1})
    if whose == "link":
        path.rename(folder / "x.yaml")
        path.symlink_to("x.yaml")
    os.chown(folder if whose == "folder" else path, 65534, 65534, follow_symlinks=False)
    why = ("cardea.yaml or this folder belongs to another user, who could have any file of root's read; if you trust that user, write --config "
           "cardea.yaml\n")
    for command in (("check",), ("serve",), ("user", "list"), ("config", "show"), ("migrate",), ("status",), ("restore", "x"), ("access", "test", "--host", "a")):
        done = run(*command, cwd=folder, env={"SUDO_UID": ""})
        assert (done.returncode, done.stdout) == (2, "") and done.stderr.endswith(f": {why}"), (command, done)
    for arguments, variables in ((["--config", "cardea.yaml"], {}), ([], {"CARDEA_CONFIG": "cardea.yaml"}), ([], {"SUDO_UID": "65534"})):
        done = run("user", "list", *arguments, env=variables, cwd=folder)
        assert done.returncode == 2 and "cardea.yaml:1:" in done.stderr, (arguments, variables, done)
