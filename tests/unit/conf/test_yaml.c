#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "conf/yaml.h"

static int make(void **state)
{
        struct cd_arena *arena = malloc(sizeof(*arena));
        cd_arena_init(arena, 64 * 1024 * 1024);
        *state = arena;
        return 0;
}

static int unmake(void **state)
{
        cd_arena_done(*state);
        free(*state);
        return 0;
}

static const struct cd_yaml_node *parse(void **state, const char *text)
{
        const struct cd_yaml_node *root = NULL;
        struct cd_error err;

        if (cd_yaml_parse(*state, cd_str_from_c(text), CD_STR("f.yaml"), &root, &err) != CD_OK)
                fail_msg("%s", err.reason);
        return root;
}

static void refuses(void **state, cd_str text, cd_status status, const char *reason)
{
        const struct cd_yaml_node *root = NULL;
        struct cd_error err = { 0 };

        assert_int_equal(cd_yaml_parse(*state, text, CD_STR("f.yaml"), &root, &err), status);
        assert_string_equal(err.reason, reason);
        assert_null(root);
}

static void mappings_sequences_and_scalars_keep_their_positions(void **state)
{
        const struct cd_yaml_node *root = parse(state, "a: 1\nb:\n  - x\n  - { c: \"d\" }\n");

        assert_int_equal(root->type, CD_YAML_MAPPING);
        assert_int_equal(root->count, 2);
        const struct cd_yaml_node *a = root->child, *b = a->next;
        assert_true(cd_str_eq(a->key, CD_STR("a")));
        assert_true(cd_str_eq(a->text, CD_STR("1")));
        assert_int_equal(a->mark.column, 4);
        assert_false(a->quoted);
        assert_int_equal(b->type, CD_YAML_SEQUENCE);
        assert_int_equal(b->key_mark.line, 2);
        assert_int_equal(b->count, 2);
        const struct cd_yaml_node *d = b->child->next->child;
        assert_true(cd_str_eq(d->text, CD_STR("d")));
        assert_true(d->quoted);
        assert_int_equal(d->mark.line, 4);
        assert_int_equal(d->mark.column, 10);
}

static void a_file_without_settings_is_no_tree(void **state)
{
        assert_null(parse(state, ""));
        assert_null(parse(state, "# only a comment\n"));
        assert_null(parse(state, "\xef\xbb\xbf# after a byte order mark\n"));
        assert_true(cd_yaml_is_null(parse(state, "---\n")));
}

static void only_plain_words_are_no_value(void **state)
{
        const struct cd_yaml_node *node = parse(state, "[~, null, '', 'null', a, ]")->child;
        const bool want[] = { true, true, false, false, false };

        for (size_t i = 0; i < CD_LEN(want); i++, node = node->next)
                assert_int_equal(cd_yaml_is_null(node), want[i]);
        assert_null(node);
}

static void what_makes_yaml_dangerous_is_refused(void **state)
{
        refuses(state, CD_STR("a: &x 1\n"), CD_MALFORMED, "f.yaml:1:4: anchors are not supported; write the value out");
        refuses(state, CD_STR("a: 1\nb: *x\n"), CD_MALFORMED,
                "f.yaml:2:4: aliases are not supported; write the value out");
        refuses(state, CD_STR("a: !!str 1\n"), CD_MALFORMED, "f.yaml:1:4: tags are not supported; leave it out");
        refuses(state, CD_STR("a: !x [1]\n"), CD_MALFORMED, "f.yaml:1:4: tags are not supported; leave it out");
        refuses(state, CD_STR("a: !x {b: 1}\n"), CD_MALFORMED, "f.yaml:1:4: tags are not supported; leave it out");
        refuses(state, CD_STR("&k a: 1\n"), CD_MALFORMED, "f.yaml:1:1: anchors are not supported; write the value out");
        refuses(state, CD_STR("a: 1\n---\nb: 2\n"), CD_MALFORMED,
                "f.yaml:2:1: a second document (\"---\") is not supported; keep one");
        refuses(state, CD_STR("? [a]\n: 1\n"), CD_MALFORMED, "f.yaml:1:3: the name of a setting must be a plain word");
}

