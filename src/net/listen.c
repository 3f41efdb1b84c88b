#include "net/listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
        BACKLOG = 4096,
        ACCEPT_TOGETHER =
                64, /* connections in one turn, so that a flood of them does not hold up those that are open */
        PAUSE_MS = 100,
};

/* ---- opening ---- */

void cd_listen_format(const struct sockaddr_storage *address, char to[CD_LISTEN_TEXT_MAX])
{
        bool is_ipv6 = address->ss_family == AF_INET6;
        struct cd_address plain;
        char text[CD_ADDRESS_TEXT_MAX];
        int len = cd_address_from_socket((const struct sockaddr *)address, &plain)
                          ? (int)cd_address_format(&plain, text)
                          : 0;

        snprintf(to, CD_LISTEN_TEXT_MAX, "%s%.*s%s:%u", is_ipv6 ? "[" : "", len, text, is_ipv6 ? "]" : "",
                 (unsigned)cd_socket_port(address));
}

static cd_status fail(const struct sockaddr_storage *address, const char *what, struct cd_error *reterr)
{
        int error = errno;
        char text[CD_LISTEN_TEXT_MAX];

        cd_listen_format(address, text);
        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR("listen"), "%s: %s: %s", text, what, strerror(error));
}

static cd_status open_socket(const struct sockaddr_storage *address, bool shared, bool ipv6_only, int *ret,
                             struct cd_error *reterr)
{
        bool is_ipv6 = address->ss_family == AF_INET6;
        socklen_t size = is_ipv6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
        int on = 1, only = ipv6_only, fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return fail(address, "socket", reterr);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (shared)
                setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
        if (is_ipv6)
                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
        /* Connections inherit it, which saves each a system call. */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (bind(fd, (const struct sockaddr *)address, size) != 0) {
                cd_status status = fail(address, "bind", reterr);
                close(fd);
                return status;
        }
        *ret = fd;
        return CD_OK;
}

cd_status cd_listen_open(struct sockaddr_storage *address, bool shared, bool ipv6_only, int *ret,
                         struct cd_error *reterr)
{
        socklen_t size = sizeof(*address);
        cd_status status = open_socket(address, shared, ipv6_only, ret, reterr);

        if (status == CD_OK)
                getsockname(*ret, (struct sockaddr *)address, &size);
        return status;
}

/* ---- accepting ---- */

static bool is_shortage(int error)
{
        return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
        struct cd_acceptor *acceptor = poll->data;

        (void)status, (void)events;
        for (int i = 0; i < ACCEPT_TOGETHER; i++) {
                struct sockaddr_storage from = { 0 };
                socklen_t size = sizeof(from);
                struct cd_address peer;
                int fd = accept4(acceptor->fd, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (fd >= 0) {
                        bool is_known = cd_address_from_socket((struct sockaddr *)&from, &peer);
                        acceptor->events->accepted(acceptor, fd, is_known ? &peer : NULL);
                } else if (is_shortage(errno)) {
                        int error = errno;
                        uv_poll_stop(poll);
                        cd_loop_set_deadline(acceptor->loop, &acceptor->resume, PAUSE_MS);
                        acceptor->events->paused(acceptor, error);
                        return;
                } else if (errno != ECONNABORTED && errno != EINTR) {
                        return;
                }
        }
}

static void on_resume(struct cd_deadline *deadline)
{
        struct cd_acceptor *acceptor = (void *)((char *)deadline - offsetof(struct cd_acceptor, resume));

        uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
}

cd_status cd_acceptor_start(struct cd_acceptor *acceptor, struct cd_loop *loop, int fd, struct cd_error *reterr)
{
        int err =
                listen(fd, BACKLOG) == 0 ? uv_poll_init(&loop->uv, &acceptor->poll, fd) : uv_translate_sys_error(errno);

        if (err != 0) {
                close(fd);
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR("listen"), "listen: %s", uv_strerror(err));
        }
        acceptor->loop = loop;
        acceptor->fd = fd;
        acceptor->is_open = true;
        acceptor->poll.data = acceptor;
        acceptor->resume.expired = on_resume;
        uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
        return CD_OK;
}

void cd_acceptor_close(struct cd_acceptor *acceptor)
{
        if (!acceptor->is_open)
                return;
        acceptor->is_open = false;
        cd_loop_cancel_deadline(acceptor->loop, &acceptor->resume);
        uv_poll_stop(&acceptor->poll);
        uv_close((uv_handle_t *)&acceptor->poll, NULL);
        close(acceptor->fd);
}
