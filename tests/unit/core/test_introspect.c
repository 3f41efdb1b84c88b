#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/oauth/jti.h"
#include "unit/core/fixture.h"

#define RANDOM "FM6jhWBcz7l1MJGWeI-MLw"

/* Introspects as the resource server, expecting an answer. */
static struct cd_introspection look(struct fixture *f, cd_str token)
{
        struct cd_token_query ask = fixture_query(token);
        struct cd_introspection result;

        assert_status(cd_token_introspect(&f->issuer, &f->revocations, &f->arena, &ask, &result, NULL), CD_OK);
        return result;
}

static void assert_inactive(struct fixture *f, cd_str token, const char *reason)
{
        struct cd_introspection result = look(f, token);

        assert_false(result.active);
        assert_string_equal(result.inactive_reason.reason, reason);
}

static cd_status revoke_as(struct fixture *f, cd_str id, cd_str secret, cd_str token, struct cd_error *reterr)
{
        struct cd_token_query ask = { .token = token, .client_id = id, .client_secret = secret };
        struct cd_token_revocation revocation;

        cd_status status = cd_token_revoke(&f->issuer, &f->revocations, &f->arena, &ask, &revocation, reterr);
        if (status != CD_OK || !revocation.kept.jti.len)
                return status;
        return cd_revocations_keep(&f->revocations, &revocation, reterr);
}

static void a_live_token_is_active_for_its_audience(void **state)
{
        struct cd_introspection result = look(*state, fixture_token(*state));

        assert_true(result.active);
        assert_str(result.claims.client_id, "app-a");
        assert_str(result.claims.aud, "https://api.example");
        assert_str(result.claims.scope, "read write");
        assert_int_equal(result.claims.exp, NOON + 300);
}

static void a_token_is_active_also_for_a_process_that_never_saw_it(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f);

        cd_token_cache_free(f->issuer.token_cache);
        f->issuer.token_cache = cd_token_cache_new(64);
        assert_true(look(f, token).active);
        assert_true(look(f, token).active);
}

static void a_caller_that_does_not_authenticate_learns_nothing(void **state)
{
        struct fixture *f = *state;
        struct cd_token_query ask = fixture_query(fixture_token(f));
        struct cd_introspection result;
        struct cd_error err;

        ask.client_secret = CD_STR("wrong");
        assert_status(cd_token_introspect(&f->issuer, &f->revocations, &f->arena, &ask, &result, &err),
                      CD_INVALID_CLIENT);
        assert_string_equal(err.reason, "unknown client or wrong secret");
}

static void a_token_for_another_audience_is_inactive(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();
        struct cd_tokens tokens;

        ask.client_id = CD_STR("app-b");
        ask.client_secret = CD_STR("secret-b");
        assert_status(cd_token_issue(&f->issuer, &f->arena, &ask, &tokens, NULL), CD_OK);
        assert_inactive(f, tokens.access_token, "token is for another audience");
}

static void a_token_is_inactive_at_the_second_it_expires(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f);

        f->clock.now = NOON + 299;
        assert_true(look(f, token).active);
        f->clock.now = NOON + 300;
        assert_false(look(f, token).active);
}

static void garbage_is_inactive(void **state)
{
        struct fixture *f = *state;
        char long_text[CD_JWS_MAX + 1];

        memset(long_text, 'a', sizeof(long_text));
        assert_false(look(f, CD_STR("not a token")).active);
        assert_false(look(f, CD_STR("")).active);
        assert_inactive(f, cd_str_of(long_text, sizeof(long_text)), "token is too long");
}

/* The verified-token cache knows a token by all its bytes: one that differs in its signature alone is judged by that
 * signature (LESSONS 17). */
static void lesson_17_a_changed_signature_is_not_recognised(void **state)
{
        struct fixture *f = *state;
        cd_str token = cd_arena_copy(&f->arena, fixture_token(f));
        char *last = (char *)token.ptr + token.len - 10;

        *last = *last == 'A' ? 'B' : 'A';
        assert_false(look(f, token).active);
}

