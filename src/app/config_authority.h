#pragma once
/* The host and port in the URLs of the configuration. */
#include "base/str.h"

/* "host", "host:port", "[::1]", "[::1]:port" (RFC 3986 section 3.2), without a user and percent-encoding. *ret_local:
 * the host is this machine, whichever name resolves to it. */
bool cd_config_authority_parse(cd_str text, bool *ret_local);
