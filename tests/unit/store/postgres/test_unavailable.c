/* The server that is unavailable, hangs, has no room, or refuses. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "proxy.h"

static const struct cd_sql_statement one = { "SELECT 1", 0, 1 };

enum {
        WRITERS = 4,
        TIMEOUT_MS = 800,
        SLACK_MS = 3000, /* of a machine that does other things */
};

static cd_status probe(struct cd_sql_driver *driver, struct cd_error *reterr)
{
        int64_t found;

        *reterr = (struct cd_error){ 0 };
        return try_integer(driver, &one, &found, reterr);
}

/* Until the driver works again. */
static void await_recovery(struct cd_sql_driver *driver)
{
        int64_t end = now_ms() + 30000;
        struct cd_error error;

        while (probe(driver, &error) != CD_OK) {
                if (now_ms() > end)
                        fail_msg("it does not recover: %s", error.reason);
                sleep_ms(20);
        }
}

/* ---- writers ---- */

struct writer {
        struct cd_sql_driver *driver;
        atomic_bool *is_over;
        pthread_t thread;
        int64_t number, acknowledged; /* rows 1 to that are there, whatever happens */
        unsigned failed;
        struct cd_error error; /* of the last that failed */
        int64_t slowest_ms;
};

struct row {
        int64_t writer, id;
};

static cd_status write_row(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        /* The row of a commit whose answer got lost may be there. */
        static const struct cd_sql_statement put = {
                "INSERT INTO acks (writer, id) VALUES ($1, $2) ON CONFLICT DO NOTHING", 2, 0
        };
        const struct row *row = arg;
        const struct cd_sql_value params[] = { { .type = CD_SQL_INTEGER, .integer = row->writer },
                                               { .type = CD_SQL_INTEGER, .integer = row->id } };
        const struct cd_sql_call call = { .statement = &put, .params = params };

        return session->run(session, &call, reterr);
}

static void *write_on(void *arg)
{
        struct writer *w = arg;

        while (!atomic_load(w->is_over)) {
                struct row row = { w->number, w->acknowledged + 1 };
                int64_t begin = now_ms();
                if (w->driver->write(w->driver, write_row, &row, &w->error) == CD_OK) {
                        w->acknowledged++;
                } else {
                        w->failed++;
                        sleep_ms(5);
                }
                if (now_ms() - begin > w->slowest_ms)
                        w->slowest_ms = now_ms() - begin;
        }
        return NULL;
}

static void start_writers(struct writer *writers, struct cd_sql_driver *driver, atomic_bool *is_over)
{
        do_script(driver,
                  "DROP TABLE IF EXISTS acks; CREATE TABLE acks (writer BIGINT, id BIGINT, PRIMARY KEY (writer, id))");
        for (int i = 0; i < WRITERS; i++) {
                writers[i] = (struct writer){ .driver = driver, .is_over = is_over, .number = i };
                assert_int_equal(pthread_create(&writers[i].thread, NULL, write_on, &writers[i]), 0);
        }
}

static int64_t count_rows(struct cd_sql_session *session, int64_t writer, struct cd_error *reterr, cd_status *ret)
{
        static const struct cd_sql_statement count = { "SELECT COUNT(*) FROM acks WHERE writer = $1", 1, 1 };
        const struct cd_sql_value param = { .type = CD_SQL_INTEGER, .integer = writer };
        int64_t found = -1;
        const struct cd_sql_call call = { .statement = &count, .params = &param, .row = take_integer, .arg = &found };

        *ret = session->run(session, &call, reterr);
        return found;
}

static cd_status check_writers(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct writer *writers = arg;
        cd_status status = CD_OK;

        for (int i = 0; i < WRITERS && status == CD_OK; i++) {
                int64_t found = count_rows(session, writers[i].number, reterr, &status);
                /* One more may be there: the one whose commit nobody knows of. */
                if (status == CD_OK && (found < writers[i].acknowledged || found > writers[i].acknowledged + 1))
                        return cd_failf(reterr, CD_INTERNAL, CD_STR(""), "%lld rows of %lld", (long long)found,
                                        (long long)writers[i].acknowledged);
        }
        return status;
}

