#include "base/protobuf.h"

#include <string.h>

#include "support/check.h"

struct part {
        cd_str name;
        int64_t number;
};

struct sample {
        cd_str text;
        int64_t number;
        const struct part *part;
        struct cd_proto_list parts;
        struct cd_strs words;
};

static const struct cd_proto_field part_fields[] = {
        { 1, CD_PROTO_STRING, offsetof(struct part, name), NULL },
        { 2, CD_PROTO_INT, offsetof(struct part, number), NULL },
};
static const struct cd_proto_table part_table = { part_fields, CD_LEN(part_fields), sizeof(struct part) };
static const struct cd_proto_field sample_fields[] = {
        { 1, CD_PROTO_STRING, offsetof(struct sample, text), NULL },
        { 2, CD_PROTO_INT, offsetof(struct sample, number), NULL },
        { 3, CD_PROTO_MESSAGE, offsetof(struct sample, part), &part_table },
        { 4, CD_PROTO_REPEATED, offsetof(struct sample, parts), &part_table },
        { 300, CD_PROTO_STRINGS, offsetof(struct sample, words), NULL },
};
static const struct cd_proto_table sample_table = { sample_fields, CD_LEN(sample_fields), sizeof(struct sample) };

static cd_status read_with(struct cd_arena *arena, cd_str bytes, struct sample *ret)
{
        struct cd_error err = { 0 };

        memset(ret, 0xff, sizeof(*ret));
        return cd_proto_read(&sample_table, bytes, arena, ret, &err);
}

#define BYTES(literal) cd_str_of(literal, sizeof(literal) - 1)

/* As protoc writes it: text "hi", number -1, part {name "n", number 300}, parts [{}, {number 1}], words ["", "x"]. */
#define WIRE                                                                                                           \
        "\x0a\x02hi"                                                                                                   \
        "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"                                                                 \
        "\x1a\x06\x0a\x01n\x10\xac\x02"                                                                                \
        "\x22\x00\x22\x02\x10\x01"                                                                                     \
        "\xe2\x12\x00\xe2\x12\x01x"

static void a_message_is_read(void **state)
{
        struct cd_arena arena;
        struct sample found;

        (void)state;
        cd_arena_init(&arena, 4096);
        assert_status(read_with(&arena, BYTES(WIRE), &found), CD_OK);
        assert_str(found.text, "hi");
        assert_int_equal(found.number, -1);
        assert_non_null(found.part);
        assert_str(found.part->name, "n");
        assert_int_equal(found.part->number, 300);
        assert_int_equal(found.parts.count, 2);
        const struct part *parts = found.parts.items;
        assert_int_equal(parts[0].name.len, 0);
        assert_int_equal(parts[1].number, 1);
        assert_int_equal(found.words.count, 2);
        assert_int_equal(found.words.items[0].len, 0);
        assert_str(found.words.items[1], "x");
        cd_arena_done(&arena);
}

static void what_was_read_is_written_as_it_was(void **state)
{
        struct cd_arena arena;
        struct sample found;
        struct cd_buf buf;
        cd_str text;

        (void)state;
        cd_arena_init(&arena, 4096);
        assert_status(read_with(&arena, BYTES(WIRE), &found), CD_OK);
        cd_buf_init(&buf, &arena, 1000);
        cd_proto_write(&sample_table, &found, &buf);
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        assert_int_equal(text.len, sizeof(WIRE) - 1);
        assert_memory_equal(text.ptr, WIRE, text.len);
        cd_arena_done(&arena);
}

static void an_empty_message_has_nothing(void **state)
{
        struct cd_arena arena;
        struct sample found;
        struct cd_buf buf;

        (void)state;
        cd_arena_init(&arena, 4096);
        assert_status(read_with(&arena, CD_STR(""), &found), CD_OK);
        assert_null(found.part);
        assert_int_equal(found.parts.count, 0);
        assert_int_equal(found.words.count, 0);
        assert_int_equal(found.text.len, 0);
        cd_buf_init(&buf, &arena, 1000);
        cd_proto_write(&sample_table, &found, &buf);
        assert_int_equal(buf.len, 0);
        cd_arena_done(&arena);
}

/* protoc writes no empty string and no 0, but a present message without members it does. */
static void a_message_that_is_present_and_empty_is_written(void **state)
{
        const struct part empty = { 0 };
        const struct sample sample = { .part = &empty };
        struct cd_buf buf;
        char memory[16];

        (void)state;
        cd_buf_init_fixed(&buf, memory, sizeof(memory));
        cd_proto_write(&sample_table, &sample, &buf);
        assert_int_equal(buf.len, 2);
        assert_memory_equal(memory, "\x1a\x00", 2);
}

