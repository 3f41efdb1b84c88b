#include "http/h1/conn.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "http/access.h"
#include "http/h1/body.h"
#include "http/h1/kept.h"
#include "http/h1/write.h"

enum {
        LONG_READ = 8192, /* may hold many requests, and answers of other streams do not wait for them */
};

enum wait {
        NEW,          /* nothing was decided yet */
        FOR_REQUEST,  /* for its first byte */
        FOR_HEAD,     /* for the rest of it */
        FOR_BODY,     /* absolute: a body that is read whole */
        FOR_PROGRESS, /* a body that a handler pulls */
        FOR_OTHERS,   /* a handler, or a reader: no deadline of ours */
};

struct cd_h1_conn {
        struct cd_http_loop *loop;
        struct cd_stream *stream;
        struct cd_http_peer peer;
        struct cd_h1_kept *kept;
        struct cd_exchange *x; /* NULL: between two requests */
        struct cd_h1_scan scan;
        struct cd_h1_body body;
        uint64_t progress; /* x->body_len when the deadline was set */
        enum wait wait;
        bool reads_body;    /* of x, to its end */
        bool owes_continue; /* the client waits for "100 Continue" */
        bool keep_alive;
        bool chunks;  /* the response in chunks */
        bool is_full; /* a push was told to wait */
        bool serving; /* in `serve`: whatever changes is seen there */
        bool ending;  /* no request is accepted any more */
        bool lingers; /* input may be on its way that nobody reads */
};

static void serve_kept(struct cd_h1_conn *conn);
static void on_end_of_input(struct cd_h1_conn *conn);

/* ---- input that waits ---- */

static void free_kept(struct cd_h1_conn *conn)
{
        cd_h1_kept_free(conn->kept);
        conn->kept = NULL;
}

/* What was not used stays for later; data lies in the loop's memory or in conn->kept. */
static void keep_rest(struct cd_h1_conn *conn, char *data, size_t len)
{
        if (len == 0 || conn->ending) {
                free_kept(conn);
        } else if (conn->kept) {
                memmove(conn->kept->data, data, len);
                cd_wipe(conn->kept->data + len, conn->kept->len - len);
                conn->kept->len = len;
        } else if (!cd_h1_keep(&conn->kept, data, len)) {
                cd_stream_close(conn->stream);
        }
}

/* ---- what the connection waits for ---- */

static enum wait what_it_waits_for(const struct cd_h1_conn *conn)
{
        if (conn->x && conn->reads_body && !conn->x->is_upgraded) {
                if (!conn->x->is_streaming)
                        return FOR_BODY;
                return conn->x->credit > 0 ? FOR_PROGRESS : FOR_OTHERS;
        }
        if (conn->x || cd_stream_queued(conn->stream) > 0)
                return FOR_OTHERS;
        return conn->kept ? FOR_HEAD : FOR_REQUEST;
}

static void set_deadline(struct cd_h1_conn *conn)
{
        const struct cd_http_limits *limits = &conn->loop->settings->limits;

        switch (conn->wait) {
        case NEW:
        case FOR_OTHERS:
                cd_stream_expire_never(conn->stream);
                return;
        case FOR_REQUEST:
                cd_stream_expire_in(conn->stream, limits->idle_timeout_ms);
                return;
        case FOR_HEAD:
                cd_stream_expire_in(conn->stream, limits->header_timeout_ms);
                return;
        case FOR_PROGRESS:
        case FOR_BODY:
                conn->progress = conn->x->body_len;
                cd_stream_expire_in(conn->stream, limits->body_timeout_ms);
        }
}

