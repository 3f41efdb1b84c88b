#include "http/limits.h"

const struct cd_http_limits cd_http_limits_default = {
        .request_line = 8 * 1024,
        .headers = 16 * 1024,
        .header_count = 100,
        .body = 64 * 1024,
        .header_timeout_ms = 10 * 1000,
        .body_timeout_ms = 10 * 1000,
        .idle_timeout_ms = 75 * 1000,
        .write_timeout_ms = 30 * 1000,
        .connections = 20000,
        .output = 256 * 1024,
        .queue = 1024,
};
