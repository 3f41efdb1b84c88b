#include "cmd/user_mail.h"

#include <stdio.h>

#include "base/streams.h"

bool cd_cmd_sends_mail(const struct cd_config *config)
{
        return config->smtp.url.len && config->portal.url.len;
}

struct cd_mails cd_cmd_mails(const struct cd_admin *admin)
{
        return (struct cd_mails){
                .store = admin->store,
                .master = admin->master,
                .clock = admin->clock,
                .title = admin->config.portal.title,
                .url = admin->config.portal.url,
        };
}

const struct cd_texts *cd_cmd_mails_language(const struct cd_admin *admin)
{
        return cd_mails_language(admin->config.portal.language);
}

static void tell(const struct cd_notices *port, enum cd_notice_kind kind, cd_str user, cd_str address)
{
        const struct cd_cmd_notices *notices = (const struct cd_cmd_notices *)port;
        const struct cd_admin *admin = notices->admin;
        const struct cd_mails mails = cd_cmd_mails(admin);
        const struct cd_mailed_notice notice = {
                .kind = kind, .user = user, .address = address, .at = admin->clock->now(admin->clock)
        };
        struct cd_error err = { 0 };

        cd_status status = notice.at < 0 ? CD_OK : cd_mails_notice(&mails, cd_cmd_mails_language(admin), &notice, &err);
        if (status != CD_OK && status != CD_NOT_FOUND)
                cd_print_line(stderr, "cardea %s: warning: the user is not told by e-mail: %s", notices->command,
                              err.reason);
}

const struct cd_notices *cd_cmd_notices_init(struct cd_cmd_notices *notices, const char *command,
                                             const struct cd_admin *admin)
{
        *notices = (struct cd_cmd_notices){ .port = { tell }, .command = command, .admin = admin };
        return cd_cmd_sends_mail(&admin->config) ? &notices->port : NULL;
}
