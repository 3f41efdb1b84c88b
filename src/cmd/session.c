/* cardea session: lists and ends browser sessions. */
#include <stdio.h>

#include "base/streams.h"
#include "cmd/context.h"
#include "cmd/text_table.h"
#include "core/admin_sessions.h"

enum {
        JSON_MAX = 64 * 1024 /* bytes of one session */
};

struct ask {
        const char *config, *user, *id;
        bool json;
};

typedef int act_fn(struct cd_context *context, const struct ask *ask);

static int run_on_user(int argc, char **argv, const struct cd_option *options, const struct ask *ask, act_fn *act)
{
        struct cd_context context;

        if (!cd_options_parse(argc, argv, options, NULL, 0))
                return CD_EXIT_USAGE;
        if (!ask->user)
                return cd_usage_error(argv[0], "name a user: cardea %s --user NAME", argv[0]);
        int code = cd_context_open(&context, argv[0], ask->config);
        if (code == CD_EXIT_OK)
                code = act(&context, ask);
        cd_context_close(&context);
        return code;
}

/* --- list --------------------------------------------------------------------------------------------------------- */

static bool print_json(const struct cd_session *session)
{
        struct cd_buf buf;

        cd_json_begin(&buf, JSON_MAX, "id", session->sid);
        cd_json_add_str(&buf, "user", session->user);
        cd_json_add_time(&buf, "created_at", session->created_at);
        cd_json_add_time(&buf, "seen_at", session->seen_at);
        cd_json_add_time(&buf, "expires_at", session->expires_at);
        cd_json_add_time(&buf, "auth_time", session->auth_time);
        cd_json_add_strs(&buf, "amr", &session->amr);
        cd_json_add_str(&buf, "address", session->address);
        cd_json_add_str(&buf, "device", session->device);
        return cd_json_end(&buf);
}

static bool print_table(struct cd_context *context, const struct cd_sessions_list *sessions)
{
        static const char *const columns[] = { "ID", "SINCE", "SEEN", "UNTIL", "FACTORS", "ADDRESS", "DEVICE" };
        struct cd_arena *arena = &context->arena;
        struct cd_text_table table;

        cd_text_table_init(&table, columns, CD_LEN(columns));
        for (size_t i = 0; i < sessions->count; i++) {
                const struct cd_session *s = &sessions->items[i];
                const cd_str cells[CD_LEN(columns)] = {
                        s->sid,
                        cd_time_text(arena, s->created_at),
                        cd_time_text(arena, s->seen_at),
                        cd_time_text(arena, s->expires_at),
                        cd_list_text(arena, &s->amr),
                        s->address,
                        s->device,
                };
                cd_text_table_add(&table, cells);
        }
        return cd_text_table_end(&table);
}

static int list_sessions(struct cd_context *context, const struct ask *ask)
{
        struct cd_sessions_list sessions;
        struct cd_error err = { 0 };
        bool fine = true;

        if (cd_admin_sessions_list(&context->by, &context->arena, cd_str_from_c(ask->user), &sessions, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        if (!ask->json)
                return print_table(context, &sessions) ? CD_EXIT_OK : CD_EXIT_FAILED;
        for (size_t i = 0; i < sessions.count && fine; i++)
                fine = print_json(&sessions.items[i]);
        return fine ? CD_EXIT_OK : CD_EXIT_FAILED;
}

static int run_list(int argc, char **argv)
{
        struct ask ask = { 0 };
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &ask.config },
                                             { .name = "--user", .value = &ask.user },
                                             { .name = "--json", .flag = &ask.json },
                                             { 0 } };

        return run_on_user(argc, argv, options, &ask, list_sessions);
}

static const struct cd_command session_list = {
        .name = "list",
        .summary = "list the sessions of a user",
        .help = "Usage: cardea session list --user NAME --config FILE [--json]\n"
                "\n"
                "Prints the user's sessions, the oldest first, with the factors that were verified (RFC 8176), the\n"
                "address where each was seen last, and what the browser calls itself. Times are UTC. The time of\n"
                "the last request is updated at most once in 60 seconds.\n"
                "\n" CD_CONTEXT_CONFIG_HELP "      --user NAME           the user\n"
                "      --json                print one JSON object per line\n"
                "\n"
                "Exit codes: 0 success, 1 failed at run time, 2 the command line, the configuration or a value is\n"
                "wrong, 3 the user does not exist.\n",
        .run = run_list,
};

/* --- end ---------------------------------------------------------------------------------------------------------- */

static int end_sessions(struct cd_context *context, const struct ask *ask)
{
        cd_str name = cd_str_from_c(ask->user);
        struct cd_user_result result;
        struct cd_error err = { 0 };
        cd_status status = ask->id ? cd_admin_session_end(&context->by, &context->arena, name, cd_str_from_c(ask->id),
                                                          &result, &err)
                                   : cd_admin_sessions_end(&context->by, &context->arena, name, &result, &err);

        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        if (ask->id)
                cd_print_line(stdout, "session %s of user %.*s ended", ask->id, CD_STR_ARG(result.name));
        else
                cd_print_line(stdout, "all sessions of user %.*s ended; older tokens are revoked",
                              CD_STR_ARG(result.name));
        return CD_EXIT_OK;
}

static int run_end(int argc, char **argv)
{
        struct ask ask = { 0 };
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &ask.config },
                                             { .name = "--user", .value = &ask.user },
                                             { .name = "--id", .value = &ask.id },
                                             { 0 } };

        return run_on_user(argc, argv, options, &ask, end_sessions);
}

static const struct cd_command session_end = {
        .name = "end",
        .summary = "end one session of a user, or all",
        .help = "Usage: cardea session end --user NAME --config FILE [--id ID]\n"
                "\n"
                "Ends the session of that id or, without one, all of the user's sessions, logins that are half\n"
                "finished, and tokens. Every server applies it within a second.\n"
                "\n" CD_CONTEXT_CONFIG_HELP "      --user NAME           the user\n"
                "      --id ID               the session, as \"session list\" shows it\n"
                "\n"
                "Exit codes: 0 ended, 1 failed at run time, 2 the command line, the configuration or a value is\n"
                "wrong, 3 the user or the session does not exist.\n",
        .run = run_end,
};

static const struct cd_command *const actions[] = { &session_list, &session_end, NULL };

const struct cd_command cd_cmd_session = {
        .name = "session",
        .summary = "list and end the sessions of users",
        .help = "",
        .actions = actions,
};
