#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "core/user_claims.h"
#include "core/user_details.h"

static struct cd_arena arena;
static struct cd_error err;
static const cd_str scope_items[] = { CD_STR_INIT("read"), CD_STR_INIT("write") };
static const struct cd_strs scopes = { scope_items, 2 };

static void assert_canonical(const char *text, const char *expected)
{
        cd_str ret = { NULL, 0 };
        assert_status(cd_user_claims_canonical(&arena, cd_str_from_c(text), scopes, &ret, &err), CD_OK);
        assert_str(ret, expected);
        /* What is canonical stays as it is. */
        assert_status(cd_user_claims_canonical(&arena, ret, scopes, &ret, &err), CD_OK);
        assert_str(ret, expected);
}

static void assert_refused(const char *text, const char *field, const char *reason)
{
        cd_str ret;
        assert_status(cd_user_claims_canonical(&arena, cd_str_from_c(text), scopes, &ret, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, field);
        assert_string_equal(err.reason, reason);
}

static void assert_assigned(const char *claims, const char *assignment, const char *expected)
{
        cd_str ret = { NULL, 0 }, list[] = { cd_str_from_c(assignment) };
        assert_status(
                cd_user_claims_assign(&arena, cd_str_from_c(claims), (struct cd_strs){ list, 1 }, scopes, &ret, &err),
                CD_OK);
        assert_str(ret, expected);
}

static void assert_not_assigned(const char *assignment, const char *field, const char *reason)
{
        cd_str ret, list[] = { cd_str_from_c(assignment) };
        assert_status(cd_user_claims_assign(&arena, CD_STR("{}"), (struct cd_strs){ list, 1 }, scopes, &ret, &err),
                      CD_INVALID_REQUEST);
        assert_string_equal(err.field, field);
        assert_string_equal(err.reason, reason);
}

static void claims_are_kept_compact_in_their_order(void **state)
{
        (void)state;
        assert_canonical("{}", "{}");
        assert_canonical(" { \"role\" : \"editor\" , \"a\" : [ 1 , 2.50 , true , null , { } ] } ",
                         "{\"role\":\"editor\",\"a\":[1,2.50,true,null,{}]}");
        assert_canonical("{\"n\\u0061me\":\"\\u00fc\\/\\u0000\"}", "{\"name\":\"\xc3\xbc/\\u0000\"}");
}

static void a_claim_of_null_is_none(void **state)
{
        (void)state;
        assert_canonical("{\"a\":null,\"b\":1,\"c\":null}", "{\"b\":1}");
}

static void only_a_json_object_with_unique_names_is_accepted(void **state)
{
        (void)state;
        assert_refused("", "", "the claims are not a JSON object");
        assert_refused("[]", "", "the claims are not a JSON object");
        assert_refused("\"x\"", "", "the claims are not a JSON object");
        assert_refused("{\"a\":1", "", "the claims are not JSON: the text ends too early at byte 6");
        assert_refused("{\"a\":1,\"a\":2}", "",
                       "the claims are not JSON: duplicate member name in the object at byte 0");
        assert_refused("{\"a\":{\"b\":1,\"b\":2}}", "",
                       "the claims are not JSON: duplicate member name in the object at byte 5");
}

static void a_claim_cannot_overwrite_a_registered_one(void **state)
{
        static const char *const names[] = { "iss",       "sub",   "aud",     "exp", "nbf",   "iat",       "jti",
                                             "client_id", "Scope", "cnf",     "act", "nonce", "auth_time", "acr",
                                             "amr",       "sid",   "may_act", "typ", "azp",   "events" };

        (void)state;
        for (size_t i = 0; i < CD_LEN(names); i++) {
                cd_str text = cd_arena_printf(&arena, "{\"%s\":1}", names[i]);
                assert_refused(text.ptr, names[i], "tokens give this name a meaning of their own");
                text = cd_arena_printf(&arena, "%s=x", names[i]);
                assert_not_assigned(text.ptr, names[i], "tokens give this name a meaning of their own");
        }
        assert_refused("{\"Sub\":1}", "Sub", "tokens give this name a meaning of their own");
        assert_refused("{\"\\u0073ub\":1}", "sub", "tokens give this name a meaning of their own");
        assert_canonical("{\"roles\":1,\"groups\":2,\"entitlements\":3,\"subs\":{\"sub\":1}}",
                         "{\"roles\":1,\"groups\":2,\"entitlements\":3,\"subs\":{\"sub\":1}}");
}

static void a_scope_is_of_those_that_exist(void **state)
{
        const char *spaces = "must be scopes with one space between them";
        cd_str claims;

        (void)state;
        assert_canonical("{\"a\":1,\"scope\":\"write read\"}", "{\"a\":1,\"scope\":\"write read\"}");
        assert_canonical("{\"scope\":null}", "{}");
        assert_assigned("{}", "scope=read", "{\"scope\":\"read\"}");
        assert_assigned("{\"scope\":\"read\"}", "scope=null", "{}");
        assert_refused("{\"scope\":\"read admin\"}", "scope",
                       "\"admin\" does not exist; add it to the setting \"scopes\" first");
        assert_not_assigned("scope=admin", "scope", "\"admin\" does not exist; add it to the setting \"scopes\" first");
        assert_refused("{\"scope\":[\"read\"]}", "scope", "must be a string");
        assert_not_assigned("scope=7", "scope", "must be a string");
        assert_refused("{\"scope\":\"\"}", "scope", spaces);
        assert_refused("{\"scope\":\"read  write\"}", "scope", spaces);
        assert_refused("{\"scope\":\" read\"}", "scope", spaces);
        assert_refused("{\"scope\":\"read\\u0000\"}", "scope", spaces);
        assert_status(
                cd_user_claims_canonical(&arena, CD_STR("{\"scope\":\"read\"}"), (struct cd_strs){ 0 }, &claims, &err),
                CD_INVALID_REQUEST);
}

static void a_token_says_those_of_a_users_scopes_that_exist_still(void **state)
{
        static const struct {
                const char *claims, *extra, *scope;
        } cases[] = {
                { "", "{}", "" },
                { "{\"a\":1}", "{\"a\":1}", "" },
                { "{\"a\":1,\"scope\":\"read gone write\",\"b\":2}", "{\"a\":1,\"b\":2}", "read write" },
                { "{\"scope\":\"gone\"}", "{}", "" },
        };
        const struct cd_strs none = { 0 };
        struct cd_user_token_claims token;

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                assert_status(
                        cd_user_claims_for_token(&arena, cd_str_from_c(cases[i].claims), none, scopes, &token, &err),
                        CD_OK);
                assert_str(token.extra, cases[i].extra);
                assert_str(token.scope, cases[i].scope);
        }
        assert_status(cd_user_claims_for_token(&arena, CD_STR("{\"scope\":7}"), none, scopes, &token, &err),
                      CD_INVALID_REQUEST);
        assert_status(cd_user_claims_for_token(&arena, CD_STR("{\"sub\":\"x\"}"), none, scopes, &token, &err),
                      CD_INVALID_REQUEST);
}

