#pragma once
/* The token endpoint's decision (RFC 6749 §3.2, §5): who asks, by which grant, and what is issued. */
#include "core/issuer.h"

struct cd_token_request {
        cd_str grant_type;
        cd_str scope; /* ptr NULL: not asked */
        cd_str username, password;
        cd_str client_id, client_secret; /* however they were sent */
        cd_str address;                  /* of the client, for the lockout */
};

struct cd_tokens {
        cd_str access_token;
        int64_t expires_in; /* seconds */
        cd_str scope;       /* what was granted; may be empty */
        cd_str subject;     /* the user, or the client itself */
};

/* Whether cd_token_issue would hash a password, which blocks: a good client asks with the password grant. */
bool cd_token_wants_login(const struct cd_issuer *issuer, const struct cd_token_request *ask);

/* Everything in *ret lives in the arena. Errors are those of RFC 6749 §5.2, CD_THROTTLED, CD_UNAVAILABLE and
 * CD_INTERNAL. */
cd_status cd_token_issue(const struct cd_issuer *issuer, struct cd_arena *arena, const struct cd_token_request *ask,
                         struct cd_tokens *ret, struct cd_error *reterr);

/* The names of all grants that this program has, for the metadata (RFC 8414 §2) and the configuration, NULL-terminated;
 * the one at index i has the bit 1 << i of enum cd_grant. */
extern const char *const cd_grant_names[];
/* The grant of that name, or the empty string: what was sent instead must not be logged. Static storage. */
cd_str cd_grant_known_name(cd_str name);
