#include "core/direct_hasher.h"

static cd_status hash(const struct cd_hasher *port, cd_str password, struct cd_arena *arena, cd_str *ret,
                      struct cd_error *reterr)
{
        const struct cd_direct_hasher *hasher = (const struct cd_direct_hasher *)port;

        return cd_password_hash(&port->cost, hasher->random, password, arena, ret, reterr);
}

static cd_status verify(const struct cd_hasher *port, cd_str stored, cd_str password, bool *ret_matches,
                        struct cd_error *reterr)
{
        (void)port;
        return cd_password_verify(stored, password, ret_matches, reterr);
}

static cd_status dummy(const struct cd_hasher *port, cd_str password, struct cd_error *reterr)
{
        return cd_password_dummy(&port->cost, password, reterr);
}

struct cd_direct_hasher cd_direct_hasher(const struct cd_password_cost *cost, const struct cd_random *random)
{
        return (struct cd_direct_hasher){ { *cost, hash, verify, dummy }, random };
}
