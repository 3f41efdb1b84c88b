"""A Flask application without a login of its own: uWSGI runs it, behind Cardea's gate.

The gate sends each request by the uwsgi protocol, with variables that no client can set. REMOTE_USER and CARDEA_GROUPS say who the
user is, and there is no request without a user, since the gate lets nobody else in. Therefore nobody but the gate may reach uWSGI's
socket: it is on 127.0.0.1, or a Unix socket.

A form needs no token against cross-site requests: browsers leave the session's cookie out of a POST from another site, so the gate
refuses it.
"""
import collections
import time

from flask import Flask, abort, redirect, render_template, request, send_from_directory

app = Flask(__name__, template_folder=".", static_folder=None)
notes = collections.deque(maxlen=50)  # of all users, until the application is stopped


@app.get("/")
def home():
    variables = request.environ
    return render_template("home.html", user=variables["REMOTE_USER"], groups=variables.get("CARDEA_GROUPS"),
                           auth_type=variables.get("AUTH_TYPE"), cookie=request.headers.get("Cookie"), notes=reversed(notes))


@app.post("/notes")
def add_note():
    text = request.form.get("text", "").strip()
    if not text or len(text) > 500:
        abort(400, "a note has 1 to 500 characters")
    notes.append({"user": request.environ["REMOTE_USER"], "text": text, "at": time.strftime("%H:%M", time.gmtime())})
    return redirect("/", 303)


@app.get("/style.css")
def style():
    return send_from_directory(app.root_path, "style.css", max_age=3600)


@app.after_request
def protect(response):
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'"
    response.headers.setdefault("Cache-Control", "no-store")
    return response
