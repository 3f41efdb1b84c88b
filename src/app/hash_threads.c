#include "app/hash_threads.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/blocking.h"
#include "crypto/password_memory.h"

enum {
        STACK_SIZE = 256 * 1024,
        NICE = 5, /* a third of a loop's share when both want a core */
};

/* One call, on the stack of its caller, who waits until it is done. */
struct job {
        struct job *next;
        cd_status (*run)(const struct cd_hasher *direct, struct job *job);
        const struct cd_hasher *direct;
        cd_str stored, password;
        struct cd_arena *arena;
        cd_str *ret_hash;
        bool *ret_matches;
        struct cd_error *reterr;
        cd_status status;
        bool is_done;
        pthread_cond_t done;
};

struct cd_hash_threads {
        const struct cd_random *random;
        pthread_mutex_t lock;
        pthread_cond_t came; /* a job was added, or the threads must end */
        struct job *first, **last;
        bool stopping;
        size_t started;
        pthread_t threads[];
};

/* With the lock held. NULL: the thread must end. */
static struct job *next_job(struct cd_hash_threads *t)
{
        while (!t->first && !t->stopping)
                pthread_cond_wait(&t->came, &t->lock);
        struct job *job = t->first;
        if (!job)
                return NULL;
        t->first = job->next;
        if (!t->first)
                t->last = &t->first;
        return job;
}

static void *run_jobs(void *arg)
{
        struct cd_hash_threads *t = arg;
        struct job *job;

        cd_thread_set_role(CD_THREAD_WORKER);
        cd_thread_be_patient(NICE);
        cd_password_memory_keep(true);
        pthread_mutex_lock(&t->lock);
        while ((job = next_job(t))) {
                pthread_mutex_unlock(&t->lock);
                job->status = job->run(job->direct, job);
                pthread_mutex_lock(&t->lock);
                job->is_done = true;
                /* With the lock held, because the caller frees the job once it is done. */
                pthread_cond_signal(&job->done);
        }
        pthread_mutex_unlock(&t->lock);
        cd_password_memory_keep(false);
        return NULL;
}

/* Runs the job on one of the threads. */
static cd_status call(const struct cd_hasher *port, struct job *job)
{
        const struct cd_hash_threads_port *self = (const struct cd_hash_threads_port *)port;
        struct cd_hash_threads *t = self->threads;

        cd_may_block("password hashing");
        job->direct = &self->direct.port;
        pthread_cond_init(&job->done, NULL);
        pthread_mutex_lock(&t->lock);
        *t->last = job;
        t->last = &job->next;
        pthread_cond_signal(&t->came);
        while (!job->is_done)
                pthread_cond_wait(&job->done, &t->lock);
        pthread_mutex_unlock(&t->lock);
        pthread_cond_destroy(&job->done);
        return job->status;
}

static cd_status run_hash(const struct cd_hasher *direct, struct job *job)
{
        return direct->hash(direct, job->password, job->arena, job->ret_hash, job->reterr);
}

static cd_status run_verify(const struct cd_hasher *direct, struct job *job)
{
        return direct->verify(direct, job->stored, job->password, job->ret_matches, job->reterr);
}

static cd_status run_dummy(const struct cd_hasher *direct, struct job *job)
{
        return direct->dummy(direct, job->password, job->reterr);
}

static cd_status hash(const struct cd_hasher *port, cd_str password, struct cd_arena *arena, cd_str *ret,
                      struct cd_error *reterr)
{
        struct job job = { .run = run_hash, .password = password, .arena = arena, .ret_hash = ret, .reterr = reterr };

        return call(port, &job);
}

static cd_status verify(const struct cd_hasher *port, cd_str stored, cd_str password, bool *ret_matches,
                        struct cd_error *reterr)
{
        struct job job = {
                .run = run_verify, .stored = stored, .password = password, .ret_matches = ret_matches, .reterr = reterr
        };

        return call(port, &job);
}

static cd_status dummy(const struct cd_hasher *port, cd_str password, struct cd_error *reterr)
{
        struct job job = { .run = run_dummy, .password = password, .reterr = reterr };

        return call(port, &job);
}

static bool start_threads(struct cd_hash_threads *t, size_t count)
{
        pthread_attr_t attr;

        if (pthread_attr_init(&attr) != 0)
                return false;
        pthread_attr_setstacksize(&attr, STACK_SIZE);
        while (t->started < count && pthread_create(&t->threads[t->started], &attr, run_jobs, t) == 0)
                t->started++;
        pthread_attr_destroy(&attr);
        return t->started == count;
}

cd_status cd_hash_threads_new(const struct cd_hash_threads_options *options, struct cd_hash_threads **ret,
                              struct cd_error *reterr)
{
        struct cd_hash_threads *t = calloc(1, sizeof(*t) + options->threads * sizeof(t->threads[0]));

        if (!t)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the hashing of passwords");
        t->random = options->random;
        t->last = &t->first;
        pthread_mutex_init(&t->lock, NULL);
        pthread_cond_init(&t->came, NULL);
        if (!start_threads(t, options->threads)) {
                cd_hash_threads_free(t);
                return cd_fail(reterr, CD_NO_MEMORY,
                               "the threads that hash passwords cannot be started; lower password_hashing.parallel");
        }
        *ret = t;
        return CD_OK;
}

struct cd_hash_threads_port cd_hash_threads_port(struct cd_hash_threads *threads, const struct cd_password_cost *cost)
{
        return (struct cd_hash_threads_port){
                .port = { *cost, hash, verify, dummy },
                .threads = threads,
                .direct = cd_direct_hasher(cost, threads->random),
        };
}

void cd_hash_threads_free(struct cd_hash_threads *threads)
{
        if (!threads)
                return;
        pthread_mutex_lock(&threads->lock);
        threads->stopping = true;
        pthread_cond_broadcast(&threads->came);
        pthread_mutex_unlock(&threads->lock);
        for (size_t i = 0; i < threads->started; i++)
                pthread_join(threads->threads[i], NULL);
        pthread_cond_destroy(&threads->came);
        pthread_mutex_destroy(&threads->lock);
        free(threads);
}
