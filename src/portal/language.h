#pragma once
/* Which language a page is written in. */
#include "portal/template.h"

enum {
        CD_LANGUAGE_MAX_RANGES = 32
}; /* of one header or parameter; what follows is ignored */

/* What a browser says of it, the strongest first; each may be empty, and what is malformed in it is ignored. */
struct cd_language_wishes {
        cd_str ui_locales; /* OpenID Connect Core §3.1.2.1: tags separated by spaces, the preferred one first */
        cd_str remembered; /* the tag that the user chose earlier */
        cd_str accept;     /* Accept-Language, RFC 9110 §12.5.4 */
};

/* The best of `count` (at least 1) languages by RFC 4647 §3.4, lookup: "de-CH" finds "de". Where no wish is known, the
 * first language that Accept-Language does not refuse (q=0), or else the first. */
const struct cd_texts *cd_language_choose(const struct cd_texts *known, size_t count,
                                          const struct cd_language_wishes *wishes);
