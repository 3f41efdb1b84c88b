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

static void on_connected(uv_connect_t *connect, int status)
{
        struct cd_stream *stream = connect->handle->data;

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
