/* cardea client: OAuth clients in the store. */
#include <stdio.h>
#include <string.h>

#include "base/streams.h"
#include "cmd/ask.h"
#include "cmd/client.h"
#include "cmd/context.h"
#include "cmd/file.h"
#include "cmd/text_table.h"
#include "cmd/when.h"
#include "core/admin_clients.h"

enum {
        JSON_MAX = 1024 * 1024 /* bytes of one client */
};

/* The arguments of an action; each action has options for some of them. */
struct ask {
        const char *id, *audience, *alg, *keep_old;
        struct cd_words grants, add_grants, remove_grants;
        struct cd_words scopes, add_scopes, remove_scopes;
        struct cd_words introspect, add_introspect, remove_introspect;
        struct cd_words claims;
        bool json, removes_alg, removes_claims, end_old, is_sure;
};

/* How a secret is shown, and whether it was shown. */
struct showing {
        bool json, is_shown;
};

/* Writes the secret alone to standard output, so that "> FILE" stores it. It is written before it becomes valid, so
 * that a client is not created if its secret was not received (LESSONS 38). */
static cd_status show_secret(void *arg, cd_str id, cd_str secret, struct cd_error *reterr)
{
        struct showing *showing = arg;
        struct cd_buf buf;

        if (showing->json) {
                cd_json_begin(&buf, JSON_MAX, "id", id);
                cd_json_add_str(&buf, "secret", secret);
                cd_buf_add_char(&buf, '}');
        } else {
                cd_buf_init(&buf, NULL, JSON_MAX);
                cd_buf_add(&buf, secret);
        }
        cd_buf_add_char(&buf, '\n');
        int error = cd_file_print(&buf);
        if (error)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""),
                                "the secret cannot be written to standard output (%s), so nothing was changed",
                                strerror(error));
        showing->is_shown = true;
        return CD_OK;
}

/* Reports the result on standard error. `err` NULL: success. */
static int say_result(const struct cd_context *context, const char *id, const char *what, const struct cd_error *err)
{
        const struct showing *showing = context->by.show_arg;

        if (!err) {
                cd_print_line(stderr, "client %s %s; its secret is not shown again", id, what);
                return CD_EXIT_OK;
        }
        int code = cd_context_fail(context->command, err);
        if (showing->is_shown)
                cd_print_line(stderr, "cardea %s: the secret that was printed is void", context->command);
        return code;
}

/* --- add ---------------------------------------------------------------------------------------------------------- */

static int add_client(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        const struct cd_client_params params = {
                .id = cd_str_from_c(ask->id),
                .grants = cd_context_strs(context, &ask->grants),
                .scopes = cd_context_strs(context, &ask->scopes),
                .audience = cd_str_from_c(ask->audience),
                .introspect = cd_context_strs(context, &ask->introspect),
                .alg = cd_str_from_c(ask->alg),
                .claims = cd_context_strs(context, &ask->claims),
        };
        struct showing showing = { .json = ask->json };
        struct cd_error err = { 0 };
        cd_str secret;

        context->by.show_secret = show_secret;
        context->by.show_arg = &showing;
        cd_status status = cd_admin_client_add(&context->by, &context->arena, &params, &secret, &err);
        return say_result(context, ask->id, "added", status == CD_OK ? NULL : &err);
}

static const struct cd_argument add_arguments[] = {
        { .metavar = "ID", .help = "1 to 256 visible ASCII characters without spaces" },
        { 0 },
};

static const struct cd_option add_options[] = {
        CD_WORDS(struct ask, grants, "--grant-type", 'g', "TYPE", "a grant type that it may use",
                 .choices = "client_credentials password"),
        CD_WORDS(struct ask, scopes, "--scope", 's', "SCOPE",
                 "a scope that it may request, and gets if it requests none; it must be listed in the setting scopes"),
        CD_VALUE(struct ask, audience, "--audience", 'a', "URL", "\"aud\" of its tokens; the issuer if not given"),
        CD_WORDS(struct ask, introspect, "--introspect", 'i', "URL", "an audience whose tokens it may introspect"),
        CD_VALUE(struct ask, alg, "--alg", 0, "ALG", "the signature algorithm of its tokens; tokens.alg if not given",
                 .choices = "ES256 RS256 EdDSA"),
        CD_WORDS(struct ask, claims, "--claim", 0, "NAME=VALUE",
                 "a claim of its tokens; VALUE is JSON, or a string if it is not valid JSON"),
        CD_FLAG(struct ask, json, "--json", 0, "print id and secret as a JSON object"),
        { 0 },
};

