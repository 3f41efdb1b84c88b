#include "relay/pickle.h"

enum {
        PROTOCOL_MIN = 2,
        PROTOCOL_MAX = 5,
        STACK_MAX = 2 * CD_PICKLE_ITEMS_MAX + 2, /* the dict, a mark, and all keys and values */
        INT64_SIZE = 8,                          /* bytes */
};

/* What is on the stack and what is stored. */
enum slot_type {
        SLOT_EMPTY,
        SLOT_MARK,
        SLOT_DICT, /* there is one dict */
        SLOT_VALUE,
};

struct slot {
        enum slot_type type;
        struct cd_pickle_value value;
};

struct reader {
        cd_str rest;
        size_t after_frame; /* the length of `rest` where the frame ends */
        struct slot stack[STACK_MAX], stored[CD_PICKLE_STORED_MAX];
        size_t depth, stored_count;
        struct cd_pickle_item items[CD_PICKLE_ITEMS_MAX];
        size_t count;
        bool has_dict;
        struct cd_error *reterr;
};

static cd_status fail(struct reader *r, const char *reason)
{
        return cd_fail(r->reterr, CD_MALFORMED, reason);
}

static cd_status fail_cut(struct reader *r)
{
        return fail(r, "the pickle is cut short");
}

/* Bytes, least significant first. */
static uint64_t number_of(cd_str bytes)
{
        uint64_t number = 0;

        for (size_t i = bytes.len; i > 0; i--)
                number = number << 8 | (unsigned char)bytes.ptr[i - 1];
        return number;
}

/* Within a frame, only bytes of the frame. */
static bool take(struct reader *r, uint64_t size, cd_str *ret)
{
        bool is_framed = r->rest.len > r->after_frame;

        if (size > r->rest.len - (is_framed ? r->after_frame : 0))
                return false;
        *ret = cd_str_slice(r->rest, 0, (size_t)size);
        r->rest = cd_str_slice(r->rest, (size_t)size, r->rest.len);
        return true;
}

/* ---- opcodes: each function gets the opcode's argument ---- */

static cd_status push(struct reader *r, struct slot slot)
{
        if (r->depth == STACK_MAX)
                return cd_fail(r->reterr, CD_TOO_LARGE, "the pickle has too many values");
        r->stack[r->depth++] = slot;
        return CD_OK;
}

static cd_status push_value(struct reader *r, struct cd_pickle_value value)
{
        return push(r, (struct slot){ SLOT_VALUE, value });
}

static cd_status push_mark(struct reader *r, cd_str argument)
{
        (void)argument;
        return push(r, (struct slot){ .type = SLOT_MARK });
}

static cd_status push_dict(struct reader *r, cd_str argument)
{
        (void)argument;
        if (r->has_dict)
                return fail(r, "the pickle has a dict inside a dict");
        r->has_dict = true;
        return push(r, (struct slot){ .type = SLOT_DICT });
}

static cd_status push_none(struct reader *r, cd_str argument)
{
        (void)argument;
        return push_value(r, (struct cd_pickle_value){ .type = CD_PICKLE_NONE });
}

static cd_status push_true(struct reader *r, cd_str argument)
{
        (void)argument;
        return push_value(r, (struct cd_pickle_value){ .type = CD_PICKLE_BOOL, .truth = true });
}

static cd_status push_false(struct reader *r, cd_str argument)
{
        (void)argument;
        return push_value(r, (struct cd_pickle_value){ .type = CD_PICKLE_BOOL });
}

static cd_status push_unsigned(struct reader *r, cd_str argument)
{
        return push_value(r, (struct cd_pickle_value){ .type = CD_PICKLE_INT, .number = (int64_t)number_of(argument) });
}

/* Two's complement, least significant byte first, of any length; empty is 0. */
static cd_status push_signed(struct reader *r, cd_str argument)
{
        struct cd_pickle_value value = { .type = CD_PICKLE_INT };
        size_t len = argument.len;

        for (; len > INT64_SIZE; len--) {
                unsigned char last = (unsigned char)argument.ptr[len - 1];
                bool is_negative = (unsigned char)argument.ptr[len - 2] & 0x80;
                if (last != (is_negative ? 0xff : 0))
                        break;
        }
        argument.len = len;
        if (len > INT64_SIZE) {
                value.text = argument;
                return push_value(r, value);
        }
        uint64_t number = number_of(argument);
        if (len > 0 && len < INT64_SIZE && ((unsigned char)argument.ptr[len - 1] & 0x80))
                number |= UINT64_MAX << (8 * len);
        value.number = (int64_t)number;
        return push_value(r, value);
}

static cd_status push_str(struct reader *r, cd_str argument)
{
        /* Python writes a str with half a surrogate pair, which no text has. */
        if (!cd_str_is_utf8(argument))
                return fail(r, "the pickle has a str that is not UTF-8");
        return push_value(r, (struct cd_pickle_value){ .type = CD_PICKLE_STR, .text = argument });
}

