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
/* tls_conn.c. NULL if memory is exhausted. */
struct cd_tls_conn *cd_tls_conn_of(SSL_CTX *context, BIO_METHOD *bio_method);
/* tls_conn.c. Makes it an outgoing connection. `server_name` is sent as SNI; NULL: none. `session` is resumed; NULL:
 * none. False if memory is exhausted. */
bool cd_tls_conn_connect(struct cd_tls_conn *conn, const char *server_name, SSL_SESSION *session);

/* tls_context.c. On failure CD_INVALID_REQUEST with the field "certificate", "key" or `field`. */
cd_status cd_tls_use_chain(SSL_CTX *context, cd_str pem, struct cd_error *reterr);
/* After the chain, whose first certificate it must match. */
cd_status cd_tls_use_key(SSL_CTX *context, cd_str pem, struct cd_error *reterr);
/* The CAs of the other side; a server also names them to its clients. */
cd_status cd_tls_use_ca(SSL_CTX *context, cd_str pem, const char *field, struct cd_error *reterr);
/* Versions, ciphers and groups. False if memory is exhausted. */
bool cd_tls_set_algorithms(SSL_CTX *context);
