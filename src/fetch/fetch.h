#pragma once
/* Outgoing HTTP by libcurl: blocking requests with keep-alive, timeouts and ceilings. Only for CD_HTTP_OUTGOING handlers and
 * threads of one's own; a request on a loop thread aborts a debug build. Never follows a redirect, never uses a proxy or a
 * cookie. */
#include "http/http.h"

struct cd_fetch;

struct cd_fetch_options {
        int64_t connect_timeout_ms; /* this one, the next and response_max must be set: CD_INVALID_REQUEST else */
        int64_t total_timeout_ms;   /* of a whole request, a second try included */
        int64_t response_max;       /* bytes of headers and body together; more: CD_TOO_LARGE */
        int64_t idle_handles;       /* kept-alive connections kept for later; 0: 64 */
        cd_str user_agent;          /* empty: "cardea" */
        cd_str ca_file;             /* PEM of the authorities to trust instead of the system's; empty: those */
};

struct cd_fetch_request {
        enum cd_http_method method;        /* GET, HEAD, POST, PUT, PATCH, DELETE */
        cd_str url;                        /* http:// or https:// only */
        cd_str basic_user, basic_password; /* ptr NULL: no Basic; sent as given, without RFC 6749's form-encoding */
        cd_str bearer;                     /* ptr NULL: none */
        cd_str content_type;               /* with body */
        cd_str body;                       /* ptr NULL: none */
        int64_t timeout_ms;                /* 0: total_timeout_ms; to fit several requests into one deadline */
        /* The request on whose behalf this is: its request_id and traceparent go along, and its arena takes the response. NULL: it is
         * for nobody's request, and `arena` takes the response. */
        const struct cd_http_request *on_behalf_of;
        struct cd_arena *arena;
};

struct cd_fetch_response {
        int status;
        cd_str content_type; /* as sent; empty where absent */
        cd_str body;
};

cd_status cd_fetch_new(const struct cd_fetch_options *options, struct cd_fetch **ret, struct cd_error *reterr);
void cd_fetch_free(struct cd_fetch *fetch); /* no call may be running; NULL is fine */

/* CD_OK for every complete HTTP response, whatever its status. CD_UNAVAILABLE: refused, reset, no name, not HTTP.
 * CD_TIMEOUT. CD_TOO_LARGE. A request on a connection that the server had closed meanwhile is tried once more on a new
 * one. Thread-safe. */
cd_status cd_fetch_call(struct cd_fetch *fetch, const struct cd_fetch_request *request, struct cd_fetch_response *ret,
                        struct cd_error *reterr);
