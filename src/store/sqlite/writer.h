#pragma once
/* The only thread that writes. Writes that wait are committed together, so that they share one fsync. */
#include "store/sqlite/connection.h"

struct cd_sqlite_writer;

struct cd_sqlite_writer_options {
        struct cd_sqlite_location location; /* `path` must outlive the writer */
        size_t queue_max;
        void (*on_commit)(void *arg); /* called on the writer's thread after a commit that changed something */
        void *arg;
};

cd_status cd_sqlite_writer_new(const struct cd_sqlite_writer_options *options, struct cd_sqlite_writer **ret,
                               struct cd_error *reterr);
/* Completes the waiting writes first. No other call may be running. */
void cd_sqlite_writer_free(struct cd_sqlite_writer *writer);

/* Like write and write_later of struct cd_sql_driver. */
cd_status cd_sqlite_writer_run(struct cd_sqlite_writer *writer, cd_sql_transaction *transaction, void *arg,
                               struct cd_error *reterr);
cd_status cd_sqlite_writer_later(struct cd_sqlite_writer *writer, cd_sql_transaction *transaction, void *arg,
                                 void (*done)(void *arg, cd_status status), struct cd_error *reterr);
