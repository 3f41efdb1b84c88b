#include "time_api.h"

#include <string.h>

#include "base/percent.h"

enum {
        MESSAGE_MAX = 16 * 1024, /* bytes of an encoded message */
};

/* The date-time of RFC 3339 §5.6, in the only form that this API uses. */
static const char *check_rfc3339(cd_str value)
{
        static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
        bool fits = value.len == sizeof(form) - 1;

        for (size_t i = 0; fits && i < value.len; i++)
                fits = form[i] == 'd' ? value.ptr[i] >= '0' && value.ptr[i] <= '9' : value.ptr[i] == form[i];
        return fits ? NULL : "must be a time such as 2026-11-22T09:30:05Z";
}

static const struct cd_field current_time_fields[] = {
        { .name = "current_time",
          .offset = offsetof(struct current_time, current_time),
          .type = CD_FIELD_STRING,
          .flags = CD_FIELD_REQUIRED,
          .check = check_rfc3339,
          .help = "the time in UTC (RFC 3339)" },
};
const struct cd_table api_current_time = {
        .name = "current-time",
        .fields = current_time_fields,
        .count = CD_LEN(current_time_fields),
        .size = sizeof(struct current_time),
};

static const struct cd_field epoch_time_fields[] = {
        { .name = "epoch_time",
          .offset = offsetof(struct epoch_time, epoch_time),
          .type = CD_FIELD_INT,
          .flags = CD_FIELD_REQUIRED,
          .max = INT64_MAX,
          .help = "seconds since 1970-01-01T00:00:00Z" },
};
const struct cd_table api_epoch_time = {
        .name = "epoch-time",
        .fields = epoch_time_fields,
        .count = CD_LEN(epoch_time_fields),
        .size = sizeof(struct epoch_time),
};

/* The error response of a server, in the form of RFC 6749 §5.2, which Cardea's other errors use too. */
struct refusal {
        cd_str error;
};

/* Accepts only the characters of an error code (RFC 6749 §5.2), so that it can be put into logs and responses. */
static const char *check_error_code(cd_str value)
{
        for (size_t i = 0; i < value.len; i++)
                if (value.ptr[i] < 0x20 || value.ptr[i] > 0x7e || value.ptr[i] == '"' || value.ptr[i] == '\\')
                        return "is not an error code";
        return NULL;
}

static const struct cd_field refusal_fields[] = {
        { .name = "error",
          .offset = offsetof(struct refusal, error),
          .type = CD_FIELD_STRING,
          .flags = CD_FIELD_REQUIRED,
          .max = 64,
          .check = check_error_code,
          .help = "why" },
};
static const struct cd_table refusal = {
        .name = "refusal",
        .fields = refusal_fields,
        .count = CD_LEN(refusal_fields),
        .size = sizeof(struct refusal),
};

const char *api_check_server_url(cd_str url)
{
        cd_str rest = url;

        if (cd_str_has_prefix(url, CD_STR("http://")))
                rest = cd_str_slice(url, 7, url.len);
        else if (cd_str_has_prefix(url, CD_STR("https://")))
                rest = cd_str_slice(url, 8, url.len);
        if (rest.len == 0 || rest.len == url.len)
                return "must be a URL such as http://127.0.0.1:5001";
        if (cd_str_index(rest, '@') != rest.len || cd_str_index(rest, '?') != rest.len)
                return "must be a URL without user, password and query";
        return rest.ptr[rest.len - 1] == '/' ? "must not end with a slash" : NULL;
}

void api_warn_if_empty(struct cd_report *report, cd_str setting, cd_str value)
{
        if (value.len == 0)
                cd_report_about(report, CD_FINDING_WARNING, setting, "set it to what the authorization server expects",
                                "is empty, so every request will be rejected");
}

cd_str api_form_encode(struct cd_arena *arena, cd_str text)
{
        struct cd_buf buf;
        cd_str encoded;

        cd_buf_init(&buf, arena, MESSAGE_MAX);
        cd_percent_encode(&buf, text);
        return cd_buf_view(&buf, &encoded) == CD_OK ? encoded : (cd_str){ NULL, 0 };
}

cd_str api_encode_form(struct cd_arena *arena, const struct cd_table *table, const void *message)
{
        struct cd_buf buf;
        cd_str form;

        cd_buf_init(&buf, arena, MESSAGE_MAX);
        (void)cd_buf_reserve(&buf, 1024);
        for (size_t i = 0; i < table->count; i++) {
                const cd_str *value = (const void *)((const char *)message + table->fields[i].offset);
                if (!value->ptr)
                        continue;
                if (buf.len)
                        cd_buf_add_char(&buf, '&');
                cd_buf_add(&buf, cd_str_from_c(table->fields[i].name));
                cd_buf_add_char(&buf, '=');
                cd_percent_encode(&buf, *value);
        }
        return cd_buf_view(&buf, &form) == CD_OK ? form : (cd_str){ NULL, 0 };
}

