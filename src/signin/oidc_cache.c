#include "signin/oidc_cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
        METADATA_MAX = 64 * 1024, /* bytes of what is kept of it */
        URL_MAX = 2048,
};

/* A thing that is asked for, and when. */
struct published {
        int64_t fetched_at, failed_at;  /* of the clock that counts on (uptime); 0: not yet */
        enum cd_signin_failure failure; /* of the last request; OK: it was answered */
        struct cd_error error;
};

struct cd_signin_oidc_cache {
        pthread_mutex_t lock;  /* of the endpoints; held briefly, because a loop takes it, too */
        struct cd_arena arena; /* of the endpoints */
        struct cd_signin_endpoints endpoints;
        struct published metadata;
        pthread_mutex_t asking;    /* held while the issuer is asked for its metadata; taken before `lock` */
        atomic_size_t waiting;     /* for the first metadata */
        pthread_mutex_t keys_lock; /* of what follows; also held while the issuer is asked for it */
        struct published keys;
        struct cd_jwks jwks;
};

struct cd_signin_oidc_cache *cd_signin_oidc_cache_new(void)
{
        struct cd_signin_oidc_cache *cache = calloc(1, sizeof(*cache));

        if (!cache)
                return NULL;
        pthread_mutex_init(&cache->lock, NULL);
        pthread_mutex_init(&cache->asking, NULL);
        pthread_mutex_init(&cache->keys_lock, NULL);
        cd_arena_init(&cache->arena, METADATA_MAX);
        return cache;
}

void cd_signin_oidc_cache_free(struct cd_signin_oidc_cache *cache)
{
        if (!cache)
                return;
        cd_jwks_done(&cache->jwks);
        cd_arena_done(&cache->arena);
        pthread_mutex_destroy(&cache->keys_lock);
        pthread_mutex_destroy(&cache->asking);
        pthread_mutex_destroy(&cache->lock);
        free(cache);
}

static int64_t uptime_of(const struct cd_signin_provider *provider)
{
        const struct cd_clock *clock = cd_signin_services_of(provider)->clock;

        return clock->uptime(clock);
}

static enum cd_signin_failure odd(struct cd_error *reterr, const char *member, const char *reason)
{
        (void)cd_fail_field(reterr, CD_MALFORMED, cd_str_from_c(member), reason);
        return CD_SIGNIN_PROVIDER_ERROR;
}

/* Whether the issuer is to be asked, rather than what is there to be used. */
static bool is_due(const struct published *p, int64_t now, int64_t lifetime)
{
        if (p->failed_at && now - p->failed_at < CD_SIGNIN_PUBLISHED_RETRY)
                return false;
        return !p->fetched_at || now - p->fetched_at >= lifetime;
}

static void note(struct published *p, int64_t now, enum cd_signin_failure failure, const struct cd_error *error)
{
        p->failure = failure;
        p->failed_at = failure == CD_SIGNIN_OK ? 0 : now;
        if (failure == CD_SIGNIN_OK)
                p->fetched_at = now;
        else
                p->error = *error;
}

static enum cd_signin_failure repeat(const struct published *p, struct cd_error *reterr)
{
        if (reterr)
                *reterr = p->error;
        return p->failure;
}

/* ---- metadata ---- */

struct member {
        const char *name;
        cd_str *to;
        bool is_required;
};

/* An issuer of https cannot send browsers, codes and tokens to http. */
static bool is_url(cd_str text, cd_str issuer)
{
        bool is_https = cd_str_has_prefix(text, CD_STR("https://"));
        bool may_be_http = cd_str_has_prefix(issuer, CD_STR("http://"));

        return text.len <= URL_MAX && !cd_str_has_control(text) && cd_str_index(text, ' ') == text.len &&
               cd_str_index(text, '#') == text.len && /* a query after it would not be sent (RFC 6749 §3.1) */
               (is_https || (may_be_http && cd_str_has_prefix(text, CD_STR("http://"))));
}

