"""Envoy's external authorization over gRPC, asked by Debian's grpcio with messages of Google's protobuf. What is asked is that of
test_check.py: the transport is what differs."""
import json
import signal
import urllib.parse

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from services import wait_until

from .conftest import COOKIE, PASSWORD, TOTP, Home, fill

CHECK = "/envoy.service.auth.v3.Authorization/Check"
HEALTH = "/grpc.health.v1.Health/Check"
WIKI = "wiki.example.com"
BROWSER = {"accept": "text/html"}
OVERWRITE = 2

# Messages of envoyproxy/envoy and grpc/grpc-proto: (number, name, type). A type that is a message of the list is that; "*": repeated.
MESSAGES = {
    "BoolValue": [(1, "value", "bool")],
    "HeaderValue": [(1, "key", "string"), (2, "value", "string"), (3, "raw_value", "bytes")],
    "HeaderValueOption": [(1, "header", "HeaderValue"), (2, "append", "BoolValue"), (3, "append_action", "int32"), (4, "keep_empty_value", "bool")],
    "SocketAddress": [(1, "protocol", "int32"), (2, "address", "string"), (3, "port_value", "uint32"), (5, "resolver_name", "string")],
    "Pipe": [(1, "path", "string"), (2, "mode", "uint32")],
    "Address": [(1, "socket_address", "SocketAddress"), (2, "pipe", "Pipe")],
    "HeaderEntry": [(1, "key", "string"), (2, "value", "string")],
    "Peer": [(1, "address", "Address"), (2, "service", "string"), (3, "labels", "*HeaderEntry"), (4, "principal", "string"), (5, "certificate", "string")],
    "Timestamp": [(1, "seconds", "int64"), (2, "nanos", "int32")],
    "HttpRequest": [(1, "id", "string"), (2, "method", "string"), (3, "headers", "*HeaderEntry"), (4, "path", "string"), (5, "host", "string"),
                    (6, "scheme", "string"), (7, "query", "string"), (8, "fragment", "string"), (9, "size", "int64"), (10, "protocol", "string"),
                    (11, "body", "string"), (12, "raw_body", "bytes")],
    "Request": [(1, "time", "Timestamp"), (2, "http", "HttpRequest")],
    "Attributes": [(1, "source", "Peer"), (2, "destination", "Peer"), (4, "request", "Request"), (10, "context_extensions", "*HeaderEntry")],
    "CheckRequest": [(1, "attributes", "Attributes")],
    "Status": [(1, "code", "int32"), (2, "message", "string")],
    "HttpStatus": [(1, "code", "int32")],
    "Denied": [(1, "status", "HttpStatus"), (2, "headers", "*HeaderValueOption"), (3, "body", "string")],
    "Ok": [(2, "headers", "*HeaderValueOption"), (5, "headers_to_remove", "*string"), (6, "response_headers_to_add", "*HeaderValueOption")],
    "CheckResponse": [(1, "status", "Status"), (2, "denied_response", "Denied"), (3, "ok_response", "Ok")],
    "HealthRequest": [(1, "service", "string")],
    "HealthResponse": [(1, "status", "int32")],
}


