#pragma once
/* The parts of a URL that an operator wrote. Those that browsers and applications send are split where they are judged
 * (core/return_to.c, gate/destination.c, gate/location.c). */
#include "base/str.h"

/* Views. Nothing is decoded, and no part is judged. */
struct cd_url {
        bool is_https;
        cd_str authority; /* "id.example.com", "[::1]:8443" */
        cd_str rest;      /* "/token?a=b#c": from the first "/", "?" or "#"; may be empty */
};

/* False if it does not begin with "https://" or "http://" in lower case; the parts are then empty. */
bool cd_url_split(cd_str url, struct cd_url *ret);
