/* A site without a login of its own. It believes the proxy in front of it, which asks Cardea about each request and
 * sets Remote-User, Remote-Name, Remote-Email and Remote-Groups. So nobody but the proxy may reach it: it listens on
 * the loopback address, and it answers 403 to a request that names no user. */
#include "base/buf.h"
#include "service/service.h"

struct config {
        struct cd_service_settings service;
};

static const struct cd_field settings[] = { CD_SERVICE_FIELDS(struct config, service, "127.0.0.1:5007") };
static const struct cd_table settings_table = {
        .name = "hello-site",
        .fields = settings,
        .count = CD_LEN(settings),
        .size = sizeof(struct config),
        .closed = true,
};

enum {
        PAGE_MAX = 256 * 1024, /* bytes: the headers of a request, each byte of which takes up to 6 in HTML */
};

static void add_escaped(struct cd_buf *page, cd_str text)
{
        for (size_t i = 0; i < text.len; i++) {
                switch (text.ptr[i]) {
                case '&':
                        cd_buf_add(page, CD_STR("&amp;"));
                        break;
                case '<':
                        cd_buf_add(page, CD_STR("&lt;"));
                        break;
                case '>':
                        cd_buf_add(page, CD_STR("&gt;"));
                        break;
                case '"':
                        cd_buf_add(page, CD_STR("&quot;"));
                        break;
                default:
                        cd_buf_add_char(page, text.ptr[i]);
                }
        }
}

static void add_header_row(struct cd_buf *page, const struct cd_http_request *req, cd_str name)
{
        cd_str value = cd_http_header_get(req, name);

        cd_buf_printf(page, "<dt>%.*s</dt><dd id=\"%.*s\">", CD_STR_ARG(name), CD_STR_ARG(name));
        add_escaped(page, value.len > 0 ? value : CD_STR("(empty)"));
        cd_buf_add(page, CD_STR("</dd>\n"));
}

static void begin_page(struct cd_buf *page, const struct cd_http_request *req, const char *title)
{
        cd_buf_init(page, req->arena, PAGE_MAX);
        cd_buf_printf(page,
                      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                      "<link rel=\"stylesheet\" href=\"/hello.css\">\n<title>%s</title>\n</head>\n<body>\n<main>\n"
                      "<h1>%s",
                      title, title);
}

static void end_page(struct cd_buf *page, struct cd_http_response *res, int status)
{
        cd_str html;

        cd_buf_add(page, CD_STR("</main>\n</body>\n</html>\n"));
        if (cd_buf_view(page, &html) != CD_OK)
                return; /* the server answers 500 if the handler sets no response */
        cd_http_respond(res, status, CD_STR("text/html; charset=utf-8"), html);
        cd_http_response_header(res, CD_STR("Content-Security-Policy"),
                                CD_STR("default-src 'none'; style-src 'self'; frame-ancestors 'none'"));
        cd_http_response_header(res, CD_STR("Cache-Control"), CD_STR("no-store"));
}

static void refuse(const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_buf page;

        begin_page(&page, req, "Nobody is logged in");
        cd_buf_add(&page, CD_STR("</h1>\n<p>This request has no Remote-User header, so it did not come through a proxy "
                                 "that asks Cardea.</p>\n"));
        end_page(&page, res, 403);
}

static void hello(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        static const cd_str shown[] = { CD_STR_INIT("Remote-User"), CD_STR_INIT("Remote-Name"),
                                        CD_STR_INIT("Remote-Email"), CD_STR_INIT("Remote-Groups"),
                                        CD_STR_INIT("Cookie") };
        cd_str user = cd_http_header_get(req, shown[0]), name = cd_http_header_get(req, shown[1]);
        struct cd_buf page;

        (void)app;
        if (user.len == 0) {
                refuse(req, res);
                return;
        }
        req->log->user = user;
        begin_page(&page, req, "Hello");
        cd_buf_add(&page, CD_STR(", "));
        add_escaped(&page, name.len > 0 ? name : user);
        cd_buf_add(&page,
                   CD_STR("</h1>\n<p>This site has no login of its own. What it knows of you stands in the headers "
                          "of your request. The proxy set them after it had asked Cardea:</p>\n<dl>\n"));
        for (size_t i = 0; i < CD_LEN(shown); i++)
                add_header_row(&page, req, shown[i]);
        cd_buf_add(&page, CD_STR("</dl>\n<p><a href=\"/_auth/\">Your account</a> "
                                 "<a href=\"/_auth/logout\">Log out</a></p>\n"));
        end_page(&page, res, 200);
}

static void style(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        (void)req;
        cd_http_respond(
                res, 200, CD_STR("text/css"),
                CD_STR(":root { color-scheme: light dark; font: 1.0625rem/1.5 system-ui, sans-serif; }\n"
                       "main { max-width: 34rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }\n"
                       "dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; }\n"
                       "h1 { font-size: 1.6rem; }\n"
                       "dd { margin: 0; min-width: 0; }\n"
                       "dt { opacity: .75; }\n"
                       "a { display: inline-block; padding: .625rem 1rem .625rem 0; color: inherit; }\n"));
}

static void healthz(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        (void)req;
        cd_http_respond(res, 200, CD_STR("text/plain"), CD_STR("ok\n"));
}

static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_GET,
          .path = CD_STR_INIT("/"),
          .is_prefix = true,
          .where = CD_HTTP_INLINE,
          .handler = hello },
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/hello.css"), .where = CD_HTTP_INLINE, .handler = style },
        { .methods = CD_HTTP_GET,
          .path = CD_STR_INIT("/healthz"),
          .where = CD_HTTP_INLINE,
          .handler = healthz,
          .quiet = true },
};

int main(int argc, char **argv)
{
        static const struct cd_http_routes group = { .items = routes, .count = CD_LEN(routes) };
        static const struct cd_service_part part = { .routes = &group };
        static const struct cd_service service = {
                .name = "hello-site",
                .table = &settings_table,
                .settings_offset = offsetof(struct config, service),
                .parts = &part,
                .part_count = 1,
        };
        return cd_service_main(&service, argc, argv);
}
