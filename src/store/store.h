#pragma once
/* Opens the store that a configuration names. */
#include "core/ports.h"

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

/* Opens the store and applies missing migrations. CD_INVALID_REQUEST (field "store") for an unsupported URL or the
 * schema of a later version; CD_NOT_FOUND if the file does not exist and may_create is not set; CD_UNAVAILABLE if the
 * server cannot be reached or the file is damaged. Errors never contain the password of the URL. */
cd_status cd_store_open(const struct cd_store_options *options, struct cd_store_opened *ret, struct cd_error *reterr);
/* The URL without its password, in the arena. */
cd_str cd_store_url_shown(struct cd_arena *arena, cd_str url);