static const struct cd_command client_add = {
        .name = "add",
        .summary = "add a client and print its secret once",
        .about = "Adds an OAuth client and prints its new secret of 256 random bits on standard output. The secret "
                 "cannot be shown again, since only a keyed hash of it is stored. If it cannot be printed, no client "
                 "is added.",
        .examples = "cardea client add reports --grant-type client_credentials --scope read\n"
                    "cardea client add api --introspect https://api.example.org",
        .exit_codes = "0 added\n4 a client with that id exists already",
        .arguments = add_arguments,
        .options = add_options,
        .ask_size = sizeof(struct ask),
        .act = add_client,
};

/* --- update ------------------------------------------------------------------------------------------------------- */

static struct cd_list_change list_change(struct cd_context *context, const struct cd_words *set,
                                         const struct cd_words *add, const struct cd_words *remove)
{
        return (struct cd_list_change){ cd_context_strs(context, set), cd_context_strs(context, add),
                                        cd_context_strs(context, remove) };
}

static bool has_change(const struct cd_client_change *change)
{
        const struct cd_list_change *lists[] = { &change->grants, &change->scopes, &change->introspect };

        for (size_t i = 0; i < CD_LEN(lists); i++)
                if (lists[i]->set.count || lists[i]->add.count || lists[i]->remove.count)
                        return true;
        return change->audience.ptr || change->alg.ptr || change->claims.count || change->replaces_claims;
}

static int say_changed(const char *id, bool is_changed, const char *what, const char *already)
{
        cd_print_line(stdout, "client %s %s", id, is_changed ? what : already);
        return CD_EXIT_OK;
}

static int update_client(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        const struct cd_client_change change = {
                .grants = list_change(context, &ask->grants, &ask->add_grants, &ask->remove_grants),
                .scopes = list_change(context, &ask->scopes, &ask->add_scopes, &ask->remove_scopes),
                .introspect = list_change(context, &ask->introspect, &ask->add_introspect, &ask->remove_introspect),
                .audience = ask->audience ? cd_str_from_c(ask->audience) : (cd_str){ NULL, 0 },
                .alg = ask->alg || ask->removes_alg ? cd_str_from_c(ask->alg) : (cd_str){ NULL, 0 },
                .claims = cd_context_strs(context, &ask->claims),
                .replaces_claims = ask->removes_claims,
        };
        struct cd_error err = { 0 };
        bool is_changed;

        if (!has_change(&change))
                return cd_usage_error(context->command, "name a change: cardea client update ID --add-scope read");
        if (ask->alg && ask->removes_alg)
                return cd_usage_error(context->command, "--alg and --remove-alg exclude each other");
        if (cd_admin_client_update(&context->by, &context->arena, cd_str_from_c(ask->id), &change, &is_changed, &err) !=
            CD_OK)
                return cd_context_fail(context->command, &err);
        return say_changed(ask->id, is_changed, "changed", "has all of this already; nothing is changed");
}

