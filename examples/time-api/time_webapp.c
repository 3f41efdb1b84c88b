/* The web application of the time API: for each call it requests a token for its user, limited to the scope of that
 * path, and calls the resource server. */
#include "base/clock.h"
#include "time_api.h"

struct config {
        struct cd_service_settings service;
        cd_str authorization_server, resource_server, client_id, client_secret, username, password;
        int64_t timeout;
};

#define SETTING(member, kind, default_, about, ...)                                                                    \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct config, member), .type = kind, .fallback = default_,        \
                .help = about, __VA_ARGS__                                                                             \
        }

static const struct cd_field settings[] = {
        CD_SERVICE_FIELDS(struct config, service, "127.0.0.1:5003"),
        SETTING(authorization_server, CD_FIELD_STRING, "http://127.0.0.1:5001", "the server that issues tokens",
                .check = api_check_server_url),
        SETTING(resource_server, CD_FIELD_STRING, "http://127.0.0.1:5002", "the server that tells the time",
                .check = api_check_server_url),
        SETTING(client_id, CD_FIELD_STRING, NULL, "the client as which this application requests tokens"),
        SETTING(client_secret, CD_FIELD_SECRET, NULL, "the secret of that client"),
        SETTING(username, CD_FIELD_STRING, NULL, "the user of these tokens"),
        SETTING(password, CD_FIELD_SECRET, NULL, "the password of that user"),
        SETTING(timeout, CD_FIELD_DURATION, "2s", "the timeout of both servers together", .min = 10, .max = 60000),
};
static const struct cd_table settings_table = {
        .name = "time-webapp",
        .fields = settings,
        .count = CD_LEN(settings),
        .size = sizeof(struct config),
        .closed = true,
};

/* RFC 6749 §4.3.2. */
struct token_request {
        cd_str grant_type, username, password, scope;
};

#define PARAMETER(member, kind)                                                                                        \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct token_request, member), .type = kind,                       \
                .flags = CD_FIELD_REQUIRED                                                                             \
        }

static const struct cd_field token_request_fields[] = {
        PARAMETER(grant_type, CD_FIELD_STRING),
        PARAMETER(username, CD_FIELD_STRING),
        PARAMETER(password, CD_FIELD_SECRET),
        PARAMETER(scope, CD_FIELD_STRING),
};
static const struct cd_table token_request = {
        .name = "token-request",
        .fields = token_request_fields,
        .count = CD_LEN(token_request_fields),
        .size = sizeof(struct token_request),
};

/* RFC 6749 §5.1. */
struct token_answer {
        cd_str access_token, token_type, scope;
        int64_t expires_in;
};

/* This application can only send bearer tokens (RFC 6749 §7.1: a client must not use a type that it does not
 * understand). */
static const char *check_token_type(cd_str value)
{
        return cd_str_eq_nocase(value, CD_STR("Bearer")) ? NULL : "must be Bearer";
}

static const struct cd_field token_answer_fields[] = {
        { .name = "access_token",
          .offset = offsetof(struct token_answer, access_token),
          .type = CD_FIELD_SECRET,
          .flags = CD_FIELD_REQUIRED },
        { .name = "token_type",
          .offset = offsetof(struct token_answer, token_type),
          .type = CD_FIELD_STRING,
          .flags = CD_FIELD_REQUIRED,
          .check = check_token_type },
        { .name = "scope", .offset = offsetof(struct token_answer, scope), .type = CD_FIELD_STRING },
        { .name = "expires_in", .offset = offsetof(struct token_answer, expires_in), .type = CD_FIELD_INT },
};
static const struct cd_table token_answer = {
        .name = "token",
        .fields = token_answer_fields,
        .count = CD_LEN(token_answer_fields),
        .size = sizeof(struct token_answer),
};

/* The state of the handlers; immutable. */
struct webapp {
        struct cd_fetch *fetch;
        struct api_server authorization_server, resource_server;
        cd_str token_url, current_time_url, epoch_time_url;
        cd_str username, password;
        int64_t timeout_ms;
};

/* One call of a user: what is requested, and the deadline. */
struct user_call {
        const struct webapp *app;
        const struct cd_http_request *req;
        cd_str scope, url;
        const struct cd_table *answer;
        int64_t deadline_us;
};

static cd_status time_left(const struct user_call *user, const struct api_server *server, int64_t *retms,
                           struct cd_error *reterr)
{
        int64_t left_ms = (user->deadline_us - cd_monotonic_us()) / 1000;

        if (left_ms <= 0)
                return cd_fail_field(reterr, CD_TIMEOUT, server->name, "no time was left to call it");
        *retms = left_ms;
        return CD_OK;
}

