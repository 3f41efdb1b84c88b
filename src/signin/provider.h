#pragma once
/* Shared by the files of signin; no other code includes it. What differs between types of providers is a table of
 * functions. */
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

/* A type of provider. Each function blocks, and fills *reterr for the log. */
struct cd_signin_kind {
        /* Fills in what discovery says; NULL: nothing is discovered. */
        enum cd_signin_failure (*prepare)(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                          struct cd_error *reterr);
        /* Who has these tokens. */
        enum cd_signin_failure (*identify)(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                           const struct cd_signin_tokens *tokens, const struct cd_signin_state *state,
                                           struct cd_signin_account *ret, struct cd_error *reterr);
};

extern const struct cd_signin_kind cd_signin_github; /* github.c */
extern const struct cd_signin_kind cd_signin_oauth2; /* oauth2.c: also osu! and Discord, with another mapping */
extern const struct cd_signin_kind cd_signin_oidc;   /* oidc.c: also Google */

struct cd_signin_oidc_cache; /* oidc.c: discovery and keys; has a lock of its own */
struct cd_signin_oidc_cache *cd_signin_oidc_cache_new(void);
void cd_signin_oidc_cache_free(struct cd_signin_oidc_cache *cache); /* NULL is fine */

struct cd_signin_provider {
        const struct cd_signin *signin;
        struct cd_signin_provider_settings settings; /* copied */
        const struct cd_signin_kind *kind;
        cd_str redirect_uri;
        struct cd_signin_oidc_cache *oidc; /* NULL unless the type is OpenID Connect */
        _Atomic size_t *in_flight;
};

const struct cd_signin_services *cd_signin_services_of(const struct cd_signin_provider *provider);
/* The endpoints in effect: those of the settings, or else of discovery. ptr NULL: not known. */
struct cd_signin_endpoints {
        cd_str authorization, token, userinfo, end_session, jwks;
};
/* oidc.c; *ret is in the arena. */
enum cd_signin_failure cd_signin_oidc_endpoints(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                                struct cd_signin_endpoints *ret, struct cd_error *reterr);

/* call.c: GET with a bearer token, the answer as JSON of an object or an array. PROVIDER_DOWN, PROVIDER_ERROR. */
enum cd_signin_failure cd_signin_get_json(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str url,
                                          cd_str bearer, const struct cd_json **ret, struct cd_error *reterr);
/* call.c: the token endpoint (RFC 6749 §4.1.3, §6); reads JSON and forms, and an error with status 200. */
enum cd_signin_failure cd_signin_ask_tokens(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                            cd_str endpoint, cd_str form, struct cd_signin_tokens *ret,
                                            struct cd_error *reterr);