static void a_token_of_another_issuer_with_our_key_is_inactive(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f);

        f->issuer.url = CD_STR("https://moved.example");
        assert_false(look(f, token).active);
}

static void a_token_of_a_foreign_key_is_inactive(void **state)
{
        struct fixture *f = *state;
        struct cd_jwk *foreign, *own = f->key;

        assert_status(cd_jwk_generate(CD_ALG_ES256, &foreign, NULL), CD_OK);
        f->signer.key = foreign;
        cd_str token = fixture_token(f);
        f->signer.key = own;
        cd_token_cache_free(f->issuer.token_cache);
        f->issuer.token_cache = cd_token_cache_new(64);
        assert_false(look(f, token).active);
        cd_jwk_unref(foreign);
}

static void a_revoked_token_is_inactive_and_others_live_on(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f), other = fixture_token(f);

        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), token, NULL), CD_OK);
        assert_inactive(f, token, "token was revoked");
        assert_true(look(f, other).active);
        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), token, NULL), CD_OK);
}

static void only_the_client_that_has_a_token_may_revoke_it(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f);
        struct cd_error err;

        assert_status(revoke_as(f, CD_STR("app-b"), CD_STR("secret-b"), token, &err), CD_UNAUTHORIZED_CLIENT);
        assert_string_equal(err.reason, "issued to another client");
        assert_true(look(f, token).active);
        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("wrong"), token, &err), CD_INVALID_CLIENT);
        assert_true(look(f, token).active);
}

static void revoking_what_is_no_token_is_fine(void **state)
{
        assert_status(revoke_as(*state, CD_STR("app-a"), CD_STR("secret-a"), CD_STR("nonsense"), NULL), CD_OK);
}

static void a_revocation_that_cannot_be_kept_is_an_error(void **state)
{
        struct fixture *f = *state;
        struct cd_error err;

        for (int i = 0; i < 4; i++)
                assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), fixture_token(f), NULL), CD_OK);
        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), fixture_token(f), &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "the revocation cannot be kept now: too many tokens are revoked");
}

static cd_status cannot_add(struct cd_store *store, const struct cd_revocation *revocation, struct cd_error *reterr)
{
        (void)store, (void)revocation;
        return cd_fail(reterr, CD_UNAVAILABLE, "the disk is full");
}

static void a_token_that_is_revoked_already_costs_the_store_nothing(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f);
        struct cd_store *store = f->store;
        const struct cd_revocation_ops *real = store->revocations, full = { .add = cannot_add };

        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), token, NULL), CD_OK);
        store->revocations = &full;
        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), token, NULL), CD_OK);
        store->revocations = real;
        assert_false(look(f, token).active);
}

static void a_revocation_that_the_store_refuses_changes_nothing(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f);
        struct cd_store *store = f->store;
        const struct cd_revocation_ops *real = store->revocations, full = { .add = cannot_add };
        struct cd_error err;

        store->revocations = &full;
        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), token, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "the revocation cannot be kept now: the disk is full");
        store->revocations = real;
        assert_true(look(f, token).active);
}

static cd_status must_not_add(struct cd_store *store, const struct cd_revocation *revocation, struct cd_error *reterr)
{
        (void)store, (void)revocation, (void)reterr;
        fail_msg("the store was asked");
        return CD_INTERNAL;
}

static void assert_cannot_be_kept(cd_status status, const struct cd_error *err, const char *reason)
{
        assert_status(status, CD_UNAVAILABLE);
        assert_string_equal(err->reason, reason);
}

