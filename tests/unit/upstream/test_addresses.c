#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/resolve.h"
#include "upstream/addresses.h"

/* A resolver that answers when the test says so, and a clock that the test sets. */

struct cd_resolve *__wrap_cd_resolve_start(struct cd_loop *of, cd_str name, cd_resolve_done done, void *owner);
void __wrap_cd_resolve_cancel(struct cd_resolve *lookup);

static struct cd_loop loop;
static uint64_t now;
static struct cd_addresses *addresses;
static cd_resolve_done lookup_done; /* NULL: no lookup is under way */
static void *lookup_owner;
static unsigned lookups, cancelled;
static bool no_memory;
static char changes[256]; /* "-1(reason)" for a down, "+1" for an up of 192.0.2.1; "*" for the name */

struct cd_resolve *__wrap_cd_resolve_start(struct cd_loop *of, cd_str name, cd_resolve_done done, void *owner)
{
        assert_ptr_equal(of, &loop);
        assert_str(name, "app.example");
        assert_null(lookup_done);
        lookups++;
        if (no_memory)
                return NULL;
        lookup_done = done;
        lookup_owner = owner;
        return (struct cd_resolve *)(void *)&lookups;
}

void __wrap_cd_resolve_cancel(struct cd_resolve *lookup)
{
        assert_ptr_equal(lookup, &lookups);
        assert_non_null(lookup_done);
        lookup_done = NULL;
        cancelled++;
}

static uint64_t fixed_clock(const struct cd_loop *of)
{
        (void)of;
        return now;
}

/* 192.0.2.N */
static struct cd_address address_of(unsigned number)
{
        struct cd_address address;
        char text[32];
        int len = snprintf(text, sizeof(text), "192.0.2.%u", number);

        assert_true(cd_address_parse(cd_str_of(text, (size_t)len), &address));
        return address;
}

static void on_changed(void *owner, const struct cd_address *address, bool is_up, const char *reason)
{
        char text[64] = "*";

        assert_ptr_equal(owner, changes);
        assert_true(is_up == !reason);
        if (address)
                snprintf(text, sizeof(text), "%u", address->bytes[15]);
        size_t len = strlen(changes);
        snprintf(changes + len, sizeof(changes) - len, is_up ? "+%s" : "-%s(%s)", text, reason);
}

static void expect_changes(const char *expected)
{
        assert_string_equal(changes, expected);
        changes[0] = '\0';
}

static void use_host(const char *host)
{
        const struct cd_addresses_options options = { .host = cd_str_from_c(host), on_changed, changes };

        cd_addresses_free(addresses);
        assert_non_null(addresses = cd_addresses_new(&loop, &options));
}

static int set_up(void **state)
{
        (void)state;
        now = 1000 * 1000;
        lookup_done = NULL;
        lookups = cancelled = 0;
        no_memory = false;
        changes[0] = '\0';
        if (cd_loop_init(&loop, NULL, NULL, NULL) != CD_OK)
                return -1;
        loop.clock = fixed_clock;
        cd_wheel_init(&loop.wheel, now);
        use_host("app.example");
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        cd_addresses_free(addresses);
        addresses = NULL;
        assert_null(lookup_done);
        assert_int_equal(loop.wheel.count, 0);
        cd_loop_done(&loop);
        return 0;
}

/* The answer "13" is 192.0.2.1 and 192.0.2.3; "" is a failure. */
static void answer(const char *numbers)
{
        struct cd_address list[CD_RESOLVE_MAX];
        cd_resolve_done done = lookup_done;
        size_t count = strlen(numbers);

        assert_non_null(done);
        lookup_done = NULL;
        for (size_t i = 0; i < count; i++)
                list[i] = address_of((unsigned)numbers[i] - '0');
        done(lookup_owner, list, count, count ? NULL : "no such name");
}

