#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "libcardea/verifier.h"

enum {
        JSON_MAX = 128 * 1024, /* maximum bytes of a string as JSON: six for each byte of the payload */
};

void cardea_claims_free(cardea_claims *claims)
{
        if (!claims)
                return;
        cd_arena_done(&claims->arena);
        free(claims);
}

static const char *give(cd_str text, size_t *retlen)
{
        if (text.ptr && retlen)
                *retlen = text.len;
        return text.ptr;
}

const char *cardea_claims_issuer(const cardea_claims *claims)
{
        return claims->jwt.claims.iss.ptr;
}

const char *cardea_claims_subject(const cardea_claims *claims)
{
        return claims->jwt.claims.sub.ptr;
}

const char *cardea_claims_audience(const cardea_claims *claims)
{
        return claims->jwt.claims.aud.ptr;
}

int64_t cardea_claims_expires_at(const cardea_claims *claims)
{
        return claims->jwt.claims.exp;
}

int cardea_claims_has_scope(const cardea_claims *claims, const char *scope)
{
        cd_str rest = claims->jwt.claims.scope, word;

        while (cd_str_take_word(&rest, &word))
                if (cd_str_eq_c(word, scope))
                        return 1;
        return 0;
}

const char *cardea_claims_payload(const cardea_claims *claims, size_t *retlen)
{
        return give(claims->jwt.payload, retlen);
}

/* Encodes a string as JSON text again. */
static cd_str quote(struct cd_arena *arena, cd_str text)
{
        struct cd_buf buf;
        cd_str quoted;

        cd_buf_init(&buf, arena, JSON_MAX);
        cd_buf_add_json(&buf, text);
        cd_buf_add_char(&buf, '\0');
        if (cd_buf_view(&buf, &quoted) != CD_OK)
                return (cd_str){ NULL, 0 };
        return cd_str_of(quoted.ptr, quoted.len - 1);
}

const char *cardea_claims_json(cardea_claims *claims, const char *name, size_t *retlen)
{
        const struct cd_json *claim = cd_json_find(claims->jwt.object, cd_str_from_c(name));

        if (!claim)
                return NULL;
        return give(claim->type == CD_JSON_STRING ? quote(&claims->arena, claim->text)
                                                  : cd_arena_copy(&claims->arena, claim->text),
                    retlen);
}

const char *cardea_claims_string(cardea_claims *claims, const char *name, size_t *retlen)
{
        const struct cd_json *claim = cd_json_find(claims->jwt.object, cd_str_from_c(name));

        if (!claim || claim->type != CD_JSON_STRING)
                return NULL;
        return give(cd_arena_copy(&claims->arena, claim->text), retlen);
}
