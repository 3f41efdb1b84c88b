#pragma once
/* A TLS client without a socket, and certificates for both sides. Include check.h before this file. */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* A self-signed certificate and its key, both in PEM; freed by pem_free. */
struct pem_pair {
        cd_str certificate, key;
};

static inline cd_str pem_of(BIO *bio)
{
        char *bytes;
        size_t len = (size_t)BIO_get_mem_data(bio, &bytes);
        char *copy = malloc(len + 1);

        assert_non_null(copy);
        memcpy(copy, bytes, len);
        copy[len] = '\0';
        BIO_free(bio);
        return cd_str_of(copy, len);
}

/* `subject`: the common name; empty for a certificate without a subject. `seconds`: how long it is valid from now;
 * negative: it has expired. */
static inline struct pem_pair pem_make(const char *subject, long seconds)
{
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509 *x509 = X509_new();
        BIO *certificate = BIO_new(BIO_s_mem()), *private = BIO_new(BIO_s_mem());
        X509_NAME *name = X509_get_subject_name(x509);

        assert_non_null(key);
        X509_set_version(x509, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
        X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
        X509_gmtime_adj(X509_getm_notAfter(x509), seconds);
        /* A common name has at most 64 characters, so a long subject has several. */
        for (size_t at = 0, len = strlen(subject); at < len; at += 64) {
                int part = len - at < 64 ? (int)(len - at) : 64;
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)subject + at, part, -1, 0);
        }
        X509_set_issuer_name(x509, name);
        X509_set_pubkey(x509, key);
        assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
        assert_int_equal(PEM_write_bio_X509(certificate, x509), 1);
        assert_int_equal(PEM_write_bio_PrivateKey(private, key, NULL, NULL, 0, NULL, NULL), 1);
        X509_free(x509);
        EVP_PKEY_free(key);
        return (struct pem_pair){ pem_of(certificate), pem_of(private) };
}

static inline void pem_free(struct pem_pair *pair)
{
        free((char *)pair->certificate.ptr);
        free((char *)pair->key.ptr);
}

struct tls_client {
        SSL_CTX *context;
        SSL *ssl;
        BIO *from_server, *to_server; /* of ssl */
        char received[256 * 1024];    /* decrypted */
        size_t len;
        bool is_open, has_ended, has_failed;
};

/* Supports TLS 1.2 and later; accepts any server certificate. */
static inline void tls_client_init(struct tls_client *c)
{
        *c = (struct tls_client){ .context = SSL_CTX_new(TLS_client_method()) };
        assert_non_null(c->context);
        SSL_CTX_set_verify(c->context, SSL_VERIFY_NONE, NULL);
        SSL_CTX_set_options(c->context, SSL_OP_IGNORE_UNEXPECTED_EOF);
}

static inline void tls_client_use(struct tls_client *c, const struct pem_pair *pair)
{
        BIO *bio = BIO_new_mem_buf(pair->certificate.ptr, (int)pair->certificate.len);
        X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);

        assert_int_equal(SSL_CTX_use_certificate(c->context, x509), 1);
        X509_free(x509);
        BIO_free(bio);
        bio = BIO_new_mem_buf(pair->key.ptr, (int)pair->key.len);
        EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        assert_int_equal(SSL_CTX_use_PrivateKey(c->context, key), 1);
        EVP_PKEY_free(key);
        BIO_free(bio);
}

/* A new connection; `session` may be NULL. */
static inline void tls_client_begin(struct tls_client *c, SSL_SESSION *session)
{
        if (c->ssl)
                SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN); /* otherwise OpenSSL would not reuse its session */
        SSL_free(c->ssl);
        c->ssl = SSL_new(c->context);
        c->from_server = BIO_new(BIO_s_mem());
        c->to_server = BIO_new(BIO_s_mem());
        assert_true(c->ssl && c->from_server && c->to_server);
        SSL_set_bio(c->ssl, c->from_server, c->to_server);
        SSL_set_connect_state(c->ssl);
        if (session)
                assert_int_equal(SSL_set_session(c->ssl, session), 1);
        c->len = 0;
        c->is_open = c->has_ended = c->has_failed = false;
}

static inline void tls_client_done(struct tls_client *c)
{
        SSL_free(c->ssl);
        SSL_CTX_free(c->context);
}

/* Continues the handshake, and reads received data. */
static inline void tls_client_step(struct tls_client *c)
{
        size_t len = 0;

        ERR_clear_error();
        int result = SSL_read_ex(c->ssl, c->received + c->len, sizeof(c->received) - c->len, &len);
        while (result == 1) {
                c->len += len;
                result = SSL_read_ex(c->ssl, c->received + c->len, sizeof(c->received) - c->len, &len);
        }
        c->is_open = SSL_is_init_finished(c->ssl);
        switch (SSL_get_error(c->ssl, result)) {
        case SSL_ERROR_WANT_READ:
                break;
        case SSL_ERROR_ZERO_RETURN:
                c->has_ended = true;
                break;
        default:
                c->has_failed = true;
        }
}

/* The data that the client wants to send; valid until the next call. */
static inline cd_str tls_client_output(struct tls_client *c)
{
        static char bytes[64 * 1024];
        int len = BIO_read(c->to_server, bytes, sizeof(bytes));

        return cd_str_of(bytes, len > 0 ? (size_t)len : 0);
}

static inline void tls_client_input(struct tls_client *c, cd_str bytes)
{
        if (bytes.len)
                assert_int_equal(BIO_write(c->from_server, bytes.ptr, (int)bytes.len), (int)bytes.len);
}

/* Encrypts the text; the result becomes part of the client's output. */
static inline void tls_client_write(struct tls_client *c, cd_str text)
{
        size_t len = 0;

        assert_int_equal(SSL_write_ex(c->ssl, text.ptr, text.len, &len), 1);
        assert_int_equal(len, text.len);
}
