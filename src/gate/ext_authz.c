/* Envoy's external authorization over gRPC (envoy.service.auth.v3): the same check as the endpoints over HTTP, in
 * another form. A message is one request or response body: a byte 0 (not compressed), its length in 4 bytes, and the
 * message itself (gRPC over HTTP/2, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
#include "gate/check.h"
#include "gate/ext_authz_proto.h"
#include "gate/request_header.h"

enum {
        FRAME = 5, /* bytes before a message */
        GRPC_OK = 0,
        GRPC_INVALID_ARGUMENT = 3,
        GRPC_NOT_FOUND = 5,
        GRPC_PERMISSION_DENIED = 7,
        GRPC_RESOURCE_EXHAUSTED = 8,
        GRPC_UNIMPLEMENTED = 12,
        GRPC_UNAVAILABLE = 14,
        GRPC_UNAUTHENTICATED = 16,
        RESPONSE_MAX = 1 << 20, /* bytes */
};

/* ---- gRPC ---- */

/* A response without a message: the status is a header. */
static void fail(struct cd_http_response *res, int code, cd_str reason)
{
        cd_str text = cd_arena_printf(res->arena, "%d", code);

        cd_http_respond(res, 200, CD_STR("application/grpc"), CD_STR(""));
        cd_http_response_header(res, CD_STR("grpc-status"), text.ptr ? text : CD_STR("8"));
        cd_http_response_header(res, CD_STR("grpc-message"), reason);
}

static bool is_grpc(const struct cd_http_request *req)
{
        return req->method == CD_HTTP_POST &&
               cd_str_has_prefix(cd_http_header_get(req, CD_STR("Content-Type")), CD_STR("application/grpc"));
}

/* The one message of the request, as the struct of the table. False: *res has the answer. */
static bool read_message(const struct cd_http_request *req, const struct cd_proto_table *table, void *ret,
                         struct cd_http_response *res)
{
        const uint8_t *frame = (const uint8_t *)req->body.ptr;
        struct cd_error err = { 0 };

        if (!is_grpc(req)) {
                cd_gate_not_found(req, res);
                return false;
        }
        cd_str message = cd_str_slice(req->body, FRAME, req->body.len);
        bool is_whole =
                req->body.len >= FRAME && frame[0] == 0 &&
                ((size_t)frame[1] << 24 | (size_t)frame[2] << 16 | (size_t)frame[3] << 8 | frame[4]) == message.len;
        cd_status status = is_whole ? cd_proto_read(table, message, req->arena, ret, &err)
                                    : cd_fail(&err, CD_MALFORMED, "the body is not one uncompressed message of gRPC");
        if (status == CD_OK)
                return true;
        fail(res, status == CD_NO_MEMORY ? GRPC_RESOURCE_EXHAUSTED : GRPC_INVALID_ARGUMENT,
             CD_STR("malformed message"));
        req->log->error = CD_STR("invalid_request");
        req->log->reason = cd_arena_copy(req->arena, cd_str_from_c(err.reason));
        return false;
}

static void send_message(struct cd_http_response *res, const struct cd_proto_table *table, const void *message)
{
        static struct cd_http_header ok = { CD_STR_INIT("grpc-status"), CD_STR_INIT("0") };
        struct cd_buf buf;
        cd_str body;

        cd_buf_init(&buf, res->arena, RESPONSE_MAX);
        cd_buf_add(&buf, cd_str_of("\0\0\0\0\0", FRAME));
        cd_proto_write(table, message, &buf);
        if (cd_buf_view(&buf, &body) != CD_OK)
                return fail(res, GRPC_RESOURCE_EXHAUSTED, CD_STR("out of memory"));
        for (size_t i = 0; i < 4; i++)
                buf.ptr[1 + i] = (char)((body.len - FRAME) >> (8 * (3 - i)));
        cd_http_respond(res, 200, CD_STR("application/grpc"), body);
        res->trailers = &ok;
        res->trailer_count = 1;
}

/* ---- the request ---- */

/* A check that may continue on a worker. */
struct ext_check {
        struct cd_gate_check check;
        struct cd_http_request original; /* the client's, made from the message */
};

