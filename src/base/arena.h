#pragma once
/* Memory for one request: allocated in order, bounded, then wiped and freed as a whole. Not thread-safe. */
#include "base/str.h"

struct cd_arena_chunk;

struct cd_arena {
        char *at, *end;               /* the free part of the current chunk */
        struct cd_arena_chunk *chunk; /* newest first */
        size_t used, ceiling;         /* bytes allocated with malloc, and their limit */
};

/* Allocates nothing yet. `ceiling` limits the sum of all chunks, in bytes. */
void cd_arena_init(struct cd_arena *arena, size_t ceiling);
/* Wipes the used memory and frees all but one small chunk, so that the next request needs no malloc. */
void cd_arena_reset(struct cd_arena *arena);
/* Wipes and frees everything. The arena may be used again. */
void cd_arena_done(struct cd_arena *arena);

/* Aligned for any object, not zeroed. NULL if the ceiling is reached or malloc fails. Valid until reset or done. */
void *cd_arena_alloc(struct cd_arena *arena, size_t size);
/* Like cd_arena_alloc, but zeroed, for `count` objects of `size` bytes. NULL also if the product overflows. */
void *cd_arena_calloc(struct cd_arena *arena, size_t count, size_t size);
/* Returns a NUL-terminated copy. ptr is NULL on failure. */
cd_str cd_arena_copy(struct cd_arena *arena, cd_str s);
/* Formats into the arena. ptr is NULL on failure. */
cd_str cd_arena_printf(struct cd_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define CD_NEW(arena, type) ((type *)cd_arena_calloc((arena), 1, sizeof(type)))
