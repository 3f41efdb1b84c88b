#include "app/store_watcher.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/store_watcher_clients.h"
#include "app/store_watcher_keys.h"
#include "core/expiry_clock.h"

enum {
        WAIT_MS = 500,        /* the longest time between two checks of the store */
        BACKOFF_MAX_MS = 900, /* the same while it is unavailable */
        PAUSE_MS = 10,        /* the shortest time between two checks, when a busy store changes all the time */
        PAGE = 1000,          /* revocations read at a time */
        EXPIRE_STEP = 500,    /* rows deleted at a time */
        EXPIRE_EVERY = 5,     /* seconds */
        /* The same while the store cannot be written, because revocations fail until it is tried again. */
        RETRY_AFTER = 1,
        SWEEP_STEPS = 4096,
        SWEEP_SESSIONS = 1 << 16, /* buckets of the cache of sessions, with each expiry */
        PAGE_CEILING = 4 * 1024 * 1024,
};

struct cd_store_watcher {
        pthread_mutex_t work; /* held during a step or a reload; guards everything that is not atomic */
        struct cd_store_watcher_options options;
        struct cd_issuer common;
        struct cd_store *store;
        struct cd_revoked *revoked;
        struct cd_store_state *state;
        struct cd_store_versions seen; /* the versions in the published snapshot */
        int64_t last_revocation;       /* the seq up to which all revocations are in the cache */
        int64_t last_ended;            /* the seq up to which the cache of sessions knows all that have ended */
        struct cd_store_watcher_keys *keys;
        struct cd_store_clients *stored;
        struct cd_watched_clients clients; /* the store's clients and the configuration's */
        bool is_dirty;                     /* what was loaded is not published yet */
        bool has_failed;                   /* publishing failed */
        int64_t unavailable_since;         /* cd_monotonic_us */
        int64_t next_expire;               /* uptime of the clock */
        bool is_pooled;                    /* is_pooled was logged */
        int64_t unwritable_since;          /* cd_monotonic_us; 0: it can be written */
        uint64_t lost_events;              /* number of lost events that were logged */
        struct cd_expiry_clock expiry;
        pthread_t thread;
        bool has_thread;
        atomic_bool stopping;
        pthread_mutex_t lock;
        pthread_cond_t stop;
};

/* ---- clients ---- */

static void use_clients(struct cd_store_watcher *f, const struct cd_watched_clients *clients)
{
        f->clients = *clients;
        cd_store_watcher_keys_need(f->keys, cd_watched_clients_algs(clients));
        f->is_dirty = true;
}

static cd_status load_clients(struct cd_store_watcher *f, struct cd_error *reterr)
{
        struct cd_store_clients *stored;
        struct cd_watched_clients set;

        cd_status status = cd_store_clients_read(f->options.revocations->store, &stored, reterr);
        if (status != CD_OK)
                return status;
        status = cd_watched_clients_merge(&f->options, &f->common, stored, &set, reterr);
        if (status != CD_OK) {
                cd_store_clients_free(stored);
                return status;
        }
        cd_watched_clients_done(&f->clients);
        cd_store_clients_free(f->stored);
        f->stored = stored;
        use_clients(f, &set);
        return CD_OK;
}

/* ---- revocations ---- */

static cd_status cache_revocations(struct cd_store_watcher *f, const struct cd_revocation_list *list)
{
        for (size_t i = 0; i < list->count; i++) {
                if (cd_revoked_add(f->revoked, &list->items[i]) != CD_OK)
                        return CD_NO_MEMORY;
                f->last_revocation = list->items[i].seq;
        }
        return CD_OK;
}

/* Until all revocations are in the cache, every token counts as revoked. */
static cd_status load_revocations(struct cd_store_watcher *f, struct cd_error *reterr)
{
        struct cd_store *store = f->store;
        struct cd_revocation_list list;
        struct cd_arena arena;
        cd_status status;

        cd_arena_init(&arena, PAGE_CEILING);
        do {
                cd_arena_reset(&arena);
                status = store->revocations->list(store, &arena, f->last_revocation, PAGE, &list, reterr);
                if (status == CD_OK && cache_revocations(f, &list) != CD_OK) {
                        cd_revoked_set_complete(f->revoked, false);
                        status = cd_fail(reterr, CD_NO_MEMORY, "no memory for the revocations");
                }
        } while (status == CD_OK && list.count == PAGE);
        cd_arena_done(&arena);
        if (status == CD_OK)
                cd_revoked_set_complete(f->revoked, true);
        return status;
}

/* ---- sessions ---- */

