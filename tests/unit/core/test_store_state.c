#include "core/store_state.h"

#include "base/clock.h"
#include "support/check.h"

static void a_state_of_which_nothing_is_known_is_well(void **state)
{
        const struct cd_store_state well = { 0 };

        (void)state;
        assert_status(cd_store_state_need(&well, NULL), CD_OK);
        assert_status(cd_store_state_need_writable(&well, NULL), CD_OK);
}

static void assert_unavailable(cd_status status, const struct cd_error *err, const char *reason)
{
        assert_status(status, CD_UNAVAILABLE);
        assert_string_equal(err->reason, reason);
        assert_int_equal(err->retry_after, 1);
}

static void an_unavailable_store_is_neither_read_nor_written(void **state)
{
        struct cd_store_state unavailable = { .is_unavailable = true };
        struct cd_error err;

        (void)state;
        assert_unavailable(cd_store_state_need(&unavailable, &err), &err, "the store is unavailable");
        assert_unavailable(cd_store_state_need_writable(&unavailable, &err), &err, "the store is unavailable");
        atomic_store(&unavailable.fault, "the store's file is gone");
        assert_unavailable(cd_store_state_need(&unavailable, &err), &err, "the store's file is gone");
        assert_unavailable(cd_store_state_need_writable(&unavailable, &err), &err, "the store's file is gone");
}

static void a_store_that_cannot_be_written_can_be_read(void **state)
{
        const struct cd_store_state full = { .fault = "the disk is full" };
        struct cd_error err;

        (void)state;
        assert_status(cd_store_state_need(&full, &err), CD_OK);
        assert_unavailable(cd_store_state_need_writable(&full, &err), &err, "the disk is full");
}

static void a_store_that_does_not_answer_is_unavailable_before_its_timeouts(void **state)
{
        struct cd_store_state silent = { .asked_at = cd_monotonic_us() + 3600 * 1000000LL };
        struct cd_error err;

        (void)state;
        assert_status(cd_store_state_need(&silent, &err), CD_OK);
        atomic_store(&silent.asked_at, cd_monotonic_us() - 1500 * 1000 - 1);
        assert_unavailable(cd_store_state_need(&silent, &err), &err, "the store is unavailable");
        assert_unavailable(cd_store_state_need_writable(&silent, &err), &err, "the store is unavailable");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_state_of_which_nothing_is_known_is_well),
                cmocka_unit_test(an_unavailable_store_is_neither_read_nor_written),
                cmocka_unit_test(a_store_that_cannot_be_written_can_be_read),
                cmocka_unit_test(a_store_that_does_not_answer_is_unavailable_before_its_timeouts),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
