#pragma once
/* Catches the redirect of an OAuth login and delivers "code" and "state" to a program over TCP, whose answer is shown
 * to the user. The program does the rest of the login itself. */
#include "base/address.h"
#include "base/shared.h"
#include "core/delivery_ports.h"
#include "http/router.h"

struct cd_master_key;

enum cd_relay_encoding {
        CD_RELAY_PICKLE, /* one Python pickle each way (relay/pickle.h) */
        CD_RELAY_JSON,   /* one line of JSON each way */
};

enum cd_relay_state {
        CD_RELAY_OPAQUE, /* "state" is passed on as it is */
        CD_RELAY_SIGNED, /* only states that `cardea relay link` made (relay/link.h) */
};

enum {
        CD_RELAY_CODE_MAX = 4096,        /* bytes of code, state, error, error_description each */
        CD_RELAY_ANSWER_MAX = 64 * 1024, /* bytes of a receiver's answer */
        CD_RELAY_MESSAGE_MAX = 4096,     /* bytes of its message that are shown */
};

/* One entry of `relay`. */
struct cd_relay_route {
        cd_str path;    /* canonical, without a slash at the end; "/register/" is caught too */
        cd_str host;    /* canonical; empty: any */
        cd_str deliver; /* "127.0.0.1:7865" or "unix:/run/bot.sock", for messages and logs */
        /* The receiver: an address and a port, or a path. */
        struct cd_address address;
        uint16_t port;
        cd_str socket_path;
        enum cd_relay_encoding encoding;
        enum cd_relay_state state;
        int64_t timeout_ms; /* for all attempts together, until the answer is read */
        int64_t hold_ms;    /* how long a delivery is kept while the receiver is down; 0: not at all */
};
