#include "gate/original.h"

#include "base/buf.h"
#include "base/canonical.h"

/* The value of a header that must occur exactly once. */
static cd_status need_header(const struct cd_http_request *req, cd_str name, cd_str *ret, struct cd_error *reterr)
{
        size_t count = cd_http_header_count(req, name);

        if (count != 1)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, name,
                                     count ? "comes twice: the proxy must replace what a client sends"
                                           : "is missing: the proxy must send it to this endpoint");
        *ret = cd_http_header_get(req, name);
        return CD_OK;
}

/* "/path?query" */
static cd_status take_target(const struct cd_http_request *req, cd_str target, struct cd_original *ret,
                             struct cd_error *reterr)
{
        size_t mark = cd_str_index(target, '?');
        cd_str raw = cd_str_slice(target, 0, mark);

        ret->query = mark < target.len ? cd_str_slice(target, mark + 1, target.len) : (cd_str){ NULL, 0 };
        if (ret->query.ptr && !cd_is_clean_query(ret->query))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the query has a byte that must be percent-encoded");
        if (!cd_str_has_prefix(raw, CD_STR("/")))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the path does not begin with \"/\"");
        cd_status status = cd_canonical_path(req->arena, raw, &ret->path);
        if (status == CD_MALFORMED)
                ret->path = (cd_str){ NULL, 0 };
        ret->was_path_changed = !ret->path.ptr || !cd_str_eq(ret->path, raw);
        return status == CD_MALFORMED ? CD_OK : status;
}

static cd_status take_authority(const struct cd_http_request *req, cd_str authority, struct cd_original *ret,
                                struct cd_error *reterr)
{
        ret->authority = authority;
        cd_status status = cd_canonical_host(req->arena, authority, &ret->host);
        return status == CD_MALFORMED ? cd_fail(reterr, CD_INVALID_REQUEST, "the host is not valid") : status;
}

static cd_status take_scheme(cd_str scheme, struct cd_original *ret, struct cd_error *reterr)
{
        ret->scheme = scheme;
        if (cd_str_eq(scheme, CD_STR("https")) || cd_str_eq(scheme, CD_STR("http")))
                return CD_OK;
        return cd_fail(reterr, CD_INVALID_REQUEST, "the scheme is neither http nor https");
}

static cd_status take_method(cd_str method, struct cd_original *ret, struct cd_error *reterr)
{
        ret->method = method;
        return cd_http_is_token(method) ? CD_OK : cd_fail(reterr, CD_INVALID_REQUEST, "the method is not valid");
}

/* X-Original-URL: https://wiki.example.com:8443/path?query */
static cd_status read_nginx(const struct cd_http_request *req, struct cd_original *ret, struct cd_error *reterr)
{
        cd_str url, method;

        cd_status status = need_header(req, CD_STR("X-Original-URL"), &url, reterr);
        if (status == CD_OK)
                status = need_header(req, CD_STR("X-Original-Method"), &method, reterr);
        if (status != CD_OK)
                return status;
        size_t colon = cd_str_index(url, ':');
        cd_str rest = cd_str_slice(url, colon, url.len);
        if (!cd_str_has_prefix(rest, CD_STR("://")))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("X-Original-URL"), "is not an absolute URL");
        rest = cd_str_slice(rest, 3, rest.len);
        size_t slash = cd_str_index(rest, '/');
        status = take_method(method, ret, reterr);
        if (status == CD_OK)
                status = take_scheme(cd_str_slice(url, 0, colon), ret, reterr);
        if (status == CD_OK)
                status = take_authority(req, cd_str_slice(rest, 0, slash), ret, reterr);
        if (status == CD_OK)
                status = take_target(req, cd_str_slice(rest, slash, rest.len), ret, reterr);
        return status;
}

static cd_status read_forward(const struct cd_http_request *req, struct cd_original *ret, struct cd_error *reterr)
{
        cd_str method, scheme, host, target;

        cd_status status = need_header(req, CD_STR("X-Forwarded-Method"), &method, reterr);
        if (status == CD_OK)
                status = need_header(req, CD_STR("X-Forwarded-Proto"), &scheme, reterr);
        if (status == CD_OK)
                status = need_header(req, CD_STR("X-Forwarded-Host"), &host, reterr);
        if (status == CD_OK)
                status = need_header(req, CD_STR("X-Forwarded-Uri"), &target, reterr);
        if (status == CD_OK)
                status = take_method(method, ret, reterr);
        if (status == CD_OK)
                status = take_scheme(scheme, ret, reterr);
        if (status == CD_OK)
                status = take_authority(req, host, ret, reterr);
        if (status == CD_OK)
                status = take_target(req, target, ret, reterr);
        return status;
}

/* The engine has made the whole path canonical, so it may have changed a part before the endpoint's end as well. */
static cd_status read_envoy(const struct cd_http_request *req, cd_str endpoint, struct cd_original *ret,
                            struct cd_error *reterr)
{
        cd_str path = cd_str_slice(req->path, endpoint.len, req->path.len);

