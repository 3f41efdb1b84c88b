#pragma once
/* Where a browser goes after a login or a log-out: the page that it asked for, where the rules know its host, else the
 * portal's home. The only function that decides so (LESSONS 7). */
#include "core/access.h"

enum {
        CD_RETURN_TO_MAX = 4096, /* bytes */
};

/* The portal's own address, taken apart. */
struct cd_portal_url {
        cd_str origin; /* "https://auth.example.com", with the port where one was written */
        cd_str host;   /* canonical, without port */
        cd_str home;   /* the whole, and "/" */
};

/* "https://auth.example.com/_auth": https, or http where the host is this machine; host and path canonical; no user, no
 * query, no fragment, no slash at the end. CD_INVALID_REQUEST with what is wrong; CD_NO_MEMORY. What *ret points to is
 * in the arena. */
cd_status cd_portal_url_parse(struct cd_arena *arena, cd_str text, struct cd_portal_url *ret, struct cd_error *reterr);

struct cd_return_to {
        cd_str url; /* absolute: what was asked for, or the portal's home */
        const char *
                refused; /* why it is the home: "its host has no access rule"; static; NULL: it is what was asked for */
};

/* `asked` as the parameter says it, decoded once. Accepted is
 *  - an absolute URL of https, or of http where its host is this machine, whose host is the portal's own, port
 *    included, or is named by a rule: exactly, since a rule for "*.example.com" says of no host that there is one;
 *  - an absolute path, which is the portal's own; with a canonical host and path, without a user, a fragment, a byte
 *    that a browser drops or reads as another (control characters, spaces, "\"), and without such a byte encoded in the
 *    path. `access` NULL: there are no rules. The result lives as long as `asked`, `portal` and the arena. */
struct cd_return_to cd_return_to_decide(struct cd_arena *arena, const struct cd_access *access,
                                        const struct cd_portal_url *portal, cd_str asked);
