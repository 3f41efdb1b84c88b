#include "app/signin.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/outgoing.h"
#include "crypto/random.h"
#include "service/service.h"

/* The HTTP client of one version. */
struct client {
        struct cd_arena arena;
        struct cd_fetch *fetch;
};

static cd_status call(void *arg, const struct cd_fetch_request *request, struct cd_fetch_response *ret,
                      struct cd_error *reterr)
{
        return cd_fetch_call(((struct client *)arg)->fetch, request, ret, reterr);
}

static void release(void *arg)
{
        struct client *client = arg;

        cd_fetch_free(client->fetch);
        cd_arena_done(&client->arena);
        free(client);
}

static cd_status make_client(const struct cd_app_signin *signin, const struct cd_app_signin_params *params,
                             struct cd_signin_http *ret, struct cd_error *reterr)
{
        struct client *client = calloc(1, sizeof(*client));
        const struct cd_outgoing_client_options options = {
                .config = params->config,
                .file_name = params->config_path,
                .arena = client ? &client->arena : NULL,
                .response_max = CD_SIGNIN_RESPONSE_MAX,
                .log = signin->outgoing,
        };

        if (!client)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the providers");
        cd_arena_init(&client->arena, CD_SERVICE_ARENA);
        cd_status status = cd_outgoing_client_new(&options, &client->fetch, reterr);
        if (status != CD_OK) {
                release(client);
                return status;
        }
        *ret = (struct cd_signin_http){ .call = call, .release = release, .arg = client };
        return CD_OK;
}

/* ---- secrets that cannot be read again ---- */

static const struct cd_setting_source *source_of_secret(const struct cd_report *report, size_t index)
{
        char setting[64];

        snprintf(setting, sizeof(setting), "signin.providers[%zu].client_secret", index);
        return report ? cd_report_find_source(report, cd_str_from_c(setting)) : NULL;
}

/* The current secret of the provider with the same name, if it is configured in the same way. */
static cd_status keep_secret(const struct cd_app_signin *signin, const struct cd_app_signin_params *params,
                             size_t index, struct cd_signin_provider_settings *settings, struct cd_error *reterr)
{
        const struct cd_setting_source *now = source_of_secret(params->report, index);
        const struct cd_config_provider *earlier = params->earlier ? params->earlier->signin.providers.items : NULL;
        char setting[64];

        for (size_t i = 0; earlier && i < params->earlier->signin.providers.count; i++) {
                const struct cd_setting_source *before = source_of_secret(params->report->earlier, i);
                if (!cd_str_eq(cd_config_provider_name(&earlier[i]), settings->name) || !now || !before ||
                    now->written != before->written)
                        continue;
                settings->client_secret = cd_signin_secret(cd_shared_get(signin->signins), settings->name);
                return CD_OK;
        }
        snprintf(setting, sizeof(setting), "signin.providers[%zu].client_secret", index);
        return cd_fail_field(reterr, CD_INVALID_REQUEST, cd_str_from_c(setting),
                             "restart needed: the server may not read its file any more, and this provider had another "
                             "secret");
}

/* ---- a version ---- */

static cd_status read_settings(const struct cd_app_signin *signin, const struct cd_app_signin_params *params,
                               struct cd_arena *arena, struct cd_signin_settings *ret, struct cd_error *reterr)
{
        const struct cd_config_provider *from = params->config->signin.providers.items;
        size_t count = params->config->signin.providers.count;
        struct cd_signin_provider_settings *to = cd_arena_calloc(arena, count + 1, sizeof(*to));
        cd_status status = to ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for the providers");

        for (size_t i = 0; i < count && status == CD_OK; i++) {
                status = cd_config_provider_read(&from[i], arena, &to[i], reterr);
                to[i].keep_tokens = cd_config_gate_passes_token(&params->config->gate, to[i].name);
                if (status == CD_OK && !to[i].client_secret.len)
                        status = keep_secret(signin, params, i, &to[i], reterr);
        }
        *ret = (struct cd_signin_settings){
                .providers = to,
                .provider_count = count,
                .portal_url = params->config->portal.url,
        };
        return status;
}

static cd_status make(const struct cd_app_signin *signin, const struct cd_app_signin_params *params,
                      struct cd_arena *arena, struct cd_signin **ret, struct cd_error *reterr)
{
        const struct cd_storage *storage = signin->storage;
        struct cd_signin_settings settings;
        struct cd_signin_services services = {
                .store = storage->store,
                .master = storage->master,
                .clock = &cd_clock_system,
                .random = &cd_random_system,
                .by = { .store = storage->store,
                        .clock = &cd_clock_system,
                        .random = &cd_random_system,
                        .actor = CD_STR("signin"),
                        .hasher = params->hasher },
        };

        cd_status status = read_settings(signin, params, arena, &settings, reterr);
        if (status == CD_OK)
                status = cd_config_used_ids(params->config, arena, &services.by.configured, reterr);
        if (status == CD_OK && settings.provider_count)
                status = make_client(signin, params, &services.http, reterr);
        if (status != CD_OK)
                return status;
        status = cd_signin_new(&settings, &services, ret, reterr);
        if (status != CD_OK && services.http.release)
                services.http.release(services.http.arg);
        return status;
}

cd_status cd_app_signin_prepare(const struct cd_app_signin *signin, const struct cd_app_signin_params *params,
                                struct cd_shared_version **ret, struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;
        struct cd_signin *version = NULL;

        cd_arena_init(&arena, CD_SERVICE_ARENA);
        cd_status status = make(signin, params, &arena, &version, reterr);
        if (status != CD_OK)
                return status;
        *ret = cd_shared_prepare(signin->signins, version);
        if (*ret)
                return CD_OK;
        cd_signin_free(version);
        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the providers");
}

cd_status cd_app_signin_init(struct cd_app_signin *signin, const struct cd_storage *storage,
                             struct cd_outgoing_log *outgoing, struct cd_error *reterr)
{
        *signin = (struct cd_app_signin){
                .signins = cd_shared_new(cd_signin_free),
                .storage = storage,
                .outgoing = outgoing,
        };
        return signin->signins ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for the providers");
}

void cd_app_signin_done(struct cd_app_signin *signin)
{
        cd_shared_free(signin->signins);
}
