#pragma once
/* One table describes each message: names, types, required fields, bounds and patterns. A decoder (form,
 * JSON, YAML) finds the values; cd_field_bind() checks them and writes them into a plain struct. Raw input is
 * not used after that. */
#include "base/arena.h"
#include "base/status.h"

enum cd_field_type {
        CD_FIELD_STRING, /* cd_str; UTF-8 without control characters; `min`/`max` in bytes (max 0: 4096) */
        /* cd_str; like STRING, but never shown: errors do not repeat it, and `config show` prints
         * its length and fingerprint */
        CD_FIELD_SECRET,
        CD_FIELD_BOOL,     /* bool */
        CD_FIELD_TRISTATE, /* int, enum cd_tristate; written like a bool, UNSET if absent */
        CD_FIELD_INT,      /* int64_t; min..max if max > min */
        CD_FIELD_DURATION, /* int64_t, milliseconds; written "250ms", "5s", "10m", "1h", "7d" */
        CD_FIELD_SIZE,     /* int64_t, bytes; written "512", "8KB", "64KB", "1MB" (binary multiples) */
        CD_FIELD_CHOICE,   /* int; an index into `choices` */
        /* struct cd_strs; each item has at most 4096 bytes, `max` limits their number; a fallback
         * separates items by spaces */
        CD_FIELD_STRINGS,
        CD_FIELD_OBJECT,  /* an embedded struct described by `table` */
        CD_FIELD_OBJECTS, /* struct cd_objects of structs described by `table`; `max` limits their number */
};

enum cd_field_flags {
        CD_FIELD_REQUIRED = 1,
        CD_FIELD_MULTILINE = 2, /* a string or secret that may contain tabs and line breaks (PEM) */
        /* strings; JSON may give a single item without an array ("aud", RFC 7519 §4.1.3) */
        CD_FIELD_ONE_OR_MORE = 4,
        CD_FIELD_RAW = 8, /* a string or secret with any UTF-8 except NUL; its reader checks the characters */
        /* objects; an item may be a plain string, the value of the first field of `table`; a fallback holds such
         * strings, separated by spaces */
        CD_FIELD_SHORTHAND = 16,
        /* strings; a configuration may give `true` or `false` instead of the list, which then has the single item
         * "true", or none */
        CD_FIELD_OR_BOOL = 32,
        CD_FIELD_OR_NONE = 64, /* a duration that may be the word "none", which is 0 and need not fit the bounds */
};

