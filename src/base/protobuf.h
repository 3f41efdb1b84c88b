#pragma once
/* Messages of Protocol Buffers (proto3, https://protobuf.dev/programming-guides/encoding), described by tables. A table
 * has the fields that the program uses; others are skipped. */
#include "base/buf.h"
#include "base/field.h"

enum cd_proto_type {
        CD_PROTO_STRING,   /* cd_str: string or bytes */
        CD_PROTO_INT,      /* int64_t: every integer, enum and bool that is not fixed or zigzag */
        CD_PROTO_MESSAGE,  /* a pointer to the struct of `table`; NULL: absent */
        CD_PROTO_REPEATED, /* struct cd_proto_list of such structs; a map is one of {key 1, value 2} */
        CD_PROTO_STRINGS,  /* struct cd_strs: repeated string */
};

struct cd_proto_table;

struct cd_proto_field {
        uint32_t number;
        enum cd_proto_type type;
        size_t offset;
        const struct cd_proto_table *table; /* of MESSAGE and REPEATED */
};

struct cd_proto_table {
        const struct cd_proto_field *fields; /* ordered by number */
        size_t count;
        size_t size; /* of the struct, bytes */
};

struct cd_proto_list {
        void *items;
        size_t count;
};

/* Fills the struct of `table`, which is zeroed first; strings are views into `bytes`, the rest is in the arena. A field
 * that is not repeated and comes twice is refused, since two readers could take one each. Nothing is called recursively
 * but for tables. CD_MALFORMED, CD_NO_MEMORY. */
cd_status cd_proto_read(const struct cd_proto_table *table, cd_str bytes, struct cd_arena *arena, void *ret,
                        struct cd_error *reterr);
/* Appends the message. Numbers that are 0 and empty strings are omitted, as in proto3. A failure shows in
 * cd_buf_view. */
void cd_proto_write(const struct cd_proto_table *table, const void *from, struct cd_buf *to);
