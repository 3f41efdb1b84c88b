#include "app/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/secret.h"
#include "core/master_rotation.h"
#include "service/privileges.h"

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

static cd_status parse_master(cd_str text, const char *setting, struct cd_master_key **ret, struct cd_error *reterr)
{
        struct cd_error why = { 0 };

        cd_status status = cd_master_key_parse(text, &cd_random_system, ret, &why);
        return status == CD_OK ? CD_OK
                               : cd_fail_field(reterr, status == CD_MALFORMED ? CD_INVALID_REQUEST : status,
                                               cd_str_from_c(setting), why.reason);
}

cd_status cd_storage_read_old(const struct cd_config *config, struct cd_master_key **ret, struct cd_error *reterr)
{
        *ret = NULL;
        return config->master_key_old.len ? parse_master(config->master_key_old, "master_key_old", ret, reterr) : CD_OK;
}

static cd_status accept_old(const struct cd_config *config, struct cd_master_key *master, struct cd_error *reterr)
{
        struct cd_master_key *old;

        cd_status status = cd_storage_read_old(config, &old, reterr);
        if (old)
                cd_master_key_accept(master, old);
        cd_master_key_free(old);
        return status;
}

cd_status cd_storage_read_master(const struct cd_config *config, struct cd_master_key **ret, struct cd_error *reterr)
{
        char text[CD_MASTER_KEY_TEXT];

        if (cd_config_is_durable(config)) {
                cd_status status = parse_master(config->master_key, "master_key", ret, reterr);
                return status == CD_OK ? accept_old(config, *ret, reterr) : status;
        }
        cd_status status = cd_master_key_generate(&cd_random_system, text, reterr);
        if (status == CD_OK)
                status = cd_master_key_parse(cd_str_of(text, sizeof(text)), &cd_random_system, ret, reterr);
        cd_wipe(text, sizeof(text));
        return status;
}

struct cd_store_options cd_storage_target(const struct cd_config *config, cd_str file_name)
{
        return (struct cd_store_options){
                .url = config->store.len ? config->store : CD_STR("memory:"),
                .folder = folder_of(file_name),
        };
}

static cd_status open_store(const struct cd_config *config, struct cd_arena *arena,
                            const struct cd_storage_options *options, struct cd_storage *storage,
                            struct cd_error *reterr)
{
        struct cd_store_options how = cd_storage_target(config, options->file_name);
        struct cd_store_opened opened;

