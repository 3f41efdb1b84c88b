#include "contract/stage.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static cd_status add(struct stage *s, struct cd_user *users, size_t count)
{
        struct cd_users_page page = { users, count };

        return s->store->users->add(s->store, &page, &an_event, &s->error);
}

static cd_status update(struct stage *s, const struct cd_user_change *change)
{
        return s->store->users->update(s->store, change, &an_event, &s->error);
}

static void an_unknown_user_is_not_found(void **state)
{
        struct stage *s = *state;
        struct cd_user user;

        assert_status(s->store->users->find(s->store, &s->arena, CD_STR("ana"), &user, &s->error), CD_NOT_FOUND);
        assert_status(s->store->users->find(s->store, &s->arena, CD_STR(""), &user, &s->error), CD_NOT_FOUND);
}

static void a_user_is_found_with_every_field_as_given(void **state)
{
        struct stage *s = *state;
        struct cd_user given = some_user("ana");

        given.disabled = true;
        given.last_login_at = 5000000000;
        given.failures = 3;
        given.failed_at = 1234;
        assert_status(add(s, &given, 1), CD_OK);

        struct cd_user user = get_user(s, "ana");
        assert_str(user.name, "ana");
        assert_str(user.password, "$stored$of");
        assert_str(user.claims, "{\"role\":\"editor\"}");
        assert_true(user.disabled);
        assert_int_equal(user.created_at, 100);
        assert_int_equal(user.changed_at, 101);
        assert_int_equal(user.password_at, 102);
        assert_int_equal(user.last_login_at, 5000000000);
        assert_int_equal(user.failures, 3);
        assert_int_equal(user.failed_at, 1234);
}

static void names_are_compared_by_their_bytes(void **state)
{
        struct stage *s = *state;

        add_user(s, "ana");
        assert_false(has_user(s, "Ana"));
        assert_false(has_user(s, "ana "));
        assert_false(has_user(s, "an"));
        assert_false(has_user(s, "ana%"));
        add_user(s, "Ana");
        add_user(s, "\xc3\xa9"); /* é in one code point, and in two */
        assert_false(has_user(s, "e\xcc\x81"));
        add_user(s, "e\xcc\x81");
        assert_str(get_user(s, "Ana").name, "Ana");
}

static void one_name_that_is_there_adds_none_of_the_batch(void **state)
{
        struct stage *s = *state;
        struct cd_user users[] = { some_user("cy"), some_user("ana"), some_user("di") };

        add_user(s, "ana");
        size_t events = count_events(s);
        assert_status(add(s, users, CD_LEN(users)), CD_EXISTS);
        assert_non_null(strstr(s->error.reason, "ana"));
        assert_false(has_user(s, "cy"));
        assert_false(has_user(s, "di"));
        assert_int_equal(count_events(s), events);
}

static void a_name_twice_in_a_batch_adds_none_of_it(void **state)
{
        struct stage *s = *state;
        struct cd_user users[] = { some_user("cy"), some_user("di"), some_user("cy") };

        assert_status(add(s, users, CD_LEN(users)), CD_EXISTS);
        assert_false(has_user(s, "cy"));
        assert_false(has_user(s, "di"));
        assert_int_equal(count_events(s), 0);
}

static void a_batch_is_added_with_one_event(void **state)
{
        struct stage *s = *state;
        struct cd_user users[200];
        char names[200][16];

        for (size_t i = 0; i < CD_LEN(users); i++) {
                snprintf(names[i], sizeof(names[i]), "user%zu", i);
                users[i] = some_user(names[i]);
        }
        assert_status(add(s, users, CD_LEN(users)), CD_OK);
        assert_true(has_user(s, "user0"));
        assert_true(has_user(s, "user199"));
        assert_int_equal(count_events(s), 1);
        assert_status(s->store->users->add(s->store, &(struct cd_users_page){ 0 }, NULL, &s->error), CD_OK);
        assert_int_equal(count_events(s), 1);
}

