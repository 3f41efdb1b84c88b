#pragma once
/* A value that readers on many threads see whole while a writer replaces it: immutable versions with a count of
 * references. A reader's look costs one load of a line that nobody writes: each thread keeps a reference to the version
 * that it saw last. */
#include "base/status.h"

struct cd_shared;

/* `destroy` frees a version when nobody refers to it any more. NULL where memory or a thread key is out. */
struct cd_shared *cd_shared_new(void (*destroy)(void *version));
/* No reader may be left, and all threads but this one that have read must have ended. NULL is fine. */
void cd_shared_free(struct cd_shared *shared);

/* The newest version. It stays valid for this thread until its next call of cd_shared_get for the same `shared`. NULL
 * before the first set. */
const void *cd_shared_get(struct cd_shared *shared);
/* Takes `version`. One writer at a time. CD_NO_MEMORY leaves `version` the caller's and the old one in place. */
cd_status cd_shared_set(struct cd_shared *shared, void *version);
