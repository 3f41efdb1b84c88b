#include "support/check.h"

#include "base/secret.h"

static void lesson_32_secrets_are_equal_only_when_all_bytes_are(void **state)
{
        (void)state;
        assert_true(cd_secret_eq(CD_STR("qwerty"), CD_STR("qwerty")));
        assert_false(cd_secret_eq(CD_STR("qwerty"), CD_STR("qwertz")));
        assert_false(cd_secret_eq(CD_STR("qwerty"), CD_STR("Qwerty")));
        assert_false(cd_secret_eq(CD_STR("qwerty"), CD_STR("qwert")));
        assert_false(cd_secret_eq(CD_STR("a\0b"), CD_STR("a\0c")));
        assert_true(cd_secret_eq((cd_str){ NULL, 0 }, CD_STR("")));
}

static void lesson_32_wiping_leaves_zeros_and_takes_nothing_too(void **state)
{
        char memory[5] = "abcd!";

        (void)state;
        cd_wipe(memory, 4);
        assert_memory_equal(memory, "\0\0\0\0!", 5);
        cd_wipe(NULL, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lesson_32_secrets_are_equal_only_when_all_bytes_are),
                cmocka_unit_test(lesson_32_wiping_leaves_zeros_and_takes_nothing_too),
        };
        return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
