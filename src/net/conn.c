#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "net/engine.h"

enum {
        LINGER_MS = 2000,
        LINGER_BYTES = 16 * 1024 * 1024, /* of input that is thrown away so that our last answer can be read */
        PARTIAL_MIN = 1024,
};

/* Output that the kernel did not take at once. */
struct waiting_write {
        uv_write_t req;
        size_t len;
        char data[];
};

static void serve(struct cd_conn *conn, char *data, size_t len);
static void flush(struct cd_conn *conn);
static void settle(struct cd_conn *conn, bool is_new);

/* ---- lists of waiting connections ---- */

static void unlink_conn(struct cd_conn *conn)
{
        conn->link.before->after = conn->link.after;
        conn->link.after->before = conn->link.before;
        conn->link.before = conn->link.after = &conn->link;
}

static int64_t wait_ms(const struct cd_loop *loop, enum cd_wait wait)
{
        const struct cd_http_limits *limits = &loop->server->limits;

        switch (wait) {
        case CD_WAIT_IDLE:
                return limits->idle_timeout_ms;
        case CD_WAIT_HEADER:
                return limits->header_timeout_ms;
        case CD_WAIT_BODY:
                return limits->body_timeout_ms;
        case CD_WAIT_WRITE:
                return limits->write_timeout_ms;
        case CD_WAIT_LINGER:
                return LINGER_MS;
        case CD_WAIT_HANDLER:
        case CD_WAITS:
                break;
        }
        return 0;
}

static void wait_for(struct cd_conn *conn, enum cd_wait wait)
{
        struct cd_link *list = &conn->loop->waits[wait];

        unlink_conn(conn);
        conn->wait = (uint8_t)wait;
        conn->deadline = uv_now(&conn->loop->uv) + (uint64_t)wait_ms(conn->loop, wait);
        conn->link = (struct cd_link){ .before = list->before, .after = list };
        list->before->after = &conn->link;
        list->before = &conn->link;
}

/* ---- end of a connection ---- */

static void free_partial(struct cd_conn *conn)
{
        if (!conn->partial)
                return;
        cd_wipe(conn->partial->data, conn->partial->len);
        free(conn->partial);
        conn->partial = NULL;
}

/* Once neither libuv nor a pool thread knows the connection any more. */
static void release(struct cd_conn *conn)
{
        struct cd_loop *loop = conn->loop;

        if (!conn->handle_gone || conn->job)
                return;
        free_partial(conn);
        free(conn);
        loop->conns--;
        atomic_fetch_sub(&loop->server->conns, 1);
        if (loop->stopping && loop->conns == 0)
                uv_stop(&loop->uv);
}

static void on_closed(uv_handle_t *handle)
{
        struct cd_conn *conn = handle->data;

        conn->handle_gone = true;
        release(conn);
}

