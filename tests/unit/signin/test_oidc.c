/* OpenID Connect: metadata, keys, ID tokens, and logging out at the provider. */
#include "unit/signin/fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "crypto/jws.h"
#include "signin/oidc_cache.h"

#define METADATA_URL "https://corp.test/.well-known/openid-configuration"
#define METADATA                                                                                                       \
        "{\"issuer\":\"https://corp.test\",\"authorization_endpoint\":\"https://corp.test/authorize\","                \
        "\"token_endpoint\":\"https://corp.test/token\",\"jwks_uri\":\"https://corp.test/jwks\","                      \
        "\"userinfo_endpoint\":\"https://corp.test/userinfo\","                                                        \
        "\"end_session_endpoint\":\"https://corp.test/logout?a=b\"}"
#define COMMON "\"iss\":\"https://corp.test\",\"sub\":\"u-9\",\"aud\":\"the id\",\"exp\":1795349100,\"iat\":1795348800"
#define WHO    "\"preferred_username\":\"una\",\"name\":\"Una\",\"email\":\"una@example.com\",\"email_verified\":true"
#define GOOD   "{" COMMON ",\"nonce\":\"NONCE\"," WHO "}"

static struct cd_jwk *key, *other;

static int set_up(void **state)
{
        if (signin_set_up(state) != 0)
                return -1;
        assert_status(cd_jwk_generate(CD_ALG_ES256, &key, NULL), CD_OK);
        assert_status(cd_jwk_generate(CD_ALG_EDDSA, &other, NULL), CD_OK);
        return 0;
}

static int tear_down(void **state)
{
        cd_jwk_unref(key);
        cd_jwk_unref(other);
        return signin_tear_down(state);
}

/* The set that the issuer publishes. */
static void publish(struct signin_fixture *f, const struct cd_jwk *jwk)
{
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, &f->arena, 1 << 16);
        cd_buf_add(&buf, CD_STR("{\"keys\":["));
        cd_jwk_write_public(jwk, &buf);
        cd_buf_add(&buf, CD_STR("]}"));
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        signin_answer(f, "https://corp.test/jwks", 200, cd_arena_copy(&f->arena, text).ptr);
}

/* An issuer that lets u-9 in. */
static struct signin_fixture *issuer(void **state)
{
        static const cd_str subject = CD_STR_INIT("u-9");
        struct signin_fixture *f = *state;

        f->settings[4].allow.subjects = (struct cd_strs){ &subject, 1 };
        f->settings[4].create = true;
        signin_remake(f);
        signin_answer(f, METADATA_URL, 200, METADATA);
        signin_answer(f, "https://corp.test/userinfo", 200, "{\"sub\":\"u-9\"," WHO "}");
        publish(f, key);
        return f;
}

static cd_str replace(struct cd_arena *arena, const char *text, cd_str nonce)
{
        const char *at = strstr(text, "NONCE");

        return at ? cd_arena_printf(arena, "%.*s%.*s%s", (int)(at - text), text, CD_STR_ARG(nonce), at + 5)
                  : cd_str_from_c(text);
}

/* The value of a parameter of the authorization request that needs no decoding. */
static cd_str parameter(cd_str url, const char *name)
{
        const char *at = memmem(url.ptr, url.len, name, strlen(name));

        assert_non_null(at);
        cd_str rest = cd_str_slice(url, (size_t)(at - url.ptr) + strlen(name), url.len);
        return cd_str_slice(rest, 0, cd_str_index(rest, '&'));
}

static enum cd_signin_failure log_in(struct signin_fixture *f, const struct cd_jwk *by, const char *typ,
                                     const char *payload, struct cd_signin_result *ret)
{
        const struct cd_signin_started started = signin_start(f, "corp");
        const struct cd_signin_callback callback = signin_back(&started);
        cd_str claims = replace(&f->arena, payload, parameter(started.url, "nonce=")), token;

        assert_status(cd_jws_sign(&f->arena, by, cd_str_from_c(typ), claims, &token, NULL), CD_OK);
        signin_answer(f, "https://corp.test/token", 200,
                      cd_arena_printf(&f->arena,
                                      "{\"access_token\":\"at-1\",\"token_type\":\"Bearer\",\"id_token\":\"%.*s\"}",
                                      CD_STR_ARG(token))
                              .ptr);
        return signin_end(f, "corp", &callback, ret);
}

