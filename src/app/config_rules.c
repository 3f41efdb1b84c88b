/* The rules that the sections `access` and `gate` make together. */
#include "app/config.h"

static cd_status parse_networks(struct cd_arena *arena, struct cd_strs texts, struct cd_access_allow *allow,
                                struct cd_error *reterr)
{
        struct cd_network *networks = cd_arena_calloc(arena, texts.count + 1, sizeof(*networks));

        if (!networks)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the access rules");
        for (size_t i = 0; i < texts.count; i++) {
                cd_status status = cd_network_parse(texts.items[i], &networks[i], reterr);
                if (status != CD_OK)
                        return status;
        }
        allow->networks = networks;
        allow->network_count = texts.count;
        return CD_OK;
}

static cd_status make_rule(struct cd_arena *arena, const struct cd_config_access *from, struct cd_access_rule *to,
                           struct cd_error *reterr)
{
        const struct cd_config_allow *allow = &from->allow;
        bool is_public = cd_config_access_is_public(from);

        *to = (struct cd_access_rule){
                .host = from->host,
                .path = from->path,
                .methods = from->methods.count ? from->methods : allow->methods,
                .is_public = is_public,
                .public_paths = is_public ? (struct cd_strs){ 0 } : from->public,
                .allow = {
                        .is_given = cd_config_access_has_allow(from),
                        .users = allow->users,
                        .groups = allow->groups,
                        .factors = (unsigned)allow->factors,
                        .max_age = allow->max_age / 1000,
                },
                .bearer = { from->bearer.audience, from->bearer.scope },
        };
        return parse_networks(arena, allow->networks, &to->allow, reterr);
}

cd_status cd_config_access_new(const struct cd_config *config, struct cd_access **ret, struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;
        const struct cd_config_access *from = config->access.items;
        const struct cd_config_route *routes = config->gate.routes.items;
        size_t first_route = config->access.count, count = first_route + config->gate.routes.count;

        cd_arena_init(&arena, CD_SERVICE_ARENA);
        struct cd_access_rule *rules = cd_arena_calloc(&arena, count + 1, sizeof(*rules));
        if (!rules)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the access rules");
        for (size_t i = 0; i < count; i++) {
                const struct cd_config_access rule =
                        i < first_route ? from[i] : cd_config_route_rule(config, &routes[i - first_route]);
                cd_status status = make_rule(&arena, &rule, &rules[i], reterr);
                if (status != CD_OK)
                        return status;
        }
        return cd_access_new(rules, count, ret, reterr);
}
