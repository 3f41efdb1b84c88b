#include "relay/message.h"

#include <stdlib.h>

#include "support/check.h"

struct fixture {
        struct cd_arena arena;
        struct cd_relay_answer answer;
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

static cd_str written(struct fixture *f, enum cd_relay_encoding encoding, const struct cd_relay_delivery *delivery)
{
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, &f->arena, CD_RELAY_MESSAGE_WIRE_MAX);
        cd_relay_write(encoding, delivery, &buf);
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        return text;
}

static void a_delivery_has_only_the_members_that_are_set(void **state)
{
        struct fixture *f = *state;
        const struct cd_relay_delivery code = { .state = CD_STR("s"), .code = CD_STR("c\"\n\xc3\xbc") };
        const struct cd_relay_delivery error = { .state = CD_STR(""),
                                                 .error = CD_STR("access_denied"),
                                                 .error_description = CD_STR("no") };
        const struct cd_relay_delivery is_signed = { CD_STR("s"), CD_STR("c"), { 0 }, { 0 }, CD_STR("d") };

        assert_str(written(f, CD_RELAY_JSON, &code), "{\"state\":\"s\",\"code\":\"c\\\"\\n\xc3\xbc\"}\n");
        assert_str(written(f, CD_RELAY_JSON, &error),
                   "{\"state\":\"\",\"error\":\"access_denied\",\"error_description\":\"no\"}\n");
        assert_str(written(f, CD_RELAY_JSON, &is_signed), "{\"state\":\"s\",\"code\":\"c\",\"data\":\"d\"}\n");
        const cd_str pickle = CD_STR("\x80\x02}(X\x05\0\0\0stateX\x01\0\0\0sX\x04\0\0\0codeX\x05\0\0\0c\"\n\xc3\xbcu.");
        assert_true(cd_str_eq(written(f, CD_RELAY_PICKLE, &code), pickle));
}

static void a_delivery_is_the_same_in_the_other_encoding(void **state)
{
        struct fixture *f = *state;
        const struct cd_relay_delivery deliveries[] = {
                { .state = CD_STR("s"), .code = CD_STR("c\"\n\xc3\xbc"), .data = CD_STR("d") },
                { .state = CD_STR("s"), .error = CD_STR("access_denied"), .error_description = CD_STR("no") },
        };
        cd_str rewritten;

        for (size_t i = 0; i < CD_LEN(deliveries); i++) {
                cd_str pickle = written(f, CD_RELAY_PICKLE, &deliveries[i]),
                       json = written(f, CD_RELAY_JSON, &deliveries[i]);
                assert_status(cd_relay_rewrite(CD_RELAY_JSON, &f->arena, pickle, &rewritten, NULL), CD_OK);
                assert_true(cd_str_eq(rewritten, json));
                assert_status(cd_relay_rewrite(CD_RELAY_PICKLE, &f->arena, json, &rewritten, NULL), CD_OK);
                assert_true(cd_str_eq(rewritten, pickle));
                assert_status(cd_relay_rewrite(CD_RELAY_JSON, &f->arena, json, &rewritten, NULL), CD_OK);
                assert_true(cd_str_eq(rewritten, json));
        }
        assert_status(cd_relay_rewrite(CD_RELAY_PICKLE, &f->arena, CD_STR("{"), &rewritten, NULL), CD_MALFORMED);
}

static void a_delivery_of_the_largest_members_fits(void **state)
{
        struct fixture *f = *state;
        char large[CD_RELAY_CODE_MAX];
        const cd_str text = cd_str_of(large, sizeof(large));
        const struct cd_relay_delivery delivery = { .state = text, .error = text, .error_description = text };

        memset(large, '"', sizeof(large));
        assert_true(written(f, CD_RELAY_JSON, &delivery).len > 6 * sizeof(large));
        assert_true(written(f, CD_RELAY_PICKLE, &delivery).len > 3 * sizeof(large));
}

static void check_answer(struct fixture *f, enum cd_relay_encoding encoding, cd_str bytes,
                         enum cd_relay_outcome outcome, const char *message)
{
        f->err = (struct cd_error){ 0 };
        assert_status(cd_relay_read_answer(encoding, &f->arena, bytes, &f->answer, &f->err), CD_OK);
        assert_int_equal(f->answer.outcome, outcome);
        assert_str(f->answer.message, message);
}

