#pragma once
/* Who administers a server, and with what. Filled by the caller (src/cmd, or a test). */
#include "base/clock.h"
#include "core/ports.h"
#include "crypto/mac.h"
#include "crypto/random.h"

struct cd_operator {
        struct cd_store *store;
        const struct cd_clock *clock;
        const struct cd_random *random;
        cd_str actor; /* of the audit events: "os:ana" */

        /* For users (core/admin_users.h). */
        const struct cd_hasher *hasher;

        /* For clients (core/admin_clients.h). */
        struct cd_mac *client_secrets; /* under the key that the master key gives for them */
        struct cd_strs scopes;         /* all that exist; for users too */
        struct cd_strs configured;     /* ids that are no longer free, nor as names: those of the configuration */
        cd_str default_audience;       /* of a client that is given none */
        /* Shows a new secret before it counts: where that fails, so does the call, and nothing is changed (LESSONS 38).
         * NULL: the caller shows what it gets. */
        cd_status (*show_secret)(void *arg, cd_str id, cd_str secret, struct cd_error *reterr);
        void *show_arg;
};

/* An event of now: `action` is a literal, "user.add"; its first word and `name` become the subject, "user:ana" (`name`
 * empty: none). CD_UNAVAILABLE where the clock fails, since nothing is written without a time; CD_NO_MEMORY. Texts live
 * in the arena. */
cd_status cd_operator_event(const struct cd_operator *by, struct cd_arena *arena, const char *action, cd_str name,
                            struct cd_audit_event *ret, struct cd_error *reterr);
