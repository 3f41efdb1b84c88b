#pragma once
/* The control socket: a Unix socket of the running service that only its owner may use, for `cardea status` and
 * `cardea reload`. It speaks HTTP: GET /status answers with a JSON object, POST /reload with the findings of the
 * configuration. */
#include "service/reload.h"

struct cd_control {
        const struct cd_service *service;
        struct cd_reload *reload;
        struct cd_service_state *state;
        void *app;          /* of the service */
        cd_str config_path; /* empty: the defaults */
        struct cd_http_routes group;
        struct cd_http_table table; /* what the socket serves */
};

/* The table can be used at once; the other members must be set before the server runs. *control must not be moved. */
void cd_control_init(struct cd_control *control);
