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

static cd_status add_of(struct cd_revoked *revoked, const char *client_id, const char *jti, cd_time expires_at)
{
        return cd_revoked_add(revoked, &(struct cd_revocation){ .jti = cd_str_from_c(jti),
                                                                .client_id = cd_str_from_c(client_id),
                                                                .expires_at = expires_at });
}

static cd_status add(struct cd_revoked *revoked, const char *jti, cd_time expires_at)
{
        return add_of(revoked, "app", jti, expires_at);
}

static bool has(struct cd_revoked *revoked, const char *jti, const char *user, int64_t generation)
{
        bool has = false;

        assert_status(cd_revoked_find(revoked, cd_str_from_c(jti), cd_str_from_c(user), generation, NOW, &has), CD_OK);
        return has;
}

static void what_was_revoked_is_found_and_nothing_else(void **state)
{
        struct cd_revoked *r = fresh(16);

        (void)state;
        assert_false(has(r, "a", "ana", 0));
        assert_status(add(r, "a", NOW + 10), CD_OK);
        assert_status(add(r, "a", NOW + 10), CD_OK);
        assert_true(has(r, "a", "ana", 0));
        assert_false(has(r, "b", "a", 0));
        assert_int_equal(cd_revoked_count(r), 1);
        cd_revoked_free(r);
        cd_revoked_free(NULL);
}

static bool has_of_client(struct cd_revoked *revoked, cd_time issued_at)
{
        bool has = false;

        assert_status(cd_revoked_find(revoked, CD_STR("x"), CD_STR(""), 0, issued_at, &has), CD_OK);
        return has;
}

static void a_revocation_of_all_ends_the_tokens_of_clients_from_before_it(void **state)
{
        struct cd_revoked *r = fresh(16);

        (void)state;
        assert_status(cd_revoked_add(r, &(struct cd_revocation){ .seq = 7, .expires_at = NOW + CD_REVOCATION_LASTS }),
                      CD_OK);
        assert_true(has_of_client(r, NOW - 1));
        assert_false(has_of_client(r, NOW));
        assert_status(
                cd_revoked_add(r, &(struct cd_revocation){ .seq = 9, .expires_at = NOW + CD_REVOCATION_LASTS + 5 }),
                CD_OK);
        assert_true(has_of_client(r, NOW + 4));
        assert_false(has_of_client(r, NOW + 5));
        cd_revoked_free(r);
}

static void a_revocation_of_all_users_ends_theirs_whenever_they_were_issued(void **state)
{
        struct cd_revoked *r = fresh(16);

        (void)state;
        assert_status(cd_revoked_add(r, &(struct cd_revocation){ .seq = 7, .expires_at = NOW + 10 }), CD_OK);
        assert_true(has(r, "", "ana", 6));
        assert_true(has(r, "a", "bo", 0));
        assert_false(has(r, "a", "ana", 7));
        cd_revoked_free(r);
}

static void a_users_revocation_ends_the_generations_below_it(void **state)
{
        struct cd_revoked *r = fresh(16);
        struct cd_revocation revocation = { .seq = 7, .user = CD_STR("ana"), .expires_at = NOW + 10 };

        (void)state;
        assert_status(cd_revoked_add(r, &revocation), CD_OK);
        assert_true(has(r, "x", "ana", 0));
        assert_true(has(r, "x", "ana", 6));
        assert_false(has(r, "x", "ana", 7));
        assert_false(has(r, "x", "ana", 8));
        assert_false(has(r, "ana", "bo", 0));
        assert_false(has(r, "x", "", 0));
        cd_revoked_free(r);
}

static void of_two_of_a_user_the_later_counts_whatever_their_order(void **state)
{
        struct cd_revoked *r = fresh(16);
        struct cd_revocation late = { .seq = 9, .user = CD_STR("ana"), .expires_at = NOW + 50 },
                             early = { .seq = 7, .user = CD_STR("ana"), .expires_at = NOW + 10 };

        (void)state;
        assert_status(cd_revoked_add(r, &late), CD_OK);
        assert_status(cd_revoked_add(r, &early), CD_OK);
        assert_true(has(r, "x", "ana", 8));
        cd_revoked_sweep(r, NOW + 20, 100);
        assert_true(has(r, "x", "ana", 8));
        assert_false(has(r, "x", "ana", 9));
        assert_int_equal(cd_revoked_count(r), 1);
        cd_revoked_free(r);
}

/* How many more a client may revoke, which are added. */
static size_t fill(struct cd_revoked *r, const char *client_id)
{
        size_t count = 0;
        char jti[32];

        while (!cd_revoked_is_full(r, cd_str_from_c(client_id))) {
                snprintf(jti, sizeof(jti), "%s-%zu", client_id, count++);
                assert_status(add_of(r, client_id, jti, NOW + 10), CD_OK);
        }
        return count;
}

