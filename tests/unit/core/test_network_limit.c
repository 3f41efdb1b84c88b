#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "core/network_limit.h"
#include "core/ports.h"

enum {
        NOON = 1795348800,
        ATTEMPTS = 30, /* a minute */
        REGISTRATIONS = 3,
        FLOOD = 10 * CD_NETWORKS,
};

static const struct cd_network_rules rules = { ATTEMPTS, REGISTRATIONS };

/* The clock, and what the limit reports. */
struct fixture {
        struct cd_clock clock;
        struct cd_store store;
        struct cd_network_limit *limit;
        int audited, told;
        char subject[64], detail[128], network[64];
};

static cd_time now;
static bool random_fails;
static long callocs_left = -1; /* negative: no limit */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
        return callocs_left >= 0 && callocs_left-- == 0 ? NULL : __real_calloc(count, size);
}

static cd_time read_clock(const struct cd_clock *clock)
{
        (void)clock;
        return now;
}

static cd_status fill(const struct cd_random *random, void *to, size_t size)
{
        (void)random;
        for (size_t i = 0; i < size; i++)
                ((unsigned char *)to)[i] = (unsigned char)(i * 7 + 1);
        return random_fails ? CD_UNAVAILABLE : CD_OK;
}

static const struct cd_random fixed = { fill };

static cd_status add_later(struct cd_store *store, const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct fixture *f = (void *)((char *)store - offsetof(struct fixture, store));

        (void)reterr;
        assert_true(cd_str_eq_c(event->action, "network.slowed"));
        assert_true(cd_str_eq_c(event->actor, "portal"));
        assert_int_equal(event->at, now);
        snprintf(f->subject, sizeof(f->subject), "%.*s", CD_STR_ARG(event->subject));
        snprintf(f->detail, sizeof(f->detail), "%.*s", CD_STR_ARG(event->detail));
        f->audited++;
        return CD_OK;
}

static void slowed(void *arg, cd_str network)
{
        struct fixture *f = arg;

        snprintf(f->network, sizeof(f->network), "%.*s", CD_STR_ARG(network));
        f->told++;
}

static struct cd_network_limit_options options_of(struct fixture *f)
{
        return (struct cd_network_limit_options){
                .rules = rules, .clock = &f->clock, .random = &fixed, .slowed = slowed, .arg = f
        };
}

static int set_up(void **state)
{
        static const struct cd_audit_ops audit = { .add_later = add_later };
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        now = NOON;
        f->clock.now = read_clock;
        f->store.audit = &audit;
        const struct cd_network_limit_options options = options_of(f);
        assert_status(cd_network_limit_new(&options, &f->limit, NULL), CD_OK);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_network_limit_free(f->limit);
        free(f);
        return 0;
}

/* Seconds to wait; 0: it was let through. */
static int64_t use(struct fixture *f, enum cd_network_use use, const char *address)
{
        struct cd_error err = { 0 };

        cd_status status = cd_network_limit_take(f->limit, use, cd_str_from_c(address), &err);
        if (status == CD_OK)
                return 0;
        assert_status(status, CD_THROTTLED);
        assert_string_equal(err.field, "network");
        assert_in_range(err.retry_after, 1, 3600);
        return err.retry_after;
}

static int64_t attempt(struct fixture *f, const char *address)
{
        return use(f, CD_NETWORK_ATTEMPT, address);
}

static void use_up(struct fixture *f, const char *address)
{
        for (int i = 0; i < ATTEMPTS; i++)
                assert_int_equal(attempt(f, address), 0);
}

static void fail_login(struct fixture *f, const char *address, const char *name)
{
        const struct cd_failed_login failed = { .name = cd_str_from_c(name),
                                                .address = cd_str_from_c(address),
                                                .by = CD_STR("portal") };

        cd_network_limit_note_failed(f->limit, &f->store, &failed);
}

/* Fails names until the network is slowed; returns how many that took. */
static int fail_until_slowed(struct fixture *f, const char *address, int from)
{
        int before = f->told;
        char name[32];

        for (int i = 1; i <= 1000; i++) {
                snprintf(name, sizeof(name), "user%d", from + i);
                fail_login(f, address, name);
                if (f->told > before)
                        return i;
        }
        fail_msg("a thousand names do not slow the network");
        return 0;
}

