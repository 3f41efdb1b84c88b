#pragma once
/* What the portal's handlers have in common: one request, from its cookies and form to the page that answers it. */
#include "http/cookie.h"
#include "http/http.h"
#include "portal/pages.h"
#include "portal/portal.h"
#include "signin/signin.h"

/* The portal's cookies. All but SESSION and START belong to the portal's host alone. */
enum cd_portal_cookie {
        CD_COOKIE_SESSION,
        CD_COOKIE_LOGIN,  /* a half-finished login */
        CD_COOKIE_FORM,   /* random; the CSRF token of a form is its MAC */
        CD_COOKIE_ENROL,  /* the ticket of an enrolment */
        CD_COOKIE_INVITE, /* the token of an invitation */
        CD_COOKIE_RESET,  /* the token of a link to set a new password */
        CD_COOKIE_RETURN, /* the page to return to after the login, base64url */
        CD_COOKIE_START,  /* the nonce of a hand-over, on the host of a site of another root domain */
        CD_COOKIE_LANGUAGE,
        CD_COOKIE_DEVICE,  /* this browser has completed a login; stays when the user logs out */
        CD_COOKIE_CONNECT, /* the user has just asked to connect an account of a provider */
        CD_COOKIE_FAILURE, /* for the page that says why a login at a provider has failed */
        /* Logins at providers that were begun: one cookie for each slot. */
        CD_COOKIE_STATE,
        CD_COOKIE_STATE_LAST = CD_COOKIE_STATE + CD_SIGNIN_STATES_MAX - 1,
        CD_COOKIE_COUNT,
};

struct cd_portal {
        struct cd_arena arena;
        struct cd_portal_settings settings;
        struct cd_portal_services services;
        struct cd_portal_url url;
        bool is_plain; /* http: cookies without Secure */
        cd_str cookies[CD_COOKIE_COUNT];
        struct cd_page_site site;
        cd_str styles; /* the file of site.styles */
};

struct cd_visit {
        const struct cd_portal *portal;
        const struct cd_signin *signin; /* NULL: there are no providers */
        const struct cd_http_request *req;
        struct cd_http_response *res;
        struct cd_page_view view; /* `error` and `notice` are the handler's to set */
        bool wants_json;          /* errors are answered as JSON */
        bool has_form_cookie;     /* sent by the browser */
        bool has_logged_in;       /* at this request */
        bool has_secret_url;      /* which nothing that the page links to may learn */
        cd_str form_action;       /* a further origin to which a form of this page may lead (CSP form-action) */
};

/* Fills in the visit; the parameter `done` chooses the notice. False: it has answered (404 without a portal). Memory
 * only. */
bool cd_visit_open(void *app, const struct cd_http_request *req, struct cd_http_response *res, struct cd_visit *ret);
/* The same, for the portal's own host. The host of a site of another root domain has only what a hand-over needs: there
 * it answers with a redirect to the portal, or with 404 to a form, and returns false. */
bool cd_visit_begin(void *app, const struct cd_http_request *req, struct cd_http_response *res, struct cd_visit *ret);

/* ---- hosts ---- */

/* The host that the browser has asked, canonical; a trusted proxy's X-Forwarded-Host says it, otherwise Host. Empty:
 * not known. */
cd_str cd_visit_host(const struct cd_visit *visit);
/* Whether a host is that of a site of another root domain, to which sessions are handed over. */
bool cd_portal_hands_over(const struct cd_portal *portal, cd_str host);

/* ---- cookies ---- */

/* The first cookie of that kind; false if there is none. */
bool cd_visit_cookie(const struct cd_visit *visit, enum cd_portal_cookie kind, cd_str *ret);
/* `max_age` in seconds; 0: until the browser is closed. */
void cd_visit_set_cookie(struct cd_visit *visit, enum cd_portal_cookie kind, cd_str value, int64_t max_age);
/* Deletes the cookie if the browser has sent it; with SESSION also RETURN. */
void cd_visit_drop_cookie(struct cd_visit *visit, enum cd_portal_cookie kind);

/* ---- forms ---- */