static void each_client_has_a_share_of_the_room(void **state)
{
        struct cd_revoked *r = fresh(16);

        (void)state;
        assert_int_equal(fill(r, "greedy"), 8);
        assert_int_equal(fill(r, "greedy"), 0);
        assert_int_equal(fill(r, "too"), 4);
        assert_int_equal(fill(r, "a third"), 2);
        assert_int_equal(fill(r, "a fourth"), 1);
        assert_int_equal(fill(r, "a fifth"), 1);
        assert_int_equal(fill(r, "a sixth"), 0);
        cd_revoked_sweep(r, NOW + 10, 100);
        assert_int_equal(cd_revoked_count(r), 0);
        assert_int_equal(fill(r, "greedy"), 8);
        cd_revoked_free(r);
}

static void users_take_no_room_of_the_clients(void **state)
{
        struct cd_revoked *r = fresh(4);
        char name[16];

        (void)state;
        for (int i = 0; i < 100; i++) {
                snprintf(name, sizeof(name), "u%d", i);
                struct cd_revocation of_user = { .seq = i + 1, .user = cd_str_from_c(name), .expires_at = NOW + 20 };
                assert_status(cd_revoked_add(r, &of_user), CD_OK);
        }
        assert_int_equal(fill(r, "app"), 2);
        cd_revoked_sweep(r, NOW + 10, 1000);
        assert_int_equal(cd_revoked_count(r), 100);
        assert_int_equal(fill(r, "app"), 2);
        cd_revoked_free(r);
}

static void none_is_dropped_to_make_room(void **state)
{
        struct cd_revoked *r = fresh(1);

        (void)state;
        assert_false(cd_revoked_is_full(r, CD_STR("app")));
        assert_status(add(r, "a", NOW + 10), CD_OK);
        assert_true(cd_revoked_is_full(r, CD_STR("app")));
        assert_true(cd_revoked_is_full(r, CD_STR("other")));
        assert_status(add(r, "b", NOW + 10), CD_OK); /* of another node: it comes in all the same */
        assert_true(has(r, "a", "", 0));
        assert_true(has(r, "b", "", 0));
        assert_true(cd_revoked_is_full(r, CD_STR("other")));
        cd_revoked_free(r);
}

static void lesson_22_what_is_over_goes_in_small_steps(void **state)
{
        struct cd_revoked *r = fresh(1000);
        char jti[16];

        (void)state;
        for (int i = 0; i < 100; i++) {
                snprintf(jti, sizeof(jti), "t%d", i);
                assert_status(add(r, jti, NOW + 10 + i % 2), CD_OK);
        }
        cd_revoked_sweep(r, NOW + 9, 1000);
        assert_int_equal(cd_revoked_count(r), 100);
        cd_revoked_sweep(r, NOW + 11, 30);
        assert_int_equal(cd_revoked_count(r), 70);
        cd_revoked_sweep(r, NOW + 10, 1000);
        assert_in_range(cd_revoked_count(r), 20, 50);
        cd_revoked_sweep(r, NOW + 11, 1000);
        assert_int_equal(cd_revoked_count(r), 0);
        cd_revoked_free(r);
}

static void lesson_1_an_incomplete_cache_answers_nothing(void **state)
{
        struct cd_revoked *r = fresh(16);
        bool has_it = false;

        (void)state;
        cd_revoked_set_complete(r, false);
        assert_status(cd_revoked_find(r, CD_STR("a"), CD_STR("ana"), 0, NOW, &has_it), CD_UNAVAILABLE);
        cd_revoked_set_complete(r, true);
        assert_false(has(r, "a", "ana", 0));
        cd_revoked_free(r);
}

static void *add_and_find(void *arg)
{
        /* an address of the stack will not do for a name: a thread may get that of one which ended */
        static atomic_int threads;
        struct cd_revoked *r = arg;
        int thread = atomic_fetch_add(&threads, 1);
        char jti[48];
        bool found;

        for (int i = 0; i < EACH; i++) {
                snprintf(jti, sizeof(jti), "%d-%d", thread, i);
                if (add(r, jti, NOW + 10) != CD_OK ||
                    cd_revoked_find(r, cd_str_from_c(jti), CD_STR("ana"), 0, NOW, &found) != CD_OK || !found)
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
                cmocka_unit_test(a_revocation_of_all_users_ends_theirs_whenever_they_were_issued),
                cmocka_unit_test(a_revocation_of_all_ends_the_tokens_of_clients_from_before_it),
                cmocka_unit_test(a_users_revocation_ends_the_generations_below_it),
                cmocka_unit_test(of_two_of_a_user_the_later_counts_whatever_their_order),
                cmocka_unit_test(each_client_has_a_share_of_the_room),
                cmocka_unit_test(users_take_no_room_of_the_clients),
                cmocka_unit_test(none_is_dropped_to_make_room),
                cmocka_unit_test(lesson_22_what_is_over_goes_in_small_steps),
                cmocka_unit_test(lesson_1_an_incomplete_cache_answers_nothing),
                cmocka_unit_test(threads_may_add_and_find_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
