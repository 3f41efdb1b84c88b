#include "crypto/jwt.h"
#include "unit/core/fixture.h"

/* Asks, and checks status, field and reason of the refusal. */
static void assert_refused(struct fixture *f, const struct cd_token_request *ask, cd_status status, const char *field,
                           const char *reason)
{
        struct cd_tokens tokens;
        struct cd_error err = { 0 };

        assert_status(cd_token_issue(&f->issuer, &f->arena, ask, &tokens, &err), status);
        assert_string_equal(err.field, field);
        assert_string_equal(err.reason, reason);
        assert_status(err.status, status);
}

static void a_client_gets_a_token_with_the_claims_of_rfc_9068(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();
        struct cd_jwt_expect expect = {
                .typ = CD_STR("at+jwt"),
                .iss = CD_STR("https://auth.example"),
                .aud = CD_STR("https://api.example"),
                .now = NOON,
        };
        struct cd_tokens tokens;
        struct cd_claims claims;

        ask.scope = CD_STR("read");
        assert_status(cd_token_issue(&f->issuer, &f->arena, &ask, &tokens, NULL), CD_OK);
        assert_int_equal(tokens.expires_in, 300);
        assert_str(tokens.scope, "read");
        assert_status(cd_jwt_verify(&f->arena, &f->keys, tokens.access_token, &expect, &claims, NULL), CD_OK);
        assert_str(claims.sub, "app-a");
        assert_str(claims.client_id, "app-a");
        assert_str(claims.scope, "read");
        assert_int_equal(claims.iat, NOON);
        assert_int_equal(claims.exp, NOON + 300);
        assert_int_equal(claims.jti.len, 22);
}

static void two_tokens_never_share_a_jti(void **state)
{
        struct fixture *f = *state;

        assert_false(cd_str_eq(fixture_token(f), fixture_token(f)));
}

static void the_password_grant_makes_the_user_the_subject(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();
        struct cd_tokens tokens;

        ask.grant_type = CD_STR("password");
        ask.username = CD_STR("ana");
        ask.password = CD_STR("anything");
        assert_status(cd_token_issue(&f->issuer, &f->arena, &ask, &tokens, NULL), CD_OK);
        assert_str(tokens.subject, "ana");
}

static void lesson_17_nobody_logs_in_with_the_name_of_a_client(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();

        ask.grant_type = CD_STR("password");
        ask.username = CD_STR("app-b");
        ask.password = CD_STR("anything");
        assert_refused(f, &ask, CD_INVALID_GRANT, "", "the user has the name of a client, and so gets no tokens");
}

static void the_password_grant_needs_a_name_and_a_password(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();

        ask.grant_type = CD_STR("password");
        assert_refused(f, &ask, CD_INVALID_REQUEST, "username", "missing");
        ask.username = CD_STR("ana");
        assert_refused(f, &ask, CD_INVALID_REQUEST, "password", "missing");
}

static struct cd_token_request ask_with(const char *name, const char *password)
{
        struct cd_token_request ask = fixture_ask();

        ask.grant_type = CD_STR("password");
        ask.username = cd_str_from_c(name);
        ask.password = cd_str_from_c(password);
        ask.address = CD_STR("192.0.2.1");
        return ask;
}

static void where_nobody_has_a_password_the_password_grant_is_refused(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = ask_with("ana", "anything");

        f->issuer.accounts = &f->login.port;
        assert_refused(f, &ask, CD_INVALID_GRANT, "", "invalid username or password");
}

static void the_password_grant_takes_the_users_of_the_store(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request right = ask_with("Ana", "right"), wrong = ask_with("ana", "wrong");
        struct cd_tokens tokens;

        f->issuer.accounts = &f->login.port;
        fixture_add_user(f, "ana", "right", NULL);
        assert_true(cd_token_wants_login(&f->issuer, &right));
        assert_status(cd_token_issue(&f->issuer, &f->arena, &right, &tokens, NULL), CD_OK);
        assert_str(tokens.subject, "ana");
        assert_refused(f, &wrong, CD_INVALID_GRANT, "", "invalid username or password");
}