        ret->method = req->method_name;
        ret->scheme = req->scheme;
        ret->authority = req->authority;
        ret->host = req->host;
        ret->path = path;
        ret->was_path_changed = req->was_path_changed;
        ret->query = req->query;
        /* Envoy writes the endpoint as it is. In another spelling it comes from a client, past a proxy that keeps the
         * endpoint from clients and looks at the bytes that they send (HAProxy). */
        if (!cd_str_has_prefix(req->path_as_sent, endpoint))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the path of the check itself is not canonical");
        if (req->host.len == 0)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("Host"), "is missing");
        return cd_str_has_prefix(path, CD_STR("/")) ? CD_OK : cd_fail(reterr, CD_INVALID_REQUEST, "the path is empty");
}

/* The message is as the client sent it; its target is in path_as_sent. */
static cd_status read_message(const struct cd_http_request *req, struct cd_original *ret, struct cd_error *reterr)
{
        cd_status status = take_method(req->method_name, ret, reterr);
        if (status == CD_OK)
                status = take_scheme(req->scheme, ret, reterr);
        if (status == CD_OK)
                status = take_authority(req, req->authority, ret, reterr);
        if (status == CD_OK)
                status = take_target(req, req->path_as_sent, ret, reterr);
        return status;
}

bool cd_original_is_web_socket(const struct cd_http_request *req)
{
        return req->method == CD_HTTP_GET && cd_str_eq_nocase(req->upgrade, CD_STR("websocket"));
}

static void read_gate(const struct cd_http_request *req, struct cd_original *ret)
{
        ret->method = cd_original_is_web_socket(req) ? CD_STR("GET") : req->method_name; /* RFC 8441: CONNECT */
        ret->scheme = req->scheme;
        ret->authority = req->authority;
        ret->host = req->host;
        ret->path = req->path;
        ret->was_path_changed = req->was_path_changed;
        ret->query = req->query;
}

static bool has(const struct cd_http_request *req, cd_str name)
{
        return cd_http_header_count(req, name) > 0;
}

static bool is_upgrade(const struct cd_http_request *req)
{
        return has(req, CD_STR("Upgrade")) || has(req, CD_STR("Sec-WebSocket-Key"));
}

/* Browsers declare the purpose of a request (Fetch Metadata). A client that does not is treated as a browser if it
 * accepts HTML. */
bool cd_original_is_from_page_view(const struct cd_http_request *req)
{
        cd_str mode = cd_http_header_get(req, CD_STR("Sec-Fetch-Mode"));
        cd_str accept = cd_http_header_get(req, CD_STR("Accept")), range;

        if (is_upgrade(req) || has(req, CD_STR("X-Requested-With")))
                return false;
        if (mode.ptr)
                return cd_str_eq(mode, CD_STR("navigate"));
        while (cd_str_take_until(&accept, ',', &range))
                if (cd_str_eq_nocase(cd_str_trim(cd_str_slice(range, 0, cd_str_index(range, ';'))),
                                     CD_STR("text/html")))
                        return true;
        return false;
}

static cd_status read_of_proxy(const struct cd_http_request *req, enum cd_original_source source, cd_str endpoint,
                               struct cd_original *ret, struct cd_error *reterr)
{
        if (!req->is_from_proxy)
                return cd_fail(reterr, CD_INVALID_REQUEST,
                               "the peer is not in trusted_proxies, so its headers are not believed");
        if (source == CD_ORIGINAL_MESSAGE)
                return read_message(req, ret, reterr);
        if (source == CD_ORIGINAL_ENVOY)
                return read_envoy(req, endpoint, ret, reterr);
        /* Otherwise the request "/check/envoy/../nginx", a user's path after Envoy's prefix, would reach this endpoint
         * with headers that the user wrote. */
        if (req->was_path_changed)
                return cd_fail(reterr, CD_INVALID_REQUEST, "the path of the check itself is not canonical");
        return source == CD_ORIGINAL_NGINX ? read_nginx(req, ret, reterr) : read_forward(req, ret, reterr);
}

cd_status cd_original_read(const struct cd_http_request *req, enum cd_original_source source, cd_str endpoint,
                           struct cd_original *ret, struct cd_error *reterr)
{
        cd_status status = CD_OK;

        *ret = (struct cd_original){ 0 };
        if (source == CD_ORIGINAL_GATE)
                read_gate(req, ret);
        else
                status = read_of_proxy(req, source, endpoint, ret, reterr);
        if (status != CD_OK)
                return status;
        ret->is_upgrade = req->upgrade.ptr || is_upgrade(req);
        bool is_read = cd_str_eq(ret->method, CD_STR("GET")) || cd_str_eq(ret->method, CD_STR("HEAD"));
        ret->wants_page = is_read && cd_original_is_from_page_view(req);
        ret->is_of_program = !ret->wants_page && !has(req, CD_STR("Sec-Fetch-Mode")) &&
                             !has(req, CD_STR("X-Requested-With")) && !has(req, CD_STR("Origin"));
        return CD_OK;
}

cd_status cd_original_url(const struct cd_http_request *req, const struct cd_original *original, cd_str *ret)
{
        struct cd_buf buf;

        if (!original->path.ptr)
                return CD_NOT_FOUND;
        cd_buf_init(&buf, req->arena, req->arena->ceiling);
        cd_buf_add(&buf, original->scheme);
        cd_buf_add(&buf, CD_STR("://"));
        cd_buf_add(&buf, original->authority);
        cd_buf_add(&buf, original->path);
        if (original->query.ptr) {
                cd_buf_add_char(&buf, '?');
                cd_buf_add(&buf, original->query);
        }
        return cd_buf_view(&buf, ret);
}
