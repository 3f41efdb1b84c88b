#pragma once
/* What an issuer of OpenID Connect publishes, kept for an hour: its metadata (OpenID Connect Discovery 1.0 §3) and its
 * keys (RFC 7517). Thread-safe: of several threads that need it, one asks, and the others wait for its answer. */
#include "crypto/jwt.h"
#include "signin/provider.h"

enum {
        CD_SIGNIN_PUBLISHED_LIFETIME = 3600, /* seconds */
        CD_SIGNIN_PUBLISHED_RETRY = 10,      /* seconds after a failure; until then it is repeated without a request */
        CD_SIGNIN_KEYS_AGAIN = 60,           /* seconds between two looks for a key that is not in the set */
};

struct cd_signin_oidc_cache *cd_signin_oidc_cache_new(void);        /* NULL: no memory */
void cd_signin_oidc_cache_free(struct cd_signin_oidc_cache *cache); /* NULL is fine */

/* The endpoints of the metadata; *ret is in the arena. Metadata of another issuer (Discovery §4.3), without an endpoint
 * that is needed, or with one that is no URL, is a PROVIDER_ERROR. While the issuer cannot be asked, older metadata
 * goes on being used. Blocks. */
enum cd_signin_failure cd_signin_oidc_metadata(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                               struct cd_signin_endpoints *ret, struct cd_error *reterr);
/* The page where users log out, without a request; ptr NULL: there is none, or it is not known (yet). */
cd_str cd_signin_oidc_end_session(const struct cd_signin_provider *provider, struct cd_arena *arena);
/* Verifies an ID token with the issuer's keys, and asks for them again if its key is not among them. The metadata must
 * be known, since it says where they are.
 * PROVIDER_ERROR: it is not valid; PROVIDER_DOWN: the keys cannot be had. Blocks. */
enum cd_signin_failure cd_signin_oidc_verify(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                             cd_str id_token, const struct cd_jwt_expect *expect, struct cd_jwt *ret,
                                             struct cd_error *reterr);
