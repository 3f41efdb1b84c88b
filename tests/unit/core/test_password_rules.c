#include <string.h>

#include "core/password_rules.h"
#include "crypto/password.h"
#include "support/check.h"

static void a_password_has_as_many_code_points_as_wanted(void **state)
{
        (void)state;
        static const struct {
                const char *password;
                int64_t min;
                enum cd_password_fault fault;
        } rows[] = {
                { "zpq7gwx", 8, CD_PASSWORD_TOO_SHORT },
                { "zpq7gwxk", 8, CD_PASSWORD_FINE },
                { "zpq7gwxkzpq7gw", 15, CD_PASSWORD_TOO_SHORT },
                { "zpq7gwxkzpq7gwx", 15, CD_PASSWORD_FINE },
                { "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", 8, CD_PASSWORD_TOO_SHORT }, /* 8 bytes are 4 characters */
                { "\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e"
                  "\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e",
                  8, CD_PASSWORD_FINE },
                { "        ", 8, CD_PASSWORD_FINE }, /* no rules about kinds of characters */
                { "x", 0, CD_PASSWORD_FINE },
        };

        for (size_t i = 0; i < CD_LEN(rows); i++)
                assert_int_equal(cd_password_judge(cd_str_from_c(rows[i].password), rows[i].min), rows[i].fault);
}

static void a_password_has_at_most_1024_bytes(void **state)
{
        char text[CD_PASSWORD_MAX + 1];

        (void)state;
        memset(text, '#', sizeof(text));
        assert_int_equal(cd_password_judge(cd_str_of(text, CD_PASSWORD_MAX), 8), CD_PASSWORD_FINE);
        assert_int_equal(cd_password_judge(cd_str_of(text, CD_PASSWORD_MAX + 1), 8), CD_PASSWORD_TOO_LONG);
        assert_int_equal(cd_password_judge(cd_str_of(text, CD_PASSWORD_MAX + 1), 0), CD_PASSWORD_TOO_LONG);
}

/* Each line is found, and nothing else: not a part of a line, not two lines. */
static void every_common_password_is_refused_and_no_other(void **state)
{
        cd_str rest = cd_str_of(cd_common_passwords, cd_common_passwords_size), line;
        size_t count = 0;
        char text[80];

        (void)state;
        while (cd_str_take_until(&rest, '\n', &line)) {
                if (!line.len)
                        continue;
                count++;
                assert_int_equal(cd_password_judge(line, 1), CD_PASSWORD_COMMON);
                memcpy(text, line.ptr, line.len);
                text[line.len] = '\x01';
                assert_int_equal(cd_password_judge(cd_str_of(text, line.len + 1), 1), CD_PASSWORD_FINE);
                text[line.len] = '\n';
                assert_int_equal(cd_password_judge(cd_str_of(text, line.len + 1), 1), CD_PASSWORD_FINE);
        }
        assert_int_equal(count, 10000);
        assert_int_equal(cd_password_judge(CD_STR("PassWord"), 8), CD_PASSWORD_COMMON);
        assert_int_equal(cd_password_judge(CD_STR("passwor"), 1), CD_PASSWORD_FINE);
        assert_int_equal(cd_password_judge(CD_STR("\xff\xff\xff"), 1), CD_PASSWORD_FINE);
        assert_int_equal(cd_password_judge(CD_STR(" "), 1), CD_PASSWORD_FINE);
}

static void a_command_says_what_is_wrong(void **state)
{
        struct cd_error err;

        (void)state;
        assert_status(cd_password_check_new(CD_STR("short"), 15, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "needs at least 15 characters (the setting passwords.min_length)");
        assert_status(cd_password_check_new(CD_STR("Superman"), 8, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "is one of the 10000 most common passwords; choose another one");
        assert_status(cd_password_check_new(CD_STR("a\tb"), 0, &err), CD_INVALID_REQUEST);
        assert_status(cd_password_check_new(CD_STR("x"), 0, &err), CD_OK);
        assert_status(cd_password_check_new(CD_STR("zpq7gwxk"), 8, &err), CD_OK);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_password_has_as_many_code_points_as_wanted),
                cmocka_unit_test(a_password_has_at_most_1024_bytes),
                cmocka_unit_test(every_common_password_is_refused_and_no_other),
                cmocka_unit_test(a_command_says_what_is_wrong),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
