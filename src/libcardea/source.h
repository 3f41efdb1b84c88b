#pragma once
/* Where the text of the key set comes from: a URL or a file. One user at a time. */
#include "base/arena.h"
#include "base/status.h"

enum {
        CD_SOURCE_TEXT_MAX = 256 * 1024, /* bytes of a key set, as cd_jwks_parse has it */
};

struct cd_source_options {
        cd_str jwks, ca_file;
        int64_t connect_timeout_ms, timeout_ms;
        bool allow_http;
};

struct cd_source;

/* CD_INVALID_REQUEST where jwks is a URL that may not be fetched from, or ca_file cannot be read. A file need not be
 * there yet. */
cd_status cd_source_new(const struct cd_source_options *options, struct cd_source **ret, struct cd_error *reterr);
void cd_source_free(struct cd_source *source); /* NULL is fine */
bool cd_source_is_file(const struct cd_source *source);
/* The text, in the arena; ptr NULL where it is a file that has not changed since cd_source_keep. Blocks.
 * CD_UNAVAILABLE, CD_TIMEOUT, CD_TOO_LARGE, CD_NO_MEMORY. */
cd_status cd_source_read(struct cd_source *source, struct cd_arena *arena, cd_str *ret, struct cd_error *reterr);
/* What was read last was good: a file is not read again before it changes. */
void cd_source_keep(struct cd_source *source);

/* Whether keys may be fetched from that URL: https://, or http:// of a loopback address or "localhost" (or of anybody,
 * where allow_http is set). NULL, or what is wrong with it. */
const char *cd_source_check_url(cd_str url, bool allow_http);
