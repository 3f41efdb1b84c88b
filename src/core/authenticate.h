#pragma once
/* Client authentication at OAuth endpoints (RFC 6749 §2.3.1): the one path for every endpoint that accepts a client
 * secret, under the lockout that this section demands (LESSONS 14). */
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
        cd_str id, secret; /* as received */
        cd_str address;    /* the client's; empty: not known */
};

/* CD_OK: *ret lives as long as auth->clients. CD_INVALID_CLIENT as cd_clients_authenticate; each is counted by client
 * and address, and all ids without a client count as one. CD_THROTTLED with reterr->retry_after after too many of them:
 * the secret is then not judged, even if it is right. Each wrong secret that makes the client wait causes an audit
 * event "client.locked". Events never contain an id without a client, because it may be a secret. CD_UNAVAILABLE if the
 * clock fails. Memory only. */
cd_status cd_authenticate_client(const struct cd_client_auth *auth, struct cd_arena *arena,
                                 const struct cd_client_credentials *sent, const struct cd_client **ret,
                                 struct cd_error *reterr);

/* The same, but counts nothing, for a caller that then calls cd_authenticate_client. */
cd_status cd_authenticate_client_uncounted(const struct cd_client_auth *auth, const struct cd_client_credentials *sent,
                                           const struct cd_client **ret, struct cd_error *reterr);
