#include "core/lockout.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/map.h"

enum {
        WAYS = 8,                      /* slots in which a key may be */
        KINDS = CD_LOCKOUT_DEVICE + 1, /* the last of them */
};

struct counter {
        uint64_t key; /* 0: unused */
        cd_time failed_at;
        cd_time right_at; /* the last right password here, or the last clearing; 0: none */
        uint32_t failures;
        uint32_t begun : 31;     /* attempts that have begun and not ended */
        uint32_t is_cleared : 1; /* right_at is the time of a clearing */
};

/* The counters of a kind, and the rules for them. */
struct table {
        struct counter *counters;
        size_t count;              /* a power of two */
        int64_t attempts, at_once; /* wrong ones before the first delay; how many may run at a time */
        cd_time delay, max_delay;
};

struct cd_lockout {
        uint64_t seed[2];
        pthread_mutex_t lock;
        pthread_cond_t ended; /* an attempt ended */
        /* 0, or a time after which no client must wait; written with the lock held */
        _Atomic cd_time clients_locked_until;
        struct table tables[KINDS];
};

static int64_t at_least(int64_t value, int64_t least)
{
        return value < least ? least : value;
}

/* Whether the subject is an address and nothing else. */
static bool is_address(enum cd_lockout_kind kind)
{
        return kind == CD_LOCKOUT_ADDRESS || kind == CD_LOCKOUT_TOKEN;
}

static bool make_tables(struct cd_lockout *lockout)
{
        static const size_t counts[KINDS] = {
                [CD_LOCKOUT_ACCOUNT] = CD_LOCKOUT_ACCOUNTS,  [CD_LOCKOUT_NAME] = CD_LOCKOUT_NAMES,
                [CD_LOCKOUT_ADDRESS] = CD_LOCKOUT_ADDRESSES, [CD_LOCKOUT_CLIENT] = CD_LOCKOUT_CLIENTS,
                [CD_LOCKOUT_TOKEN] = CD_LOCKOUT_TOKENS,      [CD_LOCKOUT_DEVICE] = CD_LOCKOUT_DEVICES,
        };

        for (size_t i = 0; i < KINDS; i++) {
                lockout->tables[i].counters = calloc(counts[i], sizeof(struct counter));
                lockout->tables[i].count = counts[i];
                if (!lockout->tables[i].counters)
                        return false;
        }
        return true;
}

void cd_lockout_set_rules(struct cd_lockout *lockout, const struct cd_lockout_rules *rules)
{
        struct table common = {
                .attempts = at_least(rules->account_attempts, 1),
                .at_once = INT64_MAX,
                .delay = at_least(rules->delay, 1),
        };
        /* A device's delay lasts as long as its cookie, so that no wrong attempt is forgotten. */
        const struct table device = { .attempts = CD_DEVICE_ATTEMPTS,
                                      .at_once = 1,
                                      .delay = CD_DEVICE_LIFETIME,
                                      .max_delay = CD_DEVICE_LIFETIME };

        common.max_delay = at_least(rules->max_delay, common.delay);
        pthread_mutex_lock(&lockout->lock);
        for (size_t i = 0; i < KINDS; i++) {
                struct table next = i == CD_LOCKOUT_DEVICE ? device : common;
                next.counters = lockout->tables[i].counters;
                next.count = lockout->tables[i].count;
                lockout->tables[i] = next;
        }
        lockout->tables[CD_LOCKOUT_ADDRESS].attempts = at_least(rules->address_attempts, 1);
        lockout->tables[CD_LOCKOUT_TOKEN].attempts = lockout->tables[CD_LOCKOUT_ADDRESS].attempts;
        pthread_mutex_unlock(&lockout->lock);
}

cd_status cd_lockout_new(const struct cd_lockout_rules *rules, const struct cd_random *random, struct cd_lockout **ret,
                         struct cd_error *reterr)
{
        struct cd_lockout *lockout = calloc(1, sizeof(*lockout));

        if (!lockout)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        pthread_mutex_init(&lockout->lock, NULL);
        pthread_cond_init(&lockout->ended, NULL);
        cd_lockout_set_rules(lockout, rules);
        if (random->fill(random, lockout->seed, sizeof(lockout->seed)) != CD_OK) {
                cd_lockout_free(lockout);
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        }
        if (!make_tables(lockout)) {
                cd_lockout_free(lockout);
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        }
        *ret = lockout;
        return CD_OK;
}

