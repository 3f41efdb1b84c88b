#include <stdio.h>
#include <string.h>

#include "unit/core/admin_fixture.h"

static bool password_is(struct admin_fixture *f, const char *name, const char *password)
{
        bool matches = false;

        assert_status(cd_password_verify(admin_find(f, name).password, cd_str_from_c(password), &matches, NULL), CD_OK);
        return matches;
}

static void a_new_user_has_a_canonical_name_a_hash_and_compact_claims(void **state)
{
        struct admin_fixture *f = *state;
        const struct cd_user_params params = { .name = CD_STR("Ana.B@Example"),
                                               .password = CD_STR("correct horse"),
                                               .claims = CD_STR("{ \"projects\" : [ \"a\", \"b\" ] }") };
        struct cd_user_result result;

        assert_status(cd_admin_user_add(&f->by, &f->arena, &params, &result, NULL), CD_OK);
        assert_str(result.name, "ana.b@example");
        struct cd_user user = admin_find(f, "ANA.b@example");
        assert_str(user.name, "ana.b@example");
        assert_str(user.claims, "{\"projects\":[\"a\",\"b\"]}");
        assert_true(cd_str_has_prefix(user.password, CD_STR("$argon2id$v=19$m=8,t=1,p=1$")));
        assert_true(password_is(f, "ana.b@example", "correct horse"));
        assert_false(user.disabled);
        assert_int_equal(user.created_at, ADMIN_NOON);
        assert_int_equal(user.password_at, ADMIN_NOON);
        assert_int_equal(user.last_login_at, 0);
}

static void a_new_user_has_an_address_a_display_name_and_sorted_groups(void **state)
{
        struct admin_fixture *f = *state;
        static const cd_str groups[] = { CD_STR_INIT("staff"), CD_STR_INIT("dev"), CD_STR_INIT("staff") };
        const struct cd_user_params params = { .name = CD_STR("ana"),
                                               .password = CD_STR("correct horse"),
                                               .display_name = CD_STR("Ana"),
                                               .email = CD_STR("Ana@Example.com"),
                                               .email_verified = true,
                                               .groups = { groups, CD_LEN(groups) } };
        struct cd_user_result result;

        assert_status(cd_admin_user_add(&f->by, &f->arena, &params, &result, NULL), CD_OK);
        struct cd_user ana = admin_find(f, "ana");
        assert_str(ana.display_name, "Ana");
        assert_str(ana.email, "Ana@Example.com");
        assert_true(ana.email_verified);
        assert_int_equal(ana.groups.count, 2);
        assert_str(ana.groups.items[0], "dev");
        assert_str(ana.groups.items[1], "staff");
}

static void every_change_is_one_event_of_the_operator(void **state)
{
        struct admin_fixture *f = *state;
        const cd_str assignments[] = { CD_STR_INIT("role=viewer"), CD_STR_INIT("level=3") };
        const struct cd_claims_change change = { { assignments, 2 }, false };
        struct cd_user_result result;

        admin_add_ana(f);
        assert_str(admin_last_event(f).action, "user.add");
        assert_status(cd_admin_user_set_password(&f->by, &f->arena, CD_STR("ana"), CD_STR("other"), &result, NULL),
                      CD_OK);
        assert_str(admin_last_event(f).action, "user.passwd");
        assert_status(cd_admin_user_set_claims(&f->by, &f->arena, CD_STR("ana"), &change, &result, NULL), CD_OK);
        assert_str(admin_last_event(f).action, "user.claims");
        assert_str(admin_last_event(f).detail, "role: \"editor\" -> \"viewer\"; level: none -> 3");
        assert_status(cd_admin_user_switch(&f->by, &f->arena, CD_STR("ana"), CD_USER_DISABLE, &result, NULL), CD_OK);
        assert_str(admin_last_event(f).action, "user.disable");
        assert_status(cd_admin_user_switch(&f->by, &f->arena, CD_STR("ana"), CD_USER_ENABLE, &result, NULL), CD_OK);
        assert_str(admin_last_event(f).action, "user.enable");
        f->now++;
        assert_status(cd_admin_user_remove(&f->by, &f->arena, CD_STR("Ana"), &result, NULL), CD_OK);
        struct cd_audit_event event = admin_last_event(f);
        assert_str(event.action, "user.remove");
        assert_str(event.actor, "os:op");
        assert_str(event.subject, "user:ana");
        assert_int_equal(event.at, ADMIN_NOON + 1);
        assert_int_equal(admin_count_events(f), 6);
}

