#include "base/field.h"
#include "upstream/upstream.h"

static const struct {
        int status;
        cd_str name;
} failures[] = {
        [CD_UPSTREAM_NOT_RESOLVED] = { 502, CD_STR_INIT("upstream_not_resolved") },
        [CD_UPSTREAM_NOT_CONNECTED] = { 502, CD_STR_INIT("upstream_not_connected") },
        [CD_UPSTREAM_TLS] = { 502, CD_STR_INIT("upstream_tls_failed") },
        [CD_UPSTREAM_CONNECT_TIMEOUT] = { 504, CD_STR_INIT("upstream_connect_timeout") },
        [CD_UPSTREAM_CLOSED] = { 502, CD_STR_INIT("upstream_closed") },
        [CD_UPSTREAM_INVALID] = { 502, CD_STR_INIT("upstream_invalid") },
        [CD_UPSTREAM_TIMEOUT] = { 504, CD_STR_INIT("upstream_timeout") },
        [CD_UPSTREAM_BLOCK_TOO_LARGE] = { 431, CD_STR_INIT("upstream_block_too_large") },
        [CD_UPSTREAM_NO_MEMORY] = { 503, CD_STR_INIT("out_of_memory") },
};

int cd_upstream_failure_status(enum cd_upstream_failure failure)
{
        return failures[failure].status;
}

cd_str cd_upstream_failure_name(enum cd_upstream_failure failure)
{
        return failures[failure].name;
}
