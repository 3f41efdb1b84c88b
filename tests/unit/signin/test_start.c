/* How a login begins: the URL, the cookie, what binds it. */
#include "unit/signin/fixture.h"

#include <string.h>

#include "base/percent.h"

/* The decoded value of a parameter of the URL; "" if it is absent. */
static cd_str parameter(struct signin_fixture *f, cd_str url, const char *name)
{
        cd_str query = cd_str_slice(url, cd_str_index(url, '?') + 1, url.len), pair, value;

        while (cd_str_take_until(&query, '&', &pair)) {
                size_t equals = cd_str_index(pair, '=');
                if (!cd_str_eq(cd_str_slice(pair, 0, equals), cd_str_from_c(name)))
                        continue;
                assert_status(cd_percent_decode(&f->arena, cd_str_slice(pair, equals + 1, pair.len), false, &value),
                              CD_OK);
                return value;
        }
        return CD_STR("");
}

static enum cd_signin_failure begin(struct signin_fixture *f, const char *name, const struct cd_signin_begin *params,
                                    struct cd_signin_started *ret)
{
        return cd_signin_begin(signin_provider(f, name), &f->arena, params, ret, &f->err);
}

static void the_url_has_all_that_the_provider_needs(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_started started = signin_start(f, "github");

        assert_true(cd_str_has_prefix(started.url, CD_STR("https://github.test/authorize?response_type=code&")));
        assert_str(parameter(f, started.url, "client_id"), "the id");
        assert_str(parameter(f, started.url, "redirect_uri"), "https://auth.test/_auth/signin/github/callback");
        assert_str(parameter(f, started.url, "scope"), "user:email read:org");
        assert_str(parameter(f, started.url, "code_challenge_method"), "S256");
        assert_int_equal(parameter(f, started.url, "code_challenge").len, 43);
        assert_int_equal(parameter(f, started.url, "state").len, 43);
        assert_true(cd_str_eq(parameter(f, started.url, "state"), started.state));
        assert_str(parameter(f, started.url, "nonce"), "");
        assert_int_equal(f->calls, 0);
        assert_null(memmem(started.url.ptr, started.url.len, "the%2Bsecret", 12));
}

static void an_endpoint_with_a_query_keeps_it(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_started started = signin_start(f, "discord");

        assert_true(cd_str_has_prefix(started.url,
                                      CD_STR("https://discord.test/authorize?prompt=none&response_type=code&")));
        assert_null(memmem(started.url.ptr, started.url.len, "scope=", 6)); /* it asks for none */
}

static void without_pkce_there_is_no_challenge(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        f->settings[0].pkce = false;
        signin_remake(f);
        const struct cd_signin_started started = signin_start(f, "github");
        assert_str(parameter(f, started.url, "code_challenge"), "");
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_NOT_ALLOWED);
        assert_false(signin_sent(f, "code_verifier"));
}

