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
                if (cd_str_eq(jwks->keys[i]->kid, jwk->kid))
                        return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("kid"), "two keys have one kid");
        struct cd_jwk **keys = OPENSSL_realloc(jwks->keys, (jwks->count + 1) * sizeof(struct cd_jwk *));
        if (!keys)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a set of keys");
        keys[jwks->count++] = cd_jwk_ref(jwk);
        jwks->keys = keys;
        return CD_OK;
}

static cd_status add_each(struct cd_arena *arena, const struct cd_json *keys, struct cd_jwks *jwks,
                          struct cd_error *reterr)
{
        for (const struct cd_json *object = keys->child; object; object = object->next) {
                struct cd_jwk *jwk;
                cd_status status = cd_jwk_import(arena, object, &jwk, reterr);
                if (status == CD_NOT_FOUND) /* not for us */
                        continue;
                if (status != CD_OK)
                        return status;
                status = cd_jwks_add(jwks, jwk, reterr);
                cd_jwk_unref(jwk);
                if (status != CD_OK)
                        return status;
        }
        return CD_OK;
}

cd_status cd_jwks_parse(struct cd_arena *arena, cd_str text, struct cd_jwks *ret, struct cd_error *reterr)
{
        const struct cd_json *root;
        struct cd_jwks jwks = { 0 };

        if (text.len > SET_MAX)
                return cd_fail(reterr, CD_TOO_LARGE, "the set of keys is longer than 256 KB");
        cd_status status = cd_json_parse(arena, text, CD_JSON_UNIQUE_NAMES, &root, reterr);
        if (status != CD_OK)
                return status;
        const struct cd_json *keys = cd_json_find(root, CD_STR("keys"));
        if (!keys || keys->type != CD_JSON_ARRAY)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("keys"), "keys is missing or not an array");
        if (keys->count > SET_KEYS_MAX)
                return cd_fail(reterr, CD_TOO_LARGE, "the set has more than 100 keys");
        status = add_each(arena, keys, &jwks, reterr);
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
