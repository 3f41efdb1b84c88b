"""The authorization server of the three-service system in Flask and PyJWT: password grant (any user, as the demo has it), introspection."""
import hmac
import os
import time
import uuid

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flask import Flask, jsonify, request

# PyJWT given a PEM string parses it at each call and is 50 times slower: the key is loaded once.
with open(os.environ['SIGNING_KEY'], 'rb') as file:
    PRIVATE_KEY = load_pem_private_key(file.read(), None)
PUBLIC_KEY = PRIVATE_KEY.public_key()
ISSUER = 'http://localhost:5001'
LIFETIME = 5
SCOPES = {'current_time', 'epoch_time'}
CLIENTS = {
    '1234': {'secret': 'qwerty', 'audience': 'http://localhost:5002', 'introspect': None},
    'resource': {'secret': 'resource-secret', 'audience': None, 'introspect': 'http://localhost:5002'},
}

application = Flask(__name__)


def authenticated_client():
    basic = request.authorization
    if basic:
        client_id, secret = basic.username, basic.password
    else:
        client_id, secret = request.form.get('client_id'), request.form.get('client_secret')
    client = CLIENTS.get(client_id)
    if client is None or not hmac.compare_digest(client['secret'].encode(), (secret or '').encode()):
        return None, None
    return client_id, client


def error(code, status):
    answer = jsonify(error=code)
    answer.headers['Cache-Control'] = 'no-store'
    return answer, status


@application.post('/oauth/token')
def token():
    client_id, client = authenticated_client()
    if client is None:
        return error('invalid_client', 401)
    form = request.form
    if form.get('grant_type') != 'password':
        return error('unsupported_grant_type', 400)
    if not form.get('username') or not form.get('password'):
        return error('invalid_request', 400)
    scope = form.get('scope', '')
    if not set(scope.split()) <= SCOPES:
        return error('invalid_scope', 400)
    now = int(time.time())
    claims = {'iss': ISSUER, 'sub': form['username'], 'aud': client['audience'], 'client_id': client_id, 'scope': scope,
              'iat': now, 'exp': now + LIFETIME, 'jti': str(uuid.uuid4())}
    access_token = jwt.encode(claims, PRIVATE_KEY, algorithm='ES256', headers={'typ': 'at+jwt'})
    answer = jsonify(access_token=access_token, token_type='Bearer', expires_in=LIFETIME, scope=scope)
    answer.headers['Cache-Control'] = 'no-store'
    return answer


@application.post('/oauth/introspect')
def introspect():
    _, client = authenticated_client()
    if client is None:
        return error('invalid_client', 401)
    try:
        claims = jwt.decode(request.form.get('token', ''), PUBLIC_KEY, algorithms=['ES256'], issuer=ISSUER,
                            audience=client['introspect'])
    except jwt.PyJWTError:
        return jsonify(active=False)
    return jsonify(active=True, token_type='Bearer', **claims)