static void a_refused_change_leaves_no_event(void **state)
{
        struct admin_fixture *f = *state;
        const struct cd_user_params again = { .name = CD_STR("ANA"), .password = CD_STR("x") };
        struct cd_user_result result;
        struct cd_error err = { 0 };

        admin_add_ana(f);
        assert_status(cd_admin_user_add(&f->by, &f->arena, &again, &result, &err), CD_EXISTS);
        assert_string_equal(err.reason, "user \"ana\" exists already");
        assert_string_equal(err.field, "name");
        assert_status(cd_admin_user_remove(&f->by, &f->arena, CD_STR("bob"), &result, &err), CD_NOT_FOUND);
        assert_string_equal(err.reason, "there is no user \"bob\"");
        assert_status(cd_admin_user_switch(&f->by, &f->arena, CD_STR("bob"), CD_USER_DISABLE, &result, &err),
                      CD_NOT_FOUND);
        assert_status(cd_admin_user_set_password(&f->by, &f->arena, CD_STR("bob"), CD_STR("x"), &result, &err),
                      CD_NOT_FOUND);
        assert_status(cd_admin_user_set_claims(&f->by, &f->arena, CD_STR("bob"),
                                               &(struct cd_claims_change){ .replace = true }, &result, &err),
                      CD_NOT_FOUND);
        assert_string_equal(err.reason, "there is no user \"bob\"");
        assert_int_equal(admin_count_events(f), 1);
}

static void what_is_wrong_with_params_is_said_with_its_field(void **state)
{
        static const cd_str a_list = CD_STR_INIT("staff,admins");
        struct admin_fixture *f = *state;
        const struct {
                struct cd_user_params params;
                cd_status status;
                const char *field;
        } cases[] = {
                { { .name = CD_STR("a b"), .password = CD_STR("x") }, CD_INVALID_REQUEST, "name" },
                { { .name = CD_STR(""), .password = CD_STR("x") }, CD_INVALID_REQUEST, "name" },
                { { .name = CD_STR("\xc3\xa4"), .password = CD_STR("x") }, CD_INVALID_REQUEST, "name" },
                { { .name = CD_STR("a"), .password = CD_STR("") }, CD_INVALID_REQUEST, "password" },
                { { .name = CD_STR("a"), .stored = CD_STR("plain") }, CD_MALFORMED, "hash" },
                { { .name = CD_STR("a"), .password = CD_STR("x"), .claims = CD_STR("[]") },
                  CD_INVALID_REQUEST,
                  "claims" },
                { { .name = CD_STR("a"), .password = CD_STR("x"), .claims = CD_STR("{\"sub\":\"b\"}") },
                  CD_INVALID_REQUEST,
                  "claims.sub" },
                { { .name = CD_STR("a"), .password = CD_STR("x"), .display_name = CD_STR("a\nb") },
                  CD_INVALID_REQUEST,
                  "display_name" },
                { { .name = CD_STR("a"), .password = CD_STR("x"), .email = CD_STR("a") }, CD_INVALID_REQUEST, "email" },
                { { .name = CD_STR("a"), .password = CD_STR("x"), .email_verified = true },
                  CD_INVALID_REQUEST,
                  "email_verified" },
                { { .name = CD_STR("a"), .password = CD_STR("x"), .groups = { &a_list, 1 } },
                  CD_INVALID_REQUEST,
                  "groups" },
        };

        for (size_t i = 0; i < CD_LEN(cases); i++) {
                struct cd_user_result result;
                struct cd_error err = { 0 };
                assert_status(cd_admin_user_add(&f->by, &f->arena, &cases[i].params, &result, &err), cases[i].status);
                assert_string_equal(err.field, cases[i].field);
                assert_true(err.reason[0] != '\0');
        }
        assert_int_equal(admin_count_events(f), 0);
}

