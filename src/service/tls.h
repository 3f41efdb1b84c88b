#pragma once
/* The settings `tls` and `redirect_listen` of every service, and the files that they name. */
#include "service/service.h"

enum {
        CD_TLS_WARN_DAYS = 14 /* before a certificate expires */
};

static inline bool cd_service_has_tls(const struct cd_service_settings *settings)
{
        return settings->tls.certificate.len > 0;
}

/* Resolves the paths in the settings, which are relative to the folder of the configuration file, so that they are
 * relative to the working directory. */
void cd_service_tls_resolve(struct cd_service_settings *settings, struct cd_report *report);
/* Reports as findings whether the settings are consistent, and whether cd_service_tls_read would succeed. */
void cd_service_tls_check_settings(const struct cd_service_settings *settings, struct cd_report *report);

/* The contents of the files of tls, read once for both the checks and the server. */
struct cd_service_tls_files {
        struct cd_arena arena; /* wiped by cd_service_tls_files_done */
        struct cd_tls_options options;
        struct cd_tls_validity validity;
        bool are_usable; /* false: there is no TLS, or the report says what is wrong */
};

/* Reads the files, and reports the findings. */
void cd_service_tls_check_files(const struct cd_service_settings *settings, struct cd_report *report,
                                struct cd_service_tls_files *ret);
void cd_service_tls_files_done(struct cd_service_tls_files *files);

/* Reads the files and checks that a server can use them at `now`. Otherwise CD_INVALID_REQUEST with the setting in the
 * error's field ("tls.key"). A private key is rejected if its file may not hold a secret (conf/secret_file.h). The
 * texts live in the arena, which should be wiped soon. */
cd_status cd_service_tls_read(const struct cd_service_tls *tls, cd_time now, struct cd_arena *arena,
                              struct cd_tls_options *ret, struct cd_tls_validity *ret_validity,
                              struct cd_error *reterr);
