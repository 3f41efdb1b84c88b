#include "core/operator.h"

#include <string.h>

cd_status cd_operator_event(const struct cd_operator *by, struct cd_arena *arena, const char *action, cd_str name,
                            struct cd_audit_event *ret, struct cd_error *reterr)
{
        cd_str subject = CD_STR("");
        cd_time now;

        cd_status status = cd_clock_read(by->clock, &now, reterr);
        if (status != CD_OK)
                return status;
        if (name.len)
                subject = cd_arena_printf(arena, "%.*s:%.*s", (int)strcspn(action, "."), action, CD_STR_ARG(name));
        if (!subject.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an audit event");
        *ret = (struct cd_audit_event){
                .at = now,
                .action = cd_str_from_c(action),
                .actor = by->actor,
                .subject = subject,
                .address = by->address.ptr ? by->address : CD_STR(""),
                .detail = CD_STR(""),
        };
        return CD_OK;
}
