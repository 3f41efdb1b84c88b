#pragma once
/* The relay of a running server: its routes by configuration, its log events, and the thread for held deliveries. */
#include "app/config.h"
#include "app/outgoing_log.h"
#include "app/storage.h"
#include "portal/relay_pages.h"
#include "relay/handler.h"
#include "relay/holder.h"

struct cd_app_relay {
        struct cd_relay_observer observer; /* first, so that a pointer to one is a pointer to the other */
        struct cd_relay_app app;
        struct cd_portal_relay_pages pages;
        _Atomic(struct cd_relay_holder *) holder; /* NULL: nothing was ever held */
        struct cd_http_sites next_sites;          /* a path of the relay comes before the applications of a host */
        struct cd_log *log;
        struct cd_outgoing_log *outgoing;
};

struct cd_app_relay_options {
        const struct cd_storage *storage;
        const struct cd_portal_app *portal;
        struct cd_log *log;
        struct cd_outgoing_log *outgoing;
};

/* Also where no relay is configured, since a reload may add one. */
cd_status cd_app_relay_init(struct cd_app_relay *relay, const struct cd_app_relay_options *options,
                            const struct cd_config *config, struct cd_error *reterr);
/* The routes of a configuration, to be published to relay->app.relays. Starts the thread if it is needed. */
cd_status cd_app_relay_prepare(struct cd_app_relay *relay, const struct cd_config *config,
                               struct cd_shared_version **ret, struct cd_error *reterr);
/* Before next_sites. */
void cd_app_relay_sites(struct cd_app_relay *relay, struct cd_http_sites *ret);
void cd_app_relay_done(struct cd_app_relay *relay);
