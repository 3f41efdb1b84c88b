"""The check of the cookie in uWSGI's router: a function of Python that routing rules call. The cookie is the one of ../flask/check.py."""
import os

import uwsgi
from itsdangerous import BadSignature, URLSafeTimedSerializer

LIFETIME = 24 * 3600  # seconds

serializer = URLSafeTimedSerializer(os.environ['SECRET'])


def check(cookies=b''):
    for cookie in cookies.decode('latin-1').split(';'):
        name, _, value = cookie.strip().partition('=')
        if name != 'session':
            continue
        try:
            login = serializer.loads(value, max_age=LIFETIME)
        except BadSignature:
            return b'no'
        return b'ok' if 'staff' in login['groups'] else b'no'
    return b'no'


def application(_, start_response):
    start_response('401 Unauthorized', [('Content-Length', '0')])
    return [b'']


uwsgi.register_rpc('check', check)