static void the_limit_passes_and_one_more_waits(void **state)
{
        struct fixture *f = *state;

        use_up(f, "192.0.2.1");
        assert_int_equal(attempt(f, "192.0.2.1"), 2); /* 30 a minute: one every 2 s */
        assert_int_equal(attempt(f, "192.0.2.1"), 2); /* a refused one costs nothing */
        now += 1;
        assert_int_equal(attempt(f, "192.0.2.1"), 1);
        now += 1;
        assert_int_equal(attempt(f, "192.0.2.1"), 0);
        assert_int_equal(attempt(f, "192.0.2.1"), 2);
        now += 59;
        for (int i = 0; i < ATTEMPTS - 1; i++)
                assert_int_equal(attempt(f, "192.0.2.1"), 0);
        assert_int_equal(attempt(f, "192.0.2.1"), 1);
        now += 1000;
        use_up(f, "192.0.2.1"); /* no more is saved than the amount of one period */
        assert_int_equal(attempt(f, "192.0.2.1"), 2);
}

static void a_network_is_a_24_or_a_64(void **state)
{
        struct fixture *f = *state;

        use_up(f, "192.0.2.0");
        assert_int_equal(attempt(f, "192.0.2.255"), 2);
        assert_int_equal(attempt(f, "::ffff:192.0.2.9"), 2);
        assert_int_equal(attempt(f, "192.0.3.0"), 0);
        assert_int_equal(attempt(f, "192.0.1.255"), 0);
        use_up(f, "2001:db8:0:1::1");
        assert_int_equal(attempt(f, "2001:db8:0:1:ffff:ffff:ffff:ffff"), 2);
        assert_int_equal(attempt(f, "2001:db8:0:2::1"), 0);
        assert_int_equal(attempt(f, "2001:db8::1"), 0);
}

static void lesson_34_without_an_address_nothing_is_counted(void **state)
{
        static const char *const unknown[] = { "", "unix:", "192.0.2", "unknown" };
        struct fixture *f = *state;

        for (size_t k = 0; k < CD_LEN(unknown); k++) {
                for (int i = 0; i < 3 * ATTEMPTS; i++)
                        assert_int_equal(attempt(f, unknown[k]), 0);
                for (int i = 0; i < 1000; i++) {
                        char name[32];
                        snprintf(name, sizeof(name), "user%d", i);
                        fail_login(f, unknown[k], name);
                }
        }
        assert_int_equal(f->told, 0);
}

static void each_use_has_an_amount_of_its_own(void **state)
{
        struct fixture *f = *state;

        use_up(f, "192.0.2.1");
        for (int i = 0; i < REGISTRATIONS; i++)
                assert_int_equal(use(f, CD_NETWORK_REGISTRATION, "192.0.2.1"), 0);
        assert_int_equal(use(f, CD_NETWORK_REGISTRATION, "192.0.2.1"), 1200);
        for (int i = 0; i < 1000; i++) /* unless it is slowed */
                assert_int_equal(use(f, CD_NETWORK_LOGIN, "192.0.2.1"), 0);
}

static void what_is_looked_at_or_given_back_is_not_used(void **state)
{
        struct fixture *f = *state;
        const cd_str address = CD_STR("192.0.2.1");

        for (int i = 0; i < 2 * REGISTRATIONS; i++) {
                assert_status(cd_network_limit_check(f->limit, CD_NETWORK_REGISTRATION, address, NULL), CD_OK);
                assert_int_equal(use(f, CD_NETWORK_REGISTRATION, "192.0.2.1"), 0);
                cd_network_limit_give_back(f->limit, CD_NETWORK_REGISTRATION, address);
        }
        for (int i = 0; i < 5; i++) /* no more comes back than was taken */
                cd_network_limit_give_back(f->limit, CD_NETWORK_REGISTRATION, address);
        for (int i = 0; i < REGISTRATIONS; i++)
                assert_int_equal(use(f, CD_NETWORK_REGISTRATION, "192.0.2.1"), 0);
        assert_status(cd_network_limit_check(f->limit, CD_NETWORK_REGISTRATION, address, NULL), CD_THROTTLED);
        cd_network_limit_give_back(f->limit, CD_NETWORK_REGISTRATION, address);
        assert_status(cd_network_limit_check(f->limit, CD_NETWORK_REGISTRATION, address, NULL), CD_OK);
}

