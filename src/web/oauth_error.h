#pragma once
/* The one place where a core error becomes what RFC 6749 §5.2 shows. */
#include "http/http.h"

void cd_web_send_oauth_error(const struct cd_http_request *req, struct cd_http_response *res,
                             const struct cd_error *error);
/* Field and reason in the characters that an error_description may have, in the arena; without what the client sent, so
 * that it may be logged. */
cd_str cd_web_describe(struct cd_arena *arena, const struct cd_error *error);
/* How many seconds later another try may succeed: what the error says, at least 1. */
void cd_web_retry_after(const struct cd_http_request *req, struct cd_http_response *res, const struct cd_error *error);
/* Answers that may hold tokens or say something of them are never kept (RFC 6749 §5.1). */
void cd_web_no_store(struct cd_http_response *res);
