#include <stdatomic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "proxy.h"

static const struct cd_sql_statement insert = { "INSERT INTO things (id, name) VALUES ($1, $2)", 2, 0 };
static const struct cd_sql_statement count = { "SELECT COUNT(*) FROM things", 0, 1 };
static const struct cd_sql_statement one = { "SELECT 1", 0, 1 };

struct fixture {
        struct cd_sql_driver *driver;
        struct proxy *proxy;
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        f->driver = open_usual();
        do_script(f->driver,
                  "DROP TABLE IF EXISTS things;"
                  "CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT, data BYTEA, small SMALLINT, n INT)");
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        f->driver->free(f->driver);
        if (f->proxy)
                proxy_free(f->proxy);
        free(f);
        return 0;
}

/* Everything the driver sends from here on passes the proxy. */
static void use_proxy(struct fixture *f, int64_t timeout_ms)
{
        f->driver->free(f->driver);
        f->proxy = proxy_new();
        f->driver = open_driver(server_url_with(proxy_port(f->proxy), NULL, NULL, NULL), 2, timeout_ms);
}

/* ---- writes ---- */

struct insertion {
        int64_t first, count;
        cd_status result;    /* what the write returns at its end */
        const char *instead; /* of the name */
        int64_t *ret_changed;
        unsigned runs;
};

static cd_status insert_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct insertion *in = arg;
        cd_status status = CD_OK;

        in->runs++;
        for (int64_t i = 0; i < in->count && status == CD_OK; i++) {
                const struct cd_sql_value params[] = {
                        { .type = CD_SQL_INTEGER, .integer = in->first + i },
                        { .type = CD_SQL_TEXT, .bytes = cd_str_from_c(in->instead ? in->instead : "name") },
                };
                const struct cd_sql_call call = { .statement = &insert,
                                                  .params = params,
                                                  .ret_changed = in->ret_changed };
                status = session->run(session, &call, reterr);
        }
        return status != CD_OK ? status : in->result ? cd_fail(reterr, in->result, "the write says no") : CD_OK;
}

static cd_status put(struct fixture *f, struct insertion *in, struct cd_error *reterr)
{
        return f->driver->write(f->driver, insert_transaction, in, reterr);
}

/* ---- values ---- */

struct row {
        struct cd_sql_value columns[5];
        char name[64], data[64];
};

static cd_status take_row(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        struct row *row = arg;

        (void)reterr;
        memcpy(row->columns, columns, sizeof(row->columns));
        memcpy(row->name, columns[1].bytes.ptr ? columns[1].bytes.ptr : "", columns[1].bytes.len);
        memcpy(row->data, columns[2].bytes.ptr ? columns[2].bytes.ptr : "", columns[2].bytes.len);
        return CD_OK;
}

static cd_status store_row(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "INSERT INTO things (id, name, data, small, n) VALUES ($1, $2, $3, $4, $5)", 5, 0
        };
        const struct cd_sql_call call = { .statement = &statement, .params = ((struct row *)arg)->columns };

        return session->run(session, &call, reterr);
}

static cd_status load_row(struct fixture *f, struct row *row)
{
        static const struct cd_sql_statement statement = { "SELECT id, name, data, small, n FROM things WHERE id = $1",
                                                           1, 5 };
        const struct cd_sql_value id = row->columns[0];
        const struct cd_sql_call call = { .statement = &statement, .params = &id, .row = take_row, .arg = row };

        return f->driver->query(f->driver, &call, NULL);
}

static void values_of_every_type_come_back_as_they_were(void **state)
{
        struct fixture *f = *state;
        static const char bytes[] = "\0\xff'\\;--";
        struct row row = { .columns = {
                                   { .type = CD_SQL_INTEGER, .integer = INT64_MIN },
                                   { .type = CD_SQL_TEXT, .bytes = CD_STR("é'; DROP TABLE things; --") },
                                   { .type = CD_SQL_BYTES, .bytes = { bytes, sizeof(bytes) } },
                                   { .type = CD_SQL_INTEGER, .integer = -3 },
                                   { .type = CD_SQL_INTEGER, .integer = 70000 },
                           } };
        struct row back = { .columns[0] = row.columns[0] };

        assert_status(f->driver->write(f->driver, store_row, &row, NULL), CD_OK);
        assert_status(load_row(f, &back), CD_OK);
        assert_int_equal(back.columns[0].integer, INT64_MIN);
        assert_int_equal(back.columns[1].type, CD_SQL_TEXT);
        assert_string_equal(back.name, "é'; DROP TABLE things; --");
        assert_int_equal(back.columns[2].type, CD_SQL_BYTES);
        assert_int_equal(back.columns[2].bytes.len, sizeof(bytes));
        assert_memory_equal(back.data, bytes, sizeof(bytes));
        assert_int_equal(back.columns[3].integer, -3);
        assert_int_equal(back.columns[4].integer, 70000);
}

