#pragma once
/* One thread's event loop: its streams, its deadlines, the jobs that come back to it. It knows no protocol. */
#include <pthread.h>
#include <uv.h>

#include "base/buf.h"
#include "net/deadline.h"

struct cd_loop;
struct cd_stream;

/* What runs elsewhere and comes back: `run` on the thread of a pool, then `done` on the loop that it was submitted
 * from. */
struct cd_job {
        struct cd_job *next;
        struct cd_loop *loop;
        void (*run)(struct cd_job *job);
        void (*done)(struct cd_job *job); /* may free the job */
};

struct cd_link {
        struct cd_link *before, *after;
};

enum {
        CD_INPUT_SIZE = 65536,
        CD_SPARE_BUFS = 16,
        CD_FLUSH_BATCH = 8, /* streams */
};

struct cd_loop {
        uv_loop_t uv;
        uv_async_t wake;       /* jobs are done, or somebody called cd_loop_wake */
        uv_timer_t sweep;      /* runs while a deadline is set */
        uv_check_t after_poll; /* flushes at the end of a turn */
        uv_idle_t again;       /* active: the next turn does not wait, since there is output left */
        void (*on_sweep)(uv_timer_t *timer);
        struct cd_wheel wheel;
        uint64_t (*clock)(const struct cd_loop *loop); /* milliseconds; that of libuv, or a test's */
        struct cd_link streams;                        /* all of them */
        size_t stream_count;
        size_t job_count; /* submitted and not back */
        /* Streams with new output. They are flushed in one batch at the end of the turn, or when CD_FLUSH_BATCH wait: a
         * client process that waits for many answers wakes up once. */
        struct cd_stream *flush_first, **flush_last;
        size_t flush_count;
        struct cd_buf *spare_bufs[CD_SPARE_BUFS]; /* for output, empty */
        size_t spare_count;
        char *input;              /* where every read lands */
        struct cd_buf plain;      /* what TLS decrypted of it */
        struct cd_buf cipher;     /* what TLS wants to send; empty between two writes */
        int64_t write_timeout_ms; /* without progress on output: the stream is reset */
        bool stopping;            /* ends once it has no stream and no job */
        struct cd_deadline grace; /* then what is left is closed */
        void (*woken)(struct cd_loop *loop);
        void *owner;
        pthread_mutex_t done_lock;
        struct cd_job *done, **done_end;
        bool gone; /* nobody takes done jobs any more */
};

/* `woken` is called on the loop's thread after cd_loop_wake. */
cd_status cd_loop_init(struct cd_loop *loop, void (*woken)(struct cd_loop *loop), void *owner, struct cd_error *reterr);
/* Runs until it was told to stop and has nothing left, or the grace is over. */
void cd_loop_run(struct cd_loop *loop);
/* From the loop's thread: every stream is told (`stopping`), and what is left after `grace_ms` is closed. */
void cd_loop_stop(struct cd_loop *loop, int64_t grace_ms);
/* Closes what is open and frees; the loop does not run any more. */
void cd_loop_done(struct cd_loop *loop);
/* From any thread, and from a signal handler. */
void cd_loop_wake(struct cd_loop *loop);
/* From the thread of a pool: job->done is called on job->loop. */
void cd_loop_finish_job(struct cd_job *job);
/* What one turn does beside reading: sweeps deadlines, takes done jobs, flushes. For tests that drive a loop without a
 * socket. */
void cd_loop_turn(struct cd_loop *loop);

static inline uint64_t cd_loop_now(const struct cd_loop *loop)
{
        return loop->clock(loop);
}

/* Sets a deadline `ms` from now; never early, though libuv's clock is rounded down. */
static inline void cd_loop_set_deadline(struct cd_loop *loop, struct cd_deadline *deadline, int64_t ms)
{
        cd_deadline_set(&loop->wheel, deadline, cd_loop_now(loop) + (uint64_t)ms + 1);
        if (!uv_is_active((uv_handle_t *)&loop->sweep))
                uv_timer_start(&loop->sweep, loop->on_sweep, CD_WHEEL_TICK_MS, CD_WHEEL_TICK_MS);
}

static inline void cd_loop_cancel_deadline(struct cd_loop *loop, struct cd_deadline *deadline)
{
        cd_deadline_cancel(&loop->wheel, deadline);
}

/* For code that takes the last stream or job away from a loop that stops. */
static inline void cd_loop_check_end(struct cd_loop *loop)
{
        if (loop->stopping && loop->stream_count == 0 && loop->job_count == 0)
                uv_stop(&loop->uv);
}
