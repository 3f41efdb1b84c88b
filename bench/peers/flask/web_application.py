"""The web application of the three-service system in Flask: for each call a new token, then the resource server's answer."""
import os
import threading

import requests
from flask import Flask, jsonify

TOKEN = os.environ['AUTHORIZATION_SERVER'] + '/oauth/token'
RESOURCE = os.environ['RESOURCE_SERVER']
CREDENTIALS = ('1234', 'qwerty')

application = Flask(__name__)
local = threading.local()


def session():
    """Keep-alive connections for each thread. trust_env costs a look at the environment and .netrc for each request."""
    if not hasattr(local, 'session'):
        local.session = requests.Session()
        local.session.trust_env = False
    return local.session


def call(scope):
    http = session()
    form = {'grant_type': 'password', 'username': 'ana', 'password': 'secret', 'scope': scope}
    try:
        token = http.post(TOKEN, data=form, auth=CREDENTIALS, timeout=2)
        token.raise_for_status()
        bearer = {'Authorization': 'Bearer ' + token.json()['access_token']}
        answer = http.get(f'{RESOURCE}/{scope}', headers=bearer, timeout=2)
        answer.raise_for_status()
        return jsonify(answer.json())
    except (requests.RequestException, ValueError, KeyError):
        return jsonify(error='a server behind this one failed'), 502


@application.get('/current_time')
def current_time():
    return call('current_time')


@application.get('/epoch_time')
def epoch_time():
    return call('epoch_time')
