#include "app/store_watcher_keys.h"

#include <stdlib.h>

enum {
        ROWS_CEILING = 16 * 1024 * 1024, /* bytes of all rows */
        LOAD_ATTEMPTS = CD_ALG_COUNT,    /* one row for each missing alg, and a final check */
};

struct cd_store_watcher_keys {
        struct cd_store_watcher_keys_options options;
        struct cd_arena arena; /* for what rows point to */
        struct cd_key_records rows;
        struct cd_jwk **opened; /* the last snapshot's keys */
        size_t opened_count;
        cd_time next_change;                  /* of the last snapshot; 0: never */
        struct cd_jwk *signing[CD_ALG_COUNT]; /* of the last snapshot; references */
        unsigned needed;                      /* algs that sign here, as bits 1 << enum cd_alg */
};

struct cd_store_watcher_keys *cd_store_watcher_keys_new(const struct cd_store_watcher_keys_options *options)
{
        struct cd_store_watcher_keys *keys = calloc(1, sizeof(*keys));

        if (!keys)
                return NULL;
        keys->options = *options;
        cd_store_watcher_keys_need(keys, 0);
        cd_arena_init(&keys->arena, ROWS_CEILING);
        return keys;
}

void cd_store_watcher_keys_set(struct cd_store_watcher_keys *keys, const struct cd_store_watcher_keys_options *options)
{
        keys->options.alg = options->alg;
        keys->options.fixed = options->fixed;
        keys->options.has_basic_tokens = options->has_basic_tokens;
}

static void unref_all(struct cd_jwk **opened, size_t count)
{
        for (size_t i = 0; i < count; i++)
                cd_jwk_unref(opened[i]);
        free(opened);
}

void cd_store_watcher_keys_free(struct cd_store_watcher_keys *keys)
{
        if (!keys)
                return;
        unref_all(keys->opened, keys->opened_count);
        for (size_t i = 0; i < CD_ALG_COUNT; i++)
                cd_jwk_unref(keys->signing[i]);
        cd_arena_done(&keys->arena);
        free(keys);
}

void cd_store_watcher_keys_need(struct cd_store_watcher_keys *keys, unsigned algs)
{
        keys->needed = 1u << keys->options.alg | (keys->options.has_basic_tokens ? 1u << CD_ALG_RS256 : 0) | algs;
}

static bool is_needed(const struct cd_store_watcher_keys *keys, enum cd_alg alg)
{
        return alg != CD_ALG_NONE && keys->needed & 1u << alg;
}

static bool is_fixed(const struct cd_store_watcher_keys *keys, enum cd_alg alg)
{
        return keys->options.fixed && cd_jwk_alg(keys->options.fixed) == alg;
}

static bool has_open_key(const struct cd_store_watcher_keys *keys, cd_str alg)
{
        for (size_t i = 0; i < keys->rows.count; i++)
                if (cd_str_eq(keys->rows.items[i].alg, alg) && !keys->rows.items[i].verify_until)
                        return true;
        return false;
}

static bool lacks(const struct cd_store_watcher_keys *keys, enum cd_alg alg, cd_time now)
{
        cd_str name = cd_alg_name(alg);

        if (!is_needed(keys, alg) || is_fixed(keys, alg))
                return false;
        if (!cd_key_signing(&keys->rows, name, now))
                return true;
        return !cd_key_signing(&keys->rows, name, now + CD_TOKEN_LIFETIME_MAX) && !has_open_key(keys, name);
}

/* The first alg without a key, or CD_ALG_NONE. */
static enum cd_alg find_lack(const struct cd_store_watcher_keys *keys, cd_time now)
{
        enum cd_alg alg = CD_ALG_NONE + 1;

        while (alg <= CD_ALG_EDDSA && !lacks(keys, alg, now))
                alg++;
        return alg <= CD_ALG_EDDSA ? alg : CD_ALG_NONE;
}

bool cd_store_watcher_keys_lack(const struct cd_store_watcher_keys *keys, cd_time now)
{
        return find_lack(keys, now) != CD_ALG_NONE;
}

