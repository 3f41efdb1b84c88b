#pragma once
/* Identifiers that tie log lines together. They need to be unique, not secret. */
#include "http/http.h"

/* Two splitmix64 streams, seeded by the kernel. An observer of ids may predict others, which is harmless. */
struct cd_ids {
        uint64_t state[2];
};

enum {
        CD_REQUEST_ID_MADE_LEN = 32,
        CD_REQUEST_ID_MAX = 64
};

/* False if the kernel's random source failed. */
bool cd_ids_init(struct cd_ids *ids);
/* Writes 16 lower-case hex characters, never all zero (W3C Trace Context §3.2.2.4). */
void cd_ids_make_64(struct cd_ids *ids, char to[16]);
/* Writes 32 such characters. */
void cd_ids_make_128(struct cd_ids *ids, char to[32]);

/* 1 to 64 of A-Z a-z 0-9 . _ - */
bool cd_request_id_is_valid(cd_str id);
/* Reads trace_id and sampled of a valid header (W3C Trace Context, level 1, §3.2). Returns false and leaves *ret
 * unchanged if it is invalid. The parent's span is checked but not kept, because the server's own span replaces it. */
bool cd_traceparent_parse(cd_str header, struct cd_http_trace *ret);
