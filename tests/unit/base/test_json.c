#include "support/check.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/field.h"
#include "base/json.h"

static struct cd_arena arena;

static const struct cd_json *parsed(cd_str text)
{
        const struct cd_json *root = NULL;
        struct cd_error err = { 0 };

        if (cd_json_parse(&arena, text, 0, &root, &err) != CD_OK)
                print_error("%.*s: %s\n", CD_STR_ARG(text), err.reason);
        assert_non_null(root);
        return root;
}

static void assert_refused(cd_str text, unsigned flags, cd_status status, const char *reason)
{
        const struct cd_json *root = NULL;
        struct cd_error err = { 0 };

        assert_status(cd_json_parse(&arena, text, flags, &root, &err), status);
        assert_string_equal(err.reason, reason);
        assert_null(root);
}

static void every_type_is_read(void **state)
{
        cd_str text = CD_STR(" {\"s\":\"x\", \"n\":-1.5e+3, \"t\":true, \"f\":false, \"z\":null, \"a\":[1,[],{}]} \n");
        const struct cd_json *root = parsed(text);

        (void)state;
        assert_int_equal(root->type, CD_JSON_OBJECT);
        assert_int_equal(root->count, 6);
        assert_str(cd_json_find(root, CD_STR("s"))->text, "x");
        assert_str(cd_json_find(root, CD_STR("n"))->text, "-1.5e+3");
        assert_int_equal(cd_json_find(root, CD_STR("n"))->type, CD_JSON_NUMBER);
        assert_str(cd_json_find(root, CD_STR("t"))->text, "true");
        assert_str(cd_json_find(root, CD_STR("f"))->text, "false");
        assert_int_equal(cd_json_find(root, CD_STR("f"))->type, CD_JSON_BOOL);
        assert_int_equal(cd_json_find(root, CD_STR("z"))->type, CD_JSON_NULL);

        const struct cd_json *a = cd_json_find(root, CD_STR("a"));
        assert_int_equal(a->type, CD_JSON_ARRAY);
        assert_int_equal(a->count, 3);
        assert_str(a->text, "[1,[],{}]");
        assert_str(a->child->next->next->text, "{}");
        assert_null(a->child->next->next->next);
        assert_null(cd_json_find(root, CD_STR("q")));
        assert_null(cd_json_find(a, CD_STR("s")));
        assert_null(cd_json_find(NULL, CD_STR("s")));
}

static void plain_strings_are_views_and_escaped_ones_are_decoded(void **state)
{
        cd_str text = CD_STR("\"plain \xc3\xa4 text that is longer than eight bytes\"");
        const struct cd_json *plain = parsed(text);

        (void)state;
        assert_ptr_equal(plain->text.ptr, text.ptr + 1);
        assert_int_equal(plain->text.len, text.len - 2);
        assert_str(parsed(CD_STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""))->text, "\"\\/\b\f\n\r\t");
        assert_str(parsed(CD_STR("\"\\u0041\\u00e4\\u20AC\\ud83d\\ude00\""))->text,
                   "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
        const struct cd_json *nul = parsed(CD_STR("\"a\\u0000b\""));
        assert_int_equal(nul->text.len, 3);
        assert_memory_equal(nul->text.ptr, "a\0b", 3);
        assert_non_null(cd_json_find(parsed(CD_STR("{\"\\u0061b\":1}")), CD_STR("ab")));
}

