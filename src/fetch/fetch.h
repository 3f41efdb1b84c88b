#pragma once
/* HTTP client based on libcurl: blocking requests with keep-alive, timeouts and size limits. For threads that may wait:
 * a request on a loop thread aborts a debug build. Never follows a redirect and never uses a proxy or cookies. */
#include "base/address.h"
#include "base/arena.h"
#include "base/status.h"

struct cd_fetch;
struct cd_fetch_record;

/* For URLs that come from outside, or lead to where outsiders can point them. A connection is made only to an address
 * that was checked: one on the public Internet, or one in `networks`. https:// only; http:// is accepted to loopback
 * addresses in `networks`. Ports below 1024 other than 443 need an address in `networks` too. */
struct cd_fetch_guard {
        const struct cd_network *networks; /* live as long as the cd_fetch */
        size_t network_count;
};

struct cd_fetch_options {
        int64_t connect_timeout_ms; /* required, like total_timeout_ms and response_max; CD_INVALID_REQUEST otherwise */
        int64_t total_timeout_ms;   /* for a whole request, including a second attempt */
        int64_t response_max;       /* bytes of headers and body together; more is CD_TOO_LARGE */
        int64_t idle_handles;       /* number of idle connections that are kept alive; 0: 64 */
        cd_str user_agent;          /* empty: "cardea" */
        cd_str ca_file;             /* PEM of the CAs to trust instead of those of the system; empty: the system's */
        const struct cd_fetch_guard *guard; /* copied; NULL: any address, and http:// */
        cd_str unix_socket; /* its path: all requests go there, whatever host their URL names; empty: none */
        /* Requests to one host and port at the same time; 0: no limit. One more waits within its own timeout, and ends
         * with CD_UNAVAILABLE. */
        int64_t host_concurrency;
        /* Called by the thread of the request after each one, also after one that was not sent. NULL: no record. What
         * it points to contains secrets, and is valid during the call only. */
        void (*record)(void *arg, const struct cd_fetch_record *record);
        void *record_arg;
};

enum {
        CD_FETCH_MORE_HEADERS_MAX = 8,
};

enum cd_fetch_method {
        CD_FETCH_GET,
        CD_FETCH_HEAD,
        CD_FETCH_POST,
        CD_FETCH_PUT,
        CD_FETCH_PATCH,
        CD_FETCH_DELETE,
};

/* The contents of a traceparent header (W3C Trace Context, level 1 §3.2), in lower-case hex. */
struct cd_fetch_trace {
        cd_str trace_id; /* 32 characters; empty: no header is sent */
        cd_str span_id;  /* 16 characters: the span that sends the request */
        bool sampled;
};

struct cd_fetch_header {
        cd_str name, value;
};

/* All memory that it points to must live until cd_fetch_call returns; the response lives in `arena`. CD_INVALID_REQUEST
 * for control characters, a trace that is not hex, a negative timeout, or no arena. */
struct cd_fetch_request {
        enum cd_fetch_method method;
        cd_str url;  /* http:// or https:// only */
        cd_str name; /* "provider github", "discovery": for the record */
        /* ptr NULL: no Basic; sent as given, without the form encoding of RFC 6749 */
        cd_str basic_user, basic_password;
        cd_str bearer;                         /* ptr NULL: none */
        cd_str content_type;                   /* with body */
        cd_str body;                           /* ptr NULL: none */
        cd_str accept;                         /* empty: application/json */
        cd_str request_id;                     /* X-Request-Id; empty: none */
        const struct cd_fetch_header *headers; /* more of them, CD_FETCH_MORE_HEADERS_MAX at most */
        size_t header_count;
        const char *wanted_header; /* a header of the response to return in `wanted`; NULL: none */
        struct cd_fetch_trace trace;
        int64_t timeout_ms;     /* 0: total_timeout_ms; lets several requests share one deadline */
        struct cd_arena *arena; /* for the response and for what is built to send; required */
        int *os_error;          /* set to the errno of a connection that could not be made; NULL: not wanted */
};

struct cd_fetch_response {
        int status;
        cd_str content_type; /* as received; empty if absent */
        cd_str body;
        cd_str date;                /* the header Date as received; empty if absent */
        cd_str retry_after, wanted; /* headers as received; empty if absent */
        cd_str location;            /* where a redirect leads, which is never followed; empty if absent */
};

/* One request as it was sent, and what came back. */
struct cd_fetch_record {
        cd_str name, method, url;
        cd_str request_head; /* request line and headers as sent, with CRLF; empty: nothing was sent */
        cd_str request_body;
        int status;                   /* 0: no response */
        cd_str response_head;         /* status line and headers as received, with CRLF; empty: none */
        cd_str response_body;         /* as far as it arrived */
        const struct cd_error *error; /* NULL: there was a complete response */
        cd_str address;               /* that it was connected to; empty: none */
        /* Microseconds from the start of the request (not counting waited_us) until the name was resolved, the
         * connection stood, TLS stood, the first byte of the response came, and the end; 0: did not happen, or the
         * connection was kept alive. */
        int64_t dns_us, connect_us, tls_us, first_byte_us, total_us;
        int64_t waited_us; /* before that, because of host_concurrency */
};

/* libcurl is loaded by the first request, where the program is not linked with it; or by cd_fetch_load, so that a start
 * can fail. CD_UNAVAILABLE: it is missing; the reason says so. */
cd_status cd_fetch_load(struct cd_error *reterr);
cd_status cd_fetch_new(const struct cd_fetch_options *options, struct cd_fetch **ret, struct cd_error *reterr);
void cd_fetch_free(struct cd_fetch *fetch); /* no call may be running; NULL is allowed */

/* Returns CD_OK for every complete HTTP response, whatever its status. CD_UNAVAILABLE if the connection is refused or
 * reset, the name cannot be resolved, the response is not HTTP or is compressed, or libcurl is missing; CD_TIMEOUT;
 * CD_TOO_LARGE; CD_INVALID_REQUEST if the guard refuses. If the server closed a kept-alive connection, the request is
 * repeated once on a new one. Thread-safe. */
cd_status cd_fetch_call(struct cd_fetch *fetch, const struct cd_fetch_request *request, struct cd_fetch_response *ret,
                        struct cd_error *reterr);
