#include "relay/pickle.h"

#include <stdlib.h>

#include "support/check.h"

struct fixture {
        struct cd_arena arena;
        struct cd_pickle_dict dict;
        struct cd_error err;
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        cd_arena_init(&f->arena, 1 << 20);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

static cd_status read_pickle(struct fixture *f, cd_str pickle)
{
        f->err = (struct cd_error){ 0 };
        cd_arena_reset(&f->arena);
        return cd_pickle_read(&f->arena, pickle, &f->dict, &f->err);
}

/* Each sample must be refused with exactly the reason, so that it cannot pass for another cause. */
struct refused {
        cd_str pickle;
        const char *reason;
};

static void check_refused(struct fixture *f, const struct refused *samples, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                assert_status(read_pickle(f, samples[i].pickle), CD_MALFORMED);
                assert_string_equal(f->err.reason, samples[i].reason);
        }
}

/* As Python 3 writes {'success': True, 'message': 'Grüße', 'n': -2, 'm': None}. */
static const cd_str python[] = {
        CD_STR_INIT("\x80\x02}q\0(X\x07\0\0\0successq\x01\x88X\x07\0\0\0messageq\x02X\x07\0\0\0Gr\xc3\xbc\xc3\x9f"
                    "eq\x03X\x01\0\0\0nq\x04J\xfe\xff\xff\xffX\x01\0\0\0mq\x05Nu."),
        CD_STR_INIT("\x80\x03}q\0(X\x07\0\0\0successq\x01\x88X\x07\0\0\0messageq\x02X\x07\0\0\0Gr\xc3\xbc\xc3\x9f"
                    "eq\x03X\x01\0\0\0nq\x04J\xfe\xff\xff\xffX\x01\0\0\0mq\x05Nu."),
        CD_STR_INIT("\x80\x04\x95\x32\0\0\0\0\0\0\0}\x94(\x8c\x07success\x94\x88\x8c\x07message\x94\x8c\x07Gr\xc3\xbc"
                    "\xc3\x9f"
                    "e\x94\x8c\x01n\x94J\xfe\xff\xff\xff\x8c\x01m\x94Nu."),
        CD_STR_INIT("\x80\x05\x95\x32\0\0\0\0\0\0\0}\x94(\x8c\x07success\x94\x88\x8c\x07message\x94\x8c\x07Gr\xc3\xbc"
                    "\xc3\x9f"
                    "e\x94\x8c\x01n\x94J\xfe\xff\xff\xff\x8c\x01m\x94Nu."),
};

static void all_protocols_are_read(void **state)
{
        struct fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(python); i++) {
                assert_status(read_pickle(f, python[i]), CD_OK);
                assert_int_equal(f->dict.count, 4);
                const struct cd_pickle_value *success = cd_pickle_find(&f->dict, CD_STR("success"));
                const struct cd_pickle_value *message = cd_pickle_find(&f->dict, CD_STR("message"));
                const struct cd_pickle_value *n = cd_pickle_find(&f->dict, CD_STR("n"));
                const struct cd_pickle_value *m = cd_pickle_find(&f->dict, CD_STR("m"));
                assert_true(success && success->type == CD_PICKLE_BOOL && success->truth);
                assert_true(message && message->type == CD_PICKLE_STR);
                assert_str(message->text, "Gr\xc3\xbc\xc3\x9f"
                                          "e");
                assert_true(n && n->type == CD_PICKLE_INT && n->number == -2 && !n->text.ptr);
                assert_true(m && m->type == CD_PICKLE_NONE);
                assert_null(cd_pickle_find(&f->dict, CD_STR("succes")));
        }
}

static void lesson_30_every_pickle_that_is_cut_short_is_refused(void **state)
{
        struct fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(python); i++) {
                for (size_t len = 0; len < python[i].len; len++) {
                        char *exact = malloc(len + 1);
                        memcpy(exact, python[i].ptr, len);
                        assert_status(read_pickle(f, cd_str_of(exact, len)), CD_MALFORMED);
                        assert_string_equal(f->err.reason, len == 0 ? "it is not a pickle of protocol 2 to 5"
                                                                    : "the pickle is cut short");
                        free(exact);
                }
        }
}

