#include "signin/signin.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/percent.h"
#include "base/secret.h"
#include "core/digest.h"
#include "signin/provider.h"
#include "signin/oidc_cache.h"
#include "signin/token_cache.h"

enum {
        SETTINGS_MAX = 16 * 1024 * 1024, /* bytes of all providers */
        LOGIN_MAX = 8 * 1024 * 1024,     /* bytes of one login: the provider's answers, and what is made of them */
        URL_MAX = 16 * 1024,
};

struct cd_signin {
        struct cd_arena arena;
        struct cd_signin_services services;
        struct cd_signin_provider *providers;
        size_t count;
};

static const struct cd_signin_kind *const kinds[CD_SIGNIN_TYPES] = {
        [CD_SIGNIN_GITHUB] = &cd_signin_github,  [CD_SIGNIN_OSU] = &cd_signin_oauth2,
        [CD_SIGNIN_DISCORD] = &cd_signin_oauth2, [CD_SIGNIN_GOOGLE] = &cd_signin_oidc,
        [CD_SIGNIN_OIDC] = &cd_signin_oidc,      [CD_SIGNIN_OAUTH2] = &cd_signin_oauth2,
};

/* ---- settings ---- */

static bool copy_strs(struct cd_arena *arena, struct cd_strs *list)
{
        cd_str *items = cd_arena_calloc(arena, list->count + 1, sizeof(*items));

        for (size_t i = 0; items && i < list->count; i++) {
                items[i] = cd_arena_copy(arena, list->items[i]);
                if (!items[i].ptr)
                        return false;
        }
        list->items = items;
        return items != NULL;
}

static bool copy_settings(struct cd_arena *arena, const struct cd_signin_provider_settings *from,
                          struct cd_signin_provider_settings *ret)
{
        *ret = *from;
        cd_str *const texts[] = { &ret->name,
                                  &ret->label,
                                  &ret->client_id,
                                  &ret->client_secret,
                                  &ret->issuer,
                                  &ret->authorization_endpoint,
                                  &ret->token_endpoint,
                                  &ret->userinfo_endpoint,
                                  &ret->identity.subject,
                                  &ret->identity.login,
                                  &ret->identity.name,
                                  &ret->identity.email,
                                  &ret->identity.email_verified };
        struct cd_strs *const lists[] = { &ret->scopes,      &ret->allow.subjects,      &ret->allow.organizations,
                                          &ret->allow.teams, &ret->allow.email_domains, &ret->groups };
        bool is_copied = true;

        for (size_t i = 0; i < CD_LEN(texts) && is_copied; i++) {
                *texts[i] = cd_arena_copy(arena, *texts[i]);
                is_copied = texts[i]->ptr != NULL;
        }
        for (size_t i = 0; i < CD_LEN(lists) && is_copied; i++)
                is_copied = copy_strs(arena, lists[i]);
        return is_copied;
}

static cd_status fail_in(size_t index, const char *member, const char *reason, struct cd_error *reterr)
{
        char field[64];

        snprintf(field, sizeof(field), "providers[%zu].%s", index, member);
        return cd_fail_field(reterr, CD_INVALID_REQUEST, cd_str_from_c(field), reason);
}

static cd_status check(const struct cd_signin_provider_settings *s, size_t index, struct cd_error *reterr)
{
        bool is_discovered = kinds[s->type]->endpoints;
        const struct {
                const char *member;
                cd_str value;
        } required[] = {
                { "name", s->name },
                { "client_id", s->client_id },
                { "client_secret", s->client_secret },
                { "issuer", is_discovered ? s->issuer : CD_STR("none") },
                { "authorization_endpoint", is_discovered ? CD_STR("discovered") : s->authorization_endpoint },
                { "token_endpoint", is_discovered ? CD_STR("discovered") : s->token_endpoint },
                { "userinfo_endpoint", is_discovered ? CD_STR("discovered") : s->userinfo_endpoint },
        };

        for (size_t i = 0; i < CD_LEN(required); i++)
                if (!required[i].value.len)
                        return fail_in(index, required[i].member, "is missing", reterr);
        return CD_OK;
}

static bool new_caches(struct cd_signin_provider *provider)
{
        if (provider->settings.keep_tokens)
                provider->tokens = cd_signin_token_cache_new();
        if (provider->kind->endpoints)
                provider->oidc = cd_signin_oidc_cache_new();
        return (provider->tokens || !provider->settings.keep_tokens) && (provider->oidc || !provider->kind->endpoints);
}

