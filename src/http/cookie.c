#include "http/cookie.h"

#include "base/buf.h"

/* The next "name=value" of the request, trimmed. Skips empty ones, as between "; ;". */
static bool next_pair(const struct cd_http_request *req, struct cd_http_cookies *at, cd_str *ret)
{
        for (;;) {
                while (cd_str_take_until(&at->rest, ';', ret)) {
                        *ret = cd_str_trim(*ret);
                        if (ret->len)
                                return true;
                }
                for (;; at->header++) {
                        if (at->header >= req->header_count)
                                return false;
                        if (cd_str_eq_nocase(req->headers[at->header].name, CD_STR("cookie")))
                                break;
                }
                at->rest = req->headers[at->header++].value;
        }
}

/* A cookie without "=" has an empty name, and all of it is its value (RFC 6265bis §5.6). */
static cd_str name_of(cd_str pair)
{
        size_t equals = cd_str_index(pair, '=');

        return equals < pair.len ? cd_str_trim(cd_str_slice(pair, 0, equals)) : CD_STR("");
}

bool cd_http_cookie_next(const struct cd_http_request *req, struct cd_http_cookies *at, cd_str name, cd_str *ret)
{
        cd_str pair;

        while (next_pair(req, at, &pair)) {
                if (!cd_str_eq(name_of(pair), name))
                        continue;
                *ret = cd_str_trim(cd_str_slice(pair, cd_str_index(pair, '=') + 1, pair.len));
                return true;
        }
        return false;
}

static bool begins_with_one(cd_str name, struct cd_strs prefixes)
{
        for (size_t i = 0; i < prefixes.count; i++)
                if (cd_str_has_prefix(name, prefixes.items[i]))
                        return true;
        return false;
}

cd_status cd_http_cookies_without(const struct cd_http_request *req, struct cd_strs prefixes, cd_str *ret)
{
        struct cd_http_cookies at = { 0 };
        struct cd_buf buf;
        cd_str pair;

        *ret = CD_STR("");
        cd_buf_init(&buf, req->arena, req->arena->ceiling);
        while (next_pair(req, &at, &pair)) {
                if (begins_with_one(name_of(pair), prefixes))
                        continue;
                if (buf.len)
                        cd_buf_add(&buf, CD_STR("; "));
                cd_buf_add(&buf, pair);
        }
        return buf.len || buf.failed ? cd_buf_view(&buf, ret) : CD_OK;
}

/* cookie-octet of RFC 6265 §4.1.1 */
static bool is_value(cd_str value)
{
        for (size_t i = 0; i < value.len; i++) {
                char c = value.ptr[i];
                if (c <= ' ' || c > '~' || c == '"' || c == ',' || c == ';' || c == '\\')
                        return false;
        }
        return true;
}

static bool is_allowed(const struct cd_http_set_cookie *cookie)
{
        bool is_host = cd_str_has_prefix(cookie->name, CD_STR("__Host-"));

        return cd_http_is_token(cookie->name) && is_value(cookie->value) && is_value(cookie->domain) &&
               !(is_host && (cookie->domain.len || cookie->is_plain));
}

void cd_http_response_set_cookie(struct cd_http_response *res, const struct cd_http_set_cookie *cookie)
{
        struct cd_buf buf;
        cd_str value;

        cd_buf_init(&buf, res->arena, CD_HTTP_COOKIE_MAX);
        cd_buf_add(&buf, cookie->name);
        cd_buf_add_char(&buf, '=');
        cd_buf_add(&buf, cookie->value);
        if (cookie->domain.len) {
                cd_buf_add(&buf, CD_STR("; Domain="));
                cd_buf_add(&buf, cookie->domain);
        }
        cd_buf_add(&buf, CD_STR("; Path=/"));
        if (cookie->max_age) {
                cd_buf_add(&buf, CD_STR("; Max-Age="));
                cd_buf_add_i64(&buf, cookie->max_age < 0 ? 0 : cookie->max_age);
        }
        if (!cookie->is_plain)
                cd_buf_add(&buf, CD_STR("; Secure"));
        cd_buf_add(&buf, CD_STR("; HttpOnly; SameSite=Lax"));
        if (is_allowed(cookie) && cd_buf_view(&buf, &value) == CD_OK)
                cd_http_response_header(res, CD_STR("Set-Cookie"), value);
        else
                res->failed = true;
}