        how.may_create = options->may_create;
        how.must_be_current = options->must_be_current;
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
        cd_status status = cd_storage_read_master(config, &storage.master, reterr);
        if (status == CD_OK)
                status = open_store(config, arena, options, &storage, reterr);
        if (status == CD_OK) {
                const struct cd_keyring ring = { .store = storage.store, .master = storage.master };
                status = cd_master_use(&ring, storage.master, reterr);
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

/* The results of opening the store and writing to it. */
struct probe {
        cd_status status, write_status;
        struct cd_error err, write_err;
        int schema;
};

static struct probe probe_store(const struct cd_config *config, struct cd_report *report)
{
        const struct cd_storage_options options = { .file_name = report->file_name, .must_be_current = true };
        struct cd_storage storage;
        const struct cd_store_expiry nothing = { .limit = 0 };
        struct probe probe = { 0 };
        size_t deleted;

        probe.status = cd_storage_open(config, report->arena, &options, &storage, &probe.err);
        if (probe.status != CD_OK)
                return probe;
        probe.write_status = storage.store->expire(storage.store, &nothing, &deleted, &probe.write_err);
        probe.schema = storage.schema_to;
        cd_storage_close(&storage);
        return probe;
}

/* Runs in a child process as the server's user, because root may do what that user may not. The probe contains only
 * static texts. */
static struct probe probe_as_user(const struct cd_config *config, struct cd_report *report)
{
        struct probe probe = { 0 };
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0) {
                probe.status = cd_failf(&probe.err, CD_UNAVAILABLE, CD_STR(""), "pipe: %s", strerror(errno));
                return probe;
        }
        pid_t child = fork();
        if (child == 0) {
                probe.status = cd_privileges_drop(config->service.user, &probe.err);
                if (probe.status == CD_OK)
                        probe = probe_store(config, report);
                _exit(write(ends[1], &probe, sizeof(probe)) == (ssize_t)sizeof(probe) ? 0 : 1);
        }
        close(ends[1]);
        if (child < 0 || read(ends[0], &probe, sizeof(probe)) != (ssize_t)sizeof(probe))
                probe.status = cd_failf(&probe.err, CD_UNAVAILABLE, CD_STR(""), "cannot be tried as user %.*s",
                                        CD_STR_ARG(config->service.user));
        close(ends[0]);
        if (child > 0)
                waitpid(child, NULL, 0);
        return probe;
}

void cd_storage_check(const struct cd_config *config, enum cd_check_purpose purpose, struct cd_report *report)
{
        if (!cd_config_is_durable(config))
                return;
        bool becomes_user = config->service.user.len && cd_privileges_is_root();
        const struct probe probe = becomes_user ? probe_as_user(config, report) : probe_store(config, report);
        cd_str setting =
                cd_arena_copy(report->arena, probe.err.field[0] ? cd_str_from_c(probe.err.field) : CD_STR("store"));
        if (probe.status == CD_NOT_FOUND) {
                if (purpose != CD_CHECK_START)
                        cd_report_about(report, CD_FINDING_WARNING, setting, NULL, "%s", probe.err.reason);
                return;
        }
        if (probe.status != CD_OK) {
                cd_report_about(report, CD_FINDING_ERROR, setting, cd_storage_fix(probe.err.reason), "%s",
                                probe.err.reason);
                if (probe.status != CD_INVALID_REQUEST && probe.status != CD_MALFORMED)
                        cd_report_last_is_temporary(report);
                return;
        }
        if (probe.write_status != CD_OK)
                cd_report_about(report, CD_FINDING_WARNING, setting,
                                "make room on the disk or, for PostgreSQL, name the primary; until then /readyz "
                                "answers 503, logins "
                                "continue, and nothing can be changed or revoked",
                                "cannot be written: %s", probe.write_err.reason);
        cd_report_about(report, CD_FINDING_OK, setting, NULL, "%.*s, schema %d, master key fits",
                        CD_STR_ARG(cd_store_url_shown(report->arena, config->store)), probe.schema);
}

cd_status cd_storage_check_key(const struct cd_config *config, const struct cd_report *report,
                               const unsigned char started_with[CD_DERIVED_SIZE], struct cd_error *reterr)
{
        unsigned char check[CD_DERIVED_SIZE];
        struct cd_master_key *master;

        if (!cd_config_is_durable(config) || cd_report_is_kept(report, CD_STR("master_key")))
                return CD_OK;
        cd_status status = cd_master_key_parse(config->master_key, &cd_random_system, &master, reterr);
        if (status != CD_OK)
                return status;
        status = cd_master_key_derive(master, CD_STR("check"), check);
        cd_master_key_free(master);
        if (status != CD_OK)
                return cd_fail(reterr, status, "no memory for the master key");
        bool is_same = cd_secret_eq(cd_str_of((const char *)check, sizeof(check)),
                                    cd_str_of((const char *)started_with, CD_DERIVED_SIZE));
        cd_wipe(check, sizeof(check));
        return is_same ? CD_OK
                       : cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("master_key"),
                                       "restart needed: it cannot change while the server runs");
}

/* A moved file, or a wrong path, creates an empty store, and all users seem to be lost. */
static void log_created(const struct cd_storage *storage, struct cd_log *log)
{
        struct cd_log_event event;

        cd_log_begin(&event, log, CD_LOG_WARN, "store_created");
        cd_log_str(&event, "store", storage->location);
        cd_log_str(&event, "fix", CD_STR(CD_STORE_NEW_ADVICE));
        cd_log_end(&event);
}

void cd_storage_log_open(const struct cd_storage *storage, struct cd_log *log)
{
        struct cd_log_event event;

        if (storage->schema_from == 0)
                log_created(storage, log);
        cd_log_begin(&event, log, CD_LOG_INFO, "store_open");
        cd_log_str(&event, "store", storage->shown);
        cd_log_int(&event, "schema_from", storage->schema_from);
        cd_log_int(&event, "schema_to", storage->schema_to);
        cd_log_end(&event);
}
