#include <string.h>

#include "core/user_import.h"
#include "support/check.h"

#define HASH "$2y$05$abcdefghijklmnopqrstuu5s9iJJVdsmkJcYqzDvnUuNfsaKuyPyW"
#define SALT "000102030405060708090a0b0c0d0e0f"
#define HEX  "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419"

static struct cd_arena arena;

static int set_up(void **state)
{
        (void)state;
        cd_arena_init(&arena, 1 << 20);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        cd_arena_done(&arena);
        return 0;
}

static struct cd_user_params read_line(const char *line, enum cd_user_format format)
{
        struct cd_user_params params;
        struct cd_error err = { 0 };

        if (cd_user_line_read(&arena, cd_str_from_c(line), format, &params, &err) != CD_OK)
                fail_msg("%s: %s", err.field, err.reason);
        return params;
}

static void a_line_of_htpasswd_is_a_name_and_a_hash(void **state)
{
        struct cd_user_params params = read_line("Ana:" HASH "\r", CD_USER_FORMAT_HTPASSWD);

        (void)state;
        assert_str(params.name, "Ana");
        assert_str(params.stored, HASH);
        assert_null(params.password.ptr);
        params = read_line("ana:" HASH ":a realm or a comment", CD_USER_FORMAT_ANY);
        assert_str(params.stored, HASH);
}

static void empty_lines_and_comments_are_nobody(void **state)
{
        (void)state;
        assert_int_equal(read_line("", CD_USER_FORMAT_ANY).name.len, 0);
        assert_int_equal(read_line("  \t\r", CD_USER_FORMAT_JSONL).name.len, 0);
        assert_int_equal(read_line("# a comment", CD_USER_FORMAT_ANY).name.len, 0);
}

static void a_json_line_has_all_that_a_user_is(void **state)
{
        struct cd_user_params params =
                read_line("{\"name\":\"ana\",\"hash\":\"" HASH "\",\"claims\":{\"a\": [1, 2]},\"disabled\":true}",
                          CD_USER_FORMAT_ANY);

        (void)state;
        assert_str(params.name, "ana");
        assert_str(params.stored, HASH);
        assert_str(params.claims, "{\"a\":[1,2]}");
        assert_true(params.disabled);
        params = read_line("{\"name\":\"ana\",\"hash\":\"" HASH "\",\"claims\":null}", CD_USER_FORMAT_JSONL);
        assert_str(params.claims, "{}");
        assert_false(params.disabled);
}

static void a_salted_blake2b_stands_inside_or_beside(void **state)
{
        const char *stored = "$blake2b$" SALT "$" HEX;

        (void)state;
        assert_str(read_line("{\"name\":\"ana\",\"hash\":{\"algorithm\":\"blake2b\",\"hash\":\"" HEX
                             "\",\"salt\":\"" SALT "\"}}",
                             CD_USER_FORMAT_ANY)
                           .stored,
                   stored);
        assert_str(read_line("{\"name\":\"ana\",\"algorithm\":\"blake2b\",\"hash\":\"" HEX
                             "\",\"salt\":\"000102030405060708090A0B0C0D0E0F\"}",
                             CD_USER_FORMAT_ANY)
                           .stored,
                   stored);
        assert_status(cd_password_check_form(cd_str_from_c(stored), NULL), CD_OK);
}