static cd_status read_rows(struct cd_store_watcher_keys *keys, struct cd_error *reterr)
{
        struct cd_key_records rows;
        struct cd_arena arena;

        cd_arena_init(&arena, ROWS_CEILING);
        cd_status status = keys->options.store->keys->list(keys->options.store, &arena, &rows, reterr);
        if (status != CD_OK) {
                cd_arena_done(&arena);
                return status;
        }
        cd_arena_done(&keys->arena);
        keys->arena = arena;
        keys->rows = rows;
        return CD_OK;
}

static void log_key(struct cd_log *log, const char *event_name, cd_str kid, cd_str alg)
{
        struct cd_log_event event;

        cd_log_begin(&event, log, CD_LOG_INFO, event_name);
        cd_log_str(&event, "kid", kid);
        cd_log_str(&event, "alg", alg);
        cd_log_end(&event);
}

/* If two nodes start at the same time, both create a key and one of them is kept. An open key that does not sign yet
 * does not help: then the keys are rotated at once. */
static cd_status make_missing(struct cd_store_watcher_keys *keys, enum cd_alg alg, cd_time now, struct cd_error *reterr)
{
        const struct cd_keyring ring = {
                .store = keys->options.store,
                .master = keys->options.master,
                .now = now,
                .actor = CD_STR("cardea"),
        };
        const struct cd_key_params params = { .alg = alg, .at_once = true };
        struct cd_key_record made;
        struct cd_arena arena;

        cd_arena_init(&arena, ROWS_CEILING);
        cd_status status = has_open_key(keys, cd_alg_name(alg))
                                   ? cd_keyring_rotate(&ring, &arena, &params, &made, reterr)
                                   : cd_keyring_generate(&ring, &arena, &params, &made, reterr);
        if (status == CD_OK)
                log_key(keys->options.log, "key_generated", made.kid, made.alg);
        cd_arena_done(&arena);
        return status == CD_EXISTS ? CD_OK : status;
}

cd_status cd_store_watcher_keys_load(struct cd_store_watcher_keys *keys, cd_time now, struct cd_error *reterr)
{
        for (size_t i = 0; i < LOAD_ATTEMPTS; i++) {
                cd_status status = read_rows(keys, reterr);
                enum cd_alg alg = status == CD_OK ? find_lack(keys, now) : CD_ALG_NONE;
                if (alg == CD_ALG_NONE)
                        return status;
                status = make_missing(keys, alg, now, reterr);
                if (status != CD_OK)
                        return status;
        }
        return read_rows(keys, reterr);
}

/* ---- the snapshot ---- */

struct builder {
        struct cd_store_watcher_keys *keys;
        cd_time now;
        struct cd_jwk **opened;
        size_t count;
        struct cd_jwk *signing[CD_ALG_COUNT];           /* borrowed from `opened` */
        const struct cd_key_record *rows[CD_ALG_COUNT]; /* of `signing` */
};

/* The key object of the last snapshot, or a new one. */
static cd_status open_key(const struct builder *b, const struct cd_key_record *row, bool signs, struct cd_jwk **ret,
                          struct cd_error *reterr)
{
        for (size_t i = 0; i < b->keys->opened_count; i++) {
                struct cd_jwk *jwk = b->keys->opened[i];
                if (cd_str_eq(cd_jwk_kid(jwk), row->kid) && cd_jwk_is_private(jwk) == signs) {
                        *ret = cd_jwk_ref(jwk);
                        return CD_OK;
                }
        }
        return signs ? cd_keyring_unseal(b->keys->options.master, row, ret, reterr)
                     : cd_keyring_read_public(row, ret, reterr);
}

static bool signs_now(const struct builder *b, const struct cd_key_record *row, enum cd_alg alg)
{
        return is_needed(b->keys, alg) && !is_fixed(b->keys, alg) &&
               cd_key_signing(&b->keys->rows, row->alg, b->now) == row;
}

static cd_status add_row(struct builder *b, const struct cd_key_record *row, struct cd_error *reterr)
{
        const struct cd_jwk *fixed = b->keys->options.fixed;
        enum cd_alg alg = cd_alg_from_name(row->alg);
        struct cd_jwk *jwk;

        if (!cd_key_is_published(row, b->now) || (fixed && cd_str_eq(cd_jwk_kid(fixed), row->kid)))
                return CD_OK;
        bool signs = signs_now(b, row, alg);
        cd_status status = open_key(b, row, signs, &jwk, reterr);
        if (status != CD_OK)
                return status;
        b->opened[b->count++] = jwk;
        if (signs) {
                b->signing[alg] = jwk;
                b->rows[alg] = row;
        }
        return CD_OK;
}

