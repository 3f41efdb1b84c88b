#include "app/redact.h"

#include <string.h>

#include "app/redact_names.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/percent.h"
#include "base/secret.h"

enum {
        FOUND_MIN = 6,     /* bytes of a secret that is looked for elsewhere; a shorter one occurs by chance */
        RUN_MIN = 20,      /* characters without a space that may be a token, in a text of unknown form */
        OPAQUE_MAX = 1024, /* bytes of such a text that are shown */
        VALUE_MAX = 8192,  /* bytes of one value while it is made fit to show */
        DEPTH_MAX = 4,     /* texts within texts: a URL in a parameter of a URL, JSON in a string of JSON */
};

/* ---- values ---- */

static bool is_answer_name(cd_str name)
{
        return cd_str_eq_nocase(name, CD_STR("access_token")) || cd_str_eq_nocase(name, CD_STR("id_token"));
}

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

/* The name of a parameter or of a member. A token without a name, such as base64 with "=" at its end, looks like one.
 * */
static void add_name(struct cd_redact *redact, struct cd_buf *to, cd_str name)
{
        bool has_digit = false;

        for (size_t i = 0; i < name.len; i++)
                has_digit |= name.ptr[i] >= '0' && name.ptr[i] <= '9';
        if (has_digit && name.len >= RUN_MIN && token_run(name) == name.len)
                cd_redact_secret(redact, to, name);
        else
                add_text(redact, to, name);
}

static cd_str decoded(struct cd_redact *redact, cd_str text)
{
        cd_str plain;

        return cd_percent_decode(redact->arena, text, true, &plain) == CD_OK ? plain : text;
}

/* A value that is no secret itself may be a URL that has some, or repeat one in another encoding: then it is shown
 * decoded. */
static void add_nested(struct cd_redact *redact, struct cd_buf *to, cd_str value)
{
        cd_str plain = decoded(redact, value);
        struct cd_buf inner;

        if (cd_str_index(value, '%') == value.len) {
                add_text(redact, to, value);
                return;
        }
        if (redact->depth == DEPTH_MAX) {
                cd_redact_secret(redact, to, value);
                return;
        }
        redact->depth++;
        cd_buf_init(&inner, redact->arena, VALUE_MAX);
        cd_redact_url(redact, &inner, plain);
        redact->depth--;
        if (!inner.failed && cd_str_eq(cd_str_of(inner.ptr, inner.len), plain))
                add_text(redact, to, value);
        else
                cd_buf_add(to, cd_str_of(inner.ptr, inner.len));
}

/* The value of a parameter in percent-encoding. */
static void add_encoded(struct cd_redact *redact, struct cd_buf *to, cd_str value, bool is_secret)
{
        if (!value.len || is_secret) {
                cd_redact_secret(redact, to, decoded(redact, value));
                if (value.len)
                        remember(redact, value);
        } else {
                add_nested(redact, to, value);
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
                    cd_redact_is_parameter(decoded(redact, cd_str_slice(text, 0, equals))));
        return end;
}

static cd_str without_space_around(cd_str text)
{
        while (text.len && is_space(text.ptr[0]))
                text = cd_str_slice(text, 1, text.len);
        while (text.len && is_space(text.ptr[text.len - 1]))
                text.len--;
        return text;
}

static bool is_name_character(char c)
{
        return is_token_character(c) && !strchr("/+=~", c);
}

/* The same where no "?" or "&" comes before it, as in "bad client_secret=…": only of a secret. */
static size_t add_secret_parameter(struct cd_redact *redact, struct cd_buf *to, cd_str text)
{
        size_t len = 0;

        while (len < text.len && is_name_character(text.ptr[len]))
                len++;
        if (len == text.len || text.ptr[len] != '=' || !cd_redact_is_name(cd_str_slice(text, 0, len)))
                return 0;
        cd_str value = cd_str_slice(text, len + 1, text.len);
        if (!cd_str_has_prefix(value, CD_STR("\"")))
                return add_parameter(redact, to, text);
        value = cd_str_slice(value, 1, value.len);
        value.len = cd_str_index(value, '"');
        cd_buf_add(to, cd_str_slice(text, 0, len + 2));
        cd_redact_secret(redact, to, value);
        return len + 2 + value.len;
}

