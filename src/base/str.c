#include "base/str.h"

#include <string.h>

cd_str cd_str_from_c(const char *c)
{
        return c ? (cd_str){ c, strlen(c) } : (cd_str){ "", 0 };
}

bool cd_str_eq_c(cd_str a, const char *c)
{
        size_t i = 0;

        while (i < a.len && c[i] && c[i] == a.ptr[i])
                i++;
        return i == a.len && !c[i];
}

static unsigned char fold(char c)
{
        return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

bool cd_bytes_eq_nocase(const char *a, const char *b, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if (fold(a[i]) != fold(b[i]))
                        return false;
        return true;
}

bool cd_str_has_prefix(cd_str s, cd_str prefix)
{
        return s.len >= prefix.len && cd_str_eq(cd_str_slice(s, 0, prefix.len), prefix);
}

bool cd_str_has_suffix(cd_str s, cd_str suffix)
{
        return s.len >= suffix.len && cd_str_eq(cd_str_slice(s, s.len - suffix.len, suffix.len), suffix);
}

size_t cd_str_index(cd_str s, char byte)
{
        const char *at = s.len ? memchr(s.ptr, byte, s.len) : NULL;
        return at ? (size_t)(at - s.ptr) : s.len;
}

cd_str cd_str_slice(cd_str s, size_t from, size_t count)
{
        if (from > s.len)
                from = s.len;
        if (count > s.len - from)
                count = s.len - from;
        return (cd_str){ s.ptr ? s.ptr + from : NULL, count };
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t';
}

cd_str cd_str_trim(cd_str s)
{
        while (s.len && is_blank(s.ptr[0]))
                s.ptr++, s.len--;
        while (s.len && is_blank(s.ptr[s.len - 1]))
                s.len--;
        return s;
}

bool cd_str_take_until(cd_str *rest, char separator, cd_str *ret)
{
        if (!rest->ptr)
                return false;

        size_t at = cd_str_index(*rest, separator);
        bool was_last = at == rest->len;
        *ret = cd_str_slice(*rest, 0, at);
        *rest = was_last ? (cd_str){ NULL, 0 } : cd_str_slice(*rest, at + 1, rest->len);
        return true;
}

bool cd_str_take_word(cd_str *rest, cd_str *ret)
{
        while (cd_str_take_until(rest, ' ', ret))
                if (ret->len)
                        return true;
        return false;
}

bool cd_str_to_u64(cd_str s, uint64_t *ret)
{
        uint64_t value = 0;

        if (s.len == 0 || (s.len > 1 && s.ptr[0] == '0'))
                return false;
        for (size_t i = 0; i < s.len; i++) {
                if (s.ptr[i] < '0' || s.ptr[i] > '9')
                        return false;
                if (__builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value))
                        return false;
        }
        *ret = value;
        return true;
}

bool cd_str_to_i64(cd_str s, int64_t *ret)
{
        bool negative = s.len && s.ptr[0] == '-';
        uint64_t value, most = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;

        if (!cd_str_to_u64(cd_str_slice(s, negative, s.len), &value) || value > most)
                return false;
        *ret = negative ? (int64_t)(0 - value) : (int64_t)value;
        return true;
}

/* No early exit, so that the compiler can vectorise the loop. */
static bool is_control(unsigned char c)
{
        return c < 0x20 || c == 0x7f;
}

/* Eight bytes at once. Both terms set the high bit of a byte that is below 0x20, or equal to 0x7f; a byte after the
 * first such byte may have it too. */
static bool may_have_control(uint64_t bytes)
{
        const uint64_t ones = 0x0101010101010101, highs = 0x80 * ones;
        uint64_t del = bytes ^ (0x7f * ones);

        return (((bytes - 0x20 * ones) & ~bytes) | ((del - ones) & ~del)) & highs;
}

static uint64_t load(const char *at)
{
        uint64_t bytes;

        memcpy(&bytes, at, sizeof(bytes));
        return bytes;
}

/* Of 4 to 7 bytes; those in the middle are loaded twice. */
static uint64_t load_short(cd_str s)
{
        uint32_t first, last;

        memcpy(&first, s.ptr, sizeof(first));
        memcpy(&last, s.ptr + s.len - sizeof(last), sizeof(last));
        return first | (uint64_t)last << 32;
}

size_t cd_str_next_control(cd_str s, size_t from)
{
        const size_t step = sizeof(uint64_t);

        if (s.len >= step) {
                while (from <= s.len - step && !may_have_control(load(s.ptr + from)))
                        from += step;
                /* The rest, with some of the bytes before it. */
                if (from > s.len - step && !may_have_control(load(s.ptr + s.len - step)))
                        return s.len;
        } else if (s.len >= step / 2 && !may_have_control(load_short(s))) {
                return s.len;
        }
        while (from < s.len && !is_control((unsigned char)s.ptr[from]))
                from++;
        return from;
}