def compile_messages():
    file = descriptor_pb2.FileDescriptorProto(name="check.proto", package="t", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, member, kind in fields:
            entry = message.field.add(name=member, number=number, label=field.LABEL_REPEATED if kind[0] == "*" else field.LABEL_OPTIONAL)
            kind = kind.lstrip("*")
            if kind in MESSAGES:
                entry.type, entry.type_name = field.TYPE_MESSAGE, ".t." + kind
            else:
                entry.type = getattr(field, "TYPE_" + kind.upper())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return {name: factory.GetPrototype(pool.FindMessageTypeByName("t." + name)) for name in MESSAGES}


T = compile_messages()


class Client:
    def __init__(self, server):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")

    def call(self, method, message, answer="CheckResponse"):
        return self.channel.unary_unary(method, request_serializer=bytes, response_deserializer=T[answer].FromString)(message, timeout=30)

    def check(self, host, path="/", method="GET", headers=None, scheme="https", address="192.0.2.7", **http):
        # As Envoy sends it: pseudo-headers are among the headers, and the body is not.
        headers = {":method": method, ":path": path, ":authority": host, ":scheme": scheme, **(headers or {})}
        message = T["CheckRequest"]()
        request = message.attributes.request
        request.time.seconds = 1800000000
        http = {"id": "123", "method": method, "path": path, "host": host, "scheme": scheme, "size": -1, "protocol": "HTTP/2", **http}
        request.http.MergeFrom(T["HttpRequest"](headers=[T["HeaderEntry"](key=k, value=v) for k, v in headers.items()], **http))
        message.attributes.source.address.socket_address.MergeFrom(T["SocketAddress"](address=address, port_value=4711))
        message.attributes.destination.address.socket_address.MergeFrom(T["SocketAddress"](address="192.0.2.1", port_value=443))
        message.attributes.context_extensions.add(key="route", value="wiki")
        return self.call(CHECK, message.SerializeToString())

    def health(self, service=""):
        return self.call(HEALTH, T["HealthRequest"](service=service).SerializeToString(), "HealthResponse").status


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = fill(Home(tmp_path_factory.mktemp("grpc"), speaks_http2=True))
    made.client = Client(made.server)
    yield made
    made.client.channel.close()
    made.finish()


def cookie(token):
    return {"cookie": f"a=1; {COOKIE}={token}; b=2"}


def headers_of(part):
    for option in part.headers:
        assert option.HasField("append") and not option.append.value and option.append_action == OVERWRITE
    return {option.header.key.lower(): option.header.value for option in part.headers}


def allowed(answer):
    assert (answer.status.code, answer.HasField("denied_response")) == (0, False)
    return headers_of(answer.ok_response), sorted(name.lower() for name in answer.ok_response.headers_to_remove)


def denied(answer, status, code):
    assert (answer.status.code, answer.HasField("ok_response"), answer.denied_response.status.code) == (code, False, status)
    return headers_of(answer.denied_response), answer.denied_response.body


def test_a_user_with_a_session_passes(home):
    sent, removed = allowed(home.client.check(WIKI, headers={**cookie(home.log_in()), "authorization": "Basic eDp5"}))
    assert sent == {"remote-user": "ana", "remote-groups": "admins,staff", "remote-email": "ana@example.com", "remote-name": "Ana Müller",
                    "cookie": "a=1; b=2", "authorization": "Basic eDp5"}
    assert removed == ["x-api-key"]


def test_lesson_04_what_a_client_sends_as_identity_is_replaced_or_removed(home):
    forged = {"remote-user": "root", "remote-groups": "admins", "remote-email": "x", "remote-name": "x"}
    sent, removed = allowed(home.client.check(WIKI, headers={**cookie(home.log_in()), **forged}))
    assert sent["remote-user"] == "ana" and sent["remote-groups"] == "admins,staff"
    other = ["remote_user", "remote.groups", "remote-Email".swapcase()]
    sent, removed = allowed(home.client.check(WIKI, headers={**cookie(home.log_in()), **dict.fromkeys(other, "root")}))
    assert set(removed) >= {"remote_user", "remote.groups"} and "root" not in sent.values()
    sent, removed = allowed(home.client.check("pub.example.com", headers=forged))
    assert not set(sent) & set(forged) and set(removed) >= set(forged)


def test_lesson_06_the_session_does_not_reach_the_application(home):
    sent, removed = allowed(home.client.check(WIKI, headers={"cookie": f"{COOKIE}={home.log_in()}"}))
    assert "cookie" not in sent and "cookie" in removed
    token = home.make_token()
    sent, removed = allowed(home.client.check(WIKI, headers={"authorization": f"Bearer {token}", "x-api-key": "of the application"}))
    assert "authorization" not in sent and "authorization" in removed and sent["x-api-key"] == "of the application"


def test_a_browser_is_sent_to_the_login(home):
    url = f"https://{WIKI}/a%20b?x=1&y=%26"
    sent, _ = denied(home.client.check(WIKI, "/a%20b?x=1&y=%26", headers=BROWSER), 302, 16)
    assert sent["location"] == f"https://auth.example.com/_auth/login?return_to={urllib.parse.quote(url, safe='')}"


def test_a_program_gets_401_in_json(home):
    sent, body = denied(home.client.check(WIKI), 401, 16)
    assert sent["content-type"] == "application/json" and json.loads(body)["error"] == "login_required"
    assert sent["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize("host, path, method, more", [
    ("unknown.example.com", "/", "GET", {}),
    ("bo.example.com", "/", "GET", {}),
    ("get.example.com", "/", "POST", {}),
    ("path.example.com", "/open/../x%2f", "GET", {}),
    (WIKI, "/", "GET", {"upgrade": "websocket", "origin": "https://evil.example"}),
])
def test_lesson_01_what_no_rule_allows_is_denied(home, host, path, method, more):
    _, body = denied(home.client.check(host, path, method, headers={**cookie(home.log_in()), **more}), 403, 7)
    assert json.loads(body) == {"error": "access_denied"}


