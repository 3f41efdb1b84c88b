#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/secret.h"

void cd_buf_init(struct cd_buf *buf, struct cd_arena *arena, size_t ceiling)
{
        *buf = (struct cd_buf){ .ceiling = ceiling, .arena = arena };
}

void cd_buf_init_fixed(struct cd_buf *buf, char *memory, size_t size)
{
        *buf = (struct cd_buf){ .ptr = memory, .cap = size, .ceiling = size, .fixed = true };
}

void cd_buf_done(struct cd_buf *buf)
{
        cd_wipe(buf->ptr, buf->len);
        if (!buf->arena && !buf->fixed)
                free(buf->ptr);
        *buf = (struct cd_buf){ .failed = true };
}

/* Moves the text to a larger block. The old block is wiped, since realloc would leave a copy of a secret behind. */
static bool grow(struct cd_buf *buf, size_t need)
{
        size_t cap = buf->cap ? buf->cap : 128;

        if (buf->fixed)
                return false;
        while (cap < need)
                cap *= 2;
        if (cap > buf->ceiling)
                cap = buf->ceiling;

        char *to = buf->arena ? cd_arena_alloc(buf->arena, cap) : malloc(cap);
        if (!to)
                return false;
        if (buf->len)
                memcpy(to, buf->ptr, buf->len);
        cd_wipe(buf->ptr, buf->len);
        if (!buf->arena)
                free(buf->ptr);
        buf->ptr = to;
        buf->cap = cap;
        return true;
}

char *cd_buf_reserve(struct cd_buf *buf, size_t more)
{
        if (buf->failed)
                return NULL;
        if (more > buf->ceiling - buf->len || (more > buf->cap - buf->len && !grow(buf, buf->len + more))) {
                buf->failed = true;
                return NULL;
        }
        return buf->ptr + buf->len;
}

void cd_buf_add(struct cd_buf *buf, cd_str s)
{
        char *to = s.len ? cd_buf_reserve(buf, s.len) : NULL;
        if (!to)
                return;
        memcpy(to, s.ptr, s.len);
        buf->len += s.len;
}

void cd_buf_add_char(struct cd_buf *buf, char c)
{
        char *to = cd_buf_reserve(buf, 1);
        if (!to)
                return;
        *to = c;
        buf->len++;
}

void cd_buf_add_u64(struct cd_buf *buf, uint64_t value)
{
        char digits[20];
        size_t at = sizeof(digits);

        do
                digits[--at] = (char)('0' + value % 10);
        while (value /= 10);
        cd_buf_add(buf, cd_str_of(digits + at, sizeof(digits) - at));
}

void cd_buf_add_i64(struct cd_buf *buf, int64_t value)
{
        if (value < 0)
                cd_buf_add_char(buf, '-');
        cd_buf_add_u64(buf, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void cd_buf_printf(struct cd_buf *buf, const char *format, ...)
{
        char text[512];
        va_list args;

        va_start(args, format);
        int len = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        if (len < 0 || (size_t)len >= sizeof(text))
                buf->failed = true;
        else
                cd_buf_add(buf, cd_str_of(text, (size_t)len));
        cd_wipe(text, sizeof(text));
}

/* Number of leading bytes that need no escape in a JSON string. */
static size_t plain_json_prefix(cd_str s)
{
        size_t i = cd_str_json_plain(s), n;

        while (i < s.len && (unsigned char)s.ptr[i] >= 0x80 && (n = cd_str_safe_sequence(cd_str_slice(s, i, 4))) > 0) {
                i += n;
                i += cd_str_json_plain(cd_str_slice(s, i, s.len));
        }
        return i;
}

static void add_hex16(struct cd_buf *buf, uint32_t unit)
{
        static const char hex[] = "0123456789abcdef";

        cd_buf_add(buf, cd_str_of((char[]){ '\\', 'u', hex[unit >> 12 & 15], hex[unit >> 8 & 15], hex[unit >> 4 & 15],
                                            hex[unit & 15] },
                                  6));
}

/* Writes \uXXXX, or two of them (RFC 8259 §7). */
static void add_json_code_point(struct cd_buf *buf, uint32_t c)
{
        if (c >= 0x10000) {
                add_hex16(buf, 0xd800 + ((c - 0x10000) >> 10));
                add_hex16(buf, 0xdc00 + ((c - 0x10000) & 0x3ff));
        } else {
                add_hex16(buf, c);
        }
}

/* Writes the character at the start of s, which needs an escape or a replacement. Returns its length. */
static size_t add_json_escape(struct cd_buf *buf, cd_str s)
{
        static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt";
        size_t size = cd_str_utf8_sequence(s);

        if (size == 0) {
                cd_buf_add(buf, CD_STR("\xef\xbf\xbd"));
                return 1;
        }
        for (size_t i = 0; i < sizeof(short_forms) - 1; i += 2) {
                if (short_forms[i] == s.ptr[0]) {
                        cd_buf_add(buf, cd_str_of((char[]){ '\\', short_forms[i + 1] }, 2));
                        return 1;
                }
        }
        add_json_code_point(buf, cd_str_code_point(s));
        return size;
}

void cd_buf_add_json(struct cd_buf *buf, cd_str s)
{
        cd_buf_add_char(buf, '"');
        while (s.len && !buf->failed) {
                size_t plain = plain_json_prefix(s);
                cd_buf_add(buf, cd_str_slice(s, 0, plain));
                s = cd_str_slice(s, plain, s.len);
                if (s.len == 0)
                        break;
                s = cd_str_slice(s, add_json_escape(buf, s), s.len);
        }
        cd_buf_add_char(buf, '"');
}

void cd_buf_add_safe(struct cd_buf *buf, cd_str s)
{
        char *to = cd_buf_reserve(buf, 4 * s.len);
        if (to)
                buf->len += cd_str_write_safe(s, to, 4 * s.len);
}

void cd_buf_add_base64url(struct cd_buf *buf, cd_str bytes)
{
        char *to = cd_buf_reserve(buf, cd_base64url_length(bytes.len));
        if (to)
                buf->len += cd_base64url_encode(to, bytes);
}

cd_status cd_buf_view(const struct cd_buf *buf, cd_str *ret)
{
        if (buf->failed)
                return CD_TOO_LARGE;
        *ret = cd_str_of(buf->ptr ? buf->ptr : "", buf->len);
        return CD_OK;
}
