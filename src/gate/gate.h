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
};

/* The `app` of the handlers. */
struct cd_gate_app {
        struct cd_shared *gates; /* each version is a struct cd_gate, or begins with one */
};

extern const struct cd_http_routes cd_gate_routes;

/* One for each kind of proxy, see gate/original.h. They decide on the loop; a session or a personal token that is not
 * in the cache is looked up on a worker. */
cd_http_handler cd_gate_check_nginx, cd_gate_check_forward, cd_gate_check_envoy;
