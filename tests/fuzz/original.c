/* The first line of the input is the URL that a proxy asks about, the second the method: what is accepted is canonical,
 * and asked about once more it is the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gate/original.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

static cd_status ask(struct cd_arena *arena, cd_str url, cd_str method, struct cd_original *ret)
{
        const struct cd_http_header headers[] = { { CD_STR_INIT("X-Original-URL"), url },
                                                  { CD_STR_INIT("X-Original-Method"), method } };
        const struct cd_http_request req = {
                .arena = arena, .headers = headers, .header_count = 2, .is_from_proxy = true
        };

        return cd_original_read(&req, CD_ORIGINAL_NGINX, CD_STR("/check"), ret, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cd_str rest = cd_str_of((const char *)data, size), url, method;
        struct cd_original once, twice;
        struct cd_arena arena;

        if (!cd_str_take_until(&rest, '\n', &url) || !cd_str_take_until(&rest, '\n', &method))
                return 0;
        cd_arena_init(&arena, 1 << 20);
        if (ask(&arena, url, method, &once) == CD_OK) {
                const struct cd_http_request req = { .arena = &arena };
                must(once.path.ptr || once.was_path_changed);
                if (!once.path.ptr) {
                        cd_arena_done(&arena);
                        return 0;
                }
                must(once.path.len && once.path.ptr[0] == '/' && once.host.len);
                must(!memmem(once.path.ptr, once.path.len, "/../", 4) &&
                     !memmem(once.path.ptr, once.path.len, "//", 2));
                must(cd_original_url(&req, &once, &url) == CD_OK);
                must(ask(&arena, url, method, &twice) == CD_OK && !twice.was_path_changed);
                must(cd_str_eq(once.host, twice.host) && cd_str_eq(once.path, twice.path));
        }
        cd_arena_done(&arena);
        return 0;
}
