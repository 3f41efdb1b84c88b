#include "store/sqlite/readers.h"

#include <pthread.h>
#include <stdlib.h>

enum {
        READERS_MAX = 8,
};

struct cd_sqlite_readers {
        struct cd_sqlite_location location;
        pthread_mutex_t lock; /* held to take and return connections, not while reading */
        pthread_cond_t given;
        struct cd_sqlite_connection *idle[READERS_MAX];
        size_t idle_count, open_count;
};

/* Reduces the number of open connections. */
static void drop(struct cd_sqlite_readers *readers, struct cd_sqlite_connection *connection)
{
        cd_sqlite_connection_close(connection);
        pthread_mutex_lock(&readers->lock);
        readers->open_count--;
        pthread_cond_signal(&readers->given);
        pthread_mutex_unlock(&readers->lock);
}

/* Connections are opened on demand; a command needs only one. */
static cd_status open_another(struct cd_sqlite_readers *readers, struct cd_sqlite_connection **ret,
                              struct cd_error *reterr)
{
        struct cd_sqlite_connection *connection = NULL;
        cd_status status = cd_sqlite_connection_open(&readers->location, false, &connection, reterr);

        /* If the file was replaced just now, the connection is to another file and must not be used. */
        if (status == CD_OK)
                status = cd_sqlite_files_check(readers->location.files, reterr);
        if (status == CD_OK) {
                *ret = connection;
                return CD_OK;
        }
        drop(readers, connection);
        return status;
}

static cd_status take(struct cd_sqlite_readers *readers, struct cd_sqlite_connection **ret, struct cd_error *reterr)
{
        pthread_mutex_lock(&readers->lock);
        while (readers->idle_count == 0 && readers->open_count == READERS_MAX)
                pthread_cond_wait(&readers->given, &readers->lock);
        bool has_idle = readers->idle_count > 0;
        if (has_idle)
                *ret = readers->idle[--readers->idle_count];
        else
                readers->open_count++;
        pthread_mutex_unlock(&readers->lock);
        return has_idle ? CD_OK : open_another(readers, ret, reterr);
}

static void give(struct cd_sqlite_readers *readers, struct cd_sqlite_connection *connection)
{
        pthread_mutex_lock(&readers->lock);
        readers->idle[readers->idle_count++] = connection;
        pthread_cond_signal(&readers->given);
        pthread_mutex_unlock(&readers->lock);
}

static cd_status begin_reading(struct cd_sqlite_readers *readers, struct cd_sqlite_connection **ret,
                               struct cd_error *reterr)
{
        /* Before a connection is opened: SQLite deletes the log of a database that it finds empty. */
        cd_status status = cd_sqlite_files_check(readers->location.files, reterr);

        if (status == CD_OK)
                status = take(readers, ret, reterr);
        if (status == CD_OK)
                cd_sqlite_connection_be_patient(*ret, &readers->location);
        return status;
}

/* Outside a transaction, SQLite makes each statement a transaction of its own. */
cd_status cd_sqlite_readers_query(struct cd_sqlite_readers *readers, const struct cd_sql_call *call,
                                  struct cd_error *reterr)
{
        struct cd_sqlite_connection *connection = NULL;
        cd_status status = begin_reading(readers, &connection, reterr);

        if (status != CD_OK)
                return status;
        status = connection->session.run(&connection->session, call, reterr);
        give(readers, connection);
        return status;
}

cd_status cd_sqlite_readers_run(struct cd_sqlite_readers *readers, cd_sql_transaction *transaction, void *arg,
                                struct cd_error *reterr)
{
        static const struct cd_sql_statement begin = { "BEGIN", 0, 0 };
        static const struct cd_sql_statement end = { "COMMIT", 0, 0 };
        struct cd_sqlite_connection *connection = NULL;
        cd_status status = begin_reading(readers, &connection, reterr);

        if (status != CD_OK)
                return status;
        status = cd_sqlite_do(connection, &begin, reterr);
        if (status == CD_OK)
                status = transaction(&connection->session, arg, reterr);
        /* Nothing was written, so the end can fail only if a read has failed before. */
        if (!sqlite3_get_autocommit(connection->db) && cd_sqlite_do(connection, &end, NULL) != CD_OK)
                (void)sqlite3_exec(connection->db, "ROLLBACK", NULL, NULL, NULL);
        give(readers, connection);
        return status;
}

struct cd_sqlite_readers *cd_sqlite_readers_new(const struct cd_sqlite_location *location)
{
        struct cd_sqlite_readers *readers = calloc(1, sizeof(*readers));

        if (!readers)
                return NULL;
        readers->location = *location;
        pthread_mutex_init(&readers->lock, NULL);
        pthread_cond_init(&readers->given, NULL);
        return readers;
}

void cd_sqlite_readers_free(struct cd_sqlite_readers *readers)
{
        if (!readers)
                return;
        while (readers->idle_count)
                cd_sqlite_connection_close(readers->idle[--readers->idle_count]);
        pthread_cond_destroy(&readers->given);
        pthread_mutex_destroy(&readers->lock);
        free(readers);
}
