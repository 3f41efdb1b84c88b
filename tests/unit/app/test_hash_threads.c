/* The threads that hash, with hashes that wait until they may go on. */
#include "support/check.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/hash_threads.h"
#include "base/clock.h"
#include "crypto/password_memory.h"

enum {
        THREADS = 2,
        CALLERS = 5,
        PATIENCE_US = 10 * 1000 * 1000,
};

static const struct cd_password_cost least = { .memory = 8 << 10, .iterations = 1 };

static struct cd_hash_threads *threads;
static const struct cd_hasher *hasher;
static atomic_int running, most_running, begun;
static bool is_held; /* a dummy waits for `go` */
static sem_t go;
static atomic_int policy, priority;
static atomic_size_t kept; /* by the thread that hashed */
static cd_status fails;
static long threads_left = -1; /* that can be started; -1: any number */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
cd_status __real_cd_password_dummy(const struct cd_password_cost *cost, cd_str password, struct cd_error *reterr);
cd_status __wrap_cd_password_dummy(const struct cd_password_cost *cost, cd_str password, struct cd_error *reterr);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
        if (threads_left == 0)
                return EAGAIN;
        if (threads_left > 0)
                threads_left--;
        return __real_pthread_create(thread, attr, run, arg);
}

cd_status __wrap_cd_password_dummy(const struct cd_password_cost *cost, cd_str password, struct cd_error *reterr)
{
        int now = atomic_fetch_add(&running, 1) + 1, most = atomic_load(&most_running);

        while (now > most && !atomic_compare_exchange_weak(&most_running, &most, now))
                ;
        atomic_store(&policy, sched_getscheduler(0));
        atomic_store(&priority, getpriority(PRIO_PROCESS, 0));
        atomic_fetch_add(&begun, 1);
        if (is_held)
                while (sem_wait(&go) != 0)
                        ;
        cd_status status = fails == CD_OK ? __real_cd_password_dummy(cost, password, reterr)
                                          : cd_fail(reterr, fails, "told to fail");
        size_t size;
        (void)cd_password_memory_kept(&size);
        atomic_store(&kept, size);
        atomic_fetch_sub(&running, 1);
        return status;
}

static int set_up_with(size_t count, const struct cd_password_cost *cost)
{
        const struct cd_hash_threads_options options = { count, &cd_random_system };
        static struct cd_hash_threads_port port;

        running = most_running = begun = 0;
        is_held = false;
        fails = CD_OK;
        threads_left = -1;
        sem_init(&go, 0, 0);
        if (cd_hash_threads_new(&options, &threads, NULL) != CD_OK)
                return 1;
        port = cd_hash_threads_port(threads, cost);
        hasher = &port.port;
        return 0;
}

static int set_up(void **state)
{
        (void)state;
        return set_up_with(THREADS, &least);
}

static int tear_down(void **state)
{
        (void)state;
        cd_hash_threads_free(threads);
        threads = NULL;
        sem_destroy(&go);
        return 0;
}

static void *call_dummy(void *arg)
{
        (void)arg;
        return hasher->dummy(hasher, CD_STR("x"), NULL) == CD_OK ? NULL : (void *)hasher;
}

static void wait_until_begun(int count)
{
        for (int64_t until = cd_monotonic_us() + PATIENCE_US; atomic_load(&begun) < count; usleep(200))
                assert_true(cd_monotonic_us() < until);
}

static void start_callers(pthread_t callers[CALLERS])
{
        for (size_t i = 0; i < CALLERS; i++)
                assert_int_equal(pthread_create(&callers[i], NULL, call_dummy, NULL), 0);
}

static void join_callers(pthread_t callers[CALLERS])
{
        for (size_t i = 0; i < CALLERS; i++) {
                void *failed;
                assert_int_equal(pthread_join(callers[i], &failed), 0);
                assert_null(failed);
        }
}

/* All threads hash at once, and never one more: each that ends lets exactly one begin. */
static void lesson_15_as_many_hash_at_once_as_there_are_threads_and_never_one_more(void **state)
{
        pthread_t callers[CALLERS];

        (void)state;
        is_held = true;
        start_callers(callers);
        for (int i = THREADS; i <= CALLERS; i++) {
                wait_until_begun(i);
                assert_int_equal(atomic_load(&begun), i);
                sem_post(&go);
        }
        for (int i = 1; i < THREADS; i++)
                sem_post(&go);
        join_callers(callers);
        assert_int_equal(most_running, THREADS);
        assert_int_equal(begun, CALLERS);
}

