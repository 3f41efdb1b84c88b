#include "signin/tokens.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "signin/provider.h"
#include "signin/token_cache.h"
#include "support/memory_store.h"

#define MASTER "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

enum {
        NOON = 1795348800,
        LIFETIME = 3600, /* of the access tokens */
        ASKERS = 50,
};

enum behaviour {
        REFRESHES,
        REFUSES,     /* invalid_grant */
        IS_DOWN,     /* 503 */
        SENDS_SPACE, /* an access token that no header can carry */
        LOGS_IN,     /* somebody logs in while it works */
};

/* A provider that gives a new refresh token with each refresh, and accepts each once. */
struct fixture {
        struct cd_arena arena;
        struct cd_clock clock;
        struct cd_random random;
        _Atomic cd_time now;
        atomic_ullong next_random;
        struct cd_master_key *master;
        struct cd_store *store;
        struct cd_signin *nodes[2]; /* of two processes on one store */
        const struct cd_signin_provider *providers[2];
        enum behaviour behaviour;
        atomic_int calls, refreshes;
        pthread_mutex_t mutex;
        char refresh_token[32]; /* that it accepts */
        struct cd_error err;
};

static struct fixture *current;

static cd_time tell(const struct cd_clock *clock)
{
        (void)clock;
        return atomic_load(&current->now);
}

static cd_status fill(const struct cd_random *random, void *to, size_t size)
{
        (void)random;
        for (size_t i = 0; i < size; i++)
                ((unsigned char *)to)[i] =
                        (unsigned char)(atomic_fetch_add(&current->next_random, 1) * 0x9e3779b97f4a7c15u >> 56);
        return CD_OK;
}

static void wait_a_little(void)
{
        const struct timespec time = { .tv_nsec = 50 * 1000000 };

        nanosleep(&time, NULL);
}

static cd_status keep(struct fixture *f, const char *access, const char *refresh)
{
        const struct cd_signin_tokens tokens = {
                .access_token = cd_str_from_c(access),
                .refresh_token = cd_str_from_c(refresh),
                .expires_in = LIFETIME,
        };

        return cd_signin_token_keep(f->providers[0], CD_STR("ana"), &tokens, &f->err);
}

static void answer(struct cd_fetch_response *ret, int status, cd_str body)
{
        *ret = (struct cd_fetch_response){ .status = status, .content_type = CD_STR("application/json"), .body = body };
}

static cd_status serve(void *arg, const struct cd_fetch_request *request, struct cd_fetch_response *ret,
                       struct cd_error *reterr)
{
        struct fixture *f = arg;
        char expected[64];

        (void)reterr;
        atomic_fetch_add(&f->calls, 1);
        wait_a_little();
        if (f->behaviour == IS_DOWN) {
                answer(ret, 503, CD_STR("down"));
                return CD_OK;
        }
        if (f->behaviour == LOGS_IN) {
                f->behaviour = REFRESHES;
                assert_status(keep(f, "of-login", "rt-login"), CD_OK);
        }
        pthread_mutex_lock(&f->mutex);
        snprintf(expected, sizeof(expected), "refresh_token=%s&", f->refresh_token);
        bool is_right = f->behaviour != REFUSES &&
                        memmem(request->body.ptr, request->body.len, expected, strlen(expected)) != NULL;
        if (is_right) {
                int number = atomic_fetch_add(&f->refreshes, 1) + 1;
                snprintf(f->refresh_token, sizeof(f->refresh_token), "rt%d", number);
                answer(ret, 200,
                       cd_arena_printf(request->arena,
                                       "{\"access_token\":\"%sat%d\",\"refresh_token\":\"rt%d\",\"expires_in\":%d,"
                                       "\"token_type\":\"Bearer\"}",
                                       f->behaviour == SENDS_SPACE ? "a " : "", number, number, LIFETIME));
        } else {
                answer(ret, 400, CD_STR("{\"error\":\"invalid_grant\"}"));
        }
        pthread_mutex_unlock(&f->mutex);
        return CD_OK;
}

