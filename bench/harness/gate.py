"""Rows about the gate: what it passes on to an application, against nginx that passes on the same without asking who it is."""
import os

from . import cardea, peers
from .load import LOAD_CORE, Target, h2load_target, measure_in_turn, run_wrk, wrk_target
from .portal import ASKED, CONFIG as CHECK_CONFIG, MANY_SESSIONS, SESSIONS, Garbage, PortalServer, beside_garbage, cookie_arguments, fill_cache
from .protocols import HTTP2_CONNECTIONS, HTTP2_STREAMS
from .revisions import instructions_per_request
from .rows import Row, ratio_row
from .wire import ask

HOST, UWSGI_HOST, CHAT_HOST = 'app.example.com', 'uwsgi.example.com', 'chat.example.com'
ROUTES = '''\
gate:
  routes:
    - {{ host: app.example.com, upstream: "http://127.0.0.1:{application}", allow: {{ groups: [staff] }} }}
    - {{ host: uwsgi.example.com, upstream: "uwsgi://127.0.0.1:{uwsgi}", allow: {{ groups: [staff] }} }}
    - {{ host: chat.example.com, upstream: "http://127.0.0.1:{chat}", allow: {{ groups: [staff] }}, web_sockets: 0 }}
'''
CONFIG = CHECK_CONFIG + ROUTES
TLS_CONFIG = CONFIG + 'tls: {{ certificate: {certificate}, key: {key} }}\n'
FIRST_REQUESTS_OF = 50_000  # requests made ready for each second
NOTHING = 9  # the port of an upstream that no request asks for

SMALL, LARGE = 200, 65536
ANSWERS = {'/small': SMALL, '/large': LARGE, '/chunked': SMALL}
PROXY = 'proxy_pass http://application; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffers 16 16k; proxy_busy_buffers_size 64k;'
UWSGI_PROXY = 'include /etc/nginx/uwsgi_params; uwsgi_pass 127.0.0.1:{port};'
OURS = 'a session is checked, ends at once, and its cookie stays here'
UNCHECKED = 'nobody is asked, and the cookie goes to the application'


def start_application(shop):
    """nginx on the load's core, with answers that cost it as little as possible."""
    for name, size in (('large', LARGE), ('chunked', SMALL)):
        os.chmod(shop.write(f'answers/{name}', 'x' * size), 0o644)
    for folder in (shop.folder, shop.path('answers')):  # nginx's worker is not root
        os.chmod(folder, 0o711)
    return peers.start_nginx(
        shop, f"root {shop.path('answers')}; sendfile on; tcp_nopush on; open_file_cache max=10 inactive=1h; open_file_cache_valid 1h; "
        f"location = /small {{ return 200 '{'x' * SMALL}'; }} location = /chunked {{ ssi on; ssi_types *; }} "
        f'location = /seen {{ return 200 "$http_cookie $http_authorization"; }} location = / {{ return 200; }}', core=LOAD_CORE)


def start_proxy(shop, application, directives=PROXY, **settings):
    return peers.start_nginx(shop, directives, **settings, upstream=f'upstream application {{ server 127.0.0.1:{application.port}; '
                             'keepalive 128; keepalive_requests 1000000000; }')


def start_gate(shop, options, application, *, sessions=SESSIONS, config=CONFIG, uwsgi=NOTHING, chat=NOTHING, **values):
    return PortalServer(shop, options, sessions, config, application=application.port if application else NOTHING, uwsgi=uwsgi,
                        chat=chat, **values)


def first_answer(port, path, cookie, expected, host=HOST, tls=False):
    return cardea.expect(ask(port, 'GET', path, {'Host': host, 'Cookie': cookie}, tls=tls), path,
                         lambda answer: answer.body == b'x' * expected)


def proxied_target(name, process, server, path, *, host=HOST, size=SMALL, cookies=None, count=SESSIONS):
    length = first_answer(process.port, path, server.cookie(), size, host).length
    return wrk_target(name, process, path, cookie_arguments(cookies or server.cookies, count, {'Host': host}), expected_length=length)


# ---- plain, chunked, HTTP/2, uwsgi ----

def gate(shop, options):
    rows = measure_answers(shop, options)
    rows += measure_http2(shop, options)
    rows += measure_uwsgi(shop, options)
    return rows


def of_nginx(series, directive):
    series.name = f'nginx `{directive}`, {UNCHECKED}'
    return series


def measure_answers(shop, options):
    application = start_application(shop)
    server = start_gate(shop, options, application)
    nginx = start_proxy(shop, application)
    targets = [proxied_target(f'{name}, {path}', process, server, path, size=size) for path, size in ANSWERS.items()
               for name, process in (('cardea', server.process), ('nginx', nginx))]
    series = measure_in_turn(targets, options)
    works = {'/small': (f'proxied GET of 200 bytes: {OURS}', 1.15), '/large': ('the same with 64 KB', 1.25),
             '/chunked': ('the same with 200 bytes in chunks', 1.25)}
    rows = [ratio_row(work, series[f'cardea, {path}'], of_nginx(series[f'nginx, {path}'], 'proxy_pass'), 1.0, aim, unit='', per_core=True)
            for path, (work, aim) in works.items()]
    shop.stop(server.process)
    request = ('GET', '/small', {'Host': HOST, 'Cookie': server.cookie()}, '')
    found = instructions_per_request(shop, server.start, request, many=200)
    return rows + [Row('instructions a proxied GET of 200 bytes, `log: off`', f'{found:,.0f}', '', verdict='for information')]


