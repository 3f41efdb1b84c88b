/* The first line of the input is a path as it was sent, each other one a header of the client: no cookie of ours, no
 * identity of the client's own and no dot segment reach the application, by HTTP and by uwsgi. */
#include <stdint.h>
#include <stdlib.h>

#include "base/canonical.h"
#include "core/cookie_names.h"
#include "gate/forward.h"
#include "http/cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
        HEADERS = 32
};

struct cd_upstream {
        bool is_uwsgi;
};

bool cd_upstream_is_uwsgi(const struct cd_upstream *upstream)
{
        return upstream->is_uwsgi;
}

bool cd_upstream_is_tls(const struct cd_upstream *upstream)
{
        (void)upstream;
        return false;
}

cd_str cd_upstream_authority(const struct cd_upstream *upstream)
{
        (void)upstream;
        return CD_STR("localhost");
}

static void must(bool holds)
{
        if (!holds)
                abort();
}

static char fold(char c)
{
        bool is_plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

        return is_plain ? (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c) : '-';
}

static size_t spellings(const struct cd_upstream_request *sent, cd_str name)
{
        size_t found = 0;

        for (size_t i = 0; i < sent->field_count; i++) {
                cd_str other = sent->fields[i].name;
                size_t at = 0;
                while (at < other.len && at < name.len && fold(other.ptr[at]) == fold(name.ptr[at]))
                        at++;
                found += at == name.len && other.len == name.len;
        }
        return found;
}

static void check_cookies(const struct cd_upstream_request *sent, struct cd_arena *arena)
{
        const struct cd_http_request req = { .arena = arena,
                                             .headers = sent->fields,
                                             .header_count = sent->field_count };
        struct cd_http_cookies at = { 0 };
        cd_str value, left;

        must(!cd_http_cookie_next(&req, &at, CD_STR("cardea_session"), &value));
        at = (struct cd_http_cookies){ 0 };
        must(!cd_http_cookie_next(&req, &at, CD_STR("__Host-cardea_session"), &value));
        must(cd_http_cookies_without(&req, cd_own_cookie_prefixes, &left) == CD_OK);
}

static void check_target(cd_str target)
{
        cd_str path = cd_str_slice(target, 0, cd_str_index(target, '?')), segment;

        must(path.len > 0 && (path.ptr[0] == '/' || cd_str_eq(path, CD_STR("*"))));
        while (cd_str_take_until(&path, '/', &segment))
                must(!cd_str_eq(segment, CD_STR(".")) && !cd_str_eq(segment, CD_STR("..")));
        must(!cd_str_has_control(target) && cd_str_index(target, ' ') == target.len);
}

static void forward(const struct cd_http_request *req, enum cd_gate_paths paths, bool is_uwsgi)
{
        struct cd_upstream upstream = { is_uwsgi };
        const struct cd_gate_route route = { .upstream = &upstream,
                                             .paths = paths,
                                             .rewrite = true,
                                             .identity = { CD_STR("X-User"), CD_STR("X-Groups"), CD_STR("X-Email"),
                                                           CD_STR("X-Name") } };
        const struct cd_gate_identity nobody = { 0 };
        struct cd_upstream_request sent;
        struct cd_error error = { 0 };

        cd_status status = cd_gate_forward(&route, req, &nobody, 0, &sent, &error);
        must(status == CD_OK || status == CD_INVALID_REQUEST);
        if (status != CD_OK)
                return;
        check_target(sent.target);
        must(spellings(&sent, is_uwsgi ? CD_STR("HTTP_X_USER") : CD_STR("X-User")) == !is_uwsgi);
        must(spellings(&sent, is_uwsgi ? CD_STR("HTTP_HOST") : CD_STR("Host")) == 1);
        must(spellings(&sent, is_uwsgi ? CD_STR("HTTP_CONNECTION") : CD_STR("Connection")) == 0);
        must(spellings(&sent, CD_STR("REMOTE_USER")) == is_uwsgi);
        must(spellings(&sent, CD_STR("HTTP_PROXY")) == 0);
        if (!is_uwsgi)
                check_cookies(&sent, req->arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cd_str rest = cd_str_of((const char *)data, size), path, line;
        struct cd_http_header headers[HEADERS];
        struct cd_arena arena;

        if (!cd_str_take_until(&rest, '\n', &path))
                return 0;
        cd_arena_init(&arena, 1 << 24);
        struct cd_http_request req = { .arena = &arena,
                                       .headers = headers,
                                       .method = CD_HTTP_GET,
                                       .method_name = CD_STR("GET"),
                                       .scheme = CD_STR("https"),
                                       .authority = CD_STR("a"),
                                       .path_as_sent = path,
                                       .client_address = CD_STR("192.0.2.7"),
                                       .peer = CD_STR("192.0.2.7"),
                                       .is_from_proxy = size % 2 };
        if (cd_canonical_path(&arena, path, &req.path) != CD_OK)
                req.path = (cd_str){ NULL, 0 };
        while (req.header_count < HEADERS && cd_str_take_until(&rest, '\n', &line)) {
                size_t colon = cd_str_index(line, ':');
                struct cd_http_header header = { cd_str_slice(line, 0, colon),
                                                 cd_str_trim(cd_str_slice(line, colon + 1, line.len)) };
                if (cd_http_is_token(header.name))
                        headers[req.header_count++] = header;
        }
        for (int i = 0; i < 4; i++)
                forward(&req, i & 1 ? CD_GATE_OPAQUE : CD_GATE_CANONICAL, i & 2);
        cd_arena_done(&arena);
        return 0;
}
