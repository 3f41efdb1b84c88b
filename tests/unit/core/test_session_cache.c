#include "core/session_cache.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "crypto/mac.h"
#include "support/check.h"

enum {
        NOON = 1795348800, /* 2026-11-22T12:00:00Z */
        FEED_LASTS = CD_SESSION_END_LASTS - CD_CLOCKS_DIFFER_MAX,
        MEASURED = 100000,
        THREADS = 4,
        MODELS = 64,
        ROUNDS = 20000,
};

struct fixture {
        struct cd_clock clock;
        int64_t uptime;
        struct cd_arena arena;
        struct cd_revoked *revoked;
        struct cd_session_cache *cache;
        struct cd_live_session found;
};

static int64_t tell_uptime(const struct cd_clock *clock)
{
        return ((const struct fixture *)(const void *)clock)->uptime;
}

static void make_cache(struct fixture *f, size_t sessions, size_t bytes)
{
        const struct cd_session_cache_options options = { sessions, bytes, &f->clock, f->revoked };

        cd_session_cache_free(f->cache);
        f->cache = cd_session_cache_new(&options);
        assert_non_null(f->cache);
        cd_session_cache_fed(f->cache, f->uptime);
}

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        f->clock.uptime = tell_uptime;
        f->uptime = 1000;
        cd_arena_init(&f->arena, 64 << 20);
        f->revoked = cd_revoked_new(1000);
        assert_non_null(f->revoked);
        make_cache(f, 4096, 4 << 20);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_session_cache_free(f->cache);
        cd_revoked_free(f->revoked);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

static struct cd_session_digest digest_of(uint64_t number)
{
        struct cd_session_digest digest;

        assert_status(cd_sha256(cd_str_of((const char *)&number, sizeof(number)), digest.bytes), CD_OK);
        return digest;
}

static const struct cd_live_session ana = {
        .user = CD_STR_INIT("ana"),
        .groups = CD_STR_INIT("admins,staff"),
        .display_name = CD_STR_INIT("Ana Müller"),
        .email = CD_STR_INIT("ana@example.com"),
        .factors = 2,
        .generation = 7,
        .auth_time = NOON - 50,
        .expires_at = NOON + 600,
};

static void put_as(struct fixture *f, uint64_t number, cd_time now, const struct cd_live_session *session)
{
        const struct cd_session_digest digest = digest_of(number);

        cd_session_cache_put(f->cache, &digest, cd_session_cache_ticket(f->cache, &digest), now, session);
}

static void put(struct fixture *f, uint64_t number)
{
        put_as(f, number, NOON, &ana);
}

static enum cd_session_cached find(struct fixture *f, uint64_t number, cd_time now)
{
        const struct cd_session_digest digest = digest_of(number);

        return cd_session_cache_find(f->cache, &digest, now, &f->arena, &f->found);
}

static void end(struct fixture *f, uint64_t number)
{
        const struct cd_session_digest digest = digest_of(number);
        char text[64];
        size_t len = cd_base64url_encode(text, cd_str_of((const char *)digest.bytes, sizeof(digest)));

        cd_session_cache_end(f->cache, cd_str_of(text, len));
}

static void all_of_a_session_is_found(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(find(f, 1, NOON), CD_SESSION_NOT_CACHED);
        put(f, 1);
        assert_int_equal(find(f, 2, NOON), CD_SESSION_NOT_CACHED);
        assert_int_equal(find(f, 1, NOON), CD_SESSION_CACHED);
        assert_str(f->found.user, "ana");
        assert_str(f->found.groups, "admins,staff");
        assert_str(f->found.display_name, "Ana Müller");
        assert_str(f->found.email, "ana@example.com");
        assert_int_equal(f->found.factors, 2);
        assert_int_equal(f->found.generation, 7);
        assert_int_equal(f->found.auth_time, NOON - 50);
        assert_int_equal(f->found.expires_at, NOON + 600);
}

static void a_later_reading_replaces_an_earlier_one(void **state)
{
        struct fixture *f = *state;
        struct cd_live_session bare = { .user = CD_STR("ana"), .generation = 7, .expires_at = NOON + 900 };

        put(f, 1);
        put_as(f, 1, NOON + 60, &bare);
        assert_int_equal(find(f, 1, NOON + 899), CD_SESSION_CACHED_OLD);
        assert_str(f->found.groups, "");
        assert_str(f->found.email, "");
        assert_int_equal(cd_session_cache_size(f->cache).sessions, 1);
}

