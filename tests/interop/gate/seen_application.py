"""A WSGI application that writes the method, the address and the id of each request to the file of the variable SEEN."""
import os


def application(environ, start_response):
    length = environ.get("CONTENT_LENGTH")
    environ["wsgi.input"].read(int(length) if length else -1)
    target = environ.get("REQUEST_URI") or environ.get("RAW_URI") or environ["PATH_INFO"]
    with open(os.environ["SEEN"], "a", encoding="latin-1") as seen:
        seen.write(f"{environ['REQUEST_METHOD']} {target} {environ.get('HTTP_X_REQUEST_ID', '')}\n")
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"] if environ["REQUEST_METHOD"] != "HEAD" else []
