/* Sends requests at the times of a Poisson process, whether or not earlier ones have been answered, and prints how long the answers
 * took from the time that a request was due: bench/micro/open_loop PORT HOST PATH NAME COOKIES CONNECTIONS RATE SECONDS
 * COOKIES is a file; each line is the cookie NAME of one request, in turn. Prints: requests, p50 and p99 in microseconds, and
 * the answers that were wrong. */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
        CONNECTIONS_MAX = 1024,
        COOKIES_MAX = 1 << 20,
        BUFFER = 16 * 1024, /* of one response */
        WARM_UP = 1,        /* second, which is not counted */
};

struct connection {
        int fd;
        int64_t due; /* of the request that is open */
        size_t len;
        char bytes[BUFFER];
};

static struct load {
        struct connection connections[CONNECTIONS_MAX];
        struct connection *idle[CONNECTIONS_MAX];
        size_t idle_count;
        char **requests;
        size_t request_count, next_request;
        double rate;
        int64_t *due; /* of requests that wait for a connection, and of all before */
        size_t due_first, due_count;
        uint32_t *taken; /* nanoseconds */
        size_t taken_count, most;
        int64_t began, next_due, end;
        size_t wrong;
        int epoll;
} load;

static void must(int ok, const char *what)
{
        if (ok)
                return;
        fprintf(stderr, "open_loop: %s: %s\n", what, strerror(errno));
        exit(1);
}

static int64_t now(void)
{
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void read_requests(char **argv)
{
        FILE *file = fopen(argv[5], "r");
        char line[512], text[1024];

        must(file != NULL, argv[5]);
        load.requests = calloc(COOKIES_MAX, sizeof(*load.requests));
        must(load.requests != NULL, "memory");
        while (load.request_count < COOKIES_MAX && fgets(line, sizeof(line), file)) {
                line[strcspn(line, "\n")] = '\0';
                snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: %s\r\nCookie: %s=%s\r\n\r\n", argv[3], argv[2],
                         argv[4], line);
                load.requests[load.request_count++] = strdup(text);
        }
        fclose(file);
        must(load.request_count > 0, "no cookies");
}

static void open_connection(struct connection *connection, int port)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
        int one = 1;

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connection->fd = socket(AF_INET, SOCK_STREAM, 0);
        must(connection->fd >= 0 && connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) == 0,
             "connect");
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        must(epoll_ctl(load.epoll, EPOLL_CTL_ADD, connection->fd, &event) == 0, "epoll");
        load.idle[load.idle_count++] = connection;
}

/* The gap to the next request: exponentially distributed. */
static int64_t gap(void)
{
        return (int64_t)(-log(1 - drand48()) / load.rate * 1e9);
}

static void send_waiting(void)
{
        while (load.due_first < load.due_count && load.idle_count > 0) {
                struct connection *connection = load.idle[--load.idle_count];
                const char *request = load.requests[load.next_request];
                load.next_request = (load.next_request + 1) % load.request_count;
                connection->due = load.due[load.due_first++];
                connection->len = 0;
                size_t len = strlen(request);
                must(send(connection->fd, request, len, MSG_NOSIGNAL) == (ssize_t)len, "send");
        }
}

/* The bytes of the response that begins so; 0: not known yet. */
static size_t length_of(const struct connection *connection)
{
        const char *head_end = memmem(connection->bytes, connection->len, "\r\n\r\n", 4);
        const char *length = memmem(connection->bytes, connection->len, "Content-Length: ", 16);

        if (!head_end)
                return 0;
        must(length && length < head_end, "a response without Content-Length");
        return (size_t)(head_end + 4 - connection->bytes) + strtoul(length + 16, NULL, 10);
}

static void receive(struct connection *connection)
{
        ssize_t count = recv(connection->fd, connection->bytes + connection->len, BUFFER - connection->len, 0);
        size_t length;

        must(count > 0, "the server closed a connection");
        connection->len += (size_t)count;
        length = length_of(connection);
        if (!length || connection->len < length)
                return;
        load.wrong += strncmp(connection->bytes, "HTTP/1.1 200", 12) != 0;
        if (connection->due - load.began >= WARM_UP * INT64_C(1000000000))
                load.taken[load.taken_count++] = (uint32_t)(now() - connection->due);
        load.idle[load.idle_count++] = connection;
}

static void wait_for_events(void)
{
        struct epoll_event events[64];
        int64_t left = load.next_due - now();
        struct timespec timeout = { .tv_sec = 0, .tv_nsec = left < 0 ? 0 : left > 999999999 ? 999999999 : left };
        int count = epoll_pwait2(load.epoll, events, 64, &timeout, NULL);

        for (int i = 0; i < count; i++)
                receive(events[i].data.ptr);
}

static void run(void)
{
        load.began = load.next_due = now();
        while (load.next_due < load.end + load.began) {
                while (load.next_due <= now() && load.due_count < load.most) {
                        load.due[load.due_count++] = load.next_due;
                        load.next_due += gap();
                }
                send_waiting();
                wait_for_events();
        }
}

static int compare(const void *a, const void *b)
{
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
        if (argc != 9) {
                fputs("usage: open_loop PORT HOST PATH NAME COOKIES CONNECTIONS RATE SECONDS\n", stderr);
                return 2;
        }
        size_t connections = strtoul(argv[6], NULL, 10);
        double seconds = strtod(argv[8], NULL);
        load.rate = strtod(argv[7], NULL);
        load.end = (int64_t)((seconds + WARM_UP) * 1e9);
        load.most = (size_t)(load.rate * (seconds + WARM_UP) * 2);
        load.due = calloc(load.most, sizeof(*load.due));
        load.taken = calloc(load.most, sizeof(*load.taken));
        load.epoll = epoll_create1(0);
        must(load.due && load.taken && connections <= CONNECTIONS_MAX, "memory");
        prctl(PR_SET_TIMERSLACK, 1);
        read_requests(argv);
        for (size_t i = 0; i < connections; i++)
                open_connection(&load.connections[i], atoi(argv[1]));
        run();
        must(load.taken_count > 0, "no answers");
        qsort(load.taken, load.taken_count, sizeof(*load.taken), compare);
        size_t half = load.taken_count / 2, most = load.taken_count * 99 / 100;
        printf("%zu %.1f %.1f %zu\n", load.taken_count, (double)load.taken[half] / 1e3, (double)load.taken[most] / 1e3,
               load.wrong);
        return 0;
}
