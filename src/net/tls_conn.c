/* TLS for one connection. OpenSSL reads from memory and writes to memory, and has no socket. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "net/tls_internal.h"

enum {
        SUBJECT_MAX = 1024,
        RECORD_MAX = 16 * 1024, /* bytes of plaintext (RFC 8446 §5.1) */
};

struct cd_tls_conn {
        SSL *ssl;
        cd_str in;          /* during a call: the input that is left */
        struct cd_buf *out; /* during a call: the buffer for output */
        char *subject;      /* of the client certificate; NULL: none */
        char *covered;      /* see cd_tls_conn_covers; NULL: none */
        char *error;        /* NULL: no failure */
        bool has_begun, is_open, has_ended;
};

/* ---- the BIO that replaces a socket ---- */

static int bio_read(BIO *bio, char *to, int size)
{
        struct cd_tls_conn *conn = BIO_get_data(bio);
        size_t len = conn->in.len < (size_t)size ? conn->in.len : (size_t)size;

        BIO_clear_retry_flags(bio);
        if (len == 0) {
                BIO_set_retry_read(bio);
                return -1;
        }
        memcpy(to, conn->in.ptr, len);
        conn->in = cd_str_slice(conn->in, len, conn->in.len);
        return (int)len;
}

static int bio_write(BIO *bio, const char *bytes, int size)
{
        struct cd_tls_conn *conn = BIO_get_data(bio);

        BIO_clear_retry_flags(bio);
        if (!conn->out)
                return -1;
        cd_buf_add(conn->out, cd_str_of(bytes, (size_t)size));
        return conn->out->failed ? -1 : size;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
        (void)bio, (void)number, (void)pointer;
        return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *cd_tls_conn_bio_method(void)
{
        /* Without BIO_get_new_index, which has 127 types to give: nothing searches for a BIO of this type. */
        BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "cardea");

        if (method && BIO_meth_set_read(method, bio_read) == 1 && BIO_meth_set_write(method, bio_write) == 1 &&
            BIO_meth_set_ctrl(method, bio_control) == 1)
                return method;
        BIO_meth_free(method);
        return NULL;
}

/* ---- start and end ---- */

static SSL_CTX *take_context(struct cd_tls *tls)
{
        pthread_mutex_lock(&tls->lock);
        SSL_CTX *context = tls->context;
        SSL_CTX_up_ref(context);
        pthread_mutex_unlock(&tls->lock);
        return context;
}

struct cd_tls_conn *cd_tls_conn_of(SSL_CTX *context, BIO_METHOD *bio_method)
{
        struct cd_tls_conn *conn = calloc(1, sizeof(*conn));
        BIO *bio = BIO_new(bio_method);

        if (conn)
                conn->ssl = SSL_new(context);
        if (!conn || !conn->ssl || !bio) {
                BIO_free(bio);
                cd_tls_conn_free(conn);
                ERR_clear_error();
                return NULL;
        }
        BIO_set_data(bio, conn);
        BIO_set_init(bio, 1);
        SSL_set_bio(conn->ssl, bio, bio); /* transfers ownership */
        return conn;
}

struct cd_tls_conn *cd_tls_conn_new(struct cd_tls *tls, bool offers_http2)
{
        SSL_CTX *context = take_context(tls);
        struct cd_tls_conn *conn = cd_tls_conn_of(context, tls->bio_method);

        SSL_CTX_free(context);
        if (!conn)
                return NULL;
        SSL_set_accept_state(conn->ssl);
        /* Read when the context selects a protocol. */
        SSL_set_app_data(conn->ssl, offers_http2 ? conn : NULL);
        return conn;
}

bool cd_tls_conn_connect(struct cd_tls_conn *conn, const char *server_name, SSL_SESSION *session)
{
        SSL_set_connect_state(conn->ssl);
        conn->has_begun = true;
        return (!server_name || SSL_set_tlsext_host_name(conn->ssl, server_name) == 1) &&
               (!session || SSL_set_session(conn->ssl, session) == 1);
}

void cd_tls_conn_free(struct cd_tls_conn *conn)
{
        if (!conn)
                return;
        SSL_free(conn->ssl);
        free(conn->subject);
        free(conn->covered);
        free(conn->error);
        free(conn);
}

bool cd_tls_conn_has_begun(const struct cd_tls_conn *conn)
{
        return conn->has_begun;
}

bool cd_tls_conn_is_open(const struct cd_tls_conn *conn)
{
        return conn->is_open;
}

bool cd_tls_conn_is_http2(const struct cd_tls_conn *conn)
{
        const unsigned char *protocol;
        unsigned len;

        SSL_get0_alpn_selected(conn->ssl, &protocol, &len);
        return cd_str_eq(cd_str_of((const char *)protocol, len), CD_STR("h2"));
}

cd_str cd_tls_conn_subject(const struct cd_tls_conn *conn)
{
        return cd_str_from_c(conn->subject);
}

static bool is_for(X509 *certificate, const char *host)
{
        char address[INET6_ADDRSTRLEN];
        size_t len = strlen(host);

        if (host[0] == '[' && len >= 2 && len - 2 < sizeof(address)) {
                memcpy(address, host + 1, len - 2);
                address[len - 2] = '\0';
                host = address;
        }
        return X509_check_host(certificate, host, 0, 0, NULL) == 1 || X509_check_ip_asc(certificate, host, 0) == 1;
}

