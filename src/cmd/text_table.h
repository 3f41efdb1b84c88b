#pragma once
/* Output of data that commands have read: aligned columns, which become lines on a terminal that is too narrow, and
 * texts that are safe on a terminal. */
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"

/* One detail of an item. */
struct cd_detail {
        const char *name;
        cd_str value;
};
/* Prints "name  value" lines, with safe values. The arena is for their texts. */
void cd_print_details(struct cd_arena *arena, const struct cd_detail *details, size_t count);

enum cd_column_kind {
        CD_COLUMN_TEXT,         /* a cd_str */
        CD_COLUMN_TEXT_OR_NULL, /* a cd_str, null in JSON if it is empty */
        CD_COLUMN_TIME,         /* a cd_time; 0 is null in JSON */
        CD_COLUMN_LIST,         /* a struct cd_strs */
        CD_COLUMN_FLAG,         /* a bool; yes or no, true or false */
        CD_COLUMN_NUMBER,       /* an int64_t */
        CD_COLUMN_JSON,         /* a cd_str, which is JSON */
};

/* What the lists, the details and the JSON of an item show of it: one table for each kind of item, in the order of
 * all three, ending with a column of 0. An empty text is "-" in lists and details. */
struct cd_column {
        const char *json;   /* "created_at"; NULL: not in JSON */
        const char *title;  /* "CREATED"; NULL: not in lists */
        const char *detail; /* "created"; NULL: not in details */
        enum cd_column_kind kind;
        size_t offset; /* of the member in the item */
        /* For lists and details instead of the member, NULL: none. The text may be in the arena. */
        cd_str (*text)(struct cd_arena *arena, const void *item);
        /* Writes the value in JSON instead of the member; NULL: none, a `text` alone is written as a string. */
        void (*write)(struct cd_buf *buf, const void *item);
};

#define CD_COLUMN(in_json, in_list, in_details, type, T, M)                                                            \
        {                                                                                                              \
                .json = in_json, .title = in_list, .detail = in_details, .kind = CD_COLUMN_##type,                     \
                .offset = offsetof(T, M)                                                                               \
        }

/* A list that is printed, as a table or with one JSON object a line:
 *
 *     static const struct cd_column columns[] = {
 *             CD_COLUMN("id", "ID", "id", TEXT, struct cd_session, sid),
 *             CD_COLUMN("created_at", "SINCE", "since", TIME, struct cd_session, created_at),
 *             { .title = "LIMITS", .text = describe_limits },
 *             { 0 },
 *     };
 *     return cd_list_print(columns, ask->json, sessions.items, sessions.count, sizeof(*sessions.items)); */
enum {
        CD_LIST_COLUMNS_MAX = 12,
};

struct cd_list {
        const struct cd_column *columns;
        const char *names[CD_LIST_COLUMNS_MAX]; /* the titles; `count` of them */
        size_t count;
        struct cd_arena arena; /* for the rows not yet printed */
        cd_str *rows;
        size_t row_count;
        size_t widths[CD_LIST_COLUMNS_MAX]; /* characters; they never shrink */
        bool json, has_begun, failed;
        bool is_upright; /* the terminal is too narrow: each cell has a line of its own */
};
/* Prints a list whose items are in an array, and returns the exit code. */
int cd_list_print(const struct cd_column *columns, bool json, const void *items, size_t count, size_t size);
void cd_list_begin(struct cd_list *list, const struct cd_column *columns, bool json);
/* Prints to standard output, at once or when some rows are there. */
void cd_list_add(struct cd_list *list, const void *item);
/* Prints what was added, or the titles if nothing was. */
void cd_list_flush(struct cd_list *list);
/* Prints what remains, and frees. False if memory ran out, so that items are missing. */
bool cd_list_end(struct cd_list *list);
/* Prints one item as details or as JSON. False if memory ran out. */
bool cd_item_print(const struct cd_column *columns, const void *item, bool json);

/* The text made safe for a terminal (cd_str_write_safe), in the arena; empty if memory is out. */
cd_str cd_safe_text(struct cd_arena *arena, cd_str text);
/* "2026-11-22T09:30:05Z", or "-" for 0. In the arena. */
cd_str cd_time_text(struct cd_arena *arena, cd_time time);
/* "a b c", or "-" for none. In the arena. */
struct cd_strs;
cd_str cd_list_text(struct cd_arena *arena, const struct cd_strs *list);

/* Begins an object of at most `ceiling` bytes with its first member. cd_json_end ends it. */
void cd_json_begin(struct cd_buf *buf, size_t ceiling, const char *name, cd_str value);
/* Writes "name": into the object, after a comma if it has a member already; the value follows. */
void cd_json_add(struct cd_buf *buf, const char *name);
/* Writes a member. */
void cd_json_add_str(struct cd_buf *buf, const char *name, cd_str value);
void cd_json_add_str_or_null(struct cd_buf *buf, const char *name, cd_str value); /* null if it is empty */
void cd_json_add_bool(struct cd_buf *buf, const char *name, bool value);
void cd_json_add_strs(struct cd_buf *buf, const char *name, const struct cd_strs *list);
void cd_json_add_time(struct cd_buf *buf, const char *name, cd_time time); /* RFC 3339, or null for 0 */
/* Ends the object and its line, and prints it as cd_json_print does. */
bool cd_json_end(struct cd_buf *buf);
/* Prints the buffer and frees it. False if the buffer had failed. */
bool cd_json_print(struct cd_buf *buf);