@pytest.mark.parametrize("changes", [{"host": ""}, {"host": "a b"}, {"method": ""}, {"method": "G T"}, {"scheme": "ftp"}, {"path": ""},
                                     {"path": "x"}, {"path": "/?a\\b"}])
def test_a_request_that_cannot_be_read_is_denied(home, changes):
    fields = {"host": "pub.example.com", "path": "/", "method": "GET", "scheme": "https", **changes}
    _, body = denied(home.client.check(**fields), 403, 7)
    assert json.loads(body) == {"error": "invalid_request"}


def test_the_address_is_that_of_the_client(home):
    token = home.log_in(factors=PASSWORD | TOTP)
    allowed(home.client.check("net.example.com", headers=cookie(token), address="10.1.2.3"))
    for address in ("11.1.2.3", "", "unknown"):
        denied(home.client.check("net.example.com", headers=cookie(token), address=address), 403, 7)
    spoofed = {**cookie(token), "x-forwarded-for": "10.1.2.3", "x-real-ip": "10.1.2.3", "forwarded": "for=10.1.2.3"}
    denied(home.client.check("net.example.com", headers=spoofed, address="11.1.2.3"), 403, 7)


def test_what_the_store_knows_is_asked_on_a_worker(home):
    """A session that this node has not seen, and one that does not exist."""
    token = home.log_in("bo")
    assert allowed(home.client.check("bo.example.com", headers=cookie(token)))[0]["remote-user"] == "bo"
    assert allowed(home.client.check("bo.example.com", headers=cookie(token)))[0]["remote-user"] == "bo"
    home.cardea("session", "end", "--user", "bo")
    wait_until(lambda: home.client.check("bo.example.com", headers=cookie(token)).status.code == 16, "the session to have ended")


@pytest.mark.parametrize("body", [b"", b"\xff", b"\x0a\x05abc", b"\x0a\x00", b"\x0a\x02\x22\x00"])
def test_a_message_that_cannot_be_read_is_an_error_of_the_call(home, body):
    with pytest.raises(grpc.RpcError) as failed:
        home.client.call(CHECK, body)
    assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("body", [b"", b"\0\0\0\0", b"\0\0\0\0\1", b"\1\0\0\0\0", b"\0\0\0\0\0x", b"\0\0\0\0\0" * 2, b"\0\xff\xff\xff\xff"])
def test_a_frame_that_cannot_be_read_is_an_error_of_the_call(home, body):
    answer = home.server.call(CHECK, method="POST", body=body, headers=[("Content-Type", "application/grpc")])
    assert (answer.status, answer.headers["grpc-status"]) == (200, "3")


def test_what_is_no_grpc_is_not_found(home):
    for method, headers in (("GET", []), ("POST", [("Content-Type", "application/json")])):
        for path in (CHECK, HEALTH):
            assert home.server.call(path, method=method, headers=headers).status == 404


def test_lesson_03_only_a_trusted_proxy_may_ask(tmp_path):
    home = fill(Home(tmp_path, speaks_http2=True, trusted_proxies=["10.0.0.1"]))
    try:
        denied(Client(home.server).check("pub.example.com"), 403, 7)
    finally:
        home.finish()


def test_without_a_portal_there_is_no_such_service(tmp_path):
    home = Home(tmp_path, speaks_http2=True)
    del home.config["portal"], home.config["access"]
    home.config["issuer"] = "https://auth.example.com"
    server = home.serve()
    try:
        with pytest.raises(grpc.RpcError) as failed:
            Client(server).check("pub.example.com")
        assert failed.value.code() == grpc.StatusCode.UNIMPLEMENTED  # what grpc makes of 404
    finally:
        home.finish()


def test_health(home):
    assert home.client.health() == home.client.health("envoy.service.auth.v3.Authorization") == 1
    with pytest.raises(grpc.RpcError) as failed:
        home.client.health("unknown")
    assert failed.value.code() == grpc.StatusCode.NOT_FOUND


def test_health_says_that_the_server_stops(tmp_path):
    home = Home(tmp_path, speaks_http2=True, drain_delay="30s")
    server = home.serve()
    try:
        client = Client(server)
        assert client.health() == 1
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: client.health() == 2, "the health check to fail")
    finally:
        server.process.kill()
        server.process.wait()