static enum cd_signin_failure read_members(const struct cd_json *object, cd_str issuer, struct cd_arena *arena,
                                           const struct member *members, size_t count, struct cd_error *reterr)
{
        for (size_t i = 0; i < count; i++) {
                const struct cd_json *found = cd_json_find(object, cd_str_from_c(members[i].name));
                *members[i].to = (cd_str){ NULL, 0 };
                if (!found && !members[i].is_required)
                        continue;
                if (!found)
                        return odd(reterr, members[i].name, "is missing in the metadata of the issuer");
                if (found->type != CD_JSON_STRING || !is_url(found->text, issuer))
                        return odd(reterr, members[i].name, "is not a URL of https in the metadata of the issuer");
                *members[i].to = cd_arena_copy(arena, found->text);
                if (!members[i].to->ptr) {
                        (void)cd_fail(reterr, CD_NO_MEMORY, "no memory for the metadata of the issuer");
                        return CD_SIGNIN_UNAVAILABLE;
                }
        }
        return CD_SIGNIN_OK;
}

static enum cd_signin_failure read_metadata(const struct cd_signin_provider *provider, const struct cd_json *object,
                                            struct cd_arena *arena, struct cd_signin_endpoints *ret,
                                            struct cd_error *reterr)
{
        const struct cd_json *issuer = cd_json_find(object, CD_STR("issuer"));
        const struct cd_json *sends = cd_json_find(object, CD_STR("authorization_response_iss_parameter_supported"));
        const struct member members[] = {
                { "authorization_endpoint", &ret->authorization, true },
                { "token_endpoint", &ret->token, true },
                { "jwks_uri", &ret->jwks, true },
                { "userinfo_endpoint", &ret->userinfo, false },
                { "end_session_endpoint", &ret->end_session, false },
        };

        if (!issuer || issuer->type != CD_JSON_STRING)
                return odd(reterr, "issuer", "is missing in the metadata of the issuer");
        if (!cd_str_eq(issuer->text, provider->settings.issuer)) {
                (void)cd_failf(reterr, CD_MALFORMED, CD_STR("issuer"),
                               "is %.*s in the metadata, and %.*s in the configuration; they must be the same",
                               CD_STR_ARG(cd_str_slice(issuer->text, 0, 100)),
                               CD_STR_ARG(cd_str_slice(provider->settings.issuer, 0, 100)));
                return CD_SIGNIN_PROVIDER_ERROR;
        }
        ret->issuer = provider->settings.issuer;
        ret->requires_iss = sends && sends->type == CD_JSON_BOOL && cd_str_eq(sends->text, CD_STR("true"));
        return read_members(object, provider->settings.issuer, arena, members, CD_LEN(members), reterr);
}

static enum cd_signin_failure fetch_metadata(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                             struct cd_error *reterr)
{
        struct cd_signin_oidc_cache *cache = provider->oidc;
        struct cd_signin_endpoints endpoints = { 0 };
        cd_str issuer = provider->settings.issuer;
        const struct cd_json *object;
        struct cd_arena kept;

        /* Discovery §4.1: without a slash at the end of the issuer. */
        if (cd_str_has_suffix(issuer, CD_STR("/")))
                issuer = cd_str_slice(issuer, 0, issuer.len - 1);
        cd_str url = cd_arena_printf(arena, "%.*s/.well-known/openid-configuration", CD_STR_ARG(issuer));
        enum cd_signin_failure failure = cd_signin_get_json(provider, arena, url, (cd_str){ NULL, 0 }, &object, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        cd_arena_init(&kept, METADATA_MAX);
        failure = read_metadata(provider, object, &kept, &endpoints, reterr);
        if (failure != CD_SIGNIN_OK) {
                cd_arena_done(&kept);
                return failure;
        }
        pthread_mutex_lock(&cache->lock);
        struct cd_arena before = cache->arena;
        cache->arena = kept;
        cache->endpoints = endpoints;
        pthread_mutex_unlock(&cache->lock);
        cd_arena_done(&before);
        return CD_SIGNIN_OK;
}

static bool copy_endpoints(const struct cd_signin_endpoints *from, struct cd_arena *arena,
                           struct cd_signin_endpoints *ret)
{
        *ret = *from;
        cd_str *const texts[] = { &ret->authorization, &ret->token, &ret->userinfo, &ret->end_session, &ret->jwks };

