#include "core/basic_token.h"

#include <string.h>

#include "base/json.h"
#include "crypto/jwt.h"
#include "unit/core/fixture.h"

/* One key does for both kinds of tokens: the core does not care. */
static struct cd_basic_token_request ask_as(struct fixture *f, const char *name, const char *password)
{
        f->core.accepts_any_user = false;
        f->core.basic_tokens = (struct cd_core_basic_tokens){
                .audience = CD_STR("https://api.example"),
                .client_id = CD_STR("grant"),
                .lifetime = 120,
                .key = f->key,
        };
        return (struct cd_basic_token_request){
                .name = cd_str_from_c(name),
                .password = cd_str_from_c(password),
                .address = CD_STR("192.0.2.1"),
        };
}

static void a_token_says_who_for_which_audience_and_what_the_user_may_do(void **state)
{
        struct fixture *f = *state;
        struct cd_basic_token_request ask = ask_as(f, "Ana", "right");
        const struct cd_jwt_expect expect = {
                .typ = CD_STR("at+jwt"),
                .iss = CD_STR("https://auth.example"),
                .aud = CD_STR("https://api.example"),
                .now = NOON,
        };
        struct cd_basic_token token;
        struct cd_jwt jwt;

        fixture_add_user(f, "ana", "right", "{\"role\":\"editor\",\"projects\":[\"a\",\"b\"]}");
        assert_status(cd_basic_token_issue(&f->core, &f->arena, &ask, &token, NULL), CD_OK);
        assert_int_equal(token.expires_in, 120);
        assert_str(token.subject, "ana");
        assert_status(cd_jwt_verify_whole(&f->arena, &f->keys, token.token, &expect, &jwt, NULL), CD_OK);
        assert_str(jwt.claims.sub, "ana");
        assert_str(jwt.claims.client_id, "grant");
        assert_int_equal(jwt.claims.exp, NOON + 120);
        assert_str(cd_json_find(jwt.object, CD_STR("role"))->text, "editor");
        assert_int_equal(cd_json_find(jwt.object, CD_STR("projects"))->count, 2);
        assert_null(cd_json_find(jwt.object, CD_STR("scope")));
}

static void a_users_scope_is_the_scope_of_the_token(void **state)
{
        struct fixture *f = *state;
        struct cd_basic_token_request ask = ask_as(f, "ana", "right");
        struct cd_basic_token token;
        struct cd_jws jws;

        fixture_add_user(f, "ana", "right", "{\"scope\":\"read gone\",\"role\":\"editor\"}");
        assert_status(cd_basic_token_issue(&f->core, &f->arena, &ask, &token, NULL), CD_OK);
        assert_status(cd_jws_verify(&f->arena, &f->keys, token.token, &jws, NULL), CD_OK);
        cd_str payload = cd_arena_copy(&f->arena, jws.payload);
        assert_non_null(strstr(payload.ptr, "\"scope\":\"read\",\"role\":\"editor\"}"));
}

static cd_str payload_of(struct fixture *f, const struct cd_basic_token_request *ask)
{
        struct cd_basic_token token;
        struct cd_jws jws;

        assert_status(cd_basic_token_issue(&f->core, &f->arena, ask, &token, NULL), CD_OK);
        assert_status(cd_jws_verify(&f->arena, &f->keys, token.token, &jws, NULL), CD_OK);
        return cd_arena_copy(&f->arena, jws.payload);
}

