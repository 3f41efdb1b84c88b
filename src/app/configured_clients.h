#pragma once
/* The clients of the configuration, as the issuer uses them. */
#include "app/config.h"
#include "core/client.h"
#include "crypto/seal.h"

struct cd_configured_clients_params {
        const struct cd_config *config;
        const struct cd_report *report; /* of its reading; report->earlier: of `earlier` */
        const struct cd_master_key *master;
        const struct cd_config *earlier; /* the current configuration; NULL: none */
        const struct cd_client_spec *earlier_clients;
};

/* With the MACs of their secrets; in the arena. A secret that cannot be read again keeps its MAC if it is configured as
 * before; else CD_INVALID_REQUEST with the setting. CD_NO_MEMORY. */
cd_status cd_configured_clients_make(const struct cd_configured_clients_params *params, struct cd_arena *arena,
                                     struct cd_client_spec **ret, struct cd_error *reterr);
