#include "core/oauth/scope.h"

#include "base/buf.h"

enum {
        QUOTED_MAX = 100, /* bytes of an unknown one in an answer */
};

size_t cd_scope_length(struct cd_strs scopes)
{
        size_t len = scopes.count ? scopes.count - 1 : 0;

        for (size_t i = 0; i < scopes.count; i++)
                len += scopes.items[i].len;
        return len;
}

bool cd_scope_token_is_valid(cd_str token)
{
        for (size_t i = 0; i < token.len; i++) {
                unsigned char c = (unsigned char)token.ptr[i];
                if (c < 0x21 || c > 0x7e || c == '"' || c == '\\')
                        return false;
        }
        return token.len > 0;
}

bool cd_scope_has(cd_str scope, cd_str token)
{
        cd_str word;

        while (cd_str_take_word(&scope, &word))
                if (cd_str_eq(word, token))
                        return true;
        return false;
}

static void add_word(struct cd_buf *buf, cd_str word)
{
        if (buf->len)
                cd_buf_add_char(buf, ' ');
        cd_buf_add(buf, word);
}

/* What was sent instead of a scope may be a token: it is quoted, not logged, and only where it is short enough. */
static cd_status refuse_unknown(cd_str token, struct cd_error *reterr)
{
        if (token.len > QUOTED_MAX)
                return cd_failf(reterr, CD_INVALID_SCOPE, CD_STR(""), "unknown scope of %zu characters", token.len);
        cd_status status = cd_fail(reterr, CD_INVALID_SCOPE, "unknown scope");
        if (reterr)
                reterr->quoted = token;
        return status;
}

static cd_status refuse(cd_str token, struct cd_strs known, struct cd_error *reterr)
{
        if (!token.len)
                return cd_fail_field(reterr, CD_INVALID_SCOPE, CD_STR("scope"),
                                     "must be scopes with one space between two, and none before or after");
        if (!cd_scope_token_is_valid(token))
                return cd_fail_field(reterr, CD_INVALID_SCOPE, CD_STR("scope"),
                                     "has a character that is in no scope (RFC 6749 section 3.3)");
        if (!cd_strs_has(known, token))
                return refuse_unknown(token, reterr);
        return cd_failf(reterr, CD_INVALID_SCOPE, CD_STR("scope"), "%.*s is not granted to this client",
                        CD_STR_ARG(token));
}

cd_status cd_scope_grant(struct cd_arena *arena, cd_str asked, struct cd_strs allowed, struct cd_strs known,
                         cd_str *ret, struct cd_error *reterr)
{
        struct cd_buf buf;
        cd_str word;

        cd_buf_init(&buf, arena, CD_SCOPE_MAX);
        /* Between two spaces too many stands an empty word, which is none of the allowed. */
        for (cd_str rest = asked; cd_str_take_until(&rest, ' ', &word);) {
                if (!cd_strs_has(allowed, word))
                        return refuse(word, known, reterr);
                cd_str so_far = cd_str_of(buf.ptr, buf.len);
                if (!cd_scope_has(so_far, word))
                        add_word(&buf, word);
        }
        for (size_t i = 0; i < allowed.count && !asked.ptr; i++)
                add_word(&buf, allowed.items[i]);
        if (cd_buf_view(&buf, ret) != CD_OK)
                return cd_failf(reterr, CD_INVALID_SCOPE, CD_STR("scope"), "would be longer than %d bytes",
                                CD_SCOPE_MAX);
        return CD_OK;
}
