#pragma once
/* Counts the requests that run to each host, so that one slow host does not hold all threads. */
#include "fetch/fetch.h"

struct cd_fetch_hosts;

/* `limit`: requests to one host and port at the same time. NULL if memory is exhausted. */
struct cd_fetch_hosts *cd_fetch_hosts_new(int64_t limit);
void cd_fetch_hosts_free(struct cd_fetch_hosts *hosts); /* NULL is allowed */

/* Waits until a request to the host of the URL may start, at most until `deadline` (cd_monotonic_us). CD_UNAVAILABLE:
 * it may not; CD_NO_MEMORY. *ret is for cd_fetch_hosts_leave; *ret_waited_us is 0 where it did not wait. */
struct cd_fetch_host;
cd_status cd_fetch_hosts_enter(struct cd_fetch_hosts *hosts, cd_str url, int64_t deadline, struct cd_fetch_host **ret,
                               int64_t *ret_waited_us, struct cd_error *reterr);
void cd_fetch_hosts_leave(struct cd_fetch_hosts *hosts, struct cd_fetch_host *host);
