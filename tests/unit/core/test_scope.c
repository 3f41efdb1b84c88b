#include "core/oauth/scope.h"

#include <string.h>

#include "support/check.h"

static const cd_str names[] = { CD_STR_INIT("read"), CD_STR_INIT("write") };
static const struct cd_strs allowed = { names, 2 };

static void a_scope_token_is_what_rfc_6749_says(void **state)
{
        (void)state;
        assert_true(cd_scope_token_is_valid(CD_STR("!")));
        assert_true(cd_scope_token_is_valid(CD_STR("https://example/scope~1")));
        assert_false(cd_scope_token_is_valid(CD_STR("")));
        assert_false(cd_scope_token_is_valid(CD_STR("a b")));
        assert_false(cd_scope_token_is_valid(CD_STR("a\"")));
        assert_false(cd_scope_token_is_valid(CD_STR("a\\")));
        assert_false(cd_scope_token_is_valid(CD_STR("\x7f")));
        assert_false(cd_scope_token_is_valid(CD_STR("\xc3\xa9")));
}

static void has_compares_whole_words(void **state)
{
        (void)state;
        assert_true(cd_scope_has(CD_STR("a bc d"), CD_STR("bc")));
        assert_false(cd_scope_has(CD_STR("a bc d"), CD_STR("b")));
        assert_false(cd_scope_has(CD_STR("readonly"), CD_STR("read")));
        assert_false(cd_scope_has(CD_STR(""), CD_STR("")));
}

static void a_list_with_a_space_too_many_is_malformed(void **state)
{
        static const char *const lists[] = { "", " ", " read", "read ", "read  write" };
        struct cd_arena arena;
        struct cd_error err;
        cd_str got;

        (void)state;
        cd_arena_init(&arena, 1 << 16);
        for (size_t i = 0; i < CD_LEN(lists); i++) {
                assert_status(cd_scope_grant(&arena, cd_str_from_c(lists[i]), allowed, allowed, &got, &err),
                              CD_INVALID_SCOPE);
                assert_string_equal(err.reason, "must be scopes with one space between two, and none before or after");
                assert_str(err.quoted, "");
        }
        cd_arena_done(&arena);
}

static void a_character_of_no_scope_is_refused_and_not_quoted(void **state)
{
        static const char *const lists[] = { "read\twrite", "read\n", "read wr\"ite", "r\\", "read \xc3\xa9" };
        struct cd_arena arena;
        struct cd_error err;
        cd_str got;

        (void)state;
        cd_arena_init(&arena, 1 << 16);
        for (size_t i = 0; i < CD_LEN(lists); i++) {
                assert_status(cd_scope_grant(&arena, cd_str_from_c(lists[i]), allowed, allowed, &got, &err),
                              CD_INVALID_SCOPE);
                assert_string_equal(err.reason, "has a character that is in no scope (RFC 6749 section 3.3)");
                assert_str(err.quoted, "");
        }
        cd_arena_done(&arena);
}

static void lesson_28_an_unknown_scope_is_quoted_and_not_in_the_reason(void **state)
{
        char text[] =
                "read "
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy";
        cd_str too_long = cd_str_from_c(text), longest = cd_str_slice(too_long, 0, too_long.len - 1);
        struct cd_arena arena;
        struct cd_error err;
        cd_str got;

        (void)state;
        assert_int_equal(longest.len, 5 + 100);
        cd_arena_init(&arena, 1 << 16);
        assert_status(cd_scope_grant(&arena, CD_STR("read reports.write"), allowed, allowed, &got, &err),
                      CD_INVALID_SCOPE);
        assert_string_equal(err.field, "");
        assert_string_equal(err.reason, "unknown scope");
        assert_str(err.quoted, "reports.write");
        assert_status(cd_scope_grant(&arena, longest, allowed, allowed, &got, &err), CD_INVALID_SCOPE);
        assert_int_equal(err.quoted.len, 100);
        assert_status(cd_scope_grant(&arena, too_long, allowed, allowed, &got, &err), CD_INVALID_SCOPE);
        assert_string_equal(err.reason, "unknown scope of 101 characters");
        assert_str(err.quoted, "");
        cd_arena_done(&arena);
}

static void a_scope_of_the_longest_is_granted_and_one_longer_is_not(void **state)
{
        static char text[CD_SCOPE_MAX];
        cd_str two[] = { cd_str_of(text, CD_SCOPE_MAX - 2), CD_STR("a") };
        struct cd_strs list = { two, 2 };
        struct cd_arena arena;
        struct cd_error err;
        cd_str got;

        (void)state;
        memset(text, 'x', sizeof(text));
        cd_arena_init(&arena, 1 << 16);
        assert_int_equal(cd_scope_length(list), CD_SCOPE_MAX);
        assert_status(cd_scope_grant(&arena, (cd_str){ NULL, 0 }, list, list, &got, NULL), CD_OK);
        assert_int_equal(got.len, CD_SCOPE_MAX);
        two[0].len++;
        assert_int_equal(cd_scope_length(list), CD_SCOPE_MAX + 1);
        assert_status(cd_scope_grant(&arena, (cd_str){ NULL, 0 }, list, list, &got, &err), CD_INVALID_SCOPE);
        assert_string_equal(err.reason, "would be longer than 4096 bytes");
        assert_int_equal(cd_scope_length((struct cd_strs){ NULL, 0 }), 0);
        cd_arena_done(&arena);
}

static void grant_keeps_order_and_drops_doubles(void **state)
{
        struct cd_arena arena;
        cd_str got;

        (void)state;
        cd_arena_init(&arena, 1 << 16);
        assert_status(cd_scope_grant(&arena, CD_STR("write read write"), allowed, allowed, &got, NULL), CD_OK);
        assert_str(got, "write read");
        assert_status(cd_scope_grant(&arena, (cd_str){ NULL, 0 }, allowed, allowed, &got, NULL), CD_OK);
        assert_str(got, "read write");
        cd_arena_done(&arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_scope_token_is_what_rfc_6749_says),
                cmocka_unit_test(has_compares_whole_words),
                cmocka_unit_test(a_list_with_a_space_too_many_is_malformed),
                cmocka_unit_test(a_character_of_no_scope_is_refused_and_not_quoted),
                cmocka_unit_test(lesson_28_an_unknown_scope_is_quoted_and_not_in_the_reason),
                cmocka_unit_test(a_scope_of_the_longest_is_granted_and_one_longer_is_not),
                cmocka_unit_test(grant_keeps_order_and_drops_doubles),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