/* What is known of the store is not found out anew by each that waits. */
static void a_revocation_fails_at_once_while_the_store_cannot_be_written(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f);
        const struct cd_token_query ask = { .token = token,
                                            .client_id = CD_STR("app-a"),
                                            .client_secret = CD_STR("secret-a") };
        const char *reason = "the revocation cannot be kept now: another process holds it";
        struct cd_store *store = f->store;
        const struct cd_revocation_ops *real = store->revocations, never = { .add = must_not_add };
        struct cd_token_revocation revocation;
        struct cd_error err;

        store->revocations = &never;
        assert_status(cd_token_revoke(&f->issuer, &f->revocations, &f->arena, &ask, &revocation, &err), CD_OK);
        f->store_state.fault = "another process holds it";
        assert_cannot_be_kept(cd_revocations_keep(&f->revocations, &revocation, &err), &err, reason);
        assert_int_equal(err.retry_after, 1);
        assert_cannot_be_kept(cd_token_revoke(&f->issuer, &f->revocations, &f->arena, &ask, &revocation, &err), &err,
                              reason);
        assert_int_equal(err.retry_after, 1);
        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("wrong"), token, &err), CD_INVALID_CLIENT);
        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), CD_STR("nonsense"), NULL), CD_OK);
        f->store_state.fault = NULL;
        store->revocations = real;
        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), token, NULL), CD_OK);
}

static void a_revocation_is_in_the_store_when_it_is_answered(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f);
        struct cd_revocation_list list;

        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), token, NULL), CD_OK);
        assert_status(f->store->revocations->list(f->store, &f->arena, 0, 10, &list, NULL), CD_OK);
        assert_int_equal(list.count, 1);
        assert_str(list.items[0].client_id, "app-a");
        assert_int_equal(list.items[0].expires_at, NOON + 300 + 60);
}

/* The digest of the token is remembered, but what it was signed with is not valid any more. */
static void the_token_cache_does_not_outlive_a_key(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f);
        struct cd_jwks others = { 0 };
        struct cd_jwk *other;

        assert_true(look(f, token).active);
        assert_status(cd_jwk_generate(CD_ALG_ES256, &other, NULL), CD_OK);
        assert_status(cd_jwks_add(&others, other, NULL), CD_OK);
        f->issuer.keys = &others;
        assert_inactive(f, token, "no key has that kid");
        f->issuer.keys = &f->keys;
        assert_true(look(f, token).active);
        cd_jwks_done(&others);
        cd_jwk_unref(other);
}

static void a_token_of_a_client_that_was_removed_is_inactive(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f);
        static const cd_str api[] = { CD_STR_INIT("https://api.example") };
        const struct cd_client_spec left = { .id = CD_STR("api"),
                                             .secret = CD_STR("secret-api"),
                                             .introspect = { api, 1 } };
        struct cd_clients *clients;

        assert_status(cd_clients_new(&left, 1, CD_STR(""), &f->random.port, &clients, NULL), CD_OK);
        f->issuer.client_auth.clients = clients;
        assert_inactive(f, token, "the token's client was removed or disabled");
        cd_clients_free(clients);
}

/* A server whose clients are the resource server of the fixture, and app-a with that generation. */
static struct cd_clients *clients_with_app(struct fixture *f, int64_t generation)
{
        static const cd_str api[] = { CD_STR_INIT("https://api.example") };
        struct cd_client_spec specs[] = {
                { .id = CD_STR("api"), .secret = CD_STR("secret-api"), .introspect = { api, 1 } },
                { .id = CD_STR("app-a"),
                  .secret = CD_STR("secret-a"),
                  .grants = CD_GRANT_CLIENT_CREDENTIALS,
                  .audience = CD_STR("https://api.example"),
                  .generation = generation },
        };
        struct cd_clients *clients;

        assert_status(cd_clients_new(specs, 2, CD_STR(""), &f->random.port, &clients, NULL), CD_OK);
        return clients;
}

