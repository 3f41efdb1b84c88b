#include "app/configured_clients.h"

#include <stdio.h>
#include <string.h>

static const struct cd_setting_source *source_of_secret(const struct cd_report *report, size_t index)
{
        char setting[64];

        snprintf(setting, sizeof(setting), "clients[%zu].secret", index);
        return report ? cd_report_find_source(report, cd_str_from_c(setting)) : NULL;
}

/* For a secret that cannot be read again: the earlier MAC of the client with this id, if its secret is configured in
 * the same way. */
static cd_status keep_mac(const struct cd_configured_clients_params *params, size_t index, cd_str id,
                          unsigned char *ret, struct cd_error *reterr)
{
        const struct cd_setting_source *now = source_of_secret(params->report, index);
        size_t count = params->earlier ? params->earlier->clients.count : 0;
        char setting[64];

        for (size_t i = 0; i < count; i++) {
                const struct cd_setting_source *before = source_of_secret(params->report->earlier, i);
                if (!cd_str_eq(params->earlier_clients[i].id, id) || !now || !before || now->written != before->written)
                        continue;
                memcpy(ret, params->earlier_clients[i].secret_mac, CD_CLIENT_SECRET_MAC_SIZE);
                return CD_OK;
        }
        snprintf(setting, sizeof(setting), "clients[%zu].secret", index);
        return cd_fail_field(reterr, CD_INVALID_REQUEST, cd_str_from_c(setting),
                             "restart needed: the server may not read its file any more, and this client had another "
                             "secret");
}

cd_status cd_configured_clients_make(const struct cd_configured_clients_params *params, struct cd_arena *arena,
                                     struct cd_client_spec **ret, struct cd_error *reterr)
{
        const struct cd_config *config = params->config;
        const struct cd_config_client *from = config->clients.items;
        struct cd_client_spec *specs = cd_arena_calloc(arena, config->clients.count + 1, sizeof(*specs));
        cd_status status = specs ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for the clients");

        for (size_t i = 0; i < config->clients.count && status == CD_OK; i++) {
                unsigned char *mac = cd_arena_alloc(arena, CD_CLIENT_SECRET_MAC_SIZE);
                if (!mac)
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the clients");
                status = from[i].secret.len ? cd_client_secret_mac(params->master, from[i].secret, mac, reterr)
                                            : keep_mac(params, i, from[i].id, mac, reterr);
                specs[i] = (struct cd_client_spec){
                        .id = from[i].id,
                        .secret_mac = mac,
                        .grants = cd_config_grants(&from[i]),
                        .scopes = from[i].scopes,
                        .audience = from[i].audience,
                        .introspect = from[i].introspect,
                        .alg = cd_alg_from_name(from[i].alg),
                };
        }
        if (status == CD_OK)
                *ret = specs;
        return status;
}
