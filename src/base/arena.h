#pragma once
/* Memory of one request: allocated in order, bounded, wiped and freed as a whole. Not thread-safe; one user at a
 * time. */
#include "base/str.h"

struct cd_arena_chunk;

struct cd_arena {
        char *at, *end;               /* what is left of the current chunk */
        struct cd_arena_chunk *chunk; /* newest first */
        size_t used, ceiling;         /* bytes taken from malloc, and the most that may be */
};

/* No memory is taken before the first allocation. `ceiling` bounds the sum of all chunks, in bytes. */
void cd_arena_init(struct cd_arena *arena, size_t ceiling);
/* Wipes what was used, and frees all but one small chunk, so that the next request allocates nothing. */
void cd_arena_reset(struct cd_arena *arena);
/* Wipes and frees everything. The arena may be used again. */
void cd_arena_done(struct cd_arena *arena);

/* Aligned for any object, not zeroed. NULL where the ceiling is reached or memory is out. Lives until reset or done. */
void *cd_arena_alloc(struct cd_arena *arena, size_t size);
/* The same, zeroed, for `count` objects of `size` bytes. NULL also where the product overflows. */
void *cd_arena_calloc(struct cd_arena *arena, size_t count, size_t size);
/* A copy that ends with a NUL after its length. ptr is NULL on failure. */
cd_str cd_arena_copy(struct cd_arena *arena, cd_str s);
/* Formats into the arena. ptr is NULL on failure. */
cd_str cd_arena_printf(struct cd_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define CD_NEW(arena, type) ((type *)cd_arena_calloc((arena), 1, sizeof(type)))
