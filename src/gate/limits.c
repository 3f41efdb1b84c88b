#include "gate/limits.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/map.h"

enum {
        CHAINS = 1024,
        WAYS = 8, /* rates that share a bucket */
        MINUTE_US = 60 * 1000 * 1000,
};

/* Requests of a route, or web sockets of a user there. */
struct cd_gate_open {
        struct cd_gate_open *next;
        uint64_t key;
        size_t count;
};

/* GCRA: `due` is when all requests so far would be over if each took its share of the minute. */
struct rate {
        uint64_t key;
        int64_t due; /* 0: free */
};

struct cd_gate_limits {
        pthread_mutex_t lock;
        uint64_t seed[2];
        struct cd_gate_open *chains[CHAINS];
        struct rate *rates; /* NULL until one is needed */
};

struct cd_gate_limits *cd_gate_limits_new(void)
{
        struct cd_gate_limits *limits = calloc(1, sizeof(*limits));

        if (limits && getrandom(limits->seed, sizeof(limits->seed), 0) != (ssize_t)sizeof(limits->seed)) {
                free(limits);
                return NULL;
        }
        if (limits)
                pthread_mutex_init(&limits->lock, NULL);
        return limits;
}

void cd_gate_limits_free(struct cd_gate_limits *limits)
{
        if (!limits)
                return;
        for (size_t i = 0; i < CHAINS; i++)
                while (limits->chains[i]) {
                        struct cd_gate_open *open = limits->chains[i];
                        limits->chains[i] = open->next;
                        free(open);
                }
        free(limits->rates);
        pthread_mutex_destroy(&limits->lock);
        free(limits);
}

/* Two different pairs share a key once in 2^64. */
static uint64_t key_of(const struct cd_gate_limits *limits, cd_str route, cd_str subject)
{
        const uint64_t of_route[2] = { limits->seed[0], limits->seed[1] ^ cd_siphash(limits->seed, route) };

        return cd_siphash(of_route, subject);
}

/* ---- what is open ---- */

struct cd_gate_open *cd_gate_limits_open(struct cd_gate_limits *limits, cd_str route, cd_str user, size_t max)
{
        uint64_t key = key_of(limits, route, user);
        struct cd_gate_open **chain = &limits->chains[key % CHAINS], *open;

        pthread_mutex_lock(&limits->lock);
        for (open = *chain; open && open->key != key;)
                open = open->next;
        if (!open && max > 0 && (open = malloc(sizeof(*open)))) {
                *open = (struct cd_gate_open){ .next = *chain, .key = key };
                *chain = open;
        }
        bool has_room = open && open->count < max;
        if (has_room)
                open->count++;
        pthread_mutex_unlock(&limits->lock);
        return has_room ? open : NULL;
}

void cd_gate_limits_close(struct cd_gate_limits *limits, struct cd_gate_open *open)
{
        if (!open)
                return;
        pthread_mutex_lock(&limits->lock);
        if (--open->count == 0) {
                struct cd_gate_open **at = &limits->chains[open->key % CHAINS];
                while (*at != open)
                        at = &(*at)->next;
                *at = open->next;
                free(open);
        }
        pthread_mutex_unlock(&limits->lock);
}

/* ---- rates ---- */

/* The entry of that key, or the one of its bucket that was quiet for longest. */
static struct rate *find_rate(struct cd_gate_limits *limits, uint64_t key)
{
        struct rate *bucket = &limits->rates[key % (CD_GATE_RATES_MAX / WAYS) * WAYS], *oldest = bucket;

        for (size_t i = 0; i < WAYS; i++) {
                if (bucket[i].key == key)
                        return &bucket[i];
                if (bucket[i].due < oldest->due)
                        oldest = &bucket[i];
        }
        *oldest = (struct rate){ .key = key };
        return oldest;
}

static int64_t count(struct rate *rate, int64_t per_minute, int64_t now_us)
{
        int64_t share = MINUTE_US / per_minute, due = (rate->due > now_us ? rate->due : now_us) + share;
        /* A share is rounded down, so that `per_minute` of them are no more than a minute. */
        int64_t early = due - now_us - MINUTE_US;

        if (early > 0)
                return (early + 999999) / 1000000;
        rate->due = due;
        return 0;
}

int64_t cd_gate_limits_wait(struct cd_gate_limits *limits, cd_str route, const struct cd_address *address, int64_t rate,
                            int64_t now_us)
{
        size_t len = cd_address_is_ipv4(address) ? sizeof(address->bytes) : sizeof(address->bytes) / 2;
        uint64_t key = key_of(limits, route, cd_str_of((const char *)address->bytes, len));
        int64_t wait = 0;

        if (rate > MINUTE_US)
                rate = MINUTE_US;
        pthread_mutex_lock(&limits->lock);
        if (!limits->rates)
                limits->rates = calloc(CD_GATE_RATES_MAX, sizeof(*limits->rates));
        if (limits->rates)
                wait = count(find_rate(limits, key), rate, now_us);
        pthread_mutex_unlock(&limits->lock);
        return wait;
}