static void other_rules_hold_at_once_and_what_was_used_stays(void **state)
{
        struct fixture *f = *state;

        use_up(f, "192.0.2.1");
        cd_network_limit_set_rules(f->limit, &(struct cd_network_rules){ ATTEMPTS + 1, 1 });
        assert_int_equal(attempt(f, "192.0.2.1"), 0);
        assert_int_equal(attempt(f, "192.0.2.1"), 2);
        cd_network_limit_set_rules(f->limit, &(struct cd_network_rules){ 0, -5 }); /* count as 1 */
        assert_int_equal(attempt(f, "192.0.2.1"), 60); /* and not a minute for each that was used */
        assert_int_equal(attempt(f, "198.51.100.1"), 0);
        assert_int_equal(attempt(f, "198.51.100.1"), 60);
        assert_int_equal(use(f, CD_NETWORK_REGISTRATION, "198.51.100.1"), 0);
        assert_int_equal(use(f, CD_NETWORK_REGISTRATION, "198.51.100.1"), 3600);
}

/* Between 300 and 410 names set three quarters of 256 bits, except with a chance that does not matter; the keys are fixed. */
static void many_names_that_fail_slow_the_network_once(void **state)
{
        struct fixture *f = *state;

        assert_in_range(fail_until_slowed(f, "203.0.113.7", 0), 300, 410);
        assert_string_equal(f->network, "203.0.113.0/24");
        assert_string_equal(f->subject, "network:203.0.113.0/24");
        assert_null(strstr(f->detail, "user1"));
        for (int i = 0; i < CD_SLOWED_LOGINS; i++)
                assert_int_equal(use(f, CD_NETWORK_LOGIN, "203.0.113.8"), 0);
        assert_int_equal(use(f, CD_NETWORK_LOGIN, "203.0.113.8"), 10);
        assert_int_equal(use(f, CD_NETWORK_LOGIN, "203.0.112.8"), 0);
        assert_int_equal(attempt(f, "203.0.113.8"), 0); /* other forms go on */
        for (int i = 0; i < 500; i++) {
                char name[32];
                snprintf(name, sizeof(name), "other%d", i);
                fail_login(f, "203.0.113.9", name);
        }
        assert_int_equal(f->told, 1);
        assert_int_equal(f->audited, 1);
}

/* As the fixed keys give them. */
static void three_quarters_of_the_bits_slow_the_network(void **state)
{
        bool bits[CD_FAILED_BITS] = { false };
        struct fixture *f = *state;
        uint64_t seed[2];
        int set = 0;

        assert_status(fixed.fill(&fixed, seed, sizeof(seed)), CD_OK);
        for (int i = 0; f->told == 0; i++) {
                char name[32];
                assert_true(set < CD_FAILED_BITS_MAX);
                snprintf(name, sizeof(name), "user%d", i);
                bool *bit = &bits[cd_siphash(seed, cd_str_from_c(name)) % CD_FAILED_BITS];
                set += !*bit;
                *bit = true;
                fail_login(f, "203.0.113.7", name);
        }
        assert_int_equal(set, CD_FAILED_BITS_MAX);
}

/* One name less does nothing. */
static void the_last_name_decides(void **state)
{
        struct fixture *f = *state;
        int names = fail_until_slowed(f, "203.0.113.7", 0);
        char name[32];

        for (int i = 1; i < names; i++) {
                snprintf(name, sizeof(name), "user%d", i);
                fail_login(f, "198.51.100.7", name);
        }
        for (int i = 0; i < 1000; i++) /* a name counts once, however often it fails */
                fail_login(f, "198.51.100.7", "user1");
        assert_int_equal(f->told, 1);
        for (int i = 0; i < 100; i++)
                assert_int_equal(use(f, CD_NETWORK_LOGIN, "198.51.100.7"), 0);
        snprintf(name, sizeof(name), "user%d", names);
        fail_login(f, "198.51.100.7", name);
        assert_int_equal(f->told, 2);
}

