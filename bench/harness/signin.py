"""Rows about logins with an account at another provider: what they take beyond the provider's own time, and what slow ones leave to others."""
import json
import re
import socket
import statistics
import time
from functools import partial
from urllib.parse import parse_qs, urlsplit

from . import cardea
from .load import LOAD_CORE, Target, measure_in_turn
from .portal import CLIENT, CONFIG as PORTAL_CONFIG, PortalServer
from .processes import BenchError, free_port
from .revisions import count_instructions
from .rows import Row, judge, ratio_row
from .wire import ask, read_answer, request_bytes

LOGINS = 200         # of each kind, in each round
FEW, MANY = 10, 60   # logins: the difference of their instructions leaves out what the start costs
SLOW = 200           # logins that wait for the provider
AT_ONE_HOST = 16     # requests that Cardea sends to one host at a time, and the default of max_in_flight
HOSTS = -(-SLOW // AT_ONE_HOST)
PATIENCE = 8         # seconds for which they wait; at 10, Cardea gives up
AUTH = {'Host': 'auth.example.com', 'X-Forwarded-Host': 'auth.example.com', 'X-Forwarded-Proto': 'https', 'X-Forwarded-For': CLIENT}
LINKED = 20          # users with an account each: one of them alone would have as many sessions as logins
ENTRY = '''\
    - type: oauth2
      name: {name}
      client_id: bench
      client_secret: bench-secret
      authorization_endpoint: http://{host}:{port}/authorize
      token_endpoint: http://{host}:{port}/token
      userinfo_endpoint: http://{host}:{port}/user
      identity: {{ subject: id, login: login, email: email, email_verified: verified }}
      allow: {{ email_domains: [example.com] }}
      create: {create}
      groups: [staff]
'''


class Provider:
    """bench/micro/provider, on the load's core."""

    def __init__(self, shop, options, hosts=1):
        self.port = free_port()
        self.process = shop.start('provider', [cardea.binary(options, 'bench', 'micro', 'provider'), str(self.port), str(hosts)],
                                  core=LOAD_CORE)
        self.process.wait_until_ready(self.port, '/spent')

    def entry(self, name, create, host=1):
        return ENTRY.format(name=name, host=f'127.0.0.{host}', port=self.port, create='true' if create else 'false')

    def ask(self, path):
        return json.loads(ask(self.port, 'GET', path).body)

    def spent_ms(self):
        return self.ask('/spent')['spent_us'] / 1e3

    def waiting(self):
        return self.ask('/spent')['waiting']


def start_server(shop, options, entries):
    text = ''.join(entries).replace('{', '{{').replace('}', '}}')
    config = PORTAL_CONFIG + 'outgoing_threads: 256\noutgoing: {{ networks: [127.0.0.0/8] }}\nsignin:\n  providers:\n' + text
    return PortalServer(shop, options, config=config)


def begin(port, name, code):
    """The path and headers of the callback of a login that has begun, whose code is `code`."""
    answer = ask(port, 'GET', f'/_auth/signin/{name}', AUTH)
    cookies = re.findall(rb'(?im)^set-cookie:[ \t]*([^;\r]+)', answer.raw_headers)
    if answer.status != 302 or not cookies:
        raise BenchError(f'a login begins with {answer.status} {answer.body[:300]!r}')
    state = parse_qs(urlsplit(answer.header('Location')).query)['state'][0]
    return f'/_auth/signin/{name}/callback?code={code}&state={state}', {**AUTH, 'Cookie': b'; '.join(cookies).decode()}


# ---- what a login takes ----

def log_in(port, provider, name, code):
    """Milliseconds from the callback to its answer, less the provider's."""
    path, headers = begin(port, name, code)
    with socket.create_connection(('127.0.0.1', port), timeout=30) as connection:
        request = request_bytes(port, 'GET', path, headers)
        before, began = provider.spent_ms(), time.perf_counter()
        connection.sendall(request)
        answer = read_answer(connection)[0]
        elapsed = (time.perf_counter() - began) * 1e3
    if answer.status != 303 or 'cardea_session=' not in (answer.header('Set-Cookie') or '') + answer.raw_headers.decode('latin-1'):
        raise BenchError(f'a callback is answered {answer.status}, to {answer.header("Location")}')
    return elapsed - (provider.spent_ms() - before)


class Logins:
    """The two kinds: of an account that is linked, and the first one of an account each time, which makes a user."""
    WORKS = {'linked': 'a login with a linked account', 'made': 'the first login of an account, which makes a user (`create`)'}

    def __init__(self, shop, options):
        self.provider = Provider(shop, options)
        self.server = start_server(shop, options, [self.provider.entry('linked', False), self.provider.entry('made', True)])
        self.count = 0
        for number in range(LINKED):
            self.server.run_command('user', 'link', f'user{number:07}', '--provider', 'linked', '--subject', str(number + 1))

    def log_in(self, kind, port):
        self.count += 1
        return log_in(port, self.provider, kind, str(self.count % LINKED + 1 if kind == 'linked' else LINKED + self.count))

    def log_in_often(self, kind, count, process):
        for _ in range(count):
            self.log_in(kind, process.port)


def signin(shop, options):
    logins = Logins(shop, options)
    found = {kind: [] for kind in logins.WORKS}
    for kind in found:
        logins.log_in_often(kind, 20, logins.server)
    for number in range(options.rounds):
        for kind in found if number % 2 == 0 else list(found)[::-1]:
            times = [logins.log_in(kind, logins.server.port) for _ in range(LOGINS)]
            found[kind].append(statistics.median(times))
            print(f'  round {number + 1}  {kind:8s} least {min(times):6.3f} ms   median {found[kind][-1]:6.3f} ms   '
                  f'p99 {statistics.quantiles(times, n=100)[98]:6.3f} ms', flush=True)
    shop.stop(logins.server.process)
    rows = []
    for kind, work in logins.WORKS.items():
        middle = statistics.median(found[kind])
        most, least = (count_instructions(shop, logins.server.start, partial(logins.log_in_often, kind, count)) for count in (MANY, FEW))
        rows.append(Row(f'{work}: from the callback to its answer, beyond the provider\'s own time', f'{middle:.2f} ms', '', '', '2 ms',
                        '1 ms', judge(middle, 2, 1, higher_is_better=False)))
        rows.append(Row('instructions of such a login, its beginning included', f'{(most - least) / (MANY - FEW):,.0f}', '',
                        verdict='for information'))
    return rows


# ---- slow logins ----

class SlowLogins:
    """A context manager: while it is open, SLOW logins wait for the provider's answer."""

    def __init__(self, server, provider, names):
        self.server, self.provider, self.names = server, provider, names
        self.connections = []

    def __enter__(self):
        callbacks = [begin(self.server.port, self.names[number % len(self.names)], f'slow{number}') for number in range(SLOW)]
        self.began = time.monotonic()
        for path, headers in callbacks:
            self.connections.append(socket.create_connection(('127.0.0.1', self.server.port), timeout=30))
            self.connections[-1].sendall(request_bytes(self.server.port, 'GET', path, headers))
        while self.provider.waiting() < SLOW:
            if time.monotonic() > self.began + 5:
                raise BenchError(f'{self.provider.waiting()} of {SLOW} logins wait for the provider')
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        """The logins end as they should, so the next ones find an idle server."""
        self.provider.ask('/release')
        for connection in self.connections:
            read_answer(connection)
            connection.close()


def beside_slow_logins(quiet, server, provider, names):
    def measure(options):
        with SlowLogins(server, provider, names) as slow:
            sample = quiet.measure(options)
            if provider.waiting() < SLOW or time.monotonic() > slow.began + PATIENCE + 2:
                sample.problems.append(f'only {provider.waiting()} of {SLOW} logins waited until the end')
            return sample

    return Target(f'{SLOW} slow logins', measure)


def slow_logins(shop, options):
    if options.seconds + options.warmup > PATIENCE:
        raise BenchError(f'the slow logins wait for {PATIENCE} s: use less for --seconds and --warmup')
    provider = Provider(shop, options, HOSTS)
    names = [f'slow{number}' for number in range(1, HOSTS + 1)]
    server = start_server(shop, options, [provider.entry(name, True, number) for number, name in enumerate(names, 1)])
    quiet = server.check_target('no logins')
    busy = beside_slow_logins(quiet, server, provider, names)
    quiet.measure(options)  # the first measurement of a target warms up for longer
    series = measure_in_turn([quiet, busy], options)
    return [ratio_row(f'a check with a valid session while {SLOW} logins wait for their providers', series[busy.name], series[quiet.name],
                      0.95, 1.0, unit='', per_core=True)]


GROUPS = {'signin': signin, 'slow-logins': slow_logins}
