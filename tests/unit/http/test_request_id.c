#include "support/check.h"

#include <string.h>

#include "http/request_id.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"

static void made_ids_are_hex_and_differ(void **state)
{
        enum {
                COUNT = 1000
        };
        static char ids[COUNT][33]; /* strspn needs the NUL */
        struct cd_ids source;

        (void)state;
        assert_true(cd_ids_init(&source));
        for (size_t i = 0; i < COUNT; i++) {
                cd_ids_make_128(&source, ids[i]);
                assert_int_equal(strspn(ids[i], "0123456789abcdef"), 32);
                assert_true(cd_request_id_is_valid(cd_str_of(ids[i], 32)));
                for (size_t j = 0; j < i; j++)
                        assert_memory_not_equal(ids[i], ids[j], 32);
        }
}

static void two_sources_make_different_ids(void **state)
{
        struct cd_ids one, two;
        char a[32], b[32];

        (void)state;
        assert_true(cd_ids_init(&one) && cd_ids_init(&two));
        cd_ids_make_128(&one, a);
        cd_ids_make_128(&two, b);
        assert_memory_not_equal(a, b, 32);
}

static void hex_digits_are_right(void **state)
{
        /* splitmix64 of the state 0 begins with e220a8397b1dcdaf. */
        struct cd_ids source = { { 0, 0 } };
        char id[33] = { 0 };

        (void)state;
        cd_ids_make_64(&source, id);
        assert_string_equal(id, "e220a8397b1dcdaf");
}

static void a_request_id_has_64_harmless_characters_at_most(void **state)
{
        (void)state;
        assert_true(cd_request_id_is_valid(CD_STR("a")));
        assert_true(cd_request_id_is_valid(CD_STR("AZaz09._-")));
        assert_true(cd_request_id_is_valid(CD_STR(TRACE TRACE)));
        assert_false(cd_request_id_is_valid(CD_STR(TRACE TRACE "0")));
        assert_false(cd_request_id_is_valid(CD_STR("")));
        assert_false(cd_request_id_is_valid(CD_STR("a b")));
        assert_false(cd_request_id_is_valid(CD_STR("a\"b")));
        assert_false(cd_request_id_is_valid(CD_STR("a\nb")));
        assert_false(cd_request_id_is_valid(CD_STR("\xc3\xa9")));
}

static void a_traceparent_gives_its_trace(void **state)
{
        struct cd_http_trace trace = { .sampled = false };

        (void)state;
        assert_true(cd_traceparent_parse(CD_STR("00-" TRACE "-" SPAN "-01"), &trace));
        assert_str(cd_str_of(trace.trace_id, 32), TRACE);
        assert_true(trace.sampled);
        assert_true(cd_traceparent_parse(CD_STR("00-" TRACE "-" SPAN "-00"), &trace));
        assert_false(trace.sampled);
        /* Later versions may know more flags and more parts. */
        assert_true(cd_traceparent_parse(CD_STR("cc-" TRACE "-" SPAN "-03-what"), &trace));
        assert_true(trace.sampled);
}

static void an_invalid_traceparent_changes_nothing(void **state)
{
        static const cd_str cases[] = {
                CD_STR_INIT(""),
                CD_STR_INIT("00-" TRACE "-" SPAN "-0"),
                CD_STR_INIT("00-" TRACE "-" SPAN "-01-what"),
                CD_STR_INIT("00-" TRACE "-" SPAN "-011"),
                CD_STR_INIT("cc-" TRACE "-" SPAN "-01what"),
                CD_STR_INIT("ff-" TRACE "-" SPAN "-01"),
                CD_STR_INIT("0G-" TRACE "-" SPAN "-01"),
                CD_STR_INIT("00_" TRACE "-" SPAN "-01"),
                CD_STR_INIT("00-" TRACE "_" SPAN "-01"),
                CD_STR_INIT("00-" TRACE "-" SPAN "_01"),
                CD_STR_INIT("00-" TRACE "-" SPAN "-0x"),
                CD_STR_INIT("00-00000000000000000000000000000000-" SPAN "-01"),
                CD_STR_INIT("00-" TRACE "-0000000000000000-01"),
                CD_STR_INIT("00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01"),
                CD_STR_INIT("00-" TRACE "-B7AD6B7169203331-01"),
        };
        struct cd_http_trace trace = { .sampled = true };
        const struct cd_http_trace before = trace;

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                if (cd_traceparent_parse(cases[i], &trace))
                        fail_msg("case %zu was taken", i);
                assert_memory_equal(&trace, &before, sizeof(trace));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(made_ids_are_hex_and_differ),
                cmocka_unit_test(two_sources_make_different_ids),
                cmocka_unit_test(hex_digits_are_right),
                cmocka_unit_test(a_request_id_has_64_harmless_characters_at_most),
                cmocka_unit_test(a_traceparent_gives_its_trace),
                cmocka_unit_test(an_invalid_traceparent_changes_nothing),
        };
        return cmocka_run_group_tests_name("net/request_id", tests, NULL, NULL);
}
