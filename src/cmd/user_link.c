/* cardea user invite and reset: links for one user that can be used once. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "base/streams.h"
#include "cmd/context.h"
#include "cmd/file.h"
#include "cmd/text_table.h"
#include "cmd/user.h"
#include "core/account_link.h"
#include "core/admin_users.h"

enum {
        JSON_MAX = 16 * 1024 /* bytes */
};

struct ask {
        const char *config, *name, *display_name, *email, *expires;
        struct cd_words groups;
        bool json;
};

/* How a link is shown, and whether it was shown. */
struct showing {
        cd_str portal;    /* portal.url */
        const char *page; /* "/invite" */
        const struct cd_link_token *token;
        bool json, is_shown;
};

/* Writes the link alone to standard output, before it becomes valid (LESSONS 38). */
static cd_status show_link(void *arg, cd_str name, cd_str token, struct cd_error *reterr)
{
        struct showing *showing = arg;
        char link[1024 + 64];
        struct cd_buf buf;
        cd_str text;

        snprintf(link, sizeof(link), "%.*s%s?token=%.*s", CD_STR_ARG(showing->portal), showing->page,
                 CD_STR_ARG(token));
        if (showing->json) {
                cd_json_begin(&buf, JSON_MAX, "name", name);
                cd_json_add_str(&buf, "link", cd_str_from_c(link));
                cd_json_add_time(&buf, "expires_at", showing->token->expires_at);
                cd_buf_add_char(&buf, '}');
        } else {
                cd_buf_init(&buf, NULL, JSON_MAX);
                cd_buf_add(&buf, cd_str_from_c(link));
        }
        cd_buf_add_char(&buf, '\n');
        int error = cd_buf_view(&buf, &text) == CD_OK ? cd_file_print(text) : ENOMEM;
        cd_wipe(link, sizeof(link));
        if (buf.ptr)
                cd_wipe(buf.ptr, buf.len);
        cd_buf_done(&buf);
        if (error)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""),
                                "the link cannot be written to standard output (%s), so there is none",
                                strerror(error));
        showing->is_shown = true;
        return CD_OK;
}

static cd_status fail_setting(const char *setting, const char *reason, struct cd_error *reterr)
{
        return cd_fail_field(reterr, CD_INVALID_REQUEST, cd_str_from_c(setting), reason);
}

static cd_status check_url(const struct cd_config_portal *portal, struct cd_error *reterr)
{
        if (portal->url.len)
                return CD_OK;
        return fail_setting(
                "portal.url",
                "is not set, and the link begins with it; write it as in https://auth.example.com" CD_PORTAL_BASE,
                reterr);
}

static void begin_showing(struct cd_context *context, struct showing *showing)
{
        showing->portal = context->admin.config.portal.url;
        context->by.show_secret = show_link;
        context->by.show_arg = showing;
}

static void end_showing(struct cd_context *context)
{
        context->by.show_secret = NULL;
        context->by.show_arg = NULL;
}

static int fail_link(const struct cd_context *context, const struct showing *showing, const struct cd_error *err)
{
        int code = cd_context_fail(context->command, err);

        if (showing->is_shown)
                cd_print_line(stderr, "cardea %s: the link that was printed is void", context->command);
        return code;
}

/* Runs an action on the one user that is named. */
static int run_on_user(int argc, char **argv, const struct cd_option *options, struct ask *ask,
                       int (*act)(struct cd_context *context, const struct ask *ask))
{
        struct cd_context context;

        if (!cd_options_parse(argc, argv, options, &ask->name, 1))
                return CD_EXIT_USAGE;
        if (!ask->name)
                return cd_usage_error(argv[0], "name a user: cardea %s NAME", argv[0]);
        int code = cd_context_open(&context, argv[0], ask->config);
        if (code == CD_EXIT_OK)
                code = act(&context, ask);
        cd_context_close(&context);
        return code;
}

/* --- invite ------------------------------------------------------------------------------------------------------- */

static cd_status check_invite(const struct cd_config_portal *portal, struct cd_error *reterr)
{
        if (portal->registration == CD_REGISTRATION_CLOSED)
                return fail_setting("portal.registration",
                                    "is closed, so that no invitation can be used; write invite, or add the user "
                                    "with cardea user add",
                                    reterr);
        return check_url(portal, reterr);
}

static cd_status read_lifetime(struct cd_arena *arena, const char *text, int64_t *ret, struct cd_error *reterr)
{
        static const struct cd_field field = { .name = "--expires",
                                               .type = CD_FIELD_DURATION,
                                               .min = 60000,
                                               .max = CD_INVITE_LIFETIME_MAX * INT64_C(1000) };
        int64_t milliseconds = CD_INVITE_LIFETIME * INT64_C(1000);
        cd_status status = text ? cd_field_bind(arena, &field, cd_str_from_c(text), &milliseconds, reterr) : CD_OK;

        *ret = milliseconds / 1000;
        return status;
}

static cd_status try_invite(struct cd_context *context, const struct ask *ask, struct cd_link_token *ret,
                            struct cd_error *reterr)
{
        struct cd_invite_params params = { .name = cd_str_from_c(ask->name),
                                           .display_name = cd_str_from_c(ask->display_name),
                                           .email = cd_str_from_c(ask->email),
                                           .groups = cd_context_strs(context, &ask->groups) };

        cd_status status = check_invite(&context->admin.config.portal, reterr);
        if (status == CD_OK)
                status = read_lifetime(&context->arena, ask->expires, &params.lifetime, reterr);
        return status == CD_OK ? cd_invite(&context->by, &context->arena, &params, ret, reterr) : status;
}

