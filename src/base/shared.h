#pragma once
/* A value that many threads read while a writer replaces it: immutable, reference-counted versions. A read costs one
 * load from a cache line that is not written, because each thread keeps a reference to the version that it saw last. */
#include "base/status.h"

struct cd_shared;
struct cd_shared_version;

/* `destroy` frees a version once it has no references. NULL if memory or thread keys are exhausted. */
struct cd_shared *cd_shared_new(void (*destroy)(void *version));
/* All other threads that have read must have ended. NULL is allowed. */
void cd_shared_free(struct cd_shared *shared);

/* Returns the newest version, or NULL before the first set. It is valid for this thread until its next cd_shared_get of
 * the same `shared`. */
const void *cd_shared_get(struct cd_shared *shared);
/* The same, but valid until cd_shared_release of *ret_version, on every thread, and after cd_shared_free too. */
const void *cd_shared_hold(struct cd_shared *shared, struct cd_shared_version **ret_version);
void cd_shared_release(struct cd_shared_version *version); /* thread-safe; NULL is allowed */
/* Takes ownership of `version`. One writer at a time. On CD_NO_MEMORY `version` stays the caller's and the
 * old version stays current. */
cd_status cd_shared_set(struct cd_shared *shared, void *version);

/* The same in two steps, of which the second cannot fail. NULL if memory is out; `version` then stays the caller's. */
struct cd_shared_version *cd_shared_prepare(const struct cd_shared *shared, void *version);
void cd_shared_publish(struct cd_shared *shared, struct cd_shared_version *version);
/* Instead of publishing: destroys the version. NULL is allowed. */
void cd_shared_discard(struct cd_shared_version *version);
