#include "contract/stage.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/blocking.h"
#include "base/clock.h"

static cd_str put_if_absent(struct stage *s, const char *name, const char *value)
{
        cd_str there = { 0 };

        assert_status(s->store->put_if_absent(s->store, &s->arena, cd_str_from_c(name), cd_str_from_c(value), &there,
                                              &s->error),
                      CD_OK);
        return there;
}

static void a_value_that_is_put_once_stays(void **state)
{
        struct stage *s = *state;

        assert_str(put_if_absent(s, "a", "1"), "1");
        assert_str(put_if_absent(s, "a", "2"), "1");
        assert_str(put_if_absent(s, "A", "3"), "3");
        if (stage_reopen(s))
                assert_str(put_if_absent(s, "a", "4"), "1");
}

static void expiry_with_a_limit_of_0_deletes_nothing(void **state)
{
        struct stage *s = *state;
        const struct cd_session session = session_of(s, "old", "ana");
        const struct cd_store_expiry all = { .now = 1000, .audit_before = 1000 };
        size_t deleted = 1;

        assert_status(start_session(s, &session), CD_OK);
        assert_status(s->store->expire(s->store, &all, &deleted, &s->error), CD_OK);
        assert_int_equal(deleted, 0);
        assert_true(has_session(s, "old"));
}

static char kept_by[16][32];

static const char *put_own(struct stage *s, size_t number)
{
        struct cd_arena arena;
        struct cd_error error;
        cd_str there;
        char value[32];

        snprintf(value, sizeof(value), "of %zu", number);
        cd_arena_init(&arena, 1 << 16);
        cd_status status =
                s->store->put_if_absent(s->store, &arena, CD_STR("one"), cd_str_from_c(value), &there, &error);
        if (status == CD_OK)
                snprintf(kept_by[number], sizeof(kept_by[number]), "%.*s", CD_STR_ARG(there));
        cd_arena_done(&arena);
        return status == CD_OK ? NULL : "put_if_absent failed";
}

static void of_many_who_put_at_once_all_get_the_value_of_one(void **state)
{
        struct stage *s = *state;

        at_once(s, 16, put_own);
        for (size_t i = 1; i < 16; i++)
                assert_string_equal(kept_by[i], kept_by[0]);
        assert_str(put_if_absent(s, "one", "late"), kept_by[0]);
}

static void drain(struct stage *s)
{
        s->store->wait(s->store, 1);
}

static void a_wait_ends_by_its_time(void **state)
{
        struct stage *s = *state;

        int64_t longest = 0;
        for (int i = 0; i < 20 && longest < 95; i++) { /* it may end early, but not for ever */
                int64_t start = cd_monotonic_us();
                s->store->wait(s->store, 100);
                longest = milliseconds_since(start);
        }
        assert_in_range(longest, 95, 3000);
}

static const char *wait_or_change(struct stage *s, size_t number)
{
        struct cd_revocation revocation = { .jti = CD_STR("a"), .expires_at = 100 };
        struct cd_error error;

        if (number) {
                struct timespec a_moment = { .tv_nsec = 100000000 };
                nanosleep(&a_moment, NULL);
                return s->store->revocations->add(s->store, &revocation, &error) == CD_OK ? NULL : "not written";
        }
        int64_t start = cd_monotonic_us();
        s->store->wait(s->store, 20000);
        return milliseconds_since(start) < 1500 ? NULL : "the wait did not end with the change";
}

static void a_wait_ends_with_a_change(void **state)
{
        struct stage *s = *state;

        drain(s);
        at_once(s, 2, wait_or_change);
}

static const char *wait_or_wake(struct stage *s, size_t number)
{
        if (number) {
                struct timespec a_moment = { .tv_nsec = 100000000 };
                nanosleep(&a_moment, NULL);
                s->store->wake(s->store);
                return NULL;
        }
        int64_t start = cd_monotonic_us();
        s->store->wait(s->store, 20000);
        return milliseconds_since(start) < 1500 ? NULL : "the wait did not end with the wake";
}

static void a_wait_ends_with_a_wake(void **state)
{
        struct stage *s = *state;

        drain(s);
        at_once(s, 2, wait_or_wake);
}

static void a_wake_or_a_change_before_the_wait_counts(void **state)
{
        struct stage *s = *state;

        drain(s);
        int64_t start = cd_monotonic_us();
        s->store->wake(s->store);
        s->store->wait(s->store, 20000);
        add_revocation(s, "a", 100);
        s->store->wait(s->store, 20000);
        assert_in_range(milliseconds_since(start), 0, 3000);
}

static size_t expire(struct stage *s, cd_time now, cd_time audit_before, size_t limit)
{
        struct cd_store_expiry expiry = { .now = now, .audit_before = audit_before, .limit = limit };
        size_t deleted = SIZE_MAX;

        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        return deleted;
}

