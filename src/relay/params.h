#pragma once
/* What a provider's redirect brings (RFC 6749 §4.1.2). */
#include "base/arena.h"
#include "base/status.h"

struct cd_relay_params {
        cd_str state, code, error, error_description;
        cd_str waiting; /* the id with which a page asks for its delivery */
};

/* Reads a query or the body of a form. Other parameters are ignored. CD_INVALID_REQUEST: a parameter is given twice, is
 * too long, or has characters that it may not have; the reason never shows a value. */
cd_status cd_relay_params_read(struct cd_arena *arena, cd_str query, struct cd_relay_params *ret,
                               struct cd_error *reterr);
/* Whether they are a delivery: a state, and either a code or an error. */
cd_status cd_relay_params_check(const struct cd_relay_params *params, struct cd_error *reterr);
