#include "store/backup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/postgres/postgres.h"
#include "store/sql/copy.h"
#include "store/sql/rows.h"
#include "store/sql/tables.h"
#include "store/sqlite/replace.h"
#include "store/sqlite/sqlite.h"

enum {
        /* Versions that a store gives in a second, on average over its life, are far fewer. */
        VERSIONS_A_SECOND = 1024,
        TOTP_STEP = 30,
};

static cd_status count_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement users = { "SELECT COUNT(*) FROM users", 0, 1 },
                                             clients = { "SELECT COUNT(*) FROM clients", 0, 1 },
                                             keys = { "SELECT COUNT(*) FROM keys", 0, 1 },
                                             sessions = { "SELECT COUNT(*) FROM sessions WHERE ended = 0", 0, 1 },
                                             events = { "SELECT COUNT(*) FROM audit", 0, 1 };
        struct cd_store_contents *contents = arg;
        const struct {
                const struct cd_sql_statement *statement;
                int64_t *ret;
        } counts[] = {
                { &users, &contents->users },       { &clients, &contents->clients }, { &keys, &contents->keys },
                { &sessions, &contents->sessions }, { &events, &contents->events },
        };
        cd_status status = CD_OK;

        for (size_t i = 0; i < CD_LEN(counts) && status == CD_OK; i++)
                status = cd_sql_query_integer(session, counts[i].statement, NULL, counts[i].ret, reterr);
        return status;
}

static cd_status count(struct cd_sql_driver *driver, struct cd_store_contents *ret, struct cd_error *reterr)
{
        ret->schema = (int)driver->migration_count;
        return driver->read(driver, count_transaction, ret, reterr);
}

/* ---- out ---- */

static void remove_database(const char *path)
{
        static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
        char file[PATH_MAX];

        for (size_t i = 0; i < CD_LEN(suffixes); i++) {
                snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
                unlink(file);
        }
}

/* The last connection moves the log into the file; if that failed, the file alone is not the database. */
static cd_status check_whole(const char *path, struct cd_error *reterr)
{
        char log[PATH_MAX];

        snprintf(log, sizeof(log), "%s-wal", path);
        if (access(log, F_OK) != 0)
                return CD_OK;
        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "%s could not be completed: the disk is full or fails",
                        path);
}

static cd_status fill(struct cd_sql_driver *from, struct cd_sql_driver *to, struct cd_store_contents *ret,
                      struct cd_sql_shape **ret_shape, struct cd_error *reterr)
{
        struct cd_sql_migrated migrated;

        cd_status status = cd_sql_migrate(to, &migrated, reterr);
        if (status == CD_OK)
                status = cd_sql_shape_read(to, ret_shape, reterr);
        if (status == CD_OK)
                status = cd_sql_copy(*ret_shape, from, to, reterr);
        return status == CD_OK ? count(to, ret, reterr) : status;
}

cd_status cd_store_copy_out(struct cd_store *store, const char *path, struct cd_store_contents *ret,
                            struct cd_error *reterr)
{
        const struct cd_sqlite_options options = { .path = path, .may_create = true };
        struct cd_sql_shape *shape = NULL;
        struct cd_sql_driver *to = NULL;

        remove_database(path);
        cd_status status = cd_sqlite_open(&options, &to, reterr);
        if (status != CD_OK)
                return status;
        status = fill(((struct cd_sql_store *)store)->driver, to, ret, &shape, reterr);
        to->free(to);
        cd_sql_shape_free(shape);
        if (status == CD_OK)
                status = check_whole(path, reterr);
        if (status != CD_OK)
                remove_database(path);
        return status;
}

/* ---- revived ---- */

struct reviving {
        const struct cd_store_revival *revival;
        int64_t version; /* from which all versions go on */
};

static cd_status advance_versions(struct cd_sql_session *session, struct reviving *r, struct cd_error *reterr)
{
        static const struct cd_sql_statement highest = { "SELECT MAX(version) FROM versions", 0, 1 };
        static const struct cd_sql_statement set = { "UPDATE versions SET version = $1", 1, 0 };
        int64_t version, by_now = r->revival->now * VERSIONS_A_SECOND;

        cd_status status = cd_sql_query_integer(session, &highest, NULL, &version, reterr);
        r->version = version + 1 > by_now ? version + 1 : by_now;
        const struct cd_sql_value params[] = { cd_sql_integer(r->version) };
        return status == CD_OK ? cd_sql_execute(session, &set, params, NULL, reterr) : status;
}

/* One revocation without a user ends the tokens of all users, also of users who were added after the copy, and those of
 * clients of the configuration, which have no row. */
static cd_status end_tokens(struct cd_sql_session *session, const struct reviving *r, struct cd_error *reterr)
{
        static const struct cd_sql_statement users = { "UPDATE users SET generation = $1", 1, 0 },
                                             clients = { "UPDATE clients SET generation = $1", 1, 0 },
                                             used = { "UPDATE totp SET last_step = MAX(last_step, $1)", 1, 0 },
                                             leases = { "UPDATE provider_tokens SET lease_ends_at = 0", 0, 0 };
        const struct cd_sql_value generation[] = { cd_sql_integer(r->version) };
        const struct cd_sql_value step[] = { cd_sql_integer(r->revival->now / TOTP_STEP) };
        const struct cd_revocation everybody = {
                .seq = r->version,
                .jti = CD_STR(""),
                .user = CD_STR(""),
                .client_id = CD_STR(""),
                .expires_at = r->revival->now + CD_REVOCATION_LASTS,
        };

        cd_status status = cd_sql_execute(session, &users, generation, NULL, reterr);
        if (status == CD_OK)
                status = cd_sql_execute(session, &clients, generation, NULL, reterr);
        if (status == CD_OK)
                status = cd_sql_execute(session, &used, step, NULL, reterr);
        if (status == CD_OK)
                status = cd_sql_execute(session, &leases, NULL, NULL, reterr);
        return status == CD_OK ? cd_sql_revocation_add(session, &everybody, reterr) : status;
}

