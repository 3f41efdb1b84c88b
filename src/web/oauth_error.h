#pragma once
/* The only place that maps a core error to the error response of RFC 6749 §5.2. */
#include "http/http.h"

void cd_web_send_oauth_error(const struct cd_http_request *req, struct cd_http_response *res,
                             const struct cd_error *error);
/* Field and reason, in the characters that are allowed in an error_description, in the arena. Omits what the client
 * sent, so that the text may be logged. */
cd_str cd_web_describe(struct cd_arena *arena, const struct cd_error *error);
/* Sets Retry-After: the error's number of seconds, but at least 1. */
void cd_web_retry_after(const struct cd_http_request *req, struct cd_http_response *res, const struct cd_error *error);
/* Forbids caches to store an answer that may contain a token or information about one (RFC 6749 §5.1). */
void cd_web_no_store(struct cd_http_response *res);
