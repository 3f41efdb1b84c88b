#pragma once
/* TLS for outgoing connections (RFC 8446, RFC 5246): versions 1.2 and 1.3, http/1.1 by ALPN. The server's certificate
 * and name are always verified. */
#include "net/tls_conn.h"

/* What all connections to one server share. Thread-safe. */
struct cd_tls_client;

/* The system's CAs, read when the first client needs them: that takes 30 ms of the processor. The clients that were
 * made with it go on using them. Zeroed at first; not thread-safe. */
struct cd_tls_authorities {
        struct x509_store_st *store; /* NULL: not read yet */
};
void cd_tls_authorities_done(struct cd_tls_authorities *authorities);

struct cd_tls_client_options {
        /* A DNS name or an IP address without brackets, which the server's certificate must be for (RFC 9525: in its
         * subject alternative names). A DNS name is sent as SNI. */
        cd_str server_name;
        cd_str ca; /* PEM of the trusted CAs, or of the server's own certificate; empty: the system's CAs */
        cd_str certificate, key;                /* PEM, for a server that asks for a client certificate; empty: none */
        struct cd_tls_authorities *authorities; /* for an empty `ca`; NULL: this client reads its own */
};

/* CD_INVALID_REQUEST with the field "server_name", "ca", "certificate" or "key"; CD_NO_MEMORY. */
cd_status cd_tls_client_new(const struct cd_tls_client_options *options, struct cd_tls_client **ret,
                            struct cd_error *reterr);
void cd_tls_client_free(struct cd_tls_client *client); /* after its connections; NULL is fine */

/* A connection that resumes the last session if there is one. NULL if memory is exhausted. cd_stream_start_tls begins
 * the handshake; if it fails, cd_tls_conn_error says why: "certificate verify failed: self-signed certificate". */
struct cd_tls_conn *cd_tls_client_conn_new(struct cd_tls_client *client);
