#pragma once
/* X.509 certificates for a first start and for communication between machines: a new certificate authority (CA) and a
 * server certificate that it signs (RFC 5280). A self-signed server certificate would satisfy many clients, but not
 * those that require a trusted certificate to be a CA. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/field.h"
#include "base/status.h"

/* The names of these CAs begin with this. */
#define CD_CERTIFICATE_CA_NAME "Cardea CA"

enum {
        CD_CERTIFICATE_NAMES_MAX = 64,
        CD_CERTIFICATE_DAYS_MAX = 3650,
};

struct cd_certificate_spec {
        /* 1 to CD_CERTIFICATE_NAMES_MAX DNS names (may begin with "*.") and IP addresses; the first is the CN */
        struct cd_strs names;
        cd_time now;   /* validity begins one hour earlier, since clocks differ */
        int64_t days;  /* validity after `now`; 1 to CD_CERTIFICATE_DAYS_MAX */
        cd_str ca_key; /* PEM key of an existing CA; empty: a new one is generated */
};

/* All PEM. The keys are ECDSA P-256 in PKCS#8, except that a given ca_key is returned as it was. */
struct cd_certificate_set {
        cd_str ca;          /* for clients to trust */
        cd_str ca_key;      /* can sign further certificates; best not kept */
        cd_str certificate; /* of the server: subjectAltName, CA:FALSE, serverAuth; valid as long as the CA */
        cd_str key;
};

/* Writes to the arena. A bad name, number of days or key (field "ca_key") is CD_INVALID_REQUEST; the
 * reason repeats the name. */
cd_status cd_certificate_make(const struct cd_certificate_spec *spec, struct cd_arena *arena,
                              struct cd_certificate_set *ret, struct cd_error *reterr);
/* Reads the names from a certificate made by cd_certificate_make, into the arena. CD_MALFORMED, or CD_INVALID_REQUEST
 * if another CA signed it. */
cd_status cd_certificate_read_names(cd_str pem, struct cd_arena *arena, struct cd_strs *ret, struct cd_error *reterr);
/* localhost, 127.0.0.1, ::1, and the host name if a certificate can contain it. */
cd_status cd_certificate_names_of_host(struct cd_arena *arena, struct cd_strs *ret, struct cd_error *reterr);
