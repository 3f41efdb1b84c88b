#include <stdio.h>
#include <stdlib.h>

#include "base/metrics_series.h"

enum {
        /* Fixed values of the labels of one metric, multiplied. */
        FIXED_MAX = 256,
};

/* What one sample, or one histogram, is made of. */
struct row {
        uint64_t codes; /* only those of the metric's labels */
        cd_str text;
        uint64_t us, sums[CD_METRIC_SUMS], events[CD_METRIC_BOUNDS_MAX + 1];
};

struct cd_metrics_out {
        struct cd_buf *buf;
        const struct cd_metric *metric;
        bool is_open; /* OpenMetrics */
        struct row *rows;
        size_t row_count, row_cap;
        bool no_memory;
};

/* ---- text ---- */

static void add_c(struct cd_buf *buf, const char *text)
{
        cd_buf_add(buf, cd_str_from_c(text));
}

/* A label's value, or a help text, whose quotes are not escaped. Invalid UTF-8 becomes '?'. */
static void add_escaped(struct cd_buf *buf, cd_str text, bool is_label)
{
        while (text.len) {
                size_t len = cd_str_utf8_sequence(text);
                char c = *text.ptr;
                if (len == 0)
                        cd_buf_add_char(buf, '?');
                else if (c == '\n')
                        cd_buf_add(buf, CD_STR("\\n"));
                else if (c == '\\' || (c == '"' && is_label))
                        cd_buf_printf(buf, "\\%c", c);
                else
                        cd_buf_add(buf, cd_str_slice(text, 0, len));
                text = cd_str_slice(text, len ? len : 1, text.len);
        }
}

/* "1.0", "0.0025": the same text in both formats, so that a series does not depend on the scraper. */
static void add_seconds(struct cd_buf *buf, uint64_t us)
{
        char text[40];
        int len = snprintf(text, sizeof(text), "%llu.%06llu", (unsigned long long)(us / 1000000),
                           (unsigned long long)(us % 1000000));

        while (len > 1 && text[len - 1] == '0' && text[len - 2] != '.')
                len--;
        cd_buf_add(buf, cd_str_of(text, (size_t)len));
}

static void add_double(struct cd_buf *buf, double value)
{
        bool is_small = value > -9e15 && value < 9e15;

        if (is_small && (double)(int64_t)value == value)
                cd_buf_add_i64(buf, (int64_t)value);
        else if (value != value)
                add_c(buf, "NaN");
        else
                cd_buf_printf(buf, "%.9g", value);
}

static void add_label(struct cd_buf *buf, bool *is_first, const char *name, cd_str value)
{
        cd_buf_add_char(buf, *is_first ? '{' : ',');
        *is_first = false;
        add_c(buf, name);
        cd_buf_add(buf, CD_STR("=\""));
        add_escaped(buf, value, true);
        cd_buf_add_char(buf, '"');
}

/* OpenMetrics names a counter's family without the suffix of its samples. */
static cd_str family(const struct cd_metrics_out *out)
{
        cd_str name = cd_str_from_c(out->metric->name), total = CD_STR("_total");

        if (out->is_open && out->metric->type == CD_METRIC_COUNTER && cd_str_has_suffix(name, total))
                name.len -= total.len;
        return name;
}

static void begin_metric(struct cd_metrics_out *out)
{
        static const char *const types[] = {
                [CD_METRIC_COUNTER] = "counter", [CD_METRIC_GAUGE] = "gauge", [CD_METRIC_HISTOGRAM] = "histogram"
        };
        cd_str name = family(out);

        cd_buf_printf(out->buf, "# HELP %.*s ", CD_STR_ARG(name));
        add_escaped(out->buf, cd_str_from_c(out->metric->help), false);
        cd_buf_printf(out->buf, "\n# TYPE %.*s %s\n", CD_STR_ARG(name), types[out->metric->type]);
}

void cd_metrics_sample(struct cd_metrics_out *out, const cd_str *label_values, double value)
{
        bool is_first = true;

        add_c(out->buf, out->metric->name);
        for (size_t i = 0; i < CD_METRIC_LABELS_MAX && out->metric->label_names[i]; i++)
                add_label(out->buf, &is_first, out->metric->label_names[i], label_values[i]);
        cd_buf_add(out->buf, is_first ? CD_STR(" ") : CD_STR("} "));
        add_double(out->buf, value);
        cd_buf_add_char(out->buf, '\n');
}

