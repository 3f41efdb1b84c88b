#include "core/expiry_clock.h"

#include "support/check.h"

enum {
        NOON = 1795348800, /* 2026-11-22T12:00:00Z */
        DAY = 24 * 3600,
};

struct test_clock {
        struct cd_clock port;
        int64_t uptime;
};

static int64_t test_uptime(const struct cd_clock *clock)
{
        return ((const struct test_clock *)clock)->uptime;
}

struct look {
        int64_t uptime, wall, expected; /* the last two: seconds from NOON */
};

static void assert_looks(const struct look *looks, size_t count)
{
        struct test_clock clock = { .port = { .uptime = test_uptime } };
        struct cd_expiry_clock expiry = { 0 };

        for (size_t i = 0; i < count; i++) {
                clock.uptime = looks[i].uptime;
                cd_time now = cd_expiry_clock_now(&expiry, &clock.port, NOON + looks[i].wall);
                assert_int_equal(now - NOON, looks[i].expected);
                assert_int_equal(cd_expiry_clock_doubts(&expiry), looks[i].expected != looks[i].wall);
        }
}
#define ASSERT_LOOKS(...)                                                                                              \
        do {                                                                                                           \
                static const struct look looks[] = { __VA_ARGS__ };                                                    \
                assert_looks(looks, CD_LEN(looks));                                                                    \
        } while (0)

static void a_clock_that_goes_as_it_should_is_believed(void **state)
{
        (void)state;
        ASSERT_LOOKS({ 0, 0, 0 }, { 1, 1, 1 }, { 3600, 3600, 3600 }, { 3660, 3720, 3720 },
                     { 100 * DAY, 100 * DAY, 100 * DAY });
}

static void a_jump_ahead_of_more_than_a_minute_is_not_believed_for_a_day(void **state)
{
        (void)state;
        ASSERT_LOOKS({ 5, 0, 0 }, { 10, 65, 65 }, { 11, 67, 6 }, { 12, 100 * DAY, 7 },
                     { 11 + DAY - 1, 100 * DAY, 6 + DAY - 1 }, { 11 + DAY, 100 * DAY, 100 * DAY },
                     { 12 + DAY, 100 * DAY + 1, 100 * DAY + 1 });
}

static void a_clock_that_jumped_and_is_back_is_believed_again(void **state)
{
        (void)state;
        ASSERT_LOOKS({ 1, 0, 0 }, { 2, 100 * DAY, 1 }, { 9, 100 * DAY + 7, 8 }, { 10, 9, 9 }, { 11, 10, 10 },
                     { 12, 100 * DAY, 11 }, { 11 + DAY, 100 * DAY + DAY, 10 + DAY });
}

static void many_small_steps_ahead_are_one_jump(void **state)
{
        (void)state;
        ASSERT_LOOKS({ 1, 0, 0 }, { 2, 31, 31 }, { 3, 62, 62 }, { 4, 93, 3 }, { 5, 124, 4 });
}

static void a_step_back_is_believed_at_once_and_counts_from_there(void **state)
{
        (void)state;
        ASSERT_LOOKS({ 1, 0, 0 }, { 2, -1000, -1000 }, { 3, -939, -939 }, { 4, -937, -998 }, { 5, -997, -997 });
}

/* LESSONS 31: at 0 nothing is over. */
static void lesson_31_by_a_clock_that_fails_nothing_is_over(void **state)
{
        struct test_clock clock = { .port = { .uptime = test_uptime }, .uptime = -1 };
        struct cd_expiry_clock expiry = { 0 };

        (void)state;
        assert_int_equal(cd_expiry_clock_now(&expiry, &clock.port, NOON), 0);
        clock.uptime = 7;
        assert_int_equal(cd_expiry_clock_now(&expiry, &clock.port, -1), 0);
        assert_int_equal(cd_expiry_clock_now(&expiry, &clock.port, NOON), NOON);
        clock.uptime = -1;
        assert_int_equal(cd_expiry_clock_now(&expiry, &clock.port, NOON + 1), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_clock_that_goes_as_it_should_is_believed),
                cmocka_unit_test(a_jump_ahead_of_more_than_a_minute_is_not_believed_for_a_day),
                cmocka_unit_test(a_clock_that_jumped_and_is_back_is_believed_again),
                cmocka_unit_test(many_small_steps_ahead_are_one_jump),
                cmocka_unit_test(a_step_back_is_believed_at_once_and_counts_from_there),
                cmocka_unit_test(lesson_31_by_a_clock_that_fails_nothing_is_over),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
