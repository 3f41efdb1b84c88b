#pragma once
/* What the tests of fetch work with: a peer on a raw socket, and a client that sends it requests. */
#include "fetch/fetch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
        CONNECTIONS_MAX = 64,
        REQUEST_MAX = 8192,
        CEILING = 4096,
        PATIENCE_MS = 20000,
        TIMEOUT_MS = 300
};

struct peer;
/* Answers request number `nth` (from 0) of one connection. False: the connection is closed. */
typedef bool peer_answer(struct peer *peer, int fd, int nth);

struct peer {
        int listener;
        unsigned port;
        peer_answer *answer;
        pthread_t acceptor, threads[CONNECTIONS_MAX];
        atomic_int connections, requests;
        pthread_mutex_t lock;
        char last[REQUEST_MAX]; /* request, NUL-terminated */
};

#define OK_HEAD   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define OK_ANSWER OK_HEAD "Content-Length: 11\r\n\r\n{\"a\":\"b\"}\r\n"

/* What a test works with: a peer, a client with short limits, and a trace that its requests are part of. */
struct fixture {
        struct peer peer;
        bool has_peer;
        struct cd_fetch *fetch;
        struct cd_arena arena;
        struct cd_fetch_trace trace;
        char url[64];
        struct cd_error err;
        struct cd_fetch_response response;
};

int setup(void **state);
int teardown(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Starts the fixture's peer; f->url then names it. */
void start(struct fixture *f, peer_answer *answer);
/* False where the other end has gone. */
bool say(int fd, const char *text);
bool answers(struct peer *peer, int fd, int nth); /* with OK_ANSWER, whatever comes */
bool cut_off(int fd);                             /* closes with a reset; false, for peers to return */
/* A listener on 127.0.0.1; the caller closes it. */
int listen_on_free_port(int backlog, unsigned *retport);

/* What the request leaves out is filled in: f->url, f->arena, f->trace, request id "req-1". Fills f->response or
 * f->err. */
cd_status call(struct fixture *f, struct cd_fetch_request request);
cd_status get(struct fixture *f);
/* A client with these options; limits that are left out are those of the fixture. */
void use_options(struct fixture *f, struct cd_fetch_options options);
void use_short_timeouts(struct fixture *f); /* TIMEOUT_MS instead of PATIENCE_MS */

void assert_get_fails(struct fixture *f, cd_status status, const char *reason);
void assert_str(cd_str s, const char *want);
/* Whether the last request holds that part. */
void assert_sent(struct fixture *f, const char *part, bool want);
