#pragma once
/* Reads the text of the key set from a URL or a file. Not thread-safe. */
#include "base/arena.h"
#include "base/status.h"

enum {
        CD_SOURCE_TEXT_MAX = 256 * 1024, /* bytes of a key set; the limit of cd_jwks_parse */
};

struct cd_source_options {
        cd_str jwks, ca_file;
        int64_t connect_timeout_ms, timeout_ms;
        bool allow_http;
};

struct cd_source;

/* CD_INVALID_REQUEST if jwks is a URL that is not permitted, or if ca_file cannot be read. A file does not
 * have to exist yet. */
cd_status cd_source_new(const struct cd_source_options *options, struct cd_source **ret, struct cd_error *reterr);
void cd_source_free(struct cd_source *source); /* NULL is allowed */
bool cd_source_is_file(const struct cd_source *source);
/* Returns the text, in the arena; ptr is NULL if it is a file that has not changed since cd_source_keep. Blocks.
 * CD_UNAVAILABLE, CD_TIMEOUT, CD_TOO_LARGE, CD_NO_MEMORY. */
cd_status cd_source_read(struct cd_source *source, struct cd_arena *arena, cd_str *ret, struct cd_error *reterr);
/* Accepts the text that was read last: a file is not read again until it changes. */
void cd_source_keep(struct cd_source *source);

/* Checks that keys may be fetched from a URL: https://, or http:// with a loopback address or "localhost" (or with any
 * host if allow_http is set). Returns NULL, or what is wrong. */
const char *cd_source_check_url(cd_str url, bool allow_http);
