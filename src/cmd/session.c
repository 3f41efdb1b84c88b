/* cardea session: lists and ends browser sessions. */
#include <stdio.h>

#include "base/streams.h"
#include "cmd/context.h"
#include "cmd/text_table.h"
#include "core/admin_sessions.h"

struct ask {
        const char *user, *id;
        bool json;
};

#define USER_OPTION                                                                                                    \
        CD_VALUE(struct ask, user, "--user", 0, "NAME", "the user", .required = true, .names = CD_NAMES_USER)

/* --- list --------------------------------------------------------------------------------------------------------- */

static const struct cd_column columns[] = {
        CD_COLUMN("id", "ID", NULL, TEXT, struct cd_session, sid),
        CD_COLUMN("user", NULL, NULL, TEXT, struct cd_session, user),
        CD_COLUMN("created_at", "SINCE", NULL, TIME, struct cd_session, created_at),
        CD_COLUMN("seen_at", "SEEN", NULL, TIME, struct cd_session, seen_at),
        CD_COLUMN("expires_at", "UNTIL", NULL, TIME, struct cd_session, expires_at),
        CD_COLUMN("auth_time", NULL, NULL, TIME, struct cd_session, auth_time),
        CD_COLUMN("amr", "FACTORS", NULL, LIST, struct cd_session, amr),
        CD_COLUMN("address", "ADDRESS", NULL, TEXT, struct cd_session, address),
        CD_COLUMN("device", "DEVICE", NULL, TEXT, struct cd_session, device),
        { 0 },
};

static int list_sessions(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_sessions_list sessions;
        struct cd_error err = { 0 };

        if (cd_admin_sessions_list(&context->by, &context->arena, cd_str_from_c(ask->user), &sessions, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        return cd_list_print(columns, ask->json, sessions.items, sessions.count, sizeof(*sessions.items));
}

static const struct cd_option list_options[] = {
        USER_OPTION,
        CD_FLAG(struct ask, json, "--json", 0, "print one JSON object per line"),
        { 0 },
};

static const struct cd_command session_list = {
        .name = "list",
        .summary = "list the sessions of a user",
        .about = "Prints the user's sessions, the oldest first, with the factors that were verified (RFC 8176), the "
                 "address where each was seen last, and what the browser calls itself. Times are UTC. The time of the "
                 "last request is updated at most once in 60 seconds.",
        .examples = "cardea session list --user alice",
        .exit_codes = "3 the user does not exist",
        .options = list_options,
        .ask_size = sizeof(struct ask),
        .act = list_sessions,
};

/* --- end ---------------------------------------------------------------------------------------------------------- */

static int end_sessions(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
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

static const struct cd_option end_options[] = {
        USER_OPTION,
        CD_VALUE(struct ask, id, "--id", 0, "ID", "the session, as \"session list\" shows it"),
        { 0 },
};

static const struct cd_command session_end = {
        .name = "end",
        .summary = "end one session of a user, or all",
        .about = "Ends the session of that id or, without one, all of the user's sessions, logins that are half "
                 "finished, and tokens. Every server applies it within a second.",
        .examples = "cardea session end --user alice",
        .exit_codes = "0 ended\n3 the user or the session does not exist",
        .options = end_options,
        .ask_size = sizeof(struct ask),
        .act = end_sessions,
};

static const struct cd_command *const actions[] = { &session_list, &session_end, NULL };

const struct cd_command cd_cmd_session = {
        .name = "session",
        .summary = "list and end the sessions of users",
        .actions = actions,
};
