#include "app/redact.h"

#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/percent.h"
#include "base/secret.h"

enum {
        FOUND_MIN = 6,     /* bytes of a secret that is looked for elsewhere; a shorter one occurs by chance */
        RUN_MIN = 20,      /* characters without a space that may be a token, in a text of unknown form */
        OPAQUE_MAX = 1024, /* bytes of such a text that are shown */
        VALUE_MAX = 8192,  /* bytes of one value while it is made fit to show */
};

/* ---- names ---- */

static bool is_any_of(cd_str name, const char *const *list)
{
        for (; *list; list++)
                if (cd_str_eq_nocase(name, cd_str_from_c(*list)))
                        return true;
        return false;
}

static bool has_any_of(cd_str name, const char *const *list)
{
        for (; *list; list++) {
                cd_str part = cd_str_from_c(*list);
                for (size_t i = 0; i + part.len <= name.len; i++)
                        if (cd_bytes_eq_nocase(name.ptr + i, part.ptr, part.len))
                                return true;
        }
        return false;
}

static bool ends_with_any_of(cd_str name, const char *const *list)
{
        for (; *list; list++) {
                cd_str end = cd_str_from_c(*list);
                if (end.len <= name.len && cd_bytes_eq_nocase(name.ptr + name.len - end.len, end.ptr, end.len))
                        return true;
        }
        return false;
}

/* Of a parameter, a member or a header. */
static bool is_secret_name(cd_str name)
{
        static const char *const harmless[] = { "type",       "endpoint",   "supported", "expires_in",
                                                "expires_at", "created_at", "_alg",      "method",
                                                "_uri",       "_url",       "scopes",    NULL };
        static const char *const parts[] = { "token",    "secret",  "passw",   "passphrase", "assertion", "verifier",
                                             "cookie",   "session", "api_key", "api-key",    "apikey",    "signature",
                                             "authoriz", "saml",    "jwt",     "credential", NULL };
        static const char *const whole[] = { "code", "state", "nonce",  "key",         "sig",       "otp", "pin",
                                             "sid",  "auth",  "ticket", "device_code", "user_code", "pwd", NULL };

        return is_any_of(name, whole) || (has_any_of(name, parts) && !ends_with_any_of(name, harmless));
}

/* What a token answer may say besides secrets (RFC 6749 §5, RFC 8628 §3.2, GitHub). */
static bool is_harmless_in_answer(cd_str name)
{
        static const char *const names[] = { "token_type", "scope",
                                             "expires_in", "refresh_token_expires_in",
                                             "expires_at", "created_at",
                                             "error",      "error_description",
                                             "error_uri",  "issued_token_type",
                                             "interval",   NULL };

        return is_any_of(name, names);
}

static bool is_answer_name(cd_str name)
{
        return cd_str_eq_nocase(name, CD_STR("access_token")) || cd_str_eq_nocase(name, CD_STR("id_token"));
}

/* ---- values ---- */

static bool is_space(char c)
{
        return c == ' ' || (c >= '\t' && c <= '\r');
}

static void add_placeholder(struct cd_redact *redact, struct cd_buf *to, cd_str secret)
{
        char fingerprint[CD_FINGERPRINT_LEN];
        size_t chars = 0;

        for (size_t i = 0; i < secret.len; i++)
                chars += (secret.ptr[i] & 0xc0) != 0x80; /* characters, not bytes */
        cd_buf_printf(to, "‹redacted %zu chars", chars);
        if (redact->fingerprints && cd_fingerprint_of(redact->fingerprints, secret, fingerprint) == CD_OK)
                cd_buf_printf(to, ", fingerprint %.8s…", fingerprint);
        if (is_space(secret.ptr[0]))
                cd_buf_add(to, CD_STR(", white space at the start"));
        if (is_space(secret.ptr[secret.len - 1]))
                cd_buf_add(to, CD_STR(", white space at the end"));
        cd_buf_add(to, CD_STR("›"));
}

static void remember(struct cd_redact *redact, cd_str secret)
{
        for (size_t i = 0; i < redact->count; i++)
                if (cd_str_eq(redact->found[i], secret))
                        return;
        if (secret.len >= FOUND_MIN && redact->count < CD_LEN(redact->found))
                redact->found[redact->count++] = secret;
}

