"""An application that is a client of Cardea: it gets a token with the secret that it shares with it."""
import os
import urllib.parse
import urllib.request

# For this process alone: Cardea, which uWSGI's master starts, does not see it.
with open("secrets.env", encoding="utf-8") as lines:
    os.environ.update(line.rstrip("\n").split("=", 1) for line in lines if "=" in line)


def application(environ, start_response):
    form = {"grant_type": "client_credentials", "client_id": "wiki", "client_secret": os.environ["WIKI_CLIENT_SECRET"]}
    request = urllib.request.Request("http://127.0.0.1:5001/oauth/token", urllib.parse.urlencode(form).encode())
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            text = "Cardea gave a token" if answer.status == 200 else "Cardea gave no token"
    except OSError as error:
        text = f"no answer from Cardea: {error}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode() + b"\n"]
