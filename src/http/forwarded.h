#pragma once
/* What trusted proxies say about a request: X-Forwarded-For, -Proto and -Host, and Forwarded (RFC 7239). */
#include "http/http.h"
#include "base/address.h"

enum {
        CD_FORWARDED_ELEMENTS_MAX = 32, /* of a list of addresses, that are looked at */
};

struct cd_forwarded {
        bool has_address;
        struct cd_address address; /* the rightmost that is no trusted proxy's; the leftmost where all are */
        /* A proxy named the client in a form that cannot be read: has_address is false. The peer's address must not be
         * used instead, or all clients would be one client (LESSONS 34). */
        bool unreadable;
        cd_str address_text; /* in its canonical form; ptr NULL: none */
        cd_str proto;        /* "http" or "https"; ptr NULL: none said */
        cd_str host;         /* as sent, not canonical; ptr NULL: none said */
};

/* Only for a request whose peer is a trusted proxy; the caller has checked that (LESSONS 3). `trusted` are the networks
 * of all trusted proxies.
 *
 * Each proxy appends the address that it saw, so the list is walked from the right, over all lines of the header, to
 * the first address that is not trusted. What is left of it is not looked at. The result is unreadable where the walk
 * meets a malformed element, one without an IP address ("unknown", "_hidden"), or more than CD_FORWARDED_ELEMENTS_MAX
 * elements; empty elements do not count (RFC 9110 §5.6.1.2). Where no header names an address, both has_address and
 * unreadable are false, and the client is the peer. Elements of Forwarded may lack for=, but then all must: where some
 * name an address, those that do not make the result unreadable.
 *
 * proto and host come from the rightmost element. A proto other than http and https counts as not said.
 *
 * X-Forwarded-* and Forwarded are never mixed, since a proxy that writes one kind may pass on the client's own headers
 * of the other: Forwarded is read only where there is no X-Forwarded-For, -Proto or -Host, which nearly all proxies
 * write (LESSONS 45). A proxy that writes Forwarded alone has to remove the others.
 *
 * Fails with CD_NO_MEMORY only. Views live in the headers or in the arena. */
cd_status cd_forwarded_read(struct cd_arena *arena, const struct cd_http_header *headers, size_t count,
                            const struct cd_network *trusted, size_t trusted_count, struct cd_forwarded *ret);
