#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/blocking.h"
#include "store/sql/table.h"
#include "store/sql/tables.h"

static struct cd_sql_driver *driver_of(struct cd_store *store)
{
        return ((struct cd_sql_store *)store)->driver;
}

static cd_status take_version(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        struct cd_store_versions *versions = arg;
        cd_str name = columns[0].bytes;
        struct cd_sql_reader reader = { .next = columns + 1 };
        int64_t version = cd_sql_read_integer(&reader);

        if (cd_str_eq_c(name, "clients"))
                versions->clients = version;
        else if (cd_str_eq_c(name, "keys"))
                versions->keys = version;
        else if (cd_str_eq_c(name, "revocations"))
                versions->revocations = version;
        else if (cd_str_eq_c(name, "sessions"))
                versions->sessions = version;
        else if (cd_str_eq_c(name, "mails"))
                versions->mails = version;
        else if (cd_str_eq_c(name, "deliveries"))
                versions->deliveries = version;
        return cd_sql_read_end(&reader, reterr);
}

static cd_status versions(struct cd_store *store, struct cd_store_versions *ret, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "SELECT name, version FROM versions", 0, 2 };
        struct cd_store_versions found = { 0 };
        const struct cd_sql_call call = { .statement = &statement, .row = take_version, .arg = &found };
        cd_status status = cd_sql_look_up(store, &call, reterr);

        if (status == CD_OK)
                *ret = found;
        return status;
}

struct fixing {
        struct cd_arena *arena;
        cd_str name, value, found;
};

static cd_status take_value(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        struct fixing *fixing = arg;
        struct cd_sql_reader reader = { .arena = fixing->arena, .next = columns };

        fixing->found = cd_sql_read_text(&reader);
        return cd_sql_read_end(&reader, reterr);
}

static const struct cd_sql_statement get_fixed_value = { "SELECT value FROM fixed_values WHERE name = $1", 1, 1 };

static cd_status put_if_absent_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "INSERT INTO fixed_values (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", 2, 0
        };
        struct fixing *fixing = arg;
        const struct cd_sql_value params[] = { cd_sql_text(fixing->name), cd_sql_text(fixing->value) };
        cd_status status = cd_sql_execute(session, &statement, params, NULL, reterr);

        if (status != CD_OK)
                return status;
        return cd_sql_query(session, &get_fixed_value, params, take_value, fixing, reterr);
}

static cd_status put_if_absent(struct cd_store *store, struct cd_arena *arena, cd_str name, cd_str value, cd_str *ret,
                               struct cd_error *reterr)
{
        struct fixing fixing = { .arena = arena, .name = name, .value = value };
        const struct cd_sql_value params[] = { cd_sql_text(name) };
        const struct cd_sql_call call = {
                .statement = &get_fixed_value, .params = params, .row = take_value, .arg = &fixing
        };
        cd_status status = cd_sql_look_up(store, &call, reterr);

        if (status == CD_OK && !fixing.found.ptr)
                status = cd_sql_write(store, put_if_absent_transaction, &fixing, reterr);
        if (status == CD_OK)
                *ret = fixing.found;
        return status;
}

/* Changes a row in any case, because a DELETE that finds nothing succeeds even on a full disk. */
static cd_status write_row(struct cd_sql_session *session, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "INSERT INTO fixed_values (name, value) VALUES ('written_at', $1)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                1, 0
        };
        char now[24];

        snprintf(now, sizeof(now), "%lld", (long long)cd_monotonic_us());
        const struct cd_sql_value params[] = { cd_sql_text(cd_str_from_c(now)) };
        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

struct expiring {
        const struct cd_store_expiry *expiry;
        size_t deleted;
};

static cd_status expire_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_table *const tables[] = {
                &cd_sql_sessions,   &cd_sql_pending_logins,  &cd_sql_links,      &cd_sql_personal_tokens,
                &cd_sql_mails,      &cd_sql_device_failures, &cd_sql_hand_overs, &cd_sql_used_states,
                &cd_sql_deliveries, &cd_sql_revocations,
        };
        struct expiring *expiring = arg;
        cd_time now = expiring->expiry->now, audit = expiring->expiry->audit_before - 1;
        size_t limit = expiring->expiry->limit;
        size_t *deleted = &expiring->deleted;

        *deleted = 0;
        cd_status status = write_row(session, reterr);
        for (size_t i = 0; i < CD_LEN(tables) && status == CD_OK; i++)
                status = cd_sql_rows_expire(tables[i], session, now, limit - *deleted, deleted, reterr);
        if (status == CD_OK)
                status = cd_sql_keys_expire(session, now, limit - *deleted, deleted, reterr);
        if (status == CD_OK)
                status = cd_sql_rows_expire(&cd_sql_audit, session, audit, limit - *deleted, deleted, reterr);
        return status;
}

