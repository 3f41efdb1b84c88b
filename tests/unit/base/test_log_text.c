#include "support/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log_text.h"

static const struct cd_log_style TEXT = { .is_text = true };
static const struct cd_log_style TERMINAL = { .is_text = true, .is_terminal = true };
static const struct cd_log_style COLOUR = { .is_text = true, .is_terminal = true, .has_colour = true };
static const struct cd_log_style PRIORITY = { .has_priority = true };

#define HEAD "{\"ts\":\"2026-11-22T19:52:00.105542Z\",\"level\":\"info\",\"service\":\"cardea\",\"event\":"

static char shown[4096];

static const char *show(struct cd_log_style style, const char *line)
{
        struct cd_arena arena;
        struct cd_buf to;

        cd_arena_init(&arena, 1 << 16);
        cd_buf_init_fixed(&to, shown, sizeof(shown) - 1);
        cd_log_write_styled(style, cd_str_from_c(line), &arena, &to);
        assert_false(to.failed);
        shown[to.len] = '\0';
        cd_arena_done(&arena);
        return shown;
}

static void text_has_time_level_event_and_members(void **state)
{
        (void)state;
        assert_string_equal(show(TEXT, HEAD "\"store_unavailable\",\"reason\":\"disk full\",\"n\":5,\"hit\":true}"),
                            "2026-11-22T19:52:00.105542Z INFO   store unavailable  reason=\"disk full\"  n=5  "
                            "hit=true\n");
        assert_string_equal(show(TEXT, HEAD "\"ready\"}"), "2026-11-22T19:52:00.105542Z INFO   ready\n");
        assert_string_equal(show(TEXT, "{\"ts\":\"T\",\"level\":\"warn\",\"event\":\"a\"}"), "T WARN   a\n");
        assert_string_equal(show(TEXT, "{\"ts\":\"T\",\"level\":\"error\",\"event\":\"a\"}"), "T ERROR  a\n");
        assert_string_equal(show(TEXT, "{\"ts\":\"T\",\"level\":\"debug\",\"event\":\"a\"}"), "T DEBUG  a\n");
}

static void frequent_events_read_as_sentences(void **state)
{
        (void)state;
        assert_string_equal(show(TEXT, HEAD "\"listening\",\"url\":\"https://127.0.0.1:5001\",\"address\":"
                                            "\"127.0.0.1:5001\",\"speaks\":\"https\"}"),
                            "2026-11-22T19:52:00.105542Z INFO   listening on https://127.0.0.1:5001\n");
        assert_string_equal(show(TEXT, HEAD "\"listening\",\"address\":\"unix:/a\",\"speaks\":\"http\"}"),
                            "2026-11-22T19:52:00.105542Z INFO   listening  address=unix:/a  speaks=http\n");
        assert_string_equal(show(TEXT, HEAD "\"request\",\"request_id\":\"abc\",\"trace_id\":\"t\",\"method\":\"GET\","
                                            "\"path\":\"/a\",\"status\":200,\"peer\":\"127.0.0.1\",\"user\":\"x\"}"),
                            "2026-11-22T19:52:00.105542Z INFO   GET /a 200  user=x  request_id=abc\n");
        assert_string_equal(show(TEXT, HEAD "\"request\",\"request_id\":\"abc\",\"status\":400,\"peer\":\"::1\"}"),
                            "2026-11-22T19:52:00.105542Z INFO   request  status=400  peer=::1  request_id=abc\n");
}

static void columns_are_aligned_on_a_terminal(void **state)
{
        (void)state;
        setenv("TZ", "UTC", 1);
        assert_string_equal(show(TERMINAL, HEAD "\"stopping\",\"connections\":1}"),
                            "19:52:00.105 INFO   stopping                connections=1\n");
        assert_string_equal(show(TERMINAL, HEAD "\"key_published\",\"kid\":\"k\"}"),
                            "19:52:00.105 INFO   key published           kid=k\n");
        assert_string_equal(show(TERMINAL, HEAD "\"ready\"}"), "19:52:00.105 INFO   ready\n");
        assert_string_equal(show(COLOUR, HEAD "\"ready\"}"),
                            "\033[2m19:52:00.105\033[0m \033[32mINFO \033[0m  \033[1mready\033[0m\n");
}

/* LESSONS 28, and what a caller sends must neither move the cursor nor look like another line or member. */
static void what_callers_send_is_harmless(void **state)
{
        static const struct {
                const char *json, *text;
        } rows[] = {
                { "a\\u001b[2Jb", "\"a\\x1b[2Jb\"" },
                { "a\\nb", "\"a\\x0ab\"" },
                { "a\\r", "\"a\\x0d\"" },
                { "\\u009b31m", "\"\\xc2\\x9b31m\"" },
                { "\x7f", "\"\\x7f\"" },
                { "user\\u202egnp", "\"user\\xe2\\x80\\xaegnp\"" },
                { "\\u2066a", "\"\\xe2\\x81\\xa6a\"" },
                { "\\u2028", "\"\\xe2\\x80\\xa8\"" },
                { "\\u0000", "\"\\x00\"" },
                { "", "\"\"" },
                { "a b", "\"a b\"" },
                { "a\\\"b", "\"a\\\"b\"" },
                { "a\\\\b", "\"a\\\\b\"" },
                { "user=root", "\"user=root\"" },
                { "ä€", "ä€" },
                { "Zoë M", "\"Zoë M\"" },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(rows); i++) {
                char line[200], expected[200];
                snprintf(line, sizeof(line), "{\"ts\":\"T\",\"level\":\"info\",\"event\":\"e\",\"v\":\"%s\"}",
                         rows[i].json);
                snprintf(expected, sizeof(expected), "T INFO   e  v=%s\n", rows[i].text);
                assert_string_equal(show(TEXT, line), expected);
        }
}

