/* One request to a server: an address, a connection, the request out, the response in, and what goes wrong. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "upstream/call.h"
#include "upstream/metrics.h"
#include "upstream/uwsgi.h"

enum {
        /* What uWSGI accepts unless it is told otherwise, with the header. */
        UWSGI_USUAL_BLOCK = 4096 + CD_UWSGI_HEADER_SIZE,
};

/* ---- the end of a call ---- */

static void hold(struct cd_upstream_call *call)
{
        call->busy++;
}

static void release(struct cd_upstream_call *call)
{
        struct cd_upstream_pool *pool = call->pool;
        struct cd_upstream *upstream = call->upstream;

        if (--call->busy > 0 || call->state != CD_CALL_OVER || call->is_later)
                return;
        cd_buf_done(&call->early);
        cd_upstream_pool_free(pool, call);
        cd_upstream_pool_leave(pool);
        cd_upstream_unref(upstream);
}

/* Nothing calls the call any more. The connection is left to the caller. */
static void finish(struct cd_upstream_call *call)
{
        call->state = CD_CALL_OVER;
        cd_loop_cancel_deadline(call->loop, &call->deadline);
        cd_loop_cancel_deadline(call->loop, &call->total);
        cd_addresses_stop_waiting(&call->waiter);
        cd_http1_reader_done(&call->reader);
}

static void drop_connection(struct cd_upstream_call *call, bool gently)
{
        if (call->connection)
                cd_upstream_pool_drop(call->connection, gently);
        call->connection = NULL;
}

static void note_failure(struct cd_upstream_call *call, enum cd_upstream_failure failure, const char *reason)
{
        cd_str where = call->name_len ? cd_upstream_address(call) : call->upstream->authority;

        call->failure = failure;
        call->has_failed = true;
        snprintf(call->reason, sizeof(call->reason), "%.*s: %s", CD_STR_ARG(where), reason);
}

static void fail_as_noted(struct cd_upstream_call *call)
{
        cd_upstream_count_failure(call->upstream->options.url, call->failure);
        finish(call);
        drop_connection(call, false);
        call->events->failed(call, call->failure, cd_str_from_c(call->reason));
}

static void fail(struct cd_upstream_call *call, enum cd_upstream_failure failure, const char *reason)
{
        note_failure(call, failure, reason);
        fail_as_noted(call);
}

/* ---- deadlines ---- */

static void lose(struct cd_upstream_call *call, enum cd_upstream_failure failure, const char *reason);

static void on_deadline(struct cd_deadline *deadline)
{
        struct cd_upstream_call *call = (void *)((char *)deadline - offsetof(struct cd_upstream_call, deadline));

        hold(call);
        if (call->state == CD_CALL_RESOLVING)
                fail(call, CD_UPSTREAM_CONNECT_TIMEOUT, "the name was not resolved in time (timeouts.connect)");
        else if (call->state == CD_CALL_CONNECTING)
                lose(call, CD_UPSTREAM_CONNECT_TIMEOUT, "no connection in time (timeouts.connect)");
        else if (cd_stream_queued(call->connection->stream) > 0 && cd_stream_has_progressed(call->connection->stream))
                cd_upstream_call_rearm(call);
        else if (call->state == CD_CALL_SENT)
                fail(call, CD_UPSTREAM_TIMEOUT,
                     cd_upstream_call_awaits_continue(call)
                             ? "neither 100 (Continue) nor another response in time to a request with a chunked body"
                             : "no response in time (timeouts.first_byte)");
        else
                fail(call, CD_UPSTREAM_TIMEOUT, "no byte in either direction in time (timeouts.idle)");
        release(call);
}

static void on_total(struct cd_deadline *deadline)
{
        struct cd_upstream_call *call = (void *)((char *)deadline - offsetof(struct cd_upstream_call, total));

        hold(call);
        fail(call, CD_UPSTREAM_TIMEOUT, "the response was not complete in time (timeouts.total)");
        release(call);
}

/* ---- the request ---- */

static void start_reader(struct cd_upstream_call *call);

/* Puts the head, and what of the body is here already, into the output of a connection that is open. */
static void send_head(struct cd_upstream_call *call)
{
        struct cd_stream *stream = call->connection->stream;
        struct cd_buf *out = cd_stream_out(stream);

        stream->has_sent = false;
        cd_status status = cd_upstream_call_write(call, out);
        if (status != CD_OK) {
                if (out->failed)
                        fail(call, CD_UPSTREAM_NO_MEMORY, "no memory for the request");
                else if (status == CD_TOO_LARGE)
                        fail(call, CD_UPSTREAM_BLOCK_TOO_LARGE, "the uwsgi block is larger than buffer_size");
                else
                        fail(call, CD_UPSTREAM_INVALID, "the request cannot be sent to this server");
                return;
        }
        call->state = CD_CALL_SENT;
        start_reader(call);
        cd_stream_read(stream, !call->is_paused);
        cd_upstream_call_rearm(call);
}

