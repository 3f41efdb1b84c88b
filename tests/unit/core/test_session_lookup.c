#include "core/session_lookup.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "unit/core/factor_fixture.h"

struct fixture {
        struct factor_fixture *f;
        struct cd_revoked *revoked;
        struct cd_store_state state;
        struct cd_session_lookup lookup;
        struct cd_session session;
        struct cd_cookie_token token;
        struct cd_live_session found;
};

static int64_t uptime(const struct cd_clock *clock)
{
        (void)clock;
        return 1000;
}

static int set_up(void **state)
{
        static struct fixture t;
        const struct cd_strs groups = { (const cd_str[]){ CD_STR("admins"), CD_STR("staff") }, 2 };
        const struct cd_user_change change = { .name = CD_STR("ana"),
                                               .now = FACTOR_NOON,
                                               .display_name = CD_STR("Ana"),
                                               .email = CD_STR("ana@example.com"),
                                               .groups = &groups };
        void *fixture;

        assert_int_equal(factor_set_up(&fixture), 0);
        t = (struct fixture){ .f = fixture, .revoked = cd_revoked_new(100) };
        t.f->clock.uptime = uptime;
        const struct cd_session_cache_options options = { 1000, 1 << 20, &t.f->clock, t.revoked };
        t.f->sessions.cache = cd_session_cache_new(&options);
        assert_non_null(t.f->sessions.cache);
        cd_session_cache_fed(t.f->sessions.cache, 1000);
        t.lookup = (struct cd_session_lookup){ &t.f->sessions, &t.state };
        assert_status(t.f->store->users->update(t.f->store, &change, NULL, &t.f->err), CD_OK);
        t.f->ana = factor_find(t.f, "ana");
        const struct cd_session_params params = { .user = CD_STR("ana"),
                                                  .generation = t.f->ana.generation,
                                                  .factors = CD_FACTOR_PASSWORD | CD_FACTOR_TOTP,
                                                  .address = CD_STR("192.0.2.1"),
                                                  .idle_lifetime = 600,
                                                  .lifetime = 1500 };
        assert_status(cd_session_start(&t.f->sessions, &t.f->arena, &params, &t.session, &t.token, &t.f->err), CD_OK);
        *state = &t;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *t = *state;
        void *fixture = t->f;

        cd_session_cache_free(t->f->sessions.cache);
        cd_revoked_free(t->revoked);
        return factor_tear_down(&fixture);
}

static cd_status in_cache(struct fixture *t)
{
        t->found = (struct cd_live_session){ 0 };
        return cd_session_look_in_cache(&t->lookup, &t->f->arena, cd_cookie_text(&t->token), t->f->now, &t->found,
                                        &t->f->err);
}

static cd_status look_up(struct fixture *t)
{
        t->found = (struct cd_live_session){ 0 };
        return cd_session_look_up(&t->lookup, &t->f->arena, cd_cookie_text(&t->token), CD_STR("192.0.2.1"), &t->found,
                                  &t->f->err);
}

static void a_miss_is_read_once_and_then_found_in_memory(void **state)
{
        struct fixture *t = *state;
        struct cd_access_login login;

        assert_status(in_cache(t), CD_NOT_FOUND);
        assert_status(look_up(t), CD_OK);
        assert_status(in_cache(t), CD_OK);
        assert_str(t->found.user, "ana");
        assert_str(t->found.groups, "admins,staff");
        assert_str(t->found.display_name, "Ana");
        assert_str(t->found.email, "ana@example.com");
        assert_int_equal(t->found.factors, 2);
        assert_status(cd_live_session_login(&t->found, &t->f->arena, &login), CD_OK);
        assert_str(login.user, "ana");
        assert_int_equal(login.groups.count, 2);
        assert_str(login.groups.items[0], "admins");
        assert_str(login.groups.items[1], "staff");
        assert_int_equal(login.factors, 2);
        assert_int_equal(login.auth_time, FACTOR_NOON);
        t->found.groups = CD_STR("");
        assert_status(cd_live_session_login(&t->found, &t->f->arena, &login), CD_OK);
        assert_int_equal(login.groups.count, 0);
}

