#pragma once
/* Token introspection (RFC 7662) and revocation (RFC 7009): what may be known of a token, and how it ends early. */
#include "core/issuer.h"
#include "core/revocations.h"
#include "crypto/jwt.h"

/* A client, however it sent its credentials, and the token that it shows. */
struct cd_token_query {
        cd_str token;
        cd_str token_type_hint; /* accepted and not used: there is one type */
        cd_str client_id, client_secret;
        cd_str address; /* of the client, for the lockout */
};

struct cd_introspection {
        bool active;             /* false until every check passed (LESSONS 1) */
        struct cd_claims claims; /* where active */
        /* where not, for the log only: the caller learns nothing more (RFC 7662 §2.2) */
        struct cd_error inactive_reason;
};

/* Whether it is an access token of this issuer that is valid now: signature, alg, typ, iss, exp and nbf (LESSONS 17),
 * not revoked, and its client exists. The audience is for the caller to look at. CD_INVALID_TOKEN with a reason for the
 * log; CD_UNAVAILABLE, CD_NO_MEMORY. Memory only; claims live in the arena. */
cd_status cd_token_verify(const struct cd_issuer *issuer, const struct cd_revocations *revocations,
                          struct cd_arena *arena, cd_str token, struct cd_claims *ret, struct cd_error *reterr);
/* Whether a client got the token for itself (RFC 9068 §2.2), so that its subject is no user's. */
bool cd_token_is_of_client(const struct cd_claims *claims);

/* CD_OK also for a token that is not active. CD_INVALID_CLIENT, CD_THROTTLED, CD_UNAVAILABLE. Claims live in the
 * arena. */
cd_status cd_token_introspect(const struct cd_issuer *issuer, const struct cd_revocations *revocations,
                              struct cd_arena *arena, const struct cd_token_query *ask, struct cd_introspection *ret,
                              struct cd_error *reterr);

/* Decides: memory only. CD_OK also for a token that is unknown, malformed or expired (RFC 7009 §2.2).
 * CD_INVALID_CLIENT, CD_THROTTLED; CD_UNAUTHORIZED_CLIENT where it was issued to another client; CD_UNAVAILABLE where
 * it is known that the revocation cannot be kept now. What *ret points to lives in the arena. */
cd_status cd_token_revoke(const struct cd_issuer *issuer, const struct cd_revocations *revocations,
                          struct cd_arena *arena, const struct cd_token_query *ask, struct cd_token_revocation *ret,
                          struct cd_error *reterr);