static cd_status expire(struct cd_store *store, const struct cd_store_expiry *expiry, size_t *ret_deleted,
                        struct cd_error *reterr)
{
        struct expiring expiring = { .expiry = expiry };
        cd_status status = cd_sql_write(store, expire_transaction, &expiring, reterr);

        if (status == CD_OK)
                *ret_deleted = expiring.deleted;
        return status;
}

static void wait(struct cd_store *store, int64_t timeout_ms)
{
        cd_may_block("store: wait");
        driver_of(store)->wait(driver_of(store), timeout_ms);
}

static void wake(struct cd_store *store)
{
        driver_of(store)->wake(driver_of(store));
}

static bool is_pooled(struct cd_store *store)
{
        struct cd_sql_driver *driver = driver_of(store);

        return driver->is_pooled && driver->is_pooled(driver);
}

static void store_free(struct cd_store *store)
{
        struct cd_audit_flush flush;

        (void)cd_sql_audit_flush(store, &flush, NULL); /* the driver completes its own queue */
        driver_of(store)->free(driver_of(store));
        cd_sql_audit_later_free(((struct cd_sql_store *)store)->audit_later);
        free(store);
}

/* The result of preparing the tables; a failure is a fault in the program. */
static cd_status prepared = CD_OK;

static void prepare_tables(void)
{
        struct cd_sql_table *const tables[] = { &cd_sql_users,          &cd_sql_clients,
                                                &cd_sql_keys,           &cd_sql_revocations,
                                                &cd_sql_sessions,       &cd_sql_audit,
                                                &cd_sql_pending_logins, &cd_sql_totp,
                                                &cd_sql_links,          &cd_sql_personal_tokens,
                                                &cd_sql_mails,          &cd_sql_device_failures,
                                                &cd_sql_hand_overs,     &cd_sql_provider_accounts,
                                                &cd_sql_used_states,    &cd_sql_provider_tokens,
                                                &cd_sql_deliveries };

        for (size_t i = 0; i < CD_LEN(tables) && prepared == CD_OK; i++)
                prepared = cd_sql_table_prepare(tables[i]);
}

cd_status cd_sql_store_new(struct cd_sql_driver *driver, struct cd_store **ret, struct cd_error *reterr)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        struct cd_sql_store *store = calloc(1, sizeof(*store));
        struct cd_sql_audit_later *audit_later = cd_sql_audit_later_new(driver);

        pthread_once(&once, prepare_tables);
        if (!store || !audit_later || prepared != CD_OK) {
                driver->free(driver);
                cd_sql_audit_later_free(audit_later);
                free(store);
                return cd_fail(reterr, prepared == CD_OK ? CD_NO_MEMORY : prepared, "no memory for a store");
        }
        *store = (struct cd_sql_store){
                .driver = driver,
                .audit_later = audit_later,
                .port = { .sealed = &cd_sql_sealed_ops,
                          .users = &cd_sql_user_ops,
                          .clients = &cd_sql_client_ops,
                          .keys = &cd_sql_key_ops,
                          .revocations = &cd_sql_revocation_ops,
                          .sessions = &cd_sql_session_ops,
                          .pending_logins = &cd_sql_pending_login_ops,
                          .totp = &cd_sql_totp_ops,
                          .recovery = &cd_sql_recovery_ops,
                          .links = &cd_sql_link_ops,
                          .personal_tokens = &cd_sql_personal_token_ops,
                          .mails = &cd_sql_mail_ops,
                          .devices = &cd_sql_device_ops,
                          .hand_overs = &cd_sql_hand_over_ops,
                          .provider_accounts = &cd_sql_provider_account_ops,
                          .used_states = &cd_sql_used_state_ops,
                          .provider_tokens = &cd_sql_provider_token_ops,
                          .deliveries = &cd_sql_delivery_ops,
                          .audit = &cd_sql_audit_ops,
                          .versions = versions,
                          .wait = wait,
                          .wake = wake,
                          .put_if_absent = put_if_absent,
                          .expire = expire,
                          .is_pooled = is_pooled,
                          .free = store_free },
        };
        *ret = &store->port;
        return CD_OK;
}
