#include "support/check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/lockout.h"

enum {
        NOON = 1795348800,
        DELAY = 2,
        MAX_DELAY = 60,
        ACCOUNT_ATTEMPTS = 3,
        ADDRESS_ATTEMPTS = 5,
};

static const struct cd_lockout_rules rules = { ACCOUNT_ATTEMPTS, ADDRESS_ATTEMPTS, DELAY, MAX_DELAY };

struct fixture {
        struct cd_lockout *lockout;
        cd_time now;
};

static bool random_fails;
static long callocs_left = -1; /* negative: no limit */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
        return callocs_left >= 0 && callocs_left-- == 0 ? NULL : __real_calloc(count, size);
}

static cd_status fill(const struct cd_random *random, void *to, size_t size)
{
        (void)random;
        for (size_t i = 0; i < size; i++)
                ((unsigned char *)to)[i] = (unsigned char)(i * 7 + 1);
        return random_fails ? CD_UNAVAILABLE : CD_OK;
}

static const struct cd_random fixed = { fill };

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        assert_status(cd_lockout_new(&rules, &fixed, &f->lockout, NULL), CD_OK);
        f->now = NOON;
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_lockout_free(f->lockout);
        free(f);
        return 0;
}

static struct cd_lockout_subject account(const char *name)
{
        return (struct cd_lockout_subject){ .kind = CD_LOCKOUT_ACCOUNT, .key = cd_str_from_c(name) };
}

static struct cd_lockout_subject made_up(const char *name)
{
        return (struct cd_lockout_subject){ .kind = CD_LOCKOUT_NAME, .key = cd_str_from_c(name) };
}

static struct cd_lockout_subject address(const char *text)
{
        return (struct cd_lockout_subject){ .kind = CD_LOCKOUT_ADDRESS, .key = cd_str_from_c(text) };
}

/* One attempt, with how it ended; the seconds to wait where it was refused, else 0. */
static int64_t attempt(struct fixture *f, struct cd_lockout_subject subject, enum cd_lockout_outcome outcome)
{
        struct cd_error err = { 0 };

        if (cd_lockout_begin(f->lockout, &subject, f->now, &err) == CD_OK) {
                (void)cd_lockout_end(f->lockout, &subject, outcome, f->now);
                return 0;
        }
        assert_status(err.status, CD_THROTTLED);
        assert_true(err.retry_after > 0);
        return err.retry_after;
}

static void fail_times(struct fixture *f, struct cd_lockout_subject subject, int times)
{
        while (times--)
                assert_int_equal(attempt(f, subject, CD_LOCKOUT_WRONG), 0);
}

static void lesson_9_the_delay_doubles_up_to_its_most(void **state)
{
        static const int64_t delays[] = { 2, 4, 8, 16, 32, 60, 60, 60 };
        struct fixture *f = *state;

        fail_times(f, account("ana"), ACCOUNT_ATTEMPTS);
        for (size_t i = 0; i < CD_LEN(delays); i++) {
                assert_int_equal(attempt(f, account("ana"), CD_LOCKOUT_WRONG), delays[i]);
                f->now += delays[i] - 1;
                assert_int_equal(attempt(f, account("ana"), CD_LOCKOUT_WRONG), 1);
                f->now++;
                assert_int_equal(attempt(f, account("ana"), CD_LOCKOUT_WRONG), 0);
                /* At the largest delay one failure was forgotten meanwhile, and one came. */
        }
}

static void a_refused_attempt_says_when_the_next_one_counts(void **state)
{
        struct fixture *f = *state;
        struct cd_lockout_subject subject = account("ana");
        struct cd_error err;

        fail_times(f, subject, ACCOUNT_ATTEMPTS);
        assert_status(cd_lockout_begin(f->lockout, &subject, f->now, &err), CD_THROTTLED);
        assert_string_equal(err.reason, "too many wrong passwords; the next one counts in 2 s");
        assert_int_equal(err.retry_after, 2);
        assert_status(cd_lockout_begin(f->lockout, &subject, f->now, NULL), CD_THROTTLED);
}

/* An attempt that proceeds; what its end says. */
static bool end_of(struct fixture *f, const struct cd_lockout_subject *subject, enum cd_lockout_outcome outcome)
{
        assert_status(cd_lockout_begin(f->lockout, subject, f->now, NULL), CD_OK);
        return cd_lockout_end(f->lockout, subject, outcome, f->now);
}

