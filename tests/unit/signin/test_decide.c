/* Who may come in, and as which user. */
#include "unit/signin/fixture.h"

#include <stdio.h>
#include <string.h>

static struct cd_strs list(const cd_str *items)
{
        return (struct cd_strs){ items, 1 };
}

static void disable(struct signin_fixture *f, const char *name)
{
        const struct cd_user_change change = { .name = cd_str_from_c(name),
                                               .now = SIGNIN_NOON,
                                               .disabled = CD_USER_DISABLE };

        assert_status(f->store->users->update(f->store, &change, NULL, &f->err), CD_OK);
}

/* Whether the account of "own" is allowed; a user is never linked. */
static bool is_allowed(struct signin_fixture *f, struct cd_signin_allow allow)
{
        struct cd_signin_result result;

        f->settings[3].allow = allow;
        signin_remake(f);
        enum cd_signin_failure failure = signin_login(f, "own", &result);
        assert_true(failure == CD_SIGNIN_NOT_LINKED || failure == CD_SIGNIN_NOT_ALLOWED);
        assert_str(result.user.name, "");
        return failure == CD_SIGNIN_NOT_LINKED;
}

static void lesson_1_nobody_comes_in_unless_somebody_said_so(void **state)
{
        static const cd_str right = CD_STR_INIT("u-1");
        struct signin_fixture *f = *state;

        assert_false(is_allowed(f, (struct cd_signin_allow){ 0 }));
        assert_true(is_allowed(f, (struct cd_signin_allow){ .subjects = list(&right) }));
}

static void subjects_are_compared_to_the_letter(void **state)
{
        static const cd_str wrong[] = { CD_STR_INIT("U-1"), CD_STR_INIT("u-1 "), CD_STR_INIT("u-"), CD_STR_INIT("u-11"),
                                        CD_STR_INIT(""),    CD_STR_INIT("una"),  CD_STR_INIT("*") };
        struct signin_fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(wrong); i++)
                assert_false(is_allowed(f, (struct cd_signin_allow){ .subjects = list(&wrong[i]) }));
}

static void domains_are_compared_without_case_and_exactly(void **state)
{
        static const struct {
                const char *email, *domain;
                bool is_within;
        } samples[] = {
                { "una@example.com", "example.com", true },
                { "una@EXAMPLE.com", "example.COM", true },
                { "una@b\xc3\xbc\x63her.example", "b\xc3\xbc\x63her.example", true },
                { "una@xn--bcher-kva.example", "b\xc3\xbc\x63her.example", false }, /* as it is written */
                { "una@sub.example.com", "example.com", false },
                { "una@example.com.evil.test", "example.com", false },
                { "una@evilexample.com", "example.com", false },
                { "una@example.com.", "example.com", false },
                { "una@example.co", "example.com", false },
                { "@example.com", "example.com", false },
                { "example.com", "example.com", false },
                { "una@evil.test@example.com", "example.com", false },
                { "una@example.com@evil.test", "example.com", false },
                { "\"una@evil.test\"@example.com", "example.com", false },
                { "una @example.com", "example.com", false },
                { "una@", "", false },
                { "", "", false },
        };
        struct signin_fixture *f = *state;

        (void)f;
        for (size_t i = 0; i < CD_LEN(samples); i++) {
                const cd_str domain = cd_str_from_c(samples[i].domain);
                if (cd_signin_email_is_within(cd_str_from_c(samples[i].email), list(&domain)) != samples[i].is_within)
                        fail_msg("%s %s", samples[i].email, samples[i].domain);
        }
        assert_false(cd_signin_email_is_within(CD_STR("una@example.com"), (struct cd_strs){ 0 }));
}

static void only_a_verified_address_counts(void **state)
{
        static const struct {
                const char *verified;
                bool is_allowed;
        } samples[] = {
                { "true", true }, { "false", false }, { "\"true\"", false }, { "1", false }, { "null", false },
        };
        static const cd_str domain = CD_STR_INIT("example.com");
        struct signin_fixture *f = *state;
        char me[200];

        for (size_t i = 0; i < CD_LEN(samples); i++) {
                snprintf(me, sizeof(me),
                         "{\"data\":{\"user\":{\"uid\":\"u-1\"}},\"mail\":\"una@example.com\",\"mail_verified\":%s}",
                         samples[i].verified);
                signin_answer(f, "https://own.test/me", 200, me);
                assert_int_equal(is_allowed(f, (struct cd_signin_allow){ .email_domains = list(&domain) }),
                                 samples[i].is_allowed);
        }
        f->settings[3].identity.email_verified = CD_STR("");
        assert_false(is_allowed(f, (struct cd_signin_allow){ .email_domains = list(&domain) }));
}