/* The clock stands still. */
static void lesson_12_what_is_taken_away_ends_the_tokens(void **state)
{
        struct admin_fixture *f = *state;
        const cd_str assignment = CD_STR("role=viewer");
        const struct cd_claims_change change = { { &assignment, 1 }, false };
        struct cd_user_result result;

        admin_add_ana(f);
        int64_t generation = admin_find(f, "ana").generation;
        assert_false(admin_has_ended(f, "ana", generation));

        assert_status(cd_admin_user_set_password(&f->by, &f->arena, CD_STR("ana"), CD_STR("new"), &result, NULL),
                      CD_OK);
        assert_true(admin_has_ended(f, "ana", generation));
        generation = admin_find(f, "ana").generation;
        assert_false(admin_has_ended(f, "ana", generation));
        assert_true(password_is(f, "ana", "new"));

        assert_status(cd_admin_user_set_claims(&f->by, &f->arena, CD_STR("ana"), &change, &result, NULL), CD_OK);
        assert_true(admin_has_ended(f, "ana", generation));
        generation = admin_find(f, "ana").generation;

        assert_status(cd_admin_user_switch(&f->by, &f->arena, CD_STR("ana"), CD_USER_DISABLE, &result, NULL), CD_OK);
        assert_true(admin_has_ended(f, "ana", generation));
        assert_true(admin_find(f, "ana").disabled);
        generation = admin_find(f, "ana").generation;

        assert_status(cd_admin_user_switch(&f->by, &f->arena, CD_STR("ana"), CD_USER_ENABLE, &result, NULL), CD_OK);
        assert_false(admin_has_ended(f, "ana", generation));
        assert_false(admin_find(f, "ana").disabled);

        assert_status(cd_admin_user_remove(&f->by, &f->arena, CD_STR("ana"), &result, NULL), CD_OK);
        assert_true(admin_has_ended(f, "ana", generation));
}

static void lesson_12_a_password_is_changed_only_by_a_user_who_has_not_changed(void **state)
{
        struct admin_fixture *f = *state;
        int64_t generation = -1;
        struct cd_error err;

        admin_add_ana(f);
        const struct cd_user ana = admin_find(f, "ana");
        assert_status(cd_admin_user_change_password(&f->by, &f->arena, &ana, CD_STR(""), &generation, &err),
                      CD_INVALID_REQUEST);
        assert_string_equal(err.field, "password");
        assert_int_equal(generation, -1);
        assert_status(cd_admin_user_change_password(&f->by, &f->arena, &ana, CD_STR("first"), &generation, &err),
                      CD_OK);
        assert_int_equal(generation, admin_find(f, "ana").generation);
        assert_true(generation > ana.generation);
        assert_str(admin_last_event(f).action, "user.passwd");
        assert_true(password_is(f, "ana", "first"));
        /* Another one that was begun at the same time, with the same old password. */
        int64_t second = -1;
        assert_status(cd_admin_user_change_password(&f->by, &f->arena, &ana, CD_STR("second"), &second, &err),
                      CD_NOT_FOUND);
        assert_int_equal(second, -1);
        assert_true(password_is(f, "ana", "first"));
        assert_int_equal(admin_find(f, "ana").generation, generation);
}

static void what_is_so_already_is_no_event_and_ends_nothing(void **state)
{
        struct admin_fixture *f = *state;
        const cd_str assignment = CD_STR("role=editor");
        const struct cd_claims_change change = { { &assignment, 1 }, false };
        struct cd_user_result result;

        admin_add_ana(f);
        int64_t generation = admin_find(f, "ana").generation;
        f->now++;
        assert_status(cd_admin_user_set_claims(&f->by, &f->arena, CD_STR("Ana"), &change, &result, NULL), CD_OK);
        assert_str(result.name, "ana");
        assert_status(cd_admin_user_switch(&f->by, &f->arena, CD_STR("ana"), CD_USER_ENABLE, &result, NULL), CD_OK);
        struct cd_user same = admin_find(f, "ana");
        assert_status(cd_admin_user_replace(&f->by, &f->arena, &same, NULL, &result, NULL), CD_OK);
        assert_int_equal(admin_count_events(f), 1);
        assert_false(admin_has_ended(f, "ana", generation));
        assert_int_equal(admin_find(f, "ana").changed_at, ADMIN_NOON);
}

