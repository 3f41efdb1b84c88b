/* Why a finding matters. */
#include "app/config.h"
#include "support/check.h"

static void each_part_of_the_configuration_has_a_reason(void **state)
{
        (void)state;
        for (size_t i = 0; i < cd_config_table.count; i++) {
                const char *why = cd_config_why(cd_str_from_c(cd_config_table.fields[i].name));
                if (!why || why[strlen(why) - 1] == '.')
                        fail_msg("%s has no reason, or one that ends with a period", cd_config_table.fields[i].name);
        }
}

static void the_longest_name_counts(void **state)
{
        (void)state;
        const char *clients = cd_config_why(CD_STR("clients")), *secret = cd_config_why(CD_STR("clients[3].secret"));

        assert_string_not_equal(clients, secret);
        assert_string_equal(cd_config_why(CD_STR("clients[3]")), clients);
        assert_string_equal(cd_config_why(CD_STR("clients[3].secret_2")), clients);
        assert_string_equal(cd_config_why(CD_STR("clients[3].scopes[0]")), clients);
        assert_string_equal(cd_config_why(CD_STR("gate.routes[10].upstream")),
                            cd_config_why(CD_STR("gate.routes.upstream")));
        assert_string_not_equal(cd_config_why(CD_STR("gate.routes[10].upstream")), cd_config_why(CD_STR("gate")));
}

static void what_is_no_setting_has_none(void **state)
{
        static const cd_str samples[] = { CD_STR_INIT(""),    CD_STR_INIT("client"),  CD_STR_INIT("clientsx"),
                                          CD_STR_INIT("[0]"), CD_STR_INIT("x.store"), CD_STR_INIT("tls[") };

        (void)state;
        for (size_t i = 0; i < CD_LEN(samples) - 1; i++)
                assert_null(cd_config_why(samples[i]));
        assert_non_null(cd_config_why(samples[CD_LEN(samples) - 1]));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_part_of_the_configuration_has_a_reason),
                cmocka_unit_test(the_longest_name_counts),
                cmocka_unit_test(what_is_no_setting_has_none),
        };

        return cmocka_run_group_tests_name("why a setting matters", tests, NULL, NULL);
}
