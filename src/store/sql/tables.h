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
extern struct cd_sql_table cd_sql_users, cd_sql_clients, cd_sql_keys, cd_sql_revocations, cd_sql_sessions, cd_sql_audit,
        cd_sql_pending_logins, cd_sql_totp, cd_sql_links, cd_sql_personal_tokens, cd_sql_mails, cd_sql_device_failures,
        cd_sql_hand_overs, cd_sql_provider_accounts, cd_sql_used_states, cd_sql_provider_tokens, cd_sql_deliveries;

extern const struct cd_user_ops cd_sql_user_ops;
extern const struct cd_client_ops cd_sql_client_ops;
extern const struct cd_key_ops cd_sql_key_ops;
extern const struct cd_revocation_ops cd_sql_revocation_ops;
extern const struct cd_session_ops cd_sql_session_ops;
extern const struct cd_pending_login_ops cd_sql_pending_login_ops;
extern const struct cd_totp_ops cd_sql_totp_ops;
extern const struct cd_recovery_ops cd_sql_recovery_ops;
extern const struct cd_account_link_ops cd_sql_link_ops;
extern const struct cd_personal_token_ops cd_sql_personal_token_ops;
extern const struct cd_mail_ops cd_sql_mail_ops;
extern const struct cd_device_ops cd_sql_device_ops;
extern const struct cd_hand_over_ops cd_sql_hand_over_ops;
extern const struct cd_provider_account_ops cd_sql_provider_account_ops;
extern const struct cd_used_state_ops cd_sql_used_state_ops;
extern const struct cd_provider_token_ops cd_sql_provider_token_ops;
extern const struct cd_delivery_ops cd_sql_delivery_ops;
extern const struct cd_audit_ops cd_sql_audit_ops;
extern const struct cd_sealed_ops cd_sql_sealed_ops;

/* Runs one reading statement outside a transaction; blocks. CD_INVALID_REQUEST if a TEXT parameter
 * is not valid text. */
cd_status cd_sql_look_up(struct cd_store *store, const struct cd_sql_call *call, struct cd_error *reterr);
/* Runs a transaction with the store's driver; blocks. */
cd_status cd_sql_write(struct cd_store *store, cd_sql_transaction *transaction, void *arg, struct cd_error *reterr);
/* `arg` is one malloc'ed block, freed when the write is done or rejected. */
cd_status cd_sql_write_later(struct cd_store *store, cd_sql_transaction *transaction, void *arg,
                             struct cd_error *reterr);

/* Adds 1 to the version of a table ("clients", "deliveries", "keys", "mails", "provider_tokens", "revocations",
 * "sessions") and locks that row of `versions` until the commit, so that only one writer at a time changes the table.
 * To avoid deadlocks, a transaction locks its rows of `versions` first, ordered by name, before any rows of users or
 * clients. */
cd_status cd_sql_bump(struct cd_sql_session *session, cd_str kind, int64_t *ret, struct cd_error *reterr);
/* Adds `count`, at least 1, in the same way. *ret_first is the first of that many new versions. */
cd_status cd_sql_bump_by(struct cd_sql_session *session, cd_str kind, size_t count, int64_t *ret_first,
                         struct cd_error *reterr);
/* Locks the row without changing the version: no other transaction changes the table until the commit. */
cd_status cd_sql_hold(struct cd_sql_session *session, cd_str kind, struct cd_error *reterr);

/* Stores the revocation under the seq that the version gave. */
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
/* The same for the user of any generation, enabled or not. */
cd_status cd_sql_any_user_hold(struct cd_sql_session *session, cd_str name, struct cd_error *reterr);

/* Deletes the links with which the user could set a new password. */
cd_status cd_sql_reset_links_remove(struct cd_sql_session *session, cd_str user, struct cd_error *reterr);
cd_status cd_sql_personal_tokens_remove(struct cd_sql_session *session, cd_str user, struct cd_error *reterr);
/* They continue in another generation of their user. */
cd_status cd_sql_personal_tokens_keep(struct cd_sql_session *session, cd_str user, int64_t generation,
                                      struct cd_error *reterr);

/* CD_NOT_FOUND where the half-finished login is not there, or has expired. */
cd_status cd_sql_pending_login_take(struct cd_sql_session *session, const struct cd_session_start *start,
                                    struct cd_error *reterr);
cd_status cd_sql_totp_add(struct cd_sql_session *session, const struct cd_totp_factor *factor, struct cd_error *reterr);
/* Without the condition on the user. CD_EXISTS. */
cd_status cd_sql_totp_put(struct cd_sql_session *session, const struct cd_totp_change *change, struct cd_error *reterr);
/* Forgets wrong codes; *ret_changed is 1 where there were any. */
cd_status cd_sql_totp_forgive(struct cd_sql_session *session, cd_str user, int64_t *ret_changed,
                              struct cd_error *reterr);
cd_status cd_sql_recovery_codes_add(struct cd_sql_session *session, cd_str user, const struct cd_recovery_macs *macs,
                                    struct cd_error *reterr);
cd_status cd_sql_recovery_codes_remove(struct cd_sql_session *session, cd_str user, struct cd_error *reterr);
/* The counters of the user's devices, which are void with the generation that they are of. */
cd_status cd_sql_device_failures_remove(struct cd_sql_session *session, cd_str user, struct cd_error *reterr);
/* Everything but sessions that a user has besides its row. */
cd_status cd_sql_factors_remove(struct cd_sql_session *session, cd_str user, struct cd_error *reterr);

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
struct cd_audit_flush cd_sql_audit_numbers(struct cd_store *store);
cd_status cd_sql_audit_flush(struct cd_store *store, struct cd_audit_flush *ret, struct cd_error *reterr);

/* Deletes at most `limit` rows, the oldest first, and adds their number to *ret_deleted. */
cd_status cd_sql_keys_expire(struct cd_sql_session *session, cd_time now, size_t limit, size_t *ret_deleted,
                             struct cd_error *reterr);
