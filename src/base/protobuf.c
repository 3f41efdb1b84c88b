#include "base/protobuf.h"

#include <string.h>

enum {
        VARINT = 0,
        FIXED_64 = 1,
        DELIMITED = 2,
        FIXED_32 = 5,
        VARINT_MAX = 10, /* bytes */
};

/* ---- reading ---- */

/* A field as it stands in a message. */
struct item {
        uint32_t number;
        unsigned wire_type;
        uint64_t value; /* of a VARINT */
        cd_str bytes;   /* of a DELIMITED */
};

static bool take_varint(cd_str *rest, uint64_t *ret)
{
        uint64_t value = 0;

        for (size_t i = 0; i < rest->len && i < VARINT_MAX; i++) {
                uint8_t byte = (uint8_t)rest->ptr[i];
                if (i == VARINT_MAX - 1 && byte > 1) /* more than 64 bits */
                        return false;
                value |= (uint64_t)(byte & 0x7f) << (7 * i);
                if (byte & 0x80)
                        continue;
                *rest = cd_str_slice(*rest, i + 1, rest->len);
                *ret = value;
                return true;
        }
        return false;
}

static bool take_bytes(cd_str *rest, uint64_t len, cd_str *ret)
{
        if (len > rest->len)
                return false;
        *ret = cd_str_slice(*rest, 0, (size_t)len);
        *rest = cd_str_slice(*rest, (size_t)len, rest->len);
        return true;
}

static bool take_item(cd_str *rest, struct item *ret)
{
        uint64_t key, len = 0;

        *ret = (struct item){ 0 };
        if (!take_varint(rest, &key) || key >> 3 == 0 || key >> 3 > 0x1fffffff)
                return false;
        ret->number = (uint32_t)(key >> 3);
        ret->wire_type = key & 7;
        switch (ret->wire_type) {
        case VARINT:
                return take_varint(rest, &ret->value);
        case DELIMITED:
                return take_varint(rest, &len) && take_bytes(rest, len, &ret->bytes);
        case FIXED_64:
                return take_bytes(rest, 8, &ret->bytes);
        case FIXED_32:
                return take_bytes(rest, 4, &ret->bytes);
        default: /* groups are not part of proto3 */
                return false;
        }
}

static const struct cd_proto_field *find_field(const struct cd_proto_table *table, uint32_t number)
{
        for (size_t i = 0; i < table->count; i++)
                if (table->fields[i].number == number)
                        return &table->fields[i];
        return NULL;
}

static bool is_repeated(const struct cd_proto_field *field)
{
        return field->type == CD_PROTO_REPEATED || field->type == CD_PROTO_STRINGS;
}

/* Checks the message's form, and makes room for what is repeated. */
static cd_status prepare(const struct cd_proto_table *table, cd_str bytes, struct cd_arena *arena, char *to,
                         struct cd_error *reterr)
{
        for (size_t i = 0; i < table->count; i++) {
                const struct cd_proto_field *field = &table->fields[i];
                unsigned wanted = field->type == CD_PROTO_INT ? VARINT : DELIMITED;
                size_t size = field->type == CD_PROTO_STRINGS ? sizeof(cd_str) : 0, count = 0;
                cd_str rest = bytes;
                struct item item;
                while (rest.len) {
                        if (!take_item(&rest, &item))
                                return cd_fail(reterr, CD_MALFORMED, "the message is no protobuf");
                        if (item.number != field->number)
                                continue;
                        if (item.wire_type != wanted || (count && !is_repeated(field)))
                                return cd_failf(reterr, CD_MALFORMED, CD_STR(""),
                                                "field %u has another type, or comes twice", field->number);
                        count++;
                }
                if (field->type == CD_PROTO_REPEATED)
                        size = field->table->size;
                void *items = size && count ? cd_arena_calloc(arena, count, size) : NULL;
                if (size && count && !items)
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for a protobuf message");
                if (field->type == CD_PROTO_STRINGS)
                        *(struct cd_strs *)(to + field->offset) = (struct cd_strs){ items, 0 };
                else if (field->type == CD_PROTO_REPEATED)
                        *(struct cd_proto_list *)(to + field->offset) = (struct cd_proto_list){ items, 0 };
        }
        return CD_OK;
}

