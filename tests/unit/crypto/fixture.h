#pragma once
/* What the tests of this layer share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/json.h"
#include "crypto/jwk_internal.h"
#include "crypto/jwt.h"

struct fixture {
        struct cd_arena arena;
        struct cd_jwk *es256, *rs256, *eddsa;
        struct cd_jwks keys; /* all three */
        struct cd_error err;
};

#define assert_ok(call) assert_int_equal((call), CD_OK)
#define assert_str(got, want)                                                                                          \
        do {                                                                                                           \
                cd_str assert_got = (got);                                                                             \
                assert_string_equal(cd_arena_copy(&f->arena, assert_got).ptr, (want));                                 \
        } while (0)
/* The exact status and the exact reason, so that a test cannot pass for another cause. */
#define assert_refused(call, want_status, want_reason)                                                                 \
        do {                                                                                                           \
                f->err = (struct cd_error){ 0 };                                                                       \
                assert_int_equal((call), (want_status));                                                               \
                assert_string_equal(f->err.reason, (want_reason));                                                     \
                assert_int_equal(f->err.status, (want_status));                                                        \
        } while (0)

static inline int fixture_setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        cd_arena_init(&f->arena, 1 << 24);
        if (cd_jwk_generate(CD_ALG_ES256, &f->es256, NULL) != CD_OK ||
            cd_jwk_generate(CD_ALG_RS256, &f->rs256, NULL) != CD_OK ||
            cd_jwk_generate(CD_ALG_EDDSA, &f->eddsa, NULL) != CD_OK || cd_jwks_add(&f->keys, f->es256, NULL) != CD_OK ||
            cd_jwks_add(&f->keys, f->rs256, NULL) != CD_OK || cd_jwks_add(&f->keys, f->eddsa, NULL) != CD_OK)
                return -1;
        *state = f;
        return 0;
}

static inline int fixture_teardown(void **state)
{
        struct fixture *f = *state;

        cd_jwks_done(&f->keys);
        cd_jwk_unref(f->es256);
        cd_jwk_unref(f->rs256);
        cd_jwk_unref(f->eddsa);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

static inline cd_str encode(struct fixture *f, cd_str bytes)
{
        char *to = cd_arena_alloc(&f->arena, cd_base64url_length(bytes.len) + 1);
        assert_non_null(to);
        return cd_str_of(to, cd_base64url_encode(to, bytes));
}

/* A token of any header and payload, well signed: what is wrong with it is only what the test made wrong. */
static inline cd_str forge(struct fixture *f, const struct cd_jwk *key, cd_str header, cd_str payload)
{
        unsigned char signature[CD_SIGNATURE_MAX];
        cd_str h = encode(f, header), p = encode(f, payload);

        cd_str input = cd_arena_printf(&f->arena, "%.*s.%.*s", CD_STR_ARG(h), CD_STR_ARG(p));
        assert_ok(cd_signature_make(key, input, signature, NULL));
        cd_str s = encode(f, cd_str_of((const char *)signature, key->signature_size));
        return cd_arena_printf(&f->arena, "%.*s.%.*s", CD_STR_ARG(input), CD_STR_ARG(s));
}