static void start_node(struct fixture *f, size_t index, bool keep_tokens, const struct cd_master_key *master)
{
        const struct cd_signin_provider_settings provider = {
                .name = CD_STR("osu"),
                .label = CD_STR("osu!"),
                .type = CD_SIGNIN_OSU,
                .client_id = CD_STR("7"),
                .client_secret = CD_STR("secret"),
                .authorization_endpoint = CD_STR("https://osu.example/authorize"),
                .token_endpoint = CD_STR("https://osu.example/token"),
                .userinfo_endpoint = CD_STR("https://osu.example/me"),
                .identity = { .subject = CD_STR("id") },
                .keep_tokens = keep_tokens,
                .max_in_flight = 16,
        };
        const struct cd_signin_settings settings = { &provider, 1, CD_STR("https://auth.example/_auth") };
        const struct cd_signin_services services = {
                .store = f->store,
                .master = master,
                .clock = &f->clock,
                .random = &f->random,
                .http = { .call = serve, .arg = f },
        };

        cd_signin_free(f->nodes[index]);
        assert_status(cd_signin_new(&settings, &services, &f->nodes[index], &f->err), CD_OK);
        f->providers[index] = cd_signin_at(f->nodes[index], 0);
}

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));
        struct cd_user ana = { .name = CD_STR("ana"), .password = CD_STR("$p"), .claims = CD_STR("{}") };
        const struct cd_provider_account account = { .provider = CD_STR("osu"),
                                                     .subject = CD_STR("2"),
                                                     .user = CD_STR("ana") };

        assert_non_null(f);
        current = f;
        f->now = NOON;
        f->clock.now = tell;
        f->random.fill = fill;
        pthread_mutex_init(&f->mutex, NULL);
        snprintf(f->refresh_token, sizeof(f->refresh_token), "rt0");
        cd_arena_init(&f->arena, 16 << 20);
        assert_status(cd_master_key_parse(CD_STR(MASTER), &f->random, &f->master, NULL), CD_OK);
        f->store = new_memory_store();
        assert_status(f->store->users->add(f->store, &(struct cd_users_page){ &ana, 1 }, NULL, &f->err), CD_OK);
        assert_status(f->store->provider_accounts->add(f->store, &account, NULL, &f->err), CD_OK);
        for (size_t i = 0; i < 2; i++)
                start_node(f, i, true, f->master);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        for (size_t i = 0; i < 2; i++)
                cd_signin_free(f->nodes[i]);
        f->store->free(f->store);
        cd_master_key_free(f->master);
        cd_arena_done(&f->arena);
        pthread_mutex_destroy(&f->mutex);
        free(f);
        return 0;
}

static cd_status ask(struct fixture *f, size_t node, struct cd_signin_token *ret)
{
        return cd_signin_token(f->providers[node], &f->arena, CD_STR("ana"), ret, &f->err);
}

static void gets(struct fixture *f, const char *access_token)
{
        struct cd_signin_token token;

        assert_status(ask(f, 0, &token), CD_OK);
        assert_str(token.access_token, access_token);
}

static void has_none(struct fixture *f)
{
        struct cd_signin_token token;

        assert_status(ask(f, 0, &token), CD_NOT_FOUND);
}

static bool is_cached(struct fixture *f, size_t node)
{
        struct cd_signin_token token;

        return cd_signin_token_cached(f->providers[node], &f->arena, CD_STR("ana"), &token);
}

static struct cd_provider_token row_of(struct fixture *f)
{
        struct cd_provider_token row = { 0 };

        assert_status(f->store->provider_tokens->find(f->store, &f->arena, CD_STR("ana"), CD_STR("osu"), &row, &f->err),
                      CD_OK);
        return row;
}

static bool has_row(struct fixture *f)
{
        struct cd_provider_token row;

        return f->store->provider_tokens->find(f->store, &f->arena, CD_STR("ana"), CD_STR("osu"), &row, NULL) == CD_OK;
}

/* ---- what is kept ---- */

