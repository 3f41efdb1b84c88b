#pragma once
/* Identifiers that tie log lines together. They need to be unique, not secret. */
#include "http/http.h"

/* Two splitmix64 streams seeded from the kernel: an observer of ids may foretell others, which gives them nothing. */
struct cd_ids {
        uint64_t state[2];
};

enum {
        CD_REQUEST_ID_MADE_LEN = 32,
        CD_REQUEST_ID_MAX = 64
};

/* False where the kernel's randomness failed. */
bool cd_ids_init(struct cd_ids *ids);
/* Writes 16 lower-case hex characters, never all zero (W3C Trace Context §3.2.2.4). */
void cd_ids_make_64(struct cd_ids *ids, char to[16]);
/* Writes 32 of them. */
void cd_ids_make_128(struct cd_ids *ids, char to[32]);

/* 1 to 64 of A-Z a-z 0-9 . _ - */
bool cd_request_id_is_valid(cd_str id);
/* W3C Trace Context (level 1) §3.2: trace_id and sampled of a valid header. False leaves *ret as it was; the parent's
 * span is checked but not kept, since our own replaces it. */
bool cd_traceparent_parse(cd_str header, struct cd_http_trace *ret);