static void stop_writers(struct writer *writers, atomic_bool *is_over)
{
        struct cd_error error = { 0 };

        atomic_store(is_over, true);
        for (int i = 0; i < WRITERS; i++)
                pthread_join(writers[i].thread, NULL);
        await_recovery(writers[0].driver);
        if (writers[0].driver->read(writers[0].driver, check_writers, writers, &error) != CD_OK)
                fail_msg("%s", error.reason);
}

static void what_was_acknowledged_survives_kill_9_of_the_server_under_load(void **state)
{
        struct cd_sql_driver *driver = open_driver(server_url(), 4, 5000);
        struct writer writers[WRITERS];
        atomic_bool is_over = false;

        (void)state;
        start_writers(writers, driver, &is_over);
        for (int round = 0; round < 2; round++) {
                sleep_ms(300);
                server_do("kill", NULL);
                sleep_ms(100);
                server_do("start", NULL);
                await_recovery(driver);
        }
        sleep_ms(200);
        stop_writers(writers, &is_over);
        for (int i = 0; i < WRITERS; i++) {
                assert_true(writers[i].acknowledged > 0);
                assert_true(writers[i].failed > 0);
        }
        driver->free(driver);
}

static void while_the_server_is_unavailable_calls_fail_at_once_and_say_when_to_come_back(void **state)
{
        struct cd_sql_driver *driver = open_driver(server_url(), 4, 5000);
        struct cd_error error;

        (void)state;
        assert_status(probe(driver, &error), CD_OK);
        server_do("kill", NULL);
        int64_t begin = now_ms();
        for (int i = 0; i < 200; i++) {
                assert_status(probe(driver, &error), CD_UNAVAILABLE);
                assert_in_range(error.retry_after, 1, 3);
        }
        assert_true(now_ms() - begin < SLACK_MS);
        server_do("start", NULL);
        await_recovery(driver);
        driver->free(driver);
}

/* ---- silence ---- */

static void a_server_that_hangs_costs_no_more_than_the_timeouts(void **state)
{
        struct cd_sql_driver *driver = open_driver(server_url(), 4, TIMEOUT_MS);
        struct writer writers[WRITERS];
        atomic_bool is_over = false;
        struct cd_error error;

        (void)state;
        start_writers(writers, driver, &is_over);
        sleep_ms(200);
        server_do("signal", "STOP");
        sleep_ms(3 * TIMEOUT_MS);
        /* Of the callers one probes, and the others do not wait for it. */
        int fast = 0;
        for (int i = 0; i < 5; i++) {
                int64_t begin = now_ms();
                assert_status(probe(driver, &error), CD_UNAVAILABLE);
                assert_true(error.retry_after >= 1);
                fast += now_ms() - begin < TIMEOUT_MS / 2;
        }
        assert_true(fast >= 2);
        server_do("signal", "CONT");
        await_recovery(driver);
        stop_writers(writers, &is_over);
        for (int i = 0; i < WRITERS; i++) {
                assert_true(writers[i].failed > 0);
                assert_true(writers[i].slowest_ms < 3 * TIMEOUT_MS + SLACK_MS);
        }
        driver->free(driver);
}

static void a_network_that_loses_everything_is_bounded_and_recovers(void **state)
{
        struct proxy *proxy = proxy_new();
        struct cd_sql_driver *driver = open_driver(server_url_with(proxy_port(proxy), NULL, NULL, NULL), 2, TIMEOUT_MS);
        struct cd_error error;

        (void)state;
        assert_status(probe(driver, &error), CD_OK);
        proxy_freeze(proxy, true);
        int64_t begin = now_ms();
        assert_status(probe(driver, &error), CD_TIMEOUT);
        int64_t took = now_ms() - begin;
        assert_true(took >= TIMEOUT_MS - 50 && took < TIMEOUT_MS + SLACK_MS);
        assert_status(probe(driver, &error), CD_UNAVAILABLE);
        assert_non_null(strstr(error.reason, "did not answer"));
        proxy_freeze(proxy, false);
        await_recovery(driver);
        driver->free(driver);
        proxy_free(proxy);
}

static void a_server_that_accepts_and_never_speaks_is_given_up(void **state)
{
        struct sockaddr_in a = { .sin_family = AF_INET };
        socklen_t size = sizeof(a);
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct cd_error error;

        (void)state;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(listener, 8), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &size), 0);
        struct cd_sql_driver *driver = open_driver(server_url_with(ntohs(a.sin_port), NULL, NULL, NULL), 2, TIMEOUT_MS);
        int64_t begin = now_ms();
        assert_status(probe(driver, &error), CD_UNAVAILABLE);
        int64_t took = now_ms() - begin;
        assert_true(took >= TIMEOUT_MS - 50 && took < TIMEOUT_MS + SLACK_MS);
        begin = now_ms();
        assert_status(probe(driver, &error), CD_UNAVAILABLE);
        assert_true(now_ms() - begin < TIMEOUT_MS / 2);
        driver->free(driver);
        close(listener);
}

