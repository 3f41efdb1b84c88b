#pragma once
/* What a command that administers a server needs: its configuration, its store and its master key. */
#include "app/config.h"
#include "core/keyring.h"

struct cd_admin_options {
        const char *config_path;
        /* the store may be new; else CD_NOT_FOUND, so that a mistyped path or URL makes no second one */
        bool may_create;
        bool must_be_current; /* migrates nothing: CD_NOT_FOUND where migrations are missing */
};

struct cd_admin {
        struct cd_arena arena; /* what config and report point to */
        struct cd_config config;
        struct cd_report report; /* warnings of the configuration, and where its settings came from */
        struct cd_store *store;
        int schema_from, schema_to; /* see store/store.h */
        struct cd_master_key *master;
        struct cd_clock const *clock;
        const struct cd_random *random;
        cd_str actor; /* "os:ana" */
};

/* Loads and checks the configuration, opens the store (migrating it where needed) and checks that the master key is the
 * store's own. CD_INVALID_REQUEST with what a user reads ("cardea.yaml:3:8: store: …"), also where there is no durable
 * store; else what cd_store_open says. Ended by cd_admin_close, also after a failure. *ret must not be moved. */
cd_status cd_admin_open(const struct cd_admin_options *options, struct cd_admin *ret, struct cd_error *reterr);
void cd_admin_close(struct cd_admin *admin);

/* For the functions of core/keyring.h. CD_UNAVAILABLE where the clock fails. */
cd_status cd_admin_keyring(const struct cd_admin *admin, struct cd_keyring *ret, struct cd_error *reterr);