void cd_redact_secret(struct cd_redact *redact, struct cd_buf *to, cd_str secret)
{
        if (!secret.len) {
                cd_buf_add(to, CD_STR("‹EMPTY›"));
                return;
        }
        remember(redact, secret);
        add_placeholder(redact, to, secret);
}

static bool is_token_character(char c)
{
        char lower = (char)(c | 0x20);

        return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-._~+/=", c));
}

static size_t token_run(cd_str text)
{
        size_t len = 0;

        while (len < text.len && is_token_character(text.ptr[len]))
                len++;
        return len;
}

/* The length of the secret with which the text begins: one that was found before, or a JWT; 0: none. */
static size_t secret_at(const struct cd_redact *redact, cd_str text)
{
        size_t len = 0;

        for (size_t i = 0; i < redact->count; i++)
                if (redact->found[i].len > len && cd_str_has_prefix(text, redact->found[i]))
                        len = redact->found[i].len;
        if (len == 0 && cd_str_has_prefix(text, CD_STR("eyJ")) && token_run(text) >= RUN_MIN)
                len = token_run(text);
        return len;
}

/* A text that is no secret itself, but may contain some. */
static void add_text(struct cd_redact *redact, struct cd_buf *to, cd_str text)
{
        for (size_t i = 0, len; i < text.len && !to->failed; i += len) {
                cd_str rest = cd_str_slice(text, i, text.len);
                len = secret_at(redact, rest);
                if (len)
                        add_placeholder(redact, to, cd_str_slice(rest, 0, len));
                else
                        cd_buf_add(to, cd_str_slice(rest, 0, len = 1));
        }
}

static cd_str decoded(struct cd_redact *redact, cd_str text)
{
        cd_str plain;

        return cd_percent_decode(redact->arena, text, true, &plain) == CD_OK ? plain : text;
}

/* The value of a parameter in percent-encoding. */
static void add_encoded(struct cd_redact *redact, struct cd_buf *to, cd_str value, bool is_secret)
{
        if (!value.len || is_secret) {
                cd_redact_secret(redact, to, decoded(redact, value));
                if (value.len)
                        remember(redact, value);
        } else {
                add_text(redact, to, value);
        }
}

/* ---- URLs ---- */

static bool ends_parameter(char c)
{
        return is_space(c) || (c && strchr("&#\"'<>,;", c));
}

/* "name=value" at the start of the text; 0: there is none. Returns its length. */
static size_t add_parameter(struct cd_redact *redact, struct cd_buf *to, cd_str text)
{
        size_t equals = 0, end;

        while (equals < text.len && text.ptr[equals] != '=' && !ends_parameter(text.ptr[equals]))
                equals++;
        if (equals == text.len || text.ptr[equals] != '=')
                return 0;
        for (end = equals + 1; end < text.len && !ends_parameter(text.ptr[end]); end++)
                ;
        add_text(redact, to, cd_str_slice(text, 0, equals + 1));
        add_encoded(redact, to, cd_str_slice(text, equals + 1, end - equals - 1),
                    is_secret_name(decoded(redact, cd_str_slice(text, 0, equals))));
        return end;
}

/* The length of "user:password@" after "://"; 0: there is none. */
static size_t userinfo_length(cd_str rest)
{
        size_t at = 0;

        for (size_t i = 0; i < rest.len && !ends_parameter(rest.ptr[i]) && !strchr("/?", rest.ptr[i]); i++)
                if (rest.ptr[i] == '@')
                        at = i;
        return at;
}

void cd_redact_url(struct cd_redact *redact, struct cd_buf *to, cd_str url)
{
        for (size_t i = 0; i < url.len;) {
                cd_str rest = cd_str_slice(url, i, url.len);
                size_t known = secret_at(redact, rest), len = 1;
                if (known) {
                        add_placeholder(redact, to, cd_str_slice(rest, 0, len = known));
                } else if (cd_str_has_prefix(rest, CD_STR("://"))) {
                        size_t user = userinfo_length(cd_str_slice(rest, 3, rest.len));
                        cd_buf_add(to, CD_STR("://"));
                        if (user)
                                cd_redact_secret(redact, to, cd_str_slice(rest, 3, user));
                        len = 3 + user;
                } else {
                        cd_buf_add_char(to, rest.ptr[0]);
                        if (strchr("?&#;", rest.ptr[0]))
                                len += add_parameter(redact, to, cd_str_slice(rest, 1, rest.len));
                }
                i += len;
        }
}