/* Reads a form whose struct begins with `cd_str csrf`, which the table requires. A form from another site, or without
 * the right token, is refused, as is one that cannot be read. False: visit->view.error says why, and *ret_status is the
 * status for the page that shows it. */
bool cd_visit_read_form(struct cd_visit *visit, const struct cd_table *table, void *ret, int *ret_status);
/* The field of every form's table. */
#define CD_VISIT_CSRF_FIELD(form)                                                                                      \
        {                                                                                                              \
                .name = "csrf", .offset = offsetof(form, csrf), .type = CD_FIELD_SECRET, .flags = CD_FIELD_REQUIRED    \
        }
/* The decoded value of a parameter of the query; empty if it is absent, malformed, not UTF-8 or longer than
 * CD_RETURN_TO_MAX. */
cd_str cd_visit_parameter(const struct cd_visit *visit, cd_str name);

/* A MAC of a text that only this server can make, base64url; ptr NULL: it failed. */
cd_str cd_visit_mac(const struct cd_visit *visit, cd_str text);

/* ---- who ---- */

/* The session of the browser, in the request's arena. Of several cookies with that name, the first valid one counts.
 * CD_NOT_FOUND: not logged in. Other errors: it could not be found out. Blocks. */
cd_status cd_visit_find_session(const struct cd_visit *visit, struct cd_session *ret, struct cd_error *reterr);
/* The same with its user as stored now. A browser without a session is sent to the login page and from there back to
 * this path; a program gets 401. False: it has answered. Blocks. */
bool cd_visit_need_session(struct cd_visit *visit, struct cd_session *ret, struct cd_user *ret_user);
/* The half-finished login, and its user. False: it has answered, with the login page. Blocks. */
bool cd_visit_need_pending(struct cd_visit *visit, struct cd_pending_login *ret, struct cd_user *ret_user);
struct cd_visit_login {
        const struct cd_user *user; /* as read before the factors were checked */
        unsigned factors;           /* bits of enum cd_factor that were checked */
        cd_str pending;             /* digest of the half-finished login that this completes; empty: none */
        bool remember;
        const char *after; /* the detail of its login.ok: "after the registration"; NULL: a check has recorded it */
};
/* Starts a session and sets its cookie; those of the login are deleted. False: it has answered with an error.
 * Blocks. */
bool cd_visit_start_session(struct cd_visit *visit, const struct cd_visit_login *login);
/* The same, and redirects to the page to return to, which is allowed by cd_return_to_decide. */
void cd_visit_log_in(struct cd_visit *visit, const struct cd_visit_login *login);

/* Makes the login half-finished after the factors that were checked, and asks for the second one. The page to return to
 * is kept. Blocks. */
void cd_visit_ask_second_factor(struct cd_visit *visit, const struct cd_user *user, unsigned factors);

/* Whether a user can ask for a link to set a new password. */
bool cd_visit_may_reset(const struct cd_visit *visit);
/* The device cookie of the browser, for an attempt; empty: none. */
cd_str cd_visit_device(const struct cd_visit *visit);
/* Gives the browser, which has completed a login of the user, a device cookie. If that fails, the login stands. */
void cd_visit_know_device(struct cd_visit *visit, const struct cd_user *user);

/* Tells the operator of a clock that seems to be wrong. `user`: empty where it is not known. */
void cd_visit_log_skew(const struct cd_visit *visit, cd_str user, const struct cd_code_result *result);

/* ---- the page to return to ---- */

/* Keeps the page that was asked for in a cookie, while the login continues on other pages. Empty: none. */
void cd_visit_keep_return(struct cd_visit *visit, cd_str return_to);
/* The kept page; empty: none, or the login is over. */
cd_str cd_visit_kept_return(const struct cd_visit *visit);
/* Redirects a browser that has a session to the page, or to the portal's home. If its cookie cannot reach that host, or
 * the page has sent it back three times, it would go in a circle: then a page says which cookie was not kept, and why
 * (LESSONS 25). */
void cd_visit_return(struct cd_visit *visit, cd_str return_to);
/* Where a browser with a session is sent for an accepted page: to the page, or to the start of its hand-over, which
 * gives the browser the session as it is now. */