/* Removed and added again: no clock decides, whether it stands still or was set back. */
static void a_token_of_another_client_of_that_id_is_inactive(void **state)
{
        struct fixture *f = *state;
        const int64_t generations[] = { 7, 9, 0, 6 };

        for (size_t i = 0; i < CD_LEN(generations); i++) {
                struct cd_clients *of_token = clients_with_app(f, generations[i]);
                f->issuer.client_auth.clients = of_token;
                cd_str token = fixture_token(f);
                assert_true(look(f, token).active);
                for (size_t k = 0; k < CD_LEN(generations); k++) {
                        struct cd_clients *now = clients_with_app(f, generations[k]);
                        f->issuer.client_auth.clients = now;
                        if (i == k)
                                assert_true(look(f, token).active);
                        else
                                assert_inactive(f, token, "the token's client was removed or disabled");
                        cd_clients_free(now);
                }
                cd_clients_free(of_token);
        }
}

/* Signed with our key, with the id given. */
static cd_str token_with_id(struct fixture *f, cd_str jti)
{
        const struct cd_claims claims = {
                .iss = f->issuer.url,
                .sub = CD_STR("ana"),
                .aud = CD_STR("https://api.example"),
                .client_id = CD_STR("app-a"),
                .iat = NOON,
                .exp = NOON + 300,
                .jti = jti,
        };
        cd_str token;

        assert_status(cd_jwt_sign(&f->arena, f->key, CD_STR("at+jwt"), &claims, &token, NULL), CD_OK);
        return token;
}

/* As an earlier version made them: valid until its user's tokens are revoked or its client is another. */
static void a_token_without_generations_is_of_the_first(void **state)
{
        struct fixture *f = *state;
        cd_str token = token_with_id(f, CD_STR(RANDOM));
        const struct cd_revocation revocation = { .seq = 1, .user = CD_STR("ana"), .expires_at = NOON + 400 };

        assert_true(look(f, token).active);
        struct cd_clients *again = clients_with_app(f, 1);
        f->issuer.client_auth.clients = again;
        assert_inactive(f, token, "the token's client was removed or disabled");
        f->issuer.client_auth.clients = f->clients;
        cd_clients_free(again);
        assert_status(cd_revoked_add(f->revocations.revoked, &revocation), CD_OK);
        assert_inactive(f, token, "token was revoked");
}

static void lesson_1_a_token_whose_generations_cannot_be_read_is_inactive(void **state)
{
        static const char *const ids[] = {
                RANDOM ".",
                RANDOM ".1",
                RANDOM ".1.",
                RANDOM "..0",
                RANDOM ".0.",
                RANDOM ".-1.0",
                RANDOM ".0.-1",
                RANDOM ".1.0.0",
                RANDOM ".1.0x",
                RANDOM ". 1.0",
                RANDOM ".0x1.0",
                RANDOM ".1000000000000000000.0",
                RANDOM ".18446744073709551616.0",
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(ids); i++)
                assert_inactive(f, token_with_id(f, cd_str_from_c(ids[i])), "the token's id is not one of ours");
}

/* Of an earlier version, or of another program that has the configuration's key. */
static void a_token_with_any_other_id_is_of_the_first_generation(void **state)
{
        static const char *const ids[] = { "x",           "x.7.7",
                                           RANDOM,        RANDOM "x.7.7",
                                           RANDOM "-7-7", "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
                                           RANDOM ".0.0" };
        struct fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(ids); i++)
                assert_true(look(f, token_with_id(f, cd_str_from_c(ids[i]))).active);
}

/* What is written is what is read. */
static void generations_stand_after_the_id(void **state)
{
        static const struct cd_generations pairs[] = {
                { 0, 0 }, { 1, 0 }, { 0, 1 }, { 17, 4 }, { 999999999999999999, 999999999999999999 }
        };
        struct fixture *f = *state;
        struct cd_generations read;
        cd_str jti;

        for (size_t i = 0; i < CD_LEN(pairs); i++) {
                assert_status(cd_jti_make(&f->arena, &f->random.port, pairs[i], &jti, NULL), CD_OK);
                assert_true(jti.len <= CD_JTI_MAX);
                assert_true(cd_jti_read(jti, &read));
                assert_int_equal(read.user, pairs[i].user);
                assert_int_equal(read.client, pairs[i].client);
        }
}

