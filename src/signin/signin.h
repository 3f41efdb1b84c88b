#pragma once
/* Logs users in with their account at another provider: OAuth 2.0 authorization code flow (RFC 6749 §4.1) with PKCE
 * (RFC 7636), and OpenID Connect. Knows providers and their answers; knows no HTTP server and no page. What it returns
 * is a user of the store, or a reason that a page can show. */
#include "base/buf.h"
#include "base/clock.h"
#include "core/operator.h"
#include "core/ports.h"
#include "crypto/random.h"
#include "crypto/seal.h"
#include "fetch/fetch.h"

enum cd_signin_type {
        CD_SIGNIN_GITHUB,
        CD_SIGNIN_OSU,
        CD_SIGNIN_DISCORD,
        CD_SIGNIN_GOOGLE, /* an issuer of OpenID Connect */
        CD_SIGNIN_OIDC,
        CD_SIGNIN_OAUTH2,
        CD_SIGNIN_TYPES,
};

enum {
        CD_SIGNIN_STATE_LIFETIME = 600, /* seconds from the start of a login at a provider until the browser is back */
        CD_SIGNIN_STATES_MAX = 4,       /* logins that one browser may have begun at the same time (LESSONS 26) */
        CD_SIGNIN_CODE_MAX = 4096,      /* bytes of "code", "state", "iss", "error" */
        CD_SIGNIN_COOKIE_MAX = 2048,    /* bytes */
        CD_SIGNIN_RESPONSE_MAX = 1024 * 1024, /* bytes of a provider's answer */
};

/* Where a provider's description of a user has each part: the name of a member of the JSON object, with "." between the
 * names of nested ones. Empty: it has none. */
struct cd_signin_identity {
        cd_str subject, login, name, email, email_verified;
};

/* Who may come in; all lists empty: users who linked their account beforehand, and nobody else. */
struct cd_signin_allow {
        struct cd_strs subjects;      /* ids at the provider */
        struct cd_strs organizations; /* GitHub: logins of organisations */
        struct cd_strs teams;         /* GitHub: "organisation/team-slug" */
        struct cd_strs email_domains; /* of a verified e-mail address */
};

/* One entry of signin.providers. Endpoints are complete: the defaults of the type are filled in. */
struct cd_signin_provider_settings {
        cd_str name;  /* a-z, 0-9, "-": in URLs, in the store, and of created users: "name:login" */
        cd_str label; /* "GitHub": what the button says */
        enum cd_signin_type type;
        cd_str client_id, client_secret;
        struct cd_strs scopes;
        cd_str issuer;                                                    /* OpenID Connect */
        cd_str authorization_endpoint, token_endpoint, userinfo_endpoint; /* of OpenID Connect: empty, from discovery */
        bool pkce;
        bool basic;                         /* client_secret_basic instead of client_secret_post */
        struct cd_signin_identity identity; /* of CD_SIGNIN_OAUTH2 */
        struct cd_signin_allow allow;
        bool create;           /* makes a user at the first login of somebody who is allowed */
        struct cd_strs groups; /* of users that it makes */
        bool second_factor;    /* a code is asked for on top, see cd_signin_asks_second_factor */
        bool keep_tokens;      /* for gate routes with pass_token */
        size_t max_in_flight;  /* logins between the callback and their end */
};

struct cd_signin_settings {
        const struct cd_signin_provider_settings *providers;
        size_t provider_count;
        cd_str portal_url; /* "https://auth.example.com/_auth"; the redirect URI is below it */
};

/* HTTP as signin needs it: cd_fetch_call, or a fake in unit tests. */
struct cd_signin_http {
        cd_status (*call)(void *arg, const struct cd_fetch_request *request, struct cd_fetch_response *ret,
                          struct cd_error *reterr);
        void *arg;
        void (*release)(void *arg); /* called by cd_signin_free; NULL: nothing is */
};

/* Lives as long as the process. */
struct cd_signin_services {
        struct cd_store *store;
        const struct cd_master_key *master;
        const struct cd_clock *clock;
        const struct cd_random *random;
        struct cd_signin_http http;
        struct cd_operator by; /* who makes users: its actor is "signin" */
};

struct cd_signin;          /* immutable but for counters and the caches of discovery and keys; a reload replaces it */
struct cd_signin_provider; /* part of it */

/* Copies the settings and by.configured, and releases services->http at its end, but not on failure. CD_INVALID_REQUEST
 * with the field ("providers[0].issuer"). */
cd_status cd_signin_new(const struct cd_signin_settings *settings, const struct cd_signin_services *services,
                        struct cd_signin **ret, struct cd_error *reterr);
void cd_signin_free(void *signin); /* for cd_shared_new; NULL is fine */
size_t cd_signin_count(const struct cd_signin *signin);
const struct cd_signin_provider *cd_signin_at(const struct cd_signin *signin, size_t index);
const struct cd_signin_provider *cd_signin_find(const struct cd_signin *signin, cd_str name); /* NULL */
cd_str cd_signin_name(const struct cd_signin_provider *provider);
cd_str cd_signin_label(const struct cd_signin_provider *provider);
/* The client secret of the provider with this name, for settings that have none; a view. ptr NULL: there is no such
 * provider. */
