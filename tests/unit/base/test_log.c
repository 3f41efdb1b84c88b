#include "support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

/* A file that nobody else sees, and what was written to it. */
struct sink {
        int fd;
        char *text;
        size_t len;
};

static struct sink new_sink(void)
{
        char path[] = "/tmp/cardea-test-log-XXXXXX";
        int fd = mkstemp(path);

        assert_true(fd >= 0);
        unlink(path);
        return (struct sink){ .fd = fd };
}

static cd_str read_sink(struct sink *sink)
{
        off_t size = lseek(sink->fd, 0, SEEK_END);

        free(sink->text);
        sink->text = malloc((size_t)size + 1);
        assert_non_null(sink->text);
        assert_int_equal(pread(sink->fd, sink->text, (size_t)size, 0), size);
        return cd_str_of(sink->text, (size_t)size);
}

static void free_sink(struct sink *sink)
{
        close(sink->fd);
        free(sink->text);
}

static void log_number(struct cd_log *log, enum cd_log_level level, int64_t number)
{
        struct cd_log_event event;

        cd_log_begin(&event, log, level, "number");
        cd_log_int(&event, "n", number);
        cd_log_end(&event);
}

static size_t count_of(cd_str text, const char *what)
{
        size_t count = 0, len = strlen(what);

        for (const char *at; text.len && (at = memmem(text.ptr, text.len, what, len)); count++)
                text = cd_str_slice(text, (size_t)(at - text.ptr) + len, SIZE_MAX);
        return count;
}

static void an_event_is_one_line_of_json_in_its_order(void **state)
{
        static const char *const names[] = { "ts", "level", "service", "event", "path", "status", "hit" };
        struct sink sink = new_sink();
        struct cd_log *log = cd_log_new(sink.fd, CD_LOG_INFO, CD_STR("web \"1\""));
        struct cd_log_event event;
        struct cd_arena arena;
        const struct cd_json *root = NULL;

        (void)state;
        assert_non_null(log);
        cd_log_begin(&event, log, CD_LOG_WARN, "request");
        cd_log_str(&event, "path", CD_STR("/a\n\"\xff"));
        cd_log_int(&event, "status", -200);
        cd_log_bool(&event, "hit", true);
        cd_log_end(&event);
        cd_log_free(log);

        cd_str text = read_sink(&sink);
        assert_int_equal(cd_str_index(text, '\n'), text.len - 1);
        cd_arena_init(&arena, 1 << 16);
        assert_status(cd_json_parse(&arena, text, CD_JSON_UNIQUE_NAMES, &root, NULL), CD_OK);
        assert_int_equal(root->count, CD_LEN(names));
        const struct cd_json *member = root->child;
        for (size_t i = 0; i < CD_LEN(names); i++, member = member->next)
                assert_str(member->name, names[i]);
        assert_str(cd_json_find(root, CD_STR("level"))->text, "warn");
        assert_str(cd_json_find(root, CD_STR("service"))->text, "web \"1\"");
        assert_str(cd_json_find(root, CD_STR("event"))->text, "request");
        assert_str(cd_json_find(root, CD_STR("path"))->text, "/a\n\"\xef\xbf\xbd");
        assert_str(cd_json_find(root, CD_STR("status"))->text, "-200");
        cd_str ts = cd_json_find(root, CD_STR("ts"))->text;
        char now[CD_RFC3339_LEN];
        cd_time_format_rfc3339(cd_realtime_us() / 1000000, now);
        assert_int_equal(ts.len, CD_RFC3339_US_LEN);
        assert_memory_equal(ts.ptr, now, 10);
        cd_arena_done(&arena);
        free_sink(&sink);
}

