#include "fixture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
        struct peer *peer;
        int fd;
};

/* Reads one request into text. False at the end of the connection. */
static bool read_request(int fd, char *text)
{
        size_t len = 0, want = 0;

        while (len < REQUEST_MAX - 1 && (want == 0 || len < want)) {
                ssize_t n = recv(fd, text + len, want ? want - len : 1, 0);
                if (n <= 0)
                        return false;
                len += (size_t)n;
                text[len] = '\0';
                if (!want && len >= 4 && memcmp(text + len - 4, "\r\n\r\n", 4) == 0) {
                        const char *length = strstr(text, "Content-Length: ");
                        want = len + (length ? (size_t)atoi(length + 16) : 0);
                }
        }
        return true;
}

static void *serve_connection(void *arg)
{
        struct connection c = *(struct connection *)arg;
        char text[REQUEST_MAX];

        free(arg);
        for (int nth = 0; read_request(c.fd, text); nth++) {
                pthread_mutex_lock(&c.peer->lock);
                strcpy(c.peer->last, text);
                pthread_mutex_unlock(&c.peer->lock);
                atomic_fetch_add(&c.peer->requests, 1);
                if (!c.peer->answer(c.peer, c.fd, nth))
                        break;
        }
        close(c.fd);
        return NULL;
}

static void *accept_all(void *arg)
{
        struct peer *peer = arg;
        int fd;

        while ((fd = accept(peer->listener, NULL, NULL)) >= 0) {
                struct connection *c = malloc(sizeof(*c));
                *c = (struct connection){ peer, fd };
                assert_true(atomic_load(&peer->connections) < CONNECTIONS_MAX);
                pthread_create(&peer->threads[atomic_fetch_add(&peer->connections, 1)], NULL, serve_connection, c);
        }
        return NULL;
}

int listen_on_free_port(int backlog, unsigned *retport)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
        assert_int_equal(listen(fd, backlog), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
        *retport = ntohs(address.sin_port);
        return fd;
}

static void peer_start(struct peer *peer, peer_answer *answer)
{
        *peer = (struct peer){ .answer = answer };
        pthread_mutex_init(&peer->lock, NULL);
        peer->listener = listen_on_free_port(64, &peer->port);
        assert_int_equal(pthread_create(&peer->acceptor, NULL, accept_all, peer), 0);
}

static void peer_stop(struct peer *peer)
{
        shutdown(peer->listener, SHUT_RDWR);
        pthread_join(peer->acceptor, NULL);
        for (int i = 0; i < atomic_load(&peer->connections); i++)
                pthread_join(peer->threads[i], NULL);
        close(peer->listener);
        pthread_mutex_destroy(&peer->lock);
}

bool say(int fd, const char *text)
{
        size_t len = strlen(text);
        return send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

bool answers(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        return say(fd, OK_ANSWER);
}

void use_options(struct fixture *f, struct cd_fetch_options options)
{
        if (!options.total_timeout_ms)
                options.total_timeout_ms = PATIENCE_MS;
        if (!options.connect_timeout_ms)
                options.connect_timeout_ms = options.total_timeout_ms;
        if (!options.response_max)
                options.response_max = CEILING;
        cd_fetch_free(f->fetch);
        f->fetch = NULL;
        assert_int_equal(cd_fetch_new(&options, &f->fetch, NULL), CD_OK);
}

bool cut_off(int fd)
{
        struct linger linger = { .l_onoff = 1 };

        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        return false;
}

int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        use_options(f, (struct cd_fetch_options){ 0 });
        cd_arena_init(&f->arena, 64 * 1024);
        f->trace = (struct cd_fetch_trace){
                .trace_id = CD_STR("0af7651916cd43dd8448eb211c80319c"),
                .span_id = CD_STR("b7ad6b7169203331"),
                .sampled = true,
        };
        *state = f;
        return 0;
}

int teardown(void **state)
{
        struct fixture *f = *state;

        cd_fetch_free(f->fetch);
        if (f->has_peer)
                peer_stop(&f->peer);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

void start(struct fixture *f, peer_answer *answer)
{
        peer_start(&f->peer, answer);
        f->has_peer = true;
        snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u/x", f->peer.port);
}

cd_status call(struct fixture *f, struct cd_fetch_request request)
{
        if (!request.arena)
                request.arena = &f->arena;
        if (!request.request_id.ptr)
                request.request_id = CD_STR("req-1");
        if (!request.trace.trace_id.ptr)
                request.trace = f->trace;
        if (!request.url.ptr)
                request.url = cd_str_from_c(f->url);
        memset(&f->err, 0, sizeof(f->err));
        f->response = (struct cd_fetch_response){ 0 };
        return cd_fetch_call(f->fetch, &request, &f->response, &f->err);
}

cd_status get(struct fixture *f)
{
        return call(f, (struct cd_fetch_request){ .method = CD_FETCH_GET });
}

void assert_get_fails(struct fixture *f, cd_status status, const char *reason)
{
        assert_int_equal(get(f), status);
        assert_string_equal(f->err.reason, reason);
        assert_int_equal(f->err.status, status);
        assert_int_equal(f->response.status, 0);
}

void assert_str(cd_str s, const char *want)
{
        assert_int_equal(s.len, strlen(want));
        assert_memory_equal(s.ptr, want, s.len);
}

void assert_sent(struct fixture *f, const char *part, bool want)
{
        pthread_mutex_lock(&f->peer.lock);
        bool found = strstr(f->peer.last, part) != NULL;
        if (found != want)
                print_error("%s \"%s\" in:\n%s\n", want ? "no" : "there is", part, f->peer.last);
        pthread_mutex_unlock(&f->peer.lock);
        assert_true(found == want);
}

void use_short_timeouts(struct fixture *f)
{
        use_options(f, (struct cd_fetch_options){ .total_timeout_ms = TIMEOUT_MS });
}
