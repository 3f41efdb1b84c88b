"""The smallest WSGI application that answers 200 bytes."""
BODY = b'x' * 200
HEADERS = [('Content-Type', 'text/plain'), ('Content-Length', '200')]


def application(_, start_response):
    start_response('200 OK', HEADERS)
    return [BODY]
