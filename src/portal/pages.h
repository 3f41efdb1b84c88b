#pragma once
/* The pages and e-mails of the portal: for each a struct of its fields and a function that appends it to `buf`,
 * complete with its <!doctype>. The templates are pages/NAME.html. Nothing is copied: all strings stay the caller's and
 * may be empty; each is escaped. A page is at most about 20 KB and its fields; cd_buf_view says whether it fitted.
 *
 * The names and ids of the form fields are part of the interface to password managers and to tests: docs/pages.md has
 * them. Each form is sent by POST to the path that is named here, below site.base. */
#include "portal/messages.h"
#include "portal/qr.h"
#include "portal/style.h"
#include "portal/template.h"

/* The same for every request: from the configuration. */
struct cd_page_site {
        cd_str title;
        struct cd_page_url logo;   /* an image beside the title; empty: none */
        cd_str footer;             /* one line; empty: none */
        struct cd_page_url base;   /* the portal without a slash at its end: "/_auth" */
        struct cd_page_url styles; /* what cd_page_styles wrote; a name that changes with it lets browsers keep it */
};

struct cd_page_language {
        cd_str tag, name;       /* of cd_texts */
        struct cd_page_url url; /* of the same page in that language */
        bool current;
};

/* What every page has. */
struct cd_page_view {
        const struct cd_texts *texts; /* the language, from cd_language_choose */
        struct cd_page_site site;
        cd_str csrf;
        struct cd_page_message error, notice;            /* above the form */
        CD_PAGE_LIST(struct cd_page_language) languages; /* to choose from, in the footer; empty: no choice */
};

/* A provider whose accounts users log in with (signin/signin.h). */
struct cd_page_provider {
        cd_str name;            /* the value of `provider` in the form that connects an account */
        cd_str label;           /* "GitHub" */
        struct cd_page_url url; /* where the login begins */
};

/* `/login`: username, password or code, return_to, csrf. Links: `/signin/NAME`. */
struct cd_page_login {
        cd_str username;    /* as typed before */
        bool code_only;     /* factors: [totp]: the code instead of a password */
        cd_str return_to;   /* passed through; empty: none */
        cd_str destination; /* the host that the user goes on to; empty: the portal itself */
        bool may_register, may_reset;
        bool no_form; /* users log in with providers alone */
        CD_PAGE_LIST(struct cd_page_provider) providers;
        cd_str logout_label;           /* of the provider of the login that has ended, */
        struct cd_page_url logout_url; /* and where the browser logs out there too; empty: none */
};
void cd_page_login(const struct cd_page_view *view, const struct cd_page_login *fields, struct cd_buf *buf);

/* `/totp`: code, remember, csrf. */
struct cd_page_totp {
        cd_str username;
        bool may_remember, has_recovery;
};
void cd_page_totp(const struct cd_page_view *view, const struct cd_page_totp *fields, struct cd_buf *buf);

/* `/recovery`: recovery_code, csrf. */
struct cd_page_recovery {
        cd_str username;
};
void cd_page_recovery(const struct cd_page_view *view, const struct cd_page_recovery *fields, struct cd_buf *buf);

/* `/register`: username, display_name, password, invite, csrf. */
struct cd_page_register {
        cd_str username, display_name;
        bool username_fixed;  /* by the invitation */
        bool no_password;     /* factors: [totp] */
        bool asks_invite;     /* registration: invite, and no invitation came with the link */
        int64_t min_password; /* characters; 0: not said */
        cd_str invite;
        /* which field view.error is about */
        bool username_wrong, display_name_wrong, password_wrong, invite_wrong;
};
void cd_page_register(const struct cd_page_view *view, const struct cd_page_register *fields, struct cd_buf *buf);

/* `/register/totp`: code, csrf. Also for a user who replaces the authenticator, where it is sent to `action`. */
struct cd_page_register_totp {
        cd_str username;
        struct cd_page_qr qr;       /* of the otpauth URI */
        cd_str secret;              /* base32 in groups of four (cd_page_group_by_four) */
        struct cd_page_url otpauth; /* cd_page_url_check_otpauth */
        struct cd_page_url action;
        bool has_account, is_replacement; /* neither: the code creates the account */
};
void cd_page_register_totp(const struct cd_page_view *view, const struct cd_page_register_totp *fields,
                           struct cd_buf *buf);

/* `/totp/replace`: code, csrf. Before it shows the page above. */
struct cd_page_replace_totp {
        cd_str username;
};
void cd_page_replace_totp(const struct cd_page_view *view, const struct cd_page_replace_totp *fields,
                          struct cd_buf *buf);

struct cd_page_code {
        cd_str text;
};