/* ---- rows of a tally ---- */

static struct row *add_row(struct cd_metrics_out *out, uint64_t codes, cd_str text)
{
        if (out->row_count == out->row_cap) {
                size_t cap = out->row_cap ? 2 * out->row_cap : 64;
                struct row *rows = realloc(out->rows, cap * sizeof(*rows));
                if (!rows) {
                        out->no_memory = true;
                        return NULL;
                }
                out->rows = rows;
                out->row_cap = cap;
        }
        struct row *row = &out->rows[out->row_count++];
        *row = (struct row){ .codes = codes, .text = text };
        return row;
}

static uint64_t shown_codes(const struct cd_metric *metric, uint64_t codes)
{
        struct cd_metric_key shown = { 0 };

        for (size_t i = 0; i < CD_METRIC_CODES; i++)
                if (metric->labels & 1u << i)
                        shown.codes[i] = cd_metric_code(codes, i);
        return cd_metric_codes(&shown);
}

static void see_series(void *arg, const struct cd_metric_series *series)
{
        struct cd_metrics_out *out = arg;
        cd_str none = CD_STR("");

        struct row *row = add_row(out, shown_codes(out->metric, series->codes),
                                  out->metric->labels & CD_METRIC_TEXT ? series->text : none);
        if (!row)
                return;
        row->us = atomic_load_explicit(&series->us, memory_order_relaxed);
        for (size_t i = 0; i < CD_METRIC_SUMS; i++)
                row->sums[i] = atomic_load_explicit(&series->sums[i], memory_order_relaxed);
        for (size_t i = 0; i <= series->tally->bound_count; i++)
                row->events[i] = atomic_load_explicit(&series->events[i], memory_order_relaxed);
}

static int compare_rows(const void *a, const void *b)
{
        const struct row *x = a, *y = b;
        size_t len = x->text.len < y->text.len ? x->text.len : y->text.len;
        int order = len ? memcmp(x->text.ptr, y->text.ptr, len) : 0;

        if (order == 0)
                order = (x->text.len > y->text.len) - (x->text.len < y->text.len);
        return order ? order : (x->codes > y->codes) - (x->codes < y->codes);
}

/* Rows of zeros for all values of a metric whose labels have only fixed ones. */
static void add_fixed_rows(struct cd_metrics_out *out)
{
        const struct cd_metric *metric = out->metric;
        const struct cd_tally *tally = metric->tally;
        size_t count = 1;

        for (size_t i = 0; i < tally->code_count; i++)
                if (metric->labels & 1u << i)
                        count *= tally->codes[i].count; /* 0: not fixed */
        if (metric->labels & CD_METRIC_TEXT || count > FIXED_MAX)
                return;
        for (size_t n = 0; n < count; n++) {
                struct cd_metric_key key = { 0 };
                size_t rest = n;
                for (size_t i = 0; i < tally->code_count; i++) {
                        if (!(metric->labels & 1u << i))
                                continue;
                        key.codes[i] = (uint16_t)(rest % tally->codes[i].count);
                        rest /= tally->codes[i].count;
                }
                add_row(out, cd_metric_codes(&key), CD_STR(""));
        }
}

/* Adds up the rows with the same labels: they are neighbours. */
static void merge_rows(struct cd_metrics_out *out)
{
        size_t kept = 0;

        for (size_t i = 0; i < out->row_count; i++) {
                const struct row *row = &out->rows[i];
                if (kept == 0 || compare_rows(&out->rows[kept - 1], row) != 0) {
                        out->rows[kept++] = *row;
                        continue;
                }
                struct row *sum = &out->rows[kept - 1];
                sum->us += row->us;
                for (size_t n = 0; n < CD_METRIC_SUMS; n++)
                        sum->sums[n] += row->sums[n];
                for (size_t n = 0; n < CD_LEN(sum->events); n++)
                        sum->events[n] += row->events[n];
        }
        out->row_count = kept;
}

/* ---- samples of a tally ---- */

