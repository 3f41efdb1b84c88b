#include "crypto/openssl_start.h"

#include <openssl/crypto.h>

void cd_openssl_start(void)
{
        (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS, NULL);
}
