#include "core/network_limit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/map.h"
#include "core/metrics.h"
#include "core/ports.h"

enum {
        WAYS = 8, /* slots in which a network may be */
        WORDS = CD_FAILED_BITS / 64,
        FULL = 1 << 20, /* the weight of an entry that has used all of something */
};

/* Debt is counted in parts of one use: a use is `period` of them, and each second pays `amount`. So no rounding is lost
 * when the bucket is read often. */
struct bucket {
        int64_t debt;
        cd_time at; /* when the debt was that */
};

struct entry {
        uint64_t key; /* 0: unused */
        struct bucket buckets[CD_NETWORK_USES];
        uint64_t failed[2][WORDS]; /* names of the present window, and of the one before */
        cd_time window_at;         /* when the present one began */
        cd_time slowed_until;
};

/* `amount` uses in `period` seconds. */
struct rate {
        int64_t amount, period;
};

struct cd_network_limit {
        pthread_mutex_t lock;
        struct rate rates[CD_NETWORK_USES];
        const struct cd_clock *clock;
        void (*slowed)(void *arg, cd_str network);
        void *arg;
        uint64_t seed[2];
        struct entry *entries;
};

/* ---- networks ---- */

/* False if the text is no address. */
static bool find_network(cd_str text, struct cd_network *ret)
{
        struct cd_address address;

        if (!cd_address_parse(text, &address))
                return false;
        *ret = (struct cd_network){ .base = address, .bits = cd_address_is_ipv4(&address) ? 96 + 24 : 64 };
        memset(ret->base.bytes + ret->bits / 8, 0, sizeof(ret->base.bytes) - ret->bits / 8);
        return true;
}

/* ---- buckets ---- */

/* What was used under rules that allowed more counts as all that is allowed now. */
static void pay(struct bucket *bucket, const struct rate *rate, cd_time now)
{
        int64_t all = rate->amount * rate->period;

        if (now > bucket->at) {
                int64_t seconds = now - bucket->at < rate->period ? now - bucket->at : rate->period;
                bucket->debt -= seconds * rate->amount;
        }
        if (bucket->debt < 0)
                bucket->debt = 0;
        if (bucket->debt > all)
                bucket->debt = all;
        bucket->at = now; /* also if the clock was set back */
}

/* Seconds until one more use fits; 0: it does now. */
static int64_t seconds_left(const struct bucket *bucket, const struct rate *rate)
{
        int64_t over = bucket->debt + rate->period - rate->amount * rate->period;

        return over > 0 ? (over + rate->amount - 1) / rate->amount : 0;
}

/* ---- failed names ---- */

static void age(struct entry *entry, cd_time now)
{
        cd_time since = now - entry->window_at;

        if (since >= 0 && since < CD_FAILED_WINDOW)
                return;
        if (since >= CD_FAILED_WINDOW && since < 2 * CD_FAILED_WINDOW)
                memcpy(entry->failed[1], entry->failed[0], sizeof(entry->failed[1]));
        else if (since >= 0)
                memset(entry->failed[1], 0, sizeof(entry->failed[1]));
        if (since >= 0) /* if the clock was set back, everything counts for one window more */
                memset(entry->failed[0], 0, sizeof(entry->failed[0]));
        entry->window_at = now;
}

static int bits_set(const struct entry *entry)
{
        int bits = 0;

        for (size_t i = 0; i < WORDS; i++)
                bits += __builtin_popcountll(entry->failed[0][i] | entry->failed[1][i]);
        return bits;
}

/* Further ahead it is not: then the clock was set back. */
static bool is_slowed(const struct entry *entry, cd_time now)
{
        return entry->slowed_until > now && entry->slowed_until <= now + CD_SLOWED_FOR;
}

/* ---- the table ---- */

