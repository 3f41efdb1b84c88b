#include "store/memory/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

static cd_str *string_at(const struct cd_row_kind *kind, void *row, size_t i)
{
        return (cd_str *)((char *)row + kind->strings[i]);
}

static struct cd_strs *list_at(const struct cd_row_kind *kind, void *row, size_t i)
{
        return (struct cd_strs *)((char *)row + kind->lists[i]);
}

static size_t padded(size_t size)
{
        return (size + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) * _Alignof(max_align_t);
}

/* Bytes behind the struct: the lists' arrays, then every string's bytes. */
static size_t tail_size(const struct cd_row_kind *kind, const void *row)
{
        size_t size = 1; /* so that an empty string has an address too */

        for (size_t i = 0; i < kind->list_count; i++) {
                const struct cd_strs *list = list_at(kind, (void *)row, i);
                size += list->count * sizeof(cd_str);
                for (size_t k = 0; k < list->count; k++)
                        size += list->items[k].len;
        }
        for (size_t i = 0; i < kind->string_count; i++)
                size += string_at(kind, (void *)row, i)->len;
        return size;
}

static void place_string(cd_str *string, char **at)
{
        if (string->len)
                memcpy(*at, string->ptr, string->len);
        string->ptr = *at;
        *at += string->len;
}

/* Makes *row, a plain copy, point to its own copies in `tail`. */
static void place(const struct cd_row_kind *kind, void *row, char *tail)
{
        char *at = tail;

        for (size_t i = 0; i < kind->list_count; i++) {
                struct cd_strs *list = list_at(kind, row, i);
                if (list->count)
                        memcpy(at, list->items, list->count * sizeof(cd_str));
                list->items = (cd_str *)at;
                at += list->count * sizeof(cd_str);
        }
        for (size_t i = 0; i < kind->list_count; i++) {
                struct cd_strs *list = list_at(kind, row, i);
                for (size_t k = 0; k < list->count; k++)
                        place_string((cd_str *)&list->items[k], &at);
        }
        for (size_t i = 0; i < kind->string_count; i++)
                place_string(string_at(kind, row, i), &at);
}

static bool is_text(cd_str s)
{
        return cd_str_is_utf8(s) && cd_str_index(s, '\0') == s.len;
}

static bool is_all_text(const struct cd_row_kind *kind, const void *row)
{
        for (size_t i = 0; i < kind->string_count; i++)
                if (!is_text(*string_at(kind, (void *)row, i)))
                        return false;
        for (size_t i = 0; i < kind->list_count; i++) {
                const struct cd_strs *list = list_at(kind, (void *)row, i);
                for (size_t k = 0; k < list->count; k++)
                        if (!is_text(list->items[k]))
                                return false;
        }
        return true;
}

cd_status cd_row_new(const struct cd_row_kind *kind, const void *source, void **ret, struct cd_error *reterr)
{
        if (!is_all_text(kind, source))
                return cd_fail(reterr, CD_INVALID_REQUEST, "a string is not UTF-8 or has a NUL");

        char *row = malloc(padded(kind->size) + tail_size(kind, source));
        if (!row)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a row");
        memcpy(row, source, kind->size);
        place(kind, row, row + padded(kind->size));
        *ret = row;
        return CD_OK;
}

void cd_row_free(const struct cd_row_kind *kind, void *row)
{
        if (!row)
                return;
        cd_wipe(row, padded(kind->size) + tail_size(kind, row));
        free(row);
}

cd_status cd_row_get(const struct cd_row_kind *kind, const void *row, struct cd_arena *arena, void *ret,
                     struct cd_error *reterr)
{
        char *tail = cd_arena_alloc(arena, tail_size(kind, row));
        if (!tail)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for what was found");
        memcpy(ret, row, kind->size);
        place(kind, ret, tail);
        return CD_OK;
}

void cd_rows_done(struct cd_rows *rows)
{
        for (size_t i = 0; i < rows->count; i++)
                cd_row_free(rows->kind, rows->items[i]);
        free(rows->items);
}

cd_status cd_rows_reserve(struct cd_rows *rows, size_t more, struct cd_error *reterr)
{
        if (rows->room - rows->count >= more)
                return CD_OK;

        size_t room = rows->room * 2 > rows->count + more ? rows->room * 2 : rows->count + more;
        void **items = reallocarray(rows->items, room, sizeof(void *));
        if (!items)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for more rows");
        rows->items = items;
        rows->room = room;
        return CD_OK;
}

void cd_rows_insert(struct cd_rows *rows, size_t at, void *row)
{
        memmove(&rows->items[at + 1], &rows->items[at], (rows->count - at) * sizeof(void *));
        rows->items[at] = row;
        rows->count++;
}

void cd_rows_remove(struct cd_rows *rows, size_t at)
{
        cd_row_free(rows->kind, rows->items[at]);
        memmove(&rows->items[at], &rows->items[at + 1], (rows->count - at - 1) * sizeof(void *));
        rows->count--;
}

void cd_rows_replace(struct cd_rows *rows, size_t at, void *row)
{
        cd_row_free(rows->kind, rows->items[at]);
        rows->items[at] = row;
}

static int compare(cd_str a, cd_str b)
{
        size_t len = a.len < b.len ? a.len : b.len;
        int order = len ? memcmp(a.ptr, b.ptr, len) : 0;

        return order ? order : (a.len > b.len) - (a.len < b.len);
}

size_t cd_rows_from(const struct cd_rows *rows, cd_str key)
{
        size_t low = 0, high = rows->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (compare(*(const cd_str *)rows->items[middle], key) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

size_t cd_rows_behind(const struct cd_rows *rows, int64_t number)
{
        size_t low = 0, high = rows->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (*(const int64_t *)rows->items[middle] <= number)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

void *cd_rows_find(const struct cd_rows *rows, cd_str key, size_t *ret_at)
{
        size_t at = cd_rows_from(rows, key);

        if (ret_at)
                *ret_at = at;
        return at < rows->count && cd_str_eq(*(const cd_str *)rows->items[at], key) ? rows->items[at] : NULL;
}

cd_status cd_rows_list(const struct cd_rows *rows, size_t from, size_t limit, struct cd_arena *arena, void **ret,
                       size_t *ret_count, struct cd_error *reterr)
{
        size_t there = rows->count - from;
        size_t count = there < limit ? there : limit;
        char *items = count ? cd_arena_calloc(arena, count, rows->kind->size) : NULL;

        if (count && !items)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a list");
        for (size_t i = 0; i < count; i++) {
                cd_status status =
                        cd_row_get(rows->kind, rows->items[from + i], arena, items + i * rows->kind->size, reterr);
                if (status != CD_OK)
                        return status;
        }
        *ret = items;
        *ret_count = count;
        return CD_OK;
}
