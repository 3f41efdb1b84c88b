#include "store/sqlite/checkpoint.h"

#include <pthread.h>
#include <stdlib.h>

/* The thread copies while the writer continues, so it never quite reaches the end of the log. Once little is left, the
 * writer copies the rest itself, and the next commit restarts the log. */
enum {
        WANTED_PAGES = 2048,      /* 8 MB: starts the thread */
        AGAIN_PAGES = 512,        /* pages added before the next attempt */
        FINISH_WAIT_MS = 5,       /* how long to wait for readers of the log */
        FINISH_WAIT_LONG_MS = 50, /* the same once the log has LONG_PAGES, 64 MB */
        LONG_PAGES = 16384,
};

struct cd_sqlite_checkpoint {
        struct cd_sqlite_location location;
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool wanted, stopping;
        atomic_bool is_near; /* nearly everything is copied, so the writer does the rest */
        int tried_at;        /* pages at the last attempt; used only by the writer */
};

static bool wait_until_wanted(struct cd_sqlite_checkpoint *checkpoint)
{
        pthread_mutex_lock(&checkpoint->lock);
        while (!checkpoint->wanted && !checkpoint->stopping)
                pthread_cond_wait(&checkpoint->changed, &checkpoint->lock);
        bool is_wanted = !checkpoint->stopping;
        checkpoint->wanted = false;
        pthread_mutex_unlock(&checkpoint->lock);
        return is_wanted;
}

/* A failure (a full disk, no descriptors) loses nothing: the log is complete, and a later attempt may succeed. */
static void *copy(void *arg)
{
        struct cd_sqlite_checkpoint *checkpoint = arg;
        struct cd_sqlite_connection *connection = NULL;

        while (wait_until_wanted(checkpoint)) {
                if (cd_sqlite_files_check(checkpoint->location.files, NULL) != CD_OK)
                        continue;
                if (!connection && cd_sqlite_connection_open(&checkpoint->location, true, &connection, NULL) != CD_OK)
                        continue;
                if (sqlite3_wal_checkpoint_v2(connection->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) == SQLITE_OK)
                        atomic_store(&checkpoint->is_near, true);
        }
        cd_sqlite_connection_close(connection);
        return NULL;
}

cd_status cd_sqlite_checkpoint_new(const struct cd_sqlite_location *location, struct cd_sqlite_checkpoint **ret,
                                   struct cd_error *reterr)
{
        struct cd_sqlite_checkpoint *checkpoint = calloc(1, sizeof(*checkpoint));

        if (!checkpoint)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the database's threads");
        checkpoint->location = *location;
        pthread_mutex_init(&checkpoint->lock, NULL);
        pthread_cond_init(&checkpoint->changed, NULL);
        if (pthread_create(&checkpoint->thread, NULL, copy, checkpoint) != 0) {
                pthread_cond_destroy(&checkpoint->changed);
                pthread_mutex_destroy(&checkpoint->lock);
                free(checkpoint);
                return cd_fail(reterr, CD_UNAVAILABLE, "the thread for the database could not be started");
        }
        *ret = checkpoint;
        return CD_OK;
}

void cd_sqlite_checkpoint_free(struct cd_sqlite_checkpoint *checkpoint)
{
        if (!checkpoint)
                return;
        pthread_mutex_lock(&checkpoint->lock);
        checkpoint->stopping = true;
        pthread_cond_signal(&checkpoint->changed);
        pthread_mutex_unlock(&checkpoint->lock);
        pthread_join(checkpoint->thread, NULL);
        pthread_cond_destroy(&checkpoint->changed);
        pthread_mutex_destroy(&checkpoint->lock);
        free(checkpoint);
}

static void finish(struct cd_sqlite_checkpoint *checkpoint, struct cd_sqlite_connection *writer, int pages)
{
        writer->busy_until_us = cd_monotonic_us() + (pages < LONG_PAGES ? FINISH_WAIT_MS : FINISH_WAIT_LONG_MS) * 1000;
        (void)sqlite3_wal_checkpoint_v2(writer->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
        checkpoint->tried_at = pages;
}

void cd_sqlite_checkpoint_after_commit(struct cd_sqlite_checkpoint *checkpoint, struct cd_sqlite_connection *writer,
                                       int pages)
{
        if (pages < checkpoint->tried_at)
                checkpoint->tried_at = 0; /* the log was restarted */
        if (atomic_exchange(&checkpoint->is_near, false)) {
                finish(checkpoint, writer, pages);
                return;
        }
        if (pages < WANTED_PAGES || pages < checkpoint->tried_at + AGAIN_PAGES)
                return;
        checkpoint->tried_at = pages;
        pthread_mutex_lock(&checkpoint->lock);
        checkpoint->wanted = true;
        pthread_cond_signal(&checkpoint->changed);
        pthread_mutex_unlock(&checkpoint->lock);
}