static cd_status copy_headers(const struct cd_check_http *http, struct cd_http_request *to)
{
        const struct cd_proto_header *from = http->headers.items;
        struct cd_http_header *headers = cd_arena_calloc(to->arena, http->headers.count + 1, sizeof(*headers));
        size_t count = 0;

        for (size_t i = 0; headers && i < http->headers.count; i++)
                if (!cd_str_has_prefix(from[i].key, CD_STR(":")))
                        headers[count++] = (struct cd_http_header){ from[i].key, from[i].value };
        to->headers = headers;
        to->header_count = count;
        return headers ? CD_OK : CD_NO_MEMORY;
}

static cd_str address_of(const struct cd_check_attributes *attributes)
{
        const struct cd_check_peer *source = attributes->source;

        if (source && source->address && source->address->socket_address)
                return source->address->socket_address->address;
        return CD_STR("");
}

/* What the message does not say stays as it is in the check itself: request id, trace, log. */
static cd_status make_original(const struct cd_http_request *req, const struct cd_check_request *message,
                               struct cd_http_request *ret)
{
        const struct cd_check_attributes *attributes = message->attributes;
        const struct cd_check_http *http = attributes && attributes->request ? attributes->request->http : NULL;

        if (!http)
                return CD_INVALID_REQUEST;
        *ret = *req;
        ret->method = cd_http_method_of(http->method);
        ret->method_name = http->method;
        ret->scheme = http->scheme;
        ret->authority = http->host;
        ret->path_as_sent = http->path;
        ret->client_address = address_of(attributes);
        ret->upgrade = (cd_str){ NULL, 0 };
        ret->body = CD_STR("");
        return copy_headers(http, ret);
}

/* ---- the response ---- */

static int code_of(int status)
{
        if (status == 401 || status == 302)
                return GRPC_UNAUTHENTICATED;
        if (status == 429)
                return GRPC_RESOURCE_EXHAUSTED;
        return status >= 500 ? GRPC_UNAVAILABLE : GRPC_PERMISSION_DENIED;
}

/* What Envoy does to the headers of a request, or which ones a denial has. */
struct changes {
        struct cd_proto_header *set;
        struct cd_check_header_option *options; /* of `set` */
        cd_str *removed;
        size_t set_count, removed_count;
};

static void change(struct changes *to, cd_str name, cd_str value)
{
        static const struct cd_proto_bool no = { 0 };
        struct cd_proto_header *set = &to->set[to->set_count];

        if (value.len) {
                *set = (struct cd_proto_header){ name, value };
                to->options[to->set_count++] = (struct cd_check_header_option){ set, &no, CD_CHECK_OVERWRITE };
        } else {
                to->removed[to->removed_count++] = name;
        }
}

static bool is_set(const struct changes *changes, cd_str name)
{
        for (size_t i = 0; i < changes->set_count; i++)
                if (cd_str_eq_nocase(changes->set[i].key, name))
                        return true;
        return false;
}

/* Headers that are set replace what the client sent. Empty ones, and other spellings of identity (LESSONS 4), are
 * removed. */
static bool collect(const struct cd_gate *gate, const struct cd_http_request *original,
                    const struct cd_http_response *answer, struct changes *to)
{
        size_t count = answer->header_count + original->header_count + 1;
        bool is_allowed = answer->status == 200;

        *to = (struct changes){
                .set = cd_arena_calloc(original->arena, count, sizeof(*to->set)),
                .options = cd_arena_calloc(original->arena, count, sizeof(*to->options)),
                .removed = cd_arena_calloc(original->arena, count, sizeof(*to->removed)),
        };
        if (!to->set || !to->options || !to->removed || answer->failed)
                return false;
        if (answer->content_type.len)
                change(to, CD_STR("Content-Type"), answer->content_type);
        for (size_t i = 0; i < answer->header_count; i++) /* Cache-Control of a 200 is about the check itself */
                if (!is_allowed || !cd_str_eq(answer->headers[i].name, CD_STR("Cache-Control")))
                        change(to, answer->headers[i].name, answer->headers[i].value);
        for (size_t i = 0; is_allowed && i < original->header_count; i++)
                if (cd_gate_is_identity(original->headers[i].name, &gate->identity) &&
                    !is_set(to, original->headers[i].name))
                        change(to, original->headers[i].name, CD_STR(""));
        return true;
}

