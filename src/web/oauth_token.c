#include <stddef.h>

#include "base/buf.h"
#include "core/oauth/token.h"
#include "http/form.h"
#include "web/client_auth.h"
#include "web/oauth_error.h"
#include "web/web.h"

#define FIELD(member, kind, about, ...)                                                                                \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct cd_token_request, member), .type = kind, .help = about,     \
                __VA_ARGS__                                                                                            \
        }

/* Anything except line ends; tabs are allowed (RFC 6749 appendix A.16). */
static const char *check_password(cd_str value)
{
        return cd_str_index(value, '\r') < value.len || cd_str_index(value, '\n') < value.len
                       ? "must not hold line ends"
                       : NULL;
}

static const struct cd_field fields[] = {
        FIELD(grant_type, CD_FIELD_STRING, "which grant", .flags = CD_FIELD_REQUIRED),
        FIELD(scope, CD_FIELD_STRING, "scopes asked for, between spaces", .flags = CD_FIELD_RAW),
        FIELD(username, CD_FIELD_STRING, "the user, for the password grant"),
        FIELD(password, CD_FIELD_SECRET, "the user's password", .flags = CD_FIELD_RAW, .check = check_password),
        FIELD(client_id, CD_FIELD_STRING, "the client, where it does not use Basic"),
        FIELD(client_secret, CD_FIELD_SECRET, "the client's secret"),
};

const struct cd_table cd_web_token_form = {
        .name = "token-request",
        .fields = fields,
        .count = CD_LEN(fields),
        .size = sizeof(struct cd_token_request),
};

enum {
        ANSWER_MAX = 24 * 1024
};

/* RFC 6749 §5.1. */
static void send_tokens(const struct cd_http_request *req, struct cd_http_response *res, const struct cd_tokens *tokens)
{
        struct cd_buf buf;
        cd_str body;

        cd_buf_init(&buf, req->arena, ANSWER_MAX);
        (void)cd_buf_reserve(&buf, tokens->access_token.len + tokens->scope.len + 96);
        cd_buf_add(&buf, CD_STR("{\"access_token\":\""));
        cd_buf_add(&buf, tokens->access_token); /* base64url and dots: needs no escaping */
        cd_buf_add(&buf, CD_STR("\",\"token_type\":\"Bearer\",\"expires_in\":"));
        cd_buf_add_i64(&buf, tokens->expires_in);
        if (tokens->scope.len) {
                cd_buf_add(&buf, CD_STR(",\"scope\":"));
                cd_buf_add_json(&buf, tokens->scope);
        }
        cd_buf_add_char(&buf, '}');
        if (cd_buf_view(&buf, &body) != CD_OK)
                return; /* without a status the server answers 500 */
        cd_http_respond(res, 200, CD_STR("application/json"), body);
        cd_web_no_store(res);
}

static cd_status decode(const struct cd_http_request *req, struct cd_token_request *ret, struct cd_error *reterr)
{
        cd_status status = cd_http_form_decode(req, &cd_web_token_form, ret, reterr);
        if (status == CD_OK)
                status = cd_web_client_credentials(req, &ret->client_id, &ret->client_secret, reterr);
        ret->address = req->client_address;
        return status;
}

static void say_who(const struct cd_web *web, const struct cd_http_request *req, const struct cd_token_request *ask)
{
        /* A copy, because after a login on another thread the snapshot may have been freed before the line is
         * written. */
        req->log->client_id =
                cd_arena_copy(req->arena, cd_clients_known_id(web->issuer->client_auth.clients, ask->client_id));
        req->log->grant_type = cd_grant_known_name(ask->grant_type);
}

static void issue(const struct cd_web *web, const struct cd_http_request *req, const struct cd_token_request *ask,
                  struct cd_http_response *res)
{
        struct cd_tokens tokens;
        struct cd_error err = { 0 };

        if (cd_token_issue(web->issuer, req->arena, ask, &tokens, &err) != CD_OK) {
                cd_web_send_oauth_error(req, res, &err);
                return;
        }
        req->log->user = tokens.subject;
        req->log->scope = tokens.scope;
        send_tokens(req, res, &tokens);
}

/* Runs on the CPU pool, because it hashes passwords. */
static void log_in(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_web *web = cd_web_get(app);
        const struct cd_token_request *ask = req->state;

        say_who(web, req, ask);
        issue(web, req, ask, res);
}

/* Answers everything but logins here, on the loop. A login that is refused for its address is answered here too,
 * because a flood of those must not fill the pool's queue, in which the logins of other users wait. */
void cd_web_oauth_token(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_web *web = cd_web_get(app);
        const struct cd_accounts *accounts = web->issuer->accounts;
        struct cd_token_request *ask = CD_NEW(req->arena, struct cd_token_request);
        struct cd_error err = { 0 };

        if (!ask) {
                (void)cd_fail(&err, CD_NO_MEMORY, "no memory for a token");
                cd_web_send_oauth_error(req, res, &err);
                return;
        }
        cd_status status = decode(req, ask, &err);
        say_who(web, req, ask);
        bool wants_login = status == CD_OK && cd_token_wants_login(web->issuer, ask);
        if (wants_login)
                status = accounts->check_address(accounts, ask->address, &err);
        if (status != CD_OK)
                cd_web_send_oauth_error(req, res, &err);
        else if (wants_login)
                cd_http_continue_on(res, CD_HTTP_CPU, log_in, ask);
        else
                issue(web, req, ask, res);
}
