#include "net/loop.h"

#include <stdlib.h>

#include "base/blocking.h"
#include "net/stream.h"

enum {
        OUT_CEILING = 260 * 1024 * 1024, /* bytes; more than the output of one stream */
};

/* ---- completed jobs ---- */

void cd_loop_finish_job(struct cd_job *job)
{
        struct cd_loop *loop = job->loop;

        pthread_mutex_lock(&loop->done_lock);
        bool gone = loop->gone, is_first = !loop->done;
        job->next = NULL;
        *loop->done_end = job;
        loop->done_end = &job->next;
        pthread_mutex_unlock(&loop->done_lock);
        /* Outside the lock, so that the loop does not wake up only to wait for it. A loop outlives the
         * threads of the pools. */
        if (!gone && is_first)
                uv_async_send(&loop->wake);
}

static void take_done(struct cd_loop *loop)
{
        pthread_mutex_lock(&loop->done_lock);
        struct cd_job *job = loop->done;
        loop->done = NULL;
        loop->done_end = &loop->done;
        pthread_mutex_unlock(&loop->done_lock);
        for (struct cd_job *next; job; job = next) {
                next = job->next;
                loop->job_count--;
                job->done(job);
                if (loop->flush_count >= CD_FLUSH_BATCH)
                        cd_loop_flush(loop);
        }
}

/* ---- turns ---- */

/* Does nothing: the handle only has to be active. libuv decides how long to wait after this call, so stopping the
 * handle here would let the loop sleep despite waiting output. */
static void on_again(uv_idle_t *handle)
{
        (void)handle;
}

void cd_loop_later(struct cd_loop *loop, struct cd_later *later)
{
        cd_loop_go_on(loop);
        later->next = NULL;
        *loop->last_later = later;
        loop->last_later = &later->next;
}

/* What these add waits for the next turn. */
static void run_later(struct cd_loop *loop)
{
        struct cd_later *later = loop->later;

        loop->later = NULL;
        loop->last_later = &loop->later;
        for (struct cd_later *next; later; later = next) {
                next = later->next;
                later->run(later);
                if (loop->flush_count >= CD_FLUSH_BATCH)
                        cd_loop_flush(loop);
        }
}

static void end_turn(struct cd_loop *loop)
{
        run_later(loop);
        cd_loop_flush(loop);
}

static void on_wake(uv_async_t *handle)
{
        struct cd_loop *loop = handle->data;

        take_done(loop);
        if (loop->woken)
                loop->woken(loop);
        cd_loop_check_end(loop);
}

static void on_polled(uv_check_t *handle)
{
        end_turn(handle->data);
}

static void on_sweep(uv_timer_t *timer)
{
        struct cd_loop *loop = timer->data;

        cd_wheel_sweep(&loop->wheel, cd_loop_now(loop));
        if (loop->wheel.count == 0)
                uv_timer_stop(timer);
        /* Timers run before the poll, and their output must not wait for its end. */
        end_turn(loop);
}

void cd_loop_turn(struct cd_loop *loop)
{
        take_done(loop);
        cd_wheel_sweep(&loop->wheel, cd_loop_now(loop));
        end_turn(loop);
        uv_run(&loop->uv, UV_RUN_NOWAIT);
}

/* ---- stopping ---- */

static void on_grace_over(struct cd_deadline *deadline)
{
        struct cd_loop *loop = (void *)((char *)deadline - offsetof(struct cd_loop, grace));

        cd_streams_close(loop);
        uv_stop(&loop->uv);
}

void cd_loop_stop(struct cd_loop *loop, int64_t grace_ms)
{
        loop->stopping = true;
        loop->grace.expired = on_grace_over;
        cd_loop_set_deadline(loop, &loop->grace, grace_ms);
        cd_streams_stop(loop);
        cd_loop_check_end(loop);
}

void cd_loop_wake(struct cd_loop *loop)
{
        uv_async_send(&loop->wake);
}

/* ---- start and end ---- */

static uint64_t uv_clock(const struct cd_loop *loop)
{
        return uv_now(&loop->uv);
}

static void init_handles(struct cd_loop *loop)
{
        uv_async_init(&loop->uv, &loop->wake, on_wake);
        uv_timer_init(&loop->uv, &loop->sweep);
        uv_check_init(&loop->uv, &loop->after_poll);
        uv_check_start(&loop->after_poll, on_polled);
        uv_idle_init(&loop->uv, &loop->again);
        loop->wake.data = loop->sweep.data = loop->after_poll.data = loop;
        loop->on_sweep = on_sweep;
        loop->on_again = on_again;
}

cd_status cd_loop_init(struct cd_loop *loop, void (*woken)(struct cd_loop *loop), void *owner, struct cd_error *reterr)
{
        *loop = (struct cd_loop){ .woken = woken, .owner = owner, .clock = uv_clock, .write_timeout_ms = 30 * 1000 };
        if (uv_loop_init(&loop->uv) != 0)
                return cd_fail(reterr, CD_UNAVAILABLE, "no event loop: out of file descriptors or memory");
        init_handles(loop);
        loop->done_end = &loop->done;
        loop->flush_last = &loop->flush_first;
        loop->last_later = &loop->later;
        loop->streams = (struct cd_link){ &loop->streams, &loop->streams };
        cd_wheel_init(&loop->wheel, cd_loop_now(loop));
        pthread_mutex_init(&loop->done_lock, NULL);
        cd_buf_init(&loop->plain, NULL, 4 * (size_t)CD_INPUT_SIZE);
        cd_buf_init(&loop->cipher, NULL, OUT_CEILING);
        loop->input = malloc(CD_INPUT_SIZE);
        return loop->input ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for a loop");
}

void cd_loop_run(struct cd_loop *loop)
{
        cd_thread_set_role(CD_THREAD_LOOP);
        uv_run(&loop->uv, UV_RUN_DEFAULT);
        cd_thread_set_role(CD_THREAD_OTHER);
        pthread_mutex_lock(&loop->done_lock);
        loop->gone = true;
        pthread_mutex_unlock(&loop->done_lock);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
        (void)arg;
        if (!uv_is_closing(handle))
                uv_close(handle, NULL);
}

void cd_loop_done(struct cd_loop *loop)
{
        run_later(loop);
        cd_streams_close(loop);
        take_done(loop);
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        if (loop->upstreams)
                loop->upstreams->free(loop->upstreams);
        loop->upstreams = NULL;
        take_done(loop); /* lookups that were answered meanwhile */
        uv_walk(&loop->uv, close_handle, NULL);
        uv_run(&loop->uv, UV_RUN_DEFAULT);
        uv_loop_close(&loop->uv);
        pthread_mutex_destroy(&loop->done_lock);
        cd_buf_done(&loop->plain);
        cd_buf_done(&loop->cipher);
        while (loop->spare_count > 0) {
                struct cd_buf *buf = loop->spare_bufs[--loop->spare_count];
                cd_buf_done(buf);
                free(buf);
        }
        free(loop->input);
}