static void lesson_28_the_tokens_of_a_login_are_sealed(void **state)
{
        struct fixture *f = *state;

        has_none(f);
        assert_false(is_cached(f, 0));
        assert_status(keep(f, "at0", "rt0"), CD_OK);
        struct cd_provider_token row = row_of(f);
        assert_true(cd_str_has_prefix(row.sealed, CD_STR("x1.")));
        assert_int_equal(row.expires_at, NOON + LIFETIME);
        assert_int_equal(row.updated_at, NOON);
        gets(f, "at0");
        assert_true(is_cached(f, 0));
        assert_false(is_cached(f, 1));
        assert_int_equal(f->calls, 0);

        /* Nobody else's row opens them. */
        row.user = CD_STR("bo");
        struct cd_user bo = { .name = CD_STR("bo"), .password = CD_STR("$p"), .claims = CD_STR("{}") };
        const struct cd_provider_account account = { .provider = CD_STR("osu"),
                                                     .subject = CD_STR("3"),
                                                     .user = CD_STR("bo") };
        assert_status(f->store->users->add(f->store, &(struct cd_users_page){ &bo, 1 }, NULL, &f->err), CD_OK);
        assert_status(f->store->provider_accounts->add(f->store, &account, NULL, &f->err), CD_OK);
        assert_status(f->store->provider_tokens->put(f->store, &row, &f->err), CD_OK);
        struct cd_signin_token token;
        assert_status(cd_signin_token(f->providers[0], &f->arena, CD_STR("bo"), &token, &f->err), CD_NOT_FOUND);
}

static void tokens_are_kept_only_where_the_settings_say_so(void **state)
{
        struct fixture *f = *state;

        start_node(f, 0, false, f->master);
        assert_status(keep(f, "at0", "rt0"), CD_OK);
        assert_false(has_row(f));
        has_none(f);
        assert_false(is_cached(f, 0));
}

