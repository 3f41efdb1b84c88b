#!/usr/bin/python3
"""A chat over a web socket without a login of its own, behind Cardea's gate: chat.py [ADDRESS:PORT]

It speaks plain HTTP and listens on 127.0.0.1, where nobody but the gate should reach it: it believes the header Remote-User, which the
gate sets. It knows nothing of the path that it has on the gate (strip_path), so its page names the web socket by a relative URL.
The gate closes a user's web sockets when the session ends, and checks the Origin of new ones.
"""
import asyncio
import collections
import http
import json
import pathlib
import signal
import sys

try:
    import websockets
except ImportError:
    sys.exit("chat.py: needs the Python package websockets; install it (Debian: apt install python3-websockets)")

FILES = {"/": ("chat.html", "text/html; charset=utf-8"), "/chat.js": ("chat.js", "text/javascript"),
         "/chat.css": ("chat.css", "text/css")}
CSP = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'"
FOLDER = pathlib.Path(__file__).resolve().parent
sockets, history = set(), collections.deque(maxlen=50)


async def send_file(path, headers):
    """What a request gets that does not ask for a web socket; nothing for one that does."""
    user = headers.get("Remote-User")
    if not user:
        return answer(http.HTTPStatus.FORBIDDEN, "There is no Remote-User, so this request did not come through the gate.\n")
    path = path.partition("?")[0]
    if path == "/socket" and headers.get("Upgrade", "").lower() == "websocket":
        return None
    if path not in FILES:
        return answer(http.HTTPStatus.NOT_FOUND, "There is no such page.\n")
    name, content_type = FILES[path]
    return answer(http.HTTPStatus.OK, (FOLDER / name).read_text(encoding="utf-8"), content_type)


def answer(status, text, content_type="text/plain"):
    body = text.encode()
    return status, {"Content-Type": content_type, "Content-Security-Policy": CSP, "Cache-Control": "no-store"}, body


async def talk(socket):
    """One browser, from its first message to its last."""
    user = socket.request_headers["Remote-User"]
    sockets.add(socket)
    try:
        await socket.send(json.dumps({"you": user}))
        for message in history:
            await socket.send(message)
        tell(user, "joined")
        async for text in socket:
            if isinstance(text, str) and text.strip():
                say({"user": user, "text": text.strip()[:500]})
    except websockets.ConnectionClosed:
        pass  # without a goodbye: the gate has cut it, or the network
    finally:
        sockets.discard(socket)
        tell(user, "left")


def say(message):
    history.append(json.dumps(message))
    websockets.broadcast(sockets, history[-1])


def tell(user, event):
    websockets.broadcast(sockets, json.dumps({"user": user, "event": event}))


async def serve(host, port):
    stop = asyncio.get_running_loop().create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, lambda: stop.done() or stop.set_result(None))
    async with websockets.serve(talk, host, port, process_request=send_file, max_size=4096, close_timeout=1):
        ready = {"level": "info", "service": "demo-chat", "event": "ready", "address": f"{host}:{port}"}
        sys.stdout.write(json.dumps(ready, separators=(",", ":")) + "\n")  # in one piece, among the lines of others
        sys.stdout.flush()
        await stop


if __name__ == "__main__":
    host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:5007").rpartition(":")
    asyncio.run(serve(host, int(port)))
