/* cardea mail test: sends one e-mail now, and shows what the mail server says. */
#include <stdio.h>

#include "app/server.h"
#include "app/storage.h"
#include "base/streams.h"
#include "cmd/context.h"
#include "core/digest.h"

enum {
        LIFETIME = 60, /* seconds; any, as the e-mail is in no queue */
};

struct test {
        const char *command, *config, *to;
        struct cd_admin admin; /* without a store */
        struct cd_smtp_server server;
        struct cd_mailbox from;
};

static cd_status load(struct test *t, struct cd_error *reterr)
{
        struct cd_admin *admin = &t->admin;
        cd_str path = cd_str_from_c(t->config);

        admin->clock = &cd_clock_system;
        admin->random = &cd_random_system;
        cd_arena_init(&admin->arena, CD_SERVICE_ARENA);
        cd_report_init(&admin->report, &admin->arena, path);
        admin->report.needed = cd_context_needs(t->command);
        cd_status status = cd_service_load(cd_server_service(), &admin->report, &admin->config, reterr);
        if (status != CD_OK)
                return status;
        if (!admin->config.smtp.url.len)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("smtp.url"),
                                     "is not set; write it as in smtp://mail.example.com:587");
        return cd_config_smtp_read(&admin->config.smtp, path, &admin->arena, &t->server, &t->from, reterr);
}

static void show_line(void *arg, bool from_server, cd_str line)
{
        (void)arg;
        cd_print_line(stdout, "%s %.*s", from_server ? "<" : ">", CD_STR_ARG(line));
        fflush(stdout); /* a server may be slow */
}

/* The message as the server's sender would make it. */
static cd_status write_message(struct test *t, cd_str *ret, struct cd_error *reterr)
{
        struct cd_arena *arena = &t->admin.arena;
        struct cd_mail mail = {
                .to = cd_str_from_c(t->to),
                .subject = CD_STR("Test of cardea"),
                .text = CD_STR("This is a test: cardea can send e-mail.\n"),
        };
        unsigned char bytes[16];
        cd_str id;

        if (t->admin.random->fill(t->admin.random, bytes, sizeof(bytes)) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        cd_status status = cd_clock_read(t->admin.clock, &mail.created_at, reterr);
        if (status == CD_OK)
                status = cd_digest_text(arena, cd_str_of((const char *)bytes, sizeof(bytes)), &id, reterr);
        if (status != CD_OK)
                return status;
        mail.expires_at = mail.created_at + LIFETIME;
        return cd_mail_message(arena, &t->from, &mail, id, ret, reterr);
}

static int fail_sending(const struct test *t, const struct cd_error *err)
{
        fprintf(stderr, "cardea %s: not sent: %s\n", t->command, err->reason);
        return CD_EXIT_FAILED;
}

static int test(struct test *t)
{
        struct cd_smtp_mail mail = { .to = cd_str_from_c(t->to), .line = show_line, .arena = &t->admin.arena };
        struct cd_smtp_reply reply;
        struct cd_error err = { 0 };

        if (load(t, &err) != CD_OK)
                return cd_context_fail_open(t->command, &t->admin, &err);
        if (write_message(t, &mail.message, &err) != CD_OK)
                return cd_context_fail(t->command, &err);
        mail.hello = cd_mail_domain(t->from.address);
        mail.from = t->from.address;
        if (cd_smtp_send(&t->server, &mail, &reply, &err) != CD_OK)
                return fail_sending(t, &err);
        cd_print_line(stdout, "sent to %s: the server has accepted the e-mail", t->to);
        return CD_EXIT_OK;
}

static int run_test(int argc, char **argv)
{
        struct test t = { .command = argv[0] };
        const struct cd_option options[] = {
                { .name = "--config", .letter = 'c', .value = &t.config },
                { .name = "--to", .value = &t.to },
                { 0 },
        };

        if (!cd_options_parse(argc, argv, options, NULL, 0))
                return CD_EXIT_USAGE;
        if (!cd_context_find_config(argv[0], &t.config))
                return CD_EXIT_USAGE;
        if (!t.to)
                return cd_usage_error(argv[0], "name the recipient: --to ADDRESS");
        int code = test(&t);
        cd_admin_close(&t.admin);
        return code;
}

static const struct cd_command mail_test = {
        .name = "test",
        .summary = "send an e-mail now, and show what the mail server says",
        .help = "Usage: cardea mail test --config FILE --to ADDRESS\n"
                "\n"
                "Sends one e-mail as the setting \"smtp\" says, and prints what is sent to the mail server (>) and\n"
                "what it answers (<), without the password. No running server is asked, and no store is opened. That\n"
                "the mail server accepts an e-mail does not mean that it arrives: look into the mailbox.\n"
                "\n"
                "  -c, --config FILE         the server's configuration\n"
                "      --to ADDRESS          who gets the e-mail\n"
                "\n"
                "Exit codes: 0 the mail server has accepted the e-mail, 1 it has not, 2 the command line or the\n"
                "configuration is wrong.\n",
        .run = run_test,
};

static const struct cd_command *const actions[] = { &mail_test, NULL };

const struct cd_command cd_cmd_mail = {
        .name = "mail",
        .summary = "try whether e-mail can be sent",
        .help = "The mail server is the setting \"smtp\" of the configuration.\n",
        .actions = actions,
};