/* Decides what is read and what is waited for. `is_new`: whatever it waits for begins now. */
static void update_state(struct cd_h1_conn *conn, bool is_new)
{
        struct cd_stream *stream = conn->stream;

        if (stream->closed)
                return;
        if (conn->ending) {
                cd_stream_end(stream, conn->lingers);
                return;
        }
        /* While the server stops, a request that only the kernel has is still answered. */
        bool is_over = stream->at_eof || (conn->loop->net.stopping && !conn->kept && !cd_stream_has_input(stream));
        if (!conn->x && cd_stream_queued(stream) == 0 && is_over) {
                cd_stream_close(stream);
                return;
        }
        enum wait wait = what_it_waits_for(conn);
        if (is_new || wait != conn->wait) {
                conn->wait = wait;
                set_deadline(conn);
        }
        bool streams = conn->x && conn->x->is_streaming;
        if (streams && conn->reads_body)
                cd_stream_read(stream, !conn->kept && conn->x->credit > 0); /* whether or not the client reads */
        else
                cd_stream_read(stream, stream->waiting == 0 && (!conn->kept || !conn->x || conn->reads_body));
        /* The end came before what is read now was asked for: bytes that were kept, or a tunnel that opened later. */
        if (conn->x && conn->reads_body && !conn->kept && stream->at_eof && !stream->ending)
                on_end_of_input(conn);
}

/* ---- the wire: responses ---- */

static struct cd_h1_sending how_to_send(const struct cd_h1_conn *conn, const struct cd_exchange *x)
{
        cd_http_stamp_update(&conn->loop->stamp, cd_realtime_us() / 1000000);
        return (struct cd_h1_sending){
                .stamp = &conn->loop->stamp,
                .request_id = x->req.request_id,
                .keep_alive = conn->keep_alive,
                .is_http10 = x->version == CD_HTTP_1_0,
                .head_only = x->req.method == CD_HTTP_HEAD,
                .is_upgraded = x->is_upgraded,
        };
}

/* Whether another request may follow. */
static void decide_end(struct cd_h1_conn *conn, const struct cd_exchange *x)
{
        bool refuses_more = x->close || conn->reads_body || conn->loop->net.stopping;

        conn->keep_alive = conn->keep_alive && !refuses_more;
        conn->lingers |= refuses_more;
}

/* The exchange is over. */
static void finish(struct cd_h1_conn *conn, struct cd_exchange *x)
{
        conn->x = NULL;
        conn->is_full = false;
        conn->ending |= !conn->keep_alive;
        cd_exchange_free(x);
        if (conn->serving)
                return;
        if (conn->ending && conn->kept)
                conn->lingers = true;
        if (conn->kept && !conn->ending)
                serve_kept(conn);
        else
                update_state(conn, true);
}

static void respond(struct cd_exchange *x)
{
        struct cd_h1_conn *conn = x->stream;

        decide_end(conn, x);
        struct cd_h1_sending how = how_to_send(conn, x);
        cd_h1_write(cd_stream_out(conn->stream), &x->res, &how);
        finish(conn, x);
}

static void send_head(struct cd_exchange *x)
{
        struct cd_h1_conn *conn = x->stream;
        bool has_body = !cd_http_has_no_body(x->res.status) && !x->is_upgraded;
        int64_t length = has_body ? x->length : CD_HTTP_LENGTH_UNKNOWN;

        conn->owes_continue = false; /* an interim response would lie in the body of the final one (RFC 9110 §15.2) */
        if (conn->loop->net.stopping)
                conn->keep_alive = false;
        conn->chunks = has_body && length < 0 && x->version != CD_HTTP_1_0;
        if (has_body && length < 0 && !conn->chunks)
                conn->keep_alive = false; /* the end of the connection ends the body */
        struct cd_h1_sending how = how_to_send(conn, x);
        cd_h1_write_head(cd_stream_out(conn->stream), &x->res, length, conn->chunks, &how);
        conn->chunks = conn->chunks && !how.head_only;
        if (x->is_upgraded)
                conn->reads_body = true;
}

static bool push(struct cd_exchange *x, cd_str bytes)
{
        struct cd_h1_conn *conn = x->stream;

        if (bytes.len && (x->is_upgraded || cd_exchange_sends_body(x))) {
                if (conn->chunks)
                        cd_h1_write_chunk(cd_stream_out(conn->stream), bytes);
                else
                        cd_stream_send(conn->stream, bytes);
        }
        conn->is_full = cd_stream_queued(conn->stream) >= (size_t)conn->loop->settings->limits.output;
        return !conn->is_full;
}