static void a_token_says_the_groups_unless_a_claim_of_the_user_does(void **state)
{
        static const cd_str names[] = { CD_STR_INIT("a\"b"), CD_STR_INIT("dev") };
        static const struct cd_strs groups = { names, 2 };
        static const struct {
                const char *claims, *extra;
        } cases[] = {
                { "", "{\"groups\":[\"a\\\"b\",\"dev\"]}" },
                { "{\"a\":1}", "{\"a\":1,\"groups\":[\"a\\\"b\",\"dev\"]}" },
                { "{\"scope\":\"read\"}", "{\"groups\":[\"a\\\"b\",\"dev\"]}" },
                { "{\"groups\":[\"own\"],\"a\":1}", "{\"groups\":[\"own\"],\"a\":1}" },
                { "{\"groups\":[]}", "{\"groups\":[]}" },
                { "{\"groups\":null}", "{\"groups\":[\"a\\\"b\",\"dev\"]}" },
                { "{\"Groups\":1}", "{\"Groups\":1,\"groups\":[\"a\\\"b\",\"dev\"]}" },
        };
        struct cd_user_token_claims token;

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                assert_status(
                        cd_user_claims_for_token(&arena, cd_str_from_c(cases[i].claims), groups, scopes, &token, &err),
                        CD_OK);
                assert_str(token.extra, cases[i].extra);
        }
}

