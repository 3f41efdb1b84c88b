"""What /grant does, as one would write it in Python: Falcon, psycopg2, argon2-cffi, PyJWT. One user's name and password by Basic, a
JWT signed with RS256 that holds the user's claims."""
import base64
import binascii
import os
import time
import uuid

import argon2
import falcon
import jwt
import psycopg2
import psycopg2.pool
from cryptography.hazmat.primitives.serialization import load_pem_private_key

with open(os.environ['SIGNING_KEY'], 'rb') as file:
    KEY = load_pem_private_key(file.read(), None)  # once: PyJWT given a PEM string parses it for each token
ISSUER, AUDIENCE = os.environ['ISSUER'], os.environ['AUDIENCE']
LIFETIME = 300
HASHER = argon2.PasswordHasher(time_cost=int(os.environ['ITERATIONS']), memory_cost=int(os.environ['MEMORY_KB']), parallelism=1)
DUMMY = HASHER.hash('nobody')
POOL = psycopg2.pool.ThreadedConnectionPool(1, int(os.environ['CONNECTIONS']), os.environ['DATABASE'])


def credentials(request):
    scheme, _, encoded = (request.get_header('Authorization') or '').partition(' ')
    if scheme.lower() != 'basic':
        raise falcon.HTTPUnauthorized(challenges=['Basic realm="cardea", charset="UTF-8"'])
    try:
        name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(':')
    except (binascii.Error, UnicodeDecodeError):
        colon = ''
    if not colon:
        raise falcon.HTTPUnauthorized(challenges=['Basic realm="cardea", charset="UTF-8"'])
    return name, password


def find_user(name):
    connection = POOL.getconn()
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute('SELECT password, claims, disabled FROM peer_users WHERE name = %s', (name,))
            return cursor.fetchone()
    finally:
        POOL.putconn(connection)


def matches(stored, password):
    try:
        return HASHER.verify(stored, password)
    except argon2.exceptions.VerificationError:
        return False


class Grant:
    def on_get(self, request, response):
        name, password = credentials(request)
        stored, claims, disabled = find_user(name) or (DUMMY, {}, True)
        if not matches(stored, password) or disabled:
            raise falcon.HTTPUnauthorized(challenges=['Basic realm="cardea", charset="UTF-8"'])
        now = int(time.time())
        claims = {**claims, 'iss': ISSUER, 'aud': AUDIENCE, 'sub': name, 'client_id': 'grant', 'iat': now,
                  'exp': now + LIFETIME, 'jti': uuid.uuid4().hex}
        token = jwt.encode(claims, KEY, algorithm='RS256', headers={'typ': 'at+jwt', 'kid': 'peer'})
        response.set_header('Cache-Control', 'no-store')
        response.media = {'token': token, 'token_type': 'Bearer', 'expires_in': LIFETIME}

    on_post = on_get


class Health:
    def on_get(self, _, response):
        response.media = {'status': 'ok'}


app = falcon.App()
app.add_route('/grant', Grant())
app.add_route('/healthz', Health())
