#pragma once
/* Fingerprints of secrets, to see whether two of them are the same without showing them. They are HMACs under a key
 * that is derived from the master key, since a plain hash would let anybody who sees it try guesses. */
#include "crypto/seal.h"

enum {
        CD_FINGERPRINT_LEN = 16,
};

struct cd_fingerprints;

/* The same master key gives the same fingerprints, in every process. `master` NULL: the key is random, and they can be
 * compared within this process only. NULL if memory is exhausted or the random source fails. */
struct cd_fingerprints *cd_fingerprints_new(const struct cd_master_key *master);
void cd_fingerprints_free(struct cd_fingerprints *fingerprints); /* NULL is allowed */

/* Lower-case hex digits. Thread-safe. */
cd_status cd_fingerprint_of(struct cd_fingerprints *fingerprints, cd_str secret, char ret[CD_FINGERPRINT_LEN]);
