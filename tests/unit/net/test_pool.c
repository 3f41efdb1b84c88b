#include "support/check.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/pool.h"

enum {
        PATIENCE_US = 10 * 1000 * 1000,
};

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);

static bool no_thread;
static unsigned threads_made;
static struct cd_loop loop;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
        if (no_thread)
                return EAGAIN;
        threads_made++;
        return __real_pthread_create(thread, attr, run, arg);
}

/* A job that says that it runs, and goes on when it is told to. */
struct work {
        struct cd_job job;
        bool is_held;
        atomic_bool began;
        sem_t go;
        unsigned done;
};

static atomic_uint running, most_running;

static void run_work(struct cd_job *job)
{
        struct work *work = (void *)job;
        unsigned count = atomic_fetch_add(&running, 1) + 1, most = atomic_load(&most_running);

        while (count > most && !atomic_compare_exchange_weak(&most_running, &most, count))
                ;
        atomic_store(&work->began, true);
        if (work->is_held)
                sem_wait(&work->go);
        atomic_fetch_sub(&running, 1);
}

static void work_done(struct cd_job *job)
{
        struct work *work = (void *)job;

        work->done++;
}

static void make_work(struct work *work, bool is_held)
{
        *work = (struct work){ .job = { .run = run_work, .done = work_done }, .is_held = is_held };
        sem_init(&work->go, 0, 0);
}

static struct cd_pool *make_pool(size_t threads, size_t queue)
{
        const struct cd_pool_options options = { .threads = threads, .queue = queue };
        struct cd_pool *pool = cd_pool_new(&options);

        assert_non_null(pool);
        return pool;
}

static void wait_until_begun(struct work *work)
{
        for (int64_t until = cd_monotonic_us() + PATIENCE_US; !atomic_load(&work->began); usleep(200))
                assert_true(cd_monotonic_us() < until);
}

static void wait_until_done(void)
{
        for (int64_t until = cd_monotonic_us() + PATIENCE_US; loop.job_count > 0; usleep(200)) {
                cd_loop_turn(&loop);
                assert_true(cd_monotonic_us() < until);
        }
}

static void free_pool(struct cd_pool *pool)
{
        assert_int_equal(cd_pool_free(pool, cd_monotonic_us() + PATIENCE_US), 0);
}

static int set_up(void **state)
{
        (void)state;
        no_thread = false;
        threads_made = 0;
        atomic_store(&running, 0);
        atomic_store(&most_running, 0);
        return cd_loop_init(&loop, NULL, NULL, NULL) == CD_OK ? 0 : 1;
}

static int tear_down(void **state)
{
        (void)state;
        cd_loop_done(&loop);
        return 0;
}

static void a_job_comes_back_to_its_loop_once(void **state)
{
        struct cd_pool *pool = make_pool(2, 8);
        struct work work[8];

        (void)state;
        for (size_t i = 0; i < CD_LEN(work); i++) {
                make_work(&work[i], false);
                assert_status(cd_pool_submit(pool, &loop, &work[i].job), CD_OK);
        }
        assert_int_equal(loop.job_count, CD_LEN(work));
        wait_until_done();
        for (size_t i = 0; i < CD_LEN(work); i++)
                assert_int_equal(work[i].done, 1);
        assert_true(threads_made <= 2);
        free_pool(pool);
}

/* Threads are there when they are needed, not before, and no more than that. */
static void threads_are_started_as_jobs_come(void **state)
{
        struct cd_pool *pool = make_pool(3, 4);
        struct work work[5];

        (void)state;
        assert_int_equal(threads_made, 0);
        for (size_t i = 0; i < CD_LEN(work); i++) {
                make_work(&work[i], true);
                assert_status(cd_pool_submit(pool, &loop, &work[i].job), CD_OK);
                if (i < 3)
                        wait_until_begun(&work[i]);
                assert_int_equal(threads_made, i < 3 ? i + 1 : 3);
        }
        assert_int_equal(atomic_load(&running), 3);
        for (size_t i = 0; i < CD_LEN(work); i++)
                sem_post(&work[i].go);
        wait_until_done();
        assert_int_equal(atomic_load(&most_running), 3);
        free_pool(pool);
}

static void a_full_queue_refuses_one_more(void **state)
{
        struct cd_pool *pool = make_pool(1, 2);
        struct work work[4];

        (void)state;
        for (size_t i = 0; i < CD_LEN(work); i++)
                make_work(&work[i], true);
        assert_status(cd_pool_submit(pool, &loop, &work[0].job), CD_OK);
        wait_until_begun(&work[0]);
        assert_status(cd_pool_submit(pool, &loop, &work[1].job), CD_OK);
        assert_status(cd_pool_submit(pool, &loop, &work[2].job), CD_OK);
        assert_status(cd_pool_submit(pool, &loop, &work[3].job), CD_UNAVAILABLE);
        assert_int_equal(loop.job_count, 3);
        sem_post(&work[0].go);
        wait_until_begun(&work[1]);
        assert_status(cd_pool_submit(pool, &loop, &work[3].job), CD_OK); /* there is room again */
        for (size_t i = 1; i < CD_LEN(work); i++)
                sem_post(&work[i].go);
        wait_until_done();
        for (size_t i = 0; i < CD_LEN(work); i++)
                assert_int_equal(work[i].done, 1);
        free_pool(pool);
}

