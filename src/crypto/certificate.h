#pragma once
/* X.509 certificates that sign themselves, for a first start and for machines among themselves (RFC 5280). */
#include "base/arena.h"
#include "base/clock.h"
#include "base/field.h"
#include "base/status.h"

enum {
        CD_CERTIFICATE_NAMES_MAX = 64,
        CD_CERTIFICATE_DAYS_MAX = 3650,
};

struct cd_certificate_spec {
        struct cd_strs
                names; /* 1 to CD_CERTIFICATE_NAMES_MAX: DNS names, "*." allowed in front, and addresses; the first is the CN */
        cd_time now;  /* valid from an hour before, since clocks differ */
        int64_t days; /* valid until so long after `now`; 1 to CD_CERTIFICATE_DAYS_MAX */
};

/* A new ECDSA P-256 key as PKCS#8 PEM, and a certificate of a server for it (subjectAltName, CA:FALSE, serverAuth), into the arena. A
 * bad name or number of days is CD_INVALID_REQUEST, and the reason repeats it. */
cd_status cd_certificate_self_signed(const struct cd_certificate_spec *spec, struct cd_arena *arena,
                                     cd_str *ret_certificate, cd_str *ret_key, struct cd_error *reterr);
/* localhost, 127.0.0.1, ::1, and the host's name where it has one that a certificate can hold. */
cd_status cd_certificate_names_of_host(struct cd_arena *arena, struct cd_strs *ret, struct cd_error *reterr);
