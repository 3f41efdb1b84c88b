#pragma once
/* The pages that users see instead of an application behind the gate. They are written on the application's own host,
 * whose styles are the portal's: its paths are Cardea's on every host. */
#include "gate/gate.h"
#include "portal/portal.h"

/* Without a portal, users get JSON too, because there are no styles. */
struct cd_portal_gate_pages {
        struct cd_gate_pages port; /* first, so that a pointer to one is a pointer to the other */
        const struct cd_portal_app *app;
};

void cd_portal_gate_pages_init(struct cd_portal_gate_pages *pages, const struct cd_portal_app *app);
