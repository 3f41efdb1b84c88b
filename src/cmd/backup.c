/* cardea backup: everything that the store has, in one file. */
#include <stdio.h>

#include "app/backup.h"
#include "base/streams.h"
#include "cmd/backup.h"
#include "cmd/context.h"

struct backup_ask {
        const char *file;
        bool force;
};

cd_str cd_backup_contents_text(struct cd_arena *arena, const struct cd_store_contents *contents)
{
        return cd_arena_printf(arena, "%lld user%s, %lld client%s, %lld key%s, %lld session%s, %lld audit event%s",
                               (long long)contents->users, contents->users == 1 ? "" : "s",
                               (long long)contents->clients, contents->clients == 1 ? "" : "s",
                               (long long)contents->keys, contents->keys == 1 ? "" : "s", (long long)contents->sessions,
                               contents->sessions == 1 ? "" : "s", (long long)contents->events,
                               contents->events == 1 ? "" : "s");
}

static int act(struct cd_context *context, void *p)
{
        const struct backup_ask *ask = p;
        const struct cd_admin *admin = &context->admin;
        struct cd_backup backup = { .path = ask->file };
        struct cd_error err = { 0 };
        cd_time now;

        if (cd_clock_read(admin->clock, &now, &err) != CD_OK ||
            cd_backup_write(admin->store, admin->master, now, ask->force, &backup, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(stdout, "%s: %.*s; schema %d, %lld bytes", ask->file,
                      CD_STR_ARG(cd_backup_contents_text(&context->arena, &backup.contents)), backup.contents.schema,
                      (long long)backup.size);
        cd_print_line(stdout,
                      "Keep the master key (master_key in %s) in another place: it is not in the backup, and "
                      "nobody can use the backup without it.",
                      context->config);
        return CD_EXIT_OK;
}

static const struct cd_argument arguments[] = {
        { "FILE", offsetof(struct backup_ask, file), .help = "the file to write", .names = CD_NAMES_FILE },
        { 0 },
};
static const struct cd_option options[] = {
        CD_FLAG(struct backup_ask, force, "--force", 0, "replace FILE if it exists"),
        { 0 },
};

const struct cd_command cd_cmd_backup = {
        .name = "backup",
        .summary = "write all that the store has to a file",
        .about =
                "Writes everything that the store has, as it is at one moment, to a file that only its owner may read. "
                "Servers may run meanwhile. The file is the same for SQLite and PostgreSQL, and \"cardea restore\" "
                "reads it into either. The master key is not in it.\n\n"
                "The file appears when it is complete. Until then it is in the folder FILE.part.",
        .examples = "cardea backup /var/backups/cardea.backup\n"
                    "cardea backup --force /var/backups/cardea.backup",
        .exit_codes = "4 FILE exists already, or another command is writing it; nothing was written",
        .arguments = arguments,
        .options = options,
        .ask_size = sizeof(struct backup_ask),
        .act = act,
};