static void claims_are_set_removed_and_replaced(void **state)
{
        struct admin_fixture *f = *state;
        const cd_str more[] = { CD_STR_INIT("level=3"), CD_STR_INIT("name=a b") },
                     less[] = { CD_STR_INIT("role=null") }, bad[] = { CD_STR_INIT("exp=1") };
        struct cd_user_result result;
        struct cd_error err = { 0 };

        admin_add_ana(f);
        assert_status(cd_admin_user_set_claims(&f->by, &f->arena, CD_STR("ana"),
                                               &(struct cd_claims_change){ { more, 2 }, false }, &result, NULL),
                      CD_OK);
        assert_str(admin_find(f, "ana").claims, "{\"role\":\"editor\",\"level\":3,\"name\":\"a b\"}");
        assert_status(cd_admin_user_set_claims(&f->by, &f->arena, CD_STR("ana"),
                                               &(struct cd_claims_change){ { less, 1 }, false }, &result, NULL),
                      CD_OK);
        assert_str(admin_find(f, "ana").claims, "{\"level\":3,\"name\":\"a b\"}");
        assert_status(cd_admin_user_set_claims(&f->by, &f->arena, CD_STR("ana"),
                                               &(struct cd_claims_change){ { more, 1 }, true }, &result, NULL),
                      CD_OK);
        assert_str(admin_find(f, "ana").claims, "{\"level\":3}");
        assert_str(admin_last_event(f).detail, "name: \"a b\" -> none");
        assert_status(cd_admin_user_set_claims(&f->by, &f->arena, CD_STR("ana"),
                                               &(struct cd_claims_change){ { bad, 1 }, false }, &result, &err),
                      CD_INVALID_REQUEST);
        assert_string_equal(err.field, "claims.exp");
        assert_str(admin_find(f, "ana").claims, "{\"level\":3}");
        assert_status(cd_admin_user_set_claims(&f->by, &f->arena, CD_STR("ana"),
                                               &(struct cd_claims_change){ .replace = true }, &result, NULL),
                      CD_OK);
        assert_str(admin_find(f, "ana").claims, "{}");
}

static struct cd_user set_details(struct admin_fixture *f, const struct cd_details_change *change)
{
        struct cd_user_result result;

        assert_status(cd_admin_user_set_details(&f->by, &f->arena, CD_STR("Ana"), change, &result, NULL), CD_OK);
        assert_str(result.name, "ana");
        return admin_find(f, "ana");
}

static void details_are_set_and_removed_and_sessions_go_on(void **state)
{
        struct admin_fixture *f = *state;
        struct cd_details_change change = { .display_name = CD_STR("Ana B.") };

        admin_add_ana(f);
        int64_t generation = admin_find(f, "ana").generation;
        assert_str(set_details(f, &change).display_name, "Ana B.");
        assert_str(admin_last_event(f).action, "user.set");
        assert_str(admin_last_event(f).detail, "display_name");

        change = (struct cd_details_change){ .email = CD_STR("ana@example.com"), .email_verified = true };
        struct cd_user ana = set_details(f, &change);
        assert_str(ana.display_name, "Ana B.");
        assert_str(ana.email, "ana@example.com");
        assert_true(ana.email_verified);
        assert_str(admin_last_event(f).detail, "email (verified)");

        change = (struct cd_details_change){ .display_name = CD_STR(""), .email = CD_STR("new@example.com") };
        ana = set_details(f, &change);
        assert_str(ana.display_name, "");
        assert_str(ana.email, "new@example.com");
        assert_false(ana.email_verified);
        assert_str(admin_last_event(f).detail, "display_name (removed) email");

        assert_str(set_details(f, &(struct cd_details_change){ .email = CD_STR("") }).email, "");
        assert_str(admin_last_event(f).detail, "email (removed)");
        assert_int_equal(admin_count_events(f), 5);
        set_details(f, &(struct cd_details_change){ .email = CD_STR("") }); /* as it was */
        assert_int_equal(admin_count_events(f), 5);
        assert_int_equal(admin_find(f, "ana").generation, generation);
        assert_false(admin_has_ended(f, "ana", generation));
}

