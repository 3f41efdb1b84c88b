/* What the client receives from an application. */
#include "gate/forward_internal.h"
#include "gate/original.h"

enum {
        OWN_HEADERS_MAX = 4, /* headers that the gate adds */
};

struct answer {
        const struct cd_gate_route *route;
        const struct cd_http_request *req;
        struct cd_http_response *res;
        bool has_hsts, has_type_options, has_referrer, has_frames;
};

/* A copy of all headers in one piece, since those of the head are gone after the event. */
static struct cd_http_header *copy_headers(struct cd_arena *arena, const struct cd_upstream_head *head)
{
        size_t size = head->header_count * sizeof(struct cd_http_header);

        for (size_t i = 0; i < head->header_count; i++)
                size += head->headers[i].name.len + head->headers[i].value.len;
        struct cd_http_header *headers = cd_arena_alloc(arena, size + 1);
        if (!headers)
                return NULL;
        char *to = (char *)(headers + head->header_count);
        for (size_t i = 0; i < head->header_count; i++) {
                const struct cd_http_header *from = &head->headers[i];
                headers[i].name = cd_str_of(to, from->name.len);
                memcpy(to, from->name.ptr, from->name.len);
                to += from->name.len;
                headers[i].value = cd_str_of(to, from->value.len);
                if (from->value.len)
                        memcpy(to, from->value.ptr, from->value.len);
                to += from->value.len;
        }
        return headers;
}

static bool may_be_cleared(cd_str kind)
{
        static const cd_str kinds[] = {
                CD_STR_INIT("\"cache\""),       CD_STR_INIT("\"storage\""),       CD_STR_INIT("\"executionContexts\""),
                CD_STR_INIT("\"clientHints\""), CD_STR_INIT("\"prefetchCache\""), CD_STR_INIT("\"prerenderCache\""),
        };

        for (size_t i = 0; i < CD_LEN(kinds); i++)
                if (cd_str_eq(kind, kinds[i]))
                        return true;
        return false;
}

/* Leaves out what would delete the cookies of the whole site, Cardea's among them, and what a browser could take for
 * that. A "*" stands for all kinds. */
static cd_str keep_cookies(struct cd_arena *arena, cd_str value)
{
        cd_str rest = value, item, ret;
        struct cd_buf buf;

        cd_buf_init(&buf, arena, arena->ceiling);
        cd_buf_add(&buf, CD_STR(""));
        while (cd_str_take_until(&rest, ',', &item)) {
                item = cd_str_trim(item);
                if (cd_str_eq(item, CD_STR("\"*\"")))
                        item = CD_STR("\"cache\", \"storage\", \"executionContexts\"");
                else if (!may_be_cleared(item))
                        continue;
                if (buf.len)
                        cd_buf_add(&buf, CD_STR(", "));
                cd_buf_add(&buf, item);
        }
        if (buf.failed)
                return (cd_str){ NULL, 0 };
        return buf.len && cd_buf_view(&buf, &ret) == CD_OK ? ret : CD_STR("");
}

static bool add_set_cookie(struct answer *a, const struct cd_http_header *header)
{
        cd_str value;

        if (cd_gate_set_cookie(a->route, a->req, header->value, &value) != CD_OK)
                return false;
        if (value.ptr)
                cd_http_response_header(a->res, header->name, value);
        return true;
}

static bool add_location(struct answer *a, const struct cd_http_header *header)
{
        cd_str value = header->value;

        if (a->route->rewrite && cd_gate_location(a->route, a->req, header->value, &value) != CD_OK)
                return false;
        cd_http_response_header(a->res, header->name, value);
        return true;
}

static bool add_clear_site_data(struct answer *a, const struct cd_http_header *header)
{
        cd_str value = keep_cookies(a->req->arena, header->value);

        if (value.len)
                cd_http_response_header(a->res, header->name, value);
        return value.ptr;
}

/* The client of an extended CONNECT has sent no key, and expects no answer to one (RFC 8441 §5). */
static bool answers_no_key(const struct answer *a)
{
        return cd_original_is_web_socket(a->req) && !cd_http_header_get(a->req, CD_STR("Sec-WebSocket-Key")).ptr;
}

static bool is(const struct cd_http_header *header, const char *name)
{
        return cd_bytes_eq_nocase(header->name.ptr, name, header->name.len);
}

static bool add_header(struct answer *a, const struct cd_http_header *header)
{
        switch (header->name.len) {
        case sizeof("Location") - 1:
                if (is(header, "Location"))
                        return add_location(a, header);
                break;
        case sizeof("Set-Cookie") - 1:
                if (is(header, "Set-Cookie"))
                        return add_set_cookie(a, header);
                break;
        case sizeof("X-Request-Id") - 1:
                if (is(header, "X-Request-Id")) /* the client gets the one that the log has */
                        return true;
                break;
        case sizeof("Clear-Site-Data") - 1:
                a->has_referrer |= is(header, "Referrer-Policy");
                a->has_frames |= is(header, "X-Frame-Options");
                if (is(header, "Clear-Site-Data"))
                        return add_clear_site_data(a, header);
                break;
        case sizeof("Content-Location") - 1:
                if (is(header, "Content-Location"))
                        return add_location(a, header);
                break;
        case sizeof("Sec-WebSocket-Accept") - 1:
                if (is(header, "Sec-WebSocket-Accept") && answers_no_key(a))
                        return true;
                break;
        case sizeof("X-Content-Type-Options") - 1:
                a->has_type_options |= is(header, "X-Content-Type-Options");
                break;
        case sizeof("Strict-Transport-Security") - 1:
                a->has_hsts |= is(header, "Strict-Transport-Security");
                break;
        default:
                break;
        }
        cd_http_response_header(a->res, header->name, header->value);
        return true;
}

static void add_own(struct answer *a)
{
        const struct cd_gate_route *route = a->route;

        /* Browsers ignore it over plain HTTP (RFC 6797 §8.1). */
        if (route->hsts && !a->has_hsts && cd_str_eq(a->req->scheme, CD_STR("https"))) {
                cd_str value = cd_arena_printf(a->req->arena, "max-age=%lld", (long long)route->hsts);
                a->res->failed |= !value.ptr;
                cd_http_response_header(a->res, CD_STR("Strict-Transport-Security"), value);
        }
        if (!route->security_headers)
                return;
        if (!a->has_type_options)
                cd_http_response_header(a->res, CD_STR("X-Content-Type-Options"), CD_STR("nosniff"));
        if (!a->has_referrer)
                cd_http_response_header(a->res, CD_STR("Referrer-Policy"), CD_STR("strict-origin-when-cross-origin"));
        if (!a->has_frames)
                cd_http_response_header(a->res, CD_STR("X-Frame-Options"), CD_STR("SAMEORIGIN"));
}

bool cd_gate_backward(const struct cd_gate_route *route, const struct cd_http_request *req,
                      const struct cd_upstream_head *head, struct cd_http_response *res)
{
        struct answer a = { .route = route, .req = req, .res = res };
        size_t room = head->header_count + OWN_HEADERS_MAX;
        struct cd_http_header *headers = copy_headers(req->arena, head);

        if (!headers)
                return false;
        cd_http_respond(res, head->status, (cd_str){ NULL, 0 }, CD_STR(""));
        if (res->header_cap == 0) {
                res->headers = cd_arena_alloc(req->arena, room * sizeof(*res->headers));
                res->header_cap = res->headers ? room : 0;
        }
        for (size_t i = 0; i < head->header_count; i++)
                if (!add_header(&a, &headers[i]))
                        return false;
        add_own(&a);
        return !res->failed;
}
