/* Tokens and key sets from outside. The first byte says what the rest is: a compact token; a header and a payload with
 * a zero byte between; a set of keys; changes to a token that is valid; a payload that is signed well; PEM; DER of a
 * signature. */
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "crypto/jwk_internal.h"
#include "crypto/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RFC 7515 appendix A.3.1 and RFC 8037 appendix A.1. */
static const char keys[][256] = {
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\","
        "\"kid\":\"e\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\","
        "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\",\"kid\":\"o\"}",
};
static const struct cd_claims claims = {
        .iss = CD_STR_INIT("https://as"),
        .sub = CD_STR_INIT("s"),
        .aud = CD_STR_INIT("https://rs"),
        .jti = CD_STR_INIT("j"),
        .client_id = CD_STR_INIT("c"),
        .exp = 2000,
        .iat = 1000,
};
static const struct cd_jwt_expect expect = {
        .typ = CD_STR_INIT("at+jwt"), .iss = CD_STR_INIT("https://as"), .aud = CD_STR_INIT("https://rs"), .now = 1500
};

static struct cd_jwks set;
static char valid[1024];
static size_t valid_len;

static void must(cd_status status)
{
        if (status != CD_OK)
                abort();
}

static void prepare(void)
{
        struct cd_arena arena;
        cd_str token;

        cd_arena_init(&arena, 65536);
        for (size_t i = 0; i < CD_LEN(keys); i++) {
                const struct cd_json *object;
                struct cd_jwk *jwk;
                must(cd_json_parse(&arena, cd_str_from_c(keys[i]), 0, &object, NULL));
                must(cd_jwk_from_json(&arena, object, &jwk, NULL));
                must(cd_jwks_add(&set, jwk, NULL));
                cd_jwk_unref(jwk);
        }
        must(cd_jwt_sign(&arena, set.keys[1], CD_STR("at+jwt"), &claims, &token, NULL));
        if (token.len > sizeof(valid))
                abort();
        memcpy(valid, token.ptr, token.len);
        valid_len = token.len;
        cd_arena_done(&arena);
}

/* What verifies must also decode, and to the same claims. */
static bool read_both(struct cd_arena *arena, cd_str token)
{
        struct cd_claims a, b;
        struct cd_error err;

        cd_status decoded = cd_jwt_decode(arena, &set, token, &expect, &b, &err);
        cd_status verified = cd_jwt_verify(arena, &set, token, &expect, &a, &err);
        if (verified == CD_OK && (decoded != CD_OK || !cd_str_eq(a.sub, b.sub) || a.exp != b.exp))
                abort();
        return verified == CD_OK;
}

static void try_parts(struct cd_arena *arena, cd_str input)
{
        static const char signature[CD_ES256_SIZE] = { 1 };
        struct cd_buf buf;
        cd_str token;
        size_t at = cd_str_index(input, '\0');

        cd_buf_init(&buf, arena, 1 << 18);
        cd_buf_add_base64url(&buf, cd_str_slice(input, 0, at));
        cd_buf_add_char(&buf, '.');
        cd_buf_add_base64url(&buf, cd_str_slice(input, at + 1, input.len));
        cd_buf_add_char(&buf, '.');
        cd_buf_add_base64url(&buf, cd_str_of(signature, sizeof(signature)));
        if (cd_buf_view(&buf, &token) == CD_OK && read_both(arena, token))
                abort(); /* nobody signed it */
}

static void try_set(struct cd_arena *arena, cd_str input)
{
        struct cd_jwks parsed = { 0 }, again = { 0 };
        struct cd_buf buf;
        struct cd_error err;
        cd_str text;

        if (cd_jwks_parse(input, &parsed, &err) != CD_OK)
                return;
        cd_buf_init(&buf, arena, 1 << 20);
        cd_jwks_write(&parsed, &buf);
        must(cd_buf_view(&buf, &text));
        must(cd_jwks_parse(text, &again, &err));
        if (again.count != parsed.count)
                abort();
        cd_jwks_done(&parsed);
        cd_jwks_done(&again);
}

/* Each three bytes: where (two), and what. */
static void try_changes(struct cd_arena *arena, cd_str input)
{
        cd_str token = cd_arena_copy(arena, cd_str_of(valid, valid_len));
        char *bytes = (char *)(uintptr_t)token.ptr;

        for (size_t i = 0; i + 2 < input.len; i += 3) {
                size_t at = (size_t)((unsigned char)input.ptr[i] << 8 | (unsigned char)input.ptr[i + 1]);
                bytes[at % token.len] = input.ptr[i + 2];
        }
        bool is_same = memcmp(bytes, valid, valid_len) == 0;
        if (read_both(arena, token) != is_same)
                abort();
}

static void try_signed(struct cd_arena *arena, cd_str payload)
{
        cd_str token;

        if (cd_jws_sign(arena, set.keys[1], CD_STR("at+jwt"), payload, &token, NULL) == CD_OK)
                read_both(arena, token);
}

static void try_pem(cd_str pem)
{
        struct cd_jwk *jwk;
        struct cd_error err;

        if (cd_jwk_from_pem(pem, &jwk, &err) == CD_OK)
                cd_jwk_unref(jwk);
}

static void try_der(cd_str input)
{
        unsigned char raw[CD_ES256_SIZE], der[CD_ES256_DER_MAX];
        size_t len;

        if (!cd_es256_from_der((const unsigned char *)input.ptr, input.len, raw))
                return;
        if (!cd_es256_to_der(raw, der, &len) || len != input.len || memcmp(der, input.ptr, len) != 0)
                abort(); /* two spellings of one signature */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct cd_arena arena;

        if (size == 0)
                return 0;
        if (set.count == 0)
                prepare();
        cd_str rest = cd_str_of((const char *)data + 1, size - 1);
        cd_arena_init(&arena, 4 << 20);
        switch (data[0]) {
        case 't':
                read_both(&arena, rest);
                break;
        case 'p':
                try_parts(&arena, rest);
                break;
        case 'k':
                try_set(&arena, rest);
                break;
        case 'c':
                try_changes(&arena, rest);
                break;
        case 's':
                try_signed(&arena, rest);
                break;
        case 'm':
                try_pem(rest);
                break;
        case 'd':
                try_der(rest);
                break;
        }
        cd_arena_done(&arena);
        return 0;
}
