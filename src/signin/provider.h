#pragma once
/* Shared by the files of signin; no other code includes it. What differs between types of providers is a table of
 * functions. */
#include <stdatomic.h>

#include "base/buf.h"
#include "base/json.h"
#include "signin/signin.h"

struct cd_signin_tokens {
        cd_str access_token, refresh_token, id_token; /* empty: none */
        int64_t expires_in;                           /* seconds; 0: not known */
};

/* Who has logged in, as the provider says. */
struct cd_signin_account {
        cd_str subject, login, name, email;
        bool email_verified;
        struct cd_strs organizations, teams; /* only asked for where `allow` lists some */
};

/* What a login in progress carries in its sealed cookie. */
struct cd_signin_state {
        cd_str state, nonce, verifier; /* base64url; verifier: PKCE */
        cd_str return_to, link_user, link_sid;
        cd_time expires_at;
};

/* The endpoints in effect: those of the settings, or else of discovery. ptr NULL: not known. */
struct cd_signin_endpoints {
        cd_str authorization, token, userinfo, end_session, jwks;
        cd_str issuer;     /* what "iss" of a callback must be, if it is sent; empty: it is not looked at */
        bool requires_iss; /* a callback without "iss" is refused (RFC 9207 §2.4) */
};

/* A type of provider. Each function blocks, and fills *reterr for the log. */
struct cd_signin_kind {
        /* NULL: they are all in the settings. *ret is in the arena. */
        enum cd_signin_failure (*endpoints)(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                            struct cd_signin_endpoints *ret, struct cd_error *reterr);
        /* Who has these tokens. */
        enum cd_signin_failure (*identify)(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                           const struct cd_signin_tokens *tokens, const struct cd_signin_state *state,
                                           struct cd_signin_account *ret, struct cd_error *reterr);
        bool sends_nonce; /* with the authorization request */
        /* NULL: the provider has no page to log out; see cd_signin_logout_url. */
        cd_str (*logout_url)(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str after);
};

extern const struct cd_signin_kind cd_signin_github; /* github.c */
extern const struct cd_signin_kind cd_signin_oauth2; /* oauth2.c: also osu! and Discord, with another mapping */
extern const struct cd_signin_kind cd_signin_oidc;   /* oidc.c: also Google */

struct cd_signin_oidc_cache; /* oidc_cache.h */

struct cd_signin_provider {
        const struct cd_signin_services *services;
        struct cd_signin_provider_settings settings; /* copied */
        const struct cd_signin_kind *kind;
        cd_str redirect_uri;
        struct cd_signin_oidc_cache *oidc;    /* NULL if nothing is discovered */
        struct cd_signin_token_cache *tokens; /* token_cache.h; NULL: the provider's tokens are not kept */
        _Atomic size_t *in_flight;
};

static inline const struct cd_signin_services *cd_signin_services_of(const struct cd_signin_provider *provider)
{
        return provider->services;
}
/* What waits for the provider does so on a thread, of which there are few. False: `max_in_flight` do already. Each true
 * is followed by a cd_signin_leave. */
static inline bool cd_signin_enter(const struct cd_signin_provider *provider)
{
        if (atomic_fetch_add(provider->in_flight, 1) < provider->settings.max_in_flight)
                return true;
        atomic_fetch_sub(provider->in_flight, 1);
        return false;
}
static inline void cd_signin_leave(const struct cd_signin_provider *provider)
{
        atomic_fetch_sub(provider->in_flight, 1);
}

/* One login after its callback, or what traces one. */
struct cd_signin_login {
        const struct cd_signin_provider *provider;
        const struct cd_signin_callback *callback;
        struct cd_arena *arena;  /* of this login: whatever the provider answers */
        struct cd_arena *result; /* the caller's */
        struct cd_signin_state state;
        struct cd_signin_endpoints endpoints;
        struct cd_signin_tokens tokens;
        struct cd_signin_account account;
        enum cd_signin_step step; /* the last one that was begun */
};

/* signin.c: a callback whose state was checked: fills in endpoints, tokens and account. */
enum cd_signin_failure cd_signin_learn(struct cd_signin_login *login, struct cd_error *reterr);
/* signin.c: the sizes are those of CD_SIGNIN_CODE_MAX, and nothing came twice. */
bool cd_signin_callback_is_fit(const struct cd_signin_callback *callback);
/* signin.c: the authorization request. CD_NO_MEMORY, CD_TOO_LARGE. */
cd_status cd_signin_authorization_url(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                      cd_str endpoint, const struct cd_signin_state *state, cd_str *ret);

