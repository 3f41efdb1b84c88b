/* cardea user invite and reset: links for one user that can be used once. They are mailed, or else printed. */
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
        const char *name, *display_name, *email, *expires;
        struct cd_words groups;
        bool json, no_mail;
};

typedef cd_status send_mail(const struct cd_mails *mails, const struct cd_texts *texts,
                            const struct cd_mailed_link *link, struct cd_error *reterr);

/* How a link is shown, and whether it was shown. */
struct showing {
        const struct cd_admin *admin;
        const char *page; /* "/invite" */
        send_mail *send;
        cd_str to;   /* the address that it is mailed to; empty: it is printed */
        cd_str name; /* the user's; once the link is shown */
        const struct cd_link_token *token;
        bool json, is_shown;
};

static cd_status mail_link(struct showing *showing, cd_str name, cd_str token, struct cd_error *reterr)
{
        const struct cd_mails mails = cd_cmd_mails(showing->admin);
        const struct cd_mailed_link link = {
                .user = name,
                .to = showing->to,
                .token = token,
                .expires_at = showing->token->expires_at,
        };
        struct cd_error err = { 0 };

        cd_status status = showing->send(&mails, cd_cmd_mails_language(showing->admin), &link, &err);
        if (status != CD_OK)
                return cd_failf(reterr, status, cd_str_from_c(err.field),
                                "the link cannot be mailed: %s; with --no-mail it is printed", err.reason);
        showing->name = name;
        showing->is_shown = true;
        return CD_OK;
}

/* Mails the link, or writes it alone to standard output, before it becomes valid (LESSONS 38). */
static cd_status show_link(void *arg, cd_str name, cd_str token, struct cd_error *reterr)
{
        struct showing *showing = arg;
        char link[1024 + 64];
        struct cd_buf buf;

        if (showing->to.len)
                return mail_link(showing, name, token, reterr);
        snprintf(link, sizeof(link), "%.*s%s?token=%.*s", CD_STR_ARG(showing->admin->config.portal.url), showing->page,
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
        int error = cd_file_print(&buf);
        cd_wipe(link, sizeof(link));
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
        showing->admin = &context->admin;
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
                cd_print_line(stderr, "cardea %s: the link that was %s is void", context->command,
                              showing->to.len ? "mailed" : "printed");
        return code;
}

/* Says how long the link is valid; with --json also where it went, if that was not standard output. */
static int say_done(struct cd_context *context, const struct showing *showing, const char *also)
{
        cd_str until = cd_time_text(&context->arena, showing->token->expires_at);
        struct cd_buf buf;

        if (!showing->to.len) {
                cd_print_line(stderr, "the link is valid once, until %.*s; %s", CD_STR_ARG(until), also);
                return CD_EXIT_OK;
        }
        cd_print_line(stderr, "the link will be mailed to %.*s; it is valid once, until %.*s; %s",
                      CD_STR_ARG(showing->to), CD_STR_ARG(until), also);
        if (!showing->json)
                return CD_EXIT_OK;
        cd_json_begin(&buf, JSON_MAX, "name", showing->name);
        cd_json_add_str(&buf, "mailed_to", showing->to);
        cd_json_add_time(&buf, "expires_at", showing->token->expires_at);
        return cd_json_end(&buf) ? CD_EXIT_OK : CD_EXIT_FAILED;
}

#define JSON_OPTION                                                                                                    \
        CD_FLAG(struct ask, json, "--json", 0, "print name, expires_at, and link or mailed_to as a JSON object")

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
                            const struct showing *showing, struct cd_error *reterr)
{
        struct cd_invite_params params = { .name = cd_str_from_c(ask->name),
                                           .display_name = cd_str_from_c(ask->display_name),
                                           .email = cd_str_from_c(ask->email),
                                           .groups = cd_context_strs(context, &ask->groups),
                                           .is_mailed = showing->to.len };

        cd_status status = check_invite(&context->admin.config.portal, reterr);
        if (status == CD_OK)
                status = read_lifetime(&context->arena, ask->expires, &params.lifetime, reterr);
        return status == CD_OK ? cd_invite(&context->by, &context->arena, &params, ret, reterr) : status;
}

static int invite_user(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_link_token token;
        struct showing showing = { .page = "/invite", .send = cd_mails_invite, .token = &token, .json = ask->json };
        struct cd_error err = { 0 };

        if (cd_cmd_sends_mail(&context->admin.config) && !ask->no_mail)
                showing.to = cd_str_from_c(ask->email);
        begin_showing(context, &showing);
        cd_status status = try_invite(context, ask, &token, &showing, &err);
        end_showing(context);
        if (status != CD_OK)
                return fail_link(context, &showing, &err);
        return say_done(context, &showing, "an earlier invitation for that name is void");
}