static void what_is_wrong_with_a_line_is_said_without_its_hash(void **state)
{
        static const struct {
                const char *line;
                enum cd_user_format format;
                const char *field, *reason;
        } cases[] = {
                { "ana", CD_USER_FORMAT_ANY, "", "not of the form NAME:HASH" },
                { ":secret", CD_USER_FORMAT_ANY, "name", "is missing" },
                { "ana:secret", CD_USER_FORMAT_JSONL, "", NULL },
                { "[]", CD_USER_FORMAT_JSONL, "", "not a JSON object" },
                { "{}", CD_USER_FORMAT_ANY, "name", "is missing" },
                { "{\"name\":1}", CD_USER_FORMAT_ANY, "name", "must be a string that is not empty" },
                { "{\"name\":\"ana\"}", CD_USER_FORMAT_ANY, "hash", "is missing" },
                { "{\"name\":\"ana\",\"hash\":1}", CD_USER_FORMAT_ANY, "hash",
                  "must be a string, or an object with algorithm, hash and salt" },
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"salt\":\"00\"}", CD_USER_FORMAT_ANY, "algorithm",
                  "must be \"blake2b\" where there is a salt" },
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"algorithm\":\"bcrypt\"}", CD_USER_FORMAT_ANY, "algorithm",
                  "only blake2b has its salt apart; give any other hash as one text, \"$…\"" },
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"algorithm\":\"blake2b\"}", CD_USER_FORMAT_ANY, "salt",
                  "must be a string of hex digits" },
                { "{\"name\":\"ana\",\"hash\":{\"algorithm\":\"blake2b\",\"salt\":\"00\"}}", CD_USER_FORMAT_ANY, "hash",
                  "must be a string of hex digits" },
                { "{\"name\":\"ana\",\"hash\":{},\"salt\":\"00\"}", CD_USER_FORMAT_ANY, "hash",
                  "has algorithm and salt inside or beside it, not both" },
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"claims\":[]}", CD_USER_FORMAT_ANY, "claims",
                  "must be an object" },
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"disabled\":\"yes\"}", CD_USER_FORMAT_ANY, "disabled",
                  "must be true or false" },
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"claim\":{}}", CD_USER_FORMAT_ANY, "claim",
                  "unknown member; did you mean \"claims\"?" },
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"e-mail\":\"\"}", CD_USER_FORMAT_ANY, "e-mail",
                  "unknown member" },
                { "{\"name\":\"ana\",\"name\":\"bob\",\"hash\":\"secret\"}", CD_USER_FORMAT_ANY, "", NULL },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                struct cd_user_params params;
                struct cd_error err = { 0 };
                assert_true(cd_user_line_read(&arena, cd_str_from_c(cases[i].line), cases[i].format, &params, &err) !=
                            CD_OK);
                assert_string_equal(err.field, cases[i].field);
                if (cases[i].reason)
                        assert_string_equal(err.reason, cases[i].reason);
                assert_null(strstr(err.reason, "secret"));
        }
}

static void lesson_30_a_line_that_is_too_long_is_refused(void **state)
{
        static char line[CD_USER_LINE_MAX + 2];
        struct cd_user_params params;
        struct cd_error err = { 0 };

        (void)state;
        memset(line, 'a', sizeof(line) - 1);
        assert_status(cd_user_line_read(&arena, cd_str_from_c(line), CD_USER_FORMAT_ANY, &params, &err), CD_TOO_LARGE);
        assert_string_equal(err.reason, "the line is longer than 16384 bytes");
}

static void what_export_writes_is_what_import_reads(void **state)
{
        const struct cd_user user = { .name = CD_STR("ana"),
                                      .password = CD_STR(HASH),
                                      .claims = CD_STR("{\"role\":\"a\\u0001\\\"b\"}"),
                                      .disabled = true };
        struct cd_buf buf;
        struct cd_user_params params;
        cd_str text;

        (void)state;
        cd_buf_init(&buf, &arena, 4096);
        cd_user_line_write(&user, &buf);
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        assert_int_equal(text.ptr[text.len - 1], '\n');
        text.len--;
        assert_status(cd_user_line_read(&arena, text, CD_USER_FORMAT_ANY, &params, NULL), CD_OK);
        assert_true(cd_str_eq(params.name, user.name));
        assert_true(cd_str_eq(params.stored, user.password));
        assert_true(cd_str_eq(params.claims, user.claims));
        assert_true(params.disabled);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_line_of_htpasswd_is_a_name_and_a_hash),
                CASE(empty_lines_and_comments_are_nobody),
                CASE(a_json_line_has_all_that_a_user_is),
                CASE(a_salted_blake2b_stands_inside_or_beside),
                CASE(what_is_wrong_with_a_line_is_said_without_its_hash),
                CASE(lesson_30_a_line_that_is_too_long_is_refused),
                CASE(what_export_writes_is_what_import_reads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
