/* A table of columns: the statements that come from it, and rows that go through them and come back. On a SQLite file
 * of its own; that the drivers agree is for the contract. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/sql/table.h"
#include "store/sql/tables.h"
#include "store/sqlite/sqlite.h"
#include "support/check.h"

struct thing {
        cd_str id;
        int64_t number;
        unsigned bits;
        bool is_on;
        cd_str nickname;
        cd_str raw;
        unsigned char digest[4];
        struct cd_strs words;
        cd_time ends_at;
};

static const struct cd_sql_column thing_columns[] = {
        CD_SQL_COLUMN("id", thing, id),
        CD_SQL_COLUMN("n", thing, number),
        CD_SQL_COLUMN("bits", thing, bits),
        CD_SQL_COLUMN("is_on", thing, is_on),
        CD_SQL_COLUMN_AS("nickname", CD_SQL_NULLABLE, thing, nickname),
        CD_SQL_COLUMN_AS("raw", CD_SQL_BLOB, thing, raw),
        CD_SQL_COLUMN("digest", thing, digest),
        CD_SQL_COLUMN("words", thing, words),
        CD_SQL_COLUMN("ends_at", thing, ends_at),
};

static const struct cd_sql_table thing_table = {
        .name = "things",
        .one = "thing",
        .columns = thing_columns,
        .count = CD_LEN(thing_columns),
        .row_size = sizeof(struct thing),
        .unique = "nickname",
        .get_if = "is_on = 1",
        .list_by = "WHERE n >= $1 ORDER BY n DESC",
        .expires = "ends_at",
};

/* A line of a log, which the database numbers. */
struct line {
        int64_t id;
        cd_str text;
};

static const struct cd_sql_column line_columns[] = {
        CD_SQL_COLUMN("id", line, id),
        CD_SQL_COLUMN("line", line, text),
};

static const struct cd_sql_table line_table = {
        .name = "lines",
        .one = "line",
        .columns = line_columns,
        .count = CD_LEN(line_columns),
        .row_size = sizeof(struct line),
        .store_gives_key = true,
};

struct fixture {
        char path[64];
        struct cd_sql_store store; /* only its driver is used */
        struct cd_arena arena;
        struct cd_error error;
        struct cd_sql_table things, lines;
};

static cd_status run_script(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        return session->script(session, cd_str_from_c(arg), reterr);
}

static void do_script(struct fixture *f, const char *text)
{
        char copy[512];

        snprintf(copy, sizeof(copy), "%s", text);
        assert_status(f->store.driver->write(f->store.driver, run_script, copy, &f->error), CD_OK);
}

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));
        const struct cd_sqlite_options options = { .path = f->path, .may_create = true };

        snprintf(f->path, sizeof(f->path), "/tmp/cardea-table-%d.db", (int)getpid());
        unlink(f->path);
        cd_arena_init(&f->arena, 1 << 20);
        f->things = thing_table;
        f->lines = line_table;
        assert_status(cd_sql_table_prepare(&f->things), CD_OK);
        assert_status(cd_sql_table_prepare(&f->lines), CD_OK);
        assert_status(cd_sqlite_open(&options, &f->store.driver, &f->error), CD_OK);
        do_script(f, "CREATE TABLE things (id TEXT PRIMARY KEY, n INTEGER, bits INTEGER, is_on INTEGER,"
                     " nickname TEXT UNIQUE, raw BLOB, digest BLOB, words TEXT, ends_at INTEGER);"
                     "CREATE TABLE lines (id INTEGER PRIMARY KEY AUTOINCREMENT, line TEXT)");
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        f->store.driver->free(f->store.driver);
        cd_arena_done(&f->arena);
        unlink(f->path);
        free(f);
        return 0;
}

static const cd_str some_words[] = { CD_STR_INIT("a\"b"), CD_STR_INIT("") };

static struct thing thing_of(const char *id, int64_t number)
{
        return (struct thing){ .id = cd_str_from_c(id),
                               .number = number,
                               .bits = UINT_MAX,
                               .is_on = true,
                               .raw = CD_STR("\0\xff"),
                               .digest = { 0, 1, 0xff, 3 },
                               .words = { some_words, CD_LEN(some_words) },
                               .ends_at = number };
}

static cd_status find(struct fixture *f, const char *id, struct thing *ret)
{
        return cd_sql_find(&f->things, &f->store.port, &f->arena, cd_str_from_c(id), ret, &f->error);
}

