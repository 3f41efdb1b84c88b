/* The resource server of the time API: tells the time to clients with an access token whose scope covers the path. */
#include <string.h>

#include "base/clock.h"
#include "time_api.h"

struct config {
        struct cd_service_settings service;
        cd_str authorization_server, resource, client_id, client_secret;
        int64_t timeout;
};

#define SETTING(member, kind, default_, about, ...)                                                                    \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct config, member), .type = kind, .fallback = default_,        \
                .help = about, __VA_ARGS__                                                                             \
        }

static const struct cd_field settings[] = {
        CD_SERVICE_FIELDS(struct config, service, "127.0.0.1:5002"),
        SETTING(authorization_server, CD_FIELD_STRING, "http://127.0.0.1:5001", "the server that introspects tokens",
                .check = api_check_server_url),
        SETTING(resource, CD_FIELD_STRING, "http://localhost:5002", "the \"aud\" of tokens that are for this server"),
        SETTING(client_id, CD_FIELD_STRING, NULL, "the client as which this server introspects tokens"),
        SETTING(client_secret, CD_FIELD_SECRET, NULL, "the secret of that client"),
        SETTING(timeout, CD_FIELD_DURATION, "2s", "the timeout of the authorization server", .min = 10, .max = 60000),
};
static const struct cd_table settings_table = {
        .name = "time-resource",
        .fields = settings,
        .count = CD_LEN(settings),
        .size = sizeof(struct config),
        .closed = true,
};

/* RFC 7662 §2.1. */
struct introspection_request {
        cd_str token, token_type_hint;
};

static const struct cd_field introspection_request_fields[] = {
        { .name = "token",
          .offset = offsetof(struct introspection_request, token),
          .type = CD_FIELD_SECRET,
          .flags = CD_FIELD_REQUIRED },
        { .name = "token_type_hint",
          .offset = offsetof(struct introspection_request, token_type_hint),
          .type = CD_FIELD_STRING },
};
static const struct cd_table introspection_request = {
        .name = "introspection-request",
        .fields = introspection_request_fields,
        .count = CD_LEN(introspection_request_fields),
        .size = sizeof(struct introspection_request),
};

/* RFC 7662 §2.2. */
struct introspection {
        bool active;
        cd_str scope, client_id, sub;
        struct cd_strs aud; /* a string or an array of strings (RFC 7519 §4.1.3) */
};

#define CLAIM(member, kind, ...)                                                                                       \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct introspection, member), .type = kind, __VA_ARGS__           \
        }

static const struct cd_field introspection_fields[] = {
        CLAIM(active, CD_FIELD_BOOL, .flags = CD_FIELD_REQUIRED),
        CLAIM(scope, CD_FIELD_STRING),
        CLAIM(client_id, CD_FIELD_STRING),
        CLAIM(sub, CD_FIELD_STRING),
        CLAIM(aud, CD_FIELD_STRINGS, .flags = CD_FIELD_ONE_OR_MORE),
};
static const struct cd_table introspection_answer = {
        .name = "introspection",
        .fields = introspection_fields,
        .count = CD_LEN(introspection_fields),
        .size = sizeof(struct introspection),
};

/* The state of the handlers; immutable. */
struct resource_server {
        struct cd_fetch *fetch;
        struct api_server authorization_server;
        cd_str introspection_url, resource;
};

/* b64token of RFC 6750 §2.1: 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" */
static bool is_b64token(cd_str s)
{
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/";

        while (s.len > 1 && s.ptr[s.len - 1] == '=')
                s.len--;
        for (size_t i = 0; i < s.len; i++)
                if (!s.ptr[i] || !strchr(allowed, s.ptr[i]))
                        return false;
        return s.len > 0;
}

