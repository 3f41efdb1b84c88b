"""Rows about users and their claims: logins, RS256, a flood of logins, many users, and the same service in Python."""
import json
import os
import statistics
import subprocess
import threading

from . import cardea, peers
from .load import SERVER_CORE, Sample, Target, ecdsa_verifications, measure_in_turn, rsa_signs, run_wrk, wrk_target
from .processes import BenchError, free_port
from .rows import Row, judge, ratio_row
from .wire import ask, basic, collect_tokens, form

ROOT = cardea.ROOT
USERS = 1000
MANY_USERS = 1_000_000
REVOCATIONS = 100_000
USER, PASSWORD = 'user0000500', 'correct horse'
AUTHORIZATION = basic(USER, PASSWORD)
CLAIMS = {'role': 'editor', 'projects': ['a', 'b']}
OWASP = {'memory': 19456, 'iterations': 2}  # KiB; the least that OWASP asks for, and Cardea's default
LEAST = {'memory': 8, 'iterations': 1}      # the least that libsodium and argon2-cffi both take
HASHING_QUEUE = 64

CONFIG = cardea.COMMON + '''\
issuer: http://localhost:5001
tokens: {{ lifetime: 24h, alg: {alg} }}
store: {store}
master_key: ${{file:master.key}}
basic_tokens: {{ audience: http://localhost:5002 }}
password_hashing: {{ memory: {memory}KB, iterations: {iterations}, queue: {queue} }}
scopes: [current_time, epoch_time]
clients:
  - id: "1234"
    secret: qwerty
    grant_types: [client_credentials]
    scopes: [current_time, epoch_time]
    audience: http://localhost:5002
  - id: resource
    secret: resource-secret
    introspect: [http://localhost:5002]
'''


def stored_password(cost):
    import argon2  # a missing package fails the rows that need it, not the whole benchmark
    return argon2.PasswordHasher(time_cost=cost['iterations'], memory_cost=cost['memory'], parallelism=1).hash(PASSWORD)


def write_users(shop, count, cost):
    """A file for `cardea user import`; all have one password, whose hash is made once."""
    path = shop.path(f'users-{count}-{cost["memory"]}.jsonl')
    if not os.path.exists(path):
        stored = stored_password(cost)
        with open(path, 'w', encoding='ascii') as file:
            for number in range(count):
                print(json.dumps({'name': f'user{number:07}', 'hash': stored, 'claims': CLAIMS}), file=file)
    return path


class BasicTokenServer:
    """A folder with its configuration, its store and its users, and a server on them."""

    def __init__(self, shop, options, *, users=USERS, cost=OWASP, store=None, alg='RS256', core=None, threads=0):
        self.shop, self.port = shop, free_port()
        self.folder = shop.path(f'claims-{self.port}')
        shop.write(f'claims-{self.port}/master.key', subprocess.run(
            ['openssl', 'rand', '-base64', '32'], capture_output=True, text=True, check=True).stdout)
        self.config = shop.write(f'claims-{self.port}/cardea.yaml', CONFIG.format(
            port=self.port, threads=threads, log='off', alg=alg, store=store or 'sqlite:cardea.db', queue=HASHING_QUEUE, **cost))
        self.program = cardea.binary(options, 'cardea')
        self.command('migrate')
        self.command('user', 'import', write_users(shop, users, cost), '--format', 'jsonl')
        self.process = shop.start('cardea', [self.program, 'serve', '--config', self.config], core=core)
        self.process.port = self.port
        self.process.wait_until_ready(self.port, '/healthz')

    def command(self, *arguments):
        done = subprocess.run([self.program, *arguments, '--config', self.config], capture_output=True, text=True)
        if done.returncode:
            raise BenchError(f'cardea {" ".join(arguments)}: {done.stderr or done.stdout}')

    def basic_target(self, name, connections=32, core=None):
        return basic_target(name, self.process, connections, core)


def first_token(port):
    return cardea.expect(ask(port, 'GET', '/grant', {'Authorization': AUTHORIZATION}), f'grant on {port}',
                         lambda answer: answer.json().get('token'))


