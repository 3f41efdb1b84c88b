#include "base/base64.h"

/* The two alphabets differ in their last two characters only. */
static const char url_alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char plain_alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of each character plus one, so that all other characters have 0. */
#define COMMON_CHARS                                                                                                   \
        ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8, ['I'] = 9, ['J'] = 10, \
        ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19,    \
        ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,    \
        ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37,    \
        ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46,    \
        ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55,    \
        ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62

static const unsigned char url_values[256] = { COMMON_CHARS, ['-'] = 63, ['_'] = 64 };
static const unsigned char plain_values[256] = { COMMON_CHARS, ['+'] = 63, ['/'] = 64 };

static size_t encode(const char alphabet[64], char *to, cd_str bytes)
{
        const unsigned char *p = (const unsigned char *)bytes.ptr;
        char *start = to;
        size_t i = 0;

        for (; bytes.len - i >= 3; i += 3) {
                uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];
                *to++ = alphabet[v >> 18];
                *to++ = alphabet[v >> 12 & 63];
                *to++ = alphabet[v >> 6 & 63];
                *to++ = alphabet[v & 63];
        }
        if (bytes.len - i == 1) {
                *to++ = alphabet[p[i] >> 2];
                *to++ = alphabet[(p[i] & 3) << 4];
        } else if (bytes.len - i == 2) {
                *to++ = alphabet[p[i] >> 2];
                *to++ = alphabet[(p[i] & 3) << 4 | p[i + 1] >> 4];
                *to++ = alphabet[(p[i + 1] & 15) << 2];
        }
        return (size_t)(to - start);
}

size_t cd_base64url_encode(char *to, cd_str bytes)
{
        return encode(url_alphabet, to, bytes);
}

size_t cd_base64_encode(char *to, cd_str bytes)
{
        size_t len = encode(plain_alphabet, to, bytes);
        while (len % 4)
                to[len++] = '=';
        return len;
}

/* Four characters as 24 bits. Bit 31 is set if one of them is invalid: -1 has that bit set wherever
 * it is shifted to. */
static inline uint32_t take_four(const unsigned char values[256], const unsigned char *p)
{
        uint32_t a = values[p[0]] - 1u, b = values[p[1]] - 1u, c = values[p[2]] - 1u, d = values[p[3]] - 1u;
        return a << 18 | b << 12 | c << 6 | d;
}

/* The last two or three characters. Bits after the last byte must be zero, or a value would have several spellings. */
static bool decode_tail(const unsigned char values[256], const unsigned char *p, size_t len, char *to)
{
        static const unsigned char zero = 'A';
        const unsigned char four[4] = { p[0], p[1], len == 3 ? p[2] : zero, zero };
        uint32_t v = take_four(values, four);

        if (v & 0x80000000u || (len == 2 ? v & 0xffff : v & 0xff))
                return false;
        to[0] = (char)(v >> 16);
        if (len == 3)
                to[1] = (char)(v >> 8);
        return true;
}

static cd_status decode(const unsigned char values[256], cd_str text, char *to, size_t *retlen)
{
        const unsigned char *p = (const unsigned char *)text.ptr;
        size_t tail = text.len % 4, len = text.len / 4 * 3;
        uint32_t bad = 0;

        if (tail == 1)
                return CD_MALFORMED;
        for (size_t i = 0; i < text.len / 4; i++, p += 4, to += 3) {
                uint32_t v = take_four(values, p);
                bad |= v;
                to[0] = (char)(v >> 16);
                to[1] = (char)(v >> 8);
                to[2] = (char)v;
        }
        if (bad & 0x80000000u || (tail && !decode_tail(values, p, tail, to)))
                return CD_MALFORMED;
        *retlen = tail ? len + tail - 1 : len;
        return CD_OK;
}

cd_status cd_base64url_decode(cd_str text, char *to, size_t *retlen)
{
        return decode(url_values, text, to, retlen);
}

cd_status cd_base64_decode(cd_str text, char *to, size_t *retlen)
{
        if (text.len % 4)
                return CD_MALFORMED;
        for (int pad = 0; pad < 2 && text.len && text.ptr[text.len - 1] == '='; pad++)
                text.len--;
        return decode(plain_values, text, to, retlen);
}

cd_status cd_base64url_decode_arena(struct cd_arena *arena, cd_str text, cd_str *ret)
{
        size_t len;
        char *to = cd_arena_alloc(arena, text.len / 4 * 3 + 2);
        if (!to)
                return CD_NO_MEMORY;
        cd_status status = cd_base64url_decode(text, to, &len);
        if (status == CD_OK)
                *ret = cd_str_of(to, len);
        return status;
}
