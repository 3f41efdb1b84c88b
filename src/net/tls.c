/* TLS for listeners: the contexts from which connections are made. */
#include <stdlib.h>
#include <string.h>

#include "net/tls_internal.h"

enum {
        CLIENT_CHAIN_MAX = 32 * 1024, /* bytes of a client's certificate chain */
};

static void free_context(SSL_CTX **context)
{
        SSL_CTX_free(*context);
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
        cd_status status = cd_tls_use_ca(context, options->client_ca, "client_ca", reterr);
        int mode = SSL_VERIFY_PEER;

        if (status != CD_OK)
                return status;
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
        SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* the ticket contains the session */
        SSL_CTX_set_max_cert_list(context, CLIENT_CHAIN_MAX);
        SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
        return cd_tls_set_algorithms(context) && SSL_CTX_set_num_tickets(context, 1) == 1;
}

static cd_status make_context(const struct cd_tls_options *options, SSL_CTX **ret, struct cd_error *reterr)
{
        cd_tls_load_reasons();
        ERR_clear_error();
        __attribute__((cleanup(free_context))) SSL_CTX *context = SSL_CTX_new(TLS_server_method());
        if (!context || !set_rules(context) || !separate_sessions(context, options))
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for TLS");
        cd_status status = cd_tls_use_chain(context, options->certificate, reterr);
        if (status == CD_OK)
                status = cd_tls_use_key(context, options->key, reterr);
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
