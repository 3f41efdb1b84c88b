#include "support/check.h"

#include <string.h>

#include "core/user_name.h"

static struct cd_arena arena;
static struct cd_error err;

static cd_str canonical(cd_str name)
{
        cd_str ret;
        assert_status(cd_user_name_canonical(&arena, name, &ret, &err), CD_OK);
        return ret;
}

static void assert_refused(cd_str name, const char *reason)
{
        cd_str ret;
        assert_status(cd_user_name_canonical(&arena, name, &ret, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, reason);
}

static void lesson_9_names_that_differ_by_case_are_one(void **state)
{
        (void)state;
        assert_str(canonical(CD_STR("ana")), "ana");
        assert_str(canonical(CD_STR("ANA")), "ana");
        assert_str(canonical(CD_STR("Ana.Z+x@Example-1_2.ORG")), "ana.z+x@example-1_2.org");
}

static void every_byte_outside_the_rule_is_refused(void **state)
{
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@+:";

        (void)state;
        for (int c = 0; c < 256; c++) {
                char byte = (char)c;
                cd_str ret;
                bool is_allowed = memchr(allowed, c, sizeof(allowed) - 1) != NULL;
                assert_status(cd_user_name_canonical(&arena, cd_str_of(&byte, 1), &ret, NULL),
                              is_allowed ? CD_OK : CD_INVALID_REQUEST);
        }
}

static void lesson_9_unicode_forms_of_a_name_are_refused(void **state)
{
        (void)state;
        /* Composed, decomposed, full width, with a zero-width space. */
        assert_refused(CD_STR("ren\xc3\xa9"),
                       "byte 4 of the user name is not allowed; use letters a-z, digits and . _ - @ +");
        assert_refused(CD_STR("rene\xcc\x81"),
                       "byte 5 of the user name is not allowed; use letters a-z, digits and . _ - @ +");
        assert_refused(CD_STR("\xef\xbd\x81na"),
                       "byte 1 of the user name is not allowed; use letters a-z, digits and . _ - @ +");
        assert_refused(CD_STR("ana\xe2\x80\x8b"),
                       "byte 4 of the user name is not allowed; use letters a-z, digits and . _ - @ +");
}

static void a_name_has_1_to_128_characters(void **state)
{
        char name[CD_USER_NAME_MAX + 1];

        (void)state;
        memset(name, 'a', sizeof(name));
        assert_refused(CD_STR(""), "the user name is empty");
        assert_int_equal(canonical(cd_str_of(name, CD_USER_NAME_MAX)).len, CD_USER_NAME_MAX);
        assert_refused(cd_str_of(name, CD_USER_NAME_MAX + 1), "the user name is longer than 128 characters");
}

/* A user who has such a name from before is still found. */
static void a_dot_or_two_are_no_name_for_a_new_user(void **state)
{
        static const char *const names[] = { "...", ".a", "a.", "..a", "-", "_" };
        cd_str ret;

        (void)state;
        for (size_t i = 0; i < CD_LEN(names); i++)
                assert_status(cd_user_name_new(&arena, cd_str_from_c(names[i]), &ret, &err), CD_OK);
        assert_status(cd_user_name_new(&arena, CD_STR("Ana"), &ret, &err), CD_OK);
        assert_str(ret, "ana");
        assert_status(cd_user_name_new(&arena, CD_STR("a b"), &ret, &err), CD_INVALID_REQUEST);
        assert_status(cd_user_name_new(&arena, CD_STR(".."), &ret, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason,
                            "nobody can be called \"..\", which means a folder in a path; use another name");
        assert_status(cd_user_name_new(&arena, CD_STR("."), &ret, &err), CD_INVALID_REQUEST);
        assert_str(canonical(CD_STR("..")), "..");
}

/* Nobody can register "github:octocat" before its owner logs in. */
static void only_a_login_at_a_provider_makes_a_name_with_a_colon(void **state)
{
        static const struct {
                const char *name;
                bool has_provider;
        } names[] = {
                { "github:octocat", true }, { "a:b", true },  { "a:", false }, { ":b", false }, { ":", false },
                { "a:b:c", false },         { "ana", false }, { "", false },
        };
        cd_str ret;

        (void)state;
        assert_str(canonical(CD_STR("GitHub:Octocat")), "github:octocat");
        assert_status(cd_user_name_new(&arena, CD_STR("github:octocat"), &ret, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason,
                            "byte 7 of the user name is not allowed; use letters a-z, digits and . _ - @ +");
        for (size_t i = 0; i < CD_LEN(names); i++)
                assert_int_equal(cd_user_name_has_provider(cd_str_from_c(names[i].name)), names[i].has_provider);
}

static void lesson_31_a_name_without_memory_is_an_error(void **state)
{
        struct cd_arena none;
        cd_str ret;

        (void)state;
        cd_arena_init(&none, 0);
        assert_status(cd_user_name_canonical(&none, CD_STR("ana"), &ret, &err), CD_NO_MEMORY);
        cd_arena_done(&none);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lesson_9_names_that_differ_by_case_are_one),
                cmocka_unit_test(every_byte_outside_the_rule_is_refused),
                cmocka_unit_test(lesson_9_unicode_forms_of_a_name_are_refused),
                cmocka_unit_test(a_name_has_1_to_128_characters),
                cmocka_unit_test(a_dot_or_two_are_no_name_for_a_new_user),
                cmocka_unit_test(only_a_login_at_a_provider_makes_a_name_with_a_colon),
                cmocka_unit_test(lesson_31_a_name_without_memory_is_an_error),
        };
        cd_arena_init(&arena, 1 << 20);
        int failed = cmocka_run_group_tests_name("user_name", tests, NULL, NULL);
        cd_arena_done(&arena);
        return failed;
}
