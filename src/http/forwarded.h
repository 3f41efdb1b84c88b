#pragma once
/* What trusted proxies say about a request: X-Forwarded-For, -Proto and -Host, and Forwarded (RFC 7239). */
#include "http/http.h"
#include "base/address.h"

enum {
        CD_FORWARDED_ELEMENTS_MAX = 32, /* elements examined in a list of addresses */
};

struct cd_forwarded {
        bool has_address;
        struct cd_address address; /* the rightmost address that is not a trusted proxy's; the leftmost if all are */
        /* A proxy named the client in a form that cannot be read: has_address is false. The peer's address must not be
         * used instead, because all clients would then count as one (LESSONS 34). */
        bool unreadable;
        cd_str address_text; /* in its canonical form; ptr NULL: none */
        cd_str proto;        /* "http" or "https"; ptr NULL: not given */
        cd_str host;         /* as sent, not canonical; ptr NULL: not given */
};

/* Only for a request whose peer is a trusted proxy, which the caller has checked (LESSONS 3). `trusted` holds the
 * networks of all trusted proxies.
 *
 * Each proxy appends the address that it saw. The list is therefore read from the right, across all lines of the
 * header, to the first address that is not trusted. Elements further left are ignored. The result is unreadable if the
 * walk meets a malformed element, an element without an IP address ("unknown", "_hidden"), or more than
 * CD_FORWARDED_ELEMENTS_MAX elements; empty elements do not count (RFC 9110 §5.6.1.2). If no header names an address,
 * both has_address and unreadable are false, and the client is the peer. Elements of Forwarded may omit for= only if
 * all of them do: if some name an address, an element without one makes the result unreadable.
 *
 * proto and host come from the rightmost element. A proto other than http and https is ignored.
 *
 * X-Forwarded-* and Forwarded are never mixed, because a proxy that writes one kind may pass on the client's own
 * headers of the other. Forwarded is read only if there is no X-Forwarded-For, -Proto or -Host, which nearly all
 * proxies write (LESSONS 45). A proxy that writes only Forwarded must remove the others.
 *
 * Fails with CD_NO_MEMORY only. Views live in the headers or in the arena. */
cd_status cd_forwarded_read(struct cd_arena *arena, const struct cd_http_header *headers, size_t count,
                            const struct cd_network *trusted, size_t trusted_count, struct cd_forwarded *ret);
