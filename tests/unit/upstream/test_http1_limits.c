#include "reading.h"
#include "support/no_memory.h"

#include <stdio.h>
#include <string.h>

#define OK      "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

/* A head of `size` bytes. */
static cd_str head_of_size(char *memory, size_t size)
{
        static const char start[] = OK "Content-Length: 0\r\nX: ";

        memset(memory, 'x', size);
        memcpy(memory, start, sizeof(start) - 1);
        memcpy(memory + size - 4, "\r\n\r\n", 4);
        return cd_str_of(memory, size);
}

static void lesson_30_a_head_is_as_long_as_allowed(void **state)
{
        static char memory[4096];
        struct reading r = { .head_max = 500 };

        (void)state;
        for (size_t piece = 0; piece < 600; piece += 73) {
                assert_true(cd_str_has_suffix(cd_str_from_c(reading_run(&r, head_of_size(memory, 500), 0, piece)),
                                              CD_STR("] kept")));
                assert_string_equal(reading_run(&r, head_of_size(memory, 501), 0, piece),
                                    "failed: a head that is too long");
                /* The end of the line never comes. */
                memset(memory, 'x', sizeof(memory));
                assert_string_equal(reading_run(&r, cd_str_of(memory, sizeof(memory)), 0, piece),
                                    "failed: a head that is too long");
        }
        /* Interim responses count. */
        static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
        memcpy(memory, interim, sizeof(interim) - 1);
        r.head_max = 200 + sizeof(interim) - 1;
        head_of_size(memory + sizeof(interim) - 1, 200);
        assert_true(
                cd_str_has_suffix(cd_str_from_c(reading_run(&r, cd_str_of(memory, r.head_max), 0, 0)), CD_STR("kept")));
        r.head_max--;
        assert_string_equal(reading_run(&r, cd_str_of(memory, r.head_max + 1), 0, 9),
                            "failed: a head that is too long");
}

/* `start`, `count` lines, and the empty one. */
static cd_str with_lines(char *memory, const char *start, size_t count, const char *line)
{
        size_t len = strlen(start);

        memcpy(memory, start, len);
        for (size_t i = 0; i < count; i++, len += strlen(line))
                memcpy(memory + len, line, strlen(line));
        memcpy(memory + len, "\r\n", 2);
        return cd_str_of(memory, len + 2);
}

static void lesson_30_counts_are_limited(void **state)
{
        static char memory[20000];
        struct reading r = { .head_max = 10000 };
        const char *text;

        (void)state;
        text = reading_run(&r, with_lines(memory, OK, CD_HTTP1_HEADERS_MAX, "A: b\r\n"), 0, 0);
        assert_int_equal(strlen(text), strlen("200 -1 closed") + CD_HTTP1_HEADERS_MAX * strlen(" [A: b]"));
        /* Those that are dropped count. */
        text = reading_run(&r, with_lines(memory, OK, CD_HTTP1_HEADERS_MAX + 1, "TE: b\r\n"), 0, 0);
        assert_string_equal(text, "failed: too many headers");
        text = reading_run(&r, with_lines(memory, CHUNKED "0\r\n", CD_HTTP1_HEADERS_MAX + 1, "A: b\r\n"), 0, 0);
        assert_string_equal(text, "200 -1 failed: too many headers");
        text = reading_run(&r, with_lines(memory, OK, 4, "Connection: a\r\n"), 0, 0);
        assert_string_equal(text, "200 -1 closed");
        text = reading_run(&r, with_lines(memory, OK, 5, "Connection: a\r\n"), 0, 0);
        assert_string_equal(text, "failed: too many Connection headers");
        text = reading_run(&r, with_lines(memory, OK, 4, "Connection: a,b,c,d,e,f,g,h\r\n"), 0, 0);
        assert_string_equal(text, "200 -1 closed");
        text = reading_run(&r, with_lines(memory, OK, 4, "Connection: a,b,c,d,e,f,g,h,i\r\n"), 0, 0);
        assert_string_equal(text, "failed: too many names in Connection");
}

static void lesson_30_extensions_and_trailers_are_limited(void **state)
{
        static char memory[20000];
        static char line[600];
        struct reading r = { 0 };
        const char *text;

        (void)state;
        /* 16 lines of 512 bytes are the limit, 2 of them for the empty line. */
        memset(line, 'x', 509);
        memcpy(line, "X: ", 3);
        memcpy(line + 508, "\r\n", 3);
        cd_str body = with_lines(memory, CHUNKED "0\r\n", 16, line);
        r.head_max = 100;
        assert_null(strstr(reading_run(&r, body, 0, 0), "failed"));
        memcpy(line + 510, "\r\n", 3);
        memcpy(line + 508, "xx", 2);
        for (size_t piece = 0; piece < 3000; piece += 999) {
                body = with_lines(memory, CHUNKED "0\r\n", 16, line);
                assert_string_equal(reading_run(&r, body, 0, piece), "200 -1 failed: trailers that are too long");
        }
        /* In each chunk a byte of data, and 4,096 of the extension with its ";" */
        memset(line, 0, sizeof(line));
        static char chunk[8192];
        memset(chunk, 'e', sizeof(chunk));
        memcpy(chunk, "1;", 2);
        memcpy(chunk + 4098, "\r\na\r\n", 6);
        body = with_lines(memory, CHUNKED, 2, chunk);
        memcpy(memory + body.len - 2, "0\r\n\r\n", 5);
        body.len += 3;
        assert_string_equal(reading_run(&r, body, 0, 0), "200 -1 aa kept");
        memcpy(memory + body.len - 5, "0;e\r\n\r\n", 7);
        body.len += 2;
        text = reading_run(&r, body, 0, 0);
        assert_string_equal(text, "200 -1 aa failed: chunk extensions too long");
}

static enum cd_upstream_failure failed_as;

static void on_failed(void *owner, enum cd_upstream_failure failure, const char *reason)
{
        (void)reason;
        failed_as = failure;
        ++*(int *)owner;
}

static void lesson_31_memory_that_is_out_is_a_failure_of_its_own(void **state)
{
        static const struct cd_http1_events events = { .failed = on_failed };
        const struct cd_upstream_request request = { 0 };
        struct cd_http1_reader reader;
        int failures = 0;

        (void)state;
        cd_http1_reader_start(&reader, &request, 1000, &events, &failures);
        fail_at = 0;
        cd_http1_reader_feed(&reader, CD_STR("HTTP/1.1 "));
        fail_at = -1;
        assert_int_equal(failures, 1);
        assert_int_equal(failed_as, CD_UPSTREAM_NO_MEMORY);
        cd_http1_reader_feed(&reader, CD_STR("200 OK\r\n\r\n"));
        cd_http1_reader_end(&reader, false);
        assert_int_equal(failures, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lesson_30_a_head_is_as_long_as_allowed),
                cmocka_unit_test(lesson_30_counts_are_limited),
                cmocka_unit_test(lesson_30_extensions_and_trailers_are_limited),
                cmocka_unit_test(lesson_31_memory_that_is_out_is_a_failure_of_its_own),
        };
        return cmocka_run_group_tests_name("upstream/http1_limits", tests, NULL, NULL);
}
