#include "base/metrics.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/metrics_series.h"

enum {
        HEADS = 256,
        CACHE_LINE = 64,
};

const int64_t cd_metric_latency_bounds[CD_METRIC_LATENCY_BOUNDS] = { 100,      250,     500,     1000,    2500,
                                                                     5000,     10000,   25000,   50000,   100000,
                                                                     250000,   500000,  1000000, 2500000, 5000000,
                                                                     10000000, 30000000 };

atomic_bool cd_metrics_are_on;

/* What one thread counts. After its end, the next new thread goes on with it. */
struct counts {
        struct counts *next; /* of all */
        bool is_used;        /* by a thread; guarded by `lock` */
        size_t series_count;
        _Atomic(struct cd_metric_series *) heads[HEADS];
};

static _Thread_local struct counts *mine;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the list and the interned texts */
static _Atomic(struct counts *) all;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_thread_end;
static bool has_key;

static struct {
        char text[CD_METRIC_TEXT_LEN_MAX];
        size_t len;
} texts[CD_METRIC_TEXTS_MAX];
static size_t text_count;

void cd_metrics_enable(bool on)
{
        atomic_store(&cd_metrics_are_on, on);
}

/* ---- the counts of a thread ---- */

static void give_back(void *arg)
{
        struct counts *counts = arg;

        mine = NULL;
        pthread_mutex_lock(&lock);
        counts->is_used = false;
        pthread_mutex_unlock(&lock);
}

static void make_key(void)
{
        has_key = pthread_key_create(&at_thread_end, give_back) == 0;
}

/* Those of a thread that has ended, or new ones. NULL: memory is out. */
static struct counts *take_counts(void)
{
        pthread_mutex_lock(&lock);
        struct counts *counts = atomic_load(&all);
        while (counts && counts->is_used)
                counts = counts->next;
        if (!counts) {
                counts = aligned_alloc(CACHE_LINE, (sizeof(*counts) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1));
                if (counts) {
                        *counts = (struct counts){ .next = atomic_load(&all) };
                        atomic_store(&all, counts);
                }
        }
        if (counts)
                counts->is_used = true;
        pthread_mutex_unlock(&lock);
        return counts;
}

__attribute__((noinline)) static bool begin_thread(void)
{
        pthread_once(&once, make_key);
        mine = take_counts();
        /* Without the key, the counts are never passed on; nothing is lost. */
        if (mine && has_key)
                (void)!pthread_setspecific(at_thread_end, mine);
        return mine;
}

/* ---- series ---- */

/* Of the last bytes of the text, in which routes differ most; equal values only cost a comparison. */
static inline size_t hash(const struct cd_tally *tally, uint64_t codes, cd_str text)
{
        uint64_t tail = 0;

        if (text.len >= sizeof(tail))
                memcpy(&tail, text.ptr + text.len - sizeof(tail), sizeof(tail));
        else if (text.len)
                memcpy(&tail, text.ptr, text.len);
        uint64_t h = (((uint64_t)(uintptr_t)tally >> 4) ^ codes) * 0x9e3779b97f4a7c15u;
        return (size_t)(((h ^ h >> 29 ^ tail) * 0x94d049bb133111ebu) >> 56);
}

static struct cd_metric_series *new_series(const struct cd_tally *tally, uint64_t codes, cd_str text)
{
        struct cd_metric_series *series;
        size_t events = tally->bound_count + 1;
        size_t size = sizeof(*series) + events * sizeof(series->events[0]) + text.len;