static void strings_have_long_and_short_forms(void **state)
{
        struct fixture *f = *state;

        assert_status(read_pickle(f, CD_STR("\x80\x04}\x8d\x01\0\0\0\0\0\0\0aX\x02\0\0\0bcs.")), CD_OK);
        assert_str(f->dict.items[0].key, "a");
        assert_str(f->dict.items[0].value.text, "bc");
        /* A length that wraps a pointer. */
        assert_status(read_pickle(f, CD_STR("\x80\x04}\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
                                            "a.")),
                      CD_MALFORMED);
        assert_string_equal(f->err.reason, "the pickle is cut short");
}

static void integers_have_all_forms(void **state)
{
        const struct {
                cd_str opcode;
                int64_t number;
        } samples[] = {
                { CD_STR("K\xff"), 255 },
                { CD_STR("M\xff\xff"), 65535 },
                { CD_STR("J\xff\xff\xff\x7f"), INT32_MAX },
                { CD_STR("J\0\0\0\x80"), INT32_MIN },
                { CD_STR("\x8a\0"), 0 },
                { CD_STR("\x8a\x01\xff"), -1 },
                { CD_STR("\x8a\x05\0\0\0\0\x80"), -549755813888 },
                { CD_STR("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"), INT64_MAX },
                { CD_STR("\x8a\x08\0\0\0\0\0\0\0\x80"), INT64_MIN },
                { CD_STR("\x8a\x0a\x05\0\0\0\0\0\0\0\0\0"), 5 },
                { CD_STR("\x8a\x0a\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff"), -2 },
                { CD_STR("\x8b\x02\0\0\0\x2c\x01"), 300 },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(samples); i++) {
                cd_str opcode = samples[i].opcode;
                char pickle[32] = "\x80\x02}X\x01\0\0\0n";
                memcpy(pickle + 9, opcode.ptr, opcode.len);
                memcpy(pickle + 9 + opcode.len, "s.", 2);
                assert_status(read_pickle(f, cd_str_of(pickle, 9 + opcode.len + 2)), CD_OK);
                assert_int_equal(f->dict.items[0].value.type, CD_PICKLE_INT);
                assert_true(f->dict.items[0].value.number == samples[i].number);
                assert_null(f->dict.items[0].value.text.ptr);
        }
}

static void an_integer_of_more_than_64_bits_is_kept_as_bytes(void **state)
{
        struct fixture *f = *state;

        assert_status(read_pickle(f, CD_STR("\x80\x02}X\x01\0\0\0n\x8a\x0a\0\0\0\0\0\0\0\x80\0\0s.")), CD_OK);
        assert_int_equal(f->dict.items[0].value.type, CD_PICKLE_INT);
        assert_int_equal(f->dict.items[0].value.text.len, 9);
}

static void a_string_can_be_referred_to_again(void **state)
{
        struct fixture *f = *state;

        assert_status(read_pickle(f, CD_STR("\x80\x02}q\0X\x01\0\0\0aq\x01h\x01s.")), CD_OK);
        assert_str(f->dict.items[0].value.text, "a");
        assert_status(read_pickle(f, CD_STR("\x80\x02}X\x01\0\0\0ar\xff\x01\0\0j\xff\x01\0\0s.")), CD_OK);
        assert_str(f->dict.items[0].value.text, "a");
        /* Each gets the next index. */
        assert_status(read_pickle(f, CD_STR("\x80\x04}\x94X\x01\0\0\0a\x94h\x01s.")), CD_OK);
        assert_str(f->dict.items[0].value.text, "a");
        /* Stored twice at one index: counted once. */
        assert_status(read_pickle(f, CD_STR("\x80\x04}\x94X\x01\0\0\0aq\0\x94h\x01s.")), CD_OK);
        assert_str(f->dict.items[0].value.text, "a");
        assert_status(read_pickle(f, CD_STR("\x80\x02}X\x01\0\0\0ar\0\x02\0\0h\0s.")), CD_TOO_LARGE);
}

