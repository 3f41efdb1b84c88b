/* Sends callbacks to the relay, and receives what it delivers: bench/micro/relay_load PORT PATH RECEIVER ENCODING
 * CONNECTIONS SECONDS [FIRST] | … count COUNT. Each of the connections has one request open. The receiver listens on the
 * port RECEIVER of 127.0.0.1, and answers in the ENCODING, pickle or json, with the state that it got. FIRST is the
 * number of the first state, since no state is delivered twice. With "count", it ends after COUNT answers instead.
 * Prints: answers, seconds, and the answers that were wrong. */
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
        DESCRIPTORS_MAX = 8192,
        BUFFER = 16 * 1024, /* of one page, or one delivery */
        STATE_SIZE = 20,    /* "state-" and 14 digits */
};

enum kind {
        BROWSER,
        LISTENER,
        DELIVERY,
};

struct peer {
        enum kind kind;
        char state[STATE_SIZE + 1];
        size_t len;
        char bytes[BUFFER];
};

static struct load {
        struct peer *peers[DESCRIPTORS_MAX]; /* by descriptor */
        const char *path;
        bool is_pickle;
        int port, epoll;
        uint64_t next_state, answered, wrong, count; /* count 0: until the time is over */
} load;

static void must(int ok, const char *what)
{
        if (ok)
                return;
        fprintf(stderr, "relay_load: %s: %s\n", what, strerror(errno));
        exit(1);
}

static double now(void)
{
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct peer *watch(int fd, enum kind kind)
{
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
        int one = 1;

        must(fd >= 0 && fd < DESCRIPTORS_MAX, "descriptors");
        if (!load.peers[fd]) /* kept for the next one with this descriptor */
                load.peers[fd] = malloc(sizeof(*load.peers[fd]));
        must(load.peers[fd] != NULL, "memory");
        load.peers[fd]->kind = kind;
        load.peers[fd]->len = 0;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        must(epoll_ctl(load.epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll");
        return load.peers[fd];
}

static struct sockaddr_in at(int port)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return address;
}

static void listen_on(int port)
{
        struct sockaddr_in address = at(port);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        must(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 4096) == 0, "listen");
        watch(fd, LISTENER);
}

static void send_all(int fd, const char *bytes, size_t len)
{
        must(send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len, "send");
}

/* ---- the browsers ---- */

static void send_callback(int fd)
{
        struct peer *peer = load.peers[fd];
        char text[512];

        snprintf(peer->state, sizeof(peer->state), "state-%014llu", (unsigned long long)load.next_state++);
        int len = snprintf(text, sizeof(text),
                           "GET %s?code=def50200a1b2c3d4e5f60718293a4b5c6d7e8f90&state=%s HTTP/1.1\r\n"
                           "Host: bot.example.com\r\nAccept: text/html\r\n\r\n",
                           load.path, peer->state);
        peer->len = 0;
        send_all(fd, text, (size_t)len);
}

static void open_browser(void)
{
        struct sockaddr_in address = at(load.port);
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        must(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
        watch(fd, BROWSER);
        send_callback(fd);
}

static void read_page(int fd)
{
        struct peer *peer = load.peers[fd];
        ssize_t count = recv(fd, peer->bytes + peer->len, BUFFER - peer->len, 0);

        must(count > 0, "the relay closed a connection");
        peer->len += (size_t)count;
        const char *end = memmem(peer->bytes, peer->len, "\r\n\r\n", 4);
        const char *length = memmem(peer->bytes, peer->len, "Content-Length: ", 16);
        if (!end)
                return;
        must(length && length < end, "a page without Content-Length");
        if (peer->len < (size_t)(end + 4 - peer->bytes) + strtoul(length + 16, NULL, 10))
                return;
        load.answered++;
        load.wrong += strncmp(peer->bytes, "HTTP/1.1 200", 12) != 0 ||
                      !memmem(end, peer->len - (size_t)(end - peer->bytes), peer->state, STATE_SIZE);
        if (!load.count || load.next_state < load.count)
                send_callback(fd);
}

/* ---- the receiver ---- */

static void accept_deliveries(int listener)
{
        int fd;

        while ((fd = accept(listener, NULL, NULL)) >= 0)
                watch(fd, DELIVERY);
}

static size_t write_answer(const char *state, char to[BUFFER])
{
        /* Protocol 2: {"success": True, "message": STATE} */
        static const char head[] = "\x80\x02}(X\7\0\0\0success\x88X\7\0\0\0messageX\x14\0\0\0", end[] = "u.";
        char *to_end = to;

        if (!load.is_pickle)
                return (size_t)snprintf(to, BUFFER, "{\"success\":true,\"message\":\"%.*s\"}\n", STATE_SIZE, state);
        to_end = mempcpy(to_end, head, sizeof(head) - 1);
        to_end = mempcpy(to_end, state, STATE_SIZE);
        to_end = mempcpy(to_end, end, sizeof(end) - 1);
        return (size_t)(to_end - to);
}

static void answer_delivery(int fd)
{
        const struct peer *peer = load.peers[fd];
        const char *state = memmem(peer->bytes, peer->len, "state-", 6);
        char text[BUFFER];

        must(state && state + STATE_SIZE <= peer->bytes + peer->len, "a delivery without state");
        must(load.is_pickle ? memcmp(peer->bytes, "\x80\x02", 2) == 0 : peer->bytes[0] == '{', "another encoding");
        send_all(fd, text, write_answer(state, text));
}

static void read_delivery(int fd)
{
        struct peer *peer = load.peers[fd];
        ssize_t count = recv(fd, peer->bytes + peer->len, BUFFER - peer->len, 0);

        peer->len += count > 0 ? (size_t)count : 0;
        if (count > 0)
                return;
        if (count == 0 && peer->len > 0)
                answer_delivery(fd);
        close(fd);
}

static void serve(void)
{
        struct epoll_event events[256];
        int count = epoll_wait(load.epoll, events, 256, 100);

        for (int i = 0; i < count; i++) {
                int fd = events[i].data.fd;
                if (load.peers[fd]->kind == LISTENER)
                        accept_deliveries(fd);
                else if (load.peers[fd]->kind == BROWSER)
                        read_page(fd);
                else
                        read_delivery(fd);
        }
}

int main(int argc, char **argv)
{
        if (argc < 7) {
                fputs("usage: relay_load PORT PATH RECEIVER ENCODING CONNECTIONS SECONDS [FIRST]\n"
                      "       relay_load PORT PATH RECEIVER ENCODING CONNECTIONS count COUNT\n",
                      stderr);
                return 2;
        }
        bool counts = strcmp(argv[6], "count") == 0 && argc > 7;
        load.port = atoi(argv[1]);
        load.path = argv[2];
        load.is_pickle = strcmp(argv[4], "pickle") == 0;
        load.epoll = epoll_create1(0);
        load.count = counts ? strtoull(argv[7], NULL, 10) : 0;
        load.next_state = !counts && argc > 7 ? strtoull(argv[7], NULL, 10) : 0;
        must(load.epoll >= 0, "epoll");
        listen_on(atoi(argv[3]));
        double began = now(), end = began + (counts ? 600 : strtod(argv[6], NULL));
        for (int i = 0; i < atoi(argv[5]); i++)
                open_browser();
        while (now() < end && (!load.count || load.answered < load.count))
                serve();
        printf("%llu %.3f %llu\n", (unsigned long long)load.answered, now() - began, (unsigned long long)load.wrong);
        return 0;
}
