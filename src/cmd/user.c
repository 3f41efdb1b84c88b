/* cardea user: the actions that change one user. */
#include <stdio.h>
#include <string.h>

#include "base/streams.h"
#include "cmd/ask.h"
#include "cmd/text_table.h"
#include "cmd/user.h"
#include "cmd/context.h"
#include "core/admin_users.h"
#include "core/user_claims.h"

#define EXIT_HELP                                                                                                      \
        "Exit codes: 0 success, 1 failed at run time, 2 the command line, the configuration or a value is wrong,\n"    \
        "3 the user does not exist.\n"
#define DETAILS_HELP                                                                                                   \
        "      --display-name TEXT   the name to show, at most 256 bytes\n"                                            \
        "      --email ADDRESS       the e-mail address, which is not verified yet\n"                                  \
        "      --email-verified      ADDRESS is known to be the user's\n"
#define ENDS_HELP "This ends the user's tokens; every server applies it within a second.\n"

static int say_done(const struct cd_user_result *result, const char *what)
{
        cd_print_line(stdout, "user %.*s %s", CD_STR_ARG(result->name), what);
        return CD_EXIT_OK;
}

static int need_name(const char *command)
{
        return cd_usage_error(command, "name a user: cardea %s NAME", command);
}

/* The arguments of an action; each action has options for some of them. */
struct ask {
        const char *config, *name, *password_file, *display_name, *email;
        struct cd_words claims, groups, groups_to_remove;
        bool email_verified, removes_display_name, removes_email, disabled, is_sure;
};

typedef int act_fn(struct cd_context *context, const struct ask *ask);

/* Runs an action on the one user that is named. */
static int run_on_user(int argc, char **argv, const struct cd_option *options, struct ask *ask, act_fn *act)
{
        struct cd_context context;

        if (!cd_options_parse(argc, argv, options, &ask->name, 1))
                return CD_EXIT_USAGE;
        if (!ask->name)
                return need_name(argv[0]);
        int code = cd_context_open(&context, argv[0], ask->config);
        if (code == CD_EXIT_OK)
                code = act(&context, ask);
        cd_context_close(&context);
        return code;
}

/* --- add ---------------------------------------------------------------------------------------------------------- */

/* Checks everything else before it asks for the password. */
static cd_status try_add(struct cd_context *context, const struct ask *ask, struct cd_user_result *ret,
                         struct cd_error *reterr)
{
        struct cd_user_params params = { .name = cd_str_from_c(ask->name),
                                         .display_name = cd_str_from_c(ask->display_name),
                                         .email = cd_str_from_c(ask->email),
                                         .email_verified = ask->email_verified,
                                         .groups = cd_context_strs(context, &ask->groups),
                                         .disabled = ask->disabled };
        struct cd_strs claims = cd_context_strs(context, &ask->claims);
        struct cd_error why = { 0 };
        struct cd_user found;

        cd_status status =
                cd_user_claims_assign(&context->arena, CD_STR(""), claims, context->by.scopes, &params.claims, &why);
        if (status != CD_OK)
                return cd_failf(reterr, status, CD_STR("claim"), "%s%s%s", why.field, why.field[0] ? ": " : "",
                                why.reason);
        status = cd_admin_user_read_details(&context->arena, &params, &found, reterr);
        if (status != CD_OK)
                return status;
        status = cd_admin_user_find(&context->by, &context->arena, params.name, &found, reterr);
        if (status == CD_OK)
                return cd_failf(reterr, CD_EXISTS, CD_STR("name"), "user \"%.*s\" exists already",
                                CD_STR_ARG(found.name));
        if (status == CD_NOT_FOUND)
                status = cd_ask_password(&context->arena, params.name, ask->password_file, &params.password, reterr);
        if (status == CD_OK)
                status = cd_admin_user_add(&context->by, &context->arena, &params, ret, reterr);
        return status;
}