static void what_is_over_is_deleted_and_nothing_else(void **state)
{
        struct stage *s = *state;
        struct cd_session over = session_of(s, "over", "ana"), alive = session_of(s, "alive", "ana");

        assert_int_equal(count_events(s), 1); /* of the user, at 1000 */
        add_revocation(s, "over", 2000);
        add_revocation(s, "alive", 2001);
        over.expires_at = 2000;
        alive.expires_at = 2001;
        assert_status(start_session(s, &over), CD_OK);
        assert_status(start_session(s, &alive), CD_OK);

        assert_int_equal(expire(s, 1999, 1000, 100), 0);
        assert_int_equal(expire(s, 2000, 1000, 100), 2);
        assert_int_equal(get_revocations(s).count, 1);
        assert_str(get_revocations(s).items[0].jti, "alive");
        assert_false(has_session(s, "over"));
        assert_true(has_session(s, "alive"));
        assert_int_equal(count_events(s), 1);
        assert_int_equal(expire(s, 2000, 1001, 100), 1);
        assert_int_equal(count_events(s), 0);
        assert_true(has_user(s, "ana"));
}

static void a_key_is_deleted_a_month_after_its_end(void **state)
{
        struct stage *s = *state;
        struct cd_key_records keys;
        struct cd_key_addition open = { .key = { .kid = CD_STR("open"),
                                                 .alg = CD_STR("ES256"),
                                                 .sealed = CD_STR("s"),
                                                 .public_jwk = CD_STR("{}") } };
        struct cd_key_addition over = open;

        over.key.kid = CD_STR("over");
        over.key.verify_until = 5000;
        assert_status(s->store->keys->add(s->store, &open, NULL, &s->error), CD_OK);
        assert_status(s->store->keys->add(s->store, &over, NULL, &s->error), CD_OK);
        assert_int_equal(expire(s, 5000 + CD_KEY_RECORD_STAYS - 1, 0, 100), 0);
        int64_t before = get_versions(s).keys;
        assert_int_equal(expire(s, 5000 + CD_KEY_RECORD_STAYS, 0, 100), 1);
        assert_true(get_versions(s).keys > before);
        assert_status(s->store->keys->list(s->store, &s->arena, &keys, &s->error), CD_OK);
        assert_int_equal(keys.count, 1);
        assert_str(keys.items[0].kid, "open");
}

static void lesson_22_what_is_over_is_deleted_in_small_steps(void **state)
{
        struct stage *s = *state;
        char jti[16];
        size_t deleted = 0, step;

        for (int i = 0; i < 25; i++) {
                snprintf(jti, sizeof(jti), "t%d", i);
                add_revocation(s, jti, 100);
                struct cd_session session = some_session(jti, "ana");
                assert_status(start_session(s, &session), CD_OK);
                assert_status(s->store->audit->add(s->store, &an_event, &s->error), CD_OK);
        }
        add_revocation(s, "alive", 9999);
        assert_int_equal(expire(s, 200, 2000, 0), 0);
        while ((step = expire(s, 200, 2000, 10)) > 0) {
                assert_true(step <= 10);
                deleted += step;
        }
        assert_int_equal(deleted, 75);
        assert_int_equal(get_revocations(s).count, 1);
}

static void a_token_revoked_again_after_its_deletion_is_listed_anew(void **state)
{
        struct stage *s = *state;

        add_revocation(s, "a", 100);
        int64_t seen = get_revocations(s).items[0].seq;
        assert_int_equal(expire(s, 200, 0, 10), 1);
        add_revocation(s, "a", 300);
        assert_int_equal(get_revocations(s).count, 1);
        assert_true(get_revocations(s).items[0].seq > seen);
}

static void ids_are_not_used_again_after_a_deletion(void **state)
{
        struct stage *s = *state;
        struct cd_audit_events events;

        assert_status(s->store->audit->add(s->store, &an_event, &s->error), CD_OK);
        assert_status(s->store->audit->list(s->store, &s->arena, -1, 1, &events, &s->error), CD_OK);
        int64_t seen = events.items[0].id;
        assert_int_equal(expire(s, 200, 2000, 10), 1);
        stage_reopen(s);
        assert_status(s->store->audit->add(s->store, &an_event, &s->error), CD_OK);
        assert_status(s->store->audit->list(s->store, &s->arena, -1, 1, &events, &s->error), CD_OK);
        assert_true(events.items[0].id > seen);
}

/* A debug build catches a loop that blocks; the others let it. */
static void a_loop_that_calls_a_store_is_caught(void **state)
{
#ifdef NDEBUG
        (void)state;
        skip();
#else
        struct stage *s = *state;
        int how;

        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                struct cd_store_versions versions;
                fclose(stderr);
                signal(SIGABRT, SIG_DFL);
                cd_thread_set_role(CD_THREAD_LOOP);
                _exit(s->store->versions(s->store, &versions, &s->error) == CD_OK ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
#endif
}

int run_whole_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(a_value_that_is_put_once_stays),
                CONTRACT(expiry_with_a_limit_of_0_deletes_nothing),
                CONTRACT(of_many_who_put_at_once_all_get_the_value_of_one),
                CONTRACT(a_wait_ends_by_its_time),
                CONTRACT(a_wait_ends_with_a_change),
                CONTRACT(a_wait_ends_with_a_wake),
                CONTRACT(a_wake_or_a_change_before_the_wait_counts),
                CONTRACT(what_is_over_is_deleted_and_nothing_else),
                CONTRACT(a_key_is_deleted_a_month_after_its_end),
                CONTRACT(lesson_22_what_is_over_is_deleted_in_small_steps),
                CONTRACT(a_token_revoked_again_after_its_deletion_is_listed_anew),
                CONTRACT(ids_are_not_used_again_after_a_deletion),
                CONTRACT(a_loop_that_calls_a_store_is_caught),
        };

        return cmocka_run_group_tests_name("the whole store", tests, NULL, NULL);
}
