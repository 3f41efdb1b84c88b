#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "store/postgres/url.h"

enum {
        URL_MAX = 4096
}; /* bytes */

static const char HINT[] = "is not a URL that libpq accepts (postgresql://USER:PASSWORD@HOST:PORT/DATABASE; "
                           "in a password each of : / ? # [ ] @ % is written as %3A and so on)";

static void free_options(PQconninfoOption **options)
{
        if (!*options)
                return;
        for (PQconninfoOption *o = *options; o && o->keyword; o++)
                if (o->val)
                        cd_wipe(o->val, strlen(o->val));
        cd_pq.PQconninfoFree(*options);
}

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
        for (; options->keyword; options++)
                if (strcmp(options->keyword, keyword) == 0)
                        return options->val ? options->val : "";
        return "";
}

/* A password with a bare '/' or '@' is split over host, port and database, which libpq then shows in its errors. */
static bool has_stray_password(const PQconninfoOption *options)
{
        const char *port = value_of(options, "port");

        return strchr(value_of(options, "host"), '@') || strchr(value_of(options, "dbname"), '@') ||
               port[strspn(port, "0123456789,")] != '\0';
}

static cd_status refuse(struct cd_error *reterr, const char *reason)
{
        return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("store"), reason);
}

cd_status cd_pg_target_init(cd_str url, int64_t timeout_ms, struct cd_pg_target *ret, struct cd_error *reterr)
{
        __attribute__((cleanup(free_options))) PQconninfoOption *options = NULL;
        struct cd_pg_target target = { .timeout_us = timeout_ms * 1000 };
        char *said = NULL;

        if (!cd_str_has_prefix(url, CD_STR("postgresql://")) && !cd_str_has_prefix(url, CD_STR("postgres://")))
                return refuse(reterr, "does not begin with postgresql://");
        if (url.len > URL_MAX || memchr(url.ptr, '\0', url.len))
                return refuse(reterr, HINT);
        cd_status status = cd_libpq_load(reterr);
        if (status != CD_OK)
                return status;
        target.url = strndup(url.ptr, url.len);
        if (!target.url)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the store");
        options = cd_pq.PQconninfoParse(target.url, &said);
        cd_pq.PQfreemem(said); /* the text repeats the URL */
        if (!options || has_stray_password(options)) {
                cd_pg_target_done(&target);
                return refuse(reterr, HINT);
        }
        const char *password = value_of(options, "password");
        if (*password && !(target.password = strdup(password))) {
                cd_pg_target_done(&target);
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the store");
        }
        *ret = target;
        return CD_OK;
}

static void free_secret(char *text)
{
        if (text)
                cd_wipe(text, strlen(text));
        free(text);
}

void cd_pg_target_done(struct cd_pg_target *target)
{
        free_secret(target->url);
        free_secret(target->password);
        *target = (struct cd_pg_target){ 0 };
}
