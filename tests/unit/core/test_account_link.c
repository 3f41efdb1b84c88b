#include "unit/core/factor_fixture.h"

#include <stdio.h>
#include <string.h>

#include "core/account_link.h"
#include "core/admin_users.h"

static cd_str text_of(const struct cd_link_token *token)
{
        return cd_str_of(token->text, sizeof(token->text));
}

static cd_status invite(struct factor_fixture *f, struct cd_invite_params params, struct cd_link_token *ret)
{
        return cd_invite(&f->by, &f->arena, &params, ret, &f->err);
}

static cd_status look(struct factor_fixture *f, const struct cd_link_token *token, struct cd_invite_params *ret)
{
        struct cd_account_link link;

        return cd_invite_look(&f->by, &f->arena, text_of(token), &link, ret, &f->err);
}

static struct cd_link_token reset_link(struct factor_fixture *f)
{
        struct cd_link_token token;

        assert_status(cd_reset_link(&f->by, &f->arena, &f->ana, &token, &f->err), CD_OK);
        return token;
}

static cd_status reset(struct factor_fixture *f, const struct cd_link_token *token, const char *password)
{
        cd_str name = CD_STR("");
        cd_status status =
                cd_reset_password(&f->by, &f->arena, text_of(token), cd_str_from_c(password), &name, &f->err);

        assert_str(name, status == CD_OK ? "ana" : "");
        return status;
}

static void lesson_46_to_look_at_an_invitation_consumes_nothing(void **state)
{
        struct factor_fixture *f = *state;
        const cd_str groups[] = { CD_STR("staff"), CD_STR("admins"), CD_STR("staff") };
        struct cd_link_token token;
        struct cd_invite_params found;

        assert_status(invite(f,
                             (struct cd_invite_params){ .name = CD_STR("Bo"),
                                                        .display_name = CD_STR("Bo \"the\" Öst"),
                                                        .email = CD_STR("bo@example.com"),
                                                        .groups = { groups, CD_LEN(groups) } },
                             &token),
                      CD_OK);
        assert_str(factor_last_event(f).action, "user.invite");
        assert_str(factor_last_event(f).subject, "user:bo");
        assert_str(factor_last_event(f).actor, "portal");
        assert_str(factor_last_event(f).detail, "+admins +staff");
        for (int i = 0; i < 2; i++) {
                assert_status(look(f, &token, &found), CD_OK);
                assert_str(found.name, "bo");
                assert_str(found.display_name, "Bo \"the\" Öst");
                assert_str(found.email, "bo@example.com");
                assert_int_equal(found.groups.count, 2);
                assert_str(found.groups.items[0], "admins");
                assert_str(found.groups.items[1], "staff");
        }
}

static void what_cannot_be_a_user_is_not_invited(void **state)
{
        struct factor_fixture *f = *state;
        const cd_str client[] = { CD_STR("app") }, group[] = { CD_STR("a b") };
        struct cd_link_token token;

        f->by.configured = (struct cd_strs){ client, 1 };
        const struct {
                struct cd_invite_params params;
                cd_status status;
                const char *field;
        } samples[] = {
                { { .name = CD_STR("") }, CD_INVALID_REQUEST, "name" },
                { { .name = CD_STR("no name") }, CD_INVALID_REQUEST, "name" },
                { { .name = CD_STR("ANA") }, CD_EXISTS, "name" },
                { { .name = CD_STR("app") }, CD_EXISTS, "name" },
                { { .name = CD_STR("bo"), .email = CD_STR("bo") }, CD_INVALID_REQUEST, "email" },
                { { .name = CD_STR("bo"), .display_name = CD_STR("a\nb") }, CD_INVALID_REQUEST, "display_name" },
                { { .name = CD_STR("bo"), .groups = { group, 1 } }, CD_INVALID_REQUEST, "groups" },
                { { .name = CD_STR("bo"), .lifetime = 30 * 24 * 3600 + 1 }, CD_INVALID_REQUEST, "lifetime" },
                { { .name = CD_STR("bo"), .lifetime = -1 }, CD_INVALID_REQUEST, "lifetime" },
        };
        for (size_t i = 0; i < CD_LEN(samples); i++) {
                assert_status(invite(f, samples[i].params, &token), samples[i].status);
                assert_string_equal(f->err.field, samples[i].field);
        }
}