void cd_lockout_free(struct cd_lockout *lockout)
{
        if (!lockout)
                return;
        for (size_t i = 0; i < KINDS; i++)
                free(lockout->tables[i].counters);
        pthread_cond_destroy(&lockout->ended);
        pthread_mutex_destroy(&lockout->lock);
        free(lockout);
}

int64_t cd_lockout_forgets_every(struct cd_lockout *lockout)
{
        pthread_mutex_lock(&lockout->lock);
        int64_t every = lockout->tables[CD_LOCKOUT_ACCOUNT].max_delay;
        pthread_mutex_unlock(&lockout->lock);
        return every;
}

/* IPv6 counts by /64, because one client usually has all of its addresses. */
static cd_str address_key(cd_str text, struct cd_address *memory)
{
        if (!cd_address_parse(text, memory))
                return text;
        const char *bytes = (const char *)memory->bytes;
        return cd_address_is_ipv4(memory) ? cd_str_of(bytes + 12, 4) : cd_str_of(bytes, 8);
}

static uint64_t hash_of(const struct cd_lockout *lockout, const struct cd_lockout_subject *subject)
{
        bool has_address = is_address(subject->kind) || subject->kind == CD_LOCKOUT_CLIENT;
        struct cd_address memory;

        uint64_t key = cd_siphash(lockout->seed, has_address ? address_key(subject->key, &memory) : subject->key);
        if (subject->kind != CD_LOCKOUT_CLIENT)
                return key;
        const uint64_t both[2] = { key, cd_siphash(lockout->seed, subject->client) };
        return cd_siphash(lockout->seed, cd_str_of((const char *)both, sizeof(both)));
}

static uint64_t key_of(const struct cd_lockout *lockout, const struct cd_lockout_subject *subject)
{
        uint64_t key = hash_of(lockout, subject);
        return key ? key : 1;
}

/* Logins without a known address share no address counter, which would make all of them one client (LESSONS 34). Their
 * account is still counted; for client secrets, that is the client. */
static bool is_counted(const struct cd_lockout_subject *subject)
{
        return !is_address(subject->kind) || subject->key.len;
}

/* The eight slots in which the key may be. */
static struct counter *slots_of(struct cd_lockout *lockout, enum cd_lockout_kind kind, uint64_t key)
{
        size_t sets = lockout->tables[kind].count / WAYS;
        return &lockout->tables[kind].counters[(key >> 32) % sets * WAYS];
}

static struct counter *find_counter(struct cd_lockout *lockout, enum cd_lockout_kind kind, uint64_t key)
{
        struct counter *slots = slots_of(lockout, kind, key);

        for (size_t i = 0; i < WAYS; i++)
                if (slots[i].key == key)
                        return &slots[i];
        return NULL;
}

/* How many of `failures`, the last one at `failed_at`, are not yet forgotten. */
static int64_t remembered(int64_t failures, cd_time failed_at, cd_time max_delay, cd_time now)
{
        int64_t forgotten = now > failed_at ? (now - failed_at) / max_delay : 0;
        return failures > forgotten ? failures - forgotten : 0;
}

static int64_t remembered_of(const struct table *table, const struct counter *counter, cd_time now)
{
        return remembered(counter->failures, counter->failed_at, table->max_delay, now);
}

/* Seconds that an attempt must wait now, or 0. */
static int64_t seconds_left(const struct table *table, const struct counter *counter, cd_time now)
{
        if (counter->failures < table->attempts)
                return 0;
        int64_t delay = table->delay;
        for (int64_t i = table->attempts; i < counter->failures && delay < table->max_delay; i++)
                delay *= 2;
        if (delay > table->max_delay)
                delay = table->max_delay;
        int64_t left = counter->failed_at + delay - now;
        return left > delay ? delay : left < 0 ? 0 : left;
}

/* Whether the counter may not be replaced: attempts are running, or a client must wait. */
static bool is_kept(const struct cd_lockout *lockout, enum cd_lockout_kind kind, const struct counter *counter,
                    cd_time now)
{
        return counter->begun || (kind == CD_LOCKOUT_CLIENT && seconds_left(&lockout->tables[kind], counter, now) > 0);
}

