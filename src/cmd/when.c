#include "cmd/when.h"

#include <stddef.h>

#include "base/field.h"

enum {
        DATE_LEN = 10, /* "2026-11-22" */
};

cd_status cd_when_duration(struct cd_arena *arena, const char *option, const char *text, cd_time max, cd_time *ret,
                           struct cd_error *reterr)
{
        const struct cd_field field = { .name = option, .type = CD_FIELD_DURATION, .min = 1000, .max = max * 1000 };
        int64_t milliseconds = 0;

        cd_status status = cd_field_bind(arena, &field, cd_str_from_c(text), &milliseconds, reterr);
        *ret = milliseconds / 1000;
        return status;
}

static bool read_date(cd_str text, cd_time *ret)
{
        char full[CD_RFC3339_LEN + 1] = "";

        if (text.len != DATE_LEN)
                return false;
        for (size_t i = 0; i < DATE_LEN; i++)
                full[i] = text.ptr[i];
        for (size_t i = 0; i < CD_RFC3339_LEN - DATE_LEN; i++)
                full[DATE_LEN + i] = "T00:00:00Z"[i];
        return cd_time_parse_rfc3339(cd_str_from_c(full), ret);
}

cd_status cd_when_time(struct cd_arena *arena, const char *option, const char *text, cd_time now, cd_time *ret,
                       struct cd_error *reterr)
{
        cd_str written = cd_str_from_c(text);
        cd_time before = 0;

        if (cd_time_parse_rfc3339(written, ret) || read_date(written, ret))
                return CD_OK;
        if (cd_when_duration(arena, option, text, now, &before, NULL) != CD_OK)
                return cd_failf(reterr, CD_INVALID_REQUEST, cd_str_from_c(option),
                                "must be a time such as 2026-11-22T09:30:05Z or 2026-11-22, in UTC, or a duration "
                                "before now such as 2h or 7d, not \"%.*s\"",
                                CD_STR_ARG(cd_str_slice(written, 0, 100)));
        *ret = now - before;
        return CD_OK;
}