static void another_level_counts_from_then_on(void **state)
{
        struct sink sink = new_sink();
        struct cd_log *log = cd_log_new(sink.fd, CD_LOG_WARN, CD_STR(""));

        (void)state;
        log_number(log, CD_LOG_INFO, 1);
        cd_log_set_level(log, CD_LOG_DEBUG);
        log_number(log, CD_LOG_DEBUG, 2);
        cd_log_set_level(log, CD_LOG_OFF);
        log_number(log, CD_LOG_ERROR, 3);
        assert_false(cd_log_enabled(log, CD_LOG_ERROR));
        cd_log_free(log);
        cd_str text = read_sink(&sink);
        assert_int_equal(count_of(text, "\"event\""), 1);
        assert_int_equal(count_of(text, "\"n\":2"), 1);
        free_sink(&sink);
}

static void an_event_below_the_level_costs_and_writes_nothing(void **state)
{
        struct sink sink = new_sink();
        struct cd_log *log = cd_log_new(sink.fd, CD_LOG_WARN, CD_STR(""));

        (void)state;
        assert_false(cd_log_enabled(log, CD_LOG_INFO));
        assert_true(cd_log_enabled(log, CD_LOG_WARN));
        assert_false(cd_log_enabled(log, CD_LOG_OFF));
        assert_false(cd_log_enabled(NULL, CD_LOG_ERROR));
        log_number(log, CD_LOG_DEBUG, 1);
        log_number(log, CD_LOG_INFO, 2);
        log_number(NULL, CD_LOG_ERROR, 3);
        cd_log_flush(NULL);
        cd_log_free(log);
        assert_int_equal(read_sink(&sink).len, 0);

        log = cd_log_new(sink.fd, CD_LOG_OFF, CD_STR(""));
        log_number(log, CD_LOG_ERROR, 4);
        cd_log_free(log);
        assert_int_equal(read_sink(&sink).len, 0);
        free_sink(&sink);
        cd_log_free(NULL);
}

static void errors_are_logged_with_reason_and_field(void **state)
{
        struct sink sink = new_sink();
        struct cd_log *log = cd_log_new(sink.fd, CD_LOG_DEBUG, CD_STR(""));
        struct cd_error with = { .status = CD_INVALID_REQUEST, .field = "scope", .reason = "missing" };
        struct cd_error without = { .status = CD_INTERNAL, .reason = "broken" };

        (void)state;
        cd_log_error_event(log, CD_LOG_ERROR, "start", &with);
        cd_log_error_event(log, CD_LOG_ERROR, "start", &without);
        cd_log_flush(log);
        cd_str text = read_sink(&sink);
        assert_int_equal(
                count_of(text, "\"level\":\"error\",\"event\":\"start\",\"field\":\"scope\",\"reason\":\"missing\"}\n"),
                1);
        assert_true(cd_str_has_suffix(text, CD_STR("\"event\":\"start\",\"reason\":\"broken\"}\n")));
        cd_log_free(log);
        free_sink(&sink);
}

static void a_long_event_loses_what_does_not_fit_and_stays_json(void **state)
{
        static char filler[5000];
        struct sink sink = new_sink();
        struct cd_log *log = cd_log_new(sink.fd, CD_LOG_INFO, CD_STR(""));
        struct cd_log_event event;
        struct cd_arena arena;

        (void)state;
        memset(filler, 'f', sizeof(filler));
        cd_arena_init(&arena, 1 << 20);
        for (size_t len = 3900; len < 4100; len++) {
                const struct cd_json *root = NULL;
                size_t before = read_sink(&sink).len;
                cd_log_begin(&event, log, CD_LOG_INFO, "long");
                cd_log_str(&event, "path", cd_str_of(filler, len));
                cd_log_int(&event, "status", 414);
                cd_log_end(&event);
                cd_log_flush(log);
                cd_str line = cd_str_slice(read_sink(&sink), before, SIZE_MAX);
                assert_true(line.len <= CD_LOG_LINE_MAX);
                assert_status(cd_json_parse(&arena, line, CD_JSON_UNIQUE_NAMES, &root, NULL), CD_OK);
                bool whole = cd_json_find(root, CD_STR("path")) && cd_json_find(root, CD_STR("status"));
                assert_true(whole == !cd_json_find(root, CD_STR("truncated")));
                if (len > 4050)
                        assert_non_null(cd_json_find(root, CD_STR("status")));
                cd_arena_reset(&arena);
        }
        cd_arena_done(&arena);
        cd_log_free(log);
        free_sink(&sink);
}

