#include "core/operator.h"

#include <string.h>

cd_status cd_operator_event(const struct cd_operator *by, struct cd_arena *arena, const char *action, cd_str name,
                            struct cd_audit_event *ret, struct cd_error *reterr)
{
        cd_time now = by->clock->now(by->clock);
        cd_str subject = CD_STR("");

        if (now < 0)
                return cd_fail(reterr, CD_UNAVAILABLE, "the clock fails");
        if (name.len)
                subject = cd_arena_printf(arena, "%.*s:%.*s", (int)strcspn(action, "."), action, CD_STR_ARG(name));
        if (!subject.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an audit event");
        *ret = (struct cd_audit_event){
                .at = now,
                .action = cd_str_from_c(action),
                .actor = by->actor,
                .subject = subject,
                .address = CD_STR(""),
                .detail = CD_STR(""),
        };
        return CD_OK;
}
