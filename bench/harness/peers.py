"""The other side: nginx, Glewlwyd, oidc-provider, and three services in Flask behind uWSGI."""
import gzip
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import time

from .cardea import certificate_and_key, signing_key
from .load import LOAD_CORE, SERVER_CORE
from .processes import BenchError, Chain, free_port
from .wire import ask, basic, form

PEERS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'peers')
CLIENT = basic('c1', 'secret12')


def need(program, package):
    path = shutil.which(program, path='/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin')
    if not path:
        raise BenchError(f'{program} is missing: apt-get install --no-install-recommends {package}')
    return path


def filled(template, **values):
    """The text of a template in bench/peers with @NAME@ replaced."""
    with open(os.path.join(PEERS, template), encoding='utf-8') as file:
        text = file.read()
    for name, value in values.items():
        text = text.replace(f'@{name}@', str(value))
    return text


def npm(*arguments, folder):
    if not shutil.which('npm'):
        raise BenchError('npm is missing: apt-get install --no-install-recommends npm')
    subprocess.run(['npm', *arguments, '--no-audit', '--no-fund'], cwd=folder, check=True)


def start_nginx(shop, answer, content_type='text/plain', *, listen='', tls='', upstream='', core=SERVER_CORE):
    """`answer`: the directives of its one location. The other texts go where the template says."""
    port = free_port()
    folder = shop.path(f'nginx-{port}')
    text = filled('nginx/nginx.conf.in', DIR=folder, PORT=port, TYPE=content_type, ANSWER=answer, LISTEN=listen,
                  TLS=tls, UPSTREAM=upstream)
    config = shop.write(f'nginx-{port}/nginx.conf', text)
    process = shop.start('nginx', [need('nginx', 'nginx-light'), '-e', f'{folder}/error.log', '-c', config], core=core)
    process.port = port
    return process.wait_until_ready(port, '/')


def return_200(body):
    if '$' in body:
        raise BenchError('nginx would take the $ in the body for a variable')
    quoted = body.replace('\\', '\\\\').replace("'", "\\'")
    return f"return 200 '{quoted}';"


def over_tls(shop):
    """What start_nginx takes for HTTP/2 and HTTP/1.1 over TLS 1.3 with the certificate that ours has."""
    certificate, key = certificate_and_key(shop)
    return {'listen': 'ssl http2',
            'tls': f'ssl_protocols TLSv1.3; ssl_certificate {certificate}; ssl_certificate_key {key};'}


def start_proxy_nginx(shop, port):
    """Passes requests on to `port` over connections that stay, and bodies as they come. With the 16k that nginx has for
    bodies by default it needs twice the processor time."""
    return start_nginx(
        shop, 'proxy_pass http://sink; proxy_http_version 1.1; proxy_set_header Connection ""; '
        'proxy_request_buffering off; client_max_body_size 0; client_body_buffer_size 128k;',
        upstream=f'upstream sink {{ server 127.0.0.1:{port}; keepalive 64; keepalive_requests 1000000000; }}')


def start_site(shop, site, include):
    """nginx in front of an application that answers at once, with a site of `cardea proxy-config nginx` and its include."""
    application = start_nginx(shop, return_200('hello'))
    port = free_port()
    folder = shop.path(f'site-{port}')
    include_path = shop.write(f'site-{port}/include.conf', include)
    for wrong, right in ((r'listen 443 ssl;', f'listen 127.0.0.1:{port};'), (r' *ssl_certificate.*\n', ''),
                         (r'include \S+;', f'include {include_path};'),
                         (r'http://127.0.0.1:3000', 'http://application')):
        site, count = re.subn(wrong, right, site)
        if not count:
            raise BenchError(f'{wrong} is not in what cardea proxy-config prints')
    text = filled('nginx/site.conf.in', DIR=folder, APPLICATION=application.port, SITE=site)
    config = shop.write(f'site-{port}/nginx.conf', text)
    process = shop.start('nginx', [need('nginx', 'nginx-light'), '-e', f'{folder}/error.log', '-c', config], core=SERVER_CORE)
    process.port = port
    return Chain(process.wait_until_ready(port, '/'), application)


def start_flask_check(shop, secret):
    """The check that many write by hand. nginx speaks uWSGI's own protocol with it, the fastest; on the servers' core."""
    path = shop.path('flask.socket')
    argv = [need('uwsgi', 'uwsgi-core uwsgi-plugin-python3'), '--plugins', 'python3', '--socket', path, '--master', '--need-app',
            '--disable-logging', '--die-on-term', '--listen', '1024', '--chmod-socket=666', '--processes', '2',
            '--wsgi-file', 'check.py']
    environment = {'SECRET': secret, 'PYTHONDONTWRITEBYTECODE': '1'}
    process = shop.start('uwsgi-check', argv, core=SERVER_CORE, environment=environment, folder=os.path.join(PEERS, 'flask'))
    os.chmod(shop.folder, 0o711)  # nginx's worker is not root
    return process, path