static void priorities_are_those_of_syslog(void **state)
{
        (void)state;
        assert_string_equal(show(PRIORITY, "{\"ts\":\"T\",\"level\":\"error\",\"event\":\"a\"}"),
                            "<3>{\"ts\":\"T\",\"level\":\"error\",\"event\":\"a\"}\n");
        assert_memory_equal(show(PRIORITY, "{\"ts\":\"T\",\"level\":\"warn\",\"event\":\"a\"}"), "<4>{", 4);
        assert_memory_equal(show(PRIORITY, "{\"ts\":\"T\",\"level\":\"info\",\"event\":\"a\"}"), "<6>{", 4);
        assert_memory_equal(show(PRIORITY, "{\"ts\":\"T\",\"level\":\"debug\",\"event\":\"a\"}"), "<7>{", 4);
        assert_string_equal(show(PRIORITY, "127.0.0.1 - - \"level\":\"error\""),
                            "<6>127.0.0.1 - - \"level\":\"error\"\n");
        assert_string_equal(show((struct cd_log_style){ .is_text = true, .has_priority = true },
                                 "{\"ts\":\"T\",\"level\":\"warn\",\"event\":\"a\"}"),
                            "<4>T WARN   a\n");
}

static void a_line_of_another_form_is_left_alone(void **state)
{
        (void)state;
        assert_string_equal(show(TEXT, "127.0.0.1 - - [x] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\""),
                            "127.0.0.1 - - [x] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\"\n");
        assert_string_equal(show(TEXT, "{broken"), "{broken\n");
}

static void the_style_follows_terminal_and_environment(void **state)
{
        int file = fileno(tmpfile());

        (void)state;
        unsetenv("JOURNAL_STREAM");
        assert_false(cd_log_style_of(file, CD_LOG_AUTO, CD_LOG_PRIORITY_AUTO).is_text);
        assert_false(cd_log_style_of(file, CD_LOG_JSON, CD_LOG_PRIORITY_AUTO).is_text);
        struct cd_log_style text = cd_log_style_of(file, CD_LOG_TEXT, CD_LOG_PRIORITY_AUTO);
        assert_true(text.is_text && !text.is_terminal && !text.has_colour && !text.has_priority);

        int terminal = posix_openpt(O_RDWR | O_NOCTTY);
        assert_true(terminal >= 0);
        setenv("TERM", "xterm", 1);
        unsetenv("NO_COLOR");
        assert_true(cd_log_style_of(terminal, CD_LOG_AUTO, CD_LOG_PRIORITY_AUTO).has_colour);
        assert_false(cd_log_style_of(terminal, CD_LOG_JSON, CD_LOG_PRIORITY_AUTO).is_text);
        setenv("NO_COLOR", "", 1); /* an empty one does not count */
        assert_true(cd_log_style_of(terminal, CD_LOG_AUTO, CD_LOG_PRIORITY_AUTO).has_colour);
        setenv("NO_COLOR", "1", 1);
        assert_false(cd_log_style_of(terminal, CD_LOG_AUTO, CD_LOG_PRIORITY_AUTO).has_colour);
        assert_true(cd_log_style_of(terminal, CD_LOG_AUTO, CD_LOG_PRIORITY_AUTO).is_text);
        unsetenv("NO_COLOR");
        setenv("TERM", "dumb", 1);
        assert_false(cd_log_style_of(terminal, CD_LOG_AUTO, CD_LOG_PRIORITY_AUTO).has_colour);
        unsetenv("TERM");
        assert_false(cd_log_style_of(terminal, CD_LOG_AUTO, CD_LOG_PRIORITY_AUTO).has_colour);
        close(terminal);
}

static void journald_is_recognised_by_its_socket(void **state)
{
        int file = fileno(tmpfile());
        struct stat st;
        char stream[64];

        (void)state;
        assert_int_equal(fstat(file, &st), 0);
        snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        setenv("JOURNAL_STREAM", stream, 1);
        assert_true(cd_log_style_of(file, CD_LOG_AUTO, CD_LOG_PRIORITY_AUTO).has_priority);
        assert_false(cd_log_style_of(file, CD_LOG_AUTO, CD_LOG_PRIORITY_OFF).has_priority);
        /* A unit whose program writes its standard error to a file. */
        snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + 1);
        setenv("JOURNAL_STREAM", stream, 1);
        assert_false(cd_log_style_of(file, CD_LOG_AUTO, CD_LOG_PRIORITY_AUTO).has_priority);
        assert_true(cd_log_style_of(file, CD_LOG_AUTO, CD_LOG_PRIORITY_ON).has_priority);
        unsetenv("JOURNAL_STREAM");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_has_time_level_event_and_members),
                cmocka_unit_test(frequent_events_read_as_sentences),
                cmocka_unit_test(columns_are_aligned_on_a_terminal),
                cmocka_unit_test(what_callers_send_is_harmless),
                cmocka_unit_test(priorities_are_those_of_syslog),
                cmocka_unit_test(a_line_of_another_form_is_left_alone),
                cmocka_unit_test(the_style_follows_terminal_and_environment),
                cmocka_unit_test(journald_is_recognised_by_its_socket),
        };
        return cmocka_run_group_tests_name("log_text", tests, NULL, NULL);
}
