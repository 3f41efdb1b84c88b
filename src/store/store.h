#pragma once
/* Opens the store that a configuration names. */
#include "base/metrics.h"
#include <limits.h>

#include "core/ports.h"

/* Calls of the store. */
extern const struct cd_metric cd_store_metrics[];
extern const size_t cd_store_metric_count;

struct cd_store_options {
        cd_str url;           /* "memory:", "sqlite:PATH", "postgresql://…" or "postgres://…" */
        cd_str folder;        /* a relative PATH is relative to this; empty: the current folder */
        int64_t connections;  /* postgres: maximum number; 0: 8 */
        int64_t timeout_ms;   /* postgres: for connecting and for each statement; 0: 5000 */
        bool may_create;      /* sqlite: a missing file is created */
        bool must_be_current; /* migrates nothing: CD_NOT_FOUND if migrations are missing */
};

struct cd_store_opened {
        struct cd_store *store;
        int schema_from, schema_to; /* both 0: the store has no schema (memory) */
};

/* Migrates where needed. CD_INVALID_REQUEST (field "store") for a URL of no store of ours or a schema of a later
 * version; CD_NOT_FOUND where there is no store and may_create is not set; CD_UNAVAILABLE where the server cannot be
 * reached or the file is damaged. No password of the URL is ever in an error. */
cd_status cd_store_open(const struct cd_store_options *options, struct cd_store_opened *ret, struct cd_error *reterr);
/* For the operator of a server whose store is new, which may be one that cannot be found. */
#define CD_STORE_NEW_ADVICE                                                                                            \
        "if this is not a first start, the database was moved or \"store\" is wrong: stop, restore it or correct the " \
        "setting"
/* The absolute path of a SQLite store's file. CD_INVALID_REQUEST (field "store") where the URL is not one of SQLite, or
 * the path is too long. */
cd_status cd_store_sqlite_path(const struct cd_store_options *options, char ret[PATH_MAX], struct cd_error *reterr);
/* The same with symbolic links followed, so that a new file takes the place of the database and not of a link to it. */
cd_status cd_store_sqlite_file(const struct cd_store_options *options, char ret[PATH_MAX], struct cd_error *reterr);
/* The absolute path of a SQLite file, or the URL without its password. In the arena. */
cd_str cd_store_location(struct cd_arena *arena, const struct cd_store_options *options);
/* What may be shown of the URL: no password. In the arena. */
cd_str cd_store_url_shown(struct cd_arena *arena, cd_str url);
