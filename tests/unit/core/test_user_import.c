#include <string.h>

#include "core/user_claims.h"
#include "core/user_details.h"
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
                read_line("{\"name\":\"ana\",\"hash\":\"" HASH "\",\"claims\":{\"a\": [1, 2]},\"disabled\":true,"
                          "\"display_name\":\"Ana\",\"email\":\"ana@example.com\",\"email_verified\":true,"
                          "\"groups\":[\"b\",\"a\"],\"totp\":\"otpauth://totp/a?secret=B\"}",
                          CD_USER_FORMAT_ANY);

        (void)state;
        assert_str(params.name, "ana");
        assert_str(params.stored, HASH);
        assert_str(params.claims, "{\"a\":[1,2]}");
        assert_true(params.disabled);
        assert_str(params.display_name, "Ana");
        assert_str(params.email, "ana@example.com");
        assert_true(params.email_verified);
        assert_int_equal(params.groups.count, 2);
        assert_str(params.groups.items[0], "b");
        assert_str(params.groups.items[1], "a");
        assert_str(params.totp, "otpauth://totp/a?secret=B");
        params = read_line("{\"name\":\"ana\",\"hash\":\"" HASH "\",\"claims\":null,\"display_name\":null,"
                           "\"email\":null,\"email_verified\":null,\"groups\":null,\"totp\":null}",
                           CD_USER_FORMAT_JSONL);
        assert_str(params.claims, "{}");
        assert_false(params.disabled);
        assert_int_equal(params.display_name.len + params.email.len + params.groups.count, 0);
        assert_false(params.email_verified);
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

static void a_user_without_a_password_is_read_as_written(void **state)
{
        struct cd_user user = { .name = CD_STR("github:octocat"), .password = CD_PASSWORD_NONE };
        struct cd_buf buf;
        cd_str line;

        (void)state;
        cd_buf_init(&buf, &arena, CD_USER_LINE_MAX);
        cd_user_line_write(&user, &buf);
        assert_status(cd_buf_view(&buf, &line), CD_OK);
        assert_non_null(strstr(cd_arena_copy(&arena, line).ptr, "\"hash\":\"*\""));
        assert_str(read_line(cd_arena_copy(&arena, line).ptr, CD_USER_FORMAT_JSONL).stored, "*");
        assert_str(read_line("ana:*", CD_USER_FORMAT_ANY).stored, "*");
}

static void what_is_wrong_with_a_line_is_said_without_its_hash(void **state)
{
        static const struct {
                const char *line;
                enum cd_user_format format;
                const char *field, *reason;
        } cases[] = {
                { "ana", CD_USER_FORMAT_ANY, "",
                  "not of the form NAME:HASH; for a users file of Authelia, add --format authelia" },
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
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"display_name\":1}", CD_USER_FORMAT_ANY, "display_name",
                  "must be a string" },
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"email\":[]}", CD_USER_FORMAT_ANY, "email",
                  "must be a string" },
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"email_verified\":\"true\"}", CD_USER_FORMAT_ANY,
                  "email_verified", "must be true or false" },
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"groups\":\"a\"}", CD_USER_FORMAT_ANY, "groups",
                  "must be an array of strings" },
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"groups\":[\"a\",1]}", CD_USER_FORMAT_ANY, "groups",
                  "must be an array of strings" },
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"totp\":123456}", CD_USER_FORMAT_ANY, "totp",
                  "must be a string" },
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"totp\":\"\"}", CD_USER_FORMAT_ANY, "totp",
                  "is empty; leave it out, or give an otpauth URI" },
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"group\":[]}", CD_USER_FORMAT_ANY, "group",
                  "unknown member; did you mean \"groups\"?" },
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"claim\":{}}", CD_USER_FORMAT_ANY, "claim",
                  "unknown member; did you mean \"claims\"?" },
                { "{\"name\":\"ana\",\"hash\":\"secret\",\"telephone\":\"\"}", CD_USER_FORMAT_ANY, "telephone",
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

/* The line without its line end. */
static cd_str write_line(const struct cd_user *user)
{
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, &arena, 64 * 1024);
        cd_user_line_write(user, &buf);
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        assert_int_equal(text.ptr[text.len - 1], '\n');
        return cd_str_slice(text, 0, text.len - 1);
}

