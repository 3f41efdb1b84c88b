#include "core/keyring.h"

#include "base/base64.h"
#include "base/json.h"
#include "base/secret.h"

enum {
        PUBLIC_CEILING = 256 * 1024, /* bytes, for reading one public key */
        ROTATE_ATTEMPTS = 8,         /* in case others change the keys at the same time */
};

static bool is_over(const struct cd_key_record *key, cd_time now)
{
        return key->verify_until && key->verify_until <= now;
}

static bool is_later(const struct cd_key_record *a, const struct cd_key_record *b)
{
        if (a->sign_from != b->sign_from)
                return a->sign_from > b->sign_from;
        if (a->created_at != b->created_at)
                return a->created_at > b->created_at;
        for (size_t i = 0; i < a->kid.len && i < b->kid.len; i++)
                if (a->kid.ptr[i] != b->kid.ptr[i])
                        return (unsigned char)a->kid.ptr[i] > (unsigned char)b->kid.ptr[i];
        return a->kid.len > b->kid.len;
}

const struct cd_key_record *cd_key_signing(const struct cd_key_records *keys, cd_str alg, cd_time now)
{
        const struct cd_key_record *best = NULL;

        for (size_t i = 0; i < keys->count; i++) {
                const struct cd_key_record *key = &keys->items[i];
                if (!cd_str_eq(key->alg, alg) || key->sign_from > now || is_over(key, now))
                        continue;
                if (!best || is_later(key, best))
                        best = key;
        }
        return best;
}

bool cd_key_is_published(const struct cd_key_record *key, cd_time now)
{
        return !is_over(key, now);
}

cd_str cd_key_state(const struct cd_key_records *keys, const struct cd_key_record *key, cd_time now)
{
        if (is_over(key, now))
                return CD_STR("retired");
        if (key->sign_from > now)
                return CD_STR("next");
        const struct cd_key_record *signing = cd_key_signing(keys, key->alg, now);
        return signing && cd_str_eq(signing->kid, key->kid) ? CD_STR("signing") : CD_STR("verifying");
}

static void take_earlier(cd_time time, cd_time now, cd_time *first)
{
        if (time > now && (*first == 0 || time < *first))
                *first = time;
}

cd_time cd_keys_next_change(const struct cd_key_records *keys, cd_time now)
{
        cd_time first = 0;

        for (size_t i = 0; i < keys->count; i++) {
                take_earlier(keys->items[i].sign_from, now, &first);
                take_earlier(keys->items[i].verify_until, now, &first);
        }
        return first;
}

static cd_status make_key(const struct cd_key_params *params, struct cd_jwk **ret, struct cd_error *reterr)
{
        if (params->alg == CD_ALG_RS256 && params->rsa_bits)
                return cd_jwk_generate_rsa(params->rsa_bits, ret, reterr);
        return cd_jwk_generate(params->alg, ret, reterr);
}

static cd_str context_of(struct cd_arena *arena, cd_str kid)
{
        return cd_arena_printf(arena, "key:%.*s", CD_STR_ARG(kid));
}

/* The stored form of a key; its strings live in the arena. */
static cd_status describe(const struct cd_keyring *ring, struct cd_arena *arena, const struct cd_jwk *jwk,
                          struct cd_key_record *ret, struct cd_error *reterr)
{
        struct cd_arena secrets;
        struct cd_buf json;
        cd_str pem;

        cd_buf_init(&json, arena, 8 * 1024);
        cd_jwk_write_public(jwk, &json);
        ret->kid = cd_arena_copy(arena, cd_jwk_kid(jwk));
        ret->alg = cd_alg_name(cd_jwk_alg(jwk));
        cd_str context = context_of(arena, cd_jwk_kid(jwk));
        if (!ret->kid.ptr || !context.ptr || cd_buf_view(&json, &ret->public_jwk) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a key");
        cd_arena_init(&secrets, 64 * 1024);
        cd_status status = cd_jwk_write_pem(jwk, &secrets, &pem, reterr);
        if (status == CD_OK)
                status = cd_seal(ring->master, arena, context, pem, &ret->sealed, reterr);
        cd_arena_done(&secrets);
        return status;
}

static cd_status new_record(const struct cd_keyring *ring, struct cd_arena *arena, const struct cd_key_params *params,
                            struct cd_key_record *ret, struct cd_error *reterr)
{
        struct cd_key_record record = { .created_at = ring->now, .sign_from = ring->now };
        struct cd_jwk *jwk;

