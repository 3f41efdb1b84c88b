#pragma once
/* What commands print of things that they read: aligned columns for readers, and texts that are safe on a terminal. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"

enum {
        CD_TEXT_TABLE_COLUMNS_MAX = 8,
        CD_TEXT_TABLE_PAGE = 500, /* rows that are aligned together, so that a list of any length takes little memory */
};

struct cd_text_table {
        const char *const *names; /* of the columns; `count` of them */
        size_t count;
        struct cd_arena arena; /* of the rows that wait */
        cd_str *rows;          /* CD_TEXT_TABLE_PAGE times `count` cells */
        size_t row_count;
        size_t widths[CD_TEXT_TABLE_COLUMNS_MAX]; /* characters; they never shrink */
        bool has_begun, failed;
};

void cd_text_table_init(struct cd_text_table *table, const char *const *names, size_t count);
/* One row; the cells are copied, made safe. Prints to standard output once a page is full. */
void cd_text_table_add(struct cd_text_table *table, const cd_str *cells);
/* Prints what waits (the names of the columns also where there is no row) and frees. False where memory ran out: rows
 * are missing. */
bool cd_text_table_end(struct cd_text_table *table);

/* A line of what is shown of one thing. */
struct cd_detail {
        const char *name;
        cd_str value;
};
/* Prints "name  value" lines, the values made safe. The arena is for their texts. */
void cd_print_details(struct cd_arena *arena, const struct cd_detail *details, size_t count);

/* Safe on a terminal (cd_str_write_safe), in the arena; empty where memory is out. */
cd_str cd_safe_text(struct cd_arena *arena, cd_str text);
/* "2026-11-22T09:30:05Z", or "-" for 0. In the arena. */
cd_str cd_time_text(struct cd_arena *arena, cd_time time);
/* "a b c", or "-" for none. In the arena. */
struct cd_strs;
cd_str cd_list_text(struct cd_arena *arena, const struct cd_strs *list);

/* Begins an object of at most `ceiling` bytes with its first member. Ended by cd_json_end. */
void cd_json_begin(struct cd_buf *buf, size_t ceiling, const char *name, cd_str value);
/* ,"name":… in an object that has a member already. */
void cd_json_add_str(struct cd_buf *buf, const char *name, cd_str value);
void cd_json_add_strs(struct cd_buf *buf, const char *name, const struct cd_strs *list);
/* RFC 3339, or null for 0. */
void cd_json_add_time(struct cd_buf *buf, const char *name, cd_time time);
/* Ends the object and its line, and prints it as cd_json_print does. */
bool cd_json_end(struct cd_buf *buf);
/* Prints what was built, and frees it. False where it had failed. */
bool cd_json_print(struct cd_buf *buf);
