#include "support/check.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/field.h"

struct part {
        cd_str id;
        int64_t count;
};

struct message {
        cd_str name, token, pem, url;
        bool on;
        int64_t port, any, wait, rest, size, huge;
        int mode, maybe;
        struct cd_strs scopes;
        struct part part;
        struct cd_objects parts, names;
};

static const char *check_url(cd_str value)
{
        return cd_str_has_prefix(value, CD_STR("http")) ? NULL : "must be a URL";
}

static const struct cd_field part_fields[] = {
        { .name = "id", .offset = offsetof(struct part, id), .type = CD_FIELD_STRING, .flags = CD_FIELD_REQUIRED },
        { .name = "count", .offset = offsetof(struct part, count), .type = CD_FIELD_INT, .fallback = "3" },
};
static const struct cd_table part_table = { "part", part_fields, CD_LEN(part_fields), sizeof(struct part), true };

#define FIELD(member, kind, ...)                                                                                       \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct message, member), .type = CD_FIELD_##kind, __VA_ARGS__      \
        }
static const char *const modes[] = { "never", "demo-only", "always", NULL };
static const struct cd_field fields[] = {
        FIELD(name, STRING, .min = 1, .max = 8, .flags = CD_FIELD_REQUIRED),
        FIELD(token, SECRET, .min = 4),
        FIELD(pem, SECRET, .flags = CD_FIELD_MULTILINE),
        FIELD(url, STRING, .check = check_url, .fallback = "http://localhost"),
        FIELD(on, BOOL, .fallback = "true"),
        FIELD(port, INT, .min = 1, .max = 65535, .fallback = "5001"),
        FIELD(any, INT),
        FIELD(wait, DURATION, .min = 10, .max = 3600000, .fallback = "10s"),
        FIELD(rest, DURATION, .flags = CD_FIELD_OR_NONE, .min = 10, .max = 1000, .fallback = "1s"),
        FIELD(size, SIZE, .min = 512, .max = 1048576, .fallback = "64KB"),
        FIELD(huge, SIZE),
        FIELD(mode, CHOICE, .choices = modes, .fallback = "demo-only"),
        FIELD(scopes, STRINGS, .max = 5, .fallback = "a b"),
        FIELD(part, OBJECT, .table = &part_table),
        FIELD(parts, OBJECTS, .table = &part_table, .max = 6),
        FIELD(maybe, TRISTATE),
        FIELD(names, OBJECTS, .table = &part_table, .flags = CD_FIELD_SHORTHAND, .max = 3, .fallback = "x y"),
};
static const struct cd_table table = { "message", fields, CD_LEN(fields), sizeof(struct message), true };

static struct cd_arena arena;

static cd_status bind(const char *name, cd_str value, struct message *ret, struct cd_error *reterr)
{
        const struct cd_field *field = cd_table_find(&table, cd_str_from_c(name));

        assert_non_null(field);
        memset(reterr, 0, sizeof(*reterr));
        return cd_field_bind(&arena, field, value, ret, reterr);
}

