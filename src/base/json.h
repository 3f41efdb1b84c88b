#pragma once
/* A strict JSON reader (RFC 8259): one pass, into an arena, with limits on depth and nodes. ARCHITECTURE.md, "Where the
 * code differs from the design", says why it is not jansson. */
#include "base/arena.h"
#include "base/status.h"

enum cd_json_type {
        CD_JSON_NULL,
        CD_JSON_BOOL,
        CD_JSON_NUMBER,
        CD_JSON_STRING,
        CD_JSON_ARRAY,
        CD_JSON_OBJECT,
};

struct cd_json {
        enum cd_json_type type;
        cd_str name; /* decoded member name, in an object */
        cd_str text; /* strings decoded (may contain NUL), numbers as written, "true"/"false"/"null"; else raw */
        struct cd_json *child; /* first element or member */
        struct cd_json *next;  /* next sibling */
        size_t count;          /* children */
};

enum {
        CD_JSON_MAX_DEPTH = 32,
        CD_JSON_MAX_NODES = 8192,
};

enum cd_json_flags {
        CD_JSON_UNIQUE_NAMES = 1, /* CD_MALFORMED if an object has a name twice (RFC 7515 §4, LESSONS 18) */
};

/* The whole text must be one value. CD_MALFORMED (the reason says what and at which byte), CD_TOO_LARGE, CD_NO_MEMORY.
 * Nodes and decoded strings live in the arena; strings without escapes point into `text`. */
cd_status cd_json_parse(struct cd_arena *arena, cd_str text, unsigned flags, const struct cd_json **ret,
                        struct cd_error *reterr);

/* Checks that a text is JSON (RFC 8259), whatever its depth, size and strings, so that each part can then be parsed on
 * its own and one unusable part does not spoil the document. Not recursive; needs memory for an eighth of the text.
 * CD_MALFORMED (the reason says what and at which byte), CD_NO_MEMORY. */
cd_status cd_json_check(struct cd_arena *arena, cd_str text, struct cd_error *reterr);
/* The text between the brackets of a value that passed cd_json_check. False unless the value starts with
 * `opening`, '{' or '['. */
bool cd_json_inside(cd_str value, char opening, cd_str *ret);
/* Takes the first element, name or member value of such a text, as written, and sets *rest to what follows its ',' or
 * ':'. False at the end. */
bool cd_json_take_part(cd_str *rest, cd_str *ret);

/* Returns the member with that name, or NULL; also NULL if `object` is not an object. */
const struct cd_json *cd_json_find(const struct cd_json *object, cd_str name);
/* False unless the node is an integer literal (no fraction, no exponent) that fits. */
bool cd_json_int64(const struct cd_json *node, int64_t *ret);

struct cd_buf;
/* Writes the value without white space, members in their order, numbers as they were written, and strings as
 * cd_buf_add_json writes them. A value that cannot be written makes the builder fail. */
void cd_json_write(const struct cd_json *node, struct cd_buf *buf);

struct cd_strs;
/* Writes the strings as a JSON array, each as cd_buf_add_json does. */
void cd_json_write_strs(struct cd_strs strings, struct cd_buf *buf);