cd_str cd_visit_way_to(const struct cd_visit *visit, const struct cd_return_to *page);
/* Before a hand-over for that page: if it has come here too often, or cannot succeed, it shows the page that says why,
 * and returns false (LESSONS 25). */
bool cd_visit_note_hand_over(struct cd_visit *visit, const struct cd_return_to *page);
/* The page that says that the browser has not kept the nonce on this host. */
void cd_visit_explain_start(struct cd_visit *visit, cd_str host);
/* If a browser comes back from that page just after its login, and without the session's cookie, it did not keep it:
 * shows the page that says so, and returns true. */
bool cd_visit_explain_circle(struct cd_visit *visit, cd_str return_to);
/* Allows the forms of this page to lead to the site of that page, and returns its host; empty: the portal itself. */
cd_str cd_visit_destination(struct cd_visit *visit, cd_str return_to);

/* ---- answers ---- */

/* The message and the status of an error: `wrong` for CD_INVALID_GRANT (401), that of cd_visit_explain_wait (429, with
 * Retry-After), CD_MESSAGE_UNAVAILABLE (503), CD_MESSAGE_INTERNAL (500). Logs the reason. */
struct cd_page_message cd_visit_explain(struct cd_visit *visit, const struct cd_error *error, enum cd_message wrong,
                                        int *ret_status);
/* The message of a CD_THROTTLED: CD_MESSAGE_TOO_MANY_ATTEMPTS, or CD_MESSAGE_NETWORK_BUSY if the network must wait; in
 * seconds below a minute. */
struct cd_page_message cd_visit_explain_wait(const struct cd_error *error, int64_t seconds);
/* A page is written between these two. */
void cd_visit_begin_page(struct cd_visit *visit, struct cd_buf *buf);
void cd_visit_end_page(struct cd_visit *visit, int status, struct cd_buf *buf);
/* A page that only says what is wrong. */
void cd_visit_fail(struct cd_visit *visit, int status, struct cd_page_message message);
/* The page for an error of the core. */
void cd_visit_fail_error(struct cd_visit *visit, const struct cd_error *error);
/* The headers of every answer; those of pages are set by cd_visit_end_page. */
void cd_visit_add_common_headers(struct cd_visit *visit);
/* The login page, unless the browser is in a circle. Memory only. */
void cd_visit_show_login(struct cd_visit *visit, cd_str return_to);
/* Sets Retry-After. */
void cd_visit_retry_after(struct cd_visit *visit, int64_t seconds);
/* 303 to an absolute URL, or to a path below the portal's URL ("/totp"). */
void cd_visit_redirect(struct cd_visit *visit, cd_str to);
/* To a path below the portal's URL with the page to return to, which is encoded; empty: none. */
void cd_visit_redirect_for(struct cd_visit *visit, cd_str path, cd_str return_to);

/* ---- handlers ---- */

/* For routes: answers 429 if the network of the client has sent too many forms (core/network_limit.h). */
bool cd_portal_admit(void *app, const struct cd_http_request *req, struct cd_http_response *res);
/* For routes: the page that says that the server is busy, 503. */
cd_http_handler cd_portal_overloaded;

cd_http_handler cd_portal_login, cd_portal_forgot, cd_portal_totp, cd_portal_recovery, cd_portal_logout, cd_portal_me,
        cd_portal_styles;
cd_http_handler cd_portal_start, cd_portal_hand_over, cd_portal_finish;
cd_http_handler cd_portal_instance;
cd_http_handler cd_portal_invite, cd_portal_register, cd_portal_register_totp, cd_portal_recovery_codes;
cd_http_handler cd_portal_account, cd_portal_end_session, cd_portal_end_others, cd_portal_password,
        cd_portal_replace_totp, cd_portal_renew_codes, cd_portal_not_me, cd_portal_reset, cd_portal_step_up,
        cd_portal_forbidden, cd_portal_change_password, cd_portal_tokens, cd_portal_revoke_token;
cd_http_handler cd_portal_signin, cd_portal_signin_overloaded, cd_portal_connect, cd_portal_disconnect;
