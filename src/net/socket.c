#include "net/socket.h"

#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/secret.h"

/* Output that the kernel did not accept at once. */
struct waiting_write {
        uv_write_t req;
        size_t len;
        char data[];
};

static void on_written(uv_write_t *req, int status)
{
        struct waiting_write *write = req->data;
        struct cd_stream *stream = req->handle->data;
        size_t len = write->len;

        cd_wipe(write->data, len);
        free(write);
        cd_stream_written(stream, len, status >= 0);
}

static ssize_t write_some(struct cd_stream *stream, cd_str first, cd_str second)
{
        uv_buf_t bufs[] = { uv_buf_init((char *)first.ptr, (unsigned)first.len),
                            uv_buf_init((char *)second.ptr, (unsigned)second.len) };
        int written = first.len == 0    ? uv_try_write(&stream->uv.stream, &bufs[1], 1)
                      : second.len == 0 ? uv_try_write(&stream->uv.stream, bufs, 1)
                                        : uv_try_write(&stream->uv.stream, bufs, 2);

        return written == UV_EAGAIN ? 0 : written < 0 ? -1 : written;
}

static bool write_later(struct cd_stream *stream, const char *data, size_t len)
{
        struct waiting_write *write = malloc(sizeof(*write) + len);

        if (!write)
                return false;
        memcpy(write->data, data, len);
        write->len = len;
        write->req.data = write;
        uv_buf_t buf = uv_buf_init(write->data, (unsigned)len);
        if (uv_write(&write->req, &stream->uv.stream, &buf, 1, on_written) == 0)
                return true;
        cd_wipe(write->data, len);
        free(write);
        return false;
}

/* Detects a reset, which libuv reports as an end of file if it arrives with the last bytes. While this side is open, a
 * regular end of the other side is not a hang-up. A server that closes a Unix socket hangs up, but without an error. */
static bool is_hung_up(const struct cd_stream *stream)
{
        struct pollfd poll_fd = { .events = 0 };

        if (stream->is_shut || uv_fileno(&stream->uv.handle, &poll_fd.fd) != 0 || poll(&poll_fd, 1, 0) <= 0)
                return false;
        return !stream->outgoing || (poll_fd.revents & POLLERR);
}

static void on_read(uv_stream_t *handle, ssize_t count, const uv_buf_t *buf)
{
        struct cd_stream *stream = handle->data;

        if (count > 0)
                cd_stream_received(stream, buf->base, (size_t)count);
        else if (count < 0)
                cd_stream_received_end(stream, count != UV_EOF || is_hung_up(stream));
}

static void offer_input(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        struct cd_stream *stream = handle->data;

        (void)suggested;
        *ret = uv_buf_init(stream->loop->input, CD_INPUT_SIZE);
}

static void set_reading(struct cd_stream *stream, bool wanted)
{
        if (wanted)
                uv_read_start(&stream->uv.stream, offer_input, on_read);
        else
                uv_read_stop(&stream->uv.stream);
}

static void shut(struct cd_stream *stream)
{
        uv_os_fd_t fd;

        if (uv_fileno(&stream->uv.handle, &fd) == 0)
                shutdown(fd, SHUT_WR);
}

static bool has_input(struct cd_stream *stream)
{
        uv_os_fd_t fd;
        char byte;

        return uv_fileno(&stream->uv.handle, &fd) == 0 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static size_t unsent(struct cd_stream *stream)
{
        size_t waiting = uv_stream_get_write_queue_size(&stream->uv.stream);
        uv_os_fd_t fd;
        int in_kernel = 0;

        /* A server that reads slowly frees the kernel's buffer in large steps only. */
        if (stream->outgoing && uv_fileno(&stream->uv.handle, &fd) == 0 && ioctl(fd, SIOCOUTQ, &in_kernel) == 0)
                waiting += (size_t)in_kernel;
        return waiting;
}

static void on_closed(uv_handle_t *handle)
{
        cd_stream_closed(handle->data);
}

static void close_socket(struct cd_stream *stream, bool reset)
{
        if (reset && stream->uv.handle.type == UV_TCP && uv_tcp_close_reset(&stream->uv.tcp, on_closed) == 0)
                return;
        uv_close(&stream->uv.handle, on_closed);
}

static const struct cd_transport transport = {
        .write = write_some,
        .write_later = write_later,
        .set_reading = set_reading,
        .shut = shut,
        .has_input = has_input,
        .unsent = unsent,
        .close = close_socket,
};

void cd_socket_init(struct cd_stream *stream, struct cd_loop *loop, bool is_unix)
{
        cd_stream_init(stream, loop, &transport);
        if (is_unix)
                uv_pipe_init(&loop->uv, &stream->uv.pipe, 0);
        else
                uv_tcp_init(&loop->uv, &stream->uv.tcp);
        stream->uv.handle.data = stream;
}

struct cd_stream *cd_stream_of_socket(struct cd_loop *loop, int fd, bool is_unix, const struct cd_address *peer)
{
        struct cd_stream *stream = malloc(sizeof(*stream));
        int err;

        if (!stream) {
                close(fd);
                return NULL;
        }
        cd_socket_init(stream, loop, is_unix);
        err = is_unix ? uv_pipe_open(&stream->uv.pipe, fd) : uv_tcp_open(&stream->uv.tcp, fd);
        if (err != 0) {
                close(fd); /* the socket has no owner yet */
                cd_stream_close(stream);
                return NULL;
        }
        if (peer)
                stream->peer_len = (uint8_t)cd_address_format(peer, stream->peer);
        return stream;
}