static void lesson_14_lockout_holds_at_the_token_endpoint(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request right = ask_with("ana", "right"), wrong = ask_with("ana", "wrong");
        struct cd_tokens tokens;
        struct cd_error err;

        f->issuer.accounts = &f->login.port;
        fixture_add_user(f, "ana", "right", NULL);
        for (int i = 0; i < 3; i++)
                assert_status(cd_token_issue(&f->issuer, &f->arena, &wrong, &tokens, &err), CD_INVALID_GRANT);
        assert_status(cd_token_issue(&f->issuer, &f->arena, &right, &tokens, &err), CD_THROTTLED);
        assert_int_equal(err.retry_after, 10);
}

/* The loop keeps what costs nothing: only a good client's password is hashed elsewhere. */
static void only_a_good_client_wants_a_password_hashed(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = ask_with("ana", "right");

        assert_false(cd_token_wants_login(&f->issuer, &ask)); /* any user is accepted */
        f->issuer.accounts = &f->login.port;
        assert_true(cd_token_wants_login(&f->issuer, &ask));
        ask.client_secret = CD_STR("wrong");
        assert_false(cd_token_wants_login(&f->issuer, &ask));
        ask.client_id = CD_STR("app-b");
        ask.client_secret = CD_STR("secret-b");
        assert_false(cd_token_wants_login(&f->issuer, &ask));
        ask = fixture_ask();
        assert_false(cd_token_wants_login(&f->issuer, &ask));
}

/* Another one asks whether a password is to be hashed, before the token is. */
static void a_secret_that_is_asked_about_twice_counts_once(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();
        struct cd_tokens tokens;

        f->issuer.accounts = &f->login.port;
        ask.grant_type = CD_STR("password");
        ask.client_secret = CD_STR("a guess");
        for (int i = 0; i < TEST_ATTEMPTS; i++) {
                assert_false(cd_token_wants_login(&f->issuer, &ask));
                assert_status(cd_token_issue(&f->issuer, &f->arena, &ask, &tokens, NULL), CD_INVALID_CLIENT);
        }
        ask.client_secret = CD_STR("secret-a");
        assert_false(cd_token_wants_login(&f->issuer, &ask));
        assert_status(cd_token_issue(&f->issuer, &f->arena, &ask, &tokens, NULL), CD_THROTTLED);
}

static void while_the_store_is_unavailable_nobody_logs_in(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = ask_with("ana", "right");

        f->issuer.accounts = &f->login.port;
        f->store_state.is_unavailable = true;
        fixture_add_user(f, "ana", "right", NULL);
        assert_refused(f, &ask, CD_UNAVAILABLE, "", "the store is unavailable");
}

static void lesson_21_the_password_grant_is_off_unless_given(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();

        ask.client_id = CD_STR("app-b");
        ask.client_secret = CD_STR("secret-b");
        ask.grant_type = CD_STR("password");
        ask.username = CD_STR("ana");
        ask.password = CD_STR("anything");
        assert_refused(f, &ask, CD_UNAUTHORIZED_CLIENT, "grant_type", "password is not granted to this client");
}

static void an_unknown_grant_is_refused(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();

        ask.grant_type = CD_STR("authorization_code");
        assert_refused(f, &ask, CD_UNSUPPORTED_GRANT_TYPE, "grant_type", "must be client_credentials or password");
}

static void unknown_client_and_wrong_secret_look_the_same(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();

        ask.client_secret = CD_STR("secret-b");
        assert_refused(f, &ask, CD_INVALID_CLIENT, "", "unknown client or wrong secret");
        ask.client_id = CD_STR("nobody");
        assert_refused(f, &ask, CD_INVALID_CLIENT, "", "unknown client or wrong secret");
        ask.client_id = ask.client_secret = CD_STR("");
        assert_refused(f, &ask, CD_INVALID_CLIENT, "", "unknown client or wrong secret");
}

static void a_scope_that_was_not_granted_is_refused(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();

        ask.scope = CD_STR("read admin");
        assert_refused(f, &ask, CD_INVALID_SCOPE, "scope", "admin is not granted to this client");
        ask.scope = CD_STR("eyJhbGciOi");
        assert_refused(f, &ask, CD_INVALID_SCOPE, "", "unknown scope");
        ask.scope = CD_STR("re\"ad");
        assert_refused(f, &ask, CD_INVALID_SCOPE, "scope",
                       "has a character that is in no scope (RFC 6749 section 3.3)");
}