static bool begins_word(cd_str text, size_t i)
{
        return i == 0 || !is_name_character(text.ptr[i - 1]);
}

/* The length of "user:password@" after "://"; 0: there is none. */
static size_t userinfo_length(cd_str rest)
{
        size_t at = 0;

        /* RFC 3986 §3.2.1: "&", ";", "," and "'" may be in it. */
        for (size_t i = 0; i < rest.len && !is_space(rest.ptr[i]) && !strchr("/?#\"<>", rest.ptr[i]); i++)
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
                } else if (!begins_word(url, i) || !(len = add_secret_parameter(redact, to, rest))) {
                        len = 1;
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
        else if (!value.len || cd_redact_is_header(name))
                cd_redact_secret(redact, to, value);
        else
                cd_redact_url(redact, to, value);
}

/* The rest of a folded header (RFC 9112 §5.2), of which only the first line has a name. */
static void add_folded(struct cd_redact *redact, struct cd_buf *to, cd_str line)
{
        cd_buf_add_char(to, ' ');
        cd_redact_secret(redact, to, without_space_around(line));
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
                if (!is_first && is_space(line.ptr[0]))
                        add_folded(redact, to, line);
                else if (is_first || cd_str_has_prefix(line, CD_STR("HTTP/")) || cd_str_index(line, ':') == line.len)
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
        for (size_t i = 0; i < equals; i++)
                if (strchr("/?:", body.ptr[i])) /* a URL */
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
                add_name(redact, to, cd_str_slice(part, 0, equals));
                if (equals == part.len)
                        continue;
                cd_buf_add_char(to, '=');
                add_encoded(redact, to, cd_str_slice(part, equals + 1, part.len),
                            is_answer ? !cd_redact_is_harmless(name) : cd_redact_is_parameter(name));
        }
}

static void add_json(struct cd_redact *redact, struct cd_buf *to, const struct cd_json *node, bool is_secret);

static void add_json_name(struct cd_redact *redact, struct cd_buf *to, cd_str name)
{
        struct cd_buf shown;

        cd_buf_init(&shown, redact->arena, VALUE_MAX);
        add_name(redact, &shown, name);
        cd_buf_add_json(to, cd_str_of(shown.ptr, shown.len));
}

static void add_json_children(struct cd_redact *redact, struct cd_buf *to, const struct cd_json *node, bool is_secret)
{
        bool is_object = node->type == CD_JSON_OBJECT;
        bool is_answer = cd_json_find(node, CD_STR("access_token")) || cd_json_find(node, CD_STR("id_token"));

        cd_buf_add_char(to, is_object ? '{' : '[');
        for (const struct cd_json *child = node->child; child; child = child->next) {
                if (child != node->child)
                        cd_buf_add_char(to, ',');
                if (is_object) {
                        add_json_name(redact, to, child->name);
                        cd_buf_add_char(to, ':');
                }
                bool is_named = is_object &&
                                (is_answer ? !cd_redact_is_harmless(child->name) : cd_redact_is_parameter(child->name));
                add_json(redact, to, child, is_secret || is_named);
        }
        cd_buf_add_char(to, is_object ? '}' : ']');
}

/* It may have JSON or a form in it, for instance what another service answered. */
static void add_string(struct cd_redact *redact, struct cd_buf *to, cd_str text)
{
        cd_str start = without_space_around(text);
        const struct cd_json *json;
        bool begins_json = start.len && (start.ptr[0] == '{' || start.ptr[0] == '[');

        if (begins_json && redact->depth == DEPTH_MAX) {
                cd_redact_secret(redact, to, text);
        } else if (begins_json && cd_json_parse(redact->arena, text, 0, &json, NULL) == CD_OK) {
                redact->depth++;
                add_json(redact, to, json, false);
                redact->depth--;
        } else if (is_form(start)) {
                add_form(redact, to, text);
        } else {
                cd_redact_url(redact, to, text);
        }
}