static void a_wrong_attempt_says_that_its_subject_must_wait(void **state)
{
        static const int64_t delays[] = { 2, 4, 8, 16, 32, 60, 60, 60 };
        const struct cd_lockout_subject subjects[] = { account("ana"), made_up("ana"), address("192.0.2.1") };
        struct fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(subjects); i++) {
                f->now = NOON;
                for (int k = i < 2 ? ACCOUNT_ATTEMPTS : ADDRESS_ATTEMPTS; k > 1; k--)
                        assert_false(end_of(f, &subjects[i], CD_LOCKOUT_WRONG));
                assert_true(end_of(f, &subjects[i], CD_LOCKOUT_WRONG));
                for (size_t k = 0; k < CD_LEN(delays); k++) {
                        f->now += delays[k];
                        assert_false(end_of(f, &subjects[i], CD_LOCKOUT_UNJUDGED));
                        assert_true(end_of(f, &subjects[i], CD_LOCKOUT_WRONG));
                }
        }
}

static void a_right_attempt_says_that_it_ended_wrong_ones(void **state)
{
        const struct cd_lockout_subject ana = account("ana"), from = address("192.0.2.1");
        struct fixture *f = *state;

        assert_false(end_of(f, &ana, CD_LOCKOUT_RIGHT));
        assert_false(end_of(f, &ana, CD_LOCKOUT_WRONG));
        assert_true(end_of(f, &ana, CD_LOCKOUT_RIGHT));
        assert_false(end_of(f, &ana, CD_LOCKOUT_RIGHT));
        assert_false(end_of(f, &from, CD_LOCKOUT_WRONG));
        assert_false(end_of(f, &from, CD_LOCKOUT_RIGHT)); /* it does not pay for guesses */
}

/* Those of another node: that node says so, of the address that it saw. */
static void failures_that_were_counted_elsewhere_are_told_only_with_a_wrong_attempt_here(void **state)
{
        struct fixture *f = *state;
        struct cd_lockout_subject ana = account("ana");

        ana.failures = ACCOUNT_ATTEMPTS;
        ana.failed_at = NOON;
        assert_int_equal(attempt(f, ana, CD_LOCKOUT_WRONG), DELAY);
        f->now += DELAY;
        assert_true(end_of(f, &ana, CD_LOCKOUT_WRONG));
}

static void lesson_15_a_check_says_what_begin_says(void **state)
{
        struct fixture *f = *state;
        struct cd_lockout_subject subject = address("192.0.2.1");
        struct cd_error err = { 0 };

        fail_times(f, subject, ADDRESS_ATTEMPTS - 1);
        assert_status(cd_lockout_check(f->lockout, &subject, f->now, NULL), CD_OK);
        fail_times(f, subject, 1);
        for (int i = 0; i < 100; i++)
                assert_status(cd_lockout_check(f->lockout, &subject, f->now, &err), CD_THROTTLED);
        assert_string_equal(err.reason, "too many wrong passwords; the next one counts in 2 s");
        assert_int_equal(err.retry_after, DELAY);
        f->now += DELAY;
        assert_status(cd_lockout_check(f->lockout, &subject, f->now, NULL), CD_OK);
        fail_times(f, subject, 1);
        assert_status(cd_lockout_check(f->lockout, &subject, f->now, &err), CD_THROTTLED);
        assert_int_equal(err.retry_after, 2 * DELAY);
        /* Nor does it keep an address waiting for a clock that was set back. */
        f->now -= 1000;
        assert_status(cd_lockout_check(f->lockout, &subject, f->now, NULL), CD_OK);
        assert_int_equal(attempt(f, subject, CD_LOCKOUT_WRONG), 2 * DELAY);
        assert_status(cd_lockout_check(f->lockout, &subject, f->now, NULL), CD_THROTTLED);
        f->now += 2 * DELAY;
        assert_status(cd_lockout_check(f->lockout, &subject, f->now, NULL), CD_OK);
        subject = address("");
        assert_status(cd_lockout_check(f->lockout, &subject, f->now, NULL), CD_OK);
}

static void a_right_password_empties_the_counter_of_the_account(void **state)
{
        struct fixture *f = *state;

        fail_times(f, account("ana"), ACCOUNT_ATTEMPTS - 1);
        assert_int_equal(attempt(f, account("ana"), CD_LOCKOUT_RIGHT), 0);
        fail_times(f, account("ana"), ACCOUNT_ATTEMPTS);
        assert_int_equal(attempt(f, account("ana"), CD_LOCKOUT_RIGHT), DELAY);
}

static void a_right_password_does_not_pay_for_guesses_from_its_address(void **state)
{
        struct fixture *f = *state;

        for (int i = 0; i < ADDRESS_ATTEMPTS; i++) {
                assert_int_equal(attempt(f, address("192.0.2.1"), CD_LOCKOUT_WRONG), 0);
                if (i < ADDRESS_ATTEMPTS - 1)
                        assert_int_equal(attempt(f, address("192.0.2.1"), CD_LOCKOUT_RIGHT), 0);
        }
        assert_int_equal(attempt(f, address("192.0.2.1"), CD_LOCKOUT_RIGHT), DELAY);
        assert_int_equal(attempt(f, address("192.0.2.2"), CD_LOCKOUT_WRONG), 0);
}

