#pragma once
/* Network addresses as text and bytes: listeners, peers and trusted networks (LESSONS 3). */
#include <sys/socket.h>

#include "base/status.h"

/* IPv4 is mapped to ::ffff:0:0/96 (RFC 4291 §2.5.5.2), so that one comparison serves both. */
struct cd_address {
        uint8_t bytes[16];
};

struct cd_network {
        struct cd_address base;
        unsigned bits; /* of the prefix, 0 to 128 */
};

enum {
        CD_ADDRESS_TEXT_MAX = 46, /* INET6_ADDRSTRLEN */
        CD_NETWORK_TEXT_MAX = CD_ADDRESS_TEXT_MAX + 4,
};

/* Parses "192.0.2.1" or "2001:db8::1", without brackets, port or zone. False on anything else. */
bool cd_address_parse(cd_str text, struct cd_address *ret);
/* Parses an address as a proxy writes it into a forwarding header (LESSONS 34): "192.0.2.1", "192.0.2.1:4711",
 * "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4711". Each form may be in double quotes and between spaces or tabs,
 * and IPv6 may have a zone ("fe80::1%eth0"). Port and zone are checked and dropped. False on anything else, for example
 * "unknown" and "_hidden" (RFC 7239 §6.2, §6.3). In IPv6 with a port but without brackets, the port cannot be told from
 * the last group of the address and is read as such. */
bool cd_address_parse_node(cd_str text, struct cd_address *ret);
/* False unless it is IPv4 or IPv6. */
bool cd_address_from_socket(const struct sockaddr *from, struct cd_address *ret);
/* Writes at most CD_ADDRESS_TEXT_MAX characters, without NUL. Returns the count. */
size_t cd_address_format(const struct cd_address *address, char to[CD_ADDRESS_TEXT_MAX]);
bool cd_address_is_ipv4(const struct cd_address *address);

/* Parses an address, or a network in CIDR notation (RFC 4632 §3.1). CD_INVALID_REQUEST also if bits after the prefix
 * are set: that is a mistake which would trust more addresses than intended. */
cd_status cd_network_parse(cd_str text, struct cd_network *ret, struct cd_error *reterr);
/* Writes it in CIDR notation: "203.0.113.0/24". Returns the count of characters, without the NUL. */
size_t cd_network_format(const struct cd_network *network, char to[CD_NETWORK_TEXT_MAX]);
bool cd_network_has(const struct cd_network *network, const struct cd_address *address);
/* Whether any of the networks contains the address. */
bool cd_networks_have(const struct cd_network *networks, size_t count, const struct cd_address *address);

/* 127.0.0.0/8 (RFC 6890) or ::1 (RFC 4291 §2.5.3): this machine. */
bool cd_address_is_loopback(const struct cd_address *address);

uint16_t cd_socket_port(const struct sockaddr_storage *address);
void cd_socket_set_port(struct sockaddr_storage *address, uint16_t port);
