/* Who waits: a network that sends too many forms, and everybody while a pool's queue is full. */
#include "http/origin.h"
#include "portal/visit.h"

/* A page of another site can have any visitor's browser send forms, which cost nothing because they are refused (see
 * cd_visit_read_form). They are not counted, since they would shut out the visitor's whole network. */
static bool counts(const struct cd_portal *portal, const struct cd_http_request *req)
{
        return req->method == CD_HTTP_POST && cd_http_origin_of(req, portal->url.origin) != CD_HTTP_ORIGIN_FOREIGN;
}

bool cd_portal_admit(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_portal_app *own = app;
        const struct cd_portal *portal = own->portals ? cd_shared_get(own->portals) : NULL;
        struct cd_visit visit;
        struct cd_error err;

        if (!portal || !counts(portal, req) ||
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
