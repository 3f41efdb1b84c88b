"""The gate against other proxies that check who asks: each in front of the same application, by the processor time of all its processes."""
import os
import re
import secrets
import subprocess
import time
from urllib.parse import parse_qs, urlsplit

from . import cardea, peers
from .gate import PROXY, SMALL, start_application, start_gate, start_proxy
from .gate import HOST as GATE_HOST
from .load import SERVER_CORE, measure_in_turn, wrk_target
from .portal import HOST, SESSIONS, cookie_arguments, flask_cookie
from .processes import BenchError, Chain, free_port
from .rows import ratio_row
from .wire import ask

CONNECTIONS = 32
LIFETIME = 24 * 3600  # seconds
MODULES = '/usr/lib/apache2/modules'
AUTH_REQUEST = (
    'auth_request /check; auth_request_set $user $upstream_http_remote_user; auth_request_set $groups $upstream_http_remote_groups; '
    'proxy_set_header Remote-User $user; proxy_set_header Remote-Groups $groups; '
    'location = /check {{ internal; auth_request off; include /etc/nginx/uwsgi_params; uwsgi_param REQUEST_METHOD GET; '
    'uwsgi_param PATH_INFO /_auth/check/nginx; uwsgi_pass_request_body off; uwsgi_pass unix:{socket}; }} ')


def target(name, process, script_arguments, headers, is_passed):
    """`headers`: what lets a request in. `is_passed`: whether it reaches the application, which the rows say."""
    answer = ask(process.port, 'GET', '/small', headers)
    length = cardea.expect(answer, name, lambda answer: answer.body == b'x' * SMALL).length
    refused = ask(process.port, 'GET', '/small', {'Host': headers['Host']})
    if refused.status == 200:
        raise BenchError(f'{name} lets anybody in')
    secret = headers.get('Cookie') or headers['Authorization']
    if (secret.encode() in ask(process.port, 'GET', '/seen', headers).body) != is_passed:
        raise BenchError(f'{name}: what lets a request in does not reach the application, or does, other than the row says')
    return wrk_target(name, process, '/small', script_arguments, connections=CONNECTIONS, expected_length=length)


def one_cookie(shop, name, value):
    return shop.write(f'cookie-{name}', value + '\n')


def nginx_and_flask(shop, application, secret):
    flask, path = peers.start_flask_check(shop, secret)
    return Chain(start_proxy(shop, application, AUTH_REQUEST.format(socket=path) + PROXY), flask)


def uwsgi_router(shop, application, secret):
    port = free_port()
    config = shop.write('router.ini', peers.filled('uwsgi/router.ini.in', PORT=port, APPLICATION=application.port))
    process = shop.start('uwsgi-router', [peers.need('uwsgi', 'uwsgi-core uwsgi-plugin-python3'), '--ini', config], core=SERVER_CORE,
                         environment={'SECRET': secret, 'PYTHONDONTWRITEBYTECODE': '1'}, folder=os.path.join(peers.PEERS, 'uwsgi'))
    process.port = port
    return process.wait_until_ready(port, '/')


# ---- Apache ----

def apache(shop, application):
    """mod_auth_openidc. The process, and the cookie of a login."""
    if not os.path.exists(f'{MODULES}/mod_auth_openidc.so'):
        raise BenchError('mod_auth_openidc is missing: apt-get install --no-install-recommends libapache2-mod-auth-openidc')
    port, provider_port, secret = free_port(), free_port(), secrets.token_hex(16)
    issuer = f'http://127.0.0.1:{provider_port}'
    provider = shop.start('openid-provider', ['/usr/bin/python3', os.path.join(peers.PEERS, 'openid', 'provider.py'), str(provider_port),
                                              issuer, 'bench', secret, *cardea.certificate_and_key(shop)])
    peers.wait_for_port(provider, provider_port)
    user = 'User www-data\nGroup www-data' if os.geteuid() == 0 else ''  # Apache refuses to stay root
    text = peers.filled('apache/openidc.conf.in', DIR=shop.folder, HOST=HOST, PORT=port, USER=user, MODULES=MODULES,
                        APPLICATION=application.port, PROVIDER=provider_port, SECRET=secret)
    config = shop.write('apache.conf', text)
    process = shop.start('apache', [peers.need('apache2', 'apache2-bin'), '-DFOREGROUND', '-f', config], core=SERVER_CORE)
    process.port = port
    process.wait_until_ready(port, '/')
    cookie = log_in_to_apache(port)
    shop.stop(provider)
    return process, cookie


