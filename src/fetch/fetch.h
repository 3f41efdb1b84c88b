#pragma once
/* Outgoing HTTP by libcurl: blocking requests with keep-alive, timeouts and ceilings. For threads that may wait: a
 * request on a loop thread aborts a debug build. Never follows a redirect, never uses a proxy or a cookie. */
#include "base/arena.h"
#include "base/status.h"

struct cd_fetch;

struct cd_fetch_options {
        int64_t connect_timeout_ms; /* this one, the next and response_max must be set: CD_INVALID_REQUEST else */
        int64_t total_timeout_ms;   /* of a whole request, a second attempt included */
        int64_t response_max;       /* bytes of headers and body in sum; more: CD_TOO_LARGE */
        int64_t idle_handles;       /* kept-alive connections kept for later; 0: 64 */
        cd_str user_agent;          /* empty: "cardea" */
        cd_str ca_file;             /* PEM of the authorities to trust instead of the system's; empty: those */
};

enum cd_fetch_method {
        CD_FETCH_GET,
        CD_FETCH_HEAD,
        CD_FETCH_POST,
        CD_FETCH_PUT,
        CD_FETCH_PATCH,
        CD_FETCH_DELETE,
};

/* What a traceparent header says (W3C Trace Context, level 1 §3.2), in lower-case hex. */
struct cd_fetch_trace {
        cd_str trace_id; /* 32 characters; empty: no such header is sent */
        cd_str span_id;  /* 16 characters: the span that sends the request */
        bool sampled;
};

/* What it points to must live until cd_fetch_call returns; the response outlives that in `arena`. CD_INVALID_REQUEST
 * for control characters, a trace that is not hex, a negative timeout, no arena. */
struct cd_fetch_request {
        enum cd_fetch_method method;
        cd_str url;                        /* http:// or https:// only */
        cd_str basic_user, basic_password; /* ptr NULL: no Basic; sent as given, without RFC 6749's form-encoding */
        cd_str bearer;                     /* ptr NULL: none */
        cd_str content_type;               /* with body */
        cd_str body;                       /* ptr NULL: none */
        cd_str request_id;                 /* X-Request-Id; empty: none */
        struct cd_fetch_trace trace;
        int64_t timeout_ms;     /* 0: total_timeout_ms; to fit several requests into one deadline */
        struct cd_arena *arena; /* takes the response, and what is built to be sent; required */
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
