#include "support/check.h"

#include <string.h>

#include "base/buf.h"

static cd_str view(const struct cd_buf *buf)
{
        cd_str text = { NULL, 0 };
        assert_status(cd_buf_view(buf, &text), CD_OK);
        return text;
}

static void text_is_built_from_parts(void **state)
{
        struct cd_buf buf;

        (void)state;
        cd_buf_init(&buf, NULL, 1000);
        assert_str(view(&buf), "");
        cd_buf_add(&buf, CD_STR("a"));
        cd_buf_add(&buf, (cd_str){ NULL, 0 });
        cd_buf_add_char(&buf, '=');
        cd_buf_add_u64(&buf, UINT64_MAX);
        cd_buf_add_char(&buf, ' ');
        cd_buf_add_i64(&buf, INT64_MIN);
        cd_buf_add_i64(&buf, 0);
        cd_buf_printf(&buf, "%03d", 7);
        cd_buf_add_base64url(&buf, CD_STR("\xff\xfe"));
        assert_str(view(&buf), "a=18446744073709551615 -92233720368547758080007__4");
        cd_buf_done(&buf);
}

static void the_ceiling_holds_and_a_failure_sticks(void **state)
{
        struct cd_buf buf;
        cd_str text = CD_STR("untouched");

        (void)state;
        cd_buf_init(&buf, NULL, 4);
        cd_buf_add(&buf, CD_STR("abcd"));
        assert_str(view(&buf), "abcd");
        cd_buf_add_char(&buf, 'e');
        cd_buf_add(&buf, CD_STR(""));
        assert_status(cd_buf_view(&buf, &text), CD_TOO_LARGE);
        assert_str(text, "untouched");
        assert_null(cd_buf_reserve(&buf, 0));
        cd_buf_done(&buf);
}

static void a_long_format_fails_and_is_not_cut(void **state)
{
        struct cd_buf buf;
        cd_str text;

        (void)state;
        cd_buf_init(&buf, NULL, 4096);
        cd_buf_printf(&buf, "%511d", 1);
        assert_int_equal(view(&buf).len, 511);
        cd_buf_printf(&buf, "%512d", 1);
        assert_status(cd_buf_view(&buf, &text), CD_TOO_LARGE);
        cd_buf_done(&buf);
}

static void fixed_memory_is_filled_to_its_end_and_not_beyond(void **state)
{
        char memory[5] = "....!";
        struct cd_buf buf;
        cd_str text;

        (void)state;
        cd_buf_init_fixed(&buf, memory, 4);
        cd_buf_add(&buf, CD_STR("abcd"));
        assert_str(view(&buf), "abcd");
        cd_buf_add_char(&buf, 'e');
        assert_status(cd_buf_view(&buf, &text), CD_TOO_LARGE);
        assert_int_equal(memory[4], '!');
        cd_buf_done(&buf);
        assert_memory_equal(memory, "\0\0\0\0!", 5);
}

static void growing_wipes_what_it_leaves_behind(void **state)
{
        static const char zeros[6];
        struct cd_arena arena;
        struct cd_buf buf;

        (void)state;
        cd_arena_init(&arena, 1 << 16);
        cd_buf_init(&buf, &arena, 10000);
        cd_buf_add(&buf, CD_STR("secret"));
        const char *before = buf.ptr;
        for (int i = 0; i < 200; i++)
                cd_buf_add_char(&buf, 'x');
        assert_ptr_not_equal(before, buf.ptr);
        assert_memory_equal(before, zeros, 6);
        assert_memory_equal(buf.ptr, "secretxxx", 9);
        cd_arena_done(&arena);
}

static void json_escapes_what_json_must(void **state)
{
        struct cd_buf buf;

        (void)state;
        cd_buf_init(&buf, NULL, 1000);
        cd_buf_add_json(&buf, CD_STR("\"\\\b\f\n\r\t\x01\x1f\x7f/ \xc3\xa4\xf0\x9f\x98\x80\0z"));
        assert_str(view(&buf), "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/ \xc3\xa4\xf0\x9f\x98\x80\\u0000z\"");
        cd_buf_done(&buf);
}

static void json_escapes_what_could_deceive_on_a_terminal(void **state)
{
        struct cd_buf buf;

        (void)state;
        cd_buf_init(&buf, NULL, 1000);
        cd_buf_add_json(&buf, CD_STR("\xc2\x9b\xd8\x9c\xe2\x80\xae\xf3\xa0\x81\x81\xc3\xa9"));
        assert_str(view(&buf), "\"\\u009b\\u061c\\u202e\\udb40\\udc41\xc3\xa9\"");
        cd_buf_done(&buf);
}

static void json_replaces_what_is_not_utf8(void **state)
{
        struct cd_buf buf;

        (void)state;
        cd_buf_init(&buf, NULL, 1000);
        cd_buf_add_json(&buf, CD_STR("long enough\xff and \xed\xa0\x80 \xc3"));
        assert_str(view(&buf), "\"long enough\xef\xbf\xbd and \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\"");
        cd_buf_done(&buf);
        cd_buf_init(&buf, NULL, 2);
        cd_buf_add_json(&buf, (cd_str){ NULL, 0 });
        assert_str(view(&buf), "\"\"");
        cd_buf_done(&buf);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_is_built_from_parts),
                cmocka_unit_test(the_ceiling_holds_and_a_failure_sticks),
                cmocka_unit_test(a_long_format_fails_and_is_not_cut),
                cmocka_unit_test(fixed_memory_is_filled_to_its_end_and_not_beyond),
                cmocka_unit_test(growing_wipes_what_it_leaves_behind),
                cmocka_unit_test(json_escapes_what_json_must),
                cmocka_unit_test(json_escapes_what_could_deceive_on_a_terminal),
                cmocka_unit_test(json_replaces_what_is_not_utf8),
        };
        return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
