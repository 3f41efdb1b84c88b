"""The temporary folder and the processes of one run. What is started here is ended here, by pid, whatever happens."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from .wire import ask


class BenchError(Exception):
    """Something that cannot be measured, said in one sentence."""


def free_port():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


class Process:
    def __init__(self, name, argv, log_path, environment, folder):
        self.name = name
        self.log_path = log_path
        with open(log_path, 'wb') as log:
            # A session of its own, so that Ctrl-C reaches the harness alone, which then ends everything in order.
            self.popen = subprocess.Popen(argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          start_new_session=True)
        self.pid = self.popen.pid

    def log_tail(self):
        with open(self.log_path, encoding='utf-8', errors='replace') as log:
            return log.read()[-2000:]

    def wait_until_ready(self, port, path, seconds=20):
        """Polls until something answers on the port; its status is the business of the caller's first real request."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.popen.poll() is not None:
                raise BenchError(f'{self.name} ended with status {self.popen.returncode} at its start:\n{self.log_tail()}')
            try:
                ask(port, 'GET', path)
                return self
            except OSError:
                time.sleep(0.02)
        raise BenchError(f'{self.name} does not answer on port {port} within {seconds} s:\n{self.log_tail()}')

    def stop(self):
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.pid, signal.SIGKILL)  # its session holds nothing but what it forked
        except ProcessLookupError:
            pass
        self.popen.wait()

    def processor_seconds(self):
        """Of all processes of its session."""
        ticks = 0
        for entry in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open(f'/proc/{entry}/stat', encoding='utf-8', errors='replace') as stat:
                    fields = stat.read().rpartition(')')[2].split()
            except OSError:
                continue  # ended meanwhile
            if int(fields[3]) == self.pid:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf('SC_CLK_TCK')

    def memory(self):
        """Kilobytes: VmRSS and RssAnon."""
        found = {}
        with open(f'/proc/{self.pid}/status', encoding='ascii') as status:
            for line in status:
                key, _, value = line.partition(':')
                if key in ('VmRSS', 'RssAnon'):
                    found[key] = int(value.split()[0])
        return found


class Chain:
    """Several processes that answer as one: what reaches the port of the first is worked on by all."""

    def __init__(self, *processes):
        self.processes = processes
        self.port = processes[0].port

    def processor_seconds(self):
        return sum(process.processor_seconds() for process in self.processes)


class Workshop:
    """A context manager: the temporary folder (in memory where possible, so that no peer waits for a disk) and all processes."""

    def __init__(self):
        shm = '/dev/shm'
        self.folder = tempfile.mkdtemp(prefix='cardea-bench-', dir=shm if os.access(shm, os.W_OK) else None)
        self.processes = []
        self.started = 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        # A second Ctrl-C must not leave half of them running; it takes effect afterwards.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        self.stop_all()
        shutil.rmtree(self.folder, ignore_errors=True)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w', encoding='utf-8') as file:
            file.write(text)
        return path

    def start(self, name, argv, *, core=None, environment=None, folder=None):
        """`core`: the one core that the process may use; None: all."""
        if core is not None:
            argv = ['taskset', '-c', str(core), *argv]
        clean = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': self.folder, 'LANG': 'C.UTF-8', **(environment or {})}
        self.started += 1
        process = Process(name, argv, self.path(f'{self.started}-{name}.log'), clean, folder or self.folder)
        self.processes.append(process)
        return process

    def stop(self, process):
        process.stop()
        self.processes.remove(process)

    def stop_all(self):
        while self.processes:
            self.stop(self.processes[-1])
