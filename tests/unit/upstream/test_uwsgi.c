#include "support/check.h"

#include "upstream/uwsgi.h"

static char memory[70000];

static cd_status write_block(struct cd_buf *to, const struct cd_http_header *variables, size_t count, size_t size)
{
        cd_buf_init_fixed(to, memory, sizeof(memory));
        return cd_uwsgi_write_block(to, variables, count, size);
}

static void a_block_is_as_uwsgi_reads_it(void **state)
{
        const struct cd_http_header variables[] = { { CD_STR("REQUEST_METHOD"), CD_STR("GET") },
                                                    { CD_STR("QUERY_STRING"), CD_STR("") },
                                                    { CD_STR("PATH_INFO"), CD_STR("/a\r\nb") } };
        static const cd_str wanted = CD_STR_INIT("\0\x37\0\0"
                                                 "\x0e\0REQUEST_METHOD\x03\0GET"
                                                 "\x0c\0QUERY_STRING\0\0"
                                                 "\x09\0PATH_INFO\x05\0/a\r\nb");
        struct cd_buf to;

        (void)state;
        assert_int_equal(write_block(&to, variables, CD_LEN(variables), 65535), CD_OK);
        assert_int_equal(to.len, wanted.len);
        assert_memory_equal(to.ptr, wanted.ptr, wanted.len);
        assert_int_equal(write_block(&to, NULL, 0, 0), CD_OK);
        assert_int_equal(to.len, CD_UWSGI_HEADER_SIZE);
}

static void lengths_are_little_endian(void **state)
{
        static char value[0x1234];
        struct cd_buf to;

        (void)state;
        memset(value, 'v', sizeof(value));
        struct cd_http_header variable = { CD_STR("A"), cd_str_of(value, sizeof(value)) };
        assert_int_equal(write_block(&to, &variable, 1, 65535), CD_OK);
        assert_memory_equal(to.ptr, "\0\x39\x12\0\x01\0A\x34\x12vv", 11);
        assert_int_equal(to.len, 4 + 0x1239);
}

/* uWSGI compares the size without the header with its buffer-size. */
static void lesson_30_a_block_may_be_as_large_as_the_server_reads(void **state)
{
        static char value[65536];
        static const size_t maxima[] = { 5, 6, 4096, 65534, 65535, 65536, SIZE_MAX };
        struct cd_buf to;

        (void)state;
        memset(value, 'v', sizeof(value));
        for (size_t i = 0; i < CD_LEN(maxima); i++) {
                size_t max = maxima[i] < CD_UWSGI_BLOCK_MAX ? maxima[i] : CD_UWSGI_BLOCK_MAX;
                struct cd_http_header variable = { CD_STR("A"), cd_str_of(value, max - 5) };
                assert_int_equal(write_block(&to, &variable, 1, maxima[i]), CD_OK);
                assert_int_equal(to.len, 4 + max);
                variable.value.len++;
                assert_int_equal(write_block(&to, &variable, 1, maxima[i]), CD_TOO_LARGE);
                assert_int_equal(to.len, 0);
                assert_false(to.failed);
        }
        const struct cd_http_header two[] = { { CD_STR("A"), CD_STR("b") }, { CD_STR("C"), CD_STR("d") } };
        assert_int_equal(write_block(&to, two, 2, 12), CD_OK);
        assert_int_equal(write_block(&to, two, 2, 11), CD_TOO_LARGE);
        cd_buf_init_fixed(&to, memory, 15);
        assert_int_equal(cd_uwsgi_write_block(&to, two, 2, 12), CD_TOO_LARGE);
        assert_true(to.failed);
}

static void a_variable_that_is_read_in_two_ways_is_refused(void **state)
{
        static const struct cd_http_header bad[] = {
                { CD_STR_INIT(""), CD_STR_INIT("a") },
                { CD_STR_INIT("A=B"), CD_STR_INIT("a") },
                { CD_STR_INIT("A\0"), CD_STR_INIT("a") },
                { CD_STR_INIT("A\n"), CD_STR_INIT("a") },
                { CD_STR_INIT("HTTP_A"), CD_STR_INIT("a\0b") },
                { CD_STR_INIT("HTTP_A"), CD_STR_INIT("a\rb") },
                { CD_STR_INIT("HTTP_A"), CD_STR_INIT("\x01\na") },
                { CD_STR_INIT("REMOTE_USER"), CD_STR_INIT("ana\n") },
                { CD_STR_INIT("PATH_INFO"), CD_STR_INIT("/\0") },
                { CD_STR_INIT("PATH_INFO_"), CD_STR_INIT("/\n") },
        };
        struct cd_buf to;

        (void)state;
        for (size_t i = 0; i < CD_LEN(bad); i++) {
                struct cd_http_header variables[] = { { CD_STR("A"), CD_STR("b") }, bad[i] };
                assert_int_equal(write_block(&to, variables, 2, 65535), CD_MALFORMED);
                assert_int_equal(to.len, 0);
        }
        const struct cd_http_header good = { CD_STR("SCRIPT_NAME"), CD_STR("\n\x7f\xff") };
        assert_int_equal(write_block(&to, &good, 1, 65535), CD_OK);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_block_is_as_uwsgi_reads_it),
                cmocka_unit_test(lengths_are_little_endian),
                cmocka_unit_test(lesson_30_a_block_may_be_as_large_as_the_server_reads),
                cmocka_unit_test(a_variable_that_is_read_in_two_ways_is_refused),
        };
        return cmocka_run_group_tests_name("upstream/uwsgi", tests, NULL, NULL);
}
