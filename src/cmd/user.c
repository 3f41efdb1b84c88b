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

#define NO_USER     "3 the user does not exist"
#define ENDS_TOKENS "This ends the user's tokens; every server applies it within a second."

static int say_done(const struct cd_user_result *result, const char *what)
{
        cd_print_line(stdout, "user %.*s %s", CD_STR_ARG(result->name), what);
        return CD_EXIT_OK;
}

/* The arguments of an action; each action has options for some of them. */
struct ask {
        const char *name, *password_file, *display_name, *email;
        struct cd_words claims, groups, groups_to_remove;
        bool email_verified, removes_display_name, removes_email, replaces_claims, disabled, is_sure;
};

#define DETAILS                                                                                                        \
        CD_VALUE(struct ask, display_name, "--display-name", 0, "TEXT", "the name to show, at most 256 bytes"),        \
                CD_VALUE(struct ask, email, "--email", 0, "ADDRESS", "the e-mail address, which is not verified yet"), \
                CD_FLAG(struct ask, email_verified, "--email-verified", 0, "ADDRESS is known to be the user's")

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

static int add_user(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_user_result result;
        struct cd_error err = { 0 };

        if (try_add(context, ask, &result, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        return say_done(&result, "added");
}

static const struct cd_argument new_name_argument[] = {
        { "NAME", offsetof(struct ask, name),
          .help = "1 to 128 ASCII letters, digits and . _ - @ +; upper case is converted to lower case" },
        { 0 },
};

static const struct cd_option add_options[] = {
        CD_WORDS(struct ask, claims, "--claim", 0, "NAME=VALUE",
                 "a claim of the user's tokens; may be repeated. VALUE is JSON, or a string if it is not valid JSON"),
        CD_WORDS(struct ask, groups, "--group", 0, "GROUP", "a group of the user; may be repeated"),
        DETAILS,
        CD_VALUE(struct ask, password_file, "--password-file", 0, "FILE",
                 "read the password from FILE, without one line ending; - is standard input", .names = CD_NAMES_FILE),
        CD_FLAG(struct ask, disabled, "--disabled", 0, "the user cannot log in yet"),
        { 0 },
};

static const struct cd_command user_add = {
        .name = "add",
        .summary = "add a user",
        .about = "Adds a user. The password is read from the terminal, twice, or from a file. It is never an argument.",
        .examples = "cardea user add alice --group staff\n"
                    "cardea user add alice --claim role=editor --password-file password.txt",
        .exit_codes = "0 added\n4 the user exists already",
        .arguments = new_name_argument,
        .options = add_options,
        .ask_size = sizeof(struct ask),
        .act = add_user,
};

/* --- passwd ------------------------------------------------------------------------------------------------------- */

static int change_password(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
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

static const struct cd_option passwd_options[] = {
        CD_VALUE(struct ask, password_file, "--password-file", 0, "FILE",
                 "read the password from FILE, without one line ending; - is standard input. Without it, the password "
                 "is read from the terminal, twice",
                 .names = CD_NAMES_FILE),
        { 0 },
};

static const struct cd_command user_passwd = {
        .name = "passwd",
        .summary = "set a new password for a user",
        .about = "Sets a new password and clears the count of wrong passwords. " ENDS_TOKENS,
        .examples = "cardea user passwd alice",
        .exit_codes = NO_USER,
        .arguments = cd_cmd_user_argument,
        .options = passwd_options,
        .ask_size = sizeof(struct ask),
        .act = change_password,
};

/* --- claims ------------------------------------------------------------------------------------------------------- */

static int change_claims(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        const struct cd_claims_change change = { cd_context_strs(context, &ask->claims), ask->replaces_claims };
        struct cd_user_result result;
        struct cd_error err = { 0 };

        if (!ask->claims.count && !ask->replaces_claims)
                return cd_usage_error(context->command, "name a claim: cardea user claims NAME role=editor");
        if (cd_admin_user_set_claims(&context->by, &context->arena, cd_str_from_c(ask->name), &change, &result, &err) !=
            CD_OK)
                return cd_context_fail(context->command, &err);
        return say_done(&result,
                        result.ended_tokens ? "has new claims; older tokens are revoked" : "has these claims already");
}

static const struct cd_argument claims_arguments[] = {
        { "NAME", offsetof(struct ask, name), .help = "the user", .names = CD_NAMES_USER },
        { "NAME=VALUE", offsetof(struct ask, claims), .help = "a claim and its new value", .optional = true,
          .is_many = true },
        { 0 },
};

static const struct cd_option claims_options[] = {
        CD_FLAG(struct ask, replaces_claims, "--replace", 0, "remove all claims that are not given"),
        { 0 },
};

static const struct cd_command user_claims = {
        .name = "claims",
        .summary = "change the claims in a user's tokens",
        .about = "Sets claims of a user's tokens. VALUE is JSON (projects='[\"a\",\"b\"]', level=3), or a string if it "
                 "is not valid JSON (role=editor); null removes the claim. Other claims stay as they "
                 "are. " ENDS_TOKENS,
        .examples = "cardea user claims alice role=editor level=3",
        .exit_codes = NO_USER,
        .arguments = claims_arguments,
        .options = claims_options,
        .ask_size = sizeof(struct ask),
        .act = change_claims,
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
static int check_set(struct cd_context *context, void *p)
{
        const struct ask *ask = p;

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

static const struct cd_option set_options[] = {
        DETAILS,
        CD_FLAG(struct ask, removes_display_name, "--remove-display-name", 0, "remove the display name"),
        CD_FLAG(struct ask, removes_email, "--remove-email", 0, "remove the e-mail address"),
        CD_WORDS(struct ask, groups, "--add-group", 0, "GROUP", "add the user to GROUP; may be repeated"),
        CD_WORDS(struct ask, groups_to_remove, "--remove-group", 0, "GROUP",
                 "remove the user from GROUP; may be repeated"),
        { 0 },
};

static const struct cd_command user_set = {
        .name = "set",
        .summary = "change display name, e-mail address and groups of a user",
        .about = "Changes what is given, and nothing else. GROUP has 1 to 64 ASCII letters, digits and . _ - @ + : /; "
                 "case counts. A user is in at most 64 groups. A change of the groups ends the user's tokens; every "
                 "server applies it within a second.",
        .examples = "cardea user set alice --add-group staff --remove-group guests",
        .exit_codes = NO_USER,
        .arguments = cd_cmd_user_argument,
        .options = set_options,
        .ask_size = sizeof(struct ask),
        .act = check_set,
};

/* --- disable, enable, remove -------------------------------------------------------------------------------------- */

static int switch_user(struct cd_context *context, const struct ask *ask, enum cd_user_switch how, const char *what)
{
        struct cd_user_result result;
        struct cd_error err = { 0 };

        if (cd_admin_user_switch(&context->by, &context->arena, cd_str_from_c(ask->name), how, &result, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        return say_done(&result, what);
}

static int disable_user(struct cd_context *context, void *ask)
{
        return switch_user(context, ask, CD_USER_DISABLE, "is disabled; older tokens are revoked");
}

static int enable_user(struct cd_context *context, void *ask)
{
        return switch_user(context, ask, CD_USER_ENABLE, "is enabled");
}

#define ABOUT_DISABLE "The user can no longer log in, but is not removed. disable and lock are the same. " ENDS_TOKENS

static const struct cd_command user_disable = {
        .name = "disable",
        .summary = "forbid a user to log in, and end the user's tokens",
        .about = ABOUT_DISABLE,
        .examples = "cardea user disable alice",
        .exit_codes = NO_USER,
        .arguments = cd_cmd_user_argument,
        .ask_size = sizeof(struct ask),
        .act = disable_user,
};

static const struct cd_command user_lock = {
        .name = "lock",
        .summary = "the same as disable",
        .about = ABOUT_DISABLE,
        .examples = "cardea user lock alice",
        .exit_codes = NO_USER,
        .arguments = cd_cmd_user_argument,
        .ask_size = sizeof(struct ask),
        .act = disable_user,
};

#define ABOUT_ENABLE                                                                                                   \
        "The user can log in again, even if too many wrong passwords or codes had locked the account. Tokens that "    \
        "had ended stay invalid. enable and unlock are the same."

static const struct cd_command user_enable = {
        .name = "enable",
        .summary = "allow a disabled or locked user to log in again",
        .about = ABOUT_ENABLE,
        .examples = "cardea user enable alice",
        .exit_codes = NO_USER,
        .arguments = cd_cmd_user_argument,
        .ask_size = sizeof(struct ask),
        .act = enable_user,
};

static const struct cd_command user_unlock = {
        .name = "unlock",
        .summary = "the same as enable",
        .about = ABOUT_ENABLE,
        .examples = "cardea user unlock alice",
        .exit_codes = NO_USER,
        .arguments = cd_cmd_user_argument,
        .ask_size = sizeof(struct ask),
        .act = enable_user,
};

static int remove_user(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_user_result result;
        struct cd_user user;
        struct cd_error err = { 0 };
        char question[256];

        cd_status status = cd_admin_user_find(&context->by, &context->arena, cd_str_from_c(ask->name), &user, &err);
        if (status == CD_OK) {
                snprintf(question, sizeof(question), "Remove user %.*s for good?", CD_STR_ARG(user.name));
                status = cd_ask_removal(question, ask->is_sure, &err);
        }
        if (status == CD_OK)
                status = cd_admin_user_remove(&context->by, &context->arena, user.name, &result, &err);
        return status == CD_OK ? say_done(&result, "removed; the user's tokens are revoked")
                               : cd_context_fail(context->command, &err);
}

static const struct cd_option remove_options[] = {
        CD_FLAG(struct ask, is_sure, "--yes", 'y', "do not ask for confirmation"),
        { 0 },
};

static const struct cd_command user_remove = {
        .name = "remove",
        .summary = "remove a user permanently",
        .about = "Removes the user, after a confirmation on the terminal. Only the audit log still contains the "
                 "user. " ENDS_TOKENS,
        .examples = "cardea user remove alice --yes",
        .exit_codes = NO_USER,
        .arguments = cd_cmd_user_argument,
        .options = remove_options,
        .ask_size = sizeof(struct ask),
        .act = remove_user,
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
        .about = "A running server applies every change within a second.",
        .actions = actions,
};
