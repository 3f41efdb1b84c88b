#include "contract/stage.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* ---- accounts ---- */

static struct cd_provider_account some_account(const char *provider, const char *subject, const char *user)
{
        return (struct cd_provider_account){
                .provider = cd_str_from_c(provider),
                .subject = cd_str_from_c(subject),
                .user = cd_str_from_c(user),
                .login = CD_STR("octocat"),
                .linked_at = 10,
                .last_login_at = 20,
        };
}

static cd_status link_account(struct stage *s, struct cd_provider_account account)
{
        return s->store->provider_accounts->add(s->store, &account, &an_event, &s->error);
}

static cd_status link_to(struct stage *s, const char *provider, const char *subject, const char *user)
{
        return link_account(s, some_account(provider, subject, user));
}

static cd_status unlink_from(struct stage *s, const char *provider, const char *subject, const char *user)
{
        struct cd_provider_account account = some_account(provider, subject, user);

        return s->store->provider_accounts->remove(s->store, &account, NULL, &an_event, &s->error);
}

static cd_status find_account(struct stage *s, const char *provider, const char *subject,
                              struct cd_provider_account *ret)
{
        return s->store->provider_accounts->find(s->store, &s->arena, cd_str_from_c(provider), cd_str_from_c(subject),
                                                 ret, &s->error);
}

/* "" if nobody has the account. */
static cd_str user_with(struct stage *s, const char *provider, const char *subject)
{
        struct cd_provider_account found = { 0 };
        cd_status status = find_account(s, provider, subject, &found);

        assert_true(status == CD_OK || status == CD_NOT_FOUND);
        return found.user;
}

static struct cd_provider_accounts accounts_of(struct stage *s, const char *user)
{
        struct cd_provider_accounts found = { 0 };

        assert_status(s->store->provider_accounts->list(s->store, &s->arena, cd_str_from_c(user), &found, &s->error),
                      CD_OK);
        return found;
}

static void remove_user(struct stage *s, const char *name)
{
        const struct cd_user_change change = { .name = cd_str_from_c(name), .now = 1000 };

        assert_status(s->store->users->remove(s->store, &change, NULL, &s->error), CD_OK);
}

static void an_account_is_found_with_every_field_by_provider_and_subject(void **state)
{
        struct stage *s = *state;
        struct cd_provider_account found;

        add_user(s, "ana");
        size_t events = count_events(s);
        assert_status(link_to(s, "github", "583231", "ana"), CD_OK);
        stage_reopen(s);
        assert_status(find_account(s, "github", "583231", &found), CD_OK);
        assert_str(found.provider, "github");
        assert_str(found.subject, "583231");
        assert_str(found.user, "ana");
        assert_str(found.login, "octocat");
        assert_int_equal(found.linked_at, 10);
        assert_int_equal(found.last_login_at, 20);
        assert_str(user_with(s, "gitlab", "583231"), "");
        assert_str(user_with(s, "github", "58323"), "");
        assert_str(user_with(s, "github", "5832310"), "");
        assert_int_equal(count_events(s), events + 1);
}

static void the_accounts_of_a_user_are_listed_in_order(void **state)
{
        struct stage *s = *state;

        add_user(s, "ana");
        add_user(s, "bo");
        assert_status(link_to(s, "osu", "2", "ana"), CD_OK);
        assert_status(link_to(s, "github", "9", "ana"), CD_OK);
        assert_status(link_to(s, "github", "10", "ana"), CD_OK);
        assert_status(link_to(s, "github", "11", "bo"), CD_OK);
        struct cd_provider_accounts found = accounts_of(s, "ana");
        assert_int_equal(found.count, 3);
        assert_str(found.items[0].subject, "10");
        assert_str(found.items[1].subject, "9");
        assert_str(found.items[2].provider, "osu");
        assert_int_equal(accounts_of(s, "an").count, 0);
}

