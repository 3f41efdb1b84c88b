#pragma once
/* The gate's routes behind a server without sockets: applications of fake_upstream.h, ana, who has a session, and
 * connections of clients over loopback. */
#include "gate/limits.h"
#include "gate/route.h"
#include "unit/core/factor_fixture.h"
#include "unit/gate/fake_upstream.h"
#include "unit/http/fixture.h"

enum {
        ROUTES = 8,
};

struct gate_version {
        struct cd_gate gate; /* first */
        struct cd_access *access;
        struct cd_gate_route routes[ROUTES];
};

struct proxy {
        struct factor_fixture *f;
        struct cd_store_state state;
        struct cd_upstream upstream;
        struct cd_gate_app app;
        struct cd_http_sites sites;
        struct fixture server;
        struct client client;
        struct cd_session session;
        struct cd_cookie_token token;
        struct gate_version *version; /* the newest */
        bool is_token_revoked;        /* the access token "good" */
};

extern struct proxy t;

/* Routes: wiki.example.com (group staff), pub.example.com (public), tools.example.com/old/ (ana), raw.example.com
 * (opaque, ana), dav.example.com/ana/ (ana), /bob/ (bob) and /open/ (public), api.example.com (access tokens). */
int proxy_set_up(void **state);
int proxy_tear_down(void **state);
#define PROXY(test) cmocka_unit_test_setup_teardown(test, proxy_set_up, proxy_tear_down)

/* The gate as it is at first, to be changed and published; `allow` false: wiki's rule lets nobody in. */
struct gate_version *proxy_make_version(bool allow);
void proxy_publish(struct gate_version *version);
/* Over TLS, as far as the server knows. */
void proxy_connect(struct client *client, size_t window);
/* Of the session, as it is in a Cookie header. In the fixture's arena. */
const char *proxy_cookie(void);
/* "GET / HTTP/1.1", the host, the cookie, and more lines, each with CRLF; then an empty line and the body. */
void proxy_ask(const char *request_line, const char *host, const char *more, const char *body);
struct answer proxy_answer(void);
void proxy_forget_session(void); /* in the cache, which the store fills again */