static void many_users_are_found_in_the_order_of_their_names_asked_for(void **state)
{
        enum {
                COUNT = 71
        };
        struct stage *s = *state;
        struct cd_user added[COUNT], found[COUNT + 2];
        cd_str names[COUNT + 2];
        const struct cd_strs asked = { names, COUNT + 2 };

        for (size_t i = 0; i < COUNT; i++) {
                names[COUNT - i] = cd_arena_printf(&s->arena, "u%zu", i);
                added[i] = some_user("");
                added[i].name = names[COUNT - i];
        }
        names[0] = CD_STR("nobody");
        names[COUNT + 1] = CD_STR("u7"); /* again */
        assert_status(s->store->users->add(s->store, &(struct cd_users_page){ added, COUNT }, &an_event, &s->error),
                      CD_OK);
        memset(found, 0xff, sizeof(found));
        assert_status(s->store->users->find_many(s->store, &s->arena, &asked, found, &s->error), CD_OK);
        assert_null(found[0].name.ptr);
        for (size_t i = 1; i < asked.count; i++) {
                assert_true(cd_str_eq(found[i].name, names[i]));
                assert_str(found[i].claims, "{\"role\":\"editor\"}");
        }
        assert_status(s->store->users->find_many(s->store, &s->arena, &(struct cd_strs){ 0 }, NULL, &s->error), CD_OK);
}

static void users_are_listed_by_the_bytes_of_their_names(void **state)
{
        struct stage *s = *state;
        const char *in_order[] = {
                "-", "1", "Z", "a", "a-b", "aa", "b", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"
        };
        struct cd_users_page page;

        for (size_t i = CD_LEN(in_order); i-- > 0;)
                add_user(s, in_order[i]);
        assert_status(s->store->users->list(s->store, &s->arena, CD_STR(""), 1000000, &page, &s->error), CD_OK);
        assert_int_equal(page.count, CD_LEN(in_order));
        for (size_t i = 0; i < page.count; i++)
                assert_str(page.items[i].name, in_order[i]);
}

static void a_page_begins_after_a_name_and_ends_at_the_limit(void **state)
{
        struct stage *s = *state;
        struct cd_users_page page;

        add_user(s, "a");
        add_user(s, "c");
        add_user(s, "d");
        assert_status(s->store->users->list(s->store, &s->arena, CD_STR("a"), 1, &page, &s->error), CD_OK);
        assert_int_equal(page.count, 1);
        assert_str(page.items[0].name, "c");
        assert_status(s->store->users->list(s->store, &s->arena, CD_STR("b"), 10, &page, &s->error), CD_OK);
        assert_int_equal(page.count, 2);
        assert_str(page.items[0].password, "$stored$of");
        assert_status(s->store->users->list(s->store, &s->arena, CD_STR("d"), 10, &page, &s->error), CD_OK);
        assert_int_equal(page.count, 0);
        assert_status(s->store->users->list(s->store, &s->arena, CD_STR(""), 0, &page, &s->error), CD_OK);
        assert_int_equal(page.count, 0);
}

static void a_change_changes_what_it_names_and_nothing_else(void **state)
{
        struct stage *s = *state;

        add_user(s, "ana");
        add_user(s, "bo");
        assert_status(update(s, &(struct cd_user_change){ .name = CD_STR("ana"), .now = 500, .claims = CD_STR("{}") }),
                      CD_OK);
        struct cd_user ana = get_user(s, "ana");
        assert_str(ana.claims, "{}");
        assert_str(ana.password, "$stored$of");
        assert_false(ana.disabled);
        assert_int_equal(ana.created_at, 100);
        assert_int_equal(ana.changed_at, 500);
        assert_int_equal(ana.password_at, 102);
        assert_str(get_user(s, "bo").claims, "{\"role\":\"editor\"}");
        assert_int_equal(count_events(s), 3);
}

static void a_user_is_disabled_and_enabled(void **state)
{
        struct stage *s = *state;
        struct cd_user_change change = { .name = CD_STR("ana"), .now = 500, .disabled = CD_USER_DISABLE };

        add_user(s, "ana");
        assert_status(update(s, &change), CD_OK);
        assert_true(get_user(s, "ana").disabled);
        change.disabled = CD_USER_AS_IT_IS;
        assert_status(update(s, &change), CD_OK);
        assert_true(get_user(s, "ana").disabled);
        change.disabled = CD_USER_ENABLE;
        assert_status(update(s, &change), CD_OK);
        assert_false(get_user(s, "ana").disabled);
}