/* The most that claims and groups can be, and a row that somebody changed by hand. */
static void there_is_room_for_all_groups_behind_the_longest_claims(void **state)
{
        static char claims[CD_USER_CLAIMS_MAX + 1], name[CD_GROUP_NAME_MAX + 1];
        static cd_str names[CD_GROUPS_MAX + 2];
        struct cd_user_token_claims token;
        const struct cd_json *object;

        (void)state;
        memset(claims, 'x', CD_USER_CLAIMS_MAX);
        memcpy(claims, "{\"a\":\"", 6);
        memcpy(claims + CD_USER_CLAIMS_MAX - 2, "\"}", 2);
        memset(name, 'g', CD_GROUP_NAME_MAX);
        for (size_t i = 0; i < CD_LEN(names); i++)
                names[i] = cd_str_from_c(name);
        assert_status(cd_user_claims_for_token(&arena, cd_str_from_c(claims), (struct cd_strs){ names, CD_GROUPS_MAX },
                                               scopes, &token, &err),
                      CD_OK);
        assert_status(cd_json_parse(&arena, token.extra, CD_JSON_UNIQUE_NAMES, &object, NULL), CD_OK);
        assert_int_equal(cd_json_find(object, CD_STR("groups"))->count, CD_GROUPS_MAX);
        assert_status(cd_user_claims_for_token(&arena, cd_str_from_c(claims),
                                               (struct cd_strs){ names, CD_GROUPS_MAX + 2 }, scopes, &token, &err),
                      CD_INVALID_REQUEST);
        assert_string_equal(err.field, "groups");
}

static void a_name_of_a_claim_is_short_and_printable(void **state)
{
        char text[CD_USER_CLAIMS_NAME_MAX + 8] = "{\"";
        cd_str ret;

        (void)state;
        memset(text + 2, 'a', CD_USER_CLAIMS_NAME_MAX);
        strcpy(text + 2 + CD_USER_CLAIMS_NAME_MAX, "\":1}");
        assert_status(cd_user_claims_canonical(&arena, cd_str_from_c(text), scopes, &ret, &err), CD_OK);
        strcpy(text + 2 + CD_USER_CLAIMS_NAME_MAX, "a\":1}");
        assert_refused(text, "", "a claim's name is longer than 64 bytes");
        assert_refused("{\"\":1}", "", "a claim's name is empty");
        assert_refused("{\"a\\nb\":1}", "", "a claim's name has a control character in it");
        assert_not_assigned("\xff=1", "", "a claim's name is not UTF-8");
}

static void claims_are_bounded_in_bytes_depth_and_numbers(void **state)
{
        char text[CD_USER_CLAIMS_MAX + 16];
        cd_str ret, huge;

        (void)state;
        int head = sprintf(text, "{\"a\":\"");
        memset(text + head, 'x', sizeof(text) - (size_t)head);
        memcpy(text + CD_USER_CLAIMS_MAX - 2, "\"}", 3);
        assert_status(cd_user_claims_canonical(&arena, cd_str_of(text, CD_USER_CLAIMS_MAX), scopes, &ret, &err), CD_OK);
        assert_int_equal(ret.len, CD_USER_CLAIMS_MAX);
        memcpy(text + CD_USER_CLAIMS_MAX - 2, "x\"}", 4);
        assert_status(cd_user_claims_canonical(&arena, cd_str_of(text, CD_USER_CLAIMS_MAX + 1), scopes, &ret, &err),
                      CD_TOO_LARGE);
        assert_string_equal(err.reason, "the claims take more than 4096 bytes");

        assert_canonical("{\"a\":[[[[[[[]]]]]]]}", "{\"a\":[[[[[[[]]]]]]]}");
        assert_refused("{\"a\":[[[[[[[[]]]]]]]]}", "a", "nested too deep");
        assert_refused("{\"a\":[1e400]}", "a", "a number is too large or too long");
        assert_canonical("{\"a\":1e300}", "{\"a\":1e300}");

        huge = cd_str_of(calloc(1, CD_USER_CLAIMS_TEXT_MAX + 1), CD_USER_CLAIMS_TEXT_MAX + 1);
        assert_status(cd_user_claims_canonical(&arena, huge, scopes, &ret, &err), CD_TOO_LARGE);
        assert_string_equal(err.reason, "the text of the claims is too long");
        free((void *)(uintptr_t)huge.ptr);
}