static void add_json_text(struct cd_redact *redact, struct cd_buf *to, cd_str text, bool is_secret)
{
        struct cd_buf value;

        cd_buf_init(&value, redact->arena, VALUE_MAX);
        if (!text.len || is_secret)
                cd_redact_secret(redact, &value, text);
        else
                add_string(redact, &value, text);
        cd_buf_add_json(to, cd_str_of(value.ptr, value.len));
}

static bool has_secret(const struct cd_redact *redact, cd_str text)
{
        for (size_t i = 0; i < text.len; i++)
                if (secret_at(redact, cd_str_slice(text, i, text.len)))
                        return true;
        return false;
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
                if (is_secret || has_secret(redact, node->text))
                        add_json_text(redact, to, node->text, is_secret);
                else
                        cd_buf_add(to, node->text);
                break;
        case CD_JSON_NULL:
        case CD_JSON_BOOL:
                cd_buf_add(to, node->text);
                break;
        }
}

/* The length of a run that may be a token, with a secret that begins in it and goes on after it; 0: it is short. */
static size_t long_run(const struct cd_redact *redact, cd_str text)
{
        size_t run = token_run(text), end = run;

        for (size_t i = 0; i < run; i++) {
                size_t known = secret_at(redact, cd_str_slice(text, i, text.len));
                end = i + known > end ? i + known : end;
        }
        return run >= RUN_MIN ? end : 0;
}

/* `"access_token": "` in JSON that has something else around it: the length up to the value; 0: there is none. */
static size_t member_length(cd_str text)
{
        size_t len = 0, name;

        while (len < text.len && is_name_character(text.ptr[len]))
                len++;
        name = len;
        if (len == text.len || text.ptr[len++] != '"' || !cd_redact_is_name(cd_str_slice(text, 0, name)))
                return 0;
        while (len < text.len && (is_space(text.ptr[len]) || text.ptr[len] == ':'))
                len++;
        return len < text.len && text.ptr[len] == '"' ? len + 1 : 0;
}

static size_t add_member(struct cd_redact *redact, struct cd_buf *to, cd_str text)
{
        size_t at = member_length(text), len;

        if (!at)
                return 0;
        len = cd_str_index(cd_str_slice(text, at, text.len), '"');
        cd_buf_add(to, cd_str_slice(text, 0, at));
        cd_redact_secret(redact, to, cd_str_slice(text, at, len));
        return at + len;
}

/* HTML, a page of a proxy, plain text: the beginning, without what could be a token. */
static void add_opaque(struct cd_redact *redact, struct cd_buf *to, cd_str body)
{
        size_t end = body.len < OPAQUE_MAX ? body.len : OPAQUE_MAX;

        for (size_t i = 0, len; i < end; i += len) {
                cd_str rest = cd_str_slice(body, i, body.len);
                bool is_run = i == 0 || !is_token_character(body.ptr[i - 1]);
                len = secret_at(redact, rest);
                if (len) {
                        add_placeholder(redact, to, cd_str_slice(rest, 0, len));
                } else if (begins_word(body, i) &&
                           ((len = add_secret_parameter(redact, to, rest)) || (len = add_member(redact, to, rest)))) {
                        continue;
                } else if (is_run && (len = long_run(redact, rest))) {
                        add_placeholder(redact, to, cd_str_slice(rest, 0, len));
                } else {
                        cd_buf_add(to, cd_str_slice(rest, 0, len = 1));
                }
        }
        if (end < body.len)
                cd_buf_add(to, CD_STR("…"));
}

void cd_redact_body(struct cd_redact *redact, struct cd_buf *to, cd_str body)
{
        cd_str start = without_space_around(body);
        const struct cd_json *json;

        if (start.len && (start.ptr[0] == '{' || start.ptr[0] == '[')) {
                if (cd_json_parse(redact->arena, body, 0, &json, NULL) == CD_OK)
                        add_json(redact, to, json, false);
                else
                        cd_buf_printf(to, "‹%zu bytes that begin like JSON and are not well-formed, or too large›",
                                      body.len);
        } else if (is_form(start)) {
                add_form(redact, to, start);
        } else {
                add_opaque(redact, to, body);
        }
}