def start_uwsgi_application(shop):
    """A WSGI application on the load's core that answers at once. The process, and the port of uWSGI's own protocol."""
    port = free_port()
    argv = [need('uwsgi', 'uwsgi-core uwsgi-plugin-python3'), '--plugins', 'python3', '--socket', f'127.0.0.1:{port}', '--need-app',
            '--disable-logging', '--die-on-term', '--listen', '1024', '--buffer-size', '65535', '--wsgi-file', 'answer.py']
    process = shop.start('uwsgi-answer', argv, core=LOAD_CORE, environment={'PYTHONDONTWRITEBYTECODE': '1'},
                         folder=os.path.join(PEERS, 'uwsgi'))
    wait_for_port(process, port)
    return process, port


def wait_for_port(process, port, seconds=20):
    """Of a server that does not speak HTTP there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.popen.poll() is None:
        try:
            socket.create_connection(('127.0.0.1', port)).close()
            return
        except OSError:
            time.sleep(0.02)
    raise BenchError(f'{process.name} does not listen on port {port}:\n{process.log_tail()}')


class Glewlwyd:
    """Glewlwyd 2.7.5 with SQLite in write-ahead mode on a memory file system, its fastest setting; one OIDC plugin with ES256."""

    TOKEN_PATH = '/api/es256/token'
    TOKEN_BODY = form(grant_type='client_credentials', scope='scope1')
    SCHEMA = '/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3'

    def __init__(self, shop, core=SERVER_CORE):
        program = need('glewlwyd', 'glewlwyd')
        self.port = free_port()
        self.folder = shop.path('glewlwyd')
        os.mkdir(self.folder)
        self._make_database()
        config = shop.write('glewlwyd/glewlwyd.conf', filled('glewlwyd/glewlwyd.conf.in', DIR=self.folder, PORT=self.port))
        self.process = shop.start('glewlwyd', [program, f'--config-file={config}'], core=core)
        self.process.port = self.port
        self.process.wait_until_ready(self.port, '/api/')
        self._configure()

    def _make_database(self):
        opener = open if os.path.exists(self.SCHEMA) else gzip.open
        with opener(self.SCHEMA if opener is open else self.SCHEMA + '.gz', 'rt', encoding='utf-8') as schema:
            database = sqlite3.connect(f'{self.folder}/glewlwyd.db')
            database.executescript(schema.read())
        database.execute('pragma journal_mode = wal')
        database.close()

    def _configure(self):
        cookie = {}

        def api(path, **document):
            headers = {'Content-Type': 'application/json', **cookie}
            answer = ask(self.port, 'POST', f'/api/{path}', headers, json.dumps(document))
            if answer.status != 200:
                raise BenchError(f'glewlwyd answers {answer.status} to {path}: {answer.body!r}')
            session = answer.header('Set-Cookie')
            if session:
                cookie['Cookie'] = session.split(';')[0]

        api('auth/', username='admin', password='password')
        private, public = self._key_pair()
        api('mod/plugin/', module='oidc', name='es256', display_name='es256', order_rank=0, readonly=False,
            parameters={**self._plugin(), 'key': private, 'cert': public})
        api('scope', name='scope1', display_name='s', description='s', password_required=False, scheme={})
        api('client/', client_id='c1', name='c1', description='c', confidential=True, password='secret12',
            client_secret='secret12', enabled=True, redirect_uri=['http://localhost/cb'],
            authorization_type=['client_credentials'], token_endpoint_auth_method=['client_secret_basic'], scope=['scope1'])

    @staticmethod
    def _key_pair():
        private = subprocess.run(['openssl', 'ecparam', '-genkey', '-name', 'prime256v1', '-noout'], capture_output=True,
                                 text=True, check=True).stdout
        public = subprocess.run(['openssl', 'ec', '-pubout'], input=private, capture_output=True, text=True,
                                check=True).stdout
        return private, public

    def _plugin(self):
        switches = {f'auth-type-{kind}-enabled': kind == 'client' for kind in
                    ('code', 'token', 'id-token', 'password', 'client', 'refresh', 'none', 'device', 'implicit')}
        return {'iss': f'http://localhost:{self.port}', 'jwt-type': 'ecdsa', 'jwt-key-size': '256',
                'access-token-duration': 3600, 'refresh-token-duration': 1209600, 'code-duration': 600,
                'refresh-token-rolling': False, 'allow-non-oidc': True, **switches, 'subject-type': 'public',
                'jwks-show': True, 'introspection-revocation-allowed': True,
                'introspection-revocation-allow-target-client': True, 'introspection-revocation-auth-scope': [],
                'scope': [], 'additional-parameters': [], 'claims': [], 'request-parameter-allow': False,
                'secret-type': 'pairwise'}


class OidcProvider:
    """npm oidc-provider with its memory adapter, one Node process. Installed beside its server.mjs when missing."""

    TOKEN_PATH = '/token'
    JWT_BODY = form(grant_type='client_credentials', scope='scope1', resource='urn:x:es256')
    OPAQUE_BODY = form(grant_type='client_credentials', scope='scope1')
    INTROSPECTION_PATH = '/token/introspection'
    FOLDER = os.path.join(PEERS, 'oidc-provider')
    NODE_FOLDER = os.path.join(PEERS, 'node')
    OLDEST_NODE = 20

    def __init__(self, shop, core=SERVER_CORE):
        node = self.node()
        if not os.path.isdir(os.path.join(self.FOLDER, 'node_modules', 'oidc-provider')):
            npm('ci', '--omit=dev', folder=self.FOLDER)
        self.port = free_port()
        self.process = shop.start('oidc-provider', [node, os.path.join(self.FOLDER, 'server.mjs')], core=core,
                                  environment={'PORT': str(self.port), 'NODE_ENV': 'production'})
        self.process.port = self.port
        self.process.wait_until_ready(self.port, '/.well-known/openid-configuration')

    @classmethod
    def node(cls):
        """$NODE, or the system's, or, where that is missing or too old (Debian 12 has 18), one that npm puts into NODE_FOLDER."""
        own = os.path.join(cls.NODE_FOLDER, 'node_modules', '.bin', 'node')
        for path in (os.environ.get('NODE'), shutil.which('node'), own):
            if path and os.path.exists(path) and cls._major(path) >= cls.OLDEST_NODE:
                return path
        os.makedirs(cls.NODE_FOLDER, exist_ok=True)
        npm('install', '--prefix', cls.NODE_FOLDER, '--no-save', 'node@22', folder=cls.NODE_FOLDER)
        return own

    @staticmethod
    def _major(path):
        version = subprocess.run([path, '--version'], capture_output=True, text=True, check=True).stdout
        return int(version.lstrip('v').split('.')[0])


