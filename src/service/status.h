#pragma once
/* What the control socket says of a running service. One table describes it: the server writes by it, and `cardea
 * status` reads by it. */
#include "base/buf.h"
#include "base/field.h"

struct cd_service_status {
        cd_str service, version, started_at, configuration, reloaded_at;
        cd_str reload_failed_at, reload_error; /* of the last reload that failed: when, and why, as it was logged */
        cd_str certificate_until;
        int64_t pid, uptime, connections;
        struct cd_strs listen;
        struct cd_service_status_queue {
                int64_t waiting, max;
        } queue;
};

extern const struct cd_table cd_service_status_table;

#define CD_STATUS_FIELD(T, member, kind, ...)                                                                          \
        {                                                                                                              \
                .name = #member, .offset = offsetof(T, member), .type = CD_FIELD_##kind, __VA_ARGS__                   \
        }

/* Writes the members of a struct as JSON, `before` before the first and a comma before the others. Texts that are empty
 * are left out. Of the types STRING, BOOL, INT, STRINGS, OBJECT and OBJECTS. */
void cd_status_write(const struct cd_table *table, const void *item, char before, struct cd_buf *buf);
