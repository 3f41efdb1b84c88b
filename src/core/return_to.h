#pragma once
/* Where a browser goes after a login or logout: to the page that it asked for, if the rules name its host, otherwise to
 * the portal's home page. Only this function makes that decision (LESSONS 7). */
#include "core/access.h"

enum {
        CD_RETURN_TO_MAX = 4096, /* bytes */
};

/* The path of the portal's pages and of the check endpoints, on every host that has them. */
#define CD_PORTAL_BASE "/_auth"

/* The portal's own address, parsed. */
struct cd_portal_url {
        cd_str origin; /* "https://auth.example.com", with the port if one was written */
        cd_str host;   /* canonical, without port */
        cd_str home;   /* the whole address, and "/" */
};

/* Parses "https://auth.example.com/_auth": the scheme is https, or http if the host is this machine; host and path are
 * canonical; there is no user, query, fragment or slash at the end. CD_INVALID_REQUEST with what is wrong;
 * CD_NO_MEMORY. *ret points into the arena. */
cd_status cd_portal_url_parse(struct cd_arena *arena, cd_str text, struct cd_portal_url *ret, struct cd_error *reterr);

/* Whether a path is the portal's, on whatever host. */
bool cd_portal_has_path(cd_str path);
/* Whether it is one of the few that are served on hosts other than the portal's own: a page of the portal would be of
 * the origin of the site's scripts there, which could read it. */
bool cd_portal_has_path_on_any_host(cd_str path);

struct cd_return_to {
        cd_str url;  /* absolute: the requested page, or the portal's home */
        cd_str host; /* its host, canonical */
        cd_str path; /* its path, canonical; "/" if the URL has none */
        /* Why it is the home page: "its host has no access rule"; static; NULL: it is the requested page. */
        const char *refused;
};

/* `asked` as the parameter says it, decoded once. Accepted is
 *  - an absolute URL of https, or of http where its host is this machine, whose host is the portal's own, port
 *    included, or is named by a rule: exactly, since a rule for "*.example.com" says of no host that there is one;
 *  - an absolute path, which is the portal's own; with a canonical host and path, without a user, a fragment, a byte
 *    that a browser drops or reads as another (control characters, spaces, "\"), and without such a byte encoded in the
 *    path. `access` NULL: there are no rules. The result lives as long as `asked`, `portal` and the arena. */
struct cd_return_to cd_return_to_decide(struct cd_arena *arena, const struct cd_access *access,
                                        const struct cd_portal_url *portal, cd_str asked);
