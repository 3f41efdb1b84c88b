/* What a provider's answers mean, and what becomes of bad ones. */
#include "unit/signin/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum cd_signin_failure read_answer(struct signin_fixture *f, const char *body, struct cd_signin_tokens *ret)
{
        *ret = (struct cd_signin_tokens){ 0 };
        f->err = (struct cd_error){ 0 };
        return cd_signin_read_tokens(&f->arena, cd_str_from_c(body), ret, &f->err);
}

static void json_and_forms_are_read_by_their_content(void **state)
{
        static const char *const good[] = {
                "access_token=gho_1&scope=repo%2Cgist&token_type=bearer",
                "scope=&token_type=bearer&access_token=gho_1&unknown=1",
                "{\"access_token\":\"gho_1\",\"token_type\":\"bearer\",\"scope\":\"repo,gist\"}",
                " \r\n{\"access_token\":\"gho_1\",\"token_type\":\"Bearer\",\"expires_in\":0}\n",
                "{\"access_token\":\"gho_1\",\"token_type\":\"BEARER\",\"scope\":[\"a\"],\"refresh_token\":null}",
                "access_token=gho_1&token_type=bearer\n",
        };
        struct signin_fixture *f = *state;
        struct cd_signin_tokens tokens;

        for (size_t i = 0; i < CD_LEN(good); i++) {
                if (read_answer(f, good[i], &tokens) != CD_SIGNIN_OK)
                        fail_msg("%s: %s", good[i], f->err.reason);
                assert_str(tokens.access_token, "gho_1");
                assert_int_equal(tokens.expires_in, 0);
                assert_str(tokens.refresh_token, "");
        }
        assert_int_equal(read_answer(f,
                                     "{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":86400,"
                                     "\"refresh_token\":\"r\",\"id_token\":\"i\"}",
                                     &tokens),
                         CD_SIGNIN_OK);
        assert_int_equal(tokens.expires_in, 86400);
        assert_str(tokens.refresh_token, "r");
        assert_str(tokens.id_token, "i");
        assert_int_equal(read_answer(f, "access_token=a&token_type=bearer&expires_in=3600", &tokens), CD_SIGNIN_OK);
        assert_int_equal(tokens.expires_in, 3600);
        assert_int_equal(read_answer(f, "access_token=a&token_type=bearer&expires_in=9223372036854775807", &tokens),
                         CD_SIGNIN_OK);
        assert_int_equal(tokens.expires_in, 10 * 365 * 24 * 3600);
}

static void answers_that_mean_nothing_are_refused(void **state)
{
        static const char *const bad[] = {
                "",
                "  \n",
                "<!DOCTYPE html><html><form action=x=1></form></html>",
                "nonsense",
                "[]",
                "[{\"access_token\":\"a\",\"token_type\":\"bearer\"}]",
                "\"access_token\"",
                "{}",
                "{\"access_token\":\"a\",\"token_type\":\"bearer\"",
                "{\"access_token\":\"a\",\"token_type\":\"bearer\"}}",
                "{\"access_token\":\"a\",\"access_token\":\"b\",\"token_type\":\"bearer\"}",
                "access_token=a&access_token=b&token_type=bearer",
                "{\"access_token\":\"\",\"token_type\":\"bearer\"}",
                "{\"access_token\":null,\"token_type\":\"bearer\"}",
                "{\"access_token\":1,\"token_type\":\"bearer\"}",
                "{\"access_token\":{},\"token_type\":\"bearer\"}",
                "{\"token_type\":\"bearer\"}",
                "token_type=bearer&access_token=",
                "{\"access_token\":\"a\"}",
                "{\"access_token\":\"a\",\"token_type\":\"\"}",
                "{\"access_token\":\"a\",\"token_type\":\"mac\"}",
                "{\"access_token\":\"a\",\"token_type\":\"dpop\"}",
                "{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":\"3600\"}",
                "{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":\"soon\"}",
                "{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":-1}",
                "{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":36e2}",
                "{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":1.5}",
                "{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":9223372036854775808}",
                "access_token=a&token_type=bearer&expires_in=-1",
                "access_token=a&token_type=bearer&expires_in=soon",
                "access_token=%zz&token_type=bearer",
                "access_token=%00&token_type=bearer",
                "{\"access_token\":\"a\\nb\",\"token_type\":\"bearer\"}",
                "{\"access_token\":\"a\\u0000\",\"token_type\":\"bearer\"}",
                "{\"error\":{\"message\":\"no\"}}",
                "\xff\xfe{",
        };
        struct signin_fixture *f = *state;
        struct cd_signin_tokens tokens;

        for (size_t i = 0; i < CD_LEN(bad); i++) {
                if (read_answer(f, bad[i], &tokens) != CD_SIGNIN_PROVIDER_ERROR)
                        fail_msg("accepted: %s", bad[i]);
                assert_true(f->err.reason[0]);
                assert_null(tokens.access_token.ptr);
        }
}

