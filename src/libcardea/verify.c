/* Verifies a token, first with the present keys. If there are none, or the token names an unknown key, verifies it once
 * more with fresh keys. */
#include <stdlib.h>

#include "libcardea/verifier.h"

enum {
        ARENA = 1024 * 1024, /* bytes for one token: 16 KB of text and at most 8192 JSON nodes */
};

/* Why a token could not be judged. */
enum obstacle {
        NONE,
        NO_KEYS,     /* no keys were fetched yet */
        UNKNOWN_KEY, /* the token may be valid, but its key is not in the set */
};

static cardea_claims *new_claims(void)
{
        cardea_claims *claims = malloc(sizeof(*claims));

        if (claims)
                cd_arena_init(&claims->arena, ARENA);
        return claims;
}

static bool names_unknown_key(struct cd_arena *arena, const struct cd_jwks *keys, cd_str token)
{
        struct cd_jws jws;

        if (cd_jws_decode(arena, NULL, token, &jws, NULL) != CD_OK || !jws.kid.ptr)
                return false;
        for (size_t i = 0; i < keys->count; i++)
                if (cd_str_eq(cd_jwk_kid(keys->keys[i]), jws.kid))
                        return false;
        return true;
}

/* Only a token whose claims would pass is worth a fetch, which limits the fetches that forged tokens can cause. */
static bool is_worth_a_fetch(struct cd_arena *arena, const struct cd_jwt_expect *expect, cd_str token)
{
        struct cd_claims claims;

        return cd_jwt_decode(arena, NULL, token, expect, &claims, NULL) == CD_OK;
}

/* NUL-terminates the strings that cardea.h returns. */
static cd_status terminate(cardea_claims *claims, struct cd_error *reterr)
{
        struct cd_jwt *jwt = &claims->jwt;
        cd_str *const texts[] = { &jwt->claims.iss, &jwt->claims.sub, &jwt->claims.aud, &jwt->payload };

        for (size_t i = 0; i < CD_LEN(texts); i++) {
                *texts[i] = cd_arena_copy(&claims->arena, *texts[i]);
                if (!texts[i]->ptr)
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for a token");
        }
        return CD_OK;
}

static cd_status judge(cardea_verifier *verifier, cd_str token, cardea_claims *claims, enum obstacle *obstacle,
                       struct cd_error *reterr)
{
        struct cd_jwt_expect expect = verifier->expect;
        struct cd_keyring_loan loan;

        expect.now = verifier->ports.clock->now(verifier->ports.clock);
        *obstacle = NONE;
        if (!cd_keyring_borrow(&verifier->keyring, &loan)) {
                *obstacle = NO_KEYS;
                return cd_fail(reterr, CD_UNAVAILABLE, "there are no keys yet");
        }
        const struct cd_jwks *keys = &loan.set->keys;
        cd_status status = cd_jwt_verify_whole(&claims->arena, keys, token, &expect, &claims->jwt, reterr);
        if (status == CD_INVALID_TOKEN && names_unknown_key(&claims->arena, keys, token) &&
            is_worth_a_fetch(&claims->arena, &expect, token))
                *obstacle = UNKNOWN_KEY;
        cd_keyring_give_back(&verifier->keyring, &loan);
        return status == CD_OK ? terminate(claims, reterr) : status;
}

/* Fetches the keys and verifies again. If the fetch fails, a token with an unknown key is rejected like any other: a
 * key server that is down does not make the token more credible. */
static cd_status judge_with_fresh_keys(cardea_verifier *verifier, cd_str token, cardea_claims *claims,
                                       struct cd_error *reterr)
{
        struct cd_error why = { .status = CD_OK };
        enum obstacle obstacle;

        cd_status fetched = cd_refresh(verifier, &why);
        cd_arena_reset(&claims->arena);
        cd_status status = judge(verifier, token, claims, &obstacle, reterr);
        if (fetched == CD_OK || obstacle == NONE)
                return status;
        if (obstacle == UNKNOWN_KEY)
                return cd_failf(reterr, status, CD_STR("kid"),
                                "no key has that kid, and the keys could not be fetched again: %s", why.reason);
        return cd_failf(reterr, fetched == CD_NO_MEMORY ? fetched : CD_UNAVAILABLE, CD_STR("jwks"), "no keys: %s",
                        why.reason);
}

static cardea_code fail_would_block(cardea_error *reterr)
{
        const struct cd_error err = { .status = CD_UNAVAILABLE, .reason = "the keys must be fetched first" };

        (void)cd_code_fail(reterr, &err);
        if (reterr)
                reterr->code = CARDEA_WOULD_BLOCK;
        return CARDEA_WOULD_BLOCK;
}

static cardea_code verify(cardea_verifier *verifier, cd_str token, bool may_wait, cardea_claims **ret,
                          cardea_error *reterr)
{
        struct cd_error err = { .status = CD_NO_MEMORY, .reason = "no memory for a token" };
        cardea_claims *claims = new_claims();
        enum obstacle obstacle;

        if (!claims)
                return cd_code_fail(reterr, &err);
        cd_refresh_if_due(verifier);
        cd_status status = judge(verifier, token, claims, &obstacle, &err);
        if (obstacle != NONE && !may_wait && cd_refresh_is_possible(verifier)) {
                cardea_claims_free(claims);
                return fail_would_block(reterr);
        }
        if (obstacle != NONE && may_wait)
                status = judge_with_fresh_keys(verifier, token, claims, &err);
        if (status != CD_OK) {
                cardea_claims_free(claims);
                return cd_code_fail(reterr, &err);
        }
        *ret = claims;
        return CARDEA_OK;
}

cardea_code cardea_verify(cardea_verifier *verifier, const char *token, size_t len, cardea_claims **ret,
                          cardea_error *reterr)
{
        return verify(verifier, cd_str_of(token, len), true, ret, reterr);
}

cardea_code cardea_verify_cached(cardea_verifier *verifier, const char *token, size_t len, cardea_claims **ret,
                                 cardea_error *reterr)
{
        return verify(verifier, cd_str_of(token, len), false, ret, reterr);
}
