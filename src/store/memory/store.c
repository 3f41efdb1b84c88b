#include "store/memory/store.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/blocking.h"
#include "core/audit.h"
#include "store/memory/memory.h"

struct setting {
        cd_str name, value;
};

static const struct cd_row_kind setting_kind = {
        .size = sizeof(struct setting),
        .strings = { offsetof(struct setting, name), offsetof(struct setting, value) },
        .string_count = 2,
};

struct memory_store *memory_lock(struct cd_store *store)
{
        struct memory_store *m = (struct memory_store *)store;

        cd_may_block("the store in memory");
        pthread_mutex_lock(&m->lock);
        return m;
}

void memory_unlock(struct memory_store **m)
{
        pthread_mutex_unlock(&(*m)->lock);
}

static void tell(struct memory_store *m)
{
        m->something_changed = true;
        pthread_cond_broadcast(&m->changed);
}

void memory_changed(struct memory_store *m, int64_t *version)
{
        ++*version;
        tell(m);
}

void memory_with_done(struct memory_with *with)
{
        cd_row_free(&cd_memory_event_kind, with->event);
        cd_row_free(&cd_memory_revocation_kind, with->cut);
}

cd_status memory_prepare(struct memory_store *m, const struct cd_audit_event *event, const struct cd_revocation *cut,
                         struct memory_with *ret, struct cd_error *reterr)
{
        char memory[5][CD_AUDIT_TEXT_MAX];
        cd_status status = CD_OK;

        if (event) {
                struct cd_audit_event clean = {
                        .at = event->at,
                        .action = cd_audit_text(event->action, memory[0]),
                        .actor = cd_audit_text(event->actor, memory[1]),
                        .subject = cd_audit_text(event->subject, memory[2]),
                        .address = cd_audit_text(event->address, memory[3]),
                        .detail = cd_audit_text(event->detail, memory[4]),
                };
                status = cd_row_new(&cd_memory_event_kind, &clean, (void **)&ret->event, reterr);
                if (status == CD_OK)
                        status = cd_rows_reserve(&m->audit, 1, reterr);
        }
        if (status == CD_OK && cut) {
                status = cd_row_new(&cd_memory_revocation_kind, cut, (void **)&ret->cut, reterr);
                if (status == CD_OK)
                        status = cd_rows_reserve(&m->revocations, 1, reterr);
        }
        return status;
}

void memory_commit(struct memory_store *m, struct memory_with *with)
{
        if (with->event) {
                with->event->id = ++m->last_event;
                cd_rows_insert(&m->audit, m->audit.count, with->event);
        }
        if (with->cut)
                memory_add_revocation(m, with->cut);
        *with = (struct memory_with){ 0 };
}

static cd_status versions(struct cd_store *store, struct cd_store_versions *ret, struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);

        (void)reterr;
        *ret = m->versions;
        return CD_OK;
}

static void wait_for_change(struct cd_store *store, int64_t timeout_ms)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        struct timespec until;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += timeout_ms / 1000;
        until.tv_nsec += timeout_ms % 1000 * 1000000;
        if (until.tv_nsec >= 1000000000) {
                until.tv_sec++;
                until.tv_nsec -= 1000000000;
        }
        while (!m->something_changed)
                if (pthread_cond_timedwait(&m->changed, &m->lock, &until) == ETIMEDOUT)
                        break;
        m->something_changed = false;
}

/* Any thread may call it: the lock is held by others for moments only, and never while they wait. */
static void wake(struct cd_store *store)
{
        struct memory_store *m = (struct memory_store *)store;

        pthread_mutex_lock(&m->lock);
        tell(m);
        pthread_mutex_unlock(&m->lock);
}

static cd_status settle(struct cd_store *store, struct cd_arena *arena, cd_str name, cd_str value, cd_str *ret,
                        struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        struct setting given = { name, value };
        size_t at;
        struct setting *setting = cd_rows_find(&m->settled, name, &at);
        bool is_new = !setting;
        cd_status status = CD_OK;

        if (is_new)
                status = cd_row_new(&setting_kind, &given, (void **)&setting, reterr);
        if (status == CD_OK)
                status = cd_rows_reserve(&m->settled, 1, reterr);
        cd_str copy = status == CD_OK ? cd_arena_copy(arena, setting->value) : (cd_str){ 0 };
        if (status == CD_OK && !copy.ptr)
                status = cd_fail(reterr, CD_NO_MEMORY, "no memory for a settled value");
        if (status != CD_OK) {
                if (is_new)
                        cd_row_free(&setting_kind, setting);
                return status;
        }
        if (is_new)
                cd_rows_insert(&m->settled, at, setting);
        *ret = copy;
        return CD_OK;
}

