/* Against the server that CARDEA_POSTGRES names (a URL; tests/support/postgres-server starts one). Each test has a database of its own. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contract/stage.h"
#include "contract/store_url.h"

static bool run_on_server(const char *server, const char *sql)
{
        PGconn *connection = PQconnectdb(server);
        PGresult *result = PQstatus(connection) == CONNECTION_OK ? PQexec(connection, sql) : NULL;
        bool done = result && PQresultStatus(result) == PGRES_COMMAND_OK;

        if (!done)
                fprintf(stderr, "%s: %s", sql, PQerrorMessage(connection));
        PQclear(result);
        PQfinish(connection);
        return done;
}

/* The server's URL with another database: scheme://authority/database?options. */
static void url_of(const char *server, const char *database, char *url, size_t size)
{
        const char *authority = strstr(server, "://");
        size_t start = authority ? (size_t)(authority + 3 - server) : 0;
        size_t end = start + strcspn(server + start, "/?");
        const char *options = strchr(server + end, '?');

        snprintf(url, size, "%.*s/%s%s", (int)end, server, database, options ? options : "");
}

static bool make_place(char *url, size_t size)
{
        static int count;
        const char *server = getenv("CARDEA_POSTGRES");
        char database[64], sql[128];

        if (!server || !*server)
                return false;
        snprintf(database, sizeof(database), "contract_%d_%d", (int)getpid(), ++count);
        snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8'", database);
        url_of(server, database, url, size);
        return run_on_server(server, sql);
}

static void remove_place(const char *url)
{
        const char *database = strstr(url, "contract_");
        char sql[128];

        snprintf(sql, sizeof(sql), "DROP DATABASE %.*s WITH (FORCE)", (int)strcspn(database, "?"), database);
        run_on_server(getenv("CARDEA_POSTGRES"), sql);
}

int main(void)
{
        static const struct store_row postgres = { "PostgreSQL", true, make_place, open_store_url, remove_place };

        return run_store_contract(&postgres);
}
