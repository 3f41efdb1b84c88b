#pragma once
/* How a client of an OAuth endpoint authenticates (RFC 6749 §2.3.1): the one path for every endpoint that takes a
 * client secret, under the lockout that this section demands (LESSONS 14). */
#include "core/client.h"
#include "core/ports.h"

struct cd_lockout;

struct cd_client_auth {
        const struct cd_clients *clients;
        struct cd_lockout *lockout;
        struct cd_store *store; /* for its audit */
        const struct cd_clock *clock;
};

struct cd_client_credentials {
        cd_str id, secret; /* as they came */
        cd_str address;    /* of the client; empty: not known */
};

/* CD_OK: *ret lives as long as auth->clients. CD_INVALID_CLIENT as cd_clients_authenticate; each one is counted by
 * client and address, all ids that no client has as one. CD_THROTTLED with reterr->retry_after where there were too
 * many: then the secret is not judged, a right one neither. The audit has an event "client.locked" for each wrong
 * secret that made the client wait. An id that no client has is in none of them: it may be a secret. CD_UNAVAILABLE
 * where the clock fails. Memory only. */
cd_status cd_authenticate_client(const struct cd_client_auth *auth, struct cd_arena *arena,
                                 const struct cd_client_credentials *sent, const struct cd_client **ret,
                                 struct cd_error *reterr);

/* The same, where the answer is asked for once more with cd_authenticate_client: counts nothing. */
cd_status cd_authenticate_client_uncounted(const struct cd_client_auth *auth, const struct cd_client_credentials *sent,
                                           const struct cd_client **ret, struct cd_error *reterr);