static cd_str token_of_ana(struct fixture *f)
{
        struct cd_token_request ask = fixture_ask();
        struct cd_tokens tokens;

        f->issuer.accounts = &f->login.port;
        ask.grant_type = CD_STR("password");
        ask.username = CD_STR("ana");
        ask.password = CD_STR("right");
        assert_status(cd_token_issue(&f->issuer, &f->arena, &ask, &tokens, NULL), CD_OK);
        return tokens.access_token;
}

/* LESSONS 12: a changed password, a disabled user. The clock stands still. */
static void lesson_12_a_users_tokens_end_with_the_generation(void **state)
{
        struct fixture *f = *state;

        fixture_add_user(f, "ana", "right", NULL);
        cd_str before = token_of_ana(f), of_client = fixture_token(f);
        assert_true(look(f, before).active);
        fixture_end_sessions(f, "ana", CD_USER_AS_IT_IS);
        fixture_follow(f);
        assert_inactive(f, before, "token was revoked");
        assert_true(look(f, token_of_ana(f)).active);
        assert_true(look(f, of_client).active);
        /* Nor those of a client whose id is the name of a former user. */
        const struct cd_revocation other = { .seq = 1000, .user = CD_STR("app-a"), .expires_at = NOON + 400 };
        assert_status(cd_revoked_add(f->revocations.revoked, &other), CD_OK);
        assert_true(look(f, of_client).active);
}

/* The machine where the restore ran is ahead of this one: what was issued since seems to be from before it. */
static void a_users_token_from_after_a_restore_can_be_revoked_whatever_the_clocks_say(void **state)
{
        struct fixture *f = *state;
        const struct cd_revocation all = { .seq = 1, .expires_at = NOON + CD_CLOCKS_DIFFER_MAX + CD_REVOCATION_LASTS };

        fixture_add_user(f, "ana", "right", NULL);
        assert_status(cd_revoked_add(f->revocations.revoked, &all), CD_OK);
        cd_str token = token_of_ana(f);
        assert_true(look(f, token).active);
        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), token, NULL), CD_OK);
        assert_inactive(f, token, "token was revoked");
}

/* Issued for as long as a setting allows, revoked where the configuration says two seconds. */
static void a_revocation_outlasts_every_token_whatever_the_configuration(void **state)
{
        struct fixture *f = *state;
        struct cd_store_expiry expiry = { .limit = 100 };
        size_t deleted;

        fixture_add_user(f, "ana", "right", NULL);
        f->issuer.token_lifetime = CD_TOKEN_LIFETIME_MAX;
        cd_str token = token_of_ana(f);
        f->issuer.token_lifetime = 2;
        fixture_end_sessions(f, "ana", CD_USER_AS_IT_IS);
        fixture_follow(f);
        const cd_time looks[] = { NOON + 2, NOON + 63, NOON + 3600, NOON + CD_TOKEN_LIFETIME_MAX - 1 };
        for (size_t i = 0; i < CD_LEN(looks); i++) {
                f->clock.now = expiry.now = looks[i];
                cd_revoked_sweep(f->revocations.revoked, looks[i], 100);
                assert_status(f->store->expire(f->store, &expiry, &deleted, NULL), CD_OK);
                assert_int_equal(deleted, 0);
                assert_inactive(f, token, "token was revoked");
        }
        f->clock.now = NOON + CD_TOKEN_LIFETIME_MAX;
        assert_inactive(f, token, "the token is expired");
}

/* A clock that was ahead for a moment signed it. */
static void a_token_that_was_issued_in_the_future_is_inactive(void **state)
{
        struct fixture *f = *state;

        f->clock.now = NOON + 60;
        cd_str a_minute_ahead = fixture_token(f);
        f->clock.now = NOON + 61;
        cd_str further_ahead = fixture_token(f);
        f->clock.now = NOON;
        assert_true(look(f, a_minute_ahead).active);
        assert_inactive(f, further_ahead, "the token was issued in the future");
        f->clock.now = NOON + 1;
        assert_true(look(f, further_ahead).active);
}