static void lesson_12_a_change_of_groups_ends_the_tokens(void **state)
{
        struct admin_fixture *f = *state;
        static const cd_str names[] = { CD_STR_INIT("staff"), CD_STR_INIT("admins"), CD_STR_INIT("dev") };
        const struct cd_details_change join = { .add_groups = { names, 2 } },
                                       swap = { .add_groups = { &names[2], 1 }, .remove_groups = { &names[1], 1 } },
                                       leave = { .remove_groups = { names, 3 } };

        admin_add_ana(f);
        int64_t generation = admin_find(f, "ana").generation;
        struct cd_user ana = set_details(f, &join);
        assert_int_equal(ana.groups.count, 2);
        assert_str(ana.groups.items[0], "admins");
        assert_true(admin_has_ended(f, "ana", generation));
        assert_str(admin_last_event(f).detail, "+staff +admins");

        generation = ana.generation;
        assert_int_equal(set_details(f, &join).generation, generation); /* as it was */
        assert_int_equal(admin_count_events(f), 2);

        ana = set_details(f, &swap);
        assert_int_equal(ana.groups.count, 2);
        assert_str(ana.groups.items[0], "dev");
        assert_str(ana.groups.items[1], "staff");
        assert_true(admin_has_ended(f, "ana", generation));
        assert_str(admin_last_event(f).detail, "+dev -admins");

        generation = ana.generation;
        assert_int_equal(set_details(f, &leave).groups.count, 0);
        assert_true(admin_has_ended(f, "ana", generation));
}

static void details_that_are_none_are_refused_with_their_field(void **state)
{
        struct admin_fixture *f = *state;
        static const cd_str dev = CD_STR_INIT("dev"), list = CD_STR_INIT("a,b");
        static cd_str many[65];
        static char names[65][8];
        const struct {
                struct cd_details_change change;
                const char *field, *reason;
        } cases[] = {
                { { .display_name = CD_STR(" ") }, "display_name", "the display name begins or ends with a space" },
                { { .email = CD_STR("ana") }, "email", "an e-mail address has the form name@domain" },
                { { .email_verified = true }, "email_verified", "there is no e-mail address that could be verified" },
                { { .email = CD_STR(""), .email_verified = true },
                  "email_verified",
                  "there is no e-mail address that could be verified" },
                { { .add_groups = { &list, 1 } },
                  "groups",
                  "\"a,b\" has a character that is none of: ASCII letters, digits, . _ - @ + : /" },
                { { .remove_groups = { &list, 1 } },
                  "groups",
                  "\"a,b\" has a character that is none of: ASCII letters, digits, . _ - @ + : /" },
                { { .add_groups = { &dev, 1 }, .remove_groups = { &dev, 1 } },
                  "groups",
                  "\"dev\" cannot be both added and removed" },
                { { .add_groups = { many, 65 } }, "groups", "a user is in at most 64 groups" },
        };
        struct cd_user_result result;
        struct cd_error err = { 0 };

        for (size_t i = 0; i < CD_LEN(many); i++)
                many[i] = cd_str_of(names[i], (size_t)snprintf(names[i], sizeof(names[i]), "g%zu", i));
        admin_add_ana(f);
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                assert_status(
                        cd_admin_user_set_details(&f->by, &f->arena, CD_STR("ana"), &cases[i].change, &result, &err),
                        CD_INVALID_REQUEST);
                assert_string_equal(err.field, cases[i].field);
                assert_string_equal(err.reason, cases[i].reason);
        }
        assert_status(cd_admin_user_set_details(&f->by, &f->arena, CD_STR("bob"), &cases[0].change, &result, &err),
                      CD_NOT_FOUND);
        assert_string_equal(err.reason, "there is no user \"bob\"");
        assert_int_equal(admin_count_events(f), 1);
        set_details(f, &(struct cd_details_change){ .add_groups = { many, 64 } });
        assert_str(admin_last_event(f).detail, "many");
}