def measure_http2(shop, options):
    application = start_application(shop)
    certificate, key = cardea.certificate_and_key(shop)
    server = start_gate(shop, options, application, config=TLS_CONFIG, certificate=certificate, key=key)
    nginx = start_proxy(shop, application, **peers.over_tls(shop))
    headers = {'Cookie': server.cookie()}
    for process in (server.process, nginx):
        first_answer(process.port, '/small', server.cookie(), SMALL, tls=True)
    series = measure_in_turn([
        h2load_target(name, process, '/small', connections=HTTP2_CONNECTIONS, streams=HTTP2_STREAMS, body_length=SMALL, host=HOST,
                      headers=headers)
        for name, process in (('cardea', server.process), ('nginx', nginx))], options)
    return [ratio_row(f'proxied GET of 200 bytes over TLS and HTTP/2, {HTTP2_CONNECTIONS} connections of {HTTP2_STREAMS} streams: {OURS}',
                      series['cardea'], of_nginx(series['nginx'], 'proxy_pass'), 1.0, 1.2, unit='', per_core=True)]


def measure_uwsgi(shop, options):
    application, port = peers.start_uwsgi_application(shop)
    server = start_gate(shop, options, None, uwsgi=port)
    nginx = peers.start_nginx(shop, UWSGI_PROXY.format(port=port))
    series = measure_in_turn([proxied_target(name, process, server, '/small', host=UWSGI_HOST)
                              for name, process in (('cardea', server.process), ('nginx', nginx))], options)
    shop.stop(application)
    return [ratio_row(f'proxied GET to a minimal application behind uWSGI, by its own protocol: {OURS}', series['cardea'],
                      of_nginx(series['nginx'], 'uwsgi_pass'), 1.0, 1.05, unit='', per_core=True)]


# ---- many sessions ----

def write_first_requests(server, count):
    """A file of cookies, of which every hundredth is of a session that nobody has used yet."""
    with open(server.cookies, encoding='ascii') as file:
        known = file.read().split()[:SESSIONS]
    fresh = server.start_more_sessions(count // 100)
    return server.shop.write('mixed-cookies', ''.join(
        (fresh[number // 100] if number % 100 == 99 else known[number % SESSIONS]) + '\n' for number in range(count)))


def with_first_requests(name, server):
    length = first_answer(server.port, '/small', server.cookie(), SMALL).length
    url = f'http://127.0.0.1:{server.port}/small'

    def measure(options):
        count = FIRST_REQUESTS_OF * options.seconds
        path = write_first_requests(server, count)
        run_wrk(url, cookie_arguments(server.cookies, SESSIONS, {'Host': HOST}), seconds=options.warmup, connections=64)
        sample = run_wrk(url, cookie_arguments(path, count, {'Host': HOST}), seconds=options.seconds, connections=64,
                         server=server.process, expected_length=length)
        if sample.rate * options.seconds > count:
            sample.problems.append(f'it was faster than the {FIRST_REQUESTS_OF:,} requests made ready for each second')
        return sample

    return Target(name, measure)


def gate_sessions(shop, options):
    application = start_application(shop)
    few, many = start_gate(shop, options, application), start_gate(shop, options, application, sessions=MANY_SESSIONS)
    print(f'  filling the cache with {MANY_SESSIONS:,} sessions', flush=True)
    fill_cache(many, '/small', {'Host': HOST})
    series = measure_in_turn([
        proxied_target('1,000 sessions', few.process, few, '/small'),
        proxied_target('in turn', many.process, many, '/small', count=MANY_SESSIONS),
        proxied_target('some in turn', many.process, many, '/small', count=ASKED),
        with_first_requests('first requests', few),
        beside_garbage('beside garbage', few, Garbage(shop, few, '/small', {'Host': HOST}), {'Host': HOST}),
    ], options)
    works = {
        'in turn': f'proxied GET, {MANY_SESSIONS:,} sessions in turn, each of which is read again once a minute: {OURS}',
        'some in turn': f'the same where {ASKED:,} of the {MANY_SESSIONS:,} ask in turn',
        'first requests': 'the same with 1,000 sessions, and one request in a hundred is the first of a new session',
        'beside garbage': 'all requests, half of them with garbage for a cookie',
    }
    return [ratio_row(work, series[name], series['1,000 sessions'], 0.9, 1.0, unit='', per_core=True) for name, work in works.items()]


GROUPS = {'gate': gate, 'gate-sessions': gate_sessions}
