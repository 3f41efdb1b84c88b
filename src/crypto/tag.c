#include "crypto/tag.h"

#include <string.h>

#include <sodium.h>

#include "base/secret.h"

_Static_assert(CD_TAG_SIZE == crypto_shorthash_siphashx24_BYTES, "the size of a tag");
_Static_assert(sizeof(struct cd_tag_key) == crypto_shorthash_siphashx24_KEYBYTES, "the size of its key");

cd_status cd_tag_key_derive(const struct cd_master_key *master, cd_str purpose, struct cd_tag_key *ret)
{
        unsigned char derived[CD_DERIVED_SIZE];
        cd_status status = cd_master_key_derive(master, purpose, derived);

        if (status == CD_OK)
                memcpy(ret->bytes, derived, sizeof(ret->bytes));
        cd_wipe(derived, sizeof(derived));
        return status;
}

void cd_tag(const struct cd_tag_key *key, cd_str message, unsigned char ret[CD_TAG_SIZE])
{
        (void)crypto_shorthash_siphashx24(ret, (const unsigned char *)message.ptr, message.len, key->bytes);
}
