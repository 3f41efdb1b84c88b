#pragma once
/* Heads and trailer sections of HTTP/1 messages, complete and in one piece. */
#include "upstream/http1.h"

enum cd_http1_field {
        CD_HTTP1_END_TO_END,
        CD_HTTP1_HOST,
        CD_HTTP1_LENGTH,
        CD_HTTP1_CODING,
        CD_HTTP1_CONNECTION,
        CD_HTTP1_UPGRADE,
        CD_HTTP1_HOP,          /* concerns the connection otherwise */
        CD_HTTP1_LIKE_FRAMING, /* see cd_http_looks_like_framing */
};

enum cd_http1_field cd_http1_field_of(cd_str name);
/* No control character but a tab (RFC 9110 §5.5). */
bool cd_http1_is_value(cd_str value);

enum {
        CD_HTTP1_CONNECTIONS_MAX = 4,
};

/* Views into the bytes that were parsed. Large: for the stack. */
struct cd_http1_message {
        int status;
        bool is_http10, is_http2;            /* the version; neither: HTTP/1.1 */
        bool closes, keeps_alive, switches;  /* what Connection says */
        unsigned lengths, codings, upgrades; /* how many headers there are */
        uint64_t length;
        cd_str upgrade;
        cd_str connections[CD_HTTP1_CONNECTIONS_MAX]; /* values of Connection */
        size_t connection_count;
        size_t header_count;
        struct cd_http_header headers[CD_HTTP1_HEADERS_MAX]; /* end-to-end */
};

/* A head with its empty line. NULL, or why it is refused; static. Says nothing about what depends on the request. */
const char *cd_http1_parse_head(cd_str head, struct cd_http1_message *ret);
/* A trailer section with its empty line. */
const char *cd_http1_parse_trailers(cd_str section, struct cd_http1_message *ret);
