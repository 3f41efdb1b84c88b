#pragma once
/* The pages of the relay. They refer to nothing but the address that they have themselves, since a proxy may serve that
 * one address alone, below another path: "?styles" is their stylesheet. */
#include "portal/portal.h"
#include "relay/page.h"

struct cd_portal_relay_pages {
        struct cd_relay_pages port; /* first, so that a pointer to one is a pointer to the other */
        const struct cd_portal_app *app;
};

/* Title, footer and colour are the portal's; without one, the pages have none. */
void cd_portal_relay_pages_init(struct cd_portal_relay_pages *pages, const struct cd_portal_app *app);