def log_in_to_apache(port):
    """As a browser does that the provider sends back at once."""
    page = {'Host': HOST, 'Accept': 'text/html'}
    sent = ask(port, 'GET', '/small', page)
    query = parse_qs(urlsplit(sent.header('Location') or '').query)
    if sent.status != 302 or 'nonce' not in query:
        raise BenchError(f'mod_auth_openidc does not begin a login: {sent.status} {sent.body[:300]!r}')
    back = ask(port, 'GET', f'/callback?code={query["nonce"][0]}&state={query["state"][0]}', {**page, 'Cookie': first_cookie(sent)})
    found = re.search(rb'(?im)^set-cookie:[ \t]*mod_auth_openidc_session=([^;\r]+)', back.raw_headers)
    if not found:
        raise BenchError(f'mod_auth_openidc starts no session: {back.status} {back.raw_headers!r}')
    return found.group(1).decode()


def first_cookie(answer):
    return (answer.header('Set-Cookie') or '').partition(';')[0]


# ---- HAProxy and Caddy ----

def haproxy(shop, application):
    """The process, and a token that it lets in."""
    import jwt  # a missing package fails this group alone
    key = cardea.signing_key(shop)
    public = shop.write('public.pem', subprocess.run(['openssl', 'pkey', '-in', key, '-pubout'], capture_output=True, text=True,
                                                     check=True).stdout)
    port, now = free_port(), int(time.time())
    config = shop.write('haproxy.cfg', peers.filled('haproxy/jwt.cfg.in', PORT=port, KEY=public, APPLICATION=application.port))
    process = shop.start('haproxy', [peers.need('haproxy', 'haproxy'), '-db', '-f', config], core=SERVER_CORE)
    process.port = port
    with open(key, encoding='ascii') as file:
        token = jwt.encode({'iss': 'http://localhost:5001', 'sub': 'user0000000', 'aud': HOST, 'groups': ['staff', 'editors'],
                            'iat': now, 'exp': now + LIFETIME}, file.read(), algorithm='ES256')
    return process.wait_until_ready(port, '/'), token


def caddy(shop, server, application):
    port = free_port()
    folder = shop.path('caddy')
    config = shop.write('caddy/Caddyfile', peers.filled('caddy/Caddyfile.in', DIR=folder, PORT=port, CARDEA=server.port,
                                                        APPLICATION=application.port))
    process = shop.start('caddy', [peers.need('caddy', 'caddy'), 'run', '--config', config, '--adapter', 'caddyfile'], core=SERVER_CORE)
    process.port = port
    return Chain(process.wait_until_ready(port, '/'), server.process)


# ---- the rows ----

def gate_peers(shop, options):
    application, secret = start_application(shop), secrets.token_hex(32)
    server = start_gate(shop, options, application)
    signed = flask_cookie(shop, secret)
    with open(signed, encoding='ascii') as file:
        signed_header = f'session={file.read().strip()}'
    openidc, openidc_cookie = apache(shop, application)
    verifying, token = haproxy(shop, application)

    def cookie_target(name, process, file, header, is_passed):
        arguments = cookie_arguments(file, 1, {'Host': HOST}, name=header.partition('=')[0])
        return target(name, process, arguments, {'Host': HOST, 'Cookie': header}, is_passed)

    series = measure_in_turn([
        target('cardea', server.process, cookie_arguments(server.cookies, SESSIONS, {'Host': GATE_HOST}),
               {'Host': GATE_HOST, 'Cookie': server.cookie()}, False),
        cookie_target('flask', nginx_and_flask(shop, application, secret), signed, signed_header, True),
        cookie_target('uwsgi', uwsgi_router(shop, application, secret), signed, signed_header, True),
        cookie_target('apache', openidc, one_cookie(shop, 'openidc', openidc_cookie), f'mod_auth_openidc_session={openidc_cookie}', True),
        target('haproxy', verifying, ['get', f'Bearer {token}'],
               {'Host': f'127.0.0.1:{verifying.port}', 'Authorization': f'Bearer {token}'}, True),
        target('caddy', caddy(shop, server, application), cookie_arguments(server.cookies, SESSIONS, {'Host': HOST}),
               {'Host': HOST, 'Cookie': server.cookie()}, True),
    ], options)
    return [peer_row(series, *row) for row in PEERS]


PEERS = (
    ('flask', 'nginx `auth_request` → Flask', 'ends after 24 h, its cookie goes to the application', 4, 8),
    ('uwsgi', "uWSGI's router with a check by RPC", 'ends after 24 h, its cookie goes to the application', 4, 8),
    ('apache', 'Apache mod_auth_openidc', 'ends at the logout there, its cookie goes to the application', 2, 4),
    ('haproxy', 'HAProxy `jwt_verify` ES256', 'a token ends when it expires, and goes to the application', 1, 2),
    ('caddy', 'Caddy `forward_auth` → Cardea', 'ends at once, its cookie goes to the application', 2, 4),
)


def peer_row(series, key, name, facts, must, aim):
    series[key].name = f'{name} ({facts})'
    work = 'the gate (a session ends at once, its cookie stays here)'
    return ratio_row(f'{work}, against {name}', series['cardea'], series[key], must, aim, per_core=True)


GROUPS = {'gate-peers': gate_peers}