static void unknown_fields_are_skipped(void **state)
{
        struct cd_arena arena;
        struct sample found;

        (void)state;
        cd_arena_init(&arena, 4096);
        /* 5: varint, 6: 8 bytes, 7: bytes twice, 8: 4 bytes, the largest number */
        assert_status(read_with(&arena,
                                BYTES("\x28\x07"
                                      "\x31\x01\x02\x03\x04\x05\x06\x07\x08"
                                      "\x3a\x03xyz\x3a\x00"
                                      "\x45\x01\x02\x03\x04"
                                      "\xf8\xff\xff\xff\x0f\x01"
                                      "\x0a\x02hi"),
                                &found),
                      CD_OK);
        assert_str(found.text, "hi");
        cd_arena_done(&arena);
}

static void what_is_no_message_is_refused(void **state)
{
        static const struct {
                const char *bytes;
                size_t len;
        } cases[] = {
#define CASE(literal) { literal, sizeof(literal) - 1 }
                CASE("\x0a"),                                             /* no length */
                CASE("\x0a\x03hi"),                                       /* one byte short */
                CASE("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01hi"),   /* a length of 2^64-1 */
                CASE("\x10"),                                             /* no number */
                CASE("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),     /* 65 bits */
                CASE("\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), /* 11 bytes */
                CASE("\x02\x00"),                                         /* field 0 */
                CASE("\x80\x80\x80\x80\x20\x00"),                         /* beyond the largest field */
                CASE("\x2b\x2c"),                                         /* a group */
                CASE("\x2f\x00"),                                         /* no such wire type */
                CASE("\x31\x01\x02\x03\x04\x05\x06\x07"),                 /* 7 of 8 bytes */
                CASE("\x45\x01\x02\x03"),                                 /* 3 of 4 bytes */
                CASE("\x08\x01"),                                         /* text as a number */
                CASE("\x12\x01x"),                                        /* a number as text */
                CASE("\x0d\x01\x02\x03\x04"),                             /* text as 4 bytes */
                CASE("\x0a\x01x\x0a\x01y"),                               /* a text twice */
                CASE("\x10\x01\x10\x01"),                                 /* a number twice */
                CASE("\x1a\x00\x1a\x00"),                                 /* a message twice */
                CASE("\x1a\x02\x0a\x05"),                                 /* a part that is cut */
                CASE("\x22\x03\x0a\x05x"),                                /* the same in a list */
                CASE("\x1a\x06\x0a\x01x\x0a\x01y"),                       /* a text twice in a part */
                CASE("\xe0\x12\x01"),                                     /* a word as a number */
        };
        struct cd_arena arena;
        struct sample found;

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                cd_arena_init(&arena, 4096);
                if (read_with(&arena, cd_str_of(cases[i].bytes, cases[i].len), &found) != CD_MALFORMED)
                        fail_msg("case %zu was read", i);
                cd_arena_done(&arena);
        }
}

static void the_largest_number_and_field_are_read(void **state)
{
        struct cd_arena arena;
        struct sample found;

        (void)state;
        cd_arena_init(&arena, 4096);
        assert_status(read_with(&arena, BYTES("\x10\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), &found), CD_OK);
        assert_true(found.number == INT64_MAX);
        assert_status(read_with(&arena, BYTES("\x10\x00\xfa\xff\xff\xff\x0f\x00"), &found), CD_OK);
        assert_int_equal(found.number, 0);
        cd_arena_done(&arena);
}

static void memory_that_runs_out_is_reported(void **state)
{
        struct sample found;
        bool was_read = false;

        (void)state;
        for (size_t ceiling = 0; ceiling < 8192 && !was_read; ceiling += 8) {
                struct cd_arena arena;
                cd_arena_init(&arena, ceiling);
                cd_status status = read_with(&arena, BYTES(WIRE), &found);
                assert_true(status == CD_OK || status == CD_NO_MEMORY);
                was_read = status == CD_OK;
                cd_arena_done(&arena);
        }
        assert_true(was_read);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_message_is_read),
                cmocka_unit_test(what_was_read_is_written_as_it_was),
                cmocka_unit_test(an_empty_message_has_nothing),
                cmocka_unit_test(a_message_that_is_present_and_empty_is_written),
                cmocka_unit_test(unknown_fields_are_skipped),
                cmocka_unit_test(what_is_no_message_is_refused),
                cmocka_unit_test(the_largest_number_and_field_are_read),
                cmocka_unit_test(memory_that_runs_out_is_reported),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