static cd_status fill(struct cd_signin *signin, const struct cd_signin_settings *settings, struct cd_error *reterr)
{
        struct cd_arena *arena = &signin->arena;

        signin->providers = cd_arena_calloc(arena, settings->provider_count + 1, sizeof(*signin->providers));
        if (!signin->providers)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the providers");
        for (size_t i = 0; i < settings->provider_count; i++) {
                struct cd_signin_provider *provider = &signin->providers[signin->count++];
                cd_status status = check(&settings->providers[i], i, reterr);
                if (status != CD_OK)
                        return status;
                provider->services = &signin->services;
                provider->kind = kinds[settings->providers[i].type];
                provider->in_flight = cd_arena_calloc(arena, 1, sizeof(*provider->in_flight));
                provider->redirect_uri =
                        cd_arena_printf(arena, "%.*s/signin/%.*s/callback", CD_STR_ARG(settings->portal_url),
                                        CD_STR_ARG(settings->providers[i].name));
                if (!copy_settings(arena, &settings->providers[i], &provider->settings) || !provider->in_flight ||
                    !provider->redirect_uri.ptr || !new_caches(provider))
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the providers");
        }
        return CD_OK;
}

static void free_all(struct cd_signin *s)
{
        if (!s)
                return;
        for (size_t i = 0; i < s->count; i++) {
                cd_signin_token_cache_free(s->providers[i].tokens);
                cd_signin_oidc_cache_free(s->providers[i].oidc);
        }
        cd_arena_done(&s->arena);
        free(s);
}

cd_status cd_signin_new(const struct cd_signin_settings *settings, const struct cd_signin_services *services,
                        struct cd_signin **ret, struct cd_error *reterr)
{
        struct cd_signin *signin = calloc(1, sizeof(*signin));

        if (!signin)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the providers");
        cd_arena_init(&signin->arena, SETTINGS_MAX);
        signin->services = *services;
        cd_status status = fill(signin, settings, reterr);
        if (status == CD_OK && !copy_strs(&signin->arena, &signin->services.by.configured))
                status = cd_fail(reterr, CD_NO_MEMORY, "no memory for the providers");
        if (status == CD_OK)
                *ret = signin;
        else
                free_all(signin);
        return status;
}

void cd_signin_free(void *signin)
{
        const struct cd_signin *s = signin;
        const struct cd_signin_http http = s ? s->services.http : (struct cd_signin_http){ 0 };

        free_all(signin);
        if (http.release)
                http.release(http.arg);
}

size_t cd_signin_count(const struct cd_signin *signin)
{
        return signin ? signin->count : 0;
}

const struct cd_signin_provider *cd_signin_at(const struct cd_signin *signin, size_t index)
{
        return &signin->providers[index];
}

const struct cd_signin_provider *cd_signin_find(const struct cd_signin *signin, cd_str name)
{
        for (size_t i = 0; i < cd_signin_count(signin); i++)
                if (cd_str_eq(signin->providers[i].settings.name, name))
                        return &signin->providers[i];
        return NULL;
}

cd_str cd_signin_name(const struct cd_signin_provider *provider)
{
        return provider->settings.name;
}

cd_str cd_signin_label(const struct cd_signin_provider *provider)
{
        return provider->settings.label;
}

cd_str cd_signin_secret(const struct cd_signin *signin, cd_str name)
{
        const struct cd_signin_provider *provider = cd_signin_find(signin, name);

        return provider ? provider->settings.client_secret : (cd_str){ NULL, 0 };
}

bool cd_signin_asks_second_factor(const struct cd_signin_provider *provider)
{
        return provider->settings.second_factor;
}

cd_str cd_signin_redirect_uri(const struct cd_signin_provider *provider)
{
        return provider->redirect_uri;
}

cd_str cd_signin_logout_url(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str after)
{
        return provider->kind->logout_url ? provider->kind->logout_url(provider, arena, after) : (cd_str){ NULL, 0 };
}

/* ---- the start ---- */

static enum cd_signin_failure fail(enum cd_signin_failure failure, cd_status status, const char *reason,
                                   struct cd_error *reterr)
{
        (void)cd_fail(reterr, status, reason);
        return failure;
}

