#include "core/oauth/jti.h"

#include "base/buf.h"

enum {
        RANDOM_SIZE = 16 /* bytes */
};

cd_status cd_jti_make(struct cd_arena *arena, const struct cd_random *random, struct cd_generations generations,
                      cd_str *ret, struct cd_error *reterr)
{
        char bytes[RANDOM_SIZE];
        struct cd_buf buf;

        if (random->fill(random, bytes, sizeof(bytes)) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        cd_buf_init(&buf, arena, CD_JTI_MAX);
        cd_buf_add_base64url(&buf, cd_str_of(bytes, sizeof(bytes)));
        cd_buf_add_char(&buf, '.');
        cd_buf_add_i64(&buf, generations.user);
        cd_buf_add_char(&buf, '.');
        cd_buf_add_i64(&buf, generations.client);
        return cd_buf_view(&buf, ret) == CD_OK ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for a token");
}

static bool read_generation(cd_str text, int64_t *ret)
{
        return cd_str_to_i64(text, ret) && *ret >= 0;
}

bool cd_jti_read(cd_str jti, struct cd_generations *ret)
{
        size_t first = cd_str_index(jti, '.');
        cd_str rest = cd_str_slice(jti, first + 1, jti.len);
        size_t second = cd_str_index(rest, '.');

        *ret = (struct cd_generations){ 0 };
        if (first == jti.len)
                return true;
        return read_generation(cd_str_slice(rest, 0, second), &ret->user) &&
               read_generation(cd_str_slice(rest, second + 1, rest.len), &ret->client);
}
