/* Audit events for which no caller waits. Every login causes one, so many share a transaction. A full disk must not
 * stop logins, so events wait here until they can be written (LESSONS 35). */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/sql/tables.h"

enum {
        WAITING_MAX = 8192,        /* events: usually 2 MB, and several minutes of logins */
        TURN_WAIT_US = 500 * 1000, /* how long a flush waits for the current transaction */
};

struct waiting {
        struct waiting *next;
        struct cd_audit_event event; /* followed in memory by its texts */
};

struct cd_sql_audit_later {
        struct cd_sql_driver *driver;
        pthread_mutex_t lock;
        pthread_cond_t ended; /* a transaction ended */
        struct waiting *first, **last;
        size_t count;
        size_t writing;  /* number of events in the current transaction, counted from the first */
        bool is_writing; /* a transaction is queued or running; there is never more than one */
        bool is_failing; /* the last transaction failed, so only a flush tries again */
        unsigned ends;   /* number of ended transactions; needed because new events may start the next one at once */
        uint64_t lost;
};

struct cd_sql_audit_later *cd_sql_audit_later_new(struct cd_sql_driver *driver)
{
        struct cd_sql_audit_later *later = calloc(1, sizeof(*later));
        pthread_condattr_t attributes;

        if (!later)
                return NULL;
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&later->ended, &attributes);
        pthread_condattr_destroy(&attributes);
        later->driver = driver;
        later->last = &later->first;
        pthread_mutex_init(&later->lock, NULL);
        return later;
}

/* Removes the first `count` events from the queue; the caller frees them. With the lock held. */
static struct waiting *take(struct cd_sql_audit_later *later, size_t count)
{
        struct waiting *first = later->first, **end = &later->first;

        for (size_t i = 0; i < count; i++)
                end = &(*end)->next;
        if (end == &later->first)
                return NULL;
        later->first = *end;
        *end = NULL;
        if (!later->first)
                later->last = &later->first;
        later->count -= count;
        return first;
}

static void free_all(struct waiting *w)
{
        for (struct waiting *next; w; w = next) {
                next = w->next;
                free(w);
        }
}

void cd_sql_audit_later_free(struct cd_sql_audit_later *later)
{
        if (!later)
                return;
        free_all(later->first);
        pthread_cond_destroy(&later->ended);
        pthread_mutex_destroy(&later->lock);
        free(later);
}

/* Copies the event and its texts, as they are stored, into one block. NULL if memory is exhausted. */
static struct waiting *copy_event(const struct cd_audit_event *event)
{
        char memory[CD_SQL_AUDIT_TEXTS][CD_AUDIT_TEXT_MAX];
        struct cd_audit_event clean = cd_sql_audit_clean(event, memory);
        cd_str *const texts[] = { &clean.action, &clean.actor, &clean.subject, &clean.address, &clean.detail };
        struct waiting *copy;
        size_t size = sizeof(*copy);

        for (size_t i = 0; i < CD_LEN(texts); i++)
                size += texts[i]->len;
        copy = malloc(size);
        if (!copy)
                return NULL;
        char *to = (char *)(copy + 1);
        for (size_t i = 0; i < CD_LEN(texts); i++) {
                size_t len = texts[i]->len;
                if (len)
                        memcpy(to, texts[i]->ptr, len);
                *texts[i] = cd_str_of(to, len);
                to += len;
        }
        *copy = (struct waiting){ .event = clean };
        return copy;
}

/* ---- writing ---- */

/* Writes all events that wait now. Later ones are for the next transaction. */
static cd_status write_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct cd_sql_audit_later *later = arg;
        cd_status status = CD_OK;

        pthread_mutex_lock(&later->lock);
        const struct waiting *next = later->first;
        size_t left = later->writing = later->count;
        pthread_mutex_unlock(&later->lock);
        while (left && status == CD_OK) {
                const struct waiting *w = next;
                next = --left ? w->next : NULL; /* other threads add after the last one */
                status = cd_sql_audit_add(session, &w->event, reterr);
        }
        return status;
}

/* Becomes the writer if there is something to write, no transaction is running, and the last one did not fail.
 * With the lock held. */
