#pragma once
/* How a client sends a request to an OAuth endpoint: a form, and its own id and secret (RFC 6749 §2.3.1). */
#include "base/field.h"
#include "http/http.h"

/* The body as a form. CD_INVALID_REQUEST where it is none, or a parameter is missing, doubled or malformed;
 * CD_UNSUPPORTED_CODING where it is compressed. */
cd_status cd_web_decode_form(const struct cd_http_request *req, const struct cd_table *table, void *ret,
                             struct cd_error *reterr);

/* *id and *secret hold what the form had (ptr NULL: nothing) and get what the client meant: the credentials of the
 * Authorization header, percent-decoded, where there is one, else those of the form. CD_INVALID_REQUEST where both ways
 * were used, CD_INVALID_CLIENT where neither gives an id and a secret; CD_NO_MEMORY. */
cd_status cd_web_client_credentials(const struct cd_http_request *req, cd_str *id, cd_str *secret,
                                    struct cd_error *reterr);