static void an_attempt_without_an_answer_is_taken_back(void **state)
{
        struct fixture *f = *state;

        for (int i = 0; i < 20; i++)
                assert_int_equal(attempt(f, account("ana"), CD_LOCKOUT_UNJUDGED), 0);
        fail_times(f, account("ana"), ACCOUNT_ATTEMPTS);
}

static void a_failure_is_forgotten_after_each_longest_delay(void **state)
{
        struct fixture *f = *state;

        fail_times(f, account("ana"), ACCOUNT_ATTEMPTS);
        f->now += MAX_DELAY; /* two are left */
        fail_times(f, account("ana"), 1);
        assert_int_equal(attempt(f, account("ana"), CD_LOCKOUT_WRONG), DELAY);
        f->now += MAX_DELAY * ACCOUNT_ATTEMPTS; /* none */
        fail_times(f, account("ana"), ACCOUNT_ATTEMPTS);
        assert_int_equal(attempt(f, account("ana"), CD_LOCKOUT_WRONG), DELAY);
}

static void what_another_node_saw_counts_too(void **state)
{
        struct fixture *f = *state;
        struct cd_lockout_subject subject = { .kind = CD_LOCKOUT_ACCOUNT,
                                              .key = CD_STR("ana"),
                                              .failures = ACCOUNT_ATTEMPTS + 1,
                                              .failed_at = NOON - 1 };

        assert_int_equal(attempt(f, subject, CD_LOCKOUT_WRONG), 2 * DELAY - 1);
        subject = (struct cd_lockout_subject){
                .kind = CD_LOCKOUT_ACCOUNT, .key = CD_STR("bo"), .failures = INT64_MAX, .failed_at = NOON
        };
        assert_int_equal(attempt(f, subject, CD_LOCKOUT_WRONG), MAX_DELAY);
        /* What is long ago is forgotten, and what lies far ahead is a fault. */
        subject = (struct cd_lockout_subject){
                .kind = CD_LOCKOUT_ACCOUNT, .key = CD_STR("cy"), .failures = 9, .failed_at = NOON - 9 * MAX_DELAY
        };
        fail_times(f, subject, 1);
        subject = (struct cd_lockout_subject){
                .kind = CD_LOCKOUT_ACCOUNT, .key = CD_STR("di"), .failures = 9, .failed_at = NOON + 2 * MAX_DELAY
        };
        fail_times(f, subject, 1);
}

static void what_the_store_has_not_forgotten_yet_was_ended_by_a_right_password(void **state)
{
        struct fixture *f = *state;
        struct cd_lockout_subject stale = {
                .kind = CD_LOCKOUT_ACCOUNT, .key = CD_STR("ana"), .failures = ACCOUNT_ATTEMPTS - 1, .failed_at = NOON
        };

        fail_times(f, account("ana"), ACCOUNT_ATTEMPTS - 1);
        assert_int_equal(attempt(f, account("ana"), CD_LOCKOUT_RIGHT), 0);
        assert_int_equal(attempt(f, stale, CD_LOCKOUT_WRONG), 0);
        assert_int_equal(attempt(f, stale, CD_LOCKOUT_WRONG), 0);
        assert_int_equal(attempt(f, stale, CD_LOCKOUT_RIGHT), 0);
        /* What another node saw after it counts. */
        f->now += 1;
        stale.failed_at = f->now;
        stale.failures = ACCOUNT_ATTEMPTS;
        assert_int_equal(attempt(f, stale, CD_LOCKOUT_RIGHT), DELAY);
}

/* A restart in the second in which the user was made. */
static void what_the_store_counted_after_a_clearing_counts(void **state)
{
        struct fixture *f = *state;
        struct cd_lockout_subject ana = { .kind = CD_LOCKOUT_ACCOUNT,
                                          .key = CD_STR("ana"),
                                          .failures = ACCOUNT_ATTEMPTS,
                                          .failed_at = NOON,
                                          .cleared_at = NOON };

        assert_int_equal(attempt(f, ana, CD_LOCKOUT_WRONG), DELAY);
}

/* A new password, an enabling: what was counted up to then is the operator's to forgive, once. */
static void what_an_operator_cleared_counts_no_more(void **state)
{
        struct fixture *f = *state;
        struct cd_lockout_subject ana = account("ana");

        fail_times(f, ana, ACCOUNT_ATTEMPTS);
        ana.cleared_at = NOON - 1; /* before the failures */
        assert_int_equal(attempt(f, ana, CD_LOCKOUT_WRONG), DELAY);
        ana.cleared_at = f->now;
        fail_times(f, ana, ACCOUNT_ATTEMPTS);
        /* The second is the same still: no guess beyond. */
        assert_int_equal(attempt(f, ana, CD_LOCKOUT_WRONG), DELAY);
        /* Nor does a node that has not seen it count what was before. */
        ana.cleared_at = f->now = NOON + 1;
        ana.failures = ACCOUNT_ATTEMPTS;
        ana.failed_at = NOON;
        assert_int_equal(attempt(f, ana, CD_LOCKOUT_RIGHT), 0);
}

