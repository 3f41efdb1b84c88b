#include "store/sqlite/writer.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "store/sqlite/checkpoint.h"
#include "store/sqlite/group.h"

enum {
        GROUP_MAX = 512,       /* maximum writes in one transaction */
        COALESCE_MAX_US = 400, /* how long to wait for callers that were told of the last commit to write again */
        LATER_WAIT_US = 50000, /* how long writes of write_later are collected */
        LATER_MANY = 256,      /* with so many, the wait ends */
};

struct cd_sqlite_writer {
        struct cd_sqlite_writer_options options;
        struct cd_sqlite_connection *connection;
        struct cd_sqlite_checkpoint *checkpoint;
        pthread_t thread;
        int pages; /* size of the write-ahead log after the last commit */
        /* The members of a group wait on the same word and are woken by a single call. There are two words, so that the
         * next group is not woken. */
        atomic_uint turns[2];

        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct cd_sqlite_job *first, **last;
        size_t count, later_count; /* queued writes, and how many of them are from write_later */
        size_t wanted;             /* the count at which the writer is woken */
        unsigned group;            /* number of groups taken off the queue */
        bool stopping;
};

static void enqueue(struct cd_sqlite_writer *writer, struct cd_sqlite_job *job)
{
        job->next = NULL;
        job->deadline_us = cd_monotonic_us() + writer->options.location.busy_ms * 1000;
        *writer->last = job;
        writer->last = &job->next;
        writer->count++;
        if (job->done)
                writer->later_count++;
        bool is_first_waited = !job->done && writer->count == writer->later_count + 1;
        if (writer->wanted ? writer->count == writer->wanted
                           : writer->count == 1 || is_first_waited || writer->later_count == LATER_MANY)
                pthread_cond_signal(&writer->changed);
}

static bool has_room(struct cd_sqlite_writer *writer, bool is_later)
{
        size_t max = writer->options.queue_max;

        return !writer->stopping && writer->count < max && (!is_later || writer->later_count < max - max / 4);
}

static void wait_for(struct cd_sqlite_job *job)
{
        while (!atomic_load(&job->is_finished)) {
                unsigned turn = atomic_load(job->turn);
                if (!atomic_load(&job->is_finished)) /* otherwise it has finished meanwhile */
                        syscall(SYS_futex, job->turn, FUTEX_WAIT_PRIVATE, turn, NULL, NULL, 0);
        }
}

