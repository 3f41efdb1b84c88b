#pragma once
/* A gate with rules, and ana, who has a session, on a store in memory; and checks as proxies ask them. */
#include "gate/gate.h"
#include "http/response.h"
#include "unit/core/factor_fixture.h"

enum {
        HEADERS = 120,
};

struct fixture {
        struct factor_fixture *f;
        struct cd_store_state state;
        struct cd_access *access;
        struct cd_gate gate;
        struct cd_gate_app app;
        struct cd_arena arena; /* of a request */
        struct cd_http_header headers[HEADERS];
        struct cd_http_request req;
        struct cd_http_log_context log;
        struct cd_http_response res;
        struct cd_session session;
        struct cd_cookie_token token;
        bool was_on_worker;
};

int set_up(void **state);
int tear_down(void **state);
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* Another session of ana's, with these factors. */
void start_session(struct fixture *t, unsigned factors);

/* ---- requests ---- */

void begin(struct fixture *t, const char *path);
void nginx(struct fixture *t, const char *method, const char *url);
void forward(struct fixture *t, const char *host, const char *uri);
void add(struct fixture *t, const char *name, cd_str value);
void add_c(struct fixture *t, const char *name, const char *value);
/* The cookie of the session, between others. */
void with_cookie(struct fixture *t, const char *before, const char *after);

/* ---- answers ---- */

/* As the engine runs the handler: on the loop, and then on a worker if it says so. The status. */
int ask(struct fixture *t, cd_http_handler *handler);
int ask_nginx(struct fixture *t);
int ask_forward(struct fixture *t);
/* Of a header of the answer that occurs once; ptr NULL: none. */
cd_str header(struct fixture *t, const char *name);
void logs(struct fixture *t, const char *error, const char *reason);