static void a_session_is_used_until_it_expires(void **state)
{
        struct fixture *f = *state;

        put(f, 1);
        assert_int_not_equal(find(f, 1, NOON + 599), CD_SESSION_NOT_CACHED);
        assert_int_equal(find(f, 1, NOON + 600), CD_SESSION_NOT_CACHED);
        assert_int_equal(cd_session_cache_size(f->cache).sessions, 0);
        assert_int_equal(cd_session_cache_size(f->cache).bytes, 0);
}

static void one_caller_a_minute_is_told_to_read_again(void **state)
{
        struct fixture *f = *state;

        put(f, 1);
        assert_int_equal(find(f, 1, NOON + 59), CD_SESSION_CACHED);
        assert_int_equal(find(f, 1, NOON + 60), CD_SESSION_CACHED_OLD);
        assert_int_equal(find(f, 1, NOON + 60), CD_SESSION_CACHED);
        assert_int_equal(find(f, 1, NOON + 119), CD_SESSION_CACHED);
        assert_int_equal(find(f, 1, NOON + 120), CD_SESSION_CACHED_OLD);
}

/* Its revocation may be forgotten then. */
static void no_session_is_used_a_day_after_it_was_read(void **state)
{
        struct fixture *f = *state;
        struct cd_live_session month = ana;

        month.expires_at = NOON + 30 * 86400;
        put_as(f, 1, NOON, &month);
        assert_int_not_equal(find(f, 1, NOON + CD_TOKEN_LIFETIME_MAX), CD_SESSION_NOT_CACHED);
        assert_int_equal(find(f, 1, NOON + CD_TOKEN_LIFETIME_MAX + 1), CD_SESSION_NOT_CACHED);
}

static void lesson_12_an_ended_session_is_gone_at_once(void **state)
{
        struct fixture *f = *state;

        put(f, 1);
        put(f, 2);
        cd_session_cache_end(f->cache, CD_STR(""));
        cd_session_cache_end(f->cache, CD_STR("not-a-digest"));
        cd_session_cache_end(f->cache, CD_STR("!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!"));
        assert_int_equal(find(f, 1, NOON), CD_SESSION_CACHED);
        end(f, 1);
        assert_int_equal(find(f, 1, NOON), CD_SESSION_NOT_CACHED);
        assert_int_equal(find(f, 2, NOON), CD_SESSION_CACHED);
}

/* The worker read the session before it ended, and adds it afterwards. */
static void lesson_12_what_was_read_before_an_end_is_not_added_after_it(void **state)
{
        struct fixture *f = *state;
        const struct cd_session_digest digest = digest_of(1);

        uint64_t ticket = cd_session_cache_ticket(f->cache, &digest);
        end(f, 1);
        cd_session_cache_put(f->cache, &digest, ticket, NOON, &ana);
        assert_int_equal(find(f, 1, NOON), CD_SESSION_NOT_CACHED);

        ticket = cd_session_cache_ticket(f->cache, &digest);
        cd_session_cache_clear(f->cache);
        cd_session_cache_put(f->cache, &digest, ticket, NOON, &ana);
        assert_int_equal(find(f, 1, NOON), CD_SESSION_NOT_CACHED);

        ticket = cd_session_cache_ticket(f->cache, &digest);
        cd_session_cache_put(f->cache, &digest, ticket, NOON, &ana);
        assert_int_equal(find(f, 1, NOON), CD_SESSION_CACHED);
}

static void lesson_12_a_change_of_the_user_ends_earlier_generations(void **state)
{
        struct fixture *f = *state;
        const struct cd_revocation change = { .seq = 8, .user = CD_STR("ana"), .expires_at = NOON + 90000 };
        struct cd_live_session other = ana, later = ana;

        other.user = CD_STR("bo");
        later.generation = 8;
        put(f, 1);
        put_as(f, 2, NOON, &other);
        put_as(f, 3, NOON, &later);
        assert_status(cd_revoked_add(f->revoked, &change), CD_OK);
        assert_int_equal(find(f, 1, NOON), CD_SESSION_NOT_CACHED);
        assert_int_equal(find(f, 2, NOON), CD_SESSION_CACHED);
        assert_int_equal(find(f, 3, NOON), CD_SESSION_CACHED);
        cd_revoked_set_complete(f->revoked, false);
        assert_int_equal(find(f, 2, NOON), CD_SESSION_NOT_CACHED);
        cd_revoked_set_complete(f->revoked, true);
        assert_int_equal(find(f, 2, NOON), CD_SESSION_CACHED);
}

