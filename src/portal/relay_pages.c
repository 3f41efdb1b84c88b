#include "portal/relay_pages.h"

#include "portal/language.h"
#include "portal/visit.h"

enum {
        STYLES_MAX = 64 * 1024, /* bytes */
};

static const struct kind {
        const char *error; /* for the access log; NULL: none */
        enum cd_message heading, reason;
} kinds[CD_RELAY_PAGE_KINDS] = {
#define KIND(name, error_) [CD_RELAY_PAGE_##name] = { error_, CD_MESSAGE_RELAY_##name, CD_MESSAGE_RELAY_##name##_WHY }
        KIND(SUCCEEDED, NULL),
        KIND(REFUSED, NULL),
        KIND(TEXT, NULL),
        KIND(WAITING, NULL),
        KIND(UNREACHABLE, "receiver_unreachable"),
        KIND(BUSY, "temporarily_unavailable"),
        KIND(EXPIRED, "receiver_unreachable"),
        KIND(LOST, "receiver_failed"),
        KIND(INVALID, "invalid_request"),
        KIND(LINK_INVALID, "access_denied"),
        KIND(UNKNOWN, "not_found"),
        KIND(FAILED, "server_error"),
};

static const struct cd_portal *portal_of(const struct cd_relay_pages *port)
{
        const struct cd_portal_app *app = ((const struct cd_portal_relay_pages *)port)->app;

        return app->portals ? cd_shared_get(app->portals) : NULL;
}

static void add_headers(struct cd_http_response *res)
{
        cd_http_response_header(res, CD_STR("Cache-Control"), CD_STR("no-store"));
        cd_http_response_header(res, CD_STR("Content-Security-Policy"),
                                CD_STR("default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
                                       "frame-ancestors 'none'"));
        cd_http_response_header(res, CD_STR("Referrer-Policy"), CD_STR("no-referrer"));
        cd_http_response_header(res, CD_STR("X-Content-Type-Options"), CD_STR("nosniff"));
        cd_http_response_header(res, CD_STR("X-Frame-Options"), CD_STR("DENY"));
}

/* The page asks by itself, without a script. */
static void add_refresh(const struct cd_http_request *req, cd_str waiting, struct cd_http_response *res)
{
        cd_str value = cd_arena_printf(req->arena, "2; url=?waiting=%.*s", CD_STR_ARG(waiting));

        if (value.ptr)
                cd_http_response_header(res, CD_STR("Refresh"), value);
}

static void respond(const struct cd_relay_pages *port, const struct cd_http_request *req,
                    const struct cd_relay_page *page, struct cd_http_response *res)
{
        const struct cd_language_wishes wishes = { .accept = cd_http_header_get(req, CD_STR("Accept-Language")) };
        const struct cd_portal *portal = portal_of(port);
        const struct kind *kind = &kinds[page->kind];
        struct cd_page_view view = { .texts = cd_language_choose(cd_texts, cd_texts_count, &wishes) };
        const struct cd_page_relay fields = {
                .heading = { .id = kind->heading },
                .reason = { .id = kind->reason },
                .tick = page->kind == CD_RELAY_PAGE_SUCCEEDED,
                .cross = page->kind == CD_RELAY_PAGE_REFUSED,
                .failed = kind->error != NULL,
                .text = page->message,
                .may_try = page->state.len > 0,
                .state = page->state,
                .code = page->code,
                .error = page->error,
                .error_description = page->error_description,
                .waiting = page->kind == CD_RELAY_PAGE_WAITING ? page->waiting : CD_STR(""),
                .request_id = req->request_id,
        };
        struct cd_buf buf;
        cd_str body;

        if (portal)
                view.site = portal->site;
        cd_buf_init(&buf, req->arena, req->arena->ceiling);
        cd_page_relay(&view, &fields, &buf);
        if (kind->error)
                req->log->error = cd_str_from_c(kind->error);
        if (cd_buf_view(&buf, &body) != CD_OK)
                return; /* without a status the server answers 500 */
        cd_http_respond(res, page->status, CD_STR("text/html; charset=utf-8"), body);
        add_headers(res);
        if (fields.waiting.len)
                add_refresh(req, fields.waiting, res);
}

static void respond_styles(const struct cd_relay_pages *port, const struct cd_http_request *req,
                           struct cd_http_response *res)
{
        const struct cd_portal *portal = portal_of(port);
        struct cd_buf buf;
        cd_str body;

        cd_buf_init(&buf, req->arena, STYLES_MAX);
        cd_page_styles(&buf, portal ? portal->settings.accent : CD_PAGE_ACCENT);
        if (cd_buf_view(&buf, &body) != CD_OK)
                return;
        cd_http_respond(res, 200, CD_STR("text/css; charset=utf-8"), body);
        cd_http_response_header(res, CD_STR("Cache-Control"), CD_STR("max-age=3600"));
        cd_http_response_header(res, CD_STR("X-Content-Type-Options"), CD_STR("nosniff"));
}

void cd_portal_relay_pages_init(struct cd_portal_relay_pages *pages, const struct cd_portal_app *app)
{
        *pages = (struct cd_portal_relay_pages){ .port = { respond, respond_styles }, .app = app };
}
