/* Sets of keys (RFC 7517 §5). */
#include <openssl/crypto.h>

#include "base/json.h"
#include "crypto/jwk_internal.h"

enum {
        SET_MAX = 256 * 1024, /* bytes of text */
        SET_KEYS_MAX = 100,
        /* bytes; enough for the nodes, strings and numbers of one entry, which are bounded */
        SCRATCH = 4 * 1024 * 1024,
};

void cd_jwks_done(struct cd_jwks *jwks)
{
        for (size_t i = 0; i < jwks->count; i++)
                cd_jwk_unref(jwks->keys[i]);
        OPENSSL_free(jwks->keys);
        *jwks = (struct cd_jwks){ 0 };
}

static cd_status append(struct cd_jwks *jwks, struct cd_jwk *jwk, struct cd_error *reterr)
{
        struct cd_jwk **keys = OPENSSL_realloc(jwks->keys, (jwks->count + 1) * sizeof(struct cd_jwk *));

        if (!keys)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a set of keys");
        keys[jwks->count++] = cd_jwk_ref(jwk);
        jwks->keys = keys;
        return CD_OK;
}

cd_status cd_jwks_add(struct cd_jwks *jwks, struct cd_jwk *jwk, struct cd_error *reterr)
{
        for (size_t i = 0; i < jwks->count; i++)
                if (jwks->keys[i]->alg == jwk->alg && cd_str_eq(jwks->keys[i]->kid, jwk->kid))
                        return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("kid"),
                                             "another key of that alg has the same kid");
        return append(jwks, jwk, reterr);
}

/* In a set from another issuer, two keys may have the same kid and alg; which of them signed a token is not known here,
 * so both are kept. The same key twice is stored once, because a token without a kid requires exactly one key. */
static cd_status append_new(struct cd_jwks *jwks, struct cd_jwk *jwk, struct cd_error *reterr)
{
        for (size_t i = 0; i < jwks->count; i++)
                if (cd_str_eq(jwks->keys[i]->public_json, jwk->public_json))
                        return CD_OK;
        return append(jwks, jwk, reterr);
}

/* Parses one entry of a set. Its names must be unique (RFC 7517 §4). */
static cd_status add_entry(struct cd_arena *arena, cd_str text, struct cd_jwks *jwks, struct cd_error *reterr)
{
        const struct cd_json *entry = NULL;
        struct cd_jwk *jwk;

        cd_status status = cd_json_parse(arena, text, CD_JSON_UNIQUE_NAMES, &entry, reterr);
        if (status != CD_OK)
                return status;
        status = cd_jwk_import(arena, entry, &jwk, reterr);
        if (status != CD_OK)
                return status;
        status = append_new(jwks, jwk, reterr);
        cd_jwk_unref(jwk);
        return status;
}

/* Whether the entry itself is at fault. An entry that could not be read for lack of memory is not. */
static bool is_odd(cd_status status)
{
        return status == CD_INVALID_REQUEST || status == CD_NOT_FOUND || status == CD_MALFORMED ||
               status == CD_TOO_LARGE;
}

/* An unusable entry does not affect the others (RFC 7517 §5, LESSONS 36). Its memory is freed before the next one. */
static cd_status add_usable(struct cd_arena *scratch, cd_str entries, struct cd_jwks *jwks, struct cd_error *reterr)
{
        struct cd_error first = { .status = CD_OK };
        size_t count = 0;
        cd_str entry;

        while (cd_json_take_part(&entries, &entry)) {
                struct cd_error why = { .status = CD_OK };
                if (count++ == SET_KEYS_MAX)
                        return cd_fail(reterr, CD_TOO_LARGE, "the set has more than 100 keys");
                cd_arena_reset(scratch);
                cd_status status = add_entry(scratch, entry, jwks, &why);
                if (status == CD_OK)
                        continue;
                if (!is_odd(status))
                        return cd_fail(reterr, status, why.reason);
                if (jwks->skipped++ == 0)
                        first = why;
        }
        if (jwks->count)
                return CD_OK;
        if (!count)
                return cd_fail_field(reterr, CD_NOT_FOUND, CD_STR("keys"), "the set has no keys");
        return cd_failf(reterr, CD_NOT_FOUND, CD_STR("keys"), "the set has no usable key; the first entry: %.300s",
                        first.reason);
}

/* A malformed name is simply not "keys". */
static cd_status is_keys(struct cd_arena *scratch, cd_str name, bool *ret, struct cd_error *reterr)
{
        const struct cd_json *decoded = NULL;

        cd_arena_reset(scratch);
        cd_status status = cd_json_parse(scratch, name, 0, &decoded, reterr);
        *ret = status == CD_OK && cd_str_eq(decoded->text, CD_STR("keys"));
        return is_odd(status) ? CD_OK : status;
}

/* Finds the text between the brackets of "keys". Other members are not checked. */
static cd_status find_entries(struct cd_arena *scratch, cd_str document, cd_str *ret, struct cd_error *reterr)
{
        cd_str members = { NULL, 0 }, keys = { NULL, 0 }, name, value;

        cd_json_inside(document, '{', &members);
        while (cd_json_take_part(&members, &name) && cd_json_take_part(&members, &value)) {
                bool found;
                cd_status status = is_keys(scratch, name, &found, reterr);
                if (status != CD_OK)
                        return status;
                if (!found)
                        continue;
                if (keys.ptr)
                        return cd_fail_field(reterr, CD_MALFORMED, CD_STR("keys"), "keys is given twice");
                keys = value;
        }
        if (!cd_json_inside(keys, '[', ret))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("keys"), "keys is missing or not an array");
        return CD_OK;
}

static cd_status parse_set(struct cd_arena *scratch, cd_str text, struct cd_jwks *ret, struct cd_error *reterr)
{
        cd_str entries;

        cd_status status = cd_json_check(scratch, text, reterr);
        if (status != CD_OK)
                return status;
        status = find_entries(scratch, text, &entries, reterr);
        if (status != CD_OK)
                return status;
        return add_usable(scratch, entries, ret, reterr);
}

cd_status cd_jwks_parse(cd_str text, struct cd_jwks *ret, struct cd_error *reterr)
{
        /* a byte order mark, which RFC 8259 §8.1 allows parsers to ignore */
        static const cd_str mark = CD_STR_INIT("\xef\xbb\xbf");
        __attribute__((cleanup(cd_arena_done))) struct cd_arena scratch;
        struct cd_jwks jwks = { 0 };

        cd_arena_init(&scratch, SCRATCH);
        if (text.len > SET_MAX)
                return cd_fail(reterr, CD_TOO_LARGE, "the set of keys is longer than 256 KB");
        if (cd_str_has_prefix(text, mark))
                text = cd_str_slice(text, mark.len, text.len);
        cd_status status = parse_set(&scratch, text, &jwks, reterr);
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
