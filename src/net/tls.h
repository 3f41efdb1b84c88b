#pragma once
/* TLS on listeners (RFC 8446, RFC 5246, BCP 195): versions 1.2 and 1.3 with ephemeral keys and AEAD ciphers only, h2
 * and http/1.1 by ALPN, resumption by tickets; no renegotiation, no compression, no early data. */
#include "base/clock.h"
#include "base/status.h"

/* What is asked of clients. One that is shown must lead to client_ca, else the handshake fails. */
enum cd_tls_client_certificate {
        CD_TLS_CLIENT_NONE,
        CD_TLS_CLIENT_REQUEST, /* a client may show one */
        CD_TLS_CLIENT_REQUIRE, /* it must */
};

struct cd_tls_options {
        cd_str certificate; /* PEM: the server's first, then those that lead from it to a root */
        cd_str key;         /* PEM, not encrypted; wiped by the caller */
        cd_str client_ca;   /* PEM; whose client certificates are believed; with REQUEST and REQUIRE */
        enum cd_tls_client_certificate client_certificate;
        int64_t ticket_rotation_ms; /* how long one key encrypts tickets; it is accepted three times as long. 0: an
                                       hour */
};

struct cd_tls_validity {
        cd_time not_before, not_after; /* of the server's own certificate */
};

/* Whether a server could speak with it. CD_INVALID_REQUEST with field "certificate", "key" or "client_ca" else. A
 * certificate that is over is no error here. */
cd_status cd_tls_check(const struct cd_tls_options *options, struct cd_tls_validity *ret, struct cd_error *reterr);
