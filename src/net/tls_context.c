/* What the contexts of servers and clients have in common: certificates, keys, trusted CAs and algorithms. */
#include "net/tls_internal.h"

enum {
        PEM_MAX = 256 * 1024,
        CHAIN_MAX = 16,
        SUBJECT_MAX = 128, /* bytes of a name in a message */
};

static void free_bio(BIO **bio)
{
        BIO_free(*bio);
}

/* Adds OpenSSL's reason, which contains neither file names nor values. */
static cd_status fail(struct cd_error *reterr, const char *field, const char *what)
{
        const char *why = ERR_reason_error_string(ERR_peek_last_error());
        cd_status status = cd_failf(reterr, CD_INVALID_REQUEST, cd_str_from_c(field), "%s%s%s%s", what, why ? " (" : "",
                                    why ? why : "", why ? ")" : "");

        ERR_clear_error();
        return status;
}

/* ---- certificate and key ---- */

static BIO *open_text(cd_str pem)
{
        return pem.len <= PEM_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
}

/* Reads the next certificate of the text. NULL if there is none or it is malformed;
 * then ERR_peek_last_error says so. */
static X509 *next_certificate(BIO *bio)
{
        ERR_clear_error();
        X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, (void *)"");
        if (!x509 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
                ERR_clear_error();
        return x509;
}

cd_status cd_tls_use_chain(SSL_CTX *context, cd_str pem, struct cd_error *reterr)
{
        __attribute__((cleanup(free_bio))) BIO *bio = open_text(pem);
        size_t count = 0;

        for (X509 *x509; bio && count <= CHAIN_MAX && (x509 = next_certificate(bio)); count++) {
                bool ok = count == 0 ? SSL_CTX_use_certificate(context, x509) == 1
                                     : SSL_CTX_add1_chain_cert(context, x509) == 1;
                X509_free(x509);
                if (!ok)
                        return fail(reterr, "certificate", "cannot be used");
        }
        if (count > CHAIN_MAX)
                return fail(reterr, "certificate", "contains too many certificates");
        if (count == 0 || ERR_peek_last_error())
                return fail(reterr, "certificate",
                            count ? "contains a malformed certificate" : "contains no certificate");
        return CD_OK;
}

/* Writes "CN=localhost,O=Example". */
static void write_subject(const X509 *x509, char *to, size_t size)
{
        __attribute__((cleanup(free_bio))) BIO *bio = BIO_new(BIO_s_mem());
        int len = bio ? X509_NAME_print_ex(bio, X509_get_subject_name(x509), 0,
                                           XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB)
                      : -1;

        len = len > 0 ? BIO_read(bio, to, (int)size - 1) : 0;
        to[len > 0 ? len : 0] = '\0';
}

/* The key does not match the first certificate, which is the one that clients see. The usual cause is a
 * chain in another order. */
static cd_status fail_key(SSL_CTX *context, EVP_PKEY *key, struct cd_error *reterr)
{
        STACK_OF(X509) *chain = NULL;
        char first[SUBJECT_MAX], own[SUBJECT_MAX];

        write_subject(SSL_CTX_get0_certificate(context), first, sizeof(first));
        SSL_CTX_get0_chain_certs(context, &chain);
        for (int i = 0; i < sk_X509_num(chain); i++) {
                if (X509_check_private_key(sk_X509_value(chain, i), key) != 1)
                        continue;
                write_subject(sk_X509_value(chain, i), own, sizeof(own));
                ERR_clear_error();
                return cd_failf(
                        reterr, CD_INVALID_REQUEST, CD_STR("certificate"),
                        "begins with the certificate of \"%s\", but the key is that of \"%s\", number %d; put it first",
                        first, own, i + 2);
        }
        ERR_clear_error();
        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("key"),
                        "is not the key of the certificate of \"%s\"; both must come from the same key pair", first);
}

static int note_encrypted(char *to, int size, int is_writing, void *noted)
{
        (void)to, (void)size, (void)is_writing;
        *(bool *)noted = true;
        return -1;
}

cd_status cd_tls_use_key(SSL_CTX *context, cd_str pem, struct cd_error *reterr)
{
        __attribute__((cleanup(free_bio))) BIO *bio = open_text(pem);
        bool is_encrypted = false;

        EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, note_encrypted, &is_encrypted) : NULL;
        if (!key) {
                ERR_clear_error();
                return fail(reterr, "key",
                            is_encrypted ? "is encrypted; decrypt it, because a service cannot ask for the password"
                                         : "contains no private key in PEM");
        }
        /* Checked here, because SSL_CTX_use_PrivateKey silently drops a certificate that does not match. */
        cd_status status = CD_OK;
        if (X509_check_private_key(SSL_CTX_get0_certificate(context), key) != 1)
                status = fail_key(context, key, reterr);
        else if (SSL_CTX_use_PrivateKey(context, key) != 1)
                status = fail(reterr, "key", "cannot be used");
        EVP_PKEY_free(key);
        return status;
}

/* ---- trusted CAs ---- */

cd_status cd_tls_use_ca(SSL_CTX *context, cd_str pem, const char *field, struct cd_error *reterr)
{
        __attribute__((cleanup(free_bio))) BIO *bio = open_text(pem);
        size_t count = 0;

        for (X509 *x509; bio && (x509 = next_certificate(bio)); count++) {
                bool ok = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), x509) == 1 &&
                          SSL_CTX_add_client_CA(context, x509) == 1;
                X509_free(x509);
                if (!ok)
                        return fail(reterr, field, "cannot be used");
        }
        if (count == 0 || ERR_peek_last_error())
                return fail(reterr, field, count ? "contains a malformed certificate" : "contains no certificate");
        return CD_OK;
}

/* ---- algorithms ---- */

/* Mozilla's "intermediate" configuration (version 5.7), without finite-field Diffie-Hellman. All ciphers of
 * TLS 1.3 are suitable. */
static const char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
                              "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char groups[] = "X25519:P-256:P-384";

bool cd_tls_set_algorithms(SSL_CTX *context)
{
        SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
        SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS); /* idle connections keep no buffers */
        return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
               SSL_CTX_set_cipher_list(context, ciphers) == 1 && SSL_CTX_set1_groups_list(context, groups) == 1;
}