/* Shown once. The download is a POST of recovery_codes and csrf to `/recovery-codes`. */
struct cd_page_recovery_codes {
        CD_PAGE_LIST(struct cd_page_code) codes;
        cd_str all;              /* the same, separated by spaces: the value of recovery_codes */
        struct cd_page_url next; /* where the user goes on to */
};
void cd_page_recovery_codes(const struct cd_page_view *view, const struct cd_page_recovery_codes *fields,
                            struct cd_buf *buf);

struct cd_page_session {
        cd_str id;              /* the value of `session` in the form that ends it; no secret */
        cd_str device, address; /* "Firefox (Linux)", "192.0.2.1" */
        struct cd_page_time started, seen;
        bool current;
};

/* An account at a provider with which the user logs in. */
struct cd_page_account_link {
        cd_str provider, subject; /* the values in the form that disconnects it */
        cd_str label;             /* of the provider; its name if it is configured no more */
        cd_str login;             /* the account's name there, or its id */
        struct cd_page_time used; /* 0: never */
};

struct cd_page_link {
        cd_str name;
        struct cd_page_url url;
};

/* `/`. Its forms: `/logout`, `/sessions/end` (session), `/sessions/end-others`, `/recovery-codes/new`, `/not-me`,
 * `/account/link` (provider), `/account/unlink` (provider, subject); all with csrf. Links: `/password`,
 * `/totp/replace`, `/tokens`. */
struct cd_page_account {
        cd_str username, display_name, email;
        bool email_unverified;
        bool has_own_factors; /* a password or a second factor, or one can be set up */
        bool has_password, has_totp;
        bool may_enrol;        /* there is no second factor yet, and one can be set up */
        size_t recovery_codes; /* that are left; with has_totp */
        bool has_accounts;     /* there are providers, or accounts of earlier ones */
        CD_PAGE_LIST(struct cd_page_account_link) accounts;
        CD_PAGE_LIST(struct cd_page_provider) providers; /* of which no account is connected yet */
        CD_PAGE_LIST(struct cd_page_session) sessions;
        bool has_other_sessions;
        CD_PAGE_LIST(struct cd_page_link) sites;
};
void cd_page_account(const struct cd_page_view *view, const struct cd_page_account *fields, struct cd_buf *buf);

struct cd_page_token {
        cd_str id; /* the value of `token` in the form that revokes it; no secret */
        cd_str name;
        cd_str hosts, paths, methods, networks; /* what it is limited to; empty: any */
        struct cd_page_time created, used, expires;
        cd_str address; /* of its last use; empty: not known */
};

/* `/tokens`: name, days, hosts, paths, methods, networks, csrf; and `/tokens/revoke`: token, csrf. */
struct cd_page_tokens {
        CD_PAGE_LIST(struct cd_page_token) tokens;
        bool is_full;                                       /* there can be no more */
        bool may_make;                                      /* otherwise a link to `/step-up` */
        cd_str name, days, hosts, paths, methods, networks; /* as typed before */
        int64_t max_days;
        /* which field view.error is about */
        bool name_wrong, days_wrong, hosts_wrong, paths_wrong, methods_wrong, networks_wrong;
};
void cd_page_tokens(const struct cd_page_view *view, const struct cd_page_tokens *fields, struct cd_buf *buf);

/* Shown once. */
struct cd_page_token_made {
        cd_str username, name, token;
        cd_str example; /* a URL to try it with */
        struct cd_page_time expires;
};
void cd_page_token_made(const struct cd_page_view *view, const struct cd_page_token_made *fields, struct cd_buf *buf);

/* `/password`: current_password, new_password, csrf. With a link to set a new one it is `/reset`, without the current
 * password. */
struct cd_page_password {
        cd_str username;
        bool is_reset; /* with a link */
        int64_t min_password;
        bool current_wrong, new_wrong;
};
void cd_page_password(const struct cd_page_view *view, const struct cd_page_password *fields, struct cd_buf *buf);

/* `/forgot`: username, csrf. Asks for a link by e-mail. */
struct cd_page_forgot {
        cd_str username;   /* as typed before */
        bool keeps_factor; /* a login needs a second factor too */
};
void cd_page_forgot(const struct cd_page_view *view, const struct cd_page_forgot *fields, struct cd_buf *buf);

/* `/logout`, where a GET asks first: return_to, csrf. */
struct cd_page_logout {
        cd_str username, return_to;
};
void cd_page_logout(const struct cd_page_view *view, const struct cd_page_logout *fields, struct cd_buf *buf);

/* 403: the account may not open the site. The offer to switch is a POST of return_to and csrf to `/logout`. */
struct cd_page_forbidden {
        cd_str username, host, return_to;
};
void cd_page_forbidden(const struct cd_page_view *view, const struct cd_page_forbidden *fields, struct cd_buf *buf);

/* Any other failure: view.error says which. */
struct cd_page_error {
        int64_t code;            /* HTTP status */
        cd_str request_id;       /* what the operator finds in the log; empty: none */
        struct cd_page_url home; /* empty: no link */
};
void cd_page_error(const struct cd_page_view *view, const struct cd_page_error *fields, struct cd_buf *buf);