static cd_str join(struct cd_arena *arena, struct cd_strs words)
{
        cd_str joined = CD_STR("");

        for (size_t i = 0; i < words.count && joined.ptr; i++)
                joined = i ? cd_arena_printf(arena, "%.*s %.*s", CD_STR_ARG(joined), CD_STR_ARG(words.items[i]))
                           : words.items[0];
        return joined;
}

/* RFC 6749 §4.1.1, RFC 7636 §4.3. */
cd_status cd_signin_authorization_url(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                      cd_str endpoint, const struct cd_signin_state *state, cd_str *ret)
{
        const struct cd_signin_provider_settings *settings = &provider->settings;
        cd_str scope = join(arena, settings->scopes), challenge = cd_signin_challenge(arena, state->verifier);
        struct cd_buf url;

        if (!scope.ptr || !challenge.ptr)
                return CD_NO_MEMORY;
        cd_buf_init(&url, arena, URL_MAX);
        cd_buf_add(&url, endpoint);
        if (cd_str_index(endpoint, '?') == endpoint.len)
                cd_buf_add_char(&url, '?');
        cd_signin_add_parameter(&url, "response_type", CD_STR("code"));
        cd_signin_add_parameter(&url, "client_id", settings->client_id);
        cd_signin_add_parameter(&url, "redirect_uri", provider->redirect_uri);
        if (scope.len)
                cd_signin_add_parameter(&url, "scope", scope);
        cd_signin_add_parameter(&url, "state", state->state);
        if (provider->kind->sends_nonce)
                cd_signin_add_parameter(&url, "nonce", state->nonce);
        if (settings->pkce) {
                cd_signin_add_parameter(&url, "code_challenge", challenge);
                cd_signin_add_parameter(&url, "code_challenge_method", CD_STR("S256"));
        }
        return cd_buf_view(&url, ret);
}

enum cd_signin_failure cd_signin_begin(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                       const struct cd_signin_begin *begin, struct cd_signin_started *ret,
                                       struct cd_error *reterr)
{
        struct cd_signin_state state = { .return_to = begin->return_to,
                                         .link_user = begin->link_user,
                                         .link_sid = begin->link_sid };
        struct cd_signin_endpoints endpoints = { 0 };

        enum cd_signin_failure failure = cd_signin_endpoints_of(provider, arena, &endpoints, reterr);
        if (failure == CD_SIGNIN_OK)
                failure = cd_signin_state_make(provider, arena, &state, reterr);
        if (failure == CD_SIGNIN_OK)
                failure = cd_signin_state_seal(provider, arena, &state, &ret->cookie, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        cd_status status = cd_signin_authorization_url(provider, arena, endpoints.authorization, &state, &ret->url);
        if (status != CD_OK)
                return fail(CD_SIGNIN_UNAVAILABLE, status, "the URL of the provider cannot be built", reterr);
        ret->state = state.state;
        ret->slot = cd_signin_slot(state.state);
        return CD_SIGNIN_OK;
}

/* ---- the callback ---- */

bool cd_signin_read_callback(struct cd_arena *arena, cd_str query, struct cd_signin_callback *ret)
{
        const struct {
                cd_str name;
                cd_str *value;
        } all[] = {
                { CD_STR("code"), &ret->code },
                { CD_STR("state"), &ret->state },
                { CD_STR("iss"), &ret->iss },
                { CD_STR("error"), &ret->error },
                { CD_STR("error_description"), &ret->error_description },
        };
        cd_str pair;

        while (query.ptr && cd_str_take_until(&query, '&', &pair)) {
                size_t equals = cd_str_index(pair, '=');
                for (size_t i = 0; i < CD_LEN(all); i++) {
                        if (!cd_str_eq(cd_str_slice(pair, 0, equals), all[i].name))
                                continue;
                        if (all[i].value->ptr)
                                ret->repeated = true;
                        if (cd_percent_decode(arena, cd_str_slice(pair, equals + 1, pair.len), true, all[i].value) !=
                                    CD_OK ||
                            !cd_str_is_utf8(*all[i].value) || cd_str_has_control(*all[i].value))
                                return false;
                }
        }
        return true;
}

bool cd_signin_callback_is_fit(const struct cd_signin_callback *callback)
{
        return !callback->repeated && callback->code.len <= CD_SIGNIN_CODE_MAX &&
               callback->state.len <= CD_SIGNIN_CODE_MAX && callback->iss.len <= CD_SIGNIN_CODE_MAX &&
               callback->error.len <= CD_SIGNIN_CODE_MAX && callback->error_description.len <= CD_SIGNIN_CODE_MAX;
}

/* Used before anything else is judged: one that was shown is spent, whatever came with it (LESSONS 16). */
static enum cd_signin_failure use_state(struct cd_signin_login *l, struct cd_error *reterr)
{
        struct cd_store *store = cd_signin_services_of(l->provider)->store;
        cd_str digest;