static void tell_ready(struct cd_upstream_call *call)
{
        if (call->request.length == 0 || call->is_pushed || cd_upstream_call_awaits_continue(call))
                return;
        call->events->ready(call);
}

cd_str cd_upstream_address(const struct cd_upstream_call *call)
{
        return cd_str_of(call->name, call->name_len);
}

void *cd_upstream_owner(const struct cd_upstream_call *call)
{
        return call->owner;
}

/* ---- connections ---- */

static const struct cd_stream_events stream_events;

static void use_connection(struct cd_upstream_call *call, struct cd_upstream_connection *connection)
{
        call->connection = connection;
        call->address = connection->address;
        call->name_len = connection->name_len;
        memcpy(call->name, connection->name, connection->name_len);
        connection->owner = call;
        connection->stream->events = &stream_events;
}

/* A server may close an idle connection at any time, or send what belongs to no request (the body of a response that
 * must not have one), and the loop need not have seen it yet. So the kernel is asked first: not every request can be
 * sent again, and none may get what came before it as its response. */
static struct cd_upstream_connection *take_kept(struct cd_upstream_call *call)
{
        struct cd_upstream_connection *connection;

        if (call->is_fresh)
                return NULL;
        while ((connection = cd_upstream_pool_take(call->pool))) {
                if (cd_stream_is_quiet(connection->stream))
                        return connection;
                cd_upstream_pool_drop(connection, false);
        }
        return NULL;
}

static void begin_connect(struct cd_upstream_call *call, const struct cd_address *address)
{
        struct cd_upstream_connection *connection = cd_upstream_pool_connect(call->pool, call->upstream, address);

        cd_upstream_count_connect(call->upstream->options.url);
        if (!call->deadline.before && options_of(call)->connect_ms > 0)
                cd_loop_set_deadline(call->loop, &call->deadline, options_of(call)->connect_ms);
        if (connection) {
                use_connection(call, connection);
                call->state = CD_CALL_CONNECTING;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                fail(call, CD_UPSTREAM_NO_MEMORY, "no memory or file descriptor for a connection");
        } else {
                lose(call, CD_UPSTREAM_NOT_CONNECTED, strerrordesc_np(errno));
        }
}

static void next_address(struct cd_upstream_call *call)
{
        enum cd_addresses_next next = CD_ADDRESSES_NONE;

        if (call->tried_count < (call->pool->addresses ? CD_CALL_TRIED_MAX : 1))
                next = !call->pool->addresses ? CD_ADDRESSES_FOUND
                                              : cd_addresses_next(call->pool->addresses, call->tried, call->tried_count,
                                                                  &call->address);
        if (next == CD_ADDRESSES_FOUND) {
                begin_connect(call, call->pool->addresses ? &call->address : NULL);
        } else if (next == CD_ADDRESSES_WAIT) {
                call->state = CD_CALL_RESOLVING;
                if (!call->deadline.before && options_of(call)->connect_ms > 0)
                        cd_loop_set_deadline(call->loop, &call->deadline, options_of(call)->connect_ms);
                cd_addresses_wait(call->pool->addresses, &call->waiter);
        } else if (call->has_failed) {
                fail_as_noted(call);
        } else {
                const char *why = cd_addresses_error(call->pool->addresses);
                fail(call, CD_UPSTREAM_NOT_RESOLVED, why ? why : "no address");
        }
}

static void on_answered(struct cd_addresses_waiter *waiter)
{
        struct cd_upstream_call *call = (void *)((char *)waiter - offsetof(struct cd_upstream_call, waiter));

        hold(call);
        next_address(call);
        release(call);
}

/* Sends the request on a kept connection, or begins to open one. */
static void attempt(struct cd_upstream_call *call)
{
        struct cd_upstream_connection *connection = take_kept(call);

        if (!connection) {
                next_address(call);
                return;
        }
        use_connection(call, connection);
        send_head(call);
        if (call->state == CD_CALL_SENT)
                tell_ready(call);
}

/* The connection has failed, or could not be opened. The request is sent again if the server cannot have acted on it,
 * or if that does no harm. */
