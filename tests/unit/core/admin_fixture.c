#include "unit/core/admin_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "support/memory_store.h"

static struct admin_fixture *of_clock(const struct cd_clock *clock)
{
        return (struct admin_fixture *)((char *)clock - offsetof(struct admin_fixture, clock));
}

static cd_time test_now(const struct cd_clock *clock)
{
        return of_clock(clock)->now;
}

static cd_status test_fill(const struct cd_random *random, void *to, size_t size)
{
        const struct admin_fixture *f =
                (const struct admin_fixture *)((const char *)random - offsetof(struct admin_fixture, random));

        if (f->random_fails)
                return CD_UNAVAILABLE;
        for (size_t i = 0; i < size; i++)
                ((unsigned char *)to)[i] = (unsigned char)i;
        return CD_OK;
}

int admin_set_up(void **state)
{
        static const cd_str scopes[] = { CD_STR_INIT("read"), CD_STR_INIT("write") };
        static const cd_str configured[] = { CD_STR_INIT("in-the-file") };
        struct admin_fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        cd_arena_init(&f->arena, 16 << 20);
        f->now = ADMIN_NOON;
        f->clock = (struct cd_clock){ .now = test_now };
        f->random = (struct cd_random){ test_fill };
        f->hasher = cd_direct_hasher(&(struct cd_password_cost){ .memory = 8 * 1024, .iterations = 1 }, &f->random);
        f->by = (struct cd_operator){
                .store = new_memory_store(),
                .clock = &f->clock,
                .random = &f->random,
                .actor = CD_STR("os:op"),
                .hasher = &f->hasher.port,
                .client_secrets = cd_mac_new(CD_STR("a key for the secrets of clients")),
                .scopes = { scopes, CD_LEN(scopes) },
                .configured = { configured, CD_LEN(configured) },
                .default_audience = CD_STR("https://auth.example"),
        };
        assert_non_null(f->by.store);
        *state = f;
        return 0;
}

int admin_tear_down(void **state)
{
        struct admin_fixture *f = *state;

        f->by.store->free(f->by.store);
        cd_mac_free(f->by.client_secrets);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

static struct cd_audit_events list_events(struct admin_fixture *f)
{
        struct cd_audit_events events;

        assert_status(f->by.store->audit->list(f->by.store, &f->arena, -1, 1000, &events, NULL), CD_OK);
        return events;
}

struct cd_audit_event admin_last_event(struct admin_fixture *f)
{
        struct cd_audit_events events = list_events(f);

        assert_true(events.count > 0);
        return events.items[events.count - 1];
}

size_t admin_count_events(struct admin_fixture *f)
{
        return list_events(f).count;
}

bool admin_has_ended(struct admin_fixture *f, const char *user, int64_t generation)
{
        struct cd_revocation_list list;
        bool has_ended = false;

        assert_status(f->by.store->revocations->list(f->by.store, &f->arena, 0, 1000, &list, NULL), CD_OK);
        for (size_t i = 0; i < list.count; i++)
                if (cd_str_eq_c(list.items[i].user, user))
                        has_ended = generation < list.items[i].seq;
        return has_ended;
}

void admin_add_ana(struct admin_fixture *f)
{
        const struct cd_user_params params = { .name = CD_STR("ana"),
                                               .password = CD_STR("correct horse"),
                                               .claims = CD_STR("{\"role\":\"editor\"}") };
        struct cd_user_result result;

        assert_status(cd_admin_user_add(&f->by, &f->arena, &params, &result, NULL), CD_OK);
}

struct cd_user admin_find(struct admin_fixture *f, const char *name)
{
        struct cd_user user;

        assert_status(cd_admin_user_find(&f->by, &f->arena, cd_str_from_c(name), &user, NULL), CD_OK);
        return user;
}