static cd_status build(struct builder *b, struct cd_error *reterr)
{
        struct cd_jwk *fixed = b->keys->options.fixed;

        b->opened = calloc(b->keys->rows.count + 1, sizeof(struct cd_jwk *));
        if (!b->opened)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the keys");
        if (fixed) {
                b->opened[b->count++] = cd_jwk_ref(fixed);
                b->signing[cd_jwk_alg(fixed)] = fixed;
        }
        for (size_t i = 0; i < b->keys->rows.count; i++) {
                cd_status status = add_row(b, &b->keys->rows.items[i], reterr);
                if (status != CD_OK)
                        return status;
        }
        for (enum cd_alg alg = CD_ALG_NONE + 1; alg <= CD_ALG_EDDSA; alg++)
                if (is_needed(b->keys, alg) && !b->signing[alg])
                        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "no key signs %.*s now",
                                        CD_STR_ARG(cd_alg_name(alg)));
        return CD_OK;
}

static bool has_kid(struct cd_jwk *const *opened, size_t count, cd_str kid)
{
        for (size_t i = 0; i < count; i++)
                if (cd_str_eq(cd_jwk_kid(opened[i]), kid))
                        return true;
        return false;
}

static void log_missing_in(struct cd_log *log, const char *event, struct cd_jwk *const *some, size_t some_count,
                           struct cd_jwk *const *others, size_t other_count)
{
        for (size_t i = 0; i < some_count; i++)
                if (!has_kid(others, other_count, cd_jwk_kid(some[i])))
                        log_key(log, event, cd_jwk_kid(some[i]), cd_alg_name(cd_jwk_alg(some[i])));
}

/* The first snapshot is the start, not a change. */
static void log_changes(const struct builder *b)
{
        const struct cd_store_watcher_keys *keys = b->keys;
        struct cd_log *log = keys->options.log;

        if (!keys->opened)
                return;
        log_missing_in(log, "key_published", b->opened, b->count, keys->opened, keys->opened_count);
        for (size_t i = 0; i < CD_ALG_COUNT; i++)
                if (b->signing[i] &&
                    (!keys->signing[i] || !cd_str_eq(cd_jwk_kid(b->signing[i]), cd_jwk_kid(keys->signing[i]))))
                        log_key(log, "key_signing", cd_jwk_kid(b->signing[i]), cd_alg_name(cd_jwk_alg(b->signing[i])));
        log_missing_in(log, "key_retired", keys->opened, keys->opened_count, b->opened, b->count);
}

static void note_times(const struct builder *b)
{
        struct cd_key_times *times = b->keys->options.times;

        for (size_t i = 0; times && i < CD_ALG_COUNT; i++) {
                atomic_store(&times->sign_from[i], b->rows[i] ? b->rows[i]->sign_from : 0);
                atomic_store(&times->verify_until[i], b->rows[i] ? b->rows[i]->verify_until : 0);
        }
}

cd_status cd_store_watcher_keys_snapshot(struct cd_store_watcher_keys *keys, cd_time now, struct cd_key_snapshot *ret,
                                         struct cd_error *reterr)
{
        struct builder b = { .keys = keys, .now = now };

        cd_status status = build(&b, reterr);
        if (status != CD_OK) {
                unref_all(b.opened, b.count);
                return status;
        }
        log_changes(&b);
        note_times(&b);
        unref_all(keys->opened, keys->opened_count);
        keys->opened = b.opened;
        keys->opened_count = b.count;
        for (size_t i = 0; i < CD_ALG_COUNT; i++) {
                cd_jwk_unref(keys->signing[i]);
                keys->signing[i] = b.signing[i] ? cd_jwk_ref(b.signing[i]) : NULL;
        }
        keys->next_change = cd_keys_next_change(&keys->rows, now);
        *ret = (struct cd_key_snapshot){
                .keys = keys->opened,
                .count = keys->opened_count,
                .signing = keys->signing,
        };
        return CD_OK;
}

bool cd_store_watcher_keys_change_due(const struct cd_store_watcher_keys *keys, cd_time now)
{
        return keys->next_change && now >= keys->next_change;
}