static void an_account_is_linked_to_one_user_who_exists(void **state)
{
        struct stage *s = *state;
        struct cd_provider_account odd = some_account("github", "3", "ana");

        add_user(s, "ana");
        add_user(s, "bo");
        size_t events = count_events(s);
        assert_status(link_to(s, "github", "1", "ana"), CD_OK);
        assert_status(link_to(s, "github", "1", "bo"), CD_EXISTS);
        assert_string_equal(s->error.field, "account");
        assert_status(link_to(s, "github", "1", "ana"), CD_EXISTS);
        assert_status(link_to(s, "github", "2", "eve"), CD_NOT_FOUND);
        odd.login = CD_STR("\xff");
        assert_status(link_account(s, odd), CD_INVALID_REQUEST);
        odd = some_account("github", "3", "ana");
        odd.subject = cd_str_of("3\0a", 3);
        assert_status(link_account(s, odd), CD_INVALID_REQUEST);
        assert_str(user_with(s, "github", "1"), "ana");
        assert_int_equal(accounts_of(s, "ana").count, 1);
        assert_int_equal(accounts_of(s, "bo").count, 0);
        assert_int_equal(count_events(s), events + 1);

        /* And unlinked from one who has another, where that is asked for. */
        const struct cd_provider_account one = some_account("a", "1", "ana"), two = some_account("b", "2", "ana");
        assert_status(link_account(s, one), CD_OK);
        assert_status(s->store->provider_accounts->remove(s->store, &one, &two, NULL, NULL), CD_INVALID_REQUEST);
        assert_status(link_account(s, two), CD_OK);
        assert_status(s->store->provider_accounts->remove(s->store, &one, &two, NULL, NULL), CD_OK);
}

static void lesson_22_a_user_has_a_limited_number_of_accounts(void **state)
{
        struct stage *s = *state;
        char subject[16];

        add_user(s, "ana");
        for (int i = 0; i < CD_PROVIDER_ACCOUNTS_MAX; i++) {
                snprintf(subject, sizeof(subject), "%d", i);
                assert_status(link_to(s, "github", subject, "ana"), CD_OK);
        }
        assert_status(link_to(s, "osu", "1", "ana"), CD_THROTTLED);
        assert_str(user_with(s, "osu", "1"), "");
        assert_status(link_to(s, "github", "0", "ana"), CD_EXISTS);
        assert_status(unlink_from(s, "github", "0", "ana"), CD_OK);
        assert_status(link_to(s, "osu", "1", "ana"), CD_OK);
}

static cd_status create(struct stage *s, const char *name, const char *subject)
{
        struct cd_user user = some_user(name);
        const struct cd_provider_account account = some_account("github", subject, name);

        return s->store->provider_accounts->create(s->store, &user, &account, &an_event, &s->error);
}

static void a_user_is_created_with_its_account_or_not_at_all(void **state)
{
        struct stage *s = *state;

        assert_status(create(s, "github:octocat", "1"), CD_OK);
        assert_true(get_user(s, "github:octocat").generation > 0);
        assert_str(user_with(s, "github", "1"), "github:octocat");
        assert_status(create(s, "github:octocat", "2"), CD_EXISTS);
        assert_string_equal(s->error.field, "name");
        assert_str(user_with(s, "github", "2"), "");
        assert_status(create(s, "github:hubot", "1"), CD_EXISTS);
        assert_string_equal(s->error.field, "account");
        assert_false(has_user(s, "github:hubot"));
        assert_int_equal(count_events(s), 1);
}

static void a_login_is_noted_for_the_user_of_the_account(void **state)
{
        struct stage *s = *state;
        struct cd_provider_account account = some_account("github", "1", "ana"), found = { 0 };
        int64_t start = cd_monotonic_us();

        add_user(s, "ana");
        add_user(s, "bo");
        assert_status(link_account(s, account), CD_OK);
        account.login = CD_STR("somebody");
        account.last_login_at = 99;
        account.user = CD_STR("bo");
        assert_status(s->store->provider_accounts->note_login(s->store, &account, &s->error), CD_OK);
        account.login = CD_STR("octocat2");
        account.last_login_at = 50;
        account.user = CD_STR("ana");
        assert_status(s->store->provider_accounts->note_login(s->store, &account, &s->error), CD_OK);
        do
                assert_status(find_account(s, "github", "1", &found), CD_OK);
        while (found.last_login_at == 20 && milliseconds_since(start) < 5000);
        assert_int_equal(found.last_login_at, 50);
        assert_str(found.login, "octocat2");
        assert_int_equal(found.linked_at, 10);
}

