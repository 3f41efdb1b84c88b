/* libpq is loaded by the first URL of PostgreSQL, not by the program. The tests stand in the order in which they
 * run. */
#include <dlfcn.h>
#include <string.h>
#include <sys/resource.h>

#include "store/postgres/connection.h"
#include "store/postgres/url.h"
#include "support/check.h"

static bool has_libpq(void)
{
        void *library = dlopen("libpq.so.5", RTLD_NOLOAD | RTLD_NOW);

        if (library)
                dlclose(library);
        return library;
}

static void the_program_alone_does_not_bring_libpq(void **state)
{
        struct cd_pg_target target;
        struct cd_error err = { 0 };

        (void)state;
        assert_false(has_libpq());
        assert_int_equal(cd_pg_target_init(CD_STR("sqlite:users.db"), 1000, &target, &err), CD_INVALID_REQUEST);
        assert_false(has_libpq());
}

static void a_library_that_cannot_be_loaded_is_said_and_tried_again(void **state)
{
        struct rlimit before, none;
        struct cd_error err = { 0 };

        (void)state;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        cd_status status = cd_libpq_load(&err);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(status, CD_UNAVAILABLE);
        assert_string_equal(err.field, "store");
        assert_non_null(strstr(err.reason, "libpq.so.5"));
        assert_int_equal(cd_libpq_load(&err), CD_OK);
}

static void a_url_of_postgresql_loads_it(void **state)
{
        struct cd_pg_target target;
        struct cd_error err = { 0 };

        (void)state;
        assert_int_equal(cd_pg_target_init(CD_STR("postgresql://ana@localhost/cardea"), 1000, &target, &err), CD_OK);
        cd_pg_target_done(&target);
        assert_true(has_libpq());
}

static void an_error_with_the_password_is_shown_without_names(void **state)
{
        char password[] = "cardea", said[300];
        struct cd_pg_target target = { .password = password };
        static const char *const texts[][2] = {
                { "connection to server at \"10.0.0.7\", port 5432 failed: FATAL:  password authentication failed\n",
                  "connection to server at \"10.0.0.7\", port 5432 failed: FATAL: password authentication failed" },
                { "connection to server at \"10.0.0.7\", port 5432 failed: FATAL:  password authentication failed for "
                  "user "
                  "\"cardea\"\n",
                  "connection to server at \"\", port 5432 failed: FATAL: password authentication failed for user "
                  "\"\"" },
                { "FATAL:  database \"the cardea\" does not exist", "FATAL: database \"\" does not exist" },
                { "invalid value cardea", "(not shown: the text contains the password)" },
                { "no \"end cardea", "no \"" },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(texts); i++) {
                cd_pg_describe(&target, texts[i][0], said, sizeof(said));
                assert_string_equal(said, texts[i][1]);
        }
        target.password = NULL;
        cd_pg_describe(&target, "role \"cardea\" does not exist", said, sizeof(said));
        assert_string_equal(said, "role \"cardea\" does not exist");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_program_alone_does_not_bring_libpq),
                cmocka_unit_test(a_library_that_cannot_be_loaded_is_said_and_tried_again),
                cmocka_unit_test(a_url_of_postgresql_loads_it),
                cmocka_unit_test(an_error_with_the_password_is_shown_without_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