/* The password grant (RFC 6749 §4.3): this is a first-party application. */
static cd_status get_token(const struct user_call *user, struct token_answer *ret, struct cd_error *reterr)
{
        const struct webapp *app = user->app;
        struct token_request ask = {
                .grant_type = CD_STR("password"),
                .username = app->username,
                .password = app->password,
                .scope = user->scope,
        };
        struct cd_fetch_request request = {
                .method = CD_FETCH_POST,
                .url = app->token_url,
                .basic_user = app->authorization_server.client_id,
                .basic_password = app->authorization_server.client_secret,
                .content_type = CD_STR("application/x-www-form-urlencoded"),
                .body = api_encode_form(user->req->arena, &token_request, &ask),
        };

        if (!request.body.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to request a token");
        api_on_behalf_of(user->req, &request);
        cd_status status = time_left(user, &app->authorization_server, &request.timeout_ms, reterr);
        if (status != CD_OK)
                return status;
        return api_call(app->fetch, &app->authorization_server, &request, &token_answer, ret, reterr);
}

static cd_status get_time(const struct user_call *user, cd_str token, void *ret, struct cd_error *reterr)
{
        const struct webapp *app = user->app;
        struct cd_fetch_request request = {
                .method = CD_FETCH_GET,
                .url = user->url,
                .bearer = token,
        };

        api_on_behalf_of(user->req, &request);
        cd_status status = time_left(user, &app->resource_server, &request.timeout_ms, reterr);
        if (status != CD_OK)
                return status;
        return api_call(app->fetch, &app->resource_server, &request, user->answer, ret, reterr);
}

/* The response is bound by its table and encoded anew, so nothing that the table does not name is passed on. */
static void answer_time(struct user_call user, struct cd_http_response *res)
{
        struct token_answer token = { 0 };
        union {
                struct current_time current_time;
                struct epoch_time epoch_time;
        } message = { 0 };
        struct cd_error err = { 0 };

        user.deadline_us = cd_monotonic_us() + user.app->timeout_ms * 1000;
        user.req->log->user = user.app->username;
        user.req->log->client_id = user.app->authorization_server.client_id;
        user.req->log->scope = user.scope;
        if (get_token(&user, &token, &err) != CD_OK || get_time(&user, token.access_token, &message, &err) != CD_OK)
                api_send_gateway_error(user.req, res, &err);
        else
                api_send_message(user.req, res, user.answer, &message);
}

static void answer_current_time(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct webapp *self = app;

        answer_time((struct user_call){ .app = self,
                                        .req = req,
                                        .scope = CD_STR("current_time"),
                                        .url = self->current_time_url,
                                        .answer = &api_current_time },
                    res);
}

static void answer_epoch_time(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct webapp *self = app;

        answer_time((struct user_call){ .app = self,
                                        .req = req,
                                        .scope = CD_STR("epoch_time"),
                                        .url = self->epoch_time_url,
                                        .answer = &api_epoch_time },
                    res);
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
        api_warn_if_empty(report, CD_STR("username"), c->username);
        api_warn_if_empty(report, CD_STR("password"), c->password);
}

static cd_status prepare(const struct cd_service_start *start, void **ret_app, struct cd_error *reterr)
{
        const struct config *config = start->config;
        const struct cd_fetch_options options = {
                .connect_timeout_ms = config->timeout,
                .total_timeout_ms = config->timeout,
                .response_max = 64 * 1024,
                .idle_handles = config->service.outgoing_threads,
                .user_agent = CD_STR("time-webapp"),
        };
        struct webapp *self = CD_NEW(start->arena, struct webapp);

        if (!self)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory");
        self->authorization_server = (struct api_server){
                .name = CD_STR("authorization_server"),
                .client_id = api_form_encode(start->arena, config->client_id),
                .client_secret = api_form_encode(start->arena, config->client_secret),
        };
        self->resource_server.name = CD_STR("resource_server");
        self->token_url = cd_arena_printf(start->arena, "%.*s/oauth/token", CD_STR_ARG(config->authorization_server));
        self->current_time_url =
                cd_arena_printf(start->arena, "%.*s/current_time", CD_STR_ARG(config->resource_server));
        self->epoch_time_url = cd_arena_printf(start->arena, "%.*s/epoch_time", CD_STR_ARG(config->resource_server));
        self->username = config->username;
        self->password = config->password;
        self->timeout_ms = config->timeout;
        if (!self->authorization_server.client_id.ptr || !self->authorization_server.client_secret.ptr ||
            !self->token_url.ptr || !self->current_time_url.ptr || !self->epoch_time_url.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory");
        *ret_app = self;
        return cd_fetch_new(&options, &self->fetch, reterr);
}

static void finish(void *app)
{
        struct webapp *self = app;
        cd_fetch_free(self->fetch);
}

int main(int argc, char **argv)
{
        static const struct cd_http_routes group = { .items = routes, .count = CD_LEN(routes) };
        static const struct cd_service_part part = { .routes = &group };
        static const struct cd_service service = {
                .name = "time-webapp",
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