static void a_slow_statement_ends_in_time_and_costs_no_connection(void **state)
{
        static const struct cd_sql_statement slow = { "SELECT 1 FROM pg_sleep(30)", 0, 1 };
        struct proxy *proxy = proxy_new();
        struct cd_sql_driver *driver = open_driver(server_url_with(proxy_port(proxy), NULL, NULL, NULL), 2, TIMEOUT_MS);
        struct cd_error error;
        int64_t found, begin = now_ms();

        (void)state;
        assert_status(try_integer(driver, &slow, &found, &error), CD_TIMEOUT);
        assert_true(now_ms() - begin < TIMEOUT_MS + SLACK_MS);
        assert_non_null(strstr(error.reason, "57014"));
        assert_status(probe(driver, &error), CD_OK);
        assert_int_equal(proxy_connections(proxy), 1);
        driver->free(driver);
        proxy_free(proxy);
}

/* ---- no room ---- */

struct holder {
        struct cd_sql_driver *driver;
        atomic_bool *is_over;
        atomic_int *holding;
        cd_status status;
};

/* The row has come, and its connection is not given back yet. */
static cd_status hold_row(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        struct holder *h = arg;

        (void)columns, (void)reterr;
        atomic_fetch_add(h->holding, 1);
        while (!atomic_load(h->is_over))
                sleep_ms(2);
        return CD_OK;
}

static void *hold(void *arg)
{
        struct holder *h = arg;
        const struct cd_sql_call call = { .statement = &one, .row = hold_row, .arg = h };

        h->status = h->driver->query(h->driver, &call, NULL);
        return NULL;
}

static void a_busy_pool_lets_callers_wait_and_then_says_so(void **state)
{
        struct cd_sql_driver *driver = open_driver(server_url(), 2, TIMEOUT_MS);
        atomic_bool is_over = false;
        atomic_int holding = 0;
        struct holder holders[2] = { { driver, &is_over, &holding, CD_OK }, { driver, &is_over, &holding, CD_OK } };
        pthread_t threads[2];
        struct cd_error error;

        (void)state;
        for (int i = 0; i < 2; i++)
                pthread_create(&threads[i], NULL, hold, &holders[i]);
        while (atomic_load(&holding) < 2)
                sleep_ms(2);
        int64_t begin = now_ms();
        assert_status(probe(driver, &error), CD_UNAVAILABLE);
        assert_string_equal(error.reason, "all 2 connections to PostgreSQL are busy");
        assert_int_equal(error.retry_after, 1);
        assert_true(now_ms() - begin >= TIMEOUT_MS - 50);
        atomic_store(&is_over, true);
        for (int i = 0; i < 2; i++)
                pthread_join(threads[i], NULL);
        assert_status(holders[0].status, CD_OK);
        assert_status(probe(driver, &error), CD_OK);
        driver->free(driver);
}

static void where_the_server_has_no_room_for_more_connections_those_that_are_there_serve_all(void **state)
{
        struct cd_sql_driver *admin = open_driver(server_url(), 1, 20000);
        struct writer writers[WRITERS];
        atomic_bool is_over = false;

        (void)state;
        do_script(admin, "DROP TABLE IF EXISTS acks; DROP ROLE IF EXISTS few;"
                         "CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 2; GRANT ALL ON SCHEMA public TO few");
        struct cd_sql_driver *driver = open_driver(server_url_with(0, "few", "few", NULL), 8, 20000);
        start_writers(writers, driver, &is_over);
        sleep_ms(500);
        stop_writers(writers, &is_over);
        for (int i = 0; i < WRITERS; i++) {
                if (writers[i].failed)
                        fail_msg("%s", writers[i].error.reason);
                assert_true(writers[i].acknowledged > 0);
        }
        driver->free(driver);
        admin->free(admin);
}

struct prober {
        struct cd_sql_driver *driver;
        struct cd_error error;
        cd_status status;
};

