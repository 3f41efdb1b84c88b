#include "web/oauth_error.h"

#include "base/buf.h"

/* Maps a status to the error of RFC 6749 §5.2. An error that is not the client's fault is a 5xx that reveals nothing
 * (LESSONS 29). */
static const struct {
        cd_status status;
        int http;
        const char *error;
        bool says_why;
} answers[] = {
        { CD_INVALID_REQUEST, 400, "invalid_request", true },
        { CD_MALFORMED, 400, "invalid_request", true },
        { CD_TOO_LARGE, 400, "invalid_request", true },
        { CD_UNSUPPORTED_CODING, 415, "invalid_request", true },
        { CD_INVALID_CLIENT, 401, "invalid_client", true },
        { CD_INVALID_GRANT, 400, "invalid_grant", true },
        { CD_UNAUTHORIZED_CLIENT, 400, "unauthorized_client", true },
        { CD_UNSUPPORTED_GRANT_TYPE, 400, "unsupported_grant_type", true },
        { CD_INVALID_SCOPE, 400, "invalid_scope", true },
        /* RFC 6749 defines no error for this; 429 is from RFC 6585 section 4. */
        { CD_THROTTLED, 429, "temporarily_unavailable", true },
        { CD_UNAVAILABLE, 503, "temporarily_unavailable", false },
        { CD_TIMEOUT, 503, "temporarily_unavailable", false },
};

/* error_description may contain only %x20-21 / %x23-5B / %x5D-7E (RFC 6749 §5.2). */
static cd_str clean(cd_str text)
{
        for (size_t i = 0; text.ptr && i < text.len; i++) {
                char *c = (char *)text.ptr + i;
                if (*c == '"' || *c == '\\')
                        *c = '\'';
                else if (*c < 0x20 || *c > 0x7e)
                        *c = '?';
        }
        return text;
}

cd_str cd_web_describe(struct cd_arena *arena, const struct cd_error *error)
{
        return clean(error->field[0] ? cd_arena_printf(arena, "%s: %s", error->field, error->reason)
                                     : cd_arena_copy(arena, cd_str_from_c(error->reason)));
}

/* Includes what the client sent. */
static cd_str quote(struct cd_arena *arena, cd_str why, cd_str quoted)
{
        return quoted.len ? clean(cd_arena_printf(arena, "%.*s '%.*s'", CD_STR_ARG(why), CD_STR_ARG(quoted))) : why;
}

void cd_web_no_store(struct cd_http_response *res)
{
        cd_http_response_header(res, CD_STR("Cache-Control"), CD_STR("no-store"));
        cd_http_response_header(res, CD_STR("Pragma"), CD_STR("no-cache"));
}

void cd_web_retry_after(const struct cd_http_request *req, struct cd_http_response *res, const struct cd_error *error)
{
        cd_str text = CD_STR("1");

        if (error->retry_after > 1)
                text = cd_arena_printf(req->arena, "%lld", (long long)error->retry_after);
        cd_http_response_header(res, CD_STR("Retry-After"), text.ptr ? text : CD_STR("1"));
}

void cd_web_send_oauth_error(const struct cd_http_request *req, struct cd_http_response *res,
                             const struct cd_error *error)
{
        int http = 500;
        const char *name = "server_error";
        cd_str why = cd_web_describe(req->arena, error), shown = { NULL, 0 };

        for (size_t i = 0; i < CD_LEN(answers); i++) {
                if (answers[i].status != error->status)
                        continue;
                http = answers[i].http;
                name = answers[i].error;
                shown = answers[i].says_why ? quote(req->arena, why, error->quoted) : shown;
        }
        cd_http_respond_error(req, res, http, cd_str_from_c(name), shown);
        cd_web_no_store(res);
        if (http == 401)
                cd_http_response_header(res, CD_STR("WWW-Authenticate"),
                                        CD_STR("Basic realm=\"oauth\", charset=\"UTF-8\""));
        if (http == 415) /* RFC 9110 §12.5.3: the answer lists what is accepted */
                cd_http_response_header(res, CD_STR("Accept-Encoding"), CD_STR("identity"));
        if (http == 503 || http == 429)
                cd_web_retry_after(req, res, error);
        req->log->error = cd_str_from_c(name);
        req->log->reason = why;
}