static void an_invitation_is_good_for_72_hours(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_link_token token, other;
        struct cd_invite_params found;

        assert_status(invite(f, (struct cd_invite_params){ .name = CD_STR("bo") }, &token), CD_OK);
        other = token;
        other.text[0] = other.text[0] == 'A' ? 'B' : 'A';
        assert_status(look(f, &other, &found), CD_NOT_FOUND);
        assert_string_equal(f->err.reason, "the link was used already, has expired, or is none of ours");
        f->now = FACTOR_NOON + 72 * 3600 - 1;
        assert_status(look(f, &token, &found), CD_OK);
        f->now = FACTOR_NOON + 72 * 3600;
        assert_status(look(f, &token, &found), CD_NOT_FOUND);
        assert_string_equal(f->err.reason, "the link was used already, has expired, or is none of ours");
}

static void an_invitation_is_good_for_as_long_as_was_asked_for(void **state)
{
        const int64_t lifetimes[] = { 1, 3600, 30 * 24 * 3600 };
        struct factor_fixture *f = *state;
        struct cd_link_token token;
        struct cd_invite_params found;

        for (size_t i = 0; i < CD_LEN(lifetimes); i++) {
                cd_time end = f->now + lifetimes[i];
                assert_status(
                        invite(f, (struct cd_invite_params){ .name = CD_STR("bo"), .lifetime = lifetimes[i] }, &token),
                        CD_OK);
                assert_int_equal(token.expires_at, end);
                f->now = end - 1;
                assert_status(look(f, &token, &found), CD_OK);
                f->now = end;
                assert_status(look(f, &token, &found), CD_NOT_FOUND);
        }
}

static void many_groups_leave_room_in_the_audit(void **state)
{
        char names[64][8];
        cd_str groups[64];
        struct factor_fixture *f = *state;
        struct cd_link_token token;

        for (size_t i = 0; i < CD_LEN(groups); i++) {
                snprintf(names[i], sizeof(names[i]), "g%zu", i);
                groups[i] = cd_str_from_c(names[i]);
        }
        assert_status(invite(f, (struct cd_invite_params){ .name = CD_STR("bo"), .groups = { groups, 64 } }, &token),
                      CD_OK);
        assert_str(factor_last_event(f).detail, "many groups");
}

/* What shows a link, and the link that it shows. */
struct shown {
        const struct cd_link_token *token;
        cd_time expires_at;
        char name[8], text[CD_LINK_TOKEN_SIZE];
        bool fails;
};

static cd_status show(void *arg, cd_str name, cd_str token, struct cd_error *reterr)
{
        struct shown *shown = arg;

        snprintf(shown->name, sizeof(shown->name), "%.*s", CD_STR_ARG(name));
        assert_int_equal(token.len, sizeof(shown->text));
        memcpy(shown->text, token.ptr, token.len);
        shown->expires_at = shown->token->expires_at;
        return shown->fails ? cd_fail(reterr, CD_UNAVAILABLE, "nobody looks") : CD_OK;
}

