#pragma once
/* The store in memory, for its own files: one lock, a kind of rows each, and what a change brings with it. */
#include <pthread.h>

#include "base/map.h"
#include "core/ports.h"
#include "store/memory/rows.h"

struct memory_store {
        struct cd_store port; /* first, so that one pointer is both */
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool something_changed; /* since the last wait */
        struct cd_store_versions versions;
        int64_t last_event;
        struct cd_rows users, clients, revocations, sessions, audit, settled;
        struct cd_rows keys; /* by kid */
        struct cd_map *by_jti;
};

extern const struct cd_user_ops cd_memory_user_ops;
extern const struct cd_client_ops cd_memory_client_ops;
extern const struct cd_key_ops cd_memory_key_ops;
extern const struct cd_revocation_ops cd_memory_revocation_ops;
extern const struct cd_session_ops cd_memory_session_ops;
extern const struct cd_audit_ops cd_memory_audit_ops;

extern const struct cd_row_kind cd_memory_user_kind;
extern const struct cd_row_kind cd_memory_client_kind;
extern const struct cd_row_kind cd_memory_key_kind;
extern const struct cd_row_kind cd_memory_revocation_kind;
extern const struct cd_row_kind cd_memory_session_kind;
extern const struct cd_row_kind cd_memory_event_kind;

/* Takes the lock, which the variable gives back at the end of its scope:
 *         struct memory_store *m MEMORY_LOCKED = memory_lock(store); */
struct memory_store *memory_lock(struct cd_store *store);
void memory_unlock(struct memory_store **m);
#define MEMORY_LOCKED __attribute__((cleanup(memory_unlock)))

/* The version of a kind grows, and whoever waits learns of it. */
void memory_changed(struct memory_store *m, int64_t *version);

/* What goes with a change: its audit event, the end of a user's tokens. Prepared before the change, so that committing cannot fail and
 * a failure has changed nothing. What was not committed is freed at the end of the scope. */
struct memory_with {
        struct cd_audit_event *event;
        struct cd_revocation *revocation;
};
#define MEMORY_WITH __attribute__((cleanup(memory_with_done)))
void memory_with_done(struct memory_with *with);
/* `event` and `revocation` may be NULL. */
cd_status memory_prepare(struct memory_store *m, const struct cd_audit_event *event,
                         const struct cd_revocation *revocation, struct memory_with *ret, struct cd_error *reterr);
void memory_commit(struct memory_store *m, struct memory_with *with);

/* There must be room, and no such jti. Numbers it and takes it. */
void memory_add_revocation(struct memory_store *m, struct cd_revocation *row);
void memory_remove_sessions_of(struct memory_store *m, cd_str user);
