/* What a user has besides name, password and claims: the display name, the e-mail address and the groups. */
#include "contract/stage.h"

#include <stdio.h>
#include <string.h>

static cd_status add(struct stage *s, struct cd_user *user)
{
        struct cd_users_page page = { user, 1 };

        return s->store->users->add(s->store, &page, &an_event, &s->error);
}

static cd_status update(struct stage *s, const struct cd_user_change *change)
{
        return s->store->users->update(s->store, change, &an_event, &s->error);
}

/* The names in turn, with a space between. */
static void assert_groups(const struct cd_user *user, const char *expected)
{
        cd_str rest = cd_str_from_c(expected), name;
        size_t count = 0;

        for (; cd_str_take_word(&rest, &name); count++) {
                assert_true(count < user->groups.count);
                assert_true(cd_str_eq(user->groups.items[count], name));
        }
        assert_int_equal(user->groups.count, count);
}

static void details_are_found_as_given(void **state)
{
        static const cd_str groups[] = { CD_STR_INIT("admins"), CD_STR_INIT("dev") };
        struct stage *s = *state;
        struct cd_user given = some_user("ana");
        struct cd_users_page page;

        given.display_name = CD_STR("Ana \xc3\x84");
        given.email = CD_STR("ana@example.com");
        given.email_verified = true;
        given.groups = (struct cd_strs){ groups, 2 };
        assert_status(add(s, &given), CD_OK);
        add_user(s, "bo");
        assert_status(s->store->users->list(s->store, &s->arena, CD_STR(""), 10, &page, &s->error), CD_OK);
        for (int i = 0; i < 2; i++) {
                struct cd_user ana = i ? get_user(s, "ana") : page.items[0];
                assert_str(ana.display_name, "Ana \xc3\x84");
                assert_str(ana.email, "ana@example.com");
                assert_true(ana.email_verified);
                assert_groups(&ana, "admins dev");
        }
}

static void a_user_without_details_has_none(void **state)
{
        struct stage *s = *state;

        add_user(s, "ana");
        struct cd_user ana = get_user(s, "ana");
        assert_str(ana.display_name, "");
        assert_str(ana.email, "");
        assert_false(ana.email_verified);
        assert_int_equal(ana.groups.count, 0);
}

static void each_detail_is_changed_alone(void **state)
{
        static const cd_str names[] = { CD_STR_INIT("a\"b"), CD_STR_INIT("dev") };
        static const struct cd_strs groups = { names, 2 }, no_groups = { names, 0 };
        const struct {
                struct cd_user_change change;
                const char *display_name, *email, *groups;
                bool email_verified;
        } steps[] = {
                { { .display_name = CD_STR("Ana") }, "Ana", "", "", false },
                { { .email = CD_STR("ana@example.com"), .email_verified = true }, "Ana", "ana@example.com", "", true },
                { { .groups = &groups }, "Ana", "ana@example.com", "a\"b dev", true },
                { { .claims = CD_STR("{}") }, "Ana", "ana@example.com", "a\"b dev", true },
                { { .email_verified = false }, "Ana", "ana@example.com", "a\"b dev", true }, /* of no address */
                { { .email = CD_STR("ana@example.com") }, "Ana", "ana@example.com", "a\"b dev", false },
                { { .display_name = CD_STR("") }, "", "ana@example.com", "a\"b dev", false },
                { { .groups = &no_groups }, "", "ana@example.com", "", false },
                { { .email = CD_STR("") }, "", "", "", false },
        };
        struct stage *s = *state;

        add_user(s, "ana");
        add_user(s, "bo");
        for (size_t i = 0; i < CD_LEN(steps); i++) {
                struct cd_user_change change = steps[i].change;

                change.name = CD_STR("ana");
                change.now = 500;
                assert_status(update(s, &change), CD_OK);
                struct cd_user ana = get_user(s, "ana");
                assert_str(ana.display_name, steps[i].display_name);
                assert_str(ana.email, steps[i].email);
                assert_int_equal(ana.email_verified, steps[i].email_verified);
                assert_groups(&ana, steps[i].groups);
                assert_int_equal(ana.changed_at, 500);
                assert_str(ana.password, "$stored$of");
                assert_int_equal(ana.password_at, 102);
        }
        assert_int_equal(get_user(s, "bo").changed_at, 101);
}

static void long_and_odd_details_come_back_as_they_went(void **state)
{
        struct stage *s = *state;
        static char long_name[257], group_names[64][65];
        static cd_str groups[64];
        const cd_str odd = CD_STR("\"q' \\ ; -- $1 %s \xe2\x82\xac \xf0\x9f\x98\x80]}");
        struct cd_user ana = some_user("ana"), bo = some_user("bo");

        memset(long_name, 'd', sizeof(long_name) - 1);
        for (size_t i = 0; i < CD_LEN(groups); i++) {
                snprintf(group_names[i], sizeof(group_names[i]), "%064zu", i);
                groups[i] = cd_str_from_c(group_names[i]);
        }
        ana.display_name = cd_str_from_c(long_name);
        ana.groups = (struct cd_strs){ groups, CD_LEN(groups) };
        bo.display_name = bo.email = odd;
        bo.groups = (struct cd_strs){ &odd, 1 };
        assert_status(add(s, &ana), CD_OK);
        assert_status(add(s, &bo), CD_OK);
        ana = get_user(s, "ana");
        assert_str(ana.display_name, long_name);
        assert_int_equal(ana.groups.count, 64);
        assert_str(ana.groups.items[63], group_names[63]);
        bo = get_user(s, "bo");
        assert_true(cd_str_eq(bo.display_name, odd) && cd_str_eq(bo.email, odd));
        assert_int_equal(bo.groups.count, 1);
        assert_true(cd_str_eq(bo.groups.items[0], odd));
}

static void a_detail_that_is_no_text_is_refused_and_changes_nothing(void **state)
{
        struct stage *s = *state;
        const cd_str bad[] = { CD_STR("a\0b"), CD_STR("a\xff") };

        add_user(s, "ana");
        for (size_t i = 0; i < CD_LEN(bad); i++) {
                const struct cd_strs groups = { &bad[i], 1 };
                struct cd_user users[] = { some_user("bo"), some_user("bo"), some_user("bo") };
                struct cd_user_change changes[] = { { .display_name = bad[i] },
                                                    { .email = bad[i] },
                                                    { .groups = &groups } };
                users[0].display_name = bad[i];
                users[1].email = bad[i];
                users[2].groups = groups;
                for (size_t k = 0; k < CD_LEN(changes); k++) {
                        changes[k].name = CD_STR("ana");
                        changes[k].now = 500;
                        assert_status(add(s, &users[k]), CD_INVALID_REQUEST);
                        assert_status(update(s, &changes[k]), CD_INVALID_REQUEST);
                }
        }
        assert_false(has_user(s, "bo"));
        assert_int_equal(get_user(s, "ana").changed_at, 101);
        assert_int_equal(get_revocations(s).count, 0);
        assert_int_equal(count_events(s), 1);
}

int run_user_details_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(details_are_found_as_given),
                CONTRACT(a_user_without_details_has_none),
                CONTRACT(each_detail_is_changed_alone),
                CONTRACT(long_and_odd_details_come_back_as_they_went),
                CONTRACT(a_detail_that_is_no_text_is_refused_and_changes_nothing),
        };

        return cmocka_run_group_tests_name("user details", tests, NULL, NULL);
}
