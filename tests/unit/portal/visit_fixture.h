#pragma once
/* A portal on a store in memory, and requests to it without a server. */
#include "http/response.h"
#include "portal/visit.h"
#include "unit/core/factor_fixture.h"

enum {
        VISIT_ARENA = 1 << 20, /* bytes of a request, unless a test sets less */
        VISIT_JAR = 9,         /* cookies */
};

struct visit_cookie {
        char name[64], value[256];
};

struct visit_fixture {
        struct factor_fixture *f;
        struct cd_store_state state;
        struct cd_portal_services services;
        struct cd_accounts accounts; /* the password is `password_status` */
        cd_status password_status;
        struct cd_portal_app app;
        size_t arena_max; /* bytes that a request may allocate */
        struct cd_arena arena;
        struct cd_http_header headers[4];
        struct cd_http_request req;
        struct cd_http_log_context log;
        struct cd_http_response res;
        struct visit_cookie jar[VISIT_JAR]; /* what the browser keeps; an empty name: free */
        char csrf[64];                      /* of the last page with a form */
        bool accepts_json;
        cd_str host; /* that is asked; empty: not said */
};

/* A portal with this URL, factors (bits of enum cd_factor) and cookie_domain; it replaces the one before. */
void visit_use_portal(struct visit_fixture *t, const char *url, unsigned factors, const char *cookie_domain);
int visit_set_up(void **state); /* with both factors, at https://auth.example.com/_auth */
int visit_tear_down(void **state);
#define VISIT_TEST(test) cmocka_unit_test_setup_teardown(test, visit_set_up, visit_tear_down)

/* The status of the answer, as the engine would send it: 500 if it cannot be sent. Cookies are kept. */
int visit_get(struct visit_fixture *t, cd_http_handler *handler, const char *path, const char *query);
/* `body` follows the token of the last page. */
int visit_post(struct visit_fixture *t, cd_http_handler *handler, const char *path, const char *body);
/* The value of a header of the answer, which occurs at most once; ptr NULL: none. */
cd_str visit_header(struct visit_fixture *t, const char *name);
bool visit_has_cookie(struct visit_fixture *t, const char *name);
void visit_forget_cookie(struct visit_fixture *t, const char *name);
void visit_set_cookie(struct visit_fixture *t, const char *name, cd_str value);
bool visit_shows(struct visit_fixture *t, const char *text);
/* The number of ana's sessions. */
size_t visit_sessions(struct visit_fixture *t);
/* Logs ana in up to the page for the code; the whole login. */
void visit_enter_password(struct visit_fixture *t);
void visit_log_in(struct visit_fixture *t);
