"""Debian's own servers, run in a folder of the test."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from support.ports import find_ports

PATIENCE = 30  # seconds
HERE = pathlib.Path(__file__).parent


def find(program):
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert path, f"{program} is missing: ./dev setup installs it"
    return path


class Peer:
    """A program that serves `port` once it is ready."""

    def __init__(self, folder, name, command, port, environment=None):
        self.log_file = folder / f"{name}.log"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder,
                                            env={"HOME": str(folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **(environment or {})})
        self.port = port
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < end and self.process.poll() is None, self.log()
                time.sleep(0.02)

    def log(self):
        return self.log_file.read_text(errors="replace")

    def stop(self, with_signal=signal.SIGTERM):
        self.process.send_signal(with_signal)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:  # uWSGI misses the signal once in some hundred times
            self.process.kill()
            self.process.wait()


def start_nginx(folder, servers, port, http=""):
    """`servers` is the text of server blocks, one of which listens on `port`."""
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    path = folder / "nginx.conf"
    user = "user root; " if os.geteuid() == 0 else ""  # who may enter the folder of the test
    path.write_text(f"{user}daemon off; pid {folder}/pid; worker_processes 1;\nevents {{}}\n"
                    f"http {{\naccess_log off;\n{temporary}{http}{servers}}}\n")
    return Peer(folder, "nginx", [find("nginx"), "-e", "stderr", "-c", path], port)


def start_uwsgi(folder, application, sockets, *more):
    """`sockets` are words such as ("--socket", "127.0.0.1:3031"); the first names a port."""
    port = int(sockets[1].rpartition(":")[2])
    command = [find("uwsgi"), "--plugin", "python3", *sockets, "--wsgi-file", application, "--processes", "1", "--need-app", "--die-on-term",
               "--master", "--worker-reload-mercy", "2", "--no-orphans", "--disable-logging", *more]
    if "--buffer-size" not in more:
        command += ["--buffer-size", "65535"]
    return Peer(folder, "uwsgi", command, port)


__all__ = ["HERE", "Peer", "find", "find_ports", "start_nginx", "start_uwsgi"]
