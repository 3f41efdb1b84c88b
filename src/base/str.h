#pragma once
/* Strings by value: a pointer and a length. They own nothing and need no terminating NUL. */
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

/* A view of a NUL-terminated string; NULL gives the empty string. Caller keeps ownership. */
cd_str cd_str_from_c(const char *c);
static inline cd_str cd_str_of(const char *ptr, size_t len)
{
        return (cd_str){ ptr, len };
}

/* Most comparisons end with the lengths, or are with a literal, which the compiler lays out: hence inline. */
static inline bool cd_str_eq(cd_str a, cd_str b)
{
        return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
/* Against a NUL-terminated string, without measuring it first. */
bool cd_str_eq_c(cd_str a, const char *c);
bool cd_bytes_eq_nocase(const char *a, const char *b, size_t len);
/* ASCII letters compare without case; every other byte exactly. Header names mostly come spelled as the RFCs do. */
static inline bool cd_str_eq_nocase(cd_str a, cd_str b)
{
        return a.len == b.len && (cd_str_eq(a, b) || cd_bytes_eq_nocase(a.ptr, b.ptr, a.len));
}
bool cd_str_has_prefix(cd_str s, cd_str prefix);
bool cd_str_has_suffix(cd_str s, cd_str suffix);

/* Index of the first such byte, or s.len where there is none. */
size_t cd_str_index(cd_str s, char byte);
/* The part of s from `from` (clamped) for at most `count` bytes. */
cd_str cd_str_slice(cd_str s, size_t from, size_t count);
/* Without leading and trailing spaces and tabs (RFC 9110 §5.6.3 OWS). */
cd_str cd_str_trim(cd_str s);

/* Takes the text before the next `separator` off the front of *rest. False when *rest was used up (ptr NULL). "a,,b"
 * gives "a", "", "b"; the empty string gives "" once. */
bool cd_str_take_until(cd_str *rest, char separator, cd_str *ret);
/* Takes the next non-empty word between spaces (0x20 only, RFC 6749 §3.3). False when none is left. */
bool cd_str_take_word(cd_str *rest, cd_str *ret);

/* Decimal digits only, no sign, no leading zeros but "0" itself. False on anything else and on overflow. */
bool cd_str_to_u64(cd_str s, uint64_t *ret);

/* Of a hexadecimal digit in either case; -1: it is none. */
static inline int cd_hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c = (char)(c | 0x20);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Like cd_str_to_u64, with an optional '-'. False also where it does not fit 64 bits. */
bool cd_str_to_i64(cd_str s, int64_t *ret);

/* An ASCII control character: under 0x20 (a tab too), or DEL. Not the C1 ones. */
bool cd_str_has_control(cd_str s);
/* Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF). */
bool cd_str_is_utf8(cd_str s);
/* Bytes of the well-formed UTF-8 sequence that a non-empty s begins with, or 0. */
size_t cd_str_utf8_sequence(cd_str s);
/* The character of such a sequence. */
uint32_t cd_str_code_point(cd_str s);
/* Bytes of the sequence where its character cannot deceive who reads it on a terminal, else 0: no control character
 * (C0, DEL, C1), no line end of Unicode's, none that sets the direction of writing, and no invisible tag. */
size_t cd_str_safe_sequence(cd_str s);
/* Writes text from outside as it is safe on a terminal and on one line: each byte of what is no safe sequence as \xHH.
 * At most `room` bytes (4 for each of the text are enough), of which no sequence is cut; returns their number. */
size_t cd_str_write_safe(cd_str text, char *to, size_t room);
/* ASCII bytes at the front that stand for themselves in a JSON string (RFC 8259 §7); DEL is one of them. */
size_t cd_str_json_plain(cd_str s);

/* Edit distance (Levenshtein, ASCII case folded) of two short words, for "did you mean"; capped at 255. */
unsigned cd_str_distance(cd_str a, cd_str b);
