/* What a connection and its streams wait for, and what is sent. */
#include "http/h2/h2.h"

/* ---- deadlines ---- */

enum wait {
        FOR_NOTHING,  /* of the client: a handler runs, or pulls nothing */
        FOR_BODY,     /* absolute: a body that is read whole */
        FOR_PROGRESS, /* a body that a handler pulls */
        FOR_READER,   /* a response that does not go out */
};

static enum wait what_it_waits_for(const struct cd_h2_stream *s)
{
        const struct cd_exchange *x = s->x;

        /* Also for the empty frame that ends a body, which goes out only where the window has room. */
        if (s->responds && !s->out_done && (s->out_ended || s->whole.len || s->out.len > s->out_at))
                return FOR_READER;
        if (!s->has_head || s->in_ended || x->is_over || x->is_upgraded)
                return FOR_NOTHING;
        if (!x->is_streaming)
                return FOR_BODY;
        return x->credit > 0 ? FOR_PROGRESS : FOR_NOTHING;
}

static void set_deadline(struct cd_h2_stream *s)
{
        const struct cd_http_limits *limits = &s->conn->loop->settings->limits;
        struct cd_loop *loop = &s->conn->loop->net;

        s->progress = s->wait == FOR_READER ? s->went : s->came;
        s->conn_went = s->conn->went;
        switch (what_it_waits_for(s)) {
        case FOR_NOTHING:
                cd_loop_cancel_deadline(loop, &s->deadline);
                return;
        case FOR_BODY:
        case FOR_PROGRESS:
                cd_loop_set_deadline(loop, &s->deadline, limits->body_timeout_ms);
                return;
        case FOR_READER:
                cd_loop_set_deadline(loop, &s->deadline, limits->write_timeout_ms);
        }
}

/* Starts, moves or ends the stream's deadline. Looks when all is done that can be done now: what waits for a moment
 * only does not count. */
static void watch(struct cd_h2_stream *s)
{
        enum wait wait = what_it_waits_for(s);

        if (wait == s->wait)
                return;
        s->wait = (unsigned char)wait;
        set_deadline(s);
}

static bool has_progress(const struct cd_h2_stream *s)
{
        const struct cd_h2_conn *conn = s->conn;

        switch ((enum wait)s->wait) {
        case FOR_NOTHING:
        case FOR_BODY:
                return false;
        case FOR_PROGRESS: {
                int64_t least = s->x->route->min_rate * conn->loop->settings->limits.body_timeout_ms / 1000;
                return s->came - s->progress >= (uint64_t)(least > 1 ? least : 1);
        }
        case FOR_READER:
                break;
        }
        /* Output that the client's network has not taken is the stream's, which has a deadline for it. A stream with
         * room in its window waits for others: the client may want them first (RFC 7540 §5.3). */
        return s->went != s->progress || conn->stream->waiting > 0 ||
               (conn->went != s->conn_went && nghttp2_session_get_stream_remote_window_size(conn->session, s->id) > 0);
}

/* ---- input ---- */

void cd_h2_give_window_back(struct cd_h2_stream *s)
{
        nghttp2_session_consume(s->conn->session, s->id, s->in.len - s->in_at);
        s->in_at = s->in.len; /* a handler may have the bytes still */
}

/* ---- the connection ---- */

/* Streams up to the last one that came are served, and no other. What the kernel has and we have not read yet comes
 * before that. */
static void say_goaway(struct cd_h2_conn *conn)
{
        if (!conn->is_stopping || conn->said_goaway || cd_stream_has_input(conn->stream))
                return;
        conn->said_goaway = true;
        nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(conn->session),
                              NGHTTP2_NO_ERROR, NULL, 0);
}

enum conn_wait {
        FOR_ANYTHING,
        FOR_HEAD,    /* settings, or the end of a header block */
        FOR_STREAMS, /* which have deadlines of their own */
        FOR_REQUEST,
};

static enum conn_wait what_conn_waits_for(const struct cd_h2_conn *conn)
{
        if (!conn->has_settings || conn->in_headers)
                return FOR_HEAD;
        return conn->streams ? FOR_STREAMS : FOR_REQUEST;
}

