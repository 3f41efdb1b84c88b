#pragma once
/* The store that a configuration names, and the master key of its secrets. */
#include "app/config.h"
#include "core/keyring.h"
#include "store/store.h"

struct cd_storage {
        struct cd_store *store;
        struct cd_master_key *master; /* without a durable store one is made up, for the process alone */
        int schema_from, schema_to;   /* see store/store.h */
        cd_str shown;                 /* what may be said of the store: no password */
        cd_str location;              /* the same, but the absolute path of a file */
};

/* Whether anything outlives the process. */
bool cd_config_is_durable(const struct cd_config *config);

struct cd_storage_options {
        cd_str file_name;     /* of the configuration: what a relative path in it is relative to */
        bool may_create;      /* see store/store.h */
        bool must_be_current; /* see store/store.h */
};

/* Opens the store, migrating it where needed, and checks that the master key is the store's own. Errors name the
 * setting: "store" or "master_key". *ret lives until cd_storage_close; its texts in the arena. */
cd_status cd_storage_open(const struct cd_config *config, struct cd_arena *arena,
                          const struct cd_storage_options *options, struct cd_storage *ret, struct cd_error *reterr);
void cd_storage_close(struct cd_storage *storage);

/* For `cardea check`: whether the store opens, has the schema of this program and secrets of this master key. Findings
 * name the setting. */
void cd_storage_check(const struct cd_config *config, struct cd_report *report);
