/* The tables that an empty database gets at once (tools/embed-migrations --schema) are those of the migrations. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/sqlite.h"

/* Like a program that knows `count` migrations and has no script for all of them; 0: like this program. */
static struct cd_sql_driver *open_as(struct fixture *fixture, const char *name, size_t count)
{
        char path[96];
        const struct cd_sqlite_options options = { .path = path, .may_create = true };
        struct cd_sql_driver *driver;

        snprintf(path, sizeof(path), "%s/%s", fixture->folder, name);
        assert_status(cd_sqlite_open(&options, &driver, &fixture->error), CD_OK);
        if (count) {
                driver->schema = CD_STR("");
                driver->migration_count = count;
        }
        return driver;
}

static void migrate(struct fixture *fixture, struct cd_sql_driver *driver, int from)
{
        struct cd_sql_migrated migrated;

        assert_status(cd_sql_migrate(driver, &migrated, &fixture->error), CD_OK);
        assert_int_equal(migrated.from, from);
        assert_int_equal(migrated.to, driver->migration_count);
}

static void migrate_as(struct fixture *fixture, const char *name, size_t count, int from)
{
        struct cd_sql_driver *driver = open_as(fixture, name, count);

        migrate(fixture, driver, from);
        driver->free(driver);
}

static void print_rows(sqlite3 *db, FILE *to, const char *sql)
{
        sqlite3_stmt *rows;

        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &rows, NULL), SQLITE_OK);
        while (sqlite3_step(rows) == SQLITE_ROW) {
                for (int i = 0; i < sqlite3_column_count(rows); i++)
                        fprintf(to, "%s|", (const char *)sqlite3_column_text(rows, i));
                fputc('\n', to);
        }
        assert_int_equal(sqlite3_finalize(rows), SQLITE_OK);
}

/* Tables and indexes as they were declared, and all rows but for the times of the migrations. To be freed. */
static char *describe(struct fixture *fixture, const char *name)
{
        char path[96], sql[256], *text = NULL;
        sqlite3_stmt *tables;
        size_t size;
        sqlite3 *db;
        FILE *to = open_memstream(&text, &size);

        snprintf(path, sizeof(path), "%s/%s", fixture->folder, name);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        print_rows(db, to, "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name");
        assert_int_equal(sqlite3_exec(db, "UPDATE schema_migrations SET applied_at = 0", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", -1,
                                            &tables, NULL),
                         SQLITE_OK);
        while (sqlite3_step(tables) == SQLITE_ROW) {
                snprintf(sql, sizeof(sql), "SELECT * FROM \"%.100s\" ORDER BY 1", sqlite3_column_text(tables, 0));
                fprintf(to, "%s\n", sql);
                print_rows(db, to, sql);
        }
        sqlite3_finalize(tables);
        sqlite3_close(db);
        fclose(to);
        return text;
}

static void an_empty_database_gets_what_the_migrations_make(void **state)
{
        struct fixture *fixture = *state;

        migrate_as(fixture, "at-once", 0, 0);
        migrate_as(fixture, "one-by-one", cd_sqlite_migration_count, 0);
        char *at_once = describe(fixture, "at-once"), *one_by_one = describe(fixture, "one-by-one");
        assert_non_null(strstr(at_once, "\"versions\" ORDER BY 1\nclients|1|\n"));
        assert_non_null(strstr(at_once, "\"schema_migrations\" ORDER BY 1\n1|first|0|\n2|generations|0|\n"));
        assert_string_equal(at_once, one_by_one);
        free(at_once);
        free(one_by_one);
}

static void a_database_of_each_earlier_version_gets_the_same(void **state)
{
        struct fixture *fixture = *state;
        char name[32];

        migrate_as(fixture, "new", 0, 0);
        char *expected = describe(fixture, "new");
        for (size_t version = 1; version < cd_sqlite_migration_count; version++) {
                snprintf(name, sizeof(name), "version-%zu", version);
                migrate_as(fixture, name, version, 0);
                migrate_as(fixture, name, 0, (int)version);
                char *found = describe(fixture, name);
                assert_string_equal(found, expected);
                free(found);
        }
        free(expected);
}

static struct fixture *meeting; /* of the test below */
static cd_status (*usual_write)(struct cd_sql_driver *driver, cd_sql_transaction *transaction, void *arg,
                                struct cd_error *reterr);

/* An earlier version of the program makes its tables after this one has seen that there are none. */
static cd_status write_second(struct cd_sql_driver *driver, cd_sql_transaction *transaction, void *arg,
                              struct cd_error *reterr)
{
        driver->write = usual_write;
        migrate_as(meeting, "met", 3, 0);
        return usual_write(driver, transaction, arg, reterr);
}

static void two_versions_that_start_together_make_the_tables_once(void **state)
{
        struct fixture *fixture = meeting = *state;
        struct cd_sql_driver *driver = open_as(fixture, "met", 0);

        usual_write = driver->write;
        driver->write = write_second;
        migrate(fixture, driver, 0);
        driver->free(driver);
        migrate_as(fixture, "alone", 0, 0);
        char *met = describe(fixture, "met"), *alone = describe(fixture, "alone");
        assert_string_equal(met, alone);
        free(met);
        free(alone);
}

static void a_script_that_fails_leaves_the_database_empty(void **state)
{
        struct fixture *fixture = *state;
        struct cd_sql_driver *driver = open_as(fixture, "failing", 0);
        struct cd_sql_migrated migrated;
        int version;

        driver->schema = CD_STR("CREATE TABLE versions (name TEXT); CREATE TABLE versions (name TEXT)");
        assert_status(cd_sql_migrate(driver, &migrated, &fixture->error), CD_UNAVAILABLE);
        assert_string_equal(fixture->error.field, "store");
        assert_non_null(strstr(fixture->error.reason, "creating the tables: "));
        assert_status(cd_sql_schema_version(driver, &version, &fixture->error), CD_OK);
        assert_int_equal(version, 0);
        driver->schema = cd_sqlite_schema;
        migrate(fixture, driver, 0);
        driver->free(driver);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                IN_A_FOLDER(an_empty_database_gets_what_the_migrations_make),
                IN_A_FOLDER(a_database_of_each_earlier_version_gets_the_same),
                IN_A_FOLDER(two_versions_that_start_together_make_the_tables_once),
                IN_A_FOLDER(a_script_that_fails_leaves_the_database_empty),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