/* Answered with 200, so it must hold when the clock is right again. */
static void a_token_revoked_while_the_clock_is_wrong_stays_revoked(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f), other = fixture_token(f);

        f->clock.now = NOON + 100 * 24 * 3600;
        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), token, NULL), CD_OK);
        f->clock.now = NOON - 100 * 24 * 3600;
        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), other, NULL), CD_OK);
        f->clock.now = NOON + 1;
        assert_inactive(f, token, "token was revoked");
        assert_inactive(f, other, "token was revoked");
}

/* Neither an import that ends the tokens of many users nor a client that revokes without end stops the revocations of
 * another. */
static void one_greedy_client_stops_nobodys_revocations(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();
        struct cd_tokens of_other;
        char name[16];

        for (int i = 0; i < 100; i++) {
                snprintf(name, sizeof(name), "user%d", i);
                const struct cd_revocation revocation = { .seq = i + 1,
                                                          .user = cd_str_from_c(name),
                                                          .expires_at = NOON + 400 };
                assert_status(cd_revoked_add(f->revocations.revoked, &revocation), CD_OK);
        }
        for (int i = 0; i < 4; i++)
                assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), fixture_token(f), NULL), CD_OK);
        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), fixture_token(f), NULL), CD_UNAVAILABLE);
        ask.client_id = CD_STR("app-b");
        ask.client_secret = CD_STR("secret-b");
        assert_status(cd_token_issue(&f->issuer, &f->arena, &ask, &of_other, NULL), CD_OK);
        assert_status(revoke_as(f, CD_STR("app-b"), CD_STR("secret-b"), of_other.access_token, NULL), CD_OK);
}

static void while_the_store_is_unavailable_introspection_goes_on_and_revocation_does_not(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f);
        struct cd_error err;

        f->store_state.is_unavailable = true;
        assert_true(look(f, token).active);
        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), token, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "the revocation cannot be kept now: the store is unavailable");
        f->store_state.is_unavailable = false;
        assert_true(look(f, token).active);
}

static void lesson_14_wrong_secrets_of_every_endpoint_are_counted_together(void **state)
{
        struct fixture *f = *state;
        struct cd_token_query query = { .token = fixture_token(f), .client_id = CD_STR("app-a") };
        struct cd_token_request ask = fixture_ask();
        struct cd_introspection looked;
        struct cd_token_revocation revocation;
        struct cd_tokens tokens;

        query.client_secret = ask.client_secret = CD_STR("a guess");
        query.address = ask.address = CD_STR("192.0.2.1");
        assert_status(cd_token_issue(&f->issuer, &f->arena, &ask, &tokens, NULL), CD_INVALID_CLIENT);
        assert_status(cd_token_introspect(&f->issuer, &f->revocations, &f->arena, &query, &looked, NULL),
                      CD_INVALID_CLIENT);
        assert_status(cd_token_revoke(&f->issuer, &f->revocations, &f->arena, &query, &revocation, NULL),
                      CD_INVALID_CLIENT);
        query.client_secret = ask.client_secret = CD_STR("secret-a");
        assert_status(cd_token_issue(&f->issuer, &f->arena, &ask, &tokens, NULL), CD_THROTTLED);
        assert_status(cd_token_introspect(&f->issuer, &f->revocations, &f->arena, &query, &looked, NULL), CD_THROTTLED);
        assert_status(cd_token_revoke(&f->issuer, &f->revocations, &f->arena, &query, &revocation, NULL), CD_THROTTLED);
        query.address = CD_STR("192.0.2.2");
        assert_status(cd_token_revoke(&f->issuer, &f->revocations, &f->arena, &query, &revocation, NULL), CD_OK);
}

