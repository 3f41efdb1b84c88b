#pragma once
/* Shared by the files tls*.c, the only ones of src/net that use OpenSSL. */
#include <pthread.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "net/tls_conn.h"

struct cd_tls {
        pthread_mutex_t lock; /* protects the next member */
        SSL_CTX *context;
        BIO_METHOD *bio_method; /* of cd_tls_conn */
        struct cd_tls_tickets *tickets;
};

/* tls_reasons.c. Loads the texts of the errors that reading certificates and keys, and handshakes, can have: the
 * program may have started OpenSSL without any (crypto/openssl_start.h). */
void cd_tls_load_reasons(void);
/* tls_conn.c. NULL if memory is exhausted. */
BIO_METHOD *cd_tls_conn_bio_method(void);
