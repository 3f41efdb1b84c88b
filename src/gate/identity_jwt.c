#include "gate/identity_jwt.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/secret.h"
#include "crypto/random.h"
#include "gate/forward_internal.h"

enum {
        SHARDS = 16, /* with a lock each */
        JTI_SIZE = 16,
};

/* A token, after the bytes by which it is found. */
struct entry {
        cd_time signed_at;
        size_t key_len, token_len;
        char bytes[];
};

struct cd_gate_jwts {
        const struct cd_gate_signer *signer;
        uint64_t seed[2];
        pthread_mutex_t locks[SHARDS];
        struct entry *entries[CD_GATE_JWT_SLOTS];
};

struct cd_gate_jwts *cd_gate_jwts_new(const struct cd_gate_signer *signer)
{
        struct cd_gate_jwts *jwts = calloc(1, sizeof(*jwts));

        if (!jwts || cd_random_system.fill(&cd_random_system, jwts->seed, sizeof(jwts->seed)) != CD_OK) {
                free(jwts);
                return NULL;
        }
        jwts->signer = signer;
        for (size_t i = 0; i < SHARDS; i++)
                pthread_mutex_init(&jwts->locks[i], NULL);
        return jwts;
}

static void free_entry(struct entry *entry)
{
        if (entry)
                cd_wipe(entry->bytes, entry->key_len + entry->token_len);
        free(entry);
}

void cd_gate_jwts_free(struct cd_gate_jwts *jwts)
{
        if (!jwts)
                return;
        for (size_t i = 0; i < CD_GATE_JWT_SLOTS; i++)
                free_entry(jwts->entries[i]);
        for (size_t i = 0; i < SHARDS; i++)
                pthread_mutex_destroy(&jwts->locks[i]);
        free(jwts);
}

/* Everything that the token says but its times, and what tells one session from another of the same user. */
static cd_status make_key(struct cd_arena *arena, const struct cd_gate_jwt_params *params, cd_str *ret)
{
        const struct cd_live_session *who = params->who;
        const int64_t numbers[] = { who->factors, who->generation, who->auth_time, who->expires_at };
        const cd_str texts[] = { params->route->name, cd_str_from_c(params->auth_type),
                                 who->user,           who->groups,
                                 who->email,          who->display_name };
        struct cd_buf buf;

        cd_buf_init(&buf, arena, arena->ceiling);
        cd_buf_reserve(&buf, 256);
        cd_buf_add(&buf, cd_str_of((const char *)numbers, sizeof(numbers)));
        for (size_t i = 0; i < CD_LEN(texts); i++) {
                cd_buf_add(&buf, cd_str_of((const char *)&texts[i].len, sizeof(texts[i].len)));
                cd_buf_add(&buf, texts[i]);
        }
        return cd_buf_view(&buf, ret) == CD_OK ? CD_OK : CD_NO_MEMORY;
}

/* ---- the table ---- */

static cd_status find(struct cd_gate_jwts *jwts, struct cd_arena *arena, size_t slot, cd_str key, cd_time now,
                      cd_str *ret)
{
        cd_status status = CD_NOT_FOUND;

        pthread_mutex_lock(&jwts->locks[slot % SHARDS]);
        const struct entry *entry = jwts->entries[slot];
        if (entry && entry->signed_at <= now && now - entry->signed_at < CD_GATE_JWT_REUSED_FOR &&
            cd_str_eq(cd_str_of(entry->bytes, entry->key_len), key)) {
                *ret = cd_arena_copy(arena, cd_str_of(entry->bytes + entry->key_len, entry->token_len));
                status = ret->ptr ? CD_OK : CD_NO_MEMORY;
        }
        pthread_mutex_unlock(&jwts->locks[slot % SHARDS]);
        return status;
}

/* Does nothing if memory is out. */
static void keep(struct cd_gate_jwts *jwts, size_t slot, cd_str key, cd_str token, cd_time now)
{
        struct entry *entry = malloc(sizeof(*entry) + key.len + token.len), *earlier;

        if (!entry)
                return;
        *entry = (struct entry){ .signed_at = now, .key_len = key.len, .token_len = token.len };
        memcpy(entry->bytes, key.ptr, key.len);
        memcpy(entry->bytes + key.len, token.ptr, token.len);
        pthread_mutex_lock(&jwts->locks[slot % SHARDS]);
        earlier = jwts->entries[slot];
        jwts->entries[slot] = entry;
        pthread_mutex_unlock(&jwts->locks[slot % SHARDS]);
        free_entry(earlier);
}

/* ---- signing ---- */

static cd_status sign(const struct cd_gate_signer *signer, struct cd_arena *arena,
                      const struct cd_gate_jwt_params *params, cd_str *ret, struct cd_error *reterr)
{
        struct cd_claims claims = {
                .iss = signer->issuer,
                .sub = params->who->user,
                .aud = params->route->name,
                .client_id = params->route->name,
                .iat = params->now,
                .exp = params->now + CD_GATE_JWT_LIFETIME,
        };
        unsigned char id[JTI_SIZE];
        struct cd_buf jti, extra;

        cd_status status = cd_random_system.fill(&cd_random_system, id, sizeof(id));
        if (status != CD_OK)
                return cd_fail(reterr, status, "no random bytes for a token");
        cd_buf_init(&jti, arena, arena->ceiling);
        cd_buf_add_base64url(&jti, cd_str_of((const char *)id, sizeof(id)));
        cd_buf_init(&extra, arena, arena->ceiling);
        cd_buf_add_char(&extra, '{');
        cd_gate_add_claims(&extra, params->who, params->auth_type);
        cd_buf_add_char(&extra, '}');
        if (cd_buf_view(&jti, &claims.jti) != CD_OK || cd_buf_view(&extra, &claims.extra) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a token");
        return signer->sign(signer, arena, CD_STR("JWT"), &claims, ret, reterr);
}

cd_status cd_gate_jwts_get(struct cd_gate_jwts *jwts, struct cd_arena *arena, const struct cd_gate_jwt_params *params,
                           cd_str *ret, struct cd_error *reterr)
{
        cd_str key;

        cd_status status = make_key(arena, params, &key);
        if (status != CD_OK)
                return cd_fail(reterr, status, "no memory for a token");
        size_t slot = cd_siphash(jwts->seed, key) % CD_GATE_JWT_SLOTS;
        status = find(jwts, arena, slot, key, params->now, ret);
        if (status != CD_NOT_FOUND)
                return status == CD_OK ? CD_OK : cd_fail(reterr, status, "no memory for a token");
        status = sign(jwts->signer, arena, params, ret, reterr);
        if (status == CD_OK)
                keep(jwts, slot, key, *ret, params->now);
        return status;
}
