#include "support/check.h"

#include <string.h>

static void failing_fills_the_error_and_returns_the_status(void **state)
{
        struct cd_error err;

        (void)state;
        assert_status(cd_failf(&err, CD_INVALID_SCOPE, CD_STR("scope"), "%d unknown", 2), CD_INVALID_SCOPE);
        assert_status(err.status, CD_INVALID_SCOPE);
        assert_string_equal(err.field, "scope");
        assert_string_equal(err.reason, "2 unknown");
        assert_status(cd_fail(&err, CD_TIMEOUT, "50% gone"), CD_TIMEOUT);
        assert_string_equal(err.field, "");
        assert_string_equal(err.reason, "50% gone");
        assert_status(cd_fail(NULL, CD_INTERNAL, "nobody asks"), CD_INTERNAL);
}

static void long_names_and_reasons_are_cut_within_their_room(void **state)
{
        struct cd_error err;
        char name[100], reason[1000];

        (void)state;
        memset(name, 'n', sizeof(name));
        memset(reason, 'r', sizeof(reason));
        reason[sizeof(reason) - 1] = '\0';
        assert_status(cd_fail_field(&err, CD_MALFORMED, cd_str_of(name, sizeof(name)), reason), CD_MALFORMED);
        assert_int_equal(strlen(err.field), sizeof(err.field) - 1);
        assert_int_equal(strlen(err.reason), sizeof(err.reason) - 1);
}

static void every_status_has_a_name(void **state)
{
        (void)state;
        for (int status = CD_OK; status <= CD_INTERNAL; status++)
                assert_true(cd_status_name((cd_status)status).len > 0);
        assert_str(cd_status_name(CD_UNSUPPORTED_GRANT_TYPE), "unsupported_grant_type");
        assert_str(cd_status_name(CD_UNAVAILABLE), "temporarily_unavailable");
        assert_str(cd_status_name(CD_INTERNAL), "server_error");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(failing_fills_the_error_and_returns_the_status),
                cmocka_unit_test(long_names_and_reasons_are_cut_within_their_room),
                cmocka_unit_test(every_status_has_a_name),
        };
        return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