static int invite_user(struct cd_context *context, const struct ask *ask)
{
        struct cd_link_token token;
        struct showing showing = { .page = "/invite", .token = &token, .json = ask->json };
        struct cd_error err = { 0 };

        begin_showing(context, &showing);
        cd_status status = try_invite(context, ask, &token, &err);
        end_showing(context);
        if (status != CD_OK)
                return fail_link(context, &showing, &err);
        cd_print_line(stderr, "the link is valid once, until %.*s; an earlier invitation for that name is void",
                      CD_STR_ARG(cd_time_text(&context->arena, token.expires_at)));
        return CD_EXIT_OK;
}

static int run_invite(int argc, char **argv)
{
        struct ask ask = { 0 };
        const struct cd_option options[] = {
                { .name = "--config", .letter = 'c', .value = &ask.config },
                { .name = "--group", .values = &ask.groups },
                { .name = "--display-name", .value = &ask.display_name },
                { .name = "--email", .value = &ask.email },
                { .name = "--expires", .value = &ask.expires },
                { .name = "--json", .flag = &ask.json },
                { 0 },
        };

        return run_on_user(argc, argv, options, &ask, invite_user);
}

const struct cd_command cd_cmd_user_invite = {
        .name = "invite",
        .summary = "print a link with which a new user can register",
        .help = "Usage: cardea user invite NAME --config FILE [--group GROUP]... [--display-name TEXT]\n"
                "                          [--email ADDRESS] [--expires DURATION] [--json]\n"
                "\n"
                "Prints a link with which a new user can register as NAME, and nothing else, on standard output. Send\n"
                "it to the user: anyone who has it can use it, once. The user chooses a password and sets up a second\n"
                "factor; the account exists from then on. A second invitation for a name replaces the first. If the\n"
                "link cannot be printed, there is no invitation. Needs the setting portal.url, and\n"
                "portal.registration must not be closed.\n"
                "\n" CD_CONTEXT_CONFIG_HELP "      --group GROUP         a group of the user; may be repeated\n"
                "      --display-name TEXT   the name to show; the user can change it when registering\n"
                "      --email ADDRESS       the e-mail address, which is not verified yet\n"
                "      --expires DURATION    how long the link is valid: 1m to 30d; 72h if not given\n"
                "      --json                print name, link and expires_at as a JSON object\n"
                "\n"
                "Exit codes: 0 success, 1 failed at run time, 2 the command line, the configuration or a value is\n"
                "wrong, 4 the user exists already.\n",
        .run = run_invite,
};

/* --- reset -------------------------------------------------------------------------------------------------------- */

static cd_status check_reset(const struct cd_config_portal *portal, struct cd_error *reterr)
{
        if (!cd_strs_has(portal->factors, CD_STR("password")))
                return fail_setting("portal.factors",
                                    "does not contain password, so that users have none to reset; for a lost "
                                    "authenticator use cardea user totp reset",
                                    reterr);
        return check_url(portal, reterr);
}

static cd_status try_reset(struct cd_context *context, const struct ask *ask, struct cd_link_token *ret,
                           struct cd_error *reterr)
{
        struct cd_user user;

        cd_status status = check_reset(&context->admin.config.portal, reterr);
        if (status == CD_OK)
                status = cd_admin_user_find(&context->by, &context->arena, cd_str_from_c(ask->name), &user, reterr);
        if (status != CD_OK)
                return status;
        if (user.disabled)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("name"),
                                "user \"%.*s\" is disabled, so that no link works; use cardea user enable first",
                                CD_STR_ARG(user.name));
        status = cd_reset_link(&context->by, &context->arena, &user, ret, reterr);
        if (status == CD_THROTTLED)
                return cd_failf(reterr, status, CD_STR("name"),
                                "user \"%.*s\" has %d links already, and no more are made; each is valid for %d "
                                "minutes, so wait for the oldest to expire",
                                CD_STR_ARG(user.name), CD_RESET_LINKS_MAX, CD_RESET_LIFETIME / 60);
        return status;
}

static int reset_user(struct cd_context *context, const struct ask *ask)
{
        struct cd_link_token token;
        struct showing showing = { .page = "/reset", .token = &token, .json = ask->json };
        struct cd_error err = { 0 };

        begin_showing(context, &showing);
        cd_status status = try_reset(context, ask, &token, &err);
        end_showing(context);
        if (status != CD_OK)
                return fail_link(context, &showing, &err);
        cd_print_line(stderr, "the link is valid once, until %.*s; the second factor stays as it is",
                      CD_STR_ARG(cd_time_text(&context->arena, token.expires_at)));
        return CD_EXIT_OK;
}

static int run_reset(int argc, char **argv)
{
        struct ask ask = { 0 };
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &ask.config },
                                             { .name = "--json", .flag = &ask.json },
                                             { 0 } };

        return run_on_user(argc, argv, options, &ask, reset_user);
}

const struct cd_command cd_cmd_user_reset = {
        .name = "reset",
        .summary = "print a link with which a user can set a new password",
        .help = "Usage: cardea user reset NAME --config FILE [--json]\n"
                "\n"
                "Prints a link with which the user can set a new password, and nothing else, on standard output. It\n"
                "is valid once, for 30 minutes, and only until the password changes otherwise. Make sure who asks\n"
                "for it, and send it to the user: anyone who has it can use it. The new password ends the user's\n"
                "sessions and tokens; the second factor stays as it is. Needs the setting portal.url.\n"
                "\n" CD_CONTEXT_CONFIG_HELP
                "      --json                print name, link and expires_at as a JSON object\n"
                "\n"
                "Exit codes: 0 success, 1 failed at run time, 2 the command line, the configuration or a value is\n"
                "wrong, 3 the user does not exist.\n",
        .run = run_reset,
};