static void an_id_token_says_who_it_is(void **state)
{
        struct signin_fixture *f = issuer(state);
        struct cd_signin_result result;

        assert_int_equal(log_in(f, key, "JWT", GOOD, &result), CD_SIGNIN_OK);
        assert_str(result.user.name, "corp:una");
        assert_str(result.user.display_name, "Una");
        assert_str(result.user.email, "una@example.com");
        assert_true(result.user.email_verified);
        assert_str(result.subject, "u-9");
        assert_false(signin_sent(f, "/userinfo"));
        assert_int_equal(log_in(f, key, "", GOOD, &result), CD_SIGNIN_OK); /* without a type */
        assert_false(result.created);
}

static void the_request_has_a_nonce_and_a_challenge(void **state)
{
        struct signin_fixture *f = issuer(state);
        cd_str one = signin_start(f, "corp").url, two = signin_start(f, "corp").url;

        assert_true(cd_str_has_prefix(one, CD_STR("https://corp.test/authorize?response_type=code&")));
        assert_int_equal(parameter(one, "nonce=").len, 43);
        assert_false(cd_str_eq(parameter(one, "nonce="), parameter(two, "nonce=")));
        assert_str(parameter(one, "code_challenge_method="), "S256");
}

static void lesson_17_no_check_of_an_id_token_is_optional(void **state)
{
        static const struct {
                const char *payload, *typ, *field;
        } samples[] = {
                { "{" COMMON "," WHO "}", "JWT", "nonce" },
                { "{" COMMON ",\"nonce\":\"other\"," WHO "}", "JWT", "nonce" },
                { "{" COMMON ",\"nonce\":1," WHO "}", "JWT", "nonce" },
                { "{" COMMON ",\"nonce\":\"NONCE\",\"azp\":\"other\"," WHO "}", "JWT", "azp" },
                { "{" COMMON ",\"nonce\":\"NONCE\",\"azp\":1," WHO "}", "JWT", "azp" },
                { "{" COMMON ",\"nonce\":\"NONCE\",\"at_hash\":\"AAAAAAAAAAAAAAAAAAAAAA\"," WHO "}", "JWT", "at_hash" },
                { "{" COMMON ",\"nonce\":\"NONCE\",\"at_hash\":1," WHO "}", "JWT", "at_hash" },
                { "{\"iss\":\"https://corp.test/\",\"sub\":\"u-9\",\"aud\":\"the id\",\"exp\":1795349100,"
                  "\"nonce\":\"NONCE\"," WHO "}",
                  "JWT", "iss" },
                { "{\"sub\":\"u-9\",\"aud\":\"the id\",\"exp\":1795349100,\"nonce\":\"NONCE\"," WHO "}", "JWT", "iss" },
                { "{\"iss\":\"https://corp.test\",\"sub\":\"u-9\",\"aud\":\"another\",\"exp\":1795349100,"
                  "\"nonce\":\"NONCE\"," WHO "}",
                  "JWT", "aud" },
                { "{\"iss\":\"https://corp.test\",\"sub\":\"u-9\",\"aud\":[\"the id\",\"another\"],"
                  "\"exp\":1795349100,\"nonce\":\"NONCE\"," WHO "}",
                  "JWT", "azp" },
                { "{\"iss\":\"https://corp.test\",\"sub\":\"u-9\",\"aud\":\"the id\",\"nonce\":\"NONCE\"," WHO "}",
                  "JWT", "exp" },
                { "{\"iss\":\"https://corp.test\",\"sub\":\"u-9\",\"aud\":\"the id\",\"exp\":1795348740,"
                  "\"nonce\":\"NONCE\"," WHO "}",
                  "JWT", "exp" },
                { "{\"iss\":\"https://corp.test\",\"aud\":\"the id\",\"exp\":1795349100,\"nonce\":\"NONCE\"," WHO "}",
                  "JWT", "" },
                { "{\"iss\":\"https://corp.test\",\"sub\":\"u-9\",\"aud\":\"the id\",\"exp\":1795349100,"
                  "\"iat\":1795348861,\"nonce\":\"NONCE\"," WHO "}",
                  "JWT", "iat" },
                { GOOD, "at+jwt", "typ" },
                { "{" COMMON ",\"sub\":\"u-1\",\"nonce\":\"NONCE\"," WHO "}", "JWT", "" },
                { "[]", "JWT", "" },
        };
        struct signin_fixture *f = issuer(state);
        struct cd_signin_result result;

        for (size_t i = 0; i < CD_LEN(samples); i++) {
                if (log_in(f, key, samples[i].typ, samples[i].payload, &result) != CD_SIGNIN_PROVIDER_ERROR)
                        fail_msg("%s is accepted", samples[i].payload);
                if (strcmp(f->err.field, samples[i].field) != 0)
                        fail_msg("%s: %s: %s", samples[i].payload, f->err.field, f->err.reason);
        }
        assert_int_equal(log_in(f, key, "JWT",
                                "{\"iss\":\"https://corp.test\",\"sub\":\"u-9\",\"aud\":[\"the id\",\"another\"],"
                                "\"azp\":\"the id\",\"exp\":1795348741,\"iat\":1795348860,\"nonce\":\"NONCE\","
                                /* SHA-256 of "at-1" */
                                "\"at_hash\":\"R8PYaIQdcYEdkSc9TeGyiQ\"," WHO "}",
                                &result),
                         CD_SIGNIN_OK);
}

