#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "store/postgres/postgres.h"
#include "store/sql/sql.h"
#include "store/sqlite/memory.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

enum {
        POSTGRES_CONNECTIONS = 8,
        POSTGRES_TIMEOUT_MS = 5000,
};

static const cd_str field = CD_STR_INIT("store");

/* Applies migrations and makes a store from the driver, which is consumed in any case. */
static cd_status finish(struct cd_sql_driver *driver, const struct cd_store_options *options,
                        struct cd_store_opened *ret, struct cd_error *reterr)
{
        struct cd_sql_migrated migrated = { 0 };
        cd_status status = cd_sql_schema_version(driver, &migrated.from, reterr);

        if (status == CD_OK && migrated.from == 0 && (options->must_be_current || !options->may_create))
                status = cd_failf(reterr, CD_NOT_FOUND, field,
                                  "the database is empty; cardea serve and cardea migrate create its "
                                  "tables; " CD_STORE_NEW_ADVICE);
        else if (status == CD_OK && options->must_be_current && migrated.from < (int)driver->migration_count)
                status = cd_failf(reterr, CD_NOT_FOUND, field,
                                  "the schema of the store is version %d, and this program needs %zu: run cardea "
                                  "migrate",
                                  migrated.from, driver->migration_count);
        if (status == CD_OK)
                status = cd_sql_migrate(driver, &migrated, reterr);
        if (status != CD_OK) {
                driver->free(driver);
                return status;
        }
        ret->schema_from = migrated.from;
        ret->schema_to = migrated.to;
        return cd_sql_store_new(driver, &ret->store, reterr);
}

/* Builds a path relative to the folder, which SQLite never mistakes for a special name ("file:…", ":memory:"). */
static cd_status sqlite_path(const struct cd_store_options *options, cd_str path, char ret[PATH_MAX],
                             struct cd_error *reterr)
{
        cd_str folder = options->folder;
        char current[PATH_MAX] = "";
        int length;

        if (path.len == 0 || cd_str_index(path, '\0') < path.len)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, field, "sqlite: needs a path");
        if (!cd_str_has_prefix(folder, CD_STR("/")) && !getcwd(current, sizeof(current)))
                return cd_failf(reterr, CD_UNAVAILABLE, field, "the current folder: %s", strerror(errno));
        if (path.ptr[0] == '/')
                length = snprintf(ret, PATH_MAX, "%.*s", CD_STR_ARG(path));
        else
                length = snprintf(ret, PATH_MAX, "%s%s%.*s%s%.*s", current, *current && folder.len ? "/" : "",
                                  CD_STR_ARG(folder), cd_str_has_suffix(folder, CD_STR("/")) ? "" : "/",
                                  CD_STR_ARG(path));
        if (length < 0 || length >= PATH_MAX)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, field, "the path of the database is too long");
        return CD_OK;
}

cd_status cd_store_sqlite_path(const struct cd_store_options *options, char ret[PATH_MAX], struct cd_error *reterr)
{
        const cd_str sqlite = CD_STR("sqlite:");

        if (!cd_str_has_prefix(options->url, sqlite))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, field, "is not a file");
        return sqlite_path(options, cd_str_slice(options->url, sqlite.len, options->url.len), ret, reterr);
}

cd_status cd_store_sqlite_file(const struct cd_store_options *options, char ret[PATH_MAX], struct cd_error *reterr)
{
        char file[PATH_MAX];
        cd_status status = cd_store_sqlite_path(options, ret, reterr);

        if (status == CD_OK && realpath(ret, file))
                memcpy(ret, file, sizeof(file));
        return status;
}

cd_str cd_store_location(struct cd_arena *arena, const struct cd_store_options *options)
{
        char path[PATH_MAX];

        if (cd_store_sqlite_path(options, path, NULL) == CD_OK)
                return cd_arena_copy(arena, cd_str_from_c(path));
        return cd_store_url_shown(arena, options->url);
}

static cd_status open_sqlite(const struct cd_store_options *options, cd_str rest, struct cd_store_opened *ret,
                             struct cd_error *reterr)
{
        char path[PATH_MAX];
        struct cd_sqlite_options sqlite = { .path = path, .may_create = options->may_create };
        struct cd_sql_driver *driver;
        cd_status status = sqlite_path(options, rest, path, reterr);

        if (status == CD_OK)
                status = cd_sqlite_open(&sqlite, &driver, reterr);
        return status == CD_OK ? finish(driver, options, ret, reterr) : status;
}

static cd_status open_postgres(const struct cd_store_options *options, cd_str rest, struct cd_store_opened *ret,
                               struct cd_error *reterr)
{
        const struct cd_postgres_options postgres = {
                .url = options->url,
                .connections = options->connections > 0 ? (size_t)options->connections : POSTGRES_CONNECTIONS,
                .timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : POSTGRES_TIMEOUT_MS,
        };
        struct cd_sql_driver *driver;
        cd_status status = cd_postgres_open(&postgres, &driver, reterr);