enum {
        THREADS = 4,
        EACH = 2000
};

static void *log_many(void *log)
{
        for (int64_t i = 0; i < EACH; i++)
                log_number(log, CD_LOG_INFO, i);
        return NULL;
}

static void lines_of_many_threads_are_all_there_and_whole(void **state)
{
        struct sink sink = new_sink();
        struct cd_log *log = cd_log_new(sink.fd, CD_LOG_INFO, CD_STR("s"));
        pthread_t threads[THREADS];
        struct cd_arena arena;
        size_t count = 0;
        int64_t sum = 0;
        cd_str rest, line;

        (void)state;
        for (int i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, log_many, log), 0);
        for (int i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        cd_log_flush(log);
        rest = read_sink(&sink);
        cd_arena_init(&arena, 1 << 16);
        while (cd_str_take_until(&rest, '\n', &line) && line.len) {
                const struct cd_json *root = NULL;
                int64_t n = 0;
                assert_status(cd_json_parse(&arena, line, 0, &root, NULL), CD_OK);
                assert_true(cd_json_int64(cd_json_find(root, CD_STR("n")), &n));
                sum += n;
                count++;
                cd_arena_reset(&arena);
        }
        cd_arena_done(&arena);
        assert_int_equal(count, THREADS * EACH);
        assert_int_equal(sum, (int64_t)THREADS * EACH * (EACH - 1) / 2);
        cd_log_free(log);
        free_sink(&sink);
}

/* Reads until the other end is closed. */
static void *drain(void *arg)
{
        struct sink *sink = arg;
        ssize_t n = 1;

        sink->text = malloc(8 << 20);
        while (sink->text && n > 0) {
                n = read(sink->fd, sink->text + sink->len, (8u << 20) - sink->len);
                sink->len += n > 0 ? (size_t)n : 0;
        }
        return NULL;
}

static void callers_never_block_on_a_pipe_that_nobody_reads_and_the_dropped_are_counted(void **state)
{
        enum {
                LINES = 40000
        };
        static char filler[200];
        struct sink sink = { 0 };
        struct cd_log_event event;
        pthread_t reader;
        int fds[2];

        (void)state;
        memset(filler, 'f', sizeof(filler));
        assert_int_equal(pipe(fds), 0);
        sink.fd = fds[0];
        struct cd_log *log = cd_log_new(fds[1], CD_LOG_INFO, CD_STR("s"));
        int64_t longest = 0, start = cd_monotonic_us();
        for (int i = 0; i < LINES; i++) {
                int64_t before = cd_monotonic_us();
                cd_log_begin(&event, log, CD_LOG_INFO, "fill");
                cd_log_str(&event, "filler", cd_str_of(filler, sizeof(filler)));
                cd_log_end(&event);
                int64_t took = cd_monotonic_us() - before;
                longest = took > longest ? took : longest;
        }
        int64_t all = cd_monotonic_us() - start;
        print_message("%d lines in %lld us, the longest call %lld us\n", LINES, (long long)all, (long long)longest);
        assert_true(longest < 500000);

        start = cd_monotonic_us();
        cd_log_flush(log);
        int64_t took = cd_monotonic_us() - start;
        assert_in_range(took, 900000, 3000000);

        assert_int_equal(pthread_create(&reader, NULL, drain, &sink), 0);
        for (int attempts = 0; attempts < 10; attempts++) /* the last of them may have to wait for the report, too */
                cd_log_flush(log);
        log_number(log, CD_LOG_INFO, 1);
        cd_log_free(log);
        close(fds[1]);
        pthread_join(reader, NULL);

        cd_str text = cd_str_of(sink.text, sink.len);
        size_t written = count_of(text, "\"event\":\"fill\""), dropped = 0;
        for (cd_str line; cd_str_take_until(&text, '\n', &line);) {
                const char *n = line.len ? memmem(line.ptr, line.len, "\"lines\":", 8) : NULL;
                if (n && memmem(line.ptr, line.len, "\"event\":\"log_dropped\"", 21))
                        dropped += (size_t)atoll(n + 8);
        }
        assert_true(dropped > 0);
        assert_int_equal(written + dropped, LINES);
        close(fds[0]);
        free(sink.text);
}

