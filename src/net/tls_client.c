#include "net/tls_client.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "base/address.h"
#include "net/tls_internal.h"

enum {
        NAME_MAX_LEN = 253, /* RFC 1035 §2.3.4 */
};

struct cd_tls_client {
        SSL_CTX *context;
        BIO_METHOD *bio_method;
        bool sends_name;
        char name[NAME_MAX_LEN + 1];
        pthread_mutex_t lock;
        SSL_SESSION *session; /* the last one that the server gave; NULL: none. Under the lock */
};

/* ---- sessions ---- */

/* The session is copied, because OpenSSL changes that of a connection without a lock: one that ends with an error is no
 * longer resumed, for example. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
        struct cd_tls_client *client = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
        SSL_SESSION *copy = SSL_SESSION_dup(session);

        if (!copy)
                return 0;
        pthread_mutex_lock(&client->lock);
        SSL_SESSION *before = client->session;
        client->session = copy;
        pthread_mutex_unlock(&client->lock);
        SSL_SESSION_free(before);
        return 0; /* OpenSSL keeps its own */
}

/* A certificate is not verified again when its session is resumed, so a session ends with it. */
static bool is_over(const SSL_SESSION *session)
{
        const X509 *certificate = SSL_SESSION_get0_peer((SSL_SESSION *)session);

        return !certificate || X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0;
}

/* A copy of the session; NULL if there is none. */
static SSL_SESSION *copy_session(struct cd_tls_client *client)
{
        pthread_mutex_lock(&client->lock);
        if (client->session && is_over(client->session)) {
                SSL_SESSION_free(client->session);
                client->session = NULL;
        }
        SSL_SESSION *copy = client->session ? SSL_SESSION_dup(client->session) : NULL;
        pthread_mutex_unlock(&client->lock);
        return copy;
}

/* ---- connections ---- */

struct cd_tls_conn *cd_tls_client_conn_new(struct cd_tls_client *client)
{
        struct cd_tls_conn *conn = cd_tls_conn_of(client->context, client->bio_method);
        SSL_SESSION *session = copy_session(client);

        if (conn && !cd_tls_conn_connect(conn, client->sends_name ? client->name : NULL, session)) {
                cd_tls_conn_free(conn);
                conn = NULL;
        }
        SSL_SESSION_free(session); /* the connection has a reference of its own */
        ERR_clear_error();
        return conn;
}

/* ---- start and end ---- */

static bool is_dns_name(cd_str name)
{
        for (size_t i = 0; i < name.len; i++) {
                char c = name.ptr[i], lower = (char)(c | 0x20);
                if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
                        return false;
        }
        return name.len > 0 && name.len <= NAME_MAX_LEN;
}

/* The name that the certificate must have, and SNI, which is for DNS names only (RFC 6066 §3). */
static cd_status use_name(struct cd_tls_client *client, cd_str name, struct cd_error *reterr)
{
        X509_VERIFY_PARAM *param = SSL_CTX_get0_param(client->context);
        struct cd_address address;
        bool ok;

        X509_VERIFY_PARAM_set_hostflags(param,
                                        X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        if (cd_address_parse(name, &address)) {
                bool is_ipv4 = cd_address_is_ipv4(&address);
                ok = X509_VERIFY_PARAM_set1_ip(param, address.bytes + (is_ipv4 ? 12 : 0), is_ipv4 ? 4 : 16) == 1;
        } else {
                if (name.len > 1 && name.ptr[name.len - 1] == '.')
                        name.len--;
                if (!is_dns_name(name))
                        return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("server_name"),
                                             "is neither a DNS name nor an IP address");
                memcpy(client->name, name.ptr, name.len);
                client->sends_name = true;
                ok = X509_VERIFY_PARAM_set1_host(param, name.ptr, name.len) == 1;
        }
        return ok ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for TLS");
}

static bool use_system(SSL_CTX *context, struct cd_tls_authorities *authorities)
{
        if (!authorities)
                return SSL_CTX_set_default_verify_paths(context) == 1;
        if (!authorities->store) {
                X509_STORE *store = X509_STORE_new();
                if (!store || X509_STORE_set_default_paths(store) != 1) {
                        X509_STORE_free(store);
                        return false;
                }
                authorities->store = store;
        }
        SSL_CTX_set1_cert_store(context, authorities->store);
        return true;
}

void cd_tls_authorities_done(struct cd_tls_authorities *authorities)
{
        X509_STORE_free(authorities->store);
        authorities->store = NULL;
}

static cd_status use_trust(SSL_CTX *context, const struct cd_tls_client_options *options, struct cd_error *reterr)
{
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        if (options->ca.len == 0)
                return use_system(context, options->authorities) ? CD_OK
                                                                 : cd_fail(reterr, CD_NO_MEMORY, "no memory for TLS");
        /* What the operator names is trusted, also if it is an intermediate CA or the server's own certificate. */
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
        return cd_tls_use_ca(context, options->ca, "ca", reterr);
}

static bool set_rules(struct cd_tls_client *client)
{
        static const unsigned char protocols[] = "\x08http/1.1";

        SSL_CTX_set_app_data(client->context, client);
        SSL_CTX_set_session_cache_mode(client->context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(client->context, on_session);
        return cd_tls_set_algorithms(client->context) &&
               SSL_CTX_set_alpn_protos(client->context, protocols, sizeof(protocols) - 1) == 0;
}

static cd_status set_up(struct cd_tls_client *client, const struct cd_tls_client_options *options,
                        struct cd_error *reterr)
{
        cd_tls_load_reasons();
        ERR_clear_error();
        client->context = SSL_CTX_new(TLS_client_method());
        client->bio_method = cd_tls_conn_bio_method();
        if (!client->context || !client->bio_method || !set_rules(client))
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for TLS");
        cd_status status = use_name(client, options->server_name, reterr);
        if (status == CD_OK)
                status = use_trust(client->context, options, reterr);
        if (status == CD_OK && (options->certificate.len || options->key.len)) {
                status = cd_tls_use_chain(client->context, options->certificate, reterr);
                if (status == CD_OK)
                        status = cd_tls_use_key(client->context, options->key, reterr);
        }
        return status;
}

cd_status cd_tls_client_new(const struct cd_tls_client_options *options, struct cd_tls_client **ret,
                            struct cd_error *reterr)
{
        struct cd_tls_client *client = calloc(1, sizeof(*client));

        if (!client)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for TLS");
        pthread_mutex_init(&client->lock, NULL);
        cd_status status = set_up(client, options, reterr);
        if (status != CD_OK) {
                cd_tls_client_free(client);
                return status;
        }
        *ret = client;
        return CD_OK;
}

void cd_tls_client_free(struct cd_tls_client *client)
{
        if (!client)
                return;
        SSL_SESSION_free(client->session);
        SSL_CTX_free(client->context);
        BIO_meth_free(client->bio_method);
        pthread_mutex_destroy(&client->lock);
        free(client);
}
