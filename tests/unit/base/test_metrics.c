#include "base/metrics.h"

#include <pthread.h>
#include <stdio.h>

#include "support/check.h"

enum {
        THREADS = 4,
        EVENTS = 10000,
};

static char memory[1 << 22];

static const char *const outcomes[] = { "ok", "refused" };
static const struct cd_metric_label labels[] = { { "outcome", outcomes, CD_LEN(outcomes), false },
                                                 { "status", NULL, 0, false } };

static const char *written_as(const struct cd_metric *metrics, size_t count, enum cd_metrics_format format)
{
        const struct cd_metrics_source source = { metrics, count, NULL };
        struct cd_buf buf;

        cd_buf_init_fixed(&buf, memory, sizeof(memory) - 1);
        assert_status(cd_metrics_write(&source, 1, format, &buf), CD_OK);
        memory[buf.len] = '\0';
        return memory;
}

static const char *written(const struct cd_metric *metric)
{
        return written_as(metric, 1, CD_METRICS_PROMETHEUS);
}

static int set_up(void **state)
{
        (void)state;
        cd_metrics_enable(true);
        return 0;
}

static void a_fixed_label_has_all_its_values_from_the_start(void **state)
{
        static const struct cd_tally tally = { .codes = labels, .code_count = 1 };
        static const struct cd_metric metric = { "x_total", "Help.", CD_METRIC_COUNTER, &tally, 1, 0, NULL, { 0 } };

        (void)state;
        assert_string_equal(written(&metric), "# HELP x_total Help.\n# TYPE x_total counter\n"
                                              "x_total{outcome=\"ok\"} 0\nx_total{outcome=\"refused\"} 0\n");
        cd_count(&tally, (struct cd_metric_key){ .codes = { 1 } });
        assert_string_equal(written(&metric), "# HELP x_total Help.\n# TYPE x_total counter\n"
                                              "x_total{outcome=\"ok\"} 0\nx_total{outcome=\"refused\"} 1\n");
}

static void a_code_without_a_name_is_other(void **state)
{
        static const struct cd_tally tally = { .codes = labels, .code_count = 1 };
        static const struct cd_metric metric = { "y_total", "Help.", CD_METRIC_COUNTER, &tally, 1, 0, NULL, { 0 } };

        (void)state;
        cd_count(&tally, (struct cd_metric_key){ .codes = { 2 } });
        assert_non_null(strstr(written(&metric), "y_total{outcome=\"other\"} 1\n"));
}

static void nothing_is_counted_until_it_is_enabled(void **state)
{
        static const struct cd_tally tally = { 0 };
        static const struct cd_metric metric = { "n_total", "Help.", CD_METRIC_COUNTER, &tally, 0, 0, NULL, { 0 } };

        (void)state;
        cd_metrics_enable(false);
        cd_count(&tally, (struct cd_metric_key){ 0 });
        cd_metrics_enable(true);
        assert_non_null(strstr(written(&metric), "\nn_total 0\n"));
        cd_count(&tally, (struct cd_metric_key){ 0 });
        assert_non_null(strstr(written(&metric), "\nn_total 1\n"));
}

static void events_are_added_up_over_the_labels_that_are_not_shown(void **state)
{
        static const struct cd_tally tally = {
                .codes = labels,
                .code_count = 2,
                .text = "route",
        };
        static const struct cd_metric metrics[] = {
                { "a_total", "All.", CD_METRIC_COUNTER, &tally, CD_METRIC_TEXT | 2, 0, NULL, { 0 } },
                { "b_total", "Bytes.", CD_METRIC_COUNTER, &tally, CD_METRIC_TEXT, CD_METRIC_SUM_1, NULL, { 0 } },
        };

        (void)state;
        cd_observe(&tally, (struct cd_metric_key){ { 0, 200 }, CD_STR("/a") }, 0, (uint64_t[]){ 1, 10 });
        cd_observe(&tally, (struct cd_metric_key){ { 1, 200 }, CD_STR("/a") }, 0, (uint64_t[]){ 1, 20 });
        cd_observe(&tally, (struct cd_metric_key){ { 1, 503 }, CD_STR("/a") }, 0, (uint64_t[]){ 1, 40 });
        cd_observe(&tally, (struct cd_metric_key){ { 1, 503 }, CD_STR("/ab") }, 0, NULL);
        assert_string_equal(written_as(metrics, 2, CD_METRICS_PROMETHEUS),
                            "# HELP a_total All.\n# TYPE a_total counter\n"
                            "a_total{status=\"200\",route=\"/a\"} 2\na_total{status=\"503\",route=\"/a\"} 1\n"
                            "a_total{status=\"503\",route=\"/ab\"} 1\n"
                            "# HELP b_total Bytes.\n# TYPE b_total counter\n"
                            "b_total{route=\"/a\"} 70\nb_total{route=\"/ab\"} 0\n");
}

