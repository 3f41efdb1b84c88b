/* cardea mail test: sends one e-mail now, and shows what the mail server says. */
#include <stdio.h>

#include "base/streams.h"
#include "cmd/context.h"
#include "core/digest.h"

enum {
        LIFETIME = 60, /* seconds; any, as the e-mail is in no queue */
};

struct ask {
        const char *to;
};

static void show_line(void *arg, bool from_server, cd_str line)
{
        (void)arg;
        cd_print_line(stdout, "%s %.*s", from_server ? "<" : ">", CD_STR_ARG(line));
        fflush(stdout); /* a server may be slow */
}

/* The message as the server's sender would make it. */
static cd_status write_message(struct cd_context *context, const struct cd_mailbox *from, const char *to, cd_str *ret,
                               struct cd_error *reterr)
{
        const struct cd_admin *admin = &context->admin;
        struct cd_mail mail = {
                .to = cd_str_from_c(to),
                .subject = CD_STR("Test of cardea"),
                .text = CD_STR("This is a test: cardea can send e-mail.\n"),
        };
        unsigned char bytes[16];
        cd_str id;

        if (admin->random->fill(admin->random, bytes, sizeof(bytes)) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        cd_status status = cd_clock_read(admin->clock, &mail.created_at, reterr);
        if (status == CD_OK)
                status = cd_digest_text(&context->arena, cd_str_of((const char *)bytes, sizeof(bytes)), &id, reterr);
        if (status != CD_OK)
                return status;
        mail.expires_at = mail.created_at + LIFETIME;
        return cd_mail_message(&context->arena, from, &mail, id, ret, reterr);
}

static cd_status send_test(struct cd_context *context, const char *to, struct cd_error *reterr)
{
        struct cd_admin *admin = &context->admin;
        struct cd_smtp_mail mail = { .to = cd_str_from_c(to), .line = show_line, .arena = &context->arena };
        struct cd_smtp_server server = { 0 };
        struct cd_mailbox from;
        struct cd_smtp_reply reply;
        struct cd_error why = { 0 };

        if (!admin->config.smtp.url.len)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("smtp.url"),
                                     "is not set; write it as in smtp://mail.example.com:587");
        cd_status status = cd_config_smtp_read(&admin->config.smtp, cd_str_from_c(context->config), &context->arena,
                                               &server, &from, reterr);
        if (status == CD_OK)
                status = write_message(context, &from, to, &mail.message, reterr);
        if (status != CD_OK)
                return status;
        mail.hello = cd_mail_domain(from.address);
        mail.from = from.address;
        if (cd_smtp_send(&server, &mail, &reply, &why) == CD_OK)
                return CD_OK;
        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "not sent: %s", why.reason);
}

static int test(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_error err = { 0 };

        if (send_test(context, ask->to, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(stdout, "sent to %s: the server has accepted the e-mail", ask->to);
        return CD_EXIT_OK;
}

static const struct cd_option test_options[] = {
        CD_VALUE(struct ask, to, "--to", 0, "ADDRESS", "who gets the e-mail", .required = true),
        { 0 },
};

static const struct cd_command mail_test = {
        .name = "test",
        .summary = "send an e-mail now, and show what the mail server says",
        .about = "Sends one e-mail as the setting \"smtp\" says, and prints what is sent to the mail server (>) and "
                 "what it answers (<), without the password. No running server is asked, and no store is opened. That "
                 "the mail server accepts an e-mail does not mean that it arrives: look into the mailbox.",
        .examples = "cardea mail test --to alice@example.com",
        .exit_codes = "0 the mail server has accepted the e-mail\n1 it has not",
        .options = test_options,
        .ask_size = sizeof(struct ask),
        .act = test,
        .opens = CD_OPENS_CONFIG,
};

static const struct cd_command *const actions[] = { &mail_test, NULL };

const struct cd_command cd_cmd_mail = {
        .name = "mail",
        .summary = "try whether e-mail can be sent",
        .about = "The mail server is the setting \"smtp\" of the configuration.",
        .actions = actions,
};
