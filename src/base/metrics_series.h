#pragma once
/* The counted numbers, for metrics_write.c. */
#include "base/metrics.h"

/* The numbers of one key of a tally, written by one thread at a time and read by any. Never freed. */
struct cd_metric_series {
        struct cd_metric_series *next;
        const struct cd_tally *tally;
        uint64_t codes; /* the key's: see cd_metric_code */
        cd_str text;    /* after the events */
        _Atomic uint64_t us, sums[CD_METRIC_SUMS];
        _Atomic uint64_t events[]; /* in each bucket, and beyond the last bound */
};

static inline uint16_t cd_metric_code(uint64_t codes, size_t index)
{
        return (uint16_t)(codes >> 16 * index);
}

/* Calls `see` for each series of the tally, of all threads; a key may occur once for each thread. */
void cd_metric_each(const struct cd_tally *tally, void (*see)(void *arg, const struct cd_metric_series *series),
                    void *arg);
/* The text of such a code. */
cd_str cd_metric_interned(uint16_t code);