static int add_user(struct cd_context *context, const struct ask *ask)
{
        struct cd_user_result result;
        struct cd_error err = { 0 };

        if (try_add(context, ask, &result, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(stdout, "user %.*s added", CD_STR_ARG(result.name));
        return CD_EXIT_OK;
}

static int run_add(int argc, char **argv)
{
        struct ask ask = { 0 };
        const struct cd_option options[] = {
                { .name = "--config", .letter = 'c', .value = &ask.config },
                { .name = "--claim", .values = &ask.claims },
                { .name = "--group", .values = &ask.groups },
                { .name = "--display-name", .value = &ask.display_name },
                { .name = "--email", .value = &ask.email },
                { .name = "--email-verified", .flag = &ask.email_verified },
                { .name = "--password-file", .value = &ask.password_file },
                { .name = "--disabled", .flag = &ask.disabled },
                { 0 },
        };

        return run_on_user(argc, argv, options, &ask, add_user);
}

static const struct cd_command user_add = {
        .name = "add",
        .summary = "add a user",
        .help = "Usage: cardea user add NAME --config FILE [--claim NAME=VALUE]... [--group GROUP]...\n"
                "                       [--display-name TEXT] [--email ADDRESS [--email-verified]]\n"
                "                       [--password-file FILE] [--disabled]\n"
                "\n"
                "Adds a user. NAME has 1 to 128 ASCII letters, digits and . _ - @ +; upper case is converted to\n"
                "lower case. The password is read from the terminal, twice, or from a file. It is never an\n"
                "argument.\n"
                "\n" CD_CONTEXT_CONFIG_HELP
                "      --claim NAME=VALUE    a claim of the user's tokens; may be repeated. VALUE is JSON, or a\n"
                "                            string if it is not valid JSON\n"
                "      --group GROUP         a group of the user; may be repeated\n" DETAILS_HELP
                "      --password-file FILE  read the password from FILE, without one line ending; - is standard\n"
                "                            input\n"
                "      --disabled            the user cannot log in yet\n"
                "\n"
                "Exit codes: 0 added, 1 failed at run time, 2 the command line, the configuration or a value is\n"
                "wrong, 4 the user exists already.\n",
        .run = run_add,
};

/* --- passwd ------------------------------------------------------------------------------------------------------- */

static int change_password(struct cd_context *context, const struct ask *ask)
{
        struct cd_user_result result;
        struct cd_user user;
        struct cd_error err = { 0 };
        cd_str password;

        cd_status status = cd_admin_user_find(&context->by, &context->arena, cd_str_from_c(ask->name), &user, &err);
        if (status == CD_OK)
                status = cd_ask_password(&context->arena, user.name, ask->password_file, &password, &err);
        if (status == CD_OK)
                status = cd_admin_user_set_password(&context->by, &context->arena, user.name, password, &result, &err);
        return status == CD_OK ? say_done(&result, "has a new password; older tokens are revoked")
                               : cd_context_fail(context->command, &err);
}

static int run_passwd(int argc, char **argv)
{
        struct ask ask = { 0 };
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &ask.config },
                                             { .name = "--password-file", .value = &ask.password_file },
                                             { 0 } };

        return run_on_user(argc, argv, options, &ask, change_password);
}

static const struct cd_command user_passwd = {
        .name = "passwd",
        .summary = "set a new password for a user",
        .help = "Usage: cardea user passwd NAME --config FILE [--password-file FILE]\n"
                "\n"
                "Sets a new password and clears the count of wrong passwords.\n" ENDS_HELP "\n" CD_CONTEXT_CONFIG_HELP
                "      --password-file FILE  read the password from FILE, without one line ending; - is standard\n"
                "                            input. Without it, the password is read from the terminal, twice\n"
                "\n" EXIT_HELP,
        .run = run_passwd,
};

/* --- claims ------------------------------------------------------------------------------------------------------- */

struct claims_ask {
        const char *words[1 + CD_WORDS_MAX]; /* the name, then assignments */
        bool replace;
};