static const struct cd_option update_options[] = {
        CD_WORDS(struct ask, add_grants, "--add-grant-type", 0, "TYPE", "allow a grant type",
                 .choices = "client_credentials password"),
        CD_WORDS(struct ask, remove_grants, "--remove-grant-type", 0, "TYPE", "forbid a grant type",
                 .choices = "client_credentials password"),
        CD_WORDS(struct ask, grants, "--grant-type", 'g', "TYPE", "allow the grant types given, and no other",
                 .choices = "client_credentials password"),
        CD_WORDS(struct ask, add_scopes, "--add-scope", 0, "SCOPE", "allow a scope"),
        CD_WORDS(struct ask, remove_scopes, "--remove-scope", 0, "SCOPE", "forbid a scope"),
        CD_WORDS(struct ask, scopes, "--scope", 's', "SCOPE", "allow the scopes given, and no other"),
        CD_WORDS(struct ask, add_introspect, "--add-introspect", 0, "URL",
                 "allow to introspect the tokens of an audience"),
        CD_WORDS(struct ask, remove_introspect, "--remove-introspect", 0, "URL", "forbid it"),
        CD_WORDS(struct ask, introspect, "--introspect", 'i', "URL", "allow the audiences given, and no other"),
        CD_VALUE(struct ask, audience, "--audience", 'a', "URL", "\"aud\" of its next tokens"),
        CD_VALUE(struct ask, alg, "--alg", 0, "ALG", "the signature algorithm of its next tokens",
                 .choices = "ES256 RS256 EdDSA"),
        CD_FLAG(struct ask, removes_alg, "--remove-alg", 0, "sign its next tokens as tokens.alg says"),
        CD_WORDS(struct ask, claims, "--claim", 0, "NAME=VALUE",
                 "set a claim of its next tokens; VALUE is JSON, or a string if it is not valid JSON, and null removes "
                 "the claim"),
        CD_FLAG(struct ask, removes_claims, "--remove-claims", 0, "remove all claims that are not given"),
        { 0 },
};

static const struct cd_command client_update = {
        .name = "update",
        .summary = "change what a client may do, and what its tokens say",
        .about = "Changes what is given, and nothing else; the secret stays. Each option that takes a value may be "
                 "repeated. A running server applies it within a second; tokens that the client has already stay as "
                 "they are until they expire.",
        .examples = "cardea client update reports --add-scope write --remove-scope read\n"
                    "cardea client update reports --claim tenant=acme",
        .exit_codes = "3 the client does not exist",
        .arguments = cd_cmd_client_argument,
        .options = update_options,
        .ask_size = sizeof(struct ask),
        .act = update_client,
};

/* --- secret ------------------------------------------------------------------------------------------------------- */

static int end_old_secret(struct cd_context *context, const struct ask *ask)
{
        struct cd_error err = { 0 };
        bool is_changed;

        if (ask->keep_old || ask->json)
                return cd_usage_error(context->command, "--end-old makes no new secret; use it alone");
        if (cd_admin_client_end_old_secret(&context->by, &context->arena, cd_str_from_c(ask->id), &is_changed, &err) !=
            CD_OK)
                return cd_context_fail(context->command, &err);
        return say_changed(ask->id, is_changed, "has one secret; the previous one is no longer accepted",
                           "has one secret already; nothing is changed");
}

