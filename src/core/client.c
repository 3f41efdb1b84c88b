#include "core/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/secret.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "crypto/seal.h"

struct entry {
        struct cd_client client;
        unsigned char secret[CD_MAC_SIZE], old_secret[CD_MAC_SIZE];
        cd_time old_secret_until; /* 0: there is no old one */
};

struct cd_clients {
        struct cd_arena arena; /* for everything that the entries point to */
        struct cd_map *by_id;
        struct cd_mac *mac;
        struct entry nobody; /* stands in for an unknown client, so that the check takes the same time */
};

enum {
        CLIENTS_CEILING = 64 * 1024 * 1024
};

static bool copy_strings(struct cd_arena *arena, struct cd_strs from, struct cd_strs *ret)
{
        cd_str *items = cd_arena_calloc(arena, from.count + 1, sizeof(*items));
        if (!items)
                return false;
        for (size_t i = 0; i < from.count; i++) {
                items[i] = cd_arena_copy(arena, from.items[i]);
                if (!items[i].ptr)
                        return false;
        }
        *ret = (struct cd_strs){ items, from.count };
        return true;
}

static bool make_lockout_key(struct cd_arena *arena, struct entry *entry)
{
        cd_str id = entry->client.id;
        char *key = cd_arena_alloc(arena, id.len + sizeof(entry->secret));

        if (!key)
                return false;
        memcpy(key, entry->secret, sizeof(entry->secret));
        if (id.len)
                memcpy(key + sizeof(entry->secret), id.ptr, id.len);
        entry->client.lockout_key = cd_str_of(key, id.len + sizeof(entry->secret));
        return true;
}

/* The texts of a client, in the arena. */
static bool copy_texts(struct cd_arena *arena, const struct cd_client_spec *spec, struct cd_client *ret)
{
        ret->id = cd_arena_copy(arena, spec->id);
        ret->audience = cd_arena_copy(arena, spec->audience);
        ret->claims = spec->claims.len ? cd_arena_copy(arena, spec->claims) : CD_STR("");
        return ret->id.ptr && ret->audience.ptr && ret->claims.ptr && copy_strings(arena, spec->scopes, &ret->scopes) &&
               copy_strings(arena, spec->introspect, &ret->introspect);
}

static cd_status add_client(struct cd_clients *clients, const struct cd_client_spec *spec, struct cd_error *reterr)
{
        struct entry *entry = CD_NEW(&clients->arena, struct entry);
        if (!entry)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the clients");

        struct cd_client *client = &entry->client;
        client->grants = spec->grants;
        client->generation = spec->generation;
        client->alg = spec->alg;
        client->disabled = spec->disabled;
        if (!copy_texts(&clients->arena, spec, client) ||
            (!spec->secret_mac && cd_mac_sum(clients->mac, spec->secret, entry->secret) != CD_OK))
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the clients");
        if (spec->secret_mac)
                memcpy(entry->secret, spec->secret_mac, sizeof(entry->secret));
        if (spec->old_secret_mac) {
                memcpy(entry->old_secret, spec->old_secret_mac, sizeof(entry->old_secret));
                entry->old_secret_until = spec->old_secret_until;
        }
        if (!make_lockout_key(&clients->arena, entry))
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the clients");

        cd_status status = cd_map_add(clients->by_id, client->id, entry);
        if (status == CD_INVALID_REQUEST)
                return cd_failf(reterr, status, CD_STR("id"), "client \"%.*s\" is there twice", CD_STR_ARG(spec->id));
        return status == CD_OK ? CD_OK : cd_fail(reterr, status, "no memory for the clients");
}

static cd_status set_up(struct cd_clients *clients, cd_str mac_key, const struct cd_random *random,
                        struct cd_error *reterr)
{
        unsigned char key[CD_MAC_SIZE];

        cd_arena_init(&clients->arena, CLIENTS_CEILING);
        if (random->fill(random, key, sizeof(key)) != CD_OK ||
            random->fill(random, clients->nobody.secret, sizeof(clients->nobody.secret)) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "no randomness for the key of the client secrets");
        clients->by_id = cd_map_new();
        clients->mac = cd_mac_new(mac_key.len ? mac_key : cd_str_of((const char *)key, sizeof(key)));
        cd_wipe(key, sizeof(key));
        if (!clients->by_id || !clients->mac)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the clients");
        return CD_OK;
}

cd_status cd_client_secret_mac(const struct cd_master_key *master, cd_str secret,
                               unsigned char ret[CD_CLIENT_SECRET_MAC_SIZE], struct cd_error *reterr)
{
        struct cd_mac *mac = cd_master_key_mac(master, CD_STR("client-secret"));

        if (!mac)
                return cd_fail(reterr, CD_NO_MEMORY, "a client secret cannot be hashed");
        cd_status status = cd_mac_sum(mac, secret, ret);
        cd_mac_free(mac);
        return status == CD_OK ? CD_OK : cd_fail(reterr, status, "a client secret cannot be hashed");
}

cd_status cd_clients_new(const struct cd_client_spec *specs, size_t count, cd_str mac_key,
                         const struct cd_random *random, struct cd_clients **ret, struct cd_error *reterr)
{
        struct cd_clients *clients = calloc(1, sizeof(*clients));
        if (!clients)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the clients");

        cd_status status = set_up(clients, mac_key, random, reterr);
        for (size_t i = 0; i < count && status == CD_OK; i++)
                status = add_client(clients, &specs[i], reterr);
        if (status != CD_OK) {
                cd_clients_free(clients);
                return status;
        }
        *ret = clients;
        return CD_OK;
}

void cd_clients_free(struct cd_clients *clients)
{
        if (!clients)
                return;
        cd_map_free(clients->by_id);
        cd_mac_free(clients->mac);
        cd_arena_done(&clients->arena);
        free(clients);
}

const struct cd_client *cd_clients_find(const struct cd_clients *clients, cd_str id)
{
        const struct entry *found = cd_map_find(clients->by_id, id);
        return found ? &found->client : NULL;
}

cd_str cd_clients_known_id(const struct cd_clients *clients, cd_str id)
{
        const struct cd_client *found = cd_clients_find(clients, id);
        return found ? found->id : CD_STR("");
}

static bool is_equal(const unsigned char a[CD_MAC_SIZE], const unsigned char b[CD_MAC_SIZE])
{
        return cd_secret_eq(cd_str_of((const char *)a, CD_MAC_SIZE), cd_str_of((const char *)b, CD_MAC_SIZE));
}

cd_status cd_clients_authenticate(const struct cd_clients *clients, cd_str id, cd_str secret, cd_time now,
                                  const struct cd_client **ret, struct cd_error *reterr)
{
        unsigned char mac[CD_MAC_SIZE];

        const struct entry *found = cd_map_find(clients->by_id, id);
        const struct entry *entry = found ? found : &clients->nobody;
        if (cd_mac_sum(clients->mac, secret, mac) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to check a client secret");

        bool is_new = is_equal(mac, entry->secret), is_old = is_equal(mac, entry->old_secret);
        if (!found || !(is_new || (is_old && now < entry->old_secret_until)))
                return cd_fail(reterr, CD_INVALID_CLIENT, "unknown client or wrong secret");
        if (found->client.disabled)
                return cd_fail(reterr, CD_INVALID_CLIENT, "the client is disabled");
        *ret = &found->client;
        return CD_OK;
}
