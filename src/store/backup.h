#pragma once
/* The store as one file, which is a SQLite database whatever the store is, and back. */
#include <limits.h>

#include "store/store.h"

struct cd_store_contents {
        int64_t users, clients, keys, sessions, events;
        int schema;
};

/* Writes all rows of the store, as they are at one moment, to a new SQLite database `path`, while others read and write
 * the store. Removes a database that is there. CD_UNAVAILABLE
 * (disk full, store unreachable), CD_NO_MEMORY. */
cd_status cd_store_copy_out(struct cd_store *store, const char *path, struct cd_store_contents *ret,
                            struct cd_error *reterr);

struct cd_store_revival {
        cd_time now;
        bool keep_sessions; /* what is valid in the copy stays valid: for a move to another database */
        cd_str actor;       /* for the audit */
        cd_str made_at;     /* of the copy, for the audit */
};

/* Prepares a database that cd_store_copy_out has made to be used again: applies missing migrations, and makes sure that
 * nothing that was ended since the copy lives again. All users and clients get a generation that is later than any that
 * the lost store may have given, so all sessions and tokens end, and those of clients of the
 * configuration that were issued before `now`; half-finished logins, links, hand-overs, personal
 * tokens, recovery codes, e-mails and deliveries are removed, and TOTP codes from before `now` count as used.
 * CD_INVALID_REQUEST for a schema of a later version, or another program's file. */
cd_status cd_store_revive(const char *path, const struct cd_store_revival *revival, struct cd_store_contents *ret,
                          struct cd_error *reterr);

/* What `target` has before it is replaced. CD_NOT_FOUND: there is no store, or it has no tables. */
cd_status cd_store_look(const struct cd_store_options *target, struct cd_store_contents *ret, struct cd_error *reterr);

struct cd_store_put {
        cd_time now;
        char kept[PATH_MAX]; /* result: the file that the earlier database was moved to; "": there was none */
};

/* Makes a prepared database the store `target`, as a whole or not at all. For a SQLite store, `path` must be in its
 * folder, and is gone afterwards; the earlier database is kept under another name. For PostgreSQL, the rows replace
 * those of the database. CD_EXISTS if a server uses the store. */
cd_status cd_store_put_back(const struct cd_store_options *target, const char *path, struct cd_store_put *put,
                            struct cd_error *reterr);