static void lose(struct cd_upstream_call *call, enum cd_upstream_failure failure, const char *reason)
{
        struct cd_upstream_connection *connection = call->connection;
        bool is_reused = connection && connection->is_reused;
        bool has_begun = call->state >= CD_CALL_SENT && cd_http1_reader_has_begun(&call->reader);
        bool is_unsent = call->state < CD_CALL_SENT || !connection->stream->has_sent;

        note_failure(call, failure, reason);
        if (!is_reused && !has_begun)
                cd_upstream_pool_failed(call->pool, &call->address,
                                        failure == CD_UPSTREAM_TLS ? "the TLS handshake failed" : reason);
        if (has_begun || (call->state >= CD_CALL_SENT && call->is_pushed) ||
            !(is_unsent || call->request.is_idempotent)) {
                fail_as_noted(call);
                return;
        }
        drop_connection(call, false);
        cd_http1_reader_done(&call->reader);
        cd_loop_cancel_deadline(call->loop, &call->deadline);
        call->state = CD_CALL_STARTING;
        call->is_fresh = true;
        cd_upstream_count_retry(call->upstream->options.url);
        if (!is_reused)
                call->tried[call->tried_count++] = call->address;
        attempt(call);
}

/* ---- events of the stream ---- */

static struct cd_upstream_call *call_of(const struct cd_stream *stream)
{
        return ((struct cd_upstream_connection *)stream->owner)->owner;
}

static void on_opened(struct cd_stream *stream)
{
        struct cd_upstream_call *call = call_of(stream);

        hold(call);
        send_head(call);
        if (call->state == CD_CALL_SENT)
                tell_ready(call);
        release(call);
}

static void on_connect_failed(struct cd_upstream_call *call, const struct cd_stream *stream)
{
        const char *reason = stream->error ? stream->error : "the server closed the connection";

        /* All that was sent until now is of the handshake. */
        lose(call, stream->has_sent ? CD_UPSTREAM_TLS : CD_UPSTREAM_NOT_CONNECTED, reason);
}

static void on_bytes(struct cd_stream *stream, char *data, size_t len)
{
        struct cd_upstream_call *call = call_of(stream);

        hold(call);
        if (call->state == CD_CALL_CONNECTING) {
                on_connect_failed(call, stream);
        } else if (len == 0) {
                cd_http1_reader_end(&call->reader, stream->error || (stream->tls && !stream->tls_ended));
        } else {
                if (!cd_http1_reader_has_begun(&call->reader))
                        cd_upstream_pool_succeeded(call->pool, &call->address);
                bool has_waited = cd_upstream_call_awaits_continue(call);
                cd_http1_reader_feed(&call->reader, cd_str_of(data, len));
                if (has_waited && call->state == CD_CALL_SENT)
                        cd_upstream_call_rearm(call);
                if (has_waited && call->state != CD_CALL_OVER)
                        tell_ready(call);
        }
        if (call->state == CD_CALL_ANSWERED || call->state == CD_CALL_TUNNEL) /* a part of a head is no progress */
                cd_upstream_call_rearm(call);
        release(call);
}

static void on_drained(struct cd_stream *stream)
{
        struct cd_upstream_call *call = call_of(stream);

        if (call->state < CD_CALL_SENT)
                return;
        hold(call);
        if (call->is_waiting) {
                call->is_waiting = false;
                call->events->drained(call);
        }
        if (call->state != CD_CALL_OVER)
                cd_upstream_call_rearm(call);
        release(call);
}

static void on_nothing(struct cd_stream *stream)
{
        (void)stream;
}

/* Broken, or closed by the loop. */
static void on_ended(struct cd_stream *stream)
{
        struct cd_upstream_connection *connection = stream->owner;
        struct cd_upstream_call *call = connection->owner;

        hold(call);
        if (call->state == CD_CALL_CONNECTING)
                on_connect_failed(call, stream);
        else
                cd_http1_reader_end(&call->reader, true);
        if (call->connection == connection)
                fail(call, CD_UPSTREAM_CLOSED, "the connection was reset"); /* after the server's side of a tunnel */
        cd_upstream_pool_ended(connection);
        release(call);
}

static const struct cd_stream_events stream_events = {
        .opened = on_opened,
        .bytes = on_bytes,
        .drained = on_drained,
        .expired = on_nothing,
        .stopping = on_nothing,
        .ended = on_ended,
};

/* ---- events of the reader ---- */