/* How much the network has used of what it may, of the scarcest; more than FULL while it is slowed. */
static int64_t weight_of(const struct cd_network_limit *limit, struct entry *entry, cd_time now)
{
        int64_t weight = 0;

        if (!entry->key)
                return -1;
        age(entry, now);
        if (is_slowed(entry, now))
                return FULL + 1;
        for (size_t i = 0; i < CD_NETWORK_USES; i++) {
                const struct rate *rate = &limit->rates[i];
                pay(&entry->buckets[i], rate, now);
                int64_t used = entry->buckets[i].debt * FULL / (rate->amount * rate->period);
                weight = used > weight ? used : weight;
        }
        int64_t names = (int64_t)bits_set(entry) * FULL / CD_FAILED_BITS_MAX;
        return names > weight ? names : weight;
}

/* The network's entry. If it has none, it gets the slot of the network that has used the least; without `may_add` it
 * gets none, and NULL is returned. */
static struct entry *find_entry(struct cd_network_limit *limit, const struct cd_network *network, cd_time now,
                                bool may_add)
{
        uint64_t key = cd_siphash(limit->seed, cd_str_of((const char *)network->base.bytes, 16));
        struct entry *slots = &limit->entries[(key >> 32) % (CD_NETWORKS / WAYS) * WAYS], *best = NULL;
        int64_t least = INT64_MAX;

        key = key ? key : 1;
        for (size_t i = 0; i < WAYS; i++)
                if (slots[i].key == key)
                        return &slots[i];
        for (size_t i = 0; may_add && i < WAYS; i++) {
                int64_t weight = weight_of(limit, &slots[i], now);
                if (weight >= least)
                        continue;
                least = weight;
                best = &slots[i];
        }
        if (best)
                *best = (struct entry){ .key = key, .window_at = now };
        return best;
}

static void set_rules(struct cd_network_limit *limit, const struct cd_network_rules *rules)
{
        int64_t attempts = rules->attempts > 1 ? rules->attempts : 1;
        int64_t registrations = rules->registrations > 1 ? rules->registrations : 1;

        limit->rates[CD_NETWORK_ATTEMPT] = (struct rate){ attempts, 60 };
        limit->rates[CD_NETWORK_LOGIN] = (struct rate){ CD_SLOWED_LOGINS, 60 };
        limit->rates[CD_NETWORK_REGISTRATION] = (struct rate){ registrations, 3600 };
}

cd_status cd_network_limit_new(const struct cd_network_limit_options *options, struct cd_network_limit **ret,
                               struct cd_error *reterr)
{
        struct cd_network_limit *limit = calloc(1, sizeof(*limit));

        if (!limit)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the limits of networks");
        pthread_mutex_init(&limit->lock, NULL);
        limit->clock = options->clock;
        limit->slowed = options->slowed;
        limit->arg = options->arg;
        set_rules(limit, &options->rules);
        limit->entries = calloc(CD_NETWORKS, sizeof(*limit->entries));
        cd_status status =
                limit->entries ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for the limits of networks");
        if (status == CD_OK && options->random->fill(options->random, limit->seed, sizeof(limit->seed)) != CD_OK)
                status = cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        if (status != CD_OK) {
                cd_network_limit_free(limit);
                return status;
        }
        *ret = limit;
        return CD_OK;
}

void cd_network_limit_free(struct cd_network_limit *limit)
{
        if (!limit)
                return;
        pthread_mutex_destroy(&limit->lock);
        free(limit->entries);
        free(limit);
}

void cd_network_limit_set_rules(struct cd_network_limit *limit, const struct cd_network_rules *rules)
{
        pthread_mutex_lock(&limit->lock);
        set_rules(limit, rules);
        pthread_mutex_unlock(&limit->lock);
}

/* ---- using ---- */

/* Seconds to wait, or 0; then `amount` of the use is taken: 1, 0 or -1. */
static int64_t use_some(struct cd_network_limit *limit, enum cd_network_use use, const struct cd_network *network,
                        cd_time now, int64_t amount)
{
        const struct rate *rate = &limit->rates[use];
        int64_t left = 0;

        pthread_mutex_lock(&limit->lock);
        struct entry *entry = find_entry(limit, network, now, amount > 0 && use != CD_NETWORK_LOGIN);
        if (entry && (use != CD_NETWORK_LOGIN || is_slowed(entry, now))) {
                struct bucket *bucket = &entry->buckets[use];
                pay(bucket, rate, now);
                left = amount < 0 ? 0 : seconds_left(bucket, rate);
                if (left == 0)
                        bucket->debt += amount * rate->period;
                if (bucket->debt < 0)
                        bucket->debt = 0;
        }
        pthread_mutex_unlock(&limit->lock);
        return left;
}

