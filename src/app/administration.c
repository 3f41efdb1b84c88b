#include "app/administration.h"

#include <pwd.h>
#include <unistd.h>

#include "app/storage.h"
#include "app/server.h"

enum {
        PASSWD_ROOM = 4096 /* bytes for the system's entry of a user */
};

/* The user who runs this command, for the audit. */
static cd_str name_actor(struct cd_arena *arena)
{
        char room[PASSWD_ROOM];
        struct passwd entry, *found = NULL;

        if (getpwuid_r(getuid(), &entry, room, sizeof(room), &found) == 0 && found)
                return cd_arena_printf(arena, "os:%s", found->pw_name);
        return cd_arena_printf(arena, "os:%lu", (unsigned long)getuid());
}

static cd_status load(const struct cd_admin_options *options, struct cd_admin *admin, struct cd_error *reterr)
{
        cd_str file = cd_str_from_c(options->config_path);

        cd_report_init(&admin->report, &admin->arena, file);
        if (options->needs)
                admin->report.needed =
                        cd_arena_printf(&admin->arena, "store master_key master_key_old %s", options->needs).ptr;
        if (options->needs && !admin->report.needed)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the configuration");
        cd_status status = cd_service_load(cd_server_service(), &admin->report, &admin->config, reterr);
        if (status != CD_OK)
                return status;
        cd_config_complete(&admin->config);
        if (!cd_config_is_durable(&admin->config))
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""),
                                "%.*s: store: is not set, so there is nothing to administer; write store: "
                                "sqlite:cardea.db and a master_key",
                                CD_STR_ARG(file));
        return CD_OK;
}

/* Reports the error as a finding of the configuration if a setting is at fault. */
static cd_status explain(struct cd_admin *admin, const struct cd_error *why, struct cd_error *reterr)
{
        cd_str setting = cd_arena_copy(&admin->arena, cd_str_from_c(why->field));

        if (why->status != CD_INVALID_REQUEST || !setting.len) {
                *reterr = *why;
                return why->status;
        }
        cd_report_about(&admin->report, CD_FINDING_ERROR, setting, cd_storage_fix(why->reason), "%s", why->reason);
        return cd_report_status(&admin->report, reterr);
}

static cd_status open_all(const struct cd_admin_options *options, struct cd_admin *admin, struct cd_error *reterr)
{
        const struct cd_storage_options how = {
                .file_name = cd_str_from_c(options->config_path),
                .may_create = options->may_create,
                .must_be_current = options->must_be_current,
        };
        struct cd_storage storage;
        struct cd_error why = { 0 };

        cd_status status = load(options, admin, reterr);
        if (status != CD_OK)
                return status;
        admin->actor = name_actor(&admin->arena);
        if (!admin->actor.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the configuration");
        if (options->without_store)
                return cd_storage_read_master(&admin->config, &admin->master, &why) == CD_OK
                               ? CD_OK
                               : explain(admin, &why, reterr);
        if (cd_storage_open(&admin->config, &admin->arena, &how, &storage, &why) != CD_OK)
                return explain(admin, &why, reterr);
        admin->store = storage.store;
        admin->master = storage.master;
        admin->schema_from = storage.schema_from;
        admin->schema_to = storage.schema_to;
        return CD_OK;
}

cd_status cd_admin_open(const struct cd_admin_options *options, struct cd_admin *ret, struct cd_error *reterr)
{
        struct cd_error err = { 0 };

        *ret = (struct cd_admin){ .clock = &cd_clock_system, .random = &cd_random_system };
        cd_arena_init(&ret->arena, CD_SERVICE_ARENA);
        cd_status status = open_all(options, ret, &err);
        if (status != CD_OK && reterr)
                *reterr = err;
        return status;
}

void cd_admin_close(struct cd_admin *admin)
{
        if (admin->store)
                admin->store->free(admin->store);
        cd_master_key_free(admin->master);
        cd_arena_done(&admin->arena);
        admin->store = NULL;
        admin->master = NULL;
}

cd_status cd_admin_keyring(const struct cd_admin *admin, struct cd_keyring *ret, struct cd_error *reterr)
{
        cd_time now;

        cd_status status = cd_clock_read(admin->clock, &now, reterr);
        if (status != CD_OK)
                return status;
        *ret = (struct cd_keyring){
                .store = admin->store,
                .master = admin->master,
                .now = now,
                .actor = admin->actor,
        };
        return CD_OK;
}
