#pragma once
/* The id and secret with which a client sends a request to an OAuth endpoint (RFC 6749 §2.3.1). */
#include "http/http.h"

/* *id and *secret initially hold the values from the form (ptr NULL: absent), and receive the effective ones: the
 * percent-decoded credentials of the Authorization header if there is one, otherwise those of the form.
 * CD_INVALID_REQUEST if both ways were used, CD_INVALID_CLIENT if neither gives an id and a secret; CD_NO_MEMORY. */
cd_status cd_web_client_credentials(const struct cd_http_request *req, cd_str *id, cd_str *secret,
                                    struct cd_error *reterr);
