/* Keys, MACs and SHA-256 are shared by threads without a lock of the caller's. Run under -Db_sanitize=thread it shows
 * races. */
#include "fixture.h"

#include <pthread.h>

#include "crypto/mac.h"

enum {
        THREADS = 24, /* more than there are slots, so that contexts are also made and freed */
        ROUNDS = 40,
};

struct shared {
        struct fixture *fixture;
        struct cd_mac *mac;
        pthread_barrier_t start;
        atomic_int faults;
};

static bool round_of_all(struct shared *shared, struct cd_arena *arena, int thread, int round)
{
        struct fixture *f = shared->fixture;
        struct cd_jwk *keys[] = { f->es256, f->rs256, f->eddsa };
        unsigned char a[CD_MAC_SIZE], b[CD_MAC_SIZE];
        char text[64];
        cd_str token;
        struct cd_jws jws;

        int len = snprintf(text, sizeof(text), "{\"thread\":%d,\"round\":%d}", thread, round);
        cd_str payload = cd_str_of(text, (size_t)len);
        for (size_t i = 0; i < CD_LEN(keys); i++) {
                struct cd_jwk *key = cd_jwk_ref(keys[i]);
                bool good = cd_jws_sign(arena, key, CD_STR("at+jwt"), payload, &token, NULL) == CD_OK &&
                            cd_jws_verify(arena, &f->keys, token, &jws, NULL) == CD_OK &&
                            cd_str_eq(jws.payload, payload);
                cd_jwk_unref(key);
                if (!good)
                        return false;
        }
        return cd_mac_sum(shared->mac, payload, a) == CD_OK && cd_mac_sum(shared->mac, payload, b) == CD_OK &&
               memcmp(a, b, sizeof(a)) == 0 && cd_sha256(payload, a) == CD_OK && cd_sha256(payload, b) == CD_OK &&
               memcmp(a, b, sizeof(a)) == 0;
}

static void *work(void *argument)
{
        struct shared *shared = argument;
        struct cd_arena arena;
        int thread = (int)(uintptr_t)&arena;

        cd_arena_init(&arena, 65536);
        pthread_barrier_wait(&shared->start);
        for (int i = 0; i < ROUNDS; i++) {
                if (!round_of_all(shared, &arena, thread, i))
                        atomic_fetch_add(&shared->faults, 1);
                cd_arena_reset(&arena);
        }
        cd_arena_done(&arena);
        return NULL;
}

static void keys_and_macs_are_shared_by_threads(void **state)
{
        struct shared shared = { .fixture = *state, .mac = cd_mac_new(CD_STR("a key")) };
        pthread_t threads[THREADS];

        assert_non_null(shared.mac);
        pthread_barrier_init(&shared.start, NULL, THREADS);
        for (int i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, work, &shared), 0);
        for (int i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        pthread_barrier_destroy(&shared.start);
        assert_int_equal(atomic_load(&shared.faults), 0);
        cd_mac_free(shared.mac);
}

static void slots_give_each_item_to_one_taker(void **state)
{
        static struct cd_slots slots;
        char items[CD_SLOTS_COUNT + 1];

        (void)state;
        assert_null(cd_slots_take(&slots));
        for (size_t i = 0; i < CD_SLOTS_COUNT; i++)
                assert_true(cd_slots_give(&slots, &items[i]));
        assert_false(cd_slots_give(&slots, &items[CD_SLOTS_COUNT]));
        bool seen[CD_SLOTS_COUNT] = { false };
        for (size_t i = 0; i < CD_SLOTS_COUNT; i++) {
                char *item = cd_slots_take(&slots);
                assert_non_null(item);
                assert_false(seen[item - items]);
                seen[item - items] = true;
        }
        assert_null(cd_slots_take(&slots));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(slots_give_each_item_to_one_taker),
                cmocka_unit_test(keys_and_macs_are_shared_by_threads),
        };
        return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