static int change_claims(struct cd_context *context, const struct claims_ask *ask)
{
        struct cd_words words = { .count = 0 };
        struct cd_user_result result;
        struct cd_error err = { 0 };

        while (words.count < CD_WORDS_MAX && ask->words[1 + words.count]) {
                words.items[words.count] = ask->words[1 + words.count];
                words.count++;
        }
        const struct cd_claims_change change = { cd_context_strs(context, &words), ask->replace };
        if (cd_admin_user_set_claims(&context->by, &context->arena, cd_str_from_c(ask->words[0]), &change, &result,
                                     &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        return say_done(&result,
                        result.ended_tokens ? "has new claims; older tokens are revoked" : "has these claims already");
}

static int run_claims(int argc, char **argv)
{
        struct claims_ask ask = { 0 };
        const char *config = NULL;
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &config },
                                             { .name = "--replace", .flag = &ask.replace },
                                             { 0 } };
        struct cd_context context;

        if (!cd_options_parse(argc, argv, options, ask.words, CD_LEN(ask.words)))
                return CD_EXIT_USAGE;
        if (!ask.words[0])
                return need_name(argv[0]);
        if (!ask.words[1] && !ask.replace)
                return cd_usage_error(argv[0], "name a claim: cardea user claims NAME role=editor");
        int code = cd_context_open(&context, argv[0], config);
        if (code == CD_EXIT_OK)
                code = change_claims(&context, &ask);
        cd_context_close(&context);
        return code;
}

static const struct cd_command user_claims = {
        .name = "claims",
        .summary = "change the claims in a user's tokens",
        .help = "Usage: cardea user claims NAME NAME=VALUE... --config FILE [--replace]\n"
                "\n"
                "Sets claims of a user's tokens. VALUE is JSON (projects='[\"a\",\"b\"]', level=3), or a string if\n"
                "it is not valid JSON (role=editor); null removes the claim. Other claims stay as they are.\n" ENDS_HELP
                "\n" CD_CONTEXT_CONFIG_HELP "      --replace             remove all claims that are not given\n"
                "\n" EXIT_HELP,
        .run = run_claims,
};

/* --- set ---------------------------------------------------------------------------------------------------------- */

/* The value for a change: ptr NULL if none was requested, empty if the text is to be removed. */
static cd_str text_or_removed(const char *text, bool is_removed)
{
        return text || is_removed ? cd_str_from_c(text) : (cd_str){ NULL, 0 };
}

static int say_unchanged(struct cd_context *context, const struct cd_user_result *result,
                         const struct cd_details_change *change)
{
        bool is_removal = !change->display_name.ptr && !change->email.ptr && !change->add_groups.count;

        if (!is_removal)
                return say_done(result, "has all of this already; nothing is changed");
        cd_str groups = cd_list_text(&context->arena, &change->remove_groups);
        const char *what = change->remove_groups.count == 1 ? "is not in the group" : "is in none of the groups";
        cd_print_line(stdout, "user %.*s %s %.*s; nothing is changed", CD_STR_ARG(result->name), what,
                      CD_STR_ARG(groups));
        return CD_EXIT_OK;
}

