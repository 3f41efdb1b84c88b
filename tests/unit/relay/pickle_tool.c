/* Reads pickles and writes deliveries, for comparison with Python.
 *
 * pickle-tool read: pickles on standard input, each after its length (4 bytes, little endian); a line of JSON for each:
 *   {"refused":"reason"} or
 *   [["key","str","text"],["key","int","-1"],["key","int","0x… (little endian)"],["key","none",null],…]
 * pickle-tool write pickle|json NAME=VALUE …: the bytes of a delivery */
#include <stdio.h>
#include <stdlib.h>

#include "relay/message.h"
#include "relay/pickle.h"

enum {
        MEMORY_MAX = 1 << 20, /* bytes */
};

static void add_value(struct cd_buf *out, const struct cd_pickle_value *value)
{
        static const char *const types[] = { "none", "bool", "int", "str" };

        cd_buf_printf(out, "\"%s\",", types[value->type]);
        if (value->type == CD_PICKLE_NONE)
                cd_buf_printf(out, "null");
        else if (value->type == CD_PICKLE_BOOL)
                cd_buf_printf(out, "%s", value->truth ? "true" : "false");
        else if (value->type == CD_PICKLE_STR)
                cd_buf_add_json(out, value->text);
        else if (value->type == CD_PICKLE_INT && value->text.ptr) {
                cd_buf_printf(out, "\"0x");
                for (size_t i = 0; i < value->text.len; i++)
                        cd_buf_printf(out, "%02x", (unsigned char)value->text.ptr[i]);
                cd_buf_add_char(out, '"');
        } else
                cd_buf_printf(out, "\"%lld\"", (long long)value->number);
}

static void print_one(struct cd_arena *arena, cd_str pickle)
{
        struct cd_pickle_dict dict;
        struct cd_error err = { 0 };
        struct cd_buf out;
        cd_str text;

        cd_buf_init(&out, arena, MEMORY_MAX / 2);
        if (cd_pickle_read(arena, pickle, &dict, &err) != CD_OK) {
                cd_buf_printf(&out, "{\"refused\":");
                cd_buf_add_json(&out, cd_str_from_c(err.reason));
                cd_buf_add_char(&out, '}');
        } else {
                cd_buf_add_char(&out, '[');
                for (size_t i = 0; i < dict.count; i++) {
                        cd_buf_printf(&out, i ? ",[" : "[");
                        cd_buf_add_json(&out, dict.items[i].key);
                        cd_buf_add_char(&out, ',');
                        add_value(&out, &dict.items[i].value);
                        cd_buf_add_char(&out, ']');
                }
                cd_buf_add_char(&out, ']');
        }
        if (cd_buf_view(&out, &text) != CD_OK)
                abort();
        printf("%.*s\n", CD_STR_ARG(text));
}

static int read_all(void)
{
        static char pickle[2 * CD_PICKLE_SIZE_MAX];
        unsigned char size[4];
        struct cd_arena arena;

        cd_arena_init(&arena, MEMORY_MAX);
        while (fread(size, sizeof(size), 1, stdin) == 1) {
                size_t len = (size_t)size[0] | (size_t)size[1] << 8 | (size_t)size[2] << 16 | (size_t)size[3] << 24;
                if (len > sizeof(pickle) || fread(pickle, 1, len, stdin) != len)
                        return 1;
                print_one(&arena, cd_str_of(pickle, len));
                cd_arena_reset(&arena);
        }
        cd_arena_done(&arena);
        return 0;
}

static int write_one(int argc, char **argv)
{
        struct cd_relay_delivery delivery = { 0 };
        const struct {
                const char *name;
                cd_str *value;
        } members[] = { { "state", &delivery.state },
                        { "code", &delivery.code },
                        { "error", &delivery.error },
                        { "error_description", &delivery.error_description },
                        { "data", &delivery.data } };
        struct cd_arena arena;
        struct cd_buf out;
        cd_str text;

        for (int i = 3; i < argc; i++) {
                cd_str value = cd_str_from_c(argv[i]), name;
                if (!cd_str_take_until(&value, '=', &name))
                        return 1;
                for (size_t m = 0; m < CD_LEN(members); m++)
                        if (cd_str_eq_c(name, members[m].name))
                                *members[m].value = value;
        }
        cd_arena_init(&arena, MEMORY_MAX);
        cd_buf_init(&out, &arena, CD_RELAY_MESSAGE_WIRE_MAX);
        cd_relay_write(strcmp(argv[2], "json") ? CD_RELAY_PICKLE : CD_RELAY_JSON, &delivery, &out);
        if (cd_buf_view(&out, &text) != CD_OK)
                return 1;
        fwrite(text.ptr, 1, text.len, stdout);
        cd_arena_done(&arena);
        return 0;
}

int main(int argc, char **argv)
{
        if (argc == 2 && strcmp(argv[1], "read") == 0)
                return read_all();
        return argc >= 3 && strcmp(argv[1], "write") == 0 ? write_one(argc, argv) : 2;
}