/* The last byte of the next address; 'w' and 'n' for "wait" and "none". */
static char next_after(const char *tried_numbers)
{
        struct cd_address tried[CD_RESOLVE_MAX], address;
        size_t count = strlen(tried_numbers);

        for (size_t i = 0; i < count; i++)
                tried[i] = address_of((unsigned)tried_numbers[i] - '0');
        switch (cd_addresses_next(addresses, tried, count, &address)) {
        case CD_ADDRESSES_WAIT:
                return 'w';
        case CD_ADDRESSES_NONE:
                return 'n';
        case CD_ADDRESSES_FOUND:
                break;
        }
        return (char)('0' + address.bytes[15]);
}

static void expect_next(const char *expected)
{
        char actual[64] = "";
        size_t len = strlen(expected);

        for (size_t i = 0; i < len; i++)
                actual[i] = next_after("");
        assert_string_equal(actual, expected);
}

static void resolve_to(const char *numbers)
{
        expect_next("w");
        answer(numbers);
}

static void fails(unsigned number)
{
        struct cd_address address = address_of(number);

        cd_addresses_failed(addresses, &address, "refused");
}

static void succeeds(unsigned number)
{
        struct cd_address address = address_of(number);

        cd_addresses_succeeded(addresses, &address);
}

/* ---- names ---- */

static void a_literal_address_is_never_resolved(void **state)
{
        struct cd_address address;
        char text[CD_ADDRESS_TEXT_MAX];

        (void)state;
        use_host("192.0.2.7");
        expect_next("77");
        now += 3600 * 1000;
        expect_next("7");
        use_host("2001:db8::1");
        assert_int_equal(cd_addresses_next(addresses, NULL, 0, &address), CD_ADDRESSES_FOUND);
        assert_str(cd_str_of(text, cd_address_format(&address, text)), "2001:db8::1");
        assert_int_equal(lookups, 0);
        assert_null(cd_addresses_error(addresses));
}

static void a_name_is_resolved_when_it_is_needed_and_again_after_30_seconds(void **state)
{
        (void)state;
        assert_int_equal(lookups, 0);
        resolve_to("1");
        now += 29999;
        expect_next("1");
        assert_int_equal(lookups, 1);
        now += 1;
        expect_next("11"); /* while the answer is awaited */
        assert_int_equal(lookups, 2);
        answer("2");
        expect_next("22");
        assert_int_equal(lookups, 2);
        expect_changes("");
}

static void old_addresses_stay_while_a_new_answer_fails(void **state)
{
        (void)state;
        resolve_to("12");
        for (unsigned i = 0; i < 100; i++) {
                now += 30 * 1000;
                char before = next_after("");
                assert_true(before == '1' || before == '2' || before == 'w');
                answer("");
                assert_null(cd_addresses_error(addresses));
        }
        expect_changes("-*(no such name)");
        now += 30 * 1000;
        expect_next("w"); /* the last answer is old, and a new one may come at once */
        answer("3");
        expect_changes("+*");
        expect_next("3");
}

static void a_name_without_addresses_is_resolved_again_after_a_second(void **state)
{
        (void)state;
        assert_null(cd_addresses_error(addresses));
        resolve_to("");
        expect_changes("-*(no such name)");
        assert_string_equal(cd_addresses_error(addresses), "no such name");
        now += 999;
        expect_next("n");
        assert_int_equal(lookups, 1);
        now += 1;
        expect_next("ww");
        assert_int_equal(lookups, 2);
        answer("");
        now += 1000;
        resolve_to("1");
        expect_next("1");
        assert_null(cd_addresses_error(addresses));
        expect_changes("+*");
}

static void a_lookup_that_cannot_begin_is_a_failure(void **state)
{
        (void)state;
        no_memory = true;
        expect_next("n");
        assert_non_null(cd_addresses_error(addresses));
        no_memory = false;
        now += 1000;
        resolve_to("1");
        expect_next("1");
        now += 30 * 1000;
        no_memory = true;
        expect_next("11");
        assert_int_equal(lookups, 3);
}

static void a_lookup_is_cancelled_at_the_end(void **state)
{
        (void)state;
        expect_next("w");
        cd_addresses_free(addresses);
        addresses = NULL;
        assert_int_equal(cancelled, 1);
        cd_addresses_free(NULL);
}

/* ---- waiting ---- */

