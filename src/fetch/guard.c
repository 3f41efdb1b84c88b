#include "fetch/guard.h"

#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/url.h"

/* Networks: the length of the prefix, and its bytes. */
#define V6(bits, ...)                                                                                                  \
        {                                                                                                              \
                { { __VA_ARGS__ } }, bits                                                                              \
        }
#define V4(bits, ...)                                                                                                  \
        {                                                                                                              \
                { { [10] = 0xff, [11] = 0xff, __VA_ARGS__ } }, 96 + (bits)                                             \
        }

enum {
        HTTPS_PORT = 443,
        FIRST_FREE_PORT = 1024,
        HOST_SHOWN_MAX = 128, /* bytes of a host's name in a reason */
};

struct block {
        struct cd_network network;
        const char *kind;
};

/* The first that contains an address counts. IANA's registries of special-purpose addresses, and those where clouds
 * serve credentials to every program on a machine. */
static const struct block blocks[] = {
        { V4(8, 0), "unspecified" },
        { V4(8, 10), "private" },
        { V4(10, 100, 64), "shared by customers of a carrier (CGNAT)" },
        { V4(8, 127), "loopback" },
        { V4(32, 168, 63, 129, 16), "a cloud's metadata service" },
        { V4(32, 169, 254, 169, 254), "a cloud's metadata service" },
        { V4(16, 169, 254), "link-local" },
        { V4(12, 172, 16), "private" },
        { V4(24, 192, 0, 0), "reserved" },
        { V4(24, 192, 0, 2), "reserved for documentation" },
        { V4(24, 192, 88, 99), "reserved" },
        { V4(16, 192, 168), "private" },
        { V4(15, 198, 18), "reserved for benchmarks" },
        { V4(24, 198, 51, 100), "reserved for documentation" },
        { V4(24, 203, 0, 113), "reserved for documentation" },
        { V4(4, 224), "multicast" },
        { V4(4, 240), "reserved" },
        { V4(0, 0), NULL },
        { V6(128, 0), "unspecified" },
        { V6(128, [15] = 1), "loopback" },
        { V6(32, 0x20, 0x01, 0x0d, 0xb8), "reserved for documentation" },
        { V6(23, 0x20, 0x01), "reserved for tunnels and protocols" }, /* also Teredo, ORCHID */
        { V6(16, 0x20, 0x02), "reserved for tunnels" },               /* 6to4 */
        { V6(20, 0x3f, 0xff), "reserved for documentation" },
        { V6(3, 0x20), NULL }, /* all that is allocated to hosts on the Internet */
        { V6(7, 0xfc), "private" },
        { V6(10, 0xfe, 0x80), "link-local" },
        { V6(10, 0xfe, 0xc0), "private" },
        { V6(8, 0xff), "multicast" },
};

/* RFC 6052 §2.1: a translator sends to the IPv4 address in the last 32 bits. */
static const struct cd_network nat64 = V6(96, 0x00, 0x64, 0xff, 0x9b);

static struct cd_address embedded_ipv4(const struct cd_address *address)
{
        struct cd_address ipv4 = { { [10] = 0xff, [11] = 0xff } };

        memcpy(ipv4.bytes + 12, address->bytes + 12, 4);
        return ipv4;
}

const char *cd_fetch_address_kind(const struct cd_address *address)
{
        struct cd_address judged = cd_network_has(&nat64, address) ? embedded_ipv4(address) : *address;

        for (size_t i = 0; i < CD_LEN(blocks); i++)
                if (cd_network_has(&blocks[i].network, &judged))
                        return blocks[i].kind;
        return "reserved";
}

/* "https://id.example.com:443/x" -> "id.example.com" */
cd_str cd_fetch_url_host(cd_str url)
{
        struct cd_url parts;

        cd_url_split(url, &parts);
        cd_str port = parts.is_https ? CD_STR(":443") : CD_STR(":80");
        if (cd_str_has_suffix(parts.authority, port))
                parts.authority.len -= port.len;
        return parts.authority;
}

static cd_status refuse(cd_str host, const struct cd_address *address, const char *why, const char *fix,
                        struct cd_error *reterr)
{
        char text[CD_ADDRESS_TEXT_MAX];
        cd_str shown = cd_str_of(text, cd_address_format(address, text));

        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "%.*s has the address %.*s, %s; %s",
                        CD_STR_ARG(cd_str_slice(host, 0, host.len < HOST_SHOWN_MAX ? host.len : HOST_SHOWN_MAX)),
                        CD_STR_ARG(shown), why, fix);
}

cd_status cd_fetch_guard_check(const struct cd_fetch_guard *guard, cd_str url, const struct sockaddr_storage *peer,
                               struct cd_error *reterr)
{
        bool is_https = cd_str_has_prefix(url, CD_STR("https://"));
        unsigned port = cd_socket_port(peer);
        cd_str host = cd_fetch_url_host(url);
        struct cd_address address;
        char why[96];

        if (!cd_address_from_socket((const struct sockaddr *)peer, &address))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the address is neither IPv4 nor IPv6");
        bool is_listed = cd_networks_have(guard->networks, guard->network_count, &address);
        bool is_mapped = peer->ss_family == AF_INET6 && cd_address_is_ipv4(&address);
        const char *kind = cd_fetch_address_kind(&address);

        if (is_mapped && !kind) /* no name of a host on the Internet has such an address (RFC 4291 §2.5.5.2) */
                kind = "IPv4-mapped";
        if (kind && !is_listed) {
                snprintf(why, sizeof(why), "which is %s", kind);
                return refuse(host, &address, why, "add it to outgoing.networks if this server may connect to it",
                              reterr);
        }
        if (!is_https && !(is_listed && cd_address_is_loopback(&address)))
                return refuse(host, &address, "and the URL is http://",
                              "use https://; http:// is only for loopback addresses in outgoing.networks", reterr);
        if (port < FIRST_FREE_PORT && port != HTTPS_PORT && !is_listed) {
                snprintf(why, sizeof(why), "and port %u belongs to another protocol", port);
                return refuse(host, &address, why, "use 443 or a port from 1024 on, or add it to outgoing.networks",
                              reterr);
        }
        return CD_OK;
}
