#pragma once
/* What tests of one part of the core need of the others: a clock and a random source that a test sets and makes fail,
 * clients and a lockout. */
#include "base/clock.h"
#include "core/client.h"
#include "core/lockout.h"
#include "crypto/random.h"
#include "support/check.h"

enum {
        NOON = 1795348800, /* 2026-11-22T12:00:00Z */
        /* Of the lockout. */
        TEST_ATTEMPTS = 3,
        TEST_DELAY = 10,
        TEST_MAX_DELAY = 100,
};

struct test_clock {
        struct cd_clock port;
        cd_time now;
        int64_t uptime;
};

struct test_random {
        struct cd_random port;
        unsigned char next; /* what the next byte is */
        bool fails;
};

struct test_clock test_clock(void); /* at NOON */
struct test_random test_random(void);
/* "app-a" (secret "secret-a"; client_credentials and password; scopes "read" and "write") and "app-b" ("secret-b";
 * client_credentials; "read") for the audiences https://api.example and https://other.example, and "api"
 * ("secret-api"), which introspects the former. */
struct cd_clients *test_clients(const struct cd_random *random);
/* All scopes: "read", "write" and "admin". */
struct cd_strs test_scopes(void);
struct cd_lockout *test_lockout(const struct cd_random *random);
