#pragma once
/* The names of the service's own cookies. Each begins with "cardea_", after the prefix that tells browsers how it may
 * be set (RFC 6265bis §4.1.3). */
#include "base/field.h"

enum {
        /* Cookies with the session's name that are tried: a sibling host can set more of them (RFC 6265bis §5.7). */
        CD_SESSION_COOKIES_MAX = 8,
};

/* The cookie with the id of the session: "__Host-…" on one host, "__Secure-…" where the hosts of a domain share it, and
 * without a prefix where the portal is reached by http, on a loopback address. Static. */
cd_str cd_session_cookie_name(bool is_https, bool has_domain);

/* What the names of all of them begin with, whatever the configuration. No application may receive such a cookie
 * (LESSONS 6), not even one that an earlier configuration has set. */
extern const struct cd_strs cd_own_cookie_prefixes;