static void a_key_that_is_set_twice_keeps_the_last_value(void **state)
{
        struct fixture *f = *state;

        assert_status(read_pickle(f, CD_STR("\x80\x02}(X\x01\0\0\0aK\x01X\x01\0\0\0bK\x02X\x01\0\0\0aK\x03u.")), CD_OK);
        assert_int_equal(f->dict.count, 2);
        assert_str(f->dict.items[0].key, "a");
        assert_int_equal(f->dict.items[0].value.number, 3);
}

static void a_pickle_that_would_run_code_is_refused(void **state)
{
#define RUNS(opcode) "the pickle names or calls a function (opcode 0x" opcode "), which would run code"
        const struct refused samples[] = {
                { CD_STR("\x80\x02"
                         "cposix\nsystem\nX\x02\0\0\0id\x85R."),
                  RUNS("63") },
                { CD_STR("\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R."), RUNS("93") },
                { CD_STR("\x80\x02}(iposix\nsystem\n."), RUNS("69") },
                { CD_STR("\x80\x02}(o."), RUNS("6f") },
                { CD_STR("\x80\x02}}"), "the pickle has a dict inside a dict" },
                { CD_STR("\x80\x02}NR."), RUNS("52") },
                { CD_STR("\x80\x02}Nb."), RUNS("62") },
                { CD_STR("\x80\x02}N\x81."), RUNS("81") },
                { CD_STR("\x80\x02}N\x92."), RUNS("92") },
                { CD_STR("\x80\x02}\x82\x01."), RUNS("82") },
                { CD_STR("\x80\x02}\x83\x01\0."), RUNS("83") },
                { CD_STR("\x80\x02}\x84\x01\0\0\0."), RUNS("84") },
                { CD_STR("\x80\x02}P1\n."), RUNS("50") },
                { CD_STR("\x80\x02}Q."), RUNS("51") },
        };

        check_refused(*state, samples, CD_LEN(samples));
}

