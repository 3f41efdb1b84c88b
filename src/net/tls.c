/* Certificates, keys and settings: the contexts from which connections are made. */
#include <stdlib.h>
#include <string.h>

#include "net/tls_internal.h"

enum {
        PEM_MAX = 256 * 1024,
        CHAIN_MAX = 16,
        SUBJECT_MAX = 128,            /* bytes of a name in a message */
        CLIENT_CHAIN_MAX = 32 * 1024, /* bytes of a client's certificate chain */
};

/* Mozilla's "intermediate" configuration (version 5.7), without finite-field Diffie-Hellman. All ciphers of
 * TLS 1.3 are suitable. */
static const char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
                              "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char groups[] = "X25519:P-256:P-384";

static void free_context(SSL_CTX **context)
{
        SSL_CTX_free(*context);
}

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

static cd_status use_chain(SSL_CTX *context, cd_str pem, struct cd_error *reterr)
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

static cd_status use_key(SSL_CTX *context, cd_str pem, struct cd_error *reterr)
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

/* ---- client certificates ---- */

/* A session may be resumed only under the same rules for client certificates. */
static bool separate_sessions(SSL_CTX *context, const struct cd_tls_options *options)
{
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned size = 0;

        if (EVP_Digest(options->client_ca.ptr ? options->client_ca.ptr : "", options->client_ca.len, digest, &size,
                       EVP_sha256(), NULL) != 1)
                return false;
        digest[SSL_MAX_SID_CTX_LENGTH - 1] = (unsigned char)options->client_certificate;
        return SSL_CTX_set_session_id_context(context, digest, SSL_MAX_SID_CTX_LENGTH) == 1;
}

static cd_status use_client_ca(SSL_CTX *context, const struct cd_tls_options *options, struct cd_error *reterr)
{
        __attribute__((cleanup(free_bio))) BIO *bio = open_text(options->client_ca);
        int mode = SSL_VERIFY_PEER;
        size_t count = 0;

        for (X509 *x509; bio && (x509 = next_certificate(bio)); count++) {
                bool ok = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), x509) == 1 &&
                          SSL_CTX_add_client_CA(context, x509) == 1;
                X509_free(x509);
                if (!ok)
                        return fail(reterr, "client_ca", "cannot be used");
        }
        if (count == 0 || ERR_peek_last_error())
                return fail(reterr, "client_ca",
                            count ? "contains a malformed certificate" : "contains no certificate");
        if (options->client_certificate == CD_TLS_CLIENT_REQUIRE)
                mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
        SSL_CTX_set_verify(context, mode, NULL);
        return CD_OK;
}

/* ---- settings ---- */

/* RFC 7301. If a client offers protocols and none is supported, the handshake fails, because
 * it wants another service. */
static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_len, const unsigned char *offered,
                           unsigned size, void *arg)
{
        static const unsigned char ours[] = "\x02h2\x08http/1.1";
        size_t skipped = SSL_get_app_data(ssl) ? 0 : 3; /* skips HTTP/2 if the listener does not offer it */
        unsigned char *chosen;

        (void)arg;
        if (SSL_select_next_proto(&chosen, ret_len, ours + skipped, (unsigned)(sizeof(ours) - 1 - skipped), offered,
                                  size) != OPENSSL_NPN_NEGOTIATED)
                return SSL_TLSEXT_ERR_ALERT_FATAL;
        *ret = chosen;
        return SSL_TLSEXT_ERR_OK;
}

static bool set_rules(SSL_CTX *context)
{
        SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                             SSL_OP_PRIORITIZE_CHACHA);
        SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);         /* idle connections keep no buffers */
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* the ticket contains the session */
        SSL_CTX_set_max_cert_list(context, CLIENT_CHAIN_MAX);
        SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
        return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
               SSL_CTX_set_cipher_list(context, ciphers) == 1 && SSL_CTX_set1_groups_list(context, groups) == 1 &&
               SSL_CTX_set_num_tickets(context, 1) == 1;
}

static cd_status make_context(const struct cd_tls_options *options, SSL_CTX **ret, struct cd_error *reterr)
{
        cd_tls_load_reasons();
        ERR_clear_error();
        __attribute__((cleanup(free_context))) SSL_CTX *context = SSL_CTX_new(TLS_server_method());
        if (!context || !set_rules(context) || !separate_sessions(context, options))
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for TLS");
        cd_status status = use_chain(context, options->certificate, reterr);
        if (status == CD_OK)
                status = use_key(context, options->key, reterr);
        if (status == CD_OK && options->client_certificate != CD_TLS_CLIENT_NONE)
                status = use_client_ca(context, options, reterr);
        if (status != CD_OK)
                return status;
        *ret = context;
        context = NULL;
        return CD_OK;
}

static cd_time time_of(const ASN1_TIME *asn1)
{
        struct tm tm;

        return ASN1_TIME_to_tm(asn1, &tm) == 1 ? (cd_time)timegm(&tm) : 0;
}

cd_status cd_tls_check(const struct cd_tls_options *options, struct cd_tls_validity *ret, struct cd_error *reterr)
{
        __attribute__((cleanup(free_context))) SSL_CTX *context = NULL;
        cd_status status = make_context(options, &context, reterr);

        if (status != CD_OK)
                return status;
        const X509 *x509 = SSL_CTX_get0_certificate(context);
        ret->not_before = time_of(X509_get0_notBefore(x509));
        ret->not_after = time_of(X509_get0_notAfter(x509));
        return CD_OK;
}

/* ---- renewal and end ---- */

cd_status cd_tls_prepare(struct cd_tls *tls, const struct cd_tls_options *options, SSL_CTX **ret,
                         struct cd_error *reterr)
{
        cd_status status = make_context(options, ret, reterr);

        if (status == CD_OK)
                cd_tls_tickets_attach(tls->tickets, *ret);
        return status;
}

void cd_tls_use(struct cd_tls *tls, SSL_CTX *prepared)
{
        pthread_mutex_lock(&tls->lock);
        SSL_CTX *before = tls->context;
        tls->context = prepared;
        pthread_mutex_unlock(&tls->lock);
        SSL_CTX_free(before); /* its connections have references of their own */
}

void cd_tls_forget(SSL_CTX *prepared)
{
        SSL_CTX_free(prepared);
}

cd_status cd_tls_renew(struct cd_tls *tls, const struct cd_tls_options *options, struct cd_error *reterr)
{
        SSL_CTX *context;
        cd_status status = cd_tls_prepare(tls, options, &context, reterr);

        if (status == CD_OK)
                cd_tls_use(tls, context);
        return status;
}

cd_status cd_tls_new(const struct cd_tls_options *options, struct cd_tls **ret, struct cd_error *reterr)
{
        struct cd_tls *tls = calloc(1, sizeof(*tls));

        if (!tls)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for TLS");
        pthread_mutex_init(&tls->lock, NULL);
        tls->bio_method = cd_tls_conn_bio_method();
        tls->tickets = cd_tls_tickets_new(options->ticket_rotation_ms);
        cd_status status = tls->bio_method && tls->tickets ? cd_tls_renew(tls, options, reterr)
                                                           : cd_fail(reterr, CD_NO_MEMORY, "no memory for TLS");
        if (status != CD_OK) {
                cd_tls_free(tls);
                return status;
        }
        *ret = tls;
        return CD_OK;
}

void cd_tls_free(struct cd_tls *tls)
{
        if (!tls)
                return;
        SSL_CTX_free(tls->context);
        cd_tls_tickets_free(tls->tickets);
        BIO_meth_free(tls->bio_method);
        pthread_mutex_destroy(&tls->lock);
        free(tls);
}