static void encode(const struct cd_gate *gate, const struct cd_http_request *original,
                   const struct cd_http_response *answer, struct cd_http_response *res)
{
        const struct cd_check_http_status http = { .code = answer->status };
        const struct cd_rpc_status status = { .code = answer->status == 200 ? GRPC_OK : code_of(answer->status) };
        struct changes changes;

        if (!collect(gate, original, answer, &changes))
                return fail(res, GRPC_RESOURCE_EXHAUSTED, CD_STR("out of memory"));
        const struct cd_proto_list headers = { changes.options, changes.set_count };
        const struct cd_check_ok ok = { headers, { changes.removed, changes.removed_count } };
        const struct cd_check_denied denied = { &http, headers, answer->body };
        const struct cd_check_response response = {
                .status = &status,
                .ok = answer->status == 200 ? &ok : NULL,
                .denied = answer->status == 200 ? NULL : &denied,
        };
        send_message(res, &cd_check_response_table, &response);
}

/* ---- the handlers ---- */

static void check_on_worker(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_gate *gate = cd_shared_get(((struct cd_gate_app *)app)->gates);
        struct ext_check *e = req->state;
        struct cd_http_response answer = { .arena = req->arena };

        if (!gate->is_enabled) /* a reload since */
                return fail(res, GRPC_UNIMPLEMENTED, CD_STR("there is no portal"));
        if (cd_gate_judge_with_store(gate, &e->original, &e->check, &answer) == CD_GATE_DECIDED)
                cd_gate_answer(gate, &e->original, &e->check, &answer);
        encode(gate, &e->original, &answer, res);
}

/* False: the store must be asked. */
static bool judge(const struct cd_gate *gate, struct ext_check *e, struct cd_http_response *answer)
{
        const struct cd_http_request *req = &e->original;
        struct cd_error err = { 0 };

        cd_status status = cd_gate_read_check(gate, req, CD_ORIGINAL_MESSAGE, &e->check, &err);
        if (status != CD_OK) {
                cd_gate_refuse_unread(req, answer, &err);
                return true;
        }
        if (cd_gate_refuse_foreign_upgrade(req, &e->check, answer))
                return true;
        enum cd_gate_verdict verdict = cd_gate_judge(gate, req, &e->check, answer);
        if (verdict == CD_GATE_DECIDED)
                cd_gate_answer(gate, req, &e->check, answer);
        return verdict != CD_GATE_ASK_STORE;
}

void cd_gate_ext_authz(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_gate *gate = cd_shared_get(((struct cd_gate_app *)app)->gates);
        struct ext_check *e = cd_arena_alloc(req->arena, sizeof(*e));
        struct cd_http_response answer = { .arena = req->arena };
        struct cd_check_request message;

        if (!gate->is_enabled)
                return cd_gate_not_found(req, res);
        if (!e)
                return fail(res, GRPC_RESOURCE_EXHAUSTED, CD_STR("out of memory"));
        if (!read_message(req, &cd_check_request_table, &message, res))
                return;
        cd_status status = make_original(req, &message, &e->original);
        if (status != CD_OK)
                return fail(res, status == CD_NO_MEMORY ? GRPC_RESOURCE_EXHAUSTED : GRPC_INVALID_ARGUMENT,
                            CD_STR("attributes.request.http is missing"));
        if (judge(gate, e, &answer))
                encode(gate, &e->original, &answer, res);
        else
                cd_http_continue_on(res, CD_HTTP_WORKER, check_on_worker, e);
}

/* grpc.health.v1 (https://github.com/grpc/grpc/blob/master/doc/health-checking.md): of the server as a whole, and of
 * the one service. */
void cd_gate_health(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_gate *gate = cd_shared_get(((struct cd_gate_app *)app)->gates);
        struct cd_health_request message;

        if (!gate->is_enabled)
                return cd_gate_not_found(req, res);
        if (!read_message(req, &cd_health_request_table, &message, res))
                return;
        if (message.service.len && !cd_str_eq(message.service, CD_STR("envoy.service.auth.v3.Authorization")))
                return fail(res, GRPC_NOT_FOUND, CD_STR("unknown service"));
        const struct cd_health_response response = { .status = cd_http_is_stopping(res) ? CD_HEALTH_NOT_SERVING
                                                                                        : CD_HEALTH_SERVING };
        send_message(res, &cd_health_response_table, &response);
}
