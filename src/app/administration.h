#pragma once
/* What an administrative command needs: the server's configuration, store and master key. */
#include "app/config.h"
#include "core/keyring.h"

struct cd_admin_options {
        const char *config_path;
        /* The settings that the command uses besides `store` and the master keys, see cd_report.needed; NULL: all. */
        const char *needs;
        /* The store may be created; otherwise CD_NOT_FOUND, so that a mistyped path or URL does not create a second
         * store. */
        bool may_create;
        bool must_be_current; /* applies no migrations: CD_NOT_FOUND if some are missing */
        bool without_store;   /* opens no store: `store` stays NULL */
};

struct cd_admin {
        struct cd_arena arena; /* for what config and report point to */
        struct cd_config config;
        struct cd_report report; /* warnings about the configuration, and the origin of its settings */
        struct cd_store *store;
        int schema_from, schema_to; /* see store/store.h */
        struct cd_master_key *master;
        struct cd_clock const *clock;
        const struct cd_random *random;
        cd_str actor; /* "os:ana" */
};

/* Loads the configuration, checks what the command needs of it (LESSONS 40), opens the store (applying missing
 * migrations) and checks that the master key is the store's own. CD_INVALID_REQUEST with a text for the user
 * ("cardea.yaml:3:8: store: …"), also if there is no durable store; otherwise the errors of cd_store_open. The caller
 * ends it with cd_admin_close, also after a failure. *ret must not be moved. */
cd_status cd_admin_open(const struct cd_admin_options *options, struct cd_admin *ret, struct cd_error *reterr);
void cd_admin_close(struct cd_admin *admin);

/* For the functions of core/keyring.h. CD_UNAVAILABLE if the clock fails. */
cd_status cd_admin_keyring(const struct cd_admin *admin, struct cd_keyring *ret, struct cd_error *reterr);
