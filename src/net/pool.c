#include "net/pool.h"

#include <stdlib.h>
#include <time.h>

#include "base/blocking.h"
#include "base/clock.h"

enum {
        STACK_SIZE = 256 * 1024
};

struct cd_pool {
        pthread_mutex_t lock;
        pthread_cond_t work;  /* a job was added, or the pool ends */
        pthread_cond_t ended; /* a thread has ended */
        struct cd_job *first, **last;
        size_t queued;
        size_t taken;       /* jobs that threads have taken */
        size_t idle, alive; /* threads */
        uint64_t refused;
        uint16_t name; /* cd_metric_intern; 0: none */
        bool stopping, abandoned;
        size_t thread_count; /* threads started so far */
        struct cd_pool_options options;
        pthread_t threads[];
};

struct cd_pool *cd_pool_new(const struct cd_pool_options *options)
{
        struct cd_pool *pool = calloc(1, sizeof(*pool) + options->threads * sizeof(pool->threads[0]));
        pthread_condattr_t attr;

        if (!pool)
                return NULL;
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_mutex_init(&pool->lock, NULL);
        pthread_cond_init(&pool->work, NULL);
        pthread_cond_init(&pool->ended, &attr);
        pthread_condattr_destroy(&attr);
        pool->last = &pool->first;
        pool->options = *options;
        return pool;
}

static const struct cd_metric_label pool_label = { .name = "pool", .is_interned = true };

const struct cd_tally cd_pool_waits = {
        .codes = &pool_label,
        .code_count = 1,
        .bounds = cd_metric_latency_bounds,
        .bound_count = CD_METRIC_LATENCY_BOUNDS,
};

void cd_pool_set_name(struct cd_pool *pool, const char *name)
{
        pool->name = cd_metric_intern(cd_str_from_c(name));
}

struct cd_pool_numbers cd_pool_numbers(struct cd_pool *pool)
{
        pthread_mutex_lock(&pool->lock);
        const struct cd_pool_numbers numbers = {
                .queued = pool->queued,
                .queue_max = pool->options.queue,
                .busy = pool->taken,
                .refused = pool->refused,
        };
        pthread_mutex_unlock(&pool->lock);
        return numbers;
}

void cd_pool_set_queue(struct cd_pool *pool, size_t queue)
{
        pthread_mutex_lock(&pool->lock);
        pool->options.queue = queue;
        pthread_mutex_unlock(&pool->lock);
}

/* Under the lock. NULL: the thread may end. */
static struct cd_job *next_job(struct cd_pool *pool)
{
        while (!pool->first && !pool->stopping) {
                pool->idle++;
                pthread_cond_wait(&pool->work, &pool->lock);
                pool->idle--;
        }
        struct cd_job *job = pool->abandoned ? NULL : pool->first;
        if (!job)
                return NULL;
        pool->first = job->next;
        if (!pool->first)
                pool->last = &pool->first;
        pool->queued--;
        pool->taken++;
        return job;
}

static void *run_jobs(void *arg)
{
        struct cd_pool *pool = arg;
        struct cd_job *job;

        cd_thread_set_role(CD_THREAD_WORKER);
        cd_thread_be_patient(0);
        pthread_mutex_lock(&pool->lock);
        while ((job = next_job(pool))) {
                pthread_mutex_unlock(&pool->lock);
                if (pool->name && job->submitted_us)
                        cd_observe(&cd_pool_waits, (struct cd_metric_key){ .codes = { pool->name } },
                                   cd_monotonic_us() - job->submitted_us, NULL);
                job->run(job);
                cd_loop_finish_job(job);
                pthread_mutex_lock(&pool->lock);
                pool->taken--;
        }
        pool->alive--;
        pthread_cond_signal(&pool->ended);
        pthread_mutex_unlock(&pool->lock);
        return NULL;
}

/* With the lock held. */
static void start_thread(struct cd_pool *pool)
{
        pthread_attr_t attr;

        if (pthread_attr_init(&attr) != 0)
                return;
        pthread_attr_setstacksize(&attr, STACK_SIZE);
        if (pthread_create(&pool->threads[pool->thread_count], &attr, run_jobs, pool) == 0) {
                pool->thread_count++;
                pool->alive++;
        }
        pthread_attr_destroy(&attr);
}

cd_status cd_pool_submit(struct cd_pool *pool, struct cd_loop *loop, struct cd_job *job)
{
        cd_status status = CD_OK;

        pthread_mutex_lock(&pool->lock);
        /* A thread that has yet to start, or to take its first job, has room for a job too. */
        bool has_room = pool->queued + pool->taken < pool->options.queue + pool->options.threads && !pool->stopping;
        if (has_room && pool->idle <= pool->queued && pool->thread_count < pool->options.threads)
                start_thread(pool);
        if (!has_room) {
                pool->refused++;
                status = CD_UNAVAILABLE;
        } else if (pool->alive == 0) {
                status = CD_NO_MEMORY;
        } else {
                job->next = NULL;
                job->loop = loop;
                job->submitted_us = cd_metrics_enabled() ? cd_monotonic_us() : 0;
                *pool->last = job;
                pool->last = &job->next;
                pool->queued++;
                loop->job_count++;
        }
        pthread_mutex_unlock(&pool->lock);
        if (status == CD_OK)
                pthread_cond_signal(
                        &pool->work); /* outside the lock, so that the thread does not wake up only to wait for it */
        return status;
}

/* With the lock held. Returns the number of threads that still run at the deadline. */
static size_t wait_for_threads(struct cd_pool *pool, int64_t deadline_us)
{
        struct timespec until = { .tv_sec = deadline_us / 1000000, .tv_nsec = deadline_us % 1000000 * 1000 };

        while (pool->alive > 0)
                if (pthread_cond_timedwait(&pool->ended, &pool->lock, &until) != 0)
                        break;
        return pool->alive;
}

size_t cd_pool_free(struct cd_pool *pool, int64_t deadline_us)
{
        if (!pool)
                return 0;
        pthread_mutex_lock(&pool->lock);
        pool->stopping = true;
        pthread_cond_broadcast(&pool->work);
        size_t running = wait_for_threads(pool, deadline_us);
        pool->abandoned = running > 0;
        pthread_mutex_unlock(&pool->lock);
        if (running)
                return running;

        for (size_t i = 0; i < pool->thread_count; i++)
                pthread_join(pool->threads[i], NULL);
        pthread_cond_destroy(&pool->work);
        pthread_cond_destroy(&pool->ended);
        pthread_mutex_destroy(&pool->lock);
        free(pool);
        return 0;
}
