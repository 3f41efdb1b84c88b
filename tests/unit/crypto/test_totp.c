#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/totp.h"

#define SECRET CD_STR("12345678901234567890")

enum {
        NOON = 1795348800 /* 2026-11-22T12:00:00Z, the beginning of a step */
};

static void code_at(cd_str secret, cd_time time, char ret[CD_TOTP_DIGITS + 1])
{
        assert_status(cd_totp_code(secret, cd_totp_step(time), ret), CD_OK);
        ret[CD_TOTP_DIGITS] = '\0';
}

/* Appendix B, SHA1: the last six of its eight digits. */
static void codes_are_those_of_rfc_6238(void **state)
{
        static const struct {
                cd_time time;
                const char *code;
        } vectors[] = {
                { 59, "287082" },         { 1111111109, "081804" }, { 1111111111, "050471" },
                { 1234567890, "005924" }, { 2000000000, "279037" }, { 20000000000, "353130" },
        };
        char code[CD_TOTP_DIGITS + 1];

        (void)state;
        for (size_t i = 0; i < CD_LEN(vectors); i++) {
                code_at(SECRET, vectors[i].time, code);
                assert_string_equal(code, vectors[i].code);
        }
        assert_status(cd_totp_code(SECRET, -1, code), CD_INTERNAL);
}

static void codes_are_those_of_oathtool(void **state)
{
        char code[CD_TOTP_DIGITS + 1], command[128], line[32];

        (void)state;
        if (access("/usr/bin/oathtool", X_OK) != 0)
                skip();
        for (cd_time time = NOON - 35; time < NOON + 300; time += 47) {
                snprintf(command, sizeof(command),
                         "/usr/bin/oathtool --totp -N @%lld 3132333435363738393031323334353637383930", (long long)time);
                FILE *pipe = popen(command, "r");
                assert_non_null(pipe);
                assert_non_null(fgets(line, sizeof(line), pipe));
                assert_int_equal(pclose(pipe), 0);
                line[strcspn(line, "\n")] = '\0';
                code_at(SECRET, time, code);
                assert_string_equal(code, line);
        }
}

static struct cd_totp_match judge(cd_time made_at, cd_time now, int64_t last_step)
{
        struct cd_totp_match match;
        char code[CD_TOTP_DIGITS + 1];

        code_at(SECRET, made_at, code);
        assert_status(cd_totp_judge(SECRET, code, now, last_step, &match), CD_OK);
        return match;
}

static void a_code_counts_one_step_before_and_after(void **state)
{
        (void)state;
        for (int steps = -1; steps <= 1; steps++)
                for (int second = 0; second < CD_TOTP_STEP; second += 29) {
                        struct cd_totp_match match = judge(NOON + steps * CD_TOTP_STEP, NOON + second, -1);
                        assert_int_equal(match.verdict, CD_TOTP_RIGHT);
                        assert_int_equal(match.step, NOON / CD_TOTP_STEP + steps);
                        assert_int_equal(match.skew, 0);
                }
}

static void a_code_of_a_wrong_clock_does_not_count_and_says_how_wrong(void **state)
{
        (void)state;
        assert_int_equal(judge(NOON + 60, NOON, -1).verdict, CD_TOTP_SKEWED);
        assert_int_equal(judge(NOON + 60, NOON, -1).skew, 60);
        assert_int_equal(judge(NOON - 60, NOON, -1).verdict, CD_TOTP_SKEWED);
        assert_int_equal(judge(NOON - 60, NOON, -1).skew, -60);
        assert_int_equal(judge(NOON + 300, NOON, -1).skew, 300);
        assert_int_equal(judge(NOON - 300, NOON, -1).skew, -300);
        assert_int_equal(judge(NOON + 330, NOON, -1).verdict, CD_TOTP_WRONG);
        assert_int_equal(judge(NOON - 330, NOON, -1).verdict, CD_TOTP_WRONG);
}

static void lesson_13_a_code_that_was_used_is_no_wrong_clock(void **state)
{
        int64_t step = NOON / CD_TOTP_STEP;

        (void)state;
        assert_int_equal(judge(NOON, NOON, step).verdict, CD_TOTP_USED);
        assert_int_equal(judge(NOON, NOON + 29, step + 1).verdict, CD_TOTP_USED);
        assert_int_equal(judge(NOON - 120, NOON, step - 4).verdict, CD_TOTP_USED);
        assert_int_equal(judge(NOON - 120, NOON, step - 5).verdict, CD_TOTP_SKEWED);
        assert_int_equal(judge(NOON + 30, NOON, step).verdict, CD_TOTP_RIGHT);
}

static void at_the_beginning_of_time_there_are_fewer_steps(void **state)
{
        (void)state;
        assert_int_equal(judge(0, 0, -1).verdict, CD_TOTP_RIGHT);
        assert_int_equal(judge(59, 10, -1).verdict, CD_TOTP_RIGHT);
}

static void codes_are_read_as_they_are_typed(void **state)
{
        static const struct {
                const char *text, *code;
        } samples[] = {
                { "123456", "123456" },       { "\u2000123456\u200a", "123456" },
                { "123 456", "123456" },      { "  12 34\t56 ", "123456" },
                { "123\u00a0456", "123456" }, { "123\u202f456", "123456" },
                { "１２３４５６", "123456" }, { "٠١٢٣٤٥", "012345" },
                { "۶۷۸۹۰۱", "678901" },       { "०१२ ३४५", "012345" },
                { "𝟗𝟖𝟕𝟔𝟓𝟒", "987654" },       { "1٢3४56", "123456" },
        };
        char code[CD_TOTP_DIGITS + 1] = "";

        (void)state;
        for (size_t i = 0; i < CD_LEN(samples); i++) {
                assert_true(cd_totp_read(cd_str_from_c(samples[i].text), code));
                assert_string_equal(code, samples[i].code);
        }
}

static void what_is_no_code_is_not_read(void **state)
{
        static const cd_str samples[] = {
                CD_STR_INIT(""),
                CD_STR_INIT("12345"),
                CD_STR_INIT("1234567"),
                CD_STR_INIT("12345a"),
                CD_STR_INIT("123-456"),
                CD_STR_INIT("123456\0"),
                CD_STR_INIT("12345\xff"),
                CD_STR_INIT("+12345"),
                CD_STR_INIT("      "),
                CD_STR_INIT("12345²"),
                CD_STR_INIT("12345\xd9"),
                CD_STR_INIT("123456\n"),
                CD_STR_INIT("12345:"),
                CD_STR_INIT("12345/"),
                CD_STR_INIT("12345\u200b"),
                CD_STR_INIT("123456\u200b"),
        };
        char code[CD_TOTP_DIGITS] = "unset";

        (void)state;
        for (size_t i = 0; i < CD_LEN(samples); i++)
                if (cd_totp_read(samples[i], code))
                        fail_msg("sample %zu was read", i);
        assert_string_equal(code, "unset");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(codes_are_those_of_rfc_6238),
                cmocka_unit_test(codes_are_those_of_oathtool),
                cmocka_unit_test(a_code_counts_one_step_before_and_after),
                cmocka_unit_test(a_code_of_a_wrong_clock_does_not_count_and_says_how_wrong),
                cmocka_unit_test(lesson_13_a_code_that_was_used_is_no_wrong_clock),
                cmocka_unit_test(at_the_beginning_of_time_there_are_fewer_steps),
                cmocka_unit_test(codes_are_read_as_they_are_typed),
                cmocka_unit_test(what_is_no_code_is_not_read),
        };

        return cmocka_run_group_tests_name("TOTP", tests, NULL, NULL);
}