        size = (size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
        series = aligned_alloc(CACHE_LINE, size);
        if (!series)
                return NULL;
        memset(series, 0, size);
        char *copy = (char *)&series->events[events];
        if (text.len)
                memcpy(copy, text.ptr, text.len);
        series->tally = tally;
        series->codes = codes;
        series->text = cd_str_of(copy, text.len);
        return series;
}

static inline struct cd_metric_series *find(size_t slot, const struct cd_tally *tally, uint64_t codes, cd_str text)
{
        struct cd_metric_series *series = atomic_load_explicit(&mine->heads[slot], memory_order_relaxed);

        while (series && (series->codes != codes || series->tally != tally || !cd_str_eq(series->text, text)))
                series = series->next;
        return series;
}

/* What is seldom needed, apart from the path of every event: a long text is cut, and a new series is made. */
__attribute__((noinline)) static struct cd_metric_series *find_or_add(const struct cd_tally *tally, uint64_t codes,
                                                                      cd_str text)
{
        text = cd_str_slice(text, 0, CD_METRIC_TEXT_LEN_MAX);
        size_t slot = hash(tally, codes, text);
        struct cd_metric_series *series = find(slot, tally, codes, text);
        if (!series && tally->text && mine->series_count >= CD_METRIC_SERIES_MAX) {
                text = CD_STR("other");
                slot = hash(tally, codes, text);
                series = find(slot, tally, codes, text);
        }
        if (series)
                return series;
        series = new_series(tally, codes, text);
        if (!series)
                return NULL;
        series->next = atomic_load_explicit(&mine->heads[slot], memory_order_relaxed);
        atomic_store_explicit(&mine->heads[slot], series, memory_order_release);
        mine->series_count++;
        return series;
}

/* Only this thread writes the number, so no atomic addition is needed. */
static inline void add(_Atomic uint64_t *number, uint64_t more)
{
        atomic_store_explicit(number, atomic_load_explicit(number, memory_order_relaxed) + more, memory_order_relaxed);
}

void cd_tally_add(const struct cd_tally *tally, uint64_t codes, cd_str text, int64_t us, const uint64_t *sums)
{
        if (!mine && !begin_thread())
                return;
        struct cd_metric_series *series = find(hash(tally, codes, text), tally, codes, text);
        if (!series)
                series = find_or_add(tally, codes, text);
        if (!series)
                return;
        size_t bucket = 0;
        while (bucket < tally->bound_count && us > tally->bounds[bucket])
                bucket++;
        add(&series->events[bucket], 1);
        if (us > 0)
                add(&series->us, (uint64_t)us);
        for (size_t i = 0; sums && i < CD_METRIC_SUMS; i++)
                add(&series->sums[i], sums[i]);
}

void cd_metric_each(const struct cd_tally *tally, void (*see)(void *arg, const struct cd_metric_series *series),
                    void *arg)
{
        for (const struct counts *counts = atomic_load(&all); counts; counts = counts->next) {
                for (size_t i = 0; i < HEADS; i++) {
                        const struct cd_metric_series *series =
                                atomic_load_explicit(&counts->heads[i], memory_order_acquire);
                        for (; series; series = series->next)
                                if (series->tally == tally)
                                        see(arg, series);
                }
        }
}

/* ---- texts with a code ---- */

uint16_t cd_metric_intern(cd_str text)
{
        uint16_t code = 0;

        text = cd_str_slice(text, 0, CD_METRIC_TEXT_LEN_MAX);
        pthread_mutex_lock(&lock);
        for (size_t i = 0; i < text_count && !code; i++)
                if (cd_str_eq(cd_str_of(texts[i].text, texts[i].len), text))
                        code = (uint16_t)(i + 1);
        if (!code && text_count < CD_LEN(texts)) {
                memcpy(texts[text_count].text, text.ptr, text.len);
                texts[text_count].len = text.len;
                code = (uint16_t)++text_count;
        }
        pthread_mutex_unlock(&lock);
        return code;
}

/* A text that has a code never changes. */
cd_str cd_metric_interned(uint16_t code)
{
        cd_str text = CD_STR("other");

        pthread_mutex_lock(&lock);
        if (code > 0 && code <= text_count)
                text = cd_str_of(texts[code - 1].text, texts[code - 1].len);
        pthread_mutex_unlock(&lock);
        return text;
}
