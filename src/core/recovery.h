#pragma once
/* Recovery codes, each instead of one TOTP code: ten of them, shown once. A code has 80 random bits, so nobody
 * finds one by trying, not even with a copy of the store and the key of the hashes: it needs no slow hash (LESSONS 20).
 * The store has its keyed hash only. */
#include "core/ports.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "crypto/seal.h"

enum {
        CD_RECOVERY_CODE_LETTERS = 16, /* of 5 bits each */
        CD_RECOVERY_CODE_SIZE = 19,    /* characters: four groups with hyphens, "7k3v-…" */
};

struct cd_recovery_code {
        char text[CD_RECOVERY_CODE_SIZE];
};

/* The MAC of the codes, under a key that the master key gives. NULL where memory is out. Freed with cd_mac_free. */
struct cd_mac *cd_recovery_macs_new(const struct cd_master_key *master);

/* Ten new codes for the user, and what the store keeps of them. CD_UNAVAILABLE where the random source fails. The
 * caller wipes the codes. */
cd_status cd_recovery_generate(struct cd_mac *mac, const struct cd_random *random, cd_str user,
                               struct cd_recovery_code ret[CD_RECOVERY_CODES], struct cd_recovery_macs *ret_macs,
                               struct cd_error *reterr);
/* What the store would have of a code as somebody types it: in either case, with or without hyphens and spaces, O for 0
 * and I or L for 1. CD_MALFORMED for what is no code. */
cd_status cd_recovery_mac_of(struct cd_mac *mac, cd_str user, cd_str code, char ret[CD_RECOVERY_MAC_TEXT]);
