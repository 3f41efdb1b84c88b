#include "proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

enum {
        CONNECTIONS_MAX = 256
};

struct proxy {
        int listener, port, server_port;
        atomic_bool is_frozen, is_ending, is_heard;
        atomic_uint turns, connections, cuts;
        char cut_at[32];
        pthread_t acceptor, threads[CONNECTIONS_MAX];
};

struct link {
        struct proxy *proxy;
        int client, server;
        bool server_spoke, cuts_at_answer;
};

static int dial(int port)
{
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
                return fd;
        close(fd);
        return -1;
}

/* False: the connection ends here. */
static bool judge_client(struct link *l, const char *bytes, size_t size)
{
        struct proxy *p = l->proxy;

        if (l->server_spoke)
                atomic_fetch_add(&p->turns, 1);
        l->server_spoke = false;
        if (atomic_load(&p->cuts) == 0 || !memmem(bytes, size, p->cut_at, strlen(p->cut_at)))
                return true;
        atomic_fetch_sub(&p->cuts, 1);
        l->cuts_at_answer = atomic_load(&p->is_heard);
        return l->cuts_at_answer;
}

static bool pass(struct link *l, bool from_client)
{
        char bytes[65536];
        ssize_t n = read(from_client ? l->client : l->server, bytes, sizeof(bytes));

        if (n <= 0 || (!from_client && l->cuts_at_answer))
                return false;
        if (from_client && !judge_client(l, bytes, (size_t)n))
                return false;
        if (!from_client)
                l->server_spoke = true;
        return send(from_client ? l->server : l->client, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

static void *forward(void *arg)
{
        struct link *l = arg;
        bool is_open = l->server >= 0;

        while (is_open && !atomic_load(&l->proxy->is_ending)) {
                struct pollfd p[2] = { { l->client, POLLIN, 0 }, { l->server, POLLIN, 0 } };
                if (atomic_load(&l->proxy->is_frozen)) {
                        sleep_ms(5);
                        continue;
                }
                poll(p, 2, 50);
                if (atomic_load(&l->proxy->is_frozen))
                        continue;
                if (p[1].revents)
                        is_open = pass(l, false);
                if (is_open && p[0].revents)
                        is_open = pass(l, true);
        }
        close(l->client);
        if (l->server >= 0)
                close(l->server);
        free(l);
        return NULL;
}

static void *accept_all(void *arg)
{
        struct proxy *p = arg;

        while (!atomic_load(&p->is_ending)) {
                struct pollfd poller = { p->listener, POLLIN, 0 };
                if (poll(&poller, 1, 50) <= 0)
                        continue;
                struct link *l = calloc(1, sizeof(*l));
                int one = 1;
                l->proxy = p;
                l->client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
                setsockopt(l->client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                l->server = dial(p->server_port);
                unsigned i = atomic_load(&p->connections);
                if (i == CONNECTIONS_MAX)
                        abort();
                pthread_create(&p->threads[i], NULL, forward, l);
                atomic_fetch_add(&p->connections, 1);
        }
        return NULL;
}

struct proxy *proxy_new(void)
{
        struct proxy *p = calloc(1, sizeof(*p));
        struct sockaddr_in a = { .sin_family = AF_INET };
        socklen_t size = sizeof(a);

        assert_int_equal(sscanf(strrchr(server_url(), ':'), ":%d", &p->server_port), 1);
        p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(bind(p->listener, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(p->listener, 64), 0);
        assert_int_equal(getsockname(p->listener, (struct sockaddr *)&a, &size), 0);
        p->port = ntohs(a.sin_port);
        assert_int_equal(pthread_create(&p->acceptor, NULL, accept_all, p), 0);
        return p;
}

void proxy_free(struct proxy *p)
{
        atomic_store(&p->is_ending, true);
        pthread_join(p->acceptor, NULL);
        for (unsigned i = 0; i < atomic_load(&p->connections); i++)
                pthread_join(p->threads[i], NULL);
        close(p->listener);
        free(p);
}

int proxy_port(const struct proxy *p)
{
        return p->port;
}

unsigned proxy_turns(const struct proxy *p)
{
        return atomic_load(&p->turns);
}

unsigned proxy_connections(const struct proxy *p)
{
        return atomic_load(&p->connections);
}

void proxy_freeze(struct proxy *p, bool is_frozen)
{
        atomic_store(&p->is_frozen, is_frozen);
}

void proxy_cut_at(struct proxy *p, const char *text, bool is_heard, unsigned times)
{
        snprintf(p->cut_at, sizeof(p->cut_at), "%s", text);
        atomic_store(&p->is_heard, is_heard);
        atomic_store(&p->cuts, times);
}
