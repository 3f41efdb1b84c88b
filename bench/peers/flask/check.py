"""A login check for nginx's auth_request in Flask: a signed cookie, as itsdangerous makes it, with the user's name and groups."""
import os

from flask import Flask, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

LIFETIME = 24 * 3600  # seconds

application = Flask(__name__)
serializer = URLSafeTimedSerializer(os.environ['SECRET'])


@application.get('/_auth/check/nginx')
def check():
    try:
        login = serializer.loads(request.cookies.get('session', ''), max_age=LIFETIME)
    except BadSignature:
        return '', 401
    if 'staff' not in login['groups']:
        return '', 403
    return '', 200, {'Remote-User': login['user'], 'Remote-Groups': ','.join(login['groups'])}
