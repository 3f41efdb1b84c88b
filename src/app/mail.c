#include "app/mail.h"

static cd_status make_sender(struct cd_app_mail *mail, struct cd_mail_sender **ret, struct cd_error *reterr)
{
        const struct cd_mail_sender_options options = {
                .store = mail->storage->store,
                .master = mail->storage->master,
                .clock = &cd_clock_system,
                .log = mail->log,
                .outgoing = mail->outgoing,
                .send = cd_smtp_send,
        };

        *ret = atomic_load(&mail->sender);
        if (*ret)
                return CD_OK;
        cd_status status = cd_mail_sender_new(&options, ret, reterr);
        if (status == CD_OK)
                atomic_store(&mail->sender, *ret);
        return status;
}

cd_status cd_app_mail_prepare(struct cd_app_mail *mail, const struct cd_config *config, cd_str config_path,
                              struct cd_mail_settings **ret, struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena = { 0 };
        struct cd_mail_sender *sender;
        struct cd_smtp_server server;
        struct cd_mailbox from;

        *ret = NULL;
        if (!config->smtp.url.len)
                return CD_OK;
        cd_arena_init(&arena, CD_SERVICE_ARENA);
        cd_status status = cd_config_smtp_read(&config->smtp, config_path, &arena, &server, &from, reterr);
        if (status == CD_OK)
                status = make_sender(mail, &sender, reterr);
        if (status == CD_OK)
                status = cd_mail_sender_start(sender, reterr);
        return status == CD_OK ? cd_mail_settings_new(sender, &server, &from, ret, reterr) : status;
}

void cd_app_mail_use(struct cd_app_mail *mail, struct cd_mail_settings *settings)
{
        struct cd_mail_sender *sender = atomic_load(&mail->sender);

        if (sender)
                cd_mail_sender_set(sender, settings);
}

void cd_app_mail_wake(void *arg)
{
        struct cd_app_mail *mail = arg;
        struct cd_mail_sender *sender = atomic_load(&mail->sender);

        if (sender)
                cd_mail_sender_wake(sender);
}

void cd_app_mail_done(struct cd_app_mail *mail)
{
        cd_mail_sender_free(atomic_load(&mail->sender));
}
