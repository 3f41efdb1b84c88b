/* Sets of keys (RFC 7517 §5). */
#include <openssl/crypto.h>

#include "base/json.h"
#include "crypto/jwk_internal.h"

enum {
        SET_MAX = 256 * 1024, /* bytes of text */
        SET_KEYS_MAX = 100,
};

void cd_jwks_done(struct cd_jwks *jwks)
{
        for (size_t i = 0; i < jwks->count; i++)
                cd_jwk_unref(jwks->keys[i]);
        OPENSSL_free(jwks->keys);
        *jwks = (struct cd_jwks){ 0 };
}

cd_status cd_jwks_add(struct cd_jwks *jwks, struct cd_jwk *jwk, struct cd_error *reterr)
{
        for (size_t i = 0; i < jwks->count; i++)
                if (jwks->keys[i]->alg == jwk->alg && cd_str_eq(jwks->keys[i]->kid, jwk->kid))
                        return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("kid"),
                                             "another key of that alg has the same kid");
        struct cd_jwk **keys = OPENSSL_realloc(jwks->keys, (jwks->count + 1) * sizeof(struct cd_jwk *));
        if (!keys)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a set of keys");
        keys[jwks->count++] = cd_jwk_ref(jwk);
        jwks->keys = keys;
        return CD_OK;
}

/* One entry of a set. Names must be unique in it (RFC 7517 §4), which is judged here: in the set as a whole it would
 * cost all of them. */
static cd_status add_entry(struct cd_arena *arena, const struct cd_json *entry, struct cd_jwks *jwks,
                           struct cd_error *reterr)
{
        cd_status status = CD_OK;
        struct cd_jwk *jwk;

        if (entry->type == CD_JSON_OBJECT)
                status = cd_json_parse(arena, entry->text, CD_JSON_UNIQUE_NAMES, &entry, reterr);
        if (status == CD_OK)
                status = cd_jwk_import(arena, entry, &jwk, reterr);
        if (status != CD_OK)
                return status;
        status = cd_jwks_add(jwks, jwk, reterr);
        cd_jwk_unref(jwk);
        return status;
}

/* Whether the entry is at fault, and not the machine: one that memory did not suffice for is no odd one. */
static bool is_odd(cd_status status)
{
        return status == CD_INVALID_REQUEST || status == CD_NOT_FOUND || status == CD_MALFORMED ||
               status == CD_TOO_LARGE;
}

/* An odd entry costs that entry alone (RFC 7517 §5, LESSONS 36). */
static cd_status add_usable(struct cd_arena *arena, const struct cd_json *keys, struct cd_jwks *jwks,
                            struct cd_error *reterr)
{
        struct cd_error first = { .status = CD_OK };

        for (const struct cd_json *entry = keys->child; entry; entry = entry->next) {
                struct cd_error why = { .status = CD_OK };
                cd_status status = add_entry(arena, entry, jwks, &why);
                if (status == CD_OK)
                        continue;
                if (!is_odd(status))
                        return cd_fail(reterr, status, why.reason);
                if (jwks->skipped++ == 0)
                        first = why;
        }
        if (jwks->count)
                return CD_OK;
        if (!keys->child)
                return cd_fail_field(reterr, CD_NOT_FOUND, CD_STR("keys"), "the set has no keys");
        return cd_failf(reterr, CD_NOT_FOUND, CD_STR("keys"), "the set has no usable key; the first entry: %.300s",
                        first.reason);
}

static cd_status find_keys(const struct cd_json *root, const struct cd_json **ret, struct cd_error *reterr)
{
        const struct cd_json *keys = cd_json_find(root, CD_STR("keys"));

        if (!keys || keys->type != CD_JSON_ARRAY)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("keys"), "keys is missing or not an array");
        for (const struct cd_json *other = keys->next; other; other = other->next)
                if (cd_str_eq(other->name, CD_STR("keys")))
                        return cd_fail_field(reterr, CD_MALFORMED, CD_STR("keys"), "keys is given twice");
        if (keys->count > SET_KEYS_MAX)
                return cd_fail(reterr, CD_TOO_LARGE, "the set has more than 100 keys");
        *ret = keys;
        return CD_OK;
}

cd_status cd_jwks_parse(struct cd_arena *arena, cd_str text, struct cd_jwks *ret, struct cd_error *reterr)
{
        const struct cd_json *root, *keys = NULL;
        struct cd_jwks jwks = { 0 };

        if (text.len > SET_MAX)
                return cd_fail(reterr, CD_TOO_LARGE, "the set of keys is longer than 256 KB");
        cd_status status = cd_json_parse(arena, text, 0, &root, reterr);
        if (status == CD_OK)
                status = find_keys(root, &keys, reterr);
        if (status != CD_OK)
                return status;
        status = add_usable(arena, keys, &jwks, reterr);
        if (status != CD_OK) {
                cd_jwks_done(&jwks);
                return status;
        }
        *ret = jwks;
        return CD_OK;
}

void cd_jwks_write(const struct cd_jwks *jwks, struct cd_buf *buf)
{
        cd_buf_add(buf, CD_STR("{\"keys\":["));
        for (size_t i = 0; i < jwks->count; i++) {
                if (i > 0)
                        cd_buf_add_char(buf, ',');
                cd_jwk_write_public(jwks->keys[i], buf);
        }
        cd_buf_add(buf, CD_STR("]}"));
}
