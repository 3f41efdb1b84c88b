/* Where a browser returns to: whatever is asked for, the answer is a URL of a host that a rule names or of the portal,
 * with nothing in it that a browser reads as something else. */
#include <stdint.h>
#include <stdlib.h>

#include "base/canonical.h"
#include "core/return_to.h"

static void must(bool holds)
{
        if (!holds)
                abort();
}

static bool is_one_of(cd_str authority)
{
        static const cd_str hosts[] = { CD_STR_INIT("wiki.example.com"), CD_STR_INIT("auth.example.com"),
                                        CD_STR_INIT("localhost"), CD_STR_INIT("[::1]") };
        bool bracketed = cd_str_has_prefix(authority, CD_STR("["));
        cd_str host =
                cd_str_slice(authority, 0, bracketed ? cd_str_index(authority, ']') + 1 : cd_str_index(authority, ':'));

        for (size_t i = 0; i < CD_LEN(hosts); i++)
                if (cd_str_eq(host, hosts[i]))
                        return true;
        return false;
}

static void check_url(struct cd_arena *arena, cd_str url)
{
        bool is_https = cd_str_has_prefix(url, CD_STR("https://"));
        cd_str canonical;

        must(is_https || cd_str_has_prefix(url, CD_STR("http://localhost")) ||
             cd_str_has_prefix(url, CD_STR("http://[::1]")));
        for (size_t i = 0; i < url.len; i++)
                must(url.ptr[i] > ' ' && url.ptr[i] < 0x7f && url.ptr[i] != '\\' && url.ptr[i] != '#');
        cd_str rest = cd_str_slice(url, is_https ? 8 : 7, url.len);
        cd_str authority = cd_str_slice(rest, 0, cd_str_index(rest, '/'));
        must(is_one_of(authority));
        cd_str after = cd_str_slice(rest, authority.len, rest.len);
        cd_str path = cd_str_slice(after, 0, cd_str_index(after, '?'));
        must(after.len == 0 || (cd_canonical_path(arena, path, &canonical) == CD_OK && cd_str_eq(path, canonical)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct cd_access_rule rules[] = { { .host = CD_STR_INIT("wiki.example.com") },
                                                       { .host = CD_STR_INIT("localhost") },
                                                       { .host = CD_STR_INIT("[::1]") },
                                                       { .host = CD_STR_INIT("*.example.com") } };
        cd_str asked = cd_str_of((const char *)data, size);
        struct cd_portal_url portal, other;
        struct cd_access *access;
        struct cd_arena arena;

        cd_arena_init(&arena, 1 << 20);
        must(cd_access_new(rules, CD_LEN(rules), &access, NULL) == CD_OK);
        must(cd_portal_url_parse(&arena, CD_STR("https://auth.example.com/_auth"), &portal, NULL) == CD_OK);
        struct cd_return_to to = cd_return_to_decide(&arena, access, &portal, asked);
        check_url(&arena, to.url);
        must(!to.refused || cd_str_eq(to.url, portal.home));
        struct cd_return_to again = cd_return_to_decide(&arena, access, &portal, to.url);
        must(!again.refused && cd_str_eq(again.url, to.url));
        if (cd_portal_url_parse(&arena, asked, &other, NULL) == CD_OK)
                must(!cd_return_to_decide(&arena, NULL, &other, other.home).refused);
        cd_access_free(access);
        cd_arena_done(&arena);
        return 0;
}