/* RFC 9068 §2.2.3.1. Personal data is in no access token (§6). */
static void a_token_has_the_groups_of_the_user_and_neither_name_nor_address(void **state)
{
        static const cd_str names[] = { CD_STR_INIT("admins"), CD_STR_INIT("dev") };
        static const struct cd_strs groups = { names, 2 };
        struct fixture *f = *state;
        struct cd_basic_token_request ask = ask_as(f, "ana", "right");
        struct cd_user_change change = { .name = CD_STR("ana"),
                                         .now = NOON,
                                         .display_name = CD_STR("Ana"),
                                         .email = CD_STR("ana@example.com"),
                                         .email_verified = true };

        fixture_add_user(f, "ana", "right", "{\"role\":\"editor\"}");
        assert_status(f->core.store->users->update(f->core.store, &change, NULL, NULL), CD_OK);
        assert_non_null(strstr(payload_of(f, &ask).ptr, "\"client_id\":\"grant\",\"role\":\"editor\"}"));
        change = (struct cd_user_change){ .name = CD_STR("ana"), .now = NOON, .groups = &groups };
        assert_status(f->core.store->users->update(f->core.store, &change, NULL, NULL), CD_OK);
        assert_non_null(strstr(payload_of(f, &ask).ptr,
                               "\"client_id\":\"grant\",\"role\":\"editor\",\"groups\":[\"admins\",\"dev\"]}"));
}

static void a_user_without_claims_gets_a_token_without_them(void **state)
{
        struct fixture *f = *state;
        struct cd_basic_token_request ask = ask_as(f, "ana", "right");
        struct cd_basic_token token;

        fixture_add_user(f, "ana", "right", NULL);
        assert_status(cd_basic_token_issue(&f->core, &f->arena, &ask, &token, NULL), CD_OK);
}

static void a_row_changed_by_hand_cannot_overwrite_a_registered_claim(void **state)
{
        struct fixture *f = *state;
        struct cd_basic_token_request ask = ask_as(f, "ana", "right");
        struct cd_basic_token token;
        struct cd_error err;

        fixture_add_user(f, "ana", "right", "{\"sub\":\"root\"}");
        assert_status(cd_basic_token_issue(&f->core, &f->arena, &ask, &token, &err), CD_INTERNAL);
        assert_string_equal(err.field, "claims");
}

/* Such a user was there before the client, which a configuration may bring at any start. */
static void lesson_17_a_user_with_the_name_of_a_client_gets_no_token(void **state)
{
        struct fixture *f = *state;
        static const char *const names[] = { "app-a", "grant" };
        struct cd_basic_token token;
        struct cd_error err = { 0 };

        for (size_t i = 0; i < CD_LEN(names); i++) {
                struct cd_basic_token_request ask = ask_as(f, names[i], "right");
                fixture_add_user(f, names[i], "right", NULL);
                assert_status(cd_basic_token_issue(&f->core, &f->arena, &ask, &token, &err), CD_INVALID_GRANT);
                assert_string_equal(err.reason, "the user has the name of a client, and so gets no tokens");
                ask.password = CD_STR("wrong");
                assert_status(cd_basic_token_issue(&f->core, &f->arena, &ask, &token, &err), CD_INVALID_GRANT);
                assert_string_equal(err.reason, "invalid username or password");
        }
}

static void lesson_10_unknown_wrong_and_disabled_look_the_same(void **state)
{
        struct fixture *f = *state;
        struct cd_basic_token_request attempts[] = { ask_as(f, "nobody", "right"), ask_as(f, "ana", "wrong"),
                                                     ask_as(f, "bo", "right") };
        struct cd_basic_token token;
        struct cd_error err;

        fixture_add_user(f, "ana", "right", NULL);
        fixture_add_user(f, "bo", "right", NULL);
        fixture_end_sessions(f, "bo", CD_USER_DISABLE);
        for (size_t i = 0; i < CD_LEN(attempts); i++) {
                assert_status(cd_basic_token_issue(&f->core, &f->arena, &attempts[i], &token, &err), CD_INVALID_GRANT);
                assert_string_equal(err.reason, "invalid username or password");
        }
}

