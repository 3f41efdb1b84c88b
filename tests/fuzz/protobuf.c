/* A message of external authorization, read from any bytes: what was read and is written again reads the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gate/ext_authz_proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

static cd_str write_again(const struct cd_proto_table *table, struct cd_arena *arena, cd_str bytes)
{
        union {
                struct cd_check_request request;
                struct cd_check_response response;
                struct cd_health_request health;
        } message;
        struct cd_buf buf;
        cd_str text;

        if (cd_proto_read(table, bytes, arena, &message, NULL) != CD_OK)
                return (cd_str){ NULL, 0 };
        cd_buf_init(&buf, arena, 1 << 20);
        must(cd_buf_reserve(&buf, 1));
        cd_proto_write(table, &message, &buf);
        must(cd_buf_view(&buf, &text) == CD_OK);
        return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const struct cd_proto_table *const tables[] = { &cd_check_request_table, &cd_check_response_table,
                                                        &cd_health_request_table };
        const cd_str bytes = cd_str_of((const char *)data, size);

        if (size > 4096)
                return 0;
        for (size_t i = 0; i < CD_LEN(tables); i++) {
                struct cd_arena arena;
                cd_arena_init(&arena, 1 << 24);
                cd_str once = write_again(tables[i], &arena, bytes);
                if (once.ptr) {
                        cd_str twice = write_again(tables[i], &arena, once);
                        must(twice.ptr && cd_str_eq(once, twice));
                        must(once.len <= size);
                }
                cd_arena_done(&arena);
        }
        return 0;
}
