#include "support/check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static bool broken;

int __real_clock_gettime(clockid_t id, struct timespec *ret);
int __wrap_clock_gettime(clockid_t id, struct timespec *ret);

int __wrap_clock_gettime(clockid_t id, struct timespec *ret)
{
        return broken ? -1 : __real_clock_gettime(id, ret);
}

static void check_against_libc(cd_time at)
{
        static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
        static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
        char expected[64], got[64];
        time_t t = (time_t)at;
        struct tm tm;

        gmtime_r(&t, &tm);
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        cd_time_format_rfc3339(at, got);
        assert_str(cd_str_of(got, CD_RFC3339_LEN), expected);

        snprintf(expected + CD_RFC3339_LEN - 1, sizeof(expected) - CD_RFC3339_LEN, ".000789Z");
        cd_time_format_rfc3339_us(at * 1000000 + 789, got);
        assert_str(cd_str_of(got, CD_RFC3339_US_LEN), expected);

        snprintf(expected, sizeof(expected), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
                 months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
        cd_time_format_http(at, got);
        assert_str(cd_str_of(got, CD_HTTP_DATE_LEN), expected);
}

/* Around each midnight of 150 years (which has 2000, a leap year, and 2100, none), then days far apart up to 9999. */
static void dates_agree_with_libc(void **state)
{
        (void)state;
        for (cd_time day = 0; day < 150 * 366; day++) {
                check_against_libc(day * 86400);
                check_against_libc(day * 86400 + 86399);
        }
        for (cd_time at = 150LL * 366 * 86400; at <= 253402300799; at += 86400 * 97 + 12345)
                check_against_libc(at);
        check_against_libc(253402300799);
}

static void the_dates_of_the_header_are_right(void **state)
{
        char got[32];

        (void)state;
        cd_time_format_rfc3339(1795339805, got);
        assert_str(cd_str_of(got, CD_RFC3339_LEN), "2026-11-22T09:30:05Z");
        cd_time_format_http(1795339805, got);
        assert_str(cd_str_of(got, CD_HTTP_DATE_LEN), "Sun, 22 Nov 2026 09:30:05 GMT");
        cd_time_format_rfc3339_us(1795339805123456, got);
        assert_str(cd_str_of(got, CD_RFC3339_US_LEN), "2026-11-22T09:30:05.123456Z");
}

static void times_out_of_range_keep_the_length(void **state)
{
        char got[32];

        (void)state;
        cd_time_format_rfc3339(-1, got);
        assert_str(cd_str_of(got, CD_RFC3339_LEN), "1970-01-01T00:00:00Z");
        cd_time_format_rfc3339(INT64_MAX, got);
        assert_str(cd_str_of(got, CD_RFC3339_LEN), "9999-12-31T23:59:59Z");
        cd_time_format_rfc3339_us(INT64_MIN, got);
        assert_str(cd_str_of(got, CD_RFC3339_US_LEN), "1970-01-01T00:00:00.000000Z");
}

static void the_system_clock_is_now(void **state)
{
        (void)state;
        cd_time now = cd_clock_system.now(&cd_clock_system);
        assert_true(now - time(NULL) <= 1 && now - time(NULL) >= -1);
        assert_true(cd_realtime_us() / 1000000 - now <= 1);
        int64_t before = cd_monotonic_us();
        assert_true(before > 0 && cd_monotonic_us() >= before);
}

static void lesson_31_a_failing_clock_is_negative(void **state)
{
        (void)state;
        broken = true;
        cd_time now = cd_clock_system.now(&cd_clock_system);
        int64_t monotonic = cd_monotonic_us(), realtime = cd_realtime_us();
        broken = false;
        assert_true(now < 0);
        assert_true(monotonic < 0);
        assert_true(realtime < 0);
}

static cd_time fixed_now(const struct cd_clock *clock)
{
        return clock->uptime ? 0 : -1;
}

static int64_t fixed_uptime(const struct cd_clock *clock)
{
        (void)clock;
        return 0;
}

static void lesson_31_a_clock_is_read_or_there_is_an_error(void **state)
{
        const struct cd_clock at_1970 = { fixed_now, fixed_uptime }, failing = { fixed_now, NULL };
        struct cd_error err = { 0 };
        cd_time now = 17;

        (void)state;
        assert_int_equal(cd_clock_read(&failing, &now, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "the clock failed");
        assert_int_equal(now, 17);
        assert_int_equal(cd_clock_read(&at_1970, &now, NULL), CD_OK);
        assert_int_equal(now, 0);
}

static void a_time_is_read_in_one_form_only(void **state)
{
        static const char *const wrong[] = {
                "",
                "2026-12-31",
                "2026-12-31T00:00:00",
                "2026-12-31T00:00:00z",
                "2026-12-31t00:00:00Z",
                "2026-12-31 00:00:00Z",
                "2026-12-31T00:00:00+0",
                "2026-12-31T00:00:00.Z",
                "2026-12-31T00:00:00Z ",
                "2026-13-01T00:00:00Z",
                "2026-00-10T00:00:00Z",
                "2026-01-00T00:00:00Z",
                "2026-02-29T00:00:00Z",
                "2100-02-29T00:00:00Z",
                "2026-04-31T00:00:00Z",
                "2026-12-31T24:00:00Z",
                "2026-12-31T23:60:00Z",
                "2026-12-31T23:59:60Z",
                "1969-12-31T23:59:59Z",
                "-026-12-31T00:00:00Z",
                "2026-1 -31T00:00:00Z",
                "2026-12-31T00:00:0aZ",
        };
        char text[CD_RFC3339_LEN];
        cd_time got = 17;

        (void)state;
        for (size_t i = 0; i < CD_LEN(wrong); i++)
                if (cd_time_parse_rfc3339(cd_str_from_c(wrong[i]), &got))
                        fail_msg("\"%s\" was read", wrong[i]);
        assert_int_equal(got, 17);
        assert_true(cd_time_parse_rfc3339(CD_STR("2024-02-29T12:34:56Z"), &got));
        assert_int_equal(got, 1709210096);
        for (cd_time time = 0; time <= 253402300799; time += 86399 * 31) {
                cd_time_format_rfc3339(time, text);
                assert_true(cd_time_parse_rfc3339(cd_str_of(text, sizeof(text)), &got));
                assert_int_equal(got, time);
        }
        assert_true(cd_time_parse_rfc3339(CD_STR("9999-12-31T23:59:59Z"), &got));
        assert_int_equal(got, 253402300799);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(dates_agree_with_libc),
                cmocka_unit_test(the_dates_of_the_header_are_right),
                cmocka_unit_test(times_out_of_range_keep_the_length),
                cmocka_unit_test(a_time_is_read_in_one_form_only),
                cmocka_unit_test(the_system_clock_is_now),
                cmocka_unit_test(lesson_31_a_failing_clock_is_negative),
                cmocka_unit_test(lesson_31_a_clock_is_read_or_there_is_an_error),
        };
        return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