static void lesson_14_lockout_holds_for_basic_tokens_too(void **state)
{
        struct fixture *f = *state;
        struct cd_basic_token_request wrong = ask_as(f, "ana", "wrong"), right = ask_as(f, "ana", "right");
        struct cd_basic_token token;
        struct cd_error err;

        fixture_add_user(f, "ana", "right", NULL);
        for (int i = 0; i < 3; i++)
                assert_status(cd_basic_token_issue(&f->core, &f->arena, &wrong, &token, &err), CD_INVALID_GRANT);
        assert_status(cd_basic_token_issue(&f->core, &f->arena, &right, &token, &err), CD_THROTTLED);
        assert_int_equal(err.retry_after, 10);
        f->clock.now += 10;
        assert_status(cd_basic_token_issue(&f->core, &f->arena, &right, &token, &err), CD_OK);
}

/* Else slow guesses would tell who has an account: the store counted them for ever, but only those of accounts. */
static void lesson_10_an_account_forgets_wrong_passwords_as_a_made_up_name_does(void **state)
{
        struct fixture *f = *state;
        struct cd_basic_token_request attempts[] = { ask_as(f, "ana", "wrong"), ask_as(f, "nobody", "wrong") };
        struct cd_basic_token token;

        fixture_add_user(f, "ana", "right", NULL);
        for (int i = 0; i < 6; i++) {
                for (size_t k = 0; k < CD_LEN(attempts); k++)
                        assert_status(cd_basic_token_issue(&f->core, &f->arena, &attempts[k], &token, NULL),
                                      CD_INVALID_GRANT);
                f->clock.now += 100; /* max_delay of the fixture: one is forgotten */
        }
        for (size_t i = 0; i < CD_LEN(attempts); i++) {
                assert_status(cd_basic_token_issue(&f->core, &f->arena, &attempts[i], &token, NULL), CD_INVALID_GRANT);
                assert_status(cd_basic_token_issue(&f->core, &f->arena, &attempts[i], &token, NULL), CD_INVALID_GRANT);
        }
}

static void lesson_21_basic_tokens_are_off_unless_they_have_an_audience(void **state)
{
        struct fixture *f = *state;
        struct cd_basic_token_request ask = ask_as(f, "ana", "right");
        struct cd_basic_token token;

        fixture_add_user(f, "ana", "right", NULL);
        f->core.basic_tokens.audience = CD_STR("");
        assert_status(cd_basic_token_issue(&f->core, &f->arena, &ask, &token, NULL), CD_NOT_FOUND);
}

static void a_basic_token_is_introspected_by_its_audience(void **state)
{
        struct fixture *f = *state;
        struct cd_basic_token_request ask = ask_as(f, "ana", "right");
        struct cd_basic_token token;
        struct cd_introspection result;

        fixture_add_user(f, "ana", "right", "{\"role\":\"editor\"}");
        assert_status(cd_basic_token_issue(&f->core, &f->arena, &ask, &token, NULL), CD_OK);
        struct cd_token_query query = fixture_query(token.token);
        assert_status(cd_token_introspect(&f->core, &f->arena, &query, &result, NULL), CD_OK);
        assert_true(result.active);
        assert_str(result.claims.further->name, "role");
        assert_str(result.claims.further->text, "editor");
        f->core.basic_tokens.audience = CD_STR(""); /* switched off: what it gave is worth nothing any more */
        assert_status(cd_token_introspect(&f->core, &f->arena, &query, &result, NULL), CD_OK);
        assert_false(result.active);
}

static bool is_active(struct fixture *f, cd_str token, const char **ret_reason)
{
        struct cd_token_query query = fixture_query(token);
        static struct cd_introspection result;

        assert_status(cd_token_introspect(&f->core, &f->arena, &query, &result, NULL), CD_OK);
        *ret_reason = result.inactive_reason.reason;
        return result.active;
}

/* The clock stands still: that all of it happens in one second changes nothing. */
static void lesson_12_a_token_is_valid_when_issued_after_the_change_and_not_before(void **state)
{
        struct fixture *f = *state;
        struct cd_basic_token_request ask = ask_as(f, "ana", "right");
        struct cd_basic_token before, after;
        const char *reason;

        fixture_add_user(f, "ana", "right", NULL);
        assert_status(cd_basic_token_issue(&f->core, &f->arena, &ask, &before, NULL), CD_OK);
        fixture_end_sessions(f, "ana", CD_USER_AS_IT_IS);
        fixture_follow(f);
        assert_status(cd_basic_token_issue(&f->core, &f->arena, &ask, &after, NULL), CD_OK);
        assert_false(is_active(f, before.token, &reason));
        assert_string_equal(reason, "token was revoked");
        assert_true(is_active(f, after.token, &reason));
        fixture_end_sessions(f, "ana", CD_USER_AS_IT_IS);
        fixture_follow(f);
        assert_false(is_active(f, after.token, &reason));
}