static cd_status drop_ended(struct cd_store_watcher *f, struct cd_error *reterr)
{
        struct cd_ended_sessions list;
        struct cd_arena arena;
        cd_status status;

        cd_arena_init(&arena, PAGE_CEILING);
        do {
                cd_arena_reset(&arena);
                status = f->store->sessions->list_ended(f->store, &arena, f->last_ended, PAGE, &list, reterr);
                for (size_t i = 0; status == CD_OK && i < list.count; i++) {
                        cd_session_cache_end(f->options.sessions, list.items[i].digest);
                        f->last_ended = list.items[i].seq;
                }
        } while (status == CD_OK && list.count >= PAGE);
        cd_arena_done(&arena);
        return status;
}

/* At the start, and with a restored store, nothing is known of the ends so far: the cache begins anew. */
static cd_status load_ended(struct cd_store_watcher *f, int64_t version, struct cd_error *reterr)
{
        if (f->seen.sessions >= 0)
                return drop_ended(f, reterr);
        cd_session_cache_clear(f->options.sessions);
        f->last_ended = version;
        return CD_OK;
}

/* ---- publishing ---- */

static cd_status show(struct cd_store_watcher *f, cd_time now, struct cd_error *reterr)
{
        struct cd_snapshot *snapshot;
        struct cd_key_snapshot key_snapshot;

        cd_status status = cd_store_watcher_keys_snapshot(f->keys, now, &key_snapshot, reterr);
        if (status != CD_OK)
                return status;
        const struct cd_snapshot_parts parts = {
                .common = &f->common,
                .revocations = f->options.revocations,
                .realm = f->options.realm,
                .clients = f->clients.specs,
                .client_count = f->clients.count,
                .mac_key = f->options.mac_key,
                .keys = key_snapshot.keys,
                .key_count = key_snapshot.count,
                .signing = key_snapshot.signing,
                .alg = f->options.alg,
        };
        status = cd_snapshot_new(&parts, &snapshot, reterr);
        if (status != CD_OK)
                return status;
        status = cd_shared_set(f->options.shared, snapshot);
        if (status != CD_OK) {
                cd_snapshot_free(snapshot);
                return cd_fail(reterr, status, "no memory for clients and keys");
        }
        f->is_dirty = false;
        return CD_OK;
}

/* A restored store assigns numbers again that were seen before: everything is read anew. What this process knows as
 * revoked stays revoked. */
static void note_restored(struct cd_store_watcher *f, const struct cd_store_versions *now_there)
{
        struct cd_log_event event;

        if (now_there->revocations >= f->seen.revocations && now_there->clients >= f->seen.clients &&
            now_there->keys >= f->seen.keys && now_there->sessions >= f->seen.sessions)
                return;
        cd_log_begin(&event, f->options.log, CD_LOG_WARN, "store_restored");
        cd_log_str(&event, "reason", CD_STR("the store is in an earlier state than before; all of it is read anew"));
        cd_log_end(&event);
        f->seen = (struct cd_store_versions){ -1, -1, -1, -1, -1, -1 };
        f->last_revocation = 0;
}

static cd_status load(struct cd_store_watcher *f, const struct cd_store_versions *now_there, cd_time now,
                      struct cd_error *reterr)
{
        cd_status status = CD_OK;

        if (f->options.mail_added && now_there->mails != f->seen.mails)
                f->options.mail_added(f->options.mail_arg);
        f->seen.mails = now_there->mails;
        if (f->options.sessions && now_there->sessions != f->seen.sessions)
                status = load_ended(f, now_there->sessions, reterr);
        if (status == CD_OK)
                f->seen.sessions = now_there->sessions;
        if (status == CD_OK && now_there->revocations != f->seen.revocations) {
                status = load_revocations(f, reterr);
                if (status == CD_OK)
                        f->seen.revocations = now_there->revocations;
        }
        if (status == CD_OK && now_there->clients != f->seen.clients) {
                status = load_clients(f, reterr);
                if (status == CD_OK)
                        f->seen.clients = now_there->clients;
        }
        if (status == CD_OK && (now_there->keys != f->seen.keys || cd_store_watcher_keys_lack(f->keys, now))) {
                status = cd_store_watcher_keys_load(f->keys, now, reterr);
                if (status == CD_OK) {
                        f->seen.keys = now_there->keys;
                        f->is_dirty = true;
                }
        }
        return status;
}

/* Asks the smallest possible question, so that no answer means that the store hangs, and not that there is much to
 * read. */