static void errors_come_with_status_200_too(void **state)
{
        static const struct {
                const char *error;
                enum cd_signin_failure failure;
        } errors[] = {
                { "bad_verification_code", CD_SIGNIN_EXPIRED },
                { "invalid_grant", CD_SIGNIN_EXPIRED },
                { "access_denied", CD_SIGNIN_DENIED },
                { "temporarily_unavailable", CD_SIGNIN_PROVIDER_DOWN },
                { "server_error", CD_SIGNIN_PROVIDER_DOWN },
                { "incorrect_client_credentials", CD_SIGNIN_PROVIDER_ERROR },
                { "invalid_client", CD_SIGNIN_PROVIDER_ERROR },
                { "redirect_uri_mismatch", CD_SIGNIN_PROVIDER_ERROR },
                { "invalid_scope", CD_SIGNIN_PROVIDER_ERROR },
                { "never_heard_of", CD_SIGNIN_PROVIDER_ERROR },
                { "ACCESS_DENIED", CD_SIGNIN_PROVIDER_ERROR },
        };
        static const int statuses[] = { 200, 400, 401, 403 };
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        for (size_t i = 0; i < CD_LEN(errors); i++)
                for (size_t k = 0; k < 2 * CD_LEN(statuses); k++) {
                        const char *form = k % 2 ? "error=%s&error_description=Because+so"
                                                 : "{\"error\":\"%s\",\"error_description\":\"Because so\"}";
                        char body[200];
                        snprintf(body, sizeof(body), form, errors[i].error);
                        f->answer_count = 0;
                        signin_answer(f, "https://github.test/token", statuses[k / 2], body);
                        if (signin_login(f, "github", &result) != errors[i].failure)
                                fail_msg("%d %s", statuses[k / 2], body);
                        assert_non_null(strstr(f->err.reason, errors[i].error));
                        assert_non_null(strstr(f->err.reason, "Because so"));
                }
        /* An error beside a token is an error. */
        f->answer_count = 0;
        signin_answer(f, "https://github.test/token", 200, "access_token=a&token_type=bearer&error=invalid_client");
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_PROVIDER_ERROR);
}