static void a_new_password_clears_the_failures(void **state)
{
        struct stage *s = *state;
        struct cd_user given = some_user("ana");

        given.failures = 4;
        given.failed_at = 400;
        assert_status(add(s, &given, 1), CD_OK);
        assert_status(update(s, &(struct cd_user_change){ .name = CD_STR("ana"), .now = 500, .claims = CD_STR("{}") }),
                      CD_OK);
        assert_int_equal(get_user(s, "ana").failures, 4);
        assert_status(
                update(s, &(struct cd_user_change){ .name = CD_STR("ana"), .now = 600, .password = CD_STR("$new") }),
                CD_OK);

        struct cd_user ana = get_user(s, "ana");
        assert_str(ana.password, "$new");
        assert_int_equal(ana.failures, 0);
        assert_int_equal(ana.failed_at, 0);
        assert_int_equal(ana.password_at, 600);
        assert_int_equal(ana.changed_at, 600);
}

static void an_enabling_clears_the_failures(void **state)
{
        struct stage *s = *state;
        struct cd_user given = some_user("ana");
        struct cd_user_change change = { .name = CD_STR("ana"), .now = 500, .disabled = CD_USER_DISABLE };

        given.failures = 4;
        given.failed_at = 400;
        assert_status(add(s, &given, 1), CD_OK);
        assert_status(update(s, &change), CD_OK);
        assert_int_equal(get_user(s, "ana").failures, 4);
        change.disabled = CD_USER_ENABLE;
        assert_status(update(s, &change), CD_OK);

        struct cd_user ana = get_user(s, "ana");
        assert_int_equal(ana.failures, 0);
        assert_int_equal(ana.failed_at, 0);
        assert_int_equal(ana.password_at, given.password_at);
}

static void a_change_made_from_an_old_password_is_refused(void **state)
{
        struct stage *s = *state;
        struct cd_user_change change = { .name = CD_STR("ana"),
                                         .now = 500,
                                         .password = CD_STR("$rehashed"),
                                         .if_password = CD_STR("$stored$other") };

        add_user(s, "ana");
        assert_status(update(s, &change), CD_NOT_FOUND);
        assert_str(get_user(s, "ana").password, "$stored$of");
        assert_int_equal(get_revocations(s).count, 0);
        assert_int_equal(count_events(s), 1);
        change.if_password = CD_STR("$stored$of");
        assert_status(update(s, &change), CD_OK);
        assert_str(get_user(s, "ana").password, "$rehashed");
}

static void a_change_made_from_an_older_generation_is_refused(void **state)
{
        struct stage *s = *state;
        struct cd_user_change change = { .name = CD_STR("ana"), .now = 500, .claims = CD_STR("{\"a\":1}") };

        add_user(s, "ana");
        change.if_generation = get_user(s, "ana").generation - 1;
        assert_status(update(s, &change), CD_NOT_FOUND);
        assert_str(get_user(s, "ana").claims, "{\"role\":\"editor\"}");
        change.if_generation++;
        assert_status(update(s, &change), CD_OK);
        assert_str(get_user(s, "ana").claims, "{\"a\":1}");
        /* It has a new one by now. */
        assert_status(update(s, &change), CD_NOT_FOUND);
}

static _Atomic int winners;

static const char *change_from_the_same_password(struct stage *s, size_t number)
{
        char password[32];
        struct cd_error error;

        snprintf(password, sizeof(password), "$of-%zu", number);
        struct cd_user_change change = { .name = CD_STR("ana"),
                                         .now = 500,
                                         .password = cd_str_from_c(password),
                                         .if_password = CD_STR("$stored$of") };
        cd_status status = s->store->users->update(s->store, &change, &an_event, &error);
        if (status == CD_OK)
                winners++;
        return status == CD_OK || status == CD_NOT_FOUND ? NULL : "an update failed";
}

static void of_many_changes_made_from_one_password_one_wins(void **state)
{
        struct stage *s = *state;

        add_user(s, "ana");
        winners = 0;
        at_once(s, 32, change_from_the_same_password);
        assert_int_equal(winners, 1);
        assert_int_equal(count_events(s), 2);
}