/* ---- headers ---- */

/* RFC 7617, with the form encoding of RFC 6749 §2.3.1: the user name is shown. */
static void add_basic(struct cd_redact *redact, struct cd_buf *to, cd_str credentials)
{
        char *pair = cd_arena_alloc(redact->arena, credentials.len / 4 * 3 + 2);
        size_t len, colon;

        remember(redact, credentials);
        if (!pair || cd_base64_decode(credentials, pair, &len) != CD_OK ||
            (colon = cd_str_index(cd_str_of(pair, len), ':')) == len) {
                cd_redact_secret(redact, to, credentials);
                return;
        }
        cd_buf_add(to, cd_str_of(pair, colon + 1));
        add_encoded(redact, to, cd_str_of(pair + colon + 1, len - colon - 1), true);
}

static void add_authorization(struct cd_redact *redact, struct cd_buf *to, cd_str value)
{
        size_t space = cd_str_index(value, ' ');
        cd_str scheme = cd_str_slice(value, 0, space), rest = cd_str_slice(value, space + 1, value.len);

        if (space == value.len) {
                cd_redact_secret(redact, to, value);
                return;
        }
        cd_buf_add(to, scheme);
        cd_buf_add_char(to, ' ');
        if (cd_str_eq_nocase(scheme, CD_STR("Basic")))
                add_basic(redact, to, rest);
        else
                cd_redact_secret(redact, to, rest);
}

static void add_header(struct cd_redact *redact, struct cd_buf *to, cd_str line)
{
        size_t colon = cd_str_index(line, ':');
        cd_str name = cd_str_slice(line, 0, colon), value = cd_str_slice(line, colon + 1, line.len);

        if (value.len && value.ptr[0] == ' ')
                value = cd_str_slice(value, 1, value.len);
        add_text(redact, to, name);
        cd_buf_add(to, CD_STR(": "));
        if (cd_str_eq_nocase(name, CD_STR("Authorization")) || cd_str_eq_nocase(name, CD_STR("Proxy-Authorization")))
                add_authorization(redact, to, value);
        else if (!value.len || is_secret_name(name))
                cd_redact_secret(redact, to, value);
        else
                cd_redact_url(redact, to, value);
}

void cd_redact_headers(struct cd_redact *redact, struct cd_buf *to, cd_str head)
{
        cd_str rest = head, line;

        for (bool is_first = true; rest.len && cd_str_take_until(&rest, '\n', &line); is_first = false) {
                if (line.len && line.ptr[line.len - 1] == '\r')
                        line.len--;
                if (!line.len)
                        continue;
                if (!is_first)
                        cd_buf_add_char(to, '\n');
                if (is_first || cd_str_has_prefix(line, CD_STR("HTTP/")) || cd_str_index(line, ':') == line.len)
                        cd_redact_url(redact, to, line);
                else
                        add_header(redact, to, line);
        }
}

/* ---- bodies ---- */

static bool is_form(cd_str body)
{
        size_t equals = cd_str_index(body, '=');

        if (equals == 0 || equals == body.len)
                return false;
        for (size_t i = 0; i < body.len; i++)
                if (is_space(body.ptr[i]) || strchr("<>{}\"", body.ptr[i]) || (unsigned char)body.ptr[i] >= 0x7f)
                        return false;
        return true;
}

/* Whether it answers with tokens: then only what is known is shown. */
static bool is_answer_form(cd_str body)
{
        cd_str rest = body, part;
        bool has_token = false, is_request = false;

        while (cd_str_take_until(&rest, '&', &part)) {
                cd_str name = cd_str_slice(part, 0, cd_str_index(part, '='));
                has_token |= is_answer_name(name);
                is_request |= cd_str_eq(name, CD_STR("grant_type"));
        }
        return has_token && !is_request;
}

