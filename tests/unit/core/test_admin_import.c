/* Imports that add some users and replace others. */
#include "unit/core/admin_fixture.h"

static cd_status put_users(struct admin_fixture *f, struct cd_user *users, size_t count, struct cd_import_counts *ret)
{
        const struct cd_user_import import = { .users = { users, count } };

        return cd_admin_users_import_or_replace(&f->by, &f->arena, &import, ret, NULL);
}

static void a_batch_that_replaces_is_written_whole_or_not_at_all(void **state)
{
        struct admin_fixture *f = *state;
        const char *const names[] = { "bob", "ana", "cy" };
        struct cd_user users[3];
        struct cd_import_counts counts;

        admin_add_ana(f);
        for (size_t i = 0; i < CD_LEN(names); i++) {
                const struct cd_user_params params = { .name = cd_str_from_c(names[i]),
                                                       .password = CD_STR("x"),
                                                       .claims = CD_STR("{\"a\":1}") };
                assert_status(cd_admin_user_prepare(&f->by, &f->arena, &params, &users[i], NULL), CD_OK);
        }
        users[2].name = CD_STR("bob"); /* twice, which no caller does */
        assert_status(put_users(f, users, 3, &counts), CD_EXISTS);
        assert_str(admin_find(f, "ana").claims, "{\"role\":\"editor\"}");
        assert_int_equal(admin_count_events(f), 1);
        users[2].name = CD_STR("cy");
        assert_status(put_users(f, users, 3, &counts), CD_OK);
        assert_true(counts.added == 2 && counts.updated == 1 && counts.unchanged == 0);
        assert_str(admin_find(f, "ana").claims, "{\"a\":1}");
        assert_str(admin_find(f, "cy").claims, "{\"a\":1}");
        assert_int_equal(admin_count_events(f), 3); /* of bob and cy, and of ana */
        assert_status(put_users(f, users, 3, &counts), CD_OK);
        assert_true(counts.added == 0 && counts.updated == 0 && counts.unchanged == 3);
        assert_int_equal(admin_count_events(f), 3);
        assert_status(put_users(f, users, 0, &counts), CD_OK);
        assert_true(counts.added == 0 && counts.updated == 0 && counts.unchanged == 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, admin_set_up, admin_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_batch_that_replaces_is_written_whole_or_not_at_all),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
