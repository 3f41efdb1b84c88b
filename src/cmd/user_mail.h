#pragma once
/* The e-mails that commands cause. A running server sends them, from the store's queue. */
#include "app/administration.h"
#include "portal/mails.h"

/* Whether the configuration says how e-mails are sent, and what their links begin with. */
bool cd_cmd_sends_mail(const struct cd_config *config);
struct cd_mails cd_cmd_mails(const struct cd_admin *admin);
/* The language of e-mails that no browser asked for. */
const struct cd_texts *cd_cmd_mails_language(const struct cd_admin *admin);

struct cd_cmd_notices {
        struct cd_notices port;
        const char *command;
        const struct cd_admin *admin;
};
/* Fills in a port that tells users what an operator has changed: at once, and with a warning on standard error if that
 * fails. Borrows both. Returns it, or NULL if no e-mails are sent. */
const struct cd_notices *cd_cmd_notices_init(struct cd_cmd_notices *notices, const char *command,
                                             const struct cd_admin *admin);
