#include "support/check.h"

#include <string.h>

#include "base/field.h"
#include "base/json.h"

struct key {
        cd_str kid;
        int64_t bits;
};

struct answer {
        cd_str issuer, secret;
        bool active;
        int64_t exp, body, wait;
        int level, maybe;
        struct cd_strs scopes, aud;
        struct key key;
        struct cd_objects keys, names;
};

static const char *const levels[] = { "low", "high", NULL };
static const struct cd_field key_fields[] = {
        { .name = "kid", .offset = offsetof(struct key, kid), .type = CD_FIELD_STRING, .flags = CD_FIELD_REQUIRED },
        { .name = "bits", .offset = offsetof(struct key, bits), .type = CD_FIELD_INT, .fallback = "256" },
};
static const struct cd_table key_table = { "key", key_fields, CD_LEN(key_fields), sizeof(struct key), true };

#define FIELD(member, kind, ...)                                                                                       \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct answer, member), .type = CD_FIELD_##kind, __VA_ARGS__       \
        }
static const struct cd_field fields[] = {
        FIELD(issuer, STRING, .flags = CD_FIELD_REQUIRED),
        FIELD(secret, SECRET),
        FIELD(active, BOOL),
        FIELD(exp, INT),
        FIELD(body, SIZE),
        FIELD(wait, DURATION),
        FIELD(level, CHOICE, .choices = levels),
        FIELD(scopes, STRINGS, .fallback = "x y"),
        FIELD(aud, STRINGS, .flags = CD_FIELD_ONE_OR_MORE),
        FIELD(key, OBJECT, .table = &key_table),
        FIELD(keys, OBJECTS, .table = &key_table),
        FIELD(maybe, TRISTATE),
        FIELD(names, OBJECTS, .table = &key_table, .flags = CD_FIELD_SHORTHAND, .max = 3, .fallback = "x"),
};
static const struct cd_table table = { "answer", fields, CD_LEN(fields), sizeof(struct answer), false };

static struct cd_arena arena;

static struct answer decoded(cd_str text)
{
        struct answer answer;
        struct cd_error err = { 0 };

        memset(&answer, 0x55, sizeof(answer));
        if (cd_json_decode(&arena, text, &table, &answer, &err) != CD_OK)
                fail_msg("%s: %s", err.field, err.reason);
        return answer;
}

