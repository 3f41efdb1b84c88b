#include "support/check.h"

#include "net/deadline.h"

enum {
        NOW = 1000 * CD_WHEEL_TICK_MS, /* at the start of a tick */
        TURN = CD_WHEEL_SLOTS * CD_WHEEL_TICK_MS,
};

static struct cd_wheel wheel;

/* A deadline that counts, and may do something to others when it expires. */
struct probe {
        struct cd_deadline deadline;
        unsigned expired;
        struct cd_deadline *cancels, *sets, *sets_too;
        uint64_t due;
};

static void on_expired(struct cd_deadline *deadline)
{
        struct probe *probe = (void *)deadline;

        probe->expired++;
        assert_null(deadline->after);
        if (probe->cancels)
                cd_deadline_cancel(&wheel, probe->cancels);
        if (probe->sets)
                cd_deadline_set(&wheel, probe->sets, probe->due);
        if (probe->sets_too)
                cd_deadline_set(&wheel, probe->sets_too, probe->due);
}

static struct probe make_probe(void)
{
        return (struct probe){ .deadline.expired = on_expired };
}

static int set_up(void **state)
{
        (void)state;
        cd_wheel_init(&wheel, NOW);
        return 0;
}

static void one_expires_when_it_is_due_and_not_before(void **state)
{
        (void)state;
        for (uint64_t in = 0; in < 3 * CD_WHEEL_TICK_MS; in++) {
                struct probe probe = make_probe();
                cd_wheel_init(&wheel, NOW);
                cd_deadline_set(&wheel, &probe.deadline, NOW + in);
                assert_int_equal(wheel.count, 1);
                if (in > 0)
                        cd_wheel_sweep(&wheel, NOW + in - 1);
                assert_int_equal(probe.expired, 0);
                cd_wheel_sweep(&wheel, NOW + in);
                assert_int_equal(probe.expired, 1);
                assert_int_equal(wheel.count, 0);
                cd_wheel_sweep(&wheel, NOW + 2 * (uint64_t)TURN);
                assert_int_equal(probe.expired, 1);
        }
}

/* Swept in steps of any length, from within a tick to several turns. */
static void a_far_one_is_not_early_however_often_its_slot_comes_by(void **state)
{
        static const uint64_t far[] = { TURN - 1, TURN, TURN + 1, 3 * (uint64_t)TURN + 5, 100 * (uint64_t)TURN };
        static const uint64_t steps[] = { CD_WHEEL_TICK_MS - 1, CD_WHEEL_TICK_MS, 1000, TURN - 1, TURN, TURN + 1,
                                          2 * (uint64_t)TURN };

        (void)state;
        for (size_t i = 0; i < CD_LEN(far); i++)
                for (size_t j = 0; j < CD_LEN(steps); j++) {
                        struct probe probe = make_probe();
                        cd_wheel_init(&wheel, NOW);
                        cd_deadline_set(&wheel, &probe.deadline, NOW + far[i]);
                        for (uint64_t now = NOW; now < NOW + far[i]; now += steps[j]) {
                                cd_wheel_sweep(&wheel, now);
                                assert_int_equal(probe.expired, 0);
                        }
                        cd_wheel_sweep(&wheel, NOW + far[i] - 1);
                        assert_int_equal(probe.expired, 0);
                        assert_int_equal(wheel.count, 1);
                        cd_wheel_sweep(&wheel, NOW + far[i]);
                        assert_int_equal(probe.expired, 1);
                }
}

/* After a pause longer than a turn, every slot is looked at. */
static void none_is_missed_where_the_loop_slept_long(void **state)
{
        static struct probe probes[CD_WHEEL_SLOTS + 2];

        (void)state;
        for (size_t pause = 0; pause < 4; pause++) {
                cd_wheel_init(&wheel, NOW);
                for (size_t i = 0; i < CD_LEN(probes); i++) {
                        probes[i] = make_probe();
                        cd_deadline_set(&wheel, &probes[i].deadline, NOW + i * CD_WHEEL_TICK_MS);
                }
                uint64_t now = NOW + (CD_LEN(probes) - 2 + pause) * CD_WHEEL_TICK_MS;
                cd_wheel_sweep(&wheel, now);
                for (size_t i = 0; i < CD_LEN(probes); i++)
                        assert_int_equal(probes[i].expired, NOW + i * CD_WHEEL_TICK_MS <= now);
        }
}

static void one_that_is_set_in_the_past_expires_with_the_next_sweep(void **state)
{
        struct probe probe = make_probe();

        (void)state;
        cd_deadline_set(&wheel, &probe.deadline, 0);
        cd_wheel_sweep(&wheel, NOW);
        assert_int_equal(probe.expired, 1);
        cd_wheel_sweep(&wheel, NOW + 5 * CD_WHEEL_TICK_MS + 7);
        cd_deadline_set(&wheel, &probe.deadline, NOW + 1);
        cd_wheel_sweep(&wheel, NOW + 5 * CD_WHEEL_TICK_MS + 7);
        assert_int_equal(probe.expired, 2);
}

