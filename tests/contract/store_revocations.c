#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "contract/stage.h"

static void what_was_revoked_is_listed_in_order(void **state)
{
        struct stage *s = *state;
        struct cd_user_change change = { .name = CD_STR("ana"), .now = 300, .disabled = CD_USER_DISABLE };

        add_user(s, "ana");
        assert_int_equal(get_revocations(s).count, 0);
        add_revocation(s, "b", 100);
        assert_status(s->store->users->update(s->store, &change, NULL, &s->error), CD_OK);
        add_revocation(s, "a", 200);

        struct cd_revocation_list list = get_revocations(s);
        assert_int_equal(list.count, 3);
        assert_str(list.items[0].jti, "b");
        assert_str(list.items[0].user, "");
        assert_str(list.items[0].client_id, "app");
        assert_int_equal(list.items[0].expires_at, 100);
        assert_str(list.items[1].jti, "");
        assert_str(list.items[1].user, "ana");
        assert_str(list.items[1].client_id, "");
        assert_str(list.items[2].jti, "a");
        assert_true(0 < list.items[0].seq && list.items[0].seq < list.items[1].seq &&
                    list.items[1].seq < list.items[2].seq);
}

static void revoking_twice_is_fine_and_listed_once(void **state)
{
        struct stage *s = *state;

        add_revocation(s, "a", 100);
        add_revocation(s, "a", 900);
        struct cd_revocation_list list = get_revocations(s);
        assert_int_equal(list.count, 1);
        assert_int_equal(list.items[0].expires_at, 100);
}

static void tokens_are_told_apart_by_their_bytes(void **state)
{
        struct stage *s = *state;

        add_revocation(s, "a", 100);
        add_revocation(s, "A", 100);
        add_revocation(s, "a ", 100);
        assert_int_equal(get_revocations(s).count, 3);
}

static void a_reader_goes_on_where_it_stopped(void **state)
{
        struct stage *s = *state;
        char jti[16];
        struct cd_revocation_list page;
        int64_t seen = 0;
        int next = 0;

        for (int i = 0; i < 25; i++) {
                snprintf(jti, sizeof(jti), "t%d", i);
                add_revocation(s, jti, 100);
        }
        do {
                assert_status(s->store->revocations->list(s->store, &s->arena, seen, 10, &page, &s->error), CD_OK);
                assert_true(page.count <= 10);
                for (size_t i = 0; i < page.count; i++, next++) {
                        snprintf(jti, sizeof(jti), "t%d", next);
                        assert_str(page.items[i].jti, jti);
                        assert_true(page.items[i].seq > seen);
                        seen = page.items[i].seq;
                }
        } while (page.count);
        assert_int_equal(next, 25);
}

static void a_revocation_grows_its_version_alone(void **state)
{
        struct stage *s = *state;
        struct cd_store_versions before = get_versions(s);

        add_revocation(s, "a", 100);
        assert_true(get_versions(s).revocations > before.revocations);
        assert_int_equal(get_versions(s).keys, before.keys);
        assert_int_equal(get_versions(s).clients, before.clients);
}

static void a_jti_is_text(void **state)
{
        struct stage *s = *state;
        struct cd_revocation bad = { .jti = CD_STR("a\0b"), .expires_at = 100 };

        assert_status(s->store->revocations->add(s->store, &bad, &s->error), CD_INVALID_REQUEST);
        bad.jti = CD_STR("\xff");
        assert_status(s->store->revocations->add(s->store, &bad, &s->error), CD_INVALID_REQUEST);
        assert_int_equal(get_revocations(s).count, 0);
}

enum {
        WRITERS = 16,
        EACH = 50,
};

static _Atomic int writers_left;

static const char *write_some(struct stage *s, size_t number)
{
        char jti[32];
        struct cd_error error;
        bool failed = false;

        for (int i = 0; i < EACH && !failed; i++) {
                snprintf(jti, sizeof(jti), "%zu-%d", number, i);
                struct cd_revocation revocation = { .jti = cd_str_from_c(jti), .expires_at = 100 };
                failed = s->store->revocations->add(s->store, &revocation, &error) != CD_OK;
        }
        writers_left--;
        return failed ? "a revocation was not written" : NULL;
}

/* Reads after the last seq that it saw, and never looks back: one that was given a smaller seq but came later would be
 * missed. */
static const char *follow(struct stage *s)
{
        struct cd_arena arena;
        struct cd_error error;
        struct cd_revocation_list page;
        int64_t seen = 0;
        size_t count = 0;
        bool was_last, ok = true;

        cd_arena_init(&arena, 1 << 20);
        do {
                was_last = writers_left == 0;
                ok = s->store->revocations->list(s->store, &arena, seen, 7, &page, &error) == CD_OK;
                for (size_t i = 0; ok && i < page.count; i++) {
                        ok = page.items[i].seq > seen;
                        seen = page.items[i].seq;
                }
                count += ok ? page.count : 0;
                cd_arena_reset(&arena);
        } while (ok && (!was_last || page.count));
        cd_arena_done(&arena);
        return !ok ? "the list failed or was not in order" : count != WRITERS * EACH ? "the reader missed some" : NULL;
}

static const char *write_or_follow(struct stage *s, size_t number)
{
        return number < WRITERS ? write_some(s, number) : follow(s);
}

static void readers_miss_nothing_that_many_write_at_once(void **state)
{
        struct stage *s = *state;

        writers_left = WRITERS;
        at_once(s, WRITERS + 4, write_or_follow);
        assert_int_equal(get_revocations(s).count, WRITERS * EACH);
}

int run_revocation_list_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(what_was_revoked_is_listed_in_order),
                CONTRACT(revoking_twice_is_fine_and_listed_once),
                CONTRACT(tokens_are_told_apart_by_their_bytes),
                CONTRACT(a_reader_goes_on_where_it_stopped),
                CONTRACT(a_revocation_grows_its_version_alone),
                CONTRACT(a_jti_is_text),
                CONTRACT(readers_miss_nothing_that_many_write_at_once),
        };

        return cmocka_run_group_tests_name("revocations", tests, NULL, NULL);
}
