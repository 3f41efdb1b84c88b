#pragma once
/* The uwsgi protocol: a block of variables, then the body as it is. The response is HTTP/1 (http1.h). */
#include "base/buf.h"
#include "http/http.h"

enum {
        CD_UWSGI_HEADER_SIZE = 4,
        CD_UWSGI_BLOCK_MAX = 65535, /* bytes of the variables, without the header */
};

/* Appends the header and the variables, in their order. `buffer_size` is the largest size of the variables with their
 * lengths, as uWSGI counts for its own setting of that name. If it fails, nothing is appended. CD_TOO_LARGE: the
 * variables are larger than `buffer_size` or CD_UWSGI_BLOCK_MAX, or `to` has failed or is full (then to->failed).
 * CD_MALFORMED: a name is no token; a value has a NUL; or a value other
 * than those of PATH_INFO and SCRIPT_NAME, which are percent-decoded, has CR or LF. */
cd_status cd_uwsgi_write_block(struct cd_buf *to, const struct cd_http_header *variables, size_t count,
                               size_t buffer_size);
