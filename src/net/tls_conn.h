#pragma once
/* TLS as the engine sees it: bytes in, bytes out, no socket. Only src/net includes it. */
#include "base/buf.h"
#include "net/tls.h"

/* ---- tls.c: what the connections of a server begin with ---- */

struct cd_tls;

cd_status cd_tls_new(const struct cd_tls_options *options, struct cd_tls **ret, struct cd_error *reterr);
/* New connections begin with these options from now on; those that are open go on, and their tickets stay good unless
 * client_ca or client_certificate differ. Nothing changes where it fails. From any thread. */
cd_status cd_tls_renew(struct cd_tls *tls, const struct cd_tls_options *options, struct cd_error *reterr);
/* The same in two steps, of which the second cannot fail. What was prepared is used or forgotten. */
struct ssl_ctx_st;
cd_status cd_tls_prepare(struct cd_tls *tls, const struct cd_tls_options *options, struct ssl_ctx_st **ret,
                         struct cd_error *reterr);
void cd_tls_use(struct cd_tls *tls, struct ssl_ctx_st *prepared);
void cd_tls_forget(struct ssl_ctx_st *prepared); /* NULL is fine */
void cd_tls_free(struct cd_tls *tls);            /* after its connections; NULL is fine */

/* ---- tls_tickets.c: the keys that tickets are encrypted with, of all loops ---- */

struct ssl_st;
struct cd_tls_tickets;

struct cd_tls_tickets *cd_tls_tickets_new(int64_t rotation_ms); /* NULL: out of memory or randomness */
void cd_tls_tickets_free(struct cd_tls_tickets *tickets);       /* NULL is fine */
/* How long a session may be resumed, seconds. */
long cd_tls_tickets_lifetime(const struct cd_tls_tickets *tickets);
/* Makes the context use them; *tickets must outlive it. */
void cd_tls_tickets_attach(struct cd_tls_tickets *tickets, struct ssl_ctx_st *context);

/* ---- tls_conn.c: one connection; used by one thread at a time ---- */

struct cd_tls_conn;

enum cd_tls_step {
        CD_TLS_MORE,   /* all is well */
        CD_TLS_ENDED,  /* the client will send no more (close_notify) */
        CD_TLS_FAILED, /* cd_tls_conn_error says why; the alert is in the output */
};

/* `offers_http2`: beside http/1.1, by ALPN. NULL where memory is out. */
struct cd_tls_conn *cd_tls_conn_new(struct cd_tls *tls, bool offers_http2);
void cd_tls_conn_free(struct cd_tls_conn *conn); /* NULL is fine */
/* Whether the client has sent anything, and whether the handshake is done. */
bool cd_tls_conn_has_begun(const struct cd_tls_conn *conn);
bool cd_tls_conn_is_open(const struct cd_tls_conn *conn);
/* Takes all of `cipher`. What was in it is appended to `plain`; what TLS itself has to say about it, to `reply`. */
enum cd_tls_step cd_tls_conn_read(struct cd_tls_conn *conn, cd_str cipher, struct cd_buf *plain, struct cd_buf *reply);
/* Appends `plain` to `cipher`, encrypted. False where that failed. */
bool cd_tls_conn_write(struct cd_tls_conn *conn, cd_str plain, struct cd_buf *cipher);
/* Appends the close_notify, once, where the handshake was done and nothing has failed. */
void cd_tls_conn_end(struct cd_tls_conn *conn, struct cd_buf *cipher);
/* Whether ALPN has chosen HTTP/2; after the handshake. */
bool cd_tls_conn_is_http2(const struct cd_tls_conn *conn);
/* The subject of the client's certificate, verified (RFC 4514); empty where it has shown none. Lives as long as the
 * connection. */
cd_str cd_tls_conn_subject(const struct cd_tls_conn *conn);
/* Why it failed, for the log. */
const char *cd_tls_conn_error(const struct cd_tls_conn *conn);
