#include "core/oauth/scope.h"

#include "base/buf.h"

enum {
        SCOPE_MAX = 4096
}; /* bytes of a granted scope */

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

static bool list_has(struct cd_strs list, cd_str item)
{
        for (size_t i = 0; i < list.count; i++)
                if (cd_str_eq(list.items[i], item))
                        return true;
        return false;
}

static void add_word(struct cd_buf *buf, cd_str word)
{
        if (buf->len)
                cd_buf_add_char(buf, ' ');
        cd_buf_add(buf, word);
}

/* An error_description takes few characters (RFC 6749 §5.2), so only a well-formed word is repeated. */
static cd_status refuse(cd_str word, struct cd_error *reterr)
{
        if (!cd_scope_token_is_valid(word) || word.len > 64)
                return cd_fail_field(reterr, CD_INVALID_SCOPE, CD_STR("scope"), "malformed");
        return cd_failf(reterr, CD_INVALID_SCOPE, CD_STR("scope"), "%.*s is not granted to this client",
                        CD_STR_ARG(word));
}

cd_status cd_scope_grant(struct cd_arena *arena, cd_str asked, struct cd_strs allowed, cd_str *ret,
                         struct cd_error *reterr)
{
        struct cd_buf buf;
        cd_str word;

        cd_buf_init(&buf, arena, SCOPE_MAX);
        for (cd_str rest = asked; cd_str_take_word(&rest, &word);) {
                if (!list_has(allowed, word))
                        return refuse(word, reterr);
                cd_str so_far = cd_str_of(buf.ptr, buf.len);
                if (!cd_scope_has(so_far, word))
                        add_word(&buf, word);
        }
        for (size_t i = 0; i < allowed.count && !asked.ptr; i++)
                add_word(&buf, allowed.items[i]);
        if (cd_buf_view(&buf, ret) != CD_OK)
                return cd_fail_field(reterr, CD_INVALID_SCOPE, CD_STR("scope"), "too long");
        return CD_OK;
}
