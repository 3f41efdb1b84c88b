#include "gate/credentials.h"

#include <ctype.h>

#include "base/base64.h"
#include "core/personal_token.h"
#include "core/user_name.h"

static bool is_space(char c)
{
        return c == ' ' || c == '\t';
}

/* Takes the text before the next space or tab. False if none is left. */
static bool take_word(cd_str *rest, cd_str *ret)
{
        size_t len = 0;

        *rest = cd_str_trim(*rest);
        while (len < rest->len && !is_space(rest->ptr[len]))
                len++;
        *ret = cd_str_slice(*rest, 0, len);
        *rest = cd_str_slice(*rest, len, rest->len);
        return len > 0;
}

/* Between quotes, after "token=" and the like, where some applications look for a token. */
static bool contains_one_of_ours(cd_str text)
{
        cd_str prefix = CD_STR(CD_PERSONAL_TOKEN_PREFIX);

        for (size_t i = 0; i + prefix.len + CD_COOKIE_TOKEN_SIZE <= text.len; i++) {
                cd_str at = cd_str_slice(text, i, prefix.len + CD_COOKIE_TOKEN_SIZE);
                size_t len = prefix.len;
                if (!cd_str_has_prefix(at, prefix))
                        continue;
                while (len < at.len &&
                       (isalnum((unsigned char)at.ptr[len]) || at.ptr[len] == '-' || at.ptr[len] == '_'))
                        len++;
                if (len == at.len)
                        return true;
        }
        return false;
}

static bool has_word_of_ours(cd_str text)
{
        cd_str rest = text, word;

        while (take_word(&rest, &word))
                if (cd_personal_token_is_ours(word))
                        return true;
        return contains_one_of_ours(text);
}

static void reject(struct cd_gate_credentials *to, const char *why)
{
        if (!to->rejected)
                to->rejected = why;
}

static void take(struct cd_gate_credentials *to, cd_str token)
{
        if (to->has_token)
                reject(to, "more than one personal token");
        to->has_token = true;
        to->token = token;
}

/* ---- Authorization ---- */

/* Any spelling of base64 that some decoder accepts, so that no token passes in one: both alphabets, with other
 * characters between. */
static cd_str decode_loosely(cd_str text, char *to)
{
        unsigned bits = 0, count = 0;
        size_t len = 0;

        for (size_t i = 0; i < text.len; i++) {
                char c = text.ptr[i];
                unsigned value = c >= 'A' && c <= 'Z'   ? (unsigned)(c - 'A')
                                 : c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') + 26
                                 : c >= '0' && c <= '9' ? (unsigned)(c - '0') + 52
                                 : c == '+' || c == '-' ? 62
                                 : c == '/' || c == '_' ? 63
                                                        : 64;
                if (value > 63)
                        continue;
                bits = (bits << 6 | value) & 0xfff;
                count += 6;
                if (count < 8)
                        continue;
                count -= 8;
                to[len++] = (char)(bits >> count & 0xff);
        }
        return cd_str_of(to, len);
}

/* RFC 7617: base64( user name ":" password ), where the password may have colons. */
static cd_status read_basic(struct cd_arena *arena, cd_str encoded, struct cd_gate_credentials *to)
{
        char *memory = cd_arena_alloc(arena, encoded.len + 4);
        size_t len;

        if (!memory)
                return CD_NO_MEMORY;
        cd_str pair = decode_loosely(encoded, memory);
        size_t colon = cd_str_index(pair, ':');
        cd_str name = cd_str_slice(pair, 0, colon), password = cd_str_slice(pair, colon + 1, pair.len);
        bool is_password = cd_personal_token_is_ours(password);
        bool is_name = cd_personal_token_is_ours(name);
        if (!is_password && !is_name && !contains_one_of_ours(pair))
                return CD_OK;
        take(to, password);
        if (is_name)
                reject(to, "a personal token as a user name");
        else if (!is_password)
                reject(to, "a personal token by Basic that is not the whole password");
        else if (cd_base64_decode(encoded, memory, &len) != CD_OK)
                reject(to, "a personal token by Basic that is not base64");
        else if (cd_str_eq(name, CD_STR("token")))
                return CD_OK;
        else if (cd_user_name_canonical(arena, name, &to->name, NULL) != CD_OK)
                reject(to, "a personal token with a user name that no user has");
        return CD_OK;
}

static cd_status read_part(struct cd_arena *arena, cd_str part, struct cd_gate_credentials *to)
{
        cd_str scheme, rest = part;

        if (!take_word(&rest, &scheme))
                return CD_OK;
        rest = cd_str_trim(rest);
        bool is_bearer = cd_str_eq_nocase(scheme, CD_STR("Bearer"));
        if (has_word_of_ours(part)) {
                take(to, rest);
                if (!is_bearer)
                        reject(to, "a personal token by another scheme than Bearer and Basic");
                return CD_OK;
        }
        if (is_bearer)
                to->bearer = rest;
        return cd_str_eq_nocase(scheme, CD_STR("Basic")) ? read_basic(arena, rest, to) : CD_OK;
}

/* Some proxies join several headers with commas, which occur in no credentials of Basic and Bearer. */
static cd_status read_authorization(struct cd_arena *arena, cd_str value, size_t *count, struct cd_gate_credentials *to)
{
        bool had_token = to->has_token;
        cd_str part;

        while (cd_str_take_until(&value, ',', &part)) {
                cd_status status = read_part(arena, part, to);
                if (status != CD_OK)
                        return status;
                (*count)++;
        }
        to->is_authorization |= to->has_token && !had_token;
        return CD_OK;
}

/* ---- X-Api-Key ---- */

static void read_api_key(cd_str value, struct cd_gate_credentials *to)
{
        cd_str rest = value, part;

        while (cd_str_take_until(&rest, ',', &part)) {
                if (!has_word_of_ours(part))
                        continue;
                take(to, value);
                to->is_api_key = true;
        }
}

cd_status cd_gate_credentials_read(const struct cd_http_request *req, struct cd_gate_credentials *ret)
{
        struct cd_gate_credentials found = { 0 };
        size_t parts = 0, keys = 0;

        for (size_t i = 0; i < req->header_count; i++) {
                const struct cd_http_header *header = &req->headers[i];
                if (cd_str_eq_nocase(header->name, CD_STR("Authorization"))) {
                        cd_status status = read_authorization(req->arena, header->value, &parts, &found);
                        if (status != CD_OK)
                                return status;
                } else if (cd_str_eq_nocase(header->name, CD_STR("X-Api-Key"))) {
                        read_api_key(header->value, &found);
                        keys++;
                }
        }
        /* The whole header is removed, which must take nothing from the application. */
        if ((found.is_authorization && parts > 1) || (found.is_api_key && keys > 1))
                reject(&found, "a personal token beside other credentials in one header");
        if (parts > 1)
                found.bearer = (cd_str){ NULL, 0 };
        *ret = found;
        return CD_OK;
}