static void lesson_38_a_link_that_could_not_be_shown_does_not_exist(void **state)
{
        const struct cd_invite_params bo = { .name = CD_STR("Bo") };
        struct factor_fixture *f = *state;
        struct cd_link_token first, token;
        struct cd_invite_params found;
        struct shown shown = { .token = &token, .fails = true };
        cd_str name;

        assert_status(invite(f, bo, &first), CD_OK);
        f->by.show_secret = show;
        f->by.show_arg = &shown;
        assert_status(invite(f, bo, &token), CD_UNAVAILABLE);
        assert_string_equal(f->err.reason, "nobody looks");
        assert_string_equal(shown.name, "bo");
        assert_int_equal(shown.expires_at, FACTOR_NOON + 72 * 3600);
        memcpy(token.text, shown.text, sizeof(token.text));
        assert_status(look(f, &token, &found), CD_NOT_FOUND);
        assert_status(look(f, &first, &found), CD_OK); /* it is not replaced either */
        assert_status(cd_reset_link(&f->by, &f->arena, &f->ana, &token, &f->err), CD_UNAVAILABLE);
        assert_string_equal(shown.name, "ana");
        assert_int_equal(shown.expires_at, FACTOR_NOON + 1800);
        assert_status(cd_reset_password(&f->by, &f->arena, cd_str_of(shown.text, sizeof(shown.text)),
                                        CD_STR("new password"), &name, &f->err),
                      CD_NOT_FOUND);
        shown.fails = false;
        assert_status(invite(f, bo, &token), CD_OK);
        assert_memory_equal(shown.text, token.text, sizeof(token.text));
        assert_status(look(f, &token, &found), CD_OK);
        assert_status(look(f, &first, &found), CD_NOT_FOUND);
}

static void the_store_has_no_token(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_link_token token;
        struct cd_account_link link;

        assert_status(invite(f, (struct cd_invite_params){ .name = CD_STR("bo") }, &token), CD_OK);
        assert_status(f->store->links->find(f->store, &f->arena, text_of(&token), &link, &f->err), CD_NOT_FOUND);
}

static void a_reset_sets_the_password_once_and_leaves_the_second_factor(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_link_token token = reset_link(f);
        struct cd_totp_factor factor;
        bool matches;

        assert_str(factor_last_event(f).action, "user.reset_link");
        assert_status(reset(f, &token, "new password"), CD_OK);
        assert_str(factor_last_event(f).action, "user.reset");
        struct cd_user ana = factor_find(f, "ana");
        assert_status(f->by.hasher->verify(f->by.hasher, ana.password, CD_STR("new password"), &matches, &f->err),
                      CD_OK);
        assert_true(matches);
        assert_true(ana.generation > f->ana.generation);
        assert_int_equal(ana.last_login_at, 0); /* it is no login */
        assert_status(f->store->totp->find(f->store, &f->arena, CD_STR("ana"), &factor, &f->err), CD_OK);
        assert_status(reset(f, &token, "another one"), CD_NOT_FOUND);
        assert_string_equal(f->err.reason, "the link was used already, has expired, or is none of ours");
}

static void a_password_that_cannot_be_one_costs_no_link(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_link_token token = reset_link(f);

        assert_status(reset(f, &token, ""), CD_INVALID_REQUEST);
        assert_string_equal(f->err.field, "password");
        assert_status(reset(f, &token, "new password"), CD_OK);
}

static void a_reset_link_is_good_for_half_an_hour(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_link_token token = reset_link(f), second = reset_link(f);

        f->now = FACTOR_NOON + 1799;
        assert_status(reset(f, &token, "new password"), CD_OK);
        assert_status(reset(f, &second, "another one"), CD_NOT_FOUND); /* the user has changed since */
        f->ana = factor_find(f, "ana");
        token = reset_link(f);
        f->now += 1800;
        assert_status(reset(f, &token, "another one"), CD_NOT_FOUND);
}

static cd_status reset_look(struct factor_fixture *f, const struct cd_link_token *token)
{
        struct cd_account_link link = { 0 };
        cd_status status = cd_reset_look(&f->by, &f->arena, text_of(token), &link, &f->err);

        assert_str(link.user, status == CD_OK ? "ana" : "");
        if (status == CD_NOT_FOUND)
                assert_string_equal(f->err.reason, "the link was used already, has expired, or is none of ours");
        return status;
}

static void lesson_46_to_look_at_a_reset_link_consumes_nothing(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_link_token token = reset_link(f), second = reset_link(f);

        for (int i = 0; i < 2; i++)
                assert_status(reset_look(f, &token), CD_OK);
        f->now += CD_RESET_LIFETIME - 1;
        assert_status(reset_look(f, &token), CD_OK);
        f->now++;
        assert_status(reset_look(f, &token), CD_NOT_FOUND);
        f->now--;
        assert_status(reset(f, &second, "new password"), CD_OK);
        assert_status(reset_look(f, &token), CD_NOT_FOUND); /* the user has changed since */
}