static void an_episode_ends_after_its_time_and_is_told_again(void **state)
{
        struct fixture *f = *state;

        fail_until_slowed(f, "203.0.113.7", 0);
        for (int i = 0; i < CD_SLOWED_LOGINS; i++)
                assert_int_equal(use(f, CD_NETWORK_LOGIN, "203.0.113.7"), 0);
        assert_int_equal(use(f, CD_NETWORK_LOGIN, "203.0.113.7"), 10);
        now += CD_SLOWED_FOR - 1;
        for (int i = 0; i < CD_SLOWED_LOGINS; i++)
                assert_int_equal(use(f, CD_NETWORK_LOGIN, "203.0.113.7"), 0);
        assert_int_equal(use(f, CD_NETWORK_LOGIN, "203.0.113.7"), 10);
        now += 1;
        for (int i = 0; i < 100; i++)
                assert_int_equal(use(f, CD_NETWORK_LOGIN, "203.0.113.7"), 0);
        fail_login(f, "203.0.113.7", "one");
        assert_int_equal(f->told, 1);
        assert_in_range(fail_until_slowed(f, "203.0.113.7", 1000), 300, 410);
        assert_int_equal(f->told, 2);
}

static void names_are_forgotten_after_two_windows(void **state)
{
        struct fixture *f = *state;
        int names = fail_until_slowed(f, "203.0.113.7", 0);
        static const struct {
                const char *address;
                int pauses[3];
                bool is_slowed;
        } cases[] = {
                { "198.51.100.1", { CD_FAILED_WINDOW - 1, 0 }, true },
                { "198.51.101.1", { CD_FAILED_WINDOW, CD_FAILED_WINDOW - 1 }, true },
                { "198.51.102.1", { CD_FAILED_WINDOW, CD_FAILED_WINDOW }, false },
                { "198.51.103.1", { 2 * CD_FAILED_WINDOW - 1, 0 }, true },
                { "198.51.104.1", { 2 * CD_FAILED_WINDOW, 0 }, false },
                { "198.51.105.1", { CD_FAILED_WINDOW, CD_FAILED_WINDOW - 1, CD_FAILED_WINDOW }, false },
        };

        for (size_t k = 0; k < CD_LEN(cases); k++) {
                int before = f->told;
                char name[32];
                for (int i = 1; i < names; i++) {
                        snprintf(name, sizeof(name), "user%d", i);
                        fail_login(f, cases[k].address, name);
                }
                for (int i = 0; i < 3; i++) {
                        now += cases[k].pauses[i];
                        fail_login(f, cases[k].address, "user1");
                }
                snprintf(name, sizeof(name), "user%d", names);
                fail_login(f, cases[k].address, name);
                if ((f->told > before) != cases[k].is_slowed)
                        fail_msg("%s: slowed: %d", cases[k].address, f->told > before);
        }
}

static void lesson_9_a_flood_of_networks_resets_no_network_that_is_at_its_limit(void **state)
{
        struct fixture *f = *state;
        char address[32];

        use_up(f, "192.0.2.1");
        for (int i = 0; i < REGISTRATIONS; i++)
                assert_int_equal(use(f, CD_NETWORK_REGISTRATION, "192.0.3.1"), 0);
        fail_until_slowed(f, "192.0.4.1", 0);
        for (int i = 0; i < CD_SLOWED_LOGINS; i++)
                assert_int_equal(use(f, CD_NETWORK_LOGIN, "192.0.4.1"), 0);
        for (int i = 0; i < FLOOD; i++) {
                snprintf(address, sizeof(address), "2001:db8:%x:%x::1", i >> 16, i & 0xffff);
                assert_int_equal(attempt(f, address), 0);
                fail_login(f, address, "ana");
        }
        assert_int_equal(attempt(f, "192.0.2.1"), 2);
        assert_int_equal(use(f, CD_NETWORK_REGISTRATION, "192.0.3.1"), 1200);
        assert_int_equal(use(f, CD_NETWORK_LOGIN, "192.0.4.1"), 10);
}

/* Although each of the others has used all of what it may, and did so later. */
static void a_slowed_network_outlasts_networks_at_their_limit(void **state)
{
        struct fixture *f = *state;
        char address[32];

        cd_network_limit_set_rules(f->limit, &(struct cd_network_rules){ 1, 1 });
        fail_until_slowed(f, "192.0.2.1", 0);
        now += 1;
        for (int i = 0; i < FLOOD; i++) {
                snprintf(address, sizeof(address), "2001:db8:%x:%x::1", i >> 16, i & 0xffff);
                assert_int_equal(attempt(f, address), 0);
        }
        for (int i = 0; i < CD_SLOWED_LOGINS; i++)
                assert_int_equal(use(f, CD_NETWORK_LOGIN, "192.0.2.1"), 0);
        assert_int_equal(use(f, CD_NETWORK_LOGIN, "192.0.2.1"), 10);
}

