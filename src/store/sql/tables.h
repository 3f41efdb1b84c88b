#pragma once
/* The tables, a file each, and what they do within one another's transactions. Only store/sql uses it. */
#include "core/audit.h"
#include "store/sql/sql.h"

struct cd_sql_table;

struct cd_sql_store {
        struct cd_store port; /* first, so that one pointer is both */
        struct cd_sql_driver *driver;
        struct cd_sql_audit_later *audit_later;
};

/* The columns of each (store/sql/table.h). Prepared by cd_sql_store_new, and never changed after that. */
extern struct cd_sql_table cd_sql_users, cd_sql_clients, cd_sql_keys, cd_sql_revocations, cd_sql_sessions, cd_sql_audit,
        cd_sql_pending_logins, cd_sql_totp, cd_sql_links;

extern const struct cd_user_ops cd_sql_user_ops;
extern const struct cd_client_ops cd_sql_client_ops;
extern const struct cd_key_ops cd_sql_key_ops;
extern const struct cd_revocation_ops cd_sql_revocation_ops;
extern const struct cd_session_ops cd_sql_session_ops;
extern const struct cd_pending_login_ops cd_sql_pending_login_ops;
extern const struct cd_totp_ops cd_sql_totp_ops;
extern const struct cd_recovery_ops cd_sql_recovery_ops;
extern const struct cd_account_link_ops cd_sql_link_ops;
extern const struct cd_audit_ops cd_sql_audit_ops;

/* One statement that reads, without a transaction; blocks. CD_INVALID_REQUEST where a TEXT is none. */
cd_status cd_sql_look_up(struct cd_store *store, const struct cd_sql_call *call, struct cd_error *reterr);
/* A transaction of the store's driver; blocks. */
cd_status cd_sql_write(struct cd_store *store, cd_sql_transaction *transaction, void *arg, struct cd_error *reterr);
/* `arg` is one block of malloc, freed when the write is done or refused. */
cd_status cd_sql_write_later(struct cd_store *store, cd_sql_transaction *transaction, void *arg,
                             struct cd_error *reterr);

/* Adds 1 to the version of a table ("clients", "keys", "revocations", "sessions") and holds its row until the commit, so that a
 * writer that changes the table does so alone. Where a transaction needs rows of users or clients too, those of versions
 * are the first, by name, which keeps transactions from waiting for each other in a ring. */
cd_status cd_sql_bump(struct cd_sql_session *session, cd_str kind, int64_t *ret, struct cd_error *reterr);
/* Holds the row without another version: nobody else changes the table until the commit. */
cd_status cd_sql_hold(struct cd_sql_session *session, cd_str kind, struct cd_error *reterr);

/* Under the seq that the version gave. */
cd_status cd_sql_revocation_add(struct cd_sql_session *session, const struct cd_revocation *revocation,
                                struct cd_error *reterr);
cd_status cd_sql_sessions_end(struct cd_sql_session *session, cd_str user, struct cd_error *reterr);

/* Holds the rows of versions that it needs, and gives the user a generation. CD_EXISTS. */
cd_status cd_sql_user_add(struct cd_sql_session *session, const struct cd_user *user, struct cd_error *reterr);
/* As the update of struct cd_user_ops, but one that would leave the user as it is is CD_NOT_FOUND. */
cd_status cd_sql_user_update(struct cd_sql_session *session, const struct cd_user_change *change,
                             const struct cd_audit_event *event, struct cd_error *reterr);
/* Holds the user's row until the commit: nobody removes or changes the user meanwhile. CD_NOT_FOUND where there is none
 * of that generation who is enabled. */
cd_status cd_sql_user_hold(struct cd_sql_session *session, cd_str name, int64_t generation, struct cd_error *reterr);

/* CD_NOT_FOUND where the half-finished login is not there, or has expired. */
cd_status cd_sql_pending_login_take(struct cd_sql_session *session, const struct cd_session_start *start,
                                    struct cd_error *reterr);
cd_status cd_sql_totp_add(struct cd_sql_session *session, const struct cd_totp_factor *factor, struct cd_error *reterr);
/* Forgets wrong codes; *ret_changed is 1 where there were any. */
cd_status cd_sql_totp_forgive(struct cd_sql_session *session, cd_str user, int64_t *ret_changed,
                              struct cd_error *reterr);
cd_status cd_sql_recovery_codes_add(struct cd_sql_session *session, cd_str user, const struct cd_recovery_macs *macs,
                                    struct cd_error *reterr);
cd_status cd_sql_recovery_codes_remove(struct cd_sql_session *session, cd_str user, struct cd_error *reterr);
/* Everything but sessions that a user has besides its row. */
cd_status cd_sql_factors_remove(struct cd_sql_session *session, cd_str user, struct cd_error *reterr);

/* `event` NULL: none. What is not text in it is replaced, what is too long is cut. */
cd_status cd_sql_audit_add(struct cd_sql_session *session, const struct cd_audit_event *event, struct cd_error *reterr);

/* The event with its texts as they are kept: views of its own, or what was written to `memory`. */
enum {
        CD_SQL_AUDIT_TEXTS = 5
};
struct cd_audit_event cd_sql_audit_clean(const struct cd_audit_event *event,
                                         char memory[CD_SQL_AUDIT_TEXTS][CD_AUDIT_TEXT_MAX]);

/* Events that are written after the answer, many by one transaction: a bounded queue in front of the driver's, which
 * keeps them while writes fail. NULL where memory is out; freed after the driver. */
struct cd_sql_audit_later *cd_sql_audit_later_new(struct cd_sql_driver *driver);
void cd_sql_audit_later_free(struct cd_sql_audit_later *later);
cd_status cd_sql_audit_add_later(struct cd_store *store, const struct cd_audit_event *event, struct cd_error *reterr);
cd_status cd_sql_audit_flush(struct cd_store *store, struct cd_audit_flush *ret, struct cd_error *reterr);

/* Deletes at most `limit` rows, the oldest first, and adds how many to *ret_deleted. */
cd_status cd_sql_keys_expire(struct cd_sql_session *session, cd_time now, size_t limit, size_t *ret_deleted,
                             struct cd_error *reterr);
