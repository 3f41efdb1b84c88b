#include "base/clock.h"

#include <string.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
        struct timespec ts;

        if (clock_gettime(id, &ts) != 0)
                return -1;
        return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static cd_time system_now(const struct cd_clock *clock)
{
        struct timespec ts;

        (void)clock;
        return clock_gettime(CLOCK_REALTIME, &ts) == 0 ? (cd_time)ts.tv_sec : -1;
}

static int64_t system_uptime(const struct cd_clock *clock)
{
        struct timespec ts;

        (void)clock;
        return clock_gettime(CLOCK_BOOTTIME, &ts) == 0 ? (int64_t)ts.tv_sec : -1;
}

const struct cd_clock cd_clock_system = { .now = system_now, .uptime = system_uptime };

cd_status cd_clock_read(const struct cd_clock *clock, cd_time *ret, struct cd_error *reterr)
{
        cd_time now = clock->now(clock);

        if (now < 0)
                return cd_fail(reterr, CD_UNAVAILABLE, "the clock failed");
        *ret = now;
        return CD_OK;
}

int64_t cd_monotonic_us(void)
{
        return read_us(CLOCK_MONOTONIC);
}

int64_t cd_realtime_us(void)
{
        return read_us(CLOCK_REALTIME);
}

struct date {
        unsigned year, month, day, weekday; /* month and day from 1, weekday from Sunday */
        unsigned hour, minute, second;
};

static const cd_time LAST = 253402300799; /* 9999-12-31T23:59:59Z */

/* The proleptic Gregorian calendar by eras of 400 years that start in March, so that the leap day comes last. */
static struct date split(cd_time time)
{
        if (time < 0)
                time = 0;
        if (time > LAST)
                time = LAST;

        unsigned second = (unsigned)(time % 86400), since_1970 = (unsigned)(time / 86400);
        unsigned days = since_1970 + 719468; /* since 0000-03-01 */
        unsigned era = days / 146097, day_of_era = days % 146097;
        unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
        unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        unsigned month_from_march = (5 * day_of_year + 2) / 153;
        unsigned month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
        return (struct date){
                .year = era * 400 + year_of_era + (month <= 2),
                .month = month,
                .day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
                .weekday = (since_1970 + 4) % 7,
                .hour = second / 3600,
                .minute = second / 60 % 60,
                .second = second % 60,
        };
}

static char *put(char *to, unsigned value, unsigned digits)
{
        for (unsigned i = digits; i-- > 0; value /= 10)
                to[i] = (char)('0' + value % 10);
        return to + digits;
}

static char *put_char(char *to, char c)
{
        *to = c;
        return to + 1;
}

/* Writes "2026-11-22T09:30:05"; the callers add the rest. */
static char *put_date_time(char *to, cd_time time)
{
        struct date d = split(time);

        to = put_char(put(to, d.year, 4), '-');
        to = put_char(put(to, d.month, 2), '-');
        to = put_char(put(to, d.day, 2), 'T');
        to = put_char(put(to, d.hour, 2), ':');
        to = put_char(put(to, d.minute, 2), ':');
        return put(to, d.second, 2);
}

void cd_time_format_rfc3339(cd_time time, char to[CD_RFC3339_LEN])
{
        put_char(put_date_time(to, time), 'Z');
}

void cd_time_format_rfc3339_us(int64_t us, char to[CD_RFC3339_US_LEN])
{
        if (us < 0)
                us = 0;
        to = put_char(put_date_time(to, us / 1000000), '.');
        put_char(put(to, (unsigned)(us % 1000000), 6), 'Z');
}

void cd_time_format_http(cd_time time, char to[CD_HTTP_DATE_LEN])
{
        static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        struct date d = split(time);

        memcpy(to, days + (size_t)d.weekday * 3, 3);
        memcpy(to + 3, ", ", 2);
        to = put_char(put(to + 5, d.day, 2), ' ');
        memcpy(to, months + (size_t)(d.month - 1) * 3, 3);
        to = put_char(put(put_char(to + 3, ' '), d.year, 4), ' ');
        to = put_char(put(to, d.hour, 2), ':');
        to = put_char(put(to, d.minute, 2), ':');
        memcpy(put(to, d.second, 2), " GMT", 4);
}

/* The digits at `at`; -1 if there are others. */
static int take(cd_str text, size_t at, size_t digits)
{
        int value = 0;

        for (size_t i = at; i < at + digits; i++) {
                if (text.ptr[i] < '0' || text.ptr[i] > '9')
                        return -1;
                value = value * 10 + (text.ptr[i] - '0');
        }
        return value;
}

/* Since 1970-01-01; see split. */
static int64_t days_of(int year, int month, int day)
{
        int64_t from_march = month > 2 ? month - 3 : month + 9, y = month > 2 ? year : year - 1;

        return y * 365 + y / 4 - y / 100 + y / 400 + (153 * from_march + 2) / 5 + day - 1 - 719468;
}

bool cd_time_parse_rfc3339(cd_str text, cd_time *ret)
{
        char again[CD_RFC3339_LEN];

        if (text.len != CD_RFC3339_LEN)
                return false;
        int year = take(text, 0, 4), month = take(text, 5, 2), day = take(text, 8, 2);
        int hour = take(text, 11, 2), minute = take(text, 14, 2), second = take(text, 17, 2);
        if (year < 1970 || month < 1 || day < 1 || hour < 0 || minute < 0 || second < 0)
                return false;
        cd_time time = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
        /* This finds wrong separators and numbers that are too high. */
        cd_time_format_rfc3339(time, again);
        if (!cd_str_eq(text, cd_str_of(again, sizeof(again))))
                return false;
        *ret = time;
        return true;
}
