#include <stddef.h>

#include "base/buf.h"
#include "base/json.h"
#include "core/oauth/introspect.h"
#include "core/user_claims.h"
#include "http/form.h"
#include "web/client_auth.h"
#include "web/oauth_error.h"
#include "web/web.h"

#define FIELD(member, kind, about, ...)                                                                                \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct cd_token_query, member), .type = kind, .help = about,       \
                __VA_ARGS__                                                                                            \
        }

/* A token may have any length and any characters; an invalid one is inactive (RFC 7662 §2.2). The limit of the body
 * bounds it. */
static const struct cd_field fields[] = {
        FIELD(token, CD_FIELD_SECRET, "the token to look at", .flags = CD_FIELD_REQUIRED | CD_FIELD_RAW,
              .max = INT32_MAX),
        FIELD(token_type_hint, CD_FIELD_STRING, "accepted and not used"),
        FIELD(client_id, CD_FIELD_STRING, "the caller, where it does not use Basic"),
        FIELD(client_secret, CD_FIELD_SECRET, "the caller's secret"),
};

const struct cd_table cd_web_token_query_form = {
        .name = "token-query",
        .fields = fields,
        .count = CD_LEN(fields),
        .size = sizeof(struct cd_token_query),
};

enum {
        ANSWER_MAX = 24 * 1024
};

static void add_member(struct cd_buf *buf, cd_str name, cd_str value)
{
        cd_buf_add(buf, name);
        cd_buf_add_json(buf, value);
}

/* Adds the user's claims. A token's claim is omitted if this response defines its name. */
static void add_grants(struct cd_buf *buf, const struct cd_json *member)
{
        for (; member; member = member->next) {
                if (cd_user_claims_is_reserved(member->name))
                        continue;
                cd_buf_add_char(buf, ',');
                cd_buf_add_json(buf, member->name);
                cd_buf_add_char(buf, ':');
                cd_json_write(member, buf);
        }
}

/* RFC 7662 §2.2. */
static cd_status encode_active(struct cd_arena *arena, const struct cd_claims *claims, cd_str *ret)
{
        struct cd_buf buf;

        cd_buf_init(&buf, arena, ANSWER_MAX);
        (void)cd_buf_reserve(&buf, 512);
        cd_buf_add(&buf, CD_STR("{\"active\":true,\"token_type\":\"Bearer\""));
        if (claims->scope.len)
                add_member(&buf, CD_STR(",\"scope\":"), claims->scope);
        add_member(&buf, CD_STR(",\"client_id\":"), claims->client_id);
        add_member(&buf, CD_STR(",\"sub\":"), claims->sub);
        if (!cd_str_eq(claims->sub, claims->client_id)) /* the token is a user's, not the client's own */
                add_member(&buf, CD_STR(",\"username\":"), claims->sub);
        add_member(&buf, CD_STR(",\"aud\":"), claims->aud);
        add_member(&buf, CD_STR(",\"iss\":"), claims->iss);
        add_member(&buf, CD_STR(",\"jti\":"), claims->jti);
        cd_buf_add(&buf, CD_STR(",\"exp\":"));
        cd_buf_add_i64(&buf, claims->exp);
        cd_buf_add(&buf, CD_STR(",\"iat\":"));
        cd_buf_add_i64(&buf, claims->iat);
        add_grants(&buf, claims->further);
        cd_buf_add_char(&buf, '}');
        return cd_buf_view(&buf, ret);
}

static void send_introspection(const struct cd_http_request *req, struct cd_http_response *res,
                               const struct cd_introspection *result)
{
        cd_str body = CD_STR("{\"active\":false}");

        if (result->active) {
                req->log->user = result->claims.sub;
                req->log->scope = result->claims.scope;
                if (encode_active(req->arena, &result->claims, &body) != CD_OK)
                        return; /* without a status the server answers 500 */
        } else {
                req->log->error = CD_STR("inactive");
                req->log->reason = cd_arena_copy(req->arena, cd_str_from_c(result->inactive_reason.reason));
        }
        cd_http_respond(res, 200, CD_STR("application/json"), body);
        cd_web_no_store(res);
}

void cd_web_oauth_introspect(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_web *web = cd_web_get(app);
        struct cd_token_query ask = { 0 };
        struct cd_introspection result;
        struct cd_error err = { 0 };

        cd_status status = cd_http_form_decode(req, &cd_web_token_query_form, &ask, &err);
        ask.address = req->client_address;
        if (status == CD_OK)
                status = cd_web_client_credentials(req, &ask.client_id, &ask.client_secret, &err);
        req->log->client_id = cd_clients_known_id(web->issuer->client_auth.clients, ask.client_id);
        if (status == CD_OK)
                status = cd_token_introspect(web->issuer, web->revocations, req->arena, &ask, &result, &err);
        if (status == CD_OK)
                send_introspection(req, res, &result);
        else
                cd_web_send_oauth_error(req, res, &err);
}