static void lesson_1_what_cannot_be_looked_up_is_not_active(void **state)
{
        struct fixture *f = *state;
        struct cd_token_query ask = fixture_query(fixture_token(f));
        struct cd_introspection result;
        struct cd_error err;

        cd_revoked_set_complete(f->revocations.revoked, false);
        assert_status(cd_token_introspect(&f->issuer, &f->revocations, &f->arena, &ask, &result, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "revocations cannot be read");
}

/* Loops of one process share the verified-token cache and the revocations: run under the thread sanitizer. */
static void *issue_and_look(void *arg)
{
        struct fixture *f = arg;
        struct fixture mine = *f;

        cd_arena_init(&mine.arena, 1 << 20);
        for (int i = 0; i < 50; i++) {
                struct cd_token_request ask = fixture_ask();
                struct cd_token_query query;
                struct cd_tokens tokens;
                struct cd_introspection result;

                /* cmocka's asserts must not run on other threads: say it by the return value. */
                if (cd_token_issue(&mine.issuer, &mine.arena, &ask, &tokens, NULL) != CD_OK)
                        return NULL;
                query = fixture_query(tokens.access_token);
                if (cd_token_introspect(&mine.issuer, &mine.revocations, &mine.arena, &query, &result, NULL) != CD_OK ||
                    !result.active)
                        return NULL;
                cd_arena_reset(&mine.arena);
        }
        cd_arena_done(&mine.arena);
        return f;
}

static void threads_may_issue_and_introspect_at_once(void **state)
{
        struct fixture *f = *state;
        pthread_t threads[4];
        void *result;

        f->issuer.random = &cd_random_system;
        for (size_t i = 0; i < CD_LEN(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, issue_and_look, f), 0);
        for (size_t i = 0; i < CD_LEN(threads); i++) {
                assert_int_equal(pthread_join(threads[i], &result), 0);
                assert_non_null(result);
        }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_live_token_is_active_for_its_audience),
                TEST(a_token_is_active_also_for_a_process_that_never_saw_it),
                TEST(a_caller_that_does_not_authenticate_learns_nothing),
                TEST(a_token_for_another_audience_is_inactive),
                TEST(a_token_is_inactive_at_the_second_it_expires),
                TEST(garbage_is_inactive),
                TEST(lesson_17_a_changed_signature_is_not_recognised),
                TEST(a_token_of_another_issuer_with_our_key_is_inactive),
                TEST(a_token_of_a_foreign_key_is_inactive),
                TEST(a_revoked_token_is_inactive_and_others_live_on),
                TEST(only_the_client_that_has_a_token_may_revoke_it),
                TEST(a_token_that_is_revoked_already_costs_the_store_nothing),
                TEST(revoking_what_is_no_token_is_fine),
                TEST(a_revocation_that_cannot_be_kept_is_an_error),
                TEST(a_revocation_that_the_store_refuses_changes_nothing),
                TEST(a_revocation_is_in_the_store_when_it_is_answered),
                TEST(a_revocation_fails_at_once_while_the_store_cannot_be_written),
                TEST(the_token_cache_does_not_outlive_a_key),
                TEST(a_token_of_a_client_that_was_removed_is_inactive),
                TEST(a_token_of_another_client_of_that_id_is_inactive),
                TEST(a_token_without_generations_is_of_the_first),
                TEST(lesson_1_a_token_whose_generations_cannot_be_read_is_inactive),
                TEST(a_token_with_any_other_id_is_of_the_first_generation),
                TEST(generations_stand_after_the_id),
                TEST(lesson_12_a_users_tokens_end_with_the_generation),
                TEST(a_users_token_from_after_a_restore_can_be_revoked_whatever_the_clocks_say),
                TEST(a_revocation_outlasts_every_token_whatever_the_configuration),
                TEST(a_token_that_was_issued_in_the_future_is_inactive),
                TEST(a_token_revoked_while_the_clock_is_wrong_stays_revoked),
                TEST(one_greedy_client_stops_nobodys_revocations),
                TEST(while_the_store_is_unavailable_introspection_goes_on_and_revocation_does_not),
                TEST(lesson_14_wrong_secrets_of_every_endpoint_are_counted_together),
                TEST(lesson_1_what_cannot_be_looked_up_is_not_active),
                TEST(threads_may_issue_and_introspect_at_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
