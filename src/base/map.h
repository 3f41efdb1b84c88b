#pragma once
/* A hash map from strings to pointers, keyed with a random seed against hash flooding (SipHash-1-3). Keys and values
 * belong to the caller and must outlive the map. Not thread-safe while it changes. */
#include "base/status.h"

struct cd_map;

/* NULL if memory or the kernel's randomness is not available. Freed with cd_map_free. */
struct cd_map *cd_map_new(void);
void cd_map_free(struct cd_map *map); /* NULL is allowed */
/* CD_INVALID_REQUEST if the key exists; CD_NO_MEMORY. */
cd_status cd_map_add(struct cd_map *map, cd_str key, void *value);
/* NULL if there is no such key. */
void *cd_map_find(const struct cd_map *map, cd_str key);
/* Returns the value that was removed, or NULL. */
void *cd_map_remove(struct cd_map *map, cd_str key);
size_t cd_map_count(const struct cd_map *map);

/* SipHash-1-3 of bytes under a 128-bit key. */
uint64_t cd_siphash(const uint64_t key[2], cd_str bytes);
/* SipHash with other numbers of rounds; the published test vectors are for SipHash-2-4. */
uint64_t cd_siphash_rounds(const uint64_t key[2], cd_str bytes, unsigned compression, unsigned finalization);
