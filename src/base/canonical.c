#include "base/canonical.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/address.h"
#include "base/percent.h"

enum path_byte {
        KEEP,   /* unreserved, or reserved where it stands (RFC 3986 §3.3 pchar, without ";") */
        ENCODE, /* no URI may hold it, but it can be read in one way only */
        REFUSE,
        SLASH,
        PERCENT,
        DOT, /* kept, but may be a dot segment */
};

static const unsigned char path_bytes[256] = {
        [0x00 ... 0x20] = REFUSE, ['"'] = ENCODE,  ['#'] = REFUSE,
        ['%'] = PERCENT,          ['.'] = DOT,     ['/'] = SLASH,
        [';'] = REFUSE,           ['<'] = ENCODE,  ['>'] = ENCODE,
        ['?'] = REFUSE,           ['\\'] = REFUSE, ['^'] = ENCODE,
        ['`'] = ENCODE,           ['{'] = ENCODE,  ['|'] = ENCODE,
        ['}'] = ENCODE,           [0x7f] = REFUSE, [0x80 ... 0xff] = ENCODE,
};

/* Nearly every path is canonical as it comes. A dot at the start of a segment is left to the slow way. */
static bool is_canonical_path(cd_str raw)
{
        if (raw.len == 0 || raw.ptr[0] != '/')
                return false;
        for (size_t i = 1; i < raw.len; i++) {
                enum path_byte kind = path_bytes[(unsigned char)raw.ptr[i]];
                if (kind == KEEP || (kind == DOT && raw.ptr[i - 1] != '/') || (kind == SLASH && raw.ptr[i - 1] != '/'))
                        continue;
                return false;
        }
        return true;
}

static bool is_unreserved(unsigned char c)
{
        return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '.' || c == '_' ||
               c == '~';
}

static size_t put_escape(char *to, unsigned char byte)
{
        static const char digits[] = "0123456789ABCDEF";

        to[0] = '%';
        to[1] = digits[byte >> 4];
        to[2] = digits[byte & 15];
        return 3;
}

/* Writes one segment's bytes decoded and encoded as they must be; `to` has three bytes for each of the segment's. False
 * on what is refused. */
static bool put_segment(cd_str segment, char *to, size_t *retlen)
{
        size_t len = 0;

        for (size_t i = 0; i < segment.len; i++) {
                unsigned char byte = (unsigned char)segment.ptr[i];
                enum path_byte kind = path_bytes[byte];
                bool is_escape = kind == PERCENT;

                if (kind == REFUSE)
                        return false;
                if (is_escape) {
                        int high = i + 2 < segment.len ? cd_hex_value(segment.ptr[i + 1]) : -1;
                        int low = i + 2 < segment.len ? cd_hex_value(segment.ptr[i + 2]) : -1;
                        if (i + 2 >= segment.len || high < 0 || low < 0)
                                return false;
                        byte = (unsigned char)(high << 4 | low);
                        if (byte == '/' || byte == '\\' || byte == '\0')
                                return false;
                        i += 2;
                }
                if (kind == ENCODE || (is_escape && !is_unreserved(byte)))
                        len += put_escape(to + len, byte);
                else
                        to[len++] = (char)byte;
        }
        *retlen = len;
        return true;
}

/* Length of `path` without its last segment: "/a/b/" becomes "/a/". */
static size_t without_last_segment(const char *path, size_t len)
{
        len--;
        while (len > 0 && path[len - 1] != '/')
                len--;
        return len;
}

/* A byte above 0x7f that is no UTF-8 is an overlong slash to somebody. */
static bool decodes_to_utf8(struct cd_arena *arena, cd_str path)
{
        cd_str decoded;

        return cd_percent_decode(arena, path, false, &decoded) == CD_OK && cd_str_is_utf8(decoded);
}

