#include "core/oauth/jti.h"

#include "base/buf.h"

enum {
        RANDOM_SIZE = 16, /* bytes */
        RANDOM_LEN = 22,  /* of them in base64url */
        DIGITS_MAX = 18,  /* of a generation; no version of a store gets further */
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
        if (generations.user || generations.client) {
                cd_buf_add_char(&buf, '.');
                cd_buf_add_i64(&buf, generations.user);
                cd_buf_add_char(&buf, '.');
                cd_buf_add_i64(&buf, generations.client);
        }
        return cd_buf_view(&buf, ret) == CD_OK ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for a token");
}

/* Where it ends; NULL: that is no generation. */
static const char *read_generation(const char *at, const char *end, int64_t *ret)
{
        const char *begin = at;
        uint64_t value = 0;

        for (; at < end && *at >= '0' && *at <= '9'; at++)
                value = value * 10 + (uint64_t)(*at - '0');
        *ret = (int64_t)value;
        return at > begin && at - begin <= DIGITS_MAX ? at : NULL;
}

/* On the path of every introspection: the random part is of one length, so nothing has to be looked for. */
bool cd_jti_read(cd_str jti, struct cd_generations *ret)
{
        const char *end = jti.ptr + jti.len;

        *ret = (struct cd_generations){ 0 };
        if (jti.len <= RANDOM_LEN || jti.ptr[RANDOM_LEN] != '.')
                return true;
        const char *at = read_generation(jti.ptr + RANDOM_LEN + 1, end, &ret->user);
        if (!at || at == end || *at != '.')
                return false;
        return read_generation(at + 1, end, &ret->client) == end;
}
