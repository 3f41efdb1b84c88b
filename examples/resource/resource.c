/* A resource server that verifies access tokens itself: libcardea has the issuer's public keys, so no request to the
 * issuer is needed for a token, and the server works while the issuer is down. */
#include <string.h>

#include "service/service.h"
#include "cardea.h"

struct config {
        struct cd_service_settings service;
        cd_str issuer, jwks, audience, ca;
        int64_t timeout, refresh_gap; /* ms */
};

#define SETTING(member, kind, about, ...)                                                                              \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct config, member), .type = kind, .help = about, __VA_ARGS__   \
        }

static const struct cd_field settings[] = {
        CD_SERVICE_FIELDS(struct config, service, "127.0.0.1:5005"),
        SETTING(issuer, CD_FIELD_STRING, "the \"iss\" of the tokens", .flags = CD_FIELD_REQUIRED, .min = 1,
                .max = 2048),
        SETTING(jwks, CD_FIELD_STRING, "where the issuer's public keys are: a URL or a file",
                .flags = CD_FIELD_REQUIRED, .min = 1, .max = 2048),
        SETTING(audience, CD_FIELD_STRING, "the \"aud\" of tokens that are for this server", .flags = CD_FIELD_REQUIRED,
                .min = 1, .max = 2048),
        SETTING(ca, CD_FIELD_STRING, "PEM file of the CAs to trust for jwks instead of those of the system"),
        SETTING(timeout, CD_FIELD_DURATION, "how long fetching the keys may take", .fallback = "2s", .min = 10,
                .max = 60000),
        SETTING(refresh_gap, CD_FIELD_DURATION,
                "the minimum time between two attempts to fetch the keys: how long tokens of a new key may be rejected",
                .fallback = "2s", .min = 100, .max = 3600000),
};
static const struct cd_table settings_table = {
        .name = "grant-resource",
        .fields = settings,
        .count = CD_LEN(settings),
        .size = sizeof(struct config),
        .closed = true,
};

/* The state of the handlers. */
struct resource_server {
        cardea_verifier *verifier;
        int retry_after; /* seconds, at least 1 */
};

/* RFC 6750 §2.1. CD_NOT_FOUND if no bearer token was sent. The verifier checks the form of the token. */
static cd_status find_token(const struct cd_http_request *req, cd_str *ret, struct cd_error *reterr)
{
        static const cd_str name = CD_STR_INIT("Authorization");
        cd_str header = cd_http_header_get(req, name);
        cd_str scheme = cd_str_slice(header, 0, cd_str_index(header, ' '));

        if (cd_http_header_count(req, name) > 1)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, name, "Authorization is given more than once");
        cd_str token = cd_str_trim(cd_str_slice(header, scheme.len, header.len));
        if (!cd_str_eq_nocase(scheme, CD_STR("Bearer")) || token.len == 0)
                return cd_fail_field(reterr, CD_NOT_FOUND, name, "no bearer token was sent");
        *ret = token;
        return CD_OK;
}

static void no_store(struct cd_http_response *res)
{
        cd_http_response_header(res, CD_STR("Cache-Control"), CD_STR("no-store"));
}

/* RFC 6750 §3, §3.1: a request without a token gets no error code. */
static void refuse(const struct cd_http_request *req, struct cd_http_response *res, cd_status status,
                   const char *reason)
{
        static const cd_str no_description = { NULL, 0 };
        cd_str error = CD_STR("invalid_token"),
               challenge = CD_STR("Bearer realm=\"resource\", error=\"invalid_token\"");
        int http = 401;

        if (status == CD_NOT_FOUND) {
                error = CD_STR("unauthorized");
                challenge = CD_STR("Bearer realm=\"resource\"");
        } else if (status == CD_INVALID_REQUEST) {
                http = 400;
                error = CD_STR("invalid_request");
                challenge = CD_STR("Bearer realm=\"resource\", error=\"invalid_request\"");
        }
        req->log->error = error;
        req->log->reason = cd_arena_copy(req->arena, cd_str_from_c(reason));
        cd_http_respond_error(req, res, http, error, no_description);
        cd_http_response_header(res, CD_STR("WWW-Authenticate"), challenge);
        no_store(res);
}

/* Responds to a failure that the token did not cause. */
static void send_failure(const struct resource_server *self, const struct cd_http_request *req,
                         struct cd_http_response *res, const cardea_error *error)
{
        bool is_temporary = error->code == CARDEA_UNAVAILABLE;
        cd_str name = is_temporary ? CD_STR("temporarily_unavailable") : CD_STR("server_error");

        req->log->error = name;
        req->log->reason = cd_arena_copy(req->arena, cd_str_from_c(error->reason));
        cd_http_respond_error(req, res, is_temporary ? 503 : 500, name, (cd_str){ NULL, 0 });
        if (is_temporary)
                cd_http_response_header(res, CD_STR("Retry-After"),
                                        cd_arena_printf(req->arena, "%d", self->retry_after));
        no_store(res);
}

static void accept_claims(const struct cd_http_request *req, struct cd_http_response *res, cardea_claims *claims)
{
        size_t len = 0;
        const char *payload = cardea_claims_payload(claims, &len);
        const char *client = cardea_claims_string(claims, "client_id", NULL);
        cd_str body = cd_arena_copy(req->arena, cd_str_of(payload, len));

        req->log->user = cd_arena_copy(req->arena, cd_str_from_c(cardea_claims_subject(claims)));
        req->log->client_id = cd_arena_copy(req->arena, cd_str_from_c(client));
        if (!body.ptr)
                return; /* the server answers 500 if the handler sets no response */
        cd_http_respond(res, 202, CD_STR("application/json"), body);
        no_store(res);
}