static bool take_turn(struct cd_sql_audit_later *later)
{
        if (later->is_writing || later->is_failing || later->count == 0)
                return false;
        later->writing = 0;
        later->is_writing = true;
        return true;
}

/* Returns whether there is more to write; the caller then remains the writer. */
static bool end_turn(struct cd_sql_audit_later *later, cd_status status)
{
        struct waiting *written = NULL;

        pthread_mutex_lock(&later->lock);
        if (status == CD_OK)
                written = take(later, later->writing);
        later->is_failing = status != CD_OK;
        later->is_writing = false;
        later->ends++;
        bool has_more = take_turn(later);
        pthread_cond_signal(&later->ended);
        pthread_mutex_unlock(&later->lock);
        free_all(written);
        return has_more;
}

static void end_writing(void *arg, cd_status status);

/* Called by the writer, without the lock, because a driver may write at once. If the driver's queue is full, the next
 * event tries again. */
static void write_soon(struct cd_sql_audit_later *later)
{
        if (later->driver->write_later(later->driver, write_transaction, later, end_writing, NULL) == CD_OK)
                return;
        pthread_mutex_lock(&later->lock);
        later->is_writing = false;
        later->ends++;
        pthread_cond_signal(&later->ended);
        pthread_mutex_unlock(&later->lock);
}

static void end_writing(void *arg, cd_status status)
{
        if (end_turn(arg, status))
                write_soon(arg);
}

cd_status cd_sql_audit_add_later(struct cd_store *port, const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct cd_sql_audit_later *later = ((struct cd_sql_store *)port)->audit_later;
        struct waiting *copy = copy_event(event);

        pthread_mutex_lock(&later->lock);
        bool is_lost = !copy || later->count == WAITING_MAX;
        if (is_lost) {
                later->lost++;
        } else {
                *later->last = copy;
                later->last = &copy->next;
                later->count++;
        }
        bool has_turn = take_turn(later);
        pthread_mutex_unlock(&later->lock);
        if (has_turn)
                write_soon(later);
        if (!is_lost)
                return CD_OK;
        if (!copy)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an audit event");
        free(copy);
        return cd_fail(reterr, CD_UNAVAILABLE, "the queue of audit events is full");
}

/* Becomes the writer if there is something to write and no transaction is running. */
static bool begin_writing(struct cd_sql_audit_later *later)
{
        int64_t at = cd_monotonic_us() + TURN_WAIT_US;
        struct timespec until = { .tv_sec = at / 1000000, .tv_nsec = at % 1000000 * 1000 };

        pthread_mutex_lock(&later->lock);
        unsigned ends = later->ends;
        while (later->is_writing && later->ends == ends &&
               pthread_cond_timedwait(&later->ended, &later->lock, &until) == 0)
                continue;
        bool is_ours = !later->is_writing && later->count > 0;
        if (is_ours) {
                later->is_writing = true;
                later->writing = 0;
        }
        pthread_mutex_unlock(&later->lock);
        return is_ours;
}

struct cd_audit_flush cd_sql_audit_numbers(struct cd_store *store)
{
        struct cd_sql_audit_later *later = ((struct cd_sql_store *)store)->audit_later;

        pthread_mutex_lock(&later->lock);
        const struct cd_audit_flush numbers = { .waiting = later->count, .lost = later->lost };
        pthread_mutex_unlock(&later->lock);
        return numbers;
}

cd_status cd_sql_audit_flush(struct cd_store *store, struct cd_audit_flush *ret, struct cd_error *reterr)
{
        struct cd_sql_audit_later *later = ((struct cd_sql_store *)store)->audit_later;
        cd_status status = CD_OK;

        *ret = (struct cd_audit_flush){ 0 };
        if (begin_writing(later)) {
                status = cd_sql_write(store, write_transaction, later, reterr);
                /* only the writer, which is this thread, changes it */
                ret->written = status == CD_OK ? later->writing : 0;
                end_writing(later, status);
        }
        pthread_mutex_lock(&later->lock);
        ret->waiting = later->count;
        ret->lost = later->lost;
        pthread_mutex_unlock(&later->lock);
        return status;
}