static atomic_int succeeded;
static struct cd_store *another; /* where the store is durable: half of the attempts are of another node */

static int of_50(struct stage *s, const char *(*body)(struct stage *, size_t))
{
        atomic_store(&succeeded, 0);
        another = s->row->is_durable ? stage_open_another(s) : NULL;
        at_once(s, 50, body);
        if (another)
                another->free(another);
        return atomic_load(&succeeded);
}

static struct cd_store *node(struct stage *s, size_t number)
{
        return another && number % 2 ? another : s->store;
}

static const char *count_one(cd_status status, cd_status other)
{
        if (status == CD_OK)
                atomic_fetch_add(&succeeded, 1);
        return status == CD_OK || status == other ? NULL : "a call failed";
}

static const char *link_one(struct stage *s, size_t number)
{
        struct cd_store *store = node(s, number);
        const struct cd_provider_account account = some_account("github", "1", number % 3 ? "ana" : "bo");
        struct cd_error error;

        return count_one(store->provider_accounts->add(store, &account, NULL, &error), CD_EXISTS);
}

static void of_50_who_link_one_account_one_does(void **state)
{
        struct stage *s = *state;

        add_user(s, "ana");
        add_user(s, "bo");
        assert_int_equal(of_50(s, link_one), 1);
        assert_int_equal(accounts_of(s, "ana").count + accounts_of(s, "bo").count, 1);
}

static const char *link_another(struct stage *s, size_t number)
{
        struct cd_store *store = node(s, number);
        char subject[16];
        struct cd_error error;

        snprintf(subject, sizeof(subject), "%zu", number);
        const struct cd_provider_account account = some_account("github", subject, "ana");
        return count_one(store->provider_accounts->add(store, &account, NULL, &error), CD_THROTTLED);
}

static void of_50_accounts_that_are_linked_at_once_as_many_are_as_may(void **state)
{
        struct stage *s = *state;

        add_user(s, "ana");
        assert_int_equal(of_50(s, link_another), CD_PROVIDER_ACCOUNTS_MAX);
        assert_int_equal(accounts_of(s, "ana").count, CD_PROVIDER_ACCOUNTS_MAX);
}

/* ---- states ---- */

static cd_status use(struct stage *s, const char *digest, cd_time expires_at)
{
        return s->store->used_states->use(s->store, cd_str_from_c(digest), expires_at, &s->error);
}

static size_t expire_at(struct stage *s, cd_time now)
{
        const struct cd_store_expiry expiry = { .now = now, .limit = 100 };
        size_t deleted = 0;

        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        return deleted;
}

static void lesson_22_a_state_is_used_once_and_kept_until_it_expires(void **state)
{
        struct stage *s = *state;

        assert_status(use(s, "d1", 100), CD_OK);
        stage_reopen(s);
        assert_status(use(s, "d1", 200), CD_EXISTS);
        assert_status(use(s, "d2", 200), CD_OK);
        assert_status(use(s, "\xff", 200), CD_INVALID_REQUEST);
        assert_int_equal(expire_at(s, 99), 0);
        assert_status(use(s, "d1", 100), CD_EXISTS);
        assert_int_equal(expire_at(s, 100), 1);
        assert_status(use(s, "d1", 300), CD_OK);
        assert_status(use(s, "d2", 300), CD_EXISTS);
}

static const char *use_one(struct stage *s, size_t number)
{
        struct cd_store *store = node(s, number);
        struct cd_error error;

        return count_one(store->used_states->use(store, CD_STR("d1"), 100, &error), CD_EXISTS);
}

static void of_50_who_use_one_state_one_does(void **state)
{
        assert_int_equal(of_50(*state, use_one), 1);
}

/* ---- tokens ---- */

