#include "base/percent.h"

#include <string.h>

#include "base/buf.h"

/* Index of the first byte that decoding changes, or text.len. */
static size_t plain_prefix(cd_str text, bool plus_is_space)
{
        size_t at = cd_str_index(text, '%');
        return plus_is_space ? cd_str_index(cd_str_slice(text, 0, at), '+') : at;
}

cd_status cd_percent_decode(struct cd_arena *arena, cd_str text, bool plus_is_space, cd_str *ret)
{
        size_t at = plain_prefix(text, plus_is_space);

        if (at == text.len) {
                *ret = text;
                return CD_OK;
        }
        char *start = cd_arena_alloc(arena, text.len);
        if (!start)
                return CD_NO_MEMORY;
        memcpy(start, text.ptr, at);

        char *to = start + at;
        for (; at < text.len; at++) {
                char c = text.ptr[at];
                if (c == '%') {
                        int high = text.len - at > 2 ? cd_hex_value(text.ptr[at + 1]) : -1;
                        int low = high >= 0 ? cd_hex_value(text.ptr[at + 2]) : -1;
                        if (low < 0)
                                return CD_MALFORMED;
                        *to++ = (char)(high << 4 | low);
                        at += 2;
                } else {
                        *to++ = c == '+' && plus_is_space ? ' ' : c;
                }
        }
        *ret = cd_str_of(start, (size_t)(to - start));
        return CD_OK;
}

/* RFC 3986 §2.3 */
static bool is_unreserved(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
               c == '_' || c == '~';
}

void cd_percent_encode(struct cd_buf *buf, cd_str text)
{
        static const char digits[] = "0123456789ABCDEF";

        for (size_t i = 0; i < text.len; i++) {
                unsigned char c = (unsigned char)text.ptr[i];
                if (is_unreserved(text.ptr[i]))
                        cd_buf_add_char(buf, text.ptr[i]);
                else
                        cd_buf_add(buf, cd_str_of((char[]){ '%', digits[c >> 4], digits[c & 15] }, 3));
        }
}
