#include "upstream/call.h"
#include "upstream/uwsgi.h"

enum {
        QUEUE_MAX = 64 * 1024, /* bytes of output after which the owner has to wait */
};

/* ---- deadlines ---- */

/* Who is waited for: the server, unless it has no reason to do anything, because the client has not sent the rest of
 * its request yet or does not read the response. */
static bool is_servers_turn(const struct cd_upstream_call *call)
{
        if (cd_stream_queued(call->connection->stream) > 0)
                return true;
        if (call->state == CD_CALL_SENT)
                return call->is_complete || cd_upstream_call_awaits_continue(call);
        return !call->is_paused;
}

void cd_upstream_call_rearm(struct cd_upstream_call *call)
{
        int64_t ms = call->state == CD_CALL_SENT ? options_of(call)->first_byte_ms : options_of(call)->idle_ms;

        if (ms > 0 && is_servers_turn(call))
                cd_loop_set_deadline(call->loop, &call->deadline, ms);
        else
                cd_loop_cancel_deadline(call->loop, &call->deadline);
}

/* ---- the head ---- */

static cd_status write_head(struct cd_upstream_call *call, struct cd_buf *out)
{
        const struct cd_upstream_request *request = &call->request;
        size_t before = out->len;
        cd_status status;

        if (!call->upstream->is_uwsgi)
                return cd_http1_write_head(out, request);
        status = cd_uwsgi_write_block(out, request->fields, request->field_count, options_of(call)->buffer_size);
        call->block_len = out->len - before;
        return status;
}

/* What of the body came while there was no connection. */
static void send_early(struct cd_upstream_call *call, struct cd_buf *out)
{
        cd_buf_add(out, cd_str_of(call->early.ptr, call->early.len));
        if (call->early.failed)
                out->failed = true; /* resets the connection */
        cd_buf_done(&call->early);
        cd_buf_init(&call->early, NULL, CD_CALL_EARLY_MAX);
}

cd_status cd_upstream_call_write(struct cd_upstream_call *call, struct cd_buf *out)
{
        cd_status status = write_head(call, out);

        if (status == CD_OK)
                send_early(call, out);
        return status;
}

/* ---- the body ---- */

static struct cd_buf *body_of(struct cd_upstream_call *call)
{
        return call->state >= CD_CALL_SENT ? cd_stream_out(call->connection->stream) : &call->early;
}

static void send_bytes(struct cd_upstream_call *call, cd_str bytes)
{
        if (call->state >= CD_CALL_SENT)
                cd_stream_send(call->connection->stream, bytes);
        else
                cd_buf_add(&call->early, bytes);
}

bool cd_upstream_push(struct cd_upstream_call *call, cd_str bytes)
{
        if (call->state == CD_CALL_OVER || call->is_complete || bytes.len == 0)
                return true;
        call->is_pushed = true;
        if (call->state == CD_CALL_TUNNEL) {
                send_bytes(call, bytes);
        } else if (call->request.length == CD_UPSTREAM_LENGTH_UNKNOWN) {
                cd_http1_write_chunk(body_of(call), bytes);
        } else {
                bytes = cd_str_slice(bytes, 0, (size_t)call->left);
                call->left -= (int64_t)bytes.len;
                send_bytes(call, bytes);
        }
        size_t queued = call->early.len;
        if (call->state >= CD_CALL_SENT) {
                queued = cd_stream_queued(call->connection->stream);
                if (!call->deadline.before)
                        cd_upstream_call_rearm(call);
        }
        call->is_waiting = queued >= QUEUE_MAX;
        return !call->is_waiting;
}

void cd_upstream_push_end(struct cd_upstream_call *call, const struct cd_http_header *trailers, size_t trailer_count)
{
        bool is_chunked = call->request.length == CD_UPSTREAM_LENGTH_UNKNOWN;

        if (call->state == CD_CALL_OVER || call->is_complete)
                return;
        call->is_complete = call->is_pushed = true;
        if (call->state == CD_CALL_TUNNEL) {
                cd_stream_shut(call->connection->stream);
        } else if (is_chunked ? cd_http1_write_last_chunk(body_of(call), trailers, trailer_count) != CD_OK
                              : call->left > 0) {
                /* The server must not take what it has for a complete request: this resets the connection. */
                body_of(call)->failed = true;
                return;
        }
        if (call->state >= CD_CALL_SENT)
                cd_upstream_call_rearm(call);
}

void cd_upstream_read(struct cd_upstream_call *call, bool wanted)
{
        call->is_paused = !wanted;
        if (call->state < CD_CALL_SENT || call->state == CD_CALL_OVER)
                return;
        cd_stream_read(call->connection->stream, wanted);
        cd_upstream_call_rearm(call);
}