static void an_assigned_value_is_json_or_else_a_string(void **state)
{
        (void)state;
        assert_assigned("", "role=editor", "{\"role\":\"editor\"}");
        assert_assigned("{}", "projects=[\"a\", \"b\"]", "{\"projects\":[\"a\",\"b\"]}");
        assert_assigned("{}", "level=3", "{\"level\":3}");
        assert_assigned("{}", "level=\"3\"", "{\"level\":\"3\"}");
        assert_assigned("{}", "phone=0123", "{\"phone\":\"0123\"}");
        assert_assigned("{}", "beta=true", "{\"beta\":true}");
        assert_assigned("{}", "note=a=b", "{\"note\":\"a=b\"}");
        assert_assigned("{}", "note=", "{\"note\":\"\"}");
        assert_assigned("{}", "note=say \"hi\"", "{\"note\":\"say \\\"hi\\\"\"}");
}

static void an_assignment_replaces_in_place_appends_or_removes(void **state)
{
        (void)state;
        assert_assigned("{\"a\":1,\"b\":2}", "a=x", "{\"a\":\"x\",\"b\":2}");
        assert_assigned("{\"a\":1}", "b=2", "{\"a\":1,\"b\":2}");
        assert_assigned("{\"a\":1,\"b\":2}", "a=null", "{\"b\":2}");
        assert_assigned("{\"b\":2}", "a=null", "{\"b\":2}");
}

static void the_last_of_several_assignments_counts(void **state)
{
        cd_str ret, list[] = { CD_STR("a=1"), CD_STR("b=2"), CD_STR("a=null"), CD_STR("a=3"), CD_STR("b=null") };

        (void)state;
        assert_status(
                cd_user_claims_assign(&arena, CD_STR(""), (struct cd_strs){ list, CD_LEN(list) }, scopes, &ret, NULL),
                CD_OK);
        assert_str(ret, "{\"a\":3}");
}

static void an_assignment_that_is_none_is_refused(void **state)
{
        (void)state;
        assert_not_assigned("role", "", "a claim is written name=value");
        assert_not_assigned("=x", "", "a claim's name is empty");
        assert_not_assigned("a=[1", "a", "not JSON: the text ends too early at byte 2");
        assert_not_assigned("a={\"x\":1,\"x\":2}", "a", "not JSON: duplicate member name in the object at byte 0");
        assert_not_assigned("a=\"x", "a", "not JSON: the text ends too early at byte 2");
        assert_not_assigned("a=\xff", "a", "the value is not UTF-8");
        assert_not_assigned("a=1e999", "a", "a number is too large or too long");
}

static void lesson_31_claims_survive_without_memory(void **state)
{
        cd_str ret, list[] = { CD_STR("role=editor"), CD_STR("a=[1,2]") };
        size_t failures = 0;

        (void)state;
        for (size_t ceiling = 0;; ceiling += 16) {
                struct cd_arena small;
                cd_arena_init(&small, ceiling);
                cd_status status = cd_user_claims_assign(&small, CD_STR("{\"b\":\"\\n\"}"), (struct cd_strs){ list, 2 },
                                                         scopes, &ret, &err);
                cd_arena_done(&small);
                if (status == CD_OK)
                        break;
                assert_status(status, CD_NO_MEMORY);
                assert_string_equal(err.reason, "out of memory");
                failures++;
        }
        assert_true(failures > 5);
}

