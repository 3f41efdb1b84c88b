#pragma once
/* The one thread that writes. Writes that wait are committed together, so that many share one fsync. */
#include "store/sqlite/connection.h"

struct cd_sqlite_writer;

struct cd_sqlite_writer_options {
        struct cd_sqlite_location location; /* `path` must outlive the writer */
        size_t queue_max;
        void (*on_commit)(void *arg); /* on the writer's thread, after a commit that changed something */
        void *arg;
};

cd_status cd_sqlite_writer_new(const struct cd_sqlite_writer_options *options, struct cd_sqlite_writer **ret,
                               struct cd_error *reterr);
/* What waits is written first. Nobody may call any more. */
void cd_sqlite_writer_free(struct cd_sqlite_writer *writer);

/* As in struct cd_sql_driver. */
cd_status cd_sqlite_writer_run(struct cd_sqlite_writer *writer, cd_sql_transaction *transaction, void *arg,
                               struct cd_error *reterr);
cd_status cd_sqlite_writer_later(struct cd_sqlite_writer *writer, cd_sql_transaction *transaction, void *arg,
                                 void (*done)(void *arg, cd_status status), struct cd_error *reterr);
