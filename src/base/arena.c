#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

enum {
        FIRST_CHUNK = 4096, /* large enough for a typical request */
        ALIGN = 16,
};

struct cd_arena_chunk {
        struct cd_arena_chunk *older;
        size_t size; /* of memory */
        _Alignas(ALIGN) char memory[];
};

void cd_arena_init(struct cd_arena *arena, size_t ceiling)
{
        *arena = (struct cd_arena){ .ceiling = ceiling };
}

static size_t chunk_used(const struct cd_arena *arena, const struct cd_arena_chunk *chunk)
{
        return chunk == arena->chunk ? (size_t)(arena->at - chunk->memory) : chunk->size;
}

static void free_newest(struct cd_arena *arena)
{
        struct cd_arena_chunk *chunk = arena->chunk;

        cd_wipe(chunk->memory, chunk_used(arena, chunk));
        arena->used -= chunk->size;
        arena->chunk = chunk->older;
        arena->at = arena->end = arena->chunk ? arena->chunk->memory + arena->chunk->size : NULL;
        free(chunk);
}

void cd_arena_reset(struct cd_arena *arena)
{
        while (arena->chunk && (arena->chunk->older || arena->chunk->size > FIRST_CHUNK))
                free_newest(arena);
        if (!arena->chunk)
                return;
        cd_wipe(arena->chunk->memory, chunk_used(arena, arena->chunk));
        arena->at = arena->chunk->memory;
        arena->end = arena->at + arena->chunk->size;
}

void cd_arena_done(struct cd_arena *arena)
{
        while (arena->chunk)
                free_newest(arena);
}

/* Adds a chunk that holds at least `size`; the rest of the current one is not used any more. */
static bool grow(struct cd_arena *arena, size_t size)
{
        size_t want = arena->chunk ? arena->chunk->size * 2 : FIRST_CHUNK;
        if (want < size)
                want = size;
        if (want > arena->ceiling - arena->used)
                want = arena->ceiling - arena->used;
        if (want < size)
                return false;

        struct cd_arena_chunk *chunk = malloc(sizeof(*chunk) + want);
        if (!chunk)
                return false;
        chunk->older = arena->chunk;
        chunk->size = want;
        arena->chunk = chunk;
        arena->at = chunk->memory;
        arena->end = chunk->memory + want;
        arena->used += want;
        return true;
}

void *cd_arena_alloc(struct cd_arena *arena, size_t size)
{
        if (size > SIZE_MAX / 2)
                return NULL;
        size = size ? (size + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN; /* so that NULL always means failure */
        if (size > (size_t)(arena->end - arena->at) && !grow(arena, size))
                return NULL;
        void *memory = arena->at;
        arena->at += size;
        return memory;
}

void *cd_arena_calloc(struct cd_arena *arena, size_t count, size_t size)
{
        size_t total;

        if (__builtin_mul_overflow(count, size, &total))
                return NULL;
        void *memory = cd_arena_alloc(arena, total);
        return memory ? memset(memory, 0, total) : NULL;
}

cd_str cd_arena_copy(struct cd_arena *arena, cd_str s)
{
        char *to = cd_arena_alloc(arena, s.len + 1);
        if (!to)
                return (cd_str){ NULL, 0 };
        if (s.len)
                memcpy(to, s.ptr, s.len);
        to[s.len] = '\0';
        return (cd_str){ to, s.len };
}

cd_str cd_arena_printf(struct cd_arena *arena, const char *format, ...)
{
        va_list args, again;

        va_start(args, format);
        va_copy(again, args);
        int len = vsnprintf(NULL, 0, format, args);
        char *to = len < 0 ? NULL : cd_arena_alloc(arena, (size_t)len + 1);
        if (to)
                vsnprintf(to, (size_t)len + 1, format, again);
        va_end(again);
        va_end(args);
        return to ? (cd_str){ to, (size_t)len } : (cd_str){ NULL, 0 };
}
