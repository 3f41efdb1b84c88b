#include "cmd/context.h"

#include <stdio.h>
#include <string.h>

#include "app/config_path.h"
#include "app/server.h"
#include "base/secret.h"
#include "base/streams.h"
#include "crypto/password_memory.h"
#include "crypto/seal.h"

static int exit_code(cd_status status)
{
        switch (status) {
        case CD_OK:
                return CD_EXIT_OK;
        case CD_NOT_FOUND:
                return CD_EXIT_NOT_FOUND;
        case CD_EXISTS:
                return CD_EXIT_EXISTS;
        case CD_MALFORMED:
        case CD_TOO_LARGE:
        case CD_INVALID_REQUEST:
                return CD_EXIT_USAGE;
        default:
                return CD_EXIT_FAILED;
        }
}

static bool is_option(const char *field)
{
        static const char *const options[] = { "alg",    "claim",    "dir",    "grant-type", "introspect",
                                               "issuer", "keep-old", "listen", "limit",      "password-file",
                                               "scope",  "since",    "until",  "user" };

        for (size_t i = 0; i < CD_LEN(options); i++)
                if (!strcmp(field, options[i]))
                        return true;
        return false;
}

int cd_context_fail(const char *command, const struct cd_error *error)
{
        int code = exit_code(error->status);
        /* These errors contain the name already. */
        const char *field = code == CD_EXIT_USAGE ? error->field : "";

        cd_print_line(stderr, "cardea %s: %s%s%s%s", command, is_option(field) ? "--" : "", field, *field ? ": " : "",
                      error->reason);
        return code;
}

int cd_context_fail_open(const char *command, const struct cd_admin *admin, const struct cd_error *error)
{
        const struct cd_report *report = &admin->report;

        if (!report->errors) {
                int code = cd_context_fail(command, error);
                /* CD_NOT_FOUND does not mean a missing user or client here. */
                return code == CD_EXIT_FAILED ? code : CD_EXIT_USAGE;
        }
        for (const struct cd_finding *f = report->findings; f; f = f->next)
                if (f->level == CD_FINDING_ERROR)
                        cd_print_line(stderr, "cardea %s: %.*s", command, CD_STR_ARG(cd_finding_text(report, f)));
        return CD_EXIT_USAGE;
}

static cd_status fill_operator(struct cd_context *context, struct cd_error *reterr)
{
        const struct cd_admin *admin = &context->admin;
        const struct cd_config_password_hashing *hashing = &admin->config.password_hashing;

        cd_password_memory_keep(true); /* a hash on huge pages costs half */
        context->hasher =
                cd_direct_hasher(&(struct cd_password_cost){ hashing->memory, hashing->iterations }, admin->random);
        context->by = (struct cd_operator){
                .store = admin->store,
                .clock = admin->clock,
                .random = admin->random,
                .actor = admin->actor,
                .hasher = &context->hasher.port,
                .password_min = cd_config_password_min(&admin->config),
                .master = admin->master,
                .notices = cd_cmd_notices_init(&context->notices, context->command, admin),
                .scopes = admin->config.scopes,
                .default_audience = admin->config.issuer,
        };
        context->by.client_secrets = cd_master_key_mac(admin->master, CD_STR("client-secret"));
        if (!context->by.client_secrets)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the clients");
        return cd_config_used_ids(&admin->config, &context->arena, &context->by.configured, reterr);
}

/* What commands need of the configuration besides the store and its master key, by the beginning of their names; the
 * first row that fits counts. A secret of a client, of a provider or of the mail server is none of it. */
static const struct {
        const char *command, *needs;
} needs[] = {
        { "trace", NULL }, /* logs in as the server does */
        { "proxy-config", NULL },
        { "relay", "relay" },
        { "mail", "smtp" },
        { "access", "store master_key master_key_old access gate portal signin.providers.name" },
        { "gate", "store master_key master_key_old access gate portal signin.providers.name" },
        { "key", "tokens.alg" },
        { "status", "control" },
        { "reload", "control" },
        { "client add", "clients.id basic_tokens.client_id issuer scopes tokens.alg" },
        { "client update", "clients.id basic_tokens.client_id issuer scopes tokens.alg" },
        { "client", "clients.id issuer tokens.alg" },
        { "user export", "" },
        { "user list", "lockout" },
        { "user show", "lockout" },
        { "user", "password_hashing passwords lockout clients.id basic_tokens.client_id portal.url portal.title "
                  "portal.language portal.factors portal.registration smtp.url smtp.from" },
};

/* The settings that a command uses besides `store` and the master keys, see cd_report.needed. */
static const char *find_needs(const char *command)
{
        for (size_t i = 0; i < CD_LEN(needs); i++)
                if (!strncmp(command, needs[i].command, strlen(needs[i].command)))
                        return needs[i].needs;
        return "";
}

static cd_status open_store(struct cd_context *context, struct cd_error *reterr)
{
        const struct cd_admin_options options = { .config_path = context->config,
                                                  .needs = find_needs(context->command) };

        cd_status status = cd_admin_open(&options, &context->admin, reterr);
        return status == CD_OK ? fill_operator(context, reterr) : status;
}

static cd_status open_config(struct cd_context *context, struct cd_error *reterr)
{
        struct cd_admin *admin = &context->admin;

        admin->clock = &cd_clock_system;
        admin->random = &cd_random_system;
        cd_arena_init(&admin->arena, CD_SERVICE_ARENA);
        cd_report_init(&admin->report, &admin->arena, cd_str_from_c(context->config));
        admin->report.needed = find_needs(context->command);
        cd_status status = cd_service_load(cd_server_service(), &admin->report, &admin->config, reterr);
        if (status == CD_OK)
                cd_config_complete(&admin->config);
        return status;
}

int cd_context_open(struct cd_context *context, const char *command, const char *config, enum cd_opens opens)
{
        struct cd_error err = { 0 };
        cd_status status = CD_OK;

        *context = (struct cd_context){ .command = command };
        cd_arena_init(&context->arena, CD_CONTEXT_ARENA);
        if (cd_config_path_find(&config, &err) != CD_OK)
                return cd_usage_error(command, "%s", err.reason);
        if (!config && opens != CD_OPENS_CONFIG_OR_DEFAULTS && opens != CD_OPENS_NOTHING_OR_DEFAULTS)
                return cd_usage_error(command, "there is no configuration; name it with " CD_CONFIG_PLACES);
        context->config = config;
        if (opens == CD_OPENS_STORE)
                status = open_store(context, &err);
        else if (opens == CD_OPENS_CONFIG || opens == CD_OPENS_CONFIG_OR_DEFAULTS)
                status = open_config(context, &err);
        return status == CD_OK ? CD_EXIT_OK : cd_context_fail_open(command, &context->admin, &err);
}

void cd_context_close(struct cd_context *context)
{
        cd_mac_free(context->by.client_secrets);
        cd_admin_close(&context->admin);
        cd_arena_done(&context->arena);
}

struct cd_strs cd_context_strs(struct cd_context *context, const struct cd_words *words)
{
        cd_str *items = cd_arena_calloc(&context->arena, words->count + 1, sizeof(*items));

        for (size_t i = 0; items && i < words->count; i++)
                items[i] = cd_str_from_c(words->items[i]);
        return (struct cd_strs){ items, items ? words->count : 0 };
}