static void empty_and_null_are_not_the_same(void **state)
{
        struct fixture *f = *state;
        struct row row = { .columns = { { .type = CD_SQL_INTEGER, .integer = 1 },
                                        { .type = CD_SQL_TEXT },
                                        { .type = CD_SQL_BYTES } } };
        struct row back = { .columns[0] = row.columns[0] };

        assert_status(f->driver->write(f->driver, store_row, &row, NULL), CD_OK);
        assert_status(load_row(f, &back), CD_OK);
        assert_int_equal(back.columns[1].type, CD_SQL_TEXT);
        assert_int_equal(back.columns[2].type, CD_SQL_BYTES);
        assert_int_equal(back.columns[3].type, CD_SQL_NULL);

        row.columns[0].integer = back.columns[0].integer = 2;
        row.columns[1].type = row.columns[2].type = CD_SQL_NULL;
        assert_status(f->driver->write(f->driver, store_row, &row, NULL), CD_OK);
        assert_status(load_row(f, &back), CD_OK);
        assert_int_equal(back.columns[1].type, CD_SQL_NULL);
        assert_int_equal(back.columns[2].type, CD_SQL_NULL);
}

static void a_text_with_a_nul_is_refused(void **state)
{
        struct fixture *f = *state;
        struct row row = { .columns = { { .type = CD_SQL_INTEGER, .integer = 1 },
                                        { .type = CD_SQL_TEXT, .bytes = { "a\0b", 3 } } } };
        struct cd_error error;

        assert_status(f->driver->write(f->driver, store_row, &row, &error), CD_INVALID_REQUEST);
        assert_int_equal(get_integer(f->driver, &count), 0);
}

static void a_column_that_nobody_can_read_is_an_error(void **state)
{
        static const struct cd_sql_statement numeric = { "SELECT SUM(id) FROM things", 0, 1 };
        static const struct cd_sql_statement two = { "SELECT 1, 2", 0, 1 };
        struct fixture *f = *state;
        struct cd_error error;
        int64_t found;

        assert_status(try_integer(f->driver, &numeric, &found, &error), CD_INTERNAL);
        assert_non_null(strstr(error.reason, "needs a CAST"));
        assert_status(try_integer(f->driver, &two, &found, &error), CD_INTERNAL);
        assert_non_null(strstr(error.reason, "2 columns instead of 1"));
}

/* ---- transactions ---- */

static void what_fails_is_rolled_back_whole(void **state)
{
        struct fixture *f = *state;
        struct insertion no = { .first = 1, .count = 3, .result = CD_NOT_FOUND };
        struct insertion yes = { .first = 1, .count = 3 };
        struct insertion twice = { .first = 3, .count = 2 };
        struct cd_error error;

        assert_status(put(f, &no, &error), CD_NOT_FOUND);
        assert_string_equal(error.reason, "the write says no");
        assert_int_equal(get_integer(f->driver, &count), 0);
        assert_status(put(f, &yes, &error), CD_OK);
        assert_status(put(f, &twice, &error), CD_EXISTS);
        assert_non_null(strstr(error.reason, "23505"));
        assert_null(strstr(error.reason, "name"));
        assert_int_equal(twice.runs, 1);
        assert_int_equal(get_integer(f->driver, &count), 3);
}

static void more_statements_than_the_queue_holds_are_one_transaction(void **state)
{
        struct fixture *f = *state;
        struct insertion many = { .first = 1, .count = 1000 };
        struct insertion bad = { .first = 1001, .count = 1000, .result = CD_NOT_FOUND };

        assert_status(put(f, &many, NULL), CD_OK);
        assert_status(put(f, &bad, NULL), CD_NOT_FOUND);
        assert_int_equal(get_integer(f->driver, &count), 1000);
}

struct pair {
        struct fixture *fixture;
        int64_t first, second;
};

