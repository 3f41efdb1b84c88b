#pragma once
/* TLS for listeners (RFC 8446, RFC 5246, BCP 195): versions 1.2 and 1.3 with ephemeral keys and AEAD ciphers only, h2
 * and http/1.1 by ALPN, resumption by tickets. No renegotiation, no compression, no early data. */
#include "base/clock.h"
#include "base/status.h"

/* Client certificates. If a client sends one, it must chain to client_ca, or the handshake fails. */
enum cd_tls_client_certificate {
        CD_TLS_CLIENT_NONE,
        CD_TLS_CLIENT_REQUEST, /* optional */
        CD_TLS_CLIENT_REQUIRE, /* required */
};

struct cd_tls_options {
        cd_str certificate; /* PEM: the server certificate first, then the intermediate certificates */
        cd_str key;         /* PEM, not encrypted; wiped by the caller */
        cd_str client_ca;   /* PEM of the CAs trusted for client certificates; for REQUEST and REQUIRE */
        enum cd_tls_client_certificate client_certificate;
        /* how long a key encrypts tickets; it decrypts them for three times as long. 0: an hour */
        int64_t ticket_rotation_ms;
};

struct cd_tls_validity {
        cd_time not_before, not_after; /* of the server certificate */
};

/* Checks that a server could use these options. Otherwise CD_INVALID_REQUEST with field "certificate", "key" or
 * "client_ca". An expired certificate is not an error. */
cd_status cd_tls_check(const struct cd_tls_options *options, struct cd_tls_validity *ret, struct cd_error *reterr);
