#pragma once
/* What the program counts while it runs. Each thread counts in memory of its own, without a lock and without a cache
 * line that another thread writes; a reader adds the threads up. A *tally* says what one kind of event is counted
 * by; a *metric* is what is published of it: several metrics may show one tally, each with some of its labels. Values
 * that exist already (a queue's length) are not counted but read, by a metric's `read`. Until cd_metrics_enable, an
 * event costs a load and a branch, and no memory.
 *
 *      static const char *const outcomes[] = { "issued", "refused" };
 *      static const struct cd_metric_label labels[] = { { "outcome", outcomes, CD_LEN(outcomes) } };
 *      const struct cd_tally tokens = { .codes = labels, .code_count = 1 };
 *      …
 *      cd_count(&tokens, (struct cd_metric_key){ .codes = { REFUSED } });
 */
#include <stdatomic.h>

#include "base/buf.h"

enum {
        CD_METRIC_CODES = 4,       /* labels of a tally whose values are numbers */
        CD_METRIC_SUMS = 2,        /* further sums of a tally */
        CD_METRIC_BOUNDS_MAX = 20, /* of a histogram */
        CD_METRIC_LABELS_MAX = 5,  /* of a sample */
        /* Series that a thread keeps at most, which is about 0.5 MB. Beyond it, a text counts as "other". */
        CD_METRIC_SERIES_MAX = 4096,
        CD_METRIC_TEXTS_MAX = 256,    /* of cd_metric_intern */
        CD_METRIC_TEXT_LEN_MAX = 128, /* bytes of a text that are kept */
};

struct cd_metric_label {
        const char *name;
        const char *const *values; /* by code; NULL: the value is the number itself, or an interned text */
        size_t count;
        bool is_interned; /* the codes are those of cd_metric_intern */
};

/* What one kind of event is counted by. Static. */
struct cd_tally {
        const struct cd_metric_label *codes;
        size_t code_count;     /* at most CD_METRIC_CODES */
        const char *text;      /* name of one more label, whose values are texts of a bounded set; NULL: none */
        const int64_t *bounds; /* ascending, microseconds: the upper bounds of a histogram's buckets; NULL: none */
        size_t bound_count;    /* at most CD_METRIC_BOUNDS_MAX */
};

struct cd_metric_key {
        uint16_t codes[CD_METRIC_CODES];
        cd_str text; /* never what a client chose freely */
};

enum {
        CD_METRIC_LATENCY_BOUNDS = 17,
};
/* From 100 microseconds to 30 seconds. */
extern const int64_t cd_metric_latency_bounds[CD_METRIC_LATENCY_BOUNDS];

extern atomic_bool cd_metrics_are_on;

static inline bool cd_metrics_enabled(void)
{
        return atomic_load_explicit(&cd_metrics_are_on, memory_order_relaxed);
}
/* Events count from here on (true), or no longer. Thread-safe. */
void cd_metrics_enable(bool on);

/* The codes of a key in one number, the first in its lowest bits. */
static inline uint64_t cd_metric_codes(const struct cd_metric_key *key)
{
        uint64_t codes = 0;

        for (size_t i = 0; i < CD_METRIC_CODES; i++)
                codes |= (uint64_t)key->codes[i] << 16 * i;
        return codes;
}

/* For cd_count and cd_observe. */
void cd_tally_add(const struct cd_tally *tally, uint64_t codes, cd_str text, int64_t us, const uint64_t *sums);

/* Counts one event. Never fails: without memory, the event is not counted. */
static inline void cd_count(const struct cd_tally *tally, struct cd_metric_key key)
{
        if (cd_metrics_enabled())
                cd_tally_add(tally, cd_metric_codes(&key), key.text, 0, NULL);
}

/* The same with how long it took, in microseconds. `sums` has CD_METRIC_SUMS numbers that are added up; NULL: zeros. */
static inline void cd_observe(const struct cd_tally *tally, struct cd_metric_key key, int64_t us, const uint64_t *sums)
{
        if (cd_metrics_enabled())
                cd_tally_add(tally, cd_metric_codes(&key), key.text, us, sums);
}

/* A code for a text that is known before the event: a listener's address. The same text has the same code as long as
 * the process runs. 0, which means "other", if there are too many. Takes a lock. */
uint16_t cd_metric_intern(cd_str text);

enum cd_metric_type {
        CD_METRIC_COUNTER, /* the name ends in _total */
        CD_METRIC_GAUGE,
        CD_METRIC_HISTOGRAM, /* the name ends in _seconds */
};

/* Which number of a tally a counter shows. */
enum cd_metric_shows {
        CD_METRIC_EVENTS,
        CD_METRIC_SUM_0,
        CD_METRIC_SUM_1,
};

enum {
        CD_METRIC_TEXT = 1 << CD_METRIC_CODES, /* in struct cd_metric.labels: the label of the text */
};

struct cd_metrics_out;

/* What is published. Static. Either `tally` is set, or `read`. */
struct cd_metric {
        const char *name, *help;
        enum cd_metric_type type;
        const struct cd_tally *tally;
        unsigned labels; /* of the tally: 1 << index of a code, CD_METRIC_TEXT; events are added up over the others */
        enum cd_metric_shows shows;
        /* Calls cd_metrics_sample for each sample. Must not block; on any thread. `arg` is that of the source. */
        void (*read)(void *arg, struct cd_metrics_out *out);
        const char *label_names[CD_METRIC_LABELS_MAX]; /* of the samples of `read` */
};

/* Rows of a table of them: what `read` samples, and the events of a tally. */
#define CD_METRIC_READ(name_, help_, type_, read_, ...)                                                                \
        {                                                                                                              \
                .name = name_, .help = help_, .type = CD_METRIC_##type_, .read = read_, __VA_ARGS__                    \
        }
#define CD_METRIC_COUNT(name_, help_, tally_, labels_)                                                                 \
        {                                                                                                              \
                .name = name_, .help = help_, .type = CD_METRIC_COUNTER, .tally = tally_, .labels = labels_            \
        }

/* The metrics of one part, in the order in which they are written. */
struct cd_metrics_source {
        const struct cd_metric *items;
        size_t count;
        void *arg; /* of `read` */
};

/* Adds a sample to the metric whose `read` runs; as many values as it has label names. */
void cd_metrics_sample(struct cd_metrics_out *out, const cd_str *label_values, double value);

enum cd_metrics_format {
        CD_METRICS_PROMETHEUS,  /* text format 0.0.4 */
        CD_METRICS_OPENMETRICS, /* 1.0.0 */
};

/* Appends all metrics of the sources. Samples of metrics whose labels have only fixed values are there from the start,
 * with 0. CD_TOO_LARGE if `buf` is too small; CD_NO_MEMORY. */
cd_status cd_metrics_write(const struct cd_metrics_source *sources, size_t count, enum cd_metrics_format format,
                           struct cd_buf *buf);