def uwsgi(front, processes, threads):
    return {'front': front, 'processes': processes, 'threads': threads}


# Ways to run the three services (authorization server, resource server, web application), for bench/run --tune.
# "router": uWSGI's HTTP router with keep-alive in front of the workers. "http11-socket": the workers keep the connection, so
# there must be as many of them as the callers have connections. (A connection for each request, "http-socket", gave errors.)
FLASK_SERVICES = ('authorization_server', 'resource_server', 'web_application')
FLASK_VARIANTS = {
    'router, 2 processes each': [uwsgi('router', 2, 1)] * 3,
    'router, 2 processes of 4 threads each': [uwsgi('router', 2, 4)] * 3,
    'http11-socket, 1 process of 8 threads each, web router 2 of 4':
        [uwsgi('http11-socket', 1, 16), uwsgi('http11-socket', 1, 8), uwsgi('router', 2, 4)],
    'http11-socket, 2 processes of 8 threads each, web router 2 of 4':
        [uwsgi('http11-socket', 2, 8), uwsgi('http11-socket', 2, 8), uwsgi('router', 2, 4)],
    'http11-socket, 2 processes of 4 threads each, web router 2 of 2':
        [uwsgi('http11-socket', 2, 4), uwsgi('http11-socket', 2, 4), uwsgi('router', 2, 2)],
    'http11-socket, 8 and 4 processes, web router 4':
        [uwsgi('http11-socket', 8, 1), uwsgi('http11-socket', 4, 1), uwsgi('router', 4, 1)],
    'http11-socket, 4 and 2 processes, web router 2':
        [uwsgi('http11-socket', 4, 1), uwsgi('http11-socket', 2, 1), uwsgi('router', 2, 1)],
}
FLASK_BEST = 'http11-socket, 8 and 4 processes, web router 4'


def start_flask(shop, variant=FLASK_BEST):
    """The three services, each behind its own uWSGI, on all cores."""
    ports = {name: free_port() for name in FLASK_SERVICES}
    environment = {'SIGNING_KEY': signing_key(shop),
                   'AUTHORIZATION_SERVER': f'http://127.0.0.1:{ports["authorization_server"]}',
                   'RESOURCE_SERVER': f'http://127.0.0.1:{ports["resource_server"]}',
                   'PYTHONDONTWRITEBYTECODE': '1'}
    started = [start_uwsgi(shop, name, ports[name], tuned, environment)
               for name, tuned in zip(FLASK_SERVICES, FLASK_VARIANTS[variant])]
    return Chain(*reversed(started))


def start_uwsgi(shop, name, port, tuned, environment):
    front, threads = tuned['front'], tuned['threads']
    address = f'127.0.0.1:{port}'
    if front == 'router':
        listen = ['--plugins', 'http,python3', '--http', address, '--http-keepalive=60', '--http-auto-chunked']
    else:
        listen = ['--plugins', 'python3', f'--{front}', address]
    argv = [need('uwsgi', 'uwsgi-core uwsgi-plugin-python3'), *listen, '--master', '--need-app', '--disable-logging',
            '--die-on-term', '--listen', '1024', '--processes', str(tuned['processes']),
            *(['--threads', str(threads), '--thunder-lock'] if threads > 1 else []), '--wsgi-file', f'{name}.py']
    process = shop.start(f'uwsgi-{name}', argv, environment=environment, folder=os.path.join(PEERS, 'flask'))
    process.port = port
    return process.wait_until_ready(port, '/')