struct waiter {
        struct cd_addresses_waiter base;
        unsigned answered;
        struct waiter *stops;
        bool waits_again;
};

static void on_answered(struct cd_addresses_waiter *base)
{
        struct waiter *waiter = (void *)base;

        waiter->answered++;
        if (waiter->stops)
                cd_addresses_stop_waiting(&waiter->stops->base);
        if (waiter->waits_again)
                cd_addresses_wait(addresses, base);
}

static void all_waiters_hear_of_the_answer_once(void **state)
{
        struct waiter w[4];

        (void)state;
        for (size_t i = 0; i < CD_LEN(w); i++)
                w[i] = (struct waiter){ .base.answered = on_answered };
        expect_next("w");
        cd_addresses_stop_waiting(&w[0].base); /* it does not wait */
        for (size_t i = 0; i < CD_LEN(w); i++)
                cd_addresses_wait(addresses, &w[i].base);
        cd_addresses_stop_waiting(&w[0].base);
        w[1].stops = &w[2];
        w[3].waits_again = true;
        answer("");
        assert_int_equal(w[0].answered, 0);
        assert_int_equal(w[1].answered, 1);
        assert_int_equal(w[2].answered, 0);
        assert_int_equal(w[3].answered, 1);
        cd_addresses_stop_waiting(&w[1].base); /* it has its answer */
        now += 1000;
        w[3].waits_again = false;
        resolve_to("1");
        assert_int_equal(w[1].answered, 1);
        assert_int_equal(w[3].answered, 2);
}

static void let_pass(uint64_t ms)
{
        now += ms;
        cd_loop_turn(&loop);
}

static void after_a_minute_without_use_a_new_answer_is_awaited_for_a_second(void **state)
{
        struct waiter waiter = { .base.answered = on_answered }, later = waiter;

        (void)state;
        resolve_to("1");
        now += 60 * 1000;
        expect_next("1");
        now += 1;
        expect_next("w");
        cd_addresses_wait(addresses, &waiter.base);
        let_pass(900);
        expect_next("w");
        cd_addresses_wait(addresses, &later.base); /* does not make it longer */
        assert_int_equal(waiter.answered, 0);
        let_pass(200);
        assert_int_equal(waiter.answered, 1);
        assert_int_equal(later.answered, 1);
        expect_next("11");
        answer("2");
        expect_next("2");
        assert_int_equal(waiter.answered, 1);
        now += 60 * 1000 + 1; /* patience begins anew */
        expect_next("w");
        cd_addresses_wait(addresses, &waiter.base);
        answer("3");
        assert_int_equal(waiter.answered, 2);
        expect_next("3");
        assert_int_equal(loop.wheel.count, 0);
}

static void the_first_answer_is_awaited_for_as_long_as_it_takes(void **state)
{
        struct waiter waiter = { .base.answered = on_answered };

        (void)state;
        expect_next("w");
        cd_addresses_wait(addresses, &waiter.base);
        let_pass(60 * 1000);
        assert_int_equal(waiter.answered, 0);
        expect_next("w");
        answer("1");
        assert_int_equal(waiter.answered, 1);
        expect_next("1");
}

/* ---- choosing ---- */

static void addresses_take_turns(void **state)
{
        (void)state;
        resolve_to("123");
        expect_next("1231231");
        now += 30 * 1000;
        expect_next("2");
        answer("31"); /* in another order, and one fewer */
        expect_next("3131");
}

static void a_request_is_sent_to_each_address_once(void **state)
{
        (void)state;
        resolve_to("123");
        assert_int_equal(next_after("1"), '2');
        assert_int_equal(next_after("12"), '3');
        assert_int_equal(next_after("321"), 'n');
        assert_null(cd_addresses_error(addresses));
        fails(1);
        assert_int_equal(next_after("23"), '1'); /* better than none */
}

/* ---- health ---- */

/* How long `number` is left out, while 2 works. */
static uint64_t measure_avoidance(char number)
{
        for (uint64_t ms = 0;; ms += 500, now += 500) {
                char a = next_after(""), b = next_after("");
                if (lookup_done)
                        answer("12");
                if (a == number || b == number)
                        return ms;
        }
}