static cd_status read_field(const struct cd_proto_field *field, const struct item *item, struct cd_arena *arena,
                            void *to, struct cd_error *reterr)
{
        struct cd_proto_list *list = to;
        struct cd_strs *strings = to;
        void *message;

        switch (field->type) {
        case CD_PROTO_STRING:
                *(cd_str *)to = item->bytes;
                return CD_OK;
        case CD_PROTO_INT:
                *(int64_t *)to = (int64_t)item->value;
                return CD_OK;
        case CD_PROTO_STRINGS:
                ((cd_str *)(uintptr_t)strings->items)[strings->count++] = item->bytes;
                return CD_OK;
        case CD_PROTO_REPEATED:
                message = (char *)list->items + list->count++ * field->table->size;
                return cd_proto_read(field->table, item->bytes, arena, message, reterr);
        case CD_PROTO_MESSAGE:
                message = cd_arena_alloc(arena, field->table->size);
                if (!message)
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for a protobuf message");
                *(void **)to = message;
                return cd_proto_read(field->table, item->bytes, arena, message, reterr);
        }
        return CD_INTERNAL;
}

cd_status cd_proto_read(const struct cd_proto_table *table, cd_str bytes, struct cd_arena *arena, void *ret,
                        struct cd_error *reterr)
{
        struct item item;

        memset(ret, 0, table->size);
        cd_status status = prepare(table, bytes, arena, ret, reterr);
        while (status == CD_OK && bytes.len && take_item(&bytes, &item)) {
                const struct cd_proto_field *field = find_field(table, item.number);
                if (field)
                        status = read_field(field, &item, arena, (char *)ret + field->offset, reterr);
        }
        return status;
}

/* ---- writing ---- */

static void put_varint(struct cd_buf *to, uint64_t value)
{
        while (value > 0x7f) {
                cd_buf_add_char(to, (char)(0x80 | (value & 0x7f)));
                value >>= 7;
        }
        cd_buf_add_char(to, (char)value);
}

static void put_key(struct cd_buf *to, const struct cd_proto_field *field)
{
        put_varint(to, (uint64_t)field->number << 3 | (field->type == CD_PROTO_INT ? VARINT : DELIMITED));
}

static void put_string(struct cd_buf *to, const struct cd_proto_field *field, cd_str s)
{
        put_key(to, field);
        put_varint(to, s.len);
        cd_buf_add(to, s);
}

static size_t varint_size(uint64_t value)
{
        size_t size = 1;

        while (value >>= 7)
                size++;
        return size;
}

static size_t size_of_string(const struct cd_proto_field *field, size_t len)
{
        return varint_size((uint64_t)field->number << 3) + varint_size(len) + len;
}

/* Bytes of the message. */
static size_t size_of(const struct cd_proto_table *table, const void *from)
{
        size_t size = 0;

        for (size_t i = 0; i < table->count; i++) {
                const struct cd_proto_field *field = &table->fields[i];
                const void *member = (const char *)from + field->offset;
                const struct cd_proto_list *list = member;
                const struct cd_strs *strings = member;
                const void *message = *(const void *const *)member;
                if (field->type == CD_PROTO_STRING && ((const cd_str *)member)->len)
                        size += size_of_string(field, ((const cd_str *)member)->len);
                else if (field->type == CD_PROTO_INT && *(const int64_t *)member)
                        size += varint_size((uint64_t)field->number << 3) +
                                varint_size((uint64_t) * (const int64_t *)member);
                else if (field->type == CD_PROTO_MESSAGE && message)
                        size += size_of_string(field, size_of(field->table, message));
                for (size_t j = 0; field->type == CD_PROTO_STRINGS && j < strings->count; j++)
                        size += size_of_string(field, strings->items[j].len);
                for (size_t j = 0; field->type == CD_PROTO_REPEATED && j < list->count; j++)
                        size += size_of_string(field,
                                               size_of(field->table, (char *)list->items + j * field->table->size));
        }
        return size;
}

static void put_message(struct cd_buf *to, const struct cd_proto_field *field, const void *message)
{
        put_key(to, field);
        put_varint(to, size_of(field->table, message));
        cd_proto_write(field->table, message, to);
}

void cd_proto_write(const struct cd_proto_table *table, const void *from, struct cd_buf *to)
{
        for (size_t i = 0; i < table->count; i++) {
                const struct cd_proto_field *field = &table->fields[i];
                const void *member = (const char *)from + field->offset;
                const struct cd_proto_list *list = member;
                const struct cd_strs *strings = member;
                if (field->type == CD_PROTO_STRING && ((const cd_str *)member)->len) {
                        put_string(to, field, *(const cd_str *)member);
                } else if (field->type == CD_PROTO_INT && *(const int64_t *)member) {
                        put_key(to, field);
                        put_varint(to, (uint64_t) * (const int64_t *)member);
                } else if (field->type == CD_PROTO_MESSAGE && *(const void *const *)member) {
                        put_message(to, field, *(const void *const *)member);
                }
                for (size_t j = 0; field->type == CD_PROTO_STRINGS && j < strings->count; j++)
                        put_string(to, field, strings->items[j]);
                for (size_t j = 0; field->type == CD_PROTO_REPEATED && j < list->count; j++)
                        put_message(to, field, (char *)list->items + j * field->table->size);
        }
}