static void statuses_tell_a_provider_that_is_down_from_one_that_is_odd(void **state)
{
        static const struct {
                int status;
                enum cd_signin_failure failure;
        } statuses[] = {
                { 500, CD_SIGNIN_PROVIDER_DOWN },  { 502, CD_SIGNIN_PROVIDER_DOWN },  { 503, CD_SIGNIN_PROVIDER_DOWN },
                { 599, CD_SIGNIN_PROVIDER_DOWN },  { 429, CD_SIGNIN_PROVIDER_DOWN },  { 301, CD_SIGNIN_PROVIDER_ERROR },
                { 302, CD_SIGNIN_PROVIDER_ERROR }, { 307, CD_SIGNIN_PROVIDER_ERROR }, { 400, CD_SIGNIN_PROVIDER_ERROR },
                { 404, CD_SIGNIN_PROVIDER_ERROR }, { 201, CD_SIGNIN_PROVIDER_ERROR }, { 204, CD_SIGNIN_PROVIDER_ERROR },
        };
        static const char *const urls[] = { "https://github.test/token", "https://github.test/user" };
        static const char *const bodies[] = { "", "<html></html>",
                                              "{\"access_token\":\"a\",\"token_type\":\"bearer\",\"id\":1}" };
        struct signin_fixture *f = *state;
        struct cd_signin_result result;
        char said[32];

        for (size_t i = 0; i < CD_LEN(statuses); i++)
                for (size_t k = 0; k < CD_LEN(urls) * CD_LEN(bodies); k++) {
                        f->answer_count = 0;
                        signin_answer(f, "https://github.test/token", 200, "access_token=a&token_type=bearer");
                        signin_answer(f, urls[k % 2], statuses[i].status, bodies[k / 2]);
                        if (signin_login(f, "github", &result) != statuses[i].failure)
                                fail_msg("%s %d", urls[k % 2], statuses[i].status);
                        snprintf(said, sizeof(said), "the status is %d", statuses[i].status);
                        assert_non_null(strstr(f->err.reason, said));
                }
}

static void calls_that_fail_have_a_failure_each(void **state)
{
        static const struct {
                cd_status status;
                enum cd_signin_failure failure;
        } fails[] = {
                { CD_UNAVAILABLE, CD_SIGNIN_PROVIDER_DOWN },
                { CD_TIMEOUT, CD_SIGNIN_PROVIDER_DOWN },
                { CD_TOO_LARGE, CD_SIGNIN_PROVIDER_ERROR },
                { CD_INVALID_REQUEST, CD_SIGNIN_PROVIDER_ERROR }, /* the guard */
                { CD_NO_MEMORY, CD_SIGNIN_UNAVAILABLE },
                { CD_INTERNAL, CD_SIGNIN_UNAVAILABLE },
        };
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        for (size_t i = 0; i < CD_LEN(fails); i++) {
                f->answer_count = 0;
                signin_fail_call(f, "https://github.test/token", fails[i].status);
                assert_int_equal(signin_login(f, "github", &result), fails[i].failure);
                assert_string_equal(f->err.reason, "the call fails");
        }
}

/* At the limit, and one byte beyond. */
static void an_answer_has_at_most_one_megabyte(void **state)
{
        static const char start[] = "{\"id\":583231,\"login\":\"octocat\",\"x\":\"";
        struct signin_fixture *f = *state;
        struct cd_signin_result result;
        char *body = malloc(CD_SIGNIN_RESPONSE_MAX + 2);

        assert_non_null(body);
        for (size_t beyond = 0; beyond < 2; beyond++) {
                size_t size = CD_SIGNIN_RESPONSE_MAX + beyond;
                memset(body, 'x', size);
                memcpy(body, start, sizeof(start) - 1);
                memcpy(body + size - 2, "\"}", 3);
                f->answer_count = 0;
                signin_answer(f, "https://github.test/token", 200, "access_token=a&token_type=bearer");
                signin_answer(f, "https://github.test/user", 200, body);
                assert_int_equal(signin_login(f, "github", &result),
                                 beyond ? CD_SIGNIN_PROVIDER_ERROR : CD_SIGNIN_NOT_ALLOWED);
        }
        free(body);
}

static void tokens_have_a_limit(void **state)
{
        struct signin_fixture *f = *state;
        char token[8194], body[9000];
        struct cd_signin_tokens tokens;

        memset(token, 't', sizeof(token));
        for (int size = 8192; size <= 8193; size++) {
                snprintf(body, sizeof(body), "access_token=%.*s&token_type=bearer", size, token);
                assert_int_equal(read_answer(f, body, &tokens), size == 8192 ? CD_SIGNIN_OK : CD_SIGNIN_PROVIDER_ERROR);
        }
        assert_null(strstr(f->err.reason, "tttt"));
}

