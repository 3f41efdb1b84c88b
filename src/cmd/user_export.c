/* cardea user export. */
#include "cmd/context.h"
#include "cmd/text_table.h"
#include "cmd/user.h"
#include "core/user_import.h"

enum {
        LINE_MEMORY = 1024 * 1024,
};

struct export
{
        const char *command;
        bool is_damaged; /* the claims of a user are, who was left out */
};

static cd_status export_user(void *arg, struct cd_arena *arena, struct cd_user *user, struct cd_error *reterr)
{
        struct export *export = arg;
        struct cd_buf buf;

        if (!cd_cmd_user_check_claims(export->command, arena, user)) {
                export->is_damaged = true;
                return CD_OK;
        }
        cd_buf_init(&buf, NULL, LINE_MEMORY);
        cd_user_line_write(user, &buf);
        return cd_json_print(&buf) ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for the users");
}

static int export_users(struct cd_context *context, void *p)
{
        struct export export = { .command = context->command };
        struct cd_error err = { 0 };

        (void)p;
        if (cd_cmd_users_walk(context, export_user, &export, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        return export.is_damaged ? CD_EXIT_FAILED : CD_EXIT_OK;
}

const struct cd_command cd_cmd_user_export = {
        .name = "export",
        .summary = "export all users as JSON lines",
        .about = "Prints each user as a JSON line that \"cardea user import\" reads: everything but the times. Store "
                 "the output where only you can read it: it contains the password hashes.",
        .examples = "cardea user export > users.jsonl",
        .act = export_users,
};
