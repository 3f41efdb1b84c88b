#pragma once
/* Cardea-Identity: a signed token that tells an application who the user is, for applications that other programs than
 * the gate can reach. It is for one route ("aud" is the route's name) and expires soon. One token serves the requests
 * of a session for half its lifetime, so that the gate does not sign for each of them. */
#include "crypto/jwt.h"
#include "gate/forward.h"

enum {
        CD_GATE_JWT_LIFETIME = 60,   /* seconds */
        CD_GATE_JWT_REUSED_FOR = 30, /* seconds: each request carries a token that is valid for as long again */
        CD_GATE_JWT_SLOTS = 4096,    /* tokens kept; a new one replaces that of its slot */
};

/* Signs, with the key that the issuer publishes. Thread-safe; called on loops. */
struct cd_gate_signer {
        cd_str issuer; /* "iss" */
        /* As struct cd_signer (core/ports.h). */
        cd_status (*sign)(const struct cd_gate_signer *signer, struct cd_arena *arena, cd_str typ,
                          const struct cd_claims *claims, cd_str *ret, struct cd_error *reterr);
};

/* The user that a token names, and the application that it is for. */
struct cd_gate_jwt_params {
        const struct cd_gate_route *route;
        const struct cd_live_session *who;
        const char *auth_type; /* as in struct cd_gate_identity */
        cd_time now;
};

/* Thread-safe. */
struct cd_gate_jwts;

/* The signer must outlive it. NULL if memory, or the kernel's randomness, is out. */
struct cd_gate_jwts *cd_gate_jwts_new(const struct cd_gate_signer *signer);
void cd_gate_jwts_free(struct cd_gate_jwts *jwts); /* NULL is fine */

/* The token for this user at this route, in the arena: claims "sub" (the user), "groups", "email", "name", "auth_type",
 * "factors", "auth_time". Any change of these makes another token. The signer's errors, CD_NO_MEMORY. */
cd_status cd_gate_jwts_get(struct cd_gate_jwts *jwts, struct cd_arena *arena, const struct cd_gate_jwt_params *params,
                           cd_str *ret, struct cd_error *reterr);
