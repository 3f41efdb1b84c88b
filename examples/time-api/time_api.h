#pragma once
/* Shared by the two services of the time API: the messages between them, calls to other servers, and the responses when
 * such a call fails. */
#include "service/service.h"
#include "fetch/fetch.h"

/* GET /current_time: RFC 3339 in UTC, "2026-11-22T09:30:05Z". */
struct current_time {
        cd_str current_time;
};

/* GET /epoch_time: seconds since 1970. */
struct epoch_time {
        int64_t epoch_time;
};

extern const struct cd_table api_current_time, api_epoch_time;

/* A server that this service calls. */
struct api_server {
        cd_str name;                     /* its name in errors, for example "authorization_server" */
        cd_str client_id, client_secret; /* form-encoded, as RFC 6749 §2.3.1 requires for Basic */
};

/* Checks the URL of such a server, for its field. Returns NULL, or what is wrong. */
const char *api_check_server_url(cd_str url);
/* Adds a warning if a setting that a call needs is empty. */
void api_warn_if_empty(struct cd_report *report, cd_str setting, cd_str value);
/* ptr is NULL if memory is exhausted. */
cd_str api_form_encode(struct cd_arena *arena, cd_str text);

/* Encodes a message of strings and numbers as a form, by its table; members that are not set are left out. ptr is NULL
 * if memory is exhausted. */
cd_str api_encode_form(struct cd_arena *arena, const struct cd_table *table, const void *message);
/* Sends a message as a JSON object, as the response of this service. */
void api_send_message(const struct cd_http_request *req, struct cd_http_response *res, const struct cd_table *table,
                      const void *message);

/* Prepares *request on behalf of `req`: with the same request id and trace, and with its arena for the response. */
void api_on_behalf_of(const struct cd_http_request *req, struct cd_fetch_request *request);
/* CD_OK only if the server answered 200 with a message that fits the table. CD_TIMEOUT or CD_UNAVAILABLE with the
 * server's name as the field of the error; CD_NO_MEMORY. */
cd_status api_call(struct cd_fetch *fetch, const struct api_server *server, const struct cd_fetch_request *request,
                   const struct cd_table *table, void *ret, struct cd_error *reterr);
/* Sends 504 if the server named by the error's field timed out, 502 if it failed otherwise, or 500 if the
 * error names no server. */
void api_send_gateway_error(const struct cd_http_request *req, struct cd_http_response *res,
                            const struct cd_error *error);

void api_no_store(struct cd_http_response *res);

cd_http_handler api_healthz; /* GET /healthz */
/* GET /readyz: these services have everything they need from the start, so a service is not ready only
 * while it is stopping. */
cd_http_handler api_readyz;