bool cd_tls_conn_covers(struct cd_tls_conn *conn, cd_str host)
{
        X509 *certificate = SSL_get_certificate(conn->ssl); /* the one that was shown, also after a change */

        if (conn->covered && cd_str_eq(cd_str_from_c(conn->covered), host))
                return true;
        char *text = strndup(host.ptr, host.len);
        bool covers = text && certificate && is_for(certificate, text);
        ERR_clear_error(); /* of a host that is no address */
        if (!covers) {
                free(text);
                return false;
        }
        free(conn->covered);
        conn->covered = text;
        return true;
}

const char *cd_tls_conn_error(const struct cd_tls_conn *conn)
{
        return conn->error ? conn->error : "out of memory";
}

/* ---- client certificate ---- */

static bool fail(struct cd_tls_conn *conn, const char *why)
{
        free(conn->error);
        conn->error = strdup(why);
        return false;
}

/* Checks the dates again: the certificate of a resumed session was verified when the session began, which
 * may be hours ago. */
static bool is_over(const X509 *certificate)
{
        return X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0;
}

/* The subject is logged and compared by programs, so it has one form, in which every special character is escaped. */
static bool learn_subject(struct cd_tls_conn *conn, const X509 *certificate)
{
        BIO *bio = BIO_new(BIO_s_mem());
        const char *text = NULL;
        long len = 0;

        if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0 &&
            BIO_write(bio, "", 1) == 1)
                len = BIO_get_mem_data(bio, (char **)&text) - 1; /* without the NUL at its end */
        if (len > 0 && len <= SUBJECT_MAX)
                conn->subject = strdup(text);
        BIO_free(bio);
        return conn->subject || fail(conn, len > 0 ? "the subject of the client's certificate is too long"
                                                   : "the client's certificate has no subject");
}

/* Called once the handshake is done. */
static bool begin(struct cd_tls_conn *conn)
{
        const X509 *certificate = SSL_get0_peer_certificate(conn->ssl);

        conn->is_open = true;
        if (!certificate || !SSL_is_server(conn->ssl))
                return true; /* a server's certificate was verified, or its session is not over (tls_client.c) */
        if (SSL_get_verify_result(conn->ssl) != X509_V_OK || is_over(certificate))
                return fail(conn, "the client's certificate has expired");
        return learn_subject(conn, certificate);
}

/* ---- data ---- */

/* Adds OpenSSL's reason and, for a certificate, the result of its verification. */
static void note_error(struct cd_tls_conn *conn)
{
        const char *why = ERR_reason_error_string(ERR_peek_error());
        long verified = SSL_get_verify_result(conn->ssl);
        char text[256];

        snprintf(text, sizeof(text), "%s%s%s", why ? why : "broken", verified == X509_V_OK ? "" : ": ",
                 verified == X509_V_OK ? "" : X509_verify_cert_error_string(verified));
        fail(conn, text);
}

/* Decrypts all of the input. */
static enum cd_tls_step decrypt(struct cd_tls_conn *conn, struct cd_buf *plain)
{
        for (;;) {
                size_t len = 0;
                char *to = cd_buf_reserve(plain, RECORD_MAX);
                if (!to) {
                        fail(conn, "out of memory");
                        return CD_TLS_FAILED;
                }
                ERR_clear_error();
                int result = SSL_read_ex(conn->ssl, to, RECORD_MAX, &len);
                plain->len += len;
                if (!conn->is_open && SSL_is_init_finished(conn->ssl) && !begin(conn))
                        return CD_TLS_FAILED;
                if (result == 1 && conn->in.len == 0 && !SSL_has_pending(conn->ssl))
                        return CD_TLS_MORE; /* the next call would say the same, but allocates a buffer first */
                if (result == 1)
                        continue;
                switch (SSL_get_error(conn->ssl, result)) {
                case SSL_ERROR_WANT_READ:
                        return CD_TLS_MORE;
                case SSL_ERROR_ZERO_RETURN:
                        return CD_TLS_ENDED;
                default:
                        note_error(conn);
                        return CD_TLS_FAILED;
                }
        }
}

enum cd_tls_step cd_tls_conn_read(struct cd_tls_conn *conn, cd_str cipher, struct cd_buf *plain, struct cd_buf *reply)
{
        if (conn->error)
                return CD_TLS_FAILED;
        conn->has_begun = true;
        conn->in = cipher;
        conn->out = reply;
        enum cd_tls_step step = decrypt(conn, plain);
        conn->in = (cd_str){ NULL, 0 };
        conn->out = NULL;
        ERR_clear_error();
        return step;
}

bool cd_tls_conn_write(struct cd_tls_conn *conn, cd_str plain, struct cd_buf *cipher)
{
        size_t len = 0;

        if (conn->error || conn->has_ended || !conn->is_open)
                return false;
        if (plain.len == 0)
                return true;
        conn->out = cipher;
        ERR_clear_error();
        bool ok = SSL_write_ex(conn->ssl, plain.ptr, plain.len, &len) == 1 && len == plain.len;
        if (!ok) {
                note_error(conn);
                ERR_clear_error();
        }
        conn->out = NULL;
        return ok;
}

void cd_tls_conn_end(struct cd_tls_conn *conn, struct cd_buf *cipher)
{
        if (conn->error || conn->has_ended || !conn->is_open)
                return;
        conn->has_ended = true;
        conn->out = cipher;
        ERR_clear_error();
        (void)SSL_shutdown(conn->ssl);
        ERR_clear_error();
        conn->out = NULL;
}
