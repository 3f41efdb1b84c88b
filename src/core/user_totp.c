#include "core/user_totp.h"

#include <stdio.h>

#include "core/second_factor.h"
#include "crypto/otpauth.h"

/* A parameter of the URI at fault becomes the field "totp.digits". */
static cd_status fail_uri(const struct cd_error *why, struct cd_error *reterr)
{
        char field[sizeof(why->field)];

        snprintf(field, sizeof(field), "totp%s%.50s", why->field[0] ? "." : "", why->field);
        return cd_fail_field(reterr, why->status, cd_str_from_c(field), why->reason);
}

cd_status cd_user_totp_read(const struct cd_operator *by, struct cd_arena *arena, cd_str user, cd_str uri,
                            struct cd_totp_factor *ret, struct cd_error *reterr)
{
        struct cd_totp_factor factor = { .user = user };
        struct cd_otpauth found;
        struct cd_error why = { 0 };
        cd_status status = cd_clock_read(by->clock, &factor.created_at, reterr);

        if (status != CD_OK)
                return status;
        if (cd_otpauth_parse(arena, uri, &found, &why) != CD_OK)
                return fail_uri(&why, reterr);
        status = cd_totp_seal(by->master, arena, user, found.secret, &factor.sealed, reterr);
        if (status == CD_OK)
                *ret = factor;
        return status;
}

/* Whether both have one secret. A present factor that cannot be read, since it is damaged, is replaced. */
static cd_status has_secret(const struct cd_operator *by, struct cd_arena *arena, const struct cd_totp_factor *present,
                            const struct cd_totp_factor *factor, bool *ret, struct cd_error *reterr)
{
        cd_str one, other;
        cd_status status = cd_totp_unseal(by->master, arena, factor, &other, reterr);

        if (status != CD_OK)
                return status;
        status = cd_totp_unseal(by->master, arena, present, &one, reterr);
        *ret = status == CD_OK && cd_str_eq(one, other);
        return status == CD_NO_MEMORY ? status : CD_OK;
}

cd_status cd_user_totp_compare(const struct cd_operator *by, struct cd_arena *arena,
                               const struct cd_totp_factor *factor, struct cd_user_totp_change *ret,
                               struct cd_error *reterr)
{
        struct cd_user_totp_change found = { .change.factor = *factor };
        struct cd_totp_factor present;
        cd_status status = by->store->totp->find(by->store, arena, factor->user, &present, reterr);

        if (status != CD_OK && status != CD_NOT_FOUND)
                return status;
        found.had_one = status == CD_OK;
        if (found.had_one) {
                found.change.if_sealed = present.sealed;
                status = has_secret(by, arena, &present, factor, &found.is_same, reterr);
                if (status != CD_OK)
                        return status;
        }
        *ret = found;
        return CD_OK;
}