/* Each digit, and both sides of each border: of the lengths in UTF-8, and of the surrogates. */
static void any_character_may_be_escaped(void **state)
{
        (void)state;
        assert_str(parsed(CD_STR("\"\\u0123\\u4567\\u89ab\\ucdef\""))->text,
                   "\xc4\xa3\xe4\x95\xa7\xe8\xa6\xab\xec\xb7\xaf");
        assert_str(parsed(CD_STR("\"\\u89AB\\uCDEF\""))->text, "\xe8\xa6\xab\xec\xb7\xaf");
        assert_str(parsed(CD_STR("\"\\u007f\\u0080\\u07ff\\u0800\""))->text, "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80");
        assert_str(parsed(CD_STR("\"\\ud7ff\\ue000\\uffff\""))->text, "\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf");
        assert_str(parsed(CD_STR("\"\\ud800\\udc00\\udbff\\udfff\""))->text, "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
        static const char around[] = "/:@G`g"; /* the neighbours of digits */
        for (size_t i = 0; i + 1 < sizeof(around); i++) {
                char text[] = "\"\\u0000\"";
                for (size_t at = 3; at < 7; at++) {
                        text[at] = around[i];
                        assert_refused(cd_str_from_c(text), 0, CD_MALFORMED, "bad escape or lone surrogate at byte 1");
                        text[at] = '0';
                }
        }
        assert_refused(CD_STR("\"\\\0\""), 0, CD_MALFORMED, "bad escape or lone surrogate at byte 1");
        assert_refused(CD_STR("\"\\u000\""), 0, CD_MALFORMED, "bad escape or lone surrogate at byte 1");
}

static void a_refusal_says_what_and_where(void **state)
{
        (void)state;
        assert_refused(CD_STR(""), 0, CD_MALFORMED, "the text ends too early at byte 0");
        assert_refused((cd_str){ NULL, 0 }, 0, CD_MALFORMED, "the text ends too early at byte 0");
        static const char *const more[] = { "[1]", "[[]]", "[\"a\"]", "[true]", "[{}]", "[-1]" };
        for (size_t i = 0; i < CD_LEN(more); i++) /* a view ends where it ends */
                assert_refused(cd_str_of(more[i], 1), 0, CD_MALFORMED, "the text ends too early at byte 1");
        assert_refused(CD_STR("[1,]"), 0, CD_MALFORMED, "expected a value at byte 3");
        assert_refused(CD_STR("[1 2]"), 0, CD_MALFORMED, "expected ',' or the end of the list at byte 3");
        assert_refused(CD_STR("[1"), 0, CD_MALFORMED, "the text ends too early at byte 2");
        assert_refused(CD_STR("{a:1}"), 0, CD_MALFORMED, "expected a member name at byte 1");
        assert_refused(CD_STR("{\"a\" 1}"), 0, CD_MALFORMED, "expected ':' at byte 5");
        assert_refused(CD_STR("{} x"), 0, CD_MALFORMED, "more text after the value at byte 3");
        assert_refused(CD_STR("tru_"), 0, CD_MALFORMED, "expected a value at byte 0");
        assert_refused(CD_STR("-x"), 0, CD_MALFORMED, "expected a digit at byte 1");
        assert_refused(CD_STR("1.e"), 0, CD_MALFORMED, "expected a digit at byte 2");
        assert_refused(CD_STR("01"), 0, CD_MALFORMED, "more text after the value at byte 1");
        assert_refused(CD_STR("\"a\nb\""), 0, CD_MALFORMED, "control character in a string at byte 2");
        assert_refused(CD_STR("\"a\xff\""), 0, CD_MALFORMED, "not UTF-8 at byte 2");
        assert_refused(CD_STR("\"\xed\xa0\x80\""), 0, CD_MALFORMED, "not UTF-8 at byte 1");
        assert_refused(CD_STR("\"a\\q\""), 0, CD_MALFORMED, "bad escape or lone surrogate at byte 2");
        assert_refused(CD_STR("\"a\\"), 0, CD_MALFORMED, "the text ends too early at byte 3");
}

static void lone_surrogates_are_refused(void **state)
{
        static const char *const wrong[] = { "\"\\ud83d\"",        "\"\\ude00\"",        "\"\\ud83dx\"",
                                             "\"\\ud83d\\n\"",     "\"\\ud83d\\ud83d\"", "\"\\ud83d\\u0041\"",
                                             "\"\\ud83d\\ude0\"",  "\"\\ud83d\\ude0g\"", "\"\\udbff\\udbff\"",
                                             "\"\\ud800\\ue000\"", "\"\\ud800\"",        "\"\\udbff\"",
                                             "\"\\udc00\"",        "\"\\udfff\"",        "\"\\ud800/udc00\"",
                                             "\"\\ud800\\Udc00\"" };

        (void)state;
        for (size_t i = 0; i < CD_LEN(wrong); i++)
                assert_refused(cd_str_from_c(wrong[i]), 0, CD_MALFORMED, "bad escape or lone surrogate at byte 1");
}

/* Each offset within a word of eight bytes, so that the fast scan cannot step over what it must see. */
static void no_position_hides_a_forbidden_byte(void **state)
{
        static const char forbidden[] = { '\0', '\x01', '\x1f', '\n', '\x80', '\xff', '\xc0' };
        const struct cd_json *root;
        struct cd_error err;

        (void)state;
        for (size_t f = 0; f < CD_LEN(forbidden); f++) {
                for (size_t at = 1; at <= 24; at++) {
                        char text[26];
                        memset(text, 'x', sizeof(text));
                        text[0] = text[25] = '"';
                        text[at] = forbidden[f];
                        assert_status(cd_json_parse(&arena, cd_str_of(text, sizeof(text)), 0, &root, &err),
                                      CD_MALFORMED);
                }
        }
        for (size_t at = 1; at <= 24; at++) {
                char text[26];
                memset(text, 'x', sizeof(text));
                text[0] = text[at] = '"';
                assert_int_equal(parsed(cd_str_of(text, at + 1))->text.len, at - 1);
        }
}

static void lesson_30_depth_is_bounded(void **state)
{
        char text[2 * (CD_JSON_MAX_DEPTH + 1)];
        enum {
                MOST = CD_JSON_MAX_DEPTH
        };

        (void)state;
        memset(text, '[', MOST);
        memset(text + MOST, ']', MOST);
        parsed(cd_str_of(text, 2 * MOST));
        memset(text, '[', MOST + 1);
        memset(text + MOST + 1, ']', MOST + 1);
        assert_refused(cd_str_of(text, 2 * MOST + 2), 0, CD_TOO_LARGE, "nested too deep at byte 32");
}

static cd_str many_values(struct cd_buf *buf, size_t count)
{
        cd_str text = CD_STR("");

        cd_buf_init(buf, NULL, 1 << 20);
        cd_buf_add_char(buf, '[');
        for (size_t i = 0; i < count; i++)
                cd_buf_add(buf, i ? CD_STR(",0") : CD_STR("0"));
        cd_buf_add_char(buf, ']');
        assert_status(cd_buf_view(buf, &text), CD_OK);
        return text;
}

static void lesson_30_the_number_of_values_is_bounded(void **state)
{
        struct cd_buf buf;

        (void)state;
        assert_int_equal(parsed(many_values(&buf, CD_JSON_MAX_NODES - 1))->count, CD_JSON_MAX_NODES - 1);
        cd_buf_done(&buf);
        assert_refused(many_values(&buf, CD_JSON_MAX_NODES), 0, CD_TOO_LARGE, "too many values at byte 16383");
        cd_buf_done(&buf);
}

static void lesson_18_duplicate_members_are_refused(void **state)
{
        const unsigned unique = CD_JSON_UNIQUE_NAMES;

        (void)state;
        assert_refused(CD_STR("{\"a\":1,\"a\":1}"), unique, CD_MALFORMED,
                       "duplicate member name in the object at byte 0");
        assert_refused(CD_STR("[{\"a\":1,\"b\":1,\"\\u0061\":2}]"), unique, CD_MALFORMED,
                       "duplicate member name in the object at byte 1");
        assert_refused(CD_STR("{\"\":1,\"\":1}"), unique, CD_MALFORMED,
                       "duplicate member name in the object at byte 0");
        assert_int_equal(parsed(CD_STR("{\"a\":1,\"a\":1}"))->count, 2);

        const struct cd_json *root;
        assert_status(cd_json_parse(&arena, CD_STR("{\"a\":{\"a\":1},\"A\":1,\"ab\":1}"), unique, &root, NULL), CD_OK);
}

/* `count` members; the last one's name is that of member `twin` where that is less than count - 1. */
static cd_status parse_members(unsigned count, unsigned twin)
{
        const struct cd_json *root;
        struct cd_buf buf;
        cd_str text = CD_STR("");

        cd_buf_init(&buf, NULL, 1 << 20);
        cd_buf_add_char(&buf, '{');
        for (unsigned i = 0; i < count; i++) {
                unsigned name = i == count - 1 ? twin : i;
                cd_buf_printf(&buf, "%s\"member-%u\":0", i ? "," : "", name * 7919 % 100003);
        }
        cd_buf_add_char(&buf, '}');
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        cd_status status = cd_json_parse(&arena, text, CD_JSON_UNIQUE_NAMES, &root, NULL);
        cd_arena_reset(&arena);
        cd_buf_done(&buf);
        return status;
}

static void duplicates_are_found_among_many_members_too(void **state)
{
        (void)state;
        for (unsigned count = 30; count < 140; count++) {
                assert_status(parse_members(count, count - 1), CD_OK);
                for (unsigned twin = 0; twin < count - 1; twin += 5)
                        assert_status(parse_members(count, twin), CD_MALFORMED);
        }
        assert_status(parse_members(8000, 7999), CD_OK);
        assert_status(parse_members(8000, 4321), CD_MALFORMED);
}

static void integers_are_literals_that_fit(void **state)
{
        static const char *const wrong[] = { "1.0", "1e3", "9223372036854775808", "1e400", "\"1\"", "true",
                                             "[1]", "-1.0" };
        int64_t value = 0;

        (void)state;
        assert_true(cd_json_int64(parsed(CD_STR("1795340005")), &value));
        assert_true(value == 1795340005);
        assert_true(cd_json_int64(parsed(CD_STR("-9223372036854775808")), &value));
        assert_true(value == INT64_MIN);
        assert_true(cd_json_int64(parsed(CD_STR("-0")), &value));
        assert_true(value == 0);
        for (size_t i = 0; i < CD_LEN(wrong); i++)
                assert_false(cd_json_int64(parsed(cd_str_from_c(wrong[i])), &value));
        assert_false(cd_json_int64(NULL, &value));
}

static void strings_are_written_as_an_array(void **state)
{
        static const cd_str words[] = { CD_STR_INIT("a\"b"), CD_STR_INIT(""), CD_STR_INIT("c") };
        struct cd_buf buf;
        cd_str text;

        (void)state;
        cd_buf_init(&buf, &arena, 1000);
        cd_json_write_strs((struct cd_strs){ words, 3 }, &buf);
        cd_json_write_strs((struct cd_strs){ words, 0 }, &buf);
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        assert_str(text, "[\"a\\\"b\",\"\",\"c\"][]");
}

static void a_value_is_written_compact_and_in_its_order(void **state)
{
        struct cd_buf buf;
        cd_str text;

        (void)state;
        cd_buf_init(&buf, &arena, 1000);
        cd_json_write(parsed(CD_STR(" { \"b\" : [ 1.50 , { } , [ ] , null ] , \"\\u0061\" : \"\\u00fc\\n\" } ")), &buf);
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        assert_str(text, "{\"b\":[1.50,{},[],null],\"a\":\"\xc3\xbc\\n\"}");
        cd_buf_init(&buf, &arena, 3);
        cd_json_write(parsed(CD_STR("[1,2]")), &buf);
        assert_status(cd_buf_view(&buf, &text), CD_TOO_LARGE);
}

static int reset_arena(void **state)
{
        (void)state;
        cd_arena_reset(&arena);
        return 0;
}

static int free_arena(void **state)
{
        (void)state;
        cd_arena_done(&arena);
        return 0;
}

/* Of everything but bounds and surrogates the check thinks as the parser does. */
static void the_check_and_the_parser_agree_on_what_is_json(void **state)
{
        static const cd_str texts[] = {
                CD_STR_INIT("{}"),
                CD_STR_INIT("[]"),
                CD_STR_INIT(" [ ] "),
                CD_STR_INIT("\"a\\u00e9\\n\""),
                CD_STR_INIT("-1.5e+3"),
                CD_STR_INIT("{\"a\":[1,{\"b\":[[],{}]},\"]}\"],\"a\":null}"),
                CD_STR_INIT("[[[1],[2]],[3]]"),
                CD_STR_INIT("null"),
                CD_STR_INIT(""),
                CD_STR_INIT(" "),
                CD_STR_INIT("["),
                CD_STR_INIT("]"),
                CD_STR_INIT("{"),
                CD_STR_INIT("}"),
                CD_STR_INIT("[}"),
                CD_STR_INIT("{]"),
                CD_STR_INIT("[1"),
                CD_STR_INIT("[1,"),
                CD_STR_INIT("[1,]"),
                CD_STR_INIT("[,1]"),
                CD_STR_INIT("[1 2]"),
                CD_STR_INIT("[[1]"),
                CD_STR_INIT("[1]]"),
                CD_STR_INIT("{\"a\"}"),
                CD_STR_INIT("{\"a\":}"),
                CD_STR_INIT("{\"a\":1,}"),
                CD_STR_INIT("{\"a\":1"),
                CD_STR_INIT("{\"a\" 1}"),
                CD_STR_INIT("{a:1}"),
                CD_STR_INIT("{1:1}"),
                CD_STR_INIT("{\"a\":1 \"b\":2}"),
                CD_STR_INIT("{\"a\":[}]"),
                CD_STR_INIT("[{\"a\":1]}"),
                CD_STR_INIT("1 2"),
                CD_STR_INIT("01"),
                CD_STR_INIT("1e"),
                CD_STR_INIT("nul"),
                CD_STR_INIT("'a'"),
                CD_STR_INIT("\""),
                CD_STR_INIT("\"\\\""),
                CD_STR_INIT("\"\\x\""),
                CD_STR_INIT("\"\\u12g4\""),
                CD_STR_INIT("\"\\u123\""),
                CD_STR_INIT("\"\\\0\""),
                CD_STR_INIT("\"\0\""),
                CD_STR_INIT("\"\xff\""),
                CD_STR_INIT("\"\xed\xa0\x80\""),
                CD_STR_INIT("\"\t\""),
                CD_STR_INIT("[1:2]"),
                CD_STR_INIT("{\"a\",1}"),
        };
        const struct cd_json *root;

        (void)state;
        for (size_t i = 0; i < CD_LEN(texts); i++) {
                struct cd_error why = { 0 }, other = { 0 };
                cd_status want = cd_json_parse(&arena, texts[i], 0, &root, &why);
                assert_int_equal(cd_json_check(&arena, texts[i], &other), want);
                assert_int_equal(want == CD_OK, i < 8);
        }
}

static void the_check_has_no_bounds_and_takes_lone_surrogates(void **state)
{
        static char deep[200000];
        struct cd_error err = { 0 };
        struct cd_buf buf;

        (void)state;
        assert_status(cd_json_check(&arena, many_values(&buf, 2 * CD_JSON_MAX_NODES), &err), CD_OK);
        cd_buf_done(&buf);
        memset(deep, '[', sizeof(deep) / 2);
        memset(deep + sizeof(deep) / 2, ']', sizeof(deep) / 2);
        assert_status(cd_json_check(&arena, cd_str_of(deep, sizeof(deep)), &err), CD_OK);
        assert_status(cd_json_check(&arena, cd_str_of(deep, sizeof(deep) - 1), &err), CD_MALFORMED);
        assert_string_equal(err.reason, "the text ends too early at byte 199999");
        assert_status(cd_json_check(&arena, CD_STR("{\"\\ud800\":\"\\udc00\\ud800\"}"), &err), CD_OK);
}

static void a_checked_text_is_taken_apart_as_it_is_written(void **state)
{
        static const char *const want[] = { "\"a,b\" ", " [1,{\"c\":2}]", "\"\\\"\"", "\":}\"", " \"\\\\\"", "{}" };
        cd_str rest, part;
        size_t count = 0;

        (void)state;
        assert_true(cd_json_inside(CD_STR("\n{ \"a,b\" : [1,{\"c\":2}],\"\\\"\":\":}\", \"\\\\\":{} }\t"), '{', &rest));
        while (cd_json_take_part(&rest, &part))
                assert_str(part, want[count++]);
        assert_int_equal(count, CD_LEN(want));
        assert_true(cd_json_inside(CD_STR("[ \r\n]"), '[', &rest));
        assert_false(cd_json_take_part(&rest, &part));
        assert_false(cd_json_inside(CD_STR("[]"), '{', &rest));
        assert_false(cd_json_inside(CD_STR(""), '{', &rest));
        assert_false(cd_json_inside((cd_str){ NULL, 0 }, '{', &rest));
}

#define TEST(name) cmocka_unit_test_teardown(name, reset_arena)
int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(every_type_is_read),
                TEST(plain_strings_are_views_and_escaped_ones_are_decoded),
                TEST(a_refusal_says_what_and_where),
                TEST(any_character_may_be_escaped),
                TEST(lone_surrogates_are_refused),
                TEST(no_position_hides_a_forbidden_byte),
                TEST(lesson_30_depth_is_bounded),
                TEST(lesson_30_the_number_of_values_is_bounded),
                TEST(the_check_and_the_parser_agree_on_what_is_json),
                TEST(the_check_has_no_bounds_and_takes_lone_surrogates),
                TEST(a_checked_text_is_taken_apart_as_it_is_written),
                TEST(lesson_18_duplicate_members_are_refused),
                TEST(duplicates_are_found_among_many_members_too),
                TEST(integers_are_literals_that_fit),
                TEST(strings_are_written_as_an_array),
                TEST(a_value_is_written_compact_and_in_its_order),
        };
        cd_arena_init(&arena, 8 << 20);
        return cmocka_run_group_tests_name("json", tests, NULL, free_arena);
}