static void wake_all(atomic_uint *turn)
{
        atomic_fetch_add(turn, 1);
        syscall(SYS_futex, turn, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static cd_status refuse(struct cd_error *reterr)
{
        cd_status status = cd_fail(reterr, CD_UNAVAILABLE, "the queue of database writes is full");

        if (reterr)
                reterr->retry_after = 1;
        return status;
}

cd_status cd_sqlite_writer_run(struct cd_sqlite_writer *writer, cd_sql_transaction *transaction, void *arg,
                               struct cd_error *reterr)
{
        struct cd_sqlite_job job = { .transaction = transaction, .arg = arg };

        pthread_mutex_lock(&writer->lock);
        bool has = has_room(writer, false);
        job.turn = &writer->turns[writer->group % 2];
        if (has)
                enqueue(writer, &job);
        pthread_mutex_unlock(&writer->lock);
        if (!has)
                return refuse(reterr);
        wait_for(&job);
        if (job.status != CD_OK && reterr)
                *reterr = job.error;
        return job.status;
}

cd_status cd_sqlite_writer_later(struct cd_sqlite_writer *writer, cd_sql_transaction *transaction, void *arg,
                                 void (*done)(void *arg, cd_status status), struct cd_error *reterr)
{
        struct cd_sqlite_job *job = calloc(1, sizeof(*job));

        if (!job)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a deferred write");
        *job = (struct cd_sqlite_job){ .transaction = transaction, .arg = arg, .done = done };
        pthread_mutex_lock(&writer->lock);
        bool has = has_room(writer, true);
        if (has)
                enqueue(writer, job);
        pthread_mutex_unlock(&writer->lock);
        if (has)
                return CD_OK;
        free(job);
        return refuse(reterr);
}

static struct timespec after_us(int64_t us)
{
        int64_t at = cd_monotonic_us() + us;

        return (struct timespec){ .tv_sec = at / 1000000, .tv_nsec = at % 1000000 * 1000 };
}

/* With the lock held. Waits for `wanted` writes, at most `us` microseconds. */
static void coalesce(struct cd_sqlite_writer *writer, size_t wanted, int64_t us)
{
        struct timespec deadline = after_us(us);

        writer->wanted = wanted;
        while (writer->count < wanted && !writer->stopping &&
               pthread_cond_timedwait(&writer->changed, &writer->lock, &deadline) == 0)
                ;
        writer->wanted = 0;
}

/* With the lock held. Collects the writes of write_later, so that a flood of logins does not cost an fsync each. */
static void coalesce_deferred(struct cd_sqlite_writer *writer)
{
        struct timespec deadline = after_us(LATER_WAIT_US);

        while (writer->count == writer->later_count && writer->later_count < LATER_MANY && !writer->stopping &&
               pthread_cond_timedwait(&writer->changed, &writer->lock, &deadline) == 0)
                ;
}

/* With the lock held. Takes at most GROUP_MAX writes off the queue. */
static struct cd_sqlite_job *take_group(struct cd_sqlite_writer *writer, size_t *ret_count)
{
        struct cd_sqlite_job *first = writer->first, *job = NULL, **end = &writer->first;
        size_t count = 0;

        while (*end && count < GROUP_MAX) {
                job = *end;
                if (job->done)
                        writer->later_count--;
                end = &job->next;
                count++;
        }
        writer->first = *end;
        *end = NULL;
        if (!writer->first)
                writer->last = &writer->first;
        writer->count -= count;
        writer->group++;
        *ret_count = count;
        return first;
}

/* Waits for writes. Returns NULL when the writer ends and no writes are left. `last_count`: callers that were told of
 * the last commit. */
static struct cd_sqlite_job *next_group(struct cd_sqlite_writer *writer, size_t last_count, size_t *ret_count)
{
        struct cd_sqlite_job *first;

        pthread_mutex_lock(&writer->lock);
        if (last_count > 1)
                coalesce(writer, last_count, COALESCE_MAX_US);
        while (!writer->first && !writer->stopping)
                pthread_cond_wait(&writer->changed, &writer->lock);
        coalesce_deferred(writer);
        first = take_group(writer, ret_count);
        pthread_mutex_unlock(&writer->lock);
        return first;
}

/* Another process held the lock until the deadline of the first job. Puts the other jobs back at the head of the queue,
 * and returns those whose deadline has passed. */
static struct cd_sqlite_job *put_back(struct cd_sqlite_writer *writer, struct cd_sqlite_job *first)
{
        int64_t now = cd_monotonic_us();
        struct cd_sqlite_job **end = &first, *rest;

        while (*end && (*end)->deadline_us <= now)
                end = &(*end)->next;
        if (end == &first)
                usleep(1000); /* SQLite failed without waiting */
        rest = *end;
        *end = NULL;
        pthread_mutex_lock(&writer->lock);
        for (end = &rest; *end; end = &(*end)->next) {
                writer->count++;
                if ((*end)->done)
                        writer->later_count++;
        }
        *end = writer->first;
        if (!writer->first && rest)
                writer->last = end;
        writer->first = rest;
        pthread_mutex_unlock(&writer->lock);
        return first;
}

/* A job with a waiting thread is on that thread's stack and must not be used after it is finished. Returns the number
 * of waiting threads. */
static size_t tell(struct cd_sqlite_writer *writer, struct cd_sqlite_job *first)
{
        size_t waited[CD_LEN(writer->turns)] = { 0 };

        for (struct cd_sqlite_job *job = first, *next; job; job = next) {
                next = job->next;
                if (!job->done) {
                        waited[job->turn - writer->turns]++;
                        atomic_store(&job->is_finished, true);
                        continue;
                }
                job->done(job->arg, job->status);
                free(job);
        }
        for (size_t i = 0; i < CD_LEN(waited); i++)
                if (waited[i])
                        wake_all(&writer->turns[i]);
        return waited[0] + waited[1];
}

static void *write_groups(void *arg)
{
        struct cd_sqlite_writer *writer = arg;
        struct cd_sqlite_job *first;
        size_t waited = 0, count;

        while ((first = next_group(writer, waited, &count))) {
                sqlite3_int64 before = sqlite3_total_changes64(writer->connection->db);
                if (!cd_sqlite_group_run(writer->connection, writer->options.location.files, first))
                        first = put_back(writer, first);
                bool has_changed = sqlite3_total_changes64(writer->connection->db) != before;
                if (has_changed)
                        writer->options.on_commit(writer->options.arg);
                waited = tell(writer, first);
                if (has_changed)
                        cd_sqlite_checkpoint_after_commit(writer->checkpoint, writer->connection, writer->pages);
        }
        return NULL;
}

static int on_log(void *arg, sqlite3 *db, const char *name, int pages)
{
        struct cd_sqlite_writer *writer = arg;

        (void)db, (void)name;
        writer->pages = pages;
        return SQLITE_OK;
}

static void init_queue(struct cd_sqlite_writer *writer)
{
        pthread_condattr_t attributes;

        pthread_mutex_init(&writer->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&writer->changed, &attributes);
        pthread_condattr_destroy(&attributes);
        writer->last = &writer->first;
}

static void destroy(struct cd_sqlite_writer *writer)
{
        cd_sqlite_checkpoint_free(writer->checkpoint);
        cd_sqlite_connection_close(writer->connection);
        pthread_cond_destroy(&writer->changed);
        pthread_mutex_destroy(&writer->lock);
        free(writer);
}

cd_status cd_sqlite_writer_new(const struct cd_sqlite_writer_options *options, struct cd_sqlite_writer **ret,
                               struct cd_error *reterr)
{
        struct cd_sqlite_writer *writer = calloc(1, sizeof(*writer));

        if (!writer)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the database's writer");
        writer->options = *options;
        init_queue(writer);
        cd_status status = cd_sqlite_connection_open(&options->location, true, &writer->connection, reterr);
        if (status == CD_OK)
                status = cd_sqlite_checkpoint_new(&options->location, &writer->checkpoint, reterr);
        if (status == CD_OK) {
                sqlite3_wal_hook(writer->connection->db, on_log, writer);
                if (pthread_create(&writer->thread, NULL, write_groups, writer) != 0)
                        status = cd_fail(reterr, CD_UNAVAILABLE, "the thread for the database could not be started");
        }
        if (status != CD_OK) {
                destroy(writer);
                return status;
        }
        *ret = writer;
        return CD_OK;
}

void cd_sqlite_writer_free(struct cd_sqlite_writer *writer)
{
        pthread_mutex_lock(&writer->lock);
        writer->stopping = true;
        pthread_cond_signal(&writer->changed);
        pthread_mutex_unlock(&writer->lock);
        pthread_join(writer->thread, NULL);
        /* If the file was deleted or replaced, closing the last connection does not move the log into it, so that is
         * done here. A log that stays would be taken for that of whatever file has the name by then. */
        if (cd_sqlite_files_check(writer->options.location.files, NULL) != CD_OK)
                (void)sqlite3_wal_checkpoint_v2(writer->connection->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        destroy(writer);
}