static void broken_text_is_refused_with_its_position(void **state)
{
        refuses(state, CD_STR("a: [1\nb: 2\n"), CD_MALFORMED,
                "f.yaml:2:2: not YAML: the \"[\" before it is not closed here; close it with \"]\", and quote each "
                "value "
                "with a \"{\", \",\" or \": \" in it, as in \"${env:NAME}\"");
        refuses(state, CD_STR("a: { b: ${env:X} }\n"), CD_MALFORMED,
                "f.yaml:1:10: not YAML: the \"{\" before it is not closed here; close it with \"}\", and quote each "
                "value "
                "with a \"{\", \",\" or \": \" in it, as in \"${env:NAME}\"");
        refuses(state, CD_STR("a: \"x\n"), CD_MALFORMED,
                "f.yaml:2:1: not YAML: the file ends within quotation marks; close them where the value ends");
        refuses(state, CD_STR("a:\n\t- b\n"), CD_MALFORMED, "f.yaml:2:1: not YAML: a tab; indent with spaces only");
        refuses(state, CD_STR("a: @b\n"), CD_MALFORMED,
                "f.yaml:1:4: not YAML: a value begins with \"@\"; put it in quotation marks");
        refuses(state, CD_STR("a: *\n"), CD_MALFORMED,
                "f.yaml:1:5: not YAML: a value begins with \"*\" or \"&\"; put it in quotation marks");
        refuses(state, CD_STR("a: b\n c: d\n"), CD_MALFORMED,
                "f.yaml:2:3: not YAML: a \":\" where no setting can begin; begin all settings of one level in the same "
                "column, with a space after the \":\" in each, and quote a value that contains \": \"");
        refuses(state, CD_STR("a:\n  - b: 1\n  c: 2\n"), CD_MALFORMED,
                "f.yaml:3:3: not YAML: this line is not an entry of the list before it; begin all settings of one "
                "level, "
                "and the \"-\" of all entries of one list, in the same column");
        refuses(state, CD_STR("a:\n  b: 1\n c: 2\n"), CD_MALFORMED,
                "f.yaml:3:2: not YAML: this line is not a setting of the level before it; begin all settings of one "
                "level, and the \"-\" of all entries of one list, in the same column");
        refuses(state, CD_STR("a: 1\nb: {c: 1,, d: 2}\n"), CD_MALFORMED,
                "f.yaml:2:10: not YAML: there is no value here; remove a comma that is too much");
        refuses(state, CD_STR("[a]\nb: 1\n"), CD_MALFORMED,
                "f.yaml:2:1: not YAML: this line is no setting; write each as \"name: value\", the first at the "
                "beginning of its line");
        refuses(state, CD_STR("a: b\0c: d\n"), CD_MALFORMED,
                "f.yaml:1: not YAML: control characters are not allowed at byte 4; save it as UTF-8");
        refuses(state, CD_STR("a: b\nc: \xff\n"), CD_MALFORMED,
                "f.yaml:2: not YAML: invalid leading UTF-8 octet at byte 8; save it as UTF-8");
        refuses(state, CD_STR("\xff\xfe\x61\x00"), CD_MALFORMED, "f.yaml: not YAML: is in UTF-16; save it as UTF-8");
}

static void a_byte_order_mark_is_passed_over(void **state)
{
        const struct cd_yaml_node *root = parse(state, "\xef\xbb\xbf"
                                                       "a: b\n");

        assert_int_equal(root->count, 1);
        assert_int_equal(root->child->key_mark.column, 1);
}

static void lesson_30_depth_size_and_number_of_values_are_bounded(void **state)
{
        static char text[CD_YAML_MAX_SIZE + 2];

        memset(text, '#', sizeof(text));
        refuses(state, cd_str_of(text, CD_YAML_MAX_SIZE + 1), CD_TOO_LARGE, "f.yaml: larger than 1 MB");
        memset(text, '[', 100000);
        refuses(state, cd_str_of(text, 100000), CD_TOO_LARGE, "f.yaml:1:17: nested too deeply (at most 16 levels)");
        text[0] = '[';
        for (size_t i = 1; i + 1 < 140000; i += 2)
                memcpy(text + i, "a,", 2);
        refuses(state, cd_str_of(text, 140000), CD_TOO_LARGE,
                "f.yaml:1:131072: too many values in one file (at most 65536)");
        assert_int_equal(parse(state, "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]")->count, 1);
}

static void a_full_arena_is_an_error(void **state)
{
        const struct cd_yaml_node *root;
        struct cd_arena small;
        struct cd_error err;

        (void)state;
        for (size_t ceiling = 0; ceiling < 448; ceiling += 16) {
                cd_arena_init(&small, ceiling);
                cd_status status = cd_yaml_parse(&small, CD_STR("a: [b, c, d]\n"), CD_STR("f"), &root, &err);
                assert_int_equal(status, CD_NO_MEMORY);
                cd_arena_done(&small);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(mappings_sequences_and_scalars_keep_their_positions, make, unmake),
                cmocka_unit_test_setup_teardown(a_file_without_settings_is_no_tree, make, unmake),
                cmocka_unit_test_setup_teardown(only_plain_words_are_no_value, make, unmake),
                cmocka_unit_test_setup_teardown(what_makes_yaml_dangerous_is_refused, make, unmake),
                cmocka_unit_test_setup_teardown(broken_text_is_refused_with_its_position, make, unmake),
                cmocka_unit_test_setup_teardown(a_byte_order_mark_is_passed_over, make, unmake),
                cmocka_unit_test_setup_teardown(lesson_30_depth_size_and_number_of_values_are_bounded, make, unmake),
                cmocka_unit_test(a_full_arena_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
