/* cardea relay: makes links whose state is signed. */
#include <stdio.h>

#include "base/streams.h"
#include "cmd/context.h"
#include "cmd/when.h"
#include "relay/link.h"

struct ask {
        const char *path, *host, *data, *expires, *url;
};

/* The entry for the path, with or without a slash at its end, and the host. */
static cd_status find_relay(const struct cd_config *config, const struct ask *ask, const struct cd_config_relay **ret,
                            struct cd_error *reterr)
{
        const struct cd_config_relay *relays = config->relay.items, *found = NULL;
        cd_str path = cd_str_from_c(ask->path), host = cd_str_from_c(ask->host);
        cd_str bare = path.len > 1 && path.ptr[path.len - 1] == '/' ? cd_str_slice(path, 0, path.len - 1) : path;

        for (size_t i = 0; i < config->relay.count; i++) {
                if (!cd_str_eq(relays[i].path, bare) || (ask->host && !cd_str_eq(relays[i].host, host)))
                        continue;
                if (found)
                        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("--host"),
                                        "is needed: several entries of relay have the path %.*s", CD_STR_ARG(bare));
                found = &relays[i];
        }
        if (!found)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("--path"),
                                "no entry of relay has the path %.*s%s%.*s; name one of the configuration",
                                CD_STR_ARG(bare), ask->host ? " and the host " : "", CD_STR_ARG(host));
        if (found->state != CD_RELAY_SIGNED)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("relay.state"),
                                "of %.*s is opaque, so that anybody can make a state; write state: signed",
                                CD_STR_ARG(bare));
        *ret = found;
        return CD_OK;
}

static cd_status read_expiry(struct cd_arena *arena, const char *text, cd_time *ret, struct cd_error *reterr)
{
        cd_time lifetime = CD_RELAY_LINK_LIFETIME;
        cd_status status = CD_OK;

        if (text)
                status = cd_when_duration(arena, "--expires", text, CD_RELAY_LINK_LIFETIME_MAX, &lifetime, reterr);
        if (status == CD_OK)
                status = cd_clock_read(&cd_clock_system, ret, reterr);
        if (status == CD_OK)
                *ret += lifetime;
        return status;
}

/* A state is base64url, so it needs no escape. */
static cd_status add_to_url(struct cd_arena *arena, const char *text, cd_str state, cd_str *ret,
                            struct cd_error *reterr)
{
        cd_str url = cd_str_from_c(text);
        const char *query = strchr(text, '?');

        if (strchr(text, '#') || (query && (strstr(query, "?state=") || strstr(query, "&state="))))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("--url"),
                                     "has a state or a fragment; leave them out");
        *ret = cd_arena_printf(arena, "%.*s%sstate=%.*s", CD_STR_ARG(url), query ? "&" : "?", CD_STR_ARG(state));
        return ret->ptr ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "out of memory");
}

static cd_status make(struct cd_context *context, const struct ask *ask, struct cd_mac *mac, cd_str *ret,
                      struct cd_error *reterr)
{
        const struct cd_relay_links links = { .mac = mac, .random = &cd_random_system, .clock = &cd_clock_system };
        const struct cd_config_relay *relay = NULL;
        struct cd_relay_link link = { .data = cd_str_from_c(ask->data) };
        cd_status status = find_relay(&context->admin.config, ask, &relay, reterr);

        if (status == CD_OK)
                status = read_expiry(&context->arena, ask->expires, &link.expires_at, reterr);
        if (status != CD_OK)
                return status;
        const struct cd_relay_route route = { .path = relay->path, .host = relay->host };
        status = cd_relay_link_make(&links, &context->arena, &route, &link, ret, reterr);
        return status == CD_OK && ask->url ? add_to_url(&context->arena, ask->url, *ret, ret, reterr) : status;
}

static int print_link(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_mac *mac = cd_relay_links_mac(context->admin.master);
        struct cd_error err = { 0 };
        cd_str text;
        cd_status status = mac ? make(context, ask, mac, &text, &err) : cd_fail(&err, CD_NO_MEMORY, "out of memory");

        cd_mac_free(mac);
        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(stdout, "%.*s", CD_STR_ARG(text));
        return CD_EXIT_OK;
}

static const struct cd_option link_options[] = {
        CD_VALUE(struct ask, path, "--path", 0, "PATH", "the path of the entry", .required = true),
        CD_VALUE(struct ask, host, "--host", 0, "HOST", "its host, where several entries have the path"),
        CD_VALUE(struct ask, data, "--data", 0, "TEXT",
                 "what the receiver gets, at most 328 bytes; nothing if not given"),
        CD_VALUE(struct ask, expires, "--expires", 0, "DURATION",
                 "how long the state is valid: 1s to 30d; 10m if not given"),
        CD_VALUE(struct ask, url, "--url", 0, "URL",
                 "the provider's authorization URL without a state: print it with the state"),
        { 0 },
};

static const struct cd_command relay_link = {
        .name = "link",
        .summary = "print a signed state for a link to a provider",
        .about = "Prints a state for the link with which a user begins to log in at the provider. An entry of relay "
                 "with \"state: signed\" delivers only what comes back with such a state, before it expires, once; the "
                 "receiver gets TEXT as \"data\" beside state and code. Anyone who has the link can use it, and can "
                 "read TEXT in it. The master key signs it; no running server is asked.",
        .examples = "cardea relay link --path /register --data order-17 --expires 1h",
        .options = link_options,
        .ask_size = sizeof(struct ask),
        .act = print_link,
};

static const struct cd_command *const actions[] = { &relay_link, NULL };

const struct cd_command cd_cmd_relay = {
        .name = "relay",
        .summary = "make links whose state is signed, for the relay",
        .about = "The relay is the setting \"relay\" of the configuration.",
        .actions = actions,
};
