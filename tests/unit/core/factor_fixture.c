#include "unit/core/factor_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "core/recovery.h"
#include "crypto/totp.h"
#include "store/sqlite/memory.h"

#define MASTER "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static cd_time tell(const struct cd_clock *clock)
{
        return ((const struct factor_fixture *)((const char *)clock - offsetof(struct factor_fixture, clock)))->now;
}

/* No two calls get the same bytes. */
static cd_status fill(const struct cd_random *random, void *to, size_t size)
{
        struct factor_fixture *f =
                (struct factor_fixture *)((uintptr_t)random - offsetof(struct factor_fixture, random));

        for (size_t i = 0; i < size; i++) {
                uint64_t number = atomic_fetch_add(&f->next, 1) * 0x9e3779b97f4a7c15u;
                ((unsigned char *)to)[i] = (unsigned char)(number >> 56);
        }
        return f->random_fails ? CD_UNAVAILABLE : CD_OK;
}

static void add_ana(struct factor_fixture *f)
{
        const struct cd_user user = { .name = CD_STR("ana"),
                                      .password = CD_STR("$p"),
                                      .claims = CD_STR("{}"),
                                      .changed_at = FACTOR_NOON - 9000 };
        struct cd_user copy = user;
        struct cd_totp_change change = { .factor = { .user = user.name, .last_step = -1 } };

        assert_status(f->store->users->add(f->store, &(struct cd_users_page){ &copy, 1 }, NULL, &f->err), CD_OK);
        f->ana = factor_find(f, "ana");
        f->secret = CD_STR("12345678901234567890");
        change.if_generation = f->ana.generation;
        assert_status(cd_totp_seal(f->master, &f->arena, user.name, f->secret, &change.factor.sealed, &f->err), CD_OK);
        assert_status(f->store->totp->put(f->store, &change, NULL, &f->err), CD_OK);
}

int factor_set_up(void **state)
{
        struct factor_fixture *f = calloc(1, sizeof(*f));
        const struct cd_lockout_rules rules = {
                .account_attempts = 5, .address_attempts = 20, .delay = 30, .max_delay = 900
        };

        assert_non_null(f);
        f->now = FACTOR_NOON;
        f->clock.now = tell;
        f->random.fill = fill;
        cd_arena_init(&f->arena, 16 << 20);
        assert_status(cd_master_key_parse(CD_STR(MASTER), &f->random, &f->master, NULL), CD_OK);
        assert_status(cd_memory_store_new(&f->store, NULL), CD_OK);
        f->sessions = (struct cd_sessions){ .store = f->store, .clock = &f->clock, .random = &f->random };
        assert_status(cd_session_ids_key(f->master, &f->sessions.ids), CD_OK);
        f->factors = (struct cd_factors){ .store = f->store,
                                          .master = f->master,
                                          .recovery_codes = cd_recovery_macs_new(f->master),
                                          .clock = &f->clock,
                                          .random = &f->random,
                                          .devices = &f->devices };
        assert_status(cd_lockout_new(&rules, &f->random, &f->factors.lockout, NULL), CD_OK);
        f->devices = (struct cd_known_devices){ .store = f->store,
                                                .lockout = f->factors.lockout,
                                                .macs = cd_known_device_macs_new(f->master),
                                                .random = &f->random };
        assert_non_null(f->devices.macs);
        assert_non_null(f->factors.recovery_codes);
        f->hasher = cd_direct_hasher(&(struct cd_password_cost){ .memory = 8192, .iterations = 1 }, &f->random);
        f->by = (struct cd_operator){ .store = f->store,
                                      .clock = &f->clock,
                                      .random = &f->random,
                                      .actor = CD_STR("portal"),
                                      .hasher = &f->hasher.port };
        add_ana(f);
        *state = f;
        return 0;
}

int factor_tear_down(void **state)
{
        struct factor_fixture *f = *state;

        f->store->free(f->store);
        cd_mac_free(f->factors.recovery_codes);
        cd_mac_free(f->devices.macs);
        cd_lockout_free(f->factors.lockout);
        cd_master_key_free(f->master);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

struct cd_user factor_find(struct factor_fixture *f, const char *name)
{
        struct cd_user user = { 0 };

        assert_status(f->store->users->find(f->store, &f->arena, cd_str_from_c(name), &user, &f->err), CD_OK);
        return user;
}

cd_str factor_code(struct factor_fixture *f, cd_time time)
{
        char code[CD_TOTP_DIGITS];

        assert_status(cd_totp_code(f->secret, cd_totp_step(time), code), CD_OK);
        return cd_arena_copy(&f->arena, cd_str_of(code, sizeof(code)));
}

struct cd_audit_event factor_last_event(struct factor_fixture *f)
{
        struct cd_audit_events events = { 0 };
        struct cd_audit_flush flush;

        assert_status(f->store->audit->flush(f->store, &flush, &f->err), CD_OK);
        assert_status(f->store->audit->list(f->store, &f->arena, -1, 1, &events, &f->err), CD_OK);
        assert_int_equal(events.count, 1);
        return events.items[0];
}

int64_t factor_failures(struct factor_fixture *f)
{
        struct cd_totp_factor factor = { 0 };

        assert_status(f->store->totp->find(f->store, &f->arena, CD_STR("ana"), &factor, &f->err), CD_OK);
        return factor.failures;
}