void api_send_message(const struct cd_http_request *req, struct cd_http_response *res, const struct cd_table *table,
                      const void *message)
{
        struct cd_buf buf;
        cd_str body;

        cd_buf_init(&buf, req->arena, MESSAGE_MAX);
        for (size_t i = 0; i < table->count; i++) {
                const struct cd_field *field = &table->fields[i];
                const void *value = (const char *)message + field->offset;
                cd_buf_add_char(&buf, i ? ',' : '{');
                cd_buf_add_json(&buf, cd_str_from_c(field->name));
                cd_buf_add_char(&buf, ':');
                if (field->type == CD_FIELD_INT)
                        cd_buf_add_i64(&buf, *(const int64_t *)value);
                else
                        cd_buf_add_json(&buf, *(const cd_str *)value);
        }
        cd_buf_add_char(&buf, '}');
        if (cd_buf_view(&buf, &body) != CD_OK)
                return; /* the server answers 500 if the handler sets no response */
        cd_http_respond(res, 200, CD_STR("application/json"), body);
        api_no_store(res);
}

void api_on_behalf_of(const struct cd_http_request *req, struct cd_fetch_request *request)
{
        request->request_id = req->request_id;
        request->trace = (struct cd_fetch_trace){
                .trace_id = cd_str_of(req->trace.trace_id, sizeof(req->trace.trace_id)),
                .span_id = cd_str_of(req->trace.span_id, sizeof(req->trace.span_id)),
                .sampled = req->trace.sampled,
        };
        request->arena = req->arena;
}

cd_status api_call(struct cd_fetch *fetch, const struct api_server *server, const struct cd_fetch_request *request,
                   const struct cd_table *table, void *ret, struct cd_error *reterr)
{
        struct cd_arena *arena = request->arena;
        struct cd_fetch_response response;
        struct cd_error err = { 0 };
        struct refusal said = { 0 };

        cd_status status = cd_fetch_call(fetch, request, &response, &err);
        if (status == CD_NO_MEMORY)
                return cd_fail(reterr, status, err.reason);
        if (status != CD_OK)
                return cd_fail_field(reterr, status == CD_TIMEOUT ? status : CD_UNAVAILABLE, server->name, err.reason);
        if (response.status == 200 && cd_json_decode(arena, response.body, table, ret, &err) == CD_OK)
                return CD_OK;
        if (response.status == 200)
                return cd_failf(reterr, CD_UNAVAILABLE, server->name, "its response is not a valid %s message",
                                table->name);
        if (cd_json_decode(arena, response.body, &refusal, &said, &err) != CD_OK)
                return cd_failf(reterr, CD_UNAVAILABLE, server->name, "it answered %d", response.status);
        return cd_failf(reterr, CD_UNAVAILABLE, server->name, "it answered %d, %.*s", response.status,
                        CD_STR_ARG(said.error));
}

void api_send_gateway_error(const struct cd_http_request *req, struct cd_http_response *res,
                            const struct cd_error *error)
{
        bool slow = error->status == CD_TIMEOUT;
        cd_str name = slow ? CD_STR("gateway_timeout") : CD_STR("bad_gateway");
        struct cd_buf buf;
        cd_str body;

        if (!error->field[0]) { /* the error names no server, so this service failed */
                cd_http_respond_error(req, res, 500, CD_STR("server_error"), (cd_str){ NULL, 0 });
                return;
        }
        cd_buf_init(&buf, req->arena, MESSAGE_MAX);
        cd_buf_add(&buf, CD_STR("{\"error\":"));
        cd_buf_add_json(&buf, name);
        cd_buf_add(&buf, CD_STR(",\"server\":"));
        cd_buf_add_json(&buf, cd_str_from_c(error->field));
        cd_buf_add(&buf, CD_STR(",\"error_description\":"));
        cd_buf_add_json(&buf, cd_str_from_c(error->reason));
        cd_buf_add_char(&buf, '}');
        if (cd_buf_view(&buf, &body) != CD_OK)
                return;
        cd_http_respond(res, slow ? 504 : 502, CD_STR("application/json"), body);
        api_no_store(res);
        req->log->error = name;
        req->log->reason = cd_arena_printf(req->arena, "%s: %s", error->field, error->reason);
}

void api_no_store(struct cd_http_response *res)
{
        cd_http_response_header(res, CD_STR("Cache-Control"), CD_STR("no-store"));
}

void api_healthz(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR("application/json"), CD_STR("{\"status\":\"ok\"}"));
        api_no_store(res);
}

void api_readyz(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        if (!cd_http_is_stopping(res)) {
                api_healthz(app, req, res);
                return;
        }
        cd_http_respond_error(req, res, 503, CD_STR("not_ready"), CD_STR("the server is stopping"));
        cd_http_response_header(res, CD_STR("Retry-After"), CD_STR("1"));
        api_no_store(res);
}
