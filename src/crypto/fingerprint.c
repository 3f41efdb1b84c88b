#include "crypto/fingerprint.h"

#include <stdlib.h>

#include "base/secret.h"

struct cd_fingerprints {
        struct cd_mac *mac;
};

static struct cd_mac *random_mac(void)
{
        unsigned char key[CD_DERIVED_SIZE];
        struct cd_mac *mac = NULL;

        if (cd_random_system.fill(&cd_random_system, key, sizeof(key)) == CD_OK)
                mac = cd_mac_new(cd_str_of((const char *)key, sizeof(key)));
        cd_wipe(key, sizeof(key));
        return mac;
}

struct cd_fingerprints *cd_fingerprints_new(const struct cd_master_key *master)
{
        struct cd_fingerprints *fingerprints = calloc(1, sizeof(*fingerprints));

        if (!fingerprints)
                return NULL;
        fingerprints->mac = master ? cd_master_key_mac(master, CD_STR("fingerprint")) : random_mac();
        if (!fingerprints->mac) {
                free(fingerprints);
                return NULL;
        }
        return fingerprints;
}

void cd_fingerprints_free(struct cd_fingerprints *fingerprints)
{
        if (fingerprints)
                cd_mac_free(fingerprints->mac);
        free(fingerprints);
}

cd_status cd_fingerprint_of(struct cd_fingerprints *fingerprints, cd_str secret, char ret[CD_FINGERPRINT_LEN])
{
        static const char hex[] = "0123456789abcdef";
        unsigned char sum[CD_MAC_SIZE];

        cd_status status = cd_mac_sum(fingerprints->mac, secret, sum);
        if (status != CD_OK)
                return status;
        for (size_t i = 0; i < CD_FINGERPRINT_LEN / 2; i++) {
                ret[2 * i] = hex[sum[i] >> 4];
                ret[2 * i + 1] = hex[sum[i] & 15];
        }
        cd_wipe(sum, sizeof(sum));
        return CD_OK;
}
