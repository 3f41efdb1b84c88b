#pragma once
/* The portal's part of the server: what its handlers use. */
#include "app/config.h"
#include "app/storage.h"
#include "core/known_device.h"
#include "portal/portal.h"

struct cd_hasher;

struct cd_app_portal {
        struct cd_portal_app app; /* of the routes */
        struct cd_sessions sessions;
        struct cd_factors factors;
        struct cd_known_devices devices; /* also for logins by password */
        struct cd_portal_services services;
};

/* Borrows all arguments but the configuration. On failure cd_app_portal_done is called nonetheless. */
struct cd_app_portal_options {
        const struct cd_storage *storage;
        const struct cd_store_state *store_state;
        struct cd_lockout *lockout;
        struct cd_network_limit *networks;
        struct cd_shared *signins; /* see struct cd_portal_services */
        struct cd_log *log;
};
cd_status cd_app_portal_init(struct cd_app_portal *portal, const struct cd_app_portal_options *options,
                             struct cd_error *reterr);
void cd_app_portal_done(struct cd_app_portal *portal); /* a zeroed one is fine */

/* The portal of a configuration, for `portals`; NULL: it has none. `accounts` and `hasher` must outlive it. */
cd_status cd_app_portal_make(const struct cd_app_portal *portal, const struct cd_config *config,
                             const struct cd_accounts *accounts, const struct cd_hasher *hasher, struct cd_portal **ret,
                             struct cd_error *reterr);