static cd_status ask_versions(struct cd_store_watcher *f, struct cd_store_versions *ret, struct cd_error *reterr)
{
        atomic_store(&f->state->asked_at, cd_monotonic_us());
        cd_status status = f->store->versions(f->store, ret, reterr);
        /* Otherwise cleared once the store is reported as unavailable, so that there is no gap. */
        if (status == CD_OK)
                atomic_store(&f->state->asked_at, 0);
        return status;
}

static cd_status look(struct cd_store_watcher *f, cd_time *ret_now, struct cd_error *reterr)
{
        int64_t uptime =
                f->common.clock->uptime(f->common.clock); /* before the question: what it answers is no newer */
        struct cd_store_versions versions;

        cd_status status = cd_clock_read(f->common.clock, ret_now, reterr);
        if (status == CD_OK)
                status = ask_versions(f, &versions, reterr);
        if (status != CD_OK)
                return status;
        note_restored(f, &versions);
        status = load(f, &versions, *ret_now, reterr);
        if (status == CD_OK && f->options.sessions)
                cd_session_cache_fed(f->options.sessions, uptime);
        return status;
}

/* ---- the thread ---- */

static void note_unavailable(struct cd_store_watcher *f, const struct cd_error *err)
{
        atomic_store(&f->state->fault, err->summary);
        if (atomic_exchange(&f->state->is_unavailable, true))
                return;
        f->unavailable_since = cd_monotonic_us();
        cd_log_error_event(f->options.log, CD_LOG_ERROR, "store_unavailable", err);
}

static void note_recovered(struct cd_store_watcher *f)
{
        struct cd_log_event event;

        if (!atomic_exchange(&f->state->is_unavailable, false))
                return;
        f->next_expire = 0; /* find out at once whether it can be written */
        cd_log_begin(&event, f->options.log, CD_LOG_INFO, "store_recovered");
        cd_log_int(&event, "unavailable_ms", (cd_monotonic_us() - f->unavailable_since) / 1000);
        cd_log_end(&event);
}

/* Logged once, however often it is tried again. */
static void note_shown(struct cd_store_watcher *f, cd_status status, const struct cd_error *err)
{
        if (status != CD_OK && !f->has_failed)
                cd_log_error_event(f->options.log, CD_LOG_ERROR, "update_failed", err);
        f->has_failed = status != CD_OK;
}

static void note_unwritable(struct cd_store_watcher *f, const struct cd_error *err)
{
        atomic_store(&f->state->fault, err->summary ? err->summary : "the store cannot be written");
        if (f->unwritable_since)
                return;
        f->unwritable_since = cd_monotonic_us();
        cd_log_error_event(f->options.log, CD_LOG_ERROR, "store_not_writable", err);
}

static void note_writable(struct cd_store_watcher *f, const struct cd_audit_flush *flush)
{
        struct cd_log_event event;

        atomic_store(&f->state->fault, NULL);
        if (!f->unwritable_since)
                return;
        cd_log_begin(&event, f->options.log, CD_LOG_INFO, "store_writable");
        cd_log_int(&event, "unwritable_ms", (cd_monotonic_us() - f->unwritable_since) / 1000);
        cd_log_int(&event, "events_delayed", (int64_t)flush->written);
        cd_log_end(&event);
        f->unwritable_since = 0;
}

/* Every lost event is reported (LESSONS 35). */
static void note_lost(struct cd_store_watcher *f, uint64_t lost)
{
        struct cd_log_event event;

        if (lost == f->lost_events)
                return;
        cd_log_begin(&event, f->options.log, CD_LOG_WARN, "audit_events_lost");
        cd_log_int(&event, "events", (int64_t)(lost - f->lost_events));
        cd_log_end(&event);
        f->lost_events = lost;
}

static cd_time expiry_now(struct cd_store_watcher *f, cd_time now)
{
        bool had_doubts = cd_expiry_clock_doubts(&f->expiry);
        cd_time expiry_now = cd_expiry_clock_now(&f->expiry, f->common.clock, now);
        struct cd_log_event event;

        if (!had_doubts && cd_expiry_clock_doubts(&f->expiry)) {
                cd_log_begin(&event, f->options.log, CD_LOG_WARN, "clock_jumped");
                cd_log_int(&event, "ahead_s", now - expiry_now);
                cd_log_end(&event);
        }
        return expiry_now;
}