static void what_is_cleared_at_a_time_to_come_is_not_cleared(void **state)
{
        struct fixture *f = *state;
        struct cd_lockout_subject ana = account("ana");

        ana.cleared_at = NOON + 3;
        fail_times(f, ana, ACCOUNT_ATTEMPTS);
        for (int i = 0; i < 3; i++)
                assert_int_equal(attempt(f, ana, CD_LOCKOUT_WRONG), DELAY);
}

static void a_clock_that_is_set_back_locks_for_no_longer_than_the_delay(void **state)
{
        struct fixture *f = *state;

        fail_times(f, account("ana"), ACCOUNT_ATTEMPTS);
        f->now -= 1000000;
        assert_int_equal(attempt(f, account("ana"), CD_LOCKOUT_WRONG), DELAY);
        f->now += DELAY;
        fail_times(f, account("ana"), 1);
}

static void an_ipv6_address_counts_by_its_64_bits(void **state)
{
        struct fixture *f = *state;
        static const char *const same[] = { "2001:db8::1", "2001:db8:0:0:ffff::", "2001:DB8::2", "2001:db8::3",
                                            "2001:db8::4" };

        for (size_t i = 0; i < ADDRESS_ATTEMPTS; i++)
                fail_times(f, address(same[i]), 1);
        assert_int_equal(attempt(f, address("2001:db8::9"), CD_LOCKOUT_WRONG), DELAY);
        assert_int_equal(attempt(f, address("2001:db8:0:1::9"), CD_LOCKOUT_WRONG), 0);
}

static void an_ipv4_address_in_ipv6_is_the_ipv4_address(void **state)
{
        struct fixture *f = *state;

        fail_times(f, address("192.0.2.1"), ADDRESS_ATTEMPTS);
        assert_int_equal(attempt(f, address("::ffff:192.0.2.1"), CD_LOCKOUT_WRONG), DELAY);
        assert_int_equal(attempt(f, address("::ffff:192.0.2.2"), CD_LOCKOUT_WRONG), 0);
        /* What is no address is taken as it is. */
        fail_times(f, address("unix"), ADDRESS_ATTEMPTS);
        assert_int_equal(attempt(f, address("unix"), CD_LOCKOUT_WRONG), DELAY);
        assert_int_equal(attempt(f, address("a text that is longer than any address, all of it 46 characters or more"),
                                 CD_LOCKOUT_WRONG),
                         0);
}

static void lesson_34_an_address_that_is_not_known_has_no_counter(void **state)
{
        struct fixture *f = *state;

        fail_times(f, address(""), 10 * ADDRESS_ATTEMPTS);
        /* Nor one that attempts wait for: each goes on while the others have not ended. */
        for (int i = 0; i < 10 * ADDRESS_ATTEMPTS; i++) {
                struct cd_lockout_subject unknown = address("");
                assert_status(cd_lockout_begin(f->lockout, &unknown, f->now, NULL), CD_OK);
        }
}

static void lesson_9_a_flood_of_made_up_names_evicts_no_account(void **state)
{
        struct fixture *f = *state;
        char name[32];

        fail_times(f, account("ana"), ACCOUNT_ATTEMPTS);
        for (int i = 0; i < 10 * CD_LOCKOUT_NAMES; i++) {
                snprintf(name, sizeof(name), "nobody%d", i);
                assert_int_equal(attempt(f, made_up(name), CD_LOCKOUT_WRONG), 0);
        }
        assert_int_equal(attempt(f, account("ana"), CD_LOCKOUT_WRONG), DELAY);
        /* One that was tried often outlasts the flood too. */
        fail_times(f, made_up("often"), ACCOUNT_ATTEMPTS);
        for (int i = 0; i < 4 * CD_LOCKOUT_NAMES; i++) {
                snprintf(name, sizeof(name), "noone%d", i);
                assert_int_equal(attempt(f, made_up(name), CD_LOCKOUT_WRONG), 0);
        }
        assert_int_equal(attempt(f, made_up("often"), CD_LOCKOUT_WRONG), DELAY);
}

static void a_made_up_name_waits_like_an_account(void **state)
{
        struct fixture *f = *state;

        fail_times(f, made_up("nobody"), ACCOUNT_ATTEMPTS);
        assert_int_equal(attempt(f, made_up("nobody"), CD_LOCKOUT_WRONG), DELAY);
        /* And the account of that name, made later, begins anew. */
        assert_int_equal(attempt(f, account("nobody"), CD_LOCKOUT_RIGHT), 0);
}

