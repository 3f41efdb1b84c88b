#pragma once
/* The section `relay` of the configuration: redirects of OAuth logins that this server catches for other programs. */
#include "conf/settings.h"
#include "relay/relay.h"

struct cd_config_relay {
        cd_str path, host; /* canonical; host empty: any */
        cd_str deliver;    /* tcp://ADDRESS:PORT or unix:/PATH */
        int encoding;      /* enum cd_relay_encoding */
        int64_t timeout;   /* milliseconds */
        int64_t hold;      /* milliseconds, whole seconds; 0: none */
        int state;         /* enum cd_relay_state */
};

extern const struct cd_table cd_config_relay_table;

enum {
        CD_CONFIG_RELAYS_MAX = 64
};

struct cd_config;

/* What the table cannot say. Every finding names its setting and the fix. */
void cd_config_check_relay(const struct cd_config *config, struct cd_report *report);
/* The route of a checked entry; its texts are copied to the arena. CD_INVALID_REQUEST with the field, CD_NO_MEMORY. */
cd_status cd_config_relay_read(const struct cd_config_relay *relay, struct cd_arena *arena, struct cd_relay_route *ret,
                               struct cd_error *reterr);
