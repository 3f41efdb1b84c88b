#pragma once
/* The result of a function that can fail, and the details of the failure. The compiler rejects code that ignores it. */
#include "base/str.h"

/* clang-format off */
enum [[nodiscard]] cd_status {
        CD_OK = 0,
        /* From any parser or table. */
        CD_MALFORMED, /* the bytes do not have the required form */
        CD_TOO_LARGE, /* a stated limit was exceeded */
        CD_NOT_FOUND,
        CD_EXISTS,    /* an object with that name exists already */
        CD_THROTTLED, /* too many failed attempts; none is checked before retry_after seconds are over */
        /* RFC 6749 §5.2, RFC 6750 §3.1, RFC 7009 §2.2.1: named as on the wire, but independent of HTTP. */
        CD_INVALID_REQUEST,
        CD_INVALID_CLIENT,
        CD_INVALID_GRANT,
        CD_UNAUTHORIZED_CLIENT,
        CD_UNSUPPORTED_GRANT_TYPE,
        CD_INVALID_SCOPE,
        CD_INVALID_TOKEN,
        CD_INSUFFICIENT_SCOPE,
        CD_UNSUPPORTED_CODING, /* a content coding that is not supported (RFC 9110 §15.5.16) */
        /* From the environment. */
        CD_UNAVAILABLE, /* a resource is down, full or denied; a later attempt may succeed */
        CD_TIMEOUT,     /* no answer within the time limit */
        CD_NO_MEMORY,
        CD_INTERNAL, /* a fault in this program or in a library */
};
/* clang-format on */
typedef enum cd_status cd_status;

struct cd_error {
        cd_status status;
        char field[64]; /* the parameter, member or setting at fault; may be empty */
        /* for the log, and for the client if the client caused the error; never contains a secret */
        char reason[384];
        /* The client's input that the reason is about. It is shown to that client after the reason but never logged,
         * since it may be a misplaced secret (LESSONS 28). Lives as long as the request; set after cd_fail. */
        cd_str quoted;
        int64_t retry_after; /* seconds; for CD_THROTTLED, and for CD_UNAVAILABLE if known; else 0 */
        /* the reason in words that anyone may read (no path, no text from a library); static; may be NULL */
        const char *summary;
};

/* Fills *reterr (may be NULL) and returns `status`, so that a function can fail in one line. Field and reason are made
 * safe for a terminal (cd_str_write_safe). */
cd_status cd_fail(struct cd_error *reterr, cd_status status, const char *reason);
cd_status cd_fail_field(struct cd_error *reterr, cd_status status, cd_str field, const char *reason);
cd_status cd_failf(struct cd_error *reterr, cd_status status, cd_str field, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/* "invalid_request" and so on; statuses that no RFC names have names of the same form. Static storage. */
cd_str cd_status_name(cd_status status);
