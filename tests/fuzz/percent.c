/* Percent-encoding: what decodes is never longer, and comes back from being encoded. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/percent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void check(struct cd_arena *arena, cd_str text, bool plus_is_space)
{
        cd_str decoded, encoded, again;
        struct cd_buf buf;

        if (cd_percent_decode(arena, text, plus_is_space, &decoded) != CD_OK)
                return;
        must(decoded.len <= text.len);
        cd_buf_init(&buf, arena, 16 << 20);
        cd_percent_encode(&buf, decoded);
        must(cd_buf_view(&buf, &encoded) == CD_OK);
        must(cd_percent_decode(arena, encoded, !plus_is_space, &again) == CD_OK);
        must(cd_str_eq(again, decoded));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cd_str text = cd_str_of((const char *)data, size);
        struct cd_arena arena;

        cd_arena_init(&arena, 64 << 20);
        check(&arena, text, false);
        check(&arena, text, true);
        cd_arena_done(&arena);
        return 0;
}