static void freeing_is_bounded_when_nobody_reads(void **state)
{
        int fds[2];

        (void)state;
        assert_int_equal(pipe(fds), 0);
        struct cd_log *log = cd_log_new(fds[1], CD_LOG_INFO, CD_STR(""));
        for (int i = 0; i < 3000; i++)
                log_number(log, CD_LOG_INFO, i);
        int64_t start = cd_monotonic_us();
        cd_log_free(log);
        assert_true(cd_monotonic_us() - start < 3000000);
        close(fds[0]);
        close(fds[1]);
}

static void a_closed_reader_neither_kills_nor_blocks(void **state)
{
        int fds[2];

        (void)state;
        assert_int_equal(pipe(fds), 0);
        close(fds[0]);
        struct cd_log *log = cd_log_new(fds[1], CD_LOG_INFO, CD_STR(""));
        log_number(log, CD_LOG_ERROR, 1);
        cd_log_flush(log);
        log_number(log, CD_LOG_ERROR, 2);
        cd_log_free(log);
        close(fds[1]);
}

static void a_service_name_without_end_is_refused(void **state)
{
        char name[100];

        (void)state;
        memset(name, 'n', sizeof(name));
        assert_null(cd_log_new(STDERR_FILENO, CD_LOG_INFO, cd_str_of(name, sizeof(name))));
}

static struct cd_log_about about_of_test(const void *arg)
{
        return *(const struct cd_log_about *)arg;
}

static void an_event_within_a_request_says_whose_it_is(void **state)
{
        struct cd_log_about about = { .request_id = CD_STR("r1"), .client_id = CD_STR("c1"), .user = CD_STR("u1") };
        struct sink sink = new_sink();
        struct cd_log *log = cd_log_new(sink.fd, CD_LOG_INFO, CD_STR(""));
        struct cd_log_event event;

        (void)state;
        struct cd_log_scope outer = cd_log_enter((struct cd_log_scope){ about_of_test, &about });
        assert_null(outer.about);
        cd_log_begin(&event, log, CD_LOG_INFO, "within");
        cd_log_str(&event, "user", CD_STR("other"));
        about.session = CD_STR("s1"); /* known later */
        cd_log_end(&event);
        cd_log_begin(&event, log, CD_LOG_INFO, "forged");
        cd_log_str(&event, "path", CD_STR("/,\"user\":"));
        cd_log_end(&event);
        cd_log_enter(outer);
        cd_log_begin(&event, log, CD_LOG_INFO, "outside");
        cd_log_end(&event);
        cd_log_free(log);
        cd_str text = read_sink(&sink);
        assert_int_equal(count_of(text, "\"event\":\"within\",\"user\":\"other\",\"request_id\":\"r1\","
                                        "\"client_id\":\"c1\",\"session\":\"s1\"}\n"),
                         1);
        assert_int_equal(count_of(text, ",\"client_id\":\"c1\",\"user\":\"u1\",\"session\":\"s1\"}\n"), 1);
        assert_int_equal(count_of(text, "\"event\":\"outside\"}\n"), 1);
        free_sink(&sink);
}

struct told {
        int count;
        char last[CD_LOG_LINE_MAX];
};

