#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/blocking.h"
#include "http/engine.h"

enum {
        BACKLOG = 4096,
        SWEEP_MAX_MS = 100,
        OUT_CEILING = 256 * 1024 * 1024, /* one answer is never that long; a fault of a handler ends here */
};

static size_t arena_ceiling(const struct cd_http_limits *limits)
{
        return 1024 * 1024 + 8 * (size_t)limits->body;
}

/* ---- jobs that come back ---- */

void cd_job_free(struct cd_job *job)
{
        cd_arena_done(&job->arena);
        free(job);
}

void cd_loop_finish_job(struct cd_job *job)
{
        struct cd_loop *loop = job->loop;

        pthread_mutex_lock(&loop->done_lock);
        bool gone = loop->gone, is_first = !loop->done;
        if (gone) {
                /* The grace is over: the connection is closed, and its loop stands still. */
                cd_conn_job_done(job->conn, job);
        } else {
                job->next = NULL;
                *loop->done_end = job;
                loop->done_end = &job->next;
        }
        pthread_mutex_unlock(&loop->done_lock);
        /* Behind the lock, or the loop would wake up only to wait for it; a loop outlives the threads of the pools. */
        if (!gone && is_first)
                uv_async_send(&loop->wake);
}

static struct cd_job *take_done(struct cd_loop *loop)
{
        pthread_mutex_lock(&loop->done_lock);
        struct cd_job *first = loop->done;
        loop->done = NULL;
        loop->done_end = &loop->done;
        pthread_mutex_unlock(&loop->done_lock);
        return first;
}

/* ---- the end ---- */

static void for_each_conn(struct cd_loop *loop, void (*visit)(struct cd_conn *conn))
{
        for (size_t i = 0; i < CD_WAITS; i++)
                for (struct cd_link *link = loop->waits[i].after, *after; link != &loop->waits[i]; link = after) {
                        after = link->after;
                        visit(cd_conn_of(link));
                }
}

static void log_stopping(struct cd_http_server *server)
{
        struct cd_log_event event;

        if (atomic_exchange(&server->logged_stopping, true))
                return;
        cd_log_begin(&event, server->log, CD_LOG_INFO, "stopping");
        cd_log_int(&event, "connections", (int64_t)atomic_load(&server->conns));
        cd_log_end(&event);
}

static void begin_stop(struct cd_loop *loop)
{
        loop->stopping = true;
        loop->force_at = uv_now(&loop->uv) + (uint64_t)loop->server->shutdown_grace_ms;
        log_stopping(loop->server);
        for (size_t i = 0; i < loop->listener_count; i++)
                uv_close((uv_handle_t *)&loop->listeners[i], NULL);
        loop->listener_count = 0;
        for_each_conn(loop, cd_conn_stop);
}

static void on_polled(uv_check_t *handle)
{
        cd_loop_write_gathered(handle->data);
}

static void on_wake(uv_async_t *handle)
{
        struct cd_loop *loop = handle->data;
        struct cd_job *after;

        cd_loop_write_gathered(loop);
        for (struct cd_job *job = take_done(loop); job; job = after) {
                after = job->next;
                cd_conn_job_done(job->conn, job);
        }
        if (atomic_load(&loop->server->stopping) && !loop->stopping)
                begin_stop(loop);
        if (loop->stopping && loop->conns == 0)
                uv_stop(&loop->uv);
}

/* ---- deadlines ---- */

static void on_sweep(uv_timer_t *timer)
{
        struct cd_loop *loop = timer->data;
        uint64_t now = uv_now(&loop->uv);

        for (size_t i = 0; i < loop->listener_count && loop->starved; i++)
                cd_conn_accept(loop, (uv_stream_t *)&loop->listeners[i]);
        for (size_t i = 0; i < CD_WAITS; i++) {
                struct cd_link *list = &loop->waits[i];
                while (i != CD_WAIT_HANDLER && list->after != list && cd_conn_of(list->after)->deadline <= now)
                        cd_conn_expired(cd_conn_of(list->after));
        }
        if (loop->stopping && now >= loop->force_at)
                for_each_conn(loop, cd_conn_close);
        if (loop->stopping && (loop->conns == 0 || now >= loop->force_at))
                uv_stop(&loop->uv);
        if (loop->conns == 0 && !loop->starved)
                uv_timer_stop(timer);
}

