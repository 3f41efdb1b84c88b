#pragma once
/* What came of a delivery: the page for the user, and the event for the operator. */
#include "relay/call.h"
#include "relay/page.h"

struct cd_relay_result {
        struct cd_relay_page page;
        bool is_delivered; /* the receiver's answer was read */
        cd_str reason;     /* for the log, if not; without a text of the receiver */
};

/* The texts are in the arena, or in the answer of `end`. */
void cd_relay_result_read(const struct cd_relay_route *route, struct cd_arena *arena,
                          const struct cd_relay_call_end *end, struct cd_relay_result *ret);

struct cd_relay_event {
        cd_str relay, receiver; /* its path, after its host if it has one; empty: not known any more */
        cd_str request_id;      /* of the browser's request; empty for a held delivery */
        const struct cd_relay_call_end *end;
        const struct cd_relay_result *result;
        bool is_held;
        enum cd_relay_encoding encoding;
        cd_str request; /* what was to be sent: it contains secrets */
};

/* Is told of each delivery that has ended, for the log. On any loop's thread; memory only. */
struct cd_relay_observer {
        void (*ended)(const struct cd_relay_observer *observer, const struct cd_relay_event *event);
};
