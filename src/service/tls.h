#pragma once
/* The settings `tls` and `redirect_listen` of every service, and the files that they name. */
#include "service/service.h"

enum {
        CD_TLS_WARN_DAYS = 14 /* before a certificate is over */
};

static inline bool cd_service_has_tls(const struct cd_service_settings *settings)
{
        return settings->tls.certificate.len > 0;
}

/* Paths in the settings are relative to the folder of the configuration file; made relative to the working
 * directory. */
void cd_service_tls_resolve(struct cd_service_settings *settings, struct cd_report *report);
/* As findings: whether the settings fit together, and whether cd_service_tls_read would succeed. */
void cd_service_tls_check_settings(const struct cd_service_settings *settings, struct cd_report *report);

/* What the files of tls held when they were read, once, for the checks and for the server. */
struct cd_service_tls_files {
        struct cd_arena arena; /* wiped by cd_service_tls_files_done */
        struct cd_tls_options options;
        struct cd_tls_validity validity;
        bool are_usable; /* false: there is no TLS, or the report says why not */
};

/* Reads them, and tells in the report what it found. */
void cd_service_tls_check_files(const struct cd_service_settings *settings, struct cd_report *report,
                                struct cd_service_tls_files *ret);
void cd_service_tls_files_done(struct cd_service_tls_files *files);

/* Reads the files and checks that a server can speak with them at `now`. CD_INVALID_REQUEST with the setting in the
 * error's field ("tls.key") else; a private key in a file that may hold no secret (conf/secret_file.h) is refused. The
 * texts live in the arena, which should be wiped soon. */
cd_status cd_service_tls_read(const struct cd_service_tls *tls, cd_time now, struct cd_arena *arena,
                              struct cd_tls_options *ret, struct cd_tls_validity *ret_validity,
                              struct cd_error *reterr);