static struct cd_lockout_subject client(const char *id, const char *from)
{
        return (struct cd_lockout_subject){ .kind = CD_LOCKOUT_CLIENT,
                                            .key = cd_str_from_c(from),
                                            .client = cd_str_from_c(id) };
}

/* A wrong secret, whether it was judged or not: the seconds to wait where it was not, else 0. */
static int64_t wrong_secret(struct fixture *f, struct cd_lockout_subject subject, bool *ret_locks)
{
        struct cd_error err = { 0 };

        *ret_locks = false;
        if (cd_lockout_check(f->lockout, &subject, f->now, &err) == CD_OK) {
                *ret_locks = cd_lockout_count(f->lockout, &subject, f->now);
                return 0;
        }
        assert_status(err.status, CD_THROTTLED);
        assert_true(err.retry_after > 0);
        return err.retry_after;
}

/* Wrong secrets until the client has to wait, which is after so many. */
static void lock_client(struct fixture *f, struct cd_lockout_subject subject, int times)
{
        for (int i = 1; i <= times; i++) {
                bool locks;
                assert_int_equal(wrong_secret(f, subject, &locks), 0);
                assert_int_equal(locks, i == times);
        }
}

static void assert_waits(struct fixture *f, struct cd_lockout_subject subject, int64_t seconds)
{
        bool locks;

        assert_int_equal(wrong_secret(f, subject, &locks), seconds);
        assert_false(locks);
}

static struct cd_lockout_subject token_from(const char *address)
{
        return (struct cd_lockout_subject){ .kind = CD_LOCKOUT_TOKEN, .key = cd_str_from_c(address) };
}

static void lesson_14_wrong_tokens_make_their_address_wait_and_no_other(void **state)
{
        struct fixture *f = *state;
        bool locks;

        lock_client(f, token_from("2001:db8::1"), ADDRESS_ATTEMPTS);
        assert_waits(f, token_from("2001:db8::2"), DELAY); /* of one /64 */
        assert_int_equal(wrong_secret(f, token_from("2001:db8:0:1::1"), &locks), 0);
        /* Passwords and client secrets from there are another affair. */
        assert_int_equal(attempt(f, address("2001:db8::1"), CD_LOCKOUT_RIGHT), 0);
        assert_int_equal(wrong_secret(f, client("app", "2001:db8::1"), &locks), 0);
        assert_false(cd_lockout_locks_clients(f->lockout));
        f->now += DELAY;
        assert_int_equal(wrong_secret(f, token_from("2001:db8::1"), &locks), 0);
        assert_true(locks);
}

static void lesson_34_tokens_from_no_known_address_share_no_counter(void **state)
{
        struct fixture *f = *state;
        bool locks;

        for (int i = 0; i < 2 * ADDRESS_ATTEMPTS; i++) {
                assert_int_equal(wrong_secret(f, token_from(""), &locks), 0);
                assert_false(locks);
        }
}

static void lesson_14_wrong_secrets_make_a_client_wait_at_that_address(void **state)
{
        struct fixture *f = *state;

        assert_false(cd_lockout_locks_clients(f->lockout));
        lock_client(f, client("app", "192.0.2.1"), ACCOUNT_ATTEMPTS);
        assert_true(cd_lockout_locks_clients(f->lockout));
        assert_waits(f, client("app", "192.0.2.1"), DELAY);
        f->now += DELAY - 1;
        assert_waits(f, client("app", "192.0.2.1"), 1);
        assert_waits(f, client("app", "192.0.2.2"), 0);
        assert_waits(f, client("other", "192.0.2.1"), 0);
        f->now++;
        for (int64_t delay = 2 * DELAY; delay <= 2 * MAX_DELAY; delay *= 2) {
                lock_client(f, client("app", "192.0.2.1"), 1);
                assert_waits(f, client("app", "192.0.2.1"), delay < MAX_DELAY ? delay : MAX_DELAY);
                f->now += delay < MAX_DELAY ? delay : MAX_DELAY;
        }
}

static void once_no_client_has_to_wait_any_more_none_is_looked_for(void **state)
{
        struct fixture *f = *state;
        struct cd_lockout_subject one = client("app", "192.0.2.1"), other = client("other", "192.0.2.1");

        lock_client(f, one, ACCOUNT_ATTEMPTS);
        f->now++;
        lock_client(f, other, ACCOUNT_ATTEMPTS);
        f->now += DELAY - 1;
        assert_status(cd_lockout_check(f->lockout, &one, f->now, NULL), CD_OK);
        assert_true(cd_lockout_locks_clients(f->lockout)); /* the other one */
        f->now++;
        assert_status(cd_lockout_check(f->lockout, &one, f->now, NULL), CD_OK);
        assert_false(cd_lockout_locks_clients(f->lockout));
}