static void a_pickle_is_an_answer(void **state)
{
        struct fixture *f = *state;

        check_answer(f, CD_RELAY_PICKLE,
                     CD_STR("\x80\x03}q\0(X\x07\0\0\0successq\x01\x88X\x07\0\0\0messageq\x02X\x02\0\0\0hiq\x03u."),
                     CD_RELAY_SUCCEEDED, "hi");
        check_answer(f, CD_RELAY_PICKLE, CD_STR("\x80\x02}X\x07\0\0\0success\x89s."), CD_RELAY_REFUSED, "");
        check_answer(f, CD_RELAY_PICKLE, CD_STR("\x80\x02}(X\x07\0\0\0success\x89X\x07\0\0\0messageNu."),
                     CD_RELAY_REFUSED, "");
        check_answer(f, CD_RELAY_PICKLE, CD_STR("\x80\x02}(X\x07\0\0\0success\x88X\x01\0\0\0nK\x01u."),
                     CD_RELAY_SUCCEEDED, "");
}

static void a_line_of_json_is_an_answer(void **state)
{
        struct fixture *f = *state;

        check_answer(f, CD_RELAY_JSON, CD_STR("{\"success\":true,\"message\":\"Gr\\u00fc\\u00dfe\"}\n"),
                     CD_RELAY_SUCCEEDED,
                     "Gr\xc3\xbc\xc3\x9f"
                     "e");
        check_answer(f, CD_RELAY_JSON, CD_STR(" {\"message\": null, \"success\": false, \"more\": [1, {}]}\r\n"),
                     CD_RELAY_REFUSED, "");
        check_answer(f, CD_RELAY_JSON, CD_STR("{\"success\":false}"), CD_RELAY_REFUSED, "");
}

static void plain_text_is_an_answer_in_both_encodings(void **state)
{
        const enum cd_relay_encoding encodings[] = { CD_RELAY_PICKLE, CD_RELAY_JSON };
        struct fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(encodings); i++) {
                check_answer(f, encodings[i], CD_STR("You are registered.\r\n"), CD_RELAY_TEXT, "You are registered.");
                check_answer(f, encodings[i], CD_STR("<b>\xf0\x9f\x91\x8d</b>\tone\ntwo"), CD_RELAY_TEXT,
                             "<b>\xf0\x9f\x91\x8d</b>\tone\ntwo");
                check_answer(f, encodings[i], CD_STR("[\"no object\"]"), CD_RELAY_TEXT, "[\"no object\"]");
                check_answer(f, encodings[i], CD_STR("claimed.\nAsk there\nagain."), CD_RELAY_TEXT,
                             "claimed.\nAsk there\nagain.");
                check_answer(f, encodings[i], CD_STR("c."), CD_RELAY_TEXT, "c.");
                check_answer(f, encodings[i], CD_STR("(done)."), CD_RELAY_TEXT, "(done).");
        }
        check_answer(f, CD_RELAY_PICKLE, CD_STR("{no JSON}"), CD_RELAY_TEXT, "{no JSON}");
}

static void any_other_answer_is_refused_with_its_fault(void **state)
{
        static const struct {
                enum cd_relay_encoding encoding;
                cd_str bytes;
                const char *reason;
        } samples[] = {
                { CD_RELAY_PICKLE, CD_STR_INIT(""), "there is no answer" },
                { CD_RELAY_JSON, CD_STR_INIT(" \r\n\t"), "there is no answer" },
                { CD_RELAY_PICKLE, CD_STR_INIT("\0"), "it has the form of no encoding, and is not UTF-8 text" },
                { CD_RELAY_PICKLE, CD_STR_INIT("a\0b"), "it has the form of no encoding, and is not UTF-8 text" },
                { CD_RELAY_PICKLE, CD_STR_INIT("a\x1b[2J"), "it has the form of no encoding, and is not UTF-8 text" },
                { CD_RELAY_JSON, CD_STR_INIT("\xff\xfe"), "it has the form of no encoding, and is not UTF-8 text" },
                { CD_RELAY_JSON, CD_STR_INIT("\x80\x02}."), "it is a pickle, but \"encoding\" is json" },
                { CD_RELAY_PICKLE, CD_STR_INIT("{\"success\":true}\n"), "it is JSON, but \"encoding\" is pickle" },
                { CD_RELAY_PICKLE, CD_STR_INIT("(dp0\nVsuccess\np1\nI01\ns."),
                  "it is a pickle of protocol 0; protocols 2 to 5 are supported" },
                { CD_RELAY_PICKLE, CD_STR_INIT("cposix\nsystem\np0\n(Vid\np1\ntp2\nRp3\n."),
                  "it is a pickle of protocol 0; protocols 2 to 5 are supported" },
                { CD_RELAY_JSON, CD_STR_INIT("HTTP/1.1 400 Bad Request\r\n\r\n"),
                  "it is an HTTP response: the receiver is a web server" },
                { CD_RELAY_PICKLE, CD_STR_INIT("\x80\x02}."), "the dict has no \"success\" that is True or False" },
                { CD_RELAY_PICKLE, CD_STR_INIT("\x80\x02}X\x07\0\0\0successK\x01s."),
                  "the dict has no \"success\" that is True or False" },
                { CD_RELAY_PICKLE, CD_STR_INIT("\x80\x02}(X\x07\0\0\0success\x88X\x07\0\0\0message\x88u."),
                  "the dict's \"message\" is not a str" },
                { CD_RELAY_PICKLE, CD_STR_INIT("\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R."),
                  "the pickle names or calls a function (opcode 0x93), which would run code" },
                { CD_RELAY_JSON, CD_STR_INIT("{}"), "the object has no \"success\" that is true or false" },
                { CD_RELAY_JSON, CD_STR_INIT("{\"success\":1}"),
                  "the object has no \"success\" that is true or false" },
                { CD_RELAY_JSON, CD_STR_INIT("{\"success\":true,\"message\":{}}"),
                  "the object's \"message\" is not a string" },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(samples); i++) {
                f->err = (struct cd_error){ 0 };
                assert_status(
                        cd_relay_read_answer(samples[i].encoding, &f->arena, samples[i].bytes, &f->answer, &f->err),
                        CD_MALFORMED);
                assert_string_equal(f->err.reason, samples[i].reason);
        }
}