static void what_is_no_fault_of_an_id_token_is_accepted(void **state)
{
        struct signin_fixture *f = issuer(state);
        struct cd_signin_result result;

        /* One client in a list needs no azp. */
        assert_int_equal(log_in(f, key, "JWT",
                                "{\"iss\":\"https://corp.test\",\"sub\":\"u-9\",\"aud\":[\"the id\"],"
                                "\"exp\":1795348741,\"nonce\":\"NONCE\"," WHO "}",
                                &result),
                         CD_SIGNIN_OK);
        /* No standard says of which hash the at_hash of an EdDSA token is. */
        publish(f, other);
        signin_remake(f);
        assert_int_equal(log_in(f, other, "JWT",
                                "{" COMMON ",\"nonce\":\"NONCE\",\"at_hash\":\"AAAAAAAAAAAAAAAAAAAAAA\"," WHO "}",
                                &result),
                         CD_SIGNIN_OK);
}

static void a_foreign_signature_is_refused(void **state)
{
        struct signin_fixture *f = issuer(state);
        struct cd_signin_result result;

        assert_int_equal(log_in(f, other, "JWT", GOOD, &result), CD_SIGNIN_PROVIDER_ERROR);
        signin_answer(f, "https://corp.test/token", 200, "{\"access_token\":\"at-1\",\"token_type\":\"Bearer\"}");
        assert_int_equal(signin_login(f, "corp", &result), CD_SIGNIN_PROVIDER_ERROR);
        assert_string_equal(f->err.field, "id_token");
        signin_answer(f, "https://corp.test/token", 200,
                      "{\"access_token\":\"at-1\",\"token_type\":\"Bearer\","
                      "\"id_token\":\"eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1LTkifQ.\"}");
        assert_int_equal(signin_login(f, "corp", &result), CD_SIGNIN_PROVIDER_ERROR);
}

/* ---- userinfo ---- */

static void what_an_id_token_leaves_out_is_asked_for(void **state)
{
        struct signin_fixture *f = issuer(state);
        struct cd_signin_result result;

        assert_int_equal(log_in(f, key, "JWT", "{" COMMON ",\"nonce\":\"NONCE\"}", &result), CD_SIGNIN_OK);
        assert_true(signin_sent(f, "GET https://corp.test/userinfo\nbearer at-1\n"));
        assert_str(result.user.name, "corp:una");
        assert_str(result.user.email, "una@example.com");
}

static void an_issuer_without_userinfo_is_not_asked(void **state)
{
        struct signin_fixture *f = issuer(state);
        struct cd_signin_result result;

        signin_answer(f, METADATA_URL, 200,
                      "{\"issuer\":\"https://corp.test\",\"authorization_endpoint\":\"https://corp.test/authorize\","
                      "\"token_endpoint\":\"https://corp.test/token\",\"jwks_uri\":\"https://corp.test/jwks\"}");
        assert_int_equal(log_in(f, key, "JWT", "{" COMMON ",\"nonce\":\"NONCE\"}", &result), CD_SIGNIN_OK);
        assert_str(result.user.name, "corp:u-9");
        assert_false(signin_sent(f, "/userinfo"));
        assert_false(signin_sent(f, "GET \n"));
}

