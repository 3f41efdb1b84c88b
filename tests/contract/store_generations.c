/* What ends a user's sessions and tokens, what does not, and that both end in one transaction (LESSONS 12). */
#include "contract/stage.h"

#include <stdio.h>

enum {
        NOW = 5000
};

static cd_status update(struct stage *s, const struct cd_user_change *change)
{
        return s->store->users->update(s->store, change, &an_event, &s->error);
}

/* Ana, with no session but a new one: what is counted from here on is what a change does. */
static int64_t log_in_ana(struct stage *s)
{
        struct cd_session session = session_of(s, "d1", "ana");
        const struct cd_store_expiry expiry = { .now = session.expires_at, .limit = 10 };
        size_t deleted;

        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);

        assert_status(start_session(s, &session), CD_OK);
        assert_true(has_session(s, "d1"));
        return session.generation;
}

static struct cd_revocation last_revocation(struct stage *s)
{
        struct cd_revocation_list list = get_revocations(s);

        assert_true(list.count > 0);
        return list.items[list.count - 1];
}

static void assert_ended(struct stage *s, int64_t generation)
{
        struct cd_revocation revocation = last_revocation(s);

        assert_false(has_session(s, "d1"));
        assert_str(revocation.jti, "");
        assert_str(revocation.user, "ana");
        assert_str(revocation.client_id, "");
        assert_int_equal(revocation.expires_at, NOW + CD_REVOCATION_LASTS);
        assert_true(generation < revocation.seq);
        assert_true(get_versions(s).revocations >= revocation.seq);
}

static void lesson_12_sessions_and_tokens_end_with_the_change(void **state)
{
        static const cd_str dev = CD_STR_INIT("dev");
        static const struct cd_strs groups = { &dev, 1 }, no_groups = { &dev, 0 };
        static const struct cd_user_change changes[] = {
                { .password = CD_STR_INIT("$new") },
                { .disabled = CD_USER_DISABLE },
                { .disabled = CD_USER_ENABLE, .password = CD_STR_INIT("$newer") },
                { .claims = CD_STR_INIT("{}") },
                { .groups = &groups },
                { .groups = &no_groups, .email = CD_STR_INIT("a@b"), .display_name = CD_STR_INIT("Ana") },
                { .claims = CD_STR_INIT("{\"a\":2}"), .password = CD_STR_INIT("$rehashed"), .is_rehash = true },
                { .ends_sessions = true },
        };
        struct stage *s = *state;

        for (size_t i = 0; i < CD_LEN(changes); i++) {
                struct cd_user_change change = changes[i];
                struct cd_store_versions before = get_versions(s);
                int64_t generation = log_in_ana(s);
                size_t revocations = get_revocations(s).count, events = count_events(s);

                change.name = CD_STR("ana");
                change.now = NOW;
                assert_status(update(s, &change), CD_OK);
                assert_ended(s, generation);
                assert_int_equal(get_revocations(s).count, revocations + 1);
                assert_int_equal(count_events(s), events + 1);
                assert_int_equal(get_user(s, "ana").generation, last_revocation(s).seq);
                assert_int_equal(get_user(s, "ana").changed_at, NOW);
                assert_int_equal(get_versions(s).clients, before.clients);
                if (change.disabled == CD_USER_DISABLE) {
                        change = (struct cd_user_change){ .name = CD_STR("ana"), .disabled = CD_USER_ENABLE };
                        assert_status(update(s, &change), CD_OK);
                        assert_false(has_session(s, "d1"));
                }
        }
}

static void lesson_12_sessions_and_tokens_end_with_the_user(void **state)
{
        struct stage *s = *state;
        int64_t generation = log_in_ana(s);
        struct cd_user_change change = { .name = CD_STR("ana"), .now = NOW };

        assert_status(s->store->users->remove(s->store, &change, &an_event, &s->error), CD_OK);
        assert_ended(s, generation);
}