static void what_export_writes_is_what_import_reads(void **state)
{
        static const cd_str groups[] = { CD_STR_INIT("admins"), CD_STR_INIT("dev") };
        const struct cd_user user = { .name = CD_STR("ana"),
                                      .password = CD_STR(HASH),
                                      .claims = CD_STR("{\"role\":\"a\\u0001\\\"b\"}"),
                                      .display_name = CD_STR("Ana \"B\" \xc3\x84"),
                                      .email = CD_STR("ana@example.com"),
                                      .email_verified = true,
                                      .groups = { groups, 2 },
                                      .disabled = true };
        struct cd_user_params params;

        (void)state;
        assert_status(cd_user_line_read(&arena, write_line(&user), CD_USER_FORMAT_ANY, &params, NULL), CD_OK);
        assert_true(cd_str_eq(params.name, user.name));
        assert_true(cd_str_eq(params.stored, user.password));
        assert_true(cd_str_eq(params.claims, user.claims));
        assert_true(cd_str_eq(params.display_name, user.display_name));
        assert_true(cd_str_eq(params.email, user.email));
        assert_true(params.email_verified);
        assert_int_equal(params.groups.count, 2);
        assert_str(params.groups.items[1], "dev");
        assert_true(params.disabled);
}

static void what_a_user_does_not_have_is_left_out(void **state)
{
        const struct cd_user user = { .name = CD_STR("ana"), .password = CD_STR("$h") };

        (void)state;
        assert_str(write_line(&user), "{\"name\":\"ana\",\"hash\":\"$h\",\"claims\":{},\"disabled\":false}");
}

static void the_longest_user_fits_in_a_line(void **state)
{
        static char name[128], password[CD_PASSWORD_STORED_MAX], claims[CD_USER_CLAIMS_MAX],
                display_name[CD_DISPLAY_NAME_MAX], email[CD_EMAIL_MAX], group[CD_GROUP_NAME_MAX];
        static cd_str groups[CD_GROUPS_MAX];
        struct cd_user user = { .name = { name, sizeof(name) },
                                .password = { password, sizeof(password) },
                                .claims = { claims, sizeof(claims) },
                                .display_name = { display_name, sizeof(display_name) },
                                .email = { email, sizeof(email) },
                                .groups = { groups, CD_GROUPS_MAX } };

        (void)state;
        memset(name, 'a', sizeof(name));
        memset(password, 'a', sizeof(password));
        memset(claims, 'a', sizeof(claims));
        memset(display_name, '"', sizeof(display_name)); /* two bytes each */
        memset(email, 'a', sizeof(email));
        memset(group, 'a', sizeof(group));
        for (size_t i = 0; i < CD_GROUPS_MAX; i++)
                groups[i] = cd_str_of(group, sizeof(group));
        assert_in_range(write_line(&user).len, 9000, CD_USER_LINE_MAX);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_line_of_htpasswd_is_a_name_and_a_hash),
                CASE(empty_lines_and_comments_are_nobody),
                CASE(a_json_line_has_all_that_a_user_is),
                CASE(a_salted_blake2b_stands_inside_or_beside),
                CASE(a_user_without_a_password_is_read_as_written),
                CASE(what_is_wrong_with_a_line_is_said_without_its_hash),
                CASE(lesson_30_a_line_that_is_too_long_is_refused),
                CASE(what_export_writes_is_what_import_reads),
                CASE(what_a_user_does_not_have_is_left_out),
                CASE(the_longest_user_fits_in_a_line),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
