#include "core/audit_follow.h"
#include "support/check.h"

enum {
        SECOND = 1000000,
};

static int set_up(void **state)
{
        struct cd_audit_follow *follow;

        assert_status(cd_audit_follow_new(10, &follow, NULL), CD_OK);
        *state = follow;
        return 0;
}

static int tear_down(void **state)
{
        cd_audit_follow_free(*state);
        return 0;
}

static void what_comes_in_order_is_read_once(void **state)
{
        struct cd_audit_follow *f = *state;

        assert_false(cd_audit_follow_take(f, 10, 0));
        for (int64_t id = 11; id < 100000; id++) {
                assert_true(cd_audit_follow_take(f, id, 0));
                assert_int_equal(cd_audit_follow_after(f, 0), id);
        }
}

static void an_event_that_comes_after_a_higher_one_is_shown_once(void **state)
{
        struct cd_audit_follow *f = *state;

        assert_true(cd_audit_follow_take(f, 12, 0));
        assert_true(cd_audit_follow_take(f, 14, 0));
        assert_int_equal(cd_audit_follow_after(f, 0), 10);
        assert_true(cd_audit_follow_take(f, 11, SECOND));
        assert_false(cd_audit_follow_take(f, 12, SECOND));
        assert_false(cd_audit_follow_take(f, 14, SECOND));
        assert_int_equal(cd_audit_follow_after(f, SECOND), 12);
        assert_true(cd_audit_follow_take(f, 13, SECOND));
        assert_false(cd_audit_follow_take(f, 14, SECOND));
        assert_int_equal(cd_audit_follow_after(f, SECOND), 14);
        assert_false(cd_audit_follow_take(f, 11, SECOND));
}

/* An id of a transaction that was undone never comes. */
static void a_gap_is_waited_for_no_longer_than_a_transaction_takes(void **state)
{
        struct cd_audit_follow *f = *state;

        assert_true(cd_audit_follow_take(f, 12, 0));
        assert_true(cd_audit_follow_take(f, 14, 5 * SECOND));
        assert_int_equal(cd_audit_follow_after(f, CD_AUDIT_LATE_US - 1), 10);
        assert_int_equal(cd_audit_follow_after(f, CD_AUDIT_LATE_US), 12);
        assert_true(cd_audit_follow_take(f, 13, CD_AUDIT_LATE_US));
        assert_int_equal(cd_audit_follow_after(f, CD_AUDIT_LATE_US), 14);
}

static void lesson_22_what_is_remembered_is_bounded(void **state)
{
        struct cd_audit_follow *f = *state;

        for (int64_t id = 12; id < 12 + 3 * CD_AUDIT_SHOWN_MAX; id++)
                assert_true(cd_audit_follow_take(f, id, 0));
        int64_t after = cd_audit_follow_after(f, 0);
        assert_int_equal(after, 11 + 3 * CD_AUDIT_SHOWN_MAX);
        assert_false(cd_audit_follow_take(f, 11, 0));
        /* In the half that is dropped, and at its edges. */
        for (int64_t id = after + 2; id < after + 2 + 2 * CD_AUDIT_SHOWN_MAX; id += 2)
                assert_true(cd_audit_follow_take(f, id, 0));
        after = cd_audit_follow_after(f, 0);
        assert_true(cd_audit_follow_take(f, after + 1, 0));
        for (int64_t id = after + 2; id < after + 2 + CD_AUDIT_SHOWN_MAX; id++)
                (void)cd_audit_follow_take(f, id, 0);
        assert_true(cd_audit_follow_take(f, INT64_MAX, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_comes_in_order_is_read_once),
                TEST(an_event_that_comes_after_a_higher_one_is_shown_once),
                TEST(a_gap_is_waited_for_no_longer_than_a_transaction_takes),
                TEST(lesson_22_what_is_remembered_is_bounded),
        };
        return cmocka_run_group_tests_name("audit_follow", tests, NULL, NULL);
}
