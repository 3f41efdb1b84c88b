#pragma once
/* How a client sends a request to an OAuth endpoint: a form, with the client's id and secret (RFC 6749 §2.3.1). */
#include "base/field.h"
#include "http/http.h"

/* Decodes the body as a form. CD_INVALID_REQUEST if it is not a form, or a parameter is missing, doubled or malformed;
 * CD_UNSUPPORTED_CODING if it is compressed. */
cd_status cd_web_decode_form(const struct cd_http_request *req, const struct cd_table *table, void *ret,
                             struct cd_error *reterr);

/* *id and *secret initially hold the values from the form (ptr NULL: absent), and receive the effective ones: the
 * percent-decoded credentials of the Authorization header if there is one, otherwise those of the form.
 * CD_INVALID_REQUEST if both ways were used, CD_INVALID_CLIENT if neither gives an id and a secret; CD_NO_MEMORY. */
cd_status cd_web_client_credentials(const struct cd_http_request *req, cd_str *id, cd_str *secret,
                                    struct cd_error *reterr);
