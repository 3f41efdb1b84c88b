/* Puts an e-mail into the queue of an installation, as the portal would: mail-tool CONFIG TO SUBJECT TEXT LIFETIME */
#include <stdio.h>
#include <stdlib.h>

#include "app/administration.h"
#include "core/mail.h"

static int fail(const struct cd_error *err)
{
        fprintf(stderr, "mail-tool: %s: %s\n", err->field, err->reason);
        return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
        struct cd_admin_options options = { .must_be_current = false };
        struct cd_admin admin;
        struct cd_error err = { 0 };

        if (argc != 6) {
                fprintf(stderr, "usage: mail-tool CONFIG TO SUBJECT TEXT LIFETIME\n");
                return 2;
        }
        options.config_path = argv[1];
        if (cd_admin_open(&options, &admin, &err) != CD_OK)
                return fail(&err);
        struct cd_mail mail = {
                .to = cd_str_from_c(argv[2]),
                .subject = cd_str_from_c(argv[3]),
                .text = cd_str_from_c(argv[4]),
                .created_at = admin.clock->now(admin.clock),
        };
        mail.expires_at = mail.created_at + atoll(argv[5]);
        cd_status status = cd_mail_queue(admin.store, admin.master, &mail, &err);
        cd_admin_close(&admin);
        return status == CD_OK ? EXIT_SUCCESS : fail(&err);
}
