/* A pooler that gives each transaction another connection of the server (LESSONS 42), as the driver meets it:
 * statements that it has prepared are gone, or are there before it prepares them. tests/http/grant/test_pooler.py does
 * the same with PgBouncer. */
#include <string.h>

#include "fixture.h"

static const struct cd_sql_statement one = { "SELECT 1", 0, 1 };
static const struct cd_sql_statement one_again = { "SELECT 1", 0, 1 };
static const struct cd_sql_statement prepared = {
        "SELECT COUNT(*) FROM pg_prepared_statements WHERE name LIKE 'cardea%'", 0, 1
};
static const struct cd_sql_statement patience = {
        "SELECT CAST(setting AS BIGINT) FROM pg_settings WHERE name = 'statement_timeout'", 0, 1
};

struct counting {
        const char *first; /* a script that its first run begins with; NULL: none */
        const struct cd_sql_statement *statement;
        unsigned runs;
        int64_t found;
};

static cd_status count_run(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct counting *counting = arg;
        const struct cd_sql_call call = { .statement = counting->statement,
                                          .row = take_integer,
                                          .arg = &counting->found };

        if (++counting->runs == 1 && counting->first) {
                cd_status status = session->script(session, cd_str_from_c(counting->first), reterr);
                if (status != CD_OK)
                        return status;
        }
        return session->run(session, &call, reterr);
}

static void lesson_42_a_transaction_whose_statement_is_gone_is_repeated_without_names(void **state)
{
        struct cd_sql_driver *driver = open_driver(server_url(), 1, 20000);
        struct counting counting = { .first = "DEALLOCATE ALL", .statement = &one };
        struct cd_error error;

        (void)state;
        assert_int_equal(get_integer(driver, &one), 1);
        assert_true(get_integer(driver, &prepared) > 0);
        assert_false(driver->is_pooled(driver));
        assert_status(driver->write(driver, count_run, &counting, &error), CD_OK);
        assert_int_equal(counting.runs, 2);
        assert_true(driver->is_pooled(driver));
        assert_int_equal(get_integer(driver, &prepared), 0);
        driver->free(driver);
}

/* Another client of the pooler, that is another process of ours, has prepared it on this connection. */
static void lesson_42_a_statement_that_is_there_already_is_a_pooler(void **state)
{
        struct cd_sql_driver *other = open_driver(server_url(), 1, 20000);
        struct cd_sql_driver *driver = open_driver(server_url(), 1, 20000);
        struct counting counting = { .first = "DO $$ BEGIN EXECUTE 'PREPARE ' || (SELECT quote_ident(name) FROM names) "
                                              "|| ' AS SELECT 2'; END $$",
                                     .statement = &one };
        struct cd_error error;

        (void)state;
        assert_int_equal(get_integer(other, &one), 1);
        do_script(other, "DROP TABLE IF EXISTS names;"
                         "CREATE TABLE names AS SELECT name FROM pg_prepared_statements WHERE statement = 'SELECT 1'");
        assert_status(driver->write(driver, count_run, &counting, &error), CD_OK);
        assert_int_equal(counting.runs, 2);
        assert_int_equal(counting.found, 1);
        assert_true(driver->is_pooled(driver));
        driver->free(driver);
        other->free(other);
}

static void lesson_42_after_a_pooler_each_transaction_has_the_settings_of_its_own(void **state)
{
        struct cd_sql_driver *driver = open_driver(server_url(), 1, 20000);
        struct counting counting = { .first = "DEALLOCATE ALL", .statement = &patience };
        struct cd_error error;

        (void)state;
        assert_int_equal(get_integer(driver, &patience), 16000); /* of the session */
        assert_status(driver->write(driver, count_run, &counting, &error), CD_OK);
        assert_true(driver->is_pooled(driver));
        assert_int_equal(get_integer(driver, &patience), 0); /* which is not ours any more */
        assert_status(driver->write(driver, count_run, &counting, &error), CD_OK);
        assert_int_equal(counting.found, 16000);
        driver->free(driver);
}

static void a_text_that_two_statements_have_is_prepared_once(void **state)
{
        struct cd_sql_driver *driver = open_driver(server_url(), 1, 20000);

        (void)state;
        assert_int_equal(get_integer(driver, &one), 1);
        int64_t before = get_integer(driver, &prepared);
        assert_int_equal(get_integer(driver, &one_again), 1);
        assert_int_equal(get_integer(driver, &prepared), before);
        assert_false(driver->is_pooled(driver));
        driver->free(driver);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lesson_42_a_transaction_whose_statement_is_gone_is_repeated_without_names),
                cmocka_unit_test(lesson_42_after_a_pooler_each_transaction_has_the_settings_of_its_own),
                cmocka_unit_test(a_text_that_two_statements_have_is_prepared_once),
                cmocka_unit_test(lesson_42_a_statement_that_is_there_already_is_a_pooler),
        };

        return cmocka_run_group_tests_name("postgres: a pooler in between", tests, NULL, NULL);
}
