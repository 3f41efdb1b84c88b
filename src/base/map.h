#pragma once
/* A hash map from strings to pointers, keyed with a random seed against flooding (SipHash-1-3). Keys and values are the
 * caller's and must outlive the map. Not thread-safe while it changes. */
#include "base/status.h"

struct cd_map;

/* NULL where memory or the kernel's randomness is out. Freed with cd_map_free. */
struct cd_map *cd_map_new(void);
void cd_map_free(struct cd_map *map); /* NULL is fine */
/* CD_INVALID_REQUEST where the key is there already; CD_NO_MEMORY. */
cd_status cd_map_add(struct cd_map *map, cd_str key, void *value);
/* NULL where there is none. */
void *cd_map_find(const struct cd_map *map, cd_str key);
/* What was there, or NULL. */
void *cd_map_remove(struct cd_map *map, cd_str key);
size_t cd_map_count(const struct cd_map *map);

/* SipHash-1-3 of bytes under a 128-bit key. */
uint64_t cd_siphash(const uint64_t key[2], cd_str bytes);
/* The same core with other counts of rounds; the published test vectors are of SipHash-2-4. */
uint64_t cd_siphash_rounds(const uint64_t key[2], cd_str bytes, unsigned compression, unsigned finalization);