static void sessions_and_tokens_survive_a_change_that_takes_nothing_away(void **state)
{
        static const struct cd_user_change changes[] = {
                { .password = CD_STR_INIT("$rehashed"), .is_rehash = true },
                { .password = CD_STR_INIT("$again"), .is_rehash = true, .if_password = CD_STR_INIT("$rehashed") },
                { .display_name = CD_STR_INIT("Ana") },
                { .email = CD_STR_INIT("ana@example.com") },
                { .email = CD_STR_INIT("ana@example.com"), .email_verified = true },
                { .disabled = CD_USER_ENABLE }, /* it clears the failure */
        };
        struct stage *s = *state;
        int64_t generation = log_in_ana(s);

        for (size_t i = 0; i < CD_LEN(changes); i++) {
                struct cd_user_change change = changes[i];
                size_t events = count_events(s);

                change.name = CD_STR("ana");
                change.now = NOW + (cd_time)i;
                if (change.disabled == CD_USER_ENABLE) {
                        assert_status(
                                s->store->users->note_login(s->store, change.name, CD_LOGIN_WRONG, NOW, 900, &s->error),
                                CD_OK);
                        while (get_user(s, "ana").failures == 0)
                                continue;
                }
                assert_status(update(s, &change), CD_OK);
                assert_int_equal(get_user(s, "ana").changed_at, change.now);
                assert_int_equal(count_events(s), events + 1);
                assert_true(has_session(s, "d1"));
                assert_int_equal(get_user(s, "ana").generation, generation);
                assert_int_equal(get_revocations(s).count, 0);
        }
        assert_str(get_user(s, "ana").password, "$again");
        assert_int_equal(get_user(s, "ana").failures, 0);
}

static void a_change_that_changes_nothing_writes_nothing(void **state)
{
        static const cd_str none[1];
        static const struct cd_strs no_groups = { none, 0 };
        static const struct cd_user_change changes[] = {
                { .now = NOW },
                { .password = CD_STR_INIT("$stored$of") },
                { .password = CD_STR_INIT("$stored$of"), .is_rehash = true },
                { .password = CD_STR_INIT("$stored$of"), .if_password = CD_STR_INIT("$stored$of") },
                { .claims = CD_STR_INIT("{\"role\":\"editor\"}") },
                { .groups = &no_groups },
                { .display_name = CD_STR_INIT(""), .email = CD_STR_INIT("") },
                { .disabled = CD_USER_ENABLE },
                { .password = CD_STR_INIT("$stored$of"),
                  .claims = CD_STR_INIT("{\"role\":\"editor\"}"),
                  .disabled = CD_USER_ENABLE },
        };
        struct stage *s = *state;

        log_in_ana(s);
        struct cd_store_versions before = get_versions(s);
        for (size_t i = 0; i < CD_LEN(changes); i++) {
                struct cd_user_change change = changes[i];

                change.name = CD_STR("ana");
                change.now = NOW;
                assert_status(update(s, &change), CD_OK);
                change.if_generation = get_user(s, "ana").generation;
                assert_status(update(s, &change), CD_OK);
                change.if_generation++;
                assert_status(update(s, &change), CD_NOT_FOUND);
        }
        assert_int_equal(get_user(s, "ana").changed_at, 101);
        assert_int_equal(get_user(s, "ana").password_at, 102);
        assert_int_equal(count_events(s), 1);
        assert_int_equal(get_revocations(s).count, 0);
        assert_int_equal(get_versions(s).revocations, before.revocations);
        assert_true(has_session(s, "d1"));
}

static void disabling_twice_is_one_change(void **state)
{
        struct stage *s = *state;
        struct cd_user_change change = { .name = CD_STR("ana"), .now = NOW, .disabled = CD_USER_DISABLE };

        add_user(s, "ana");
        assert_status(update(s, &change), CD_OK);
        int64_t generation = get_user(s, "ana").generation;
        change.now = NOW + 1;
        assert_status(update(s, &change), CD_OK);
        assert_int_equal(get_user(s, "ana").changed_at, NOW);
        assert_int_equal(get_user(s, "ana").generation, generation);
        assert_int_equal(get_revocations(s).count, 1);
        assert_int_equal(count_events(s), 2);
}

/* Nothing remembers the name of a user who was removed, and nothing has to. */
static void a_user_who_is_added_again_is_another(void **state)
{
        struct stage *s = *state;
        struct cd_session former = some_session("d2", "ana");
        struct cd_user_change change = { .name = CD_STR("ana"), .now = NOW };

        former.generation = log_in_ana(s);
        assert_status(s->store->users->remove(s->store, &change, &an_event, &s->error), CD_OK);
        add_user(s, "ana");
        assert_true(get_user(s, "ana").generation > last_revocation(s).seq);
        assert_false(has_session(s, "d1"));
        /* Its login had begun before the removal. */
        assert_status(start_session(s, &former), CD_OK);
        assert_false(has_session(s, "d2"));
        log_in_ana(s);
}

static void users_who_are_added_get_a_generation_and_end_nobodys(void **state)
{
        struct stage *s = *state;
        struct cd_user users[] = { some_user("bo"), some_user("cy") };
        struct cd_users_page page = { users, CD_LEN(users) };
        int64_t before = log_in_ana(s);

        users[0].generation = 1000000; /* nobody brings one along */
        assert_true(before > 0);
        assert_status(s->store->users->add(s->store, &page, &an_event, &s->error), CD_OK);
        assert_true(get_user(s, "bo").generation > before);
        assert_true(get_user(s, "bo").generation < 1000000);
        assert_int_equal(get_user(s, "cy").generation, get_user(s, "bo").generation);
        assert_int_equal(get_user(s, "ana").generation, before);
        assert_int_equal(get_revocations(s).count, 0);
        assert_true(has_session(s, "d1"));
}