        cd_status status = cd_digest_text(l->arena, l->state.state, &digest, reterr);
        if (status == CD_OK)
                status = store->used_states->use(store, digest, l->state.expires_at, reterr);
        if (status == CD_EXISTS)
                return fail(CD_SIGNIN_USED, CD_INVALID_REQUEST, "the state was used already", reterr);
        return status == CD_OK ? CD_SIGNIN_OK : CD_SIGNIN_UNAVAILABLE;
}

/* An account is linked to the user who asked for it, in the session in which it was asked for. */
static bool is_same_session(const struct cd_signin_login *l)
{
        return !l->state.link_user.len || (cd_str_eq(l->state.link_user, l->callback->session_user) &&
                                           cd_secret_eq(l->state.link_sid, l->callback->session_sid));
}

static enum cd_signin_failure check_session(const struct cd_signin_login *l, bool lasts, struct cd_error *reterr)
{
        return lasts && is_same_session(l)
                       ? CD_SIGNIN_OK
                       : fail(CD_SIGNIN_WRONG_USER, CD_INVALID_REQUEST,
                              "the browser has another session than when the link was asked for", reterr);
}

/* RFC 9207 §2.4. */
static enum cd_signin_failure check_issuer(const struct cd_signin_login *l, struct cd_error *reterr)
{
        const struct cd_signin_endpoints *expected = &l->endpoints;

        if (!l->callback->iss.ptr)
                return !expected->requires_iss ? CD_SIGNIN_OK
                                               : fail(CD_SIGNIN_PROVIDER_ERROR, CD_INVALID_REQUEST,
                                                      "the callback has no iss, which the provider promises", reterr);
        if (!expected->issuer.len || cd_str_eq(l->callback->iss, expected->issuer))
                return CD_SIGNIN_OK;
        (void)cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("iss"), "is %.*s, and the issuer is %.*s",
                       CD_STR_ARG(cd_str_slice(l->callback->iss, 0, 100)),
                       CD_STR_ARG(cd_str_slice(expected->issuer, 0, 100)));
        return CD_SIGNIN_PROVIDER_ERROR;
}

static enum cd_signin_failure check_parameters(const struct cd_signin_login *l, struct cd_error *reterr)
{
        const struct cd_signin_callback *callback = l->callback;

        enum cd_signin_failure failure = check_issuer(l, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        if (callback->code.len && callback->error.len)
                return fail(CD_SIGNIN_MALFORMED, CD_INVALID_REQUEST, "the callback has a code and an error", reterr);
        if (callback->error.len) {
                (void)cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("error"), "%.*s: %.*s",
                               CD_STR_ARG(cd_str_slice(callback->error, 0, 100)),
                               CD_STR_ARG(cd_str_slice(callback->error_description, 0, 160)));
                return cd_signin_failure_of(callback->error);
        }
        if (!callback->code.len)
                return fail(CD_SIGNIN_MALFORMED, CD_INVALID_REQUEST, "the callback has no code", reterr);
        return CD_SIGNIN_OK;
}

/* RFC 6749 §4.1.3, RFC 7636 §4.5. */
static enum cd_signin_failure exchange(struct cd_signin_login *l, struct cd_error *reterr)
{
        struct cd_buf form;
        cd_str text;

        cd_buf_init(&form, l->arena, 4 * CD_SIGNIN_CODE_MAX);
        cd_signin_add_parameter(&form, "grant_type", CD_STR("authorization_code"));
        cd_signin_add_parameter(&form, "code", l->callback->code);
        cd_signin_add_parameter(&form, "redirect_uri", l->provider->redirect_uri);
        if (l->provider->settings.pkce)
                cd_signin_add_parameter(&form, "code_verifier", l->state.verifier);
        if (cd_buf_view(&form, &text) != CD_OK)
                return fail(CD_SIGNIN_UNAVAILABLE, CD_NO_MEMORY, "no memory for the request", reterr);
        return cd_signin_ask_tokens(l->provider, l->arena, l->endpoints.token, text, &l->tokens, reterr);
}

