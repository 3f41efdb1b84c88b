"""Rows about the portal and the check that proxies ask: valid sessions, many of them, garbage, and the login page."""
import base64
import hashlib
import json
import re
import secrets
import socket
import sqlite3
import statistics
import subprocess
import threading
import time

from . import cardea, peers
from .load import SERVER_CORE, Series, Target, measure_in_turn, run_wrk, wrk_target
from .processes import BenchError, Chain, free_port
from .revisions import instructions_per_request
from .rows import Row, judge, nginx_answering, ratio_row
from .wire import ask, read_answer, request_bytes

COOKIE = '__Secure-cardea_session'
HOST = 'wiki.example.com'
CLIENT = '192.0.2.7'
CONFIG = cardea.COMMON + '''\
store: sqlite:cardea.db
master_key: ${{file:master.key}}
trusted_proxies: [127.0.0.1]
portal: {{ url: "https://auth.example.com/_auth", cookie_domain: example.com }}
access:
  - {{ host: wiki.example.com, allow: {{ groups: [staff] }} }}
'''
CHECKS = {
    '/_auth/check/nginx': {'Host': HOST, 'X-Original-URL': f'https://{HOST}/page', 'X-Original-Method': 'GET',
                           'X-Forwarded-For': CLIENT},
    '/_auth/check/forward': {'Host': HOST, 'X-Forwarded-Method': 'GET', 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': HOST,
                             'X-Forwarded-Uri': '/page', 'X-Forwarded-For': CLIENT},
}
NGINX_CHECK = '/_auth/check/nginx'
ID_BYTES = 32
SESSIONS = 1000
MANY_SESSIONS = 1_000_000
ASKED = 10_000  # of the many, while rates are measured: more would be read from the store again all the time, once a minute each
A_USER_HAS = 50  # sessions
FILL_SECONDS = 600  # at most
KEPT_CONNECTIONS = 32  # that what cardea proxy-config prints has nginx keep to Cardea
MANY_REQUESTS = 400  # on each connection, since the start of a server with a store varies by millions of instructions
PAGE_REQUESTS = 2000
STORED_PASSWORD = '$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE'  # of no password