static void push_end(struct cd_exchange *x)
{
        struct cd_h1_conn *conn = x->stream;

        cd_stream_shut(conn->stream);
}

static void end(struct cd_exchange *x)
{
        struct cd_h1_conn *conn = x->stream;

        if (conn->chunks)
                cd_h1_write_last_chunk(cd_stream_out(conn->stream), &x->res);
        conn->keep_alive = conn->keep_alive && !x->is_upgraded;
        decide_end(conn, x);
        finish(conn, x);
}

static void abort_response(struct cd_exchange *x)
{
        struct cd_h1_conn *conn = x->stream;

        /* A reset: a close would look like the end of a body without length. */
        conn->x = NULL;
        cd_exchange_free(x);
        cd_stream_reset(conn->stream);
}

static void send_continue(struct cd_h1_conn *conn)
{
        if (conn->owes_continue)
                cd_buf_add(cd_stream_out(conn->stream), CD_STR("HTTP/1.1 100 Continue\r\n\r\n"));
        conn->owes_continue = false;
}

static void pull(struct cd_exchange *x)
{
        struct cd_h1_conn *conn = x->stream;

        send_continue(conn);
        if (conn->serving)
                return;
        if (conn->kept)
                serve_kept(conn);
        else
                update_state(conn, false);
}

static const struct cd_http_wire wire = {
        .respond = respond,
        .head = send_head,
        .push = push,
        .push_end = push_end,
        .end = end,
        .abort = abort_response,
        .pull = pull,
};

/* ---- requests ---- */

void cd_h1_conn_refuse(struct cd_h1_conn *conn, struct cd_http_refusal refusal)
{
        struct cd_exchange *x = cd_exchange_new(conn->loop, &wire, conn);

        if (!x) {
                cd_stream_close(conn->stream);
                return;
        }
        conn->x = x;
        conn->keep_alive = false;
        cd_exchange_refuse(x, &conn->peer, refusal);
}

/* Its head lies at `head`, complete. */
static void begin_request(struct cd_h1_conn *conn, cd_str head, bool more_follows)
{
        struct cd_exchange *x = cd_exchange_new(conn->loop, &wire, conn);
        cd_str bytes = x ? cd_arena_copy(&x->arena, head) : (cd_str){ NULL, 0 };
        struct cd_http_header *headers =
                bytes.ptr ? cd_arena_alloc(&x->arena, conn->scan.lines * sizeof(*headers)) : NULL;
        struct cd_http_refusal refusal = { 503, "out of memory" };
        struct cd_h1_head parsed = { 0 };

        if (!x) {
                cd_stream_close(conn->stream);
                return;
        }
        conn->x = x;
        conn->chunks = false;
        bool ok = headers && cd_h1_parse(bytes, &conn->scan, headers, &parsed, &refusal) == CD_H1_DONE;
        conn->keep_alive = parsed.keep_alive;
        conn->scan = (struct cd_h1_scan){ 0 };
        ok = ok && cd_exchange_begin(x, &conn->peer, &parsed.http, &refusal) &&
             cd_h1_body_start(&conn->body, &parsed, x->body_max, &refusal) == CD_H1_DONE &&
             cd_h1_body_keep_trailers(&conn->body, x);
        if (!ok) {
                cd_exchange_refuse(x, &conn->peer, refusal);
                return;
        }
        conn->reads_body = parsed.http.has_body;
        conn->owes_continue = parsed.expect == CD_H1_EXPECT_CONTINUE && parsed.http.has_body && !more_follows;
        if (conn->owes_continue && !x->route) {
                /* It waits before it sends the body (RFC 9110 §10.1.1), and is told at once that nobody wants it. */
                cd_exchange_body_end(x);
                return;
        }
        if (conn->owes_continue && !x->is_streaming)
                send_continue(conn);
        cd_exchange_start(x, parsed.chunked ? CD_HTTP_LENGTH_UNKNOWN : (int64_t)parsed.content_length);
        if (conn->x == x && !conn->reads_body)
                cd_exchange_body_end(x);
}

