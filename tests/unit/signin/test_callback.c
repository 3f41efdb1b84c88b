/* The callback: what it must be, whose it is, and that it counts once. */
#include "unit/signin/fixture.h"

#include <pthread.h>
#include <string.h>

enum {
        THREADS = 50,
};

static enum cd_signin_failure end(struct signin_fixture *f, const struct cd_signin_callback *callback)
{
        struct cd_signin_result result;

        return signin_end(f, "github", callback, &result);
}

static void a_login_ends_where_it_was_asked_for(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        signin_add_user(f, "ana");
        assert_int_equal(signin_link(f, "github", "ana", &result), CD_SIGNIN_OK);
        assert_true(result.linked);
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_OK);
        assert_str(result.user.name, "ana");
        assert_str(result.return_to, "https://wiki.test/");
        assert_str(result.login, "Octocat");
        assert_str(result.subject, "583231");
        assert_false(result.linked);
        assert_false(result.created);
}

static void a_state_counts_once(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_started started = signin_start(f, "github");
        const struct cd_signin_callback callback = signin_back(&started);
        struct cd_signin_result result;

        assert_int_equal(end(f, &callback), CD_SIGNIN_NOT_ALLOWED);
        unsigned calls = f->calls;
        assert_int_equal(signin_end(f, "github", &callback, &result), CD_SIGNIN_USED);
        assert_str(result.return_to, "https://wiki.test/");
        assert_int_equal(f->calls, calls);
}

/* Whatever came with it. */
static void lesson_16_a_state_is_spent_before_it_is_judged(void **state)
{
        struct signin_fixture *f = *state;

        for (int i = 0; i < 4; i++) {
                const struct cd_signin_started started = signin_start(f, "github");
                struct cd_signin_callback callback = signin_back(&started);
                if (i % 2)
                        callback.code = (cd_str){ NULL, 0 };
                if (i / 2)
                        callback.error = CD_STR("access_denied");
                (void)end(f, &callback);
                const struct cd_signin_callback again = signin_back(&started);
                assert_int_equal(end(f, &again), CD_SIGNIN_USED);
        }
}

struct racer {
        struct signin_fixture *f;
        const struct cd_signin_callback *callback;
        pthread_barrier_t *barrier;
        enum cd_signin_failure failure;
};

static void *race(void *arg)
{
        struct racer *r = arg;
        struct cd_arena arena;
        struct cd_signin_result result;
        struct cd_error err;

        cd_arena_init(&arena, 1 << 20);
        pthread_barrier_wait(r->barrier);
        r->failure = cd_signin_finish(signin_provider(r->f, "github"), &arena, r->callback, &result, &err);
        cd_arena_done(&arena);
        return NULL;
}

/* Runs all of them at the same time. */
static void run(struct signin_fixture *f, const struct cd_signin_callback *callbacks, size_t different,
                struct racer racers[THREADS])
{
        pthread_barrier_t barrier;
        pthread_t threads[THREADS];

