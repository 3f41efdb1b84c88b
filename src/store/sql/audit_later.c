/* Audit events that nobody waits for. They come with every login, so they share what costs the most: a place in the driver's queue, and
 * the statement. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/audit.h"
#include "store/sql/kinds.h"
#include "store/sql/rows.h"

enum {
        MANY = 16, /* events of one statement */
        TEXTS = CD_SQL_AUDIT_PARAMS - 1,
};

struct batch {
        struct cd_sql_audit_later *later;
        size_t count;
        struct cd_audit_event *events[MANY]; /* a block of malloc each */
};

struct cd_sql_audit_later {
        pthread_mutex_t lock;
        struct batch *open; /* in the driver's queue, and has room still; NULL: none */
        struct cd_sql_statement many;
        char many_text[128 + MANY * CD_SQL_AUDIT_PARAMS * sizeof("($99, ")];
};

/* INSERT … VALUES ($1, …, $6), ($7, … */
static void write_statement(struct cd_sql_audit_later *later)
{
        char *to = later->many_text, *end = to + sizeof(later->many_text);

        to += snprintf(to, (size_t)(end - to), "%s", CD_SQL_AUDIT_INSERT);
        for (int i = 0; i < MANY * CD_SQL_AUDIT_PARAMS; i++)
                to += snprintf(to, (size_t)(end - to), "%s$%d%s",
                               i % CD_SQL_AUDIT_PARAMS ? ", "
                               : i                     ? ", ("
                                                       : "(",
                               i + 1, i % CD_SQL_AUDIT_PARAMS == CD_SQL_AUDIT_PARAMS - 1 ? ")" : "");
        later->many = (struct cd_sql_statement){ later->many_text, MANY * CD_SQL_AUDIT_PARAMS, 0 };
}

struct cd_sql_audit_later *cd_sql_audit_later_new(void)
{
        struct cd_sql_audit_later *later = calloc(1, sizeof(*later));

        if (!later)
                return NULL;
        pthread_mutex_init(&later->lock, NULL);
        write_statement(later);
        return later;
}

void cd_sql_audit_later_free(struct cd_sql_audit_later *later)
{
        if (!later)
                return;
        pthread_mutex_destroy(&later->lock);
        free(later);
}

/* The event and its texts, as they may be stored, in one block. NULL where memory is out. */
static struct cd_audit_event *copy_event(const struct cd_audit_event *event)
{
        char memory[TEXTS][CD_AUDIT_TEXT_MAX];
        const cd_str texts[TEXTS] = {
                cd_audit_text(event->action, memory[0]),  cd_audit_text(event->actor, memory[1]),
                cd_audit_text(event->subject, memory[2]), cd_audit_text(event->address, memory[3]),
                cd_audit_text(event->detail, memory[4]),
        };
        struct cd_audit_event *copy;
        cd_str copies[TEXTS];
        size_t size = sizeof(*copy);

        for (size_t i = 0; i < TEXTS; i++)
                size += texts[i].len;
        copy = malloc(size);
        if (!copy)
                return NULL;
        char *to = (char *)(copy + 1);
        for (size_t i = 0; i < TEXTS; i++) {
                copies[i] = cd_str_of(to, texts[i].len);
                if (texts[i].len)
                        memcpy(to, texts[i].ptr, texts[i].len);
                to += texts[i].len;
        }
        *copy = (struct cd_audit_event){ .at = event->at,
                                         .action = copies[0],
                                         .actor = copies[1],
                                         .subject = copies[2],
                                         .address = copies[3],
                                         .detail = copies[4] };
        return copy;
}

/* From now on the batch stays as it is. */
static void close_batch(const struct batch *b)
{
        struct cd_sql_audit_later *later = b->later;

        pthread_mutex_lock(&later->lock);
        if (later->open == b)
                later->open = NULL;
        pthread_mutex_unlock(&later->lock);
}

static void end_batch(void *arg, cd_status status)
{
        struct batch *b = arg;

        (void)status;
        close_batch(b); /* it may never have run */
        for (size_t i = 0; i < b->count; i++)
                free(b->events[i]);
        free(b);
}

static cd_status insert_many(struct cd_sql_session *session, const struct batch *b, struct cd_error *reterr)
{
        struct cd_sql_value params[MANY * CD_SQL_AUDIT_PARAMS];

        for (size_t i = 0; i < MANY; i++)
                cd_sql_audit_params(b->events[i], params + i * CD_SQL_AUDIT_PARAMS);
        return cd_sql_execute(session, &b->later->many, params, NULL, reterr);
}

static cd_status batch_work(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct batch *b = arg;
        cd_status status = CD_OK;

        close_batch(b);
        if (b->count == MANY)
                return insert_many(session, b, reterr);
        for (size_t i = 0; i < b->count && status == CD_OK; i++)
                status = cd_sql_audit_add(session, b->events[i], reterr);
        return status;
}

/* Under the lock. */
static cd_status begin_batch(struct cd_sql_store *store, struct cd_audit_event *event, struct cd_error *reterr)
{
        struct cd_sql_audit_later *later = store->audit_later;
        struct batch *b = malloc(sizeof(*b));

        if (!b)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an audit event");
        b->later = later;
        b->count = 1;
        b->events[0] = event;
        cd_status status = store->driver->write_later(store->driver, batch_work, b, end_batch, reterr);
        if (status == CD_OK)
                later->open = b;
        else
                free(b);
        return status;
}

cd_status cd_sql_audit_add_later(struct cd_store *port, const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct cd_sql_store *store = (struct cd_sql_store *)port;
        struct cd_sql_audit_later *later = store->audit_later;
        struct cd_audit_event *copy = copy_event(event);
        cd_status status = CD_OK;

        if (!copy)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an audit event");
        pthread_mutex_lock(&later->lock);
        if (later->open) {
                later->open->events[later->open->count++] = copy;
                if (later->open->count == MANY)
                        later->open = NULL;
        } else {
                status = begin_batch(store, copy, reterr);
        }
        pthread_mutex_unlock(&later->lock);
        if (status != CD_OK)
                free(copy);
        return status;
}
