#include "portal/gate_pages.h"

#include "base/percent.h"
#include "core/hand_over.h"
#include "gate/original.h"
#include "gate/route.h"
#include "portal/language.h"
#include "portal/visit.h"

static const struct kind {
        int status;
        const char *error, *description; /* for programs */
        enum cd_message heading, reason;
} kinds[] = {
#define KIND(page, status_, error_, description_)                                                                      \
        [CD_GATE_PAGE_##page] = { status_, error_, description_, CD_MESSAGE_GATE_##page, CD_MESSAGE_GATE_##page##_WHY }
        KIND(LOST_POST, 401, "login_required", "log in, and send the request again: it did not reach the application"),
        KIND(CROSS_SITE_POST, 401, "login_required",
             "another site sent the request, so it came without a login and did not reach the application"),
        KIND(FORBIDDEN, 403, "access_denied", "the rules of the application do not allow this request"),
        KIND(NOT_FOUND, 404, "not_found", "there is no application at this address"),
        KIND(TOO_LARGE, 413, "content_too_large", "the request is larger than the application accepts"),
        KIND(TOO_MANY, 429, "too_many_requests", "the application accepts no more requests at the moment"),
        KIND(BAD_GATEWAY, 502, "bad_gateway", "the application cannot be reached, or its answer was not complete"),
        KIND(UNAVAILABLE, 503, "temporarily_unavailable", "the application has as many requests as it can work on"),
        KIND(TIMEOUT, 504, "gateway_timeout", "the application did not answer in time"),
        KIND(MAINTENANCE, 503, "maintenance", "the application is not available while it is worked on"),
        KIND(CONNECT, 403, "account_not_connected",
             "the user has to connect an account at another provider, which the application works with"),
        KIND(PROVIDER, 503, "provider_unavailable",
             "the provider whose account the application works with does not answer"),
};

static cd_str name_of(const struct cd_http_request *req, const struct cd_gate_route *route)
{
        return route ? route->name : req->host;
}

static void send_json(const struct cd_http_request *req, const struct kind *kind, int status,
                      const struct cd_gate_route *route, struct cd_http_response *res)
{
        cd_str text = cd_arena_printf(req->arena, "%.*s: %s", CD_STR_ARG(name_of(req, route)), kind->description);

        cd_http_respond_error(req, res, status, cd_str_from_c(kind->error), text);
        cd_http_response_header(res, CD_STR("Cache-Control"), CD_STR("no-store"));
        if (status == 401) /* a scheme that opens no dialog, since there has to be one (RFC 9110 §11.6.1) */
                cd_http_response_header(res, CD_STR("WWW-Authenticate"), CD_STR("Cardea realm=\"portal\""));
}

/* Not by the query, which is the application's. */
static const struct cd_texts *choose_language(const struct cd_portal *portal, const struct cd_http_request *req)
{
        struct cd_language_wishes wishes = { .accept = cd_http_header_get(req, CD_STR("Accept-Language")) };
        struct cd_http_cookies at = { 0 };

        (void)cd_http_cookie_next(req, &at, portal->cookies[CD_COOKIE_LANGUAGE], &wishes.remembered);
        return cd_language_choose(cd_texts, cd_texts_count, &wishes);
}

/* The page with the form that was sent, where the browser says which, since the form's target may have no page. */
static cd_str page_before(const struct cd_http_request *req)
{
        cd_str referer = cd_http_header_get(req, CD_STR("Referer"));
        cd_str own = cd_arena_printf(req->arena, "%.*s://%.*s/", CD_STR_ARG(req->scheme), CD_STR_ARG(req->authority));

        return own.len && cd_str_has_prefix(referer, own) ? referer : own;
}

/* Of the portal, or where the hand-over of a session begins; it leads to the page with the form. */
static cd_str login_for(const struct cd_portal *portal, const struct cd_http_request *req)
{
        struct cd_return_to to =
                cd_return_to_decide(req->arena, portal->settings.access, &portal->url, page_before(req));
        struct cd_buf buf;
        cd_str url;

        if (!to.refused && cd_hand_over_reaches(portal->settings.other_domains, to.host))
                return cd_hand_over_start_url(req->arena, &to, &url) == CD_OK ? url : (cd_str){ 0 };
        cd_buf_init(&buf, req->arena, CD_PAGE_URL_MAX);
        cd_buf_add(&buf, portal->url.home);
        cd_buf_add(&buf, CD_STR("login"));
        if (!to.refused) {
                cd_buf_add(&buf, CD_STR("?return_to="));
                cd_percent_encode(&buf, to.url);
        }
        return cd_buf_view(&buf, &url) == CD_OK ? url : (cd_str){ 0 };
}

/* Where a user goes on from the page. A URL that is not one is left out. */
static void add_links(const struct cd_portal *portal, const struct cd_http_request *req, enum cd_gate_page page,
                      const struct cd_gate_route *route, struct cd_page_gate *fields)
{
        bool is_read = req->method == CD_HTTP_GET || req->method == CD_HTTP_HEAD;
        cd_str start = route && route->path.len ? route->path : CD_STR("/");

        if (page == CD_GATE_PAGE_LOST_POST)
                (void)cd_page_url_check(login_for(portal, req), &fields->login);
        else if (page == CD_GATE_PAGE_CROSS_SITE_POST)
                (void)cd_page_url_check(start, &fields->instead);
        else if (page == CD_GATE_PAGE_CONNECT)
                (void)cd_page_url_check(portal->url.home, &fields->account);
        else if (is_read && fields->code >= 500)
                (void)cd_page_url_check(cd_arena_printf(req->arena, "%.*s%s%.*s", CD_STR_ARG(req->path),
                                                        req->query.ptr ? "?" : "", CD_STR_ARG(req->query)),
                                        &fields->again);
}

static void send_page(const struct cd_portal *portal, const struct cd_http_request *req, enum cd_gate_page page,
                      const struct cd_gate_route *route, struct cd_http_response *res)
{
        struct cd_visit visit = { .portal = portal, .req = req, .res = res };
        const struct kind *kind = &kinds[page];
        struct cd_page_gate fields = { .code = res->status ? res->status : kind->status,
                                       .heading = { .id = kind->heading },
                                       .reason = { .id = kind->reason },
                                       .route = name_of(req, route),
                                       .request_id = req->request_id };
        struct cd_buf buf;

        if (page == CD_GATE_PAGE_MAINTENANCE && route)
                fields.text = route->maintenance;
        if ((page == CD_GATE_PAGE_CONNECT || page == CD_GATE_PAGE_PROVIDER) && route)
                fields.provider = route->pass_token;
        visit.view.texts = choose_language(portal, req);
        visit.view.site = portal->site;
        add_links(portal, req, page, route, &fields);
        cd_buf_init(&buf, req->arena, req->arena->ceiling);
        cd_page_gate(&visit.view, &fields, &buf);
        req->log->error = cd_str_from_c(kind->error);
        cd_visit_end_page(&visit, (int)fields.code, &buf);
}

static void respond(const struct cd_gate_pages *port, const struct cd_http_request *req, enum cd_gate_page page,
                    const struct cd_gate_route *route, struct cd_http_response *res)
{
        const struct cd_portal_gate_pages *pages = (const struct cd_portal_gate_pages *)port;
        const struct cd_portal *portal = pages->app->portals ? cd_shared_get(pages->app->portals) : NULL;

        if (portal && cd_original_is_from_page_view(req))
                send_page(portal, req, page, route, res);
        else
                send_json(req, &kinds[page], res->status ? res->status : kinds[page].status, route, res);
}

void cd_portal_gate_pages_init(struct cd_portal_gate_pages *pages, const struct cd_portal_app *app)
{
        *pages = (struct cd_portal_gate_pages){ .port = { respond }, .app = app };
}
