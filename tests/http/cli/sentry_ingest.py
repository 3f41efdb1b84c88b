"""A Sentry that judges each envelope strictly, and can answer as badly as one wants."""
import http.server
import json
import queue
import re
import threading

from .commands import DEADLINE

LEVELS = {"fatal", "error", "warning", "info", "debug"}
TIMESTAMP = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def read_envelope(body):
    """The event of an envelope; https://develop.sentry.dev/sdk/data-model/envelopes/."""
    head, rest = body.split(b"\n", 1)
    header = json.loads(head)
    assert set(header) <= {"event_id", "sent_at", "dsn", "sdk"}, header
    assert re.fullmatch(r"[0-9a-f]{32}", header["event_id"]) and TIMESTAMP.fullmatch(header["sent_at"])
    item, rest = rest.split(b"\n", 1)
    item = json.loads(item)
    assert item["type"] == "event" and item["content_type"] == "application/json"
    payload, end = rest[:item["length"]], rest[item["length"]:]
    assert len(payload) == item["length"] and end in (b"", b"\n"), end
    event = json.loads(payload, object_pairs_hook=unique)
    assert event["event_id"] == header["event_id"] and event["level"] in LEVELS and event["platform"] == "native"
    stamp = event["timestamp"]
    assert TIMESTAMP.fullmatch(stamp) if isinstance(stamp, str) else isinstance(stamp, int) and stamp > 1.7e9
    assert event["sdk"]["name"] and event["sdk"]["version"] and event["release"].startswith("cardea@")
    assert all(isinstance(value, str) and 0 < len(value) <= 200 and "\n" not in value
               for value in event["tags"].values())
    assert "fingerprint" not in event or all(isinstance(part, str) and part for part in event["fingerprint"])
    assert "exception" in event or event["logentry"]["formatted"]
    assert len(payload) < 1_000_000
    return event


def unique(pairs):
    assert len({name for name, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


class Ingest:
    def __init__(self):
        self.events, self.faults = queue.Queue(), []
        self.answer = lambda handler: handler.reply(200, b"{}")
        self.requests = 0
        ingest = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):  # `cardea check --online`
                self.reply(405)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                ingest.requests += 1
                try:
                    assert self.path == "/prefix/api/42/envelope/", self.path
                    assert self.headers["Content-Type"] == "application/x-sentry-envelope"
                    assert re.fullmatch(r"Sentry sentry_version=7, sentry_client=cardea/\S+, sentry_key=abc123",
                                        self.headers["X-Sentry-Auth"])
                    assert "Cookie" not in self.headers and "Authorization" not in self.headers
                    ingest.events.put(read_envelope(body))
                except Exception as fault:  # pylint: disable=broad-except
                    ingest.faults.append(f"{fault!r}: {body!r}")
                try:
                    ingest.answer(self)
                except OSError:  # the server gave up
                    pass

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        self.dsn = f"http://abc123@127.0.0.1:{self.server.server_port}/prefix/42"

    def next_event(self):
        try:
            event = self.events.get(timeout=DEADLINE)
        except queue.Empty:
            raise AssertionError(self.faults) from None
        assert not self.faults, self.faults
        return event

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