static void a_histogram_counts_up_to_each_bound(void **state)
{
        static const int64_t bounds[] = { 1000, 2500, 1000000 };
        static const struct cd_tally tally = { .bounds = bounds, .bound_count = CD_LEN(bounds) };
        static const struct cd_metric metric = { "h_seconds", "Help.", CD_METRIC_HISTOGRAM, &tally, 0, 0, NULL, { 0 } };
        const int64_t us[] = { 0, 1000, 1001, 2500, 1000000, 1000001 };

        (void)state;
        for (size_t i = 0; i < CD_LEN(us); i++)
                cd_observe(&tally, (struct cd_metric_key){ 0 }, us[i], NULL);
        const char *samples = "h_seconds_bucket{le=\"0.001\"} 2\nh_seconds_bucket{le=\"0.0025\"} 4\n"
                              "h_seconds_bucket{le=\"1.0\"} 5\nh_seconds_bucket{le=\"+Inf\"} 6\n"
                              "h_seconds_sum 2.004502\nh_seconds_count 6\n";
        assert_non_null(strstr(written(&metric), samples));
}

static void open_metrics_names_the_family_of_a_counter_and_ends(void **state)
{
        static const struct cd_tally tally = { 0 };
        static const struct cd_metric metric = { "o_total", "Help.", CD_METRIC_COUNTER, &tally, 0, 0, NULL, { 0 } };

        (void)state;
        assert_string_equal(written_as(&metric, 1, CD_METRICS_OPENMETRICS),
                            "# HELP o Help.\n# TYPE o counter\no_total 0\n# EOF\n");
}

static void values_and_help_are_escaped(void **state)
{
        static const struct cd_tally tally = { .text = "route" };
        static const struct cd_metric metric = { "e_total", "A \"b\"\\\nc", CD_METRIC_COUNTER,
                                                 &tally,    CD_METRIC_TEXT, 0,
                                                 NULL,      { 0 } };

        (void)state;
        cd_count(&tally, (struct cd_metric_key){ .text = CD_STR("/\"a\\b\nc\xff\xc3\xa4") });
        assert_string_equal(written(&metric), "# HELP e_total A \"b\"\\\\\\nc\n# TYPE e_total counter\n"
                                              "e_total{route=\"/\\\"a\\\\b\\nc?\xc3\xa4\"} 1\n");
}

static void read_two(void *arg, struct cd_metrics_out *out)
{
        (void)arg;
        cd_metrics_sample(out, (cd_str[]){ CD_STR("a"), CD_STR("up") }, 1);
        cd_metrics_sample(out, (cd_str[]){ CD_STR("b"), CD_STR("down") }, 0.25);
}

static void a_gauge_is_read(void **state)
{
        static const struct cd_metric metric = { .name = "g",
                                                 .help = "Help.",
                                                 .type = CD_METRIC_GAUGE,
                                                 .read = read_two,
                                                 .label_names = { "upstream", "state" } };

        (void)state;
        assert_string_equal(written(&metric),
                            "# HELP g Help.\n# TYPE g gauge\n"
                            "g{upstream=\"a\",state=\"up\"} 1\ng{upstream=\"b\",state=\"down\"} 0.25\n");
}

static const struct cd_tally of_threads = { .codes = labels, .code_count = 1 };

static void *count_many(void *arg)
{
        (void)arg;
        for (int i = 0; i < EVENTS; i++)
                cd_count(&of_threads, (struct cd_metric_key){ 0 });
        return NULL;
}