static enum cd_signin_failure identify(struct cd_signin_login *l, struct cd_error *reterr)
{
        enum cd_signin_failure failure =
                l->provider->kind->identify(l->provider, l->arena, &l->tokens, &l->state, &l->account, reterr);

        if (failure == CD_SIGNIN_OK && !l->account.subject.len)
                return fail(CD_SIGNIN_PROVIDER_ERROR, CD_MALFORMED, "the provider gave no subject", reterr);
        return failure;
}

enum cd_signin_failure cd_signin_learn(struct cd_signin_login *l, struct cd_error *reterr)
{
        l->step = CD_SIGNIN_STEP_DISCOVERY;
        enum cd_signin_failure failure = cd_signin_endpoints_of(l->provider, l->arena, &l->endpoints, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        l->step = CD_SIGNIN_STEP_CALLBACK;
        failure = check_parameters(l, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        l->step = CD_SIGNIN_STEP_TOKENS;
        failure = exchange(l, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        l->step = CD_SIGNIN_STEP_ACCOUNT;
        return identify(l, reterr);
}

/* For the log, on failure too. False: no memory. */
static bool note_account(const struct cd_signin_login *l, struct cd_signin_result *ret)
{
        ret->subject = cd_arena_copy(l->result, l->account.subject);
        ret->login = cd_arena_copy(l->result, l->account.login);
        return ret->subject.ptr && ret->login.ptr;
}

/* For applications that get the user's token. */
static enum cd_signin_failure keep_tokens(const struct cd_signin_login *l, const struct cd_signin_result *result,
                                          struct cd_error *reterr)
{
        switch (cd_signin_token_keep(l->provider, result->user.name, &l->tokens, reterr)) {
        case CD_OK:
                return CD_SIGNIN_OK;
        case CD_NOT_FOUND:
                return CD_SIGNIN_NOT_LINKED; /* removed at this moment */
        case CD_INVALID_REQUEST:
                return CD_SIGNIN_PROVIDER_ERROR;
        default:
                return CD_SIGNIN_UNAVAILABLE;
        }
}

static enum cd_signin_failure finish(struct cd_signin_login *l, struct cd_signin_result *ret, struct cd_error *reterr)
{
        const struct cd_signin_callback *callback = l->callback;

        if (!cd_signin_callback_is_fit(callback))
                return fail(CD_SIGNIN_MALFORMED, CD_INVALID_REQUEST,
                            "a parameter of the callback came twice, or is too long", reterr);
        enum cd_signin_failure failure =
                cd_signin_state_open(l->provider, l->arena, callback->cookie, callback->state, &l->state, reterr);
        if (failure == CD_SIGNIN_OK || failure == CD_SIGNIN_EXPIRED)
                ret->return_to = cd_arena_copy(l->result, l->state.return_to);
        if (failure == CD_SIGNIN_OK)
                failure = use_state(l, reterr);
        if (failure == CD_SIGNIN_OK)
                failure = check_session(l, true, reterr);
        if (failure == CD_SIGNIN_OK)
                failure = cd_signin_learn(l, reterr);
        if (!note_account(l, ret))
                return fail(CD_SIGNIN_UNAVAILABLE, CD_NO_MEMORY, "no memory for the account", reterr);
        if (failure == CD_SIGNIN_OK && l->state.link_user.len && callback->session_lasts)
                failure = check_session(l, callback->session_lasts(callback->session_arg), reterr);
        if (failure == CD_SIGNIN_OK)
                failure = cd_signin_decide(l->provider, l->result, &l->account, &l->state, callback->address, ret,
                                           reterr);
        return failure == CD_SIGNIN_OK ? keep_tokens(l, ret, reterr) : failure;
}

enum cd_signin_failure cd_signin_finish(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                        const struct cd_signin_callback *callback, struct cd_signin_result *ret,
                                        struct cd_error *reterr)
{
        struct cd_arena own;
        struct cd_signin_login login = { .provider = provider, .callback = callback, .arena = &own, .result = arena };

        *ret = (struct cd_signin_result){ 0 };
        if (!cd_signin_enter(provider))
                return fail(CD_SIGNIN_BUSY, CD_UNAVAILABLE, "max_in_flight logins at the provider are under way",
                            reterr);
        cd_arena_init(&own, LOGIN_MAX);
        enum cd_signin_failure failure = finish(&login, ret, reterr);
        cd_arena_done(&own);
        cd_signin_leave(provider);
        return failure;
}