static void each_caller_gets_its_own_answer(void **state)
{
        struct cd_error err = { 0 };
        struct cd_arena arena;
        cd_str stored[2];
        bool matches;

        (void)state;
        cd_arena_init(&arena, 1 << 16);
        assert_status(hasher->hash(hasher, CD_STR("one"), &arena, &stored[0], &err), CD_OK);
        assert_status(hasher->hash(hasher, CD_STR("two"), &arena, &stored[1], &err), CD_OK);
        assert_true(cd_str_has_prefix(stored[0], CD_STR("$argon2id$v=19$m=8,t=1,p=1$")));
        assert_status(hasher->verify(hasher, stored[0], CD_STR("one"), &matches, &err), CD_OK);
        assert_true(matches);
        assert_status(hasher->verify(hasher, stored[1], CD_STR("one"), &matches, &err), CD_OK);
        assert_false(matches);
        assert_status(hasher->verify(hasher, CD_STR("$1$nonsense"), CD_STR("one"), &matches, &err), CD_MALFORMED);
        assert_non_null(strstr(err.reason, "md5-crypt"));
        assert_status(hasher->hash(hasher, CD_STR(""), &arena, &stored[0], &err), CD_INVALID_REQUEST);
        assert_str(cd_str_from_c(err.reason), "the password is empty");
        cd_arena_done(&arena);
}

static void lesson_31_a_hash_that_fails_tells_its_caller_alone(void **state)
{
        struct cd_error err = { 0 };

        (void)state;
        fails = CD_NO_MEMORY;
        assert_status(hasher->dummy(hasher, CD_STR("x"), &err), CD_NO_MEMORY);
        assert_str(cd_str_from_c(err.reason), "told to fail");
        fails = CD_OK;
        assert_status(hasher->dummy(hasher, CD_STR("x"), NULL), CD_OK);
}

static void lesson_31_without_all_its_threads_there_is_no_hasher(void **state)
{
        const struct cd_hash_threads_options options = { THREADS, &cd_random_system };

        (void)state;
        for (long left = 0; left < THREADS; left++) {
                struct cd_hash_threads *none = NULL;
                struct cd_error err = { 0 };
                threads_left = left;
                assert_status(cd_hash_threads_new(&options, &none, &err), CD_NO_MEMORY);
                assert_null(none);
                assert_non_null(strstr(err.reason, "threads"));
        }
        threads_left = -1;
}

static void a_thread_that_hashes_counts_less_than_a_loop(void **state)
{
        int ours = getpriority(PRIO_PROCESS, 0);

        (void)state;
        assert_status(hasher->dummy(hasher, CD_STR("x"), NULL), CD_OK);
        assert_int_equal(policy, SCHED_BATCH);
        assert_int_equal(priority, ours + 5 < 19 ? ours + 5 : 19);
        assert_int_equal(getpriority(PRIO_PROCESS, 0), ours);
}

static long mapped_bytes(void)
{
        long pages = 0;
        FILE *file = fopen("/proc/self/statm", "r");

        assert_non_null(file);
        assert_int_equal(fscanf(file, "%ld", &pages), 1);
        fclose(file);
        return pages * 4096;
}

/* Under a sanitizer nobody does. */
static bool can_keep_memory(void)
{
        size_t size;

        cd_password_memory_keep(true);
        assert_status(__real_cd_password_dummy(&least, CD_STR("x"), NULL), CD_OK);
        (void)cd_password_memory_kept(&size);
        cd_password_memory_keep(false);
        return size > 0;
}

/* Callers have nothing, whatever they hash; and what the threads have goes with them. */
static void the_threads_keep_the_memory_and_give_it_back_at_the_end(void **state)
{
        const struct cd_password_cost large = { .memory = 64 << 20, .iterations = 1 };
        size_t size;

        (void)state;
        if (!can_keep_memory())
                skip();
        assert_int_equal(set_up_with(1, &large), 0);
        assert_status(hasher->dummy(hasher, CD_STR("x"), NULL), CD_OK);
        (void)cd_password_memory_kept(&size);
        assert_int_equal(size, 0);
        assert_int_equal(atomic_load(&kept), large.memory);
        long with = mapped_bytes();
        tear_down(NULL);
        assert_true(with - mapped_bytes() >= large.memory);
}

/* Callers that wait are served before the threads end, as they have to be: the end comes after the last call. */
static void what_is_under_way_is_answered_before_the_end(void **state)
{
        pthread_t callers[CALLERS];

        (void)state;
        is_held = true;
        start_callers(callers);
        wait_until_begun(THREADS);
        for (int i = 0; i < CALLERS; i++)
                sem_post(&go);
        join_callers(callers);
        cd_hash_threads_free(threads);
        threads = NULL;
        assert_int_equal(begun, CALLERS);
        cd_hash_threads_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(lesson_15_as_many_hash_at_once_as_there_are_threads_and_never_one_more),
                TEST(each_caller_gets_its_own_answer),
                TEST(lesson_31_a_hash_that_fails_tells_its_caller_alone),
                TEST(lesson_31_without_all_its_threads_there_is_no_hasher),
                TEST(a_thread_that_hashes_counts_less_than_a_loop),
                cmocka_unit_test(the_threads_keep_the_memory_and_give_it_back_at_the_end),
                TEST(what_is_under_way_is_answered_before_the_end),
        };
        return cmocka_run_group_tests_name("app/hash_threads", tests, NULL, NULL);
}
