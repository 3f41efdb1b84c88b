#include "crypto/totp.h"

#include <string.h>
#include <threads.h>

#include <liboath/oath.h>

#include "base/library.h"
#include "base/secret.h"

static struct {
        __typeof__(oath_init) *init;
        __typeof__(oath_totp_generate) *totp_generate;
} oath;
static const struct cd_library_function functions[] = {
        { "oath_init", &oath.init },
        { "oath_totp_generate", &oath.totp_generate },
};
static struct cd_library library = CD_LIBRARY("liboath.so.0", "liboath0", functions);

static once_flag once = ONCE_FLAG_INIT;
static bool started;

static void start(void)
{
        started = oath.init() == OATH_OK;
}

cd_status cd_totp_load(struct cd_error *reterr)
{
        cd_status status = cd_library_load(&library, reterr);

        if (status != CD_OK)
                return status;
        call_once(&once, start);
        return started ? CD_OK : cd_fail(reterr, CD_INTERNAL, "liboath does not start");
}

cd_status cd_totp_code(cd_str secret, int64_t step, char ret[CD_TOTP_DIGITS])
{
        char code[CD_TOTP_DIGITS + 1];

        if (cd_totp_load(NULL) != CD_OK || step < 0 || step > INT64_MAX / CD_TOTP_STEP)
                return CD_INTERNAL;
        if (oath.totp_generate(secret.ptr, secret.len, step * CD_TOTP_STEP, CD_TOTP_STEP, 0, CD_TOTP_DIGITS, code) !=
            OATH_OK)
                return CD_INTERNAL;
        memcpy(ret, code, CD_TOTP_DIGITS);
        cd_wipe(code, sizeof(code));
        return CD_OK;
}

/* ---- reading ---- */

/* The zeros of Unicode 14's decimal digits (general category Nd); nine more follow each. */
static const uint32_t zeros[] = {
        0x0030,  0x0660,  0x06f0,  0x07c0,  0x0966,  0x09e6,  0x0a66,  0x0ae6,  0x0b66,  0x0be6,  0x0c66,
        0x0ce6,  0x0d66,  0x0de6,  0x0e50,  0x0ed0,  0x0f20,  0x1040,  0x1090,  0x17e0,  0x1810,  0x1946,
        0x19d0,  0x1a80,  0x1a90,  0x1b50,  0x1bb0,  0x1c40,  0x1c50,  0xa620,  0xa8d0,  0xa900,  0xa9d0,
        0xa9f0,  0xaa50,  0xabf0,  0xff10,  0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0,
        0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60,
        0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
};

/* -1: it is no digit. */
static int digit_value(uint32_t c)
{
        for (size_t i = 0; i < CD_LEN(zeros); i++)
                if (c >= zeros[i] && c < zeros[i] + 10)
                        return (int)(c - zeros[i]);
        return -1;
}

/* Unicode's space separators (Zs), and the tab. */
static bool is_space(uint32_t c)
{
        return c == ' ' || c == '\t' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f ||
               c == 0x205f || c == 0x3000;
}

bool cd_totp_read(cd_str text, char ret[CD_TOTP_DIGITS])
{
        char code[CD_TOTP_DIGITS];
        size_t count = 0, length;

        for (size_t at = 0; at < text.len; at += length) {
                cd_str rest = cd_str_slice(text, at, text.len);
                length = cd_str_utf8_sequence(rest);
                if (length == 0)
                        return false;
                uint32_t c = cd_str_code_point(cd_str_slice(rest, 0, length));
                if (is_space(c))
                        continue;
                int digit = digit_value(c);
                if (digit < 0 || count == CD_TOTP_DIGITS)
                        return false;
                code[count++] = (char)('0' + digit);
        }
        if (count < CD_TOTP_DIGITS)
                return false;
        memcpy(ret, code, sizeof(code));
        return true;
}

/* ---- judging ---- */

/* A right code beats a used one, and that one of a wrong clock: two steps have one code once in a million times. */
static enum cd_totp_verdict verdict_of(int64_t offset, bool is_used)
{
        if (is_used)
                return CD_TOTP_USED;
        return offset >= -CD_TOTP_WINDOW && offset <= CD_TOTP_WINDOW ? CD_TOTP_RIGHT : CD_TOTP_SKEWED;
}

static int64_t distance(int64_t offset)
{
        return offset < 0 ? -offset : offset;
}

static bool is_better(enum cd_totp_verdict verdict, int64_t offset, const struct cd_totp_match *than, int64_t present)
{
        static const int ranks[] = {
                [CD_TOTP_WRONG] = 0, [CD_TOTP_SKEWED] = 1, [CD_TOTP_USED] = 2, [CD_TOTP_RIGHT] = 3
        };

        if (ranks[verdict] != ranks[than->verdict])
                return ranks[verdict] > ranks[than->verdict];
        return distance(offset) < distance(than->step - present);
}

cd_status cd_totp_judge(cd_str secret, const char code[CD_TOTP_DIGITS], cd_time now, int64_t last_step,
                        struct cd_totp_match *ret)
{
        struct cd_totp_match match = { .verdict = CD_TOTP_WRONG };
        int64_t present = cd_totp_step(now);
        char expected[CD_TOTP_DIGITS];

        for (int64_t offset = -CD_TOTP_HORIZON; offset <= CD_TOTP_HORIZON; offset++) {
                int64_t step = present + offset;
                if (step < 0)
                        continue;
                if (cd_totp_code(secret, step, expected) != CD_OK)
                        return CD_INTERNAL;
                if (!cd_secret_eq(cd_str_of(code, CD_TOTP_DIGITS), cd_str_of(expected, sizeof(expected))))
                        continue;
                enum cd_totp_verdict verdict = verdict_of(offset, step <= last_step);
                if (is_better(verdict, offset, &match, present))
                        match = (struct cd_totp_match){ verdict, step,
                                                        verdict == CD_TOTP_SKEWED ? offset * CD_TOTP_STEP : 0 };
        }
        cd_wipe(expected, sizeof(expected));
        *ret = match;
        return CD_OK;
}