static uint64_t sweep_interval(const struct cd_http_limits *limits)
{
        const int64_t timeouts[] = { limits->header_timeout_ms, limits->body_timeout_ms, limits->idle_timeout_ms,
                                     limits->write_timeout_ms };
        int64_t least = SWEEP_MAX_MS * 4;

        for (size_t i = 0; i < CD_LEN(timeouts); i++)
                if (timeouts[i] < least)
                        least = timeouts[i];
        return least >= 4 ? (uint64_t)least / 4 : 1;
}

/* ---- life of a loop ---- */

static void on_connection(uv_stream_t *listener, int status)
{
        struct cd_loop *loop = listener->data;

        if (status < 0)
                return; /* the kernel's queue keeps what it could not hand over (EMFILE) */
        if (!uv_is_active((uv_handle_t *)&loop->sweep)) {
                uint64_t interval = sweep_interval(&loop->server->limits);
                uv_timer_start(&loop->sweep, on_sweep, interval, interval);
        }
        cd_conn_accept(loop, listener);
}

cd_status cd_loop_init(struct cd_loop *loop, struct cd_http_server *server, struct cd_error *reterr)
{
        *loop = (struct cd_loop){ .server = server, .done_end = &loop->done };
        if (!cd_ids_init(&loop->ids))
                return cd_fail(reterr, CD_INTERNAL, "the kernel's randomness failed");
        if (uv_loop_init(&loop->uv) != 0)
                return cd_fail(reterr, CD_UNAVAILABLE, "no event loop: out of file descriptors or memory");
        uv_async_init(&loop->uv, &loop->wake, on_wake);
        uv_timer_init(&loop->uv, &loop->sweep);
        uv_check_init(&loop->uv, &loop->after_poll);
        uv_check_start(&loop->after_poll, on_polled);
        loop->wake.data = loop->sweep.data = loop->after_poll.data = loop;
        pthread_mutex_init(&loop->done_lock, NULL);
        for (size_t i = 0; i < CD_WAITS; i++)
                loop->waits[i] = (struct cd_link){ &loop->waits[i], &loop->waits[i] };
        cd_arena_init(&loop->arena, arena_ceiling(&server->limits));
        cd_buf_init(&loop->out, NULL, OUT_CEILING);
        cd_buf_init(&loop->plain, NULL, 4 * (size_t)CD_INPUT_SIZE);
        cd_buf_init(&loop->cipher, NULL, OUT_CEILING + OUT_CEILING / 64);
        loop->input = malloc(CD_INPUT_SIZE);
        loop->headers = calloc((size_t)server->limits.header_count + 1, sizeof(*loop->headers));
        loop->listeners = calloc(server->listener_count, sizeof(*loop->listeners));
        if (!loop->input || !loop->headers || !loop->listeners)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a loop");
        return CD_OK;
}

cd_status cd_loop_listen(struct cd_loop *loop, int fd, struct cd_error *reterr)
{
        uv_tcp_t *listener = &loop->listeners[loop->listener_count];
        int err = uv_tcp_init(&loop->uv, listener);

        if (err == 0) {
                listener->data = loop;
                loop->listener_count++;
                err = uv_tcp_open(listener, fd);
        }
        if (err != 0)
                close(fd); /* still nobody's */
        if (err == 0)
                err = uv_listen((uv_stream_t *)listener, BACKLOG, on_connection);
        return err == 0 ? CD_OK : cd_failf(reterr, CD_UNAVAILABLE, CD_STR("listen"), "listen: %s", uv_strerror(err));
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
        for_each_conn(loop, cd_conn_close);
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        uv_walk(&loop->uv, close_handle, NULL);
        uv_run(&loop->uv, UV_RUN_DEFAULT);
        for (struct cd_job *job = take_done(loop), *after; job; job = after) {
                after = job->next;
                cd_conn_job_done(job->conn, job);
        }
        uv_loop_close(&loop->uv);
        pthread_mutex_destroy(&loop->done_lock);
        cd_arena_done(&loop->arena);
        cd_buf_done(&loop->out);
        cd_buf_done(&loop->plain);
        cd_buf_done(&loop->cipher);
        free(loop->input);
        free(loop->headers);
        free(loop->listeners);
}