class PortalServer:
    """A folder with its configuration, users and sessions, and a server on them. `config`: a template, `values` what it has of
    its own."""

    def __init__(self, shop, options, sessions=SESSIONS, config=CONFIG, **values):
        self.shop, self.options, self.sessions = shop, options, sessions
        self.template, self.values = config, values
        self.number = free_port()
        shop.write(f'portal-{self.number}/master.key', subprocess.run(
            ['openssl', 'rand', '-base64', '32'], capture_output=True, text=True, check=True).stdout)
        self.port = self.number
        self.config = self._write_config(self.port)
        self.program = cardea.binary(options, 'cardea')
        self.run_command('migrate')
        users = max(sessions // A_USER_HAS, 1)
        self.run_command('user', 'import', self._write_users(users), '--format', 'jsonl')
        self.cookies = self._start_sessions(users)
        self.process = self.start()

    def start(self, wrapper=()):
        """One more, on the same store; under `wrapper` it has a port of its own."""
        port = free_port() if wrapper else self.port
        config = self._write_config(port) if wrapper else self.config
        process = self.shop.start('cardea', [*wrapper, self.program, 'serve', '--config', config], core=SERVER_CORE)
        process.port = port
        return process.wait_until_ready(port, '/healthz')

    def _write_config(self, port):
        return self.shop.write(f'portal-{self.number}/cardea-{port}.yaml', self.template.format(
            port=port, threads=1, log='off', **self.values))

    def run_command(self, *arguments):
        done = subprocess.run([self.program, *arguments, '--config', self.config], capture_output=True, text=True)
        if done.returncode:
            raise BenchError(f'cardea {" ".join(arguments)}: {done.stderr or done.stdout}')
        return done.stdout

    def _write_users(self, count):
        return self.shop.write(f'portal-{self.number}/users.jsonl', ''.join(json.dumps({
            'name': f'user{number:07}', 'hash': STORED_PASSWORD, 'groups': ['staff', 'editors'],
            'email': f'user{number:07}@example.com', 'display_name': f'User Number {number}'}) + '\n' for number in range(count)))

    def _start_sessions(self, users):
        """As the login page does, but a million would take minutes: those beyond the first thousand are stored in one go."""
        started = self._run_sessions(users, min(self.sessions, SESSIONS))
        unstored = self._run_sessions(users, self.sessions - SESSIONS, 'unstored') if self.sessions > SESSIONS else []
        database = sqlite3.connect(self.shop.path(f'portal-{self.number}/cardea.db'))
        database.execute('PRAGMA cache_size = -1000000')  # KiB
        with database:
            columns = [column[1] for column in database.execute('PRAGMA table_info(sessions)')]
            first = dict(zip(columns, database.execute('SELECT * FROM sessions LIMIT 1').fetchone()))
            generations = dict(database.execute('SELECT name, generation FROM users'))
            database.executemany(f'INSERT INTO sessions VALUES ({", ".join("?" * len(columns))})',
                                 (tuple({**first, **row}.values()) for row in sorted(
                                     (of_cookie(f'user{number % users:07}', cookie, generations) for number, cookie in enumerate(unstored)),
                                     key=lambda row: row['digest'])))  # sorted, they are stored much faster
        database.close()
        return self.shop.write(f'portal-{self.number}/cookies', ''.join(cookie + '\n' for cookie in started + unstored))

    def _run_sessions(self, users, count, *words):
        program = cardea.binary(self.options, 'bench', 'micro', 'sessions')
        return subprocess.run([program, self.config, str(users), str(count), *words], capture_output=True, text=True,
                              check=True).stdout.split()

    def start_more_sessions(self, count):
        """The cookies of sessions that nobody has used yet."""
        return self._run_sessions(max(self.sessions // A_USER_HAS, 1), count)

    def cookie(self):
        with open(self.cookies, encoding='ascii') as file:
            return f'{COOKIE}={file.readline().strip()}'

    def proxy_config(self, *words):
        return self.run_command('proxy-config', 'nginx', '--cardea', f'http://127.0.0.1:{self.port}', *words)

    def first_check(self, path=NGINX_CHECK):
        """The answer to one check, looked at before anything is measured."""
        return cardea.expect(ask(self.port, 'GET', path, {**without_host(CHECKS[path]), 'Cookie': self.cookie()}), path,
                             lambda answer: answer.header('Remote-User') == 'user0000000')

    def check_target(self, name, path=NGINX_CHECK, count=None):
        return wrk_target(name, self.process, path, cookie_arguments(self.cookies, count or self.sessions, CHECKS[path]),
                          expected_length=self.first_check(path).length)


def of_cookie(user, cookie, generations):
    """What the store has of it (core/session.h), which does not depend on the others."""
    digest = hashlib.sha256(base64.urlsafe_b64decode(cookie)[:ID_BYTES]).digest()
    return {'digest': base64.urlsafe_b64encode(digest).rstrip(b'=').decode(), 'sid': secrets.token_urlsafe(16),
            'user_name': user, 'generation': generations[user]}


def cookie_arguments(path, count, headers, first=1, name=COOKIE):
    return ['cookies', name, path, str(first), str(count), *(word for pair in headers.items() for word in pair)]


def check(shop, options):
    server = PortalServer(shop, options)
    nginx = nginx_answering(shop, '')
    targets, rows = [], []
    for path, headers in CHECKS.items():
        targets.append(server.check_target(path, path))
        targets.append(wrk_target(f'nginx, {path}', nginx, path, cookie_arguments(server.cookies, SESSIONS, headers),
                                  expected_length=nginx.answer_length))
    series = measure_in_turn(targets, options)
    for path in CHECKS:
        reference = Series('nginx, return 200')
        reference.samples = series[f'nginx, {path}'].samples
        rows.append(ratio_row(f'`{path}` with a valid session', series[path], reference, 0.85, 1.0, unit='',
                              per_core=True))
    shop.stop(server.process)
    for path, headers in CHECKS.items():
        request = ('GET', path, {**without_host(headers), 'Cookie': server.cookie()}, '')
        found = instructions_per_request(shop, server.start, request, many=MANY_REQUESTS)
        rows.append(Row(f'instructions a request, `{path}`, `log: off`', f'{found:,.0f}', '', verdict='for information'))
    return rows


def without_host(headers):
    return {name: value for name, value in headers.items() if name != 'Host'}


CHECK_LOCATION = re.compile(r'(?ms)^location = /_cardea/check \{.*?^\}')


def with_check(include, directives):
    """The include file, with another check instead of ours."""
    text, count = CHECK_LOCATION.subn(lambda _: f'location = /_cardea/check {{ internal; auth_request off; {directives} }}', include)
    if count != 1:
        raise BenchError('what cardea proxy-config nginx --include prints has no location of the check')
    return text


def flask_cookie(shop, secret):
    from itsdangerous import URLSafeTimedSerializer  # a missing package fails this row alone
    value = URLSafeTimedSerializer(secret).dumps({'user': 'user0000000', 'groups': ['staff', 'editors']})
    return shop.write('flask-cookies', value + '\n')


def auth_request(shop, options):
    server = PortalServer(shop, options)
    site, include = server.proxy_config('--host', HOST), server.proxy_config('--include')
    hop = nginx_answering(shop, '')
    secret = secrets.token_hex(32)
    flask, flask_socket = peers.start_flask_check(shop, secret)
    its_include = with_check(include, f'include /etc/nginx/uwsgi_params; uwsgi_param REQUEST_METHOD GET; uwsgi_param PATH_INFO '
                                      f'/_auth/check/nginx; uwsgi_pass unix:{flask_socket};')
    hop_include = include.replace('http://cardea/_auth/check/nginx', 'http://hop/_auth/check/nginx')
    hop_site = f'upstream hop {{ server 127.0.0.1:{hop.port}; keepalive 32; }}\n' + site
    ways = {
        'cardea': (site, include, server.process, server.cookies, SESSIONS, COOKIE),
        'Flask behind uWSGI': (site, its_include, flask, flask_cookie(shop, secret), 1, 'session'),
        'nginx, return 200 in itself': (site, with_check(include, 'return 200;'), None, server.cookies, SESSIONS, COOKIE),
        'nginx, return 200 of another nginx': (hop_site, hop_include, hop, server.cookies, SESSIONS, COOKIE),
    }
    targets = [auth_target(shop, name, *way) for name, way in ways.items()]
    series = measure_in_turn(targets, options)
    ours = series['cardea']
    return [
        ratio_row('nginx `auth_request` → Cardea, against a Flask check', ours, series['Flask behind uWSGI'], 3, 4.5, per_core=True),
        ratio_row('the same against no check: `return 200` in nginx itself', ours, series['nginx, return 200 in itself'], 0.9, 1.0,
                  unit='', per_core=True),
        ratio_row('the same against a check that is `return 200` of another nginx', ours,
                  series['nginx, return 200 of another nginx'], unit='', per_core=True),
    ]


def auth_target(shop, name, site, include, checker, cookies, count, cookie_name):
    front = peers.start_site(shop, site, include)
    chain = Chain(*front.processes, *([checker] if checker else []))
    with open(cookies, encoding='ascii') as file:
        cookie = f'{cookie_name}={file.readline().strip()}'
    length = cardea.expect(ask(front.port, 'GET', '/page', {'Cookie': cookie}), name,
                           lambda answer: answer.body == b'hello').length
    return wrk_target(name, chain, '/page', cookie_arguments(cookies, count, {'Host': HOST}, name=cookie_name),
                      connections=KEPT_CONNECTIONS, expected_length=length)


# ---- many sessions ----

def fill_cache(server, path=NGINX_CHECK, headers=CHECKS[NGINX_CHECK]):
    """Every session is checked, so that the server has them all in its cache. Returns the bytes of memory for each."""
    before, began, first = server.process.memory()['RssAnon'], time.monotonic(), 1
    url = f'http://127.0.0.1:{server.port}{path}'
    while first <= server.sessions:
        if time.monotonic() - began > FILL_SECONDS:
            raise BenchError(f'{first - 1:,} of {server.sessions:,} sessions were in the cache after {FILL_SECONDS} s')
        count = server.sessions - first + 1
        sample = run_wrk(url, cookie_arguments(server.cookies, count, headers, first), seconds=10, connections=64)
        if sample.problems:
            raise BenchError(f'while the cache was filled: {sample.problems[0]}')
        first += int(sample.rate * 10) - 64
    return (server.process.memory()['RssAnon'] - before) * 1024 / server.sessions


class Garbage:
    """Requests whose cookie is none of ours. They are refused, which wrk counts as errors."""

    def __init__(self, shop, server, path=NGINX_CHECK, headers=CHECKS[NGINX_CHECK]):
        cookies = shop.write('garbage', ''.join(secrets.token_urlsafe(48) + '\n' for _ in range(1000)))
        self.url = f'http://127.0.0.1:{server.port}{path}'
        self.arguments = cookie_arguments(cookies, 1000, headers)

    def run(self, seconds, found):
        found.append(run_wrk(self.url, self.arguments, seconds=seconds, connections=64))


def beside_garbage(name, server, garbage, headers=CHECKS[NGINX_CHECK]):
    """Of all requests, of which about half are garbage: the two loads share a core, and run at once."""
    arguments = cookie_arguments(server.cookies, SESSIONS, headers)

    def measure(options):
        flood = []
        thread = threading.Thread(target=garbage.run, args=(options.seconds, flood))
        thread.start()
        sample = run_wrk(garbage.url, arguments, seconds=options.seconds, connections=64, server=server.process)
        thread.join()
        refused = sum(int(problem.split()[0]) for problem in flood[0].problems if 'not 2xx' in problem)
        if abs(refused / options.seconds - flood[0].rate) > flood[0].rate / 10:
            sample.problems.append(f'the garbage: {flood[0].problems}')
        sample.rate += flood[0].rate
        sample.load_busy += flood[0].load_busy
        return sample

    return Target(name, measure)


def sessions(shop, options):
    few, many = PortalServer(shop, options), PortalServer(shop, options, MANY_SESSIONS)
    print(f'  filling the cache with {MANY_SESSIONS:,} sessions', flush=True)
    each = fill_cache(many)
    series = measure_in_turn([
        few.check_target('1,000 sessions'),
        many.check_target('1,000,000 sessions', count=ASKED),
        many.check_target('1,000,000 sessions, all in turn'),
        beside_garbage('beside garbage', few, Garbage(shop, few)),
    ], options)
    few_series = series['1,000 sessions']
    return [
        ratio_row(f'a check with 1,000,000 sessions in the cache, of which {ASKED:,} ask in turn', series['1,000,000 sessions'],
                  few_series, 0.95, 1.0, unit='', per_core=True),
        ratio_row('the same where all 1,000,000 ask in turn, each of which is read again once a minute',
                  series['1,000,000 sessions, all in turn'], few_series, unit='', per_core=True),
        ratio_row('all checks, half of them with garbage for a cookie', series['beside garbage'], few_series, 0.9, 1.0, unit='',
                  per_core=True),
        Row('memory of the process for each session in the cache', f'{each:.0f} B', '', '', '300 B', '160 B',
            judge(each, 300, 160, higher_is_better=False)),
    ]


# ---- the login page ----

def login_page(shop, options):
    server = PortalServer(shop, options)
    path, headers = '/_auth/login', {'X-Forwarded-Host': 'auth.example.com', 'X-Forwarded-Proto': 'https', 'X-Forwarded-For': CLIENT}
    page = cardea.expect(ask(server.port, 'GET', path, headers), path, lambda answer: b'autocomplete="current-password"' in answer.body)
    style = re.search(rb'<link rel="stylesheet" href="([^"]+)"', page.body).group(1).decode()
    css = cardea.expect(ask(server.port, 'GET', style, headers), style, lambda answer: answer.body)
    size = (len(page.body) + len(css.body)) / 1024
    middle = statistics.median(first_byte_ms(server.port, path, headers) for _ in range(options.rounds))
    rate = measure_in_turn([wrk_target('login page', server.process, path, ['get'], expected_length=page.length)], options)
    return [
        Row(f'login page: from the request to the first byte, median of {PAGE_REQUESTS}', f'{middle:.2f} ms', '', '', '1 ms', '0.3 ms',
            judge(middle, 1, 0.3, higher_is_better=False)),
        Row(f'login page: HTML and CSS ({len(page.body)} + {len(css.body)} bytes, not compressed)', f'{size:.1f} KB', '', '', '15 KB',
            '8 KB', judge(size, 15, 8, higher_is_better=False)),
        Row('login pages, 64 connections', f'{rate["login page"].median():,.0f}/s', '', verdict='for information'),
    ]


def first_byte_ms(port, path, headers):
    """Of one request after the other on one connection, the client's own work included."""
    request, times = request_bytes(port, 'GET', path, headers), []
    with socket.create_connection(('127.0.0.1', port), timeout=10) as connection:
        for _ in range(PAGE_REQUESTS):
            began = time.perf_counter()
            connection.sendall(request)
            start = connection.recv(1)
            times.append(time.perf_counter() - began)
            read_answer(connection, start)
    return statistics.median(times) * 1e3


GROUPS = {'check': check, 'auth-request': auth_request, 'sessions': sessions, 'login-page': login_page}