enum {
        CD_TABLE_MAX_FIELDS = 64,
        CD_FIELD_MAX_ITEMS = 1024, /* for a list whose `max` is 0 */
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

/* Whether both have the same items, in the same order. */
static inline bool cd_strs_eq(const struct cd_strs *a, const struct cd_strs *b)
{
        if (a->count != b->count)
                return false;
        for (size_t i = 0; i < a->count; i++)
                if (!cd_str_eq(a->items[i], b->items[i]))
                        return false;
        return true;
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
        int64_t min, max; /* in the unit of the type; numbers, durations and sizes are checked only if max > min */
        const char *const *choices; /* NULL-terminated */
        const struct cd_table *table;
        const char *fallback; /* the default, written as in a file; NULL: the zero value */
        const char *help;     /* one line */
        /* An additional check of a string, for example "is a URL"; may be NULL. Returns NULL, or what is wrong. */
        const char *(*check)(cd_str value);
        /* Returns the part that may be shown of a string that can contain a secret (the password in a URL), in the
         * arena. NULL: all of it may be shown. */
        cd_str (*show)(struct cd_arena *arena, cd_str value);
};

struct cd_table {
        const char *name; /* of the message, for `cardea schema NAME` and for errors */
        const struct cd_field *fields;
        size_t count;
        size_t size; /* of the struct, bytes */
        /* unknown names are errors with "did you mean" (configuration); otherwise they are ignored (RFC 6749 §3.1) */
        bool closed;
};

/* Returns the field with that name, or NULL. */
const struct cd_field *cd_table_find(const struct cd_table *table, cd_str name);
/* Returns the known name that is closest to a mistyped one, or NULL if none is close. */
const char *cd_table_nearest(const struct cd_table *table, cd_str name);

/* Binds one scalar value of any type except the object types; for STRINGS, the value is one item, appended in `arena`.
 * `target` is the start of the struct. On failure returns CD_INVALID_REQUEST with the name of the field. */
cd_status cd_field_bind(struct cd_arena *arena, const struct cd_field *field, cd_str value, void *target,
                        struct cd_error *reterr);
/* Makes room in `*items` for one more item of `size` bytes after the `count` present ones, zeroed. CD_INVALID_REQUEST
 * if the field's limit is reached; CD_NO_MEMORY. */
cd_status cd_field_grow(struct cd_arena *arena, const struct cd_field *field, size_t count, size_t size, void **items,
                        struct cd_error *reterr);
/* Writes every field's fallback into a zeroed struct. Returns CD_OK, or CD_NO_MEMORY for a list. Aborts if a fallback
 * does not fit its field, which is a programming error. */
cd_status cd_table_set_defaults(struct cd_arena *arena, const struct cd_table *table, void *target);

/* The functions that a decoder needs besides cd_field_bind(): it walks through its document, and looks up, marks and
 * binds each name. At the end it checks that all required fields were given. */

/* Sets the bit of the field in *seen, which is 0 at the start of each object. CD_INVALID_REQUEST
 * "given more than once". */
cd_status cd_table_mark(const struct cd_table *table, const struct cd_field *field, uint64_t *seen,
                        struct cd_error *reterr);
/* CD_INVALID_REQUEST "missing" with the first required field whose bit is not set. */
cd_status cd_table_check_required(const struct cd_table *table, uint64_t seen, struct cd_error *reterr);
/* For a name that is not in the table: CD_OK if the table is open, else CD_INVALID_REQUEST with "did you mean". */
cd_status cd_table_unknown(const struct cd_table *table, cd_str name, struct cd_error *reterr);
/* Empties a STRINGS or OBJECTS member, so that the values of the message replace the fallback. */
void cd_field_clear(const struct cd_field *field, void *target);
/* Appends one struct with its defaults set to an OBJECTS member. *ret is valid until the next append. */
cd_status cd_objects_append(struct cd_arena *arena, const struct cd_field *field, void *target, void **ret,
                            struct cd_error *reterr);
/* Appends one struct whose first field is `value` to an OBJECTS member (CD_FIELD_SHORTHAND). The
 * error names the item. */
cd_status cd_objects_append_text(struct cd_arena *arena, const struct cd_field *field, cd_str value, void *target,
                                 struct cd_error *reterr);
/* Prefixes the field of an error with its parent: "secret" becomes "clients[2].secret". `index` SIZE_MAX: no index. */
void cd_field_prefix_error(const struct cd_field *parent, size_t index, struct cd_error *error);

/* Decodes application/x-www-form-urlencoded (WHATWG URL §5.1; RFC 6749 appendix B). Repeated parameters, NUL and
 * invalid UTF-8 are rejected; an empty value counts as absent (RFC 6749 §3.1). */
cd_status cd_form_decode(struct cd_arena *arena, cd_str body, const struct cd_table *table, void *ret,
                         struct cd_error *reterr);

struct cd_json;
/* Binds a parsed object. A member of the wrong JSON type is rejected; null counts as absent. */
cd_status cd_json_bind(struct cd_arena *arena, const struct cd_json *object, const struct cd_table *table, void *ret,
                       struct cd_error *reterr);
/* Parses (with CD_JSON_UNIQUE_NAMES) and binds. */
cd_status cd_json_decode(struct cd_arena *arena, cd_str text, const struct cd_table *table, void *ret,
                         struct cd_error *reterr);

struct cd_buf;
/* Writes the table as JSON Schema (draft 2020-12) on one line. The bounds of durations and sizes are x-minimum and
 * x-maximum, in x-unit ("ms", "bytes"). */
void cd_table_schema(const struct cd_table *table, struct cd_buf *buf);
