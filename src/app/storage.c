#include "app/storage.h"

#include "base/secret.h"

bool cd_config_is_durable(const struct cd_config *config)
{
        return config->store.len && !cd_str_eq(config->store, CD_STR("memory:"));
}

static cd_str folder_of(cd_str file_name)
{
        size_t slash = file_name.len;

        while (slash && file_name.ptr[slash - 1] != '/')
                slash--;
        return cd_str_slice(file_name, 0, slash);
}

static cd_status open_master(const struct cd_config *config, struct cd_master_key **ret, struct cd_error *reterr)
{
        char text[CD_MASTER_KEY_TEXT];
        struct cd_error why;

        if (cd_config_is_durable(config)) {
                cd_status status = cd_master_key_parse(config->master_key, &cd_random_system, ret, &why);
                return status == CD_OK ? CD_OK
                                       : cd_fail_field(reterr, status == CD_MALFORMED ? CD_INVALID_REQUEST : status,
                                                       CD_STR("master_key"), why.reason);
        }
        cd_status status = cd_master_key_generate(&cd_random_system, text, reterr);
        if (status == CD_OK)
                status = cd_master_key_parse(cd_str_of(text, sizeof(text)), &cd_random_system, ret, reterr);
        cd_wipe(text, sizeof(text));
        return status;
}

static cd_status open_store(const struct cd_config *config, struct cd_arena *arena,
                            const struct cd_storage_options *options, struct cd_storage *storage,
                            struct cd_error *reterr)
{
        const struct cd_store_options how = {
                .url = config->store.len ? config->store : CD_STR("memory:"),
                .folder = folder_of(options->file_name),
                .may_create = options->may_create,
                .must_be_current = options->must_be_current,
        };
        struct cd_store_opened opened;

        cd_status status = cd_store_open(&how, &opened, reterr);
        if (status != CD_OK)
                return status;
        storage->store = opened.store;
        storage->schema_from = opened.schema_from;
        storage->schema_to = opened.schema_to;
        storage->location = cd_store_location(arena, &how);
        return CD_OK;
}

cd_status cd_storage_open(const struct cd_config *config, struct cd_arena *arena,
                          const struct cd_storage_options *options, struct cd_storage *ret, struct cd_error *reterr)
{
        struct cd_storage storage = { 0 };

        storage.shown = cd_store_url_shown(arena, config->store.len ? config->store : CD_STR("memory:"));
        cd_status status = open_master(config, &storage.master, reterr);
        if (status == CD_OK)
                status = open_store(config, arena, options, &storage, reterr);
        if (status == CD_OK) {
                const struct cd_keyring ring = { .store = storage.store, .master = storage.master };
                status = cd_keyring_check_master(&ring, reterr);
        }
        if (status != CD_OK) {
                cd_storage_close(&storage);
                return status;
        }
        *ret = storage;
        return CD_OK;
}

void cd_storage_close(struct cd_storage *storage)
{
        if (storage->store)
                storage->store->free(storage->store);
        cd_master_key_free(storage->master);
        *storage = (struct cd_storage){ 0 };
}

static void check_writable(struct cd_store *store, struct cd_report *report)
{
        struct cd_error err = { 0 };

        if (store->try_write(store, &err) != CD_OK)
                cd_report_about(report, CD_FINDING_WARNING, CD_STR("store"),
                                "until it can be written, /readyz says 503, logins go on and nothing can be changed or "
                                "revoked; for PostgreSQL, name the primary",
                                "cannot be written: %s", err.reason);
}

void cd_storage_check(const struct cd_config *config, struct cd_report *report)
{
        const struct cd_storage_options options = { .file_name = report->file_name, .must_be_current = true };
        struct cd_storage storage;
        struct cd_error err = { 0 };

        if (!cd_config_is_durable(config))
                return;
        cd_status status = cd_storage_open(config, report->arena, &options, &storage, &err);
        cd_str setting = cd_arena_copy(report->arena, err.field[0] ? cd_str_from_c(err.field) : CD_STR("store"));
        if (status == CD_OK) {
                check_writable(storage.store, report);
                cd_report_about(report, CD_FINDING_OK, CD_STR("store"), NULL, "%.*s, schema %d, master key fits",
                                CD_STR_ARG(storage.shown), storage.schema_to);
                cd_storage_close(&storage);
        } else if (status == CD_NOT_FOUND) {
                cd_report_about(report, CD_FINDING_WARNING, setting, NULL, "%s", err.reason);
        } else {
                cd_report_about(report, CD_FINDING_ERROR, setting, NULL, "%s", err.reason);
        }
}
