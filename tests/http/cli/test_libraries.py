"""Libraries that only some installations need: they are loaded when they are needed, and named where they are missing."""
import os
import re
import signal

import pytest

from .administration import Installation
from .commands import run
from .test_serve import get

RARE = ["libcap-ng.so.0", "libcurl.so.4", "libcrypt.so.1", "liboath.so.0", "libpq.so.5", "libpsl.so.5", "libqrencode.so.4", "libidn2.so.0"]
PORTAL = "portal: { url: 'https://auth.example.com/_auth', cookie_domain: example.com }\n"
NEEDED_BY = {
    "libpsl.so.5": ("portal.cookie_domain", "libpsl5", PORTAL),
    "liboath.so.0": ("portal.factors", "liboath0", PORTAL),
    "libqrencode.so.4": ("portal.factors", "libqrencode4", PORTAL),
    "libcurl.so.4": ("smtp", "libcurl4", "portal: { url: 'https://auth.example.com/_auth' }\n"
                     "smtp: { url: 'smtp://mail.example.com', from: auth@example.com }\n"),
    "libpq.so.5": ("store", "libpq5", "store: postgresql://ana@127.0.0.1/x\nmaster_key: " + "A" * 43 + "=\n"),
}


def without(folder, library):
    """An environment in which that library cannot be loaded: an empty file of its name is found first."""
    (folder / library).touch()
    return {"LD_LIBRARY_PATH": str(folder)}


def loaded(pid):
    with open(f"/proc/{pid}/maps") as file:
        return {match[1] for match in re.finditer(r"/([^/\n]*\.so[^/\n]*)$", file.read(), re.MULTILINE)}


def is_loaded(pid, library):
    return any(name.startswith(library) for name in loaded(pid))


def test_an_idle_server_has_loaded_none_that_it_does_not_need(start, config):
    program = start("serve", "--config", config('listen: ["127.0.0.1:0"]\nclients:\n  - { id: app, secret: "0123456789abcdef" }\n'))
    address = program.wait_event("listening")["address"]
    program.wait_event("ready")
    assert get(address, "/.well-known/jwks.json")["keys"]
    assert is_loaded(program.process.pid, "libcrypto.so")
    assert [library for library in RARE if is_loaded(program.process.pid, library)] == []
    assert program.end() == 0


@pytest.mark.parametrize("library", NEEDED_BY)
@pytest.mark.parametrize("command", ["check", "serve"])
def test_one_that_the_configuration_needs_and_that_is_missing_is_an_error(config, tmp_path, command, library):
    setting, package, text = NEEDED_BY[library]
    path = config('listen: ["127.0.0.1:0"]\n' + text)
    done = run(command, "--config", path, env=without(tmp_path, library))
    assert done.returncode == (1 if (command, setting) == ("serve", "store") else 2), done
    line = next(line for line in (done.stdout + done.stderr).splitlines() if library in line)
    assert f"{setting}: " in line
    assert re.search(re.escape(library) + f": file too short; it is in the package {package}$", line), line


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_changing_to_a_user_needs_one_too(config, tmp_path):
    path = config('listen: ["127.0.0.1:0"]\nuser: nobody\n')
    done = run("check", "--config", path, env=without(tmp_path, "libcap-ng.so.0"))
    assert done.returncode == 2
    assert (f'error {path}:2:7: user: "nobody" needs libcap-ng.so.0, which cannot be loaded; it is in the package libcap-ng0'
            in done.stdout.splitlines())
    assert run("check", "--config", path).returncode == 0


def test_a_login_with_a_foreign_hash_is_answered_503_without_libcrypt_and_the_log_names_the_package(start, tmp_path):
    import bcrypt
    made = Installation(tmp_path / "auth")
    stored = bcrypt.hashpw(b"correct horse battery", bcrypt.gensalt(4)).decode()
    made.run("user", "import", "--format", "htpasswd", "-", stdin=f"ana:{stored}\n", check=0)
    made.add_user("bo")
    (tmp_path / "empty").mkdir()
    env = {**os.environ, **without(tmp_path / "empty", "libcrypt.so.1")}
    program = start("serve", "--config", made.config, env=env)
    program.wait_event("ready")
    assert made.login("bo")[0] == 200
    assert made.login("ana")[0] == 503
    line = program.wait_line(lambda line: "libcrypt.so.1" in line)
    assert "libcrypt.so.1: file too short; it is in the package libcrypt1" in line
    assert program.end(signal.SIGTERM) == 0
    program = start("serve", "--config", made.config)
    program.wait_event("ready")
    assert made.login("ana")[0] == 200
    assert program.end(signal.SIGTERM) == 0