cd_status cd_canonical_path(struct cd_arena *arena, cd_str raw, cd_str *ret)
{
        if (is_canonical_path(raw)) {
                *ret = raw;
                return CD_OK;
        }
        if (raw.len == 0 || raw.ptr[0] != '/')
                return CD_MALFORMED;

        char *path = cd_arena_alloc(arena, 3 * raw.len + 1);
        cd_str rest = cd_str_slice(raw, 1, raw.len), segment;
        size_t len = 1;
        if (!path)
                return CD_NO_MEMORY;
        path[0] = '/';

        while (cd_str_take_until(&rest, '/', &segment)) {
                size_t added;
                if (!put_segment(segment, path + len, &added))
                        return CD_MALFORMED;
                cd_str written = cd_str_of(path + len, added);
                if (cd_str_eq(written, CD_STR(".."))) {
                        if (len == 1)
                                return CD_MALFORMED;
                        len = without_last_segment(path, len);
                } else if (added > 0 && !cd_str_eq(written, CD_STR("."))) {
                        len += added;
                        if (rest.ptr)
                                path[len++] = '/';
                }
        }
        if (!decodes_to_utf8(arena, cd_str_of(path, len)))
                return CD_MALFORMED;
        *ret = cd_str_of(path, len);
        return CD_OK;
}

/* Letters, digits, "-", "_" in labels that are not empty. */
static bool is_reg_name(cd_str host)
{
        char before = '.';

        for (size_t i = 0; i < host.len; i++) {
                char c = host.ptr[i];
                if (c == '.' ? before == '.' : !is_unreserved((unsigned char)c) || c == '~')
                        return false;
                before = c;
        }
        return host.len > 0 && host.len <= 253 && before != '.';
}

static cd_status lower(struct cd_arena *arena, cd_str host, cd_str *ret)
{
        size_t first = 0;

        while (first < host.len && !(host.ptr[first] >= 'A' && host.ptr[first] <= 'Z'))
                first++;
        if (first == host.len) {
                *ret = host;
                return CD_OK;
        }
        char *to = cd_arena_alloc(arena, host.len);
        if (!to)
                return CD_NO_MEMORY;
        for (size_t i = 0; i < host.len; i++) {
                char c = host.ptr[i];
                to[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
        }
        *ret = cd_str_of(to, host.len);
        return CD_OK;
}

/* One spelling for each IPv6 address (RFC 5952). */
static cd_status canonical_ipv6(struct cd_arena *arena, cd_str text, cd_str *ret)
{
        char form[CD_ADDRESS_TEXT_MAX], copy[CD_ADDRESS_TEXT_MAX];
        struct in6_addr address;

        if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len))
                return CD_MALFORMED;
        memcpy(copy, text.ptr, text.len);
        copy[text.len] = '\0';
        if (inet_pton(AF_INET6, copy, &address) != 1 || !inet_ntop(AF_INET6, &address, form, sizeof(form)))
                return CD_MALFORMED;
        *ret = cd_arena_printf(arena, "[%s]", form);
        return ret->ptr ? CD_OK : CD_NO_MEMORY;
}

/* Nothing, or ":" and a port; "localhost:" is the default port (RFC 3986 §3.2.3). */
static bool is_port_part(cd_str part)
{
        unsigned port = 0;

        if (part.len == 0)
                return true;
        if (part.ptr[0] != ':' || part.len > 6)
                return false;
        for (size_t i = 1; i < part.len; i++) {
                if (part.ptr[i] < '0' || part.ptr[i] > '9')
                        return false;
                port = port * 10 + (unsigned)(part.ptr[i] - '0');
        }
        return port <= 65535;
}

cd_status cd_canonical_host(struct cd_arena *arena, cd_str raw, cd_str *ret)
{
        bool is_ipv6 = raw.len > 0 && raw.ptr[0] == '[';
        size_t end = cd_str_index(raw, is_ipv6 ? ']' : ':') + is_ipv6;

        if (end > raw.len || !is_port_part(cd_str_slice(raw, end, raw.len)))
                return CD_MALFORMED;
        if (is_ipv6)
                return canonical_ipv6(arena, cd_str_slice(raw, 1, end - 2), ret);

        cd_str host = cd_str_slice(raw, 0, end);
        if (host.len > 1 && host.ptr[host.len - 1] == '.')
                host.len--;
        return is_reg_name(host) ? lower(arena, host, ret) : CD_MALFORMED;
}

bool cd_host_is_within(cd_str host, cd_str domain)
{
        return cd_str_eq(host, domain) ||
               (host.len > domain.len && cd_str_has_suffix(host, domain) && host.ptr[host.len - domain.len - 1] == '.');
}

bool cd_is_clean_query(cd_str query)
{
        for (size_t i = 0; i < query.len; i++) {
                unsigned char c = (unsigned char)query.ptr[i];
                if (c <= 0x20 || c >= 0x7f || c == '#' || c == '"' || c == '\\')
                        return false;
        }
        return true;
}