        for (size_t i = 0; i < CD_LEN(texts); i++) {
                if (!texts[i]->ptr)
                        continue;
                *texts[i] = cd_arena_copy(arena, *texts[i]);
                if (!texts[i]->ptr)
                        return false;
        }
        return true;
}

/* What is known of the endpoints. *ret_due: the issuer is to be asked. */
static enum cd_signin_failure read_known(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                         struct cd_signin_endpoints *ret, bool *ret_due, struct cd_error *reterr)
{
        struct cd_signin_oidc_cache *cache = provider->oidc;
        bool is_copied = true;

        *ret = (struct cd_signin_endpoints){ 0 };
        pthread_mutex_lock(&cache->lock);
        *ret_due = is_due(&cache->metadata, uptime_of(provider), CD_SIGNIN_PUBLISHED_LIFETIME);
        bool is_there = cache->endpoints.token.ptr;
        enum cd_signin_failure failure = is_there ? CD_SIGNIN_OK : repeat(&cache->metadata, reterr);
        if (is_there)
                is_copied = copy_endpoints(&cache->endpoints, arena, ret);
        pthread_mutex_unlock(&cache->lock);
        if (is_copied)
                return failure;
        (void)cd_fail(reterr, CD_NO_MEMORY, "no memory for the metadata of the issuer");
        return CD_SIGNIN_UNAVAILABLE;
}

/* `asking` is held. */
static void ask_for_metadata(const struct cd_signin_provider *provider, struct cd_arena *arena)
{
        struct cd_signin_oidc_cache *cache = provider->oidc;
        struct cd_error err = { 0 };
        enum cd_signin_failure failure = fetch_metadata(provider, arena, &err);

        pthread_mutex_lock(&cache->lock);
        note(&cache->metadata, uptime_of(provider), failure, &err);
        pthread_mutex_unlock(&cache->lock);
}

/* Asks for it, unless another thread has done so meanwhile. `asking` is held. */
static enum cd_signin_failure ask_if_due(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                         struct cd_signin_endpoints *ret, struct cd_error *reterr)
{
        bool is_due_now;

        enum cd_signin_failure failure = read_known(provider, arena, ret, &is_due_now, reterr);
        if (!is_due_now || failure == CD_SIGNIN_UNAVAILABLE)
                return failure;
        ask_for_metadata(provider, arena);
        return read_known(provider, arena, ret, &is_due_now, reterr);
}

/* Nothing is known yet: all wait for the thread that asks, but no more than may wait for a provider. */
static enum cd_signin_failure wait_for_metadata(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                                struct cd_signin_endpoints *ret, struct cd_error *reterr)
{
        struct cd_signin_oidc_cache *cache = provider->oidc;
        enum cd_signin_failure failure = CD_SIGNIN_BUSY;

        if (atomic_fetch_add(&cache->waiting, 1) < provider->settings.max_in_flight) {
                pthread_mutex_lock(&cache->asking);
                failure = ask_if_due(provider, arena, ret, reterr);
                pthread_mutex_unlock(&cache->asking);
        } else {
                (void)cd_fail(reterr, CD_UNAVAILABLE, "max_in_flight logins wait for the metadata of the issuer");
        }
        atomic_fetch_sub(&cache->waiting, 1);
        return failure;
}

enum cd_signin_failure cd_signin_oidc_metadata(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                               struct cd_signin_endpoints *ret, struct cd_error *reterr)
{
        struct cd_signin_oidc_cache *cache = provider->oidc;
        bool is_due_now;

