/* cardea token: lists and revokes users' personal tokens. */
#include <stdio.h>

#include "base/streams.h"
#include "cmd/context.h"
#include "cmd/text_table.h"
#include "core/admin_sessions.h"

enum {
        JSON_MAX = 64 * 1024,  /* bytes of one token */
        LIMITS_MAX = 8 * 1024, /* bytes of its limits */
};

struct ask {
        const char *config, *user, *id;
        bool json;
};

typedef int act_fn(struct cd_context *context, const struct ask *ask);

static int run_on_user(const char *command, const struct ask *ask, act_fn *act)
{
        struct cd_context context;

        if (!ask->user)
                return cd_usage_error(command, "name a user: cardea %s --user NAME", command);
        int code = cd_context_open(&context, command, ask->config);
        if (code == CD_EXIT_OK)
                code = act(&context, ask);
        cd_context_close(&context);
        return code;
}

/* --- list --------------------------------------------------------------------------------------------------------- */

static bool print_json(const struct cd_personal_token *token)
{
        struct cd_buf buf;

        cd_json_begin(&buf, JSON_MAX, "id", token->id);
        cd_json_add_str(&buf, "user", token->user);
        cd_json_add_str(&buf, "name", token->name);
        cd_json_add_time(&buf, "created_at", token->created_at);
        cd_json_add_time(&buf, "used_at", token->used_at);
        cd_json_add_time(&buf, "expires_at", token->expires_at);
        cd_json_add_str(&buf, "address", token->address);
        cd_json_add_strs(&buf, "hosts", &token->hosts);
        cd_json_add_strs(&buf, "paths", &token->paths);
        cd_json_add_strs(&buf, "methods", &token->methods);
        cd_json_add_strs(&buf, "networks", &token->networks);
        return cd_json_end(&buf);
}

/* "hosts: a b; paths: /api/", or "-" for none. */
static cd_str describe_limits(struct cd_arena *arena, const struct cd_personal_token *token)
{
        const struct {
                const char *name;
                const struct cd_strs *items;
        } limits[] = {
                { "hosts", &token->hosts },
                { "paths", &token->paths },
                { "methods", &token->methods },
                { "networks", &token->networks },
        };
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, arena, LIMITS_MAX);
        for (size_t i = 0; i < CD_LEN(limits); i++)
                if (limits[i].items->count)
                        cd_buf_printf(&buf, "%s%s: %.*s", buf.len ? "; " : "", limits[i].name,
                                      CD_STR_ARG(cd_list_text(arena, limits[i].items)));
        return buf.len && cd_buf_view(&buf, &text) == CD_OK ? text : CD_STR("-");
}

static bool print_table(struct cd_context *context, const struct cd_personal_tokens_list *tokens)
{
        static const char *const columns[] = { "ID", "NAME", "SINCE", "USED", "UNTIL", "ADDRESS", "LIMITS" };
        struct cd_arena *arena = &context->arena;
        struct cd_text_table table;

        cd_text_table_init(&table, columns, CD_LEN(columns));
        for (size_t i = 0; i < tokens->count; i++) {
                const struct cd_personal_token *t = &tokens->items[i];
                const cd_str cells[CD_LEN(columns)] = {
                        t->id,
                        t->name,
                        cd_time_text(arena, t->created_at),
                        cd_time_text(arena, t->used_at),
                        cd_time_text(arena, t->expires_at),
                        t->address.len ? t->address : CD_STR("-"),
                        describe_limits(arena, t),
                };
                cd_text_table_add(&table, cells);
        }
        return cd_text_table_end(&table);
}

static int list_tokens(struct cd_context *context, const struct ask *ask)
{
        struct cd_personal_tokens_list tokens;
        struct cd_error err = { 0 };
        bool fine = true;

        if (cd_admin_tokens_list(&context->by, &context->arena, cd_str_from_c(ask->user), &tokens, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        if (!ask->json)
                return print_table(context, &tokens) ? CD_EXIT_OK : CD_EXIT_FAILED;
        for (size_t i = 0; i < tokens.count && fine; i++)
                fine = print_json(&tokens.items[i]);
        return fine ? CD_EXIT_OK : CD_EXIT_FAILED;
}

static int run_list(int argc, char **argv)
{
        struct ask ask = { 0 };
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &ask.config },
                                             { .name = "--user", .value = &ask.user },
                                             { .name = "--json", .flag = &ask.json },
                                             { 0 } };

        if (!cd_options_parse(argc, argv, options, NULL, 0))
                return CD_EXIT_USAGE;
        return run_on_user(argv[0], &ask, list_tokens);
}

static const struct cd_command token_list = {
        .name = "list",
        .summary = "list the personal tokens of a user",
        .help = "Usage: cardea token list --user NAME --config FILE [--json]\n"
                "\n"
                "Prints the user's valid tokens, the oldest first, with what each is limited to, and the time and the\n"
                "address of its last use. Times are UTC. The last use is updated at most once in 5 minutes. The\n"
                "tokens themselves are not stored.\n"
                "\n" CD_CONTEXT_CONFIG_HELP "      --user NAME           the user\n"
                "      --json                print one JSON object per line\n"
                "\n"
                "Exit codes: 0 success, 1 failed at run time, 2 the command line, the configuration or a value is\n"
                "wrong, 3 the user does not exist.\n",
        .run = run_list,
};

/* --- revoke ------------------------------------------------------------------------------------------------------- */

static int revoke_token(struct cd_context *context, const struct ask *ask)
{
        struct cd_user_result result;
        struct cd_error err = { 0 };

        if (cd_admin_token_revoke(&context->by, &context->arena, cd_str_from_c(ask->user), cd_str_from_c(ask->id),
                                  &result, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(stdout, "token %s of user %.*s revoked", ask->id, CD_STR_ARG(result.name));
        return CD_EXIT_OK;
}

static int run_revoke(int argc, char **argv)
{
        struct ask ask = { 0 };
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &ask.config },
                                             { .name = "--user", .value = &ask.user },
                                             { .name = "--id", .value = &ask.id },
                                             { 0 } };

        if (!cd_options_parse(argc, argv, options, NULL, 0))
                return CD_EXIT_USAGE;
        if (ask.user && !ask.id)
                return cd_usage_error(argv[0], "name a token: cardea %s --user %s --id ID", argv[0], ask.user);
        return run_on_user(argv[0], &ask, revoke_token);
}

static const struct cd_command token_revoke = {
        .name = "revoke",
        .summary = "revoke one personal token of a user",
        .help = "Usage: cardea token revoke --user NAME --id ID --config FILE\n"
                "\n"
                "Revokes the token of that id. Every server applies it within a second. All tokens of a user end\n"
                "with \"cardea session end --user NAME\".\n"
                "\n" CD_CONTEXT_CONFIG_HELP "      --user NAME           the user\n"
                "      --id ID               the token, as \"token list\" shows it\n"
                "\n"
                "Exit codes: 0 revoked, 1 failed at run time, 2 the command line, the configuration or a value is\n"
                "wrong, 3 the user or the token does not exist.\n",
        .run = run_revoke,
};

static const struct cd_command *const actions[] = { &token_list, &token_revoke, NULL };

const struct cd_command cd_cmd_token = {
        .name = "token",
        .summary = "list and revoke the personal tokens of users",
        .help = "",
        .actions = actions,
};
