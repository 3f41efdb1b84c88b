/* What a provider's redirect brings. */
#include "support/check.h"

#include "relay/params.h"

static struct cd_arena arena;

static cd_status read(const char *query, struct cd_relay_params *ret, struct cd_error *err)
{
        *ret = (struct cd_relay_params){ 0 };
        *err = (struct cd_error){ 0 };
        cd_status status = cd_relay_params_read(&arena, cd_str_from_c(query), ret, err);
        return status == CD_OK ? cd_relay_params_check(ret, err) : status;
}

static void what_a_provider_sends_is_read(void **state)
{
        struct cd_relay_params params;
        struct cd_error err;

        (void)state;
        assert_int_equal(read("code=a%2Bb&state=c+d%3D&iss=https%3A%2F%2Fx", &params, &err), CD_OK);
        assert_true(cd_str_eq(params.code, CD_STR("a+b")) && cd_str_eq(params.state, CD_STR("c d=")));
        assert_null(params.error.ptr);
        assert_int_equal(read("error=access_denied&error_description=n%C3%B6&state=s", &params, &err), CD_OK);
        assert_null(params.code.ptr);
        assert_true(cd_str_eq(params.error_description, CD_STR("nö")));
}

static void what_no_provider_sends_is_refused_without_showing_it(void **state)
{
        static const struct {
                const char *query, *field, *reason;
        } wrong[] = {
                { "", "code", "is missing, as is error" },
                { "state=secret", "code", "is missing, as is error" },
                { "code=secret", "state", "is missing" },
                { "code=secret&error=x&state=s", "code", "is given together with error" },
                { "code=secret&code=secret&state=s", "code", "given more than once" },
                { "code=s%C3%A9cret&state=s", "code", "has a character that RFC 6749 does not allow" },
                { "code=a&state=secret%7F", "state", "has a character that RFC 6749 does not allow" },
                { "error=secret%09&state=s", "error", "has a character that RFC 6749 does not allow" },
                { "error=a&state=s&error_description=secret%1B", "error_description", "has a control character" },
        };
        struct cd_relay_params params;
        struct cd_error err;

        (void)state;
        for (size_t i = 0; i < CD_LEN(wrong); i++) {
                assert_int_equal(read(wrong[i].query, &params, &err), CD_INVALID_REQUEST);
                assert_string_equal(err.field, wrong[i].field);
                assert_string_equal(err.reason, wrong[i].reason);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_a_provider_sends_is_read),
                cmocka_unit_test(what_no_provider_sends_is_refused_without_showing_it),
        };

        cd_arena_init(&arena, 1 << 20);
        int failed = cmocka_run_group_tests_name("relay/params", tests, NULL, NULL);
        cd_arena_done(&arena);
        return failed;
}