static void *probe_once(void *arg)
{
        struct prober *p = arg;

        p->status = probe(p->driver, &p->error);
        return NULL;
}

/* Nobody waited when it came back, so nobody was told. */
static void a_connection_that_comes_back_while_another_fails_to_be_made_is_used(void **state)
{
        enum {
                PATIENCE_MS = 2000
        };
        struct proxy *proxy = proxy_new();
        struct cd_sql_driver *driver =
                open_driver(server_url_with(proxy_port(proxy), NULL, NULL, NULL), 8, PATIENCE_MS);
        atomic_bool is_over = false;
        atomic_int holding = 0;
        struct holder holder = { driver, &is_over, &holding, CD_OK };
        struct prober prober = { .driver = driver };
        pthread_t threads[2];

        (void)state;
        assert_int_equal(pthread_create(&threads[0], NULL, hold, &holder), 0);
        while (atomic_load(&holding) < 1)
                sleep_ms(2);
        proxy_freeze(proxy, true);
        unsigned connections = proxy_connections(proxy);
        assert_int_equal(pthread_create(&threads[1], NULL, probe_once, &prober), 0);
        while (proxy_connections(proxy) == connections)
                sleep_ms(2);
        atomic_store(&is_over, true);
        pthread_join(threads[0], NULL);
        sleep_ms(PATIENCE_MS + PATIENCE_MS / 3); /* the new connection is given up, and the old one asked */
        proxy_freeze(proxy, false);
        pthread_join(threads[1], NULL);
        if (prober.status != CD_OK)
                fail_msg("%s", prober.error.reason);
        driver->free(driver);
        proxy_free(proxy);
}

/* ---- refused ---- */

static void refused(const char *url, const char *reason)
{
        struct cd_sql_driver *driver = open_driver(url, 2, 20000);
        struct cd_error error;

        assert_status(probe(driver, &error), CD_UNAVAILABLE);
        if (!strstr(error.reason, reason))
                fail_msg("\"%s\" is not in: %s", reason, error.reason);
        assert_null(strstr(error.reason, "hunter2"));
        driver->free(driver);
}

static void a_wrong_password_is_told_without_it(void **state)
{
        (void)state;
        refused(server_url_with(0, NULL, "hunter2", NULL), "password authentication failed for user \"cardea\"");
}

static void a_database_that_is_missing_is_told(void **state)
{
        (void)state;
        refused(server_url_with(0, NULL, NULL, "nowhere"), "database \"nowhere\" does not exist");
}

static void a_reason_never_holds_the_password_even_where_the_server_repeats_it(void **state)
{
        (void)state;
        refused(server_url_with(0, NULL, "hunter2", "hunter2"), "PostgreSQL");
}

static void a_database_that_is_not_utf_8_is_refused(void **state)
{
        char command[512];

        (void)state;
        snprintf(command, sizeof(command),
                 "psql -qX '%s' -c \"CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' "
                 "LC_CTYPE 'C'\"",
                 server_url());
        assert_int_equal(system(command), 0);
        refused(server_url_with(0, NULL, NULL, "latin"), "encoding LATIN1");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_acknowledged_survives_kill_9_of_the_server_under_load),
                cmocka_unit_test(while_the_server_is_unavailable_calls_fail_at_once_and_say_when_to_come_back),
                cmocka_unit_test(a_server_that_hangs_costs_no_more_than_the_timeouts),
                cmocka_unit_test(a_network_that_loses_everything_is_bounded_and_recovers),
                cmocka_unit_test(a_server_that_accepts_and_never_speaks_is_given_up),
                cmocka_unit_test(a_slow_statement_ends_in_time_and_costs_no_connection),
                cmocka_unit_test(a_busy_pool_lets_callers_wait_and_then_says_so),
                cmocka_unit_test(where_the_server_has_no_room_for_more_connections_those_that_are_there_serve_all),
                cmocka_unit_test(a_connection_that_comes_back_while_another_fails_to_be_made_is_used),
                cmocka_unit_test(a_wrong_password_is_told_without_it),
                cmocka_unit_test(a_database_that_is_missing_is_told),
                cmocka_unit_test(a_reason_never_holds_the_password_even_where_the_server_repeats_it),
                cmocka_unit_test(a_database_that_is_not_utf_8_is_refused),
        };

        return cmocka_run_group_tests_name("postgres: unavailable", tests, NULL, NULL);
}
