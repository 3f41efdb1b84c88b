"""A running cardea and other configurations for it."""
import base64
import ctypes
import http.client
import json
import os
import signal
import struct
import urllib.parse

SECRET = "0123456789abcdef0123"
OTHER = "fedcba9876543210fedc"


def client(name="a", secret=SECRET, scopes=("read",), **more):
    return {"id": name, "secret": secret, "grant_types": ["client_credentials"], "scopes": list(scopes),
            "introspect": ["http://localhost:5001"], **more}


def settings(**more):
    return {"listen": ["127.0.0.1:0"], "threads": 2, "scopes": ["read", "write"], "clients": [client()], **more}


class Server:
    def __init__(self, start, path, plain=True, **options):
        self.path = path
        self.program = start("serve", "--config", path, **options)
        self.address = self.program.wait_event("listening")["address"]
        self.program.wait_event("ready")
        self.connection = self.connect() if plain else None

    def connect(self, address=None):
        return http.client.HTTPConnection(address or self.address, timeout=30)

    def write(self, config):
        new = self.path.with_suffix(".new")
        new.write_text(config if isinstance(config, str) else json.dumps(config))
        new.rename(self.path)

    def reload(self, config=None, expect="reloaded"):
        if config is not None:
            self.write(config)
        self.program.process.send_signal(signal.SIGHUP)
        event = json.loads(self.program.wait_line(
            lambda line: '"event":"reloaded"' in line or '"event":"reload_failed"' in line))
        assert event["event"] == expect and event["cause"] == "signal", (event, self.program.err)
        return event

    def findings(self):
        """The findings of the last reload that failed."""
        events = [json.loads(line) for line in self.program.err if line.startswith("{")]
        ends = [i for i, e in enumerate(events) if e["event"] in ("reloaded", "reload_failed", "ready")]
        return [e for e in events[ends[-2]:ends[-1]] if e["event"] == "config_error"]

    def call(self, method, path, form=None, user=None, connection=None):
        connection = connection or self.connection
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        if user:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(user).encode()).decode()
        connection.request(method, path, urllib.parse.urlencode(form) if form else None, headers)
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if body.startswith(b"{") else body

    def token(self, name="a", secret=SECRET, **more):
        return self.call("POST", "/oauth/token", {"grant_type": "client_credentials"}, (name, secret), **more)

    def is_active(self, token):
        return self.call("POST", "/oauth/introspect", {"token": token}, ("a", SECRET))[1]["active"]


class Watch:
    """Counts how often a file is opened (inotify(7))."""
    IN_OPEN, IN_CLOSE_NOWRITE = 0x20, 0x10  # the second, since two of the same event in a row are told as one

    def __init__(self, path):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK)
        assert self.fd >= 0 and libc.inotify_add_watch(self.fd, os.fsencode(path),
                                                           self.IN_OPEN | self.IN_CLOSE_NOWRITE) >= 0

    def count_opens(self):
        try:
            events = os.read(self.fd, 65536)
        except BlockingIOError:
            return 0
        count = at = 0
        while at < len(events):
            _, mask, _, length = struct.unpack_from("iIII", events, at)
            count += bool(mask & self.IN_OPEN)
            at += 16 + length
        return count

    def __enter__(self):
        return self

    def __exit__(self, *error):
        os.close(self.fd)
