#include "core/revoked.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "support/check.h"

enum {
        NOW = 1000,
        THREADS = 4,
        EACH = 400,
};

static struct cd_revoked *fresh(size_t capacity)
{
        struct cd_revoked *revoked = cd_revoked_new(capacity);

        assert_non_null(revoked);
        return revoked;
}

static cd_status add(struct cd_revoked *revoked, const char *jti, cd_time expires_at, cd_time now)
{
        return cd_revoked_add(revoked, &(struct cd_revocation){ .jti = cd_str_from_c(jti), .expires_at = expires_at },
                              now);
}

static bool has(struct cd_revoked *revoked, const char *jti, const char *sub, cd_time iat)
{
        bool has = false;

        assert_status(cd_revoked_find(revoked, cd_str_from_c(jti), cd_str_from_c(sub), iat, &has), CD_OK);
        return has;
}

static void what_was_revoked_is_found_and_nothing_else(void **state)
{
        struct cd_revoked *r = fresh(16);

        (void)state;
        assert_false(has(r, "a", "ana", NOW));
        assert_status(add(r, "a", NOW + 10, NOW), CD_OK);
        assert_status(add(r, "a", NOW + 10, NOW), CD_OK);
        assert_true(has(r, "a", "ana", NOW));
        assert_false(has(r, "b", "a", NOW));
        assert_int_equal(cd_revoked_count(r), 1);
        cd_revoked_free(r);
        cd_revoked_free(NULL);
}

static void a_cut_ends_what_a_user_had_up_to_its_second(void **state)
{
        struct cd_revoked *r = fresh(16);
        struct cd_revocation cut = { .user = CD_STR("ana"), .before = NOW, .expires_at = NOW + 10 };

        (void)state;
        assert_status(cd_revoked_add(r, &cut, NOW), CD_OK);
        assert_true(has(r, "x", "ana", NOW));
        assert_true(has(r, "x", "ana", 1));
        assert_false(has(r, "x", "ana", NOW + 1));
        assert_false(has(r, "ana", "bo", NOW));
        cd_revoked_free(r);
}

static void of_two_cuts_the_later_counts_whatever_their_order(void **state)
{
        struct cd_revoked *r = fresh(16);
        struct cd_revocation late = { .user = CD_STR("ana"), .before = NOW + 5, .expires_at = NOW + 50 },
                             early = { .user = CD_STR("ana"), .before = NOW, .expires_at = NOW + 10 };

        (void)state;
        assert_status(cd_revoked_add(r, &late, NOW), CD_OK);
        assert_status(cd_revoked_add(r, &early, NOW), CD_OK);
        assert_true(has(r, "x", "ana", NOW + 5));
        cd_revoked_sweep(r, NOW + 20, 100);
        assert_true(has(r, "x", "ana", NOW + 5));
        assert_int_equal(cd_revoked_count(r), 1);
        cd_revoked_free(r);
}

static void none_is_dropped_to_make_room(void **state)
{
        struct cd_revoked *r = fresh(1);

        (void)state;
        assert_false(cd_revoked_is_full(r));
        assert_status(add(r, "a", NOW + 10, NOW), CD_OK);
        assert_true(cd_revoked_is_full(r));
        assert_status(add(r, "b", NOW + 10, NOW), CD_OK); /* of another node: it comes in all the same */
        assert_true(has(r, "a", "", NOW));
        assert_true(has(r, "b", "", NOW));
        cd_revoked_free(r);
}

static void lesson_22_what_is_over_goes_in_small_steps(void **state)
{
        struct cd_revoked *r = fresh(1000);
        char jti[16];

        (void)state;
        for (int i = 0; i < 100; i++) {
                snprintf(jti, sizeof(jti), "t%d", i);
                assert_status(add(r, jti, NOW + 10, NOW), CD_OK);
        }
        cd_revoked_sweep(r, NOW + 10, 30);
        assert_int_equal(cd_revoked_count(r), 70);
        for (int i = 0; i < 9; i++)
                assert_status(add(r, i % 2 ? "new" : "newer", NOW + 100, NOW + 10), CD_OK);
        assert_int_equal(cd_revoked_count(r), 2);
        assert_status(add(r, "dead already", NOW, NOW + 10), CD_OK);
        assert_int_equal(cd_revoked_count(r), 2);
        cd_revoked_free(r);
}

static void lesson_1_an_incomplete_mirror_answers_nothing(void **state)
{
        struct cd_revoked *r = fresh(16);
        bool has_it = false;

        (void)state;
        cd_revoked_set_complete(r, false);
        assert_status(cd_revoked_find(r, CD_STR("a"), CD_STR("ana"), NOW, &has_it), CD_UNAVAILABLE);
        cd_revoked_set_complete(r, true);
        assert_false(has(r, "a", "ana", NOW));
        cd_revoked_free(r);
}

static void *add_and_find(void *arg)
{
        static atomic_int
                threads; /* an address of the stack will not do for a name: a thread may get that of one which ended */
        struct cd_revoked *r = arg;
        int thread = atomic_fetch_add(&threads, 1);
        char jti[48];
        bool found;

        for (int i = 0; i < EACH; i++) {
                snprintf(jti, sizeof(jti), "%d-%d", thread, i);
                if (add(r, jti, NOW + 10, NOW) != CD_OK ||
                    cd_revoked_find(r, cd_str_from_c(jti), CD_STR("ana"), NOW, &found) != CD_OK || !found)
                        return NULL;
        }
        return r;
}

static void threads_may_add_and_find_at_once(void **state)
{
        struct cd_revoked *r = fresh(100000);
        pthread_t threads[THREADS];
        void *result;

        (void)state;
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, add_and_find, r), 0);
        for (size_t i = 0; i < THREADS; i++) {
                assert_int_equal(pthread_join(threads[i], &result), 0);
                assert_non_null(result);
        }
        assert_int_equal(cd_revoked_count(r), THREADS * EACH);
        cd_revoked_free(r);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_revoked_is_found_and_nothing_else),
                cmocka_unit_test(a_cut_ends_what_a_user_had_up_to_its_second),
                cmocka_unit_test(of_two_cuts_the_later_counts_whatever_their_order),
                cmocka_unit_test(none_is_dropped_to_make_room),
                cmocka_unit_test(lesson_22_what_is_over_goes_in_small_steps),
                cmocka_unit_test(lesson_1_an_incomplete_mirror_answers_nothing),
                cmocka_unit_test(threads_may_add_and_find_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
