"""A WSGI application that writes what it sees to the file of the variable SEEN: its environ, and the length and the hash of the body."""
import hashlib
import json
import os


def application(environ, start_response):
    length = environ.get("CONTENT_LENGTH")
    body = environ["wsgi.input"].read(int(length) if length else -1)
    strings = {name: value for name, value in environ.items() if isinstance(value, str)}
    with open(os.environ["SEEN"], "a", encoding="ascii") as seen:
        seen.write(json.dumps({"environ": strings, "length": len(body), "hash": hashlib.sha256(body).hexdigest()}) + "\n")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]  # also for HEAD, as many do