void cd_conn_close(struct cd_conn *conn)
{
        if (conn->closed)
                return;
        conn->closed = true;
        unlink_conn(conn);
        uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

static void reset_conn(struct cd_conn *conn)
{
        conn->closed = true;
        unlink_conn(conn);
        if (uv_tcp_close_reset(&conn->tcp, on_closed) != 0)
                uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

/* A close with unread input makes the kernel send a reset, which can overtake our answer; so the client is told that nothing
 * more comes, and what it still sends is thrown away for a while (RFC 9112 §9.6). */
static void linger(struct cd_conn *conn)
{
        uv_os_fd_t fd;

        if (uv_fileno((uv_handle_t *)&conn->tcp, &fd) == 0)
                shutdown(fd, SHUT_WR);
        free_partial(conn);
        wait_for(conn, CD_WAIT_LINGER);
}

/* ---- reading ---- */

static void offer_input(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        struct cd_conn *conn = handle->data;

        (void)suggested;
        *ret = uv_buf_init(conn->loop->input, CD_INPUT_SIZE);
}

/* Puts bytes behind those that are kept. False where memory is out. */
static bool keep_more(struct cd_conn *conn, const char *data, size_t len)
{
        struct cd_partial *old = conn->partial;
        size_t have = old ? old->len : 0;

        if (!old || old->cap - have < len) {
                size_t cap = have + len > PARTIAL_MIN ? (have + len) * 3 / 2 : PARTIAL_MIN;
                struct cd_partial *partial = malloc(sizeof(*partial) + cap);
                if (!partial)
                        return false;
                *partial = (struct cd_partial){ .len = have, .cap = cap };
                if (old) {
                        partial->reader = old->reader;
                        memcpy(partial->data, old->data, have);
                }
                free_partial(conn);
                conn->partial = partial;
        }
        memcpy(conn->partial->data + have, data, len);
        conn->partial->len = have + len;
        return true;
}

/* What was read and not used stays for later; data lies in the loop's input or in conn->partial. */
static void keep_rest(struct cd_conn *conn, const struct cd_http1_reader *reader, char *data, size_t len)
{
        if (len == 0 || conn->ending) {
                free_partial(conn);
        } else if (conn->partial) {
                memmove(conn->partial->data, data, len);
                conn->partial->len = len;
        } else if (keep_more(conn, data, len)) {
                conn->partial->reader = *reader;
        } else {
                cd_conn_close(conn);
        }
}

static bool may_serve(const struct cd_conn *conn)
{
        return !conn->job && !conn->ending && !conn->closed && conn->queued == 0;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
        struct cd_conn *conn = stream->data;

        if (count == 0)
                return;
        if (count < 0) {
                conn->at_eof = true;
                conn->reading = false;
                if (count == UV_EOF)
                        settle(conn, false);
                else
                        cd_conn_close(conn);
                return;
        }
        if (conn->wait == CD_WAIT_LINGER) {
                conn->discarded += (unsigned)count;
                if (conn->discarded > LINGER_BYTES)
                        cd_conn_close(conn);
        } else if (!conn->partial && may_serve(conn)) {
                serve(conn, buf->base, (size_t)count);
        } else if (!keep_more(conn, buf->base, (size_t)count)) {
                cd_conn_close(conn);
        } else if (may_serve(conn)) {
                serve(conn, conn->partial->data, conn->partial->len);
        } else {
                settle(conn, false);
        }
        cd_wipe(buf->base, (size_t)count);
}

static void set_reading(struct cd_conn *conn, bool wanted)
{
        if (wanted == conn->reading || (wanted && conn->at_eof))
                return;
        conn->reading = wanted;
        if (wanted)
                uv_read_start((uv_stream_t *)&conn->tcp, offer_input, on_read);
        else
                uv_read_stop((uv_stream_t *)&conn->tcp);
}

/* ---- requests ---- */

static void refuse(struct cd_conn *conn, const struct cd_http1_refusal *refusal)
{
        cd_exchange_refuse(conn->loop, conn, refusal);
        conn->ending = conn->lingers = true;
}

static void finish(struct cd_conn *conn, struct cd_exchange *x)
{
        x->keep_alive = x->keep_alive && !conn->loop->stopping;
        cd_exchange_finish(x, conn->loop);
        if (!x->keep_alive)
                conn->ending = true;
}

/* Hands the request to a pool thread. False where it could not be taken. */
static bool send_away(struct cd_conn *conn, const struct cd_exchange *x)
{
        struct cd_loop *loop = conn->loop;
        struct cd_job *job = malloc(sizeof(*job));

        if (!job)
                return false;
        *job = (struct cd_job){ .loop = loop, .conn = conn, .app = loop->server->app };
        cd_arena_init(&job->arena, loop->arena.ceiling);
        conn->job = job;
        if (cd_exchange_copy(&job->x, x, &job->arena) &&
            cd_pool_submit(loop->server->pools[x->route->where == CD_HTTP_OUTGOING], job))
                return true;
        conn->job = NULL;
        cd_job_free(job);
        return false;
}

static void answer(struct cd_conn *conn, struct cd_exchange *x)
{
        if (x->route && x->route->where != CD_HTTP_INLINE) {
                if (send_away(conn, x))
                        return;
                cd_http1_own_answer(&x->res, 503);
                x->log.error = cd_http1_error_name(503);
                x->log.reason = CD_STR("the queue of the pool is full");
        } else if (x->route) {
                x->route->handler(conn->loop->server->app, &x->req, &x->res);
        }
        finish(conn, x);
}

static void handle_request(struct cd_conn *conn, const struct cd_http1_head *head, cd_str body)
{
        struct cd_http1_refusal refusal;
        struct cd_exchange x;

        if (cd_exchange_begin(&x, conn->loop, conn, head, body, &refusal)) {
                cd_exchange_route(&x, conn->loop->server, head->coded);
                answer(conn, &x);
        } else {
                refuse(conn, &refusal);
        }
        cd_arena_reset(&conn->loop->arena);
}

/* The client waits before it sends the body (RFC 9110 §10.1.1): it is told to go on, or at once that nobody wants it. */
static void handle_expectation(struct cd_conn *conn, const struct cd_http1_head *head)
{
        struct cd_http1_refusal refusal;
        struct cd_exchange x;

        if (!cd_exchange_begin(&x, conn->loop, conn, head, CD_STR(""), &refusal)) {
                refuse(conn, &refusal);
        } else {
                cd_exchange_route(&x, conn->loop->server, head->coded);
                if (x.route) {
                        cd_buf_add(&conn->loop->out, CD_STR("HTTP/1.1 100 Continue\r\n\r\n"));
                } else {
                        x.keep_alive = false;
                        conn->lingers = true;
                        finish(conn, &x);
                }
        }
        cd_arena_reset(&conn->loop->arena);
}

/* Serves the requests that are complete, in order, as long as none of them must wait. */
static void serve(struct cd_conn *conn, char *data, size_t len)
{
        struct cd_loop *loop = conn->loop;
        const struct cd_http_limits *limits = &loop->server->limits;
        struct cd_http1_reader fresh = { 0 }, *reader = conn->partial ? &conn->partial->reader : &fresh;
        struct cd_http1_head head = { .headers = loop->headers };
        struct cd_http1_refusal refusal;
        size_t at = 0, used;
        bool is_new = false;
        cd_str body;

        cd_http1_stamp_update(&loop->stamp, cd_realtime_us() / 1000000);
        while (at < len && may_serve(conn)) {
                size_t rest = len - at;
                enum cd_http1_step step =
                        cd_http1_read(reader, data + at, &rest, limits, &head, &body, &used, &refusal);
                if (step == CD_HTTP1_MORE) {
                        len = at + rest;
                        if (reader->wants_continue)
                                handle_expectation(conn, &head);
                        reader->wants_continue = false;
                        break;
                }
                if (step == CD_HTTP1_REFUSED) {
                        refuse(conn, &refusal);
                        break;
                }
                handle_request(conn, &head, body);
                is_new = true;
                at += used;
                *reader = (struct cd_http1_reader){ 0 };
                if (loop->out.len >= (uint64_t)limits->output)
                        flush(conn);
        }
        if (conn->ending && at < len)
                conn->lingers = true;
        keep_rest(conn, reader, data + at, len - at);
        flush(conn);
        settle(conn, is_new);
}

/* ---- writing ---- */

static void on_written(uv_write_t *req, int status)
{
        struct waiting_write *write = req->data;
        struct cd_conn *conn = req->handle->data;

        conn->queued -= write->len;
        cd_wipe(write->data, write->len);
        free(write);
        if (conn->closed)
                return;
        if (status < 0)
                cd_conn_close(conn);
        else if (conn->partial && may_serve(conn))
                serve(conn, conn->partial->data, conn->partial->len);
        else
                settle(conn, true);
}

static bool queue_output(struct cd_conn *conn, const char *data, size_t len)
{
        struct waiting_write *write = malloc(sizeof(*write) + len);

        if (!write)
                return false;
        memcpy(write->data, data, len);
        write->len = len;
        write->req.data = write;
        uv_buf_t buf = uv_buf_init(write->data, (unsigned)len);
        if (uv_write(&write->req, (uv_stream_t *)&conn->tcp, &buf, 1, on_written) != 0) {
                cd_wipe(write->data, len);
                free(write);
                return false;
        }
        conn->queued += len;
        conn->last_left = conn->queued;
        return true;
}

/* Writes the gathered answers: one system call, as long as the client reads. */
static void flush(struct cd_conn *conn)
{
        struct cd_buf *out = &conn->loop->out;
        bool ok = !out->failed;

        if (ok && out->len > 0 && !conn->closed) {
                uv_buf_t buf = uv_buf_init(out->ptr, (unsigned)out->len);
                int written = uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1);
                if (written == UV_EAGAIN)
                        written = 0;
                ok = written >= 0 && ((size_t)written == out->len ||
                                      queue_output(conn, out->ptr + written, out->len - (size_t)written));
        }
        cd_wipe(out->ptr, out->len);
        out->len = 0;
        out->failed = false;
        if (!ok)
                cd_conn_close(conn);
}

/* ---- between two events ---- */

static enum cd_wait what_it_waits_for(const struct cd_conn *conn)
{
        if (conn->queued > 0)
                return CD_WAIT_WRITE;
        if (conn->job)
                return CD_WAIT_HANDLER;
        if (conn->partial)
                return conn->partial->reader.head_size ? CD_WAIT_BODY : CD_WAIT_HEADER;
        return CD_WAIT_IDLE;
}

/* Decides what the connection waits for now. `is_new`: whatever it is, it begins now. */
static void settle(struct cd_conn *conn, bool is_new)
{
        if (conn->closed || conn->wait == CD_WAIT_LINGER) {
                if (conn->at_eof)
                        cd_conn_close(conn);
                return;
        }
        bool has_to_do = conn->job || conn->queued > 0;
        if (!has_to_do && (conn->at_eof || (conn->ending && !conn->lingers) ||
                           (conn->loop->stopping && !conn->partial && !conn->ending))) {
                cd_conn_close(conn);
        } else if (!has_to_do && conn->ending) {
                linger(conn);
                set_reading(conn, true);
        } else {
                enum cd_wait wait = what_it_waits_for(conn);
                if (is_new || wait != conn->wait)
                        wait_for(conn, wait);
                set_reading(conn, conn->queued == 0 && !(conn->job && conn->partial));
        }
}

void cd_conn_job_done(struct cd_conn *conn, struct cd_job *job)
{
        conn->job = NULL;
        if (conn->closed) {
                cd_job_free(job);
                release(conn);
                return;
        }
        cd_http1_stamp_update(&conn->loop->stamp, cd_realtime_us() / 1000000);
        finish(conn, &job->x);
        cd_job_free(job);
        if (conn->partial && may_serve(conn)) {
                serve(conn, conn->partial->data, conn->partial->len);
                return;
        }
        if (conn->ending && conn->partial)
                conn->lingers = true;
        flush(conn);
        settle(conn, true);
}

void cd_conn_expired(struct cd_conn *conn)
{
        static const struct cd_http1_refusal too_slow = { 408, "the request did not come in time" };
        size_t left;

        switch ((enum cd_wait)conn->wait) {
        case CD_WAIT_HEADER:
        case CD_WAIT_BODY:
                cd_http1_stamp_update(&conn->loop->stamp, cd_realtime_us() / 1000000);
                refuse(conn, &too_slow);
                flush(conn);
                settle(conn, true);
                return;
        case CD_WAIT_WRITE:
                left = uv_stream_get_write_queue_size((uv_stream_t *)&conn->tcp);
                if (left < conn->last_left) {
                        conn->last_left = left;
                        wait_for(conn, CD_WAIT_WRITE);
                } else {
                        reset_conn(conn);
                }
                return;
        case CD_WAIT_IDLE:
        case CD_WAIT_LINGER:
        case CD_WAIT_HANDLER:
        case CD_WAITS:
                cd_conn_close(conn);
        }
}

/* A request that the kernel has and we have not read yet is still answered. */
static bool has_input(struct cd_conn *conn)
{
        uv_os_fd_t fd;
        char byte;

        return uv_fileno((uv_handle_t *)&conn->tcp, &fd) == 0 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void cd_conn_stop(struct cd_conn *conn)
{
        if (conn->wait == CD_WAIT_IDLE && !has_input(conn))
                cd_conn_close(conn);
}

/* ---- beginning ---- */

static void learn_peer(struct cd_conn *conn)
{
        struct sockaddr_storage from;
        struct cd_address address;
        int size = sizeof(from);

        if (uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&from, &size) != 0 ||
            !cd_address_from_socket((struct sockaddr *)&from, &address))
                return;
        conn->peer_len = (uint8_t)cd_address_format(&address, conn->peer);
        conn->trusted = cd_server_trusts(conn->loop->server, &address);
}

/* One too many: told so and closed; those that are open do not notice. A flood is not even told. */
static void turn_away(struct cd_conn *conn, size_t count)
{
        static const struct cd_http1_refusal full = { 503, "too many connections" };
        size_t limit = (size_t)conn->loop->server->limits.connections;

        if (count > limit + limit / 8 + 64) {
                cd_conn_close(conn);
                return;
        }
        cd_http1_stamp_update(&conn->loop->stamp, cd_realtime_us() / 1000000);
        refuse(conn, &full);
        flush(conn);
        settle(conn, true);
}

void cd_conn_accept(struct cd_loop *loop, uv_stream_t *listener)
{
        struct cd_conn *conn = calloc(1, sizeof(*conn));

        if (!conn || uv_tcp_init(&loop->uv, &conn->tcp) != 0) {
                free(conn);
                return;
        }
        conn->loop = loop;
        conn->tcp.data = conn;
        conn->link = (struct cd_link){ &conn->link, &conn->link };
        loop->conns++;
        size_t count = atomic_fetch_add(&loop->server->conns, 1) + 1;
        if (uv_accept(listener, (uv_stream_t *)&conn->tcp) != 0) {
                cd_conn_close(conn);
                return;
        }
        learn_peer(conn);
        if (count > (size_t)loop->server->limits.connections) {
                turn_away(conn, count);
                return;
        }
        wait_for(conn, CD_WAIT_IDLE);
        set_reading(conn, true);
}
