#include "net/stream.h"

#include <stdlib.h>

#include "base/secret.h"

enum {
        LINGER_MS = 2000,
        /* bytes of input that are discarded so that the client can read the last output */
        LINGER_BYTES = 16 * 1024 * 1024,
        /* Bytes of a spare buffer that are kept: a read (CD_INPUT_SIZE) and what frames it. */
        OUT_KEPT = 128 * 1024,
        OUT_CEILING = 256 * 1024 * 1024, /* no output is ever that long; stops a faulty owner */
        /* Bytes that are worth a write of their own. Fewer are copied, and go out with those of the same turn. */
        SENT_AT_ONCE = 16 * 1024,
};

static const cd_str nothing = { "", 0 };

/* ---- output buffers ---- */

/* The buffer that a stream gets if no memory is left. */
static struct cd_buf *failed_buf(void)
{
        static _Thread_local struct cd_buf buf;

        buf = (struct cd_buf){ .failed = true };
        return &buf;
}

static struct cd_buf *take_buf(struct cd_loop *loop)
{
        if (loop->spare_count > 0)
                return loop->spare_bufs[--loop->spare_count];
        struct cd_buf *buf = malloc(sizeof(*buf));
        if (buf)
                cd_buf_init(buf, NULL, OUT_CEILING);
        return buf;
}

static void give_buf_back(struct cd_stream *stream)
{
        struct cd_loop *loop = stream->loop;
        struct cd_buf *buf = stream->out;

        if (!buf)
                return;
        stream->out = NULL;
        if (buf->failed || buf->cap > OUT_KEPT || loop->spare_count == CD_SPARE_BUFS) {
                cd_buf_done(buf);
                free(buf);
                return;
        }
        cd_wipe(buf->ptr, buf->len);
        buf->len = 0;
        loop->spare_bufs[loop->spare_count++] = buf;
}

static void flush_at_end(struct cd_stream *stream)
{
        struct cd_loop *loop = stream->loop;

        if (stream->in_flush_list)
                return;
        /* Output that is written after this turn's flush, when another stream ends, must not wait
         * for the next event. */
        if (!loop->flush_first)
                cd_loop_go_on(loop);
        stream->in_flush_list = true;
        stream->flush_next = NULL;
        *loop->flush_last = stream;
        loop->flush_last = &stream->flush_next;
        loop->flush_count++;
}

struct cd_buf *cd_stream_out(struct cd_stream *stream)
{
        if (stream->closed)
                return failed_buf();
        flush_at_end(stream);
        if (!stream->out)
                stream->out = take_buf(stream->loop);
        if (!stream->out)
                cd_stream_reset(stream);
        return stream->out ? stream->out : failed_buf();
}

/* ---- writing ---- */

static void stall_in(struct cd_stream *stream, int64_t ms)
{
        cd_loop_set_deadline(stream->loop, &stream->stall, ms);
}

/* What the transport did not accept. False if the connection is broken. */
static bool send_later(struct cd_stream *stream, cd_str rest)
{
        if (!stream->transport->write_later(stream, rest.ptr, rest.len))
                return false;
        if (stream->waiting == 0 && !stream->outgoing)
                stall_in(stream, stream->loop->write_timeout_ms);
        stream->waiting += rest.len;
        stream->last_unsent = stream->transport->unsent(stream);
        return true;
}

/* Both in one write. False if the connection is broken. */
static bool send_bytes(struct cd_stream *stream, cd_str first, cd_str second)
{
        ssize_t sent = first.len + second.len ? stream->transport->write(stream, first, second) : 0;

        if (sent < 0)
                return false;
        stream->has_sent = true;
        size_t of_first = (size_t)sent < first.len ? (size_t)sent : first.len;
        first = cd_str_slice(first, of_first, first.len);
        second = cd_str_slice(second, (size_t)sent - of_first, second.len);
        return (first.len == 0 || send_later(stream, first)) && (second.len == 0 || send_later(stream, second));
}

static bool send_cipher(struct cd_stream *stream)
{
        struct cd_buf *cipher = &stream->loop->cipher;
        bool ok = !cipher->failed && send_bytes(stream, cd_str_of(cipher->ptr, cipher->len), nothing);

        cipher->len = 0;
        cipher->failed = false;
        if (cipher->cap > 1024 * 1024) {
                size_t ceiling = cipher->ceiling;
                cd_buf_done(cipher);
                cd_buf_init(cipher, NULL, ceiling);
        }
        return ok;
}

