/* TLS to a real server that also takes plain text: what the URL demands is what happens, or nothing does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

/* The server's URL for `host`, with `parameters` after it; "%s" in them is the server's folder. */
static const char *url_to(const char *host, const char *parameters)
{
        static char url[1024];
        char user[64], password[64], database[64], more[512];
        int port;

        assert_int_equal(
                sscanf(server_url(), "postgresql://%63[^:]:%63[^@]@127.0.0.1:%d/%63s", user, password, &port, database),
                4);
        const char *folder = getenv("CARDEA_POSTGRES_FOLDER"), *at = strstr(parameters, "%s");
        snprintf(more, sizeof(more), "%.*s%s%s", at ? (int)(at - parameters) : (int)strlen(parameters), parameters,
                 at ? folder : "", at ? at + 2 : "");
        snprintf(url, sizeof(url), "postgresql://%s:%s@%s:%d/%s?%s", user, password, host, port, database, more);
        return url;
}

static const struct cd_sql_statement is_encrypted = {
        "SELECT CASE WHEN ssl THEN 1 ELSE 0 END FROM pg_stat_ssl WHERE pid = pg_backend_pid()", 0, 1
};

static const struct cd_sql_statement plain_connections = {
        "SELECT COUNT(*) FROM pg_stat_activity a JOIN pg_stat_ssl s ON a.pid = s.pid WHERE a.application_name ="
        " 'cardea' AND a.backend_type = 'client backend' AND NOT s.ssl",
        0, 1
};

static void is_taken(const char *host, const char *parameters, int64_t encrypted)
{
        struct cd_sql_driver *driver = open_driver(url_to(host, parameters), 2, 20000);

        assert_int_equal(get_integer(driver, &is_encrypted), encrypted);
        driver->free(driver);
}

static void is_refused(const char *host, const char *parameters, const char *reason)
{
        const char *url = url_to(host, parameters);
        struct cd_sql_driver *driver = open_driver(url, 2, 20000);
        struct cd_error error;
        char password[64];
        int64_t found;

        assert_status(try_integer(driver, &is_encrypted, &found, &error), CD_UNAVAILABLE);
        if (!strstr(error.reason, reason))
                fail_msg("\"%s\" is not in: %s", reason, error.reason);
        assert_int_equal(sscanf(url, "postgresql://%*[^:]:%63[^@]", password), 1);
        assert_null(strstr(error.reason, password));
        driver->free(driver);
}

static void where_the_url_demands_tls_every_connection_has_it(void **state)
{
        struct cd_sql_driver *driver = open_driver(url_to("127.0.0.1", "sslmode=require"), 2, 20000);

        (void)state;
        assert_int_equal(get_integer(driver, &is_encrypted), 1);
        driver->wait(driver, 200); /* begins to listen, on a connection of its own */
        for (int64_t until = now_ms() + 10000; now_ms() < until;) {
                static const struct cd_sql_statement listening = {
                        "SELECT COUNT(*) FROM pg_stat_activity WHERE query = 'LISTEN cardea'", 0, 1
                };
                if (get_integer(driver, &listening) == 1)
                        break;
                sleep_ms(20);
        }
        assert_int_equal(get_integer(driver, &plain_connections), 0);
        driver->free(driver);
}

static void a_server_that_the_ca_signed_is_accepted_by_its_name(void **state)
{
        (void)state;
        is_taken("localhost", "sslmode=verify-full&sslrootcert=%s/ca.pem", 1);
        is_taken("127.0.0.1", "sslmode=verify-ca&sslrootcert=%s/ca.pem", 1); /* which asks for no name */
}

static void a_certificate_for_another_host_is_refused(void **state)
{
        (void)state;
        is_refused("127.0.0.1", "sslmode=verify-full&sslrootcert=%s/ca.pem", "does not match host name \"127.0.0.1\"");
}

static void a_certificate_of_another_ca_is_refused(void **state)
{
        (void)state;
        is_refused("localhost", "sslmode=verify-full&sslrootcert=%s/other-ca.pem", "certificate verify failed");
}

static void a_ca_that_is_missing_is_an_error_and_no_leniency(void **state)
{
        (void)state;
        is_refused("localhost", "sslmode=verify-full&sslrootcert=%s/none.pem", "none.pem\" does not exist");
}

/* The test of the tests above: this server would take plain text. */
static void where_the_url_forbids_tls_there_is_none(void **state)
{
        (void)state;
        is_taken("127.0.0.1", "sslmode=disable", 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(where_the_url_demands_tls_every_connection_has_it),
                cmocka_unit_test(a_server_that_the_ca_signed_is_accepted_by_its_name),
                cmocka_unit_test(a_certificate_for_another_host_is_refused),
                cmocka_unit_test(a_certificate_of_another_ca_is_refused),
                cmocka_unit_test(a_ca_that_is_missing_is_an_error_and_no_leniency),
                cmocka_unit_test(where_the_url_forbids_tls_there_is_none),
        };

        return cmocka_run_group_tests_name("postgres: TLS", tests, NULL, NULL);
}