/* RFC 7636 §4.6: the verifier that is sent later is that of the challenge. */
static void the_challenge_is_the_hash_of_the_verifier(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_started started = signin_start(f, "github");
        const struct cd_signin_callback callback = signin_back(&started);
        struct cd_signin_result result;

        (void)signin_end(f, "github", &callback, &result);
        const char *verifier = strstr(f->sent, "code_verifier=");
        assert_non_null(verifier);
        verifier += strlen("code_verifier=");
        cd_str text = cd_str_of(verifier, 43);
        assert_int_equal(text.ptr[text.len], '&');
        assert_true(cd_str_eq(cd_signin_challenge(&f->arena, text), parameter(f, started.url, "code_challenge")));
        /* RFC 7636 appendix B. */
        assert_str(cd_signin_challenge(&f->arena, CD_STR("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")),
                   "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

static void no_two_logins_have_the_same_state_or_verifier(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_started a = signin_start(f, "github"), b = signin_start(f, "github");

        assert_false(cd_str_eq(a.state, b.state));
        assert_false(cd_str_eq(parameter(f, a.url, "code_challenge"), parameter(f, b.url, "code_challenge")));
        assert_false(cd_str_eq(a.cookie, b.cookie));
}

static void lesson_26_the_cookies_are_four_and_of_bounded_size(void **state)
{
        struct signin_fixture *f = *state;
        unsigned seen = 0;
        char long_path[CD_SIGNIN_CODE_MAX];

        for (int i = 0; i < 200; i++) {
                const struct cd_signin_started started = signin_start(f, "github");
                assert_true(started.slot < CD_SIGNIN_STATES_MAX);
                assert_int_equal(started.slot, cd_signin_slot(started.state));
                seen |= 1u << started.slot;
        }
        assert_int_equal(seen, 0xf);
        assert_int_equal(cd_signin_slot(CD_STR("")), 0);
        /* At the limit, and beyond: the login still begins, and ends at home. */
        memset(long_path, 'a', sizeof(long_path));
        bool had_room = false, had_none = false;
        for (size_t size = 900; size < 2000; size++) {
                const struct cd_signin_begin params = { .return_to = cd_str_of(long_path, size) };
                struct cd_signin_started started;
                struct cd_signin_result result;
                assert_int_equal(begin(f, "github", &params, &started), CD_SIGNIN_OK);
                assert_true(started.cookie.len <= CD_SIGNIN_COOKIE_MAX);
                had_room |= started.cookie.len > CD_SIGNIN_COOKIE_MAX - 4;
                if (started.cookie.len > 1000)
                        continue;
                had_none = true;
                const struct cd_signin_callback callback = signin_back(&started);
                assert_int_equal(signin_end(f, "github", &callback, &result), CD_SIGNIN_NOT_ALLOWED);
                assert_str(result.return_to, "");
                break;
        }
        assert_true(had_room);
        assert_true(had_none);
}

static void lesson_26_strangers_who_begin_logins_fill_no_store(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_store_versions before, after;
        const struct cd_store_expiry all = { .now = SIGNIN_NOON + 100000, .limit = 1000 };
        size_t deleted;

        assert_status(f->store->versions(f->store, &before, NULL), CD_OK);
        for (int i = 0; i < 100; i++)
                (void)signin_start(f, "github");
        assert_status(f->store->versions(f->store, &after, NULL), CD_OK);
        assert_memory_equal(&before, &after, sizeof(before));
        assert_status(f->store->expire(f->store, &all, &deleted, NULL), CD_OK);
        assert_int_equal(deleted, 0);
}

static void lesson_28_the_cookie_shows_nothing(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_begin params = { .return_to = CD_STR("https://wiki.test/secret-page"),
                                                .link_user = CD_STR("ana"),
                                                .link_sid = CD_STR("sid-1") };
        struct cd_signin_started started;

        assert_int_equal(begin(f, "github", &params, &started), CD_SIGNIN_OK);
        assert_true(cd_str_has_prefix(started.cookie, CD_STR("x1.")));
        assert_null(memmem(started.cookie.ptr, started.cookie.len, "ana", 3));
        assert_null(memmem(started.url.ptr, started.url.len, "wiki", 4));
        assert_null(memmem(started.url.ptr, started.url.len, "sid-1", 5));
}

static void lesson_31_a_failing_clock_or_random_source_begins_nothing(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_begin params = { 0 };
        struct cd_signin_started started;

        f->random_fails = true;
        assert_int_equal(begin(f, "github", &params, &started), CD_SIGNIN_UNAVAILABLE);
        f->random_fails = false;
        f->now = -1;
        assert_int_equal(begin(f, "github", &params, &started), CD_SIGNIN_UNAVAILABLE);
}

static void settings_that_cannot_work_are_named(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_settings settings = { .providers = f->settings,
                                                     .provider_count = CD_LEN(f->settings),
                                                     .portal_url = CD_STR("https://auth.test/_auth") };
        struct cd_signin *signin = NULL;

        f->settings[2].client_secret = CD_STR("");
        assert_status(cd_signin_new(&settings, &f->services, &signin, &f->err), CD_INVALID_REQUEST);
        assert_string_equal(f->err.field, "providers[2].client_secret");
        f->settings[2].client_secret = CD_STR("x");
        f->settings[1].token_endpoint = CD_STR("");
        assert_status(cd_signin_new(&settings, &f->services, &signin, &f->err), CD_INVALID_REQUEST);
        assert_string_equal(f->err.field, "providers[1].token_endpoint");
        assert_null(signin);
}

static void providers_are_found_by_name(void **state)
{
        struct signin_fixture *f = *state;

        assert_int_equal(cd_signin_count(f->signin), 5);
        assert_int_equal(cd_signin_count(NULL), 0);
        assert_null(cd_signin_find(NULL, CD_STR("github")));
        assert_null(cd_signin_find(f->signin, CD_STR("GitHub")));
        assert_str(cd_signin_name(cd_signin_at(f->signin, 0)), "github");
        assert_str(cd_signin_label(cd_signin_at(f->signin, 0)), "GitHub");
        assert_str(cd_signin_redirect_uri(cd_signin_at(f->signin, 1)), "https://auth.test/_auth/signin/osu/callback");
        assert_null(cd_signin_logout_url(cd_signin_at(f->signin, 0), &f->arena, CD_STR("https://x.test/")).ptr);
        assert_false(cd_signin_asks_second_factor(cd_signin_at(f->signin, 0)));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                SIGNIN_TEST(the_url_has_all_that_the_provider_needs),
                SIGNIN_TEST(an_endpoint_with_a_query_keeps_it),
                SIGNIN_TEST(without_pkce_there_is_no_challenge),
                SIGNIN_TEST(the_challenge_is_the_hash_of_the_verifier),
                SIGNIN_TEST(no_two_logins_have_the_same_state_or_verifier),
                SIGNIN_TEST(lesson_26_the_cookies_are_four_and_of_bounded_size),
                SIGNIN_TEST(lesson_26_strangers_who_begin_logins_fill_no_store),
                SIGNIN_TEST(lesson_28_the_cookie_shows_nothing),
                SIGNIN_TEST(lesson_31_a_failing_clock_or_random_source_begins_nothing),
                SIGNIN_TEST(settings_that_cannot_work_are_named),
                SIGNIN_TEST(providers_are_found_by_name),
        };

        return cmocka_run_group_tests_name("signin-start", tests, NULL, NULL);
}