def basic_target(name, process, connections=32, core=None):
    """GET /grant by one user with the right password, all on all cores."""
    return wrk_target(name, process, '/grant', ['get', AUTHORIZATION], connections=connections, core=core,
                      expected_length=first_token(process.port).length)


def micro(options, name, *arguments, core=None):
    """The numbers that a program of bench/micro prints as one line of JSON."""
    pin = [] if core is None else ['taskset', '-c', str(core)]
    path = cardea.binary(options, 'bench', 'micro', name)
    done = subprocess.run([*pin, path, *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def hashing(shop, options):
    """Basic tokens against Argon2id of the same cost alone, both on all cores."""
    server = BasicTokenServer(shop, options)
    series = measure_in_turn([
        server.basic_target('cardea'),
        Target('Argon2id alone', lambda options: Sample(micro(options, 'argon2', str(options.seconds))['hashes_per_second'])),
    ], options)
    return [ratio_row('Basic tokens, 19 MiB and 2 passes, against Argon2id of that cost alone, all cores', series['cardea'],
                      series['Argon2id alone'], 0.85, 0.95, unit='')]


def rs256(shop, options):
    server = BasicTokenServer(shop, options, core=0, threads=1)
    length = cardea.first_token(server.port).length
    series = measure_in_turn([
        wrk_target('cardea', server.process, '/oauth/token', ['post', cardea.CLIENT, cardea.CLIENT_CREDENTIALS],
                   expected_length=length),
        Target('openssl speed', rsa_signs),
    ], options)
    return [ratio_row('`client_credentials`, RS256 with 2048 bits, against RSA-2048 signs', series['cardea'],
                      series['openssl speed'], 0.80, 0.92, unit='')]


def issued_tokens(shop, server, count=2000):
    path = shop.path(f'tokens-{server.port}')
    with open(path, 'w', encoding='ascii') as file:
        collect_tokens(server.port, '/oauth/token', cardea.CLIENT, cardea.CLIENT_CREDENTIALS, count,
                       lambda token: print(form(token=token).removeprefix('token='), file=file))
    return path


def introspection_target(shop, server, name, core=None, during=None):
    """`during(options)` is a context manager around the measurement."""
    path = issued_tokens(shop, server)
    one = cardea.first_token(server.port).json()['access_token']
    target = wrk_target(name, server, '/oauth/introspect', ['turn', cardea.INTROSPECTOR, path, '1', '2000'], core=core,
                        expected_length=cardea.first_introspection(server.port, one).length)

    def measure(options):
        with during(options):
            return target.measure(options)

    return Target(name, measure) if during else target


class Flood:
    """Logins that keep the hashing threads busy and their queue full, until it ends."""

    def __init__(self, server, options):
        self.url = f'http://127.0.0.1:{server.port}/grant'
        # As many as run and wait at once: one more would be answered 503 at once and ask again at once, another kind of flood.
        self.connections = HASHING_QUEUE + os.cpu_count()
        self.seconds = 4 * options.warmup + options.seconds + 1
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        self.sample = run_wrk(self.url, ['get', AUTHORIZATION], seconds=self.seconds, connections=self.connections, core=None)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.thread.join()
        if self.sample.rate < 5:
            raise BenchError(f'the flood was none: {self.sample}')


def flood(shop, options):
    server = BasicTokenServer(shop, options)
    series = measure_in_turn([
        introspection_target(shop, server.process, 'without the flood'),
        introspection_target(shop, server.process, 'during the flood', during=lambda options: Flood(server, options)),
    ], options)
    during, without = series['during the flood'], series['without the flood']
    slower = statistics.median(a.p99_ms / b.p99_ms for a, b in zip(during.samples, without.samples))
    rows = [ratio_row('introspection while logins keep the hashing queue full, 2 loops on 2 cores', during, without, 0.4, 0.5,
                      unit='')]
    rows.append(Row('p99 of that', f'{during.median("p99_ms"):.2f} ms', f'without the flood: {without.median("p99_ms"):.2f} ms',
                    f'{slower:.1f}×', '', '3×', 'aim reached' if slower <= 3 else 'for information'))
    return rows


def writes(shop, options):
    """Durable writes need a disk: not the memory file system of the other groups."""
    del shop
    samples = [micro(options, 'sqlite_writes', str(options.seconds)) for _ in range(options.rounds)]
    for sample in samples:
        print(f'  {sample}', flush=True)
    ratio = statistics.median(s['writes_per_second'] / s['fsyncs_per_second'] for s in samples)
    return [Row('acknowledged durable writes, SQLite, 64 writers, against one fsync each',
                f'{statistics.median(s["writes_per_second"] for s in samples):,.0f}/s',
                f'write and fsync: {statistics.median(s["fsyncs_per_second"] for s in samples):,.0f}/s', f'{ratio:.1f}×', '5×', '20×',
                judge(ratio, 5, 20))]


def scale(shop, options):
    """The least hashing cost, so that what a million users cost is not hidden behind Argon2id."""
    few = BasicTokenServer(shop, options, cost=LEAST, alg='ES256')
    many = BasicTokenServer(shop, options, cost=LEAST, alg='ES256', users=MANY_USERS)
    print(f'  revoking {REVOCATIONS:,} tokens', flush=True)
    revoke(many, REVOCATIONS)
    series = measure_in_turn([
        introspection_target(shop, few.process, 'introspection, 1,000 users'),
        introspection_target(shop, many.process, 'introspection, 1,000,000 users'),
        few.basic_target('Basic tokens, 1,000 users'),
        many.basic_target('Basic tokens, 1,000,000 users'),
    ], options)
    print(f'  memory: {few.process.memory()}, with a million users and {REVOCATIONS:,} revocations {many.process.memory()}', flush=True)
    return [ratio_row(f'{what} with 1,000,000 users and 100,000 live revocations against 1,000 users and none',
                      series[f'{what}, 1,000,000 users'], series[f'{what}, 1,000 users'], 0.95, 1.0, unit='')
            for what in ('introspection', 'Basic tokens')]


def revoke(server, count):
    """By the endpoint itself, over several connections, as clients would."""
    folder = server.shop.path(f'revoke-{server.port}')
    with open(folder, 'w', encoding='ascii') as file:
        collect_tokens(server.port, '/oauth/token', cardea.CLIENT, cardea.CLIENT_CREDENTIALS, count,
                       lambda token: print(form(token=token).removeprefix('token='), file=file))
    url = f'http://127.0.0.1:{server.port}/oauth/revoke'
    done = 0
    while done < count:
        step = min(20000, count - done)
        done += revoke_some(url, folder, done, step)


def revoke_some(url, path, done, step):
    """Runs past the end of its tokens are refused, and not counted: what matters is that each was sent once."""
    sample = run_wrk(url, ['turn', cardea.CLIENT, path, str(done + 1), str(step)], seconds=4, connections=64, core=None)
    if sample.rate * 4 < step:
        return int(sample.rate * 4 * 0.9)
    return step


class Falcon:
    """bench/peers/falcon behind gunicorn, with its user in PostgreSQL."""

    def __init__(self, shop, url, cost, variant):
        self.port = free_port()
        key = shop.path('falcon.pem')
        if not os.path.exists(key):
            shop.write('falcon.pem', subprocess.run(['openssl', 'genrsa', '2048'], capture_output=True, text=True,
                                                    check=True).stdout)
        program = peers.need('gunicorn', 'gunicorn')
        self.process = shop.start('gunicorn', [program, *variant, '--keep-alive', '600', '--bind', f'127.0.0.1:{self.port}',
                                               '--log-level', 'critical', 'service:app'],
                                  folder=os.path.join(peers.PEERS, 'falcon'), environment={
                                      'SIGNING_KEY': key, 'ISSUER': 'http://localhost:5001', 'AUDIENCE': 'http://localhost:5002',
                                      'ITERATIONS': str(cost['iterations']), 'MEMORY_KB': str(cost['memory']), 'CONNECTIONS': '16',
                                      'DATABASE': url, 'PYTHONDONTWRITEBYTECODE': '1'})
        self.process.port = self.port
        self.process.wait_until_ready(self.port, '/healthz')


# Ways to run it, of which --tune finds the best: sync workers close the connection after each answer.
FALCON_VARIANTS = {
    '2 workers of 4 threads': ['-w', '2', '-k', 'gthread', '--threads', '4'],
    '2 workers of 16 threads': ['-w', '2', '-k', 'gthread', '--threads', '16'],
    '4 workers of 8 threads': ['-w', '4', '-k', 'gthread', '--threads', '8'],
    '2 sync workers': ['-w', '2', '-k', 'sync'],
    '4 sync workers': ['-w', '4', '-k', 'sync'],
}
FALCON_BEST = '2 sync workers'


class Postgres:
    """A server of its own from Debian's package, in the temporary folder, with fsync off: no side waits for a disk."""

    SCRIPT = os.path.join(ROOT, 'tests', 'support', 'postgres-server')

    def __init__(self, shop):
        self.folder = os.path.join(shop.folder, 'postgres')
        os.chmod(shop.folder, 0o711)

    def __enter__(self):
        done = subprocess.run([self.SCRIPT, 'start', self.folder], capture_output=True, text=True)
        if done.returncode:
            raise BenchError(f'no PostgreSQL: {done.stderr}')
        self.url = done.stdout.strip()
        return self

    def __exit__(self, *_):
        subprocess.run([self.SCRIPT, 'stop', self.folder], capture_output=True)

    def add_peer_user(self, cost):
        import psycopg2  # as above
        connection = psycopg2.connect(self.url)
        with connection, connection.cursor() as cursor:
            cursor.execute('CREATE TABLE IF NOT EXISTS peer_users (name text PRIMARY KEY, password text NOT NULL, '
                           'claims jsonb NOT NULL, disabled boolean NOT NULL DEFAULT false)')
            cursor.execute('DELETE FROM peer_users')
            for number in range(USERS):
                cursor.execute('INSERT INTO peer_users VALUES (%s, %s, %s)',
                               (f'user{number:07}', stored_password(cost) if number == 500 else '', json.dumps(CLAIMS)))
        connection.close()


def falcon(shop, options):
    with Postgres(shop) as database:
        database.add_peer_user(OWASP)
        ours = BasicTokenServer(shop, options, store=database.url)
        peer = Falcon(shop, database.url, OWASP, FALCON_VARIANTS[FALCON_BEST])
        series = measure_in_turn([ours.basic_target('cardea'), basic_target('Falcon', peer.process)], options)
        shop.stop_all()
    return [ratio_row('Basic tokens against Falcon, gunicorn, psycopg2; PostgreSQL, all cores; the same hashing cost (19 MiB, 2 passes)',
                      series['cardea'], series['Falcon'], 1.0, 1.1)]


def libcardea(_, options):
    """Distinct tokens, one thread, against the bare signature; both on the servers' core and by processor time."""
    def verifications(options):
        found = micro(options, 'verify', str(options.seconds), core=SERVER_CORE)
        return Sample(found['verifications_per_second'], server_busy=1)

    series = measure_in_turn([Target('libcardea', verifications), Target('openssl speed', ecdsa_verifications)], options)
    return [ratio_row('`libcardea`: ES256 tokens verified, no two the same, against ECDSA P-256 verifications',
                      series['libcardea'], series['openssl speed'], 0.85, 0.95, unit='')]


def tune_falcon(shop, options):
    """Prints how the ways to run the Falcon service compare."""
    with Postgres(shop) as database:
        database.add_peer_user(OWASP)
        for variant, arguments in FALCON_VARIANTS.items():
            peer = Falcon(shop, database.url, OWASP, arguments)
            sample = basic_target('Falcon', peer.process).measure(options)
            print(f'{variant:30s} {sample.rate:8.1f}/s   p99 {sample.p99_ms:7.1f} ms   {"; ".join(sample.problems)}', flush=True)
            shop.stop(peer.process)


GROUPS = {'hashing': hashing, 'rs256': rs256, 'flood': flood, 'writes': writes, 'scale': scale, 'falcon': falcon,
          'libcardea': libcardea}