/* See LESSONS 42. */
static void note_pooler(struct cd_store_watcher *f)
{
        struct cd_log_event event;

        if (f->is_pooled || !f->store->is_pooled(f->store))
                return;
        f->is_pooled = true;
        cd_log_begin(&event, f->options.log, CD_LOG_WARN, "pooler_detected");
        cd_log_str(
                &event, "reason",
                CD_STR("a pooler gives each transaction another connection to the database; statements are no longer "
                       "prepared, and changes by other nodes are seen twice a second"));
        cd_log_str(&event, "fix", CD_STR("none is needed; pool_mode = session or a direct connection is faster"));
        cd_log_end(&event);
}

/* Small steps, repeated as long as there is more to delete. */
static void expire(struct cd_store_watcher *f, cd_time now)
{
        struct cd_audit_flush flush;
        const struct cd_store_expiry what = { .now = now,
                                              .audit_before = now - f->options.audit_keep,
                                              .limit = EXPIRE_STEP };
        struct cd_error err = { 0 };
        size_t deleted = 0;

        cd_revoked_sweep(f->revoked, now, SWEEP_STEPS);
        int64_t uptime = f->common.clock->uptime(f->common.clock);
        if (uptime < f->next_expire)
                return;
        if (f->options.sessions)
                cd_session_cache_sweep(f->options.sessions, now, SWEEP_SESSIONS);
        cd_status status = f->store->expire(f->store, &what, &deleted, &err);
        if (status == CD_OK)
                status = f->store->audit->flush(f->store, &flush, &err);
        if (status == CD_OK) {
                note_writable(f, &flush);
                note_lost(f, flush.lost);
        } else {
                note_unwritable(f, &err);
        }
        bool has_more = status == CD_OK && deleted >= EXPIRE_STEP;
        f->next_expire = has_more ? 0 : uptime + (status == CD_OK ? EXPIRE_EVERY : RETRY_AFTER);
}

bool cd_store_watcher_step(struct cd_store_watcher *f)
{
        struct cd_error err = { 0 };
        cd_time now = -1;

        pthread_mutex_lock(&f->work);
        bool is_there = look(f, &now, &err) == CD_OK;
        if (is_there)
                note_recovered(f);
        else
                note_unavailable(f, &err);
        atomic_store(&f->state->asked_at, 0);
        note_pooler(f);
        if (now >= 0 && (f->is_dirty || cd_store_watcher_keys_change_due(f->keys, now)))
                note_shown(f, show(f, now, &err), &err);
        if (is_there)
                expire(f, expiry_now(f, now));
        pthread_mutex_unlock(&f->work);
        return is_there;
}

/* Waits, at most until the thread must end. A store that is unavailable may return from its wait at once. */
static void pause_for(struct cd_store_watcher *f, int64_t ms)
{
        int64_t until = cd_monotonic_us() + ms * 1000;
        struct timespec at = { .tv_sec = until / 1000000, .tv_nsec = until % 1000000 * 1000 };

        pthread_mutex_lock(&f->lock);
        while (!atomic_load(&f->stopping) && pthread_cond_timedwait(&f->stop, &f->lock, &at) == 0)
                continue;
        pthread_mutex_unlock(&f->lock);
}

static void *follow(void *arg)
{
        struct cd_store_watcher *f = arg;
        int64_t backoff = 100;

        while (!atomic_load(&f->stopping)) {
                if (cd_store_watcher_step(f)) {
                        backoff = 100;
                        f->store->wait(f->store, WAIT_MS);
                        pause_for(f, PAUSE_MS);
                } else {
                        pause_for(f, backoff);
                        backoff = backoff * 2 < BACKOFF_MAX_MS ? backoff * 2 : BACKOFF_MAX_MS;
                }
        }
        return NULL;
}

static struct cd_store_watcher_keys_options key_options(const struct cd_store_watcher *f)
{
        return (struct cd_store_watcher_keys_options){
                .store = f->store,
                .master = f->options.master,
                .alg = f->options.alg,
                .has_basic_tokens = f->common.basic_tokens.audience.len > 0,
                .fixed = f->options.fixed,
                .log = f->options.log,
                .times = f->options.key_times,
        };
}

static cd_status set_up(struct cd_store_watcher *f, struct cd_error *reterr)
{
        const struct cd_store_watcher_keys_options keys = key_options(f);
        cd_time now;

        f->seen = (struct cd_store_versions){ -1, -1, -1, -1, -1, -1 };
        f->keys = cd_store_watcher_keys_new(&keys);
        if (!f->keys)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the keys");
        cd_status status = look(f, &now, reterr);
        if (status == CD_OK)
                status = show(f, now, reterr);
        if (status == CD_OK)
                /* Now, so that readiness is right from the first request on, and later times can be compared with this
                 * one. */
                expire(f, expiry_now(f, now));
        return status;
}