/* Instead of an application behind the gate, on its host. */
struct cd_page_gate {
        int64_t code; /* HTTP status */
        struct cd_page_message heading, reason;
        cd_str route;               /* host and path of the application as configured; or the host that was asked */
        cd_str text;                /* what the operator says of the maintenance; empty: nothing */
        cd_str provider;            /* whose token the application works with; empty: none */
        struct cd_page_url account; /* the user's account page; empty: none */
        struct cd_page_url login;   /* opened beside this page, which is then sent again; empty: none */
        struct cd_page_url again;   /* the same page; empty: none */
        struct cd_page_url instead; /* the start of the application; empty: none */
        cd_str request_id;
};
void cd_page_gate(const struct cd_page_view *view, const struct cd_page_gate *fields, struct cd_buf *buf);

/* Why a login at a provider has failed, or the connecting of an account: view.error. */
struct cd_page_signin_failed {
        cd_str provider;          /* its label */
        cd_str account;           /* the account's name there; empty: not known */
        bool is_logged_in;        /* the browser seems to have a session */
        struct cd_page_url again; /* begins the login again; empty: that would not help */
        struct cd_page_url next;  /* the login page, or for a user with a session the page that was asked for */
        int64_t code;             /* HTTP status */
        cd_str request_id;        /* of the request that failed; empty: not known */
};
void cd_page_signin_failed(const struct cd_page_view *view, const struct cd_page_signin_failed *fields,
                           struct cd_buf *buf);

/* Between the form that connects an account and the provider. The browser goes on by itself (Refresh). */
struct cd_page_signin_go {
        cd_str provider; /* its label */
        struct cd_page_url next;
};
void cd_page_signin_go(const struct cd_page_view *view, const struct cd_page_signin_go *fields, struct cd_buf *buf);
/* What the relay has done (relay/page.h); at the relay's own address, without the other parts of the portal. */
struct cd_page_relay {
        struct cd_page_message heading, reason;
        bool tick, cross;
        bool failed; /* the operator may need the number of the request */
        cd_str text; /* what the receiver says; empty: nothing */
        bool may_try;
        cd_str state, code, error, error_description; /* what the button sends again */
        cd_str waiting;                               /* the id of a delivery that is waited for; empty: none */
        cd_str request_id;
};
void cd_page_relay(const struct cd_page_view *view, const struct cd_page_relay *fields, struct cd_buf *buf);

/* What a login that is traced from a terminal ends with in the browser. */
struct cd_page_signin_traced {
        cd_str provider; /* its label */
};
void cd_page_signin_traced(const struct cd_page_view *view, const struct cd_page_signin_traced *fields,
                           struct cd_buf *buf);

/* `/step-up`: password, code, return_to, csrf. view.notice says why (CD_MESSAGE_MORE_FACTORS, …). */
struct cd_page_step_up {
        cd_str username, return_to, destination;
        bool asks_password, asks_code;
        CD_PAGE_LIST(struct cd_page_provider)
        providers; /* instead of a form: the user has accounts there, no password */
};
void cd_page_step_up(const struct cd_page_view *view, const struct cd_page_step_up *fields, struct cd_buf *buf);

/* The browser was logged in and came back without its cookie: it would be sent in a circle. */
struct cd_page_cookie {
        cd_str name, host;             /* of the cookie, and the host that was opened */
        cd_str domain;                 /* of the cookie; empty: the host alone */
        struct cd_page_message reason; /* CD_MESSAGE_COOKIE_… */
        struct cd_page_url again;      /* empty: no link */
};
void cd_page_cookie(const struct cd_page_view *view, const struct cd_page_cookie *fields, struct cd_buf *buf);

/* ---- e-mails: plain text, whose first line is the subject; portal/mails.h sends them ---- */

/* To choose a new password with the link. */
struct cd_page_mail_reset {
        cd_str username, link;
        int64_t minutes; /* that the link is valid */
        cd_str address;  /* of the client that asked; empty: the operator */
};
void cd_page_mail_reset(const struct cd_page_view *view, const struct cd_page_mail_reset *fields, struct cd_buf *buf);

/* To register with the link. */
struct cd_page_mail_invite {
        cd_str username, link;
        struct cd_page_time until;
};
void cd_page_mail_invite(const struct cd_page_view *view, const struct cd_page_mail_invite *fields, struct cd_buf *buf);

/* What has happened to the account: one of the flags. */
struct cd_page_mail_notice {
        cd_str username;
        struct cd_page_time at;
        cd_str address; /* of the client; empty: not known */
        cd_str home;    /* URL of the portal */
        bool is_locked, is_password, is_totp_set, is_totp_removed, is_recovery_code;
};
void cd_page_mail_notice(const struct cd_page_view *view, const struct cd_page_mail_notice *fields, struct cd_buf *buf);
