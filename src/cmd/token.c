/* cardea token: lists and revokes users' personal tokens. */
#include <stdio.h>

#include "base/streams.h"
#include "cmd/context.h"
#include "cmd/text_table.h"
#include "core/admin_sessions.h"

enum {
        LIMITS_MAX = 8 * 1024, /* bytes of the limits of one token */
};

struct ask {
        const char *user, *id;
        bool json;
};

#define USER_OPTION                                                                                                    \
        CD_VALUE(struct ask, user, "--user", 0, "NAME", "the user", .required = true, .names = CD_NAMES_USER)

/* --- list --------------------------------------------------------------------------------------------------------- */

/* "hosts: a b; paths: /api/", or "-" for none. */
static cd_str describe_limits(struct cd_arena *arena, const void *item)
{
        const struct cd_personal_token *token = item;
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

static const struct cd_column columns[] = {
        CD_COLUMN("id", "ID", NULL, TEXT, struct cd_personal_token, id),
        CD_COLUMN("user", NULL, NULL, TEXT, struct cd_personal_token, user),
        CD_COLUMN("name", "NAME", NULL, TEXT, struct cd_personal_token, name),
        CD_COLUMN("created_at", "SINCE", NULL, TIME, struct cd_personal_token, created_at),
        CD_COLUMN("used_at", "USED", NULL, TIME, struct cd_personal_token, used_at),
        CD_COLUMN("expires_at", "UNTIL", NULL, TIME, struct cd_personal_token, expires_at),
        CD_COLUMN("address", "ADDRESS", NULL, TEXT, struct cd_personal_token, address),
        { .title = "LIMITS", .text = describe_limits },
        CD_COLUMN("hosts", NULL, NULL, LIST, struct cd_personal_token, hosts),
        CD_COLUMN("paths", NULL, NULL, LIST, struct cd_personal_token, paths),
        CD_COLUMN("methods", NULL, NULL, LIST, struct cd_personal_token, methods),
        CD_COLUMN("networks", NULL, NULL, LIST, struct cd_personal_token, networks),
        { 0 },
};

static int list_tokens(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_personal_tokens_list tokens;
        struct cd_error err = { 0 };

        if (cd_admin_tokens_list(&context->by, &context->arena, cd_str_from_c(ask->user), &tokens, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        return cd_list_print(columns, ask->json, tokens.items, tokens.count, sizeof(*tokens.items));
}

static const struct cd_option list_options[] = {
        USER_OPTION,
        CD_FLAG(struct ask, json, "--json", 0, "print one JSON object per line"),
        { 0 },
};

static const struct cd_command token_list = {
        .name = "list",
        .summary = "list the personal tokens of a user",
        .about = "Prints the user's valid tokens, the oldest first, with what each is limited to, and the time and the "
                 "address of its last use. Times are UTC. The last use is updated at most once in 5 minutes. The "
                 "tokens themselves are not stored.",
        .examples = "cardea token list --user alice",
        .exit_codes = "3 the user does not exist",
        .options = list_options,
        .ask_size = sizeof(struct ask),
        .act = list_tokens,
};

/* --- revoke ------------------------------------------------------------------------------------------------------- */

static int revoke_token(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_user_result result;
        struct cd_error err = { 0 };

        if (cd_admin_token_revoke(&context->by, &context->arena, cd_str_from_c(ask->user), cd_str_from_c(ask->id),
                                  &result, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(stdout, "token %s of user %.*s revoked", ask->id, CD_STR_ARG(result.name));
        return CD_EXIT_OK;
}

static const struct cd_option revoke_options[] = {
        USER_OPTION,
        CD_VALUE(struct ask, id, "--id", 0, "ID", "the token, as \"token list\" shows it", .required = true),
        { 0 },
};

static const struct cd_command token_revoke = {
        .name = "revoke",
        .summary = "revoke one personal token of a user",
        .about = "Revokes the token of that id. Every server applies it within a second. All tokens of a user end with "
                 "\"cardea session end --user NAME\".",
        .examples = "cardea token revoke --user alice --id 5gT2mQxL",
        .exit_codes = "0 revoked\n3 the user or the token does not exist",
        .options = revoke_options,
        .ask_size = sizeof(struct ask),
        .act = revoke_token,
};

static const struct cd_command *const actions[] = { &token_list, &token_revoke, NULL };

const struct cd_command cd_cmd_token = {
        .name = "token",
        .summary = "list and revoke the personal tokens of users",
        .actions = actions,
};
