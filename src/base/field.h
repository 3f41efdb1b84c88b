#pragma once
/* One table for each message: name, type, required, bounds, pattern. A decoder (form, JSON, YAML) finds the values, and
 * cd_field_bind() checks them and writes them into a plain struct. Nothing reads raw input past that point. */
#include "base/arena.h"
#include "base/status.h"

enum cd_field_type {
        CD_FIELD_STRING,   /* cd_str; UTF-8, no control characters; `min`/`max` are bytes (max 0: 4096) */
        CD_FIELD_SECRET,   /* cd_str; as a string, but never shown: an error does not repeat it, `config show` prints
                              length and fingerprint */
        CD_FIELD_BOOL,     /* bool */
        CD_FIELD_TRISTATE, /* int, enum cd_tristate; written as a bool, and unset where it is not given */
        CD_FIELD_INT,      /* int64_t; min..max where max > min */
        CD_FIELD_DURATION, /* int64_t, milliseconds; written "250ms", "5s", "10m", "1h", "7d" */
        CD_FIELD_SIZE,     /* int64_t, bytes; written "512", "8KB", "64KB", "1MB" (binary multiples) */
        CD_FIELD_CHOICE,   /* int; index into `choices` */
        CD_FIELD_STRINGS, /* struct cd_strs; each item is a string of at most 4096 bytes, `max` bounds their number; in a
                              fallback, items are separated by spaces */
        CD_FIELD_OBJECT,  /* a struct described by `table`, in place */
        CD_FIELD_OBJECTS, /* struct cd_objects of structs described by `table`; `max` bounds their number */
};

enum cd_field_flags {
        CD_FIELD_REQUIRED = 1,
        CD_FIELD_MULTILINE = 2, /* a string or secret that may hold tabs and line ends (PEM) */
        /* strings; in JSON one of them may stand without its array ("aud", RFC 7519 §4.1.3) */
        CD_FIELD_ONE_OR_MORE = 4,
        CD_FIELD_RAW = 8, /* a string or secret of any UTF-8 but NUL: its reader judges the characters */
        CD_FIELD_SHORTHAND =
                16, /* objects; an item may be one text, which is the value of the first field of `table`, a
                                    string. A fallback holds such texts, separated by spaces */
};

enum {
        CD_TABLE_MAX_FIELDS = 64,
        CD_FIELD_MAX_ITEMS = 1024, /* of a list whose `max` is 0 */
};

enum cd_tristate {
        CD_TRISTATE_UNSET,
        CD_TRISTATE_FALSE,
        CD_TRISTATE_TRUE,
};

struct cd_strs {
        const cd_str *items;
        size_t count;
};

static inline bool cd_strs_has(struct cd_strs list, cd_str item)
{
        for (size_t i = 0; i < list.count; i++)
                if (cd_str_eq(list.items[i], item))
                        return true;
        return false;
}

struct cd_objects {
        void *items; /* an array of `count` structs of table->size bytes */
        size_t count;
};

struct cd_table;

struct cd_field {
        const char *name;
        size_t offset; /* of the member in the struct */
        enum cd_field_type type;
        unsigned flags;
        int64_t min, max; /* in the unit of the type; numbers, durations and sizes are checked where max > min */
        const char *const *choices; /* NULL-terminated */
        const struct cd_table *table;
        const char *fallback; /* the default as it would be written in a file; NULL: the zero value */
        const char *help;     /* one line */
        /* A further check on a string, for example "is a URL"; NULL: none. Returns NULL, or what is wrong with it. */
        const char *(*check)(cd_str value);
        /* What may be shown of a string that may hold a secret part (the password of a URL); NULL: all of it. In the
         * arena. */
        cd_str (*show)(struct cd_arena *arena, cd_str value);
};

struct cd_table {
        const char *name; /* of the message, for `cardea schema NAME` and errors */
        const struct cd_field *fields;
        size_t count;
        size_t size; /* of the struct, bytes */
        /* an unknown name is an error with "did you mean" (configuration); else it is ignored (RFC 6749 §3.1) */
        bool closed;
};

