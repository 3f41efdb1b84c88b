#include <pthread.h>
#include <string.h>

#include "unit/core/fixture.h"

/* Introspects as the resource server, expecting an answer. */
static struct cd_introspection look(struct fixture *f, cd_str token)
{
        struct cd_token_query ask = fixture_query(token);
        struct cd_introspection result;

        assert_status(cd_token_introspect(&f->core, &f->arena, &ask, &result, NULL), CD_OK);
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

        return cd_token_revoke(&f->core, &f->arena, &ask, reterr);
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

        cd_token_memo_free(f->core.memo);
        f->core.memo = cd_token_memo_new(64);
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
        assert_status(cd_token_introspect(&f->core, &f->arena, &ask, &result, &err), CD_INVALID_CLIENT);
        assert_string_equal(err.reason, "unknown client or wrong secret");
}

static void a_token_for_another_audience_is_inactive(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();
        struct cd_tokens tokens;

        ask.client_id = CD_STR("app-b");
        ask.client_secret = CD_STR("secret-b");
        assert_status(cd_token_issue(&f->core, &f->arena, &ask, &tokens, NULL), CD_OK);
        assert_inactive(f, tokens.access_token, "token is for another audience");
}

static void a_token_is_dead_at_the_second_it_expires(void **state)
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

/* The memo knows a token by all its bytes: one that differs in its signature alone is judged by that signature (LESSONS
 * 17). */
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

        f->core.issuer = CD_STR("https://moved.example");
        assert_false(look(f, token).active);
}

static void a_token_of_a_foreign_key_is_inactive(void **state)
{
        struct fixture *f = *state;
        struct cd_jwk *foreign, *own = f->key;

        assert_status(cd_jwk_generate(CD_ALG_ES256, &foreign, NULL), CD_OK);
        f->core.signing_key = foreign;
        cd_str token = fixture_token(f);
        f->core.signing_key = own;
        cd_token_memo_free(f->core.memo);
        f->core.memo = cd_token_memo_new(64);
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

static void a_revocation_that_the_store_refuses_changes_nothing(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f);
        struct cd_store *store = f->core.store;
        const struct cd_revocation_ops *real = store->revocations, full = { .add = cannot_add };
        struct cd_error err;

        store->revocations = &full;
        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), token, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "the revocation cannot be kept now: the disk is full");
        store->revocations = real;
        assert_true(look(f, token).active);
}

static void a_revocation_is_in_the_store_when_it_is_answered(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f);
        struct cd_revocation_list list;

        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), token, NULL), CD_OK);
        assert_status(f->core.store->revocations->list(f->core.store, &f->arena, 0, 10, &list, NULL), CD_OK);
        assert_int_equal(list.count, 1);
        assert_int_equal(list.items[0].expires_at, NOON + 300);
}

/* The digest of the token is remembered, but what it was signed with is not valid any more. */
static void the_memo_does_not_outlive_a_key(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f);
        struct cd_jwks others = { 0 };
        struct cd_jwk *other;

        assert_true(look(f, token).active);
        assert_status(cd_jwk_generate(CD_ALG_ES256, &other, NULL), CD_OK);
        assert_status(cd_jwks_add(&others, other, NULL), CD_OK);
        f->core.keys = &others;
        assert_inactive(f, token, "no key has that kid");
        f->core.keys = &f->keys;
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
        f->core.clients = clients;
        assert_inactive(f, token, "the token's client is not there any more");
        cd_clients_free(clients);
}

static void a_token_of_before_its_client_is_inactive(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f);
        static const cd_str api[] = { CD_STR_INIT("https://api.example") };
        struct cd_client_spec again[] = {
                { .id = CD_STR("api"), .secret = CD_STR("secret-api"), .introspect = { api, 1 } },
                { .id = CD_STR("app-a"),
                  .secret = CD_STR("secret-a"),
                  .grants = CD_GRANT_CLIENT_CREDENTIALS,
                  .audience = CD_STR("https://api.example"),
                  .created_at = NOON + 1 },
        };
        struct cd_clients *clients;

        assert_status(cd_clients_new(again, 2, CD_STR(""), &f->random.port, &clients, NULL), CD_OK);
        f->core.clients = clients;
        assert_inactive(f, token, "the token's client is not there any more");
        /* The clock is behind the one that the client was added by. */
        assert_true(look(f, fixture_token(f)).active);
        assert_true(look(f, fixture_token(f)).claims.iat == NOON + 1);
        f->clock.now = NOON + 1;
        assert_true(look(f, fixture_token(f)).active);
        assert_inactive(f, token, "the token's client is not there any more");
        f->clock.now = NOON + 1 - 61;
        assert_inactive(f, fixture_token(f), "the token's client is not there any more");
        cd_clients_free(clients);
}