struct inserting {
        struct fixture *f;
        struct thing thing;
        int64_t changed;
};

static cd_status insert_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct inserting *inserting = arg;

        return cd_sql_row_insert(&inserting->f->things, session, &inserting->thing, &inserting->changed, reterr);
}

static int64_t insert(struct fixture *f, struct thing thing)
{
        struct inserting inserting = { f, thing, -1 };

        assert_status(f->store.driver->write(f->store.driver, insert_transaction, &inserting, &f->error), CD_OK);
        return inserting.changed;
}

static void add(struct fixture *f, struct thing thing)
{
        assert_int_equal(insert(f, thing), 1);
}

/* ---- statements ---- */

static void check_statement(const struct cd_sql_statement *statement, const char *text, unsigned params,
                            unsigned columns)
{
        assert_string_equal(statement->text, text);
        assert_int_equal(statement->params, params);
        assert_int_equal(statement->columns, columns);
}

#define COLUMNS "id, n, bits, is_on, nickname, raw, digest, words, ends_at"
#define VALUES  "$1, $2, $3, $4, $5, $6, $7, $8, $9"

static void the_columns_give_the_statements_with_their_parameters(void **state)
{
        const struct fixture *f = *state;
        const struct cd_sql_table *t = &f->things;

        check_statement(&t->get, "SELECT " COLUMNS " FROM things WHERE id = $1 AND is_on = 1", 1, 9);
        check_statement(&t->page, "SELECT " COLUMNS " FROM things WHERE id > $1 ORDER BY id LIMIT $2", 2, 9);
        check_statement(&t->list, "SELECT " COLUMNS " FROM things WHERE n >= $1 ORDER BY n DESC", 1, 9);
        check_statement(&t->insert,
                        "INSERT INTO things (" COLUMNS ") VALUES (" VALUES ") ON CONFLICT (nickname) DO NOTHING", 9, 0);
        check_statement(&t->remove, "DELETE FROM things WHERE id = $1", 1, 0);
        check_statement(&t->expire,
                        "DELETE FROM things WHERE id IN"
                        " (SELECT id FROM things WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2)",
                        2, 0);
}

static void a_key_that_the_database_gives_is_read_and_not_written(void **state)
{
        const struct fixture *f = *state;

        check_statement(&f->lines.get, "SELECT id, line FROM lines WHERE id = $1", 1, 2);
        check_statement(&f->lines.insert, "INSERT INTO lines (line) VALUES ($1)", 1, 0);
        assert_null(f->lines.list.text);
        assert_null(f->lines.expire.text);
}

static void a_row_of_another_table_can_stand_against_an_insert(void **state)
{
        struct fixture *f = *state;

        f->things = thing_table;
        f->things.count = 2;
        f->things.unique = NULL;
        f->things.unless = "SELECT 1 FROM lines WHERE line = $1";
        assert_status(cd_sql_table_prepare(&f->things), CD_OK);
        check_statement(&f->things.insert,
                        "INSERT INTO things (id, n) SELECT $1, $2"
                        " WHERE NOT EXISTS (SELECT 1 FROM lines WHERE line = $1) ON CONFLICT (id) DO NOTHING",
                        2, 0);
        do_script(f, "INSERT INTO lines (line) VALUES ('one')");
        assert_int_equal(insert(f, thing_of("one", 1)), 0);
        assert_int_equal(insert(f, thing_of("two", 1)), 1);
        assert_int_equal(insert(f, thing_of("two", 1)), 0);
}

static void more_columns_or_text_than_there_is_room_for_are_refused(void **state)
{
        struct cd_sql_column columns[CD_SQL_TABLE_COLUMNS + 1];
        struct fixture *f = *state;
        static char name[CD_SQL_TABLE_TEXT];

        for (size_t i = 0; i < CD_LEN(columns); i++)
                columns[i] = thing_columns[1];
        f->things = thing_table;
        f->things.columns = columns;
        f->things.count = CD_SQL_TABLE_COLUMNS;
        assert_status(cd_sql_table_prepare(&f->things), CD_OK);
        f->things.count++;
        assert_status(cd_sql_table_prepare(&f->things), CD_INTERNAL);
        f->things = thing_table;
        memset(name, 'a', sizeof(name) - 1);
        f->things.get_if = name;
        assert_status(cd_sql_table_prepare(&f->things), CD_INTERNAL);
}

/* ---- rows ---- */