static void nothing_is_used_before_the_first_feed(void **state)
{
        struct fixture *f = *state;
        const struct cd_session_cache_options options = { 4096, 4 << 20, &f->clock, NULL };

        cd_session_cache_free(f->cache);
        f->cache = cd_session_cache_new(&options);
        put(f, 1);
        assert_int_equal(find(f, 1, NOON), CD_SESSION_NOT_CACHED);
        cd_session_cache_fed(f->cache, -1); /* the clock failed */
        assert_int_equal(find(f, 1, NOON), CD_SESSION_NOT_CACHED);
        cd_session_cache_fed(f->cache, f->uptime);
        assert_int_equal(find(f, 1, NOON), CD_SESSION_CACHED);
}

static void without_the_feed_the_cache_is_not_used(void **state)
{
        struct fixture *f = *state;

        put(f, 1);
        f->uptime += FEED_LASTS;
        assert_int_equal(find(f, 1, NOON), CD_SESSION_CACHED);
        f->uptime++;
        assert_int_equal(find(f, 1, NOON), CD_SESSION_NOT_CACHED);
        f->uptime = -1;
        assert_int_equal(find(f, 1, NOON), CD_SESSION_NOT_CACHED);
}

/* The rows of what ended meanwhile may be deleted already. */
static void after_a_gap_in_the_feed_the_cache_begins_anew(void **state)
{
        struct fixture *f = *state;

        put(f, 1);
        f->uptime += FEED_LASTS;
        cd_session_cache_fed(f->cache, f->uptime);
        assert_int_equal(find(f, 1, NOON), CD_SESSION_CACHED);
        f->uptime += FEED_LASTS + 1;
        cd_session_cache_fed(f->cache, f->uptime);
        assert_int_equal(find(f, 1, NOON), CD_SESSION_NOT_CACHED);
        assert_int_equal(cd_session_cache_size(f->cache).sessions, 0);
        put(f, 1);
        assert_int_equal(find(f, 1, NOON), CD_SESSION_CACHED);
}

static void it_is_bounded_in_number(void **state)
{
        struct fixture *f = *state;

        make_cache(f, 512, 4 << 20);
        for (uint64_t i = 0; i < 10000; i++)
                put_as(f, i, NOON + (cd_time)i / 100, &ana);
        struct cd_session_cache_size size = cd_session_cache_size(f->cache);
        assert_true(size.sessions <= 4 * 512 && size.sessions > 512);
        assert_int_not_equal(find(f, 9999, NOON + 100), CD_SESSION_NOT_CACHED); /* the newest is never the victim */
}

static void it_is_bounded_in_bytes(void **state)
{
        struct fixture *f = *state;

        make_cache(f, 4096, 256 * 1024);
        for (uint64_t i = 0; i < 4000; i++) {
                put(f, i);
                assert_true(cd_session_cache_size(f->cache).bytes <= 256 * 1024);
                assert_int_equal(find(f, i, NOON), CD_SESSION_CACHED);
        }
        assert_true(cd_session_cache_size(f->cache).bytes > 128 * 1024);
}

static void what_has_expired_is_swept(void **state)
{
        struct fixture *f = *state;
        struct cd_live_session later = ana;

        later.expires_at = NOON + 601;
        for (uint64_t i = 0; i < 100; i++)
                put_as(f, i, NOON, i % 2 ? &ana : &later);
        cd_session_cache_sweep(f->cache, NOON + 599, 4096);
        assert_int_equal(cd_session_cache_size(f->cache).sessions, 100);
        cd_session_cache_sweep(f->cache, NOON + 600, 4096);
        assert_int_equal(cd_session_cache_size(f->cache).sessions, 50);
        cd_session_cache_sweep(f->cache, NOON + 601, 4096);
        assert_int_equal(cd_session_cache_size(f->cache).sessions, 0);
}

static void what_no_user_can_have_is_not_cached(void **state)
{
        struct fixture *f = *state;
        struct cd_live_session large = ana;
        char *text = cd_arena_alloc(&f->arena, 65537);

        memset(text, 'a', 65537);
        large.groups = cd_str_of(text, 65536);
        put_as(f, 1, NOON, &large);
        assert_int_equal(find(f, 1, NOON), CD_SESSION_NOT_CACHED);
}

