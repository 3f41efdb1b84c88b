#pragma once
/* An issuer, revocations, and what they work with, on memory. */
#include "core/any_user.h"
#include "core/direct_hasher.h"
#include "core/issuer.h"
#include "core/key_signer.h"
#include "core/login.h"
#include "core/oauth/introspect.h"
#include "core/oauth/token.h"
#include "unit/core/parts.h"

struct fixture {
        struct cd_issuer issuer;
        struct cd_revocations revocations;
        struct cd_store *store;
        struct cd_store_state store_state;
        struct cd_lockout *lockout;
        struct cd_arena arena;
        struct test_clock clock;
        struct test_random random;
        struct cd_jwk *key;
        struct cd_key_signer signer; /* with that key, for whatever alg: the core does not care */
        struct cd_jwks keys;
        struct cd_clients *clients;
        struct cd_direct_hasher hasher; /* of the least cost */
        struct cd_login login;
};

int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/* What "app-a" (secret "secret-a") would send for a client_credentials grant. */
struct cd_token_request fixture_ask(void);
/* What the resource server "api" (secret "secret-api") would send to look at a token. */
struct cd_token_query fixture_query(cd_str token);
/* A token of app-a. */
cd_str fixture_token(struct fixture *f);

/* A user of the store. `claims` NULL: none. */
void fixture_add_user(struct fixture *f, const char *name, const char *password, const char *claims);
/* What a command would do to that user: `now` is the fixture's, and all tokens end. */
void fixture_end_sessions(struct fixture *f, const char *name, enum cd_user_switch disabled);
/* What a server does with the store's revocations. */
void fixture_follow(struct fixture *f);