static cd_status put_at(struct reader *r, uint64_t index)
{
        const struct slot *top = r->depth ? &r->stack[r->depth - 1] : NULL;

        if (!top || top->type == SLOT_MARK)
                return fail(r, "the pickle stores a value before it has one");
        if (index >= CD_PICKLE_STORED_MAX)
                return cd_fail(r->reterr, CD_TOO_LARGE, "the pickle stores too many values");
        if (r->stored[index].type == SLOT_EMPTY)
                r->stored_count++;
        r->stored[index] = *top;
        return CD_OK;
}

static cd_status put(struct reader *r, cd_str argument)
{
        return put_at(r, number_of(argument));
}

static cd_status memoize(struct reader *r, cd_str argument)
{
        (void)argument;
        return put_at(r, r->stored_count);
}

static cd_status get(struct reader *r, cd_str argument)
{
        uint64_t index = number_of(argument);

        if (index >= CD_PICKLE_STORED_MAX || r->stored[index].type == SLOT_EMPTY)
                return fail(r, "the pickle refers to a value that it has not stored");
        return push(r, r->stored[index]);
}

static cd_status set(struct reader *r, const struct slot *key, const struct slot *value)
{
        size_t i = 0;

        if (key->type != SLOT_VALUE || key->value.type != CD_PICKLE_STR)
                return fail(r, "the pickle has a dict with a key that is not a str");
        if (value->type != SLOT_VALUE)
                return fail(r, "the pickle has a dict inside a dict");
        while (i < r->count && !cd_str_eq(r->items[i].key, key->value.text))
                i++;
        if (i == CD_PICKLE_ITEMS_MAX)
                return cd_fail(r->reterr, CD_TOO_LARGE, "the pickle has a dict with too many keys");
        if (i == r->count)
                r->items[r->count++].key = key->value.text;
        r->items[i].value = value->value;
        return CD_OK;
}

/* Sets all pairs from `from` to the top of the stack, and drops all from `below` on. Under that is the dict. */
static cd_status set_from(struct reader *r, size_t below, size_t from)
{
        if (below == 0 || r->stack[below - 1].type != SLOT_DICT || (r->depth - from) % 2)
                return fail(r, "the pickle sets keys and values without a dict");
        for (size_t i = from; i < r->depth; i += 2) {
                cd_status status = set(r, &r->stack[i], &r->stack[i + 1]);
                if (status != CD_OK)
                        return status;
        }
        r->depth = below;
        return CD_OK;
}

static cd_status set_item(struct reader *r, cd_str argument)
{
        (void)argument;
        if (r->depth < 2)
                return fail(r, "the pickle sets keys and values without a dict");
        return set_from(r, r->depth - 2, r->depth - 2);
}

static cd_status set_items(struct reader *r, cd_str argument)
{
        size_t mark = r->depth;

        (void)argument;
        while (mark > 0 && r->stack[mark - 1].type != SLOT_MARK)
                mark--;
        if (mark == 0)
                return fail(r, "the pickle has no mark before its keys and values");
        return set_from(r, mark - 1, mark);
}

/* A frame says how many bytes may be read ahead, and holds whole opcodes. */
static cd_status begin_frame(struct reader *r, cd_str argument)
{
        uint64_t size = number_of(argument);

        if (r->rest.len > r->after_frame)
                return fail(r, "the pickle has a frame inside a frame");
        if (size > r->rest.len)
                return fail_cut(r);
        r->after_frame = r->rest.len - (size_t)size;
        return CD_OK;
}

/* ---- the loop ---- */

struct opcode {
        unsigned char code;
        unsigned char fixed;   /* bytes of the argument, or */
        unsigned char counted; /* bytes of a number that says how many bytes the argument has */
        cd_status (*run)(struct reader *r, cd_str argument);
};

/* All that Python writes for a dict of str, bool, int and None since protocol 2. */
static const struct opcode opcodes[] = {
        { '}', 0, 0, push_dict },     /* EMPTY_DICT */
        { '(', 0, 0, push_mark },     /* MARK */
        { 's', 0, 0, set_item },      /* SETITEM */
        { 'u', 0, 0, set_items },     /* SETITEMS */
        { 'X', 0, 4, push_str },      /* BINUNICODE */
        { 0x8c, 0, 1, push_str },     /* SHORT_BINUNICODE */
        { 0x8d, 0, 8, push_str },     /* BINUNICODE8 */
        { 'N', 0, 0, push_none },     /* NONE */
        { 0x88, 0, 0, push_true },    /* NEWTRUE */
        { 0x89, 0, 0, push_false },   /* NEWFALSE */
        { 'K', 1, 0, push_unsigned }, /* BININT1 */
        { 'M', 2, 0, push_unsigned }, /* BININT2 */
        { 'J', 4, 0, push_signed },   /* BININT */
        { 0x8a, 0, 1, push_signed },  /* LONG1 */
        { 0x8b, 0, 4, push_signed },  /* LONG4 */
        { 'q', 1, 0, put },           /* BINPUT */
        { 'r', 4, 0, put },           /* LONG_BINPUT */
        { 0x94, 0, 0, memoize },      /* MEMOIZE */
        { 'h', 1, 0, get },           /* BINGET */
        { 'j', 4, 0, get },           /* LONG_BINGET */
        { 0x95, 8, 0, begin_frame },  /* FRAME */
};

