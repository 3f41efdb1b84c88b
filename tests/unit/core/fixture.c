#include "unit/core/fixture.h"

#include <stdlib.h>

#include "core/lockout.h"
#include "support/memory_store.h"

static cd_time test_now(const struct cd_clock *clock)
{
        return ((const struct test_clock *)clock)->now;
}

static int64_t test_uptime(const struct cd_clock *clock)
{
        return ((const struct test_clock *)clock)->uptime;
}

static cd_status test_fill(const struct cd_random *random, void *to, size_t size)
{
        struct test_random *r = (struct test_random *)random;

        if (r->fails)
                return CD_UNAVAILABLE;
        for (size_t i = 0; i < size; i++)
                ((unsigned char *)to)[i] = r->next++;
        return CD_OK;
}

static const cd_str scopes[] = { CD_STR_INIT("read"), CD_STR_INIT("write"), CD_STR_INIT("admin") };
static const cd_str api[] = { CD_STR_INIT("https://api.example") };

static const struct cd_client_spec specs[] = {
        { .id = CD_STR_INIT("app-a"),
          .secret = CD_STR_INIT("secret-a"),
          .grants = CD_GRANT_CLIENT_CREDENTIALS | CD_GRANT_PASSWORD,
          .scopes = { scopes, 2 },
          .audience = CD_STR_INIT("https://api.example") },
        { .id = CD_STR_INIT("app-b"),
          .secret = CD_STR_INIT("secret-b"),
          .grants = CD_GRANT_CLIENT_CREDENTIALS,
          .scopes = { scopes, 1 },
          .audience = CD_STR_INIT("https://other.example") },
        { .id = CD_STR_INIT("api"), .secret = CD_STR_INIT("secret-api"), .introspect = { api, 1 } },
};

int fixture_set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        cd_arena_init(&f->arena, 1 << 20);
        f->clock = (struct test_clock){ { test_now, test_uptime }, NOON, 0 };
        f->random = (struct test_random){ .port = { test_fill } };
        assert_status(cd_jwk_generate(CD_ALG_ES256, &f->key, NULL), CD_OK);
        f->signer = cd_key_signer(f->key);
        assert_status(cd_jwks_add(&f->keys, f->key, NULL), CD_OK);
        assert_status(cd_clients_new(specs, CD_LEN(specs), CD_STR(""), &f->random.port, &f->clients, NULL), CD_OK);
        f->store = new_memory_store();
        f->revocations = (struct cd_revocations){ f->store, &f->store_state, cd_revoked_new(8) };
        f->hasher =
                cd_direct_hasher(&(struct cd_password_cost){ .memory = 8 * 1024, .iterations = 1 }, &f->random.port);
        const struct cd_lockout_rules rules = {
                .account_attempts = 3, .address_attempts = 100, .delay = 10, .max_delay = 100
        };
        assert_status(cd_lockout_new(&rules, &f->random.port, &f->lockout, NULL), CD_OK);
        f->login = cd_login(f->store, &f->store_state, f->lockout, &f->hasher.port, &f->clock.port);
        f->issuer = (struct cd_issuer){
                .url = CD_STR("https://auth.example"),
                .token_lifetime = 300,
                .scopes = { scopes, CD_LEN(scopes) },
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
