#pragma once
/* The counted numbers, for metrics_write.c. */
#include "base/metrics.h"

/* The numbers of one key of a tally, written by one thread at a time and read by any. Never freed. */
struct cd_metric_series {
        struct cd_metric_series *next;
        const struct cd_tally *tally;
        uint64_t codes; /* the key's, as bytes: see cd_metric_code */
        cd_str text;    /* after the numbers */
        /* For each bucket and the one beyond the last bound: the events. Then, if there are bounds, the microseconds.
         * Then the sums. */
        _Atomic uint64_t numbers[];
};

static inline uint16_t cd_metric_code(uint64_t codes, size_t index)
{
        uint16_t all[CD_METRIC_CODES];

        memcpy(all, &codes, sizeof(all));
        return all[index];
}

static inline uint64_t cd_metric_codes(const uint16_t all[CD_METRIC_CODES])
{
        uint64_t codes;

        memcpy(&codes, all, sizeof(codes));
        return codes;
}

static inline size_t cd_tally_first_sum(const struct cd_tally *tally)
{
        return tally->bound_count + 1 + (tally->bound_count > 0);
}

/* Calls `see` for each series of the tally, of all threads; a key may occur once for each thread. */
void cd_metric_each(const struct cd_tally *tally, void (*see)(void *arg, const struct cd_metric_series *series),
                    void *arg);
/* The text of such a code. */
cd_str cd_metric_interned(uint16_t code);
