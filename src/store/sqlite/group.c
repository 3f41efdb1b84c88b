#include "store/sqlite/group.h"

static const struct cd_sql_statement begin = { "BEGIN IMMEDIATE", 0, 0 };
static const struct cd_sql_statement commit = { "COMMIT", 0, 0 };
static const struct cd_sql_statement rollback = { "ROLLBACK", 0, 0 };
static const struct cd_sql_statement savepoint = { "SAVEPOINT one_write", 0, 0 };
static const struct cd_sql_statement release = { "RELEASE one_write", 0, 0 };
static const struct cd_sql_statement rollback_to = { "ROLLBACK TO one_write", 0, 0 };

/* Some errors end the whole transaction (a full disk, no memory), others only their statement. */
static bool has_transaction(struct cd_sqlite_connection *connection)
{
        return !sqlite3_get_autocommit(connection->db);
}

static void end_transaction(struct cd_sqlite_connection *connection)
{
        if (!has_transaction(connection))
                return;
        /* May fail if memory is exhausted, but the transaction has ended even then. */
        cd_status status = cd_sqlite_do(connection, &rollback, NULL);
        if (status != CD_OK && has_transaction(connection))
                (void)sqlite3_exec(connection->db, "ROLLBACK", NULL, NULL, NULL);
}

static void run_alone(struct cd_sqlite_connection *connection, struct cd_sqlite_job *job)
{
        job->status = cd_sqlite_do(connection, &begin, &job->error);
        if (job->status == CD_OK)
                job->status = job->transaction(&connection->session, job->arg, &job->error);
        if (job->status == CD_OK)
                job->status = cd_sqlite_do(connection, &commit, &job->error);
        end_transaction(connection);
}

/* False if the transaction is lost, or if the changes of this write cannot be separated from those of the others. */
static bool run_in_savepoint(struct cd_sqlite_connection *connection, struct cd_sqlite_job *job)
{
        if (cd_sqlite_do(connection, &savepoint, NULL) != CD_OK)
                return false;
        job->status = job->transaction(&connection->session, job->arg, &job->error);
        if (!has_transaction(connection))
                return false;
        if (job->status != CD_OK && cd_sqlite_do(connection, &rollback_to, NULL) != CD_OK)
                return false;
        return cd_sqlite_do(connection, &release, NULL) == CD_OK;
}

/* Most writes succeed, so savepoints, which take time, are used only for groups in which one failed. */
static bool run_plainly(struct cd_sqlite_connection *connection, struct cd_sqlite_job *first)
{
        for (struct cd_sqlite_job *job = first; job; job = job->next) {
                job->status = job->transaction(&connection->session, job->arg, &job->error);
                if (job->status != CD_OK)
                        return false;
        }
        return cd_sqlite_do(connection, &commit, NULL) == CD_OK;
}

static bool run_in_savepoints(struct cd_sqlite_connection *connection, struct cd_sqlite_job *first)
{
        if (cd_sqlite_do(connection, &begin, NULL) != CD_OK)
                return false;
        for (struct cd_sqlite_job *job = first; job; job = job->next)
                if (!run_in_savepoint(connection, job))
                        return false;
        return cd_sqlite_do(connection, &commit, NULL) == CD_OK;
}

static void fail_all(struct cd_sqlite_job *first, const struct cd_error *why)
{
        for (struct cd_sqlite_job *job = first; job; job = job->next) {
                job->status = why->status;
                job->error = *why;
        }
}

bool cd_sqlite_group_run(struct cd_sqlite_connection *connection, const struct cd_sqlite_files *files,
                         struct cd_sqlite_job *first)
{
        struct cd_error why = { 0 };

        connection->busy_until_us = first->deadline_us;
        if (cd_sqlite_files_check(files, &why) != CD_OK) {
                fail_all(first, &why);
                return true;
        }
        if (!first->next) {
                run_alone(connection, first);
                return true;
        }
        if (cd_sqlite_do(connection, &begin, &why) != CD_OK) { /* no write can succeed */
                fail_all(first, &why);
                return (sqlite3_errcode(connection->db) & 0xff) != SQLITE_BUSY;
        }
        bool is_done = run_plainly(connection, first);
        end_transaction(connection);
        if (!is_done) {
                is_done = run_in_savepoints(connection, first);
                end_transaction(connection);
        }
        for (struct cd_sqlite_job *job = is_done ? NULL : first; job; job = job->next)
                run_alone(connection, job);
        return true;
}