static void userinfo_about_somebody_else_is_refused(void **state)
{
        static const char *const samples[] = { "{\"sub\":\"u-1\"," WHO "}", "{" WHO "}", "[]", "{\"sub\":9," WHO "}" };
        struct signin_fixture *f = issuer(state);
        struct cd_signin_result result;

        for (size_t i = 0; i < CD_LEN(samples); i++) {
                signin_answer(f, "https://corp.test/userinfo", 200, samples[i]);
                assert_int_equal(log_in(f, key, "JWT", "{" COMMON ",\"nonce\":\"NONCE\"}", &result),
                                 CD_SIGNIN_PROVIDER_ERROR);
                assert_string_equal(f->err.field, "sub");
        }
        signin_fail_call(f, "https://corp.test/userinfo", CD_TIMEOUT);
        assert_int_equal(log_in(f, key, "JWT", "{" COMMON ",\"nonce\":\"NONCE\"}", &result), CD_SIGNIN_PROVIDER_DOWN);
}

/* An address of the ID token is not verified by what userinfo says of another. */
static void only_a_verified_address_lets_in(void **state)
{
        static const cd_str domain = CD_STR_INIT("example.com");
        static const struct {
                const char *claims;
                enum cd_signin_failure failure;
        } samples[] = {
                { "\"email\":\"una@example.com\",\"email_verified\":true", CD_SIGNIN_OK },
                { "\"email\":\"una@example.com\",\"email_verified\":\"true\"", CD_SIGNIN_NOT_ALLOWED },
                { "\"email\":\"una@example.com\",\"email_verified\":false", CD_SIGNIN_NOT_ALLOWED },
                { "\"email\":\"una@example.com\"", CD_SIGNIN_NOT_ALLOWED },
                { "\"email\":\"una@other.com\",\"email_verified\":true", CD_SIGNIN_NOT_ALLOWED },
        };
        struct signin_fixture *f = issuer(state);
        struct cd_signin_result result;

        for (size_t i = 0; i < CD_LEN(samples); i++) {
                f->settings[4].allow = (struct cd_signin_allow){ .email_domains = (struct cd_strs){ &domain, 1 } };
                signin_remake(f);
                cd_str payload = cd_arena_printf(&f->arena, "{" COMMON ",\"nonce\":\"NONCE\",%s}", samples[i].claims);
                assert_int_equal(log_in(f, key, "JWT", payload.ptr, &result), samples[i].failure);
                if (samples[i].failure == CD_SIGNIN_OK) { /* who is linked comes in anyway */
                        const struct cd_provider_account account = { .provider = CD_STR("corp"),
                                                                     .subject = CD_STR("u-9"),
                                                                     .user = result.user.name };
                        assert_status(f->store->provider_accounts->remove(f->store, &account, NULL, NULL, NULL), CD_OK);
                }
        }
}

/* ---- metadata ---- */

static enum cd_signin_failure begin(struct signin_fixture *f)
{
        const struct cd_signin_begin nothing = { 0 };
        struct cd_signin_started started;

        f->err = (struct cd_error){ 0 };
        return cd_signin_begin(signin_provider(f, "corp"), &f->arena, &nothing, &started, &f->err);
}

static void metadata_that_cannot_be_used_is_refused(void **state)
{
        static const struct {
                const char *body, *field;
        } samples[] = {
                { "<html></html>", "" },
                { "{}", "issuer" },
                { "{\"issuer\":1}", "issuer" },
                { "{\"issuer\":\"https://corp.test/\"}", "issuer" },
                { "{\"issuer\":\"https://evil.test\"}", "issuer" },
                { "{\"issuer\":\"https://corp.test\"}", "authorization_endpoint" },
                { "{\"issuer\":\"https://corp.test\",\"authorization_endpoint\":\"javascript:alert(1)\"}",
                  "authorization_endpoint" },
                { "{\"issuer\":\"https://corp.test\",\"authorization_endpoint\":\"http://corp.test/authorize\"}",
                  "authorization_endpoint" },
                { "{\"issuer\":\"https://corp.test\",\"authorization_endpoint\":\"https://a/\\r\\nb\"}",
                  "authorization_endpoint" },
                { "{\"issuer\":\"https://corp.test\",\"authorization_endpoint\":\"https://a/ b\"}",
                  "authorization_endpoint" },
                { "{\"issuer\":\"https://corp.test\",\"authorization_endpoint\":\"https://a/#b\"}",
                  "authorization_endpoint" },
                { "{\"issuer\":\"https://corp.test\",\"authorization_endpoint\":\"https://a\","
                  "\"token_endpoint\":\"https://a\"}",
                  "jwks_uri" },
        };
        struct signin_fixture *f = issuer(state);

        for (size_t i = 0; i < CD_LEN(samples); i++) {
                signin_remake(f);
                signin_answer(f, METADATA_URL, 200, samples[i].body);
                assert_int_equal(begin(f), CD_SIGNIN_PROVIDER_ERROR);
                if (strcmp(f->err.field, samples[i].field) != 0)
                        fail_msg("%s: %s: %s", samples[i].body, f->err.field, f->err.reason);
        }
}