/* A provider's description that repeats what was sent to it is left out. */
static void lesson_28_no_secret_comes_back_in_a_reason(void **state)
{
        static const char *const bodies[] = {
                "{\"error\":\"invalid_client\",\"error_description\":\"the+secret is wrong\"}",
                "{\"error\":\"the+secret\"}",
                "{\"error\":\"invalid_grant\",\"error_description\":\"unknown code code/1\"}",
                "error=invalid_grant&error_description=code%2F1",
                "{\"error\":\"invalid_grant\",\"error_description\":\"unknown code code%2F1\"}",
                "{\"access_token\":\"a\",\"token_type\":\"the+secret\"}",
                /* It is cut within the secret. */
                "{\"error\":\"invalid_client\",\"error_description\":"
                "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.the+secret\"}",
        };
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        for (size_t basic = 0; basic < 2; basic++)
                for (size_t i = 0; i < CD_LEN(bodies); i++) {
                        f->settings[0].basic = basic;
                        signin_remake(f);
                        f->answer_count = 0;
                        signin_answer(f, "https://github.test/token", 200, bodies[i]);
                        assert_int_not_equal(signin_login(f, "github", &result), CD_SIGNIN_OK);
                        if (strstr(f->err.reason, "the+secr") || strstr(f->err.reason, "code/1") ||
                            strstr(f->err.reason, "code%2F1"))
                                fail_msg("%s: %s", bodies[i], f->err.reason);
                }
}

static void credentials_are_sent_in_the_form_or_by_basic(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        (void)signin_login(f, "github", &result);
        assert_true(signin_sent(f, "POST https://github.test/token\n"
                                   "grant_type=authorization_code&code=code%2F1&redirect_uri="
                                   "https%3A%2F%2Fauth.test%2F_auth%2Fsignin%2Fgithub%2Fcallback&code_verifier="));
        assert_true(signin_sent(f, "&client_id=the%20id&client_secret=the%2Bsecret\n"));
        assert_true(signin_sent(f, "GET https://github.test/user\nbearer gho_1\n"));
        assert_false(signin_sent(f, "basic"));
        f->settings[0].basic = true;
        signin_remake(f);
        f->sent_size = 0;
        (void)signin_login(f, "github", &result);
        assert_true(signin_sent(f, "basic user the%20id\nbasic password the%2Bsecret\n"));
        assert_false(signin_sent(f, "client_secret="));
}

/* A subject is a text, or a positive whole number as it is written: 2^53 + 1 is no double. */
static void a_subject_is_never_a_double(void **state)
{
        static const struct {
                const char *me;
                const char *subject; /* NULL: refused */
        } answers[] = {
                { "{\"data\":{\"user\":{\"uid\":\"u-1\"}}}", "u-1" },
                { "{\"data\":{\"user\":{\"uid\":9007199254740993}}}", "9007199254740993" },
                { "{\"data\":{\"user\":{\"uid\":9223372036854775807}}}", "9223372036854775807" },
                { "{\"data\":{\"user\":{\"uid\":9223372036854775808}}}", NULL },
                { "{\"data\":{\"user\":{\"uid\":1.0}}}", NULL },
                { "{\"data\":{\"user\":{\"uid\":1e3}}}", NULL },
                { "{\"data\":{\"user\":{\"uid\":0}}}", NULL },
                { "{\"data\":{\"user\":{\"uid\":-1}}}", NULL },
                { "{\"data\":{\"user\":{\"uid\":-0}}}", NULL },
                { "{\"data\":{\"user\":{\"uid\":\"\"}}}", NULL },
                { "{\"data\":{\"user\":{\"uid\":\"a\\nb\"}}}", NULL },
                { "{\"data\":{\"user\":{\"uid\":null}}}", NULL },
                { "{\"data\":{\"user\":{\"uid\":true}}}", NULL },
                { "{\"data\":{\"user\":{\"uid\":[1]}}}", NULL },
                { "{\"data\":{\"user\":1}}", NULL },
                { "{\"data.user.uid\":\"u-1\"}", NULL },
                { "{\"data\":{\"user\":{\"uid\":\"a\",\"uid\":\"b\"}}}", NULL },
                { "[]", NULL },
                { "\"u-1\"", NULL },
                { "", NULL },
                { "<html>", NULL },
        };
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        for (size_t i = 0; i < CD_LEN(answers); i++) {
                signin_answer(f, "https://own.test/me", 200, answers[i].me);
                enum cd_signin_failure failure = signin_login(f, "own", &result);
                if (failure != (answers[i].subject ? CD_SIGNIN_NOT_ALLOWED : CD_SIGNIN_PROVIDER_ERROR))
                        fail_msg("%s", answers[i].me);
                assert_str(result.subject, answers[i].subject ? answers[i].subject : "");
        }
}

