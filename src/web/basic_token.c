/* GET and POST /grant: exchanges a name and a password by Basic (RFC 7617) for a JWT. */
#include "core/basic_token.h"
#include "base/base64.h"
#include "base/buf.h"
#include "web/oauth_error.h"
#include "web/web.h"

enum {
        BASIC_MAX = 4096, /* bytes of base64; more than the longest name and password need */
        ANSWER_MAX = 24 * 1024,
};

static cd_status refuse(struct cd_error *reterr, const char *reason)
{
        return cd_fail_field(reterr, CD_INVALID_GRANT, CD_STR("Authorization"), reason);
}

/* "Basic" SP base64( user-id ":" password ), both in UTF-8 as the challenge requests (RFC 7617 §2, §2.1). Nothing is
 * percent-encoded, and the password may contain colons. */
static cd_status decode_basic(const struct cd_http_request *req, struct cd_basic_token_request *ret,
                              struct cd_error *reterr)
{
        cd_str header = cd_http_header_get(req, CD_STR("Authorization"));
        cd_str scheme = cd_str_slice(header, 0, cd_str_index(header, ' '));
        cd_str encoded = cd_str_trim(cd_str_slice(header, scheme.len, header.len));
        size_t len;

        if (!header.ptr)
                return refuse(reterr, "missing; send a name and a password by Basic");
        if (cd_http_header_count(req, CD_STR("Authorization")) > 1)
                return refuse(reterr, "given more than once");
        if (!cd_str_eq_nocase(scheme, CD_STR("Basic")))
                return refuse(reterr, "the scheme must be Basic");
        if (encoded.len > BASIC_MAX)
                return cd_failf(reterr, CD_INVALID_GRANT, CD_STR("Authorization"), "must be at most %d bytes of base64",
                                BASIC_MAX);
        char *text = cd_arena_alloc(req->arena, encoded.len + 4);
        if (!text)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a login");
        if (cd_base64_decode(encoded, text, &len) != CD_OK)
                return refuse(reterr, "not base64");

        cd_str pair = cd_str_of(text, len);
        size_t colon = cd_str_index(pair, ':');
        if (colon == len)
                return refuse(reterr, "no colon between name and password");
        if (!cd_str_is_utf8(pair) || cd_str_has_control(pair))
                return refuse(reterr, "name and password must be UTF-8 without control characters");
        *ret = (struct cd_basic_token_request){
                .name = cd_str_slice(pair, 0, colon),
                .password = cd_str_slice(pair, colon + 1, len),
                .address = req->client_address,
        };
        return CD_OK;
}

/* Maps a status to this endpoint's HTTP response. An error that is not the user's fault does not reveal its cause
 * (LESSONS 29). */
static const struct {
        cd_status status;
        int http;
        const char *error;
        bool says_why;           /* uses the error's text; otherwise `description`: */
        const char *description; /* NULL: none */
} answers[] = {
        { CD_INVALID_GRANT, 401, "invalid_credentials", true, NULL },
        { CD_THROTTLED, 429, "too_many_attempts", true, NULL },
        { CD_UNAVAILABLE, 503, "temporarily_unavailable", false, NULL },
        { CD_TIMEOUT, 503, "temporarily_unavailable", false, NULL },
        { CD_NOT_FOUND, 404, "not_found", false, NULL },
};

static void send_error(const struct cd_web *web, const struct cd_http_request *req, const struct cd_error *error,
                       struct cd_http_response *res)
{
        cd_str why = cd_web_describe(req->arena, error), shown = { NULL, 0 };
        const char *name = "server_error";
        int http = 500;

        for (size_t i = 0; i < CD_LEN(answers); i++) {
                if (answers[i].status != error->status)
                        continue;
                http = answers[i].http;
                name = answers[i].error;
                if (answers[i].says_why)
                        shown = why;
                else if (answers[i].description)
                        shown = cd_str_from_c(answers[i].description);
        }
        cd_http_respond_error(req, res, http, cd_str_from_c(name), shown);
        cd_web_no_store(res);
        /* A copy, because after a login the answer is written on another thread, when the snapshot may have been
         * freed. */
        if (http == 401)
                cd_http_response_header(res, CD_STR("WWW-Authenticate"),
                                        cd_arena_copy(req->arena, web->basic_challenge));
        if (http == 429 || http == 503)
                cd_web_retry_after(req, res, error);
        req->log->error = cd_str_from_c(name);
        req->log->reason = why;
}

static void send_token(const struct cd_http_request *req, const struct cd_basic_token *token,
                       struct cd_http_response *res)
{
        struct cd_buf buf;
        cd_str body;

        cd_buf_init(&buf, req->arena, ANSWER_MAX);
        (void)cd_buf_reserve(&buf, token->token.len + 96);
        cd_buf_add(&buf, CD_STR("{\"token\":\""));
        cd_buf_add(&buf, token->token); /* base64url and dots: needs no escaping */
        cd_buf_add(&buf, CD_STR("\",\"token_type\":\"Bearer\",\"expires_in\":"));
        cd_buf_add_i64(&buf, token->expires_in);
        cd_buf_add_char(&buf, '}');
        if (cd_buf_view(&buf, &body) != CD_OK)
                return; /* without a status the server answers 500 */
        cd_http_respond(res, 200, CD_STR("application/json"), body);
        cd_web_no_store(res);
}

/* Runs on the CPU pool, because it hashes passwords. */
static void log_in(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_web *web = cd_web_get(app);
        const struct cd_basic_token_request *ask = req->state;
        struct cd_basic_token token;
        struct cd_error err = { 0 };

        req->log->grant_type = CD_STR("basic");
        if (cd_basic_token_issue(web->issuer, req->arena, ask, &token, &err) != CD_OK) {
                send_error(web, req, &err, res);
                return;
        }
        req->log->client_id = cd_arena_copy(req->arena, web->issuer->basic_tokens.client_id);
        req->log->user = token.subject;
        send_token(req, &token, res);
}

/* Answers on the loop whatever needs no password hash, also for an address that must wait: see oauth_token.c. */
void cd_web_basic_token(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_web *web = cd_web_get(app);
        const struct cd_accounts *accounts = web->issuer->basic_tokens.accounts;
        struct cd_basic_token_request *ask = cd_arena_alloc(req->arena, sizeof(*ask));
        struct cd_error err = { 0 };

        if (!web->issuer->basic_tokens.audience.len)
                (void)cd_fail(&err, CD_NOT_FOUND, "basic_tokens.audience is not set, so there is no /grant");
        else if (!ask)
                (void)cd_fail(&err, CD_NO_MEMORY, "no memory for a login");
        else if (decode_basic(req, ask, &err) == CD_OK) {
                if (accounts->check_address(accounts, ask->address, &err) == CD_OK) {
                        cd_http_continue_on(res, CD_HTTP_CPU, log_in, ask);
                        return;
                }
                req->log->grant_type = CD_STR("basic");
        }
        send_error(web, req, &err, res);
}
