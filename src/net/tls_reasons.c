/* OpenSSL has no other functions that load the texts of some errors only. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/err.h>

#include "net/tls_internal.h"

void cd_tls_load_reasons(void)
{
        ERR_load_ERR_strings();
        ERR_load_ASN1_strings();
        ERR_load_EC_strings();
        ERR_load_EVP_strings();
        ERR_load_PEM_strings();
        ERR_load_RSA_strings();
        ERR_load_X509_strings();
}
