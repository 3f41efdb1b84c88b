#include "net/loopback.h"

#include <stdlib.h>
#include <string.h>

enum {
        SENT_CEILING = 1024 * 1024 * 1024
};

static ssize_t write_some(struct cd_stream *stream, cd_str first, cd_str second)
{
        struct cd_loopback *loopback = stream->carrier;
        size_t room = loopback->sent.len < loopback->window ? loopback->window - loopback->sent.len : 0;

        first = cd_str_slice(first, 0, room);
        second = cd_str_slice(second, 0, room - first.len);
        cd_buf_add(&loopback->sent, first);
        cd_buf_add(&loopback->sent, second);
        return loopback->sent.failed ? -1 : (ssize_t)(first.len + second.len);
}

static bool write_later(struct cd_stream *stream, const char *data, size_t len)
{
        struct cd_loopback *loopback = stream->carrier;

        cd_buf_add(&loopback->later, cd_str_of(data, len));
        return !loopback->later.failed;
}

static void set_reading(struct cd_stream *stream, bool wanted)
{
        struct cd_loopback *loopback = stream->carrier;

        loopback->wants_input = wanted;
}

static void shut(struct cd_stream *stream)
{
        struct cd_loopback *loopback = stream->carrier;

        loopback->is_shut = true;
}

static bool has_input(struct cd_stream *stream)
{
        const struct cd_loopback *loopback = stream->carrier;

        return loopback->has_input;
}

static size_t unsent(struct cd_stream *stream)
{
        const struct cd_loopback *loopback = stream->carrier;

        return loopback->later.len;
}

static void on_closed(uv_handle_t *handle)
{
        struct cd_stream *stream = handle->data;
        struct cd_loopback *loopback = stream->carrier;

        loopback->stream = NULL;
        cd_stream_closed(stream);
}

static void close_loopback(struct cd_stream *stream, bool reset)
{
        struct cd_loopback *loopback = stream->carrier;

        loopback->is_closed = true;
        loopback->is_reset = reset;
        loopback->wants_input = false;
        uv_close(&stream->uv.handle, on_closed);
}

static const struct cd_transport transport = {
        .write = write_some,
        .write_later = write_later,
        .set_reading = set_reading,
        .shut = shut,
        .has_input = has_input,
        .unsent = unsent,
        .close = close_loopback,
};

bool cd_loopback_init(struct cd_loopback *loopback, struct cd_loop *loop, size_t window)
{
        *loopback = (struct cd_loopback){ .window = window, .stream = malloc(sizeof(*loopback->stream)) };
        cd_buf_init(&loopback->sent, NULL, SENT_CEILING);
        cd_buf_init(&loopback->later, NULL, SENT_CEILING);
        if (!loopback->stream)
                return false;
        cd_stream_init(loopback->stream, loop, &transport);
        loopback->stream->carrier = loopback;
        /* Closing an unused handle delays the end just as closing a socket does. */
        uv_pipe_init(&loop->uv, &loopback->stream->uv.pipe, 0);
        loopback->stream->uv.handle.data = loopback->stream;
        return true;
}

void cd_loopback_done(struct cd_loopback *loopback)
{
        cd_buf_done(&loopback->sent);
        cd_buf_done(&loopback->later);
}

bool cd_loopback_feed(struct cd_loopback *loopback, cd_str bytes)
{
        while (bytes.len && loopback->wants_input) {
                size_t len = bytes.len < CD_INPUT_SIZE ? bytes.len : CD_INPUT_SIZE;
                char *input = loopback->stream->loop->input;
                memcpy(input, bytes.ptr, len);
                cd_stream_received(loopback->stream, input, len);
                bytes = cd_str_slice(bytes, len, bytes.len);
        }
        return bytes.len == 0;
}

void cd_loopback_feed_end(struct cd_loopback *loopback, bool broken)
{
        if (!loopback->is_closed)
                cd_stream_received_end(loopback->stream, broken);
}

static void drop_front(struct cd_buf *buf, size_t len)
{
        buf->len -= len;
        if (buf->len)
                memmove(buf->ptr, buf->ptr + len, buf->len);
}

size_t cd_loopback_take(struct cd_loopback *loopback, char *to, size_t max)
{
        size_t len = loopback->sent.len < max ? loopback->sent.len : max;

        if (len)
                memcpy(to, loopback->sent.ptr, len);
        drop_front(&loopback->sent, len);
        size_t room = loopback->window - loopback->sent.len,
               moved = loopback->later.len < room ? loopback->later.len : room;
        if (moved > 0) {
                cd_buf_add(&loopback->sent, cd_str_of(loopback->later.ptr, moved));
                drop_front(&loopback->later, moved);
                if (loopback->stream && !loopback->is_closed)
                        cd_stream_written(loopback->stream, moved, true);
        }
        return len;
}