static void metadata_is_asked_for_once_an_hour(void **state)
{
        struct signin_fixture *f = issuer(state);

        for (int i = 0; i < 3; i++)
                assert_int_equal(begin(f), CD_SIGNIN_OK);
        assert_int_equal(f->calls, 1);
        f->now += CD_SIGNIN_PUBLISHED_LIFETIME - 1;
        assert_int_equal(begin(f), CD_SIGNIN_OK);
        assert_int_equal(f->calls, 1);
        f->now += 1;
        assert_int_equal(begin(f), CD_SIGNIN_OK);
        assert_int_equal(f->calls, 2);
}

static void an_issuer_that_is_down_is_not_asked_by_everybody(void **state)
{
        struct signin_fixture *f = issuer(state);

        signin_fail_call(f, METADATA_URL, CD_UNAVAILABLE);
        for (int i = 0; i < 3; i++)
                assert_int_equal(begin(f), CD_SIGNIN_PROVIDER_DOWN);
        assert_int_equal(f->calls, 1);
        signin_answer(f, METADATA_URL, 200, METADATA);
        f->now += CD_SIGNIN_PUBLISHED_RETRY - 1;
        assert_int_equal(begin(f), CD_SIGNIN_PROVIDER_DOWN);
        f->now += 1;
        assert_int_equal(begin(f), CD_SIGNIN_OK);
        /* Later, what is there goes on being used. */
        signin_fail_call(f, METADATA_URL, CD_UNAVAILABLE);
        f->now += 10 * CD_SIGNIN_PUBLISHED_LIFETIME;
        assert_int_equal(begin(f), CD_SIGNIN_OK);
        assert_int_equal(f->calls, 3);
        assert_int_equal(begin(f), CD_SIGNIN_OK);
        assert_int_equal(f->calls, 3);
}

/* What happens while the issuer is asked: another login begins, and the login page is shown, which no request of
 * another server may hold up. */
static void look_meanwhile(struct signin_fixture *f)
{
        f->during = NULL;
        assert_int_equal(begin(f), CD_SIGNIN_OK);
        assert_non_null(cd_signin_logout_url(signin_provider(f, "corp"), &f->arena, CD_STR("https://a/")).ptr);
}

static void what_is_known_serves_while_the_issuer_is_asked_again(void **state)
{
        struct signin_fixture *f = issuer(state);

        assert_int_equal(begin(f), CD_SIGNIN_OK);
        f->now += CD_SIGNIN_PUBLISHED_LIFETIME;
        f->during = look_meanwhile;
        assert_int_equal(begin(f), CD_SIGNIN_OK);
        assert_null(f->during);
        assert_int_equal(f->calls, 2);
}

static void endpoints_of_the_configuration_win(void **state)
{
        struct signin_fixture *f = issuer(state);

        f->settings[4].authorization_endpoint = CD_STR("https://front.test/authorize");
        signin_remake(f);
        assert_true(cd_str_has_prefix(signin_start(f, "corp").url, CD_STR("https://front.test/authorize?")));
}

static void a_promised_iss_must_come(void **state)
{
        struct signin_fixture *f = issuer(state);
        struct cd_signin_result result;

        signin_answer(f, METADATA_URL, 200,
                      "{\"issuer\":\"https://corp.test\",\"authorization_endpoint\":\"https://corp.test/authorize\","
                      "\"token_endpoint\":\"https://corp.test/token\",\"jwks_uri\":\"https://corp.test/jwks\","
                      "\"authorization_response_iss_parameter_supported\":true}");
        assert_int_equal(log_in(f, key, "JWT", GOOD, &result), CD_SIGNIN_PROVIDER_ERROR);
        assert_non_null(strstr(f->err.reason, "iss"));
}