static void assert_refused(const char *text, const char *field, const char *reason)
{
        struct answer answer, before;
        struct cd_error err = { 0 };

        memset(&answer, 0x55, sizeof(answer));
        before = answer;
        assert_status(cd_json_decode(&arena, cd_str_from_c(text), &table, &answer, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, field);
        assert_string_equal(err.reason, reason);
        assert_memory_equal(&answer, &before, sizeof(answer));
}

static void every_type_is_bound(void **state)
{
        struct answer a =
                decoded(CD_STR("{\"issuer\":\"https:\\/\\/"
                               "a\",\"secret\":\"s\",\"active\":true,\"exp\":-5,\"body\":512,\"wait\":\"5s\","
                               "\"level\":\"high\",\"scopes\":[\"a\",\"b\",\"c\"],\"key\":{\"kid\":\"k\"},"
                               "\"keys\":[{\"kid\":\"1\"},{\"kid\":\"2\",\"bits\":384}],\"unknown\":{\"x\":[]}}"));

        (void)state;
        assert_str(a.issuer, "https://a");
        assert_str(a.secret, "s");
        assert_true(a.active);
        assert_int_equal(a.exp, -5);
        assert_int_equal(a.body, 512);
        assert_int_equal(a.wait, 5000);
        assert_int_equal(a.level, 1);
        assert_int_equal(a.scopes.count, 3);
        assert_str(a.scopes.items[2], "c");
        assert_str(a.key.kid, "k");
        assert_int_equal(a.key.bits, 256);
        const struct key *keys = a.keys.items;
        assert_int_equal(a.keys.count, 2);
        assert_str(keys[1].kid, "2");
        assert_int_equal(keys[0].bits, 256);
        assert_int_equal(keys[1].bits, 384);
        assert_int_equal(decoded(CD_STR("{\"issuer\":\"i\",\"body\":\"8KB\"}")).body, 8192);
}

static void null_counts_as_absent(void **state)
{
        struct answer a = decoded(CD_STR("{\"issuer\":\"i\",\"secret\":null,\"key\":null,\"scopes\":null}"));

        (void)state;
        assert_null(a.secret.ptr);
        assert_int_equal(a.scopes.count, 2);
        assert_int_equal(a.key.bits, 256);
        assert_refused("{\"issuer\":null}", "issuer", "missing");
        assert_refused("{}", "issuer", "missing");
        assert_int_equal(decoded(CD_STR("{\"issuer\":\"i\",\"scopes\":[]}")).scopes.count, 0);
}

static void a_member_of_the_wrong_type_is_refused(void **state)
{
        (void)state;
        assert_refused("{\"issuer\":1}", "issuer", "must be a string");
        assert_refused("{\"issuer\":[\"i\"]}", "issuer", "must be a string");
        assert_refused("{\"secret\":{}}", "secret", "must be a string");
        assert_refused("{\"active\":\"true\"}", "active", "must be true or false");
        assert_refused("{\"active\":1}", "active", "must be true or false");
        assert_refused("{\"exp\":\"1\"}", "exp", "must be a whole number");
        assert_refused("{\"exp\":1.5}", "exp", "must be a whole number");
        assert_refused("{\"exp\":1e400}", "exp", "must be a whole number");
        assert_refused("{\"exp\":9223372036854775808}", "exp", "does not fit into 64 bits");
        assert_refused("{\"body\":true}", "body", "must be a string or a whole number");
        assert_refused("{\"wait\":5}", "wait", "must be a string");
        assert_refused("{\"level\":0}", "level", "must be a string");
        assert_refused("{\"scopes\":\"a\"}", "scopes", "must be an array of strings");
        assert_refused("{\"scopes\":[1]}", "scopes", "must be an array of strings");
        assert_refused("{\"scopes\":[null]}", "scopes", "must be an array of strings");
        assert_refused("{\"key\":[]}", "key", "must be an object");
        assert_refused("{\"keys\":{}}", "keys", "must be an array of objects");
        assert_refused("{\"keys\":[1]}", "keys", "must be an array of objects");
        assert_refused("[]", "", "must be a JSON object");
        assert_refused("{\"issuer\":\"a\\u0000b\"}", "issuer", "must not contain control characters");
}

static void one_string_may_stand_for_a_list_where_the_field_says_so(void **state)
{
        (void)state;
        struct answer answer = decoded(CD_STR("{\"issuer\":\"i\",\"aud\":\"one\"}"));
        assert_int_equal(answer.aud.count, 1);
        assert_true(cd_str_eq(answer.aud.items[0], CD_STR("one")));
        answer = decoded(CD_STR("{\"issuer\":\"i\",\"aud\":[\"one\",\"two\"]}"));
        assert_int_equal(answer.aud.count, 2);
        assert_refused("{\"issuer\":\"i\",\"aud\":{}}", "aud", "must be an array of strings");
        assert_refused("{\"issuer\":\"i\",\"aud\":[[\"one\"]]}", "aud", "must be an array of strings");
}

static void a_string_may_stand_for_an_object_where_the_field_says_so(void **state)
{
        struct answer a = decoded(CD_STR("{\"issuer\":\"i\"}"));
        const struct key *names = a.names.items;

        (void)state;
        assert_int_equal(a.names.count, 1);
        assert_str(names[0].kid, "x");
        a = decoded(CD_STR("{\"issuer\":\"i\",\"names\":[\"a\",{\"kid\":\"b\",\"bits\":8}]}"));
        names = a.names.items;
        assert_int_equal(a.names.count, 2);
        assert_str(names[0].kid, "a");
        assert_int_equal(names[0].bits, 256);
        assert_str(names[1].kid, "b");
        assert_int_equal(names[1].bits, 8);
        assert_refused("{\"issuer\":\"i\",\"names\":[\"a\",\"b\\u0000\"]}", "names[1]",
                       "must not contain control characters");
        assert_refused("{\"issuer\":\"i\",\"names\":[1]}", "names", "must be an array of strings or objects");
        assert_refused("{\"issuer\":\"i\",\"names\":\"a\"}", "names", "must be an array of strings or objects");
        assert_refused("{\"issuer\":\"i\",\"names\":[\"a\",\"b\",\"c\",\"d\"]}", "names", "must have at most 3 items");
        assert_refused("{\"issuer\":\"i\",\"keys\":[\"a\"]}", "keys", "must be an array of objects");
}

static void a_tristate_is_a_bool_that_may_be_absent(void **state)
{
        (void)state;
        assert_int_equal(decoded(CD_STR("{\"issuer\":\"i\"}")).maybe, CD_TRISTATE_UNSET);
        assert_int_equal(decoded(CD_STR("{\"issuer\":\"i\",\"maybe\":null}")).maybe, CD_TRISTATE_UNSET);
        assert_int_equal(decoded(CD_STR("{\"issuer\":\"i\",\"maybe\":true}")).maybe, CD_TRISTATE_TRUE);
        assert_int_equal(decoded(CD_STR("{\"issuer\":\"i\",\"maybe\":false}")).maybe, CD_TRISTATE_FALSE);
        assert_refused("{\"issuer\":\"i\",\"maybe\":\"true\"}", "maybe", "must be true or false");
}

static void an_error_inside_names_its_path(void **state)
{
        (void)state;
        assert_refused("{\"issuer\":\"i\",\"key\":{}}", "key.kid", "missing");
        assert_refused("{\"issuer\":\"i\",\"keys\":[{\"kid\":\"1\"},{}]}", "keys[1].kid", "missing");
        assert_refused("{\"issuer\":\"i\",\"keys\":[{\"kid\":\"1\",\"bit\":2}]}", "keys[0].bit",
                       "unknown, did you mean \"bits\"?");
}

static void lesson_18_duplicate_members_are_refused(void **state)
{
        const struct cd_json *object;
        struct answer answer;
        struct cd_error err;
        cd_str text = CD_STR("{\"issuer\":\"a\",\"issuer\":\"b\"}");

        (void)state;
        assert_status(cd_json_decode(&arena, text, &table, &answer, &err), CD_MALFORMED);
        assert_status(cd_json_parse(&arena, text, 0, &object, &err), CD_OK);
        assert_status(cd_json_bind(&arena, object, &table, &answer, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, "issuer");
        assert_string_equal(err.reason, "given more than once");
        assert_status(cd_json_bind(&arena, object, &table, &answer, NULL), CD_INVALID_REQUEST);
}

static void text_that_is_no_json_is_malformed(void **state)
{
        struct answer answer;
        struct cd_error err;

        (void)state;
        assert_status(cd_json_decode(&arena, CD_STR("<html>"), &table, &answer, &err), CD_MALFORMED);
        assert_string_equal(err.reason, "expected a value at byte 0");
}

static int free_arena(void **state)
{
        (void)state;
        cd_arena_done(&arena);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_type_is_bound),
                cmocka_unit_test(null_counts_as_absent),
                cmocka_unit_test(a_member_of_the_wrong_type_is_refused),
                cmocka_unit_test(one_string_may_stand_for_a_list_where_the_field_says_so),
                cmocka_unit_test(a_string_may_stand_for_an_object_where_the_field_says_so),
                cmocka_unit_test(a_tristate_is_a_bool_that_may_be_absent),
                cmocka_unit_test(an_error_inside_names_its_path),
                cmocka_unit_test(lesson_18_duplicate_members_are_refused),
                cmocka_unit_test(text_that_is_no_json_is_malformed),
        };
        cd_arena_init(&arena, 1 << 20);
        return cmocka_run_group_tests_name("json_bind", tests, NULL, free_arena);
}
