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
        cd_time now;   /* valid from an hour before, since clocks differ */
        int64_t days;  /* valid until so long after `now`; 1 to CD_CERTIFICATE_DAYS_MAX */
        cd_str ca_key; /* PEM: the authority's; empty: a new one */
        cd_str key;    /* PEM: the server's; empty: a new one */
};

/* All PEM; the keys are ECDSA P-256 in PKCS#8, but for those that were given. */
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
/* Whether the first certificate of `pem`, of whatever authority, is for that host: a DNS name, or an IP address without
 * brackets (RFC 6125). True also if that cannot be told. */
bool cd_certificate_is_for(cd_str pem, cd_str host);
/* The certificate of the list `authorities` whose key signed `certificate`, all PEM; in the arena. Empty where there is
 * none, or memory is out. */
cd_str cd_certificate_find_issuer(cd_str certificate, cd_str authorities, struct cd_arena *arena);
/* localhost, 127.0.0.1, ::1, and the host's name where it has one that a certificate can hold. */
cd_status cd_certificate_names_of_host(struct cd_arena *arena, struct cd_strs *ret, struct cd_error *reterr);
