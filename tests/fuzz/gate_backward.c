/* The first line of the input is a Location, each other one a Set-Cookie: no browser stores a cookie of ours, what is
 * not the application's own address stays as it is, and what is rewritten leads to the client's own host. */
#include <stdint.h>
#include <stdlib.h>

#include "core/cookie_names.h"
#include "gate/forward.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
        HEADERS = 16
};

bool cd_upstream_is_uwsgi(const struct cd_upstream *upstream)
{
        (void)upstream;
        return false;
}

bool cd_upstream_is_tls(const struct cd_upstream *upstream)
{
        (void)upstream;
        return false;
}

cd_str cd_upstream_authority(const struct cd_upstream *upstream)
{
        (void)upstream;
        return CD_STR("up:80");
}

static void must(bool holds)
{
        if (!holds)
                abort();
}

/* What a browser would send back: white space around the name is gone, and a cookie without a name is its value (RFC
 * 6265bis §5.6). */
static void check_cookie(cd_str value)
{
        cd_str pair = cd_str_trim(cd_str_slice(value, 0, cd_str_index(value, ';')));
        size_t equals = cd_str_index(pair, '=');
        cd_str name = cd_str_trim(cd_str_slice(pair, 0, equals));

        if (name.len == 0)
                name = cd_str_trim(cd_str_slice(pair, equals + 1, pair.len));
        for (size_t i = 0; i < cd_own_cookie_prefixes.count; i++)
                must(!cd_str_has_prefix(name, cd_own_cookie_prefixes.items[i]));
}

static void check_location(cd_str before, cd_str after)
{
        if (cd_str_eq(before, after))
                return;
        must(cd_str_has_prefix(after, CD_STR("https://wiki/old/")) || cd_str_eq(after, CD_STR("https://wiki/old")) ||
             cd_str_has_prefix(after, CD_STR("https://wiki/old?")) ||
             cd_str_has_prefix(after, CD_STR("https://wiki/old#")) || cd_str_has_prefix(after, CD_STR("/old/")));
        must(after.len <= before.len + sizeof("https://wiki/old/"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cd_str rest = cd_str_of((const char *)data, size), line;
        struct cd_http_header headers[HEADERS];
        struct cd_arena arena;

        cd_arena_init(&arena, 1 << 24);
        const struct cd_gate_route route = { .path = CD_STR("/old/"), .strip_path = true, .rewrite = true };
        const struct cd_http_request req = { .arena = &arena, .scheme = CD_STR("https"), .authority = CD_STR("wiki") };
        struct cd_upstream_head head = { .status = 200, .headers = headers };
        struct cd_http_response res = { .arena = &arena };
        while (head.header_count < HEADERS && cd_str_take_until(&rest, '\n', &line)) {
                headers[head.header_count].name = head.header_count ? CD_STR("Set-Cookie") : CD_STR("Location");
                headers[head.header_count++].value = cd_str_trim(line);
        }
        must(cd_gate_backward(&route, &req, &head, &res));
        must(res.header_count <= head.header_count);
        for (size_t i = 0; i < res.header_count; i++)
                if (cd_str_eq(res.headers[i].name, CD_STR("Location")))
                        check_location(headers[0].value, res.headers[i].value);
                else
                        check_cookie(res.headers[i].value);
        cd_arena_done(&arena);
        return 0;
}
