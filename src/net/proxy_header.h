#pragma once
/* The header that a proxy puts before a connection's own bytes: PROXY protocol, versions 1 and 2 (HAProxy,
 * proxy-protocol.txt). Whether a listener expects one, and from which peers, is the caller's to know: it is never
 * guessed from the bytes (LESSONS 3). */
#include "net/address.h"

enum cd_proxy_step {
        CD_PROXY_MORE, /* so far it is the beginning of a header */
        CD_PROXY_DONE,
        CD_PROXY_BAD, /* it is no header, or a larger one than is accepted; more bytes do not change that */
};

enum {
        CD_PROXY_V1_MAX = 107, /* bytes with CRLF (§2.1) */
        CD_PROXY_V2_MAX = 536, /* bytes with all TLVs */
};

struct cd_proxy_header {
        size_t used; /* bytes of the header; what follows is the connection's own */
        /* No source address: the connection keeps its peer's. Said by LOCAL, as in a proxy's own health check, by
         * UNKNOWN and UNSPEC, for a client on a UNIX socket, and for datagrams, which have no meaning here (§2.2:
         * treated as UNSPEC). */
        bool local;
        struct cd_address address; /* of the client; all zero where local */
        uint16_t port;
};

/* `bytes` are all that have come so far, from the first. At most CD_PROXY_V2_MAX of them are looked at. *ret is written
 * on DONE only. Of version 2, TLVs are skipped unread; a CRC32C among them is not verified. */
enum cd_proxy_step cd_proxy_header_parse(cd_str bytes, struct cd_proxy_header *ret);
