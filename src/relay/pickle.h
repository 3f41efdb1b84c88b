#pragma once
/* Python's pickle format, restricted to one dict whose keys are str and whose values are str, bool, int or None
 * (Python's Lib/pickletools.py describes all opcodes). Reading runs nothing: an opcode that names or calls a function
 * is refused, as is everything else that such a dict does not need. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"

enum {
        CD_PICKLE_SIZE_MAX = 64 * 1024, /* bytes */
        CD_PICKLE_OPCODES_MAX = 4096,
        CD_PICKLE_ITEMS_MAX = 128,  /* of the dict */
        CD_PICKLE_STORED_MAX = 512, /* values that can be referred to again */
};

enum cd_pickle_type {
        CD_PICKLE_NONE,
        CD_PICKLE_BOOL,
        CD_PICKLE_INT,
        CD_PICKLE_STR,
};

struct cd_pickle_value {
        enum cd_pickle_type type;
        bool truth;     /* BOOL */
        int64_t number; /* INT of at most 64 bits */
        cd_str text; /* STR: UTF-8, points into the pickle; INT of more than 64 bits: two's complement, little endian */
};

struct cd_pickle_item {
        cd_str key;
        struct cd_pickle_value value;
};

/* In the order of Python's dict: a key that is set twice keeps its first position and its last value. */
struct cd_pickle_dict {
        struct cd_pickle_item *items;
        size_t count;
};

/* Whether bytes begin as every pickle of protocol 2 and later does; no UTF-8 text begins with that byte. */
static inline bool cd_pickle_begins(cd_str bytes)
{
        return bytes.len > 0 && (unsigned char)bytes.ptr[0] == 0x80;
}

/* Reads a pickle of protocol 2, 3, 4 or 5, which is the whole text. CD_MALFORMED: it is not such a dict, is cut short
 * or has bytes after its end; the reason says what, never with the text of the pickle. CD_TOO_LARGE: a limit above.
 * CD_NO_MEMORY. */
cd_status cd_pickle_read(struct cd_arena *arena, cd_str pickle, struct cd_pickle_dict *ret, struct cd_error *reterr);
/* NULL if there is no such key. */
const struct cd_pickle_value *cd_pickle_find(const struct cd_pickle_dict *dict, cd_str key);

/* Writes a dict as a pickle of protocol 2, which every Python 3 reads: begin, add items, end. */
void cd_pickle_begin(struct cd_buf *buf);
void cd_pickle_add_str(struct cd_buf *buf, cd_str key, cd_str value); /* both UTF-8, below 4 GiB */
void cd_pickle_end(struct cd_buf *buf);
