/* cardea restore: makes the store what a backup has. */
#include <stdio.h>
#include <stdlib.h>

#include "app/backup.h"
#include "app/storage.h"
#include "base/streams.h"
#include "cmd/backup.h"
#include "cmd/context.h"

struct restore_ask {
        const char *file;
        bool replace, keep_sessions;
};

struct restore {
        const struct restore_ask *ask;
        struct cd_admin *admin;
        struct cd_master_key *old; /* NULL: there is none */
        struct cd_store_options target;
        struct cd_backup backup;
        struct cd_store_put put;
        char path[PATH_MAX]; /* of the folder of the unpacked database */
        int folder;          /* -1: there is none */
        char unpacked[PATH_MAX];
};

/* A store with users or clients is replaced only if that was asked for. */
static cd_status check_empty(const struct restore *r, struct cd_error *reterr)
{
        struct cd_store_contents there;
        struct cd_error why = { 0 };

        if (r->ask->replace)
                return CD_OK;
        cd_status status = cd_store_look(&r->target, &there, &why);
        if (status == CD_NOT_FOUND || (status == CD_OK && there.users == 0 && there.clients == 0))
                return CD_OK;
        cd_str location = cd_store_location(&r->admin->arena, &r->target);
        if (status == CD_OK)
                return cd_failf(reterr, CD_EXISTS, CD_STR(""),
                                "store: %.*s has %lld user%s and %lld client%s; to put the backup in their place, "
                                "write --replace",
                                CD_STR_ARG(location), (long long)there.users, there.users == 1 ? "" : "s",
                                (long long)there.clients, there.clients == 1 ? "" : "s");
        const char *fix = cd_storage_fix(why.reason);
        return cd_failf(reterr, status, CD_STR(""), "store: %.*s: %s%s%s", CD_STR_ARG(location), why.reason,
                        fix ? "; " : "", fix ? fix : "");
}

/* Beside a SQLite store, so that it can be moved there; else where temporary files are. */
static cd_status name_folder(const struct cd_store_options *target, char ret[PATH_MAX], struct cd_error *reterr)
{
        const char *temporary = getenv("TMPDIR");
        char store[PATH_MAX];

        if (cd_store_sqlite_file(target, store, NULL) != CD_OK) {
                snprintf(ret, 256, "%s/cardea-restore-XXXXXX", temporary && *temporary ? temporary : "/tmp");
                return mkdtemp(ret) ? CD_OK : cd_fail(reterr, CD_UNAVAILABLE, "TMPDIR: no folder can be made there");
        }
        if (snprintf(ret, PATH_MAX, "%s.restore", store) >= PATH_MAX - 32)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("store"), "the path is too long");
        return CD_OK;
}

static cd_status make_folder(struct restore *r, struct cd_error *reterr)
{
        cd_status status = name_folder(&r->target, r->path, reterr);

        snprintf(r->unpacked, PATH_MAX, "%.*s/" CD_BACKUP_DATABASE, PATH_MAX - 32, r->path);
        return status == CD_OK ? cd_backup_make_folder(r->path, &r->folder, reterr) : status;
}

static cd_status restore(struct restore *r, struct cd_error *reterr)
{
        const struct cd_master_key *const masters[] = { r->admin->master, r->old };
        size_t count = r->old ? 2 : 1;

        cd_status status = cd_clock_read(r->admin->clock, &r->put.now, reterr);
        if (status == CD_OK)
                status = check_empty(r, reterr);
        if (status == CD_OK)
                status = make_folder(r, reterr);
        if (status == CD_OK)
                status = cd_backup_unpack(masters, count, r->unpacked, &r->backup, reterr);
        if (status != CD_OK)
                return status;
        const struct cd_store_revival revival = {
                .now = r->put.now,
                .keep_sessions = r->ask->keep_sessions,
                .actor = r->admin->actor,
                .made_at = cd_str_of(r->backup.made_at, CD_RFC3339_LEN),
        };
        status = cd_store_revive(r->unpacked, &revival, &r->backup.contents, reterr);
        return status == CD_OK ? cd_store_put_back(&r->target, r->unpacked, &r->put, reterr) : status;
}

static void report(const struct restore *r)
{
        struct cd_arena *arena = &r->admin->arena;

        cd_print_line(stdout, "%.*s is as at %.*s: %.*s", CD_STR_ARG(cd_store_location(arena, &r->target)),
                      CD_RFC3339_LEN, r->backup.made_at,
                      CD_STR_ARG(cd_backup_contents_text(arena, &r->backup.contents)));
        if (r->put.kept[0])
                cd_print_line(stdout, "The earlier database is kept as %s.", r->put.kept);
        if (!r->ask->keep_sessions)
                cd_print_line(stdout, "All sessions, tokens, personal tokens, links and recovery codes have ended.");
        cd_print_line(stdout,
                      "What was changed since is as it was: passwords, second factors, secrets of clients, users and "
                      "clients that were removed or disabled, keys that were retired. Start cardea serve when that is "
                      "put right.");
}

static int act(struct cd_context *context, void *p)
{
        const struct restore_ask *ask = p;
        struct cd_admin *admin = &context->admin;
        const struct cd_admin_options how = { .config_path = context->config, .without_store = true, .needs = "" };
        struct restore r = { .ask = ask, .admin = admin, .backup = { .path = ask->file }, .folder = -1 };
        struct cd_error err = { 0 };

        if (cd_admin_open(&how, admin, &err) != CD_OK)
                return cd_context_fail_open(context->command, admin, &err);
        r.target = cd_storage_target(&admin->config, cd_str_from_c(context->config));
        cd_status status = cd_storage_read_old(&admin->config, &r.old, &err);
        if (status == CD_OK)
                status = restore(&r, &err);
        cd_backup_remove_folder(r.path, r.folder);
        cd_master_key_free(r.old);
        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        report(&r);
        return CD_EXIT_OK;
}

static const struct cd_argument arguments[] = {
        { "FILE", offsetof(struct restore_ask, file), .help = "what \"cardea backup\" wrote", .names = CD_NAMES_FILE },
        { 0 },
};
static const struct cd_option options[] = {
        CD_FLAG(struct restore_ask, replace, "--replace", 0,
                "replace a store that has users or clients; a SQLite file is kept under another name, and the rows of "
                "a PostgreSQL database are not"),
        CD_FLAG(struct restore_ask, keep_sessions, "--keep-sessions", 0,
                "let sessions, tokens, links and recovery codes of the backup stay valid: to move to another database, "
                "where nothing was changed since"),
        { 0 },
};

const struct cd_command cd_cmd_restore = {
        .name = "restore",
        .summary = "make the store what a backup has",
        .about = "Reads a file of \"cardea backup\" into the store of the configuration, which must be empty, absent, "
                 "or be replaced (--replace). Stop the servers first. The file is checked before anything changes: "
                 "whether it is complete and unchanged, and made under this master key. A backup of an earlier version "
                 "is migrated.\n\n"
                 "What ended after the backup must not live again. So all sessions, access tokens, personal tokens, "
                 "links, recovery codes and half-finished logins end, and waiting e-mails are dropped.",
        .examples = "cardea restore /var/backups/cardea.backup\n"
                    "cardea restore --replace /var/backups/cardea.backup",
        .exit_codes = "4 the store has users or clients, or a server or another restore uses it; nothing was changed",
        .arguments = arguments,
        .options = options,
        .ask_size = sizeof(struct restore_ask),
        .act = act,
        .opens = CD_OPENS_NOTHING,
};