static void a_wrong_secret_that_was_judged_too_late_counts_no_more(void **state)
{
        struct fixture *f = *state;
        struct cd_lockout_subject app = client("app", "192.0.2.1");

        lock_client(f, app, ACCOUNT_ATTEMPTS);
        for (int i = 0; i < 10; i++)
                assert_false(cd_lockout_count(f->lockout, &app, f->now));
        assert_waits(f, app, DELAY);
}

static void a_client_counts_by_the_64_bits_of_ipv6_and_by_ipv4(void **state)
{
        struct fixture *f = *state;
        static const char *const same[] = { "2001:db8::1", "2001:db8:0:0:ffff::", "2001:DB8::2" };
        bool locks;

        for (size_t i = 0; i < ACCOUNT_ATTEMPTS; i++)
                assert_int_equal(wrong_secret(f, client("app", same[i]), &locks), 0);
        assert_true(locks);
        assert_waits(f, client("app", "2001:db8::9"), DELAY);
        assert_waits(f, client("app", "2001:db8:0:1::9"), 0);
        lock_client(f, client("app", "192.0.2.1"), ACCOUNT_ATTEMPTS);
        assert_waits(f, client("app", "::ffff:192.0.2.1"), DELAY);
}

static void a_client_is_no_client_and_address_run_together(void **state)
{
        struct fixture *f = *state;

        lock_client(f, client("ab", "c"), ACCOUNT_ATTEMPTS);
        assert_waits(f, client("b", "ca"), 0);
        assert_waits(f, client("", "cab"), 0);
        assert_waits(f, client("c", "ab"), 0);
}

/* Otherwise an address that nobody can read would be a way around. */
static void without_an_address_the_clients_counter_holds(void **state)
{
        struct fixture *f = *state;

        lock_client(f, client("app", ""), ACCOUNT_ATTEMPTS);
        assert_waits(f, client("app", ""), DELAY);
        assert_waits(f, client("other", ""), 0);
        assert_waits(f, client("app", "192.0.2.1"), 0);
}

/* More addresses than there are slots, each of which has to wait. */
static void lesson_9_a_flood_of_addresses_evicts_no_client_that_has_to_wait(void **state)
{
        struct fixture *f = *state;
        size_t uncounted = 0;
        char from[32];

        lock_client(f, client("app", "192.0.2.1"), ACCOUNT_ATTEMPTS);
        for (unsigned i = 0; i < 2 * CD_LOCKOUT_CLIENTS; i++) {
                bool locks = false;
                snprintf(from, sizeof(from), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
                for (int k = 0; k < ACCOUNT_ATTEMPTS; k++)
                        assert_int_equal(wrong_secret(f, client("app", from), &locks), 0);
                uncounted += !locks;
        }
        assert_waits(f, client("app", "192.0.2.1"), DELAY);
        /* Callers that find no room are not locked with others, and are counted again when the flood is over. */
        assert_in_range(uncounted, CD_LOCKOUT_CLIENTS, 2 * CD_LOCKOUT_CLIENTS);
        assert_waits(f, client("app", from), 0);
        f->now += DELAY;
        lock_client(f, client("late", "192.0.2.2"), ACCOUNT_ATTEMPTS);
}

static void a_clock_that_is_set_back_locks_no_client_for_longer(void **state)
{
        struct fixture *f = *state;
        struct cd_lockout_subject app = client("app", "192.0.2.1");

        lock_client(f, app, ACCOUNT_ATTEMPTS);
        f->now -= 1000000;
        assert_waits(f, app, 0); /* it is judged, and the counter has the new time */
        assert_waits(f, app, DELAY);
        f->now += DELAY;
        lock_client(f, app, 1);
}

struct guesses {
        struct fixture *f;
        atomic_int locks;
};

static void *guess_secrets(void *arg)
{
        struct guesses *g = arg;
        struct cd_lockout_subject app = client("app", "192.0.2.1");

        for (int i = 0; i < 1000; i++)
                if (cd_lockout_check(g->f->lockout, &app, NOON, NULL) == CD_OK)
                        atomic_fetch_add(&g->locks, cd_lockout_count(g->f->lockout, &app, NOON));
        return NULL;
}

static void of_many_threads_one_is_told_that_a_client_has_to_wait(void **state)
{
        struct guesses g = { .f = *state };
        pthread_t threads[8];

        for (size_t i = 0; i < CD_LEN(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, guess_secrets, &g), 0);
        for (size_t i = 0; i < CD_LEN(threads); i++)
                pthread_join(threads[i], NULL);
        assert_int_equal(g.locks, 1);
        assert_waits(g.f, client("app", "192.0.2.1"), DELAY);
}

/* It ends after one that began after it. */
static void an_attempt_that_takes_long_moves_no_later_failure_back(void **state)
{
        struct fixture *f = *state;
        const struct cd_lockout_subject ana = account("ana");

        fail_times(f, ana, ACCOUNT_ATTEMPTS - 2);
        assert_status(cd_lockout_begin(f->lockout, &ana, NOON, NULL), CD_OK);
        f->now = NOON + 2;
        fail_times(f, ana, 1);
        (void)cd_lockout_end(f->lockout, &ana, CD_LOCKOUT_WRONG, NOON);
        assert_int_equal(attempt(f, ana, CD_LOCKOUT_WRONG), DELAY);
}

static _Atomic(pthread_t) waiting; /* the thread that waits for others; 0: none */

int __real_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
        atomic_store(&waiting, pthread_self());
        return __real_pthread_cond_wait(cond, mutex);
}

