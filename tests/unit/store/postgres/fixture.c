#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static const char *variable(const char *name)
{
        const char *value = getenv(name);

        if (value)
                return value;
        fprintf(stderr, "%s is not set: run this under tests/support/postgres-server\n", name);
        exit(1);
}

const char *server_url(void)
{
        return variable("CARDEA_POSTGRES");
}

const char *server_url_with(int port, const char *user, const char *password, const char *database)
{
        static _Thread_local char urls[4][256];
        static _Thread_local unsigned next;
        char own_user[64], own_password[64], own_database[64];
        int own_port;
        char *to = urls[next++ % 4];

        assert_int_equal(sscanf(server_url(), "postgresql://%63[^:]:%63[^@]@127.0.0.1:%d/%63s", own_user, own_password,
                                &own_port, own_database),
                         4);
        snprintf(to, sizeof(urls[0]), "postgresql://%s:%s@127.0.0.1:%d/%s", user ? user : own_user,
                 password ? password : own_password, port ? port : own_port, database ? database : own_database);
        return to;
}

void server_do(const char *command, const char *argument)
{
        char line[512];

        snprintf(line, sizeof(line), "'%s' %s '%s' %s >/dev/null", variable("CARDEA_POSTGRES_SERVER"), command,
                 variable("CARDEA_POSTGRES_FOLDER"), argument ? argument : "");
        assert_int_equal(system(line), 0);
}

struct cd_sql_driver *open_driver(const char *url, size_t connections, int64_t timeout_ms)
{
        const struct cd_postgres_options options = { cd_str_from_c(url), connections, timeout_ms };
        struct cd_sql_driver *driver;
        struct cd_error error = { 0 };

        if (cd_postgres_open(&options, &driver, &error) != CD_OK)
                fail_msg("%s", error.reason);
        return driver;
}

struct cd_sql_driver *open_usual(void)
{
        return open_driver(server_url(), 8, 20000);
}

static cd_status script_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        return session->script(session, cd_str_from_c(arg), reterr);
}

cd_status try_script(struct cd_sql_driver *driver, const char *text, struct cd_error *reterr)
{
        return driver->write(driver, script_transaction, (void *)(uintptr_t)text, reterr);
}

void do_script(struct cd_sql_driver *driver, const char *text)
{
        struct cd_error error = { 0 };

        if (try_script(driver, text, &error) != CD_OK)
                fail_msg("%s", error.reason);
}

cd_status take_integer(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        if (columns[0].type != CD_SQL_INTEGER)
                return cd_fail(reterr, CD_INTERNAL, "not an integer");
        *(int64_t *)arg = columns[0].integer;
        return CD_OK;
}

cd_status try_integer(struct cd_sql_driver *driver, const struct cd_sql_statement *statement, int64_t *ret,
                      struct cd_error *reterr)
{
        const struct cd_sql_call call = { .statement = statement, .row = take_integer, .arg = ret };

        *ret = -1;
        return driver->query(driver, &call, reterr);
}

int64_t get_integer(struct cd_sql_driver *driver, const struct cd_sql_statement *statement)
{
        struct cd_error error = { 0 };
        int64_t found;

        if (try_integer(driver, statement, &found, &error) != CD_OK)
                fail_msg("%s", error.reason);
        return found;
}

int64_t now_ms(void)
{
        return cd_monotonic_us() / 1000;
}

void sleep_ms(int ms)
{
        nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}
