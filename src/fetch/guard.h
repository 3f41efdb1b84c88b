#pragma once
/* Which addresses a guarded request may be sent to (LESSONS 7, and server-side request forgery in general). Shared by
 * the files of fetch and their tests. */
#include "fetch/fetch.h"

/* What kind of address it is, such as "private" or "link-local", if it is not one of a host on the public Internet;
 * NULL if it is. An address that carries an IPv4 address, as NAT64 (RFC 6052) does, is judged by that one too. */
const char *cd_fetch_address_kind(const struct cd_address *address);

/* CD_INVALID_REQUEST, with a reason that names the URL's host, if no connection to that address and port may be made.
 * */
cd_status cd_fetch_guard_check(const struct cd_fetch_guard *guard, cd_str url, const struct sockaddr_storage *peer,
                               struct cd_error *reterr);

/* The part of a URL between "//" and the path, without the port that is the scheme's own. */
cd_str cd_fetch_url_host(cd_str url);
