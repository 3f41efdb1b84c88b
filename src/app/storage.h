#pragma once
/* The store that a configuration names, and the master key that seals its secrets. */
#include "app/config.h"
#include "base/log.h"
#include "core/keyring.h"
#include "store/store.h"

struct cd_storage {
        struct cd_store *store;
        struct cd_master_key *master; /* without a durable store, a random key for this process only */
        int schema_from, schema_to;   /* see store/store.h */
        cd_str shown;                 /* the store as it may be shown: without a password */
        cd_str location;              /* the same, but a file has its absolute path */
};

/* Whether the store outlives the process. */
bool cd_config_is_durable(const struct cd_config *config);

struct cd_storage_options {
        cd_str file_name;     /* of the configuration; relative paths are relative to its folder */
        bool may_create;      /* see store/store.h */
        bool must_be_current; /* see store/store.h */
};

/* Opens the store, applying missing migrations, and checks that the master key is the store's own. Errors name the
 * setting: "store" or "master_key". *ret lives until cd_storage_close; its texts live in the arena. */
cd_status cd_storage_open(const struct cd_config *config, struct cd_arena *arena,
                          const struct cd_storage_options *options, struct cd_storage *ret, struct cd_error *reterr);
/* The store that the configuration names, not opened; `file_name` is as in struct cd_storage_options. */
struct cd_store_options cd_storage_target(const struct cd_config *config, cd_str file_name);
/* The master key of a durable store, which accepts master_key_old; freed with cd_master_key_free. Without one, a random
 * key. Errors have the field of the setting. */
cd_status cd_storage_read_master(const struct cd_config *config, struct cd_master_key **ret, struct cd_error *reterr);
/* The key of master_key_old; NULL where it is not set. */
cd_status cd_storage_read_old(const struct cd_config *config, struct cd_master_key **ret, struct cd_error *reterr);
void cd_storage_close(struct cd_storage *storage);

/* For a reload: whether the master key is the one that the server was started with, of which it keeps only the key that
 * is derived for "check". */
cd_status cd_storage_check_key(const struct cd_config *config, const struct cd_report *report,
                               const unsigned char started_with[CD_DERIVED_SIZE], struct cd_error *reterr);

/* Reports what the URL alone shows: an unknown scheme, no database, a password that is none. */
void cd_storage_check_url(cd_str store, struct cd_report *report);
/* What to do about an error of opening the store that does not say it; NULL: not known. Static. */
const char *cd_storage_fix(const char *reason);
/* Whether the store opens, has this program's schema, and secrets sealed under this master key, and can be written. At
 * a start, which makes what is missing, nothing is said about that. Findings name the setting. */
void cd_storage_check(const struct cd_config *config, enum cd_check_purpose purpose, struct cd_report *report);

/* The events of a store that was opened: store_created, store_open. */
void cd_storage_log_open(const struct cd_storage *storage, struct cd_log *log);