static int change_secret(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct showing showing = { .json = ask->json };
        struct cd_error err = { 0 };
        cd_time keep_old = 0;
        cd_str secret;

        if (ask->end_old)
                return end_old_secret(context, ask);
        if (ask->keep_old && cd_when_duration(&context->arena, "keep-old", ask->keep_old, CD_CLIENT_SECRET_KEEP_MAX,
                                              &keep_old, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        context->by.show_secret = show_secret;
        context->by.show_arg = &showing;
        cd_status status = cd_admin_client_set_secret(&context->by, &context->arena, cd_str_from_c(ask->id), keep_old,
                                                      &secret, &err);
        const char *what = "has a new secret; the previous one is no longer accepted";
        if (keep_old) {
                cd_str until = cd_time_text(&context->arena, context->by.clock->now(context->by.clock) + keep_old);
                cd_str text =
                        cd_arena_printf(&context->arena, "has a new secret; the previous one is accepted until %.*s",
                                        CD_STR_ARG(until));
                what = text.ptr ? text.ptr : "has a new secret";
        }
        return say_result(context, ask->id, what, status == CD_OK ? NULL : &err);
}

static const struct cd_option secret_options[] = {
        CD_VALUE(struct ask, keep_old, "--keep-old", 0, "TIME",
                 "accept the previous secret too, for a time such as 24h, at most 90d; an older one is not accepted"),
        CD_FLAG(struct ask, end_old, "--end-old", 0, "make no new secret, but no longer accept the one that was kept"),
        CD_FLAG(struct ask, json, "--json", 0, "print id and secret as a JSON object"),
        { 0 },
};

static const struct cd_command client_secret = {
        .name = "secret",
        .summary = "replace a client's secret and print the new one once",
        .about = "Replaces the secret of a client and prints the new one on standard output. A running server accepts "
                 "it, and rejects the previous one, within a second. With --keep-old both are accepted until that time "
                 "has passed, so that programs can get the new one without a pause; \"client show\" says until when.",
        .examples = "cardea client secret reports --keep-old 24h\n"
                    "cardea client secret reports --end-old",
        .exit_codes = "3 the client does not exist",
        .arguments = cd_cmd_client_argument,
        .options = secret_options,
        .ask_size = sizeof(struct ask),
        .act = change_secret,
};

/* --- disable, enable, remove -------------------------------------------------------------------------------------- */

static int switch_client(struct cd_context *context, const struct ask *ask, bool disabled)
{
        struct cd_error err = { 0 };
        bool is_changed;

        if (cd_admin_client_switch(&context->by, &context->arena, cd_str_from_c(ask->id), disabled, &is_changed,
                                   &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        if (disabled)
                return say_changed(ask->id, is_changed, "is disabled; its tokens are inactive", "is disabled already");
        return say_changed(ask->id, is_changed, "is enabled", "is enabled already");
}

static int disable_client(struct cd_context *context, void *ask)
{
        return switch_client(context, ask, true);
}

static int enable_client(struct cd_context *context, void *ask)
{
        return switch_client(context, ask, false);
}

static const struct cd_command client_disable = {
        .name = "disable",
        .summary = "forbid a client everything, and end its tokens",
        .about = "The client is refused as if its secret were wrong (invalid_client), but is not removed. Within a "
                 "second its tokens are inactive, and stay so when it is enabled again.",
        .examples = "cardea client disable reports",
        .exit_codes = "3 the client does not exist",
        .arguments = cd_cmd_client_argument,
        .ask_size = sizeof(struct ask),
        .act = disable_client,
};

static const struct cd_command client_enable = {
        .name = "enable",
        .summary = "allow a disabled client to get tokens again",
        .about = "The client can get tokens again, with the secret that it had.",
        .examples = "cardea client enable reports",
        .exit_codes = "3 the client does not exist",
        .arguments = cd_cmd_client_argument,
        .ask_size = sizeof(struct ask),
        .act = enable_client,
};

static int remove_client(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_error err = { 0 };

        cd_status status = cd_ask_removal("Remove this client for good?", ask->is_sure, &err);
        if (status == CD_OK)
                status = cd_admin_client_remove(&context->by, &context->arena, cd_str_from_c(ask->id), &err);
        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(stdout, "client %s removed", ask->id);
        return CD_EXIT_OK;
}

static const struct cd_option remove_options[] = {
        CD_FLAG(struct ask, is_sure, "--yes", 'y', "do not ask for confirmation"),
        { 0 },
};

static const struct cd_command client_remove = {
        .name = "remove",
        .summary = "remove a client permanently",
        .about = "Removes the client, after a confirmation on the terminal. Within a second it gets no more tokens, "
                 "and its tokens are inactive, even if a new client gets the same id later.",
        .examples = "cardea client remove reports --yes",
        .exit_codes = "3 the client does not exist",
        .arguments = cd_cmd_client_argument,
        .options = remove_options,
        .ask_size = sizeof(struct ask),
        .act = remove_client,
};

static const struct cd_command *const actions[] = {
        &client_add,     &cd_cmd_client_list, &cd_cmd_client_show, &client_update, &client_secret,
        &client_disable, &client_enable,      &client_remove,      NULL,
};

const struct cd_command cd_cmd_client = {
        .name = "client",
        .summary = "add, list, change and remove OAuth clients",
        .about = "A running server applies every change within a second. Clients of the configuration are changed "
                 "there.",
        .actions = actions,
};