/* ---- linked accounts ---- */

static void a_linked_account_comes_in_as_its_user(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;
        struct cd_provider_account account;

        signin_add_user(f, "ana");
        assert_int_equal(signin_link(f, "github", "ana", &result), CD_SIGNIN_OK);
        assert_str(signin_last_event(f), "user.link user:ana signin 192.0.2.1 github 583231 (Octocat)");
        assert_int_equal(signin_link(f, "github", "ana", &result), CD_SIGNIN_OK); /* again: nothing changes */
        f->now = SIGNIN_NOON + 60;
        signin_answer(f, "https://github.test/user", 200, "{\"id\":583231,\"login\":\"renamed\"}");
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_OK);
        assert_str(result.user.name, "ana");
        assert_status(f->store->provider_accounts->find(f->store, &f->arena, CD_STR("github"), CD_STR("583231"),
                                                        &account, &f->err),
                      CD_OK);
        assert_str(account.user, "ana");
        assert_int_equal(account.linked_at, SIGNIN_NOON);
}

/* Somebody else who has now the login of a linked account has another id. */
static void an_account_with_the_same_login_is_another(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        signin_add_user(f, "ana");
        assert_int_equal(signin_link(f, "github", "ana", &result), CD_SIGNIN_OK);
        signin_answer(f, "https://github.test/user", 200, "{\"id\":583232,\"login\":\"Octocat\"}");
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_NOT_ALLOWED);
        signin_answer(f, "https://own.test/me", 200, "{\"data\":{\"user\":{\"uid\":\"583231\"}}}");
        assert_int_equal(signin_login(f, "own", &result), CD_SIGNIN_NOT_ALLOWED);
}

static void an_account_belongs_to_one_user(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        signin_add_user(f, "ana");
        signin_add_user(f, "bo");
        assert_int_equal(signin_link(f, "github", "ana", &result), CD_SIGNIN_OK);
        assert_int_equal(signin_link(f, "github", "bo", &result), CD_SIGNIN_LINKED_ELSEWHERE);
        assert_false(result.linked);
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_OK);
        assert_str(result.user.name, "ana");
}

static void a_user_has_16_accounts_and_no_more(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;
        char me[80];

        signin_add_user(f, "ana");
        for (int i = 1; i <= CD_PROVIDER_ACCOUNTS_MAX + 1; i++) {
                snprintf(me, sizeof(me), "{\"id\":%d,\"login\":\"octo%d\"}", i, i);
                f->answer_count = 0;
                signin_answer(f, "https://github.test/token", 200, "access_token=a&token_type=bearer");
                signin_answer(f, "https://github.test/user", 200, me);
                assert_int_equal(signin_link(f, "github", "ana", &result),
                                 i <= CD_PROVIDER_ACCOUNTS_MAX ? CD_SIGNIN_OK : CD_SIGNIN_TOO_MANY);
        }
}

static void a_disabled_user_does_not_come_in(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        signin_add_user(f, "ana");
        assert_int_equal(signin_link(f, "github", "ana", &result), CD_SIGNIN_OK);
        disable(f, "ana");
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_DISABLED);
        assert_int_equal(signin_link(f, "osu", "ana", &result), CD_SIGNIN_DISABLED);
        assert_false(result.linked);
}

/* ---- users that are made ---- */

static const cd_str octocat = CD_STR_INIT("583231"), staff = CD_STR_INIT("staff");

static void make_users(struct signin_fixture *f)
{
        f->settings[0].create = true;
        f->settings[0].scopes.count = 0;
        f->settings[0].allow.subjects = list(&octocat);
        f->settings[0].groups = list(&staff);
        signin_remake(f);
}

static void the_first_login_makes_a_user(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        make_users(f);
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_OK);
        assert_true(result.created);
        assert_str(result.user.name, "github:octocat");
        assert_str(result.user.display_name, "The Octocat");
        assert_str(result.user.email, "");
        assert_int_equal(result.user.groups.count, 1);
        assert_str(result.user.groups.items[0], "staff");
        assert_str(signin_last_event(f), "user.add user:github:octocat signin 192.0.2.1 github 583231 (Octocat)");
        assert_true(cd_password_is_none(result.user.password));
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_OK);
        assert_false(result.created);
        assert_str(result.user.name, "github:octocat");
}

static void without_create_no_user_is_made(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        make_users(f);
        f->settings[0].create = false;
        signin_remake(f);
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_NOT_LINKED);
}

static void a_user_that_exists_is_never_joined(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        make_users(f);
        signin_add_user(f, "github:octocat"); /* as one that was imported, or another account's */
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_NAME_TAKEN);
        assert_string_equal(f->err.reason, "the name github:octocat exists already and is not joined; link the account "
                                           "to that user instead");
        assert_str(result.user.name, "");
        assert_false(result.created);
}

