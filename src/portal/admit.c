/* Who waits: a network that sends too many forms, and everybody while a pool's queue is full. */
#include "portal/visit.h"

bool cd_portal_admit(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_portal_app *own = app;
        const struct cd_portal *portal = own->portals ? cd_shared_get(own->portals) : NULL;
        struct cd_visit visit;
        struct cd_error err;

        if (!portal || req->method != CD_HTTP_POST ||
            cd_network_limit_take(portal->services.networks, CD_NETWORK_ATTEMPT, req->client_address, &err) == CD_OK)
                return true;
        if (cd_visit_begin(app, req, res, &visit))
                cd_visit_fail_error(&visit, &err);
        return false;
}

void cd_portal_overloaded(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_visit visit;
        struct cd_error err;

        (void)cd_fail(&err, CD_UNAVAILABLE, "the queue of the pool is full");
        if (cd_visit_begin(app, req, res, &visit))
                cd_visit_fail_error(&visit, &err);
}