static void assert_refused(const char *name, cd_str value, const char *reason)
{
        struct message message = { 0 }, before = { 0 };
        struct cd_error err;

        assert_status(bind(name, value, &message, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, name);
        assert_string_equal(err.reason, reason);
        assert_memory_equal(&message, &before, sizeof(message));
}

#define assert_bound(name, text, message)                                                                              \
        do {                                                                                                           \
                struct cd_error err_;                                                                                  \
                assert_status(bind(name, CD_STR(text), message, &err_), CD_OK);                                        \
        } while (0)

static void defaults_are_written(void **state)
{
        struct message m = { 0 };

        (void)state;
        assert_status(cd_table_set_defaults(&arena, &table, &m), CD_OK);
        assert_null(m.name.ptr);
        assert_str(m.url, "http://localhost");
        assert_true(m.on);
        assert_int_equal(m.port, 5001);
        assert_int_equal(m.any, 0);
        assert_int_equal(m.wait, 10000);
        assert_int_equal(m.size, 65536);
        assert_int_equal(m.mode, 1);
        assert_int_equal(m.scopes.count, 2);
        assert_str(m.scopes.items[0], "a");
        assert_str(m.scopes.items[1], "b");
        assert_int_equal(m.part.count, 3);
        assert_int_equal(m.parts.count, 0);
        assert_int_equal(m.maybe, CD_TRISTATE_UNSET);
        const struct part *names = m.names.items;
        assert_int_equal(m.names.count, 2);
        assert_str(names[0].id, "x");
        assert_str(names[1].id, "y");
        assert_int_equal(names[1].count, 3);
}

static void a_default_that_does_not_fit_is_a_fault_of_the_program(void **state)
{
        static const struct cd_field wrong[] = { FIELD(port, INT, .min = 1, .max = 2, .fallback = "3") };
        static const struct cd_table wrong_table = { "wrong", wrong, 1, sizeof(struct message), true };
        int status;

        (void)state;
        pid_t child = fork();
        if (child == 0) {
                struct message m = { 0 };
                setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
                signal(SIGABRT, SIG_DFL);
                close(STDERR_FILENO);
                _exit((int)cd_table_set_defaults(&arena, &wrong_table, &m));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void strings_have_bounds_and_no_control_characters(void **state)
{
        static char long_text[4097];
        struct message m = { 0 };

        (void)state;
        memset(long_text, 'x', sizeof(long_text));
        assert_bound("name", "\xc3\xa4 ok", &m);
        assert_str(m.name, "\xc3\xa4 ok");
        assert_refused("name", CD_STR(""), "must not be empty");
        assert_refused("name", CD_STR("123456789"), "must be at most 8 bytes");
        assert_refused("url", cd_str_of(long_text, 4097), "must be at most 4096 bytes");
        assert_bound("name", "12345678", &m);
        assert_bound("name", "1", &m);
        memcpy(long_text, "http", 4);
        struct cd_error err;
        assert_status(bind("url", cd_str_of(long_text, 4096), &m, &err), CD_OK);
        assert_int_equal(m.url.len, 4096);
        assert_status(bind("scopes", cd_str_of(long_text, 4096), &m, &err), CD_OK);
        assert_refused("scopes", cd_str_of(long_text, 4097), "must be at most 4096 bytes");
        assert_bound("token", "1234", &m);
        assert_refused("token", CD_STR("123"), "must be at least 4 bytes");
        assert_refused("token", CD_STR(""), "must be at least 4 bytes");
        assert_refused("url", CD_STR("localhost"), "must be a URL");
        assert_refused("name", CD_STR("a\xff"), "must be UTF-8");
        assert_refused("name", CD_STR("a\0b"), "must not contain control characters");
        assert_refused("name", CD_STR("a\n"), "must not contain control characters");
        assert_refused("name", CD_STR("a\x7f"), "must not contain control characters");
        assert_refused("name", CD_STR("\xc2\x85"), "must not contain control characters");
        assert_bound("name", "\xc2\xa0", &m);
}

/* Each offset within a word of eight bytes. */
static void no_position_hides_a_control_character(void **state)
{
        struct message m = { 0 };
        struct cd_error err;
        char text[24];

        (void)state;
        for (size_t at = 0; at < sizeof(text); at++) {
                for (int c = 0; c < 256; c++) {
                        memset(text, 'h', sizeof(text));
                        memcpy(text, "http", 4);
                        if (at < 4)
                                continue;
                        text[at] = (char)c;
                        cd_status expected = c >= 0x20 && c < 0x7f ? CD_OK : CD_INVALID_REQUEST;
                        assert_status(bind("url", cd_str_of(text, sizeof(text)), &m, &err), expected);
                }
        }
}

static void lesson_28_an_error_never_repeats_a_secret(void **state)
{
        struct message m = { 0 };

        (void)state;
        assert_refused("token", CD_STR("s3c"), "must be at least 4 bytes");
        assert_refused("token", CD_STR("s3cret\x01"), "must not contain control characters");
        assert_refused("token", CD_STR("s3cret\n"), "must not contain control characters");
        assert_refused("pem", CD_STR("s3cret\x01"), "must not contain control characters except tabs and line breaks");
        assert_bound("pem", "-----BEGIN\r\n\tx\n", &m);
        assert_str(m.pem, "-----BEGIN\r\n\tx\n");
}

static void numbers_say_their_bounds(void **state)
{
        struct message m = { 0 };

        (void)state;
        assert_bound("port", "1", &m);
        assert_bound("port", "65535", &m);
        assert_int_equal(m.port, 65535);
        assert_refused("port", CD_STR("0"), "must be 1 to 65535");
        assert_refused("port", CD_STR("-1"), "must be 1 to 65535");
        assert_refused("port", CD_STR("65536"), "must be 1 to 65535");
        assert_refused("port", CD_STR("99999999999999999999"), "must be 1 to 65535");
        assert_refused("port", CD_STR("80x"), "must be a whole number");
        assert_refused("port", CD_STR(""), "must be a whole number");
        assert_refused("port", CD_STR("-"), "must be a whole number");
        assert_refused("port", CD_STR("08"), "must be a whole number");
        assert_refused("port", CD_STR("1.5"), "must be a whole number");
        assert_bound("any", "-9223372036854775808", &m);
        assert_true(m.any == INT64_MIN);
        assert_refused("any", CD_STR("9223372036854775808"), "does not fit into 64 bits");
}

static void durations_and_sizes_need_their_form(void **state)
{
        static const struct {
                const char *text;
                int64_t ms;
        } good[] = { { "250ms", 250 }, { "5s", 5000 }, { "10m", 600000 }, { "1h", 3600000 } };
        static const char *const wrong[] = { "5", "", "s", "5 s", "5S", "05s", "-5s", "5sec", "1.5s", "5s " };
        struct message m = { 0 };
        struct cd_error err;

        (void)state;
        for (size_t i = 0; i < CD_LEN(good); i++) {
                assert_status(bind("wait", cd_str_from_c(good[i].text), &m, &err), CD_OK);
                assert_int_equal(m.wait, good[i].ms);
        }
        for (size_t i = 0; i < CD_LEN(wrong); i++)
                assert_refused("wait", cd_str_from_c(wrong[i]), "must be a duration such as 250ms, 5s, 10m, 1h or 7d");
        assert_refused("wait", CD_STR("9ms"), "must be 10ms to 1h");
        assert_refused("wait", CD_STR("7d"), "must be 10ms to 1h");
        assert_refused("wait", CD_STR("999999999999999999d"), "must be 10ms to 1h");

        m.rest = 1;
        assert_status(bind("rest", CD_STR("none"), &m, &err), CD_OK);
        assert_int_equal(m.rest, 0);
        assert_status(bind("rest", CD_STR("10ms"), &m, &err), CD_OK);
        assert_int_equal(m.rest, 10);
        assert_refused("rest", CD_STR("0s"), "must be 10ms to 1s");
        assert_refused("rest", CD_STR("None"), "must be none, or a duration such as 250ms, 5s, 10m, 1h or 7d");
        assert_refused("wait", CD_STR("none"), "must be a duration such as 250ms, 5s, 10m, 1h or 7d");

        assert_bound("size", "512", &m);
        assert_int_equal(m.size, 512);
        assert_bound("size", "8KB", &m);
        assert_int_equal(m.size, 8192);
        assert_bound("size", "1MB", &m);
        assert_int_equal(m.size, 1048576);
        assert_refused("size", CD_STR("2MB"), "must be 512 to 1MB");
        assert_refused("size", CD_STR("8kb"), "must be a size such as 512, 64KB or 1MB");
        assert_refused("size", CD_STR("8B"), "must be a size such as 512, 64KB or 1MB");
        assert_bound("huge", "3GB", &m);
        assert_true(m.huge == 3LL << 30);
        assert_refused("huge", CD_STR("9223372036854775807GB"), "is too large");
}

static void booleans_and_choices_are_the_listed_words(void **state)
{
        struct message m = { 0 };

        (void)state;
        assert_bound("on", "true", &m);
        assert_true(m.on);
        assert_bound("on", "false", &m);
        assert_false(m.on);
        assert_refused("on", CD_STR("yes"), "must be true or false");
        assert_refused("on", CD_STR("True"), "must be true or false");
        assert_bound("maybe", "false", &m);
        assert_int_equal(m.maybe, CD_TRISTATE_FALSE);
        assert_bound("maybe", "true", &m);
        assert_int_equal(m.maybe, CD_TRISTATE_TRUE);
        assert_refused("maybe", CD_STR("auto"), "must be true or false");
        assert_bound("mode", "always", &m);
        assert_int_equal(m.mode, 2);
        assert_refused("mode", CD_STR("demo"), "must be one of never, demo-only, always");
        assert_refused("mode", CD_STR("never\0"), "must be one of never, demo-only, always");
        assert_refused("part", CD_STR("x"), "must be an object");
}

static void lists_grow_to_their_bound(void **state)
{
        struct message m = { 0 };
        struct cd_error err;

        (void)state;
        for (int i = 0; i < 5; i++) {
                char text[2] = { (char)('a' + i), '\0' };
                assert_status(bind("scopes", cd_arena_copy(&arena, cd_str_of(text, 1)), &m, &err), CD_OK);
        }
        assert_int_equal(m.scopes.count, 5);
        assert_str(m.scopes.items[0], "a");
        assert_str(m.scopes.items[3], "d");
        assert_str(m.scopes.items[4], "e");
        assert_status(bind("scopes", CD_STR("f"), &m, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "must have at most 5 items");
        assert_refused("scopes", CD_STR("a\n"), "must not contain control characters");
        cd_field_clear(cd_table_find(&table, CD_STR("scopes")), &m);
        assert_int_equal(m.scopes.count, 0);
        assert_bound("scopes", "z", &m);
        assert_str(m.scopes.items[0], "z");
}

/* Its memory is asked for when a power of two is full, not for each item. */
static void a_list_moves_only_when_it_is_full(void **state)
{
        const struct cd_field *field = cd_table_find(&table, CD_STR("parts"));
        struct part first = { .count = 4711 };
        void *items = NULL;

        (void)state;
        for (size_t count = 0; count < 6; count++) {
                void *before = items;
                assert_status(cd_field_grow(&arena, field, count, sizeof(first), &items, NULL), CD_OK);
                assert_int_equal(items == before, count != 0 && count != 4);
                if (count == 0)
                        *(struct part *)items = first;
        }
        assert_int_equal(((struct part *)items)->count, 4711);
        assert_status(cd_field_grow(&arena, field, 6, sizeof(first), &items, NULL), CD_INVALID_REQUEST);
}

static void objects_are_appended_with_their_defaults(void **state)
{
        const struct cd_field *field = cd_table_find(&table, CD_STR("parts"));
        struct message m = { 0 };
        struct cd_error err = { 0 };
        void *element = NULL;

        (void)state;
        for (int64_t i = 0; i < 6; i++) {
                assert_status(cd_objects_append(&arena, field, &m, &element, &err), CD_OK);
                struct part *part = element;
                assert_int_equal(part->count, 3);
                assert_null(part->id.ptr);
                part->count = 100 + i;
        }
        assert_int_equal(m.parts.count, 6);
        for (int64_t i = 0; i < 6; i++)
                assert_int_equal(((struct part *)m.parts.items)[i].count, 100 + i);
        assert_status(cd_objects_append(&arena, field, &m, &element, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, "parts");
        assert_string_equal(err.reason, "must have at most 6 items");
        cd_field_clear(field, &m);
        assert_int_equal(m.parts.count, 0);
}

static void a_text_stands_for_an_object_where_the_field_says_so(void **state)
{
        const struct cd_field *field = cd_table_find(&table, CD_STR("names"));
        struct message m = { 0 };
        struct cd_error err = { 0 };

        (void)state;
        assert_status(cd_objects_append_text(&arena, field, CD_STR("one"), &m, &err), CD_OK);
        assert_status(cd_objects_append_text(&arena, field, CD_STR("two"), &m, &err), CD_OK);
        const struct part *names = m.names.items;
        assert_int_equal(m.names.count, 2);
        assert_str(names[1].id, "two");
        assert_int_equal(names[1].count, 3);
        assert_status(cd_objects_append_text(&arena, field, CD_STR("a\n"), &m, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, "names[2]");
        assert_string_equal(err.reason, "must not contain control characters");
        assert_status(cd_objects_append_text(&arena, field, CD_STR("four"), &m, NULL), CD_INVALID_REQUEST);
}

static void lesson_23_an_unknown_key_is_an_error_with_did_you_mean(void **state)
{
        struct cd_table open = table;
        struct cd_error err;

        (void)state;
        assert_status(cd_table_unknown(&table, CD_STR("prot"), &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, "prot");
        assert_string_equal(err.reason, "unknown, did you mean \"port\"?");
        assert_status(cd_table_unknown(&table, CD_STR("entirely_else"), &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "unknown");
        open.closed = false;
        assert_status(cd_table_unknown(&open, CD_STR("prot"), &err), CD_OK);
}

static void names_are_found_exactly_and_the_nearest_by_distance(void **state)
{
        (void)state;
        assert_ptr_equal(cd_table_find(&table, CD_STR("port")), &fields[5]);
        assert_null(cd_table_find(&table, CD_STR("Port")));
        assert_null(cd_table_find(&table, CD_STR("port\0x")));
        assert_null(cd_table_find(&table, CD_STR("por")));
        assert_null(cd_table_find(&table, CD_STR("")));
        assert_string_equal(cd_table_nearest(&table, CD_STR("scope")), "scopes");
        assert_string_equal(cd_table_nearest(&table, CD_STR("Size")), "size");
        assert_null(cd_table_nearest(&table, CD_STR("zzzz")));
        assert_null(cd_table_nearest(&table, CD_STR("")));
}

static void marks_find_the_second_and_the_missing(void **state)
{
        struct cd_error err;
        uint64_t seen = 0;

        (void)state;
        assert_status(cd_table_check_required(&table, seen, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, "name");
        assert_string_equal(err.reason, "missing");
        assert_status(cd_table_mark(&table, &fields[0], &seen, &err), CD_OK);
        assert_status(cd_table_mark(&table, &fields[1], &seen, &err), CD_OK);
        assert_status(cd_table_mark(&table, &fields[0], &seen, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, "name");
        assert_string_equal(err.reason, "given more than once");
        assert_status(cd_table_check_required(&table, seen, &err), CD_OK);
}

static void the_path_of_an_error_is_put_together_from_the_inside(void **state)
{
        const struct cd_field *part = cd_table_find(&table, CD_STR("part")),
                              *parts = cd_table_find(&table, CD_STR("parts"));
        struct cd_error err = { .field = "id" };

        (void)state;
        cd_field_prefix_error(part, SIZE_MAX, &err);
        assert_string_equal(err.field, "part.id");
        cd_field_prefix_error(parts, 12, &err);
        assert_string_equal(err.field, "parts[12].part.id");
        for (int i = 0; i < 20; i++)
                cd_field_prefix_error(parts, 3, &err);
        assert_int_equal(strlen(err.field), sizeof(err.field) - 1);
        err.field[0] = '\0';
        cd_field_prefix_error(parts, 0, &err);
        assert_string_equal(err.field, "parts[0]");
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
                cmocka_unit_test(defaults_are_written),
                cmocka_unit_test(a_default_that_does_not_fit_is_a_fault_of_the_program),
                cmocka_unit_test(strings_have_bounds_and_no_control_characters),
                cmocka_unit_test(no_position_hides_a_control_character),
                cmocka_unit_test(lesson_28_an_error_never_repeats_a_secret),
                cmocka_unit_test(numbers_say_their_bounds),
                cmocka_unit_test(durations_and_sizes_need_their_form),
                cmocka_unit_test(booleans_and_choices_are_the_listed_words),
                cmocka_unit_test(lists_grow_to_their_bound),
                cmocka_unit_test(a_list_moves_only_when_it_is_full),
                cmocka_unit_test(objects_are_appended_with_their_defaults),
                cmocka_unit_test(a_text_stands_for_an_object_where_the_field_says_so),
                cmocka_unit_test(lesson_23_an_unknown_key_is_an_error_with_did_you_mean),
                cmocka_unit_test(names_are_found_exactly_and_the_nearest_by_distance),
                cmocka_unit_test(marks_find_the_second_and_the_missing),
                cmocka_unit_test(the_path_of_an_error_is_put_together_from_the_inside),
        };
        cd_arena_init(&arena, 1 << 20);
        return cmocka_run_group_tests_name("field", tests, NULL, free_arena);
}
