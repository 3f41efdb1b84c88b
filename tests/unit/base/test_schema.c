#include "support/check.h"

#include "base/buf.h"
#include "base/field.h"
#include "base/json.h"

struct inner {
        cd_str id;
};

struct outer {
        cd_str name, key;
        bool on;
        int64_t port, wait, ever, rest, body, size, any;
        int mode, maybe;
        struct cd_strs list, open;
        struct inner one;
        struct cd_objects many, texts;
};

static const char *const modes[] = { "a", "b\"c", NULL };
static const struct cd_field inner_fields[] = {
        { .name = "id", .offset = offsetof(struct inner, id), .type = CD_FIELD_STRING, .flags = CD_FIELD_REQUIRED },
};
static const struct cd_table inner_table = { "inner", inner_fields, 1, sizeof(struct inner), true };
#define FIELD(member, kind, ...)                                                                                       \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct outer, member), .type = CD_FIELD_##kind, __VA_ARGS__        \
        }
static const struct cd_field fields[] = {
        FIELD(name, STRING, .min = 1, .max = 9, .flags = CD_FIELD_REQUIRED, .help = "who \"it\" is"),
        FIELD(key, SECRET, .flags = CD_FIELD_REQUIRED, .fallback = "hidden"),
        FIELD(on, BOOL, .fallback = "true"),
        FIELD(port, INT, .min = 1, .max = 65535, .fallback = "80"),
        FIELD(any, INT),
        FIELD(wait, DURATION, .min = 10, .max = 3600000, .fallback = "5s"),
        FIELD(ever, DURATION),
        FIELD(rest, DURATION, .flags = CD_FIELD_OR_NONE, .min = 10, .max = 1000, .fallback = "none"),
        FIELD(body, SIZE, .max = 65536),
        FIELD(size, SIZE),
        FIELD(mode, CHOICE, .choices = modes),
        FIELD(list, STRINGS, .max = 3, .fallback = "x y"),
        FIELD(open, STRINGS, .flags = CD_FIELD_OR_BOOL),
        FIELD(one, OBJECT, .table = &inner_table),
        FIELD(many, OBJECTS, .table = &inner_table),
        FIELD(maybe, TRISTATE),
        FIELD(texts, OBJECTS, .table = &inner_table, .flags = CD_FIELD_SHORTHAND, .max = 2, .fallback = "x y"),
};
static const struct cd_table table = { "outer", fields, CD_LEN(fields), sizeof(struct outer), false };

static const char expected[] =
        "{\"$schema\":\"https://json-schema.org/draft/2020-12/"
        "schema\",\"title\":\"outer\",\"type\":\"object\",\"properties\":{"
        "\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":9,\"description\":\"who \\\"it\\\" is\"},"
        "\"key\":{\"type\":\"string\",\"maxLength\":4096,\"writeOnly\":true},"
        "\"on\":{\"type\":\"boolean\",\"default\":true},"
        "\"port\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":65535,\"default\":80},"
        "\"any\":{\"type\":\"integer\"},"
        "\"wait\":{\"type\":\"string\",\"pattern\":\"^(0|[1-9][0-9]*)(ms|s|m|h|d)$\",\"x-unit\":\"ms\",\"x-minimum\":"
        "10,\"x-maximum\":3600000,"
        "\"default\":\"5s\"},"
        "\"ever\":{\"type\":\"string\",\"pattern\":\"^(0|[1-9][0-9]*)(ms|s|m|h|d)$\"},"
        "\"rest\":{\"type\":\"string\",\"pattern\":\"^(none|(0|[1-9][0-9]*)(ms|s|m|h|d))$\",\"x-unit\":\"ms\","
        "\"x-minimum\":10,\"x-maximum\":1000,\"default\":\"none\"},"
        "\"body\":{\"type\":[\"string\",\"integer\"],\"pattern\":\"^(0|[1-9][0-9]*)(KB|MB|GB)?$\",\"minimum\":0,"
        "\"maximum\":65536,\"x-unit\":\"bytes\",\"x-minimum\":0,\"x-maximum\":65536},"
        "\"size\":{\"type\":[\"string\",\"integer\"],\"pattern\":\"^(0|[1-9][0-9]*)(KB|MB|GB)?$\"},"
        "\"mode\":{\"type\":\"string\",\"enum\":[\"a\",\"b\\\"c\"]},"
        "\"list\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":3,\"default\":[\"x\",\"y\"]},"
        "\"open\":{\"type\":[\"array\",\"boolean\"],\"items\":{\"type\":\"string\"},\"maxItems\":1024},"
        "\"one\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\",\"maxLength\":4096}},"
        "\"required\":[\"id\"],\"additionalProperties\":false},"
        "\"many\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\","
        "\"maxLength\":4096}},\"required\":[\"id\"],\"additionalProperties\":false},\"maxItems\":1024},"
        "\"maybe\":{\"type\":\"boolean\"},"
        "\"texts\":{\"type\":\"array\",\"items\":{\"anyOf\":[{\"type\":\"string\",\"maxLength\":4096},"
        "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\",\"maxLength\":4096}},"
        "\"required\":[\"id\"],\"additionalProperties\":false}]},\"maxItems\":2,\"default\":[\"x\",\"y\"]}},"
        "\"required\":[\"name\",\"key\"]}";

static void a_table_prints_as_json_schema(void **state)
{
        const struct cd_json *root;
        struct cd_arena arena;
        struct cd_buf buf;
        cd_str text = CD_STR("");

        (void)state;
        cd_arena_init(&arena, 1 << 20);
        cd_buf_init(&buf, &arena, 1 << 16);
        cd_table_schema(&table, &buf);
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        assert_str(text, expected);
        assert_status(cd_json_parse(&arena, text, CD_JSON_UNIQUE_NAMES, &root, NULL), CD_OK);
        cd_arena_done(&arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(a_table_prints_as_json_schema) };
        return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