static bool is_over_revocation(const void *row, const struct cd_store_expiry *expiry)
{
        return ((const struct cd_revocation *)row)->expires_at <= expiry->now;
}

static bool is_over_session(const void *row, const struct cd_store_expiry *expiry)
{
        return ((const struct cd_session *)row)->expires_at <= expiry->now;
}

static bool is_over_key(const void *row, const struct cd_store_expiry *expiry)
{
        const struct cd_key_record *key = row;
        return key->verify_until && key->verify_until <= expiry->now - CD_KEY_RECORD_STAYS;
}

static bool is_over_event(const void *row, const struct cd_store_expiry *expiry)
{
        return ((const struct cd_audit_event *)row)->at < expiry->audit_before;
}

/* Deletes at most `limit` rows that are over; how many. */
static size_t sweep(struct memory_store *m, struct cd_rows *rows, size_t limit, const struct cd_store_expiry *expiry,
                    bool (*is_over)(const void *row, const struct cd_store_expiry *expiry))
{
        size_t kept = 0, deleted = 0;

        for (size_t i = 0; i < rows->count; i++) {
                void *row = rows->items[i];
                if (deleted == limit || !is_over(row, expiry)) {
                        rows->items[kept++] = row;
                        continue;
                }
                if (rows == &m->revocations && ((struct cd_revocation *)row)->jti.len)
                        cd_map_remove(m->by_jti, ((struct cd_revocation *)row)->jti);
                cd_row_free(rows->kind, row);
                deleted++;
        }
        rows->count = kept;
        return deleted;
}

static cd_status expire(struct cd_store *store, const struct cd_store_expiry *expiry, size_t *ret_deleted,
                        struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        size_t limit = expiry->limit;

        (void)reterr;
        size_t deleted = sweep(m, &m->revocations, limit, expiry, is_over_revocation);
        deleted += sweep(m, &m->sessions, limit - deleted, expiry, is_over_session);
        size_t keys = sweep(m, &m->keys, limit - deleted, expiry, is_over_key);
        deleted += keys;
        deleted += sweep(m, &m->audit, limit - deleted, expiry, is_over_event);
        if (keys)
                memory_changed(m, &m->versions.keys);
        *ret_deleted = deleted;
        return CD_OK;
}

static cd_status try_write(struct cd_store *store, struct cd_error *reterr)
{
        (void)store, (void)reterr;
        return CD_OK;
}

static bool is_pooled(struct cd_store *store)
{
        (void)store;
        return false;
}

static void store_free(struct cd_store *store)
{
        struct memory_store *m = (struct memory_store *)store;
        struct cd_rows *all[] = { &m->users,    &m->clients, &m->keys,   &m->revocations,
                                  &m->sessions, &m->audit,   &m->settled };

        for (size_t i = 0; i < CD_LEN(all); i++)
                cd_rows_done(all[i]);
        cd_map_free(m->by_jti);
        pthread_cond_destroy(&m->changed);
        pthread_mutex_destroy(&m->lock);
        free(m);
}

static const struct cd_store memory_port = {
        .users = &cd_memory_user_ops,
        .clients = &cd_memory_client_ops,
        .keys = &cd_memory_key_ops,
        .revocations = &cd_memory_revocation_ops,
        .sessions = &cd_memory_session_ops,
        .audit = &cd_memory_audit_ops,
        .versions = versions,
        .wait = wait_for_change,
        .wake = wake,
        .settle = settle,
        .expire = expire,
        .try_write = try_write,
        .is_pooled = is_pooled,
        .free = store_free,
};

struct cd_store *cd_memory_store_new(void)
{
        struct memory_store *m = calloc(1, sizeof(*m));
        pthread_condattr_t monotonic;

        if (!m)
                return NULL;
        m->by_jti = cd_map_new();
        if (!m->by_jti) {
                free(m);
                return NULL;
        }
        m->port = memory_port;
        m->versions = (struct cd_store_versions){ 1, 1, 1 };
        m->users.kind = &cd_memory_user_kind;
        m->clients.kind = &cd_memory_client_kind;
        m->keys.kind = &cd_memory_key_kind;
        m->revocations.kind = &cd_memory_revocation_kind;
        m->sessions.kind = &cd_memory_session_kind;
        m->audit.kind = &cd_memory_event_kind;
        m->settled.kind = &setting_kind;
        pthread_mutex_init(&m->lock, NULL);
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&m->changed, &monotonic);
        pthread_condattr_destroy(&monotonic);
        return &m->port;
}
