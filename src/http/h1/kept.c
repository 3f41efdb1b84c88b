#include "http/h1/kept.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

enum {
        KEPT_MIN = 1024, /* bytes */
};

void cd_h1_kept_free(struct cd_h1_kept *kept)
{
        if (!kept)
                return;
        cd_wipe(kept->data, kept->len);
        free(kept);
}

bool cd_h1_keep(struct cd_h1_kept **kept, const char *data, size_t len)
{
        struct cd_h1_kept *old = *kept;
        size_t have = old ? old->len : 0;

        if (!old || old->cap - have < len) {
                size_t cap = have + len > KEPT_MIN ? (have + len) * 3 / 2 : KEPT_MIN;
                struct cd_h1_kept *larger = malloc(sizeof(*larger) + cap);
                if (!larger)
                        return false;
                *larger = (struct cd_h1_kept){ .len = have, .cap = cap };
                if (old)
                        memcpy(larger->data, old->data, have);
                cd_h1_kept_free(old);
                *kept = larger;
        }
        memcpy((*kept)->data + have, data, len);
        (*kept)->len = have + len;
        return true;
}
