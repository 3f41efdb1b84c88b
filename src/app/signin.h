#pragma once
/* The logins with accounts at other providers, as the configuration says. */
#include "app/config.h"
#include "app/storage.h"
#include "base/shared.h"

struct cd_app_signin {
        struct cd_shared *signins; /* each version is a struct cd_signin, for the portal */
        const struct cd_storage *storage;
        struct cd_outgoing_log *outgoing;
};

/* What a version is made of, besides that. */
struct cd_app_signin_params {
        const struct cd_config *config;
        const struct cd_report *report;  /* of its reading; report->earlier: of `earlier` */
        const struct cd_config *earlier; /* the current configuration; NULL: none */
        cd_str config_path;
        const struct cd_hasher *hasher; /* lives as long as the process */
};

/* Borrows both. CD_NO_MEMORY. */
cd_status cd_app_signin_init(struct cd_app_signin *signin, const struct cd_storage *storage,
                             struct cd_outgoing_log *outgoing, struct cd_error *reterr);
void cd_app_signin_done(struct cd_app_signin *signin); /* a zeroed one is fine */

/* To be published with cd_shared_publish, or discarded. Has an HTTP client of its own, which is only there, and loads
 * libcurl, if there are providers. CD_NO_MEMORY; CD_UNAVAILABLE: libcurl is missing; CD_INVALID_REQUEST with the
 * setting: a secret that can no longer be read and was another one before. */
cd_status cd_app_signin_prepare(const struct cd_app_signin *signin, const struct cd_app_signin_params *params,
                                struct cd_shared_version **ret, struct cd_error *reterr);