static void update_state(struct cd_h2_conn *conn)
{
        const struct cd_http_limits *limits = &conn->loop->settings->limits;
        struct cd_stream *stream = conn->stream;

        if (conn->failed || (!nghttp2_session_want_read(conn->session) && !nghttp2_session_want_write(conn->session))) {
                cd_stream_end(stream, true);
                return;
        }
        enum conn_wait wait = what_conn_waits_for(conn);
        if (wait != conn->wait || conn->heads != conn->timed) {
                conn->wait = (unsigned char)wait;
                conn->timed = conn->heads;
                if (wait == FOR_HEAD)
                        cd_stream_expire_in(stream, limits->header_timeout_ms);
                else if (wait == FOR_REQUEST)
                        cd_stream_expire_in(stream, limits->idle_timeout_ms);
                else
                        cd_stream_expire_never(stream);
        }
        cd_stream_read(stream, stream->waiting == 0);
}

/* Moves what nghttp2 has to send into the stream's output. */
static void send_frames(struct cd_h2_conn *conn)
{
        size_t limit = (size_t)conn->loop->settings->limits.output;
        const uint8_t *data;
        ssize_t len;

        while (cd_stream_queued(conn->stream) < limit && (len = nghttp2_session_mem_send(conn->session, &data)) != 0) {
                if (len < 0) {
                        conn->failed = true;
                        return;
                }
                cd_buf_add(cd_stream_out(conn->stream), cd_str_of((const char *)data, (size_t)len));
        }
}

/* Handlers whose buffer has room again. True where there was one. */
static bool tell_drained(struct cd_h2_conn *conn)
{
        bool found = false;

        for (struct cd_h2_stream *s = conn->streams; s; s = s->after) {
                if (!s->is_full || s->out.len > s->out_at)
                        continue;
                s->is_full = false;
                found = true;
                if (!s->x->is_over)
                        cd_exchange_drained(s->x);
        }
        return found;
}

void cd_h2_pump(struct cd_h2_conn *conn)
{
        size_t limit = (size_t)conn->loop->settings->limits.output;

        if (conn->busy || conn->stream->closed || conn->stream->ending)
                return;
        conn->busy = true;
        say_goaway(conn);
        for (struct cd_h2_stream *s = conn->streams; s; s = s->after)
                if (s->x->is_over)
                        cd_h2_give_window_back(s);
        do
                send_frames(conn);
        while (!conn->failed && cd_stream_queued(conn->stream) < limit && tell_drained(conn));
        conn->busy = false;
        if (conn->closed)
                (void)cd_stream_out(conn->stream); /* so that an event comes that releases them */
        for (struct cd_h2_stream *s = conn->streams; s; s = s->after)
                watch(s);
        update_state(conn);
}

void cd_h2_release(struct cd_h2_conn *conn)
{
        while (conn->closed) {
                struct cd_h2_stream *s = conn->closed;
                conn->closed = s->after;
                cd_buf_done(&s->in);
                cd_exchange_abandon(s->x); /* s lies in its arena */
        }
}

/* ---- expiry ---- */

void cd_h2_on_due(struct cd_deadline *deadline)
{
        struct cd_h2_stream *s = (void *)((char *)deadline - offsetof(struct cd_h2_stream, deadline));
        struct cd_h2_conn *conn = s->conn;
        bool is_alone = conn->streams == s && !s->after;

        /* A connection that ends looks at no stream any more. */
        if (what_it_waits_for(s) != s->wait) {
                watch(s);
                return;
        }
        if (has_progress(s)) {
                set_deadline(s);
                return;
        }
        if (s->wait != FOR_READER) {
                cd_exchange_fail(s->x, (struct cd_http_refusal){ 408, "the body did not come in time" });
        } else {
                /* Nobody reads: this stream is given up, and a connection that has no other with it. */
                nghttp2_submit_rst_stream(conn->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
                cd_h2_pump(conn); /* nghttp2 sends no more than its last GOAWAY afterwards */
                if (is_alone)
                        nghttp2_session_terminate_session(conn->session, NGHTTP2_NO_ERROR);
        }
        cd_h2_pump(conn);
        cd_h2_release(conn);
}
