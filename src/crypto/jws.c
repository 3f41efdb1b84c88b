#include "crypto/jws.h"

#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "crypto/jwk_internal.h"

/* A compact token, split at its two dots but not decoded. */
struct parts {
        cd_str header, payload, signature;
        cd_str signing_input; /* header and payload with the dot between (RFC 7515 §5.1) */
};

static cd_status refuse(struct cd_error *reterr, const char *field, const char *reason)
{
        return cd_fail_field(reterr, CD_INVALID_TOKEN, cd_str_from_c(field), reason);
}

static cd_status no_memory(struct cd_error *reterr)
{
        return cd_fail(reterr, CD_NO_MEMORY, "no memory for a token");
}

cd_status cd_jws_sign(struct cd_arena *arena, const struct cd_jwk *key, cd_str typ, cd_str payload, cd_str *ret,
                      struct cd_error *reterr)
{
        unsigned char signature[CD_SIGNATURE_MAX];
        char memory[CD_JWS_MAX / 4];
        struct cd_buf built;
        cd_str header = key->access_header;

        if (!cd_str_eq(typ, CD_STR("at+jwt"))) {
                cd_buf_init_fixed(&built, memory, sizeof(memory));
                cd_jwk_write_header(key, typ, &built);
                if (cd_buf_view(&built, &header) != CD_OK)
                        return cd_fail(reterr, CD_TOO_LARGE, "typ is too long");
        }
        if (payload.len > CD_JWS_MAX)
                return cd_fail(reterr, CD_TOO_LARGE, "the token would be longer than 16 KB");
        size_t signed_len = header.len + 1 + cd_base64url_length(payload.len);
        size_t total = signed_len + 1 + cd_base64url_length(key->signature_size);
        if (total > CD_JWS_MAX)
                return cd_fail(reterr, CD_TOO_LARGE, "the token would be longer than 16 KB");
        char *token = cd_arena_alloc(arena, total);
        if (!token)
                return no_memory(reterr);
        memcpy(token, header.ptr, header.len);
        token[header.len] = '.';
        cd_base64url_encode(token + header.len + 1, payload);
        cd_status status = cd_signature_make(key, cd_str_of(token, signed_len), signature, reterr);
        if (status != CD_OK)
                return status;
        token[signed_len] = '.';
        cd_base64url_encode(token + signed_len + 1, cd_str_of((const char *)signature, key->signature_size));
        *ret = cd_str_of(token, total);
        return CD_OK;
}

static cd_status cut(cd_str compact, struct parts *ret, struct cd_error *reterr)
{
        cd_str rest = compact;

        if (compact.len > CD_JWS_MAX)
                return cd_fail(reterr, CD_TOO_LARGE, "the token is longer than 16 KB");
        if (!cd_str_take_until(&rest, '.', &ret->header) || !cd_str_take_until(&rest, '.', &ret->payload) ||
            !cd_str_take_until(&rest, '.', &ret->signature) || rest.ptr)
                return refuse(reterr, "", "the token does not have three parts");
        ret->signing_input = cd_str_slice(compact, 0, ret->header.len + 1 + ret->payload.len);
        return CD_OK;
}

static cd_status decode_part(struct cd_arena *arena, cd_str part, const char *name, cd_str *ret,
                             struct cd_error *reterr)
{
        cd_status status = cd_base64url_decode_arena(arena, part, ret);
        if (status == CD_OK)
                return CD_OK;
        if (status == CD_NO_MEMORY)
                return no_memory(reterr);
        return cd_failf(reterr, CD_INVALID_TOKEN, cd_str_from_c(name), "the %s is not canonical base64url", name);
}

/* Header members that bring keys or certificates with them, or change what the signature covers. None of them is needed
 * here, and each has been the cause of a vulnerability elsewhere (LESSONS 18). "cty" is checked separately. "jku",
 * "x5t" and "x5t#S256" are ignored like any unknown member: many issuers send them, the kid selects the key, and
 * nothing is fetched. */
static const cd_str forbidden[] = {
        CD_STR_INIT("jwk"),  CD_STR_INIT("x5u"), CD_STR_INIT("x5c"),
        CD_STR_INIT("crit"), CD_STR_INIT("zip"), CD_STR_INIT("b64"),
};

static bool is_nested(cd_str cty)
{
        return cd_str_eq_nocase(cty, CD_STR("JWT")) || cd_str_eq_nocase(cty, CD_STR("application/jwt"));
}

static cd_status take_string(const struct cd_json *member, cd_str *ret, struct cd_error *reterr)
{
        if (member->type != CD_JSON_STRING)
                return cd_failf(reterr, CD_INVALID_TOKEN, member->name, "%.*s in the header is not a string",
                                CD_STR_ARG(member->name));
        *ret = member->text;
        return CD_OK;
}