static void half_a_line_and_two_lines_are_refused(void **state)
{
        static const cd_str samples[] = {
                CD_STR_INIT("{\"success\":true,\"mess"),
                CD_STR_INIT("{\"success\":true}\n{\"success\":false}\n"),
                CD_STR_INIT("{\"success\":true,\"success\":false}\n"),
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(samples); i++)
                assert_status(cd_relay_read_answer(CD_RELAY_JSON, &f->arena, samples[i], &f->answer, &f->err),
                              CD_MALFORMED);
}

static void an_answer_has_a_limit(void **state)
{
        struct fixture *f = *state;
        char *answer = malloc(CD_RELAY_ANSWER_MAX + 1);

        memset(answer, 'a', CD_RELAY_ANSWER_MAX + 1);
        assert_status(cd_relay_read_answer(CD_RELAY_PICKLE, &f->arena, cd_str_of(answer, CD_RELAY_ANSWER_MAX),
                                           &f->answer, &f->err),
                      CD_OK);
        assert_status(cd_relay_read_answer(CD_RELAY_PICKLE, &f->arena, cd_str_of(answer, CD_RELAY_ANSWER_MAX + 1),
                                           &f->answer, &f->err),
                      CD_TOO_LARGE);
        free(answer);
}

static void a_line_of_json_ends_before_the_stream(void **state)
{
        (void)state;
        assert_true(cd_relay_answer_ends(CD_RELAY_JSON, CD_STR("{\"success\":true}\n")));
        assert_true(cd_relay_answer_ends(CD_RELAY_JSON, CD_STR("\n {}\r\n")));
        assert_false(cd_relay_answer_ends(CD_RELAY_JSON, CD_STR("{\"success\":true}")));
        assert_false(cd_relay_answer_ends(CD_RELAY_JSON, CD_STR("two\nlines\n")));
        assert_false(cd_relay_answer_ends(CD_RELAY_JSON, CD_STR("")));
        assert_false(cd_relay_answer_ends(CD_RELAY_JSON, CD_STR("\n")));
        assert_false(cd_relay_answer_ends(CD_RELAY_PICKLE, CD_STR("{}\n")));
        assert_false(cd_relay_answer_ends(CD_RELAY_PICKLE, CD_STR("\x80\x02}.")));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
                TEST(a_delivery_has_only_the_members_that_are_set),
                TEST(a_delivery_is_the_same_in_the_other_encoding),
                TEST(a_delivery_of_the_largest_members_fits),
                TEST(a_pickle_is_an_answer),
                TEST(a_line_of_json_is_an_answer),
                TEST(plain_text_is_an_answer_in_both_encodings),
                TEST(any_other_answer_is_refused_with_its_fault),
                TEST(half_a_line_and_two_lines_are_refused),
                TEST(an_answer_has_a_limit),
                TEST(a_line_of_json_ends_before_the_stream),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
