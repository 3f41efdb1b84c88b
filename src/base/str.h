#pragma once
/* Strings by value: a pointer and a length. They own no memory and need no terminating NUL. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct cd_str {
        const char *ptr;
        size_t len; /* bytes */
} cd_str;

/* A string literal as a cd_str; the empty first literal makes anything else a compile error. */
#define CD_STR(literal) ((cd_str){ "" literal, sizeof(literal) - 1 })
/* The same as a constant initialiser of a static object. */
#define CD_STR_INIT(literal)                                                                                           \
        {                                                                                                              \
                "" literal, sizeof(literal) - 1                                                                        \
        }
/* For printf's "%.*s". */
#define CD_STR_ARG(s) (int)(s).len, (s).ptr
#define CD_LEN(array) (sizeof(array) / sizeof((array)[0]))

/* A view of a NUL-terminated string, which the caller keeps; NULL gives the empty string. */
cd_str cd_str_from_c(const char *c);
static inline cd_str cd_str_of(const char *ptr, size_t len)
{
        return (cd_str){ ptr, len };
}

/* Inline, because most comparisons end with the lengths or are with a literal, which the compiler then optimises. */
static inline bool cd_str_eq(cd_str a, cd_str b)
{
        return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
/* Compares with a NUL-terminated string without calling strlen first. */
bool cd_str_eq_c(cd_str a, const char *c);
bool cd_bytes_eq_nocase(const char *a, const char *b, size_t len);
/* Ignores the case of ASCII letters. The exact comparison comes first, since most header names are spelled
 * as in the RFCs. */
static inline bool cd_str_eq_nocase(cd_str a, cd_str b)
{
        return a.len == b.len && (cd_str_eq(a, b) || cd_bytes_eq_nocase(a.ptr, b.ptr, a.len));
}
bool cd_str_has_prefix(cd_str s, cd_str prefix);
bool cd_str_has_suffix(cd_str s, cd_str suffix);

/* Index of the first such byte, or s.len if there is none. */
size_t cd_str_index(cd_str s, char byte);
/* At most `count` bytes of s, starting at `from` (clamped). */
cd_str cd_str_slice(cd_str s, size_t from, size_t count);
/* Without leading and trailing spaces and tabs (RFC 9110 §5.6.3 OWS). */
cd_str cd_str_trim(cd_str s);

/* Takes the text before the next `separator` off the front of *rest. False if *rest is used up (ptr NULL). "a,,b" gives
 * "a", "", "b"; the empty string gives "" once. */
bool cd_str_take_until(cd_str *rest, char separator, cd_str *ret);
/* Takes the next non-empty word between spaces (only 0x20, RFC 6749 §3.3). False if no word is left. */
bool cd_str_take_word(cd_str *rest, cd_str *ret);

/* Decimal digits without a sign or leading zeros, except "0" itself. False on anything else and on overflow. */
bool cd_str_to_u64(cd_str s, uint64_t *ret);

/* The value of a hexadecimal digit in either case; -1 for other characters. */
static inline int cd_hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c = (char)(c | 0x20);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Like cd_str_to_u64, with an optional '-'. False also if the number does not fit into 64 bits. */
bool cd_str_to_i64(cd_str s, int64_t *ret);

/* The index of the first ASCII control character at or after `from`, which is at most s.len: below 0x20 (including tab)
 * or DEL, but not C1. s.len: none. */
size_t cd_str_next_control(cd_str s, size_t from);
static inline bool cd_str_has_control(cd_str s)
{
        return cd_str_next_control(s, 0) < s.len;
}
/* Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF). */
bool cd_str_is_utf8(cd_str s);
/* Length of the well-formed UTF-8 sequence at the start of a non-empty s, or 0. */
size_t cd_str_utf8_sequence(cd_str s);
/* The longest prefix of at most `max` bytes that does not end inside a character. */
cd_str cd_str_utf8_prefix(cd_str s, size_t max);
/* The number of code points of a text that is UTF-8. */
size_t cd_str_utf8_count(cd_str s);
/* The code point of such a sequence. */
uint32_t cd_str_code_point(cd_str s);
/* Length of the UTF-8 sequence at the start of s if its character is safe to print on a terminal, else 0.
 * Unsafe are control characters (C0, DEL, C1), Unicode line breaks, characters that change the writing
 * direction, and invisible tags. */
size_t cd_str_safe_sequence(cd_str s);
/* Writes external text so that it is safe on a terminal and stays on one line: each byte that does not belong to a safe
 * sequence becomes \xHH. Writes at most `room` bytes (4 for each byte of the text always suffice), never part of a
 * sequence, and returns the count. */
size_t cd_str_write_safe(cd_str text, char *to, size_t room);
/* Number of leading ASCII bytes that need no escape in a JSON string (RFC 8259 §7); DEL needs none. */
size_t cd_str_json_plain(cd_str s);

/* Edit distance (Levenshtein, ASCII case ignored) of two short words, for "did you mean"; at most 255. */
unsigned cd_str_distance(cd_str a, cd_str b);