static size_t heap_in_use(void)
{
        struct mallinfo2 info = mallinfo2();

        return info.uordblks + info.hblkhd;
}

/* The table is mapped with room for twice as many sessions, and each slot is counted. */
static void a_session_costs_at_most_160_bytes(void **state)
{
        struct fixture *f = *state;

        make_cache(f, MEASURED, 64 << 20);
        size_t before = heap_in_use();
        for (uint64_t i = 0; i < MEASURED; i++)
                put(f, i);
        size_t sessions = cd_session_cache_size(f->cache).sessions, counted = cd_session_cache_size(f->cache).bytes;
        size_t each = (heap_in_use() - before) / sessions + 2 * sizeof(void *);
        print_message("%zu of %d sessions, %zu bytes each\n", sessions, MEASURED, each);
        assert_true(sessions > MEASURED * 98 / 100);
        assert_true(each <= 160);
        assert_true(counted / sessions + 2 * sizeof(void *) <= 160 && counted / sessions > 120);
}

/* ---- threads ---- */

/* What the store says: a session that has ended stays so. */
struct race {
        struct fixture *f;
        atomic_bool ended[MODELS];
        atomic_int next;
        atomic_int wrong;
};

static void *read_and_end(void *arg)
{
        struct race *race = arg;
        struct cd_session_cache *cache = race->f->cache;
        int self = atomic_fetch_add(&race->next, 1);
        struct cd_live_session found;
        struct cd_arena arena;

        cd_arena_init(&arena, 1 << 20);
        for (int i = 0; i < ROUNDS; i++) {
                size_t model = (size_t)(i * 7 + self) % MODELS;
                const struct cd_session_digest digest = digest_of(model);
                uint64_t ticket = cd_session_cache_ticket(cache, &digest);

                if (!race->ended[model])
                        cd_session_cache_put(cache, &digest, ticket, NOON, &ana);
                bool had_ended = i > ROUNDS / 2;
                if (had_ended && self == 0) {
                        race->ended[model] = true;
                        cd_session_cache_drop(cache, &digest);
                        if (cd_session_cache_find(cache, &digest, NOON, &arena, &found) != CD_SESSION_NOT_CACHED)
                                race->wrong++;
                } else if (cd_session_cache_find(cache, &digest, NOON, &arena, &found) != CD_SESSION_NOT_CACHED &&
                           !cd_str_eq(found.email, ana.email)) {
                        race->wrong++;
                }
                if (self == 1)
                        cd_session_cache_sweep(cache, NOON, 1);
                cd_session_cache_fed(cache, race->f->uptime);
                cd_arena_reset(&arena);
        }
        cd_arena_done(&arena);
        return NULL;
}

static void threads_never_bring_back_what_has_ended(void **state)
{
        struct fixture *f = *state;
        struct race *race = calloc(1, sizeof(*race));
        pthread_t threads[THREADS];

        race->f = f;
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, read_and_end, race), 0);
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(race->wrong, 0);
        for (uint64_t i = 0; i < MODELS; i++)
                assert_int_equal(find(f, i, NOON), race->ended[i] ? CD_SESSION_NOT_CACHED : CD_SESSION_CACHED);
        assert_true(race->ended[0]);
        free(race);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(all_of_a_session_is_found),
                TEST(a_later_reading_replaces_an_earlier_one),
                TEST(a_session_is_used_until_it_expires),
                TEST(one_caller_a_minute_is_told_to_read_again),
                TEST(no_session_is_used_a_day_after_it_was_read),
                TEST(lesson_12_an_ended_session_is_gone_at_once),
                TEST(lesson_12_what_was_read_before_an_end_is_not_added_after_it),
                TEST(lesson_12_a_change_of_the_user_ends_earlier_generations),
                TEST(nothing_is_used_before_the_first_feed),
                TEST(without_the_feed_the_cache_is_not_used),
                TEST(after_a_gap_in_the_feed_the_cache_begins_anew),
                TEST(it_is_bounded_in_number),
                TEST(it_is_bounded_in_bytes),
                TEST(what_has_expired_is_swept),
                TEST(what_no_user_can_have_is_not_cached),
                TEST(a_session_costs_at_most_160_bytes),
                TEST(threads_never_bring_back_what_has_ended),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