static void one_that_is_set_again_counts_once(void **state)
{
        struct probe probe = make_probe();

        (void)state;
        cd_deadline_set(&wheel, &probe.deadline, NOW + 100);
        cd_deadline_set(&wheel, &probe.deadline, NOW + 500);
        assert_int_equal(wheel.count, 1);
        cd_wheel_sweep(&wheel, NOW + 499);
        assert_int_equal(probe.expired, 0);
        cd_deadline_set(&wheel, &probe.deadline, NOW + 510);
        cd_wheel_sweep(&wheel, NOW + 509);
        assert_int_equal(probe.expired, 0);
        cd_wheel_sweep(&wheel, NOW + 510);
        assert_int_equal(probe.expired, 1);
}

static void one_that_is_cancelled_does_not_expire(void **state)
{
        struct probe probe = make_probe(), other = make_probe();

        (void)state;
        cd_deadline_cancel(&wheel, &probe.deadline); /* not set */
        assert_int_equal(wheel.count, 0);
        cd_deadline_set(&wheel, &probe.deadline, NOW + 1);
        cd_deadline_set(&wheel, &other.deadline, NOW + 1);
        cd_deadline_cancel(&wheel, &probe.deadline);
        cd_deadline_cancel(&wheel, &probe.deadline);
        assert_int_equal(wheel.count, 1);
        cd_wheel_sweep(&wheel, NOW + 1);
        assert_int_equal(probe.expired, 0);
        assert_int_equal(other.expired, 1);
}

/* Those in the slot that is being swept, before and after the one that expires, and those in other slots. */
static void an_expiry_may_cancel_any_other(void **state)
{
        static const uint64_t at[] = { 0, 1, CD_WHEEL_TICK_MS, TURN };

        (void)state;
        for (size_t i = 0; i < CD_LEN(at); i++) {
                struct probe first = make_probe(), second = make_probe(), third = make_probe();
                cd_wheel_init(&wheel, NOW);
                cd_deadline_set(&wheel, &first.deadline, NOW);
                cd_deadline_set(&wheel, &second.deadline, NOW + at[i]);
                cd_deadline_set(&wheel, &third.deadline, NOW + at[i]);
                first.cancels = &second.deadline;
                cd_wheel_sweep(&wheel, NOW + at[i] / 2);
                cd_wheel_sweep(&wheel, NOW + at[i]);
                assert_int_equal(first.expired, 1);
                assert_int_equal(second.expired, 0);
                assert_int_equal(third.expired, 1);
                assert_int_equal(wheel.count, 0);
        }
}

static void an_expiry_may_set_itself_and_others(void **state)
{
        struct probe probe = make_probe(), other = make_probe();

        (void)state;
        probe.sets = &probe.deadline;
        probe.sets_too = &other.deadline;
        probe.due = NOW + 10;
        cd_deadline_set(&wheel, &probe.deadline, NOW + 1);
        cd_wheel_sweep(&wheel, NOW + 9);
        assert_int_equal(probe.expired, 1);
        assert_int_equal(wheel.count, 2);
        probe.sets = NULL;
        cd_wheel_sweep(&wheel, NOW + 10);
        assert_int_equal(probe.expired, 2);
}

/* Else a deadline that sets itself anew would hold the loop for ever. */
static void one_that_sets_itself_to_now_waits_for_the_next_sweep(void **state)
{
        struct probe probe = make_probe();

        (void)state;
        probe.sets = &probe.deadline;
        probe.due = NOW;
        cd_deadline_set(&wheel, &probe.deadline, NOW);
        for (unsigned i = 1; i < 4; i++) {
                cd_wheel_sweep(&wheel, NOW);
                assert_int_equal(probe.expired, i);
        }
        probe.due = NOW + 20 * CD_WHEEL_TICK_MS;
        cd_wheel_sweep(&wheel, NOW + 20 * CD_WHEEL_TICK_MS);
        assert_int_equal(probe.expired, 5); /* once more in the slot of now, which is swept last */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(one_expires_when_it_is_due_and_not_before, set_up),
                cmocka_unit_test_setup(a_far_one_is_not_early_however_often_its_slot_comes_by, set_up),
                cmocka_unit_test_setup(none_is_missed_where_the_loop_slept_long, set_up),
                cmocka_unit_test_setup(one_that_is_set_in_the_past_expires_with_the_next_sweep, set_up),
                cmocka_unit_test_setup(one_that_is_set_again_counts_once, set_up),
                cmocka_unit_test_setup(one_that_is_cancelled_does_not_expire, set_up),
                cmocka_unit_test_setup(an_expiry_may_cancel_any_other, set_up),
                cmocka_unit_test_setup(an_expiry_may_set_itself_and_others, set_up),
                cmocka_unit_test_setup(one_that_sets_itself_to_now_waits_for_the_next_sweep, set_up),
        };
        return cmocka_run_group_tests_name("net/deadline", tests, NULL, NULL);
}