static bool can_send(const struct cd_stream *stream)
{
        return stream->waiting == 0 && !stream->connecting;
}

/* Sends the output, and `more` after it. */
static bool send_out(struct cd_stream *stream, cd_str more)
{
        struct cd_buf *out = stream->out, *cipher = &stream->loop->cipher;
        cd_str bytes = out ? cd_str_of(out->ptr, out->len) : nothing;
        bool ok = !out || !out->failed;

        if (ok && stream->output_lost) {
                /* Dropped: the reset of the connection shows at the end of its input. */
        } else if (ok && !stream->tls) {
                ok = send_bytes(stream, bytes, more);
        } else if (ok && bytes.len + more.len) {
                ok = cd_tls_conn_write(stream->tls, bytes, cipher) && cd_tls_conn_write(stream->tls, more, cipher);
                ok = send_cipher(stream) && ok;
        }
        give_buf_back(stream);
        return ok;
}

static void send_or_reset(struct cd_stream *stream, cd_str more)
{
        bool no_memory = stream->out && stream->out->failed;

        if (send_out(stream, more))
                return;
        /* A server may answer before it has read the request, and close. The answer can still be read then. */
        if (stream->outgoing && !stream->at_eof && !no_memory)
                stream->output_lost = true;
        else
                cd_stream_reset(stream); /* not a close, because bytes are lost: that would look like a regular end */
}

void cd_stream_flush(struct cd_stream *stream)
{
        if (!stream->closed && stream->out && can_send(stream))
                send_or_reset(stream, nothing);
}

void cd_stream_send(struct cd_stream *stream, cd_str bytes)
{
        if (bytes.len < SENT_AT_ONCE || stream->closed || !can_send(stream)) {
                cd_buf_add(cd_stream_out(stream), bytes);
                return;
        }
        flush_at_end(stream); /* for `drained` */
        send_or_reset(stream, bytes);
}

/* Ends the output with a close_notify, so that the client can tell a regular end from a truncation (RFC 8446 §6.1). */
static void say_end(struct cd_stream *stream)
{
        if (stream->is_shut)
                return;
        stream->is_shut = true;
        if (stream->tls) {
                cd_tls_conn_end(stream->tls, &stream->loop->cipher);
                (void)send_cipher(stream);
        }
}

/* Called when all output is out. */
static void after_output(struct cd_stream *stream)
{
        cd_loop_cancel_deadline(stream->loop, &stream->stall);
        if (stream->shut_wanted && !stream->is_shut) {
                say_end(stream);
                stream->transport->shut(stream);
        }
        if (!stream->ending) {
                stream->events->drained(stream);
                return;
        }
        if (!stream->lingers || stream->at_eof) {
                cd_stream_close(stream);
                return;
        }
        say_end(stream);
        stream->transport->shut(stream);
        stream->lingering = true;
        stall_in(stream, LINGER_MS);
        cd_stream_read(stream, true);
}

static void flush_one(struct cd_stream *stream)
{
        cd_stream_flush(stream);
        if (stream->closed || stream->lingering || cd_stream_queued(stream) > 0)
                return;
        if (!stream->connecting || stream->ending)
                after_output(stream);
}

void cd_loop_flush(struct cd_loop *loop)
{
        /* Output written meanwhile waits for the next turn, which starts at once, so that a stream that always has more
         * output does not delay the others. */
        for (size_t count = loop->flush_count; count > 0 && loop->flush_first; count--) {
                struct cd_stream *stream = loop->flush_first;
                loop->flush_first = stream->flush_next;
                if (!loop->flush_first)
                        loop->flush_last = &loop->flush_first;
                loop->flush_count--;
                stream->in_flush_list = false;
                flush_one(stream);
        }
        if (!loop->flush_first && !loop->later)
                uv_idle_stop(&loop->again);
}

void cd_stream_written(struct cd_stream *stream, size_t len, bool ok)
{
        stream->waiting -= len;
        if (stream->closed)
                return;
        if (!ok && stream->outgoing && !stream->at_eof)
                stream->output_lost = true;
        else if (!ok)
                cd_stream_close(stream);
        if (stream->waiting == 0 && !stream->closed)
                flush_one(stream);
}