enum {
        HERD = 4
};

static const struct cd_session_ops *real_ops;
static atomic_int begun, asked;

/* Every thread has begun before the first read ends. */
static cd_status counted(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_session *ret,
                         struct cd_error *reterr)
{
        asked++;
        while (begun < HERD)
                sched_yield();
        return real_ops->find(store, arena, digest, ret, reterr);
}

static void *look_up_on_a_thread(void *arg)
{
        struct fixture *t = arg;
        struct cd_live_session found = { 0 };
        struct cd_arena arena;

        cd_arena_init(&arena, 65536);
        begun++;
        cd_status status = cd_session_look_up(&t->lookup, &arena, cd_cookie_text(&t->token), CD_STR(""), &found, NULL);
        bool is_right = status == CD_OK && cd_str_eq(found.user, CD_STR("ana"));
        cd_arena_done(&arena);
        return is_right ? NULL : arg;
}

static void requests_that_miss_together_read_the_store_once(void **state)
{
        struct fixture *t = *state;
        struct cd_session_ops ops = *t->f->store->sessions;
        pthread_t threads[HERD];

        real_ops = t->f->store->sessions;
        ops.find = counted;
        t->f->store->sessions = &ops;
        begun = asked = 0;
        for (int i = 0; i < HERD; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, look_up_on_a_thread, t), 0);
        for (int i = 0; i < HERD; i++) {
                void *failed;
                pthread_join(threads[i], &failed);
                assert_null(failed);
        }
        assert_int_equal(asked, 1);
        t->f->store->sessions = real_ops;
}

static cd_status never_asked(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_session *ret,
                             struct cd_error *reterr)
{
        (void)store, (void)arena, (void)digest, (void)ret, (void)reterr;
        fail_msg("the store was asked");
        return CD_INTERNAL;
}

static void garbage_is_refused_without_a_lookup(void **state)
{
        struct fixture *t = *state;
        struct cd_session_ops ops = *t->f->store->sessions;
        const struct cd_session_ops *real = t->f->store->sessions;

        ops.find = never_asked;
        t->f->store->sessions = &ops;
        t->token.text[5] = t->token.text[5] == 'A' ? 'B' : 'A';
        assert_status(in_cache(t), CD_INVALID_TOKEN);
        assert_status(look_up(t), CD_INVALID_TOKEN);
        t->f->store->sessions = real;
}

static void lesson_12_a_logout_here_holds_at_once(void **state)
{
        struct fixture *t = *state;

        assert_status(look_up(t), CD_OK);
        assert_status(cd_session_log_out(&t->f->sessions, &t->f->arena, &t->session, CD_STR(""), &t->f->err), CD_OK);
        assert_status(in_cache(t), CD_NOT_FOUND);
        assert_status(look_up(t), CD_NOT_FOUND);
}

static void lesson_12_the_id_before_a_rise_of_privilege_ends_at_once(void **state)
{
        struct fixture *t = *state;
        struct cd_cookie_token risen;
        struct cd_session session;

        assert_status(look_up(t), CD_OK);
        assert_status(cd_session_raise(&t->f->sessions, &t->f->arena, &t->session, CD_FACTOR_RECOVERY, &session, &risen,
                                       &t->f->err),
                      CD_OK);
        assert_status(in_cache(t), CD_NOT_FOUND);
        assert_status(look_up(t), CD_NOT_FOUND);
        t->token = risen;
        assert_status(look_up(t), CD_OK);
}