static void a_change_of_an_unknown_user_leaves_nothing_behind(void **state)
{
        struct stage *s = *state;
        struct cd_user_change change = { .name = CD_STR("ana"), .now = 500, .claims = CD_STR("{}") };

        assert_status(update(s, &change), CD_NOT_FOUND);
        assert_status(s->store->users->remove(s->store, &change, &an_event, &s->error), CD_NOT_FOUND);
        assert_int_equal(get_revocations(s).count, 0);
        assert_int_equal(count_events(s), 0);
        assert_false(has_user(s, "ana"));
}

static void a_removed_user_is_gone_with_sessions_and_tokens(void **state)
{
        struct stage *s = *state;
        struct cd_session of_ana = some_session("d1", "ana"), of_bo = some_session("d2", "bo");
        struct cd_user_change change = { .name = CD_STR("ana"), .now = 500 };

        add_user(s, "ana");
        add_user(s, "bo");
        of_ana.generation = get_user(s, "ana").generation;
        of_bo.generation = get_user(s, "bo").generation;
        assert_status(start_session(s, &of_ana), CD_OK);
        assert_status(start_session(s, &of_bo), CD_OK);
        assert_status(s->store->users->remove(s->store, &change, &an_event, &s->error), CD_OK);
        assert_false(has_user(s, "ana"));
        assert_true(has_user(s, "bo"));
        assert_false(has_session(s, "d1"));
        assert_true(has_session(s, "d2"));
        assert_str(get_revocations(s).items[0].user, "ana");
        assert_int_equal(count_events(s), 3);
        add_user(s, "ana");
}

enum {
        FORGET_EVERY = 900 /* seconds, for one wrong password */
};

/* note_login may return before its work can be read. */
static struct cd_user user_after(struct stage *s, int64_t failures, cd_time last_login_at)
{
        int64_t start = cd_monotonic_us();
        struct cd_user user = get_user(s, "ana");

        while ((user.failures != failures || user.last_login_at != last_login_at) && milliseconds_since(start) < 5000)
                user = get_user(s, "ana");
        assert_int_equal(user.failures, failures);
        assert_int_equal(user.last_login_at, last_login_at);
        return user;
}

static void wrong_passwords_are_counted_and_a_right_one_ends_that(void **state)
{
        struct stage *s = *state;

        add_user(s, "ana");
        assert_status(
                s->store->users->note_login(s->store, CD_STR("ana"), CD_LOGIN_WRONG, 1000, FORGET_EVERY, &s->error),
                CD_OK);
        assert_status(
                s->store->users->note_login(s->store, CD_STR("ana"), CD_LOGIN_WRONG, 1001, FORGET_EVERY, &s->error),
                CD_OK);
        assert_int_equal(user_after(s, 2, 0).failed_at, 1001);
        assert_status(
                s->store->users->note_login(s->store, CD_STR("ana"), CD_LOGIN_RIGHT, 1002, FORGET_EVERY, &s->error),
                CD_OK);
        struct cd_user user = user_after(s, 0, 1002);
        assert_int_equal(user.failed_at, 0);
        assert_int_equal(user.changed_at, 101);
        assert_status(
                s->store->users->note_login(s->store, CD_STR("ana"), CD_LOGIN_WRONG, 1003, FORGET_EVERY, &s->error),
                CD_OK);
        assert_int_equal(user_after(s, 1, 1002).failed_at, 1003);
}

static void wrong_passwords_are_forgotten_with_the_time(void **state)
{
        static const struct {
                cd_time at;
                int64_t failures;
        } wrong[] = {
                { 1000, 1 },
                { 1000, 2 },
                { 1000 + FORGET_EVERY - 1, 3 },
                { 990, 4 },                     /* by a clock that is behind */
                { 990 + 2 * FORGET_EVERY, 3 },  /* two were forgotten */
                { 990 + 22 * FORGET_EVERY, 1 }, /* all of them */
        };
        struct stage *s = *state;

        add_user(s, "ana");
        for (size_t i = 0; i < CD_LEN(wrong); i++) {
                assert_status(s->store->users->note_login(s->store, CD_STR("ana"), CD_LOGIN_WRONG, wrong[i].at,
                                                          FORGET_EVERY, &s->error),
                              CD_OK);
                assert_int_equal(user_after(s, wrong[i].failures, 0).failed_at, wrong[i].at);
        }
}

