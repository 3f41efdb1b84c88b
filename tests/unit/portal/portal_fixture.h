#pragma once
/* A portal at https://auth.example.com/_auth on a store in memory, with a clock that a test sets, and a browser: its
 * requests are given to a handler directly, and it keeps the cookies of the answers. */
#include "core/login.h"
#include "portal/visit.h"
#include "unit/core/factor_fixture.h"

#define ANA_PASSWORD "password of ana"

enum {
        PORTAL_IDLE = 3600,      /* seconds: of sessions */
        PORTAL_LIFETIME = 86400, /* seconds */
        PORTAL_REMEMBER = 30 * 86400,
};

struct browser {
        char cookies[CD_COOKIE_COUNT][4096];           /* values; empty: none */
        int64_t max_age[CD_COOKIE_COUNT];              /* as last set */
        const char *address, *accept, *agent, *origin; /* NULL: the default; `origin` is the portal's own for a form */
};

struct answer {
        int status;
        cd_str location, body, log_reason; /* in the arena of the test, with a NUL after the body */
        struct cd_http_header *headers;
        size_t header_count;
};

struct portal_fixture {
        struct factor_fixture *f; /* the store, the clock, and ana, who has a password and a TOTP factor */
        struct cd_store_state store_state;
        struct cd_login login;
        struct cd_portal_settings settings; /* `access` excepted: portal_rebuild makes it */
        struct cd_portal_services services;
        struct cd_portal_app app;
        struct browser browser;
};

int portal_set_up(void **state);
int portal_tear_down(void **state);
#define PORTAL_TEST(test) cmocka_unit_test_setup_teardown(test, portal_set_up, portal_tear_down)

/* The portal of changed settings. */
void portal_rebuild(struct portal_fixture *p);
/* The same with other access rules. */
void portal_set_rules(struct portal_fixture *p, const struct cd_access_rule *given, size_t count);
/* Another user, with the password ANA_PASSWORD and no second factor. */
struct cd_user portal_add_user(struct portal_fixture *p, const char *name);
/* A session of that user in the browser, with these factors. */
struct cd_session portal_log_in(struct portal_fixture *p, struct browser *browser, const char *user, unsigned factors);
/* The session of the browser; false: none is active. */
bool portal_session(struct portal_fixture *p, struct browser *browser, struct cd_session *ret);

/* `target` is below "/_auth", with its query ("/password?x=1"), unless it is a path of its own ("/.well-known/…"). */
struct answer portal_get(struct portal_fixture *p, struct browser *browser, cd_http_handler *handler,
                         const char *target);
/* `fields` is the form without its csrf, which is added: "&session=…". */
struct answer portal_post(struct portal_fixture *p, struct browser *browser, cd_http_handler *handler,
                          const char *target, const char *fields);
/* The body exactly as given. */
struct answer portal_send(struct portal_fixture *p, struct browser *browser, cd_http_handler *handler,
                          const char *target, cd_str body);
/* Of the browser's forms. It has a cookie for them afterwards. */
cd_str portal_csrf(struct portal_fixture *p, struct browser *browser);

bool answer_has(const struct answer *answer, const char *part);
cd_str answer_header(const struct answer *answer, const char *name);
/* Asserts a redirect to that URL of the portal ("/login"), or an absolute one. */
void assert_redirect(const struct answer *answer, const char *to);
/* Asserts the status and the text in #error. */
void assert_error(const struct answer *answer, int status, const char *text);
