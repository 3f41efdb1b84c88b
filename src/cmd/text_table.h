#pragma once
/* Output of data that commands have read: aligned columns, and texts that are safe on a terminal. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"

enum {
        CD_TEXT_TABLE_COLUMNS_MAX = 8,
        CD_TEXT_TABLE_PAGE = 500, /* rows aligned together, so that a list of any length needs little memory */
};

struct cd_text_table {
        const char *const *names; /* the names of the columns; `count` of them */
        size_t count;
        struct cd_arena arena; /* for the rows not yet printed */
        cd_str *rows;          /* CD_TEXT_TABLE_PAGE times `count` cells */
        size_t row_count;
        size_t widths[CD_TEXT_TABLE_COLUMNS_MAX]; /* characters; they never shrink */
        bool has_begun, failed;
};

void cd_text_table_init(struct cd_text_table *table, const char *const *names, size_t count);
/* Adds a row; the cells are copied and made safe. Prints to standard output when a page is full. */
void cd_text_table_add(struct cd_text_table *table, const cd_str *cells);
/* Prints the remaining rows (the names of the columns even if there are no rows) and frees. False if memory ran out, so
 * that rows are missing. */
bool cd_text_table_end(struct cd_text_table *table);

/* One detail of an item. */
struct cd_detail {
        const char *name;
        cd_str value;
};
/* Prints "name  value" lines, with safe values. The arena is for their texts. */
void cd_print_details(struct cd_arena *arena, const struct cd_detail *details, size_t count);

/* The text made safe for a terminal (cd_str_write_safe), in the arena; empty if memory is out. */
cd_str cd_safe_text(struct cd_arena *arena, cd_str text);
/* "2026-11-22T09:30:05Z", or "-" for 0. In the arena. */
cd_str cd_time_text(struct cd_arena *arena, cd_time time);
/* "a b c", or "-" for none. In the arena. */
struct cd_strs;
cd_str cd_list_text(struct cd_arena *arena, const struct cd_strs *list);

/* Begins an object of at most `ceiling` bytes with its first member. cd_json_end ends it. */
void cd_json_begin(struct cd_buf *buf, size_t ceiling, const char *name, cd_str value);
/* Writes ,"name":… into an object that has a member already. */
void cd_json_add_str(struct cd_buf *buf, const char *name, cd_str value);
void cd_json_add_strs(struct cd_buf *buf, const char *name, const struct cd_strs *list);
/* RFC 3339, or null for 0. */
void cd_json_add_time(struct cd_buf *buf, const char *name, cd_time time);
/* Ends the object and its line, and prints it as cd_json_print does. */
bool cd_json_end(struct cd_buf *buf);
/* Prints the buffer and frees it. False if the buffer had failed. */
bool cd_json_print(struct cd_buf *buf);
