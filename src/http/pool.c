#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/blocking.h"
#include "base/clock.h"
#include "http/engine.h"

enum {
        STACK_SIZE = 256 * 1024,
        SLOW_US = 10000,    /* a job that took longer: the next is taken alone */
        COMPUTES_US = 2000, /* and so where it had a core for longer */
};

struct cd_pool {
        pthread_mutex_t lock;
        pthread_cond_t work;  /* a job came, or the end */
        pthread_cond_t ended; /* a thread has ended */
        struct cd_job *first, **last;
        size_t queued, queue_max;
        size_t taken;       /* jobs that threads have, running or next */
        size_t idle, alive; /* threads */
        size_t running;     /* threads that have jobs */
        struct pace {
                bool is_slow;  /* by the clock, or in computing */
                bool computes; /* for long */
        } pace;                /* of the last job that ended */
        bool stopping, abandoned;
        int nice;
        size_t thread_count, thread_max; /* started, and the most */
        size_t long_max;                 /* of them, how many run while jobs compute for long */
        pthread_t threads[];
};

struct cd_pool *cd_pool_new(size_t threads, size_t long_threads, size_t queue, int nice)
{
        struct cd_pool *pool = calloc(1, sizeof(*pool) + threads * sizeof(pool->threads[0]));
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
        pool->queue_max = queue;
        pool->thread_max = threads;
        pool->long_max = long_threads ? long_threads : threads;
        pool->nice = nice;
        return pool;
}

/* Under the lock; some job is queued. */
static struct cd_job *take_first(struct cd_pool *pool)
{
        struct cd_job *job = pool->first;

        pool->first = job->next;
        if (!pool->first)
                pool->last = &pool->first;
        pool->queued--;
        pool->taken++;
        return job;
}

/* Under the lock. */
static bool may_take(const struct cd_pool *pool)
{
        return pool->stopping || (pool->first && (!pool->pace.computes || pool->running < pool->long_max));
}

/* Under the lock. NULL: the thread may end. */
static struct cd_job *next_job(struct cd_pool *pool)
{
        while (!may_take(pool)) {
                pool->idle++;
                pthread_cond_wait(&pool->work, &pool->lock);
                pool->idle--;
        }
        return pool->abandoned || !pool->first ? NULL : take_first(pool);
}

/* Under the lock. Behind the job that a thread has: those that may be run together with it, as many as each thread could take. */
static size_t take_more(struct cd_pool *pool, struct cd_job *jobs[CD_HTTP_TOGETHER_MAX])
{
        size_t count = 1;

        while (jobs[0]->gather && count < CD_HTTP_TOGETHER_MAX && pool->queued > count * pool->thread_max &&
               pool->first->gather == jobs[0]->gather && pool->first->app == jobs[0]->app)
                jobs[count++] = take_first(pool);
        return count;
}

/* A pool thread that wakes up does not push aside the thread that runs, be it a loop or another job: fewer switches, and a
 * flood of jobs does not slow the loops. `nice` counts beside it: Linux has one for each thread. SCHED_IDLE would be kinder still
 * to the loops, but then busy ones could keep a job (and whatever lock it has) from ever ending. Where the system refuses, nothing
 * is lost. */
static void be_patient(int nice)
{
        static const struct sched_param none;

        (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
        if (nice)
                (void)setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + nice);
}

static void gather(struct cd_job *const *jobs, size_t count)
{
        struct cd_http_request *reqs[CD_HTTP_TOGETHER_MAX];

        for (size_t i = 0; i < count; i++)
                reqs[i] = &jobs[i]->x.req;
        jobs[0]->gather(jobs[0]->app, reqs, count);
}

static int64_t computed_us(void)
{
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Runs them until one is slow. Returns how many were run. */
static size_t run_together(struct cd_job *const *jobs, size_t count, struct pace *ret)
{
        size_t ran = 0;

        if (jobs[0]->gather)
                gather(jobs, count);
        for (*ret = (struct pace){ 0 }; ran < count && !ret->is_slow; ran++) {
                int64_t begun = cd_monotonic_us(), computed = computed_us();
                jobs[ran]->handler(jobs[ran]->app, &jobs[ran]->x.req, &jobs[ran]->x.res);
                ret->computes = computed_us() - computed > COMPUTES_US;
                ret->is_slow = ret->computes || cd_monotonic_us() - begun > SLOW_US;
                cd_loop_finish_job(jobs[ran]);
        }
        return ran;
}

/* Under the lock. In front, in their order: other threads may be free, and what was gathered for them grows old. */
static void put_back(struct cd_pool *pool, struct cd_job *const *jobs, size_t count)
{
        while (count-- > 0) {
                jobs[count]->next = pool->first;
                if (!pool->first)
                        pool->last = &jobs[count]->next;
                pool->first = jobs[count];
                pool->queued++;
                pthread_cond_signal(&pool->work);
        }
}

/* Under the lock. Those who waited for jobs that compute for long may go on. */
static void note_pace(struct cd_pool *pool, struct pace pace)
{
        if (pool->pace.computes && !pace.computes && pool->first)
                pthread_cond_broadcast(&pool->work);
        pool->pace = pace;
}

static void *run_jobs(void *arg)
{
        struct cd_pool *pool = arg;
        struct cd_job *jobs[CD_HTTP_TOGETHER_MAX];

        cd_thread_set_role(CD_THREAD_WORKER);
        be_patient(pool->nice);
        pthread_mutex_lock(&pool->lock);
        while ((jobs[0] = next_job(pool))) {
                struct pace pace;
                size_t count = pool->pace.is_slow ? 1 : take_more(pool, jobs);
                pool->running++;
                pthread_mutex_unlock(&pool->lock);
                size_t ran = run_together(jobs, count, &pace);
                pthread_mutex_lock(&pool->lock);
                pool->running--;
                pool->taken -= count;
                put_back(pool, jobs + ran, count - ran);
                note_pace(pool, pace);
        }
        pool->alive--;
        pthread_cond_signal(&pool->ended);
        pthread_mutex_unlock(&pool->lock);
        return NULL;
}

/* Under the lock. */
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

bool cd_pool_submit(struct cd_pool *pool, struct cd_job *job)
{
        pthread_mutex_lock(&pool->lock);
        /* A thread that is to be started, or has not come to its first job yet, has room for one too. */
        bool has_room = pool->queued + pool->taken < pool->queue_max + pool->thread_max && !pool->stopping;
        if (has_room && pool->idle <= pool->queued && pool->thread_count < pool->thread_max)
                start_thread(pool);
        bool taken = has_room && pool->alive > 0;
        if (taken) {
                job->next = NULL;
                *pool->last = job;
                pool->last = &job->next;
                pool->queued++;
        }
        pthread_mutex_unlock(&pool->lock);
        if (taken)
                pthread_cond_signal(&pool->work); /* behind the lock, or the thread would wake up only to wait for it */
        return taken;
}

/* Under the lock. How many threads still run at the deadline. */
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