static struct cd_provider_token some_token(const char *user, const char *provider)
{
        return (struct cd_provider_token){
                .user = cd_str_from_c(user),
                .provider = cd_str_from_c(provider),
                .sealed = CD_STR("x1.sealed"),
                .expires_at = 100,
                .updated_at = 10,
        };
}

static cd_status put_token(struct stage *s, struct cd_provider_token token)
{
        return s->store->provider_tokens->put(s->store, &token, &s->error);
}

static cd_status look_for_token(struct stage *s, const char *user, const char *provider, struct cd_provider_token *ret)
{
        return s->store->provider_tokens->find(s->store, &s->arena, cd_str_from_c(user), cd_str_from_c(provider), ret,
                                               &s->error);
}

static struct cd_provider_token find_token(struct stage *s, const char *user, const char *provider)
{
        struct cd_provider_token found = { 0 };

        assert_status(look_for_token(s, user, provider, &found), CD_OK);
        return found;
}

static cd_status lease(struct stage *s, struct cd_provider_token token, cd_time now, int64_t *ret_version)
{
        return s->store->provider_tokens->lease(s->store, &token, now, now + 30, ret_version, &s->error);
}

static cd_status finish(struct stage *s, struct cd_provider_token token, int64_t version)
{
        token.version = version;
        return s->store->provider_tokens->finish(s->store, &token, &s->error);
}

static cd_status remove_token(struct stage *s, struct cd_provider_token token)
{
        return s->store->provider_tokens->remove(s->store, &token, &s->error);
}

static bool has_token(struct stage *s, const char *user, const char *provider)
{
        struct cd_provider_token found;
        cd_status status = look_for_token(s, user, provider, &found);

        assert_true(status == CD_OK || status == CD_NOT_FOUND);
        return status == CD_OK;
}

static void add_ana_with_tokens(struct stage *s)
{
        add_user(s, "ana");
        assert_status(link_to(s, "github", "1", "ana"), CD_OK);
        assert_status(put_token(s, some_token("ana", "github")), CD_OK);
}

static void tokens_are_found_with_every_field_and_replaced_whole(void **state)
{
        struct stage *s = *state;
        struct cd_provider_token next = some_token("ana", "github");

        add_ana_with_tokens(s);
        struct cd_provider_token found = find_token(s, "ana", "github");
        assert_str(found.user, "ana");
        assert_str(found.provider, "github");
        assert_str(found.sealed, "x1.sealed");
        assert_int_equal(found.expires_at, 100);
        assert_int_equal(found.updated_at, 10);
        assert_int_equal(found.lease_ends_at, 0);
        assert_true(found.version > 0);
        next.sealed = CD_STR("x1.other");
        next.expires_at = 0;
        next.updated_at = 20;
        assert_status(put_token(s, next), CD_OK);
        struct cd_provider_token after = find_token(s, "ana", "github");
        assert_str(after.sealed, "x1.other");
        assert_int_equal(after.expires_at, 0);
        assert_int_equal(after.updated_at, 20);
        assert_true(after.version > found.version);
        assert_false(has_token(s, "ana", "osu"));
        assert_false(has_token(s, "bo", "github"));
}

static void tokens_are_kept_only_for_a_user_with_an_account_of_the_provider(void **state)
{
        struct stage *s = *state;

        add_user(s, "ana");
        assert_status(put_token(s, some_token("ana", "github")), CD_NOT_FOUND);
        assert_status(put_token(s, some_token("eve", "github")), CD_NOT_FOUND);
        assert_status(link_to(s, "osu", "1", "ana"), CD_OK);
        assert_status(put_token(s, some_token("ana", "github")), CD_NOT_FOUND);
        assert_status(put_token(s, some_token("ana", "osu")), CD_OK);
}

