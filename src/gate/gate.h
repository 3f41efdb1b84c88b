#pragma once
/* Forward-auth: the endpoints that a proxy asks whether a request may pass (docs/forward-auth.md). */
#include "base/shared.h"
#include "core/lockout.h"
#include "core/return_to.h"
#include "core/session_lookup.h"
#include "crypto/jwt.h"
#include "http/router.h"

/* The headers that tell the application who the user is. */
struct cd_identity_headers {
        cd_str user, groups, email, name;
};

/* The issuer's access tokens; a port, since the issuer is replaced at other times than the gate. */
struct cd_gate_tokens {
        cd_status (*verify)(const struct cd_gate_tokens *tokens, struct cd_arena *arena, cd_str token,
                            struct cd_claims *ret, struct cd_error *reterr); /* as cd_token_verify */
};

/* The tokens that other providers gave for users (pass_token); a port, since the gate knows no provider. */
struct cd_gate_provider_tokens {
        /* From memory, on the loop; false: `find` knows more. */
        bool (*cached)(const struct cd_gate_provider_tokens *tokens, struct cd_arena *arena, cd_str provider,
                       cd_str user, cd_str *ret);
        /* Blocks. CD_NOT_FOUND: the user has none, and a login at the provider gives one. CD_UNAVAILABLE. */
        cd_status (*find)(const struct cd_gate_provider_tokens *tokens, struct cd_arena *arena, cd_str provider,
                          cd_str user, cd_str *ret, struct cd_error *reterr);
};

/* A page that the gate shows instead of the application's response. */
enum cd_gate_page {
        CD_GATE_PAGE_LOST_POST,       /* 401: log in, then send it again */
        CD_GATE_PAGE_CROSS_SITE_POST, /* 401: the session's cookie did not come, since another site sent the browser */
        CD_GATE_PAGE_FORBIDDEN,       /* 403: the rule refuses every user */
        CD_GATE_PAGE_NOT_FOUND,       /* 404: no route */
        CD_GATE_PAGE_TOO_LARGE,       /* 413, or 431 if that is set in the response */
        CD_GATE_PAGE_TOO_MANY,        /* 429 */
        CD_GATE_PAGE_BAD_GATEWAY,     /* 502 */
        CD_GATE_PAGE_UNAVAILABLE,     /* 503: as many requests as it may have */
        CD_GATE_PAGE_TIMEOUT,         /* 504 */
        CD_GATE_PAGE_MAINTENANCE,     /* 503, with the text of the route */
        CD_GATE_PAGE_CONNECT,         /* 403: the user has no token of the route's provider; with its name */
        CD_GATE_PAGE_PROVIDER,        /* 503: the provider does not give one at the moment */
};

struct cd_gate_limits;
struct cd_gate_route;
/* Shows a page to a user, and JSON to a program; a port, since pages are the portal's. */
struct cd_gate_pages {
        /* Fills the response, to which headers may be added before and after, and the short name of the error in
         * req->log. What is shown names the route, or the host where `route` is NULL, and never an address. Everything
         * is copied to the request's arena. */
        void (*respond)(const struct cd_gate_pages *pages, const struct cd_http_request *req, enum cd_gate_page page,
                        const struct cd_gate_route *route, struct cd_http_response *res);
};

/* What the handlers decide with. Immutable once created. */
struct cd_gate {
        bool is_enabled; /* false: there is no portal, and the endpoints answer 404 */
        const struct cd_access *access;
        struct cd_portal_url portal;
        struct cd_strs other_domains; /* sessions are handed over to the sites there (core/hand_over.h) */
        cd_str cookie;                /* name of the cookie with the session */
        cd_str host_cookie;           /* the same at the sites of other_domains, each of which has one of its own */
        struct cd_identity_headers identity;
        struct cd_session_lookup lookup; /* of sessions and personal tokens */
        const struct cd_gate_tokens *tokens;
        struct cd_lockout *lockout; /* of addresses with wrong personal tokens */
        /* The gate's own sites. The rule of routes[i] is rule first_rule + i of `access`; no host is among those of
         * the rules before. */
        const struct cd_gate_route *routes;
        size_t route_count, first_rule;
        const struct cd_gate_pages *pages;
        struct cd_gate_jwts *jwts;                             /* NULL: no route wants one */
        const struct cd_gate_provider_tokens *provider_tokens; /* NULL: users have none */
};

/* The `app` of the handlers. */
struct cd_gate_app {
        struct cd_shared *gates;       /* each version is a struct cd_gate, or begins with one */
        struct cd_gate_limits *limits; /* of the routes (gate/limits.h) */
};

/* The hosts of the routes, whose requests are forwarded. `app` is borrowed. */
void cd_gate_sites_init(struct cd_http_sites *sites, struct cd_gate_app *app);

extern const struct cd_http_routes cd_gate_routes;

/* Envoy's external authorization and the health check, both over gRPC (gate/ext_authz.c). */
cd_http_handler cd_gate_ext_authz, cd_gate_health;

/* One for each kind of proxy, see gate/original.h. They decide on the loop; a session or a personal token that is not
 * in the cache is looked up on a worker. */
cd_http_handler cd_gate_check_nginx, cd_gate_check_forward, cd_gate_check_envoy;