/* Between its two reads another connection writes. */
static cd_status read_twice(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct pair *pair = arg;
        const struct cd_sql_call first = { .statement = &count, .row = take_integer, .arg = &pair->first };
        const struct cd_sql_call second = { .statement = &count, .row = take_integer, .arg = &pair->second };
        static int64_t id = 1000000;
        struct insertion in = { .first = id++, .count = 1 };
        cd_status status = session->run(session, &first, reterr);

        if (status == CD_OK)
                status = put(pair->fixture, &in, reterr);
        return status == CD_OK ? session->run(session, &second, reterr) : status;
}

static void the_reads_of_one_transaction_see_the_same(void **state)
{
        struct fixture *f = *state;
        struct pair pair = { .fixture = f, .first = -1, .second = -2 };

        assert_status(f->driver->read(f->driver, read_twice, &pair, NULL), CD_OK);
        assert_int_equal(pair.first, pair.second);
}

static void a_script_of_several_statements_is_undone_with_its_transaction(void **state)
{
        struct fixture *f = *state;
        struct cd_error error;

        assert_status(try_script(f->driver, "INSERT INTO things (id) VALUES (1); SELECT 1/0; SELECT 2", &error),
                      CD_UNAVAILABLE);
        assert_non_null(strstr(error.reason, "22012"));
        assert_int_equal(get_integer(f->driver, &count), 0);
        do_script(f->driver, "INSERT INTO things (id) VALUES (1); INSERT INTO things (id) VALUES (2)");
        assert_int_equal(get_integer(f->driver, &count), 2);
}

static void a_plan_that_a_migration_made_stale_is_prepared_anew(void **state)
{
        static const struct cd_sql_statement all = { "SELECT * FROM narrow", 0, 1 };
        struct fixture *f = *state;

        do_script(f->driver, "DROP TABLE IF EXISTS narrow; CREATE TABLE narrow (n INT); INSERT INTO narrow VALUES (5)");
        assert_int_equal(get_integer(f->driver, &all), 5);
        do_script(f->driver, "ALTER TABLE narrow ALTER n TYPE BIGINT");
        assert_int_equal(get_integer(f->driver, &all), 5);
}

struct transfer {
        struct cd_sql_driver *driver;
        int64_t from, to;
        pthread_barrier_t *both_have_one; /* row, the first time */
        atomic_uint runs;
        cd_status status;
};

static cd_status transfer_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement add = { "UPDATE things SET n = n + $2 WHERE id = $1", 2, 0 };
        struct transfer *t = arg;
        int64_t changed;
        cd_status status = CD_OK;

        bool is_first = t->runs++ == 0;
        for (int i = 0; i < 2 && status == CD_OK; i++) {
                const struct cd_sql_value params[] = {
                        { .type = CD_SQL_INTEGER, .integer = i ? t->to : t->from },
                        { .type = CD_SQL_INTEGER, .integer = i ? 1 : -1 },
                };
                const struct cd_sql_call call = { .statement = &add, .params = params, .ret_changed = &changed };
                status = session->run(session, &call, reterr);
                if (is_first && i == 0)
                        pthread_barrier_wait(t->both_have_one);
        }
        return status;
}

static void *transfer_often(void *arg)
{
        struct transfer *t = arg;

        for (int i = 0; i < 5 && t->status == CD_OK; i++)
                t->status = t->driver->write(t->driver, transfer_transaction, t, NULL);
        return NULL;
}

static void a_deadlock_is_tried_again_until_both_are_done(void **state)
{
        static const struct cd_sql_statement sum = { "SELECT CAST(SUM(n) AS BIGINT) FROM things WHERE n = 0", 0, 1 };
        struct fixture *f = *state;
        pthread_barrier_t both_have_one;
        struct transfer there = { .from = 1, .to = 2, .both_have_one = &both_have_one };
        struct transfer back = { .from = 2, .to = 1, .both_have_one = &both_have_one };
        pthread_t threads[2];

        do_script(f->driver, "ALTER DATABASE cardea SET deadlock_timeout = '10ms'");
        do_script(f->driver, "INSERT INTO things (id, n) VALUES (1, 0), (2, 0)");
        f->driver->free(f->driver);
        f->driver = there.driver = back.driver = open_usual();
        pthread_barrier_init(&both_have_one, NULL, 2);
        pthread_create(&threads[0], NULL, transfer_often, &there);
        pthread_create(&threads[1], NULL, transfer_often, &back);
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
        pthread_barrier_destroy(&both_have_one);
        assert_status(there.status, CD_OK);
        assert_status(back.status, CD_OK);
        assert_true(there.runs + back.runs > 10);
        assert_int_equal(get_integer(f->driver, &sum), 0);
}