static void all_but_a_dict_of_plain_values_is_refused(void **state)
{
#define MORE(opcode) "the pickle has more than a dict of str, bool, int and None (opcode 0x" opcode ")"
        const struct refused samples[] = {
                { CD_STR("\x80\x02}X\x01\0\0\0aG?\xf0\0\0\0\0\0\0s."), MORE("47") },
                { CD_STR("\x80\x03}X\x01\0\0\0aC\x01xs."), MORE("43") },
                { CD_STR("\x80\x02]."), MORE("5d") },
                { CD_STR("\x80\x02)."), MORE("29") },
                { CD_STR("\x80\x04\x8f."), MORE("8f") },
                { CD_STR("\x80\x02}\0."), MORE("00") },
                { CD_STR("\x80\x02}\x80\x02."), MORE("80") },
                { CD_STR("\x80\x02}0."), MORE("30") },
                { CD_STR("\x80\x05}\x97."), MORE("97") },
                { CD_STR("\x80\x02K\x01."), "the pickle is not one dict" },
                { CD_STR("\x80\x02."), "the pickle is not one dict" },
                { CD_STR("\x80\x02}N."), "the pickle is not one dict" },
                { CD_STR("\x80\x02}.N"), "there are bytes after the end of the pickle" },
                { CD_STR("\x80\x02}.."), "there are bytes after the end of the pickle" },
                { CD_STR("\x80\x02}q\0X\x01\0\0\0ah\0s."), "the pickle has a dict inside a dict" },
                { CD_STR("\x80\x02}K\x01K\x01s."), "the pickle has a dict with a key that is not a str" },
                { CD_STR("\x80\x02}NNs."), "the pickle has a dict with a key that is not a str" },
                { CD_STR("\x80\x02}X\x01\0\0\0a(s."), "the pickle has a dict inside a dict" },
                { CD_STR("\x80\x02}(NNs."), "the pickle sets keys and values without a dict" },
                { CD_STR("\x80\x02}s."), "the pickle sets keys and values without a dict" },
                { CD_STR("\x80\x02s."), "the pickle sets keys and values without a dict" },
                { CD_STR("\x80\x02NNs."), "the pickle sets keys and values without a dict" },
                { CD_STR("\x80\x02}u."), "the pickle has no mark before its keys and values" },
                { CD_STR("\x80\x02(u."), "the pickle sets keys and values without a dict" },
                { CD_STR("\x80\x02}(X\x01\0\0\0au."), "the pickle sets keys and values without a dict" },
                { CD_STR("\x80\x02q\0}."), "the pickle stores a value before it has one" },
                { CD_STR("\x80\x02}(q\0u."), "the pickle stores a value before it has one" },
                { CD_STR("\x80\x02}h\0."), "the pickle refers to a value that it has not stored" },
                { CD_STR("\x80\x02}j\0\x02\0\0."), "the pickle refers to a value that it has not stored" },
                { CD_STR("\x80\x02}X\x03\0\0\0\xed\xa0\x80Ns."), "the pickle has a str that is not UTF-8" },
                { CD_STR("\x80\x04\x95\x02\0\0\0\0\0\0\0}."), NULL },
                { CD_STR("\x80\x04\x95\x03\0\0\0\0\0\0\0}."), "the pickle is cut short" },
                { CD_STR("\x80\x04\x95\x03\0\0\0\0\0\0\0}X\1\0\0\0aNs."), "the pickle is cut short" },
                { CD_STR("\x80\x04\x95\x0b\0\0\0\0\0\0\0}\x95\x01\0\0\0\0\0\0\0."),
                  "the pickle has a frame inside a frame" },
                { CD_STR("\x80\x04\x95\x01\0\0\0\0\0\0\0}\x95\x01\0\0\0\0\0\0\0."), NULL },
                /* Python, too, takes a frame that begins with the last bytes of another one. */
                { CD_STR("\x80\x04\x95\x0a\0\0\0\0\0\0\0}\x95\x01\0\0\0\0\0\0\0."), NULL },
                { CD_STR("\x80\x01}."), "the pickle has protocol 1; 2 to 5 are supported" },
                { CD_STR("\x80\x06}."), "the pickle has protocol 6; 2 to 5 are supported" },
                { CD_STR("\x80\x85}."), "the pickle has protocol 133; 2 to 5 are supported" },
                { CD_STR("(dp0\n."), "it is not a pickle of protocol 2 to 5" },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(samples); i++)
                if (samples[i].reason)
                        check_refused(f, &samples[i], 1);
                else
                        assert_status(read_pickle(f, samples[i].pickle), CD_OK);
}

/* A pickle with `count` different keys. */
static cd_str with_keys(struct cd_buf *buf, unsigned count)
{
        cd_str pickle;

        buf->len = 0;
        cd_pickle_begin(buf);
        for (unsigned i = 0; i < count; i++)
                cd_pickle_add_str(buf, cd_str_of((char[]){ (char)('0' + i / 10), (char)('0' + i % 10) }, 2),
                                  CD_STR(""));
        cd_pickle_end(buf);
        assert_status(cd_buf_view(buf, &pickle), CD_OK);
        return pickle;
}

