/* What is often wrong with the setting `store`, before anything is opened, and what to do where opening it failed. */
#include <stdlib.h>
#include <string.h>

#include "app/config_findings.h"
#include "app/storage.h"
#include "conf/value_fault.h"

static const cd_str setting = CD_STR_INIT("store");

static bool has(cd_str text, const char *part)
{
        return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

/* "USER:PASSWORD@HOST/DATABASE?…" */
struct postgres_url {
        cd_str password, database, query;
        size_t at_signs;
};

static struct postgres_url split(cd_str rest)
{
        struct postgres_url url = { .query = cd_str_slice(rest, cd_str_index(rest, '?'), rest.len) };
        size_t at = 0;

        rest = cd_str_slice(rest, 0, cd_str_index(rest, '?'));
        for (size_t i = 0; i < rest.len; i++)
                if (rest.ptr[i] == '@') {
                        url.at_signs++;
                        at = i;
                }
        cd_str user = cd_str_slice(rest, 0, at), host = cd_str_slice(rest, at, rest.len);
        url.password = cd_str_slice(user, cd_str_index(user, ':') + 1, user.len);
        url.database = cd_str_slice(host, cd_str_index(host, '/') + 1, host.len);
        return url;
}

static void check_postgres(cd_str rest, struct cd_report *report)
{
        const struct postgres_url url = split(rest);
        struct cd_value_fault fault;
        cd_str folder = report->file_name;

        while (folder.len && folder.ptr[folder.len - 1] != '/')
                folder.len--;
        if (cd_value_find_fault(report->arena, folder, url.password, CD_VALUE_SECRET, &fault))
                cd_report_about(report, fault.level, setting, fault.fix.ptr, "the password in it %s", fault.what);
        if (url.at_signs > 1 || cd_str_index(url.password, '/') < url.password.len)
                ERROR(report, setting,
                      "write @ in a password as %40, / as %2F, : as %3A, ? as %3F, # as %23 and % as %25",
                      "has a password with a character that ends it there, such as @ or /");
        /* libpq would take the database with the user's name. */
        if (!url.database.len && !has(url.query, "dbname=") && !has(url.query, "service=") && !getenv("PGDATABASE") &&
            !getenv("PGSERVICE"))
                ERROR(report, setting, "write it as in postgresql://USER@HOST/DATABASE", "names no database");
}

void cd_storage_check_url(cd_str store, struct cd_report *report)
{
        static const cd_str postgres[] = { CD_STR_INIT("postgresql://"), CD_STR_INIT("postgres://") };
        static const char form[] = "write sqlite:PATH or postgresql://USER@HOST/DATABASE";

        for (size_t i = 0; i < CD_LEN(postgres); i++)
                if (cd_str_has_prefix(store, postgres[i]))
                        return check_postgres(cd_str_slice(store, postgres[i].len, store.len), report);
        if (cd_str_has_prefix(store, CD_STR("sqlite://")))
                ERROR(report, setting,
                      "write sqlite: and the path, as in sqlite:cardea.db or sqlite:/var/lib/cardea.db",
                      "begins with sqlite://, and there is no host");
        else if (!cd_str_has_prefix(store, CD_STR("sqlite:")) && !cd_str_has_prefix(store, CD_STR("memory:")))
                ERROR(report, setting, form, "is not a store: begins with neither sqlite: nor postgresql://");
}

/* By a part of what the store says. */
static const struct {
        const char *said, *fix;
} fixes[] = {
        { "on socket", "start PostgreSQL on this machine, or name its host: postgresql://USER@HOST/DATABASE" },
        { "Connection refused", "start PostgreSQL there, or correct host and port" },
        { "could not translate host name", "correct the host, or see why this machine does not resolve it" },
        { "did not answer within", "correct host and port, or see whether a firewall drops what is sent there" },
        { "no password supplied", "write it into the URL, as in postgresql://USER:${env:PASSWORD}@HOST/DATABASE" },
        { "password authentication failed", "correct user and password, or set the password with ALTER ROLE" },
        { "pg_hba.conf", "allow this user, database and address in pg_hba.conf, then reload PostgreSQL" },
        { "FATAL: role", "correct the user, or create it: createuser --pwprompt USER" },
        { "FATAL: database", "correct the database, or create it: createdb --owner USER DATABASE" },
        { "does not support SSL", "set up TLS there, or write ?sslmode=disable for a server on this machine" },
        { "too old", "upgrade PostgreSQL" },
        { "invalid sslmode value", "write disable, require, verify-ca or verify-full" },
        { "the folder of the database", "create the folder, for the user who runs the server, or correct the path" },
        { "is not a file", "name a file, as in sqlite:/var/lib/cardea/cardea.db" },
        { "is not a folder", "correct the path" },
        { "not an SQLite database", "correct the path, or put this file aside and restore a backup" },
};

const char *cd_storage_fix(const char *reason)
{
        for (size_t i = 0; i < CD_LEN(fixes) && !strchr(reason, ';'); i++)
                if (strstr(reason, fixes[i].said))
                        return fixes[i].fix;
        return NULL;
}