/* call.c: asks the kind, or the settings. */
enum cd_signin_failure cd_signin_endpoints_of(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                              struct cd_signin_endpoints *ret, struct cd_error *reterr);

/* state.c: makes state, nonce, verifier and expires_at; the rest of *ret stays as it is. UNAVAILABLE. */
enum cd_signin_failure cd_signin_state_make(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                            struct cd_signin_state *ret, struct cd_error *reterr);
/* state.c: the cookie; only this provider, with the same state, can open it. Leaves out a return_to for which there is
 * no room in CD_SIGNIN_COOKIE_MAX bytes. */
enum cd_signin_failure cd_signin_state_seal(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                            const struct cd_signin_state *state, cd_str *ret, struct cd_error *reterr);
/* state.c: NO_STATE, EXPIRED (*ret is complete), UNAVAILABLE. */
enum cd_signin_failure cd_signin_state_open(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                            cd_str cookie, cd_str state, struct cd_signin_state *ret,
                                            struct cd_error *reterr);
/* state.c: the challenge of a verifier (RFC 7636 §4.2, S256). ptr NULL: no memory. */
cd_str cd_signin_challenge(struct cd_arena *arena, cd_str verifier);

/* call.c: GET, with a bearer token if there is one; the answer's text. PROVIDER_DOWN, PROVIDER_ERROR. */
enum cd_signin_failure cd_signin_get(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str url,
                                     cd_str bearer, cd_str *ret, struct cd_error *reterr);
/* call.c: the same, the answer as JSON of an object or an array. PROVIDER_DOWN, PROVIDER_ERROR. */
enum cd_signin_failure cd_signin_get_json(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str url,
                                          cd_str bearer, const struct cd_json **ret, struct cd_error *reterr);
/* call.c: the token endpoint (RFC 6749 §4.1.3, §6); adds the client's credentials to the form. Reads JSON and forms,
 * and an error with status 200. EXPIRED: the code or refresh token is not valid (invalid_grant). */
enum cd_signin_failure cd_signin_ask_tokens(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                            cd_str endpoint, cd_str form, struct cd_signin_tokens *ret,
                                            struct cd_error *reterr);
/* call.c: reads an answer of the token endpoint; does not look at the status. */
enum cd_signin_failure cd_signin_read_tokens(struct cd_arena *arena, cd_str body, struct cd_signin_tokens *ret,
                                             struct cd_error *reterr);
/* call.c: what an error code of a provider means (RFC 6749 §4.1.2.1, §5.2, and GitHub's own). */
enum cd_signin_failure cd_signin_failure_of(cd_str error);

/* oauth2.c: a text of at most CD_PROVIDER_SUBJECT_MAX bytes without control characters; else empty. */
cd_str cd_signin_text_of(const struct cd_json *node);
/* oauth2.c: the same, or a positive whole number as it is written; else empty. */
cd_str cd_signin_subject_of(const struct cd_json *node);
/* oauth2.c: PROVIDER_ERROR, where that is empty. */
enum cd_signin_failure cd_signin_no_subject(cd_str member, struct cd_error *reterr);

/* decide.c: whether the domain of an address is one of these; the case of ASCII letters does not count. */
bool cd_signin_email_is_within(cd_str email, struct cd_strs domains);
/* decide.c: the user who logs in with this account, or gets it linked: *ret->user, linked, created. */
enum cd_signin_failure cd_signin_decide(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                        const struct cd_signin_account *account, const struct cd_signin_state *state,
                                        cd_str address, struct cd_signin_result *ret, struct cd_error *reterr);

/* What a login would do. */
struct cd_signin_preview {
        cd_str entry; /* "allow.organizations: example" lets the account in; empty: no entry does */
        cd_str user;  /* who has linked the account, or would be made; empty: nobody */
        bool is_linked;
};
/* decide.c: what cd_signin_decide would do for a login, without doing it. */
enum cd_signin_failure cd_signin_preview(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                         const struct cd_signin_account *account, struct cd_signin_preview *ret,
                                         struct cd_error *reterr);
