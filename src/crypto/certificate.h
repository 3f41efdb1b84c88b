#pragma once
/* X.509 certificates for a first start and for machines among themselves: an authority of its own, and a server that it
 * signs for (RFC 5280). A certificate that signs itself would do for many clients, but not for those that ask of what
 * they trust that it be a CA. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/field.h"
#include "base/status.h"

/* What the names of our authorities begin with. */
#define CD_CERTIFICATE_CA_NAME "Cardea CA"

enum {
        CD_CERTIFICATE_NAMES_MAX = 64,
        CD_CERTIFICATE_DAYS_MAX = 3650,
};

struct cd_certificate_spec {
        /* 1 to CD_CERTIFICATE_NAMES_MAX: DNS names, "*." allowed in front, and addresses; the first is the CN */
        struct cd_strs names;
        cd_time now;   /* valid from an hour before, since clocks differ */
        int64_t days;  /* valid until so long after `now`; 1 to CD_CERTIFICATE_DAYS_MAX */
        cd_str ca_key; /* PEM: the authority's; empty: a new one */
        cd_str key;    /* PEM: the server's; empty: a new one */
};

/* All PEM; the keys are ECDSA P-256 in PKCS#8, but for those that were given. */
struct cd_certificate_set {
        cd_str ca;          /* for clients: what to trust */
        cd_str ca_key;      /* signs more of them; best forgotten */
        cd_str certificate; /* of the server: subjectAltName, CA:FALSE, serverAuth; valid as long as the authority's */
        cd_str key;
};

/* Into the arena. A bad name, number of days or key (fields "ca_key" and "key") is CD_INVALID_REQUEST, and the reason
 * repeats the name. */
cd_status cd_certificate_make(const struct cd_certificate_spec *spec, struct cd_arena *arena,
                              struct cd_certificate_set *ret, struct cd_error *reterr);
/* The names in a certificate that cd_certificate_make made, in the arena. CD_MALFORMED, or CD_INVALID_REQUEST where
 * another authority signed it. */
cd_status cd_certificate_read_names(cd_str pem, struct cd_arena *arena, struct cd_strs *ret, struct cd_error *reterr);
/* The certificate of the list `authorities` whose key signed `certificate`, all PEM; in the arena. Empty where there is
 * none, or memory is out. */
cd_str cd_certificate_find_issuer(cd_str certificate, cd_str authorities, struct cd_arena *arena);
/* localhost, 127.0.0.1, ::1, and the host's name where it has one that a certificate can hold. */
cd_status cd_certificate_names_of_host(struct cd_arena *arena, struct cd_strs *ret, struct cd_error *reterr);
