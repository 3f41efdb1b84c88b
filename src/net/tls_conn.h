#pragma once
/* TLS as net uses it: bytes in, bytes out, no socket. Only src/net includes it. */
#include "base/buf.h"
#include "net/tls.h"

/* ---- tls.c: what all connections of a server share ---- */

struct cd_tls;

cd_status cd_tls_new(const struct cd_tls_options *options, struct cd_tls **ret, struct cd_error *reterr);
/* Makes new connections use these options. Open connections continue, and their tickets stay valid unless client_ca or
 * client_certificate differ. On failure nothing changes. Thread-safe. */
cd_status cd_tls_renew(struct cd_tls *tls, const struct cd_tls_options *options, struct cd_error *reterr);
/* The same in two steps, of which the second cannot fail. What was prepared is used or forgotten. */
struct ssl_ctx_st;
cd_status cd_tls_prepare(struct cd_tls *tls, const struct cd_tls_options *options, struct ssl_ctx_st **ret,
                         struct cd_error *reterr);
void cd_tls_use(struct cd_tls *tls, struct ssl_ctx_st *prepared);
void cd_tls_forget(struct ssl_ctx_st *prepared); /* NULL is fine */
void cd_tls_free(struct cd_tls *tls);            /* after its connections; NULL is fine */

/* ---- tls_tickets.c: the keys that encrypt tickets, shared by all loops ---- */

struct ssl_st;
struct cd_tls_tickets;

struct cd_tls_tickets *cd_tls_tickets_new(int64_t rotation_ms); /* NULL: no memory or randomness */
void cd_tls_tickets_free(struct cd_tls_tickets *tickets);       /* NULL is allowed */
/* How long a session may be resumed, in seconds. */
long cd_tls_tickets_lifetime(const struct cd_tls_tickets *tickets);
/* Makes the context use these tickets; *tickets must outlive it. */
void cd_tls_tickets_attach(struct cd_tls_tickets *tickets, struct ssl_ctx_st *context);

/* ---- tls_conn.c: one connection; not thread-safe ---- */

struct cd_tls_conn;

enum cd_tls_step {
        CD_TLS_MORE,   /* no end and no error */
        CD_TLS_ENDED,  /* the other side will send no more data (close_notify) */
        CD_TLS_FAILED, /* cd_tls_conn_error says why; the alert is in the output */
};

/* `offers_http2`: ALPN offers it besides http/1.1. NULL if memory is exhausted. */
struct cd_tls_conn *cd_tls_conn_new(struct cd_tls *tls, bool offers_http2);
void cd_tls_conn_free(struct cd_tls_conn *conn); /* NULL is allowed */
/* Whether the client has sent anything (always so on an outgoing connection, whose client is this program), and whether
 * the handshake is done. */
bool cd_tls_conn_has_begun(const struct cd_tls_conn *conn);
bool cd_tls_conn_is_open(const struct cd_tls_conn *conn);
/* Reads all of `cipher`. Appends the decrypted data to `plain`, and the messages that TLS itself sends
 * in return to `reply`. */
enum cd_tls_step cd_tls_conn_read(struct cd_tls_conn *conn, cd_str cipher, struct cd_buf *plain, struct cd_buf *reply);
/* Appends `plain` to `cipher`, encrypted. False on failure. */
bool cd_tls_conn_write(struct cd_tls_conn *conn, cd_str plain, struct cd_buf *cipher);
/* Appends a close_notify, once, if the handshake is done and nothing has failed. */
void cd_tls_conn_end(struct cd_tls_conn *conn, struct cd_buf *cipher);
/* Whether ALPN selected HTTP/2; after the handshake. */
bool cd_tls_conn_is_http2(const struct cd_tls_conn *conn);
/* The subject of the verified client certificate (RFC 4514); empty if the client sent none. Lives as
 * long as the connection. */
cd_str cd_tls_conn_subject(const struct cd_tls_conn *conn);
/* Whether this server's certificate is for the host, as the client of this connection has it: a name, or an address
 * with the brackets of IPv6. The last host for which it is is remembered. */
bool cd_tls_conn_covers(struct cd_tls_conn *conn, cd_str host);
/* The reason of a failure, for the log. */
const char *cd_tls_conn_error(const struct cd_tls_conn *conn);