static cd_status remove_ended(struct cd_sql_session *session, struct cd_error *reterr)
{
        static const struct cd_sql_statement removals[] = {
                { "DELETE FROM sessions", 0, 0 },   { "DELETE FROM pending_logins", 0, 0 },
                { "DELETE FROM links", 0, 0 },      { "DELETE FROM hand_overs", 0, 0 },
                { "DELETE FROM mails", 0, 0 },      { "DELETE FROM personal_tokens", 0, 0 },
                { "DELETE FROM deliveries", 0, 0 }, { "DELETE FROM recovery_codes", 0, 0 },
        };
        cd_status status = CD_OK;

        for (size_t i = 0; i < CD_LEN(removals) && status == CD_OK; i++)
                status = cd_sql_execute(session, &removals[i], NULL, NULL, reterr);
        return status;
}

static cd_status note(struct cd_sql_session *session, const struct cd_store_revival *revival, struct cd_error *reterr)
{
        char detail[128];

        snprintf(detail, sizeof(detail), "backup of %.*s%s", CD_STR_ARG(revival->made_at),
                 revival->keep_sessions ? ", sessions and tokens kept" : "");
        const struct cd_audit_event event = {
                .at = revival->now,
                .action = CD_STR("store.restore"),
                .actor = revival->actor,
                .subject = CD_STR(""),
                .address = CD_STR(""),
                .detail = cd_str_from_c(detail),
        };
        return cd_sql_audit_add(session, &event, reterr);
}

static cd_status revive_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct reviving *r = arg;

        cd_status status = advance_versions(session, r, reterr);
        if (status == CD_OK && !r->revival->keep_sessions)
                status = end_tokens(session, r, reterr);
        if (status == CD_OK && !r->revival->keep_sessions)
                status = remove_ended(session, reterr);
        return status == CD_OK ? note(session, r->revival, reterr) : status;
}

/* As a store, so that the tables are prepared. */
cd_status cd_store_revive(const char *path, const struct cd_store_revival *revival, struct cd_store_contents *ret,
                          struct cd_error *reterr)
{
        const struct cd_sqlite_options options = { .path = path };
        struct reviving reviving = { .revival = revival };
        struct cd_sql_migrated migrated;
        struct cd_sql_driver *driver;
        struct cd_store *store;

        cd_status status = cd_sqlite_open(&options, &driver, reterr);
        if (status != CD_OK)
                return status;
        status = cd_sql_migrate(driver, &migrated, reterr);
        if (status != CD_OK) {
                driver->free(driver);
                return status;
        }
        status = cd_sql_store_new(driver, &store, reterr);
        if (status != CD_OK)
                return status;
        status = cd_sql_write(store, revive_transaction, &reviving, reterr);
        if (status == CD_OK)
                status = count(driver, ret, reterr);
        store->free(store);
        return status == CD_OK ? check_whole(path, reterr) : status;
}

/* ---- back ---- */

cd_status cd_store_look(const struct cd_store_options *target, struct cd_store_contents *ret, struct cd_error *reterr)
{
        struct cd_store_options how = *target;
        struct cd_store_opened opened;

        how.must_be_current = true;
        how.may_create = false;
        *ret = (struct cd_store_contents){ 0 };
        cd_status status = cd_store_open(&how, &opened, reterr);
        if (status != CD_OK)
                return status;
        status = count(((struct cd_sql_store *)opened.store)->driver, ret, reterr);
        opened.store->free(opened.store);
        return status;
}

static cd_status put_rows(const struct cd_store_options *target, const char *path, struct cd_error *reterr)
{
        const struct cd_sqlite_options options = { .path = path };
        struct cd_store_options how = *target;
        struct cd_sql_driver *from = NULL;
        struct cd_sql_shape *shape = NULL;
        struct cd_store_opened opened;

        how.may_create = true;
        how.must_be_current = false;
        cd_status status = cd_store_open(&how, &opened, reterr);
        if (status != CD_OK)
                return status;
        status = cd_sqlite_open(&options, &from, reterr);
        if (status == CD_OK)
                status = cd_sql_shape_read(from, &shape, reterr);
        if (status == CD_OK)
                status = cd_sql_copy(shape, from, ((struct cd_sql_store *)opened.store)->driver, reterr);
        if (from)
                from->free(from);
        opened.store->free(opened.store);
        cd_sql_shape_free(shape);
        return status;
}

cd_status cd_store_put_back(const struct cd_store_options *target, const char *path, struct cd_store_put *put,
                            struct cd_error *reterr)
{
        char at[PATH_MAX];

        put->kept[0] = '\0';
        if (!cd_str_has_prefix(target->url, CD_STR("sqlite:")))
                return put_rows(target, path, reterr);
        cd_status status = cd_store_sqlite_file(target, at, reterr);
        return status == CD_OK ? cd_sqlite_replace(at, path, put->now, put->kept, reterr) : status;
}
