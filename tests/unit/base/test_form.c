#include "support/check.h"

#include <string.h>

#include "base/buf.h"
#include "base/field.h"

struct ask {
        cd_str grant_type, scope, password;
        int64_t max_age;
};

#define FIELD(member, kind, ...)                                                                                       \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct ask, member), .type = CD_FIELD_##kind, __VA_ARGS__          \
        }
static const struct cd_field fields[] = {
        FIELD(grant_type, STRING, .flags = CD_FIELD_REQUIRED),
        FIELD(scope, STRING),
        FIELD(password, SECRET),
        FIELD(max_age, INT, .min = 0, .max = 100, .fallback = "60"),
};
static const struct cd_table table = { "ask", fields, CD_LEN(fields), sizeof(struct ask), false };

static struct cd_arena arena;

static void assert_refused(cd_str body, const char *field, const char *reason)
{
        struct ask ask, before;
        struct cd_error err = { 0 };

        memset(&ask, 0x55, sizeof(ask));
        before = ask;
        assert_status(cd_form_decode(&arena, body, &table, &ask, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, field);
        assert_string_equal(err.reason, reason);
        assert_memory_equal(&ask, &before, sizeof(ask));
}

static struct ask decoded(cd_str body)
{
        struct ask ask;
        struct cd_error err = { 0 };

        memset(&ask, 0x55, sizeof(ask));
        if (cd_form_decode(&arena, body, &table, &ask, &err) != CD_OK)
                fail_msg("%s: %s", err.field, err.reason);
        return ask;
}

static void parameters_are_decoded_and_bound(void **state)
{
        struct ask ask = decoded(CD_STR("grant_type=client%5Fcredentials&scope=a+b%2Bc&max_age=7&"));

        (void)state;
        assert_str(ask.grant_type, "client_credentials");
        assert_str(ask.scope, "a b+c");
        assert_int_equal(ask.max_age, 7);
        assert_null(ask.password.ptr);
        assert_str(decoded(CD_STR("&&grant%5ftype=x=y&&")).grant_type, "x=y");
}

static void an_empty_value_counts_as_absent(void **state)
{
        struct ask ask = decoded(CD_STR("grant_type=x&scope=&password&max_age="));

        (void)state;
        assert_null(ask.scope.ptr);
        assert_null(ask.password.ptr);
        assert_int_equal(ask.max_age, 60);
        assert_refused(CD_STR("grant_type=&scope=a"), "grant_type", "missing");
        assert_refused(CD_STR(""), "grant_type", "missing");
        assert_refused((cd_str){ NULL, 0 }, "grant_type", "missing");
}

static void a_known_parameter_given_twice_is_refused(void **state)
{
        (void)state;
        assert_refused(CD_STR("grant_type=a&scope=x&scope=x"), "scope", "given more than once");
        assert_refused(CD_STR("grant_type=a&grant%5Ftype=b"), "grant_type", "given more than once");
        decoded(CD_STR("grant_type=a&foo=1&foo=2&resource=%zz"));
}

static void bad_encodings_are_named(void **state)
{
        (void)state;
        assert_refused(CD_STR("grant_type=a&scope=%4"), "scope", "invalid percent-encoding");
        assert_refused(CD_STR("grant_type=%zz"), "grant_type", "invalid percent-encoding");
        assert_refused(CD_STR("grant_type=a&%=b"), "", "invalid percent-encoding in a name");
        assert_refused(CD_STR("grant_type=a%00"), "grant_type", "must not contain control characters");
        assert_refused(CD_STR("grant_type=%ff"), "grant_type", "must be UTF-8");
        assert_refused(CD_STR("grant_type=\xc3("), "grant_type", "must be UTF-8");
        assert_refused(CD_STR("grant_type=a&max_age=101"), "max_age", "must be 0 to 100");
}

static void a_closed_table_refuses_what_it_does_not_know(void **state)
{
        struct cd_table closed = table;
        struct cd_error err;
        struct ask ask;

        (void)state;
        closed.closed = true;
        assert_status(cd_form_decode(&arena, CD_STR("grant_type=a&scop=x"), &closed, &ask, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, "scop");
        assert_string_equal(err.reason, "unknown, did you mean \"scope\"?");
}

static void lesson_30_the_number_of_parameters_is_bounded(void **state)
{
        struct cd_buf buf;
        cd_str body = CD_STR("");

        (void)state;
        cd_buf_init(&buf, NULL, 4096);
        cd_buf_add(&buf, CD_STR("grant_type=a"));
        for (int i = 0; i < 255; i++)
                cd_buf_add(&buf, CD_STR("&x"));
        assert_status(cd_buf_view(&buf, &body), CD_OK);
        decoded(body);
        cd_buf_add(&buf, CD_STR("&x"));
        assert_status(cd_buf_view(&buf, &body), CD_OK);
        assert_refused(body, "", "more than 256 parameters");
        cd_buf_done(&buf);
}

static int free_arena(void **state)
{
        (void)state;
        cd_arena_done(&arena);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(parameters_are_decoded_and_bound),
                cmocka_unit_test(an_empty_value_counts_as_absent),
                cmocka_unit_test(a_known_parameter_given_twice_is_refused),
                cmocka_unit_test(bad_encodings_are_named),
                cmocka_unit_test(a_closed_table_refuses_what_it_does_not_know),
                cmocka_unit_test(lesson_30_the_number_of_parameters_is_bounded),
        };
        cd_arena_init(&arena, 1 << 20);
        return cmocka_run_group_tests_name("form", tests, NULL, free_arena);
}