/* Gives the exchange what it may have of its body. Returns how many bytes were used; 0: it must wait. */
static size_t read_body(struct cd_h1_conn *conn, cd_str data)
{
        struct cd_exchange *x = conn->x;
        uint64_t max = x->is_streaming ? x->credit : UINT64_MAX;
        struct cd_http_refusal refusal;
        size_t used = 0;
        cd_str piece = cd_str_slice(data, 0, max);

        if (x->is_upgraded) {
                if (piece.len)
                        (void)cd_exchange_body(x, piece, &refusal);
                return piece.len;
        }
        switch (cd_h1_body_next(&conn->body, data, max, &used, &piece, &refusal)) {
        case CD_H1_PIECE:
                if (!cd_exchange_body(x, piece, &refusal))
                        cd_exchange_fail(x, refusal);
                break;
        case CD_H1_REFUSED:
                cd_exchange_fail(x, refusal);
                break;
        case CD_H1_DONE:
        case CD_H1_MORE:
                break;
        }
        /* The last piece may have been the end of it. */
        if (conn->x == x && conn->reads_body && cd_h1_body_is_complete(&conn->body)) {
                conn->reads_body = false;
                if (cd_h1_body_add_trailers(&conn->body, x))
                        cd_exchange_body_end(x);
                else
                        cd_exchange_fail(x, (struct cd_http_refusal){ 431, "trailers too long" });
        }
        return used;
}

/* Looks for a head. Returns how many bytes were used; 0: more are needed, or it was refused. */
static size_t read_head(struct cd_h1_conn *conn, cd_str data)
{
        struct cd_http_refusal refusal;
        size_t size = 0;

        switch (cd_h1_scan(&conn->scan, data, &conn->loop->settings->limits, &size, &refusal)) {
        case CD_H1_DONE:
                begin_request(conn, cd_str_slice(data, 0, size), data.len > size);
                return size;
        case CD_H1_REFUSED:
                cd_h1_conn_refuse(conn, refusal);
                return 0;
        case CD_H1_MORE:
        case CD_H1_PIECE:
                break;
        }
        return 0;
}

/* True where another request may be read: what answers those before it has is not too much. */
static bool may_begin(struct cd_h1_conn *conn)
{
        if (cd_stream_queued(conn->stream) >= (size_t)conn->loop->settings->limits.output)
                cd_stream_flush(conn->stream);
        return conn->stream->waiting == 0;
}

/* Uses what it can of the bytes, in order; the rest is kept. */
static void serve(struct cd_h1_conn *conn, char *data, size_t len)
{
        struct cd_stream *stream = conn->stream;
        size_t at = 0, used = 1;
        bool is_new = false;

        conn->serving = true;
        if (len > LONG_READ)
                cd_loop_flush(stream->loop);
        while (at < len && used > 0 && !conn->ending && !stream->closed) {
                cd_str rest = cd_str_of(data + at, len - at);
                if (conn->x && !conn->reads_body)
                        break;
                if (!conn->x && !may_begin(conn))
                        break;
                bool begins = !conn->x;
                used = begins ? read_head(conn, rest) : read_body(conn, rest);
                is_new |= begins && used > 0;
                at += used;
        }
        conn->serving = false;
        if (stream->closed)
                return;
        if (conn->ending && at < len)
                conn->lingers = true;
        keep_rest(conn, data + at, len - at);
        update_state(conn, is_new);
}

static void serve_kept(struct cd_h1_conn *conn)
{
        serve(conn, conn->kept->data, conn->kept->len);
}

static void take(struct cd_h1_conn *conn, char *data, size_t len)
{
        conn->owes_continue = false; /* the client does not wait for it */
        if (!conn->kept) {
                serve(conn, data, len);
                return;
        }
        if (cd_h1_keep(&conn->kept, data, len))
                serve_kept(conn);
        else
                cd_stream_close(conn->stream);
}