static void a_row_comes_back_with_every_member_as_it_was(void **state)
{
        struct fixture *f = *state;
        struct thing given = thing_of("one", INT64_MIN), found;

        given.nickname = CD_STR("uno");
        add(f, given);
        assert_status(find(f, "one", &found), CD_OK);
        assert_str(found.id, "one");
        assert_int_equal(found.number, INT64_MIN);
        assert_int_equal(found.bits, UINT_MAX);
        assert_true(found.is_on);
        assert_str(found.nickname, "uno");
        assert_int_equal(found.raw.len, 2);
        assert_memory_equal(found.raw.ptr, "\0\xff", 2);
        assert_memory_equal(found.digest, given.digest, sizeof(given.digest));
        assert_int_equal(found.words.count, 2);
        assert_str(found.words.items[0], "a\"b");
        assert_str(found.words.items[1], "");
        assert_int_equal(found.ends_at, INT64_MIN);
}

static void an_empty_text_is_null_where_the_column_says_so(void **state)
{
        struct fixture *f = *state;
        struct thing found;

        add(f, thing_of("one", 1)); /* two empty nicknames would not be unique */
        add(f, thing_of("two", 2));
        assert_status(find(f, "two", &found), CD_OK);
        assert_str(found.nickname, "");
}

static void a_row_removed_is_gone_and_no_other(void **state)
{
        struct fixture *f = *state;
        struct thing found = { .number = 77 };

        add(f, thing_of("one", 1));
        add(f, thing_of("two", 2));
        assert_status(cd_sql_remove(&f->things, &f->store.port, CD_STR("one"), &f->error), CD_OK);
        assert_status(cd_sql_remove(&f->things, &f->store.port, CD_STR("one"), &f->error), CD_OK);
        found.number = 77;
        assert_status(find(f, "one", &found), CD_NOT_FOUND);
        assert_string_equal(f->error.reason, "no such thing");
        assert_int_equal(found.number, 77);
        assert_status(find(f, "two", &found), CD_OK);
}

static void a_condition_hides_a_row_from_get_alone(void **state)
{
        struct fixture *f = *state;
        struct thing hidden = thing_of("one", 1), found;
        struct cd_sql_list rows = { .arena = &f->arena };
        const struct cd_sql_value params[] = { cd_sql_text(CD_STR("")), cd_sql_size(SIZE_MAX) };

        hidden.is_on = false;
        add(f, hidden);
        assert_status(find(f, "one", &found), CD_NOT_FOUND);
        assert_status(cd_sql_select(&f->things, &f->store.port, &f->things.page, params, &rows, &f->error), CD_OK);
        assert_int_equal(rows.count, 1);
        assert_false(((struct thing *)rows.items)->is_on);
}

static void a_key_that_is_no_text_is_not_there(void **state)
{
        struct fixture *f = *state;
        struct thing found;
        const cd_str keys[] = { CD_STR("a\0b"), CD_STR("\xff") };

        for (size_t i = 0; i < CD_LEN(keys); i++) {
                assert_status(cd_sql_find(&f->things, &f->store.port, &f->arena, keys[i], &found, NULL), CD_NOT_FOUND);
                assert_status(cd_sql_remove(&f->things, &f->store.port, keys[i], NULL), CD_OK);
        }
}

static void pages_and_lists_come_in_their_order(void **state)
{
        struct fixture *f = *state;
        struct cd_sql_list page = { .arena = &f->arena }, list = { .arena = &f->arena };
        const struct cd_sql_value after[] = { cd_sql_text(CD_STR("a")), cd_sql_size(2) },
                                  from[] = { cd_sql_integer(2) };
        const char *const ids[] = { "d", "b", "a", "c" };

        for (size_t i = 0; i < CD_LEN(ids); i++)
                add(f, thing_of(ids[i], (int64_t)i));
        assert_status(cd_sql_select(&f->things, &f->store.port, &f->things.page, after, &page, &f->error), CD_OK);
        assert_int_equal(page.count, 2);
        assert_str(((struct thing *)page.items)[0].id, "b");
        assert_str(((struct thing *)page.items)[1].id, "c");
        assert_status(cd_sql_select(&f->things, &f->store.port, &f->things.list, from, &list, &f->error), CD_OK);
        assert_int_equal(list.count, 2);
        assert_str(((struct thing *)list.items)[0].id, "c");
        assert_str(((struct thing *)list.items)[1].id, "a");
}