static void a_subject_has_at_most_255_bytes(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;
        char long_one[300], me[400];

        memset(long_one, 's', sizeof(long_one));
        for (int size = 255; size <= 256; size++) {
                snprintf(me, sizeof(me), "{\"data\":{\"user\":{\"uid\":\"%.*s\"}}}", size, long_one);
                signin_answer(f, "https://own.test/me", 200, me);
                assert_int_equal(signin_login(f, "own", &result),
                                 size == 255 ? CD_SIGNIN_NOT_ALLOWED : CD_SIGNIN_PROVIDER_ERROR);
        }
}

static void a_restricted_account_of_osu_does_not_come_in(void **state)
{
        static const struct {
                const char *me;
                enum cd_signin_failure failure;
        } answers[] = {
                { "{\"id\":2,\"username\":\"peppy\",\"is_restricted\":false}", CD_SIGNIN_OK },
                { "{\"id\":2,\"username\":\"peppy\",\"is_restricted\":true}", CD_SIGNIN_NOT_ALLOWED },
                { "{\"id\":2,\"username\":\"peppy\"}", CD_SIGNIN_PROVIDER_ERROR },
                { "{\"id\":2,\"username\":\"peppy\",\"is_restricted\":\"false\"}", CD_SIGNIN_PROVIDER_ERROR },
                { "{\"id\":2,\"username\":\"peppy\",\"is_restricted\":null}", CD_SIGNIN_PROVIDER_ERROR },
        };
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        signin_add_user(f, "ana");
        assert_int_equal(signin_link(f, "osu", "ana", &result), CD_SIGNIN_OK);
        for (size_t i = 0; i < CD_LEN(answers); i++) {
                signin_answer(f, "https://osu.test/me", 200, answers[i].me);
                assert_int_equal(signin_login(f, "osu", &result), answers[i].failure);
                assert_str(result.subject, "2");
                assert_str(result.login, "peppy");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                SIGNIN_TEST(json_and_forms_are_read_by_their_content),
                SIGNIN_TEST(answers_that_mean_nothing_are_refused),
                SIGNIN_TEST(errors_come_with_status_200_too),
                SIGNIN_TEST(statuses_tell_a_provider_that_is_down_from_one_that_is_odd),
                SIGNIN_TEST(calls_that_fail_have_a_failure_each),
                SIGNIN_TEST(an_answer_has_at_most_one_megabyte),
                SIGNIN_TEST(tokens_have_a_limit),
                SIGNIN_TEST(lesson_28_no_secret_comes_back_in_a_reason),
                SIGNIN_TEST(credentials_are_sent_in_the_form_or_by_basic),
                SIGNIN_TEST(a_subject_is_never_a_double),
                SIGNIN_TEST(a_subject_has_at_most_255_bytes),
                SIGNIN_TEST(a_restricted_account_of_osu_does_not_come_in),
        };

        return cmocka_run_group_tests_name("signin-answers", tests, NULL, NULL);
}
