/* The first line of the input is a name, each other one a Cookie header: what is taken out is gone, what is left stays
 * as it was. */
#include <stdint.h>
#include <stdlib.h>

#include "http/cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
        HEADERS = 8
};

static void must(bool holds)
{
        if (!holds)
                abort();
}

static size_t count(const struct cd_http_request *req, cd_str name)
{
        struct cd_http_cookies at = { 0 };
        size_t found = 0;
        cd_str value;

        while (cd_http_cookie_next(req, &at, name, &value)) {
                must(cd_str_index(value, ';') == value.len);
                found++;
        }
        return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cd_str rest = cd_str_of((const char *)data, size), name, line, left;
        struct cd_http_header headers[HEADERS], one;
        struct cd_arena arena;

        if (!cd_str_take_until(&rest, '\n', &name) || !cd_http_is_token(name))
                return 0;
        cd_arena_init(&arena, 1 << 20);
        struct cd_http_request req = { .arena = &arena, .headers = headers };
        while (req.header_count < HEADERS && cd_str_take_until(&rest, '\n', &line))
                headers[req.header_count++] = (struct cd_http_header){ CD_STR("Cookie"), line };

        must(cd_http_cookies_without(&req, (struct cd_strs){ &name, 1 }, &left) == CD_OK);
        one = (struct cd_http_header){ CD_STR("Cookie"), left };
        struct cd_http_request filtered = { .arena = &arena, .headers = &one, .header_count = 1 };
        must(count(&filtered, name) == 0);
        must(count(&filtered, CD_STR("other")) ==
             (cd_str_has_prefix(CD_STR("other"), name) ? 0 : count(&req, CD_STR("other"))));
        cd_arena_done(&arena);
        return 0;
}