static void a_login_of_an_unknown_user_is_noted_nowhere(void **state)
{
        struct stage *s = *state;

        assert_status(
                s->store->users->note_login(s->store, CD_STR("ana"), CD_LOGIN_WRONG, 1000, FORGET_EVERY, &s->error),
                CD_OK);
        assert_status(
                s->store->users->note_login(s->store, CD_STR("ana"), CD_LOGIN_RIGHT, 1000, FORGET_EVERY, &s->error),
                CD_OK);
        assert_false(has_user(s, "ana"));
}

static const char *fail_a_login_ten_times(struct stage *s, size_t number)
{
        struct cd_error error;

        (void)number;
        for (int i = 0; i < 10; i++)
                if (s->store->users->note_login(s->store, CD_STR("ana"), CD_LOGIN_WRONG, 1000, FORGET_EVERY, &error) !=
                    CD_OK)
                        return "a wrong login was not noted";
        return NULL;
}

static void no_wrong_password_of_many_at_once_is_lost(void **state)
{
        struct stage *s = *state;

        add_user(s, "ana");
        at_once(s, 32, fail_a_login_ten_times);
        user_after(s, 320, 0);
}

static void long_and_odd_strings_come_back_as_they_went(void **state)
{
        struct stage *s = *state;
        static char claims[4097], name[129];
        const char *odd = "{\"q\":\"' \\\" \\\\ ; -- $1 %s \xe2\x82\xac \xf0\x9f\x98\x80\"}";

        memset(claims, 'x', sizeof(claims) - 1);
        memset(name, 'n', sizeof(name) - 1);
        struct cd_user users[] = { some_user(name), some_user("o'brien\"; drop table users; --") };
        users[0].claims = cd_str_from_c(claims);
        users[1].claims = cd_str_from_c(odd);
        users[1].password = CD_STR("");
        assert_status(add(s, users, CD_LEN(users)), CD_OK);
        assert_str(get_user(s, name).claims, claims);
        assert_str(get_user(s, "o'brien\"; drop table users; --").claims, odd);
        assert_int_equal(get_user(s, "o'brien\"; drop table users; --").password.len, 0);
}

static void what_is_no_text_is_refused_and_changes_nothing(void **state)
{
        struct stage *s = *state;
        const cd_str bad[] = { CD_STR("a\0b"), CD_STR("a\xff"), CD_STR("\xc0\x80"), CD_STR("\xed\xa0\x80") };
        struct cd_user found;

        add_user(s, "ana");
        size_t events = count_events(s);
        for (size_t i = 0; i < CD_LEN(bad); i++) {
                struct cd_user users[] = { some_user("bo"), some_user("cy") };
                users[1].claims = bad[i];
                assert_status(add(s, users, 2), CD_INVALID_REQUEST);
                users[1] = some_user("cy");
                users[1].name = bad[i];
                assert_status(add(s, users, 2), CD_INVALID_REQUEST);
                assert_status(
                        update(s, &(struct cd_user_change){ .name = CD_STR("ana"), .now = 500, .claims = bad[i] }),
                        CD_INVALID_REQUEST);
                cd_status status = s->store->users->find(s->store, &s->arena, bad[i], &found, &s->error);
                assert_true(status == CD_NOT_FOUND || status == CD_INVALID_REQUEST);
        }
        assert_false(has_user(s, "bo"));
        assert_int_equal(get_revocations(s).count, 0);
        assert_int_equal(count_events(s), events);
        assert_int_equal(get_user(s, "ana").changed_at, 101);
}

static void an_arena_that_is_full_is_an_error(void **state)
{
        struct stage *s = *state;
        struct cd_arena tiny;
        struct cd_user user;
        struct cd_users_page page;

        add_user(s, "ana");
        cd_arena_init(&tiny, 16);
        assert_status(s->store->users->find(s->store, &tiny, CD_STR("ana"), &user, &s->error), CD_NO_MEMORY);
        assert_status(s->store->users->list(s->store, &tiny, CD_STR(""), 10, &page, &s->error), CD_NO_MEMORY);
        cd_arena_done(&tiny);
        assert_true(has_user(s, "ana"));
}