/* Looking costs nobody a slot. */
static void what_uses_nothing_takes_no_slot(void **state)
{
        struct fixture *f = *state;
        char address[32];

        assert_int_equal(use(f, CD_NETWORK_REGISTRATION, "192.0.2.1"), 0);
        assert_int_equal(use(f, CD_NETWORK_REGISTRATION, "192.0.2.1"), 0);
        assert_int_equal(use(f, CD_NETWORK_REGISTRATION, "192.0.2.1"), 0);
        for (int i = 0; i < FLOOD; i++) {
                snprintf(address, sizeof(address), "2001:db8:%x:%x::1", i >> 16, i & 0xffff);
                assert_int_equal(use(f, CD_NETWORK_LOGIN, address), 0);
                assert_status(cd_network_limit_check(f->limit, CD_NETWORK_ATTEMPT, cd_str_from_c(address), NULL),
                              CD_OK);
                cd_network_limit_give_back(f->limit, CD_NETWORK_ATTEMPT, cd_str_from_c(address));
        }
        assert_int_equal(use(f, CD_NETWORK_REGISTRATION, "192.0.2.1"), 1200);
}

static void a_clock_that_is_set_back_neither_pays_nor_locks_for_long(void **state)
{
        struct fixture *f = *state;

        use_up(f, "192.0.2.1");
        fail_until_slowed(f, "192.0.2.1", 0);
        now -= 100000;
        assert_int_equal(attempt(f, "192.0.2.1"), 2);
        assert_int_equal(use(f, CD_NETWORK_LOGIN, "192.0.2.1"), 0);
        now += 2;
        assert_int_equal(attempt(f, "192.0.2.1"), 0);
}

static void lesson_31_a_failing_clock_lets_nothing_pass(void **state)
{
        struct fixture *f = *state;
        struct cd_error err;

        now = -1;
        assert_status(cd_network_limit_take(f->limit, CD_NETWORK_ATTEMPT, CD_STR("192.0.2.1"), &err), CD_UNAVAILABLE);
        fail_login(f, "192.0.2.1", "ana");
        assert_int_equal(f->told, 0);
}

static void lesson_31_without_memory_or_randomness_there_is_no_limit(void **state)
{
        struct fixture *f = *state;
        const struct cd_network_limit_options options = options_of(f);
        struct cd_network_limit *other;
        struct cd_error err;

        for (long i = 0; i < 2; i++) {
                callocs_left = i;
                assert_status(cd_network_limit_new(&options, &other, &err), CD_NO_MEMORY);
        }
        callocs_left = -1;
        random_fails = true;
        assert_status(cd_network_limit_new(&options, &other, &err), CD_UNAVAILABLE);
        random_fails = false;
        cd_network_limit_free(NULL);
        assert_status(cd_network_limit_take(NULL, CD_NETWORK_ATTEMPT, CD_STR("192.0.2.1"), &err), CD_OK);
        cd_network_limit_note_failed(NULL, &f->store, &(struct cd_failed_login){ 0 });
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(the_limit_passes_and_one_more_waits),
                TEST(a_network_is_a_24_or_a_64),
                TEST(lesson_34_without_an_address_nothing_is_counted),
                TEST(each_use_has_an_amount_of_its_own),
                TEST(what_is_looked_at_or_given_back_is_not_used),
                TEST(other_rules_hold_at_once_and_what_was_used_stays),
                TEST(many_names_that_fail_slow_the_network_once),
                TEST(three_quarters_of_the_bits_slow_the_network),
                TEST(the_last_name_decides),
                TEST(an_episode_ends_after_its_time_and_is_told_again),
                TEST(names_are_forgotten_after_two_windows),
                TEST(lesson_9_a_flood_of_networks_resets_no_network_that_is_at_its_limit),
                TEST(a_slowed_network_outlasts_networks_at_their_limit),
                TEST(what_uses_nothing_takes_no_slot),
                TEST(a_clock_that_is_set_back_neither_pays_nor_locks_for_long),
                TEST(lesson_31_a_failing_clock_lets_nothing_pass),
                TEST(lesson_31_without_memory_or_randomness_there_is_no_limit),
        };

        return cmocka_run_group_tests_name("network limit", tests, NULL, NULL);
}
