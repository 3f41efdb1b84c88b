#include <stdlib.h>
#include <string.h>

#include "http/access.h"
#include "http/h2/h2.h"

enum {
        STREAMS_MAX = 100,
        STREAM_WINDOW = 256 * 1024,      /* bytes of a body that may come before they are pulled */
        CONNECTION_WINDOW = 1024 * 1024, /* of all bodies of a connection */
        RESETS_BURST = 1000,             /* and then RESETS_RATE a second (CVE-2023-44487) */
        RESETS_RATE = 33,
        CONTINUATIONS_MAX = 8, /* of one header block (CVE-2024-28182) */
        NUISANCE_MAX = 1000,   /* pings, settings, empty frames and the like */
        NUISANCE_RATE = 33,    /* forgiven a second: pings of a connection that is open for days */
        HEADERS_EXCESS = 4,    /* times limits.headers: a block that says more is not even answered */
        NUISANCE_FORGIVEN = 4, /* for each request that is answered, and each frame of a body that is sent */
};

/* ---- streams ---- */

static void link_stream(struct cd_h2_conn *conn, struct cd_h2_stream *s)
{
        s->after = conn->streams;
        if (s->after)
                s->after->before = s;
        conn->streams = s;
}

static void unlink_stream(struct cd_h2_conn *conn, struct cd_h2_stream *s)
{
        if (s->before)
                s->before->after = s->after;
        else
                conn->streams = s->after;
        if (s->after)
                s->after->before = s->before;
}

/* Handlers may be on the stack, so it is only noted: cd_h2_release follows. */
static void close_stream(struct cd_h2_conn *conn, struct cd_h2_stream *s)
{
        cd_loop_cancel_deadline(&conn->loop->net, &s->deadline);
        cd_h2_give_window_back(s);
        unlink_stream(conn, s);
        /* Of a thousand streams that one read opens and resets, each would have a full buffer. `in` stays: a handler
         * may look at it. */
        cd_buf_done(&s->out);
        s->out_at = 0;
        s->whole = (cd_str){ NULL, 0 };
        s->is_closed = true;
        s->after = conn->closed;
        conn->closed = s;
}

/* ---- frames ---- */

static void forgive(struct cd_h2_conn *conn, uint64_t frames)
{
        conn->nuisance -= conn->nuisance < frames ? conn->nuisance : (unsigned)frames;
}