static void a_user_who_is_added_under_the_name_of_another_has_none_of_the_others_tokens(void **state)
{
        struct fixture *f = *state;
        struct cd_basic_token_request ask = ask_as(f, "ana", "right");
        const struct cd_user_change change = { .name = CD_STR("ana"), .now = f->clock.now };
        struct cd_basic_token before, after;
        const char *reason;

        fixture_add_user(f, "ana", "right", NULL);
        assert_status(cd_basic_token_issue(&f->core, &f->arena, &ask, &before, NULL), CD_OK);
        assert_status(f->core.store->users->remove(f->core.store, &change, NULL, NULL), CD_OK);
        fixture_add_user(f, "ana", "right", NULL);
        fixture_follow(f);
        assert_status(cd_basic_token_issue(&f->core, &f->arena, &ask, &after, NULL), CD_OK);
        assert_false(is_active(f, before.token, &reason));
        assert_true(is_active(f, after.token, &reason));
}

static struct fixture *disabled_meanwhile;
static const struct cd_user_ops *real_users;

/* Reads ana; before her password's hash is computed she is disabled. */
static cd_status find_and_disable(struct cd_store *store, struct cd_arena *arena, cd_str name, struct cd_user *ret,
                                  struct cd_error *reterr)
{
        cd_status status = real_users->find(store, arena, name, ret, reterr);

        fixture_end_sessions(disabled_meanwhile, "ana", CD_USER_DISABLE);
        return status;
}

static void lesson_12_a_login_under_way_while_its_user_is_disabled_gets_no_living_token(void **state)
{
        struct fixture *f = *state;
        struct cd_basic_token_request ask = ask_as(f, "ana", "right");
        struct cd_user_ops users = *f->core.store->users;
        struct cd_basic_token token;
        const char *reason;

        fixture_add_user(f, "ana", "right", NULL);
        real_users = f->core.store->users;
        disabled_meanwhile = f;
        users.find = find_and_disable;
        f->core.store->users = &users;
        cd_status status = cd_basic_token_issue(&f->core, &f->arena, &ask, &token, NULL);
        f->core.store->users = real_users;
        assert_status(status, CD_OK);
        fixture_follow(f);
        assert_false(is_active(f, token.token, &reason));
        assert_string_equal(reason, "token was revoked");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_token_says_who_for_which_audience_and_what_the_user_may_do),
                TEST(a_user_without_claims_gets_a_token_without_them),
                TEST(a_token_has_the_groups_of_the_user_and_neither_name_nor_address),
                TEST(a_users_scope_is_the_scope_of_the_token),
                TEST(a_row_changed_by_hand_cannot_overwrite_a_registered_claim),
                TEST(lesson_17_a_user_with_the_name_of_a_client_gets_no_token),
                TEST(lesson_10_unknown_wrong_and_disabled_look_the_same),
                TEST(lesson_14_lockout_holds_for_basic_tokens_too),
                TEST(lesson_10_an_account_forgets_wrong_passwords_as_a_made_up_name_does),
                TEST(lesson_21_basic_tokens_are_off_unless_they_have_an_audience),
                TEST(a_basic_token_is_introspected_by_its_audience),
                TEST(lesson_12_a_token_is_valid_when_issued_after_the_change_and_not_before),
                TEST(a_user_who_is_added_under_the_name_of_another_has_none_of_the_others_tokens),
                TEST(lesson_12_a_login_under_way_while_its_user_is_disabled_gets_no_living_token),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