static void a_row_that_nobody_wrote_is_damage_and_is_not_given(void **state)
{
        static const char *const damages[] = {
                "UPDATE things SET digest = x'0102030405'", /* one byte more */
                "UPDATE things SET digest = x'010203'",     /* one less */
                "UPDATE things SET n = 'text'",
                "UPDATE things SET raw = NULL",
                "UPDATE things SET words = '{}'",
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(damages); i++) {
                struct thing found = { .number = 77 };

                do_script(f, "DELETE FROM things");
                add(f, thing_of("one", 1));
                assert_status(find(f, "one", &found), CD_OK);
                do_script(f, damages[i]);
                found.number = 77;
                assert_status(find(f, "one", &found), CD_UNAVAILABLE);
                assert_int_equal(found.number, 77);
        }
}

/* ---- within a transaction ---- */

static void an_insert_leaves_the_row_that_is_there(void **state)
{
        struct fixture *f = *state;
        struct thing first = thing_of("one", 1), second = thing_of("two", 2), found;

        first.nickname = second.nickname = CD_STR("same");
        assert_int_equal(insert(f, first), 1);
        assert_int_equal(insert(f, second), 0);
        assert_status(find(f, "two", &found), CD_NOT_FOUND);
        /* Another row that is there already is a fault: what is to be written must not vanish in silence. */
        struct inserting again = { f, thing_of("one", 3), -1 };
        assert_status(f->store.driver->write(f->store.driver, insert_transaction, &again, NULL), CD_INTERNAL);
        assert_status(find(f, "one", &found), CD_OK);
        assert_int_equal(found.number, 1);
}

static void a_list_with_what_is_no_text_is_refused(void **state)
{
        struct fixture *f = *state;
        const cd_str bad[] = { CD_STR("a\0b") };
        struct inserting inserting = { f, thing_of("one", 1), -1 };

        inserting.thing.words = (struct cd_strs){ bad, 1 };
        assert_status(f->store.driver->write(f->store.driver, insert_transaction, &inserting, NULL),
                      CD_INVALID_REQUEST);
}

struct expiring {
        struct fixture *f;
        cd_time time;
        size_t limit, deleted;
};

static cd_status expire_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct expiring *expiring = arg;

        return cd_sql_rows_expire(&expiring->f->things, session, expiring->time, expiring->limit, &expiring->deleted,
                                  reterr);
}

static size_t expire(struct fixture *f, cd_time time, size_t limit)
{
        struct expiring expiring = { f, time, limit, 5 };

        assert_status(f->store.driver->write(f->store.driver, expire_transaction, &expiring, &f->error), CD_OK);
        return expiring.deleted - 5; /* what it deleted is added */
}

static void what_has_expired_goes_the_oldest_first_and_no_more_than_the_limit(void **state)
{
        struct fixture *f = *state;
        struct thing found;

        add(f, thing_of("c", 10));
        add(f, thing_of("a", 20));
        add(f, thing_of("b", 30));
        assert_int_equal(expire(f, 9, 10), 0);
        assert_int_equal(expire(f, 20, 0), 0);
        assert_int_equal(expire(f, 20, 1), 1);
        assert_status(find(f, "c", &found), CD_NOT_FOUND);
        assert_int_equal(expire(f, 20, SIZE_MAX), 1); /* at the very second */
        assert_status(find(f, "a", &found), CD_NOT_FOUND);
        assert_status(find(f, "b", &found), CD_OK);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                CASE(the_columns_give_the_statements_with_their_parameters),
                CASE(a_key_that_the_database_gives_is_read_and_not_written),
                CASE(a_row_of_another_table_can_stand_against_an_insert),
                CASE(more_columns_or_text_than_there_is_room_for_are_refused),
                CASE(a_row_comes_back_with_every_member_as_it_was),
                CASE(an_empty_text_is_null_where_the_column_says_so),
                CASE(a_row_removed_is_gone_and_no_other),
                CASE(a_condition_hides_a_row_from_get_alone),
                CASE(a_key_that_is_no_text_is_not_there),
                CASE(pages_and_lists_come_in_their_order),
                CASE(a_row_that_nobody_wrote_is_damage_and_is_not_given),
                CASE(an_insert_leaves_the_row_that_is_there),
                CASE(a_list_with_what_is_no_text_is_refused),
                CASE(what_has_expired_goes_the_oldest_first_and_no_more_than_the_limit),
        };

        return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
