/* LESSONS 31: every allocation that can fail is made to fail, one after the other. */
#include "support/check.h"
#include "support/no_memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/field.h"
#include "base/json.h"
#include "base/log.h"

static bool no_threads;

int __real_pthread_create(pthread_t *to, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *to, const pthread_attr_t *attr, void *(*run)(void *), void *arg);

int __wrap_pthread_create(pthread_t *to, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
        return no_threads ? -1 : __real_pthread_create(to, attr, run, arg);
}

struct item {
        cd_str id;
        struct cd_strs tags;
};

struct message {
        cd_str name;
        struct cd_strs scopes;
        struct cd_objects items, names;
};

static const struct cd_field item_fields[] = {
        { .name = "id", .offset = offsetof(struct item, id), .type = CD_FIELD_STRING },
        { .name = "tags", .offset = offsetof(struct item, tags), .type = CD_FIELD_STRINGS, .fallback = "a b" },
};
static const struct cd_table item_table = { "item", item_fields, CD_LEN(item_fields), sizeof(struct item), true };
static const struct cd_field fields[] = {
        { .name = "name", .offset = offsetof(struct message, name), .type = CD_FIELD_STRING },
        { .name = "scopes", .offset = offsetof(struct message, scopes), .type = CD_FIELD_STRINGS, .fallback = "x y z" },
        { .name = "items", .offset = offsetof(struct message, items), .type = CD_FIELD_OBJECTS, .table = &item_table },
        { .name = "names",
          .offset = offsetof(struct message, names),
          .type = CD_FIELD_OBJECTS,
          .flags = CD_FIELD_SHORTHAND,
          .table = &item_table,
          .fallback = "a b" },
};
static const struct cd_table table = { "message", fields, CD_LEN(fields), sizeof(struct message), false };

typedef cd_status step(struct cd_arena *arena, struct cd_error *reterr);

static cd_status decode_json(struct cd_arena *arena, struct cd_error *reterr)
{
        struct message message = { 0 };

        return cd_json_decode(arena,
                              CD_STR("{\"name\":\"\\u00e4\",\"scopes\":[\"a\",\"b\",\"c\",\"d\",\"e\"],\"names\":["
                                     "\"b\"],\"items\":[{\"id\":\"1\"},"
                                     "{\"tags\":[\"q\"]},{},{},{\"id\":\"\\u00e45\"}]}"),
                              &table, &message, reterr);
}

static cd_status decode_form(struct cd_arena *arena, struct cd_error *reterr)
{
        struct message message = { 0 };

        return cd_form_decode(arena, CD_STR("n%61me=a+b&scopes=%41&other=x"), &table, &message, reterr);
}

/* So many members that the names are sorted. */
static cd_status parse_many(struct cd_arena *arena, struct cd_error *reterr)
{
        static const char member[] = "\"x00\":0,";
        const struct cd_json *root = NULL;
        char text[100 * 8 + 3] = "{";

        for (int i = 0; i < 100; i++) {
                memcpy(text + 1 + i * 8, member, 8);
                text[3 + i * 8] = (char)('0' + i / 10);
                text[4 + i * 8] = (char)('0' + i % 10);
        }
        text[800] = '}';
        return cd_json_parse(arena, cd_str_of(text, 801), CD_JSON_UNIQUE_NAMES, &root, reterr);
}

/* Every ceiling from nothing up: out of memory, until it is enough; and it says so. */
static void sweep_ceilings(step *run)
{
        size_t ceiling = 0, failures = 0;
        cd_status status = CD_NO_MEMORY;

        for (; status != CD_OK; ceiling += 16) {
                struct cd_arena arena;
                struct cd_error err = { 0 };
                cd_arena_init(&arena, ceiling);
                status = run(&arena, &err);
                cd_arena_done(&arena);
                if (status == CD_OK)
                        break;
                assert_status(status, CD_NO_MEMORY);
                assert_status(err.status, CD_NO_MEMORY);
                assert_string_equal(err.reason, "out of memory");
                failures++;
        }
        assert_true(failures > 5);
}

/* Every malloc in turn. */
static void sweep_mallocs(step *run)
{
        cd_status status = CD_NO_MEMORY;
        int n = 0;

        for (; status != CD_OK; n++) {
                struct cd_arena arena;
                cd_arena_init(&arena, 1 << 20);
                fail_at = n;
                status = run(&arena, NULL);
                fail_at = -1;
                cd_arena_done(&arena);
                assert_true(status == CD_OK || status == CD_NO_MEMORY);
        }
        assert_true(n > 1);
}

static void lesson_31_json_survives_without_memory(void **state)
{
        (void)state;
        sweep_ceilings(decode_json);
        sweep_mallocs(decode_json);
        sweep_ceilings(parse_many);
        sweep_mallocs(parse_many);
}

static void lesson_31_forms_survive_without_memory(void **state)
{
        (void)state;
        sweep_ceilings(decode_form);
        sweep_mallocs(decode_form);
}

static void lesson_31_builders_survive_without_memory(void **state)
{
        struct cd_arena arena;
        struct cd_buf buf;
        cd_str text;

        (void)state;
        cd_buf_init(&buf, NULL, 1000);
        cd_buf_add(&buf, CD_STR("x"));
        fail_at = 0;
        for (int i = 0; i < 200; i++)
                cd_buf_add_json(&buf, CD_STR("\n"));
        fail_at = -1;
        cd_buf_add_base64url(&buf, CD_STR("abc"));
        assert_status(cd_buf_view(&buf, &text), CD_TOO_LARGE);
        cd_buf_done(&buf);

        cd_arena_init(&arena, 0);
        cd_buf_init(&buf, &arena, 1000);
        cd_buf_add_char(&buf, 'x');
        assert_status(cd_buf_view(&buf, &text), CD_TOO_LARGE);
        cd_buf_done(&buf);
        assert_null(cd_arena_printf(&arena, "%d", 1).ptr);
        assert_null(cd_arena_copy(&arena, CD_STR("x")).ptr);
        assert_null(CD_NEW(&arena, struct message));
}

static void a_log_without_memory_or_threads_is_no_log(void **state)
{
        (void)state;
        for (int n = 0; n < 3; n++) {
                fail_at = n;
                struct cd_log *log = cd_log_new(STDERR_FILENO, CD_LOG_INFO, CD_STR("s"));
                fail_at = -1;
                assert_null(log);
        }
        no_threads = true;
        struct cd_log *log = cd_log_new(STDERR_FILENO, CD_LOG_INFO, CD_STR("s"));
        no_threads = false;
        assert_null(log);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lesson_31_json_survives_without_memory),
                cmocka_unit_test(lesson_31_forms_survive_without_memory),
                cmocka_unit_test(lesson_31_builders_survive_without_memory),
                cmocka_unit_test(a_log_without_memory_or_threads_is_no_log),
        };
        fail_at = -1;
        return cmocka_run_group_tests_name("no_memory", tests, NULL, NULL);
}
