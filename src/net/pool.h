#pragma once
/* Threads for jobs that block. */
#include "base/metrics.h"
#include "net/loop.h"

struct cd_pool;

struct cd_pool_options {
        size_t threads; /* maximum; each is started when it is needed */
        size_t queue;   /* number of jobs that may wait */
};

/* NULL if memory is exhausted. */
struct cd_pool *cd_pool_new(const struct cd_pool_options *options);
/* In metrics; static. Before any job. */
void cd_pool_set_name(struct cd_pool *pool, const char *name);
/* Another bound of the queue; jobs that wait beyond it stay. From any thread. */
void cd_pool_set_queue(struct cd_pool *pool, size_t queue);
/* From a loop's thread. CD_OK: job->run is called on a thread of the pool, then job->done on `loop`. CD_UNAVAILABLE
 * where the queue is full, CD_NO_MEMORY where not one thread can be started; then the job stays the caller's. */
cd_status cd_pool_submit(struct cd_pool *pool, struct cd_loop *loop, struct cd_job *job);
struct cd_pool_numbers {
        size_t queued, queue_max; /* jobs that wait, and that may */
        size_t busy;              /* threads that run a job */
        uint64_t refused;         /* jobs, since the start */
};
/* From any thread. */
struct cd_pool_numbers cd_pool_numbers(struct cd_pool *pool);
/* How long jobs of pools with a name waited, by that name. */
extern const struct cd_tally cd_pool_waits;
/* Waits until all threads have ended; jobs may run until `deadline_us` (cd_monotonic_us). Frees the pool and
 * returns 0, or returns the number of threads that still run and leaves pool and threads to the end of the
 * process. NULL is allowed. */
size_t cd_pool_free(struct cd_pool *pool, int64_t deadline_us);