static void *begin_at_noon(void *arg)
{
        struct fixture *f = arg;
        const struct cd_lockout_subject ana = account("ana");
        struct cd_error err = { 0 };

        cd_status status = cd_lockout_begin(f->lockout, &ana, NOON, &err);
        return (void *)(intptr_t)(status == CD_THROTTLED ? err.retry_after : -1);
}

/* The time that it brought is from before it waited: no clock was set back. */
static void an_attempt_that_waited_moves_no_later_failure_back(void **state)
{
        struct fixture *f = *state;
        const struct cd_lockout_subject ana = account("ana");
        pthread_t thread;
        void *retry_after;

        fail_times(f, ana, ACCOUNT_ATTEMPTS - 1);
        assert_status(cd_lockout_begin(f->lockout, &ana, NOON, NULL), CD_OK);
        atomic_store(&waiting, (pthread_t)0);
        assert_int_equal(pthread_create(&thread, NULL, begin_at_noon, f), 0);
        while (!atomic_load(&waiting))
                usleep(100);
        (void)cd_lockout_end(f->lockout, &ana, CD_LOCKOUT_WRONG, NOON + 5);
        pthread_join(thread, &retry_after);
        assert_int_equal((intptr_t)retry_after, DELAY);
        f->now = NOON + 5 + DELAY - 1;
        assert_int_equal(attempt(f, ana, CD_LOCKOUT_WRONG), 1);
}

struct crowd {
        struct fixture *f;
        enum cd_lockout_outcome outcome;
        atomic_int judged, at_once, most;
};

static void *try_once(void *arg)
{
        struct crowd *crowd = arg;
        struct cd_lockout_subject subject = account("ana");

        if (cd_lockout_begin(crowd->f->lockout, &subject, NOON, NULL) != CD_OK)
                return NULL;
        int now = atomic_fetch_add(&crowd->at_once, 1) + 1, most = atomic_load(&crowd->most);
        while (now > most && !atomic_compare_exchange_weak(&crowd->most, &most, now))
                ;
        usleep(2000);
        atomic_fetch_add(&crowd->judged, 1);
        atomic_fetch_sub(&crowd->at_once, 1);
        (void)cd_lockout_end(crowd->f->lockout, &subject, crowd->outcome, NOON);
        return NULL;
}

static void run_crowd(struct crowd *crowd)
{
        pthread_t threads[50];

        for (size_t i = 0; i < CD_LEN(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, try_once, crowd), 0);
        for (size_t i = 0; i < CD_LEN(threads); i++)
                pthread_join(threads[i], NULL);
}

static void lesson_14_fifty_attempts_at_once_are_not_fifty_guesses(void **state)
{
        struct crowd crowd = { .f = *state, .outcome = CD_LOCKOUT_WRONG };

        run_crowd(&crowd);
        assert_int_equal(crowd.judged, ACCOUNT_ATTEMPTS);
}

static void fifty_right_passwords_at_once_all_pass(void **state)
{
        struct crowd crowd = { .f = *state, .outcome = CD_LOCKOUT_RIGHT };

        run_crowd(&crowd);
        assert_int_equal(crowd.judged, 50);
        assert_true(crowd.most <= ACCOUNT_ATTEMPTS);
}

static void lesson_31_no_lockout_without_randomness_or_memory(void **state)
{
        struct cd_lockout *lockout = NULL;
        struct cd_error err;

        (void)state;
        random_fails = true;
        assert_status(cd_lockout_new(&rules, &fixed, &lockout, &err), CD_UNAVAILABLE);
        random_fails = false;
        assert_string_equal(err.reason, "the random source failed");
        for (long n = 0; n < 5; n++) {
                callocs_left = n;
                cd_status status = cd_lockout_new(&rules, &fixed, &lockout, &err);
                callocs_left = -1;
                assert_status(status, CD_NO_MEMORY);
                assert_null(lockout);
        }
        cd_lockout_free(NULL);
}

