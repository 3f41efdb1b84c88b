#include "gate/limits.h"

#include <stdio.h>

#include "support/check.h"

enum {
        SECOND = 1000 * 1000, /* microseconds */
};

static struct cd_gate_limits *limits;

static int set_up(void **state)
{
        (void)state;
        limits = cd_gate_limits_new();
        return limits ? 0 : -1;
}

static int tear_down(void **state)
{
        (void)state;
        cd_gate_limits_free(limits);
        cd_gate_limits_free(NULL);
        return 0;
}

static int64_t wait_of(const char *route, const char *address, int64_t rate, int64_t at)
{
        struct cd_address parsed;

        assert_true(cd_address_parse(cd_str_from_c(address), &parsed));
        return cd_gate_limits_wait(limits, cd_str_from_c(route), &parsed, rate, at);
}

static void what_is_open_is_counted_by_route_and_user(void **state)
{
        struct cd_gate_open *open[3];

        (void)state;
        assert_null(cd_gate_limits_open(limits, CD_STR("a"), CD_STR("ana"), 0));
        open[0] = cd_gate_limits_open(limits, CD_STR("a"), CD_STR("ana"), 2);
        open[1] = cd_gate_limits_open(limits, CD_STR("a"), CD_STR("ana"), 2);
        assert_non_null(open[0]);
        assert_non_null(open[1]);
        assert_null(cd_gate_limits_open(limits, CD_STR("a"), CD_STR("ana"), 2));
        open[2] = cd_gate_limits_open(limits, CD_STR("a"), CD_STR("bo"), 2);
        assert_non_null(open[2]);
        cd_gate_limits_close(limits, open[2]);
        open[2] = cd_gate_limits_open(limits, CD_STR("b"), CD_STR("ana"), 2);
        assert_non_null(open[2]);
        cd_gate_limits_close(limits, open[0]);
        open[0] = cd_gate_limits_open(limits, CD_STR("a"), CD_STR("ana"), 2);
        assert_non_null(open[0]);
        for (size_t i = 0; i < CD_LEN(open); i++)
                cd_gate_limits_close(limits, open[i]);
        cd_gate_limits_close(limits, NULL);
}

static void a_rate_is_so_many_in_a_minute(void **state)
{
        (void)state;
        for (int i = 0; i < 60; i++)
                assert_int_equal(wait_of("a", "192.0.2.1", 60, 5 * SECOND), 0);
        assert_int_equal(wait_of("a", "192.0.2.1", 60, 5 * SECOND), 1);
        assert_int_equal(wait_of("a", "192.0.2.1", 60, 6 * SECOND - 1), 1);
        assert_int_equal(wait_of("a", "192.0.2.1", 60, 6 * SECOND), 0);
        assert_int_equal(wait_of("a", "192.0.2.1", 60, 6 * SECOND), 1);
        assert_int_equal(wait_of("a", "192.0.2.2", 60, 6 * SECOND), 0);
        assert_int_equal(wait_of("b", "192.0.2.1", 60, 6 * SECOND), 0);
        assert_int_equal(wait_of("a", "192.0.2.1", INT64_MAX, 6 * SECOND + 1), 0); /* any rate may be set */
}

static void an_ipv6_network_is_one_client(void **state)
{
        (void)state;
        assert_int_equal(wait_of("a", "2001:db8::1", 1, 0), 0);
        assert_int_equal(wait_of("a", "2001:db8::2", 1, 0), 60);
        assert_int_equal(wait_of("a", "2001:db8:0:1::1", 1, 0), 0);
        assert_int_equal(wait_of("a", "192.0.2.1", 1, 0), 0);
        assert_int_equal(wait_of("a", "192.0.2.2", 1, 0), 0);
}

static void a_flood_of_addresses_does_not_grow(void **state)
{
        char address[32];
        int limited = 0;

        (void)state;
        for (int i = 0; i < 4 * CD_GATE_RATES_MAX; i++) {
                snprintf(address, sizeof(address), "10.%d.%d.%d", i >> 16 & 255, i >> 8 & 255, i & 255);
                assert_int_equal(wait_of("a", address, 1, i), 0);
        }
        /* The newest are known. */
        for (int i = 4 * CD_GATE_RATES_MAX - 100; i < 4 * CD_GATE_RATES_MAX; i++) {
                snprintf(address, sizeof(address), "10.%d.%d.%d", i >> 16 & 255, i >> 8 & 255, i & 255);
                limited += wait_of("a", address, 1, 4 * CD_GATE_RATES_MAX) > 0;
        }
        assert_int_equal(limited, 100);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_is_open_is_counted_by_route_and_user),
                TEST(a_rate_is_so_many_in_a_minute),
                TEST(an_ipv6_network_is_one_client),
                TEST(a_flood_of_addresses_does_not_grow),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
