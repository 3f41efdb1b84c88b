#include "contract/revocations.h"

#include <pthread.h>
#include <stdio.h>

#include "support/check.h"

static const struct revocations_subject *subject;

static struct cd_revocations *fresh(size_t capacity)
{
        struct cd_revocations *revocations = subject->make(capacity);

        assert_non_null(revocations);
        return revocations;
}

static bool has(struct cd_revocations *revocations, const char *jti)
{
        bool found = false;

        assert_status(revocations->find(revocations, cd_str_from_c(jti), &found), CD_OK);
        return found;
}

static void an_empty_store_has_nothing(void **state)
{
        struct cd_revocations *r = fresh(16);

        (void)state;
        assert_false(has(r, "a"));
        r->free(r);
}

static void what_was_added_is_found_and_nothing_else(void **state)
{
        struct cd_revocations *r = fresh(16);

        (void)state;
        assert_status(r->add(r, CD_STR("a"), 100, 50), CD_OK);
        assert_true(has(r, "a"));
        assert_false(has(r, "b"));
        assert_false(has(r, "aa"));
        r->free(r);
}

static void adding_twice_is_fine_and_takes_no_room(void **state)
{
        struct cd_revocations *r = fresh(1);

        (void)state;
        assert_status(r->add(r, CD_STR("a"), 100, 50), CD_OK);
        assert_status(r->add(r, CD_STR("a"), 100, 50), CD_OK);
        assert_true(has(r, "a"));
        r->free(r);
}

static void a_full_store_refuses_and_drops_nothing(void **state)
{
        struct cd_revocations *r = fresh(2);

        (void)state;
        assert_status(r->add(r, CD_STR("a"), 100, 50), CD_OK);
        assert_status(r->add(r, CD_STR("b"), 100, 50), CD_OK);
        assert_status(r->add(r, CD_STR("c"), 100, 50), CD_UNAVAILABLE);
        assert_true(has(r, "a"));
        assert_true(has(r, "b"));
        r->free(r);
}

static void lesson_22_what_expired_is_deleted_as_others_come(void **state)
{
        struct cd_revocations *r = fresh(100);
        char jti[16];

        (void)state;
        for (int i = 0; i < 10000; i++) {
                snprintf(jti, sizeof(jti), "%d", i);
                assert_status(r->add(r, cd_str_from_c(jti), i + 20, i), CD_OK);
        }
        assert_true(has(r, "9999"));
        assert_true(has(r, "9985"));
        assert_false(has(r, "0"));
        r->free(r);
}

static void *add_many(void *arg)
{
        struct cd_revocations *r = arg;
        char jti[32];
        bool found;

        for (int i = 0; i < 200; i++) {
                snprintf(jti, sizeof(jti), "%p-%d", (void *)&found, i);
                if (r->add(r, cd_str_from_c(jti), 100, 50) != CD_OK ||
                    r->find(r, cd_str_from_c(jti), &found) != CD_OK || !found)
                        return NULL;
        }
        return r;
}

static void threads_see_what_they_added(void **state)
{
        struct cd_revocations *r = fresh(2000);
        pthread_t threads[4];
        void *result;

        (void)state;
        for (size_t i = 0; i < CD_LEN(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, add_many, r), 0);
        for (size_t i = 0; i < CD_LEN(threads); i++) {
                assert_int_equal(pthread_join(threads[i], &result), 0);
                assert_non_null(result);
        }
        r->free(r);
}

int run_revocations_contract(const struct revocations_subject *given)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_empty_store_has_nothing),
                cmocka_unit_test(what_was_added_is_found_and_nothing_else),
                cmocka_unit_test(adding_twice_is_fine_and_takes_no_room),
                cmocka_unit_test(a_full_store_refuses_and_drops_nothing),
                cmocka_unit_test(lesson_22_what_expired_is_deleted_as_others_come),
                cmocka_unit_test(threads_see_what_they_added),
        };

        subject = given;
        return cmocka_run_group_tests_name(given->name, tests, NULL, NULL);
}
