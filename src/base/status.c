#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

cd_status cd_fail(struct cd_error *reterr, cd_status status, const char *reason)
{
        return cd_fail_field(reterr, status, CD_STR(""), reason);
}

cd_status cd_fail_field(struct cd_error *reterr, cd_status status, cd_str field, const char *reason)
{
        return cd_failf(reterr, status, field, "%s", reason);
}

/* Makes a text safe for a terminal. Errors contain names and values from outside and may be shown there. */
static void write_safe(cd_str text, char *to, size_t size)
{
        to[cd_str_write_safe(text, to, size - 1)] = '\0';
}

cd_status cd_failf(struct cd_error *reterr, cd_status status, cd_str field, const char *format, ...)
{
        if (!reterr)
                return status;

        char reason[sizeof(reterr->reason)];
        va_list args;
        va_start(args, format);
        reterr->status = status;
        reterr->retry_after = 0;
        reterr->summary = NULL;
        reterr->quoted = CD_STR("");
        vsnprintf(reason, sizeof(reason), format, args);
        va_end(args);
        write_safe(field, reterr->field, sizeof(reterr->field));
        write_safe(cd_str_from_c(reason), reterr->reason, sizeof(reterr->reason));
        return status;
}

cd_str cd_status_name(cd_status status)
{
        static const cd_str names[] = {
                [CD_OK] = CD_STR_INIT("ok"),
                [CD_MALFORMED] = CD_STR_INIT("malformed"),
                [CD_TOO_LARGE] = CD_STR_INIT("too_large"),
                [CD_NOT_FOUND] = CD_STR_INIT("not_found"),
                [CD_EXISTS] = CD_STR_INIT("exists"),
                [CD_THROTTLED] = CD_STR_INIT("too_many_attempts"),
                [CD_INVALID_REQUEST] = CD_STR_INIT("invalid_request"),
                [CD_INVALID_CLIENT] = CD_STR_INIT("invalid_client"),
                [CD_INVALID_GRANT] = CD_STR_INIT("invalid_grant"),
                [CD_UNAUTHORIZED_CLIENT] = CD_STR_INIT("unauthorized_client"),
                [CD_UNSUPPORTED_GRANT_TYPE] = CD_STR_INIT("unsupported_grant_type"),
                [CD_INVALID_SCOPE] = CD_STR_INIT("invalid_scope"),
                [CD_INVALID_TOKEN] = CD_STR_INIT("invalid_token"),
                [CD_INSUFFICIENT_SCOPE] = CD_STR_INIT("insufficient_scope"),
                [CD_UNSUPPORTED_CODING] = CD_STR_INIT("unsupported_media_type"),
                [CD_UNAVAILABLE] = CD_STR_INIT("temporarily_unavailable"),
                [CD_TIMEOUT] = CD_STR_INIT("timeout"),
                [CD_NO_MEMORY] = CD_STR_INIT("no_memory"),
                [CD_INTERNAL] = CD_STR_INIT("server_error"),
        };
        return names[status];
}