static void a_difference_says_old_and_new_values(void **state)
{
        (void)state;
        static const char *const rows[][3] = {
                { "", "{}", "" },
                { "{\"a\":1}", "{\"a\":1}", "" },
                { "", "{\"a\":[1,\"x\"]}", "a: none -> [1,\"x\"]" },
                { "{\"a\":1,\"b\":true}", "{\"b\":true}", "a: 1 -> none" },
                { "{\"a\":1,\"b\":true}", "{\"c\":\"y\",\"a\":2,\"b\":true}", "a: 1 -> 2; c: none -> \"y\"" },
                { "no JSON", "{}", "claims" },
        };

        for (size_t i = 0; i < CD_LEN(rows); i++)
                assert_str(cd_user_claims_difference(&arena, cd_str_from_c(rows[i][0]), cd_str_from_c(rows[i][1])),
                           rows[i][2]);
}

/* "€" is three bytes, and no character is cut. */
static void a_difference_is_bounded_and_shows_the_cut(void **state)
{
        (void)state;
        char text[4096] = "{\"a\":\"";

        for (size_t i = 0; i < 60; i++)
                strcat(text, "\xe2\x82\xac");
        strcat(text, "\"}");
        cd_str difference = cd_user_claims_difference(&arena, CD_STR(""), cd_str_from_c(text));
        assert_true(cd_str_is_utf8(difference));
        assert_int_equal(difference.len, strlen("a: none -> \"") + 3 * 49 + strlen("\xe2\x80\xa6"));
        assert_true(cd_str_has_suffix(difference, CD_STR("\xe2\x82\xac\xe2\x80\xa6")));

        size_t len = 0;
        for (size_t i = 0; i < 40; i++)
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%c\"name%zu\":\"a value of words\"",
                                        i ? ',' : '{', i);
        strcpy(text + len, "}");
        difference = cd_user_claims_difference(&arena, CD_STR(""), cd_str_from_c(text));
        assert_int_equal(difference.len, CD_USER_CLAIMS_DIFFERENCE_MAX);
        assert_true(cd_str_has_suffix(difference, CD_STR("\xe2\x80\xa6")));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(claims_are_kept_compact_in_their_order),
                cmocka_unit_test(a_claim_of_null_is_none),
                cmocka_unit_test(only_a_json_object_with_unique_names_is_accepted),
                cmocka_unit_test(a_claim_cannot_overwrite_a_registered_one),
                cmocka_unit_test(a_scope_is_of_those_that_exist),
                cmocka_unit_test(a_token_says_those_of_a_users_scopes_that_exist_still),
                cmocka_unit_test(a_token_says_the_groups_unless_a_claim_of_the_user_does),
                cmocka_unit_test(there_is_room_for_all_groups_behind_the_longest_claims),
                cmocka_unit_test(a_name_of_a_claim_is_short_and_printable),
                cmocka_unit_test(claims_are_bounded_in_bytes_depth_and_numbers),
                cmocka_unit_test(an_assigned_value_is_json_or_else_a_string),
                cmocka_unit_test(an_assignment_replaces_in_place_appends_or_removes),
                cmocka_unit_test(the_last_of_several_assignments_counts),
                cmocka_unit_test(an_assignment_that_is_none_is_refused),
                cmocka_unit_test(a_difference_says_old_and_new_values),
                cmocka_unit_test(a_difference_is_bounded_and_shows_the_cut),
                cmocka_unit_test(lesson_31_claims_survive_without_memory),
        };
        cd_arena_init(&arena, 4 << 20);
        int failed = cmocka_run_group_tests_name("user_claims", tests, NULL, NULL);
        cd_arena_done(&arena);
        return failed;
}