static void tell(void *arg, cd_str line)
{
        struct told *told = arg;

        told->count++;
        memcpy(told->last, line.ptr, line.len);
        told->last[line.len] = '\0';
}

static void errors_are_told_of_whatever_the_level_is(void **state)
{
        struct sink sink = new_sink();
        struct cd_log *log = cd_log_new(sink.fd, CD_LOG_OFF, CD_STR(""));
        struct told told = { 0 };

        (void)state;
        log_number(log, CD_LOG_ERROR, 1);
        cd_log_set_error_hook(log, tell, &told);
        log_number(log, CD_LOG_WARN, 2);
        assert_int_equal(told.count, 0);
        log_number(log, CD_LOG_ERROR, 3);
        assert_int_equal(told.count, 1);
        assert_non_null(strstr(told.last, "\"level\":\"error\",\"event\":\"number\",\"n\":3}"));
        assert_null(strchr(told.last, '\n'));
        cd_log_set_error_hook(log, NULL, NULL);
        log_number(log, CD_LOG_ERROR, 4);
        assert_int_equal(told.count, 1);
        cd_log_free(log);
        assert_int_equal(read_sink(&sink).len, 0);
        free_sink(&sink);
}

/* More lines than fit into the memory of one write, and each of them whole. */
static void the_format_changes_while_lines_are_written(void **state)
{
        enum {
                LINES = 5000
        };
        struct sink sink = new_sink();
        struct cd_log *log = cd_log_new(sink.fd, CD_LOG_INFO, CD_STR(""));

        (void)state;
        log_number(log, CD_LOG_INFO, -1);
        cd_log_flush(log);
        cd_log_set_format(log, CD_LOG_TEXT, CD_LOG_PRIORITY_ON);
        for (int i = 0; i < LINES; i++)
                log_number(log, CD_LOG_WARN, i);
        cd_log_flush(log);
        cd_log_set_format(log, CD_LOG_JSON, CD_LOG_PRIORITY_OFF);
        cd_log_line(log, CD_LOG_INFO, CD_STR("127.0.0.1 - -"));
        cd_log_line(log, CD_LOG_DEBUG, CD_STR("below the level"));
        log_number(log, CD_LOG_INFO, -2);
        cd_log_free(log);
        cd_str text = read_sink(&sink);
        assert_int_equal(count_of(text, "\n<4>"), LINES);
        assert_int_equal(count_of(text, " WARN   number  n="), LINES);
        assert_int_equal(count_of(text, "\"n\":-1}\n<4>"), 1);
        assert_int_equal(count_of(text, "n=4999\n127.0.0.1 - -\n{"), 1);
        assert_true(cd_str_has_suffix(text, CD_STR("\"n\":-2}\n")));
        assert_int_equal(count_of(text, "\n"), LINES + 3);
        free_sink(&sink);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_event_is_one_line_of_json_in_its_order),
                cmocka_unit_test(an_event_below_the_level_costs_and_writes_nothing),
                cmocka_unit_test(another_level_counts_from_then_on),
                cmocka_unit_test(errors_are_logged_with_reason_and_field),
                cmocka_unit_test(a_long_event_loses_what_does_not_fit_and_stays_json),
                cmocka_unit_test(lines_of_many_threads_are_all_there_and_whole),
                cmocka_unit_test(callers_never_block_on_a_pipe_that_nobody_reads_and_the_dropped_are_counted),
                cmocka_unit_test(freeing_is_bounded_when_nobody_reads),
                cmocka_unit_test(a_closed_reader_neither_kills_nor_blocks),
                cmocka_unit_test(a_service_name_without_end_is_refused),
                cmocka_unit_test(an_event_within_a_request_says_whose_it_is),
                cmocka_unit_test(errors_are_told_of_whatever_the_level_is),
                cmocka_unit_test(the_format_changes_while_lines_are_written),
        };
        return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
