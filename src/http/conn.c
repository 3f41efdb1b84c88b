/* Input of a connection, and the requests in it. What it waits for meanwhile is in conn_wait.c, its output in conn_write.c. */
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "http/engine.h"

enum {
        LINGER_BYTES = 16 * 1024 * 1024, /* of input that is thrown away so that our last answer can be read */
        PARTIAL_MIN = 1024,
        LONG_READ = 8192,
        TURNED_AWAY_MAX = 256,
};

/* ---- reading ---- */

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
                cd_conn_free_partial(conn);
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
                cd_conn_free_partial(conn);
        } else if (conn->partial) {
                memmove(conn->partial->data, data, len);
                cd_wipe(conn->partial->data + len, conn->partial->len - len);
                conn->partial->len = len;
        } else if (keep_more(conn, data, len)) {
                conn->partial->reader = *reader;
        } else {
                cd_conn_close(conn);
        }
}

bool cd_conn_may_serve(const struct cd_conn *conn)
{
        return !conn->job && !conn->ending && !conn->closed && conn->queued == 0;
}

void cd_conn_take_input(struct cd_conn *conn, char *data, size_t len)
{
        if (!conn->partial && cd_conn_may_serve(conn))
                cd_conn_serve(conn, data, len);
        else if (!keep_more(conn, data, len))
                cd_conn_close(conn);
        else if (cd_conn_may_serve(conn))
                cd_conn_serve(conn, conn->partial->data, conn->partial->len);
        else
                cd_conn_settle(conn, false);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
        struct cd_conn *conn = stream->data;

        if (count == 0)
                return;
        if (conn->gathered) /* a second read in one turn: the answers to the first go out in front */
                cd_loop_write_gathered(conn->loop);
        if (count < 0) {
                conn->at_eof = true;
                conn->reading = false;
                if (count == UV_EOF)
                        cd_conn_settle(conn, false);
                else
                        cd_conn_close(conn);
                return;
        }
        if (conn->wait == CD_WAIT_LINGER) {
                conn->discarded += (unsigned)count;
                if (conn->discarded > LINGER_BYTES)
                        cd_conn_close(conn);
        } else if (conn->tls) {
                cd_conn_take_cipher(conn, buf->base, (size_t)count);
                return;
        } else {
                cd_conn_take_input(conn, buf->base, (size_t)count);
        }
        cd_wipe(buf->base, (size_t)count);
}

static void offer_input(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        struct cd_conn *conn = handle->data;

        (void)suggested;
        *ret = uv_buf_init(conn->loop->input, CD_INPUT_SIZE);
}

void cd_conn_set_reading(struct cd_conn *conn, bool wanted)
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

