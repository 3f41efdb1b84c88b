#pragma once
/* What the core counts. */
#include "base/metrics.h"
#include "base/status.h"

/* How a call ended, for all that the core counts. */
enum cd_outcome {
        CD_OUTCOME_OK,
        CD_OUTCOME_REFUSED,   /* what was sent was wrong */
        CD_OUTCOME_THROTTLED, /* not even tried: too many were wrong before */
        CD_OUTCOME_ERROR,     /* the server's own fault, or the store's */
};
enum cd_outcome cd_outcome_of(cd_status status);

enum cd_login_factor {
        CD_LOGIN_BY_PASSWORD,
        CD_LOGIN_BY_TOTP,
        CD_LOGIN_BY_RECOVERY_CODE,
};
/* One check of a factor. */
void cd_count_login(enum cd_login_factor factor, cd_status status);

/* What has to wait after too many attempts. */
enum cd_locked {
        CD_LOCKED_ACCOUNT,
        CD_LOCKED_DEVICE,
        CD_LOCKED_ADDRESS,
        CD_LOCKED_NETWORK,
        CD_LOCKED_CLIENT, /* by its address */
        CD_LOCKED_TOKEN,  /* personal tokens of an address */
};
void cd_count_lockout(enum cd_locked what);

/* A token that was asked for; `grant` as in the request, or "basic" for /grant. */
void cd_count_token(cd_str grant, cd_status status);
/* A question about a token; `active` if `status` is CD_OK. */
void cd_count_introspection(cd_status status, bool active);

extern const struct cd_metric cd_core_metrics[];
extern const size_t cd_core_metric_count;
