/* The host on which the browser has reached the portal: its own, or that of a site of another root domain, which has
 * only what a hand-over needs (core/hand_over.h). */
#include "base/canonical.h"
#include "core/hand_over.h"
#include "portal/visit.h"

cd_str cd_visit_host(const struct cd_visit *visit)
{
        const struct cd_http_request *req = visit->req;
        cd_str host;

        if (!req->forwarded_host.ptr)
                return req->host;
        return cd_canonical_host(req->arena, req->forwarded_host, &host) == CD_OK ? host : CD_STR("");
}

bool cd_portal_hands_over(const struct cd_portal *portal, cd_str host)
{
        return cd_hand_over_reaches(portal->settings.other_domains, host);
}

/* To the same page of the portal, whose cookies this host does not get. */
static void send_home(struct cd_visit *visit)
{
        const struct cd_http_request *req = visit->req;
        cd_str origin = visit->portal->url.origin;
        bool has_query = req->query.ptr && cd_is_clean_query(req->query);

        cd_visit_redirect(visit,
                          cd_arena_printf(req->arena, "%.*s%.*s%s%.*s", CD_STR_ARG(origin), CD_STR_ARG(req->path),
                                          has_query ? "?" : "", CD_STR_ARG(has_query ? req->query : CD_STR(""))));
}

bool cd_visit_begin(void *app, const struct cd_http_request *req, struct cd_http_response *res, struct cd_visit *ret)
{
        if (!cd_visit_open(app, req, res, ret))
                return false;
        if (!ret->portal->settings.other_domains.count || cd_portal_has_path_on_any_host(req->path) ||
            !cd_portal_hands_over(ret->portal, cd_visit_host(ret)))
                return true;
        if (req->method == CD_HTTP_POST)
                cd_visit_fail(ret, 404, (struct cd_page_message){ .id = CD_MESSAGE_NOT_FOUND });
        else
                send_home(ret);
        return false;
}