static void on_head(void *owner, const struct cd_upstream_head *head)
{
        struct cd_upstream_call *call = owner;

        if (head->status == 101 && !call->is_complete) {
                fail(call, CD_UPSTREAM_INVALID, "101 before the request's body was complete");
                return;
        }
        cd_upstream_count_answer(call->upstream->options.url);
        call->state = head->status == 101 ? CD_CALL_TUNNEL : CD_CALL_ANSWERED;
        if (call->state == CD_CALL_TUNNEL)
                call->is_complete = false;
        call->events->head(call, head);
}

static void on_data(void *owner, cd_str bytes)
{
        struct cd_upstream_call *call = owner;

        call->events->data(call, bytes);
}

static void on_end(void *owner, const struct cd_http_header *trailers, size_t trailer_count, bool can_keep)
{
        struct cd_upstream_call *call = owner;
        struct cd_upstream_connection *connection = call->connection;

        if (call->state == CD_CALL_TUNNEL) {
                call->is_ended = true;
                call->events->end(call, NULL, 0);
                return;
        }
        bool is_idle = can_keep && call->is_complete && !call->upstream->is_uwsgi &&
                       cd_stream_queued(connection->stream) == 0 && !connection->stream->output_lost;
        call->state = CD_CALL_OVER;
        call->connection = NULL;
        if (is_idle)
                cd_upstream_pool_put(connection, options_of(call));
        else
                cd_upstream_pool_drop(connection, false);
        call->events->end(call, trailers, trailer_count);
        finish(call);
}

static void on_failed(void *owner, enum cd_upstream_failure failure, const char *reason)
{
        struct cd_upstream_call *call = owner;
        char text[160];

        if (failure != CD_UPSTREAM_CLOSED) {
                fail(call, failure, reason);
                return;
        }
        if (call->block_len > UWSGI_USUAL_BLOCK && !cd_http1_reader_has_begun(&call->reader)) {
                /* Not lost: the address is not at fault, and another one would do the same. */
                snprintf(text, sizeof(text),
                         "%s; the request has %zu bytes of variables, and uWSGI's buffer-size is 4096 unless it is set",
                         reason, call->block_len - CD_UWSGI_HEADER_SIZE);
                fail(call, failure, text);
                return;
        }
        lose(call, failure, reason);
}

static const struct cd_http1_events reader_events = {
        .head = on_head,
        .data = on_data,
        .end = on_end,
        .failed = on_failed,
};

static void start_reader(struct cd_upstream_call *call)
{
        cd_http1_reader_start(&call->reader, &call->request, options_of(call)->head_max, &reader_events, call);
        call->reader.is_uwsgi = call->upstream->is_uwsgi;
}

/* ---- start and cancel ---- */

static void on_later(struct cd_later *later)
{
        struct cd_upstream_call *call = (void *)((char *)later - offsetof(struct cd_upstream_call, later));

        call->is_later = false;
        hold(call);
        if (call->state != CD_CALL_OVER)
                attempt(call);
        release(call);
}

struct cd_upstream_call *cd_upstream_start(struct cd_upstream *upstream, struct cd_loop *loop,
                                           const struct cd_upstream_request *request,
                                           const struct cd_upstream_events *events, void *owner)
{
        struct cd_upstream_pool *pool = cd_upstream_pool_enter(loop, upstream);
        struct cd_upstream_call *call = pool ? cd_upstream_pool_alloc(pool, sizeof(*call)) : NULL;

        if (!call) {
                if (pool)
                        cd_upstream_pool_leave(pool);
                return NULL;
        }
        memset(call, 0, offsetof(struct cd_upstream_call, name));
        call->upstream = cd_upstream_ref(upstream);
        call->loop = loop;
        call->pool = pool;
        call->request = *request;
        call->events = events;
        call->owner = owner;
        call->left = request->length;
        call->is_complete = request->length == 0;
        /* It cannot be sent again if a kept connection turns out to be closed, and takes the connection for itself. */
        call->is_fresh = request->upgrade.ptr;
        cd_buf_init(&call->early, NULL, CD_CALL_EARLY_MAX);
        call->deadline.expired = on_deadline;
        call->total.expired = on_total;
        call->waiter.answered = on_answered;
        call->later.run = on_later;
        call->is_later = true;
        cd_loop_later(loop, &call->later);
        if (upstream->options.total_ms > 0)
                cd_loop_set_deadline(loop, &call->total, upstream->options.total_ms);
        return call;
}

void cd_upstream_cancel(struct cd_upstream_call *call)
{
        if (call->state == CD_CALL_OVER)
                return;
        bool has_ended = call->state == CD_CALL_TUNNEL && call->is_ended;
        hold(call);
        finish(call);
        drop_connection(call, has_ended);
        release(call);
}