static cd_status read_member(const struct cd_json *member, struct cd_jws *jws, struct cd_error *reterr)
{
        cd_str text;

        if (cd_str_eq(member->name, CD_STR("typ")))
                return take_string(member, &jws->typ, reterr);
        if (cd_str_eq(member->name, CD_STR("kid")))
                return take_string(member, &jws->kid, reterr);
        if (cd_str_eq(member->name, CD_STR("alg"))) {
                cd_status status = take_string(member, &text, reterr);
                if (status == CD_OK)
                        jws->alg = cd_alg_from_name(text);
                if (status == CD_OK && jws->alg == CD_ALG_NONE)
                        return refuse(reterr, "alg", "alg is not ES256, RS256 or EdDSA");
                return status;
        }
        if (cd_str_eq(member->name, CD_STR("cty"))) {
                cd_status status = take_string(member, &text, reterr);
                if (status == CD_OK && is_nested(text))
                        return refuse(reterr, "cty", "nested tokens are not supported");
                return status;
        }
        for (size_t i = 0; i < CD_LEN(forbidden); i++)
                if (cd_str_eq(member->name, forbidden[i]))
                        return cd_failf(reterr, CD_INVALID_TOKEN, forbidden[i], "%s in the header is not allowed",
                                        forbidden[i].ptr);
        return CD_OK;
}

static cd_status read_header(struct cd_arena *arena, cd_str part, struct cd_jws *jws, struct cd_error *reterr)
{
        const struct cd_json *object;
        cd_str text;

        cd_status status = decode_part(arena, part, "header", &text, reterr);
        if (status != CD_OK)
                return status;
        status = cd_json_parse(arena, text, CD_JSON_UNIQUE_NAMES, &object, NULL);
        if (status == CD_NO_MEMORY)
                return no_memory(reterr);
        if (status != CD_OK || object->type != CD_JSON_OBJECT)
                return refuse(reterr, "header", "the header is not a JSON object with unique names");
        for (const struct cd_json *member = object->child; member; member = member->next) {
                status = read_member(member, jws, reterr);
                if (status != CD_OK)
                        return status;
        }
        if (jws->alg == CD_ALG_NONE)
                return refuse(reterr, "alg", "alg is missing");
        return CD_OK;
}

/* Checks everything except the key and the signature. */
static cd_status parse(struct cd_arena *arena, cd_str compact, struct parts *parts, struct cd_jws *jws,
                       struct cd_error *reterr)
{
        cd_status status = cut(compact, parts, reterr);
        if (status == CD_OK)
                status = read_header(arena, parts->header, jws, reterr);
        if (status == CD_OK)
                status = decode_part(arena, parts->payload, "payload", &jws->payload, reterr);
        return status;
}

static bool fits(const struct cd_jws *jws, const struct cd_jwk *key)
{
        return key->alg == jws->alg && (!jws->kid.ptr || cd_str_eq(key->kid, jws->kid));
}

/* Selects the key by kid (RFC 7515 §6). A token without a kid passes only if exactly one key has its alg. Returns the
 * first match; in a set from another issuer, two keys may have the same kid and alg. */
static cd_status choose_key(const struct cd_jwks *keys, struct cd_jws *jws, struct cd_error *reterr)
{
        struct cd_jwk *first = NULL;
        bool is_known = false;
        size_t fitting = 0;

        for (size_t i = 0; i < keys->count; i++) {
                struct cd_jwk *key = keys->keys[i];
                is_known |= jws->kid.ptr && cd_str_eq(key->kid, jws->kid);
                if (fits(jws, key) && fitting++ == 0)
                        first = key;
        }
        if (is_known && !first)
                return refuse(reterr, "alg", "alg does not match the key");
        if (jws->kid.ptr && !first)
                return refuse(reterr, "kid", "no key has that kid");
        if (!jws->kid.ptr && fitting != 1)
                return refuse(reterr, "kid", "kid is missing, and the set does not have exactly one key with that alg");
        jws->key = first;
        return CD_OK;
}

/* Tries each matching key, because it is not known which of two keys with the same kid signed. */
static cd_status check_signature(const struct cd_jwks *keys, struct cd_jws *jws, cd_str message, cd_str signature,
                                 struct cd_error *reterr)
{
        cd_status status = CD_INVALID_TOKEN;

        for (size_t i = 0; i < keys->count && status == CD_INVALID_TOKEN; i++) {
                if (!fits(jws, keys->keys[i]))
                        continue;
                jws->key = keys->keys[i];
                status = cd_signature_check(jws->key, message, signature, reterr);
        }
        return status;
}

cd_status cd_jws_verify(struct cd_arena *arena, const struct cd_jwks *keys, cd_str compact, struct cd_jws *ret,
                        struct cd_error *reterr)
{
        struct cd_jws jws = { .alg = CD_ALG_NONE };
        struct parts parts;
        cd_str signature = { NULL, 0 };

        cd_status status = parse(arena, compact, &parts, &jws, reterr);
        if (status == CD_OK)
                status = choose_key(keys, &jws, reterr);
        if (status == CD_OK)
                status = decode_part(arena, parts.signature, "signature", &signature, reterr);
        if (status == CD_OK)
                status = check_signature(keys, &jws, parts.signing_input, signature, reterr);
        if (status == CD_OK)
                *ret = jws;
        return status;
}

cd_status cd_jws_decode(struct cd_arena *arena, const struct cd_jwks *keys, cd_str compact, struct cd_jws *ret,
                        struct cd_error *reterr)
{
        struct cd_jws jws = { .alg = CD_ALG_NONE };
        struct parts parts;

        cd_status status = parse(arena, compact, &parts, &jws, reterr);
        if (status == CD_OK && keys)
                status = choose_key(keys, &jws, reterr);
        if (status == CD_OK)
                *ret = jws;
        return status;
}
