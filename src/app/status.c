#include "app/status.h"

#include "core/key_signer.h"

static const struct cd_field key_fields[] = {
        CD_STATUS_FIELD(struct cd_app_status_key, kid, STRING),
        CD_STATUS_FIELD(struct cd_app_status_key, alg, STRING),
        CD_STATUS_FIELD(struct cd_app_status_key, signs, BOOL),
};
static const struct cd_table key_table = { "key", key_fields, CD_LEN(key_fields), sizeof(struct cd_app_status_key),
                                           false };
static const struct cd_field store_fields[] = {
        CD_STATUS_FIELD(struct cd_app_status_store, location, STRING),
        CD_STATUS_FIELD(struct cd_app_status_store, state, STRING),
        CD_STATUS_FIELD(struct cd_app_status_store, reason, STRING),
};
static const struct cd_table store_table = { "store", store_fields, CD_LEN(store_fields),
                                             sizeof(struct cd_app_status_store), false };
static const struct cd_field fields[] = {
        CD_STATUS_FIELD(struct cd_app_status, store, OBJECT, .table = &store_table),
        CD_STATUS_FIELD(struct cd_app_status, keys, OBJECTS, .table = &key_table),
};
const struct cd_table cd_app_status_table = { "status", fields, CD_LEN(fields), sizeof(struct cd_app_status), false };

/* The state in a word, and a text that may be shown to anyone where it is not "ok". */
static struct cd_app_status_store store_status(const struct cd_storage *storage, const struct cd_store_state *state,
                                               struct cd_arena *arena)
{
        struct cd_error err = { 0 };
        bool is_available = cd_store_state_need(state, &err) == CD_OK;
        bool is_writable = is_available && cd_store_state_need_writable(state, &err) == CD_OK;

        return (struct cd_app_status_store){
                .location = storage->location,
                .state = is_writable    ? CD_STR("ok")
                         : is_available ? CD_STR("not writable")
                                        : CD_STR("unavailable"),
                .reason = is_writable ? CD_STR("") : cd_arena_copy(arena, cd_str_from_c(err.reason)),
        };
}

/* None if memory is out. */
static struct cd_objects key_status(const struct cd_issuer *issuer, struct cd_arena *arena)
{
        const struct cd_jwks *jwks = issuer->keys;
        struct cd_app_status_key *keys = cd_arena_calloc(arena, jwks->count + 1, sizeof(*keys));

        for (size_t i = 0; keys && i < jwks->count; i++) {
                const struct cd_jwk *key = jwks->keys[i];
                const struct cd_key_signer *signer = (const void *)issuer->signers[cd_jwk_alg(key)];
                keys[i] = (struct cd_app_status_key){
                        .kid = cd_jwk_kid(key),
                        .alg = cd_alg_name(cd_jwk_alg(key)),
                        .signs = signer && cd_str_eq(cd_jwk_kid(signer->key), cd_jwk_kid(key)),
                };
        }
        return (struct cd_objects){ keys, keys ? jwks->count : 0 };
}

struct cd_app_status cd_app_status(const struct cd_storage *storage, const struct cd_store_state *store_state,
                                   const struct cd_issuer *issuer, struct cd_arena *arena)
{
        return (struct cd_app_status){ store_status(storage, store_state, arena), key_status(issuer, arena) };
}