static int set_details(struct cd_context *context, const struct ask *ask)
{
        const struct cd_details_change change = {
                .display_name = text_or_removed(ask->display_name, ask->removes_display_name),
                .email = text_or_removed(ask->email, ask->removes_email),
                .email_verified = ask->email_verified,
                .add_groups = cd_context_strs(context, &ask->groups),
                .remove_groups = cd_context_strs(context, &ask->groups_to_remove),
        };
        struct cd_user_result result;
        struct cd_error err = { 0 };

        if (cd_admin_user_set_details(&context->by, &context->arena, cd_str_from_c(ask->name), &change, &result,
                                      &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        if (!result.changed)
                return say_unchanged(context, &result, &change);
        return say_done(&result, result.ended_tokens ? "changed; older tokens are revoked" : "changed");
}

/* Checks combinations of options. */
static int check_set(struct cd_context *context, const struct ask *ask)
{
        if (!ask->display_name && !ask->removes_display_name && !ask->email && !ask->removes_email &&
            !ask->email_verified && !ask->groups.count && !ask->groups_to_remove.count)
                return cd_usage_error(context->command, "name a change: cardea user set NAME --add-group staff");
        if (ask->display_name && ask->removes_display_name)
                return cd_usage_error(context->command, "--display-name and --remove-display-name exclude each other");
        if (ask->email && ask->removes_email)
                return cd_usage_error(context->command, "--email and --remove-email exclude each other");
        if (ask->email_verified && !ask->email)
                return cd_usage_error(context->command, "--email-verified needs --email with the address it is about");
        return set_details(context, ask);
}

static int run_set(int argc, char **argv)
{
        struct ask ask = { 0 };
        const struct cd_option options[] = {
                { .name = "--config", .letter = 'c', .value = &ask.config },
                { .name = "--display-name", .value = &ask.display_name },
                { .name = "--email", .value = &ask.email },
                { .name = "--email-verified", .flag = &ask.email_verified },
                { .name = "--remove-display-name", .flag = &ask.removes_display_name },
                { .name = "--remove-email", .flag = &ask.removes_email },
                { .name = "--add-group", .values = &ask.groups },
                { .name = "--remove-group", .values = &ask.groups_to_remove },
                { 0 },
        };

        return run_on_user(argc, argv, options, &ask, check_set);
}

static const struct cd_command user_set = {
        .name = "set",
        .summary = "change display name, e-mail address and groups of a user",
        .help = "Usage: cardea user set NAME --config FILE [--display-name TEXT | --remove-display-name]\n"
                "                       [--email ADDRESS [--email-verified] | --remove-email]\n"
                "                       [--add-group GROUP]... [--remove-group GROUP]...\n"
                "\n"
                "Changes what is given, and nothing else. GROUP has 1 to 64 ASCII letters, digits and\n"
                ". _ - @ + : /; case counts. A user is in at most 64 groups.\n"
                "A change of the groups ends the user's tokens; every server applies it within a second.\n"
                "\n" CD_CONTEXT_CONFIG_HELP DETAILS_HELP "      --remove-display-name remove the display name\n"
                "      --remove-email        remove the e-mail address\n"
                "      --add-group GROUP     add the user to GROUP; may be repeated\n"
                "      --remove-group GROUP  remove the user from GROUP; may be repeated\n"
                "\n" EXIT_HELP,
        .run = run_set,
};

/* --- disable, enable, remove -------------------------------------------------------------------------------------- */

static int disable_user(struct cd_context *context, const struct ask *ask)
{
        struct cd_user_result result;
        struct cd_error err = { 0 };
        cd_str name = cd_str_from_c(ask->name);

        if (cd_admin_user_switch(&context->by, &context->arena, name, CD_USER_DISABLE, &result, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        return say_done(&result, "is disabled; older tokens are revoked");
}

static int enable_user(struct cd_context *context, const struct ask *ask)
{
        struct cd_user_result result;
        struct cd_error err = { 0 };
        cd_str name = cd_str_from_c(ask->name);

        if (cd_admin_user_switch(&context->by, &context->arena, name, CD_USER_ENABLE, &result, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        return say_done(&result, "is enabled");
}

static int run_disable(int argc, char **argv)
{
        struct ask ask = { 0 };
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &ask.config }, { 0 } };

        return run_on_user(argc, argv, options, &ask, disable_user);
}

static int run_enable(int argc, char **argv)
{
        struct ask ask = { 0 };
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &ask.config }, { 0 } };

        return run_on_user(argc, argv, options, &ask, enable_user);
}

#define DISABLE_HELP(name)                                                                                             \
        "Usage: cardea user " name " NAME --config FILE\n"                                                             \
        "\n"                                                                                                           \
        "The user can no longer log in, but is not removed. disable and lock are the same.\n" ENDS_HELP                \
        "\n" CD_CONTEXT_CONFIG_HELP "\n" EXIT_HELP

static const struct cd_command user_disable = {
        .name = "disable",
        .summary = "forbid a user to log in, and end the user's tokens",
        .help = DISABLE_HELP("disable"),
        .run = run_disable,
};

static const struct cd_command user_lock = {
        .name = "lock",
        .summary = "the same as disable",
        .help = DISABLE_HELP("lock"),
        .run = run_disable,
};

#define ENABLE_HELP(name)                                                                                              \
        "Usage: cardea user " name " NAME --config FILE\n"                                                             \
        "\n"                                                                                                           \
        "The user can log in again, even if too many wrong passwords or codes had locked the account.\n"               \
        "Tokens that had ended stay invalid. enable and unlock are the same.\n"                                        \
        "\n" CD_CONTEXT_CONFIG_HELP "\n" EXIT_HELP

static const struct cd_command user_enable = {
        .name = "enable",
        .summary = "allow a disabled or locked user to log in again",
        .help = ENABLE_HELP("enable"),
        .run = run_enable,
};

static const struct cd_command user_unlock = {
        .name = "unlock",
        .summary = "the same as enable",
        .help = ENABLE_HELP("unlock"),
        .run = run_enable,
};

static int remove_user(struct cd_context *context, const struct ask *ask)
{
        struct cd_user_result result;
        struct cd_user user;
        struct cd_error err = { 0 };
        char question[256];
        bool is_sure = ask->is_sure;

        cd_status status = cd_admin_user_find(&context->by, &context->arena, cd_str_from_c(ask->name), &user, &err);
        if (status == CD_OK && !is_sure) {
                snprintf(question, sizeof(question), "Remove user %.*s for good?", CD_STR_ARG(user.name));
                status = cd_ask_yes(question, &is_sure, &err);
                if (status == CD_OK && !is_sure)
                        return cd_usage_error(context->command, "not removed");
        }
        if (status == CD_OK)
                status = cd_admin_user_remove(&context->by, &context->arena, user.name, &result, &err);
        return status == CD_OK ? say_done(&result, "removed; the user's tokens are revoked")
                               : cd_context_fail(context->command, &err);
}

static int run_remove(int argc, char **argv)
{
        struct ask ask = { 0 };
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &ask.config },
                                             { .name = "--yes", .letter = 'y', .flag = &ask.is_sure },
                                             { 0 } };

        return run_on_user(argc, argv, options, &ask, remove_user);
}

static const struct cd_command user_remove = {
        .name = "remove",
        .summary = "remove a user permanently",
        .help = "Usage: cardea user remove NAME --config FILE [--yes]\n"
                "\n"
                "Removes the user, after a confirmation on the terminal. Only the audit log still contains the\n"
                "user.\n" ENDS_HELP "\n" CD_CONTEXT_CONFIG_HELP
                "  -y, --yes                 do not ask for confirmation\n"
                "\n" EXIT_HELP,
        .run = run_remove,
};

static const struct cd_command *const actions[] = {
        &user_add,
        &cd_cmd_user_invite,
        &cd_cmd_user_list,
        &cd_cmd_user_show,
        &user_set,
        &cd_cmd_user_reset,
        &user_passwd,
        &user_claims,
        &user_disable,
        &user_enable,
        &user_lock,
        &user_unlock,
        &user_remove,
        &cd_cmd_user_totp,
        &cd_cmd_user_account_link,
        &cd_cmd_user_account_unlink,
        &cd_cmd_user_import,
        &cd_cmd_user_export,
        NULL,
};

const struct cd_command cd_cmd_user = {
        .name = "user",
        .summary = "add, invite, change, list, import and export users",
        .help = "A running server applies every change within a second.\n",
        .actions = actions,
};
