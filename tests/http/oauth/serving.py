"""Starts `cardea serve` for a test; CARDEA_BUILD names the build folder (default: build)."""
import json
import signal
import subprocess
import threading
import time

import pytest

import h2client
from authority import Authority, settings
from services import PROGRAMS
from support.ports import find_ports


class Service:
    def __init__(self, config, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "cardea.yaml"
        self.path.write_text(json.dumps(h2client.with_protocol(config), ensure_ascii=False, indent=1))
        self.process = subprocess.Popen([PROGRAMS["cardea"], "serve", "--config", str(self.path)], cwd=folder,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.lines = []
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.port = None

    def _read(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line.decode("utf-8"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append("")
            self.changed.notify_all()

    def wait_ready(self, seconds=20):
        self.wait(lambda e: e.get("event") == "ready", seconds)
        self.port = int(self.events("listening")[0]["address"].rsplit(":", 1)[1])
        return self

    def log(self):
        with self.changed:
            return "".join(self.lines)

    def events(self, name=None):
        ret = []
        for line in self.log().split("\n"):
            if line.startswith("{"):
                event = json.loads(line)
                if name in (None, event.get("event")):
                    ret.append(event)
        return ret

    def wait(self, wanted, seconds=10):
        """The first event that `wanted` accepts."""
        deadline = time.monotonic() + seconds
        while True:
            for event in self.events():
                if wanted(event):
                    return event
            with self.changed:
                ended = bool(self.lines) and self.lines[-1] == ""
                left = deadline - time.monotonic()
                assert not ended and left > 0, f"no such event; standard error was:\n{''.join(self.lines)}"
                self.changed.wait(min(left, 0.2))

    def wait_end(self, seconds=20):
        """The exit status of a server that ends by itself, its log read to the end."""
        self.process.wait(seconds)
        self.reader.join(seconds)
        return self.process.returncode

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode


@pytest.fixture(scope="session")
def launch(tmp_path_factory):
    """launch(setting=…): an Authority, ready; without=[name] leaves one out; wait=False gives the Service as it starts. All end with the run."""
    started = []

    def run(wait=True, port=None, folder=None, without=(), **changes):
        config = settings(port or find_ports(), **changes)
        for name in without:
            del config[name]
        service = Service(config, folder or tmp_path_factory.mktemp("serve"))
        started.append(service)
        if not wait:
            return service
        return Authority(service.wait_ready())

    yield run
    running = [service for service in started if service.process.poll() is None]
    statuses = [service.stop() for service in started]
    for service, status in zip(started, statuses):
        service.wait_end()
        assert service not in running or status == 0, service.log()
        assert "Sanitizer" not in service.log() and "runtime error" not in service.log(), service.log()


@pytest.fixture(scope="session")
def server(launch):
    """The ordinary one, shared by tests that leave nothing behind."""
    return launch()
