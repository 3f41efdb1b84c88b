#pragma once
/* When Sentry wants no more events (https://develop.sentry.dev/sdk/expected-features/rate-limiting/). */
#include "base/str.h"

/* Seconds for which an answer forbids events of errors; 0: it does not. `limits` is X-Sentry-Rate-Limits, `retry_after`
 * Retry-After; empty: absent. At most a day. */
int64_t cd_sentry_pause(int status, cd_str limits, cd_str retry_after);
