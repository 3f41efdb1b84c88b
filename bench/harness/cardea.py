"""Our side: where the binaries are, their configuration files, how they are started."""
import os
import subprocess

from .load import SERVER_CORE
from .processes import BenchError, Chain, free_port
from .wire import basic, form, post_form

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RESOURCE = 'http://localhost:5002'
CLIENT = basic('1234', 'qwerty')
INTROSPECTOR = basic('resource', 'resource-secret')
LOG_OFF = 4  # as the echo server numbers it
CLIENT_CREDENTIALS = form(grant_type='client_credentials', scope='current_time')

COMMON = '''\
listen: ["127.0.0.1:{port}"]
threads: {threads}
log: {{ level: "{log}" }}
limits: {{ idle_timeout: 600s, connections: 20000 }}
'''
SERVE = COMMON + '''\
issuer: http://localhost:5001
tokens: {{ lifetime: 24h, alg: ES256 }}
signing_key: ${{file:{key}}}
accept_any_user: demo-only
scopes: [current_time, epoch_time]
clients:
  - id: "1234"
    secret: qwerty
    grant_types: [client_credentials, password]
    scopes: [current_time, epoch_time]
    audience: http://localhost:5002
  - id: resource
    secret: resource-secret
    introspect: [http://localhost:5002]
'''
SERVE_PLAIN_HTTP2 = SERVE.replace('["127.0.0.1:{port}"]', '[{{ address: "127.0.0.1:{port}", http2: true }}]')
SERVE_TLS = SERVE + 'tls: {{ certificate: {certificate}, key: {key} }}\n'
TIME_RESOURCE = COMMON + '''\
authorization_server: http://127.0.0.1:{authorization_server}
resource: http://localhost:5002
client_id: resource
client_secret: resource-secret
timeout: 2s
'''
TIME_WEBAPP = COMMON + '''\
authorization_server: http://127.0.0.1:{authorization_server}
resource_server: http://127.0.0.1:{resource_server}
client_id: "1234"
client_secret: qwerty
username: ana
password: secret
timeout: 2s
'''


def binary(options, *names):
    path = os.path.join(options.build, *names)
    if not os.access(path, os.X_OK):
        raise BenchError(f'{path} is missing; build it first (./dev build), or name the build folder with --build')
    return path


def signing_key(shop):
    """One P-256 key for every authorization server of this run."""
    path = shop.path('signing.pem')
    if not os.path.exists(path):
        made = subprocess.run(['openssl', 'genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
                              capture_output=True, text=True, check=True)
        shop.write('signing.pem', made.stdout)
    return path


def certificate_and_key(shop):
    """A certificate of its own signature for the same key."""
    certificate, key = shop.path('certificate.pem'), signing_key(shop)
    if not os.path.exists(certificate):
        subprocess.run(['openssl', 'req', '-x509', '-new', '-key', key, '-subj', '/CN=localhost', '-days', '2',
                        '-addext', 'subjectAltName=DNS:localhost,DNS:*.example.com,IP:127.0.0.1', '-out', certificate], capture_output=True, check=True)
    return certificate, key


def start_service(shop, options, names, template, *, core, threads, log='off', wrapper=(), **values):
    """`wrapper`: what runs the program, valgrind for one."""
    port = free_port()
    name = names[-1]
    text = template.format(port=port, threads=threads, log=log, key=signing_key(shop), **values)
    config = shop.write(f'{name}-{port}.yaml', text)
    argv = [*wrapper, binary(options, *names), *(['serve'] if name == 'cardea' else []), '--config', config]
    process = shop.start(name, argv, core=core)
    process.port = port
    return process.wait_until_ready(port, '/healthz')


def start_server(shop, options, template=SERVE, *, core=SERVER_CORE, threads=1, log='off', **values):
    return start_service(shop, options, ['cardea'], template, core=core, threads=threads, log=log, **values)


def start_tls_server(shop, options):
    return start_server(shop, options, SERVE_TLS, certificate=certificate_and_key(shop)[0])


def start_echo_server(shop, options, core=SERVER_CORE, **settings):
    """The tests' server, for what cardea itself has no route for."""
    port = free_port()
    settings = {'log': LOG_OFF, 'threads': 1, 'listen': f'127.0.0.1:{port}', **settings}
    words = [str(word) for pair in settings.items() for word in pair]
    program = binary(options, 'tests', 'http', 'engine', 'echo-server')
    process = shop.start('echo-server', [program, *words], core=core)
    process.port = port
    return process.wait_until_ready(port, '/healthz')


def start_user_call(shop, options):
    """The three services on all cores."""
    server = start_server(shop, options, core=None, threads=0)
    resource = start_service(shop, options, ['examples', 'time-api', 'time-resource'], TIME_RESOURCE, core=None, threads=0,
                             authorization_server=server.port)
    webapp = start_service(shop, options, ['examples', 'time-api', 'time-webapp'], TIME_WEBAPP, core=None, threads=0,
                           authorization_server=server.port, resource_server=resource.port)
    return Chain(webapp, resource, server)


def expect(answer, what, right):
    if answer.status != 200 or not right(answer):
        raise BenchError(f'{what} answers {answer.status} {answer.body[:300]!r}')
    return answer


def first_token(port, path='/oauth/token', authorization=CLIENT, body=CLIENT_CREDENTIALS):
    """The answer to one request for a token, looked at before anything is measured."""
    return expect(post_form(port, path, authorization, body), f'token request on {port}',
                  lambda answer: answer.json().get('access_token'))


def first_introspection(port, token, path='/oauth/introspect', authorization=INTROSPECTOR):
    return expect(post_form(port, path, authorization, form(token=token)), f'introspection on {port}',
                  lambda answer: answer.json().get('active') is True)
