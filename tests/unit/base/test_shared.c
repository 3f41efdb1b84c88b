#include "base/shared.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "support/check.h"

enum {
        READERS = 4,
        VERSIONS = 2000,
};

static atomic_int alive;
static bool memory_is_out, slot_is_out;
static void *last_allocated;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
        last_allocated = memory_is_out ? NULL : __real_malloc(size);
        return last_allocated;
}

int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
        return slot_is_out ? 12 : __real_pthread_setspecific(key, value);
}

struct pair {
        long a, b;
};

static void destroy(void *version)
{
        struct pair *pair = version;

        pair->a = pair->b = -1;
        atomic_fetch_sub(&alive, 1);
        free(pair);
}

static struct pair *make(long number)
{
        struct pair *pair = calloc(1, sizeof(*pair));

        assert_non_null(pair);
        *pair = (struct pair){ number, 2 * number };
        atomic_fetch_add(&alive, 1);
        return pair;
}

static void before_the_first_version_there_is_none(void **state)
{
        struct cd_shared *shared = cd_shared_new(destroy);

        (void)state;
        assert_null(cd_shared_get(shared));
        cd_shared_free(shared);
        cd_shared_free(NULL);
}

static void a_version_lives_until_its_reader_looks_again(void **state)
{
        struct cd_shared *shared = cd_shared_new(destroy);

        (void)state;
        assert_status(cd_shared_set(shared, make(1)), CD_OK);
        const struct pair *first = cd_shared_get(shared);
        assert_status(cd_shared_set(shared, make(2)), CD_OK);
        assert_int_equal(first->b, 2);
        assert_int_equal(atomic_load(&alive), 2);
        const struct pair *second = cd_shared_get(shared);
        assert_int_equal(second->a, 2);
        assert_int_equal(atomic_load(&alive), 1);
        assert_ptr_equal(cd_shared_get(shared), second);
        cd_shared_free(shared);
        assert_int_equal(atomic_load(&alive), 0);
}

static void a_version_that_nobody_saw_is_freed_at_once(void **state)
{
        struct cd_shared *shared = cd_shared_new(destroy);

        (void)state;
        for (int i = 1; i < 5; i++) {
                assert_status(cd_shared_set(shared, make(i)), CD_OK);
                assert_int_equal(atomic_load(&alive), 1);
        }
        cd_shared_free(shared);
        assert_int_equal(atomic_load(&alive), 0);
}

static void a_prepared_version_is_published_or_discarded(void **state)
{
        struct cd_shared *shared = cd_shared_new(destroy);

        (void)state;
        assert_status(cd_shared_set(shared, make(1)), CD_OK);
        struct cd_shared_version *second = cd_shared_prepare(shared, make(2)),
                                 *third = cd_shared_prepare(shared, make(3));
        assert_int_equal(((const struct pair *)cd_shared_get(shared))->a, 1);
        cd_shared_publish(shared, second);
        assert_int_equal(((const struct pair *)cd_shared_get(shared))->a, 2);
        cd_shared_discard(third);
        cd_shared_discard(NULL);
        assert_int_equal(atomic_load(&alive), 1);
        cd_shared_free(shared);
        assert_int_equal(atomic_load(&alive), 0);
}

static void a_version_that_is_held_outlives_its_reader_and_the_writer(void **state)
{
        struct cd_shared *shared = cd_shared_new(destroy);
        struct cd_shared_version *first, *second, *third;

        (void)state;
        assert_null(cd_shared_hold(shared, &first));
        assert_null(first);
        cd_shared_release(first);
        assert_status(cd_shared_set(shared, make(1)), CD_OK);
        const struct pair *one = cd_shared_hold(shared, &first); /* this thread has not looked yet */
        assert_status(cd_shared_set(shared, make(2)), CD_OK);
        assert_int_equal(((const struct pair *)cd_shared_get(shared))->a, 2);
        const struct pair *two = cd_shared_hold(shared, &second);
        assert_ptr_equal(cd_shared_hold(shared, &third), two);
        cd_shared_free(shared);
        assert_int_equal(one->b, 2);
        assert_int_equal(two->b, 4);
        cd_shared_release(first);
        cd_shared_release(second);
        assert_int_equal(atomic_load(&alive), 1);
        cd_shared_release(third);
        assert_int_equal(atomic_load(&alive), 0);
}

