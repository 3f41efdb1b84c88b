#pragma once
/* A short MAC: SipHash-2-4 with 128 bits (Aumasson and Bernstein, 2012). For values that nobody can guess anyway, so
 * that a forged tag gains no more than a look into the store; it costs a tenth of an HMAC. */
#include "base/status.h"
#include "crypto/seal.h"

enum {
        CD_TAG_SIZE = 16
};

struct cd_tag_key {
        unsigned char bytes[16];
};

/* The key that is derived from the master key for the purpose, see cd_master_key_derive. */
cd_status cd_tag_key_derive(const struct cd_master_key *master, cd_str purpose, struct cd_tag_key *ret);
void cd_tag(const struct cd_tag_key *key, cd_str message, unsigned char ret[CD_TAG_SIZE]);