/* ---- round trips ---- */

static void a_read_of_one_statement_costs_one_round_trip(void **state)
{
        struct fixture *f = *state;

        use_proxy(f, 20000);
        get_integer(f->driver, &count);
        unsigned before = proxy_turns(f->proxy);
        for (int i = 0; i < 10; i++)
                get_integer(f->driver, &count);
        assert_int_equal(proxy_turns(f->proxy) - before, 10);
        assert_int_equal(proxy_connections(f->proxy), 1);
}

/* Those of a login above all. */
static void each_read_of_the_store_costs_one_round_trip(void **state)
{
        struct fixture *f = *state;
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena = { 0 };
        struct cd_sql_migrated migrated;
        struct cd_store *store;
        struct cd_store_versions versions;
        struct cd_user user;
        struct cd_session session;
        struct cd_client_records clients;
        struct cd_key_records keys;

        use_proxy(f, 20000);
        cd_arena_init(&arena, 1 << 20);
        assert_status(cd_sql_migrate(f->driver, &migrated, NULL), CD_OK);
        assert_status(cd_sql_store_new(f->driver, &store, NULL), CD_OK);
        assert_status(store->versions(store, &versions, NULL), CD_OK);
        unsigned before = proxy_turns(f->proxy);
        assert_status(store->users->find(store, &arena, CD_STR("ana"), &user, NULL), CD_NOT_FOUND);
        assert_int_equal(proxy_turns(f->proxy) - before, 1);
        assert_status(store->sessions->find(store, &arena, CD_STR("digest"), &session, NULL), CD_NOT_FOUND);
        assert_status(store->clients->list(store, &arena, &clients, NULL), CD_OK);
        assert_status(store->keys->list(store, &arena, &keys, NULL), CD_OK);
        assert_status(store->versions(store, &versions, NULL), CD_OK);
        assert_int_equal(proxy_turns(f->proxy) - before, 5);
        store->free(store);
        f->driver = open_usual();
        do_script(f->driver, "DROP TABLE schema_migrations, versions, fixed_values, users, clients, keys, revocations,"
                             " sessions, audit, pending_logins, totp, recovery_codes, links, personal_tokens, mails, "
                             "device_failures,"
                             " hand_overs;"
                             " DROP FUNCTION cardea_versions_changed");
}

static void a_query_has_no_transaction_around_it_and_the_reads_of_one_may_not_write(void **state)
{
        static const struct cd_sql_statement is_read_only = {
                "SELECT CASE current_setting('transaction_read_only') WHEN 'on' THEN 1 ELSE 0 END", 0, 1
        };
        struct fixture *f = *state;
        struct insertion in = { .first = 1, .count = 1 };

        assert_int_equal(get_integer(f->driver, &is_read_only), 0);
        assert_status(f->driver->read(f->driver, insert_transaction, &in, NULL), CD_UNAVAILABLE);
        assert_int_equal(get_integer(f->driver, &count), 0);
}

static void a_write_costs_two_round_trips_or_one_where_nobody_asks_for_its_result(void **state)
{
        struct fixture *f = *state;
        int64_t changed = 0;
        struct insertion asked = { .first = 1, .count = 1, .ret_changed = &changed };
        struct insertion silent = { .first = 10, .count = 5 };

        use_proxy(f, 20000);
        get_integer(f->driver, &one);
        unsigned before = proxy_turns(f->proxy);
        assert_status(put(f, &asked, NULL), CD_OK);
        assert_int_equal(changed, 1);
        assert_int_equal(proxy_turns(f->proxy) - before, 2);
        assert_status(put(f, &silent, NULL), CD_OK);
        assert_int_equal(proxy_turns(f->proxy) - before, 3);
        assert_int_equal(get_integer(f->driver, &count), 6);
}

/* ---- connections that break ---- */