static void the_id_of_a_client_is_no_users_name(void **state)
{
        static const cd_str ids[] = { CD_STR_INIT("github:octocat") };
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        f->services.by.configured = list(ids);
        make_users(f);
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_NAME_TAKEN);
}

static void a_login_that_no_user_can_have_gives_its_id(void **state)
{
        static const char *const odd[] = { "\"-GN [x]\"", "\"caf\xc3\xa9\"", "\"a:b\"", "\"\"", "null" };
        static const cd_str two = CD_STR_INIT("2");
        struct signin_fixture *f = *state;
        struct cd_signin_result result;
        char me[100];

        for (size_t i = 0; i < CD_LEN(odd); i++) {
                f->settings[1].create = true;
                f->settings[1].allow.subjects = list(&two);
                signin_remake(f);
                snprintf(me, sizeof(me), "{\"id\":2,\"username\":%s,\"is_restricted\":false}", odd[i]);
                signin_answer(f, "https://osu.test/me", 200, me);
                assert_int_equal(signin_login(f, "osu", &result), CD_SIGNIN_OK);
                assert_str(result.user.name, "osu:2");
                const struct cd_user_change change = { .name = result.user.name, .now = SIGNIN_NOON };
                assert_status(f->store->users->remove(f->store, &change, NULL, &f->err), CD_OK);
        }
}

static void a_verified_address_goes_to_the_user(void **state)
{
        static const struct {
                const char *verified, *email;
        } samples[] = { { "true", "nelly@example.com" }, { "false", "" } };
        static const cd_str nelly = CD_STR_INIT("80351110224678912");
        struct signin_fixture *f = *state;
        struct cd_signin_result result;
        char me[200];

        f->settings[2].create = true;
        f->settings[2].allow.subjects = list(&nelly);
        signin_remake(f);
        for (size_t i = 0; i < CD_LEN(samples); i++) {
                snprintf(me, sizeof(me),
                         "{\"id\":\"80351110224678912\",\"username\":\"nelly\",\"global_name\":\"Nelly\","
                         "\"email\":\"nelly@example.com\",\"verified\":%s}",
                         samples[i].verified);
                signin_answer(f, "https://discord.test/me", 200, me);
                assert_int_equal(signin_login(f, "discord", &result), CD_SIGNIN_OK);
                assert_str(result.user.email, samples[i].email);
                assert_int_equal(result.user.email_verified, samples[i].email[0] != '\0');
                assert_str(result.user.display_name, "Nelly");
                const struct cd_user_change change = { .name = result.user.name, .now = SIGNIN_NOON };
                assert_status(f->store->users->remove(f->store, &change, NULL, &f->err), CD_OK);
        }
}

/* A user that was made because `allow` named the account, or its organisation, does not outlive that. */
static void lesson_12_a_user_that_was_made_is_judged_at_each_login(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        make_users(f);
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_OK);
        f->settings[0].allow.subjects.count = 0;
        signin_remake(f);
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_NOT_ALLOWED);
        make_users(f);
        f->settings[0].allow.subjects.count = 1;
        f->settings[0].create = false;
        signin_remake(f);
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_OK);
}

static void what_is_no_name_or_id_is_left_out_or_refused(void **state)
{
        static const struct {
                const char *me, *display_name;
        } samples[] = {
                { "{\"id\":583231,\"login\":\"octocat\",\"name\":\"\"}", "" },
                { "{\"id\":583231,\"login\":\"octocat\",\"name\":\" One\"}", "" },
                { "{\"id\":583231,\"login\":\"octocat\",\"name\":\"One\"}", "One" },
        };
        static const cd_str odd = CD_STR_INIT("u 1");
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        make_users(f);
        for (size_t i = 0; i < CD_LEN(samples); i++) {
                signin_answer(f, "https://github.test/user", 200, samples[i].me);
                assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_OK);
                assert_str(result.user.display_name, samples[i].display_name);
                const struct cd_user_change change = { .name = result.user.name, .now = SIGNIN_NOON };
                assert_status(f->store->users->remove(f->store, &change, NULL, &f->err), CD_OK);
        }
        /* Neither the login nor the id can be in the name of a user. */
        f->settings[3].create = true;
        f->settings[3].allow.subjects = list(&odd);
        signin_remake(f);
        signin_answer(f, "https://own.test/me", 200, "{\"data\":{\"user\":{\"uid\":\"u 1\"}}}");
        assert_int_equal(signin_login(f, "own", &result), CD_SIGNIN_PROVIDER_ERROR);
        assert_false(result.created);
}