static void another_bound_of_the_queue_counts_at_once_and_what_waits_stays(void **state)
{
        struct cd_pool *pool = make_pool(1, 2);
        struct work work[4];

        (void)state;
        for (size_t i = 0; i < CD_LEN(work); i++)
                make_work(&work[i], true);
        for (size_t i = 0; i < 3; i++)
                assert_status(cd_pool_submit(pool, &loop, &work[i].job), CD_OK);
        cd_pool_set_queue(pool, 1);
        assert_status(cd_pool_submit(pool, &loop, &work[3].job), CD_UNAVAILABLE);
        cd_pool_set_queue(pool, 3);
        assert_status(cd_pool_submit(pool, &loop, &work[3].job), CD_OK);
        for (size_t i = 0; i < CD_LEN(work); i++)
                sem_post(&work[i].go);
        wait_until_done();
        for (size_t i = 0; i < CD_LEN(work); i++)
                assert_int_equal(work[i].done, 1);
        free_pool(pool);
}

/* The thread that is to be started has room for a job. */
static void a_queue_of_none_takes_what_the_threads_can_run(void **state)
{
        struct cd_pool *pool = make_pool(2, 0);
        struct work work[3];

        (void)state;
        for (size_t i = 0; i < CD_LEN(work); i++)
                make_work(&work[i], true);
        assert_status(cd_pool_submit(pool, &loop, &work[0].job), CD_OK);
        assert_status(cd_pool_submit(pool, &loop, &work[1].job), CD_OK);
        assert_status(cd_pool_submit(pool, &loop, &work[2].job), CD_UNAVAILABLE);
        sem_post(&work[0].go);
        sem_post(&work[1].go);
        wait_until_done();
        free_pool(pool);
}

static void without_a_thread_nothing_is_accepted(void **state)
{
        struct cd_pool *pool = make_pool(2, 4);
        struct work work[2];

        (void)state;
        make_work(&work[0], false);
        make_work(&work[1], false);
        no_thread = true;
        assert_status(cd_pool_submit(pool, &loop, &work[0].job), CD_NO_MEMORY);
        assert_int_equal(loop.job_count, 0);
        no_thread = false;
        assert_status(cd_pool_submit(pool, &loop, &work[0].job), CD_OK);
        no_thread = true; /* one is enough */
        assert_status(cd_pool_submit(pool, &loop, &work[1].job), CD_OK);
        wait_until_done();
        assert_int_equal(work[0].done + work[1].done, 2);
        free_pool(pool);
}

/* What was accepted is run before the threads end. */
static void a_pool_that_ends_runs_what_waits(void **state)
{
        struct cd_pool *pool = make_pool(1, 8);
        struct work work[8];

        (void)state;
        for (size_t i = 0; i < CD_LEN(work); i++) {
                make_work(&work[i], false);
                assert_status(cd_pool_submit(pool, &loop, &work[i].job), CD_OK);
        }
        free_pool(pool);
        wait_until_done();
        for (size_t i = 0; i < CD_LEN(work); i++)
                assert_int_equal(work[i].done, 1);
        assert_int_equal(cd_pool_free(NULL, 0), 0);
}

/* Here it is freed by a second call, as cd_http_server_free makes one. */
static void a_pool_whose_job_does_not_end_says_so_and_stays(void **state)
{
        struct cd_pool *pool = make_pool(2, 8);
        struct work work;

        (void)state;
        make_work(&work, true);
        assert_status(cd_pool_submit(pool, &loop, &work.job), CD_OK);
        wait_until_begun(&work);
        assert_int_equal(cd_pool_free(pool, cd_monotonic_us()), 1);
        sem_post(&work.go);
        free_pool(pool);
        wait_until_done();
        assert_int_equal(work.done, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_job_comes_back_to_its_loop_once),
                TEST(threads_are_started_as_jobs_come),
                TEST(a_full_queue_refuses_one_more),
                TEST(another_bound_of_the_queue_counts_at_once_and_what_waits_stays),
                TEST(a_queue_of_none_takes_what_the_threads_can_run),
                TEST(without_a_thread_nothing_is_accepted),
                TEST(a_pool_that_ends_runs_what_waits),
                TEST(a_pool_whose_job_does_not_end_says_so_and_stays),
        };
        return cmocka_run_group_tests_name("net/pool", tests, NULL, NULL);
}