void cd_conn_refuse(struct cd_conn *conn, const struct cd_http1_refusal *refusal, bool head_only)
{
        cd_exchange_refuse(conn->loop, conn, refusal, head_only);
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
static bool send_away(struct cd_conn *conn, const struct cd_exchange *x, enum cd_http_where where,
                      cd_http_handler *handler)
{
        struct cd_loop *loop = conn->loop;
        struct cd_job *job = malloc(sizeof(*job));

        if (!job)
                return false;
        *job = (struct cd_job){ .loop = loop, .conn = conn, .app = loop->server->app, .handler = handler };
        cd_arena_init(&job->arena, loop->arena.ceiling);
        conn->job = job;
        if (cd_exchange_copy(&job->x, x, &job->arena) && cd_pool_submit(cd_server_pool(loop->server, where), job))
                return true;
        conn->job = NULL;
        cd_job_free(job);
        return false;
}

static void answer(struct cd_conn *conn, struct cd_exchange *x)
{
        const struct cd_http_route *route = x->route;
        enum cd_http_where where = route ? route->where : CD_HTTP_INLINE;
        cd_http_handler *handler = route ? route->handler : NULL;

        if (route && where == CD_HTTP_INLINE) {
                handler(conn->loop->server->app, &x->req, &x->res);
                where = x->res.next ? x->res.next_where : CD_HTTP_INLINE;
                handler = x->res.next;
        }
        if (where != CD_HTTP_INLINE) {
                if (send_away(conn, x, where, handler))
                        return;
                cd_http1_own_answer(&x->res, 503);
                x->log = (struct cd_http_log_context){ .error = cd_http1_error_name(503),
                                                       .reason = CD_STR("the queue of the pool is full") };
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
                cd_conn_refuse(conn, &refusal, head->method == CD_HTTP_HEAD);
        }
        cd_arena_reset(&conn->loop->arena);
}

/* The client waits before it sends the body (RFC 9110 §10.1.1): it is told to go on, or at once that nobody wants it. */
static void handle_expectation(struct cd_conn *conn, const struct cd_http1_head *head)
{
        struct cd_http1_refusal refusal;
        struct cd_exchange x;

        if (!cd_exchange_begin(&x, conn->loop, conn, head, CD_STR(""), &refusal)) {
                cd_conn_refuse(conn, &refusal, head->method == CD_HTTP_HEAD);
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

/* Whether to write its answers is all that is left to do for the connection in this turn. */
static bool has_only_output(const struct cd_conn *conn)
{
        const struct cd_loop *loop = conn->loop;

        return cd_loop_out_len(loop) > 0 && !loop->out.failed && !loop->stopping && cd_conn_may_serve(conn) &&
               !conn->partial && !conn->at_eof;
}

/* Serves the requests that are complete, in order, as long as none of them must wait. */
void cd_conn_serve(struct cd_conn *conn, char *data, size_t len)
{
        struct cd_loop *loop = conn->loop;
        const struct cd_http_limits *limits = &loop->server->limits;
        struct cd_http1_reader fresh = { 0 }, *reader = conn->partial ? &conn->partial->reader : &fresh;
        struct cd_http1_head head = { .headers = loop->headers };
        struct cd_http1_refusal refusal;
        size_t at = 0, used;
        bool is_new = false;
        cd_str body;

        if (len > LONG_READ) /* may hold many requests, and those whose answers are gathered do not wait for them */
                cd_loop_write_gathered(loop);
        cd_http1_stamp_update(&loop->stamp, cd_realtime_us() / 1000000);
        while (at < len && cd_conn_may_serve(conn)) {
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
                        cd_conn_refuse(conn, &refusal, false);
                        break;
                }
                handle_request(conn, &head, body);
                is_new = true;
                at += used;
                *reader = (struct cd_http1_reader){ 0 };
                if (cd_loop_out_len(loop) >= (uint64_t)limits->output)
                        cd_conn_flush(conn);
        }
        if (conn->ending && at < len)
                conn->lingers = true;
        keep_rest(conn, reader, data + at, len - at);
        if (has_only_output(conn)) {
                cd_conn_flush_later(conn);
                return;
        }
        cd_conn_flush(conn);
        cd_conn_settle(conn, is_new);
}

void cd_conn_job_done(struct cd_conn *conn, struct cd_job *job)
{
        conn->job = NULL;
        if (conn->closed) {
                cd_job_free(job);
                cd_conn_release(conn);
                return;
        }
        cd_http1_stamp_update(&conn->loop->stamp, cd_realtime_us() / 1000000);
        finish(conn, &job->x);
        cd_job_free(job);
        if (conn->partial && cd_conn_may_serve(conn)) {
                cd_conn_serve(conn, conn->partial->data, conn->partial->len);
                return;
        }
        if (conn->ending && conn->partial)
                conn->lingers = true;
        cd_conn_flush(conn);
        cd_conn_settle(conn, true);
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

/* False where there are too many already. */
static bool take_place(struct cd_conn *conn)
{
        struct cd_http_server *server = conn->loop->server;

        conn->turned_away = atomic_fetch_add(&server->conns, 1) >= (size_t)server->limits.connections;
        if (conn->turned_away) {
                atomic_fetch_sub(&server->conns, 1);
                atomic_fetch_add(&server->turned_away, 1);
        }
        return !conn->turned_away;
}

/* One too many: told so and closed; those that are open do not notice. A flood is not even told, nor who
 * would have to be told by TLS, which costs more than a request. */
static void turn_away(struct cd_conn *conn)
{
        static const struct cd_http1_refusal full = { 503, "too many connections" };

        if (conn->tls || atomic_load(&conn->loop->server->turned_away) > TURNED_AWAY_MAX) {
                cd_conn_close(conn);
                return;
        }
        cd_http1_stamp_update(&conn->loop->stamp, cd_realtime_us() / 1000000);
        cd_conn_refuse(conn, &full, false);
        cd_conn_flush(conn);
        cd_conn_settle(conn, true);
}

/* False where memory is out. */
static bool choose_language(struct cd_conn *conn, enum cd_listener_kind kind)
{
        conn->redirects = kind == CD_LISTENER_REDIRECT;
        if (kind == CD_LISTENER_TLS)
                conn->tls = cd_tls_conn_new(conn->loop->server->tls);
        return kind != CD_LISTENER_TLS || conn->tls;
}

void cd_conn_accept(struct cd_loop *loop, uv_stream_t *listener)
{
        enum cd_listener_kind kind = loop->server->listeners[(uv_tcp_t *)listener - loop->listeners].kind;
        struct cd_conn *conn = calloc(1, sizeof(*conn));

        /* libuv takes no other connection from the listener before this one is taken, so it is tried again. */
        loop->starved = !conn || uv_tcp_init(&loop->uv, &conn->tcp) != 0;
        if (loop->starved) {
                free(conn);
                return;
        }
        conn->loop = loop;
        conn->tcp.data = conn;
        conn->link = (struct cd_link){ &conn->link, &conn->link };
        loop->conns++;
        bool has_place = take_place(conn);
        if (uv_accept(listener, (uv_stream_t *)&conn->tcp) != 0 || !choose_language(conn, kind)) {
                cd_conn_close(conn);
                return;
        }
        learn_peer(conn);
        if (has_place) {
                cd_conn_wait_for(conn, conn->tls ? CD_WAIT_HANDSHAKE : CD_WAIT_IDLE);
                cd_conn_set_reading(conn, true);
        } else {
                turn_away(conn);
        }
}