static void a_connection_that_breaks_before_the_commit_is_tried_once_more(void **state)
{
        struct fixture *f = *state;
        int64_t changed;
        struct insertion in = { .first = 1, .count = 2, .ret_changed = &changed };

        use_proxy(f, 20000);
        get_integer(f->driver, &one);
        proxy_cut_at(f->proxy, "INSERT INTO things", true, 1);
        assert_status(put(f, &in, NULL), CD_OK);
        assert_int_equal(in.runs, 2);
        assert_int_equal(get_integer(f->driver, &count), 2);

        proxy_cut_at(f->proxy, "SELECT COUNT", false, 1);
        assert_int_equal(get_integer(f->driver, &count), 2);
}

static void a_connection_that_breaks_twice_is_an_error(void **state)
{
        static const struct cd_sql_statement marked = { "SELECT 77", 0, 1 };
        struct fixture *f = *state;
        struct cd_error error;
        int64_t found;

        use_proxy(f, 20000);
        get_integer(f->driver, &one);
        proxy_cut_at(f->proxy, "SELECT 77", false, 2);
        assert_status(try_integer(f->driver, &marked, &found, &error), CD_UNAVAILABLE);
        assert_non_null(strstr(error.reason, "broke"));
        assert_int_equal(get_integer(f->driver, &marked), 77);
}

static void a_commit_whose_answer_got_lost_is_not_tried_again(void **state)
{
        struct fixture *f = *state;
        struct insertion heard = { .first = 1, .count = 1 }, unheard = { .first = 2, .count = 1 };
        struct cd_error error;

        use_proxy(f, 20000);
        proxy_cut_at(f->proxy, "COMMIT", true, 1);
        assert_status(put(f, &heard, &error), CD_UNAVAILABLE);
        assert_non_null(strstr(error.reason, "it is not known whether the commit succeeded"));
        assert_int_equal(heard.runs, 1);
        proxy_cut_at(f->proxy, "COMMIT", false, 1);
        assert_status(put(f, &unheard, &error), CD_UNAVAILABLE);
        assert_non_null(strstr(error.reason, "not known"));
        assert_int_equal(unheard.runs, 1);
        assert_int_equal(get_integer(f->driver, &count), 1);
}

/* ---- later ---- */

struct told {
        struct insertion in;
        _Atomic int status; /* -1: not told yet */
};

static void tell(void *arg, cd_status status)
{
        ((struct told *)arg)->status = (int)status;
}

static cd_status told_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        return insert_transaction(session, &((struct told *)arg)->in, reterr);
}

static void put_later(struct fixture *f, struct told *t, int64_t id)
{
        *t = (struct told){ .in = { .first = id, .count = 1, .result = t->in.result }, .status = -1 };
        assert_status(f->driver->write_later(f->driver, told_transaction, t, tell, NULL), CD_OK);
}

static void an_error_in_a_batch_undoes_only_its_own_write(void **state)
{
        struct fixture *f = *state;
        struct told writes[100] = { 0 };

        writes[40].in.result = CD_NOT_FOUND;
        for (size_t i = 0; i < CD_LEN(writes); i++)
                put_later(f, &writes[i], i == 50 ? 49 : (int64_t)i);
        f->driver->free(f->driver);
        f->driver = open_usual();
        for (size_t i = 0; i < CD_LEN(writes); i++)
                assert_int_equal(writes[i].status, i == 40 ? CD_NOT_FOUND : i == 50 ? CD_EXISTS : CD_OK);
        assert_int_equal(get_integer(f->driver, &count), 98);
}

static void deferred_writes_share_transactions(void **state)
{
        struct fixture *f = *state;
        static struct told writes[1000];

        use_proxy(f, 20000);
        get_integer(f->driver, &one);
        unsigned before = proxy_turns(f->proxy);
        for (size_t i = 0; i < CD_LEN(writes); i++)
                put_later(f, &writes[i], (int64_t)i);
        f->driver->free(f->driver);
        assert_true(proxy_turns(f->proxy) - before < 200);
        f->driver = open_usual();
        assert_int_equal(get_integer(f->driver, &count), 1000);
}

/* As logins come: one after the other, a little apart. */
static void deferred_writes_are_coalesced_before_they_are_done(void **state)
{
        struct fixture *f = *state;
        struct told writes[30] = { 0 };

        use_proxy(f, 20000);
        get_integer(f->driver, &one);
        unsigned before = proxy_turns(f->proxy);
        for (size_t i = 0; i < CD_LEN(writes); i++) {
                put_later(f, &writes[i], (int64_t)i);
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        }
        f->driver->free(f->driver);
        assert_true(proxy_turns(f->proxy) - before < CD_LEN(writes) / 2);
        f->driver = open_usual();
        assert_int_equal(get_integer(f->driver, &count), CD_LEN(writes));
}

