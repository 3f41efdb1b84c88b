#pragma once
/* The form in the body of a request. */
#include "base/field.h"
#include "http/http.h"

/* Decodes the body as application/x-www-form-urlencoded, see cd_form_decode. CD_INVALID_REQUEST if it is not a form, or
 * a parameter is missing, doubled or malformed; CD_UNSUPPORTED_CODING if it is compressed. */
cd_status cd_http_form_decode(const struct cd_http_request *req, const struct cd_table *table, void *ret,
                              struct cd_error *reterr);