static void add_form(struct cd_redact *redact, struct cd_buf *to, cd_str body)
{
        bool is_answer = is_answer_form(body);
        cd_str rest = body, part;

        for (bool is_first = true; cd_str_take_until(&rest, '&', &part); is_first = false) {
                size_t equals = cd_str_index(part, '=');
                cd_str name = decoded(redact, cd_str_slice(part, 0, equals));
                if (!is_first)
                        cd_buf_add_char(to, '&');
                add_text(redact, to, cd_str_slice(part, 0, equals));
                if (equals == part.len)
                        continue;
                cd_buf_add_char(to, '=');
                add_encoded(redact, to, cd_str_slice(part, equals + 1, part.len),
                            is_answer ? !is_harmless_in_answer(name) : is_secret_name(name));
        }
}

static void add_json(struct cd_redact *redact, struct cd_buf *to, const struct cd_json *node, bool is_secret);

static void add_json_children(struct cd_redact *redact, struct cd_buf *to, const struct cd_json *node, bool is_secret)
{
        bool is_object = node->type == CD_JSON_OBJECT;
        bool is_answer = cd_json_find(node, CD_STR("access_token")) || cd_json_find(node, CD_STR("id_token"));

        cd_buf_add_char(to, is_object ? '{' : '[');
        for (const struct cd_json *child = node->child; child; child = child->next) {
                if (child != node->child)
                        cd_buf_add_char(to, ',');
                if (is_object) {
                        cd_buf_add_json(to, child->name);
                        cd_buf_add_char(to, ':');
                }
                bool is_named =
                        is_object && (is_answer ? !is_harmless_in_answer(child->name) : is_secret_name(child->name));
                add_json(redact, to, child, is_secret || is_named);
        }
        cd_buf_add_char(to, is_object ? '}' : ']');
}

static void add_json_text(struct cd_redact *redact, struct cd_buf *to, cd_str text, bool is_secret)
{
        struct cd_buf value;

        cd_buf_init(&value, redact->arena, VALUE_MAX);
        if (!text.len || is_secret)
                cd_redact_secret(redact, &value, text);
        else
                cd_redact_url(redact, &value, text);
        cd_buf_add_json(to, cd_str_of(value.ptr, value.len));
}

/* Not deeper than the parser goes. */
static void add_json(struct cd_redact *redact, struct cd_buf *to, const struct cd_json *node, bool is_secret)
{
        switch (node->type) {
        case CD_JSON_ARRAY:
        case CD_JSON_OBJECT:
                add_json_children(redact, to, node, is_secret);
                break;
        case CD_JSON_STRING:
                add_json_text(redact, to, node->text, is_secret);
                break;
        case CD_JSON_NUMBER:
                if (is_secret)
                        add_json_text(redact, to, node->text, true);
                else
                        cd_buf_add(to, node->text);
                break;
        case CD_JSON_NULL:
        case CD_JSON_BOOL:
                cd_buf_add(to, node->text);
                break;
        }
}

/* HTML, a page of a proxy, plain text: the beginning, without what could be a token. */
static void add_opaque(struct cd_redact *redact, struct cd_buf *to, cd_str body)
{
        size_t end = body.len < OPAQUE_MAX ? body.len : OPAQUE_MAX;

        for (size_t i = 0, len; i < end; i += len) {
                cd_str rest = cd_str_slice(body, i, body.len);
                size_t known = secret_at(redact, rest), run = token_run(rest);
                len = known > 0 ? known : run > 0 ? run : 1;
                if (known || run >= RUN_MIN)
                        add_placeholder(redact, to, cd_str_slice(rest, 0, len));
                else
                        add_text(redact, to, cd_str_slice(rest, 0, len));
        }
        if (end < body.len)
                cd_buf_add(to, CD_STR("…"));
}

void cd_redact_body(struct cd_redact *redact, struct cd_buf *to, cd_str body)
{
        cd_str start = cd_str_trim(body);
        const struct cd_json *json;

        if (start.len && (start.ptr[0] == '{' || start.ptr[0] == '[')) {
                if (cd_json_parse(redact->arena, body, 0, &json, NULL) == CD_OK)
                        add_json(redact, to, json, false);
                else
                        cd_buf_printf(to, "‹%zu bytes that begin like JSON and are not well-formed, or too large›",
                                      body.len);
        } else if (is_form(body)) {
                add_form(redact, to, body);
        } else {
                add_opaque(redact, to, body);
        }
}
