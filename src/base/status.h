#pragma once
/* What a function that can fail returns, and what it tells about the failure. The compiler forbids to ignore it. */
#include "base/str.h"

/* clang-format off */
enum [[nodiscard]] cd_status {
        CD_OK = 0,
        /* Of any parser or table. */
        CD_MALFORMED, /* the bytes are not of the form that was asked for */
        CD_TOO_LARGE, /* a stated ceiling was reached */
        CD_NOT_FOUND,
        CD_EXISTS,    /* one of that name is there already */
        CD_THROTTLED, /* too many failed attempts; after retry_after seconds another one counts */
        /* RFC 6749 §5.2, RFC 6750 §3.1, RFC 7009 §2.2.1: the names of the wire, but decided without HTTP. */
        CD_INVALID_REQUEST,
        CD_INVALID_CLIENT,
        CD_INVALID_GRANT,
        CD_UNAUTHORIZED_CLIENT,
        CD_UNSUPPORTED_GRANT_TYPE,
        CD_INVALID_SCOPE,
        CD_INVALID_TOKEN,
        CD_INSUFFICIENT_SCOPE,
        CD_UNSUPPORTED_CODING, /* a content coding that is not undone (RFC 9110 §15.5.16) */
        /* Of the world outside. */
        CD_UNAVAILABLE, /* something needed is down, full or refused; trying later may help */
        CD_TIMEOUT,     /* it did not answer in its time */
        CD_NO_MEMORY,
        CD_INTERNAL, /* a fault of ours or of a library */
};
/* clang-format on */
typedef enum cd_status cd_status;

struct cd_error {
        cd_status status;
        char field[64]; /* the parameter, member or setting at fault; empty where there is none */
        /* for the log and, where the status is a client's fault, for the client; never holds a secret */
        char reason[384];
        /* What the client sent and the reason is about: shown to that client after the reason, never logged, since it
         * may be a secret in the wrong place (LESSONS 28). Lives as long as the request; set after cd_fail. */
        cd_str quoted;
        int64_t retry_after; /* seconds; CD_THROTTLED and where known CD_UNAVAILABLE; else 0 */
        /* the reason in words that anybody may read (no path, no text of a library); static; NULL: none */
        const char *summary;
};

/* Fills *reterr (may be NULL) and returns status, so that a function can fail in one line. Field and reason are made
 * safe for a terminal (cd_str_write_safe). */
cd_status cd_fail(struct cd_error *reterr, cd_status status, const char *reason);
cd_status cd_fail_field(struct cd_error *reterr, cd_status status, cd_str field, const char *reason);
cd_status cd_failf(struct cd_error *reterr, cd_status status, cd_str field, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/* "invalid_request" and so on; for statuses that no RFC names, our own word in the same form. Static storage. */
cd_str cd_status_name(cd_status status);