static void no_scope_asked_means_all_that_the_client_has(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();
        struct cd_tokens tokens;

        assert_status(cd_token_issue(&f->issuer, &f->arena, &ask, &tokens, NULL), CD_OK);
        assert_str(tokens.scope, "read write");
        ask.scope = CD_STR("write read write");
        assert_status(cd_token_issue(&f->issuer, &f->arena, &ask, &tokens, NULL), CD_OK);
        assert_str(tokens.scope, "write read");
}

/* As a key in a device might: nothing but its answer is known of it. */
static cd_status sign_elsewhere(const struct cd_signer *signer, struct cd_arena *arena, cd_str typ,
                                const struct cd_claims *claims, cd_str *ret, struct cd_error *reterr)
{
        (void)signer;
        if (cd_str_eq(claims->scope, CD_STR("write")))
                return cd_fail(reterr, CD_UNAVAILABLE, "the device does not answer");
        *ret = cd_arena_printf(arena, "%.*s.%.*s.signature", CD_STR_ARG(typ), CD_STR_ARG(claims->sub));
        return ret->ptr ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for a token");
}

static void a_token_is_what_the_signer_of_its_alg_makes(void **state)
{
        struct fixture *f = *state;
        const struct cd_signer elsewhere = { sign_elsewhere };
        struct cd_token_request ask = fixture_ask();

        f->issuer.signers[CD_ALG_ES256] = &elsewhere;
        assert_str(fixture_token(f), "at+jwt.app-a.signature");
        ask.scope = CD_STR("write");
        assert_refused(f, &ask, CD_UNAVAILABLE, "", "the device does not answer");
}

static void without_a_signer_of_its_alg_there_is_no_token(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();

        f->issuer.alg = CD_ALG_EDDSA;
        assert_refused(f, &ask, CD_UNAVAILABLE, "", "no key signs EdDSA now");
}

static void lesson_31_a_failing_random_source_issues_nothing(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();

        f->random.fails = true;
        assert_refused(f, &ask, CD_UNAVAILABLE, "", "the random source failed");
}

static void lesson_31_a_failing_clock_issues_nothing(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();

        f->clock.now = -1;
        assert_refused(f, &ask, CD_UNAVAILABLE, "", "the clock failed");
}

static void lesson_31_every_failing_allocation_is_a_clear_error(void **state)
{
        struct fixture *f = *state;
        struct cd_token_request ask = fixture_ask();
        struct cd_tokens tokens = { 0 };
        cd_status status = CD_NO_MEMORY;
        unsigned failures = 0;

        for (size_t ceiling = 0; status != CD_OK; ceiling += 16) {
                struct cd_arena arena;
                struct cd_error err = { 0 };

                cd_arena_init(&arena, ceiling);
                status = cd_token_issue(&f->issuer, &arena, &ask, &tokens, &err);
                failures += status != CD_OK;
                assert_true(status == CD_OK || err.reason[0] != '\0');
                cd_arena_done(&arena);
                assert_in_range(ceiling, 0, 1 << 16);
        }
        assert_true(failures > 1);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_client_gets_a_token_with_the_claims_of_rfc_9068),
                TEST(two_tokens_never_share_a_jti),
                TEST(the_password_grant_makes_the_user_the_subject),
                TEST(lesson_17_nobody_logs_in_with_the_name_of_a_client),
                TEST(the_password_grant_needs_a_name_and_a_password),
                TEST(where_nobody_has_a_password_the_password_grant_is_refused),
                TEST(the_password_grant_takes_the_users_of_the_store),
                TEST(lesson_14_lockout_holds_at_the_token_endpoint),
                TEST(only_a_good_client_wants_a_password_hashed),
                TEST(a_secret_that_is_asked_about_twice_counts_once),
                TEST(while_the_store_is_unavailable_nobody_logs_in),
                TEST(lesson_21_the_password_grant_is_off_unless_given),
                TEST(an_unknown_grant_is_refused),
                TEST(unknown_client_and_wrong_secret_look_the_same),
                TEST(a_scope_that_was_not_granted_is_refused),
                TEST(no_scope_asked_means_all_that_the_client_has),
                TEST(a_token_is_what_the_signer_of_its_alg_makes),
                TEST(without_a_signer_of_its_alg_there_is_no_token),
                TEST(lesson_31_a_failing_random_source_issues_nothing),
                TEST(lesson_31_a_failing_clock_issues_nothing),
                TEST(lesson_31_every_failing_allocation_is_a_clear_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
