/* A provider of OAuth 2.0 that does next to nothing, and says how long it took: bench/micro/provider PORT ADDRESSES
 * It listens on the port of 127.0.0.1, 127.0.0.2 and so on, as many as ADDRESSES, since requests to one host are limited.
 *   POST /token   the code is the access token; for a code that begins with "slow" it answers at /release
 *   GET /user     the access token is the id, and a part of login and email
 *   GET /spent    microseconds from the arrival of requests to the end of their answers, and how many wait
 *   GET /release  answers all that wait */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
        CONNECTIONS_MAX = 4096, /* by descriptor */
        BUFFER = 8 * 1024,      /* of one request */
        CODE_MAX = 200,
};

struct connection {
        bool is_listener, waits;
        char code[CODE_MAX]; /* that waits */
        size_t len;
        char bytes[BUFFER];
};

static struct connection *connections[CONNECTIONS_MAX];
static int64_t spent_us;
static int epoll;

static void must(int ok, const char *what)
{
        if (ok)
                return;
        fprintf(stderr, "provider: %s: %s\n", what, strerror(errno));
        exit(1);
}

static int64_t now_us(void)
{
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return time.tv_sec * INT64_C(1000000) + time.tv_nsec / 1000;
}

static void watch(int fd, bool is_listener)
{
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

        must(fd >= 0 && fd < CONNECTIONS_MAX, "connections");
        connections[fd] = calloc(1, sizeof(*connections[fd]));
        must(connections[fd] != NULL, "memory");
        connections[fd]->is_listener = is_listener;
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll");
}

static void forget(int fd)
{
        close(fd);
        free(connections[fd]);
        connections[fd] = NULL;
}

static void listen_on(int port, unsigned number)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
        int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + number);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        must(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 1024) == 0, "listen");
        watch(fd, true);
}

static void answer(int fd, const char *body)
{
        char text[1024];
        int len = snprintf(text, sizeof(text),
                           "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                           strlen(body), body);

        (void)send(fd, text, (size_t)len, MSG_NOSIGNAL); /* the client may have gone */
}

static void answer_token(int fd, const char *code)
{
        char body[512];

        snprintf(body, sizeof(body), "{\"access_token\":\"%s\",\"token_type\":\"bearer\"}", code);
        answer(fd, body);
}

static void answer_user(int fd, const char *token)
{
        char body[1024];

        snprintf(body, sizeof(body),
                 "{\"id\":\"%s\",\"login\":\"user%s\",\"email\":\"user%s@example.com\",\"verified\":true}", token,
                 token, token);
        answer(fd, body);
}

static size_t count_waiting(void)
{
        size_t count = 0;

        for (int fd = 0; fd < CONNECTIONS_MAX; fd++)
                count += connections[fd] && connections[fd]->waits;
        return count;
}

static void release_all(void)
{
        for (int fd = 0; fd < CONNECTIONS_MAX; fd++) {
                if (!connections[fd] || !connections[fd]->waits)
                        continue;
                connections[fd]->waits = false;
                answer_token(fd, connections[fd]->code);
        }
}

/* What follows `name` in the request, up to the end of a word; in `to`. */
static void copy_value(const char *request, const char *name, char to[CODE_MAX])
{
        const char *found = strstr(request, name);
        size_t len = found ? strcspn(found + strlen(name), "&\r\n ") : 0;

        must(found && len < CODE_MAX, name);
        memcpy(to, found + strlen(name), len);
        to[len] = '\0';
}

/* Returns whether it was a request of a client, whose time counts. */
static bool handle(int fd)
{
        struct connection *c = connections[fd];
        char value[CODE_MAX], body[128];

        if (strncmp(c->bytes, "GET /spent ", 11) == 0) {
                snprintf(body, sizeof(body), "{\"spent_us\":%lld,\"waiting\":%zu}", (long long)spent_us,
                         count_waiting());
                answer(fd, body);
                return false;
        }
        if (strncmp(c->bytes, "GET /release ", 13) == 0) {
                release_all();
                answer(fd, "{}");
                return false;
        }
        if (strncmp(c->bytes, "GET /user ", 10) == 0) {
                copy_value(c->bytes, "Bearer ", value);
                answer_user(fd, value);
                return true;
        }
        must(strncmp(c->bytes, "POST /token ", 12) == 0, "an unknown request");
        copy_value(strstr(c->bytes, "\r\n\r\n"), "code=", value);
        c->waits = strncmp(value, "slow", 4) == 0;
        if (c->waits)
                memcpy(c->code, value, sizeof(value));
        else
                answer_token(fd, value);
        return true;
}

static bool is_whole(const struct connection *c)
{
        const char *end = strstr(c->bytes, "\r\n\r\n"), *length = strcasestr(c->bytes, "\r\nContent-Length: ");

        return end &&
               c->len >= (size_t)(end + 4 - c->bytes) + (length && length < end ? strtoul(length + 18, NULL, 10) : 0);
}

static bool receive(int fd)
{
        struct connection *c = connections[fd];
        ssize_t count = recv(fd, c->bytes + c->len, BUFFER - 1 - c->len, 0);
        bool counts = true;

        if (count <= 0) {
                forget(fd);
                return true;
        }
        c->len += (size_t)count;
        c->bytes[c->len] = '\0';
        must(c->len < BUFFER - 1, "a request is too long");
        if (is_whole(c)) {
                counts = handle(fd);
                c->len = 0;
        }
        return counts;
}

static void serve(void)
{
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1), one = 1;

        for (int i = 0; i < count; i++) {
                int64_t began = now_us();
                int fd = events[i].data.fd;
                bool counts = true;

                if (connections[fd]->is_listener) {
                        int accepted = accept(fd, NULL, NULL);
                        must(accepted >= 0, "accept");
                        setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                        watch(accepted, false);
                } else {
                        counts = receive(fd);
                }
                spent_us += counts ? now_us() - began : 0;
        }
}

int main(int argc, char **argv)
{
        if (argc != 3) {
                fputs("usage: provider PORT ADDRESSES\n", stderr);
                return 2;
        }
        epoll = epoll_create1(0);
        must(epoll >= 0, "epoll");
        for (unsigned i = 0; i < (unsigned)atoi(argv[2]); i++)
                listen_on(atoi(argv[1]), i);
        for (;;)
                serve();
}
