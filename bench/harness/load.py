"""The load generators: wrk for servers, openssl speed for the bare signature; and how targets are measured in turn."""
import dataclasses
import json
import os
import re
import resource
import statistics
import subprocess
import time

from .processes import BenchError

SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'wrk', 'load.lua')
SERVER_CORE = 0
LOAD_CORE = 1


@dataclasses.dataclass
class Sample:
    """One measured run. `problems` is empty where every answer was right."""
    rate: float
    p50_ms: float = 0
    p99_ms: float = 0
    load_busy: float = 0  # part of a core that the load generator used; near 1 it is the load generator that is measured
    server_busy: float = 0  # parts of a core that the server used
    problems: list = dataclasses.field(default_factory=list)

    @property
    def rate_per_core(self):
        """Answers for each second of the server's processor time: what a full core would give."""
        return self.rate / max(self.server_busy, 0.01)


def problems_of(result, expected_length):
    problems = [f'{count} {kind} errors' if kind != 'status' else f'{count} answers that are not 2xx or 3xx'
                for kind, count in result['errors'].items() if count]
    if not result['requests']:
        return problems + ['no answer at all']
    length = result['bytes'] / result['requests']
    # Up to a tenth: the last answers may be cut off by the end of the run, and some fields vary in length.
    if expected_length and abs(length - expected_length) > expected_length / 10:
        problems.append(f'{length:.0f} bytes per answer where {expected_length} were expected')
    return problems


def run_wrk(url, script_arguments, *, seconds, connections, core=LOAD_CORE, server=None, expected_length=0):
    pin = [] if core is None else ['taskset', '-c', str(core)]
    argv = [*pin, 'wrk', '-t1', f'-c{connections}', f'-d{seconds}s', '--timeout', '10s', '-s', SCRIPT, url, '--',
            *script_arguments]
    before = server.processor_seconds() if server else 0
    wrk = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        output = wrk.stdout.read()
    finally:
        wrk.kill()
        wrk.wait()
    found = re.search(r'^BENCH (\{.*\})$', output, re.M)
    if not found:
        raise BenchError(f'wrk said nothing that can be read:\n{output}')
    result = json.loads(found.group(1))
    elapsed = result['microseconds'] / 1e6
    return Sample(result['requests'] / elapsed, result['p50_us'] / 1e3, result['p99_us'] / 1e3,
                  result['load_seconds'] / elapsed, (server.processor_seconds() - before) / elapsed if server else 0,
                  problems_of(result, expected_length))


def openssl_speed(algorithm, seconds, pattern):
    """Operations a second on the servers' core, of the one number that `pattern` finds in what openssl speed prints."""
    argv = ['taskset', '-c', str(SERVER_CORE), 'openssl', 'speed', '-seconds', str(seconds), algorithm]
    output = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found = re.search(pattern, output)
    if not found:
        raise BenchError(f'openssl speed said nothing that can be read:\n{output}')
    return Sample(float(found.group(1)), server_busy=1)


def ecdsa_signs(options):
    return openssl_speed('ecdsap256', options.seconds, r'nistp256\)\s+\S+s\s+\S+s\s+([\d.]+)\s+[\d.]+')


def ecdsa_verifications(options):
    return openssl_speed('ecdsap256', options.seconds, r'nistp256\)\s+\S+s\s+\S+s\s+[\d.]+\s+([\d.]+)')


def rsa_signs(options):
    return openssl_speed('rsa2048', options.seconds, r'rsa 2048 bits\s+\S+s\s+\S+s\s+([\d.]+)\s+[\d.]+')


@dataclasses.dataclass
class Target:
    """`measure(options)` gives a Sample; `name` is what the table calls it."""
    name: str
    measure: object


def wrk_target(name, server, path, script_arguments, *, connections=64, core=LOAD_CORE, expected_length=0,
               scheme='http'):
    cold = True

    def measure(options):
        nonlocal cold
        url = f'{scheme}://127.0.0.1:{server.port}{path}'
        # Node compiles for seconds before it is at its best; each target gets that time, once.
        run_wrk(url, script_arguments, seconds=options.warmup * (3 if cold else 1), connections=connections, core=core)
        cold = False
        return run_wrk(url, script_arguments, seconds=options.seconds, connections=connections, core=core, server=server,
                       expected_length=expected_length)

    return Target(name, measure)


