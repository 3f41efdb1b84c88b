#include "net/proxy_header.h"

#include <string.h>

/* Takes `expected` off the front of *rest. */
static enum cd_proxy_step take_literal(cd_str *rest, cd_str expected)
{
        size_t count = rest->len < expected.len ? rest->len : expected.len;

        if (memcmp(rest->ptr, expected.ptr, count) != 0)
                return CD_PROXY_BAD;
        *rest = cd_str_slice(*rest, count, rest->len);
        return count < expected.len ? CD_PROXY_MORE : CD_PROXY_DONE;
}

/* Takes the bytes before `end`, and `end` itself. All bytes must be in `alphabet`. */
static enum cd_proxy_step take_field(cd_str *rest, const char *alphabet, char end, cd_str *ret)
{
        for (size_t i = 0; i < rest->len; i++) {
                char c = rest->ptr[i];
                if (c == end) {
                        *ret = cd_str_slice(*rest, 0, i);
                        *rest = cd_str_slice(*rest, i + 1, rest->len);
                        return CD_PROXY_DONE;
                }
                if (c == '\0' || !strchr(alphabet, c))
                        return CD_PROXY_BAD;
        }
        return CD_PROXY_MORE;
}

static enum cd_proxy_step take_address(cd_str *rest, bool is_ipv6, struct cd_address *ret)
{
        cd_str text;
        enum cd_proxy_step step = take_field(rest, is_ipv6 ? "0123456789abcdefABCDEF:." : "0123456789.", ' ', &text);

        if (step != CD_PROXY_DONE)
                return step;
        if (is_ipv6 && cd_str_index(text, ':') == text.len)
                return CD_PROXY_BAD;
        return cd_address_parse(text, ret) ? CD_PROXY_DONE : CD_PROXY_BAD;
}

static enum cd_proxy_step take_port(cd_str *rest, char end, uint16_t *ret)
{
        uint64_t port;
        cd_str text;
        enum cd_proxy_step step = take_field(rest, "0123456789", end, &text);

        if (step != CD_PROXY_DONE)
                return step;
        if (!cd_str_to_u64(text, &port) || port > 65535)
                return CD_PROXY_BAD;
        *ret = (uint16_t)port;
        return CD_PROXY_DONE;
}

/* "4 SOURCE DESTINATION PORT PORT\r\n", after "PROXY TCP". */
static enum cd_proxy_step take_tcp(cd_str *rest, struct cd_proxy_header *ret)
{
        struct cd_address destination;
        uint16_t destination_port;
        enum cd_proxy_step step;

        if (rest->len == 0)
                return CD_PROXY_MORE;
        bool is_ipv6 = rest->ptr[0] == '6';
        if ((step = take_literal(rest, is_ipv6 ? CD_STR("6 ") : CD_STR("4 "))) != CD_PROXY_DONE)
                return step;
        if ((step = take_address(rest, is_ipv6, &ret->address)) != CD_PROXY_DONE)
                return step;
        if ((step = take_address(rest, is_ipv6, &destination)) != CD_PROXY_DONE)
                return step;
        if ((step = take_port(rest, ' ', &ret->port)) != CD_PROXY_DONE)
                return step;
        if ((step = take_port(rest, '\r', &destination_port)) != CD_PROXY_DONE)
                return step;
        return take_literal(rest, CD_STR("\n"));
}

/* "UNKNOWN\r\n"; the line may contain other text before its end. */
static enum cd_proxy_step take_unknown(cd_str *rest)
{
        enum cd_proxy_step step = take_literal(rest, CD_STR("UNKNOWN"));
        size_t end = 0;

        if (step != CD_PROXY_DONE)
                return step;
        if (rest->len && rest->ptr[0] != ' ' && rest->ptr[0] != '\r')
                return CD_PROXY_BAD;
        while (end < rest->len && rest->ptr[end] != '\r' && rest->ptr[end] != '\n')
                end++;
        *rest = cd_str_slice(*rest, end, rest->len);
        return take_literal(rest, CD_STR("\r\n"));
}

static enum cd_proxy_step parse_v1(cd_str bytes, struct cd_proxy_header *ret)
{
        cd_str line = cd_str_slice(bytes, 0, CD_PROXY_V1_MAX), rest = line;
        struct cd_proxy_header header = { 0 };
        enum cd_proxy_step step = take_literal(&rest, CD_STR("PROXY "));