/* RFC 6750 §2.1: only the Authorization header is accepted. CD_NOT_FOUND if no bearer token was sent. */
static cd_status find_token(const struct cd_http_request *req, cd_str *ret, struct cd_error *reterr)
{
        static const cd_str name = CD_STR_INIT("Authorization");
        cd_str header = cd_http_header_get(req, name);
        cd_str scheme = cd_str_slice(header, 0, cd_str_index(header, ' '));

        if (cd_http_header_count(req, name) > 1)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, name, "Authorization is given more than once");
        if (!cd_str_eq_nocase(scheme, CD_STR("Bearer")))
                return cd_fail_field(reterr, CD_NOT_FOUND, name, "no bearer token was sent");
        cd_str token = cd_str_trim(cd_str_slice(header, scheme.len, header.len));
        if (!is_b64token(token))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, name,
                                     "Authorization has no token of the form that RFC 6750 section 2.1 gives");
        *ret = token;
        return CD_OK;
}

/* Introspects the token at the authorization server (RFC 7662). */
static cd_status introspect(const struct resource_server *self, const struct cd_http_request *req, cd_str token,
                            struct introspection *ret, struct cd_error *reterr)
{
        struct introspection_request ask = { .token = token, .token_type_hint = CD_STR("access_token") };
        struct cd_fetch_request request = {
                .method = CD_FETCH_POST,
                .url = self->introspection_url,
                .basic_user = self->authorization_server.client_id,
                .basic_password = self->authorization_server.client_secret,
                .content_type = CD_STR("application/x-www-form-urlencoded"),
                .body = api_encode_form(req->arena, &introspection_request, &ask),
        };

        if (!request.body.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to introspect a token");
        api_on_behalf_of(req, &request);
        return api_call(self->fetch, &self->authorization_server, &request, &introspection_answer, ret, reterr);
}

static bool has_scope(cd_str scopes, cd_str scope)
{
        cd_str word;

        while (cd_str_take_word(&scopes, &word))
                if (cd_str_eq(word, scope))
                        return true;
        return false;
}

static bool is_for(struct cd_strs audiences, cd_str resource)
{
        for (size_t i = 0; i < audiences.count; i++)
                if (cd_str_eq(audiences.items[i], resource))
                        return true;
        return audiences.count == 0;
}

/* CD_OK only if the token is active, is for this server, and has this scope. CD_NOT_FOUND, CD_INVALID_REQUEST,
 * CD_INVALID_TOKEN, CD_INSUFFICIENT_SCOPE; any other status means that the authorization server could not be
 * reached. */
static cd_status judge(const struct resource_server *self, const struct cd_http_request *req, cd_str scope,
                       struct cd_error *reterr)
{
        struct introspection token = { 0 };
        cd_str text = { NULL, 0 };