static void answer(struct resource_server *self, const struct cd_http_request *req, struct cd_http_response *res,
                   bool may_wait);

static void answer_where_waiting_is_allowed(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        answer(app, req, res, true);
}

static void answer_on_the_loop(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        answer(app, req, res, false);
}

/* The keys are almost always present, and the loop answers at once. Only if they must be fetched is the request passed
 * to the pool for outgoing calls. */
static void answer(struct resource_server *self, const struct cd_http_request *req, struct cd_http_response *res,
                   bool may_wait)
{
        struct cd_error err = { 0 };
        cd_str token = { NULL, 0 };
        cardea_claims *claims;
        cardea_error why;

        cd_status status = find_token(req, &token, &err);
        if (status != CD_OK) {
                refuse(req, res, status, err.reason);
                return;
        }
        cardea_code code = may_wait ? cardea_verify(self->verifier, token.ptr, token.len, &claims, &why)
                                    : cardea_verify_cached(self->verifier, token.ptr, token.len, &claims, &why);
        switch (code) {
        case CARDEA_OK:
                accept_claims(req, res, claims);
                cardea_claims_free(claims);
                break;
        case CARDEA_WOULD_BLOCK:
                cd_http_continue_on(res, CD_HTTP_OUTGOING, answer_where_waiting_is_allowed, NULL);
                break;
        case CARDEA_INVALID_TOKEN:
                refuse(req, res, CD_INVALID_TOKEN, why.reason);
                break;
        default:
                send_failure(self, req, res, &why);
        }
}

static void healthz(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR("application/json"), CD_STR("{\"status\":\"ok\"}"));
        no_store(res);
}

static void fetch_and_say_whether_ready(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct resource_server *self = app;
        cardea_error why;

        if (cardea_refresh(self->verifier, &why) == CARDEA_OK || cardea_has_keys(self->verifier))
                healthz(app, req, res);
        else
                send_failure(self, req, res, &why);
}

static void say_stopping(const struct cd_http_request *req, struct cd_http_response *res)
{
        cd_http_respond_error(req, res, 503, CD_STR("not_ready"), CD_STR("the server is stopping"));
        cd_http_response_header(res, CD_STR("Retry-After"), CD_STR("1"));
        no_store(res);
}

/* Without keys no request can be served. Clients that wait for readiness send no tokens, so /readyz itself fetches the
 * keys. */
static void readyz(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct resource_server *self = app;

        if (cd_http_is_stopping(res))
                say_stopping(req, res);
        else if (cardea_has_keys(self->verifier))
                healthz(app, req, res);
        else
                cd_http_continue_on(res, CD_HTTP_OUTGOING, fetch_and_say_whether_ready, NULL);
}

static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/"), .where = CD_HTTP_INLINE, .handler = answer_on_the_loop },
        { .methods = CD_HTTP_GET,
          .path = CD_STR_INIT("/healthz"),
          .where = CD_HTTP_INLINE,
          .handler = healthz,
          .quiet = true },
        { .methods = CD_HTTP_GET,
          .path = CD_STR_INIT("/readyz"),
          .where = CD_HTTP_INLINE,
          .handler = readyz,
          .quiet = true },
};

/* Returns the path of a file as a C string, relative to the folder of the configuration file. URLs are returned
 * unchanged. NULL if memory is exhausted. */
static const char *path_of(const struct cd_service_start *start, cd_str path)
{
        cd_str folder = start->config_path;

        while (folder.len && folder.ptr[folder.len - 1] != '/')
                folder.len--;
        if (path.ptr[0] == '/' || memmem(path.ptr, path.len, "://", 3))
                folder.len = 0;
        return cd_arena_printf(start->arena, "%.*s%.*s", CD_STR_ARG(folder), CD_STR_ARG(path)).ptr;
}

static cd_status prepare(const struct cd_service_start *start, void **ret_app, struct cd_error *reterr)
{
        const struct config *config = start->config;
        struct resource_server *self = CD_NEW(start->arena, struct resource_server);
        cardea_options options = CARDEA_OPTIONS_INIT;
        cardea_error why;

        options.jwks = path_of(start, config->jwks);
        options.issuer = cd_arena_copy(start->arena, config->issuer).ptr;
        options.audience = cd_arena_copy(start->arena, config->audience).ptr;
        options.ca_file = config->ca.len ? path_of(start, config->ca) : NULL;
        options.refresh_gap_ms = config->refresh_gap;
        options.connect_timeout_ms = options.timeout_ms = config->timeout;
        if (!self || !options.jwks || !options.issuer || !options.audience || (config->ca.len && !options.ca_file))
                return cd_fail(reterr, CD_NO_MEMORY, "no memory");
        if (cardea_verifier_new(&options, &self->verifier, &why) != CARDEA_OK)
                return cd_fail(reterr, why.code == CARDEA_INVALID_OPTION ? CD_INVALID_REQUEST : CD_INTERNAL,
                               why.reason);
        self->retry_after = (int)((config->refresh_gap + 999) / 1000);
        *ret_app = self;
        return CD_OK;
}

static void finish(void *app)
{
        struct resource_server *self = app;
        cardea_verifier_free(self->verifier);
}

int main(int argc, char **argv)
{
        static const struct cd_http_routes group = { .items = routes, .count = CD_LEN(routes) };
        static const struct cd_service_part part = { .routes = &group };
        static const struct cd_service service = {
                .name = "grant-resource",
                .table = &settings_table,
                .settings_offset = offsetof(struct config, service),
                .parts = &part,
                .part_count = 1,
                .prepare = prepare,
                .finish = finish,
        };
        return cd_service_main(&service, argc, argv);
}