        pthread_barrier_init(&barrier, NULL, THREADS);
        for (size_t i = 0; i < THREADS; i++) {
                racers[i] = (struct racer){ f, &callbacks[i % different], &barrier, CD_SIGNIN_FAILURES };
                assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        for (size_t i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        pthread_barrier_destroy(&barrier);
}

static size_t count(const struct racer racers[THREADS], enum cd_signin_failure failure)
{
        size_t found = 0;

        for (size_t i = 0; i < THREADS; i++)
                found += racers[i].failure == failure;
        return found;
}

static void of_50_uses_of_one_state_one_counts(void **state)
{
        struct signin_fixture *f = *state;
        struct racer racers[THREADS];

        f->settings[0].max_in_flight = THREADS;
        signin_remake(f);
        const struct cd_signin_started started = signin_start(f, "github");
        const struct cd_signin_callback callback = signin_back(&started);
        run(f, &callback, 1, racers);
        assert_int_equal(count(racers, CD_SIGNIN_NOT_ALLOWED), 1);
        assert_int_equal(count(racers, CD_SIGNIN_USED), THREADS - 1);
        assert_int_equal(f->calls, 2); /* token, user */
}

/* The first login of one account in many tabs makes one user, as which all of them log in. */
static void of_50_first_logins_one_makes_the_user(void **state)
{
        static const cd_str subjects[] = { CD_STR_INIT("583231") };
        struct signin_fixture *f = *state;
        struct cd_signin_callback callbacks[THREADS];
        struct racer racers[THREADS];
        struct cd_users_page users;

        f->settings[0].max_in_flight = THREADS;
        f->settings[0].create = true;
        f->settings[0].scopes.count = 0;
        f->settings[0].allow.subjects = (struct cd_strs){ subjects, 1 };
        signin_remake(f);
        for (size_t i = 0; i < THREADS; i++) {
                const struct cd_signin_started started = signin_start(f, "github");
                callbacks[i] = signin_back(&started);
        }
        run(f, callbacks, THREADS, racers);
        assert_int_equal(count(racers, CD_SIGNIN_OK), THREADS);
        assert_status(f->store->users->list(f->store, &f->arena, CD_STR(""), 10, &users, &f->err), CD_OK);
        assert_int_equal(users.count, 1);
        assert_str(users.items[0].name, "github:octocat");
}

/* ---- whose it is ---- */

static void another_browsers_callback_is_none(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_started mine = signin_start(f, "github"), other = signin_start(f, "github");
        struct cd_signin_callback callback = signin_back(&mine);

        callback.cookie = CD_STR("");
        assert_int_equal(end(f, &callback), CD_SIGNIN_NO_STATE);
        callback.cookie = other.cookie;
        assert_int_equal(end(f, &callback), CD_SIGNIN_NO_STATE);
        callback.cookie = CD_STR("x1.AAAA");
        assert_int_equal(end(f, &callback), CD_SIGNIN_NO_STATE);
        callback.cookie = cd_str_slice(mine.cookie, 0, mine.cookie.len - 1);
        assert_int_equal(end(f, &callback), CD_SIGNIN_NO_STATE);
        callback = signin_back(&mine);
        callback.state = other.state;
        assert_int_equal(end(f, &callback), CD_SIGNIN_NO_STATE);
        callback.state = (cd_str){ NULL, 0 };
        assert_int_equal(end(f, &callback), CD_SIGNIN_NO_STATE);
        callback.state = CD_STR("state");
        assert_int_equal(end(f, &callback), CD_SIGNIN_NO_STATE);
        assert_int_equal(f->calls, 0);
        /* None of these has spent it. */
        callback = signin_back(&mine);
        assert_int_equal(end(f, &callback), CD_SIGNIN_NOT_ALLOWED);
}

/* RFC 9700 §4.4: the code of one provider never goes to another. */
static void a_state_for_one_provider_is_none_at_another(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_started started = signin_start(f, "github");
        const struct cd_signin_callback callback = signin_back(&started);
        struct cd_signin_result result;

        assert_int_equal(signin_end(f, "osu", &callback, &result), CD_SIGNIN_NO_STATE);
        assert_int_equal(f->calls, 0);
}

static void a_cookie_of_another_master_key_is_none(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_started started = signin_start(f, "github");
        const struct cd_signin_callback callback = signin_back(&started);
        struct cd_master_key *own = f->master, *other;

        assert_status(
                cd_master_key_parse(CD_STR("BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), &f->random, &other, NULL),
                CD_OK);
        f->services.master = other;
        signin_remake(f);
        assert_int_equal(end(f, &callback), CD_SIGNIN_NO_STATE);
        cd_master_key_free(other);
        f->services.master = own;
        signin_remake(f);
        assert_int_equal(end(f, &callback), CD_SIGNIN_NOT_ALLOWED);
}

static void a_state_lasts_for_10_minutes(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_started first = signin_start(f, "github"), second = signin_start(f, "github");
        struct cd_signin_callback callback = signin_back(&first);
        struct cd_signin_result result;

        f->now = SIGNIN_NOON + 599;
        assert_int_equal(end(f, &callback), CD_SIGNIN_NOT_ALLOWED);
        f->now = SIGNIN_NOON + 600;
        callback = signin_back(&second);
        assert_int_equal(signin_end(f, "github", &callback, &result), CD_SIGNIN_EXPIRED);
        assert_str(result.return_to, "https://wiki.test/");
        /* The used one has expired too: its row need not be kept for longer. */
        callback = signin_back(&first);
        assert_int_equal(end(f, &callback), CD_SIGNIN_EXPIRED);
}

static void an_account_is_linked_in_the_session_that_asked_for_it(void **state)
{
        static const struct {
                cd_str user, sid;
                enum cd_signin_failure failure;
        } sessions[] = {
                { CD_STR_INIT(""), CD_STR_INIT(""), CD_SIGNIN_WRONG_USER },
                { CD_STR_INIT("bo"), CD_STR_INIT("sid-1"), CD_SIGNIN_WRONG_USER },
                { CD_STR_INIT("ana"), CD_STR_INIT("sid-2"), CD_SIGNIN_WRONG_USER },
                { CD_STR_INIT("ana"), CD_STR_INIT(""), CD_SIGNIN_WRONG_USER },
                { CD_STR_INIT("ana"), CD_STR_INIT("sid-1"), CD_SIGNIN_OK },
        };
        struct signin_fixture *f = *state;
        const struct cd_signin_begin begin = { .link_user = CD_STR("ana"), .link_sid = CD_STR("sid-1") };

        signin_add_user(f, "ana");
        signin_add_user(f, "bo");
        for (size_t i = 0; i < CD_LEN(sessions); i++) {
                struct cd_signin_started started;
                assert_int_equal(cd_signin_begin(signin_provider(f, "github"), &f->arena, &begin, &started, &f->err),
                                 CD_SIGNIN_OK);
                struct cd_signin_callback callback = signin_back(&started);
                callback.session_user = sessions[i].user;
                callback.session_sid = sessions[i].sid;
                assert_int_equal(end(f, &callback), sessions[i].failure);
        }
}

/* ---- its parameters ---- */

static void parameters_that_contradict_each_other_are_refused(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_started started = signin_start(f, "github");
        struct cd_signin_callback callback = signin_back(&started);

        callback.repeated = true;
        assert_int_equal(end(f, &callback), CD_SIGNIN_MALFORMED);
        callback = signin_back(&started);
        callback.error = CD_STR("access_denied");
        assert_int_equal(end(f, &callback), CD_SIGNIN_MALFORMED);
        started = signin_start(f, "github");
        callback = signin_back(&started);
        callback.code = (cd_str){ NULL, 0 };
        assert_int_equal(end(f, &callback), CD_SIGNIN_MALFORMED);
        started = signin_start(f, "github");
        callback = signin_back(&started);
        callback.code = CD_STR("");
        assert_int_equal(end(f, &callback), CD_SIGNIN_MALFORMED);
        assert_int_equal(f->calls, 0);
}

static void every_parameter_has_a_limit(void **state)
{
        struct signin_fixture *f = *state;
        char text[CD_SIGNIN_CODE_MAX + 1];

        memset(text, 'a', sizeof(text));
        for (size_t i = 0; i < 5; i++)
                for (size_t beyond = 0; beyond < 2; beyond++) {
                        const struct cd_signin_started started = signin_start(f, "github");
                        struct cd_signin_callback callback = signin_back(&started);
                        cd_str *const all[] = { &callback.code, &callback.state, &callback.iss, &callback.error,
                                                &callback.error_description };
                        if (i == 3)
                                callback.code = (cd_str){ NULL, 0 };
                        *all[i] = cd_str_of(text, CD_SIGNIN_CODE_MAX + beyond);
                        enum cd_signin_failure failure = end(f, &callback);
                        if ((failure == CD_SIGNIN_MALFORMED) != (beyond == 1))
                                fail_msg("parameter %zu of %zu bytes: %d", i, CD_SIGNIN_CODE_MAX + beyond,
                                         (int)failure);
                }
}

static void an_error_of_the_provider_is_told_apart(void **state)
{
        static const struct {
                cd_str error;
                enum cd_signin_failure failure;
        } errors[] = {
                { CD_STR_INIT("access_denied"), CD_SIGNIN_DENIED },
                { CD_STR_INIT("server_error"), CD_SIGNIN_PROVIDER_DOWN },
                { CD_STR_INIT("temporarily_unavailable"), CD_SIGNIN_PROVIDER_DOWN },
                { CD_STR_INIT("redirect_uri_mismatch"), CD_SIGNIN_PROVIDER_ERROR },
                { CD_STR_INIT("application_suspended"), CD_SIGNIN_PROVIDER_ERROR },
                { CD_STR_INIT("<script>"), CD_SIGNIN_PROVIDER_ERROR },
        };
        struct signin_fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(errors); i++) {
                const struct cd_signin_started started = signin_start(f, "github");
                struct cd_signin_callback callback = signin_back(&started);
                callback.code = (cd_str){ NULL, 0 };
                callback.error = errors[i].error;
                callback.error_description = CD_STR("as it\x1b[31m says");
                assert_int_equal(end(f, &callback), errors[i].failure);
                assert_non_null(strstr(f->err.reason, "as it\\x1b[31m says"));
        }
        assert_int_equal(f->calls, 0);
}

/* RFC 9207. */
static void the_issuer_of_a_callback_is_compared(void **state)
{
        static const struct {
                const char *name, *iss;
                enum cd_signin_failure failure;
        } samples[] = {
                { "own", "https://own.test", CD_SIGNIN_NOT_ALLOWED },
                { "own", NULL, CD_SIGNIN_NOT_ALLOWED },
                { "own", "https://own.test/", CD_SIGNIN_PROVIDER_ERROR },
                { "own", "https://evil.test", CD_SIGNIN_PROVIDER_ERROR },
                { "own", "", CD_SIGNIN_PROVIDER_ERROR },
                { "github", "https://github.com", CD_SIGNIN_NOT_ALLOWED }, /* nothing to compare with */
        };
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        for (size_t i = 0; i < CD_LEN(samples); i++) {
                const struct cd_signin_started started = signin_start(f, samples[i].name);
                struct cd_signin_callback callback = signin_back(&started);
                if (samples[i].iss)
                        callback.iss = cd_str_from_c(samples[i].iss);
                unsigned calls = f->calls;
                if (signin_end(f, samples[i].name, &callback, &result) != samples[i].failure)
                        fail_msg("%s %s", samples[i].name, samples[i].iss);
                assert_int_equal(f->calls - calls, samples[i].failure == CD_SIGNIN_PROVIDER_ERROR ? 0 : 2);
        }
}

/* ---- limits and failures of the machine ---- */

static struct cd_signin_callback inner; /* of the login within the login */
static enum cd_signin_failure inner_failure;

static void log_in_within(struct signin_fixture *f)
{
        struct cd_signin_result result;
        struct cd_error err = { 0 };

        f->during = NULL;
        inner_failure = cd_signin_finish(signin_provider(f, "github"), &f->arena, &inner, &result, &err);
}

static void so_many_logins_are_under_way_and_no_more(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        for (size_t max = 1; max <= 2; max++) {
                f->settings[0].max_in_flight = max;
                signin_remake(f);
                const struct cd_signin_started started = signin_start(f, "github");
                inner = signin_back(&started);
                f->during = log_in_within;
                assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_NOT_ALLOWED);
                assert_int_equal(inner_failure, max == 1 ? CD_SIGNIN_BUSY : CD_SIGNIN_NOT_ALLOWED);
                /* One that had no turn has not spent its state. */
                assert_int_equal(end(f, &inner), max == 1 ? CD_SIGNIN_NOT_ALLOWED : CD_SIGNIN_USED);
        }
}

static void lesson_31_without_clock_or_memory_nobody_comes_in(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_started started = signin_start(f, "github");
        const struct cd_signin_callback callback = signin_back(&started);
        struct cd_signin_result result;
        struct cd_arena none;

        f->now = -1;
        assert_int_equal(end(f, &callback), CD_SIGNIN_UNAVAILABLE);
        f->now = SIGNIN_NOON;
        cd_arena_init(&none, 0);
        assert_int_equal(cd_signin_finish(signin_provider(f, "github"), &none, &callback, &result, &f->err),
                         CD_SIGNIN_UNAVAILABLE);
        cd_arena_done(&none);
}

static cd_status use_fails(struct cd_store *store, cd_str digest, cd_time expires_at, struct cd_error *reterr)
{
        (void)store;
        (void)digest;
        (void)expires_at;
        return cd_fail(reterr, CD_UNAVAILABLE, "the disk is full");
}

static void without_the_store_no_state_counts(void **state)
{
        static const struct cd_used_state_ops fails = { .use = use_fails };
        struct signin_fixture *f = *state;
        const struct cd_used_state_ops *own = f->store->used_states;
        const struct cd_signin_started started = signin_start(f, "github");
        const struct cd_signin_callback callback = signin_back(&started);

        f->store->used_states = &fails;
        assert_int_equal(end(f, &callback), CD_SIGNIN_UNAVAILABLE);
        assert_string_equal(f->err.reason, "the disk is full");
        assert_int_equal(f->calls, 0);
        f->store->used_states = own;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                SIGNIN_TEST(a_login_ends_where_it_was_asked_for),
                SIGNIN_TEST(a_state_counts_once),
                SIGNIN_TEST(lesson_16_a_state_is_spent_before_it_is_judged),
                SIGNIN_TEST(of_50_uses_of_one_state_one_counts),
                SIGNIN_TEST(of_50_first_logins_one_makes_the_user),
                SIGNIN_TEST(another_browsers_callback_is_none),
                SIGNIN_TEST(a_state_for_one_provider_is_none_at_another),
                SIGNIN_TEST(a_cookie_of_another_master_key_is_none),
                SIGNIN_TEST(a_state_lasts_for_10_minutes),
                SIGNIN_TEST(an_account_is_linked_in_the_session_that_asked_for_it),
                SIGNIN_TEST(parameters_that_contradict_each_other_are_refused),
                SIGNIN_TEST(every_parameter_has_a_limit),
                SIGNIN_TEST(an_error_of_the_provider_is_told_apart),
                SIGNIN_TEST(the_issuer_of_a_callback_is_compared),
                SIGNIN_TEST(so_many_logins_are_under_way_and_no_more),
                SIGNIN_TEST(lesson_31_without_clock_or_memory_nobody_comes_in),
                SIGNIN_TEST(without_the_store_no_state_counts),
        };

        return cmocka_run_group_tests_name("signin-callback", tests, NULL, NULL);
}