static void lesson_31_a_failing_clock_or_random_source_writes_nothing(void **state)
{
        struct admin_fixture *f = *state;
        const struct cd_user_params params = { .name = CD_STR("bob"), .password = CD_STR("x") };
        struct cd_user_result result;
        struct cd_error err = { 0 };

        admin_add_ana(f);
        f->random_fails = true;
        assert_status(cd_admin_user_add(&f->by, &f->arena, &params, &result, &err), CD_UNAVAILABLE);
        assert_status(cd_admin_user_set_password(&f->by, &f->arena, CD_STR("ana"), CD_STR("x"), &result, &err),
                      CD_UNAVAILABLE);
        f->random_fails = false;
        f->now = -1;
        assert_status(cd_admin_user_add(&f->by, &f->arena, &params, &result, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "the clock fails");
        assert_status(cd_admin_user_remove(&f->by, &f->arena, CD_STR("ana"), &result, &err), CD_UNAVAILABLE);
        assert_status(cd_admin_user_switch(&f->by, &f->arena, CD_STR("ana"), CD_USER_DISABLE, &result, &err),
                      CD_UNAVAILABLE);
        assert_int_equal(admin_count_events(f), 1);
}

static cd_status import_users(struct admin_fixture *f, struct cd_user *users, const struct cd_totp_factor *factors,
                              size_t count)
{
        const struct cd_user_import import = { .users = { users, count }, .factors = factors };

        return cd_admin_users_import(&f->by, &f->arena, &import, NULL);
}

static void a_batch_is_added_whole_or_not_at_all(void **state)
{
        struct admin_fixture *f = *state;
        struct cd_user users[3];
        const char *const names[] = { "bob", "cy", "ana" };
        struct cd_user found;

        for (size_t i = 0; i < CD_LEN(names); i++) {
                const struct cd_user_params params = { .name = cd_str_from_c(names[i]), .password = CD_STR("x") };
                assert_status(cd_admin_user_prepare(&f->by, &f->arena, &params, &users[i], NULL), CD_OK);
        }
        admin_add_ana(f);
        assert_status(import_users(f, users, NULL, 3), CD_EXISTS);
        assert_status(cd_admin_user_find(&f->by, &f->arena, CD_STR("bob"), &found, NULL), CD_NOT_FOUND);
        assert_int_equal(admin_count_events(f), 1);
        assert_status(import_users(f, users, NULL, 2), CD_OK);
        assert_str(admin_last_event(f).action, "user.import");
        assert_str(admin_last_event(f).subject, "");
        assert_str(admin_last_event(f).detail, "2 users, bob to cy");
        assert_status(import_users(f, users, NULL, 0), CD_OK);
        assert_int_equal(admin_count_events(f), 2);
}

static void a_replaced_user_has_everything_new_and_older_tokens_have_ended(void **state)
{
        struct admin_fixture *f = *state;
        const struct cd_user_params params = {
                .name = CD_STR("ana"), .password = CD_STR("new"), .claims = CD_STR("{\"a\":1}"), .disabled = true
        };
        static const cd_str staff = CD_STR_INIT("staff");
        struct cd_user_result result;
        struct cd_user user;

        admin_add_ana(f);
        set_details(f, &(struct cd_details_change){ .display_name = CD_STR("Ana"),
                                                    .email = CD_STR("ana@example.com"),
                                                    .email_verified = true,
                                                    .add_groups = { &staff, 1 } });
        int64_t generation = admin_find(f, "ana").generation;
        assert_status(cd_admin_user_prepare(&f->by, &f->arena, &params, &user, NULL), CD_OK);
        assert_status(cd_admin_user_replace(&f->by, &f->arena, &user, NULL, &result, NULL), CD_OK);
        assert_true(password_is(f, "ana", "new"));
        assert_str(admin_find(f, "ana").claims, "{\"a\":1}");
        assert_true(admin_find(f, "ana").disabled);
        assert_str(admin_find(f, "ana").display_name, "");
        assert_str(admin_find(f, "ana").email, "");
        assert_false(admin_find(f, "ana").email_verified);
        assert_int_equal(admin_find(f, "ana").groups.count, 0);
        assert_true(admin_has_ended(f, "ana", generation));
        generation = admin_find(f, "ana").generation;
        user.disabled = false;
        assert_status(cd_admin_user_replace(&f->by, &f->arena, &user, NULL, &result, NULL), CD_OK);
        assert_false(admin_find(f, "ana").disabled);
        assert_false(admin_has_ended(f, "ana", generation)); /* nothing was taken away */
        user.name = CD_STR("nobody");
        assert_status(cd_admin_user_replace(&f->by, &f->arena, &user, NULL, &result, NULL), CD_NOT_FOUND);
}

static void what_is_replaced_by_the_same_password_stays_locked_out(void **state)
{
        struct admin_fixture *f = *state;
        struct cd_store *store = f->by.store;
        struct cd_totp_change factor = { .factor = { .user = CD_STR("ana"), .sealed = CD_STR("x"), .last_step = -1 } };
        struct cd_totp_factor found;
        struct cd_user_result result;
        int64_t wrong;

        admin_add_ana(f);
        struct cd_user same = admin_find(f, "ana");
        factor.if_generation = same.generation;
        assert_status(store->totp->put(store, &factor, NULL, NULL), CD_OK);
        assert_status(store->totp->note_wrong(store, &factor.factor, f->now, &wrong, NULL), CD_OK);
        assert_status(store->users->note_login(store, CD_STR("ana"), CD_LOGIN_WRONG, f->now, 900, NULL), CD_OK);
        same.display_name = CD_STR("Ana");
        assert_status(cd_admin_user_replace(&f->by, &f->arena, &same, NULL, &result, NULL), CD_OK);
        assert_str(admin_find(f, "ana").display_name, "Ana");
        assert_int_equal(admin_find(f, "ana").failures, 1);
        assert_status(store->totp->find(store, &f->arena, CD_STR("ana"), &found, NULL), CD_OK);
        assert_int_equal(found.failures, 1);

        same.password = CD_STR("$another");
        assert_status(cd_admin_user_replace(&f->by, &f->arena, &same, NULL, &result, NULL), CD_OK);
        assert_int_equal(admin_find(f, "ana").failures, 0);
}

/* A store in which somebody else changes the claims right before our change, so often. */
static const struct cd_user_ops *real_ops;
static unsigned others;

static cd_status update_after_another(struct cd_store *store, const struct cd_user_change *change,
                                      const struct cd_audit_event *event, struct cd_error *reterr)
{
        if (others) {
                char claims[32];
                static const cd_str group = CD_STR_INIT("other");
                static const struct cd_strs groups = { &group, 1 };
                snprintf(claims, sizeof(claims), "{\"other\":%u}", others--);
                const struct cd_user_change other = {
                        .name = change->name, .now = change->now, .claims = cd_str_from_c(claims), .groups = &groups
                };
                assert_status(real_ops->update(store, &other, NULL, NULL), CD_OK);
        }
        return real_ops->update(store, change, event, reterr);
}

static void a_claim_or_a_group_that_another_command_set_meanwhile_is_not_lost(void **state)
{
        struct admin_fixture *f = *state;
        static const cd_str staff = CD_STR_INIT("staff");
        const cd_str assignment = CD_STR("role=viewer");
        const struct cd_claims_change change = { { &assignment, 1 }, false };
        struct cd_user_ops ops = *f->by.store->users;
        struct cd_user_result result;
        struct cd_error err = { 0 };

        admin_add_ana(f);
        real_ops = f->by.store->users;
        ops.update = update_after_another;
        f->by.store->users = &ops;
        others = 3;
        assert_status(cd_admin_user_set_claims(&f->by, &f->arena, CD_STR("ana"), &change, &result, NULL), CD_OK);
        assert_str(admin_find(f, "ana").claims, "{\"other\":1,\"role\":\"viewer\"}");
        others = 3;
        struct cd_user ana = set_details(f, &(struct cd_details_change){ .add_groups = { &staff, 1 } });
        assert_int_equal(ana.groups.count, 2);
        assert_str(ana.groups.items[0], "other");
        assert_str(ana.groups.items[1], "staff");
        others = 1000;
        assert_status(cd_admin_user_set_claims(&f->by, &f->arena, CD_STR("ana"), &change, &result, &err),
                      CD_UNAVAILABLE);
        assert_string_equal(err.reason, "others keep changing this user");
        f->by.store->users = real_ops;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, admin_set_up, admin_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_new_user_has_a_canonical_name_a_hash_and_compact_claims),
                CASE(a_new_user_has_an_address_a_display_name_and_sorted_groups),
                CASE(details_are_set_and_removed_and_sessions_go_on),
                CASE(lesson_12_a_change_of_groups_ends_the_tokens),
                CASE(details_that_are_none_are_refused_with_their_field),
                CASE(every_change_is_one_event_of_the_operator),
                CASE(a_refused_change_leaves_no_event),
                CASE(what_is_wrong_with_params_is_said_with_its_field),
                CASE(lesson_12_what_is_taken_away_ends_the_tokens),
                CASE(lesson_12_a_password_is_changed_only_by_a_user_who_has_not_changed),
                CASE(what_is_so_already_is_no_event_and_ends_nothing),
                CASE(claims_are_set_removed_and_replaced),
                CASE(lesson_31_a_failing_clock_or_random_source_writes_nothing),
                CASE(a_batch_is_added_whole_or_not_at_all),
                CASE(a_replaced_user_has_everything_new_and_older_tokens_have_ended),
                CASE(what_is_replaced_by_the_same_password_stays_locked_out),
                CASE(a_claim_or_a_group_that_another_command_set_meanwhile_is_not_lost),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
