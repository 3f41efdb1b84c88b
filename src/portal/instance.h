#pragma once
/* How `cardea check --online` finds out whether a URL leads to a server with the same master key: it sends a nonce with
 * a proof that it has the key, and the server answers with another proof. Without the first one the server answers as
 * for a page that it does not have, so that nobody else learns a proof, or that it is there. */
#include "crypto/mac.h"
#include "crypto/seal.h"

#define CD_INSTANCE_PATH "/.well-known/cardea-instance" /* below the URL of the portal */

enum {
        CD_INSTANCE_NONCE_SIZE = 16, /* random bytes */
        CD_INSTANCE_NONCE_TEXT = 22, /* in base64url */
        CD_INSTANCE_PROOF_TEXT = 43,
};

/* NULL if memory is out. Freed with cd_mac_free. */
struct cd_mac *cd_instance_mac_new(const struct cd_master_key *master);
/* The proof of the side that asks, or of the one that answers; without NUL. */
cd_status cd_instance_sign(struct cd_mac *mac, bool is_answer, cd_str nonce, char ret[CD_INSTANCE_PROOF_TEXT]);