static void add_row_labels(struct cd_metrics_out *out, const struct row *row, bool *is_first)
{
        const struct cd_tally *tally = out->metric->tally;
        char number[8];

        for (size_t i = 0; i < tally->code_count; i++) {
                const struct cd_metric_label *label = &tally->codes[i];
                uint16_t code = cd_metric_code(row->codes, i);
                if (!(out->metric->labels & 1u << i))
                        continue;
                cd_str value = cd_str_of(number, (size_t)snprintf(number, sizeof(number), "%u", code));
                if (label->is_interned)
                        value = cd_metric_interned(code);
                else if (label->values)
                        value = code < label->count ? cd_str_from_c(label->values[code]) : CD_STR("other");
                add_label(out->buf, is_first, label->name, value);
        }
        if (out->metric->labels & CD_METRIC_TEXT)
                add_label(out->buf, is_first, tally->text, row->text);
}

static uint64_t events(const struct cd_tally *tally, const struct row *row)
{
        uint64_t count = 0;

        for (size_t i = 0; i <= tally->bound_count; i++)
                count += row->events[i];
        return count;
}

static void add_counter(struct cd_metrics_out *out, const struct row *row)
{
        const struct cd_tally *tally = out->metric->tally;
        bool is_first = true;
        uint64_t value = out->metric->shows == CD_METRIC_EVENTS ? events(tally, row)
                                                                : row->sums[out->metric->shows - CD_METRIC_SUM_0];

        add_c(out->buf, out->metric->name);
        add_row_labels(out, row, &is_first);
        cd_buf_add(out->buf, is_first ? CD_STR(" ") : CD_STR("} "));
        cd_buf_add_u64(out->buf, value);
        cd_buf_add_char(out->buf, '\n');
}

static void add_bucket(struct cd_metrics_out *out, const struct row *row, size_t bucket, uint64_t count)
{
        const struct cd_tally *tally = out->metric->tally;
        bool is_first = true;

        cd_buf_printf(out->buf, "%s_bucket", out->metric->name);
        add_row_labels(out, row, &is_first);
        cd_buf_add(out->buf, is_first ? CD_STR("{le=\"") : CD_STR(",le=\""));
        if (bucket < tally->bound_count)
                add_seconds(out->buf, (uint64_t)tally->bounds[bucket]);
        else
                add_c(out->buf, "+Inf");
        cd_buf_add(out->buf, CD_STR("\"} "));
        cd_buf_add_u64(out->buf, count);
        cd_buf_add_char(out->buf, '\n');
}

static void add_histogram(struct cd_metrics_out *out, const struct row *row)
{
        const struct cd_tally *tally = out->metric->tally;
        uint64_t count = 0;

        for (size_t i = 0; i <= tally->bound_count; i++) {
                count += row->events[i];
                add_bucket(out, row, i, count);
        }
        for (int is_sum = 1; is_sum >= 0; is_sum--) {
                bool is_first = true;
                cd_buf_printf(out->buf, "%s%s", out->metric->name, is_sum ? "_sum" : "_count");
                add_row_labels(out, row, &is_first);
                cd_buf_add(out->buf, is_first ? CD_STR(" ") : CD_STR("} "));
                if (is_sum)
                        add_seconds(out->buf, row->us);
                else
                        cd_buf_add_u64(out->buf, count);
                cd_buf_add_char(out->buf, '\n');
        }
}

static void write_tally(struct cd_metrics_out *out)
{
        out->row_count = 0;
        add_fixed_rows(out);
        cd_metric_each(out->metric->tally, see_series, out);
        if (out->row_count)
                qsort(out->rows, out->row_count, sizeof(*out->rows), compare_rows);
        merge_rows(out);
        for (size_t i = 0; i < out->row_count; i++) {
                if (out->metric->type == CD_METRIC_HISTOGRAM)
                        add_histogram(out, &out->rows[i]);
                else
                        add_counter(out, &out->rows[i]);
        }
}

cd_status cd_metrics_write(const struct cd_metrics_source *sources, size_t count, enum cd_metrics_format format,
                           struct cd_buf *buf)
{
        struct cd_metrics_out out = { .buf = buf, .is_open = format == CD_METRICS_OPENMETRICS };
        cd_str text;

        for (size_t s = 0; s < count; s++) {
                for (size_t i = 0; i < sources[s].count; i++) {
                        out.metric = &sources[s].items[i];
                        begin_metric(&out);
                        if (out.metric->read)
                                out.metric->read(sources[s].arg, &out);
                        else
                                write_tally(&out);
                }
        }
        if (out.is_open)
                cd_buf_add(buf, CD_STR("# EOF\n"));
        free(out.rows);
        return out.no_memory ? CD_NO_MEMORY : cd_buf_view(buf, &text);
}