static cd_str token_of_ana(struct fixture *f)
{
        struct cd_token_request ask = fixture_ask();
        struct cd_tokens tokens;

        ask.grant_type = CD_STR("password");
        ask.username = CD_STR("ana");
        ask.password = CD_STR("anything");
        assert_status(cd_token_issue(&f->core, &f->arena, &ask, &tokens, NULL), CD_OK);
        return tokens.access_token;
}

/* LESSONS 12: a changed password, a disabled user. */
static void lesson_12_a_cut_ends_the_tokens_issued_up_to_its_second(void **state)
{
        struct fixture *f = *state;
        cd_str before = token_of_ana(f), of_client = fixture_token(f);
        const struct cd_revocation cut = { .user = CD_STR("ana"), .before = NOON, .expires_at = NOON + 400 };

        assert_true(look(f, before).active);
        assert_status(cd_revoked_add(f->core.revoked, &cut, NOON), CD_OK);
        assert_inactive(f, before, "token was revoked");
        assert_inactive(f, token_of_ana(f), "token was revoked");
        f->clock.now = NOON + 1;
        assert_true(look(f, token_of_ana(f)).active);
        assert_true(look(f, of_client).active);
        /* Nor those of a client whose id is the name of a user of old. */
        const struct cd_revocation other = { .user = CD_STR("app-a"), .before = NOON + 1, .expires_at = NOON + 400 };
        assert_status(cd_revoked_add(f->core.revoked, &other, NOON), CD_OK);
        assert_true(look(f, of_client).active);
}

static void while_the_store_is_away_introspection_goes_on_and_revocation_does_not(void **state)
{
        struct fixture *f = *state;
        cd_str token = fixture_token(f);
        atomic_bool away = true;
        struct cd_error err;

        f->core.store_is_away = &away;
        assert_true(look(f, token).active);
        assert_status(revoke_as(f, CD_STR("app-a"), CD_STR("secret-a"), token, &err), CD_UNAVAILABLE);
        assert_status(cd_core_check(&f->core, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "the store is away");
        f->core.store_is_away = NULL;
        assert_true(look(f, token).active);
        assert_status(cd_core_check(&f->core, &err), CD_OK);
}

static void lesson_1_what_cannot_be_looked_up_is_not_active(void **state)
{
        struct fixture *f = *state;
        struct cd_token_query ask = fixture_query(fixture_token(f));
        struct cd_introspection result;
        struct cd_error err;

        cd_revoked_set_complete(f->core.revoked, false);
        assert_status(cd_token_introspect(&f->core, &f->arena, &ask, &result, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "revocations cannot be read");
}

/* Loops of one process share memo and revocations: run under the thread sanitizer. */
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
                if (cd_token_issue(&mine.core, &mine.arena, &ask, &tokens, NULL) != CD_OK)
                        return NULL;
                query = fixture_query(tokens.access_token);
                if (cd_token_introspect(&mine.core, &mine.arena, &query, &result, NULL) != CD_OK || !result.active)
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

        f->core.random = &cd_random_system;
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
                TEST(a_token_is_dead_at_the_second_it_expires),
                TEST(garbage_is_inactive),
                TEST(lesson_17_a_changed_signature_is_not_recognised),
                TEST(a_token_of_another_issuer_with_our_key_is_inactive),
                TEST(a_token_of_a_foreign_key_is_inactive),
                TEST(a_revoked_token_is_inactive_and_others_live_on),
                TEST(only_the_client_that_has_a_token_may_revoke_it),
                TEST(revoking_what_is_no_token_is_fine),
                TEST(a_revocation_that_cannot_be_kept_is_an_error),
                TEST(a_revocation_that_the_store_refuses_changes_nothing),
                TEST(a_revocation_is_in_the_store_when_it_is_answered),
                TEST(the_memo_does_not_outlive_a_key),
                TEST(a_token_of_a_client_that_was_removed_is_inactive),
                TEST(a_token_of_before_its_client_is_inactive),
                TEST(lesson_12_a_cut_ends_the_tokens_issued_up_to_its_second),
                TEST(while_the_store_is_away_introspection_goes_on_and_revocation_does_not),
                TEST(lesson_1_what_cannot_be_looked_up_is_not_active),
                TEST(threads_may_issue_and_introspect_at_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