static void lesson_30_keys_opcodes_and_bytes_have_limits(void **state)
{
        struct fixture *f = *state;
        char pickle[CD_PICKLE_SIZE_MAX + 1], *at;
        struct cd_buf buf;

        cd_buf_init(&buf, NULL, CD_PICKLE_SIZE_MAX);
        assert_status(read_pickle(f, with_keys(&buf, CD_PICKLE_ITEMS_MAX)), CD_OK);
        assert_int_equal(f->dict.count, CD_PICKLE_ITEMS_MAX);
        assert_status(read_pickle(f, with_keys(&buf, CD_PICKLE_ITEMS_MAX + 1)), CD_TOO_LARGE);
        cd_buf_done(&buf);

        /* One key set again and again: 2 opcodes for the dict and the end. */
        memcpy(pickle, "\x80\x02}X\0\0\0\0q\0Ns", 12);
        at = pickle + 12; /* 5 opcodes */
        for (size_t opcodes = 5; opcodes + 3 < CD_PICKLE_OPCODES_MAX; opcodes += 3, at += 4)
                memcpy(at, "h\0Ns", 4);
        size_t used = 5 + (size_t)(at - pickle - 12) / 4 * 3;
        assert_true(used < CD_PICKLE_OPCODES_MAX);
        while (used < CD_PICKLE_OPCODES_MAX - 1) /* an opcode that changes nothing, up to the limit */
                memcpy(at, "\x94", 1), at++, used++;
        *at = '.';
        assert_status(read_pickle(f, cd_str_of(pickle, (size_t)(at - pickle) + 1)), CD_OK);
        memcpy(at, "\x94.", 2);
        assert_status(read_pickle(f, cd_str_of(pickle, (size_t)(at - pickle) + 2)), CD_TOO_LARGE);
        assert_string_equal(f->err.reason, "the pickle has too many opcodes");

        /* "}", a string that fills it, None, "s." */
        size_t len = CD_PICKLE_SIZE_MAX - 2 - 1 - 5 - 3;
        memset(pickle, 'x', sizeof(pickle));
        memcpy(pickle, "\x80\x02}X", 4);
        for (int i = 0; i < 4; i++)
                pickle[4 + i] = (char)(len >> (8 * i));
        memcpy(pickle + 8 + len, "Ns.", 3);
        assert_status(read_pickle(f, cd_str_of(pickle, CD_PICKLE_SIZE_MAX)), CD_OK);
        assert_int_equal(f->dict.items[0].key.len, len);
        assert_status(read_pickle(f, cd_str_of(pickle, CD_PICKLE_SIZE_MAX + 1)), CD_TOO_LARGE);
        assert_string_equal(f->err.reason, "the pickle is too long");
}

static void values_that_are_never_set_have_a_limit(void **state)
{
        struct fixture *f = *state;
        char pickle[3 + 2 * CD_PICKLE_ITEMS_MAX + 4] = "\x80\x02}";

        memset(pickle + 3, 'N', sizeof(pickle) - 3);
        assert_status(read_pickle(f, cd_str_of(pickle, sizeof(pickle))), CD_TOO_LARGE);
        assert_string_equal(f->err.reason, "the pickle has too many values");
}

static void lesson_31_without_memory_nothing_is_read(void **state)
{
        struct fixture *f = *state;
        struct cd_arena small;

        cd_arena_init(&small, 1024);
        assert_status(cd_pickle_read(&small, python[0], &f->dict, &f->err), CD_NO_MEMORY);
        cd_arena_done(&small);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
                TEST(all_protocols_are_read),
                TEST(lesson_30_every_pickle_that_is_cut_short_is_refused),
                TEST(strings_have_long_and_short_forms),
                TEST(integers_have_all_forms),
                TEST(an_integer_of_more_than_64_bits_is_kept_as_bytes),
                TEST(a_string_can_be_referred_to_again),
                TEST(a_key_that_is_set_twice_keeps_the_last_value),
                TEST(a_pickle_that_would_run_code_is_refused),
                TEST(all_but_a_dict_of_plain_values_is_refused),
                TEST(lesson_30_keys_opcodes_and_bytes_have_limits),
                TEST(values_that_are_never_set_have_a_limit),
                TEST(lesson_31_without_memory_nothing_is_read),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