/* The slot of the counter with the fewest failures, among these the oldest; NULL if all eight are kept. */
static struct counter *take_slot(struct cd_lockout *lockout, enum cd_lockout_kind kind, uint64_t key, cd_time now)
{
        struct counter *slots = slots_of(lockout, kind, key), *best = NULL;

        for (size_t i = 0; i < WAYS; i++) {
                struct counter *slot = &slots[i];
                if (is_kept(lockout, kind, slot, now))
                        continue;
                int64_t here = remembered_of(&lockout->tables[kind], slot, now);
                int64_t there = best ? remembered_of(&lockout->tables[kind], best, now) : INT64_MAX;
                if (here < there || (here == there && slot->failed_at < best->failed_at))
                        best = slot;
        }
        if (best)
                *best = (struct counter){ .key = key };
        return best;
}

/* Once for each clearing, so that the second of a new password does not allow more guesses than another. */
static void clear(struct counter *counter, const struct cd_lockout_subject *subject, cd_time now)
{
        if (subject->cleared_at > now || subject->cleared_at <= counter->right_at)
                return;
        counter->right_at = subject->cleared_at;
        counter->is_cleared = 1;
        if (counter->failed_at <= subject->cleared_at)
                counter->failures = 0;
}

/* Whether a right password or a clearing ended the failures up to `failed_at`, although the store does not know that
 * yet, because it records logins after their answers. Failures that the store has for the very second of a clearing
 * came after it, because the store itself makes clearings. */
static bool is_ended(const struct counter *counter, cd_time failed_at)
{
        return counter->is_cleared ? failed_at < counter->right_at : failed_at <= counter->right_at;
}

/* Another node may know of more failures than this one. A time further ahead than any delay is a fault, and is
 * ignored. */
static void merge(const struct table *table, struct counter *counter, const struct cd_lockout_subject *subject,
                  cd_time now)
{
        if (subject->failed_at > now + table->max_delay || is_ended(counter, subject->failed_at) ||
            remembered(subject->failures, subject->failed_at, table->max_delay, now) <=
                    remembered_of(table, counter, now))
                return;
        counter->failures = subject->failures < UINT32_MAX ? (uint32_t)subject->failures : UINT32_MAX;
        counter->failed_at = at_least(subject->failed_at, counter->failed_at);
}

/* Whether the attempt may proceed, must wait for others (*waits, which initially says whether it has waited), or is
 * refused. */
static cd_status judge(struct cd_lockout *lockout, const struct cd_lockout_subject *subject, cd_time now, bool *waits,
                       struct counter **ret)
{
        uint64_t key = key_of(lockout, subject);
        const struct table *table = &lockout->tables[subject->kind];
        struct counter *counter = find_counter(lockout, subject->kind, key);

        if (!counter)
                counter = take_slot(lockout, subject->kind, key, now);
        if (!counter) {
                *waits = true;
                return CD_OK;
        }
        if (*waits) /* the attempts that it waited for read the clock later */
                now = at_least(at_least(now, counter->failed_at), counter->right_at);
        if (counter->failed_at > now) /* the clock was set back */
                counter->failed_at = now;
        if (counter->right_at > now)
                counter->right_at = 0;
        clear(counter, subject, now);
        merge(table, counter, subject, now);
        *ret = counter;
        if (seconds_left(table, counter, now) > 0)
                return CD_THROTTLED;
        int64_t left = at_least(table->attempts - remembered_of(table, counter, now), 1);
        *waits = counter->begun >= (left < table->at_once ? left : table->at_once);
        if (!*waits)
                counter->begun++;
        return CD_OK;
}

static cd_status fail_throttled(enum cd_lockout_kind kind, int64_t seconds, struct cd_error *reterr)
{
        const char *what = kind == CD_LOCKOUT_CLIENT  ? "client secrets"
                           : kind == CD_LOCKOUT_TOKEN ? "personal tokens"
                                                      : "passwords";
        cd_status status = cd_failf(reterr, CD_THROTTLED, CD_STR(""),
                                    "too many wrong %s; the next one counts in %lld s", what, (long long)seconds);

        if (reterr)
                reterr->retry_after = seconds;
        return status;
}

cd_status cd_lockout_check(struct cd_lockout *lockout, const struct cd_lockout_subject *subject, cd_time now,
                           struct cd_error *reterr)
{
        int64_t left = 0;

