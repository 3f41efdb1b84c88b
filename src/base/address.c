#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

static struct cd_address from_ipv4(const void *bytes)
{
        struct cd_address address;

        memcpy(address.bytes, mapped_prefix, sizeof(mapped_prefix));
        memcpy(address.bytes + 12, bytes, 4);
        return address;
}

bool cd_address_is_ipv4(const struct cd_address *address)
{
        return memcmp(address->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

/* inet_pton requires a NUL after the text. */
static bool parse_family(int family, cd_str text, void *ret)
{
        char copy[CD_ADDRESS_TEXT_MAX];

        if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len))
                return false;
        memcpy(copy, text.ptr, text.len);
        copy[text.len] = '\0';
        return inet_pton(family, copy, ret) == 1;
}

bool cd_address_parse(cd_str text, struct cd_address *ret)
{
        struct in_addr ipv4;

        if (parse_family(AF_INET, text, &ipv4)) {
                *ret = from_ipv4(&ipv4);
                return true;
        }
        return parse_family(AF_INET6, text, ret->bytes);
}

/* An empty text, or ":" and one to five digits (RFC 7239 §6). */
static bool is_port_part(cd_str part)
{
        unsigned port = 0;

        if (part.len == 0)
                return true;
        if (part.ptr[0] != ':' || part.len < 2 || part.len > 6)
                return false;
        for (size_t i = 1; i < part.len; i++) {
                if (part.ptr[i] < '0' || part.ptr[i] > '9')
                        return false;
                port = port * 10 + (unsigned)(part.ptr[i] - '0');
        }
        return port <= 65535;
}

/* The name or number of an interface, possibly after "%25" as in URIs (RFC 6874 §2). */
static bool is_zone(cd_str text)
{
        enum {
                ZONE_MAX = 32
        };

        for (size_t i = 0; i < text.len; i++) {
                unsigned char c = (unsigned char)text.ptr[i], lower = c | 0x20;
                if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && !memchr("-._~", c, 4))
                        return false;
        }
        return text.len > 0 && text.len <= ZONE_MAX;
}

/* Without brackets; a zone is allowed. */
static bool parse_ipv6(cd_str text, struct cd_address *ret)
{
        size_t zone = cd_str_index(text, '%');

        return (zone == text.len || is_zone(cd_str_slice(text, zone + 1, text.len))) &&
               parse_family(AF_INET6, cd_str_slice(text, 0, zone), ret->bytes);
}

/* Without brackets and zone; a port is allowed. */
static bool parse_ipv4(cd_str text, struct cd_address *ret)
{
        size_t colon = cd_str_index(text, ':');
        struct in_addr ipv4;

        if (!is_port_part(cd_str_slice(text, colon, text.len)) ||
            !parse_family(AF_INET, cd_str_slice(text, 0, colon), &ipv4))
                return false;
        *ret = from_ipv4(&ipv4);
        return true;
}

bool cd_address_parse_node(cd_str text, struct cd_address *ret)
{
        text = cd_str_trim(text);
        if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
                text = cd_str_slice(text, 1, text.len - 2);
        if (text.len == 0 || text.ptr[0] != '[')
                return parse_ipv4(text, ret) || parse_ipv6(text, ret);

        size_t end = cd_str_index(text, ']');
        return end < text.len && is_port_part(cd_str_slice(text, end + 1, text.len)) &&
               parse_ipv6(cd_str_slice(text, 1, end - 1), ret);
}

bool cd_address_from_socket(const struct sockaddr *from, struct cd_address *ret)
{
        if (from->sa_family == AF_INET) {
                *ret = from_ipv4(&((const struct sockaddr_in *)(const void *)from)->sin_addr);
                return true;
        }
        if (from->sa_family != AF_INET6)
                return false;
        memcpy(ret->bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, sizeof(ret->bytes));
        return true;
}