        if (!params->at_once)
                record.sign_from += params->publish_before ? params->publish_before : CD_KEY_PUBLISH_BEFORE;
        cd_status status = make_key(params, &jwk, reterr);
        if (status != CD_OK)
                return status;
        status = describe(ring, arena, jwk, &record, reterr);
        cd_jwk_unref(jwk);
        if (status == CD_OK)
                *ret = record;
        return status;
}

static struct cd_audit_event event_of(const struct cd_keyring *ring, struct cd_arena *arena, const char *action,
                                      cd_str kid, cd_str detail)
{
        return (struct cd_audit_event){
                .at = ring->now,
                .action = cd_str_from_c(action),
                .actor = ring->actor,
                .subject = context_of(arena, kid),
                .detail = detail,
        };
}

static cd_status add(const struct cd_keyring *ring, struct cd_arena *arena, const struct cd_key_addition *addition,
                     const char *action, struct cd_key_record *ret, struct cd_error *reterr)
{
        char from[CD_RFC3339_LEN];

        cd_time_format_rfc3339(addition->key.sign_from, from);
        cd_str detail =
                cd_arena_printf(arena, "%.*s, signs from %.*s%s%.*s", CD_STR_ARG(addition->key.alg), CD_RFC3339_LEN,
                                from, addition->replaces.len ? ", instead of " : "", CD_STR_ARG(addition->replaces));
        struct cd_audit_event event = event_of(ring, arena, action, addition->key.kid, detail);
        if (!detail.ptr || !event.subject.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a key");
        cd_status status = ring->store->keys->add(ring->store, addition, &event, reterr);
        if (status == CD_OK && ret)
                *ret = addition->key;
        return status;
}

cd_status cd_keyring_generate(const struct cd_keyring *ring, struct cd_arena *arena, const struct cd_key_params *params,
                              struct cd_key_record *ret, struct cd_error *reterr)
{
        struct cd_key_params first = *params;
        struct cd_key_addition addition = { .only_if_first = true };
        struct cd_key_records keys;

        first.at_once = true;
        cd_status status = ring->store->keys->list(ring->store, arena, &keys, reterr);
        if (status == CD_OK)
                status = new_record(ring, arena, &first, &addition.key, reterr);
        /* If a key signs now and will end, the new key replaces it now. */
        if (status == CD_OK && !cd_key_signing(&keys, addition.key.alg, ring->now))
                addition.key.sign_from -= CD_KEY_FIRST_BEFORE;
        if (status == CD_OK)
                status = add(ring, arena, &addition, "key.generate", ret, reterr);
        if (status == CD_EXISTS)
                return cd_failf(reterr, CD_EXISTS, CD_STR("alg"), "there is a key for %.*s already",
                                CD_STR_ARG(addition.key.alg));
        return status;
}

static cd_status end_key(const struct cd_keyring *ring, struct cd_arena *arena, cd_str kid, struct cd_error *reterr)
{
        struct cd_audit_event event = event_of(ring, arena, "key.retire", kid, CD_STR(""));

        if (!event.subject.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a key");
        return ring->store->keys->set_verify_until(ring->store, kid, ring->now, &event, reterr);
}

/* For one alg: whether any key has not ended, and the key that is published and does not sign yet. */
struct found {
        bool any;
        const struct cd_key_record *next;
};

static struct found look(const struct cd_key_records *keys, cd_str alg, cd_time now)
{
        struct found found = { 0 };

        for (size_t i = 0; i < keys->count; i++) {
                const struct cd_key_record *key = &keys->items[i];
                if (!cd_str_eq(key->alg, alg) || is_over(key, now))
                        continue;
                found.any = true;
                if (key->sign_from > now)
                        found.next = key;
        }
        return found;
}

static cd_status refuse_rotation(const struct found *found, cd_str alg, struct cd_error *reterr)
{
        char from[CD_RFC3339_LEN];

        if (!found->any)
                return cd_failf(reterr, CD_NOT_FOUND, CD_STR("alg"), "there is no key for %.*s", CD_STR_ARG(alg));
        cd_time_format_rfc3339(found->next->sign_from, from);
        return cd_failf(reterr, CD_EXISTS, CD_STR("alg"), "%.*s is published already and signs from %.*s",
                        CD_STR_ARG(found->next->kid), CD_RFC3339_LEN, from);
}

/* The keys, and a version that they have at least. */
static cd_status look_up(const struct cd_keyring *ring, struct cd_arena *arena, struct cd_key_records *ret,
                         int64_t *ret_version, struct cd_error *reterr)
{
        struct cd_store_versions versions;

        cd_status status = ring->store->versions(ring->store, &versions, reterr);
        if (status == CD_OK)
                *ret_version = versions.keys;
        return status == CD_OK ? ring->store->keys->list(ring->store, arena, ret, reterr) : status;
}

/* *ret_is_stale: another process has changed the keys meanwhile. */
static cd_status rotate(const struct cd_keyring *ring, struct cd_arena *arena, const struct cd_key_params *params,
                        struct cd_key_record *ret, bool *ret_is_stale, struct cd_error *reterr)
{
        struct cd_key_addition addition = { 0 };
        struct cd_key_records keys;

        cd_status status = look_up(ring, arena, &keys, &addition.if_version, reterr);
        if (status != CD_OK)
                return status;
        struct found found = look(&keys, cd_alg_name(params->alg), ring->now);
        if (!found.any || (found.next && !params->at_once))
                return refuse_rotation(&found, cd_alg_name(params->alg), reterr);
        status = new_record(ring, arena, params, &addition.key, reterr);
        if (status != CD_OK)
                return status;
        /* If two keys signed from the same second, the newer one would be ambiguous. */
        const struct cd_key_record *signing = cd_key_signing(&keys, addition.key.alg, ring->now);
        if (signing && addition.key.sign_from <= signing->sign_from)
                addition.key.sign_from = signing->sign_from + 1;
        addition.others_until = addition.key.sign_from + CD_KEY_VERIFIES_AFTER;
        if (found.next) /* at its sign_from it would replace the newer key */
                addition.replaces = found.next->kid;
        status = add(ring, arena, &addition, "key.rotate", ret, reterr);
        *ret_is_stale = status == CD_EXISTS;
        return status;
}

cd_status cd_keyring_rotate(const struct cd_keyring *ring, struct cd_arena *arena, const struct cd_key_params *params,
                            struct cd_key_record *ret, struct cd_error *reterr)
{
        cd_status status = CD_OK;
        bool is_stale = true;

        for (size_t i = 0; i < ROTATE_ATTEMPTS && is_stale; i++) {
                is_stale = false;
                status = rotate(ring, arena, params, ret, &is_stale, reterr);
        }
        return status;
}

cd_status cd_keyring_retire(const struct cd_keyring *ring, struct cd_arena *arena, cd_str kid, struct cd_error *reterr)
{
        const struct cd_key_record *key = NULL;
        struct cd_key_records keys;

        cd_status status = ring->store->keys->list(ring->store, arena, &keys, reterr);
        if (status != CD_OK)
                return status;
        for (size_t i = 0; i < keys.count; i++)
                if (cd_str_eq(keys.items[i].kid, kid))
                        key = &keys.items[i];
        if (!key)
                return cd_fail_field(reterr, CD_NOT_FOUND, CD_STR("kid"), "there is no such key");
        if (is_over(key, ring->now))
                return CD_OK;
        if (cd_key_signing(&keys, key->alg, ring->now) == key)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("kid"), "it signs now: rotate first");
        return end_key(ring, arena, kid, reterr);
}

static cd_status read_private(const struct cd_master_key *master, struct cd_arena *arena,
                              const struct cd_key_record *record, struct cd_jwk **ret, struct cd_error *reterr)
{
        cd_str context = context_of(arena, record->kid), pem;

        if (!context.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a key");
        cd_status status = cd_unseal(master, arena, context, record->sealed, &pem, reterr);
        if (status != CD_OK)
                return status;
        return cd_jwk_from_pem(pem, ret, reterr);
}

cd_status cd_keyring_unseal(const struct cd_master_key *master, const struct cd_key_record *record, struct cd_jwk **ret,
                            struct cd_error *reterr)
{
        struct cd_arena arena;
        struct cd_jwk *jwk = NULL;
        struct cd_error why = { 0 };

        cd_arena_init(&arena, 4 * CD_SEALED_MAX);
        cd_status status = read_private(master, &arena, record, &jwk, &why);
        cd_arena_done(&arena);
        if (status == CD_NO_MEMORY)
                return cd_fail(reterr, status, why.reason);
        if (status != CD_OK)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("kid"), "key %.*s cannot be opened: %s",
                                CD_STR_ARG(record->kid), why.reason);
        if (cd_jwk_is_private(jwk) && cd_str_eq(cd_jwk_kid(jwk), record->kid) &&
            cd_str_eq(cd_alg_name(cd_jwk_alg(jwk)), record->alg)) {
                *ret = jwk;
                return CD_OK;
        }
        cd_jwk_unref(jwk);
        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("kid"), "key %.*s is another one than its row says",
                        CD_STR_ARG(record->kid));
}

cd_status cd_keyring_read_public(const struct cd_key_record *record, struct cd_jwk **ret, struct cd_error *reterr)
{
        const struct cd_json *object;
        struct cd_arena arena;
        struct cd_error why = { 0 };

        cd_arena_init(&arena, PUBLIC_CEILING);
        cd_status status = cd_json_parse(&arena, record->public_jwk, CD_JSON_UNIQUE_NAMES, &object, &why);
        if (status == CD_OK)
                status = cd_jwk_from_json(&arena, object, ret, &why);
        cd_arena_done(&arena);
        if (status == CD_OK || status == CD_NO_MEMORY)
                return status == CD_OK ? CD_OK : cd_fail(reterr, status, "no memory for a key");
        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("kid"), "the public part of key %.*s is damaged: %s",
                        CD_STR_ARG(record->kid), why.reason);
}
