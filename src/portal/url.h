#pragma once
/* Where a page may lead. A slot in href, action or src accepts this type alone, and only these functions make one. */
#include "base/status.h"

struct cd_page_url {
        cd_str checked; /* empty: none */
};

enum {
        CD_PAGE_URL_MAX = 4096
}; /* bytes */

/* Accepts http:// or https:// with a host, or an absolute path ("/…", not "//…"); printable ASCII without quotes, angle
 * brackets, backslashes and spaces, so that browsers read it as it stands here (WHATWG URL). No user name before the
 * host. CD_MALFORMED. The text stays the caller's. It does not decide where a user may be sent to. */
cd_status cd_page_url_check(cd_str text, struct cd_page_url *ret);
/* The same for the URI that sets up an authenticator: otpauth://totp/…. */
cd_status cd_page_url_check_otpauth(cd_str text, struct cd_page_url *ret);
/* "https://host:port" of an absolute URL that is known to be well-formed; empty for a path. */
cd_str cd_page_url_origin(cd_str url);