static void a_reset_link_of_a_disabled_or_removed_user_is_none(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_link_token token = reset_link(f);
        struct cd_user_result result;

        assert_status(cd_admin_user_switch(&f->by, &f->arena, CD_STR("ana"), CD_USER_DISABLE, &result, &f->err), CD_OK);
        assert_status(reset_look(f, &token), CD_NOT_FOUND);
        assert_status(cd_admin_user_remove(&f->by, &f->arena, CD_STR("ana"), &result, &f->err), CD_OK);
        assert_status(reset_look(f, &token), CD_NOT_FOUND);
}

static void one_kind_of_link_is_not_the_other(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_link_token invitation, token = reset_link(f);
        struct cd_invite_params found;

        assert_status(invite(f, (struct cd_invite_params){ .name = CD_STR("bo") }, &invitation), CD_OK);
        assert_status(look(f, &token, &found), CD_NOT_FOUND);
        assert_status(reset_look(f, &invitation), CD_NOT_FOUND);
        assert_status(reset(f, &invitation, "new password"), CD_NOT_FOUND);
}

static void a_user_gets_three_reset_links_at_a_time(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_link_token token;

        for (int i = 0; i < CD_RESET_LINKS_MAX; i++)
                reset_link(f);
        assert_status(cd_reset_link(&f->by, &f->arena, &f->ana, &token, &f->err), CD_THROTTLED);
        f->now += CD_RESET_LIFETIME;
        reset_link(f);
}

static void lesson_31_without_clock_or_randomness_there_is_no_link(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_link_token token = reset_link(f), other;
        struct cd_invite_params found;

        f->random_fails = true;
        assert_status(invite(f, (struct cd_invite_params){ .name = CD_STR("bo") }, &other), CD_UNAVAILABLE);
        assert_status(cd_reset_link(&f->by, &f->arena, &f->ana, &other, &f->err), CD_UNAVAILABLE);
        assert_status(reset(f, &token, "new password"), CD_UNAVAILABLE); /* the salt */
        f->random_fails = false;
        f->now = -1;
        assert_status(look(f, &token, &found), CD_UNAVAILABLE);
        assert_status(reset(f, &token, "new password"), CD_UNAVAILABLE);
        assert_status(invite(f, (struct cd_invite_params){ .name = CD_STR("bo") }, &other), CD_UNAVAILABLE);
        f->now = FACTOR_NOON;
        assert_status(reset(f, &token, "new password"), CD_OK);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                FACTOR_TEST(lesson_46_to_look_at_an_invitation_consumes_nothing),
                FACTOR_TEST(what_cannot_be_a_user_is_not_invited),
                FACTOR_TEST(an_invitation_is_good_for_72_hours),
                FACTOR_TEST(an_invitation_is_good_for_as_long_as_was_asked_for),
                FACTOR_TEST(many_groups_leave_room_in_the_audit),
                FACTOR_TEST(lesson_38_a_link_that_could_not_be_shown_does_not_exist),
                FACTOR_TEST(the_store_has_no_token),
                FACTOR_TEST(a_reset_sets_the_password_once_and_leaves_the_second_factor),
                FACTOR_TEST(a_password_that_cannot_be_one_costs_no_link),
                FACTOR_TEST(a_reset_link_is_good_for_half_an_hour),
                FACTOR_TEST(lesson_46_to_look_at_a_reset_link_consumes_nothing),
                FACTOR_TEST(a_reset_link_of_a_disabled_or_removed_user_is_none),
                FACTOR_TEST(one_kind_of_link_is_not_the_other),
                FACTOR_TEST(a_user_gets_three_reset_links_at_a_time),
                FACTOR_TEST(lesson_31_without_clock_or_randomness_there_is_no_link),
        };

        return cmocka_run_group_tests_name("links", tests, NULL, NULL);
}