bool cd_stream_has_progressed(struct cd_stream *stream)
{
        size_t unsent = stream->transport->unsent(stream);
        bool has_progressed = unsent < stream->last_unsent;

        stream->last_unsent = unsent;
        return has_progressed;
}

/* ---- reading ---- */

void cd_stream_read(struct cd_stream *stream, bool wanted)
{
        if (wanted == stream->reading || stream->closed || (wanted && stream->at_eof))
                return;
        stream->reading = wanted;
        stream->transport->set_reading(stream, wanted);
}

/* The alert is in the output already; tells the owner that the input has ended, and why. */
static void fail_tls(struct cd_stream *stream)
{
        stream->error = cd_tls_conn_error(stream->tls);
        cd_stream_received_end(stream, false);
        /* Continues to read for a while, because the client may go on sending, and a reset would overtake the alert. */
        stream->at_eof = false;
}

static bool is_letter(char c)
{
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Bytes may flow. */
static void begin_flow(struct cd_stream *stream)
{
        stream->connecting = false;
        if (stream->out)
                flush_at_end(stream);
        stream->events->opened(stream);
}

static void decrypt(struct cd_stream *stream, const char *data, size_t len)
{
        struct cd_buf *plain = &stream->loop->plain;
        bool was_open = cd_tls_conn_is_open(stream->tls);
        enum cd_tls_step step = cd_tls_conn_read(stream->tls, cd_str_of(data, len), plain, &stream->loop->cipher);

        if (!send_cipher(stream)) {
                cd_stream_close(stream);
        } else if (step == CD_TLS_FAILED) {
                fail_tls(stream);
        } else {
                if (!was_open && cd_tls_conn_is_open(stream->tls))
                        begin_flow(stream);
                if (plain->len && !stream->closed && !stream->ending)
                        stream->events->bytes(stream, plain->ptr, plain->len);
                if (step == CD_TLS_ENDED) {
                        stream->tls_ended = true;
                        cd_stream_received_end(stream, false);
                }
        }
        if (plain->ptr)
                cd_wipe(plain->ptr, plain->len);
        plain->len = 0;
        plain->failed = false;
}

void cd_stream_take(struct cd_stream *stream, char *data, size_t len)
{
        /* A client that does not know that this port uses TLS sends letters, while a TLS record begins with its type,
         * 20 to 24 (RFC 8446 §5.1). The owner gets these bytes as they are, and the stream is plain from now on. */
        if (stream->tls && !cd_tls_conn_has_begun(stream->tls) && is_letter(*data)) {
                cd_tls_conn_free(stream->tls);
                stream->tls = NULL;
        }
        if (stream->tls)
                decrypt(stream, data, len);
        else
                stream->events->bytes(stream, data, len);
}

void cd_stream_connected(struct cd_stream *stream, const char *error)
{
        if (stream->closed)
                return;
        if (error) {
                stream->error = error;
                cd_stream_received_end(stream, false);
                return;
        }
        cd_stream_read(stream, true);
        if (stream->tls)
                decrypt(stream, NULL, 0); /* the handshake begins */
        else
                begin_flow(stream);
}

void cd_stream_received(struct cd_stream *stream, char *data, size_t len)
{
        if (stream->lingering) {
                stream->discarded += (unsigned)len;
                if (stream->discarded > LINGER_BYTES)
                        cd_stream_close(stream);
        } else if (!stream->ending) {
                cd_stream_take(stream, data, len);
        }
        cd_wipe(data, len);
        /* A full buffer is followed by more in the same turn. What was made of it goes out first, so that output
         * buffers stay as small as one read. */
        if (stream->loop->flush_count >= CD_FLUSH_BATCH || len == CD_INPUT_SIZE)
                cd_loop_flush(stream->loop);
}

void cd_stream_received_end(struct cd_stream *stream, bool broken)
{
        if (stream->closed || stream->at_eof)
                return;
        cd_stream_read(stream, false);
        stream->at_eof = true;
        if (broken || stream->lingering)
                cd_stream_close(stream);
        else if (!stream->ending)
                stream->events->bytes(stream, NULL, 0);
}

bool cd_stream_has_input(struct cd_stream *stream)
{
        return !stream->closed && stream->transport->has_input(stream);
}

/* ---- ending ---- */

void cd_stream_shut(struct cd_stream *stream)
{
        stream->shut_wanted = true;
        flush_at_end(stream);
}

void cd_stream_end(struct cd_stream *stream, bool lingers)
{
        if (stream->closed || stream->ending)
                return;
        stream->ending = true;
        stream->lingers = lingers;
        cd_loop_cancel_deadline(stream->loop, &stream->deadline);
        cd_stream_read(stream, false);
        flush_at_end(stream);
}

static void begin_close(struct cd_stream *stream, bool reset)
{
        stream->closed = true;
        stream->reading = false;
        cd_loop_cancel_deadline(stream->loop, &stream->deadline);
        cd_loop_cancel_deadline(stream->loop, &stream->stall);
        stream->transport->close(stream, reset);
}

void cd_stream_close(struct cd_stream *stream)
{
        if (stream->closed)
                return;
        if (cd_stream_queued(stream) == 0)
                say_end(stream); /* otherwise a close_notify would confirm bytes that are dropped here */
        begin_close(stream, false);
}

void cd_stream_reset(struct cd_stream *stream)
{
        if (!stream->closed)
                begin_close(stream, true);
}

static void leave_flush_list(struct cd_stream *stream)
{
        struct cd_loop *loop = stream->loop;

        for (struct cd_stream **at = &loop->flush_first; *at; at = &(*at)->flush_next) {
                if (*at != stream)
                        continue;
                *at = stream->flush_next;
                if (!*at)
                        loop->flush_last = at;
                loop->flush_count--;
                return;
        }
}

void cd_stream_closed(struct cd_stream *stream)
{
        struct cd_loop *loop = stream->loop;

        if (stream->in_flush_list)
                leave_flush_list(stream);
        stream->link.before->after = stream->link.after;
        stream->link.after->before = stream->link.before;
        loop->stream_count--;
        if (stream->events)
                stream->events->ended(stream);
        give_buf_back(stream);
        cd_tls_conn_free(stream->tls);
        free(stream);
        cd_loop_check_end(loop);
}

static struct cd_stream *stream_of(struct cd_link *link)
{
        return (struct cd_stream *)(void *)((char *)link - offsetof(struct cd_stream, link));
}

void cd_streams_stop(struct cd_loop *loop)
{
        for (struct cd_link *link = loop->streams.after, *after; link != &loop->streams; link = after) {
                struct cd_stream *stream = stream_of(link);
                after = link->after;
                if (!stream->closed && !stream->ending && stream->events)
                        stream->events->stopping(stream);
        }
}

void cd_streams_close(struct cd_loop *loop)
{
        for (struct cd_link *link = loop->streams.after, *after; link != &loop->streams; link = after) {
                after = link->after;
                cd_stream_close(stream_of(link));
        }
}

/* ---- deadlines ---- */

void cd_stream_expire_in(struct cd_stream *stream, int64_t ms)
{
        if (!stream->closed && !stream->ending)
                cd_loop_set_deadline(stream->loop, &stream->deadline, ms);
}

void cd_stream_expire_never(struct cd_stream *stream)
{
        cd_loop_cancel_deadline(stream->loop, &stream->deadline);
}

static void on_expired(struct cd_deadline *deadline)
{
        struct cd_stream *stream = (void *)((char *)deadline - offsetof(struct cd_stream, deadline));

        stream->events->expired(stream);
}

/* Output that made no progress for write_timeout is reset, so that the kernel drops the rest of it. */
static void on_stalled(struct cd_deadline *deadline)
{
        struct cd_stream *stream = (void *)((char *)deadline - offsetof(struct cd_stream, stall));

        if (stream->lingering)
                cd_stream_close(stream);
        else if (cd_stream_has_progressed(stream))
                stall_in(stream, stream->loop->write_timeout_ms);
        else
                cd_stream_reset(stream);
}

/* ---- initialisation ---- */

void cd_stream_init(struct cd_stream *stream, struct cd_loop *loop, const struct cd_transport *transport)
{
        struct cd_link *list = &loop->streams;

        *stream = (struct cd_stream){ .loop = loop, .transport = transport };
        stream->deadline.expired = on_expired;
        stream->stall.expired = on_stalled;
        stream->link = (struct cd_link){ .before = list->before, .after = list };
        list->before->after = &stream->link;
        list->before = &stream->link;
        loop->stream_count++;
}

void cd_stream_start_tls(struct cd_stream *stream, struct cd_tls_conn *tls)
{
        stream->tls = tls;
        if (cd_tls_conn_has_begun(tls))
                decrypt(stream, NULL, 0); /* the client speaks first */
}
