#pragma once
/* HMAC-SHA256 (RFC 2104, FIPS 198-1) with a key that is set up once, and SHA-256. */
#include "base/status.h"

enum {
        CD_SHA256_SIZE = 32,
        CD_MAC_SIZE = 32,
};

struct cd_mac;

/* Copies the key. NULL if memory is exhausted. Freed and wiped by cd_mac_free. Thread-safe. */
struct cd_mac *cd_mac_new(cd_str key);
void cd_mac_free(struct cd_mac *mac);
cd_status cd_mac_sum(struct cd_mac *mac, cd_str message, unsigned char ret[CD_MAC_SIZE]);

cd_status cd_sha256(cd_str message, unsigned char ret[CD_SHA256_SIZE]);