static void no_event_of_a_thread_is_lost_when_it_ends(void **state)
{
        static const struct cd_metric metric = {
                "t_total", "Help.", CD_METRIC_COUNTER, &of_threads, 0, 0, NULL, { 0 }
        };
        pthread_t threads[THREADS];
        char expected[64];

        (void)state;
        for (int round = 0; round < 2; round++) {
                for (size_t i = 0; i < THREADS; i++)
                        assert_int_equal(pthread_create(&threads[i], NULL, count_many, NULL), 0);
                for (int i = 0; i < 20; i++)
                        assert_non_null(written(&metric)); /* while they count */
                for (size_t i = 0; i < THREADS; i++)
                        assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
        (void)snprintf(expected, sizeof(expected), "\nt_total %d\n", 2 * THREADS * EVENTS);
        assert_non_null(strstr(written(&metric), expected));
}

static void *count_texts(void *arg)
{
        static const struct cd_tally *tally;
        char text[32];

        tally = arg;
        for (int i = 0; i < CD_METRIC_SERIES_MAX + 10; i++) {
                int len = snprintf(text, sizeof(text), "/%d", i);
                cd_count(tally, (struct cd_metric_key){ .text = cd_str_of(text, (size_t)len) });
        }
        return NULL;
}

static void texts_beyond_the_limit_are_other(void **state)
{
        static const struct cd_tally tally = { .text = "route" };
        static const struct cd_metric metric = { "m_total", "Help.", CD_METRIC_COUNTER, &tally, CD_METRIC_TEXT, 0,
                                                 NULL,      { 0 } };
        pthread_t thread;
        char expected[64];
        size_t count = 0, others = 0;

        (void)state;
        assert_int_equal(pthread_create(&thread, NULL, count_texts, (void *)(uintptr_t)&tally), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        const char *text = written(&metric);
        for (const char *at = text; (at = strstr(at, "\nm_total{")); at++)
                count++;
        others = CD_METRIC_SERIES_MAX + 10 - (count - 1);
        (void)snprintf(expected, sizeof(expected), "route=\"other\"} %zu\n", others);
        assert_true(count <= CD_METRIC_SERIES_MAX + 1);
        assert_true(others >= 10);
        assert_non_null(strstr(text, expected));
}

/* There are more of them than slots of the hash table, so that many share one. */
static void each_code_has_a_series_of_its_own(void **state)
{
        static const struct cd_tally tally = { .codes = labels, .code_count = 2 };
        static const struct cd_metric metric = { "s_total", "Help.", CD_METRIC_COUNTER, &tally, 2, 0, NULL, { 0 } };
        char expected[64];

        (void)state;
        for (uint16_t status = 0; status < 1000; status++)
                cd_count(&tally, (struct cd_metric_key){ .codes = { 0, status } });
        const char *text = written(&metric);
        for (unsigned status = 0; status < 1000; status++) {
                (void)snprintf(expected, sizeof(expected), "\ns_total{status=\"%u\"} 1\n", status);
                assert_non_null(strstr(text, expected));
        }
}

/* The last test: the series of this thread are at the limit afterwards. */
static void a_long_text_is_cut_and_keeps_its_series_at_the_limit(void **state)
{
        static const struct cd_tally tally = { .text = "route" }, filling = { .text = "route" };
        static const struct cd_metric metric = { "l_total", "Help.", CD_METRIC_COUNTER, &tally, CD_METRIC_TEXT, 0,
                                                 NULL,      { 0 } };
        char text[2 * CD_METRIC_TEXT_LEN_MAX], expected[256];

        (void)state;
        memset(text, 'a', sizeof(text));
        cd_count(&tally, (struct cd_metric_key){ .text = cd_str_of(text, sizeof(text)) });
        cd_count(&tally, (struct cd_metric_key){ .text = cd_str_of(text, CD_METRIC_TEXT_LEN_MAX) });
        count_texts((void *)(uintptr_t)&filling);
        cd_count(&tally, (struct cd_metric_key){ .text = cd_str_of(text, sizeof(text)) });
        (void)snprintf(expected, sizeof(expected),
                       "# HELP l_total Help.\n# TYPE l_total counter\nl_total{route=\"%.*s\"} 3\n",
                       CD_METRIC_TEXT_LEN_MAX, text);
        assert_string_equal(written(&metric), expected);
}

static void a_text_keeps_its_code(void **state)
{
        static const struct cd_metric_label listener = { "listener", NULL, 0, true };
        static const struct cd_tally tally = { .codes = &listener, .code_count = 1 };
        static const struct cd_metric metric = { "i_total", "Help.", CD_METRIC_COUNTER, &tally, 1, 0, NULL, { 0 } };

        (void)state;
        uint16_t first = cd_metric_intern(CD_STR("127.0.0.1:80")), second = cd_metric_intern(CD_STR("[::1]:80"));
        assert_int_not_equal(first, 0);
        assert_int_not_equal(first, second);
        assert_int_equal(cd_metric_intern(CD_STR("127.0.0.1:80")), first);
        cd_count(&tally, (struct cd_metric_key){ .codes = { second } });
        assert_non_null(strstr(written(&metric), "\ni_total{listener=\"[::1]:80\"} 1\n"));
        for (int i = 0; i < CD_METRIC_TEXTS_MAX; i++)
                (void)cd_metric_intern(cd_str_of((const char *)&i, sizeof(i)));
        assert_int_equal(cd_metric_intern(CD_STR("one more")), 0);
        assert_int_equal(cd_metric_intern(CD_STR("[::1]:80")), second);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(a_fixed_label_has_all_its_values_from_the_start, set_up),
                cmocka_unit_test_setup(a_code_without_a_name_is_other, set_up),
                cmocka_unit_test_setup(nothing_is_counted_until_it_is_enabled, set_up),
                cmocka_unit_test_setup(events_are_added_up_over_the_labels_that_are_not_shown, set_up),
                cmocka_unit_test_setup(a_histogram_counts_up_to_each_bound, set_up),
                cmocka_unit_test_setup(open_metrics_names_the_family_of_a_counter_and_ends, set_up),
                cmocka_unit_test_setup(values_and_help_are_escaped, set_up),
                cmocka_unit_test_setup(a_gauge_is_read, set_up),
                cmocka_unit_test_setup(no_event_of_a_thread_is_lost_when_it_ends, set_up),
                cmocka_unit_test_setup(texts_beyond_the_limit_are_other, set_up),
                cmocka_unit_test_setup(a_text_keeps_its_code, set_up),
                cmocka_unit_test_setup(each_code_has_a_series_of_its_own, set_up),
                cmocka_unit_test_setup(a_long_text_is_cut_and_keeps_its_series_at_the_limit, set_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
