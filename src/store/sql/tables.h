#pragma once
/* The tables, one file for each, and the functions that they share within a transaction. Only store/sql uses it. */
#include "core/audit.h"
#include "store/sql/sql.h"

struct cd_sql_table;

struct cd_sql_store {
        struct cd_store port; /* first, so that a pointer to one is a pointer to the other */
        struct cd_sql_driver *driver;
        struct cd_sql_audit_later *audit_later;
};

/* The columns of each table (store/sql/table.h). Prepared by cd_sql_store_new, then constant. */
extern struct cd_sql_table cd_sql_users, cd_sql_clients, cd_sql_keys, cd_sql_revocations, cd_sql_sessions, cd_sql_audit;

extern const struct cd_user_ops cd_sql_user_ops;
extern const struct cd_client_ops cd_sql_client_ops;
extern const struct cd_key_ops cd_sql_key_ops;
extern const struct cd_revocation_ops cd_sql_revocation_ops;
extern const struct cd_session_ops cd_sql_session_ops;
extern const struct cd_audit_ops cd_sql_audit_ops;

/* Runs one reading statement outside a transaction; blocks. CD_INVALID_REQUEST if a TEXT parameter
 * is not valid text. */
cd_status cd_sql_look_up(struct cd_store *store, const struct cd_sql_call *call, struct cd_error *reterr);
/* Runs a transaction with the store's driver; blocks. */
cd_status cd_sql_write(struct cd_store *store, cd_sql_transaction *transaction, void *arg, struct cd_error *reterr);
/* `arg` is one malloc'ed block, freed when the write is done or rejected. */
cd_status cd_sql_write_later(struct cd_store *store, cd_sql_transaction *transaction, void *arg,
                             struct cd_error *reterr);

/* Adds 1 to the version of a table ("clients", "keys", "revocations") and locks that row of `versions` until the
 * commit, so that only one writer at a time changes the table. To avoid deadlocks, a transaction locks its rows of
 * `versions` first, ordered by name, before any rows of users or clients. */
cd_status cd_sql_bump(struct cd_sql_session *session, cd_str kind, int64_t *ret, struct cd_error *reterr);
/* Locks the row without changing the version: no other transaction changes the table until the commit. */
cd_status cd_sql_hold(struct cd_sql_session *session, cd_str kind, struct cd_error *reterr);

/* Stores the revocation under the seq that the version gave. */
cd_status cd_sql_revocation_add(struct cd_sql_session *session, const struct cd_revocation *revocation,
                                struct cd_error *reterr);
cd_status cd_sql_sessions_end(struct cd_sql_session *session, cd_str user, struct cd_error *reterr);
/* `event` may be NULL. Invalid text in it is replaced, and texts that are too long are cut. */
cd_status cd_sql_audit_add(struct cd_sql_session *session, const struct cd_audit_event *event, struct cd_error *reterr);

/* Returns the event with its texts as they are stored: views of the original, or copies in `memory`. */
enum {
        CD_SQL_AUDIT_TEXTS = 5
};
struct cd_audit_event cd_sql_audit_clean(const struct cd_audit_event *event,
                                         char memory[CD_SQL_AUDIT_TEXTS][CD_AUDIT_TEXT_MAX]);

/* Events that are written after the response, many in one transaction. A bounded queue before that of the driver keeps
 * them while writes fail. NULL if memory is exhausted; must be freed after the driver. */
struct cd_sql_audit_later *cd_sql_audit_later_new(struct cd_sql_driver *driver);
void cd_sql_audit_later_free(struct cd_sql_audit_later *later);
cd_status cd_sql_audit_add_later(struct cd_store *store, const struct cd_audit_event *event, struct cd_error *reterr);
cd_status cd_sql_audit_flush(struct cd_store *store, struct cd_audit_flush *ret, struct cd_error *reterr);

/* Deletes at most `limit` rows, the oldest first, and adds their number to *ret_deleted. */
cd_status cd_sql_keys_expire(struct cd_sql_session *session, cd_time now, size_t limit, size_t *ret_deleted,
                             struct cd_error *reterr);
