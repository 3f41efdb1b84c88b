#pragma once
/* An operator with a store, and a clock and a random source that a test sets and makes fail. */
#include "core/admin_clients.h"
#include "core/admin_users.h"
#include "core/direct_hasher.h"
#include "support/check.h"

enum {
        ADMIN_NOON = 1795348800 /* 2026-11-22T12:00:00Z */
};

struct admin_fixture {
        struct cd_operator by;
        struct cd_arena arena;
        struct cd_clock clock;
        struct cd_random random;
        struct cd_direct_hasher hasher;
        cd_time now;
        bool random_fails;
};

int admin_set_up(void **state);
int admin_tear_down(void **state);

/* The newest event of the audit. */
struct cd_audit_event admin_last_event(struct admin_fixture *f);
size_t admin_count_events(struct admin_fixture *f);
/* Whether the user's tokens of that generation are revoked. */
bool admin_has_ended(struct admin_fixture *f, const char *user, int64_t generation);
/* A user "ana" with the password "correct horse" and the claims {"role":"editor"}. */
void admin_add_ana(struct admin_fixture *f);
struct cd_user admin_find(struct admin_fixture *f, const char *name);