static void *look_once(void *arg)
{
        return (void *)cd_shared_get(arg);
}

static void a_thread_that_ends_lets_its_version_go(void **state)
{
        struct cd_shared *shared = cd_shared_new(destroy);
        pthread_t thread;

        (void)state;
        assert_status(cd_shared_set(shared, make(1)), CD_OK);
        assert_int_equal(pthread_create(&thread, NULL, look_once, shared), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_status(cd_shared_set(shared, make(2)), CD_OK);
        assert_int_equal(atomic_load(&alive), 1);
        cd_shared_free(shared);
}

static void without_memory_the_old_version_stays(void **state)
{
        struct cd_shared *shared = cd_shared_new(destroy);
        struct pair *second = make(2);

        (void)state;
        assert_status(cd_shared_set(shared, make(1)), CD_OK);
        memory_is_out = true;
        cd_status status = cd_shared_set(shared, second);
        memory_is_out = false;
        assert_status(status, CD_NO_MEMORY);
        assert_int_equal(((const struct pair *)cd_shared_get(shared))->a, 1);
        assert_int_equal(second->a, 2);
        destroy(second);
        cd_shared_free(shared);
        assert_int_equal(atomic_load(&alive), 0);
}

static void a_thread_without_a_slot_still_reads_safely(void **state)
{
        struct cd_shared *shared = cd_shared_new(destroy);

        (void)state;
        assert_status(cd_shared_set(shared, make(1)), CD_OK);
        void *kept = last_allocated;
        slot_is_out = true;
        const struct pair *seen = cd_shared_get(shared);
        assert_status(cd_shared_set(shared, make(2)), CD_OK);
        assert_int_equal(seen->b, 2);
        slot_is_out = false;
        cd_shared_free(shared);
        assert_int_equal(atomic_load(&alive), 1); /* kept for good rather than freed too early */
        destroy((void *)seen);
        free(kept);
}

struct race {
        struct cd_shared *shared;
        pthread_barrier_t start;
        atomic_int torn;
};

static void *read_until_the_last(void *arg)
{
        struct race *race = arg;
        long last = 0;

        pthread_barrier_wait(&race->start);
        while (last < VERSIONS) {
                const struct pair *pair = cd_shared_get(race->shared);
                if (pair->b != 2 * pair->a || pair->a < last)
                        atomic_fetch_add(&race->torn, 1);
                last = pair->a;
        }
        return NULL;
}

static void readers_on_many_threads_see_whole_versions_in_order(void **state)
{
        struct race race = { .shared = cd_shared_new(destroy) };
        pthread_t threads[READERS];

        (void)state;
        pthread_barrier_init(&race.start, NULL, READERS + 1);
        assert_status(cd_shared_set(race.shared, make(0)), CD_OK);
        for (size_t i = 0; i < READERS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, read_until_the_last, &race), 0);
        pthread_barrier_wait(&race.start);
        for (long i = 1; i <= VERSIONS; i++)
                assert_status(cd_shared_set(race.shared, make(i)), CD_OK);
        for (size_t i = 0; i < READERS; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(atomic_load(&race.torn), 0);
        assert_int_equal(atomic_load(&alive), 1);
        cd_shared_free(race.shared);
        assert_int_equal(atomic_load(&alive), 0);
        pthread_barrier_destroy(&race.start);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(before_the_first_version_there_is_none),
                cmocka_unit_test(a_version_lives_until_its_reader_looks_again),
                cmocka_unit_test(a_version_that_nobody_saw_is_freed_at_once),
                cmocka_unit_test(a_prepared_version_is_published_or_discarded),
                cmocka_unit_test(a_version_that_is_held_outlives_its_reader_and_the_writer),
                cmocka_unit_test(a_thread_that_ends_lets_its_version_go),
                cmocka_unit_test(without_memory_the_old_version_stays),
                cmocka_unit_test(a_thread_without_a_slot_still_reads_safely),
                cmocka_unit_test(readers_on_many_threads_see_whole_versions_in_order),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