cd_status cd_store_watcher_new(const struct cd_store_watcher_options *options, struct cd_store_watcher **ret,
                               struct cd_error *reterr)
{
        struct cd_store_watcher *f = calloc(1, sizeof(*f));
        pthread_condattr_t attr;

        if (!f)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to follow the store");
        f->options = *options;
        f->common = *options->common;
        f->store = options->revocations->store;
        f->revoked = options->revocations->revoked;
        f->state = options->store_state;
        pthread_mutex_init(&f->work, NULL);
        pthread_mutex_init(&f->lock, NULL);
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&f->stop, &attr);
        pthread_condattr_destroy(&attr);
        cd_status status = set_up(f, reterr);
        if (status != CD_OK) {
                cd_store_watcher_free(f);
                return status;
        }
        *ret = f;
        return CD_OK;
}

cd_status cd_store_watcher_start(struct cd_store_watcher *f, struct cd_error *reterr)
{
        if (pthread_create(&f->thread, NULL, follow, f) != 0)
                return cd_fail(reterr, CD_UNAVAILABLE, "the thread that follows the store does not start");
        f->has_thread = true;
        return CD_OK;
}

/* ---- a reload ---- */

static void use_settings(struct cd_store_watcher *f, const struct cd_store_watcher_options *options,
                         const struct cd_issuer *from)
{
        f->options = *options;
        f->options.common = NULL; /* copied */
        f->common.url = from->url;
        f->common.token_lifetime = from->token_lifetime;
        f->common.scopes = from->scopes;
        f->common.basic_tokens = from->basic_tokens;
        f->common.accounts = from->accounts;
        const struct cd_store_watcher_keys_options keys = key_options(f);
        cd_store_watcher_keys_set(f->keys, &keys);
}

/* Publishes a snapshot with the store watcher's current clients and settings. */
static cd_status show_now(struct cd_store_watcher *f, struct cd_error *reterr)
{
        cd_time now;

        cd_status status = cd_clock_read(f->common.clock, &now, reterr);
        if (status == CD_OK && cd_store_watcher_keys_lack(f->keys, now))
                status = cd_store_watcher_keys_load(f->keys, now, reterr);
        return status == CD_OK ? show(f, now, reterr) : status;
}

static cd_status reload(struct cd_store_watcher *f, const struct cd_store_watcher_options *options,
                        struct cd_error *reterr)
{
        const struct cd_store_watcher_options options_before = f->options;
        const struct cd_issuer common_before = f->common;
        struct cd_watched_clients clients_before = f->clients, set = { 0 };

        use_settings(f, options, options->common);
        cd_status status = cd_watched_clients_merge(&f->options, &f->common, f->stored, &set, reterr);
        if (status == CD_OK) {
                use_clients(f, &set);
                status = show_now(f, reterr);
        }
        if (status == CD_OK) {
                cd_watched_clients_done(&clients_before);
                return CD_OK;
        }
        cd_watched_clients_done(&set);
        use_settings(f, &options_before, &common_before);
        use_clients(f, &clients_before);
        return status;
}

cd_status cd_store_watcher_reload(struct cd_store_watcher *f, const struct cd_store_watcher_options *options,
                                  struct cd_error *reterr)
{
        pthread_mutex_lock(&f->work);
        cd_status status = reload(f, options, reterr);
        pthread_mutex_unlock(&f->work);
        return status;
}

/* Logins have ended. */
static void flush_events(struct cd_store_watcher *f)
{
        struct cd_audit_flush flush;

        /* A second time, for events that were added while the first ones were written. */
        for (int i = 0; i < 2; i++)
                if (f->store->audit->flush(f->store, &flush, NULL) != CD_OK || !flush.waiting)
                        break;
        note_lost(f, flush.lost + flush.waiting);
}

void cd_store_watcher_free(struct cd_store_watcher *f)
{
        if (!f)
                return;
        pthread_mutex_lock(&f->lock);
        atomic_store(&f->stopping, true);
        pthread_cond_signal(&f->stop);
        pthread_mutex_unlock(&f->lock);
        if (f->has_thread) {
                f->store->wake(f->store);
                pthread_join(f->thread, NULL);
                flush_events(f);
        }
        cd_store_watcher_keys_free(f->keys);
        cd_watched_clients_done(&f->clients);
        cd_store_clients_free(f->stored);
        pthread_cond_destroy(&f->stop);
        pthread_mutex_destroy(&f->lock);
        pthread_mutex_destroy(&f->work);
        free(f);
}