static const char *live_a_life(struct stage *s, size_t number)
{
        struct cd_store *store = s->store;
        struct cd_arena arena;
        struct cd_error error;
        struct cd_user found;
        char name[32];

        snprintf(name, sizeof(name), "user%zu", number);
        struct cd_user user = some_user(name);
        struct cd_users_page page = { &user, 1 };
        struct cd_user_change change = { .name = user.name, .now = 500, .claims = CD_STR("{}") };
        cd_arena_init(&arena, 1 << 20);
        bool ok = store->users->add(store, &page, &an_event, &error) == CD_OK &&
                  store->users->update(store, &change, &an_event, &error) == CD_OK &&
                  store->users->find(store, &arena, user.name, &found, &error) == CD_OK &&
                  cd_str_eq_c(found.claims, "{}") &&
                  (number % 2 || store->users->remove(store, &change, &an_event, &error) == CD_OK);
        cd_arena_done(&arena);
        return ok ? NULL : "a call failed, or did not see what the one before did";
}

static void sixty_four_threads_do_not_disturb_each_other(void **state)
{
        struct stage *s = *state;
        struct cd_users_page page;

        at_once(s, 64, live_a_life);
        assert_status(s->store->users->list(s->store, &s->arena, CD_STR(""), 1000, &page, &s->error), CD_OK);
        assert_int_equal(page.count, 32);
        assert_int_equal(get_revocations(s).count, 64 + 32);
        assert_int_equal(count_events(s), 64 * 2 + 32);
}

static _Atomic int added;

static const char *add_the_same_name(struct stage *s, size_t number)
{
        struct cd_user users[] = { some_user("ana"), some_user("bo") };
        struct cd_users_page page = { users, 2 };
        struct cd_error error;

        (void)number;
        cd_status status = s->store->users->add(s->store, &page, &an_event, &error);
        if (status == CD_OK)
                added++;
        return status == CD_OK || status == CD_EXISTS ? NULL : "neither added nor there";
}

static void of_many_who_add_one_name_at_once_one_does(void **state)
{
        struct stage *s = *state;

        added = 0;
        at_once(s, 16, add_the_same_name);
        assert_int_equal(added, 1);
        assert_int_equal(count_events(s), 1);
}

int run_users_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(an_unknown_user_is_not_found),
                CONTRACT(a_user_is_found_with_every_field_as_given),
                CONTRACT(names_are_compared_by_their_bytes),
                CONTRACT(one_name_that_is_there_adds_none_of_the_batch),
                CONTRACT(a_name_twice_in_a_batch_adds_none_of_it),
                CONTRACT(a_batch_is_added_with_one_event),
                CONTRACT(many_users_are_found_in_the_order_of_their_names_asked_for),
                CONTRACT(users_are_listed_by_the_bytes_of_their_names),
                CONTRACT(a_page_begins_after_a_name_and_ends_at_the_limit),
                CONTRACT(a_change_changes_what_it_names_and_nothing_else),
                CONTRACT(a_user_is_disabled_and_enabled),
                CONTRACT(a_new_password_clears_the_failures),
                CONTRACT(an_enabling_clears_the_failures),
                CONTRACT(a_change_made_from_an_old_password_is_refused),
                CONTRACT(a_change_made_from_an_older_generation_is_refused),
                CONTRACT(of_many_changes_made_from_one_password_one_wins),
                CONTRACT(a_change_of_an_unknown_user_leaves_nothing_behind),
                CONTRACT(a_removed_user_is_gone_with_sessions_and_tokens),
                CONTRACT(wrong_passwords_are_counted_and_a_right_one_ends_that),
                CONTRACT(wrong_passwords_are_forgotten_with_the_time),
                CONTRACT(a_login_of_an_unknown_user_is_noted_nowhere),
                CONTRACT(no_wrong_password_of_many_at_once_is_lost),
                CONTRACT(long_and_odd_strings_come_back_as_they_went),
                CONTRACT(what_is_no_text_is_refused_and_changes_nothing),
                CONTRACT(an_arena_that_is_full_is_an_error),
                CONTRACT(sixty_four_threads_do_not_disturb_each_other),
                CONTRACT(of_many_who_add_one_name_at_once_one_does),
        };

        return cmocka_run_group_tests_name("users", tests, NULL, NULL);
}