static void an_address_that_fails_is_avoided_for_1_second_doubling_to_30(void **state)
{
        static const uint64_t expected[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000 };

        (void)state;
        resolve_to("12");
        for (size_t i = 0; i < CD_LEN(expected); i++) {
                fails(1);
                assert_int_equal(measure_avoidance('1'), expected[i]);
        }
        expect_changes("-1(refused)");
        succeeds(1);
        expect_changes("+1");
        fails(1);
        assert_int_equal(measure_avoidance('1'), 1000);
}

static void connections_that_fail_together_count_once(void **state)
{
        (void)state;
        resolve_to("12");
        for (unsigned i = 0; i < 50; i++)
                fails(1);
        now += 999;
        expect_next("222");
        now += 1;
        assert_int_equal(measure_avoidance('1'), 0);
        for (unsigned i = 0; i < 50; i++)
                fails(1);
        assert_int_equal(measure_avoidance('1'), 2000);
        expect_changes("-1(refused)");
}

static void one_connection_at_a_time_tries_whether_an_address_works_again(void **state)
{
        (void)state;
        resolve_to("12");
        fails(1);
        now += 1000;
        expect_next("1222");
        now += 1000; /* nobody knows what became of it */
        expect_next("1222");
        succeeds(1);
        expect_next("1212");
        succeeds(1);
        succeeds(2);
        expect_changes("-1(refused)+1");
}

static void if_all_addresses_failed_the_first_due_is_tried(void **state)
{
        (void)state;
        resolve_to("123");
        fails(2);
        now += 10;
        fails(3);
        now += 10;
        fails(1);
        expect_next("22");
        assert_int_equal(next_after("2"), '3');
        assert_int_equal(next_after("23"), '1');
        fails(2); /* is no news */
        now += 980;
        expect_next("23"); /* 2 is on trial now */
        fails(2);
        expect_next("3");
}

static void the_only_address_is_always_tried(void **state)
{
        (void)state;
        use_host("192.0.2.7");
        for (unsigned i = 0; i < 10; i++) {
                expect_next("77");
                fails(7);
                expect_next("77");
                now += 500;
        }
        assert_int_equal(next_after("7"), 'n');
        expect_changes("-7(refused)");
        succeeds(7);
        expect_changes("+7");
        expect_next("7");
}

static void a_new_answer_keeps_what_is_known(void **state)
{
        (void)state;
        resolve_to("12");
        now += 30 * 1000;
        expect_next("1");
        fails(2);
        answer("324");
        expect_next("434343");
        fails(1); /* an address that is gone */
        succeeds(1);
        now += 1000;
        fails(2);
        now += 1999;
        expect_next("434343");
        now += 1;
        expect_next("2");
        expect_changes("-2(refused)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_literal_address_is_never_resolved),
                TEST(a_name_is_resolved_when_it_is_needed_and_again_after_30_seconds),
                TEST(old_addresses_stay_while_a_new_answer_fails),
                TEST(a_name_without_addresses_is_resolved_again_after_a_second),
                TEST(a_lookup_that_cannot_begin_is_a_failure),
                TEST(a_lookup_is_cancelled_at_the_end),
                TEST(all_waiters_hear_of_the_answer_once),
                TEST(after_a_minute_without_use_a_new_answer_is_awaited_for_a_second),
                TEST(the_first_answer_is_awaited_for_as_long_as_it_takes),
                TEST(addresses_take_turns),
                TEST(a_request_is_sent_to_each_address_once),
                TEST(an_address_that_fails_is_avoided_for_1_second_doubling_to_30),
                TEST(connections_that_fail_together_count_once),
                TEST(one_connection_at_a_time_tries_whether_an_address_works_again),
                TEST(if_all_addresses_failed_the_first_due_is_tried),
                TEST(the_only_address_is_always_tried),
                TEST(a_new_answer_keeps_what_is_known),
        };
        return cmocka_run_group_tests_name("upstream/addresses", tests, NULL, NULL);
}
