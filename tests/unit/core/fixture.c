#include "unit/core/fixture.h"

#include <stdlib.h>

#include "support/memory_store.h"

int fixture_set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        cd_arena_init(&f->arena, 1 << 20);
        f->clock = test_clock();
        f->random = test_random();
        assert_status(cd_jwk_generate(CD_ALG_ES256, &f->key, NULL), CD_OK);
        f->signer = cd_key_signer(f->key);
        assert_status(cd_jwks_add(&f->keys, f->key, NULL), CD_OK);
        f->clients = test_clients(&f->random.port);
        f->store = new_memory_store();
        f->revocations = (struct cd_revocations){ f->store, &f->store_state, cd_revoked_new(8) };
        f->hasher =
                cd_direct_hasher(&(struct cd_password_cost){ .memory = 8 * 1024, .iterations = 1 }, &f->random.port);
        f->lockout = test_lockout(&f->random.port);
        f->login = cd_login(f->store, &f->store_state, f->lockout, &f->hasher.port, &f->clock.port);
        f->issuer = (struct cd_issuer){
                .url = CD_STR("https://auth.example"),
                .token_lifetime = 300,
                .scopes = test_scopes(),
                .alg = CD_ALG_ES256,
                .signers = { [CD_ALG_ES256] = &f->signer.port, [CD_ALG_RS256] = &f->signer.port },
                .keys = &f->keys,
                .client_auth = { f->clients, f->lockout, f->store, &f->clock.port },
                .accounts = &cd_any_user,
                .token_cache = cd_token_cache_new(64),
                .clock = &f->clock.port,
                .random = &f->random.port,
        };
        *state = f;
        return 0;
}

int fixture_tear_down(void **state)
{
        struct fixture *f = *state;

        f->store->free(f->store);
        cd_lockout_free(f->lockout);
        cd_revoked_free(f->revocations.revoked);
        cd_token_cache_free(f->issuer.token_cache);
        cd_clients_free(f->clients);
        cd_jwks_done(&f->keys);
        cd_jwk_unref(f->key);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

struct cd_token_request fixture_ask(void)
{
        return (struct cd_token_request){
                .grant_type = CD_STR("client_credentials"),
                .client_id = CD_STR("app-a"),
                .client_secret = CD_STR("secret-a"),
        };
}

struct cd_token_query fixture_query(cd_str token)
{
        return (struct cd_token_query){
                .token = token,
                .client_id = CD_STR("api"),
                .client_secret = CD_STR("secret-api"),
        };
}

cd_str fixture_token(struct fixture *f)
{
        struct cd_token_request ask = fixture_ask();
        struct cd_tokens tokens;

        assert_status(cd_token_issue(&f->issuer, &f->arena, &ask, &tokens, NULL), CD_OK);
        return tokens.access_token;
}

void fixture_add_user(struct fixture *f, const char *name, const char *password, const char *claims)
{
        struct cd_user user = {
                .name = cd_str_from_c(name),
                .claims = cd_str_from_c(claims ? claims : "{}"),
                .created_at = f->clock.now,
                .changed_at = f->clock.now,
                .password_at = f->clock.now,
        };

        assert_status(f->hasher.port.hash(&f->hasher.port, cd_str_from_c(password), &f->arena, &user.password, NULL),
                      CD_OK);
        assert_status(f->store->users->add(f->store, &(struct cd_users_page){ &user, 1 }, NULL, NULL), CD_OK);
}

void fixture_end_sessions(struct fixture *f, const char *name, enum cd_user_switch disabled)
{
        const struct cd_user_change change = {
                .name = cd_str_from_c(name),
                .now = f->clock.now,
                .disabled = disabled,
                .ends_sessions = true,
        };

        assert_status(f->store->users->update(f->store, &change, NULL, NULL), CD_OK);
}

void fixture_follow(struct fixture *f)
{
        struct cd_revocation_list list;

        assert_status(f->store->revocations->list(f->store, &f->arena, 0, 100, &list, NULL), CD_OK);
        for (size_t i = 0; i < list.count; i++)
                assert_status(cd_revoked_add(f->revocations.revoked, &list.items[i]), CD_OK);
}
