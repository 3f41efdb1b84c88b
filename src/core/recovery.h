#pragma once
/* Recovery codes: ten codes, shown once, each of which can replace one TOTP code. A code has 80 random bits, so it
 * cannot be found by trying, not even with a copy of the store and the key of the hashes; it needs no slow hash
 * (LESSONS 20). The store holds only its keyed hash. */
#include "core/ports.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "crypto/seal.h"

enum {
        CD_RECOVERY_CODE_LETTERS = 16, /* 5 bits each */
        CD_RECOVERY_CODE_SIZE = 19,    /* characters: four groups with hyphens, "7k3v-…" */
};

struct cd_recovery_code {
        char text[CD_RECOVERY_CODE_SIZE];
};

/* The MAC of the codes, under a key derived from the master key. NULL if memory is out. Freed with cd_mac_free. */
struct cd_mac *cd_recovery_macs_new(const struct cd_master_key *master);

/* Ten new codes for the user, and their stored forms. CD_UNAVAILABLE if the random source fails. The caller wipes the
 * codes. */
cd_status cd_recovery_generate(struct cd_mac *mac, const struct cd_random *random, cd_str user,
                               struct cd_recovery_code ret[CD_RECOVERY_CODES], struct cd_recovery_macs *ret_macs,
                               struct cd_error *reterr);
/* Whether the text has the form in which a code is shown. */
bool cd_recovery_is_code(cd_str text);
/* The stored form of a code as a user enters it: upper or lower case, with or without hyphens and spaces, O for 0 and I
 * or L for 1. CD_MALFORMED if it is not a code. */
cd_status cd_recovery_mac_of(struct cd_mac *mac, cd_str user, cd_str code, char ret[CD_RECOVERY_MAC_TEXT]);