static void deferred_writes_are_bounded(void **state)
{
        struct fixture *f = *state;
        static struct told writes[5000];
        struct cd_error error;
        cd_status status = CD_OK;
        size_t taken = 0;

        use_proxy(f, 1000);
        proxy_freeze(f->proxy, true);
        while (status == CD_OK && taken < CD_LEN(writes)) {
                writes[taken].in.count = 1;
                writes[taken].in.first = (int64_t)taken;
                writes[taken].status = -1;
                status = f->driver->write_later(f->driver, told_transaction, &writes[taken], tell, &error);
                taken += status == CD_OK;
        }
        assert_status(status, CD_UNAVAILABLE);
        assert_int_equal(taken, 4096);
        proxy_freeze(f->proxy, false);
        f->driver->free(f->driver);
        f->driver = open_usual();
        /* Each was told what came of it, and what was told as done is there. */
        int64_t done = 0;
        for (size_t i = 0; i < taken; i++) {
                assert_int_not_equal(writes[i].status, -1);
                done += writes[i].status == CD_OK;
        }
        assert_int_equal(get_integer(f->driver, &count), done);
}

/* ---- the URL ---- */

static void a_url_that_libpq_does_not_take_is_refused_without_a_word_of_it(void **state)
{
        static const char *const urls[] = {
                "mysql://secret@host/db",
                "postgresql://user:secret%zz@host/db",
                "postgresql://user:pass/secret@host/db",
                "postgresql://user:5/secret@host/db",
                "postgresql://user:a@secret@host/db",
                "postgresql://user:secret@host/db?no_such_option=secret",
                "postgresql://[secret/db",
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(urls); i++) {
                const struct cd_postgres_options options = { cd_str_from_c(urls[i]), 1, 1000 };
                struct cd_sql_driver *driver;
                struct cd_error error;

                assert_status(cd_postgres_open(&options, &driver, &error), CD_INVALID_REQUEST);
                assert_string_equal(error.field, "store");
                assert_null(strstr(error.reason, "secret"));
        }
}

static void a_unix_socket_will_do(void **state)
{
        char url[256];
        int port;

        (void)state;
        assert_int_equal(sscanf(strrchr(server_url(), ':'), ":%d", &port), 1);
        snprintf(url, sizeof(url), "postgresql://cardea@/cardea?host=%s/socket&port=%d",
                 getenv("CARDEA_POSTGRES_FOLDER"), port);
        struct cd_sql_driver *driver = open_driver(url, 1, 20000);
        assert_int_equal(get_integer(driver, &one), 1);
        driver->free(driver);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
                TEST(values_of_every_type_come_back_as_they_were),
                TEST(empty_and_null_are_not_the_same),
                TEST(a_text_with_a_nul_is_refused),
                TEST(a_column_that_nobody_can_read_is_an_error),
                TEST(what_fails_is_rolled_back_whole),
                TEST(more_statements_than_the_queue_holds_are_one_transaction),
                TEST(the_reads_of_one_transaction_see_the_same),
                TEST(a_script_of_several_statements_is_undone_with_its_transaction),
                TEST(a_plan_that_a_migration_made_stale_is_prepared_anew),
                TEST(a_deadlock_is_tried_again_until_both_are_done),
                TEST(a_read_of_one_statement_costs_one_round_trip),
                TEST(each_read_of_the_store_costs_one_round_trip),
                TEST(a_query_has_no_transaction_around_it_and_the_reads_of_one_may_not_write),
                TEST(a_write_costs_two_round_trips_or_one_where_nobody_asks_for_its_result),
                TEST(a_connection_that_breaks_before_the_commit_is_tried_once_more),
                TEST(a_connection_that_breaks_twice_is_an_error),
                TEST(a_commit_whose_answer_got_lost_is_not_tried_again),
                TEST(an_error_in_a_batch_undoes_only_its_own_write),
                TEST(deferred_writes_share_transactions),
                TEST(deferred_writes_are_coalesced_before_they_are_done),
                TEST(deferred_writes_are_bounded),
                cmocka_unit_test(a_url_that_libpq_does_not_take_is_refused_without_a_word_of_it),
                cmocka_unit_test(a_unix_socket_will_do),
        };

        return cmocka_run_group_tests_name("postgres: the driver", tests, NULL, NULL);
}