static void rules_below_their_minimum_are_raised_to_it(void **state)
{
        struct fixture f = { .now = NOON };
        const struct cd_lockout_rules none = { 0, 0, 0, 0 };

        (void)state;
        assert_status(cd_lockout_new(&none, &fixed, &f.lockout, NULL), CD_OK);
        fail_times(&f, account("ana"), 1);
        assert_int_equal(attempt(&f, account("ana"), CD_LOCKOUT_WRONG), 1);
        cd_lockout_free(f.lockout);
}

static void other_rules_count_from_then_on_and_forget_nothing(void **state)
{
        struct fixture *f = *state;
        const struct cd_lockout_rules strict = { 1, 1, 10, 100 }, mild = { 5, 5, 1, 1 };
        struct cd_lockout_subject address = { .kind = CD_LOCKOUT_ADDRESS, .key = CD_STR("192.0.2.1") };

        fail_times(f, account("ana"), 1);
        fail_times(f, address, 1);
        cd_lockout_set_rules(f->lockout, &strict);
        assert_int_equal(attempt(f, account("ana"), CD_LOCKOUT_RIGHT), 10);
        assert_int_equal(attempt(f, address, CD_LOCKOUT_RIGHT), 10);
        assert_int_equal(cd_lockout_forgets_every(f->lockout), 100);
        cd_lockout_set_rules(f->lockout, &mild);
        assert_int_equal(attempt(f, account("ana"), CD_LOCKOUT_RIGHT), 0);
        assert_int_equal(attempt(f, address, CD_LOCKOUT_RIGHT), 0);
        assert_int_equal(cd_lockout_forgets_every(f->lockout), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(lesson_9_the_delay_doubles_up_to_its_most),
                TEST(a_refused_attempt_says_when_the_next_one_counts),
                TEST(other_rules_count_from_then_on_and_forget_nothing),
                TEST(a_wrong_attempt_says_that_its_subject_must_wait),
                TEST(a_right_attempt_says_that_it_ended_wrong_ones),
                TEST(failures_that_were_counted_elsewhere_are_told_only_with_a_wrong_attempt_here),
                TEST(lesson_15_a_check_says_what_begin_says),
                TEST(a_right_password_empties_the_counter_of_the_account),
                TEST(a_right_password_does_not_pay_for_guesses_from_its_address),
                TEST(an_attempt_without_an_answer_is_taken_back),
                TEST(a_failure_is_forgotten_after_each_longest_delay),
                TEST(what_another_node_saw_counts_too),
                TEST(what_the_store_has_not_forgotten_yet_was_ended_by_a_right_password),
                TEST(what_the_store_counted_after_a_clearing_counts),
                TEST(what_an_operator_cleared_counts_no_more),
                TEST(what_is_cleared_at_a_time_to_come_is_not_cleared),
                TEST(a_clock_that_is_set_back_locks_for_no_longer_than_the_delay),
                TEST(an_ipv6_address_counts_by_its_64_bits),
                TEST(an_ipv4_address_in_ipv6_is_the_ipv4_address),
                TEST(lesson_34_an_address_that_is_not_known_has_no_counter),
                TEST(lesson_9_a_flood_of_made_up_names_evicts_no_account),
                TEST(a_made_up_name_waits_like_an_account),
                TEST(lesson_14_wrong_secrets_make_a_client_wait_at_that_address),
                TEST(once_no_client_has_to_wait_any_more_none_is_looked_for),
                TEST(a_wrong_secret_that_was_judged_too_late_counts_no_more),
                TEST(a_client_counts_by_the_64_bits_of_ipv6_and_by_ipv4),
                TEST(a_client_is_no_client_and_address_run_together),
                TEST(without_an_address_the_clients_counter_holds),
                TEST(lesson_9_a_flood_of_addresses_evicts_no_client_that_has_to_wait),
                TEST(a_clock_that_is_set_back_locks_no_client_for_longer),
                TEST(of_many_threads_one_is_told_that_a_client_has_to_wait),
                TEST(lesson_14_wrong_tokens_make_their_address_wait_and_no_other),
                TEST(lesson_34_tokens_from_no_known_address_share_no_counter),
                TEST(an_attempt_that_takes_long_moves_no_later_failure_back),
                TEST(an_attempt_that_waited_moves_no_later_failure_back),
                TEST(lesson_14_fifty_attempts_at_once_are_not_fifty_guesses),
                TEST(fifty_right_passwords_at_once_all_pass),
                cmocka_unit_test(lesson_31_no_lockout_without_randomness_or_memory),
                cmocka_unit_test(rules_below_their_minimum_are_raised_to_it),
        };
        return cmocka_run_group_tests_name("lockout", tests, NULL, NULL);
}
