#include "app/snapshot.h"

#include <stdlib.h>

#include "core/key_signer.h"

enum {
        OWN = 1024 * 1024 /* bytes for the responses that are written once, and for the copy of the configuration */
};

struct cd_snapshot {
        struct cd_web web; /* first, so that a pointer to one is a pointer to the other */
        struct cd_issuer issuer;
        struct cd_jwks keys;
        struct cd_key_signer signers[CD_ALG_COUNT]; /* `keys` has the references to their keys */
        struct cd_clients *clients;
        struct cd_arena arena;
};

void cd_snapshot_free(void *arg)
{
        struct cd_snapshot *snapshot = arg;

        if (!snapshot)
                return;
        cd_clients_free(snapshot->clients);
        cd_jwks_done(&snapshot->keys);
        cd_arena_done(&snapshot->arena);
        free(snapshot);
}

/* Copies the settings, because a reload frees the configuration while handlers still use the snapshot. */
static cd_status own_settings(struct cd_snapshot *snapshot, struct cd_error *reterr)
{
        struct cd_issuer *issuer = &snapshot->issuer;
        cd_str *scopes = cd_arena_calloc(&snapshot->arena, issuer->scopes.count + 1, sizeof(*scopes));
        bool all = scopes;

        for (size_t i = 0; all && i < issuer->scopes.count; i++) {
                scopes[i] = cd_arena_copy(&snapshot->arena, issuer->scopes.items[i]);
                all = scopes[i].ptr;
        }
        issuer->scopes.items = scopes;
        issuer->url = cd_arena_copy(&snapshot->arena, issuer->url);
        issuer->basic_tokens.audience = cd_arena_copy(&snapshot->arena, issuer->basic_tokens.audience);
        issuer->basic_tokens.client_id = cd_arena_copy(&snapshot->arena, issuer->basic_tokens.client_id);
        if (!all || !issuer->url.ptr || !issuer->basic_tokens.audience.ptr || !issuer->basic_tokens.client_id.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the settings");
        return CD_OK;
}

static cd_status fill(struct cd_snapshot *snapshot, const struct cd_snapshot_parts *parts, struct cd_error *reterr)
{
        cd_status status = CD_OK;

        for (size_t i = 0; i < parts->key_count && status == CD_OK; i++)
                status = cd_jwks_add(&snapshot->keys, parts->keys[i], reterr);
        if (status == CD_OK)
                status = cd_clients_new(parts->clients, parts->client_count, parts->mac_key, parts->common->random,
                                        &snapshot->clients, reterr);
        if (status != CD_OK)
                return status;
        snapshot->issuer = *parts->common;
        snapshot->issuer.keys = &snapshot->keys;
        snapshot->issuer.client_auth.clients = snapshot->clients;
        snapshot->issuer.alg = parts->alg;
        for (size_t i = 0; i < CD_ALG_COUNT; i++) {
                snapshot->signers[i] = cd_key_signer(parts->signing[i]);
                snapshot->issuer.signers[i] = parts->signing[i] ? &snapshot->signers[i].port : NULL;
        }
        status = own_settings(snapshot, reterr);
        if (status != CD_OK)
                return status;
        return cd_web_init(&snapshot->web, &snapshot->issuer, parts->revocations, parts->realm, &snapshot->arena,
                           reterr);
}

cd_status cd_snapshot_new(const struct cd_snapshot_parts *parts, struct cd_snapshot **ret, struct cd_error *reterr)
{
        struct cd_snapshot *snapshot = calloc(1, sizeof(*snapshot));

        if (!snapshot)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for clients and keys");
        cd_arena_init(&snapshot->arena, OWN);
        cd_status status = fill(snapshot, parts, reterr);
        if (status != CD_OK) {
                cd_snapshot_free(snapshot);
                return status;
        }
        *ret = snapshot;
        return CD_OK;
}
