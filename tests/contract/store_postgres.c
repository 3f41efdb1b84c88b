/* Against the server that CARDEA_POSTGRES names (a URL; tests/support/postgres-server starts one). Each test has a
 * schema of its own, which is made in a hundredth of the time that a database takes. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contract/stage.h"
#include "contract/store_url.h"

static bool run_on_server(const char *sql)
{
        PGconn *connection = PQconnectdb(getenv("CARDEA_POSTGRES"));
        PGresult *result = PQstatus(connection) == CONNECTION_OK ? PQexec(connection, sql) : NULL;
        bool done = result && PQresultStatus(result) == PGRES_COMMAND_OK;

        if (!done)
                fprintf(stderr, "%s: %s", sql, PQerrorMessage(connection));
        PQclear(result);
        PQfinish(connection);
        return done;
}

static bool make_database(char *url, size_t size)
{
        static int count;
        const char *server = getenv("CARDEA_POSTGRES");
        char schema[64], sql[128];

        if (!server || !*server)
                return false;
        snprintf(schema, sizeof(schema), "contract_%d_%d", (int)getpid(), ++count);
        snprintf(sql, sizeof(sql), "CREATE SCHEMA %s", schema);
        snprintf(url, size, "%s%coptions=-csearch_path%%3D%s", server, strchr(server, '?') ? '&' : '?', schema);
        return run_on_server(sql);
}

static void remove_database(const char *url)
{
        char sql[128];

        snprintf(sql, sizeof(sql),
                 "SET client_min_messages = warning; SET lock_timeout = '20s'; DROP SCHEMA %s CASCADE",
                 strstr(url, "contract_"));
        run_on_server(sql);
}

int main(void)
{
        static const struct store_row postgres = { "PostgreSQL", true, make_database, open_store_url, remove_database };

        return run_store_contract(&postgres);
}
