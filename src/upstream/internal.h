#pragma once
/* What the files of this folder share. */
#include <stdatomic.h>

#include "base/address.h"
#include "net/tls_client.h"
#include "upstream/upstream.h"

struct cd_upstream {
        atomic_uint refs;
        atomic_bool is_down;                /* the last connection failed */
        struct cd_upstream_options options; /* `url` is a view into `text`; its other texts are empty */
        bool is_uwsgi, is_unix;
        cd_str host; /* a name, or an address without brackets; empty for a Unix socket */
        uint16_t port;
        cd_str path; /* of a Unix socket */
        cd_str authority;
        struct cd_tls_client *tls; /* NULL: plain */
        /* All that concerns a connection: two upstreams with the same identity share their connections. */
        cd_str identity;
        uint64_t hash; /* of it */
        char text[];   /* of the identity; the views above are into it */
};
