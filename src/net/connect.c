#include "net/connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "net/socket.h"
#include "net/tls_client.h"

struct outgoing {
        struct cd_stream stream; /* first, since it is freed by this address */
        uv_connect_t connect;
};

/* Where nobody listens on a port from which outgoing connections are made, one may be made from that very port, to
 * itself (RFC 9293 §3.5): what is sent comes back as the answer, and the port is taken when its program starts. */
static bool is_to_itself(const uv_stream_t *handle)
{
        struct sockaddr_storage here = { 0 }, there = { 0 };
        int here_len = sizeof(here), there_len = sizeof(there);

        return handle->type == UV_TCP &&
               uv_tcp_getsockname((const uv_tcp_t *)handle, (struct sockaddr *)&here, &here_len) == 0 &&
               uv_tcp_getpeername((const uv_tcp_t *)handle, (struct sockaddr *)&there, &there_len) == 0 &&
               here_len == there_len && memcmp(&here, &there, (size_t)here_len) == 0;
}

static void on_connected(uv_connect_t *connect, int status)
{
        struct cd_stream *stream = connect->handle->data;

        if (status == 0 && is_to_itself(connect->handle))
                status = UV_ECONNREFUSED;

        /* The text of a code that libuv knows is static. */
        cd_stream_connected(stream, status == 0 ? NULL : uv_strerror(status));
}

static void to_socket_address(const struct cd_address *address, uint16_t port, struct sockaddr_storage *ret)
{
        *ret = (struct sockaddr_storage){ 0 };
        if (cd_address_is_ipv4(address)) {
                struct sockaddr_in *in = (void *)ret;
                in->sin_family = AF_INET;
                in->sin_port = htons(port);
                memcpy(&in->sin_addr, address->bytes + 12, 4);
        } else {
                struct sockaddr_in6 *in6 = (void *)ret;
                in6->sin6_family = AF_INET6;
                in6->sin6_port = htons(port);
                memcpy(&in6->sin6_addr, address->bytes, 16);
        }
}

static int connect_tcp(struct outgoing *outgoing, const struct cd_connect_options *options)
{
        struct cd_stream *stream = &outgoing->stream;
        struct sockaddr_storage to;

        to_socket_address(options->address, options->port, &to);
        stream->peer_len = (uint8_t)cd_address_format(options->address, stream->peer);
        /* A request goes out in one write, and a small one must not wait for the acknowledgement of the last. */
        uv_tcp_nodelay(&stream->uv.tcp, 1);
        return uv_tcp_connect(&outgoing->connect, &stream->uv.tcp, (const struct sockaddr *)&to, on_connected);
}

static int connect_unix(struct outgoing *outgoing, cd_str path)
{
        char name[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

        if (path.len >= sizeof(name))
                return UV_ENAMETOOLONG;
        memcpy(name, path.ptr, path.len);
        name[path.len] = '\0';
        uv_pipe_connect(&outgoing->connect, &outgoing->stream.uv.pipe, name, on_connected);
        return 0;
}

struct cd_stream *cd_stream_connect(struct cd_loop *loop, const struct cd_connect_options *options)
{
        struct outgoing *outgoing = malloc(sizeof(*outgoing));

        if (!outgoing) {
                errno = ENOMEM;
                return NULL;
        }
        struct cd_stream *stream = &outgoing->stream;
        cd_socket_init(stream, loop, !options->address);
        stream->outgoing = stream->connecting = true;
        if (options->tls) {
                stream->tls = cd_tls_client_conn_new(options->tls);
                if (!stream->tls) {
                        cd_stream_close(stream);
                        errno = ENOMEM;
                        return NULL;
                }
        }
        int err = options->address ? connect_tcp(outgoing, options) : connect_unix(outgoing, options->path);
        if (err == 0)
                return stream;
        cd_stream_close(stream);
        errno = -err;
        return NULL;
}

bool cd_stream_is_quiet(struct cd_stream *stream)
{
        uv_os_fd_t fd;
        char byte;

        return !stream->closed && !stream->at_eof && uv_fileno(&stream->uv.handle, &fd) == 0 &&
               recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}