/* Another node disabled the user, and this one learns of it from the revocations. */
static void lesson_12_a_cookie_of_an_earlier_generation_is_refused(void **state)
{
        struct fixture *t = *state;
        const struct cd_user_change change = { .name = CD_STR("ana"), .now = FACTOR_NOON, .ends_sessions = true };
        struct cd_revocation_list list;

        assert_status(look_up(t), CD_OK);
        assert_status(t->f->store->users->update(t->f->store, &change, NULL, &t->f->err), CD_OK);
        assert_status(t->f->store->revocations->list(t->f->store, &t->f->arena, 0, 100, &list, &t->f->err), CD_OK);
        for (size_t i = 0; i < list.count; i++)
                assert_status(cd_revoked_add(t->revoked, &list.items[i]), CD_OK);
        assert_status(in_cache(t), CD_NOT_FOUND);
        assert_status(look_up(t), CD_NOT_FOUND);
        assert_int_equal(cd_session_cache_size(t->f->sessions.cache).sessions, 0);
}

static void once_a_minute_it_is_read_again_and_its_use_is_noted(void **state)
{
        struct fixture *t = *state;
        const struct cd_user_change change = { .name = CD_STR("ana"), .now = FACTOR_NOON, .email = CD_STR("a@x.org") };
        struct cd_session stored;

        assert_status(look_up(t), CD_OK);
        assert_status(t->f->store->users->update(t->f->store, &change, NULL, &t->f->err), CD_OK);
        t->f->now += 59;
        assert_status(in_cache(t), CD_OK);
        assert_str(t->found.email, "ana@example.com");
        t->f->now += 1;
        assert_status(in_cache(t), CD_NOT_FOUND);
        assert_status(in_cache(t), CD_OK); /* the others need not wait */
        assert_status(look_up(t), CD_OK);
        assert_str(t->found.email, "a@x.org");
        assert_status(cd_session_find(&t->f->sessions, &t->f->arena, cd_cookie_text(&t->token), &stored, &t->f->err),
                      CD_OK);
        assert_int_equal(stored.seen_at, FACTOR_NOON + 60);
        assert_int_equal(stored.expires_at, FACTOR_NOON + 660);
}

static cd_status silent(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_session *ret,
                        struct cd_error *reterr)
{
        (void)store, (void)arena, (void)digest, (void)ret;
        return cd_fail(reterr, CD_TIMEOUT, "the store does not answer");
}

static void a_cached_session_continues_without_the_store_until_it_expires(void **state)
{
        struct fixture *t = *state;
        struct cd_session_ops ops = *t->f->store->sessions;
        const struct cd_session_ops *real = t->f->store->sessions;

        assert_status(look_up(t), CD_OK);
        ops.find = silent;
        t->f->store->sessions = &ops;
        t->f->now += 60;
        assert_status(look_up(t), CD_OK); /* not known yet to be unavailable */
        t->state.is_unavailable = true;
        t->f->now = FACTOR_NOON + 599;
        assert_status(in_cache(t), CD_OK);
        assert_status(look_up(t), CD_OK);
        assert_str(t->found.user, "ana");
        t->f->now = FACTOR_NOON + 600;
        assert_status(in_cache(t), CD_NOT_FOUND);
        assert_status(look_up(t), CD_UNAVAILABLE);
        t->state.is_unavailable = false;
        assert_status(look_up(t), CD_TIMEOUT);
        assert_string_equal(t->f->err.reason, "the store does not answer");
        t->f->store->sessions = real;
}

static void a_failing_clock_finds_nobody(void **state)
{
        struct fixture *t = *state;

        t->f->now = -1;
        assert_status(look_up(t), CD_UNAVAILABLE);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_miss_is_read_once_and_then_found_in_memory),
                TEST(requests_that_miss_together_read_the_store_once),
                TEST(garbage_is_refused_without_a_lookup),
                TEST(lesson_12_a_logout_here_holds_at_once),
                TEST(lesson_12_the_id_before_a_rise_of_privilege_ends_at_once),
                TEST(lesson_12_a_cookie_of_an_earlier_generation_is_refused),
                TEST(once_a_minute_it_is_read_again_and_its_use_is_noted),
                TEST(a_cached_session_continues_without_the_store_until_it_expires),
                TEST(a_failing_clock_finds_nobody),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
