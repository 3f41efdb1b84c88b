#include "core/oauth/grant.h"

/* The client acts for itself: its id is the subject (RFC 9068 §2.2). */
cd_status cd_grant_client_credentials(const struct cd_issuer *issuer, struct cd_arena *arena,
                                      const struct cd_client *client, const struct cd_token_request *ask,
                                      struct cd_grant_decision *ret, struct cd_error *reterr)
{
        (void)issuer, (void)arena, (void)ask, (void)reterr;
        *ret = (struct cd_grant_decision){ .subject = client->id };
        return CD_OK;
}