/* RFC 3629 §4 */
size_t cd_str_utf8_sequence(cd_str s)
{
        const unsigned char *p = (const unsigned char *)s.ptr;

        if (p[0] < 0x80)
                return 1;

        size_t need = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
        if (p[0] < 0xc2 || p[0] > 0xf4 || s.len < need)
                return 0;
        for (size_t i = 1; i < need; i++)
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
            (p[0] == 0xf4 && p[1] > 0x8f))
                return 0;
        return need;
}

bool cd_str_is_utf8(cd_str s)
{
        while (s.len) {
                uint64_t word;
                if (s.len >= sizeof(word)) {
                        memcpy(&word, s.ptr, sizeof(word));
                        if (!(word & 0x8080808080808080)) {
                                s = (cd_str){ s.ptr + sizeof(word), s.len - sizeof(word) };
                                continue;
                        }
                }
                size_t n = cd_str_utf8_sequence(s);
                if (n == 0)
                        return false;
                s = (cd_str){ s.ptr + n, s.len - n };
        }
        return true;
}

uint32_t cd_str_code_point(cd_str s)
{
        const unsigned char *b = (const unsigned char *)s.ptr;

        if (b[0] < 0x80)
                return b[0];
        if (b[0] < 0xe0)
                return (b[0] & 0x1fu) << 6 | (b[1] & 0x3fu);
        if (b[0] < 0xf0)
                return (b[0] & 0xfu) << 12 | (b[1] & 0x3fu) << 6 | (b[2] & 0x3fu);
        return (b[0] & 0x7u) << 18 | (b[1] & 0x3fu) << 12 | (b[2] & 0x3fu) << 6 | (b[3] & 0x3fu);
}

size_t cd_str_safe_sequence(cd_str s)
{
        static const struct {
                uint32_t first, last;
        } unsafe[] = {
                { 0, 0x1f },        { 0x7f, 0x9f },     { 0x61c, 0x61c },   { 0x200e, 0x200f },   { 0x2028, 0x202e },
                { 0x2066, 0x2069 }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
        };
        size_t size = cd_str_utf8_sequence(s);
        uint32_t c = size ? cd_str_code_point(s) : 0;

        for (size_t i = 0; i < CD_LEN(unsafe); i++)
                if (c >= unsafe[i].first && c <= unsafe[i].last)
                        return 0;
        return size;
}

size_t cd_str_write_safe(cd_str text, char *to, size_t room)
{
        static const char hex[] = "0123456789abcdef";
        size_t len = 0;

        for (size_t i = 0; i < text.len;) {
                size_t size = cd_str_safe_sequence(cd_str_slice(text, i, text.len));
                unsigned char byte = (unsigned char)text.ptr[i];
                if ((size ? size : 4) > room - len)
                        break;
                memcpy(to + len, size ? text.ptr + i : (char[]){ '\\', 'x', hex[byte >> 4], hex[byte & 15] },
                       size ? size : 4);
                len += size ? size : 4;
                i += size ? size : 1;
        }
        return len;
}

/* Each term sets the high bit of the bytes that it looks for. A borrow can add a false match above a true one, but
 * never hide one. */
static inline bool has_special(uint64_t word)
{
        const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
        uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');

        return (((quote - ones) | (backslash - ones) | (word - ones * 0x20) | word) & highs) != 0;
}

size_t cd_str_json_plain(cd_str s)
{
        size_t i = 0;
        uint64_t word;

        for (; s.len - i >= sizeof(word); i += sizeof(word)) {
                memcpy(&word, s.ptr + i, sizeof(word));
                if (has_special(word))
                        break;
        }
        while (i < s.len && (unsigned char)s.ptr[i] >= 0x20 && (unsigned char)s.ptr[i] < 0x80 && s.ptr[i] != '"' &&
               s.ptr[i] != '\\')
                i++;
        return i;
}

unsigned cd_str_distance(cd_str a, cd_str b)
{
        enum {
                MAX = 64
        };
        unsigned char row[MAX + 1];

        if (a.len > MAX || b.len > MAX)
                return 255;
        for (size_t j = 0; j <= b.len; j++)
                row[j] = (unsigned char)j;
        for (size_t i = 1; i <= a.len; i++) {
                unsigned diagonal = row[0];
                row[0] = (unsigned char)i;
                for (size_t j = 1; j <= b.len; j++) {
                        unsigned change = diagonal + (fold(a.ptr[i - 1]) != fold(b.ptr[j - 1]));
                        unsigned insert = row[j - 1] + 1u, remove = row[j] + 1u;
                        unsigned least = insert < remove ? insert : remove;
                        diagonal = row[j];
                        row[j] = (unsigned char)(change < least ? change : least);
                }
        }
        return row[b.len];
}

static bool is_continuation(char c)
{
        return ((unsigned char)c & 0xc0) == 0x80;
}

cd_str cd_str_utf8_prefix(cd_str s, size_t max)
{
        if (s.len <= max)
                return s;
        while (max && is_continuation(s.ptr[max]))
                max--;
        return cd_str_slice(s, 0, max);
}

size_t cd_str_utf8_count(cd_str s)
{
        size_t count = 0;

        for (size_t i = 0; i < s.len; i++)
                count += !is_continuation(s.ptr[i]);
        return count;
}