static void the_newest_login_is_noted_at_the_account(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_provider_account account;
        struct cd_signin_result result;

        make_users(f);
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_OK);
        f->now = SIGNIN_NOON + 60;
        signin_answer(f, "https://github.test/user", 200, "{\"id\":583231,\"login\":\"renamed\"}");
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_OK);
        assert_status(
                f->store->provider_accounts->find(f->store, &f->arena, CD_STR("github"), octocat, &account, &f->err),
                CD_OK);
        assert_int_equal(account.last_login_at, SIGNIN_NOON + 60);
        assert_str(account.login, "renamed");
        /* A login that is refused is none. */
        disable(f, "github:octocat");
        f->now = SIGNIN_NOON + 120;
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_DISABLED);
        assert_status(
                f->store->provider_accounts->find(f->store, &f->arena, CD_STR("github"), octocat, &account, &f->err),
                CD_OK);
        assert_int_equal(account.last_login_at, SIGNIN_NOON + 60);
}

/* ---- another request that links the account, or makes the user, between the look and the write ---- */

static const struct cd_provider_account_ops *real;
static bool is_hidden;

static cd_status find_later(struct cd_store *store, struct cd_arena *arena, cd_str provider, cd_str subject,
                            struct cd_provider_account *ret, struct cd_error *reterr)
{
        if (!is_hidden)
                return real->find(store, arena, provider, subject, ret, reterr);
        is_hidden = false;
        return CD_NOT_FOUND;
}

/* The next look at an account does not find it. */
static void hide(struct signin_fixture *f)
{
        static struct cd_provider_account_ops ops;

        if (f->store->provider_accounts != &ops)
                real = f->store->provider_accounts;
        ops = *real;
        ops.find = find_later;
        f->store->provider_accounts = &ops;
        is_hidden = true;
}

static void two_that_link_at_once_agree(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        signin_add_user(f, "ana");
        signin_add_user(f, "bo");
        assert_int_equal(signin_link(f, "github", "ana", &result), CD_SIGNIN_OK);
        hide(f);
        assert_int_equal(signin_link(f, "github", "ana", &result), CD_SIGNIN_OK);
        assert_true(result.linked);
        hide(f);
        assert_int_equal(signin_link(f, "github", "bo", &result), CD_SIGNIN_LINKED_ELSEWHERE);
        assert_false(result.linked);
}

static void two_first_logins_at_once_are_one_user(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        make_users(f);
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_OK);
        hide(f);
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_OK);
        assert_false(result.created);
        assert_str(result.user.name, "github:octocat");
}

/* No password is hashed, and the login needs no randomness and no turn at the hasher. */
static void a_user_is_made_without_a_hash(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        make_users(f);
        const struct cd_signin_started started = signin_start(f, "github");
        const struct cd_signin_callback callback = signin_back(&started);
        f->random_fails = true;
        f->hasher.port.hash = NULL; /* a call would end the test */
        assert_int_equal(signin_end(f, "github", &callback, &result), CD_SIGNIN_OK);
        assert_true(result.created);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                SIGNIN_TEST(lesson_1_nobody_comes_in_unless_somebody_said_so),
                SIGNIN_TEST(subjects_are_compared_to_the_letter),
                SIGNIN_TEST(domains_are_compared_without_case_and_exactly),
                SIGNIN_TEST(only_a_verified_address_counts),
                SIGNIN_TEST(a_linked_account_comes_in_as_its_user),
                SIGNIN_TEST(an_account_with_the_same_login_is_another),
                SIGNIN_TEST(an_account_belongs_to_one_user),
                SIGNIN_TEST(a_user_has_16_accounts_and_no_more),
                SIGNIN_TEST(a_disabled_user_does_not_come_in),
                SIGNIN_TEST(the_first_login_makes_a_user),
                SIGNIN_TEST(without_create_no_user_is_made),
                SIGNIN_TEST(a_user_that_exists_is_never_joined),
                SIGNIN_TEST(the_id_of_a_client_is_no_users_name),
                SIGNIN_TEST(a_login_that_no_user_can_have_gives_its_id),
                SIGNIN_TEST(a_verified_address_goes_to_the_user),
                SIGNIN_TEST(lesson_12_a_user_that_was_made_is_judged_at_each_login),
                SIGNIN_TEST(what_is_no_name_or_id_is_left_out_or_refused),
                SIGNIN_TEST(the_newest_login_is_noted_at_the_account),
                SIGNIN_TEST(two_that_link_at_once_agree),
                SIGNIN_TEST(two_first_logins_at_once_are_one_user),
                SIGNIN_TEST(a_user_is_made_without_a_hash),
        };

        return cmocka_run_group_tests_name("signin-decide", tests, NULL, NULL);
}
