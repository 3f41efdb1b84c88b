#pragma once
/* One delivery on the wire: connects to the receiver, sends, ends the output, and reads the answer to its end. While
 * nothing was sent it tries again, until the route's timeout, unless that is left to its owner.
 * All calls are on the thread of the loop. */
#include "net/loop.h"
#include "relay/relay.h"

enum cd_relay_call_result {
        CD_RELAY_CALL_READ,        /* the whole answer was read */
        CD_RELAY_CALL_UNREACHABLE, /* nothing was sent */
        CD_RELAY_CALL_LOST,        /* something was sent, but no whole answer came */
};

struct cd_relay_call_end {
        enum cd_relay_call_result result;
        cd_str answer;      /* valid during `done`; wiped afterwards */
        const char *reason; /* static; NULL for READ */
        bool is_late;       /* the timeout has passed */
        int64_t attempts;
        int64_t connect_us,
                answer_us; /* of the last attempt: to connect; from then to the end. 0: did not come so far */
        int64_t total_us;
};

struct cd_relay_call;

struct cd_relay_call_options {
        const struct cd_relay_route *route; /* borrowed until `done` or cancel */
        cd_str request;                     /* the same */
        bool is_once;                       /* not tried again: the owner does, later */
        void (*done)(void *owner, const struct cd_relay_call_end *end);
        void *owner;
};

/* `done` is called once, later than this call returns, and the call is freed when it returns. NULL if memory is out. */
struct cd_relay_call *cd_relay_call_start(struct cd_loop *loop, const struct cd_relay_call_options *options);
/* Whether the receiver may have received something. */
bool cd_relay_call_has_sent(const struct cd_relay_call *call);
/* Instead of `done`. */
void cd_relay_call_cancel(struct cd_relay_call *call);
