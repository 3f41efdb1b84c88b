#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "conf/changes.h"
#include "conf/settings.h"

struct item {
        cd_str name, secret;
        struct cd_strs roles;
};
struct settings {
        cd_str text, secret;
        bool on;
        int maybe, level;
        int64_t count, time, size;
        struct cd_strs words;
        struct inner {
                cd_str text;
                int64_t count;
        } inner;
        struct cd_objects items;
};

#define FIELD(type_, member, kind, ...)                                                                                \
        {                                                                                                              \
                .name = #member, .offset = offsetof(type_, member), .type = CD_FIELD_##kind, __VA_ARGS__               \
        }
static const char *const levels[] = { "low", "high", NULL };
static const struct cd_field item_fields[] = {
        FIELD(struct item, name, STRING, .flags = CD_FIELD_REQUIRED),
        FIELD(struct item, secret, SECRET, .min = 1),
        FIELD(struct item, roles, STRINGS),
};
static const struct cd_table item_table = { "item", item_fields, CD_LEN(item_fields), sizeof(struct item), true };
static const struct cd_field inner_fields[] = {
        FIELD(struct inner, text, STRING),
        FIELD(struct inner, count, INT),
};
static const struct cd_table inner_table = { "inner", inner_fields, CD_LEN(inner_fields), sizeof(struct inner), true };
static const struct cd_field fields[] = {
        FIELD(struct settings, text, STRING),
        FIELD(struct settings, secret, SECRET),
        FIELD(struct settings, on, BOOL),
        FIELD(struct settings, maybe, TRISTATE),
        FIELD(struct settings, level, CHOICE, .choices = levels, .fallback = "low"),
        FIELD(struct settings, count, INT),
        FIELD(struct settings, time, DURATION),
        FIELD(struct settings, size, SIZE),
        FIELD(struct settings, words, STRINGS),
        FIELD(struct settings, inner, OBJECT, .table = &inner_table),
        FIELD(struct settings, items, OBJECTS, .table = &item_table),
};
static const struct cd_table table = { "settings", fields, CD_LEN(fields), sizeof(struct settings), true };

static const char base[] = "text: a\nsecret: s\non: false\nmaybe: false\nlevel: low\ncount: 1\ntime: 1s\nsize: 1KB\n"
                           "words: [a, b]\ninner: { text: a, count: 1 }\n"
                           "items: [{ name: a, secret: s, roles: [x] }, { name: b }]\n";

static void bind(struct cd_report *report, struct cd_arena *arena, const char *text, struct settings *ret)
{
        struct cd_error err;

        cd_report_init(report, arena, CD_STR("f.yaml"));
        if (cd_settings_decode(report, cd_str_from_c(text), &table, ret, &err) != CD_OK)
                fail_msg("%s", err.reason);
}

/* The one finding where `from` in the base became `to`, or "". */
static void changed(const char *from, const char *to, const char *const *may_change, const char *want)
{
        struct settings then = { 0 }, now = { 0 };
        struct cd_arena arena;
        struct cd_report report;
        char text[512];

        cd_arena_init(&arena, 1 << 20);
        bind(&report, &arena, base, &then);
        const char *at = strstr(base, from);
        assert_non_null(at);
        assert_true(snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - base), base, to, at + strlen(from)) <
                    (int)sizeof(text));
        bind(&report, &arena, text, &now);
        cd_settings_forbid_changes(&report, &table, &then, &now, may_change);
        assert_int_equal(report.errors, *want ? 1 : 0);
        if (*want) {
                cd_str found = cd_finding_text(&report, report.findings);
                assert_int_equal(found.len, strlen(want));
                assert_memory_equal(found.ptr, want, found.len);
        }
        cd_arena_done(&arena);
}

#define RESTART ": restart needed: it cannot change while the service runs; restart the service, or undo the change"

static void a_setting_of_every_type_that_changes_is_named_where_it_stands(void **state)
{
        static const char *const none[] = { NULL };

        (void)state;
        changed("text: a", "text: b", none, "f.yaml:1:7: text" RESTART);
        changed("secret: s", "secret: t", none, "f.yaml:2:9: secret" RESTART);
        changed("secret: s,", "secret: t,", none, "f.yaml:11:8: items" RESTART);
        changed("on: false", "on: true", none, "f.yaml:3:5: on" RESTART);
        changed("maybe: false", "maybe: true", none, "f.yaml:4:8: maybe" RESTART);
        changed("maybe: false\n", "", none, "f.yaml: maybe" RESTART); /* the default */
        changed("level: low", "level: high", none, "f.yaml:5:8: level" RESTART);
        changed("count: 1", "count: 2", none, "f.yaml:6:8: count" RESTART);
        changed("time: 1s", "time: 2s", none, "f.yaml:7:7: time" RESTART);
        changed("size: 1KB", "size: 2KB", none, "f.yaml:8:7: size" RESTART);
        changed("words: [a, b]", "words: [a, c]", none, "f.yaml:9:8: words" RESTART);
        changed("words: [a, b]", "words: [a]", none, "f.yaml:9:8: words" RESTART);
        changed("{ text: a, count: 1 }", "{ text: a, count: 2 }", none, "f.yaml:10:26: inner.count" RESTART);
        changed("{ name: b }", "{ name: c }", none, "f.yaml:11:8: items" RESTART);
        changed("roles: [x]", "roles: [y]", none, "f.yaml:11:8: items" RESTART);
        changed(", { name: b }", "", none, "f.yaml:11:8: items" RESTART);
}

static void what_stays_or_may_change_is_no_finding(void **state)
{
        static const char *const some[] = { "text", "inner", "items", NULL }, *const part[] = { "inner.count", NULL };
        static const char *const secrets[] = { "secret", NULL };

        (void)state;
        changed("text: a", "text: a", part, "");
        changed("count: 1", "count:   1", part, ""); /* the same, written otherwise */
        changed("secret: s", "secret: t", secrets, "");
        changed("{ name: a, secret: s,", "{ name: a, secret: t,", some, "");
        changed("text: a", "text: b", some, "");
        changed("{ text: a, count: 1 }", "{ text: b, count: 1 }", some, "");
        changed("{ name: b }", "{ name: c }", some, "");
        changed("{ text: a, count: 1 }", "{ text: a, count: 2 }", part, "");
        changed("{ text: a, count: 1 }", "{ text: b, count: 2 }", part, "f.yaml:10:16: inner.text" RESTART);
}

static void out_of_memory_is_noted(void **state)
{
        static const char *const none[] = { NULL };
        struct settings then = { 0 }, now = { .text = CD_STR("b") };
        struct cd_report report;
        struct cd_arena arena;

        (void)state;
        cd_arena_init(&arena, 0);
        cd_report_init(&report, &arena, CD_STR("f.yaml"));
        cd_settings_forbid_changes(&report, &table, &then, &now, none);
        assert_int_not_equal(cd_report_status(&report, NULL), CD_OK);
        cd_arena_done(&arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_setting_of_every_type_that_changes_is_named_where_it_stands),
                cmocka_unit_test(what_stays_or_may_change_is_no_finding),
                cmocka_unit_test(out_of_memory_is_noted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