/* The field of that name, or NULL. */
const struct cd_field *cd_table_find(const struct cd_table *table, cd_str name);
/* The known name nearest to a mistyped one, or NULL where none is near. */
const char *cd_table_nearest(const struct cd_table *table, cd_str name);

/* Binds one scalar text value (any type but the object types; STRINGS takes one item, appended in `arena`). On failure
 * CD_INVALID_REQUEST with the field's name. `target` is the start of the struct. */
cd_status cd_field_bind(struct cd_arena *arena, const struct cd_field *field, cd_str value, void *target,
                        struct cd_error *reterr);
/* Makes room in `*items` for one more of `size` bytes after the `count` that the list field holds; what is new is zero.
 * CD_INVALID_REQUEST where the field's bound is reached, CD_NO_MEMORY. */
cd_status cd_field_grow(struct cd_arena *arena, const struct cd_field *field, size_t count, size_t size, void **items,
                        struct cd_error *reterr);
/* Writes every field's fallback into a zeroed struct. CD_OK or CD_NO_MEMORY (for a list); programming error (abort)
 * where a fallback does not fit its field. */
cd_status cd_table_set_defaults(struct cd_arena *arena, const struct cd_table *table, void *target);

/* What a decoder needs besides cd_field_bind(): it walks its document, looks each name up, marks it, binds it, and at
 * the end asks whether all is there. */

/* Sets the field's bit in *seen (0 at the start of each object). CD_INVALID_REQUEST "given more than once". */
cd_status cd_table_mark(const struct cd_table *table, const struct cd_field *field, uint64_t *seen,
                        struct cd_error *reterr);
/* CD_INVALID_REQUEST "missing" naming the first required field without its bit. */
cd_status cd_table_check_required(const struct cd_table *table, uint64_t seen, struct cd_error *reterr);
/* For a name that the table does not have: CD_OK where it is open, else CD_INVALID_REQUEST with "did you mean". */
cd_status cd_table_unknown(const struct cd_table *table, cd_str name, struct cd_error *reterr);
/* Empties a STRINGS or OBJECTS member, so that what the message gives replaces the fallback. */
void cd_field_clear(const struct cd_field *field, void *target);
/* Appends to an OBJECTS member one struct with its defaults set; *ret is valid until the next append. */
cd_status cd_objects_append(struct cd_arena *arena, const struct cd_field *field, void *target, void **ret,
                            struct cd_error *reterr);
/* Appends to an OBJECTS member one struct whose first field is `value`, for a text that stands for an object
 * (CD_FIELD_SHORTHAND). The error names the item. */
cd_status cd_objects_append_text(struct cd_arena *arena, const struct cd_field *field, cd_str value, void *target,
                                 struct cd_error *reterr);
/* Puts the parent before the field that an error names: "secret" becomes "clients[2].secret". `index` SIZE_MAX: no
 * index. */
void cd_field_prefix_error(const struct cd_field *parent, size_t index, struct cd_error *error);

/* Decodes application/x-www-form-urlencoded (WHATWG URL §5.1; RFC 6749 appendix B). A parameter given twice is refused;
 * one with an empty value counts as absent (RFC 6749 §3.1). NUL and bytes that are not UTF-8 are refused. */
cd_status cd_form_decode(struct cd_arena *arena, cd_str body, const struct cd_table *table, void *ret,
                         struct cd_error *reterr);

struct cd_json;
/* Binds an object that is already parsed. A member of the wrong JSON type is refused; null counts as absent. */
cd_status cd_json_bind(struct cd_arena *arena, const struct cd_json *object, const struct cd_table *table, void *ret,
                       struct cd_error *reterr);
/* Parses (with CD_JSON_UNIQUE_NAMES) and binds. */
cd_status cd_json_decode(struct cd_arena *arena, cd_str text, const struct cd_table *table, void *ret,
                         struct cd_error *reterr);

struct cd_buf;
/* The table as JSON Schema (draft 2020-12), one line. Bounds of durations and sizes are x-minimum and x-maximum in
 * x-unit ("ms", "bytes"). */
void cd_table_schema(const struct cd_table *table, struct cd_buf *buf);
