#pragma once
/* A verifier whose clock and whose server of keys the test sets, and the keys to sign with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "crypto/jwk_internal.h"
#include "libcardea/verifier.h"

enum {
        NOW = 1100, /* of the tokens' clock, s */
        AFTER_MS = 60000,
        GAP_MS = 5000,
};

#define ISSUER   "https://auth.example"
#define AUDIENCE "https://api.example"

/* The server of keys. */
struct fake_source {
        const char *text; /* what it answers; NULL: `failure` */
        cd_status failure;
        atomic_int reads, keeps;
        atomic_int *hold; /* not NULL: an answer waits until it is 0 */
};

struct fixture {
        struct cd_arena arena;
        struct cd_jwk *es256, *rs256, *eddsa, *next; /* `next` is published by the test alone */
        cd_str jwks, jwks_next;                      /* the first three; `next` alone */
        cardea_options options;
        cardea_verifier *verifier;
        cardea_claims *claims; /* of the last verify() that went well */
        cardea_error err;
};

extern struct fake_source fake_source;
extern cd_time fake_now;
extern _Atomic int64_t fake_us; /* of the clock that never steps back */

int setup(void **state);
int teardown(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Makes f->verifier by f->options and the fakes. */
void start(struct fixture *f);
void pass_ms(int64_t ms);
/* The text of a set of these keys, ends with NUL. */
cd_str set_of(struct fixture *f, struct cd_jwk *const *keys, size_t count);

/* A token of any header and payload, well signed: what is wrong with it is only what the test made wrong. */
cd_str forge(struct fixture *f, const struct cd_jwk *key, cd_str header, cd_str payload);
/* A good access token of this key. */
cd_str token_of(struct fixture *f, const struct cd_jwk *key);
/* The good claims with one of them given another value as JSON, or left out (NULL), by es256. */
cd_str token_with(struct fixture *f, const char *name, const char *value);
cd_str header_of(struct fixture *f, const struct cd_jwk *key, const char *typ);

/* f->claims or f->err say more. */
cardea_code verify(struct fixture *f, cd_str token);
cardea_code verify_cached(struct fixture *f, cd_str token);
/* Waits until the thread in the background has ended. */
void wait_for_background(struct fixture *f);

#define assert_code(call, want) assert_string_equal(cardea_code_name(call), cardea_code_name(want))
#define assert_refused(call, want_code, want_reason)                                                                   \
        do {                                                                                                           \
                f->err = (cardea_error){ 0 };                                                                          \
                assert_code((call), (want_code));                                                                      \
                assert_string_equal(f->err.reason, (want_reason));                                                     \
                assert_code(f->err.code, (want_code));                                                                 \
        } while (0)