        (void)rest; /* libpq parses the URL as a whole */
        return status == CD_OK ? finish(driver, options, ret, reterr) : status;
}

static cd_status open_memory(const struct cd_store_options *options, cd_str rest, struct cd_store_opened *ret,
                             struct cd_error *reterr)
{
        (void)options;
        if (rest.len)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, field, "memory: must not be followed by anything");
        return cd_memory_store_new(&ret->store, reterr);
}

/* The prefixes of a URL, and the functions that open the rest. */
static const struct scheme {
        cd_str prefix;
        cd_status (*open)(const struct cd_store_options *options, cd_str rest, struct cd_store_opened *ret,
                          struct cd_error *reterr);
} schemes[] = {
        { CD_STR_INIT("memory:"), open_memory },
        { CD_STR_INIT("sqlite:"), open_sqlite },
        { CD_STR_INIT("postgresql://"), open_postgres },
        { CD_STR_INIT("postgres://"), open_postgres },
};

cd_status cd_store_open(const struct cd_store_options *options, struct cd_store_opened *ret, struct cd_error *reterr)
{
        for (size_t i = 0; i < CD_LEN(schemes); i++) {
                const struct scheme *scheme = &schemes[i];
                if (!cd_str_has_prefix(options->url, scheme->prefix))
                        continue;
                *ret = (struct cd_store_opened){ 0 };
                return scheme->open(options, cd_str_slice(options->url, scheme->prefix.len, options->url.len), ret,
                                    reterr);
        }
        return cd_fail_field(reterr, CD_INVALID_REQUEST, field,
                             "not a store: sqlite:PATH, postgresql://USER@HOST/DATABASE or memory:");
}

static size_t last_index(cd_str s, char byte)
{
        size_t i = s.len;

        while (i > 0 && s.ptr[i - 1] != byte)
                i--;
        return i ? i - 1 : s.len;
}

/* Query parameters whose value may be shown. libpq accepts passwords there too, so all others are hidden. */
static bool is_harmless(cd_str parameter)
{
        static const cd_str names[] = { CD_STR_INIT("host"),       CD_STR_INIT("hostaddr"),
                                        CD_STR_INIT("port"),       CD_STR_INIT("dbname"),
                                        CD_STR_INIT("user"),       CD_STR_INIT("sslmode"),
                                        CD_STR_INIT("options"),    CD_STR_INIT("connect_timeout"),
                                        CD_STR_INIT("sslrootcert") };
        cd_str name = cd_str_slice(parameter, 0, cd_str_index(parameter, '='));

        for (size_t i = 0; i < CD_LEN(names); i++)
                if (cd_str_eq(name, names[i]))
                        return true;
        return false;
}

static void show_query(struct cd_buf *buf, cd_str query)
{
        cd_str parameter;

        for (char before = '?'; cd_str_take_until(&query, '&', &parameter); before = '&') {
                size_t equals = cd_str_index(parameter, '=');
                cd_buf_add_char(buf, before);
                cd_buf_add(buf, is_harmless(parameter) ? parameter : cd_str_slice(parameter, 0, equals));
                if (!is_harmless(parameter) && equals < parameter.len)
                        cd_buf_add(buf, CD_STR("=***"));
        }
}

cd_str cd_store_url_shown(struct cd_arena *arena, cd_str url)
{
        size_t begin = cd_str_index(url, ':') + 1;
        struct cd_buf buf;
        cd_str shown;

        /* A slash too few or too many is a fault of the setting, and shows no password either. */
        if (!cd_str_has_prefix(url, CD_STR("postgres")) &&
            !cd_str_has_prefix(cd_str_slice(url, begin, url.len), CD_STR("//")))
                return cd_arena_copy(arena, url);
        while (begin < url.len && url.ptr[begin] == '/')
                begin++;
        cd_buf_init(&buf, arena, url.len * 2 + 64);
        cd_buf_add(&buf, cd_str_slice(url, 0, begin));
        cd_str rest = cd_str_slice(url, begin, url.len);
        /* The last '@', so that a password that mistakenly contains '@' or '/' is hidden as well. */
        size_t at = last_index(rest, '@');
        if (at < rest.len) {
                cd_str user = cd_str_slice(rest, 0, at);
                cd_str name = cd_str_slice(user, 0, cd_str_index(user, ':'));
                cd_buf_add(&buf, name);
                cd_buf_add(&buf, name.len < user.len ? CD_STR(":***@") : CD_STR("@"));
                rest = cd_str_slice(rest, at + 1, rest.len);
        }
        cd_buf_add(&buf, cd_str_slice(rest, 0, cd_str_index(rest, '?')));
        if (cd_str_index(rest, '?') < rest.len)
                show_query(&buf, cd_str_slice(rest, cd_str_index(rest, '?') + 1, rest.len));
        return cd_buf_view(&buf, &shown) == CD_OK ? shown : CD_STR("");
}