static void a_session_is_judged_by_its_user(void **state)
{
        struct stage *s = *state;
        struct cd_session session = some_session("d1", "ana"), of_nobody = some_session("d2", "nobody");
        struct cd_user disabled = some_user("di");
        struct cd_users_page page = { &disabled, 1 };

        session.generation = log_in_ana(s) - 1;
        session.digest = CD_STR("d0");
        assert_status(start_session(s, &session), CD_OK);
        assert_false(has_session(s, "d0"));
        session.digest = CD_STR("d4");
        session.generation += 2;
        assert_status(start_session(s, &session), CD_OK);
        assert_false(has_session(s, "d4"));

        assert_status(start_session(s, &of_nobody), CD_OK);
        assert_false(has_session(s, "d2"));

        disabled.disabled = true;
        assert_status(s->store->users->add(s->store, &page, &an_event, &s->error), CD_OK);
        session = session_of(s, "d3", "di");
        assert_status(start_session(s, &session), CD_OK);
        assert_false(has_session(s, "d3"));
}

static const char *change_claims(struct stage *s, size_t number)
{
        char grants[32];
        struct cd_error error;

        snprintf(grants, sizeof(grants), "{\"a\":%zu}", number);
        struct cd_user_change change = { .name = CD_STR("ana"), .now = NOW, .claims = cd_str_from_c(grants) };
        return s->store->users->update(s->store, &change, &an_event, &error) == CD_OK ? NULL : "an update failed";
}

static void of_changes_at_once_each_has_its_own_generation(void **state)
{
        struct stage *s = *state;

        log_in_ana(s);
        at_once(s, 16, change_claims);
        assert_int_equal(get_revocations(s).count, 16);
        assert_int_equal(get_user(s, "ana").generation, last_revocation(s).seq);
        assert_false(has_session(s, "d1"));
}

static void a_change_says_the_generation_that_it_gave(void **state)
{
        struct stage *s = *state;
        int64_t before = log_in_ana(s), generation = -1;
        struct cd_user_change change = { .name = CD_STR("ana"), .now = NOW, .ret_generation = &generation };

        change.password = CD_STR("$new");
        change.if_generation = before;
        assert_status(update(s, &change), CD_OK);
        assert_true(generation > before);
        assert_int_equal(get_user(s, "ana").generation, generation);
        /* None was written. */
        int64_t other = -1;
        change.ret_generation = &other;
        assert_status(update(s, &change), CD_NOT_FOUND);
        assert_int_equal(other, -1);
        /* It stays. */
        change = (struct cd_user_change){
                .name = CD_STR("ana"), .now = NOW, .display_name = CD_STR("Ana"), .ret_generation = &other
        };
        assert_status(update(s, &change), CD_OK);
        assert_int_equal(other, generation);
}

static void a_change_that_fails_ends_nothing(void **state)
{
        struct stage *s = *state;
        int64_t generation = log_in_ana(s);
        struct cd_user_change change = {
                .name = CD_STR("ana"), .now = NOW, .password = CD_STR("$new"), .if_password = CD_STR("$other")
        };

        assert_status(update(s, &change), CD_NOT_FOUND);
        change = (struct cd_user_change){ .name = CD_STR("ana"), .now = NOW, .ends_sessions = true };
        change.if_generation = generation + 1;
        assert_status(update(s, &change), CD_NOT_FOUND);
        assert_true(has_session(s, "d1"));
        assert_int_equal(get_user(s, "ana").generation, generation);
        assert_int_equal(get_revocations(s).count, 0);
}

int run_generations_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(lesson_12_sessions_and_tokens_end_with_the_change),
                CONTRACT(lesson_12_sessions_and_tokens_end_with_the_user),
                CONTRACT(sessions_and_tokens_survive_a_change_that_takes_nothing_away),
                CONTRACT(a_change_that_changes_nothing_writes_nothing),
                CONTRACT(disabling_twice_is_one_change),
                CONTRACT(a_user_who_is_added_again_is_another),
                CONTRACT(users_who_are_added_get_a_generation_and_end_nobodys),
                CONTRACT(a_session_is_judged_by_its_user),
                CONTRACT(of_changes_at_once_each_has_its_own_generation),
                CONTRACT(a_change_says_the_generation_that_it_gave),
                CONTRACT(a_change_that_fails_ends_nothing),
        };

        return cmocka_run_group_tests_name("generations", tests, NULL, NULL);
}
