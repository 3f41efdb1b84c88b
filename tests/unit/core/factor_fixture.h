#pragma once
/* Users with second factors and sessions, on a store in memory, with a clock and a random source that a test sets and
 * makes fail. */
#include <stdatomic.h>

#include "core/direct_hasher.h"
#include "core/known_device.h"
#include "core/operator.h"
#include "core/second_factor.h"
#include "core/session.h"
#include "support/check.h"

enum {
        FACTOR_NOON = 1795348800 /* 2026-11-22T12:00:00Z, the beginning of a step of TOTP */
};

struct factor_fixture {
        struct cd_arena arena;
        struct cd_clock clock;
        struct cd_random random;
        cd_time now;
        bool random_fails;
        atomic_ullong next; /* what the random source gives next */
        struct cd_master_key *master;
        struct cd_store *store;
        struct cd_sessions sessions;
        struct cd_factors factors;
        struct cd_known_devices devices; /* of `factors` */
        struct cd_direct_hasher hasher;  /* of the least cost */
        struct cd_operator by;           /* "portal" */
        struct cd_user ana;              /* as read when she was added */
        cd_str secret;                   /* of her TOTP factor */
        struct cd_error err;
};

int factor_set_up(void **state);
int factor_tear_down(void **state);
#define FACTOR_TEST(test) cmocka_unit_test_setup_teardown(test, factor_set_up, factor_tear_down)

struct cd_user factor_find(struct factor_fixture *f, const char *name);
/* The code that ana's app shows at a time. In the arena. */
cd_str factor_code(struct factor_fixture *f, cd_time time);
/* The newest event of the audit, once what waits is written. */
struct cd_audit_event factor_last_event(struct factor_fixture *f);
/* Whether ana's TOTP factor has so many wrong codes. */
int64_t factor_failures(struct factor_fixture *f);
