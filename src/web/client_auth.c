#include "web/client_auth.h"

#include <string.h>

#include "base/base64.h"
#include "base/percent.h"

enum {
        BASIC_MAX = 4096
}; /* bytes of base64 in an Authorization header */

static bool is_usable(cd_str s)
{
        return s.ptr && cd_str_is_utf8(s) && cd_str_index(s, '\0') == s.len;
}

/* "Basic" SP base64( form-encoded id ":" form-encoded secret ) (RFC 7617 §2, RFC 6749 §2.3.1). */
static cd_status decode_basic(struct cd_arena *arena, cd_str header, cd_str *retid, cd_str *retsecret,
                              struct cd_error *reterr)
{
        static const cd_str field = CD_STR_INIT("Authorization");
        cd_str scheme = cd_str_slice(header, 0, cd_str_index(header, ' '));
        cd_str encoded = cd_str_trim(cd_str_slice(header, scheme.len, header.len));
        size_t len;

        if (!cd_str_eq_nocase(scheme, CD_STR("Basic")))
                return cd_fail_field(reterr, CD_INVALID_CLIENT, field, "the scheme must be Basic");
        if (encoded.len > BASIC_MAX)
                return cd_failf(reterr, CD_INVALID_CLIENT, field, "must be at most %d bytes of base64", BASIC_MAX);
        char *text = cd_arena_alloc(arena, encoded.len + 4);
        if (!text)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a client");
        if (cd_base64_decode(encoded, text, &len) != CD_OK)
                return cd_fail_field(reterr, CD_INVALID_CLIENT, field, "not base64");

        cd_str pair = cd_str_of(text, len), id, secret;
        size_t colon = cd_str_index(pair, ':');
        if (colon == pair.len)
                return cd_fail_field(reterr, CD_INVALID_CLIENT, field, "no colon between id and secret");
        if (cd_percent_decode(arena, cd_str_slice(pair, 0, colon), true, &id) != CD_OK ||
            cd_percent_decode(arena, cd_str_slice(pair, colon + 1, len), true, &secret) != CD_OK)
                return cd_fail_field(reterr, CD_INVALID_CLIENT, field, "id and secret must be percent-encoded");
        if (!is_usable(id) || !is_usable(secret))
                return cd_fail_field(reterr, CD_INVALID_CLIENT, field, "id and secret must be UTF-8 without NUL");
        *retid = id;
        *retsecret = secret;
        return CD_OK;
}

cd_status cd_web_client_credentials(const struct cd_http_request *req, cd_str *id, cd_str *secret,
                                    struct cd_error *reterr)
{
        cd_str header = cd_http_header_get(req, CD_STR("Authorization"));
        cd_str form_id = *id;

        if (!header.ptr) {
                if (!id->ptr && !secret->ptr)
                        return cd_fail(reterr, CD_INVALID_CLIENT,
                                       "no client credentials: send id and secret by Basic, or as client_id and "
                                       "client_secret");
                if (!id->ptr || !secret->ptr)
                        return cd_fail_field(reterr, CD_INVALID_CLIENT,
                                             id->ptr ? CD_STR("client_secret") : CD_STR("client_id"), "missing");
                return CD_OK;
        }
        if (cd_http_header_count(req, CD_STR("Authorization")) > 1)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("Authorization"), "given more than once");
        if (secret->ptr)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("client_secret"),
                                     "credentials are in the header and in the form; use one");

        cd_status status = decode_basic(req->arena, header, id, secret, reterr);
        if (status == CD_OK && form_id.ptr && !cd_str_eq(form_id, *id))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("client_id"),
                                     "is another client than the one in the header");
        return status;
}