        if (step != CD_PROXY_DONE)
                return step;
        header.local = rest.len && rest.ptr[0] == 'U';
        if (header.local)
                step = take_unknown(&rest);
        else if ((step = take_literal(&rest, CD_STR("TCP"))) == CD_PROXY_DONE)
                step = take_tcp(&rest, &header);
        if (step == CD_PROXY_MORE && line.len == CD_PROXY_V1_MAX)
                return CD_PROXY_BAD;
        if (step == CD_PROXY_DONE) {
                header.used = line.len - rest.len;
                *ret = header;
        }
        return step;
}

/* Offsets into a header of version 2 (§2.2). */
enum {
        V2_VERSION_AND_COMMAND = 12,
        V2_FAMILY_AND_PROTOCOL = 13,
        V2_LENGTH = 14,
        V2_ADDRESSES = 16,
};

enum {
        V2_LOCAL = 0x20,
        V2_PROXY = 0x21,
        V2_TCP4 = 0x11, /* address family in the upper half, protocol in the lower half */
        V2_TCP6 = 0x21,
        V2_DGRAM = 2, /* the highest protocol */
};

/* Length of both addresses and ports, indexed by the address family. */
static const size_t v2_addresses_len[] = { [0] = 0, [1] = 12, [2] = 36, [3] = 216 };

/* The checks after the signature, as early as the bytes allow. *rettotal is set with DONE. */
static enum cd_proxy_step check_v2(const uint8_t *p, size_t len, size_t *rettotal)
{
        size_t family = 0, rest;

        if (len > V2_VERSION_AND_COMMAND && p[V2_VERSION_AND_COMMAND] != V2_LOCAL &&
            p[V2_VERSION_AND_COMMAND] != V2_PROXY)
                return CD_PROXY_BAD;
        /* The family is ignored for LOCAL. */
        if (len > V2_FAMILY_AND_PROTOCOL && p[V2_VERSION_AND_COMMAND] == V2_PROXY) {
                family = p[V2_FAMILY_AND_PROTOCOL] >> 4;
                if (family >= CD_LEN(v2_addresses_len) || (p[V2_FAMILY_AND_PROTOCOL] & 15) > V2_DGRAM)
                        return CD_PROXY_BAD;
        }
        /* The high byte of the length may already exceed the limit. */
        if (len > V2_LENGTH && V2_ADDRESSES + (size_t)p[V2_LENGTH] * 256 > CD_PROXY_V2_MAX)
                return CD_PROXY_BAD;
        if (len < V2_ADDRESSES)
                return CD_PROXY_MORE;
        rest = (size_t)p[V2_LENGTH] * 256 + p[V2_LENGTH + 1];
        if (rest < v2_addresses_len[family] || V2_ADDRESSES + rest > CD_PROXY_V2_MAX)
                return CD_PROXY_BAD;
        *rettotal = V2_ADDRESSES + rest;
        return len < *rettotal ? CD_PROXY_MORE : CD_PROXY_DONE;
}

static enum cd_proxy_step parse_v2(cd_str bytes, struct cd_proxy_header *ret)
{
        const uint8_t *p = (const uint8_t *)bytes.ptr;
        struct cd_proxy_header header = { .local = true };
        cd_str rest = bytes;
        enum cd_proxy_step step = take_literal(&rest, CD_STR("\r\n\r\n\0\r\nQUIT\n"));

        if (step == CD_PROXY_DONE)
                step = check_v2(p, bytes.len, &header.used);
        if (step != CD_PROXY_DONE)
                return step;

        const uint8_t *source = p + V2_ADDRESSES, *port = NULL;
        if (p[V2_VERSION_AND_COMMAND] == V2_PROXY && p[V2_FAMILY_AND_PROTOCOL] == V2_TCP4) {
                header.address = (struct cd_address){ .bytes = { [10] = 0xff, [11] = 0xff } };
                memcpy(header.address.bytes + 12, source, 4);
                port = source + 2 * 4;
        } else if (p[V2_VERSION_AND_COMMAND] == V2_PROXY && p[V2_FAMILY_AND_PROTOCOL] == V2_TCP6) {
                memcpy(header.address.bytes, source, 16);
                port = source + 2 * 16;
        }
        if (port) {
                header.local = false;
                header.port = (uint16_t)(port[0] << 8 | port[1]);
        }
        *ret = header;
        return CD_PROXY_DONE;
}

enum cd_proxy_step cd_proxy_header_parse(cd_str bytes, struct cd_proxy_header *ret)
{
        if (bytes.len == 0)
                return CD_PROXY_MORE;
        return bytes.ptr[0] == 'P' ? parse_v1(bytes, ret) : parse_v2(bytes, ret);
}
