"""The token endpoint of an OpenID provider, for one login of a relying party that is measured: the code is the nonce of the login, and
the ID token is signed with the client's secret. provider.py PORT ISSUER CLIENT SECRET CERTIFICATE KEY"""
import json
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import jwt

port, issuer, client, secret, certificate, key = int(sys.argv[1]), *sys.argv[2:]


class Provider(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers['Content-Length'])).decode())
        now = int(time.time())
        claims = {'iss': issuer, 'aud': client, 'sub': 'user0000000', 'iat': now, 'exp': now + 24 * 3600, 'nonce': form['code'][0],
                  'groups': ['staff', 'editors']}
        self._answer({'access_token': 'unused', 'token_type': 'Bearer', 'expires_in': 24 * 3600,
                      'id_token': jwt.encode(claims, secret, algorithm='HS256')})

    def _answer(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server = HTTPServer(('127.0.0.1', port), Provider)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