static const struct cd_argument new_name_argument[] = {
        { "NAME", offsetof(struct ask, name), .help = "the name of the new user" },
        { 0 },
};

static const struct cd_option invite_options[] = {
        CD_WORDS(struct ask, groups, "--group", 0, "GROUP", "a group of the user; may be repeated"),
        CD_VALUE(struct ask, display_name, "--display-name", 0, "TEXT",
                 "the name to show; the user can change it when registering"),
        CD_VALUE(struct ask, email, "--email", 0, "ADDRESS", "the e-mail address"),
        CD_VALUE(struct ask, expires, "--expires", 0, "DURATION",
                 "how long the link is valid: 1m to 30d; 72h if not given"),
        CD_FLAG(struct ask, no_mail, "--no-mail", 0, "print the link; the address is then not verified"),
        JSON_OPTION,
        { 0 },
};

const struct cd_command cd_cmd_user_invite = {
        .name = "invite",
        .summary = "mail or print a link with which a new user can register",
        .about = "Makes a link with which a new user can register as NAME. With --email, and where smtp is configured, "
                 "it is mailed to that address and shown to nobody else; the address of a user who registers with it "
                 "is verified. Otherwise the link alone is printed on standard output. Send it to the user: anyone who "
                 "has it can use it, once. The user chooses a password and sets up a second factor; the account exists "
                 "from then on. A second invitation for a name replaces the first. If the link can be neither mailed "
                 "nor printed, there is no invitation. Needs the setting portal.url, and portal.registration must not "
                 "be closed.",
        .examples = "cardea user invite alice --group staff --email alice@example.com",
        .exit_codes = "4 the user exists already",
        .arguments = new_name_argument,
        .options = invite_options,
        .ask_size = sizeof(struct ask),
        .act = invite_user,
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

/* A link that is refused must not have been mailed, so it is mailed last. One that is printed is shown first, as
 * always. */
static cd_status try_reset(struct cd_context *context, const struct ask *ask, struct cd_link_token *ret,
                           struct showing *showing, struct cd_error *reterr)
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
        if (cd_cmd_sends_mail(&context->admin.config) && !ask->no_mail)
                showing->to = cd_mails_address(&user);
        if (showing->to.len)
                context->by.show_secret = NULL;
        status = cd_reset_link(&context->by, &context->arena, &user, ret, reterr);
        if (status == CD_THROTTLED)
                return cd_failf(reterr, status, CD_STR("name"),
                                "user \"%.*s\" has %d links already, and no more are made; each is valid for %d "
                                "minutes, so wait for the oldest to expire",
                                CD_STR_ARG(user.name), CD_RESET_LINKS_MAX, CD_RESET_LIFETIME / 60);
        return status == CD_OK && showing->to.len
                       ? mail_link(showing, user.name, cd_str_of(ret->text, sizeof(ret->text)), reterr)
                       : status;
}

static int reset_user(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_link_token token;
        struct showing showing = { .page = "/reset", .send = cd_mails_reset, .token = &token, .json = ask->json };
        struct cd_error err = { 0 };

        begin_showing(context, &showing);
        cd_status status = try_reset(context, ask, &token, &showing, &err);
        end_showing(context);
        if (status != CD_OK)
                return fail_link(context, &showing, &err);
        if (!showing.to.len && !ask->no_mail && cd_cmd_sends_mail(&context->admin.config))
                cd_print_line(stderr, "the link is not mailed: the user has no verified e-mail address");
        return say_done(context, &showing, "the second factor stays as it is");
}

static const struct cd_option reset_options[] = {
        CD_FLAG(struct ask, no_mail, "--no-mail", 0, "print the link"),
        JSON_OPTION,
        { 0 },
};

const struct cd_command cd_cmd_user_reset = {
        .name = "reset",
        .summary = "mail or print a link with which a user can set a new password",
        .about = "Makes a link with which the user can set a new password. Where smtp is configured and the user has a "
                 "verified e-mail address, it is mailed there and shown to nobody else. Otherwise the link alone is "
                 "printed on standard output: make sure who asks for it, and send it to the user, since anyone who has "
                 "it can use it. It is valid once, for 30 minutes, and only until the password changes otherwise. The "
                 "new password ends the user's sessions and tokens; the second factor stays as it is. Needs the "
                 "setting portal.url.",
        .examples = "cardea user reset alice",
        .exit_codes = "3 the user does not exist",
        .arguments = cd_cmd_user_argument,
        .options = reset_options,
        .ask_size = sizeof(struct ask),
        .act = reset_user,
};
