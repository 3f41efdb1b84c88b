"""The resource server of the three-service system in Flask: each bearer token is introspected, its scope must cover the path."""
import os
import threading
import time

import requests
from flask import Flask, jsonify, request

INTROSPECT = os.environ['AUTHORIZATION_SERVER'] + '/oauth/introspect'
CREDENTIALS = ('resource', 'resource-secret')

application = Flask(__name__)
local = threading.local()


def session():
    """One keep-alive connection for each thread. trust_env costs a look at the environment and .netrc for each request."""
    if not hasattr(local, 'session'):
        local.session = requests.Session()
        local.session.trust_env = False
    return local.session


def refused(status, code):
    answer = jsonify(error=code)
    answer.headers['WWW-Authenticate'] = f'Bearer error="{code}"'
    return answer, status


def protected(scope, answer):
    scheme, _, token = request.headers.get('Authorization', '').partition(' ')
    if scheme.lower() != 'bearer' or not token:
        return refused(401, 'invalid_token')
    try:
        claims = session().post(INTROSPECT, data={'token': token}, auth=CREDENTIALS, timeout=2).json()
    except (requests.RequestException, ValueError):
        return jsonify(error='authorization server unavailable'), 502
    if not claims.get('active'):
        return refused(401, 'invalid_token')
    if scope not in claims.get('scope', '').split():
        return refused(403, 'insufficient_scope')
    return jsonify(answer())


@application.get('/current_time')
def current_time():
    return protected('current_time', lambda: {'current_time': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())})


@application.get('/epoch_time')
def epoch_time():
    return protected('epoch_time', lambda: {'epoch_time': int(time.time())})
