#pragma once
/* The chunked transfer coding (RFC 9112 §7.1) without its trailer section, as a state machine over any pieces. Not
 * llhttp's: that has no bound for extensions, and would have to be kept for each connection whole. */
#include "base/str.h"

enum {
        CD_HTTP_CHUNKS_EXTRA_MAX = 8192, /* bytes of extensions in one body */
};

/* All zero at the start. Internal but for `left`. */
struct cd_http_chunks {
        uint64_t left;  /* bytes of data until the end of this chunk */
        unsigned extra; /* bytes of extensions in the body */
        unsigned char state, digits;
};

enum cd_http_chunks_step {
        CD_HTTP_CHUNKS_MORE,    /* all bytes were used; more are needed */
        CD_HTTP_CHUNKS_DATA,    /* chunks->left bytes of data follow */
        CD_HTTP_CHUNKS_LAST,    /* the line of the last chunk is complete: the trailer section follows */
        CD_HTTP_CHUNKS_INVALID, /* *retreason says why; static */
};

/* Reads what is not data. *retused: the bytes that were read. */
enum cd_http_chunks_step cd_http_chunks_next(struct cd_http_chunks *chunks, cd_str bytes, size_t *retused,
                                             const char **retreason);
/* Takes as much data as there is off the front of `bytes`. */
cd_str cd_http_chunks_take(struct cd_http_chunks *chunks, cd_str bytes);
/* Whether data comes next. */
bool cd_http_chunks_is_data(const struct cd_http_chunks *chunks);