static void annoy(struct cd_h2_conn *conn)
{
        uint64_t now = cd_loop_now(&conn->loop->net), frames = (now - conn->forgiven_at) * NUISANCE_RATE / 1000;

        if (frames) {
                forgive(conn, frames);
                conn->forgiven_at = now;
        }
        if (++conn->nuisance == NUISANCE_MAX)
                nghttp2_session_terminate_session(conn->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
        struct cd_h2_conn *conn = user;

        conn->in_headers = frame->hd.stream_id;
        conn->heads++;
        conn->block_size = 0;
        if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
                return 0;
        struct cd_exchange *x = cd_exchange_new(conn->loop, &cd_h2_wire, NULL);
        struct cd_h2_stream *s = x ? CD_NEW(&x->arena, struct cd_h2_stream) : NULL;
        if (!s) {
                if (x)
                        cd_exchange_free(x);
                conn->in_headers = 0;
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* the stream is reset */
        }
        x->stream = s;
        s->conn = conn;
        s->x = x;
        s->id = frame->hd.stream_id;
        s->content_length = CD_HTTP_LENGTH_UNKNOWN;
        s->deadline.expired = cd_h2_on_due;
        link_stream(conn, s);
        nghttp2_session_set_stream_user_data(session, s->id, s);
        return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
        struct cd_h2_conn *conn = user;
        struct cd_h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

        (void)flags;
        /* A field of HPACK's table costs the client one byte and us all of its own, for nghttp2 judges each: 16 KB
         * would be 60 MB. What is left of a block whose stream is reset is only decoded. */
        conn->block_size += name_len + value_len + 32;
        if (conn->block_size > HEADERS_EXCESS * (uint64_t)conn->loop->settings->limits.headers) {
                annoy(conn);
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
        cd_str field = cd_str_of((const char *)name, name_len), content = cd_str_of((const char *)value, value_len);
        if (s && !s->has_head)
                cd_h2_add_header(s, field, content);
        else if (s && !s->x->is_over && !cd_exchange_add_trailer(s->x, field, content))
                cd_exchange_fail(s->x, (struct cd_http_refusal){ 431, "trailers too long" });
        return 0;
}

/* The client's body, or its side of a tunnel, is complete. */
static void end_input(struct cd_h2_stream *s)
{
        struct cd_exchange *x = s->x;

        if (s->in_ended)
                return;
        s->in_ended = true;
        if (!x->is_over && !x->body_done && s->in.len == s->in_at)
                cd_exchange_body_end(x);
}

static void begin_request(struct cd_h2_stream *s, bool has_body)
{
        struct cd_exchange *x = s->x;
        const struct cd_http_peer *peer = &s->conn->peer;

        s->has_head = true;
        has_body = has_body && s->content_length != 0;
        x->version = CD_HTTP_2;
        x->req.method_name = s->head.method_name;
        bool ok = cd_h2_finish_head(s) && cd_exchange_begin(x, peer, &s->head, &s->refusal);
        if (ok && s->content_length > 0 && (uint64_t)s->content_length > x->body_max) {
                s->refusal = (struct cd_http_refusal){ 413, "body too long" };
                ok = false;
        }
        if (!ok) {
                cd_exchange_refuse(x, peer, s->refusal);
                return;
        }
        s->owes_continue = has_body && s->expect.ptr;
        if (!x->route && (s->owes_continue || s->head.upgrade.ptr)) {
                cd_exchange_body_end(x); /* the client waits to hear that nobody wants it */
                return;
        }
        if (s->head.upgrade.ptr && !x->is_streaming) {
                cd_exchange_refuse(x, peer, (struct cd_http_refusal){ 400, "an upgrade where there is no tunnel" });
                return;
        }
        if (!x->is_streaming)
                cd_h2_send_continue(s);
        cd_buf_init(&s->in, NULL, 2 * STREAM_WINDOW);
        cd_exchange_start(x, has_body ? s->content_length : 0);
}

/* nghttp2 resets the stream of a request that is malformed (RFC 9113 §8.1.1); it leaves a record as one of HTTP/1
 * does. */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int code, void *user)
{
        struct cd_h2_conn *conn = user;
        struct cd_h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

        if (s && !s->has_head && !s->x->is_over)
                cd_exchange_note_malformed(s->x, &conn->peer, CD_HTTP_2, nghttp2_strerror(code));
        return 0;
}

static bool is_nuisance(const nghttp2_frame *frame)
{
        switch (frame->hd.type) {
        case NGHTTP2_PING:
        case NGHTTP2_SETTINGS:
                return !(frame->hd.flags & NGHTTP2_FLAG_ACK);
        case NGHTTP2_DATA:
                return frame->hd.length == frame->data.padlen && !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
        case NGHTTP2_PRIORITY:
        case NGHTTP2_RST_STREAM:
        case NGHTTP2_WINDOW_UPDATE:
                return true;
        default:
                return false;
        }
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
        struct cd_h2_conn *conn = user;
        struct cd_h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM; /* nghttp2 clears flags that a frame cannot have */

        conn->has_settings |= frame->hd.type == NGHTTP2_SETTINGS;
        if (is_nuisance(frame))
                annoy(conn);
        if (frame->hd.type == NGHTTP2_HEADERS)
                conn->in_headers = 0;
        if (!s)
                return 0;
        if (frame->hd.type == NGHTTP2_HEADERS && !s->has_head)
                begin_request(s, !ends);
        if (ends)
                end_input(s);
        return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
        struct cd_h2_stream *s = nghttp2_session_get_stream_user_data(session, id);
        struct cd_http_refusal refusal;

        (void)flags, (void)user;
        if (!s || s->x->is_over) {
                nghttp2_session_consume(session, id, len); /* nobody wants it */
                return 0;
        }
        if (!s->x->is_streaming) {
                nghttp2_session_consume(session, id, len);
                s->came += len;
                if (!cd_exchange_body(s->x, cd_str_of((const char *)data, len), &refusal))
                        cd_exchange_fail(s->x, refusal);
                return 0;
        }
        cd_buf_add(&s->in, cd_str_of((const char *)data, len));
        if (s->in.failed) {
                nghttp2_session_consume(session, id, len);
                cd_exchange_fail(s->x, (struct cd_http_refusal){ 503, "out of memory" });
        } else {
                cd_h2_deliver(s);
        }
        return 0;
}

/* A stream that the client made us reset is free again at once, and its handler may still run (CVE-2025-8671). */
static bool is_forced_reset(const nghttp2_frame *frame)
{
        if (frame->hd.type != NGHTTP2_RST_STREAM)
                return false;
        switch (frame->rst_stream.error_code) {
        case NGHTTP2_PROTOCOL_ERROR:
        case NGHTTP2_FLOW_CONTROL_ERROR:
        case NGHTTP2_STREAM_CLOSED:
        case NGHTTP2_FRAME_SIZE_ERROR:
        case NGHTTP2_REFUSED_STREAM:
                return true;
        default:
                return false;
        }
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
        struct cd_h2_conn *conn = user;
        struct cd_h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        bool has_ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

        if (is_forced_reset(frame))
                annoy(conn);
        if (!s || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
                return 0;
        forgive(conn, NUISANCE_FORGIVEN);
        /* The response is complete and the request is not: the client may stop sending it (RFC 9113 §8.1). */
        if (has_ended && !s->in_ended && (s->x->is_over || !s->x->is_upgraded))
                nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
        return 0;
}

/* A head that is too long for nghttp2: nothing of the response will come. */
static int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
        (void)error, (void)user;
        if (frame->hd.type == NGHTTP2_HEADERS)
                nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
        return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
        struct cd_h2_conn *conn = user;
        struct cd_h2_stream *s = nghttp2_session_get_stream_user_data(session, id);

        (void)code;
        /* A malformed header block ends so, and is not mentioned otherwise. */
        if (conn->in_headers == id)
                conn->in_headers = 0;
        if (s)
                close_stream(conn, s);
        return 0;
}

/* ---- bytes ---- */

static void take(struct cd_h2_conn *conn, const char *data, size_t len)
{
        conn->busy = true;
        if (!conn->is_deaf && nghttp2_session_mem_recv(conn->session, (const uint8_t *)data, len) < 0) {
                conn->is_deaf = true; /* a session that has failed is not to be given more */
                nghttp2_session_terminate_session(conn->session, NGHTTP2_PROTOCOL_ERROR);
        }
        conn->busy = false;
        /* A connection whose first bytes came late was not there when the others were told. */
        conn->is_stopping |= conn->loop->net.stopping;
        cd_h2_pump(conn);
        cd_h2_release(conn);
}

/* ---- events ---- */

static void on_opened(struct cd_stream *stream)
{
        cd_h2_pump(stream->owner);
}

static void on_bytes(struct cd_stream *stream, char *data, size_t len)
{
        struct cd_h2_conn *conn = stream->owner;

        if (len > 0) {
                take(conn, data, len);
                return;
        }
        if (stream->error)
                cd_http_log_tls_failure(conn->loop->server, stream);
        /* A client of HTTP/2 has to keep its side open for as long as it wants answers: window updates and
         * acknowledgements belong to them. One whose TLS has failed may go on sending. */
        cd_stream_end(stream, true);
}

static void on_drained(struct cd_stream *stream)
{
        struct cd_h2_conn *conn = stream->owner;

        cd_h2_release(conn);
        cd_h2_pump(conn);
        cd_h2_release(conn);
}

static void on_expired(struct cd_stream *stream)
{
        struct cd_h2_conn *conn = stream->owner;

        nghttp2_session_terminate_session(conn->session, NGHTTP2_NO_ERROR);
        cd_h2_pump(conn);
        cd_stream_end(stream, true);
}

static void on_stopping(struct cd_stream *stream)
{
        struct cd_h2_conn *conn = stream->owner;

        conn->is_stopping = true;
        cd_h2_pump(conn);
        cd_h2_release(conn);
}

static void on_ended(struct cd_stream *stream)
{
        struct cd_h2_conn *conn = stream->owner;

        while (conn->streams)
                close_stream(conn, conn->streams);
        cd_h2_release(conn);
        nghttp2_session_del(conn->session);
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

/* ---- life ---- */

static void set_callbacks(nghttp2_session_callbacks *callbacks)
{
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
        nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_send);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

static void set_options(nghttp2_option *options)
{
        nghttp2_option_set_no_auto_window_update(options, 1);
        nghttp2_option_set_no_closed_streams(options, 1);
        nghttp2_option_set_stream_reset_rate_limit(options, RESETS_BURST, RESETS_RATE);
        nghttp2_option_set_max_continuations(options, CONTINUATIONS_MAX);
}

/* The session copies both. */
static bool new_session(struct cd_h2_conn *conn)
{
        nghttp2_session_callbacks *callbacks = NULL;
        nghttp2_option *options = NULL;
        bool ok = nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&options) == 0;

        if (ok) {
                set_callbacks(callbacks);
                set_options(options);
                ok = nghttp2_session_server_new2(&conn->session, callbacks, conn, options) == 0;
        }
        nghttp2_session_callbacks_del(callbacks);
        nghttp2_option_del(options);
        return ok;
}

static bool begin_session(struct cd_h2_conn *conn)
{
        const nghttp2_settings_entry settings[] = {
                { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX },
                { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW },
                { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)conn->loop->settings->limits.headers },
                { NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1 },
        };

        return new_session(conn) &&
               nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, settings, CD_LEN(settings)) == 0 &&
               nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) == 0;
}

struct cd_h2_conn *cd_h2_conn_new(struct cd_http_loop *loop, struct cd_stream *stream, const struct cd_http_peer *peer)
{
        struct cd_h2_conn *conn = calloc(1, sizeof(*conn));

        if (!conn)
                return NULL;
        conn->loop = loop;
        conn->stream = stream;
        conn->peer = *peer;
        conn->forgiven_at = cd_loop_now(&loop->net);
        if (!begin_session(conn)) {
                nghttp2_session_del(conn->session);
                free(conn);
                return NULL;
        }
        stream->events = &events;
        stream->owner = conn;
        return conn;
}
