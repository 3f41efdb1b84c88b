#pragma once
/* Rows of the store in memory: structs of core/ports.h, each with its strings in one piece of memory, in an array that is in order. */
#include "base/arena.h"
#include "base/field.h"
#include "base/status.h"

/* Where a struct has its strings, so that one function copies every kind. */
struct cd_row_kind {
        size_t size;       /* of the struct, bytes */
        size_t strings[7]; /* offsets of cd_str members */
        size_t string_count;
        size_t lists[2]; /* offsets of struct cd_strs members */
        size_t list_count;
};

/* Sorted by the first member of the struct: a cd_str by its bytes, or an int64_t. */
struct cd_rows {
        const struct cd_row_kind *kind;
        void **items;
        size_t count, room;
};

/* A copy of *source in memory of its own. CD_INVALID_REQUEST where a string is no UTF-8 or has a NUL; CD_NO_MEMORY. */
cd_status cd_row_new(const struct cd_row_kind *kind, const void *source, void **ret, struct cd_error *reterr);
void cd_row_free(const struct cd_row_kind *kind, void *row); /* wipes it; NULL is fine */
/* Copies into *ret, a struct of that kind, with its strings in the arena. CD_NO_MEMORY. */
cd_status cd_row_get(const struct cd_row_kind *kind, const void *row, struct cd_arena *arena, void *ret,
                     struct cd_error *reterr);

void cd_rows_done(struct cd_rows *rows);
/* Room for `more`, so that inserting them cannot fail. CD_NO_MEMORY. */
cd_status cd_rows_reserve(struct cd_rows *rows, size_t more, struct cd_error *reterr);
/* There must be room. The row becomes the rows'. */
void cd_rows_insert(struct cd_rows *rows, size_t at, void *row);
/* Frees it. */
void cd_rows_remove(struct cd_rows *rows, size_t at);
/* Takes the row's place; the one before is freed. */
void cd_rows_replace(struct cd_rows *rows, size_t at, void *row);

/* The first row whose key is not before that one, or count. */
size_t cd_rows_from(const struct cd_rows *rows, cd_str key);
/* The first row whose number is greater, or count. */
size_t cd_rows_behind(const struct cd_rows *rows, int64_t number);
/* The row of exactly that key; its place in *ret_at (may be NULL). NULL: none, and *ret_at is where it would be. */
void *cd_rows_find(const struct cd_rows *rows, cd_str key, size_t *ret_at);

/* Copies of at most `limit` rows from `from` as an array in the arena. *ret is NULL where there is none. */
cd_status cd_rows_list(const struct cd_rows *rows, size_t from, size_t limit, struct cd_arena *arena, void **ret,
                       size_t *ret_count, struct cd_error *reterr);
