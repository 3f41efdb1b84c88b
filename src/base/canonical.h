#pragma once
/* The canonical form of a host and of a path: what is decided upon, and what is acted upon (LESSONS 2). One function
 * for each, used by the HTTP server, the configuration, the access rules, the check of where a browser returns
 * to. */
#include "base/arena.h"
#include "base/status.h"

/* Percent-decodes unreserved characters, upper-cases other escapes, encodes bytes over 0x7f and what no URI may hold
 * ("<" and the like), merges "//", resolves dot segments. CD_MALFORMED for what another server could read differently:
 * no leading "/", bad escapes, %2F, %5C, %00, "\", ";", "#", control characters, bytes that are not UTF-8 (overlong
 * slashes), and dot segments that climb above the root. A path that is canonical already is returned as it is. (RFC
 * 3986 §6.2.2, LESSONS 2) */
cd_status cd_canonical_path(struct cd_arena *arena, cd_str raw, cd_str *ret);
/* Lower case, port and one trailing dot taken off; IPv6 in brackets, in the form of RFC 5952. CD_MALFORMED on anything
 * that is not a reg-name of letters, digits, "-", ".", "_", an IPv4 or a bracketed IPv6 address. */
cd_status cd_canonical_host(struct cd_arena *arena, cd_str raw, cd_str *ret);
/* Whether a canonical host is the domain, or below it. */
bool cd_host_is_within(cd_str host, cd_str domain);
/* Whether a query can be read in one way only: visible ASCII without "#", "\" and the quotation mark (RFC 3986
 * §3.4). */
bool cd_is_clean_query(cd_str query);
