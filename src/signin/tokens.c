#include "signin/tokens.h"

#include <time.h>

#include "base/blocking.h"
#include "base/buf.h"
#include "signin/provider.h"
#include "signin/token_cache.h"

enum {
        KEEP_ARENA = 256 * 1024,         /* bytes for the tokens of one user */
        REFRESH_ARENA = 8 * 1024 * 1024, /* bytes for a refresh: whatever the provider answers */
        PAUSE_MS = 100,
        LEASE_PAUSES = 100, /* how often to look whether another process has ended its refresh */
        WRITE_PAUSES = 30,  /* how often to try to write what the provider gave */
};

/* What the row of a user holds. */
struct kept {
        struct cd_provider_token row;
        cd_str access_token, refresh_token; /* refresh_token empty: there is none */
};

struct asking {
        const struct cd_signin_provider *provider;
        const struct cd_signin_services *with;
        cd_str user;
        struct cd_arena *own; /* of one attempt */
};

static void pause_briefly(void)
{
        const struct timespec time = { .tv_nsec = PAUSE_MS * 1000000L };

        cd_may_block("signin: a refresh by another process");
        nanosleep(&time, NULL);
}

/* ---- sealing ---- */

/* The tokens of one user cannot be moved to another one. */
static cd_str context_of(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str user)
{
        return cd_arena_printf(arena, "provider-token:%.*s:%.*s", CD_STR_ARG(provider->settings.name),
                               CD_STR_ARG(user));
}

/* RFC 6749 appendix A.12 and A.17, but an access token with a space cannot be sent in a header of its own. */
static bool is_token(cd_str token, char lowest)
{
        for (size_t i = 0; i < token.len; i++)
                if (token.ptr[i] < lowest || token.ptr[i] > '~')
                        return false;
        return token.len <= CD_SIGNIN_TOKEN_MAX;
}

static cd_status check(cd_str access_token, cd_str refresh_token, struct cd_error *reterr)
{
        if (!access_token.len || !is_token(access_token, '!'))
                return cd_fail(reterr, CD_INVALID_REQUEST,
                               "the provider's access token has characters that no header can carry, or is too long");
        if (!is_token(refresh_token, ' '))
                return cd_fail(reterr, CD_INVALID_REQUEST,
                               "the provider's refresh token has characters that it may not have, or is too long");
        return CD_OK;
}

/* No token contains a line end, so what follows it is the refresh token. */
static cd_status seal(const struct cd_signin_provider *provider, struct cd_arena *arena, struct kept *kept,
                      struct cd_error *reterr)
{
        const struct cd_signin_services *with = cd_signin_services_of(provider);
        cd_status status = check(kept->access_token, kept->refresh_token, reterr);