static void a_lease_keeps_others_out_until_it_is_finished_or_ends(void **state)
{
        struct stage *s = *state;
        int64_t version = 0, second = 0;

        add_ana_with_tokens(s);
        struct cd_provider_token first = find_token(s, "ana", "github");
        assert_status(lease(s, first, 200, &version), CD_OK);
        assert_true(version > first.version);
        struct cd_provider_token leased = find_token(s, "ana", "github");
        assert_int_equal(leased.lease_ends_at, 230);
        assert_int_equal(leased.version, version);
        assert_str(leased.sealed, "x1.sealed");
        assert_status(lease(s, first, 200, &second), CD_EXISTS);
        assert_status(lease(s, leased, 229, &second), CD_EXISTS);
        leased.sealed = CD_STR("x1.new");
        leased.expires_at = 900;
        leased.updated_at = 201;
        assert_status(finish(s, leased, version), CD_OK);
        struct cd_provider_token after = find_token(s, "ana", "github");
        assert_str(after.sealed, "x1.new");
        assert_int_equal(after.expires_at, 900);
        assert_int_equal(after.updated_at, 201);
        assert_int_equal(after.lease_ends_at, 0);
        assert_status(finish(s, leased, version), CD_NOT_FOUND);
        assert_status(lease(s, leased, 1000, &second), CD_EXISTS);
        assert_status(lease(s, after, 1000, &second), CD_OK);
}

static void what_has_lost_its_lease_changes_nothing(void **state)
{
        struct stage *s = *state;
        int64_t lost = 0, version = 0;

        add_ana_with_tokens(s);
        assert_status(lease(s, find_token(s, "ana", "github"), 200, &lost), CD_OK);
        assert_status(lease(s, find_token(s, "ana", "github"), 230, &version), CD_OK);
        struct cd_provider_token token = find_token(s, "ana", "github");
        token.version = lost;
        assert_status(finish(s, token, lost), CD_NOT_FOUND);
        assert_status(remove_token(s, token), CD_OK);
        assert_true(has_token(s, "ana", "github"));
        assert_status(finish(s, token, version), CD_OK);

        /* Nor where the row was removed, and there is a new one. */
        assert_status(lease(s, find_token(s, "ana", "github"), 300, &lost), CD_OK);
        assert_status(unlink_from(s, "github", "1", "ana"), CD_OK);
        assert_false(has_token(s, "ana", "github"));
        assert_status(finish(s, token, lost), CD_NOT_FOUND);
        assert_status(link_to(s, "github", "2", "ana"), CD_OK);
        assert_status(put_token(s, some_token("ana", "github")), CD_OK);
        for (int i = 0; i < 4; i++) {
                assert_status(lease(s, find_token(s, "ana", "github"), 400 + 30 * i, &version), CD_OK);
                assert_true(version > lost);
        }
        assert_status(finish(s, token, lost), CD_NOT_FOUND);
}

static void a_login_during_a_refresh_wins(void **state)
{
        struct stage *s = *state;
        struct cd_provider_token of_login = some_token("ana", "github");
        int64_t version = 0;

        add_ana_with_tokens(s);
        assert_status(lease(s, find_token(s, "ana", "github"), 200, &version), CD_OK);
        of_login.sealed = CD_STR("x1.login");
        assert_status(put_token(s, of_login), CD_OK);
        assert_status(finish(s, some_token("ana", "github"), version), CD_NOT_FOUND);
        struct cd_provider_token found = find_token(s, "ana", "github");
        assert_str(found.sealed, "x1.login");
        assert_int_equal(found.lease_ends_at, 0);
}

static const char *lease_one(struct stage *s, size_t number)
{
        struct cd_store *store = node(s, number);
        struct cd_provider_token token;
        struct cd_arena arena;
        struct cd_error error;
        int64_t version;

        cd_arena_init(&arena, 1 << 20);
        cd_status status = store->provider_tokens->find(store, &arena, CD_STR("ana"), CD_STR("github"), &token, &error);
        if (status == CD_OK)
                status = store->provider_tokens->lease(store, &token, 200, 230, &version, &error);
        cd_arena_done(&arena);
        return count_one(status, CD_EXISTS);
}

static void of_50_on_two_nodes_who_begin_a_refresh_one_does(void **state)
{
        struct stage *s = *state;

        add_ana_with_tokens(s);
        assert_int_equal(of_50(s, lease_one), 1);
}