def run_pinned(commands, server):
    """Runs the commands at once on the load's core. (what each printed, seconds it took, load_busy, server_busy)"""
    load_before, server_before, began = children_seconds(), server.processor_seconds(), time.monotonic()
    running = [subprocess.Popen(['taskset', '-c', str(LOAD_CORE), *command], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, start_new_session=True) for command in commands]
    try:
        outputs = [process.stdout.read() for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    elapsed = time.monotonic() - began
    return (outputs, elapsed, (children_seconds() - load_before) / elapsed,
            (server.processor_seconds() - server_before) / elapsed)


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def first_match(pattern, output, who):
    found = re.search(pattern, output)
    if not found:
        raise BenchError(f'{who} said nothing that can be read:\n{output}')
    return found


def h2load_target(name, server, path, *, connections, streams, body_length, host='127.0.0.1', headers=None):
    """HTTP/2 over TLS by h2load, one thread."""
    fields = [word for pair in (headers or {}).items() for word in ('-H', ': '.join(pair))]

    def run(seconds):
        argv = ['h2load', '-t1', f'-c{connections}', f'-m{streams}', f'-D{seconds}', f'--connect-to=127.0.0.1:{server.port}', *fields,
                f'https://{host}:{server.port}{path}']
        (output,), _, load_busy, server_busy = run_pinned([argv], server)
        done, failed, errors, timeouts = map(int, first_match(
            r'(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout', output, 'h2load').groups())
        bodies = int(first_match(r'\((\d+)\) data', output, 'h2load').group(1))
        rate = float(first_match(r'finished in \S+, ([\d.]+) req/s', output, 'h2load').group(1))
        problems = [f'{failed} failed, {errors} errors, {timeouts} timeouts'] if failed + errors + timeouts else []
        if not done or abs(bodies / done - body_length) > body_length / 10:
            problems.append(f'{bodies} bytes in {done} bodies where each has {body_length}')
        return Sample(rate, load_busy=load_busy, server_busy=server_busy, problems=problems)

    def measure(options):
        run(options.warmup)
        return run(options.seconds)

    return Target(name, measure)


def handshakes_target(name, server, loops=4):
    """Full handshakes of TLS 1.3 by openssl s_time. One loop waits for the server meanwhile; several fill a core."""
    def measure(options):
        argv = ['openssl', 's_time', '-connect', f'127.0.0.1:{server.port}', '-new', '-tls1_3',
                '-time', str(options.seconds)]
        outputs, elapsed, load_busy, server_busy = run_pinned([argv] * loops, server)
        done = sum(int(first_match(r'(\d+) connections in \d+ real seconds', output, 'openssl s_time').group(1))
                   for output in outputs)
        return Sample(done / elapsed, load_busy=load_busy, server_busy=server_busy)

    return Target(name, measure)


class Series:
    """The samples of one target over the rounds."""

    def __init__(self, name):
        self.name = name
        self.samples = []

    def median(self, field='rate'):
        return statistics.median(getattr(sample, field) for sample in self.samples)

    def limited_by_load(self):
        """wrk used its core up and the server did not: then the rate says how fast wrk is."""
        return self.median('load_busy') > 0.95 and self.median('server_busy') < 0.95

    def problem(self):
        """None, or the first thing that went wrong, with how many rounds had something wrong."""
        bad = [sample.problems for sample in self.samples if sample.problems]
        return f'{self.name}: {"; ".join(bad[0])} ({len(bad)} of {len(self.samples)} rounds)' if bad else None


def measure_in_turn(targets, options):
    """Every target once in a round, the order reversed every other round, so that a slow minute of the machine hits all."""
    series = {target.name: Series(target.name) for target in targets}
    for number in range(options.rounds):
        for target in targets if number % 2 == 0 else targets[::-1]:
            sample = target.measure(options)
            series[target.name].samples.append(sample)
            note = f'   FAILED: {"; ".join(sample.problems)}' if sample.problems else ''
            print(f'  round {number + 1}  {target.name:46s} {sample.rate:11,.0f}/s   p50 {sample.p50_ms:8.2f} ms'
                  f'   p99 {sample.p99_ms:8.2f} ms   server {sample.server_busy:4.0%}, {sample.rate_per_core:9,.0f} per full core'
                  f'   load {sample.load_busy:4.0%}{note}',
                  flush=True)
    return series


def compare(ours, reference, per_core=False):
    """(field, ratio): the median over the rounds of the ratio within each round, and what was compared. Where wrk was the limit
    of either, the rates would only say that wrk is as fast as wrk; then both are taken per second of processor time."""
    field = 'rate_per_core' if per_core or ours.limited_by_load() or reference.limited_by_load() else 'rate'
    return field, statistics.median(getattr(a, field) / max(getattr(b, field), 1e-9)
                                    for a, b in zip(ours.samples, reference.samples))