static cd_status use_or_fail(struct cd_network_limit *limit, enum cd_network_use use, cd_str address, int64_t amount,
                             struct cd_error *reterr)
{
        static const char *const reasons[CD_NETWORK_USES] = {
                [CD_NETWORK_ATTEMPT] = "too many attempts from this network",
                [CD_NETWORK_LOGIN] = "too many users whose login failed in this network",
                [CD_NETWORK_REGISTRATION] = "too many new accounts from this network",
        };
        struct cd_network network;
        cd_time now;

        if (!limit || !find_network(address, &network))
                return CD_OK;
        cd_status status = cd_clock_read(limit->clock, &now, reterr);
        if (status != CD_OK)
                return status;
        int64_t left = use_some(limit, use, &network, now, amount);
        if (left == 0)
                return CD_OK;
        status = cd_failf(reterr, CD_THROTTLED, CD_STR("network"), "%s; the next one counts in %lld s", reasons[use],
                          (long long)left);
        if (reterr)
                reterr->retry_after = left;
        return status;
}

cd_status cd_network_limit_take(struct cd_network_limit *limit, enum cd_network_use use, cd_str address,
                                struct cd_error *reterr)
{
        return use_or_fail(limit, use, address, 1, reterr);
}

cd_status cd_network_limit_check(struct cd_network_limit *limit, enum cd_network_use use, cd_str address,
                                 struct cd_error *reterr)
{
        return use_or_fail(limit, use, address, 0, reterr);
}

void cd_network_limit_give_back(struct cd_network_limit *limit, enum cd_network_use use, cd_str address)
{
        (void)use_or_fail(limit, use, address, -1, NULL);
}

/* True if the network begins to be slowed. */
static bool count_name(struct cd_network_limit *limit, const struct cd_network *network, cd_str name, cd_time now)
{
        uint64_t bit = cd_siphash(limit->seed, name) % CD_FAILED_BITS;
        bool begins = false;

        pthread_mutex_lock(&limit->lock);
        struct entry *entry = find_entry(limit, network, now, true);
        age(entry, now);
        entry->failed[0][bit / 64] |= (uint64_t)1 << bit % 64;
        if (bits_set(entry) >= CD_FAILED_BITS_MAX) {
                begins = !is_slowed(entry, now);
                entry->slowed_until = now + CD_SLOWED_FOR;
        }
        pthread_mutex_unlock(&limit->lock);
        return begins;
}

void cd_network_limit_note_failed(struct cd_network_limit *limit, struct cd_store *store,
                                  const struct cd_failed_login *failed)
{
        char text[sizeof("network:") + CD_NETWORK_TEXT_MAX] = "network:";
        const size_t prefix = sizeof("network:") - 1;
        struct cd_network network;
        cd_time now;

        if (!limit || !find_network(failed->address, &network) || cd_clock_read(limit->clock, &now, NULL) != CD_OK ||
            !count_name(limit, &network, failed->name, now))
                return;
        size_t len = cd_network_format(&network, text + prefix);
        const struct cd_audit_event event = {
                .at = now,
                .action = CD_STR("network.slowed"),
                .actor = failed->by,
                .subject = cd_str_of(text, prefix + len),
                .address = failed->address,
                .detail = CD_STR("the logins of many users failed; for an hour, the network has 6 logins a minute"),
        };
        cd_count_lockout(CD_LOCKED_NETWORK);
        (void)store->audit->add_later(store, &event, NULL);
        if (limit->slowed)
                limit->slowed(limit->arg, cd_str_of(text + prefix, len));
}
