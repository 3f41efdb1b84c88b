#include "base/secret.h"

#include <string.h>

bool cd_secret_eq(cd_str a, cd_str b)
{
        unsigned char differ = 0;

        if (a.len != b.len)
                return false;
        for (size_t i = 0; i < a.len; i++)
                differ |= (unsigned char)(a.ptr[i] ^ b.ptr[i]);
        return differ == 0;
}

void cd_wipe(void *memory, size_t size)
{
        if (size)
                explicit_bzero(memory, size);
}
