#include "core/any_user.h"

#include <string.h>

#include "support/check.h"

static cd_status log_in(struct cd_arena *arena, cd_str name, struct cd_user *ret, struct cd_error *reterr)
{
        const struct cd_login_attempt attempt = {
                .name = name, .password = CD_STR("anything"), .address = CD_STR("192.0.2.1"), .by = CD_STR("client:app")
        };

        return cd_any_user.login(&cd_any_user, arena, &attempt, ret, reterr);
}

static void any_name_logs_in_as_it_was_written(void **state)
{
        char name[] = "Ana \xc3\xbc";
        struct cd_arena arena;
        struct cd_user user;

        (void)state;
        cd_arena_init(&arena, 4096);
        assert_status(log_in(&arena, cd_str_from_c(name), &user, NULL), CD_OK);
        memset(name, 'x', sizeof(name)); /* it is a copy */
        assert_str(user.name, "Ana \xc3\xbc");
        assert_int_equal(user.generation, 0);
        assert_int_equal(user.password.len, 0);
        cd_arena_done(&arena);
}

static void a_name_has_a_length(void **state)
{
        char name[CD_ANY_USER_NAME_MAX + 1];
        struct cd_error err;
        struct cd_arena arena;
        struct cd_user user;

        (void)state;
        memset(name, 'a', sizeof(name));
        cd_arena_init(&arena, 4096);
        assert_status(log_in(&arena, cd_str_of(name, 1), &user, NULL), CD_OK);
        assert_status(log_in(&arena, cd_str_of(name, CD_ANY_USER_NAME_MAX), &user, NULL), CD_OK);
        for (size_t i = 0; i < 2; i++) {
                size_t len = i ? CD_ANY_USER_NAME_MAX + 1 : 0;
                assert_status(log_in(&arena, cd_str_of(name, len), &user, &err), CD_INVALID_GRANT);
                assert_string_equal(err.reason, "invalid username or password");
        }
        cd_arena_done(&arena);
}

static void lesson_31_without_memory_nobody_logs_in(void **state)
{
        struct cd_arena arena;
        struct cd_user user;

        (void)state;
        cd_arena_init(&arena, 0);
        assert_status(log_in(&arena, CD_STR("ana"), &user, NULL), CD_NO_MEMORY);
        cd_arena_done(&arena);
}

static void no_address_has_to_wait(void **state)
{
        (void)state;
        assert_false(cd_any_user.may_block);
        assert_status(cd_any_user.check_address(&cd_any_user, CD_STR("192.0.2.1"), NULL), CD_OK);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(any_name_logs_in_as_it_was_written),
                cmocka_unit_test(a_name_has_a_length),
                cmocka_unit_test(lesson_31_without_memory_nobody_logs_in),
                cmocka_unit_test(no_address_has_to_wait),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
