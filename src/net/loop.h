#pragma once
/* The event loop of one thread: its streams, deadlines and completed jobs. Independent of any protocol. */
#include <pthread.h>
#include <uv.h>

#include "base/buf.h"
#include "net/deadline.h"

struct cd_loop;
struct cd_stream;

/* Work for another thread: `run` is called on a thread of the pool, then `done` on the loop that submitted the job. */
struct cd_job {
        struct cd_job *next;
        struct cd_loop *loop;
        void (*run)(struct cd_job *job);
        void (*done)(struct cd_job *job); /* may free the job */
        int64_t submitted_us;             /* cd_monotonic_us; 0: nobody wants to know */
};

struct cd_link {
        struct cd_link *before, *after;
};

/* Something to do before the end of this turn, but after what is on the stack now. */
struct cd_later {
        struct cd_later *next;
        void (*run)(struct cd_later *later); /* may free it */
};

/* What another layer keeps for one loop. */
struct cd_loop_state {
        void (*free)(struct cd_loop_state *state); /* when the loop has ended */
};

enum {
        CD_INPUT_SIZE = 65536,
        CD_SPARE_BUFS = 16,
        CD_FLUSH_BATCH = 8, /* streams */
};

struct cd_loop {
        uv_loop_t uv;
        uv_async_t wake;       /* jobs are done, or cd_loop_wake was called */
        uv_timer_t sweep;      /* runs while a deadline is set */
        uv_check_t after_poll; /* flushes at the end of a turn */
        uv_idle_t again;       /* active while output is left, so that the next turn does not wait */
        void (*on_sweep)(uv_timer_t *timer);
        void (*on_again)(uv_idle_t *handle);
        struct cd_wheel wheel;
        uint64_t (*clock)(const struct cd_loop *loop); /* milliseconds; from libuv or from a test */
        struct cd_link streams;                        /* all streams */
        size_t stream_count;
        size_t job_count; /* jobs that were submitted and are not done */
        /* Streams with new output. They are flushed together at the end of the turn, or when CD_FLUSH_BATCH of them
         * wait, so that a client process that waits for many responses wakes up once. */
        struct cd_stream *flush_first, **flush_last;
        size_t flush_count;
        struct cd_later *later, **last_later;
        struct cd_loop_state *upstreams;          /* of upstream/; NULL: none yet */
        struct cd_buf *spare_bufs[CD_SPARE_BUFS]; /* empty buffers for output */
        size_t spare_count;
        char *input;              /* the buffer of every read */
        struct cd_buf plain;      /* the same input, decrypted by TLS */
        struct cd_buf cipher;     /* output of TLS; empty between two writes */
        int64_t write_timeout_ms; /* a stream whose output makes no progress for so long is reset */
        bool stopping;            /* the loop ends when it has no streams and no jobs */
        struct cd_deadline grace; /* when it passes, the remaining streams are closed */
        void (*woken)(struct cd_loop *loop);
        void *owner;
        pthread_mutex_t done_lock;
        struct cd_job *done, **done_end;
        bool gone; /* the loop no longer takes done jobs */
};

/* cd_loop_wake makes the loop call `woken` on its own thread. */
cd_status cd_loop_init(struct cd_loop *loop, void (*woken)(struct cd_loop *loop), void *owner, struct cd_error *reterr);
/* Runs until the loop was stopped and has nothing left to do, or the grace period is over. */
void cd_loop_run(struct cd_loop *loop);
/* On the loop's thread: calls `stopping` for every stream, and closes the remaining ones after `grace_ms`. */
void cd_loop_stop(struct cd_loop *loop, int64_t grace_ms);
/* Closes what is open and frees it. The loop must not be running. */
void cd_loop_done(struct cd_loop *loop);
/* Calls `run` in this turn, before output is flushed. */
void cd_loop_later(struct cd_loop *loop, struct cd_later *later);
/* From any thread or signal handler. */
void cd_loop_wake(struct cd_loop *loop);
/* On a thread of a pool: makes job->loop call job->done. */
void cd_loop_finish_job(struct cd_job *job);
/* What each turn does apart from reading: sweeps deadlines, completes jobs, flushes. For tests that drive a loop
 * without a socket. */
void cd_loop_turn(struct cd_loop *loop);

static inline uint64_t cd_loop_now(const struct cd_loop *loop)
{
        return loop->clock(loop);
}

/* Makes the next turn follow at once. */
static inline void cd_loop_go_on(struct cd_loop *loop)
{
        uv_idle_start(&loop->again, loop->on_again);
}

/* Sets a deadline `ms` from now. The deadline is never early, although libuv rounds its clock down. */
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

/* Must be called after the last stream or job of a stopping loop has gone. */
static inline void cd_loop_check_end(struct cd_loop *loop)
{
        if (loop->stopping && loop->stream_count == 0 && loop->job_count == 0)
                uv_stop(&loop->uv);
}
