#pragma once
/* A strict JSON reader (RFC 8259): one pass, into the arena, bounded in depth and nodes. Ours rather than jansson: see
 * ARCHITECTURE.md, "Where the code differs from the design". */
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
        cd_str text; /* a string decoded (may hold NUL), a number as written, "true"/"false"/"null"; else raw */
        struct cd_json *child; /* first element or member */
        struct cd_json *next;  /* next sibling */
        size_t count;          /* children */
};

enum {
        CD_JSON_MAX_DEPTH = 32,
        CD_JSON_MAX_NODES = 8192,
};

enum cd_json_flags {
        CD_JSON_UNIQUE_NAMES = 1, /* a member name given twice in an object is CD_MALFORMED (RFC 7515 §4, LESSONS 18) */
};

/* The whole text must be one value. CD_MALFORMED (reason says what and at which byte), CD_TOO_LARGE, CD_NO_MEMORY. The
 * nodes and decoded strings live in the arena; strings without escapes point into `text`. */
cd_status cd_json_parse(struct cd_arena *arena, cd_str text, unsigned flags, const struct cd_json **ret,
                        struct cd_error *reterr);

/* For a document of which one odd part must not cost the rest: whether it is JSON (RFC 8259), however deep, long or odd
 * in its strings, so that each part can be parsed alone. Without recursion, and in memory of an eighth of the text.
 * CD_MALFORMED (reason says what and at which byte), CD_NO_MEMORY. */
cd_status cd_json_check(struct cd_arena *arena, cd_str text, struct cd_error *reterr);
/* What is between the brackets of a value that passed cd_json_check. False where `opening`, '{' or '[', is not its
 * first. */
bool cd_json_inside(cd_str value, char opening, cd_str *ret);
/* The first element, name or member's value of such an inside, as it is written; *rest is what comes after the ',' or
 * ':' that ends it. False where there is none. */
bool cd_json_take_part(cd_str *rest, cd_str *ret);

/* The member of that name, or NULL (also where `object` is not an object). */
const struct cd_json *cd_json_find(const struct cd_json *object, cd_str name);
/* An integer literal (no fraction, no exponent) that fits. False else. */
bool cd_json_int64(const struct cd_json *node, int64_t *ret);

struct cd_buf;
/* The value without white space between its parts, members in their order, numbers as they were written, strings in the
 * one spelling of cd_buf_add_json. What cannot be written is the builder's failure. */
void cd_json_write(const struct cd_json *node, struct cd_buf *buf);