static void a_token_that_no_header_can_carry_is_not_kept(void **state)
{
        struct fixture *f = *state;
        char longest[CD_SIGNIN_TOKEN_MAX + 2];

        assert_status(keep(f, "a b", "rt0"), CD_INVALID_REQUEST);
        assert_status(keep(f, "a\r\nX: b", "rt0"), CD_INVALID_REQUEST);
        assert_status(keep(f, "a\xc3\xa4", "rt0"), CD_INVALID_REQUEST);
        assert_status(keep(f, "", "rt0"), CD_INVALID_REQUEST);
        assert_status(keep(f, "at0", "r\nt"), CD_INVALID_REQUEST);
        memset(longest, 'a', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = '\0';
        assert_status(keep(f, longest, "rt0"), CD_INVALID_REQUEST);
        assert_status(keep(f, "at0", longest), CD_INVALID_REQUEST);
        assert_false(has_row(f));
        longest[CD_SIGNIN_TOKEN_MAX] = '\0';
        assert_status(keep(f, longest, longest), CD_OK);
        gets(f, longest);
        assert_null(strstr(f->err.reason, "aaa"));
}

static void another_master_key_means_to_log_in_again(void **state)
{
        struct fixture *f = *state;
        struct cd_master_key *other;

        assert_status(keep(f, "at0", "rt0"), CD_OK);
        assert_status(
                cd_master_key_parse(CD_STR("BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), &f->random, &other, NULL),
                CD_OK);
        start_node(f, 0, true, other);
        has_none(f);
        cd_master_key_free(other);
}

static void the_cache_is_looked_at_again_after_a_while(void **state)
{
        struct fixture *f = *state;

        assert_status(keep(f, "at0", "rt0"), CD_OK);
        gets(f, "at0");
        f->now = NOON + CD_SIGNIN_TOKEN_CACHED - 1;
        assert_true(is_cached(f, 0));
        f->now = NOON + CD_SIGNIN_TOKEN_CACHED;
        assert_false(is_cached(f, 0));
        gets(f, "at0");
        assert_true(is_cached(f, 0));
        assert_status(keep(f, "at1", "rt1"), CD_OK);
        assert_false(is_cached(f, 0));
        gets(f, "at1");
}

static void lesson_22_the_cache_is_bounded(void **state)
{
        struct fixture *f = *state;
        struct cd_signin_token_cache *cache = cd_signin_token_cache_new();
        const struct cd_signin_token token = { CD_STR("at0"), 0 };
        struct cd_signin_token found;
        char name[16];
        size_t count = 0;

        assert_non_null(cache);
        for (int i = 0; i < 5000; i++) {
                snprintf(name, sizeof(name), "u%d", i);
                cd_signin_token_cache_put(cache, cd_str_from_c(name), &token, NOON);
        }
        for (int i = 0; i < 5000; i++) {
                snprintf(name, sizeof(name), "u%d", i);
                count += cd_signin_token_cache_get(cache, &f->arena, cd_str_from_c(name), NOON - 1, &found);
        }
        assert_in_range(count, 500, 1024);
        cd_signin_token_cache_drop(cache, CD_STR("u4999"));
        assert_false(cd_signin_token_cache_get(cache, &f->arena, CD_STR("u4999"), NOON - 1, &found));
        cd_signin_token_cache_free(cache);
}

/* ---- refreshing ---- */

static void a_token_is_refreshed_shortly_before_its_end(void **state)
{
        struct fixture *f = *state;

        assert_status(keep(f, "at0", "rt0"), CD_OK);
        f->now = NOON + LIFETIME - CD_SIGNIN_TOKEN_MARGIN - 1;
        gets(f, "at0");
        assert_int_equal(f->calls, 0);
        f->now = NOON + LIFETIME - CD_SIGNIN_TOKEN_MARGIN;
        assert_false(is_cached(f, 0));
        gets(f, "at1");
        assert_int_equal(f->calls, 1);
        assert_int_equal(row_of(f).expires_at, f->now + LIFETIME);
        assert_int_equal(row_of(f).lease_ends_at, 0);
        f->now += LIFETIME;
        gets(f, "at2"); /* with the refresh token of the first refresh */
        assert_int_equal(f->refreshes, 2);
}

static void a_token_without_an_end_or_a_refresh_token_is_used_as_long_as_it_is_valid(void **state)
{
        struct fixture *f = *state;
        const struct cd_signin_tokens endless = { .access_token = CD_STR("gho_1") };

        assert_status(keep(f, "at0", ""), CD_OK);
        f->now = NOON + LIFETIME - 1;
        gets(f, "at0");
        assert_false(is_cached(f, 0));
        f->now = NOON + LIFETIME;
        has_none(f);
        assert_status(cd_signin_token_keep(f->providers[0], CD_STR("ana"), &endless, &f->err), CD_OK);
        f->now = NOON + 1000000;
        gets(f, "gho_1");
        assert_int_equal(f->calls, 0);
}

struct asker {
        pthread_t thread;
        struct fixture *f;
        size_t node;
        cd_status status;
        char token[32];
};

static void *ask_in_a_thread(void *arg)
{
        struct asker *asker = arg;
        struct cd_signin_token token = { 0 };
        struct cd_arena arena;
        struct cd_error err;

        cd_arena_init(&arena, 1 << 20);
        asker->status = cd_signin_token(asker->f->providers[asker->node], &arena, CD_STR("ana"), &token, &err);
        snprintf(asker->token, sizeof(asker->token), "%.*s", CD_STR_ARG(token.access_token));
        cd_arena_done(&arena);
        return NULL;
}

static void ask_at_once(struct fixture *f, size_t nodes, struct asker *askers)
{
        for (size_t i = 0; i < ASKERS; i++) {
                askers[i] = (struct asker){ .f = f, .node = i % nodes };
                assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_in_a_thread, &askers[i]), 0);
        }
        for (size_t i = 0; i < ASKERS; i++)
                assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
}

static void of_50_who_ask_at_once_one_refreshes(void **state)
{
        struct fixture *f = *state;

        for (size_t nodes = 1; nodes <= 2; nodes++) {
                struct asker askers[ASKERS];
                f->behaviour = REFRESHES;
                f->refreshes = 0;
                f->calls = 0;
                snprintf(f->refresh_token, sizeof(f->refresh_token), "rt0");
                assert_status(keep(f, "at0", "rt0"), CD_OK);
                f->now += 2 * LIFETIME;
                ask_at_once(f, nodes, askers);
                assert_int_equal(f->calls, 1);
                for (size_t i = 0; i < ASKERS; i++) {
                        assert_status(askers[i].status, CD_OK);
                        assert_string_equal(askers[i].token, "at1");
                }
        }
}

static void all_who_wait_get_the_failure_of_the_one_who_asked(void **state)
{
        struct fixture *f = *state;
        struct asker askers[ASKERS];

        assert_status(keep(f, "at0", "rt0"), CD_OK);
        f->now += LIFETIME;
        f->behaviour = IS_DOWN;
        ask_at_once(f, 1, askers);
        for (size_t i = 0; i < ASKERS; i++)
                assert_status(askers[i].status, CD_UNAVAILABLE);
        assert_in_range(f->calls, 1, ASKERS / 2);
}

static void a_provider_that_is_down_is_asked_again_later(void **state)
{
        struct fixture *f = *state;
        struct cd_signin_token token;

        assert_status(keep(f, "at0", "rt0"), CD_OK);
        f->behaviour = IS_DOWN;
        f->now = NOON + LIFETIME - 1;
        gets(f, "at0"); /* still valid */
        assert_int_equal(f->calls, 1);
        f->now = NOON + LIFETIME;
        assert_status(ask(f, 0, &token), CD_UNAVAILABLE);
        assert_int_equal(f->err.status, CD_UNAVAILABLE);
        assert_non_null(strstr(f->err.reason, "503"));
        assert_int_equal(row_of(f).lease_ends_at, 0);
        f->behaviour = REFRESHES;
        gets(f, "at1");
}

static void what_the_provider_refuses_means_to_log_in_again(void **state)
{
        struct fixture *f = *state;

        assert_status(keep(f, "at0", "rt0"), CD_OK);
        f->now = NOON + LIFETIME;
        f->behaviour = REFUSES;
        has_none(f);
        assert_false(has_row(f));
        has_none(f);
        assert_int_equal(f->calls, 1);
        f->behaviour = REFRESHES;
        assert_status(keep(f, "at5", "rt0"), CD_OK);
        gets(f, "at5");
}

static void an_odd_token_of_a_refresh_reaches_nobody(void **state)
{
        struct fixture *f = *state;
        struct cd_signin_token token;

        assert_status(keep(f, "at0", "rt0"), CD_OK);
        f->now = NOON + LIFETIME;
        f->behaviour = SENDS_SPACE;
        assert_status(ask(f, 0, &token), CD_UNAVAILABLE);
        assert_false(is_cached(f, 0));
}

/* ---- crashes, and a store that fails ---- */

/* What a process leaves that dies after it has taken the lease. */
static void leave_a_lease(struct fixture *f)
{
        struct cd_provider_token row = row_of(f);
        int64_t version;

        assert_status(f->store->provider_tokens->lease(f->store, &row, f->now, f->now + CD_SIGNIN_TOKEN_LEASE, &version,
                                                       &f->err),
                      CD_OK);
}

static void a_crash_before_the_provider_is_asked_costs_nothing(void **state)
{
        struct fixture *f = *state;

        assert_status(keep(f, "at0", "rt0"), CD_OK);
        f->now = NOON + LIFETIME - CD_SIGNIN_TOKEN_MARGIN;
        leave_a_lease(f);
        gets(f, "at0"); /* as long as it is valid, nobody waits */
        assert_int_equal(f->calls, 0);
        f->now += CD_SIGNIN_TOKEN_LEASE;
        gets(f, "at1"); /* with the old refresh token */
}

static void a_crash_after_the_provider_has_answered_is_the_providers_decision(void **state)
{
        struct fixture *f = *state;

        assert_status(keep(f, "at0", "rt0"), CD_OK);
        f->now = NOON + LIFETIME - CD_SIGNIN_TOKEN_MARGIN;
        leave_a_lease(f);
        snprintf(f->refresh_token, sizeof(f->refresh_token), "rt1"); /* the answer that was lost */
        f->now += CD_SIGNIN_TOKEN_LEASE;
        has_none(f);
        assert_int_equal(f->calls, 1);
        assert_false(has_row(f));
}

static void *finish_elsewhere(void *arg)
{
        struct fixture *f = arg;

        wait_a_little();
        wait_a_little();
        assert_status(keep(f, "elsewhere", "rt9"), CD_OK);
        return NULL;
}

static void a_process_that_waits_for_another_gets_its_token(void **state)
{
        struct fixture *f = *state;
        pthread_t thread;

        assert_status(keep(f, "at0", "rt0"), CD_OK);
        f->now = NOON + LIFETIME;
        leave_a_lease(f);
        assert_int_equal(pthread_create(&thread, NULL, finish_elsewhere, f), 0);
        struct cd_signin_token token;
        assert_status(ask(f, 1, &token), CD_OK);
        assert_str(token.access_token, "elsewhere");
        assert_int_equal(f->calls, 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
}

static void a_login_during_a_refresh_wins(void **state)
{
        struct fixture *f = *state;

        assert_status(keep(f, "at0", "rt0"), CD_OK);
        f->now = NOON + LIFETIME;
        f->behaviour = LOGS_IN;
        gets(f, "of-login");
        assert_int_equal(f->refreshes, 1);
}

static const struct cd_provider_token_ops *real;
static int failures_left;

static cd_status finish_later(struct cd_store *store, const struct cd_provider_token *token, struct cd_error *reterr)
{
        if (failures_left-- > 0)
                return cd_fail(reterr, CD_UNAVAILABLE, "the disk is full");
        return real->finish(store, token, reterr);
}

static void a_new_refresh_token_is_durable_before_the_access_token_is_used(void **state)
{
        struct fixture *f = *state;
        struct cd_signin_token token;

        real = f->store->provider_tokens;
        struct cd_provider_token_ops failing = *real;
        failing.finish = finish_later;
        f->store->provider_tokens = &failing;
        assert_status(keep(f, "at0", "rt0"), CD_OK);
        f->now = NOON + LIFETIME;
        failures_left = 2;
        gets(f, "at1"); /* it was written at the third attempt */
        assert_int_equal(failures_left, -1);
        assert_int_equal(f->calls, 1);

        f->now += LIFETIME;
        failures_left = 1000;
        assert_status(ask(f, 0, &token), CD_UNAVAILABLE);
        assert_false(is_cached(f, 0));
        assert_int_equal(f->refreshes, 2);
        f->store->provider_tokens = real;
}

static void lesson_31_without_a_clock_there_is_no_token(void **state)
{
        struct fixture *f = *state;
        struct cd_signin_token token;

        assert_status(keep(f, "at0", "rt0"), CD_OK);
        gets(f, "at0");
        f->now = -1;
        assert_status(ask(f, 0, &token), CD_UNAVAILABLE);
        assert_false(is_cached(f, 0));
        assert_status(keep(f, "at1", "rt1"), CD_UNAVAILABLE);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(lesson_28_the_tokens_of_a_login_are_sealed),
                TEST(tokens_are_kept_only_where_the_settings_say_so),
                TEST(a_token_that_no_header_can_carry_is_not_kept),
                TEST(another_master_key_means_to_log_in_again),
                TEST(the_cache_is_looked_at_again_after_a_while),
                TEST(lesson_22_the_cache_is_bounded),
                TEST(a_token_is_refreshed_shortly_before_its_end),
                TEST(a_token_without_an_end_or_a_refresh_token_is_used_as_long_as_it_is_valid),
                TEST(of_50_who_ask_at_once_one_refreshes),
                TEST(all_who_wait_get_the_failure_of_the_one_who_asked),
                TEST(a_provider_that_is_down_is_asked_again_later),
                TEST(what_the_provider_refuses_means_to_log_in_again),
                TEST(an_odd_token_of_a_refresh_reaches_nobody),
                TEST(a_crash_before_the_provider_is_asked_costs_nothing),
                TEST(a_crash_after_the_provider_has_answered_is_the_providers_decision),
                TEST(a_process_that_waits_for_another_gets_its_token),
                TEST(a_login_during_a_refresh_wins),
                TEST(a_new_refresh_token_is_durable_before_the_access_token_is_used),
                TEST(lesson_31_without_a_clock_there_is_no_token),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
