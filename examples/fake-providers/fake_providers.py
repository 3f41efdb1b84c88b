#!/usr/bin/python3
"""GitHub, osu! and Discord as login providers on this machine: fake_providers.py [--port N]

For a demonstration and for tests; README.md has the URLs. It keeps a ledger of all that it receives, secrets included, and
gives bad answers when it is told to. It prints one line of JSON with its port when it is ready, and ends with SIGTERM.
"""
import argparse
import collections
import contextlib
import email.utils
import http.server
import json
import re
import signal
import socketserver
import ssl
import sys
import threading
import time
import urllib.parse

import github
import hostile
import ledger
from discord import Discord
from osu import Osu
from provider import Answer, Client, Request, reason

BODY_MAX = 1024 * 1024
RECORDS_MAX = 2000


class Fakes:
    """All providers, the ledger, and what the control endpoint has set."""
    def __init__(self):
        self.lock = threading.RLock()
        self.url = ""
        self.advance = 0  # seconds that the clock of the providers is ahead
        self.date_offset = 0  # seconds that the header Date is ahead
        self.callback = {}  # parameters that are set in each redirect back to an application; None leaves one out
        self.tricks = []  # of the control endpoint
        self.records = collections.deque(maxlen=RECORDS_MAX)
        self.count = 0
        self.providers = {provider.name: provider for provider in (github.GitHub(self), Osu(self), Discord(self))}

    def now(self):
        return time.time() + self.advance

    # ---- requests ----

    def handle(self, handler, body):
        """The answer, and how to send it (a function of hostile.py; None: as usual). Nothing of it is sent yet."""
        path, _, query = handler.path.partition("?")
        request = Request(handler.command, urllib.parse.unquote(path), query, handler.headers.items(), body)
        with self.lock:
            if request.path in ("/", "/ledger", "/control", "/healthz"):
                return self.own_page(request), None
            record = ledger.record(self.count + 1, time.time(), request, handler.path, self.provider_of(request.path))
            self.count += 1
            self.records.append(record)
            trick = self.trick_for(request)
            answer = self.provide(request)
            if trick:
                answer = self.play(trick, request, answer)
                record["played"] = trick["answer"]
            ledger.add_answer(record, answer)
        if trick and trick.get("delay"):
            time.sleep(trick["delay"])
        return answer, hostile.SENDERS.get(trick["answer"]) if trick else None

    def provider_of(self, path):
        name = path.split("/")[1]
        return name if name in self.providers else ""

    def provide(self, request):
        provider = self.providers.get(self.provider_of(request.path))
        if not provider:
            return Answer.html(404, "Not found", "<p>There is no such provider.</p>")
        below = Request(request.method, request.path[len(provider.name) + 1:], request.query_text, request.headers, request.body)
        for methods, pattern, function in provider.routes:
            match = re.fullmatch(pattern, below.path)
            if match and below.method in methods.split():
                return function(below, **match.groupdict())
        return Answer.json(404, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"})

    def trick_for(self, request):
        for trick in self.tricks:
            if re.fullmatch(trick["path"], request.path) and trick.get("method", request.method) == request.method:
                if trick.get("times") is not None:
                    trick["times"] -= 1
                    if trick["times"] <= 0:
                        self.tricks.remove(trick)
                return trick
        return None

    def play(self, trick, request, answer):
        name = trick["answer"]
        if name in ("slow", *hostile.SENDERS):
            return answer
        if name == "custom":
            return Answer(trick.get("status", 200), trick.get("body", "").encode(), [tuple(pair) for pair in trick.get("headers", [])])
        if name == "rate_limited":
            return github.limited(self.now())
        if not request.wants_json and answer.body and dict(answer.headers).get("Content-Type", "").startswith("application/x-www-form"):
            answer = Answer.json(answer.status, dict(urllib.parse.parse_qsl(answer.body.decode())))
        return hostile.ANSWERS[name](answer)

    # ---- the own pages ----

    def own_page(self, request):
        if request.path == "/control" and request.method == "POST":
            return self.control(request)
        if request.path == "/ledger" and request.method == "GET":
            records = list(self.records)
            if "provider" in request.query:
                records = [record for record in records if record["provider"] == request.query["provider"]]
            if "text/html" in request.header("Accept"):
                return Answer.html(200, "What the providers received", ledger.page(records))
            return Answer.json(200, records)
        if request.path == "/healthz":
            return Answer.json(200, {"status": "ok"})
        if request.path == "/":
            return Answer.html(200, "Fake providers", '<p>This program answers as GitHub, osu! and Discord do. '
                               '<a href="/ledger">What they received</a></p>')
        return Answer.json(405, {"error": "use GET /ledger or POST /control"})

    def control(self, request):
        if "application/json" not in request.header("Content-Type"):  # a page of another site cannot send it
            return Answer.json(415, {"error": "Content-Type must be application/json"})
        try:
            self.apply(json.loads(request.body))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return Answer.json(400, {"error": f"{type(error).__name__}: {error}", "controls": sorted(CONTROLS)})
        return Answer.json(200, {"ok": True})

    def apply(self, settings):
        for name, value in settings.items():
            CONTROLS[name](self, value)

    def answer_with(self, tricks):
        for trick in tricks if isinstance(tricks, list) else [tricks]:
            if trick["answer"] not in ("slow", "custom", "rate_limited", *hostile.SENDERS, *hostile.ANSWERS):
                raise ValueError(f"there is no answer {trick['answer']}")
            re.compile(trick["path"])
            self.tricks.append(trick)

    def reset(self, _):
        self.advance = self.date_offset = 0
        self.tricks.clear()
        self.callback = {}
        self.records.clear()
        for provider in self.providers.values():
            provider.auto = None

    def set_auto(self, choices):
        for name, login in choices.items():
            provider = self.providers[name]
            if login not in (None, "deny", *provider.users):
                raise ValueError(f"{name} has no user {login}")
            provider.auto = login

    def set_client(self, client):
        self.providers[client["provider"]].clients[str(client["id"])] = Client(str(client["id"]), client["secret"],
                                                                              client.get("redirect_uris", []))

    def set_user(self, change):
        users = self.providers[change["provider"]].users
        users[change["login"]] = {"about": "Made by the control endpoint", **users.get(change["login"], {}), **change["set"]}

    def expire(self, what):
        for provider in self.providers.values():
            provider.expire(what)


CONTROLS = {
    "answer": Fakes.answer_with,
    "auto_approve": Fakes.set_auto,
    "client": Fakes.set_client,
    "user": Fakes.set_user,
    "expire": Fakes.expire,
    "reset": Fakes.reset,
    "clear_ledger": lambda fakes, _: fakes.records.clear(),
    "clear_answers": lambda fakes, _: fakes.tricks.clear(),
    "callback": lambda fakes, parameters: setattr(fakes, "callback", dict(parameters)),
    "advance": lambda fakes, seconds: setattr(fakes, "advance", float(seconds)),
    "date_offset": lambda fakes, seconds: setattr(fakes, "date_offset", float(seconds)),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds without a byte

    def do_GET(self):
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > BODY_MAX or "Transfer-Encoding" in self.headers:
            return self.send(Answer.json(413, {"error": "the body is too long, or has no Content-Length"}), True)
        answer, sender = self.server.fakes.handle(self, self.rfile.read(int(length)))
        if not sender:
            return self.send(answer, False)
        self.close_connection = True
        with contextlib.suppress(OSError):
            sender(self.connection, self.head(answer, True), answer.body)
        return None

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def head(self, answer, closes):
        date = email.utils.formatdate(time.time() + self.server.fakes.date_offset, usegmt=True)
        lines = [f"HTTP/1.1 {answer.status} {reason(answer.status)}", f"Date: {date}", "Server: fake-providers",
                 f"Content-Length: {len(answer.body)}", *(f"{name}: {value}" for name, value in answer.headers)]
        return "\r\n".join([*lines, *(["Connection: close"] if closes else []), "", ""]).encode("latin-1", "replace")

    def send(self, answer, closes):
        self.close_connection = self.close_connection or closes
        with contextlib.suppress(ConnectionError):
            self.wfile.write(self.head(answer, self.close_connection) + (b"" if self.command == "HEAD" else answer.body))

    def handle(self):
        with contextlib.suppress(ConnectionError, ssl.SSLError):  # the client has gone
            super().handle()

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, port, fakes, certificate):
        super().__init__(("127.0.0.1", port), Handler)
        self.fakes = fakes
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*certificate)
        fakes.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.server_address[1]}"

    def finish_request(self, request, client_address):
        """In the thread of the connection, so that a slow handshake holds up nobody else."""
        try:
            request = self.tls.wrap_socket(request, server_side=True) if self.tls else request
        except OSError:
            return
        super().finish_request(request, client_address)

    def handle_error(self, *_):
        sys.excepthook(*sys.exc_info())


def main():
    parser = argparse.ArgumentParser(description="GitHub, osu! and Discord as login providers on this machine.")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; default: a free one")
    parser.add_argument("--certificate", help="serve TLS with this certificate (PEM), and with --key")
    parser.add_argument("--key")
    parser.add_argument("--settings", metavar="FILE", help="a JSON object as POST /control takes; \"port\" in it is the port")
    parser.add_argument("--auto-approve", action="append", default=[], metavar="PROVIDER,LOGIN", help="log this user in without asking")
    options = parser.parse_args()
    fakes = Fakes()
    settings = {"port": options.port}
    if options.settings:
        with open(options.settings, encoding="utf-8") as file:
            settings |= json.load(file)
    server = Server(settings.pop("port"), fakes, (options.certificate, options.key) if options.certificate else None)
    fakes.apply(settings)
    fakes.set_auto(dict(text.split(",", 1) for text in options.auto_approve))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ready = {"event": "ready", "service": "fake-providers", "port": server.server_address[1], "url": fakes.url}
    sys.stdout.write(json.dumps(ready, separators=(",", ":")) + "\n")  # in one piece, among the lines of others
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
