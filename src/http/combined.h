#pragma once
/* The access log in Apache's combined format, which log analysers read:
 *      %h - %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"
 * with the escapes of httpd (mod_log_config, "Security Considerations"): within quotes a quote, a backslash and what is
 * not printable ASCII are escaped, elsewhere a space too, so that no caller can forge a field or a line. Queries are
 * left out, also that of Referer, because they may contain secrets (LESSONS 28). Longer fields end with "...". */
#include "http/exchange.h"

void cd_http_log_combined(struct cd_log *log, enum cd_log_level level, const struct cd_exchange *x,
                          int64_t duration_us);