/* By hand, because inet_ntop uses sprintf for it, and every request that a proxy passes on has an address. */
static size_t format_ipv4(const uint8_t bytes[4], char *to)
{
        char *at = to;

        for (size_t i = 0; i < 4; i++) {
                unsigned byte = bytes[i];
                if (i > 0)
                        *at++ = '.';
                if (byte >= 100)
                        *at++ = (char)('0' + byte / 100);
                if (byte >= 10)
                        *at++ = (char)('0' + byte / 10 % 10);
                *at++ = (char)('0' + byte % 10);
        }
        return (size_t)(at - to);
}

size_t cd_address_format(const struct cd_address *address, char to[CD_ADDRESS_TEXT_MAX])
{
        char text[CD_ADDRESS_TEXT_MAX];

        if (cd_address_is_ipv4(address))
                return format_ipv4(address->bytes + 12, to);
        if (!inet_ntop(AF_INET6, address->bytes, text, sizeof(text)))
                return 0;
        size_t len = strlen(text);
        memcpy(to, text, len);
        return len;
}

static bool bits_are_zero_from(const struct cd_address *address, unsigned bits)
{
        for (unsigned i = bits; i < 128; i++)
                if (address->bytes[i / 8] & (0x80 >> (i % 8)))
                        return false;
        return true;
}

cd_status cd_network_parse(cd_str text, struct cd_network *ret, struct cd_error *reterr)
{
        struct cd_network network;
        cd_str rest = text, address;
        uint64_t bits;

        if (!cd_str_take_until(&rest, '/', &address) || !cd_address_parse(address, &network.base))
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""),
                                "\"%.*s\" is not an address or a network in CIDR notation", CD_STR_ARG(text));

        /* "::ffff:…" is IPv6 notation, although it means an IPv4 address. */
        unsigned shift = cd_str_index(address, ':') == address.len ? 96 : 0;
        if (!rest.ptr)
                bits = 128 - shift;
        else if (!cd_str_to_u64(rest, &bits) || bits > 128 - shift)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "\"%.*s\" has an invalid prefix length",
                                CD_STR_ARG(text));
        network.bits = (unsigned)bits + shift;
        if (!bits_are_zero_from(&network.base, network.bits))
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "\"%.*s\" has bits set after its prefix",
                                CD_STR_ARG(text));
        *ret = network;
        return CD_OK;
}

size_t cd_network_format(const struct cd_network *network, char to[CD_NETWORK_TEXT_MAX])
{
        unsigned shift = network->bits >= 96 && cd_address_is_ipv4(&network->base) ? 96 : 0;
        size_t len = cd_address_format(&network->base, to);

        return len + (size_t)snprintf(to + len, CD_NETWORK_TEXT_MAX - len, "/%u", network->bits - shift);
}

bool cd_network_has(const struct cd_network *network, const struct cd_address *address)
{
        unsigned whole = network->bits / 8, rest = network->bits % 8;

        if (memcmp(network->base.bytes, address->bytes, whole) != 0)
                return false;
        return rest == 0 || ((network->base.bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0;
}

bool cd_networks_have(const struct cd_network *networks, size_t count, const struct cd_address *address)
{
        for (size_t i = 0; i < count; i++)
                if (cd_network_has(&networks[i], address))
                        return true;
        return false;
}

bool cd_address_is_loopback(const struct cd_address *address)
{
        static const struct cd_network loopback[] = {
                { .base = { { [10] = 0xff, [11] = 0xff, [12] = 127 } }, .bits = 96 + 8 },
                { .base = { { [15] = 1 } }, .bits = 128 },
        };

        return cd_networks_have(loopback, CD_LEN(loopback), address);
}

uint16_t cd_socket_port(const struct sockaddr_storage *address)
{
        return ntohs(address->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                                    : ((const struct sockaddr_in *)address)->sin_port);
}

void cd_socket_set_port(struct sockaddr_storage *address, uint16_t port)
{
        if (address->ss_family == AF_INET6)
                ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
        else
                ((struct sockaddr_in *)address)->sin_port = htons(port);
}
