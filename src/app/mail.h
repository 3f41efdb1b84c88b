#pragma once
/* The server's part that sends e-mail: made when `smtp` is configured for the first time, so that other servers have no
 * thread for it, and do not load libcurl. */
#include "app/mail_sender.h"
#include "app/storage.h"

struct cd_app_mail {
        const struct cd_storage *storage;
        struct cd_log *log;
        struct cd_outgoing_log *outgoing;        /* outlives it; NULL: none */
        _Atomic(struct cd_mail_sender *) sender; /* NULL: smtp was never configured */
};

/* The settings of a configuration, for cd_app_mail_use; NULL: it has no smtp. Starts the sender if there is none. Paths
 * are relative to the folder of `config_path`. */
cd_status cd_app_mail_prepare(struct cd_app_mail *mail, const struct cd_config *config, cd_str config_path,
                              struct cd_mail_settings **ret, struct cd_error *reterr);
/* Takes the settings. */
void cd_app_mail_use(struct cd_app_mail *mail, struct cd_mail_settings *settings);
/* An e-mail was added to the queue; `mail` is a struct cd_app_mail. Any thread. */
void cd_app_mail_wake(void *mail);
void cd_app_mail_done(struct cd_app_mail *mail); /* a zeroed one is fine */
