#pragma once
/* The header that a proxy sends before the bytes of a connection: PROXY protocol, versions 1 and 2 (HAProxy,
 * proxy-protocol.txt). The caller must know whether a listener expects one, and from which peers; it is never guessed
 * from the bytes (LESSONS 3). */
#include "base/address.h"

enum cd_proxy_step {
        CD_PROXY_MORE, /* an incomplete header */
        CD_PROXY_DONE,
        CD_PROXY_BAD, /* not a header, or too large; more bytes do not change that */
};

enum {
        CD_PROXY_V1_MAX = 107, /* bytes with CRLF (§2.1) */
        CD_PROXY_V2_MAX = 536, /* bytes including all TLVs */
};

struct cd_proxy_header {
        size_t used; /* bytes of the header; the connection's own bytes follow */
        /* The header has no usable source address, so the connection keeps that of its peer: LOCAL (such as a proxy's
         * own health check), UNKNOWN, UNSPEC, a client on a UNIX socket, or a datagram (§2.2: treated as UNSPEC). */
        bool local;
        struct cd_address address; /* of the client; all zero if `local` */
        uint16_t port;
};

/* `bytes` are all bytes received so far; at most CD_PROXY_V2_MAX are read. *ret is written only on DONE. TLVs of
 * version 2 are skipped, and a CRC32C among them is not verified. */
enum cd_proxy_step cd_proxy_header_parse(cd_str bytes, struct cd_proxy_header *ret);