        enum cd_signin_failure failure = read_known(provider, arena, ret, &is_due_now, reterr);
        if (!is_due_now || failure == CD_SIGNIN_UNAVAILABLE)
                return failure;
        if (!ret->token.ptr)
                return wait_for_metadata(provider, arena, ret, reterr);
        /* While one thread asks a slow issuer, the others go on with what is known. */
        if (pthread_mutex_trylock(&cache->asking) != 0)
                return failure;
        failure = ask_if_due(provider, arena, ret, reterr);
        pthread_mutex_unlock(&cache->asking);
        return failure;
}

cd_str cd_signin_oidc_end_session(const struct cd_signin_provider *provider, struct cd_arena *arena)
{
        struct cd_signin_oidc_cache *cache = provider->oidc;

        pthread_mutex_lock(&cache->lock);
        cd_str url = cache->endpoints.end_session;
        if (url.ptr)
                url = cd_arena_copy(arena, url);
        pthread_mutex_unlock(&cache->lock);
        return url;
}

/* ---- keys ---- */

/* Another request for the metadata may replace it meanwhile. */
static cd_str copy_jwks_uri(struct cd_signin_oidc_cache *cache, struct cd_arena *arena)
{
        pthread_mutex_lock(&cache->lock);
        cd_str url = cd_arena_copy(arena, cache->endpoints.jwks);
        pthread_mutex_unlock(&cache->lock);
        return url;
}

static enum cd_signin_failure fetch_keys(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                         struct cd_error *reterr)
{
        struct cd_signin_oidc_cache *cache = provider->oidc;
        cd_str url = copy_jwks_uri(cache, arena), text;
        struct cd_jwks jwks = { 0 };
        struct cd_error err = { 0 };

        enum cd_signin_failure failure = cd_signin_get(provider, arena, url, (cd_str){ NULL, 0 }, &text, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        cd_status status = cd_jwks_parse(text, &jwks, &err);
        if (status == CD_OK) {
                cd_jwks_done(&cache->jwks);
                cache->jwks = jwks;
                return CD_SIGNIN_OK;
        }
        (void)cd_failf(reterr, status, CD_STR("jwks_uri"), "the keys of the issuer cannot be used: %s", err.reason);
        return status == CD_NO_MEMORY ? CD_SIGNIN_UNAVAILABLE : CD_SIGNIN_PROVIDER_ERROR;
}

/* Whether the set may have been replaced since: a signature fails with a key that is gone, too. */
static cd_status verify(struct cd_signin_oidc_cache *cache, struct cd_arena *arena, cd_str id_token,
                        const struct cd_jwt_expect *expect, struct cd_jwt *ret, struct cd_error *reterr)
{
        if (!cache->keys.fetched_at)
                return CD_INVALID_TOKEN;
        return cd_jwt_verify_whole(arena, &cache->jwks, id_token, expect, ret, reterr);
}

static enum cd_signin_failure verify_locked(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                            cd_str id_token, const struct cd_jwt_expect *expect, struct cd_jwt *ret,
                                            struct cd_error *reterr)
{
        struct cd_signin_oidc_cache *cache = provider->oidc;
        struct published *keys = &cache->keys;
        int64_t now = uptime_of(provider);
        struct cd_error err = { 0 };
        cd_status status = CD_INVALID_TOKEN;

        if (!is_due(keys, now, CD_SIGNIN_PUBLISHED_LIFETIME))
                status = verify(cache, arena, id_token, expect, ret, reterr);
        if (status == CD_INVALID_TOKEN && is_due(keys, now, CD_SIGNIN_KEYS_AGAIN)) {
                enum cd_signin_failure failure = fetch_keys(provider, arena, &err);
                note(keys, uptime_of(provider), failure, &err);
                status = verify(cache, arena, id_token, expect, ret, reterr);
        }
        if (!keys->fetched_at)
                return repeat(keys, reterr);
        if (status == CD_OK)
                return CD_SIGNIN_OK;
        return status == CD_NO_MEMORY ? CD_SIGNIN_UNAVAILABLE : CD_SIGNIN_PROVIDER_ERROR;
}

enum cd_signin_failure cd_signin_oidc_verify(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                             cd_str id_token, const struct cd_jwt_expect *expect, struct cd_jwt *ret,
                                             struct cd_error *reterr)
{
        pthread_mutex_lock(&provider->oidc->keys_lock);
        enum cd_signin_failure failure = verify_locked(provider, arena, id_token, expect, ret, reterr);
        pthread_mutex_unlock(&provider->oidc->keys_lock);
        return failure;
}
