"""A server with a store, and the commands that administer it."""
import base64
import os
import subprocess

from services import PROGRAMS

AUDIENCE = "https://api.example"


def basic(name, password):
    return ("Authorization", "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode())


def make_config(folder, **changes):
    """Settings of a server whose files are in the folder; hashing is as cheap as it can be."""
    key = folder / "master.key"
    if not key.exists():
        key.write_text(base64.b64encode(os.urandom(32)).decode() + "\n")
        key.chmod(0o600)
    return {
        "listen": ["127.0.0.1:0"],
        "issuer": "http://localhost:5001",
        "store": f"sqlite:{folder}/cardea.db",
        "master_key": "${file:" + str(key) + "}",
        "grant": {"audience": AUDIENCE},
        "password_hashing": {"memory": "8KB", "iterations": 1},
        "lockout": {"account_tries": 1000, "address_tries": 1000000},
        "scopes": ["read"],
        "clients": [
            {"id": "app", "secret": "secret-app", "grant_types": ["client_credentials", "password"],
             "scopes": ["read"], "audience": AUDIENCE},
            {"id": "api", "secret": "secret-api", "introspect": [AUDIENCE]},
        ],
        **changes,
    }


def cardea(server, *arguments, stdin=None):
    """What `cardea ARGUMENTS --config …` prints; it must succeed."""
    done = subprocess.run([PROGRAMS["cardea"], *arguments, "--config", server.config_file], input=stdin,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
