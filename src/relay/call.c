#include "relay/call.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "net/connect.h"
#include "relay/message.h"

enum {
        FIRST_PAUSE_MS = 100, /* between two attempts to connect; doubled each time */
        LONGEST_PAUSE_MS = 1000,
};

struct cd_relay_call {
        struct cd_relay_call_options options;
        struct cd_loop *loop;
        struct cd_stream *stream; /* NULL: none; it belongs to the call until it has ended */
        struct cd_deadline total, pause;
        struct cd_buf answer;
        const char *reason; /* why the last attempt failed */
        int64_t pause_ms;
        int64_t attempts;
        int64_t started_us, attempt_us, opened_us; /* opened_us 0: not yet */
};

static const struct cd_stream_events events;

static struct cd_relay_call *call_of(struct cd_deadline *deadline, size_t offset)
{
        return (void *)((char *)deadline - offset);
}

/* The stream outlives the call, and reports its end to nobody. */
static void leave_stream(struct cd_relay_call *call, bool reset)
{
        struct cd_stream *stream = call->stream;

        call->stream = NULL;
        if (!stream)
                return;
        stream->owner = NULL;
        if (reset)
                cd_stream_reset(stream);
        else
                cd_stream_close(stream);
}

static void free_call(struct cd_relay_call *call)
{
        cd_loop_cancel_deadline(call->loop, &call->total);
        cd_loop_cancel_deadline(call->loop, &call->pause);
        cd_buf_done(&call->answer);
        free(call);
}

bool cd_relay_call_has_sent(const struct cd_relay_call *call)
{
        return call->stream && call->stream->has_sent;
}

void cd_relay_call_cancel(struct cd_relay_call *call)
{
        leave_stream(call, true);
        free_call(call);
}

static void finish(struct cd_relay_call *call, enum cd_relay_call_result result, const char *reason, bool is_late)
{
        int64_t now = cd_monotonic_us();
        struct cd_relay_call_end end = {
                .result = result,
                .answer = cd_str_of(call->answer.ptr, call->answer.len),
                .reason = reason,
                .is_late = is_late,
                .attempts = call->attempts,
                .connect_us = call->opened_us ? call->opened_us - call->attempt_us : 0,
                .answer_us = call->opened_us ? now - call->opened_us : 0,
                .total_us = now - call->started_us,
        };

        leave_stream(call, result != CD_RELAY_CALL_READ);
        cd_loop_cancel_deadline(call->loop, &call->total);
        cd_loop_cancel_deadline(call->loop, &call->pause);
        call->options.done(call->options.owner, &end);
        free_call(call);
}

/* ---- attempts ---- */

/* Nothing was sent, so it may be tried again. The end comes later, too, so that `done` is not called by start. */
static void try_later(struct cd_relay_call *call, const char *reason)
{
        leave_stream(call, false);
        call->opened_us = 0;
        call->reason = reason;
        cd_loop_set_deadline(call->loop, &call->pause, call->options.is_once ? 0 : call->pause_ms);
        call->pause_ms = 2 * call->pause_ms < LONGEST_PAUSE_MS ? 2 * call->pause_ms : LONGEST_PAUSE_MS;
}

static void fail(struct cd_relay_call *call, const char *reason)
{
        if (cd_relay_call_has_sent(call))
                finish(call, CD_RELAY_CALL_LOST, reason, false);
        else
                try_later(call, reason);
}

static void attempt(struct cd_relay_call *call)
{
        const struct cd_relay_route *route = call->options.route;
        const struct cd_connect_options to = {
                .address = route->socket_path.len ? NULL : &route->address,
                .port = route->port,
                .path = route->socket_path,
        };

        call->attempts++;
        call->attempt_us = cd_monotonic_us();
        call->stream = cd_stream_connect(call->loop, &to);
        if (!call->stream) {
                try_later(call, strerrordesc_np(errno));
                return;
        }
        call->stream->owner = call;
        call->stream->events = &events;
}

static void on_pause_over(struct cd_deadline *deadline)
{
        struct cd_relay_call *call = call_of(deadline, offsetof(struct cd_relay_call, pause));

        if (call->loop->stopping || call->options.is_once)
                finish(call, CD_RELAY_CALL_UNREACHABLE, call->reason, false);
        else
                attempt(call);
}

static void on_timeout(struct cd_deadline *deadline)
{
        struct cd_relay_call *call = call_of(deadline, offsetof(struct cd_relay_call, total));

        if (cd_relay_call_has_sent(call))
                finish(call, CD_RELAY_CALL_LOST, "no answer in time", true);
        else
                finish(call, CD_RELAY_CALL_UNREACHABLE, call->reason ? call->reason : "no connection in time", true);
}

struct cd_relay_call *cd_relay_call_start(struct cd_loop *loop, const struct cd_relay_call_options *options)
{
        struct cd_relay_call *call = calloc(1, sizeof(*call));

        if (!call)
                return NULL;
        call->options = *options;
        call->loop = loop;
        call->pause_ms = FIRST_PAUSE_MS;
        call->started_us = cd_monotonic_us();
        call->pause.expired = on_pause_over;
        call->total.expired = on_timeout;
        cd_buf_init(&call->answer, NULL, CD_RELAY_ANSWER_MAX);
        cd_loop_set_deadline(loop, &call->total, options->route->timeout_ms);
        attempt(call);
        return call;
}

/* ---- events of the stream; its owner is NULL once the call has left it ---- */

static void opened(struct cd_stream *stream)
{
        struct cd_relay_call *call = stream->owner;
        int64_t now = cd_monotonic_us();

        if (!call)
                return;
        /* Late by a loop that was busy: the timeout, on which a claim relies, is about to end the call. */
        if (now - call->started_us >= call->options.route->timeout_ms * 1000)
                return;
        call->opened_us = now;
        cd_buf_add(cd_stream_out(stream), call->options.request);
        cd_stream_shut(stream);
}

static void take_end(struct cd_relay_call *call)
{
        if (call->stream->error)
                fail(call, call->stream->error);
        else if (call->answer.len)
                finish(call, CD_RELAY_CALL_READ, NULL, false);
        else
                fail(call, "the connection was closed without an answer");
}

static void bytes(struct cd_stream *stream, char *data, size_t len)
{
        struct cd_relay_call *call = stream->owner;

        if (!call)
                return;
        if (len == 0) {
                take_end(call);
                return;
        }
        cd_buf_add(&call->answer, cd_str_of(data, len));
        if (call->answer.failed)
                finish(call, CD_RELAY_CALL_LOST,
                       call->answer.len + len > CD_RELAY_ANSWER_MAX ? "the answer is longer than 64 KB"
                                                                    : "out of memory",
                       false);
        else if (cd_relay_call_has_sent(call) &&
                 cd_relay_answer_ends(call->options.route->encoding, cd_str_of(call->answer.ptr, call->answer.len)))
                finish(call, CD_RELAY_CALL_READ, NULL, false);
}

static void ended(struct cd_stream *stream)
{
        struct cd_relay_call *call = stream->owner;
        bool has_sent = stream->has_sent;

        if (!call)
                return;
        call->stream = NULL;
        if (has_sent)
                finish(call, CD_RELAY_CALL_LOST, "the connection was reset", false);
        else
                try_later(call, "the connection was reset");
}

static void ignore(struct cd_stream *stream)
{
        (void)stream;
}

static const struct cd_stream_events events = {
        .opened = opened,
        .bytes = bytes,
        .drained = ignore,
        .expired = ignore,
        .stopping = ignore, /* the answer is waited for, as long as the grace lasts */
        .ended = ended,
};