cd_str cd_signin_secret(const struct cd_signin *signin, cd_str name);
/* Whether a login with it is half-finished until a second factor is shown. */
bool cd_signin_asks_second_factor(const struct cd_signin_provider *provider);
/* Appends "&name=value" to a form, or to the query of a URL. */
void cd_signin_add_parameter(struct cd_buf *form, const char *name, cd_str value);
/* "https://auth.example.com/_auth/signin/github/callback" */
cd_str cd_signin_redirect_uri(const struct cd_signin_provider *provider);

/* ---- what can go wrong; each has a page ---- */

enum cd_signin_failure {
        CD_SIGNIN_OK,
        CD_SIGNIN_DENIED,           /* the user or the provider refused: error=access_denied */
        CD_SIGNIN_NO_STATE,         /* no cookie for this state: another browser, cookies off, or none was begun here */
        CD_SIGNIN_EXPIRED,          /* the state, or the provider's code, is too old */
        CD_SIGNIN_USED,             /* the state was used already: a second tab, or "back" */
        CD_SIGNIN_MALFORMED,        /* the callback's parameters contradict each other, or are too long */
        CD_SIGNIN_NOT_ALLOWED,      /* nobody let this account in */
        CD_SIGNIN_NOT_LINKED,       /* allowed, but no user is linked, and none is to be created */
        CD_SIGNIN_NAME_TAKEN,       /* allowed, but the name of the user to be made is that of another user */
        CD_SIGNIN_DISABLED,         /* the user is disabled */
        CD_SIGNIN_LINKED_ELSEWHERE, /* when linking: the account belongs to another user */
        CD_SIGNIN_TOO_MANY,         /* when linking: the user has CD_PROVIDER_ACCOUNTS_MAX accounts */
        CD_SIGNIN_WRONG_USER,       /* when linking: the browser's session is no longer that of who began it */
        CD_SIGNIN_PROVIDER_DOWN,    /* no answer, or 5xx, or TLS failed */
        CD_SIGNIN_PROVIDER_ERROR, /* an answer that means nothing, or an error such as invalid_client: the operator's */
        CD_SIGNIN_BUSY,           /* max_in_flight are under way */
        CD_SIGNIN_UNAVAILABLE,    /* the store or the machine; error->status says more */
        CD_SIGNIN_FAILURES,
};

/* What happens after the callback, in this order. */
enum cd_signin_step {
        CD_SIGNIN_STEP_STATE,
        CD_SIGNIN_STEP_DISCOVERY,
        CD_SIGNIN_STEP_CALLBACK, /* its parameters are judged */
        CD_SIGNIN_STEP_TOKENS,
        CD_SIGNIN_STEP_ACCOUNT,
        CD_SIGNIN_STEP_DECISION,
};

/* ---- the login ---- */

struct cd_signin_begin {
        cd_str return_to; /* as the portal accepted it; empty: home */
        cd_str link_user; /* name of the user whose account is to be linked; empty: a login */
        cd_str link_sid;  /* the sid of that user's session */
};

struct cd_signin_started {
        cd_str url;    /* where the browser is sent */
        cd_str state;  /* the parameter of that URL, base64url */
        cd_str cookie; /* sealed: for the browser, at most 2 KB; everything that the callback needs */
        unsigned slot; /* 0 to CD_SIGNIN_STATES_MAX - 1: which of the cookies; the same for the same state */
};

/* Stores nothing. May call the provider (discovery): blocks. */
enum cd_signin_failure cd_signin_begin(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                       const struct cd_signin_begin *begin, struct cd_signin_started *ret,
                                       struct cd_error *reterr);

/* The parameters of the callback, decoded; an absent one has ptr NULL, one that came twice sets `repeated`. */
struct cd_signin_callback {
        cd_str code, state, iss, error, error_description;
        bool repeated;
        cd_str cookie;       /* of the slot of this state; empty: none */
        cd_str session_user; /* the browser's session, for linking; empty: none */
        cd_str session_sid;
        /* Whether that session has not ended: asked right before an account is linked, because the provider takes its
         * time. NULL: it has not. */
        bool (*session_lasts)(void *arg);
        void *session_arg;
        cd_str address; /* of the client, for the audit */
};

/* Reads the query of a callback's URL into a zeroed callback. False: a parameter is not percent-encoded UTF-8, or has a
 * control character. */
bool cd_signin_read_callback(struct cd_arena *arena, cd_str query, struct cd_signin_callback *ret);

struct cd_signin_result {
        struct cd_user user; /* who has logged in, or has linked the account */
        bool linked;         /* the account was linked; no login */
        bool created;        /* the user was made now */
        cd_str return_to;    /* also set on failure, if the state was valid */
        cd_str login;        /* the account's name at the provider, for messages and the log; may be empty */
        cd_str subject;      /* for the log; set once it is known, on failure too */
};

/* The slot of a state; any value of a string that no state is. */
unsigned cd_signin_slot(cd_str state);

/* Checks the state (bound to the browser by the cookie; used once, by the store), exchanges the code, asks who it is,
 * and decides. On failure *reterr says for the log what the provider said, without secrets. Blocks. */
enum cd_signin_failure cd_signin_finish(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                        const struct cd_signin_callback *callback, struct cd_signin_result *ret,
                                        struct cd_error *reterr);

/* Where a browser is sent to log out at the provider too (OpenID Connect RP-Initiated Logout 1.0); ptr NULL: the
 * provider has no such page. */
cd_str cd_signin_logout_url(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str after);