/* ---- events ---- */

/* Nothing is closed here, even while the server stops: what opened a stream of TLS may have brought the first request
 * with it, which comes next. */
static void on_opened(struct cd_stream *stream)
{
        struct cd_h1_conn *conn = stream->owner;

        conn->wait = FOR_REQUEST;
        set_deadline(conn);
        cd_stream_read(stream, true);
}

/* A client that only closes its side gets its answers. */
static void on_end_of_input(struct cd_h1_conn *conn)
{
        struct cd_exchange *x = conn->x;

        if (conn->stream->error) {
                cd_http_log_tls_failure(conn->loop->server, conn->stream);
                cd_stream_end(conn->stream, true);
        } else if (x && conn->reads_body && conn->kept) {
                update_state(conn, false); /* it comes after them */
        } else if (x && conn->reads_body && x->is_upgraded) {
                conn->reads_body = false;
                cd_exchange_body_end(x);
        } else if (x && conn->reads_body && x->head_sent) {
                cd_stream_reset(conn->stream); /* the response is cut off */
        } else if (x && conn->reads_body) {
                cd_stream_close(conn->stream);
        } else {
                update_state(conn, false);
        }
}

static void on_bytes(struct cd_stream *stream, char *data, size_t len)
{
        struct cd_h1_conn *conn = stream->owner;

        if (len == 0)
                on_end_of_input(conn);
        else
                take(conn, data, len);
}

static void on_drained(struct cd_stream *stream)
{
        struct cd_h1_conn *conn = stream->owner;

        if (conn->is_full && conn->x) {
                conn->is_full = false;
                cd_exchange_drained(conn->x);
        }
        if (stream->closed || stream->ending || conn->serving)
                return;
        if (conn->kept && !conn->x)
                serve_kept(conn);
        else
                update_state(conn, !conn->x);
}

static void on_progress_due(struct cd_h1_conn *conn)
{
        const struct cd_http_limits *limits = &conn->loop->settings->limits;
        int64_t rate = conn->x->route->min_rate, least = rate * limits->body_timeout_ms / 1000;

        if (conn->x->body_len - conn->progress >= (uint64_t)(least > 1 ? least : 1))
                set_deadline(conn);
        else
                cd_exchange_fail(conn->x, (struct cd_http_refusal){ 408, "the body came too slowly" });
}

static void on_expired(struct cd_stream *stream)
{
        static const struct cd_http_refusal too_slow = { 408, "the request did not come in time" };
        struct cd_h1_conn *conn = stream->owner;

        switch (conn->wait) {
        case FOR_HEAD:
                cd_h1_conn_refuse(conn, too_slow);
                return;
        case FOR_BODY:
                cd_exchange_fail(conn->x, too_slow);
                return;
        case FOR_PROGRESS:
                on_progress_due(conn);
                return;
        case NEW:
        case FOR_REQUEST:
        case FOR_OTHERS:
                cd_stream_close(stream);
        }
}

static void on_stopping(struct cd_stream *stream)
{
        update_state(stream->owner, false);
}

static void on_ended(struct cd_stream *stream)
{
        struct cd_h1_conn *conn = stream->owner;

        if (conn->x)
                cd_exchange_abandon(conn->x);
        free_kept(conn);
        cd_http_release_slot(conn->loop->server, conn->peer.is_turned_away);
        free(conn);
}

static const struct cd_stream_events events = {
        .opened = on_opened,
        .bytes = on_bytes,
        .drained = on_drained,
        .expired = on_expired,
        .stopping = on_stopping,
        .ended = on_ended,
};

struct cd_h1_conn *cd_h1_conn_new(struct cd_http_loop *loop, struct cd_stream *stream, const struct cd_http_peer *peer)
{
        struct cd_h1_conn *conn = calloc(1, sizeof(*conn));

        if (!conn)
                return NULL;
        conn->loop = loop;
        conn->stream = stream;
        conn->peer = *peer;
        stream->events = &events;
        stream->owner = conn;
        return conn;
}
