#include "core/issuer.h"

cd_status cd_issuer_check(const struct cd_issuer *issuer, struct cd_error *reterr)
{
        cd_time now;
        char byte;

        cd_status status = cd_clock_read(issuer->clock, &now, reterr);
        if (status != CD_OK)
                return status;
        if (issuer->random->fill(issuer->random, &byte, sizeof(byte)) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        if (!issuer->signers[issuer->alg])
                return cd_fail(reterr, CD_UNAVAILABLE, "there is no private key to sign with");
        return CD_OK;
}