        cd_status status = find_token(req, &text, reterr);
        if (status == CD_OK)
                status = introspect(self, req, text, &token, reterr);
        if (status != CD_OK)
                return status;
        if (!token.active)
                return cd_fail(reterr, CD_INVALID_TOKEN, "the token is not valid");
        *req->log =
                (struct cd_http_log_context){ .client_id = token.client_id, .user = token.sub, .scope = token.scope };
        if (!is_for(token.aud, self->resource))
                return cd_fail(reterr, CD_INVALID_TOKEN, "the token is for another server");
        if (!has_scope(token.scope, scope))
                return cd_failf(reterr, CD_INSUFFICIENT_SCOPE, CD_STR("scope"), "the token does not have %.*s",
                                CD_STR_ARG(scope));
        return CD_OK;
}

/* The only place that knows the form of an error response (RFC 6750 §3, §3.1). */
static void refuse(const struct cd_http_request *req, struct cd_http_response *res, cd_str scope,
                   const struct cd_error *error)
{
        cd_str why = cd_arena_copy(req->arena, cd_str_from_c(error->reason));
        cd_str challenge = CD_STR("Bearer realm=\"time\", error=\"invalid_token\"");
        int http = 401;

        req->log->error = cd_status_name(error->status);
        req->log->reason = why;
        switch (error->status) {
        case CD_NOT_FOUND: /* a request without a token gets no error code */
                challenge = CD_STR("Bearer realm=\"time\"");
                req->log->error = CD_STR("unauthorized");
                break;
        case CD_INVALID_REQUEST:
                http = 400;
                challenge = CD_STR("Bearer realm=\"time\", error=\"invalid_request\"");
                break;
        case CD_INSUFFICIENT_SCOPE:
                http = 403;
                challenge = cd_arena_printf(req->arena,
                                            "Bearer realm=\"time\", error=\"insufficient_scope\", scope=\"%.*s\"",
                                            CD_STR_ARG(scope));
                break;
        case CD_INVALID_TOKEN:
                break;
        default:
                api_send_gateway_error(req, res, error);
                return;
        }
        cd_http_respond_error(req, res, http, req->log->error, why);
        cd_http_response_header(res, CD_STR("WWW-Authenticate"), challenge);
        api_no_store(res);
}

static void answer_current_time(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        static const cd_str scope = CD_STR_INIT("current_time");
        char text[CD_RFC3339_LEN];
        struct cd_error err = { 0 };

        if (judge(app, req, scope, &err) != CD_OK) {
                refuse(req, res, scope, &err);
                return;
        }
        cd_time_format_rfc3339(cd_clock_system.now(&cd_clock_system), text);
        api_send_message(req, res, &api_current_time, &(struct current_time){ cd_str_of(text, sizeof(text)) });
}

static void answer_epoch_time(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        static const cd_str scope = CD_STR_INIT("epoch_time");
        struct cd_error err = { 0 };

        if (judge(app, req, scope, &err) != CD_OK) {
                refuse(req, res, scope, &err);
                return;
        }
        api_send_message(req, res, &api_epoch_time, &(struct epoch_time){ cd_clock_system.now(&cd_clock_system) });
}

static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_GET,
          .path = CD_STR_INIT("/current_time"),
          .where = CD_HTTP_OUTGOING,
          .handler = answer_current_time },
        { .methods = CD_HTTP_GET,
          .path = CD_STR_INIT("/epoch_time"),
          .where = CD_HTTP_OUTGOING,
          .handler = answer_epoch_time },
        { .methods = CD_HTTP_GET,
          .path = CD_STR_INIT("/healthz"),
          .where = CD_HTTP_INLINE,
          .handler = api_healthz,
          .quiet = true },
        { .methods = CD_HTTP_GET,
          .path = CD_STR_INIT("/readyz"),
          .where = CD_HTTP_INLINE,
          .handler = api_readyz,
          .quiet = true },
};

static void check(const void *config, struct cd_report *report)
{
        const struct config *c = config;

        api_warn_if_empty(report, CD_STR("client_id"), c->client_id);
        api_warn_if_empty(report, CD_STR("client_secret"), c->client_secret);
}

static cd_status prepare(const struct cd_service_start *start, void **ret_app, struct cd_error *reterr)
{
        const struct config *config = start->config;
        const struct cd_fetch_options options = {
                .connect_timeout_ms = config->timeout,
                .total_timeout_ms = config->timeout,
                .response_max = 64 * 1024,
                .idle_handles = config->service.outgoing_threads,
                .user_agent = CD_STR("time-resource"),
        };
        struct resource_server *self = CD_NEW(start->arena, struct resource_server);

        if (!self)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory");
        self->resource = config->resource;
        self->introspection_url =
                cd_arena_printf(start->arena, "%.*s/oauth/introspect", CD_STR_ARG(config->authorization_server));
        self->authorization_server = (struct api_server){
                .name = CD_STR("authorization_server"),
                .client_id = api_form_encode(start->arena, config->client_id),
                .client_secret = api_form_encode(start->arena, config->client_secret),
        };
        if (!self->introspection_url.ptr || !self->authorization_server.client_id.ptr ||
            !self->authorization_server.client_secret.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory");
        *ret_app = self;
        return cd_fetch_new(&options, &self->fetch, reterr);
}

static void finish(void *app)
{
        struct resource_server *self = app;
        cd_fetch_free(self->fetch);
}

int main(int argc, char **argv)
{
        static const struct cd_http_routes group = { .items = routes, .count = CD_LEN(routes) };
        static const struct cd_service_part part = { .routes = &group };
        static const struct cd_service service = {
                .name = "time-resource",
                .table = &settings_table,
                .settings_offset = offsetof(struct config, service),
                .parts = &part,
                .part_count = 1,
                .check = check,
                .prepare = prepare,
                .finish = finish,
        };
        return cd_service_main(&service, argc, argv);
}