        if (status != CD_OK)
                return status;
        cd_str context = context_of(provider, arena, kept->row.user);
        cd_str text =
                cd_arena_printf(arena, "%.*s\n%.*s", CD_STR_ARG(kept->access_token), CD_STR_ARG(kept->refresh_token));
        if (!context.ptr || !text.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the provider's tokens");
        return cd_seal(with->master, arena, context, text, &kept->row.sealed, reterr);
}

static cd_status unseal(const struct asking *a, struct kept *kept, struct cd_error *reterr)
{
        cd_str context = context_of(a->provider, a->own, a->user), text;

        if (!context.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the provider's tokens");
        cd_status status = cd_unseal(a->with->master, a->own, context, kept->row.sealed, &text, reterr);
        if (status == CD_MALFORMED || status == CD_INVALID_REQUEST)
                return cd_fail(reterr, CD_NOT_FOUND, "the tokens in the store were sealed with another master key");
        if (status != CD_OK)
                return status;
        size_t end = cd_str_index(text, '\n');
        kept->access_token = cd_str_slice(text, 0, end);
        kept->refresh_token = cd_str_slice(text, end + 1, text.len);
        return CD_OK;
}

static cd_time expiry_of(const struct cd_signin_tokens *tokens, cd_time now)
{
        return tokens->expires_in > 0 ? now + tokens->expires_in : 0;
}

cd_status cd_signin_token_keep(const struct cd_signin_provider *provider, cd_str user,
                               const struct cd_signin_tokens *tokens, struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena = { 0 };
        const struct cd_signin_services *with = cd_signin_services_of(provider);
        struct kept kept = { .row = { .user = user, .provider = provider->settings.name },
                             .access_token = tokens->access_token,
                             .refresh_token = tokens->refresh_token };

        if (!provider->tokens)
                return CD_OK;
        cd_arena_init(&arena, KEEP_ARENA);
        cd_status status = cd_clock_read(with->clock, &kept.row.updated_at, reterr);
        if (status == CD_OK)
                status = seal(provider, &arena, &kept, reterr);
        if (status != CD_OK)
                return status;
        kept.row.expires_at = expiry_of(tokens, kept.row.updated_at);
        status = with->store->provider_tokens->put(with->store, &kept.row, reterr);
        cd_signin_token_cache_drop(provider->tokens, user);
        return status;
}

/* ---- refreshing ---- */

/* The row becomes as it was, and the next caller may have a lease. */
static void give_lease_back(const struct asking *a, const struct kept *kept)
{
        struct cd_error ignored;

        (void)a->with->store->provider_tokens->finish(a->with->store, &kept->row, &ignored);
}

/* The provider may have ended the refresh token that the store has, so a store that does not answer is asked again. */
static cd_status write_durably(const struct asking *a, const struct cd_provider_token *row, struct cd_error *reterr)
{
        struct cd_store *store = a->with->store;
        cd_status status = store->provider_tokens->finish(store, row, reterr);

        for (int i = 0; i < WRITE_PAUSES && (status == CD_UNAVAILABLE || status == CD_TIMEOUT); i++) {
                pause_briefly();
                status = store->provider_tokens->finish(store, row, reterr);
        }
        return status;
}

/* CD_EXISTS: the row has changed, so it is to be read again. */
static cd_status take_answer(const struct asking *a, struct kept *kept, const struct cd_signin_tokens *answer,
                             struct cd_error *reterr)
{
        struct kept next = { .row = kept->row, .access_token = answer->access_token };

        next.refresh_token = answer->refresh_token.len ? answer->refresh_token : kept->refresh_token;
        cd_status status = cd_clock_read(a->with->clock, &next.row.updated_at, reterr);
        if (status == CD_OK)
                status = seal(a->provider, a->own, &next, reterr);
        if (status != CD_OK)
                return status;
        next.row.expires_at = expiry_of(answer, next.row.updated_at);
        status = write_durably(a, &next.row, reterr);
        if (status == CD_OK)
                *kept = next;
        return status == CD_NOT_FOUND ? CD_EXISTS : status;
}

/* The reason stays as it is. */
static cd_status unavailable(struct cd_error *reterr)
{
        if (reterr)
                reterr->status = CD_UNAVAILABLE;
        return CD_UNAVAILABLE;
}

/* RFC 6749 §6. This process has the lease. */
static cd_status refresh(const struct asking *a, struct kept *kept, cd_str endpoint, struct cd_error *reterr)
{
        struct cd_store *store = a->with->store;
        struct cd_signin_tokens answer = { 0 };
        struct cd_buf form;
        cd_status status;
        cd_str text;

        cd_buf_init(&form, a->own, 4 * CD_SIGNIN_TOKEN_MAX);
        cd_signin_add_parameter(&form, "grant_type", CD_STR("refresh_token"));
        cd_signin_add_parameter(&form, "refresh_token", kept->refresh_token);
        if (cd_buf_view(&form, &text) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a refresh");
        switch (cd_signin_ask_tokens(a->provider, a->own, endpoint, text, &answer, reterr)) {
        case CD_SIGNIN_OK:
                status = take_answer(a, kept, &answer, reterr);
                return status == CD_INVALID_REQUEST ? unavailable(reterr) : status;
        case CD_SIGNIN_EXPIRED:
                (void)store->provider_tokens->remove(store, &kept->row, NULL);
                return cd_fail(reterr, CD_NOT_FOUND, "the provider no longer accepts the refresh token");
        default:
                give_lease_back(a, kept);
                return unavailable(reterr);
        }
}

/* As refresh; CD_EXISTS also while another process has the lease. */
static cd_status lease_and_refresh(const struct asking *a, struct kept *kept, cd_time now, struct cd_error *reterr)
{
        struct cd_store *store = a->with->store;
        struct cd_signin_endpoints endpoints = { 0 };

        if (cd_signin_endpoints_of(a->provider, a->own, &endpoints, reterr) != CD_SIGNIN_OK)
                return unavailable(reterr);
        if (!cd_signin_enter(a->provider))
                return cd_fail(reterr, CD_UNAVAILABLE, "max_in_flight requests at the provider are under way");
        cd_status status = store->provider_tokens->lease(store, &kept->row, now, now + CD_SIGNIN_TOKEN_LEASE,
                                                         &kept->row.version, reterr);
        if (status == CD_OK)
                status = refresh(a, kept, endpoints.token, reterr);
        cd_signin_leave(a->provider);
        return status;
}

/* One look at the row, and what follows from it. CD_EXISTS: look again. */
static cd_status try_once(const struct asking *a, struct kept *kept, struct cd_error *reterr)
{
        struct cd_store *store = a->with->store;
        struct kept before;
        cd_time now;

        cd_status status = cd_clock_read(a->with->clock, &now, reterr);
        if (status == CD_OK)
                status = store->provider_tokens->find(store, a->own, a->user, a->provider->settings.name, &kept->row,
                                                      reterr);
        if (status == CD_OK)
                status = unseal(a, kept, reterr);
        if (status != CD_OK)
                return status;
        cd_time ends = kept->row.expires_at;
        if (!ends || now < ends - CD_SIGNIN_TOKEN_MARGIN)
                return CD_OK;
        bool is_valid = now < ends;
        if (!kept->refresh_token.len)
                return is_valid ? CD_OK
                                : cd_fail(reterr, CD_NOT_FOUND, "the token has expired, and cannot be refreshed");
        before = *kept;
        status = lease_and_refresh(a, kept, now, reterr);
        if (status == CD_OK || status == CD_NOT_FOUND || !is_valid)
                return status;
        *kept = before;
        return CD_OK;
}

static cd_status ask(void *arg, struct cd_arena *arena, struct cd_signin_token *ret, struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena own = { 0 };
        struct asking *a = arg;
        struct kept kept = { 0 };

        a->own = &own;
        cd_arena_init(&own, REFRESH_ARENA);
        cd_status status = try_once(a, &kept, reterr);
        for (int i = 0; i < LEASE_PAUSES && status == CD_EXISTS; i++) {
                pause_briefly();
                cd_arena_reset(&own);
                status = try_once(a, &kept, reterr);
        }
        if (status == CD_EXISTS)
                return cd_fail(reterr, CD_UNAVAILABLE, "another process refreshes the tokens, and has not finished");
        if (status != CD_OK)
                return status;
        *ret = (struct cd_signin_token){ cd_arena_copy(arena, kept.access_token), kept.row.expires_at };
        return ret->access_token.ptr ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for a token");
}

/* ---- the current token ---- */

static cd_time cached_until(const struct cd_signin_token *token, cd_time now)
{
        cd_time until = now + CD_SIGNIN_TOKEN_CACHED, refresh_at = token->expires_at - CD_SIGNIN_TOKEN_MARGIN;

        return token->expires_at && refresh_at < until ? refresh_at : until;
}

cd_status cd_signin_token(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str user,
                          struct cd_signin_token *ret, struct cd_error *reterr)
{
        struct asking asking = { .provider = provider, .with = cd_signin_services_of(provider), .user = user };
        const struct cd_signin_token_question question = { user, ask, &asking };
        cd_time now;

        if (!provider->tokens)
                return cd_fail(reterr, CD_NOT_FOUND, "the tokens of that provider are not kept");
        cd_status status = cd_clock_read(asking.with->clock, &now, reterr);
        if (status != CD_OK || cd_signin_token_cache_get(provider->tokens, arena, user, now, ret))
                return status;
        status = cd_signin_token_cache_share(provider->tokens, arena, &question, ret, reterr);
        if (status == CD_OK)
                cd_signin_token_cache_put(provider->tokens, user, ret, cached_until(ret, now));
        return status;
}

bool cd_signin_token_cached(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str user,
                            struct cd_signin_token *ret)
{
        cd_time now;

        return provider->tokens && cd_clock_read(cd_signin_services_of(provider)->clock, &now, NULL) == CD_OK &&
               cd_signin_token_cache_get(provider->tokens, arena, user, now, ret);
}