        if (!is_counted(subject))
                return CD_OK;
        pthread_mutex_lock(&lockout->lock);
        const struct counter *counter = find_counter(lockout, subject->kind, key_of(lockout, subject));
        /* If the clock was set back, cd_lockout_begin corrects the counter. */
        if (counter && counter->failed_at <= now)
                left = seconds_left(&lockout->tables[subject->kind], counter, now);
        if (subject->kind == CD_LOCKOUT_CLIENT && now >= lockout->clients_locked_until)
                lockout->clients_locked_until = 0;
        pthread_mutex_unlock(&lockout->lock);
        return left > 0 ? fail_throttled(subject->kind, left, reterr) : CD_OK;
}

cd_status cd_lockout_begin(struct cd_lockout *lockout, const struct cd_lockout_subject *subject, cd_time now,
                           struct cd_error *reterr)
{
        struct counter *counter = NULL;
        int64_t left = 0;
        bool waits = false;

        if (!is_counted(subject))
                return CD_OK;
        pthread_mutex_lock(&lockout->lock);
        cd_status status = judge(lockout, subject, now, &waits, &counter);
        while (status == CD_OK && waits) {
                pthread_cond_wait(&lockout->ended, &lockout->lock);
                status = judge(lockout, subject, now, &waits, &counter);
        }
        if (status == CD_THROTTLED)
                left = seconds_left(&lockout->tables[subject->kind], counter, now);
        pthread_mutex_unlock(&lockout->lock);
        return status == CD_THROTTLED ? fail_throttled(subject->kind, left, reterr) : status;
}

/* Counts, and returns the seconds that the subject must now wait, or 0. */
static int64_t count_wrong(const struct table *table, struct counter *counter, cd_time now)
{
        int64_t failures = remembered_of(table, counter, now);

        counter->failures = failures < UINT32_MAX ? (uint32_t)failures + 1 : UINT32_MAX;
        counter->failed_at = at_least(now, counter->failed_at); /* a later attempt may have ended first */
        return seconds_left(table, counter, now);
}

bool cd_lockout_end(struct cd_lockout *lockout, const struct cd_lockout_subject *subject,
                    enum cd_lockout_outcome outcome, cd_time now)
{
        bool changes = false;

        if (!is_counted(subject))
                return false;
        pthread_mutex_lock(&lockout->lock);
        struct counter *counter = find_counter(lockout, subject->kind, key_of(lockout, subject));
        if (counter && counter->begun) {
                counter->begun--;
                if (outcome == CD_LOCKOUT_WRONG)
                        changes = count_wrong(&lockout->tables[subject->kind], counter, now) > 0;
                else if (outcome == CD_LOCKOUT_RIGHT && subject->kind == CD_LOCKOUT_ACCOUNT) {
                        changes = counter->failures > 0;
                        counter->failures = 0;
                        counter->right_at = now;
                        counter->is_cleared = 0;
                }
        }
        pthread_cond_broadcast(&lockout->ended);
        pthread_mutex_unlock(&lockout->lock);
        return changes;
}

bool cd_lockout_locks_clients(const struct cd_lockout *lockout)
{
        return atomic_load_explicit(&lockout->clients_locked_until, memory_order_relaxed) != 0;
}

/* As count_wrong. If another thread has made the client wait meanwhile, this secret was judged too late to count. */
static int64_t count_secret(const struct table *table, struct counter *counter, cd_time now)
{
        if (counter->failed_at > now) /* the clock was set back */
                counter->failed_at = now;
        if (seconds_left(table, counter, now) > 0)
                return 0;
        return count_wrong(table, counter, now);
}

bool cd_lockout_count(struct cd_lockout *lockout, const struct cd_lockout_subject *subject, cd_time now)
{
        uint64_t key = key_of(lockout, subject);
        int64_t left = 0;

        if (!is_counted(subject))
                return false;
        pthread_mutex_lock(&lockout->lock);
        struct counter *counter = find_counter(lockout, subject->kind, key);
        if (!counter)
                counter = take_slot(lockout, subject->kind, key, now);
        if (counter)
                left = count_secret(&lockout->tables[subject->kind], counter, now);
        if (subject->kind == CD_LOCKOUT_CLIENT && left > 0 && lockout->clients_locked_until < now + left)
                lockout->clients_locked_until = now + left;
        pthread_mutex_unlock(&lockout->lock);
        return left > 0;
}
