#pragma once
/* What the two services of the time API share: the messages between them, calls to the servers behind them, and what
 * they answer when one of those fails. */
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

/* A server behind this one. */
struct api_server {
        cd_str name;                     /* as errors name it, "authorization_server" */
        cd_str client_id, client_secret; /* form-encoded, as Basic wants them (RFC 6749 §2.3.1) */
};

/* A check for the field of such a URL: NULL, or what is wrong with it. */
const char *api_check_server_url(cd_str url);
/* A warning where a setting that a call needs is empty. */
void api_warn_if_empty(struct cd_report *report, cd_str setting, cd_str value);
/* ptr NULL where memory is out. */
cd_str api_form_encode(struct cd_arena *arena, cd_str text);

/* A message of strings and numbers, by its table, as a form; what is not set is left out. ptr NULL where memory is
 * out. */
cd_str api_encode_form(struct cd_arena *arena, const struct cd_table *table, const void *message);
/* The same as a JSON object, as the answer of this service. */
void api_send_message(const struct cd_http_request *req, struct cd_http_response *res, const struct cd_table *table,
                      const void *message);

/* Makes *request one on behalf of `req`: its request id and trace go along, and its arena takes the response. */
void api_on_behalf_of(const struct cd_http_request *req, struct cd_fetch_request *request);
/* CD_OK only where the server answered 200 with a message that fits the table. CD_TIMEOUT or CD_UNAVAILABLE with the
 * server's name as the error's field; CD_NO_MEMORY. */
cd_status api_call(struct cd_fetch *fetch, const struct api_server *server, const struct cd_fetch_request *request,
                   const struct cd_table *table, void *ret, struct cd_error *reterr);
/* 504 where the server whose name is the error's field was too slow, else 502; 500 where no server is named. */
void api_send_gateway_error(const struct cd_http_request *req, struct cd_http_response *res,
                            const struct cd_error *error);

void api_no_store(struct cd_http_response *res);

cd_http_handler api_healthz; /* GET /healthz */
/* GET /readyz: what these services need themselves is there from the start, so only a service that ends is not
 * ready. */
cd_http_handler api_readyz;
