#pragma once
/* The operator of an administrative change, and what the change needs. Filled by the caller (src/cmd, src/app for the
 * portal, or a test). */
#include "base/clock.h"
#include "core/ports.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "crypto/seal.h"

struct cd_notices;

struct cd_operator {
        struct cd_store *store;
        const struct cd_clock *clock;
        const struct cd_random *random;
        cd_str actor;   /* in the audit events: "os:ana" */
        cd_str address; /* in the audit events: of the client that asked; empty: a command */

        /* For users (core/admin_users.h). */
        const struct cd_hasher *hasher;
        int64_t password_min;               /* characters of a new password (core/password_rules.h); 0: no rules */
        const struct cd_master_key *master; /* seals imported TOTP secrets; NULL where there are none */
        const struct cd_notices *notices;   /* told of new passwords and removed factors; NULL: nobody */

        /* For clients (core/admin_clients.h). */
        struct cd_mac *client_secrets; /* under the key for client secrets that is derived from the master key */
        struct cd_strs scopes;         /* all existing scopes; for users too */
        struct cd_strs configured;     /* ids of the configuration, which are not free, neither as ids nor as names */
        cd_str default_audience;       /* for a client without one */

        /* For secrets of clients, and for links (core/account_link.h): shows a new secret before it becomes valid. If
         * that fails, so does the call, and nothing is changed (LESSONS 38). NULL: the caller shows the returned
         * secret. */
        cd_status (*show_secret)(void *arg, cd_str id, cd_str secret, struct cd_error *reterr);
        void *show_arg;
};

/* Fills in an event with the current time. `action` is a literal such as "user.add"; its first word and `name` become
 * the subject, "user:ana" (`name` empty: none). CD_UNAVAILABLE if the clock fails, because nothing is written without a
 * time; CD_NO_MEMORY. Texts live in the arena. */
cd_status cd_operator_event(const struct cd_operator *by, struct cd_arena *arena, const char *action, cd_str name,
                            struct cd_audit_event *ret, struct cd_error *reterr);
