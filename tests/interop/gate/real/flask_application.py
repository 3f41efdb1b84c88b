"""A Flask application: forms, uploads, cookies, events and long polling."""
import hashlib
import queue

from flask import Flask, Response, jsonify, redirect, request, send_file, url_for

application = Flask(__name__)
events, polls, waiting = queue.Queue(), queue.Queue(), []


@application.get("/")
def home():
    seen, headers = request.environ, request.headers
    return jsonify(user=seen.get("REMOTE_USER", headers.get("Remote-User")), cookies=request.cookies, url=request.url,
                   groups=seen.get("CARDEA_GROUPS", headers.get("Remote-Groups")), is_secure=seen.get("HTTPS") == "on",
                   proto=headers.get("X-Forwarded-Proto"), address=headers.get("X-Forwarded-For"))


@application.get("/enter")
def enter():
    response = redirect(url_for("home"))
    response.set_cookie("session", "of the application", httponly=True)
    response.set_cookie("theme", "dark")
    return response


@application.post("/upload")
def upload():
    file = request.files["file"]
    return jsonify(name=file.filename, note=request.form["note"], digest=hashlib.sha256(file.read()).hexdigest())


@application.put("/raw")
def raw():
    digest, size = hashlib.sha256(), 0
    while piece := request.stream.read(65536):
        digest.update(piece)
        size += len(piece)
    return jsonify(digest=digest.hexdigest(), size=size, length=request.headers.get("Content-Length"))


@application.get("/source")
def source():
    """With an entity tag, ranges, and 304."""
    return send_file(__file__, mimetype="text/x-python", conditional=True)


@application.get("/events")
def stream_events():
    def stream():
        while (event := events.get()) != "end":
            yield f"data: {event}\n\n"
    return Response(stream(), mimetype="text/event-stream")


@application.get("/poll")
def poll():
    waiting.append(1)
    try:
        return polls.get()
    finally:
        waiting.pop()


@application.get("/waiting")
def count_waiting():
    return str(len(waiting))


@application.post("/say/<where>/<text>")
def say(where, text):
    {"events": events, "poll": polls}[where].put(text)
    return "", 204


@application.post("/refuse")
def refuse():
    """Without a look at the body."""
    return "no", 403