/* ---- keys ---- */

static void a_new_key_is_looked_for(void **state)
{
        struct signin_fixture *f = issuer(state);
        struct cd_signin_result result;

        assert_int_equal(log_in(f, key, "JWT", GOOD, &result), CD_SIGNIN_OK);
        publish(f, other);
        unsigned before = f->calls;
        /* Not within a minute: metadata, token and userinfo aside, no request is made for it. */
        assert_int_equal(log_in(f, other, "JWT", GOOD, &result), CD_SIGNIN_PROVIDER_ERROR);
        assert_int_equal(f->calls, before + 1);
        f->now += CD_SIGNIN_KEYS_AGAIN;
        assert_int_equal(log_in(f, other, "JWT", GOOD, &result), CD_SIGNIN_OK);
        /* The old one is gone. */
        assert_int_equal(log_in(f, key, "JWT", GOOD, &result), CD_SIGNIN_PROVIDER_ERROR);
}

static void lesson_36_keys_that_cannot_be_had_end_the_login(void **state)
{
        struct signin_fixture *f = issuer(state);
        struct cd_signin_result result;

        signin_answer(f, "https://corp.test/jwks", 200, "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}");
        assert_int_equal(log_in(f, key, "JWT", GOOD, &result), CD_SIGNIN_PROVIDER_ERROR);
        assert_string_equal(f->err.field, "jwks_uri");
        signin_remake(f);
        signin_fail_call(f, "https://corp.test/jwks", CD_UNAVAILABLE);
        assert_int_equal(log_in(f, key, "JWT", GOOD, &result), CD_SIGNIN_PROVIDER_DOWN);
        publish(f, key);
        f->now += CD_SIGNIN_PUBLISHED_RETRY;
        assert_int_equal(log_in(f, key, "JWT", GOOD, &result), CD_SIGNIN_OK);
        /* Old keys go on being used while the issuer is down. */
        signin_fail_call(f, "https://corp.test/jwks", CD_UNAVAILABLE);
        f->now += 100;
        assert_int_equal(log_in(f, key, "JWT", GOOD, &result), CD_SIGNIN_OK);
}

/* ---- logging out ---- */

static void the_provider_has_a_page_to_log_out(void **state)
{
        struct signin_fixture *f = issuer(state);
        const struct cd_signin_provider *provider = signin_provider(f, "corp");

        assert_null(cd_signin_logout_url(provider, &f->arena, CD_STR("https://a/")).ptr); /* it is not known yet */
        assert_int_equal(begin(f), CD_SIGNIN_OK);
        assert_str(cd_signin_logout_url(provider, &f->arena, CD_STR("https://auth.test/_auth/?a=b")),
                   "https://corp.test/logout?a=b&client_id=the%20id"
                   "&post_logout_redirect_uri=https%3A%2F%2Fauth.test%2F_auth%2F%3Fa%3Db");
        assert_null(cd_signin_logout_url(signin_provider(f, "github"), &f->arena, CD_STR("https://a/")).ptr);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(an_id_token_says_who_it_is),
                TEST(the_request_has_a_nonce_and_a_challenge),
                TEST(lesson_17_no_check_of_an_id_token_is_optional),
                TEST(what_is_no_fault_of_an_id_token_is_accepted),
                TEST(a_foreign_signature_is_refused),
                TEST(what_an_id_token_leaves_out_is_asked_for),
                TEST(an_issuer_without_userinfo_is_not_asked),
                TEST(userinfo_about_somebody_else_is_refused),
                TEST(only_a_verified_address_lets_in),
                TEST(metadata_that_cannot_be_used_is_refused),
                TEST(metadata_is_asked_for_once_an_hour),
                TEST(an_issuer_that_is_down_is_not_asked_by_everybody),
                TEST(what_is_known_serves_while_the_issuer_is_asked_again),
                TEST(endpoints_of_the_configuration_win),
                TEST(a_promised_iss_must_come),
                TEST(a_new_key_is_looked_for),
                TEST(lesson_36_keys_that_cannot_be_had_end_the_login),
                TEST(the_provider_has_a_page_to_log_out),
        };

        return cmocka_run_group_tests_name("signin: OpenID Connect", tests, NULL, NULL);
}