static cd_status fail_opcode(struct reader *r, unsigned char code)
{
        /* GLOBAL, STACK_GLOBAL, INST, OBJ, NEWOBJ, NEWOBJ_EX, REDUCE, BUILD, EXT1, EXT2, EXT4, PERSID, BINPERSID */
        static const char functions[] = "c\x93"
                                        "io\x81\x92"
                                        "Rb\x82\x83\x84PQ";

        if (code && strchr(functions, code))
                return cd_failf(r->reterr, CD_MALFORMED, CD_STR(""),
                                "the pickle names or calls a function (opcode 0x%02x), which would run code", code);
        return cd_failf(r->reterr, CD_MALFORMED, CD_STR(""),
                        "the pickle has more than a dict of str, bool, int and None (opcode 0x%02x)", code);
}

static cd_status run_opcode(struct reader *r, unsigned char code)
{
        const struct opcode *found = NULL;
        cd_str size, argument;

        for (size_t i = 0; i < CD_LEN(opcodes) && !found; i++)
                found = opcodes[i].code == code ? &opcodes[i] : NULL;
        if (!found)
                return fail_opcode(r, code);
        if (!take(r, found->counted, &size))
                return fail_cut(r);
        /* LONG4's size is signed in Python, which refuses a negative one; here it is too large. */
        if (!take(r, found->counted ? number_of(size) : found->fixed, &argument))
                return fail_cut(r);
        return found->run(r, argument);
}

static cd_status run(struct reader *r)
{
        for (size_t count = 0; count < CD_PICKLE_OPCODES_MAX; count++) {
                cd_str code;
                if (!take(r, 1, &code))
                        return fail_cut(r);
                if (code.ptr[0] == '.' && r->rest.len)
                        return fail(r, "there are bytes after the end of the pickle");
                if (code.ptr[0] == '.' && (r->depth != 1 || r->stack[0].type != SLOT_DICT))
                        return fail(r, "the pickle is not one dict");
                if (code.ptr[0] == '.')
                        return CD_OK;
                cd_status status = run_opcode(r, (unsigned char)code.ptr[0]);
                if (status != CD_OK)
                        return status;
        }
        return cd_fail(r->reterr, CD_TOO_LARGE, "the pickle has too many opcodes");
}

cd_status cd_pickle_read(struct cd_arena *arena, cd_str pickle, struct cd_pickle_dict *ret, struct cd_error *reterr)
{
        struct reader *r;

        if (pickle.len > CD_PICKLE_SIZE_MAX)
                return cd_fail(reterr, CD_TOO_LARGE, "the pickle is too long");
        if (!cd_pickle_begins(pickle))
                return cd_fail(reterr, CD_MALFORMED, "it is not a pickle of protocol 2 to 5");
        r = CD_NEW(arena, struct reader);
        if (!r)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        r->reterr = reterr;
        r->rest = cd_str_slice(pickle, 2, pickle.len);
        r->after_frame = r->rest.len;
        if (pickle.len < 2)
                return fail_cut(r);
        if (pickle.ptr[1] < PROTOCOL_MIN || pickle.ptr[1] > PROTOCOL_MAX)
                return cd_failf(reterr, CD_MALFORMED, CD_STR(""), "the pickle has protocol %u; 2 to 5 are supported",
                                (unsigned char)pickle.ptr[1]);
        cd_status status = run(r);
        if (status == CD_OK)
                *ret = (struct cd_pickle_dict){ r->items, r->count };
        return status;
}

const struct cd_pickle_value *cd_pickle_find(const struct cd_pickle_dict *dict, cd_str key)
{
        for (size_t i = 0; i < dict->count; i++)
                if (cd_str_eq(dict->items[i].key, key))
                        return &dict->items[i].value;
        return NULL;
}

/* ---- writing ---- */

void cd_pickle_begin(struct cd_buf *buf)
{
        cd_buf_add(buf, CD_STR("\x80\x02}("));
}

static void add_str(struct cd_buf *buf, cd_str text)
{
        cd_buf_add_char(buf, 'X');
        for (unsigned shift = 0; shift < 32; shift += 8)
                cd_buf_add_char(buf, (char)(text.len >> shift));
        cd_buf_add(buf, text);
}

void cd_pickle_add_str(struct cd_buf *buf, cd_str key, cd_str value)
{
        add_str(buf, key);
        add_str(buf, value);
}

void cd_pickle_end(struct cd_buf *buf)
{
        cd_buf_add(buf, CD_STR("u."));
}