static void tokens_go_with_the_account_and_both_with_the_user(void **state)
{
        struct stage *s = *state;

        add_ana_with_tokens(s);
        assert_status(link_to(s, "osu", "1", "ana"), CD_OK);
        assert_status(put_token(s, some_token("ana", "osu")), CD_OK);
        add_user(s, "bo");
        assert_status(link_to(s, "github", "2", "bo"), CD_OK);
        assert_status(put_token(s, some_token("bo", "github")), CD_OK);
        size_t events = count_events(s);
        assert_status(unlink_from(s, "github", "1", "bo"), CD_NOT_FOUND);
        assert_status(unlink_from(s, "github", "2", "ana"), CD_NOT_FOUND);
        assert_status(unlink_from(s, "github", "1", "eve"), CD_NOT_FOUND);
        assert_int_equal(count_events(s), events);
        assert_true(has_token(s, "ana", "github"));
        assert_status(unlink_from(s, "github", "1", "ana"), CD_OK);
        assert_int_equal(count_events(s), events + 1);
        assert_false(has_token(s, "ana", "github"));
        assert_true(has_token(s, "ana", "osu"));
        assert_true(has_token(s, "bo", "github"));
        remove_user(s, "ana");
        assert_false(has_token(s, "ana", "osu"));
        assert_str(user_with(s, "osu", "1"), "");
        assert_str(user_with(s, "github", "2"), "bo");
        assert_true(has_token(s, "bo", "github"));
        assert_status(remove_token(s, some_token("bo", "github")), CD_OK);
        assert_status(remove_token(s, some_token("bo", "github")), CD_OK);
        assert_false(has_token(s, "bo", "github"));
}

static const char *put_or_remove_one(struct stage *s, size_t number)
{
        struct cd_store *store = node(s, number);
        const struct cd_provider_token token = some_token("ana", "github");
        const struct cd_user_change change = { .name = CD_STR("ana"), .now = 1000 };
        struct cd_error error;

        if (number == 25)
                return count_one(store->users->remove(store, &change, NULL, &error), CD_OK);
        cd_status status = store->provider_tokens->put(store, &token, &error);
        return status == CD_OK || status == CD_NOT_FOUND ? NULL : "tokens could not be put";
}

static void a_user_who_is_removed_while_tokens_come_leaves_none(void **state)
{
        struct stage *s = *state;

        add_ana_with_tokens(s);
        assert_int_equal(of_50(s, put_or_remove_one), 1);
        assert_false(has_token(s, "ana", "github"));
}

int run_signin_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(an_account_is_found_with_every_field_by_provider_and_subject),
                CONTRACT(the_accounts_of_a_user_are_listed_in_order),
                CONTRACT(an_account_is_linked_to_one_user_who_exists),
                CONTRACT(lesson_22_a_user_has_a_limited_number_of_accounts),
                CONTRACT(a_user_is_created_with_its_account_or_not_at_all),
                CONTRACT(a_login_is_noted_for_the_user_of_the_account),
                CONTRACT(of_50_who_link_one_account_one_does),
                CONTRACT(of_50_accounts_that_are_linked_at_once_as_many_are_as_may),
                CONTRACT(lesson_22_a_state_is_used_once_and_kept_until_it_expires),
                CONTRACT(of_50_who_use_one_state_one_does),
                CONTRACT(tokens_are_found_with_every_field_and_replaced_whole),
                CONTRACT(tokens_are_kept_only_for_a_user_with_an_account_of_the_provider),
                CONTRACT(a_lease_keeps_others_out_until_it_is_finished_or_ends),
                CONTRACT(what_has_lost_its_lease_changes_nothing),
                CONTRACT(a_login_during_a_refresh_wins),
                CONTRACT(of_50_on_two_nodes_who_begin_a_refresh_one_does),
                CONTRACT(tokens_go_with_the_account_and_both_with_the_user),
                CONTRACT(a_user_who_is_removed_while_tokens_come_leaves_none),
        };

        return cmocka_run_group_tests_name("signin", tests, NULL, NULL);
}
