#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "conf/settings.h"

/* Settings of every type, as a program would have them. */
struct listener {
        cd_str address;
};
struct user {
        cd_str name, secret;
        struct cd_strs roles;
};
struct settings {
        struct cd_objects listen;
        int64_t threads;
        struct limits {
                int64_t body, idle_timeout, headers;
        } limits;
        struct log {
                int level;
        } log;
        struct cd_strs trusted_proxies, open;
        bool on;
        cd_str greeting, key;
        int64_t lifetime;
        struct cd_objects users, guests;
};

static const char *check_proxy(cd_str value)
{
        return value.len && value.ptr[0] >= '0' && value.ptr[0] <= ':' ? NULL : "must be an address";
}

static const struct cd_field listener_fields[] = {
        { .name = "address", .offset = offsetof(struct listener, address), .flags = CD_FIELD_REQUIRED },
};
static const struct cd_table listener_table = { "listener", listener_fields, CD_LEN(listener_fields),
                                                sizeof(struct listener), true };
static const struct cd_field limits_fields[] = {
        { .name = "body",
          .offset = offsetof(struct limits, body),
          .type = CD_FIELD_SIZE,
          .max = 1 << 30,
          .fallback = "64KB" },
        { .name = "idle_timeout",
          .offset = offsetof(struct limits, idle_timeout),
          .type = CD_FIELD_DURATION,
          .max = 3600000,
          .fallback = "75s" },
        { .name = "headers",
          .offset = offsetof(struct limits, headers),
          .type = CD_FIELD_SIZE,
          .max = 1 << 20,
          .fallback = "16KB" },
};
static const struct cd_table limits_table = { "limits", limits_fields, CD_LEN(limits_fields), sizeof(struct limits),
                                              true };
static const char *const levels[] = { "debug", "info", "warn", "error", "off", NULL };
static const struct cd_field log_fields[] = {
        { .name = "level",
          .offset = offsetof(struct log, level),
          .type = CD_FIELD_CHOICE,
          .choices = levels,
          .fallback = "info" },
};
static const struct cd_table log_table = { "log", log_fields, CD_LEN(log_fields), sizeof(struct log), true };
static const struct cd_field user_fields[] = {
        { .name = "name", .offset = offsetof(struct user, name), .flags = CD_FIELD_REQUIRED },
        { .name = "secret", .offset = offsetof(struct user, secret), .type = CD_FIELD_SECRET, .min = 1, .max = 20 },
        { .name = "roles", .offset = offsetof(struct user, roles), .type = CD_FIELD_STRINGS, .fallback = "guest" },
};
static const struct cd_table user_table = { "user", user_fields, CD_LEN(user_fields), sizeof(struct user), true };
static const struct cd_field fields[] = {
        { .name = "listen",
          .offset = offsetof(struct settings, listen),
          .type = CD_FIELD_OBJECTS,
          .flags = CD_FIELD_SHORTHAND,
          .table = &listener_table,
          .fallback = "127.0.0.1:5009" },
        { .name = "threads", .offset = offsetof(struct settings, threads), .type = CD_FIELD_INT, .max = 256 },
        { .name = "limits",
          .offset = offsetof(struct settings, limits),
          .type = CD_FIELD_OBJECT,
          .table = &limits_table },
        { .name = "log", .offset = offsetof(struct settings, log), .type = CD_FIELD_OBJECT, .table = &log_table },
        { .name = "trusted_proxies",
          .offset = offsetof(struct settings, trusted_proxies),
          .type = CD_FIELD_STRINGS,
          .check = check_proxy },
        { .name = "open",
          .offset = offsetof(struct settings, open),
          .type = CD_FIELD_STRINGS,
          .flags = CD_FIELD_OR_BOOL,
          .max = 2 },
        { .name = "on", .offset = offsetof(struct settings, on), .type = CD_FIELD_BOOL },
        { .name = "greeting", .offset = offsetof(struct settings, greeting), .fallback = "hello" },
        { .name = "key",
          .offset = offsetof(struct settings, key),
          .type = CD_FIELD_SECRET,
          .flags = CD_FIELD_MULTILINE,
          .max = 70000 },
        { .name = "lifetime",
          .offset = offsetof(struct settings, lifetime),
          .type = CD_FIELD_DURATION,
          .min = 1000,
          .max = 86400000,
          .fallback = "5m" },
        { .name = "users",
          .offset = offsetof(struct settings, users),
          .type = CD_FIELD_OBJECTS,
          .table = &user_table,
          .max = 3 },
        { .name = "guests",
          .offset = offsetof(struct settings, guests),
          .type = CD_FIELD_OBJECTS,
          .flags = CD_FIELD_SHORTHAND,
          .table = &user_table,
          .max = 3,
          .fallback = "ann bob" },
};
static const struct cd_table table = { "settings", fields, CD_LEN(fields), sizeof(struct settings), true };

struct fixture {
        struct cd_arena arena;
        struct cd_report report;
        struct settings settings;
        char folder[64];
};

static int make(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        cd_arena_init(&f->arena, 64 * 1024 * 1024);
        strcpy(f->folder, "/tmp/cardea-test-XXXXXX");
        assert_non_null(mkdtemp(f->folder));
        *state = f;
        return 0;
}

static int unmake(void **state)
{
        struct fixture *f = *state;
        char path[128];

        snprintf(path, sizeof(path), "%s/s", f->folder);
        unlink(path);
        rmdir(f->folder);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

static cd_status decode(struct fixture *f, const char *text, struct cd_error *reterr)
{
        cd_str name = cd_arena_printf(&f->arena, "%s/f.yaml", f->folder);

        cd_report_init(&f->report, &f->arena, name);
        return cd_settings_decode(&f->report, cd_str_from_c(text), &table, &f->settings, reterr);
}

static const struct settings *accepts(struct fixture *f, const char *text)
{
        struct cd_error err;

        if (decode(f, text, &err) != CD_OK)
                fail_msg("%s", err.reason);
        return &f->settings;
}

/* `reason` follows "FOLDER/f.yaml"; %s in it stands for the folder. */
static void refuses(struct fixture *f, const char *text, const char *reason)
{
        struct cd_error err = { 0 };
        size_t folder = strlen(f->folder);
        char want[512];

        assert_int_equal(decode(f, text, &err), CD_INVALID_REQUEST);
        assert_memory_equal(err.reason, f->folder, folder);
        snprintf(want, sizeof(want), reason, f->folder);
        assert_string_equal(err.reason + folder + strlen("/f.yaml"), want);
        assert_true(f->report.errors > 0);
}

static void put_file(struct fixture *f, const char *bytes, size_t len, mode_t mode)
{
        char path[128];

        snprintf(path, sizeof(path), "%s/s", f->folder);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, len, file), len);
        fclose(file);
        chmod(path, mode);
}

#define ASSERT_STR(have, want)                                                                                         \
        do {                                                                                                           \
                cd_str have_ = (have);                                                                                 \
                assert_int_equal(have_.len, strlen(want));                                                             \
                assert_memory_equal(have_.ptr, want, strlen(want));                                                    \
        } while (0)

static const struct listener *listener(const struct settings *settings, size_t index)
{
        assert_true(index < settings->listen.count);
        return (const struct listener *)settings->listen.items + index;
}

static void an_empty_text_is_all_defaults(void **state)
{
        static const char *const empty[] = { "", "# nothing\n", "---\n", "log:\nlimits:\n" };

        for (size_t i = 0; i < CD_LEN(empty); i++) {
                const struct settings *s = accepts(*state, empty[i]);
                assert_int_equal(s->listen.count, 1);
                ASSERT_STR(listener(s, 0)->address, "127.0.0.1:5009");
                ASSERT_STR(s->greeting, "hello");
                assert_int_equal(s->lifetime, 300000);
                assert_int_equal(s->log.level, 1);
                assert_int_equal(s->users.count, 0);
        }
}

static void settings_of_every_type_are_bound(void **state)
{
        const struct settings *s = accepts(*state, "listen: ['127.0.0.1:0', '[::1]:80']\n"
                                                   "threads: 2\n"
                                                   "on: true\n"
                                                   "log: { level: warn }\n"
                                                   "limits:\n  body: 1MB\n  idle_timeout: 2m\n"
                                                   "greeting: 12\n"
                                                   "lifetime: 24h\n"
                                                   "trusted_proxies: [10.0.0.0/8, '::1']\n"
                                                   "users:\n"
                                                   "  - { name: a, secret: x }\n"
                                                   "  - { name: b, roles: [] }\n");
        assert_int_equal(s->listen.count, 2);
        ASSERT_STR(listener(s, 1)->address, "[::1]:80");
        assert_int_equal(s->threads, 2);
        assert_true(s->on);
        assert_int_equal(s->log.level, 2);
        assert_int_equal(s->limits.body, 1048576);
        assert_int_equal(s->limits.idle_timeout, 120000);
        assert_int_equal(s->limits.headers, 16384);
        ASSERT_STR(s->greeting, "12");
        assert_int_equal(s->lifetime, 86400000);
        assert_int_equal(s->trusted_proxies.count, 2);
        const struct user *users = s->users.items;
        assert_int_equal(s->users.count, 2);
        ASSERT_STR(users[0].secret, "x");
        ASSERT_STR(users[0].roles.items[0], "guest");
        ASSERT_STR(users[1].name, "b");
        assert_int_equal(users[1].roles.count, 0);
}

static void lesson_23_an_unknown_key_is_an_error_with_did_you_mean(void **state)
{
        struct fixture *f = *state;

        refuses(f, "listen: []\n\n  \ngreting: x\n", ":4:1: unknown setting \"greting\"; did you mean \"greeting\"?");
        refuses(f, "log: { levle: info }\n", ":1:8: unknown setting \"log.levle\"; did you mean \"log.level\"?");
        refuses(f, "users:\n  - name: a\n    secrt: b\n",
                ":3:5: unknown setting \"users[0].secrt\"; did you mean \"users[0].secret\"?");
        refuses(f, "greet: x\n", ":1:1: unknown setting \"greet\"; did you mean \"greeting\"?");
        refuses(f, "log_level: x\n", ":1:1: unknown setting \"log_level\"; did you mean \"log.level\"?");
        refuses(f, "log.level: info\n", ":1:1: unknown setting \"log.level\"; write \"log: { level: … }\"");
        refuses(f, "level: info\n", ":1:1: unknown setting \"level\"; did you mean \"log.level\"?");
        refuses(f, "greeting.url: x\n", ":1:1: unknown setting \"greeting.url\"; did you mean \"greeting\"?");
        refuses(f, "users: [{ name: a, sec: b }]\n",
                ":1:20: unknown setting \"users[0].sec\"; did you mean \"users[0].secret\"?");
        refuses(f, "gr: x\n",
                ":1:1: unknown setting \"gr\"; remove it; the settings here are listen, threads, "
                "limits, log, trusted_proxies, open, on, greeting, key, lifetime, users, guests");
        refuses(f, "log_: x\n", ":1:1: unknown setting \"log_\"; did you mean \"log\"?");
        refuses(f, "zebra: x\n",
                ":1:1: unknown setting \"zebra\"; remove it; the settings here are listen, threads, "
                "limits, log, trusted_proxies, open, on, greeting, key, lifetime, users, guests");
        refuses(f, "\"\\e[31m\": x\n",
                ":1:1: unknown setting \"\\x1b[31m\"; remove it; the settings here are "
                "listen, threads, limits, log, trusted_proxies, open, on, greeting, key, lifetime, users, guests");
}

static void lesson_23_a_missing_or_empty_variable_is_an_error_that_names_it(void **state)
{
        struct fixture *f = *state;

        unsetenv("CD_TEST_A");
        setenv("CD_TEST_B", "", 1);
        refuses(f, "greeting: ${env:CD_TEST_A}\n", ":1:11: greeting: environment variable CD_TEST_A is not set");
        refuses(f, "users: [{name: a, secret: 'x${env:CD_TEST_B}'}]\n",
                ":1:27: users[0].secret: environment variable CD_TEST_B is empty");
        refuses(f, "greeting: ${env:A-B}\n",
                ":1:11: greeting: \"A-B\" is not the name of an environment variable (letters, digits, _); write "
                "${env:NAME}, without a default");
        refuses(f, "greeting: ${env:}\n",
                ":1:11: greeting: \"\" is not the name of an environment variable (letters, digits, _); write "
                "${env:NAME}, without a default");
}

static void lesson_23_a_literal_placeholder_never_reaches_anybody(void **state)
{
        struct fixture *f = *state;

        refuses(f, "greeting: ${HOME}\n",
                ":1:11: greeting: \"${\" must begin ${env:NAME}, ${file:PATH} or ${credential:NAME}; write $${ for a "
                "literal ${");
        refuses(f, "greeting: a ${env\n", ":1:11: greeting: \"${\" without its \"}\"; write $${ for a literal ${");
        refuses(f, "greeting: ${env}\n",
                ":1:11: greeting: \"${\" must begin ${env:NAME}, ${file:PATH} or ${credential:NAME}; write $${ for a "
                "literal ${");
        refuses(f, "trusted_proxies: ['${x:y}']\n",
                ":1:19: trusted_proxies[0]: \"${\" must begin ${env:NAME}, ${file:PATH} or ${credential:NAME}; write "
                "$${ for a literal ${");
        ASSERT_STR(accepts(f, "greeting: a $${HOME} $ $$ } {\n")->greeting, "a ${HOME} $ $$ } {");
}

static void lesson_24_only_variables_that_the_configuration_names_are_read(void **state)
{
        /* What Kubernetes sets for a service named like us, and other names that a program might look for. */
        static const char *const names[] = { "CARDEA_PORT",   "CARDEA_LISTEN",   "CARDEA_THREADS", "LISTEN", "THREADS",
                                             "CARDEA_CONFIG", "CARDEA_GREETING", "GREETING",       "PORT" };

        for (size_t i = 0; i < CD_LEN(names); i++)
                setenv(names[i], "tcp://10.0.0.1:80", 1);
        const struct settings *s = accepts(*state, "");
        ASSERT_STR(listener(s, 0)->address, "127.0.0.1:5009");
        ASSERT_STR(s->greeting, "hello");
        assert_int_equal(s->threads, 0);
        ASSERT_STR(accepts(*state, "greeting: ${env:CARDEA_PORT}\n")->greeting, "tcp://10.0.0.1:80");
        for (size_t i = 0; i < CD_LEN(names); i++)
                unsetenv(names[i]);
}

static void variables_are_put_in_as_a_part_of_any_value(void **state)
{
        setenv("CD_TEST_A", "2", 1);
        setenv("CD_TEST_B", "x: [y", 1);
        const struct settings *s = accepts(*state, "threads: ${env:CD_TEST_A}\n"
                                                   "lifetime: ${env:CD_TEST_A}${env:CD_TEST_A}s\n"
                                                   "greeting: <${env:CD_TEST_B}>\n"
                                                   "listen: ['127.0.0.1:${env:CD_TEST_A}']\n");
        assert_int_equal(s->threads, 2);
        assert_int_equal(s->lifetime, 22000);
        ASSERT_STR(s->greeting, "<x: [y>"); /* never read as YAML again */
        ASSERT_STR(listener(s, 0)->address, "127.0.0.1:2");
}

static void a_value_put_in_that_holds_a_placeholder_is_a_warning(void **state)
{
        struct fixture *f = *state;

        setenv("CD_TEST_A", "${PASSWORD}", 1);
        ASSERT_STR(accepts(f, "greeting: ${env:CD_TEST_A}\n")->greeting, "${PASSWORD}");
        assert_int_equal(f->report.warnings, 1);
}

static void files_are_relative_to_the_configuration_and_lose_one_newline(void **state)
{
        struct fixture *f = *state;

        put_file(f, "secret-one\n", 11, 0600);
        ASSERT_STR(accepts(f, "key: ${file:s}\n")->key, "secret-one");
        assert_int_equal(f->report.warnings, 0);
        put_file(f, "secret-one\n\n", 12, 0600);
        ASSERT_STR(accepts(f, "key: ${file:s}\n")->key, "secret-one\n");
        put_file(f, "secret\r\n", 8, 0600);
        ASSERT_STR(accepts(f, "key: ${file:./s}\n")->key, "secret");
        put_file(f, "secret", 6, 0600);
        char text[128];
        snprintf(text, sizeof(text), "key: a${file:%s/s}b\n", f->folder);
        ASSERT_STR(accepts(f, text)->key, "asecretb");
}

static void missing_empty_large_and_odd_files_are_refused_by_name(void **state)
{
        static char large[65537];
        struct fixture *f = *state;

        refuses(f, "key: ${file:s}\n", ":1:6: key: file %s/s does not exist");
        put_file(f, "\n", 1, 0600);
        refuses(f, "key: ${file:s}\n", ":1:6: key: file %s/s is empty");
        memset(large, 'x', sizeof(large));
        put_file(f, large, sizeof(large), 0600);
        refuses(f, "key: ${file:s}\n", ":1:6: key: file %s/s is larger than 64 KB");
        put_file(f, large, sizeof(large) - 1, 0600);
        assert_int_equal(accepts(f, "key: ${file:s}\n")->key.len, 65536);
        put_file(f, "a\0b", 3, 0600);
        refuses(f, "key: ${file:s}\n",
                ":1:6: key: must not contain control characters except tabs and line breaks (from file s)");
        refuses(f, "key: ${file:.}\n", ":1:6: key: file %s/. is not a regular file");
        refuses(f, "key: ${file:}\n", ":1:6: key: ${file:} names no file");
}

static void a_fifo_does_not_hang_the_start(void **state)
{
        struct fixture *f = *state;
        char path[128];

        snprintf(path, sizeof(path), "%s/s", f->folder);
        assert_int_equal(mkfifo(path, 0600), 0);
        refuses(f, "key: ${file:s}\n", ":1:6: key: file %s/s is not a regular file");
}

static void a_secret_file_that_others_can_read_is_refused(void **state)
{
        struct fixture *f = *state;
        char want[256];

        put_file(f, "secret\n", 7, 0644);
        snprintf(want, sizeof(want),
                 ":1:6: key: contains a secret from a file that other users of this machine can read (from file s); "
                 "chmod 600 %s/s",
                 f->folder);
        refuses(f, "key: ${file:s}\n", want);
        accepts(f, "greeting: ${file:s}\n"); /* not a secret */
        assert_int_equal(f->report.warnings, 0);
}

static void a_credential_is_a_file_that_systemd_gave(void **state)
{
        struct fixture *f = *state;

        unsetenv("CREDENTIALS_DIRECTORY");
        refuses(f, "key: ${credential:s}\n",
                ":1:6: key: credential s does not exist: systemd passed no credentials to this process "
                "(LoadCredential=); outside its unit, set CREDENTIALS_DIRECTORY to the folder that contains it");
        setenv("CREDENTIALS_DIRECTORY", f->folder, 1);
        refuses(f, "key: ${credential:s}\n", ":1:6: key: file %s/s does not exist");
        refuses(f, "key: ${credential:../s}\n", ":1:6: key: \"../s\" is not the name of a credential");
        put_file(f, "from systemd\n", 13, 0440); /* its folder guards it, not its mode */
        accepts(f, "key: ${credential:s}\n");
        ASSERT_STR(f->settings.key, "from systemd");
        assert_int_equal(f->report.warnings, 0);
        unsetenv("CREDENTIALS_DIRECTORY");
}

static const char *first_error(struct fixture *f)
{
        for (const struct cd_finding *each = f->report.findings; each; each = each->next)
                if (each->level == CD_FINDING_ERROR)
                        return cd_finding_text(&f->report, each).ptr;
        return "";
}

static void lesson_40_only_what_is_needed_is_resolved_and_an_error(void **state)
{
        static const char *const text = "greeting: ${env:CD_TEST_UNSET}\n"
                                        "key: ${file:/nonexistent}\n"
                                        "log: { level: loud }\n"
                                        "users: [{ name: \"${env:CD_TEST_UNSET}\" }]\n"
                                        "gretting: x\n"
                                        "lgo: {}\n";
        static const struct {
                const char *needed;
                size_t errors;
        } cases[] = {
                { "", 0 },           { "nothing else", 0 },
                { "gree", 0 },       { "greeting", 2 },
                { "key", 1 },        { "log", 1 },
                { "log.level", 1 },  { "log.leve", 0 },
                { "users.name", 1 }, { "greeting key log users", 5 },
        };
        struct fixture *f = *state;

        unsetenv("CD_TEST_UNSET");
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                cd_report_init(&f->report, &f->arena, CD_STR("f.yaml"));
                f->report.needed = cases[i].needed;
                (void)cd_settings_decode(&f->report, cd_str_from_c(text), &table, &f->settings, NULL);
                if (f->report.errors != cases[i].errors)
                        fail_msg("%s: %zu errors: %s", cases[i].needed, f->report.errors, first_error(f));
        }
        cd_report_init(&f->report, &f->arena, CD_STR("f.yaml"));
        f->report.needed = "log";
        (void)cd_settings_decode(&f->report, cd_str_from_c(text), &table, &f->settings, NULL);
        assert_true(cd_report_is_kept(&f->report, CD_STR("key")));
        assert_false(cd_report_is_kept(&f->report, CD_STR("log.level")));
}

static void wrong_types_and_ranges_name_the_setting(void **state)
{
        struct fixture *f = *state;

        refuses(f, "threads: lots\n", ":1:10: threads: must be a whole number");
        refuses(f, "threads: 257\n", ":1:10: threads: must be 0 to 256");
        refuses(f, "on: yes\n", ":1:5: on: must be true or false");
        refuses(f, "lifetime: 5\n", ":1:11: lifetime: must be a duration such as 250ms, 5s, 10m, 1h or 7d");
        refuses(f, "lifetime: 999ms\n", ":1:11: lifetime: must be 1s to 1d");
        refuses(f, "lifetime: 25h\n", ":1:11: lifetime: must be 1s to 1d");
        refuses(f, "log: { level: loud }\n", ":1:15: log.level: must be one of debug, info, warn, error, off");
        refuses(f, "limits: { body: 5XB }\n", ":1:17: limits.body: must be a size such as 512, 64KB or 1MB");
        refuses(f, "greeting: [a]\n", ":1:11: greeting: expects one value; write it without [ ] and { }");
        refuses(f, "greeting: \"a\\0b\"\n", ":1:11: greeting: must not contain control characters");
        refuses(f, "log: info\n",
                ":1:6: log: expects settings of the form \"name: value\"; write them below it, indented");
        refuses(f, "trusted_proxies: 10.0.0.1\n",
                ":1:18: trusted_proxies: expects a list; write [\"a\", \"b\"], or one \"- a\" on each line");
        refuses(f, "trusted_proxies: [proxy]\n", ":1:19: trusted_proxies[0]: must be an address");
        refuses(f, "users: {name: a}\n", ":1:8: users: expects a list; begin each item with \"- \"");
        refuses(f, "users:\n  - a\n", ":2:5: users[0]: expects settings of the form \"name: value\"");
        refuses(f, "- a\n", ":1:1: expects settings of the form \"name: value\"; write a colon and a space in each");
        refuses(f, "users: [{name: a}, {name: b}, {name: c}, {name: d}]\n",
                ":1:8: users: has too many items (at most 3)");
}

static void true_and_false_stand_for_a_list_where_the_field_says_so(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(accepts(f, "on: true\n")->open.count, 0);
        assert_int_equal(accepts(f, "open: true\n")->open.count, 1);
        ASSERT_STR(f->settings.open.items[0], "true");
        assert_non_null(cd_report_find_source(&f->report, CD_STR("open")));
        assert_int_equal(accepts(f, "open: false\n")->open.count, 0);
        assert_int_equal(accepts(f, "open: [/a, /b]\n")->open.count, 2);
        ASSERT_STR(f->settings.open.items[1], "/b");
        refuses(f, "open: yes\n", ":1:7: open: must be true, false or a list");
        refuses(f, "open:\n",
                ":1:6: open: has no value; leave the line out for the default, or write \"\" for an empty text");
        refuses(f, "open: [a, b, c]\n", ":1:7: open: has too many items (at most 2)");
        refuses(f, "open: { a: b }\n", ":1:7: open: expects a list; write [\"a\", \"b\"], or one \"- a\" on each line");
}

static void a_text_stands_for_an_object_where_the_field_says_so(void **state)
{
        struct fixture *f = *state;

        const struct user *guests = accepts(f, "")->guests.items;
        assert_int_equal(f->settings.guests.count, 2);
        ASSERT_STR(guests[1].name, "bob");
        ASSERT_STR(guests[1].roles.items[0], "guest");

        setenv("CD_TEST_A", "dan", 1);
        guests = accepts(f, "guests:\n  - carl\n  - ${env:CD_TEST_A}\n  - { name: eve, roles: [] }\n")->guests.items;
        assert_int_equal(f->settings.guests.count, 3);
        ASSERT_STR(guests[0].name, "carl");
        ASSERT_STR(guests[0].roles.items[0], "guest");
        ASSERT_STR(guests[1].name, "dan");
        ASSERT_STR(guests[2].name, "eve");
        assert_int_equal(guests[2].roles.count, 0);
        const struct cd_setting_source *source = cd_report_find_source(&f->report, CD_STR("guests[1].name"));
        assert_int_equal(source->line, 3);
        ASSERT_STR(source->from, "env CD_TEST_A");
        assert_null(cd_report_find_source(&f->report, CD_STR("guests[1].roles")));
        assert_int_equal(accepts(f, "guests: []\n")->guests.count, 0);
}

static void a_mistake_in_such_a_text_names_the_item(void **state)
{
        struct fixture *f = *state;

        refuses(f, "guests: [ann, \"a\\0b\"]\n", ":1:15: guests[1]: must not contain control characters");
        refuses(f, "guests: [~]\n",
                ":1:10: guests[0]: has no value; leave the line out for the default, or write \"\" for an empty text");
        refuses(f, "guests: [[ann]]\n", ":1:10: guests[0]: expects one value, or settings of the form \"name: value\"");
        refuses(f, "guests: ann\n", ":1:9: guests: expects a list; write [\"a\", \"b\"], or one \"- a\" on each line");
        refuses(f, "guests: [{ nam: ann }]\n",
                ":1:12: unknown setting \"guests[0].nam\"; did you mean \"guests[0].name\"?");
        refuses(f, "guests: [{ secret: x }]\n", ":1:10: guests[0].name: is missing; add it");
        refuses(f, "guests: [a, b, c, d]\n", ":1:9: guests: has too many items (at most 3)");
}

static void a_secret_is_never_repeated(void **state)
{
        struct fixture *f = *state;

        setenv("CD_TEST_A", "far-too-long-a-secret-for-this", 1);
        refuses(f, "users:\n  - name: a\n    secret: ${env:CD_TEST_A}\n",
                ":3:13: users[0].secret: must be at most 20 bytes (from env CD_TEST_A)");
}

static void missing_values_and_settings_given_twice_are_refused(void **state)
{
        struct fixture *f = *state;

        refuses(f, "greeting:\n",
                ":1:10: greeting: has no value; leave the line out for the default, or write \"\" for an empty text");
        refuses(f, "greeting: ~\n",
                ":1:11: greeting: has no value; leave the line out for the default, or write \"\" for an empty text");
        refuses(f, "on: true\non: true\n", ":2:1: on: is given twice; keep one of them");
        refuses(f, "users:\n  - secret: x\n", ":2:5: users[0].name: is missing; add it");
        ASSERT_STR(accepts(f, "greeting: ''\n")->greeting, "");
}

/* As the process is once it gave root up. */
static cd_status decode_without_rights(struct fixture *f, struct cd_report *earlier, const char *text)
{
        struct cd_error err;
        bool is_root = geteuid() == 0;

        cd_report_init(&f->report, &f->arena, cd_arena_printf(&f->arena, "%s/f.yaml", f->folder));
        f->report.earlier = earlier;
        if (is_root)
                assert_int_equal(seteuid(65534), 0);
        cd_status status = cd_settings_decode(&f->report, cd_str_from_c(text), &table, &f->settings, &err);
        if (is_root)
                assert_int_equal(seteuid(0), 0);
        return status;
}

static void lesson_27_a_secret_that_cannot_be_read_again_and_is_written_as_before_is_kept(void **state)
{
        static const char text[] = "key: ${file:s}\nusers: [{ name: a, secret: \"x${file:s}\" }]\n";
        static const char *const others[] = {
                "key: ' ${file:s}'\n",
                "key: ${file:t}\n",
                "users: [{ name: a, secret: \"y${file:s}\" }]\n",
                "users: [{ name: a, secret: \"${file:s}\" }]\n", /* as another setting is */
                "greeting: ${file:s}\n",                         /* no secret: nobody keeps what was made of it */
        };
        struct fixture *f = *state;
        char path[128];

        snprintf(path, sizeof(path), "%s/s", f->folder);
        put_file(f, "secret", 6, 0400);
        ASSERT_STR(accepts(f, text)->key, "secret");
        struct cd_report first = f->report;
        chmod(path, 0);
        assert_false(cd_report_is_kept(&first, CD_STR("key")));
        assert_int_not_equal(decode_without_rights(f, NULL, text), CD_OK);
        for (int i = 0; i < 2; i++) { /* the second time from one that kept it */
                memset(&f->settings, 0, sizeof(f->settings));
                assert_int_equal(decode_without_rights(f, &first, text), CD_OK);
                assert_true(cd_report_is_kept(&f->report, CD_STR("key")));
                assert_true(cd_report_is_kept(&f->report, CD_STR("users[0].secret")));
                assert_int_equal(f->settings.key.len, 0);
                ASSERT_STR(cd_report_find_source(&f->report, CD_STR("key"))->from, "file s");
                first = f->report;
        }
        static const char moved[] = "users: [{ name: b }, { name: a, secret: \"x${file:s}\" }]\n";
        assert_int_equal(decode_without_rights(f, &first, moved), CD_OK); /* its reader tells whose it is */
        assert_true(cd_report_is_kept(&f->report, CD_STR("users[1].secret")));
        for (size_t i = 0; i < CD_LEN(others); i++)
                assert_int_not_equal(decode_without_rights(f, &first, others[i]), CD_OK);
        unlink(path);
        struct cd_error err; /* a file that is gone is a mistake that the next start would not survive */
        cd_report_init(&f->report, &f->arena, cd_arena_printf(&f->arena, "%s/f.yaml", f->folder));
        f->report.earlier = &first;
        assert_int_not_equal(cd_settings_decode(&f->report, cd_str_from_c(text), &table, &f->settings, &err), CD_OK);
}

static void every_mistake_is_found_in_one_run(void **state)
{
        struct fixture *f = *state;
        struct cd_error err;

        assert_int_equal(decode(f, "thread: 1\non: maybe\nusers: [{}]\nlifetime: 5s\n", &err), CD_INVALID_REQUEST);
        assert_int_equal(f->report.errors, 3);
        assert_int_equal(f->settings.lifetime, 5000);
}

static void the_source_of_each_setting_is_remembered(void **state)
{
        struct fixture *f = *state;

        setenv("CD_TEST_A", "x", 1);
        put_file(f, "s", 1, 0600);
        accepts(f, "greeting: hi\nusers:\n  - name: a\n    secret: ${env:CD_TEST_A}-${file:s}\n");
        assert_null(cd_report_find_source(&f->report, CD_STR("threads")));
        const struct cd_setting_source *source = cd_report_find_source(&f->report, CD_STR("greeting"));
        assert_int_equal(source->line, 1);
        assert_int_equal(source->column, 11);
        assert_int_equal(source->from.len, 0);
        source = cd_report_find_source(&f->report, CD_STR("users[0].secret"));
        assert_int_equal(source->line, 4);
        ASSERT_STR(source->from, "env CD_TEST_A, file s");
}

static void a_secret_in_a_file_that_every_user_can_read_is_a_warning(void **state)
{
        static const struct {
                const char *text;
                mode_t mode;
                size_t warnings;
        } cases[] = {
                { "key: k\nusers: [{ name: a, secret: b }]\n", 0644, 1 }, /* said once */
                { "key: k\n", 0604, 1 },
                { "key: k\n", 0622, 1 },
                { "key: k\n", 0602, 1 },
                { "key: k\n", 0620, 0 },
                { "key: k\n", 0640, 0 }, /* its group is somebody who the operator means */
                { "key: k\n", 0600, 0 },
                { "key: ${env:CD_TEST_A}\n", 0644, 0 },
                { "key: ''\n", 0644, 0 },
                { "greeting: hi\n", 0644, 0 },
        };
        struct fixture *f = *state;
        struct cd_error err;
        char path[128];

        setenv("CD_TEST_A", "x", 1);
        snprintf(path, sizeof(path), "%s/s", f->folder);
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                put_file(f, cases[i].text, strlen(cases[i].text), cases[i].mode);
                cd_report_init(&f->report, &f->arena, cd_str_from_c(path));
                assert_int_equal(cd_settings_load(&f->report, &table, &f->settings, &err), CD_OK);
                assert_int_equal(f->report.warnings, cases[i].warnings);
        }
        put_file(f, "key: k\n", 7, 0644);
        cd_report_init(&f->report, &f->arena, cd_str_from_c(path));
        assert_int_equal(cd_settings_load(&f->report, &table, &f->settings, &err), CD_OK);
        cd_str want = cd_arena_printf(&f->arena,
                                      "%s:1:6: key: is a secret in a file that every user of this machine can read; "
                                      "chmod o= %s, or keep it in another file: ${file:PATH}",
                                      path, path);
        ASSERT_STR(cd_finding_text(&f->report, f->report.findings), want.ptr);
        put_file(f, "key: k\n", 7, 0622);
        cd_report_init(&f->report, &f->arena, cd_str_from_c(path));
        assert_int_equal(cd_settings_load(&f->report, &table, &f->settings, &err), CD_OK);
        want = cd_arena_printf(&f->arena,
                               "%s:1:6: key: is a secret in a file that every user of this machine can write; "
                               "chmod o= %s, or keep it in another file: ${file:PATH}",
                               path, path);
        ASSERT_STR(cd_finding_text(&f->report, f->report.findings), want.ptr);
}

static void a_file_that_is_not_there_is_named(void **state)
{
        struct fixture *f = *state;
        struct cd_error err;

        cd_report_init(&f->report, &f->arena, CD_STR("/nowhere/f.yaml"));
        assert_int_equal(cd_settings_load(&f->report, &table, &f->settings, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "file /nowhere/f.yaml does not exist; correct the path of the configuration");
        assert_int_equal(f->report.errors, 1);
}

static void lesson_27_an_empty_file_is_an_error_and_not_all_defaults(void **state)
{
        static const char *const texts[] = { "", "\n", " \t\r\n\n" };
        struct fixture *f = *state;
        struct cd_error err;
        char path[128];

        snprintf(path, sizeof(path), "%s/s", f->folder);
        for (size_t i = 0; i < CD_LEN(texts); i++) {
                put_file(f, texts[i], strlen(texts[i]), 0600);
                cd_report_init(&f->report, &f->arena, cd_str_from_c(path));
                assert_int_equal(cd_settings_load(&f->report, &table, &f->settings, &err), CD_INVALID_REQUEST);
                assert_non_null(strstr(err.reason, "is empty; restore it"));
        }
        put_file(f, "{}", 2, 0600); /* said on purpose */
        cd_report_init(&f->report, &f->arena, cd_str_from_c(path));
        assert_int_equal(cd_settings_load(&f->report, &table, &f->settings, &err), CD_OK);
}

static void a_full_arena_is_an_error_and_never_a_crash(void **state)
{
        static const char text[] =
                "users:\n  - { name: a, secret: b, roles: [x, y] }\ngreeting: ${env:CD_TEST_A}\nzzz: 1\n";
        struct fixture *f = *state;
        struct cd_error err;
        cd_status status = CD_OK;

        setenv("CD_TEST_A", "x", 1);
        for (size_t ceiling = 0; ceiling < 16384; ceiling += 64) {
                struct cd_arena small;
                cd_arena_init(&small, ceiling);
                cd_report_init(&f->report, &small, CD_STR("f.yaml"));
                status = cd_settings_decode(&f->report, cd_str_from_c(text), &table, &f->settings, &err);
                assert_int_not_equal(status, CD_OK);
                cd_arena_done(&small);
        }
        assert_int_equal(status, CD_INVALID_REQUEST);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)
int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(an_empty_text_is_all_defaults),
                TEST(settings_of_every_type_are_bound),
                TEST(lesson_23_an_unknown_key_is_an_error_with_did_you_mean),
                TEST(lesson_23_a_missing_or_empty_variable_is_an_error_that_names_it),
                TEST(lesson_23_a_literal_placeholder_never_reaches_anybody),
                TEST(lesson_24_only_variables_that_the_configuration_names_are_read),
                TEST(variables_are_put_in_as_a_part_of_any_value),
                TEST(a_value_put_in_that_holds_a_placeholder_is_a_warning),
                TEST(files_are_relative_to_the_configuration_and_lose_one_newline),
                TEST(missing_empty_large_and_odd_files_are_refused_by_name),
                TEST(a_fifo_does_not_hang_the_start),
                TEST(a_secret_file_that_others_can_read_is_refused),
                TEST(a_credential_is_a_file_that_systemd_gave),
                TEST(wrong_types_and_ranges_name_the_setting),
                TEST(lesson_40_only_what_is_needed_is_resolved_and_an_error),
                TEST(true_and_false_stand_for_a_list_where_the_field_says_so),
                TEST(a_text_stands_for_an_object_where_the_field_says_so),
                TEST(a_mistake_in_such_a_text_names_the_item),
                TEST(a_secret_is_never_repeated),
                TEST(missing_values_and_settings_given_twice_are_refused),
                TEST(lesson_27_a_secret_that_cannot_be_read_again_and_is_written_as_before_is_kept),
                TEST(every_mistake_is_found_in_one_run),
                TEST(the_source_of_each_setting_is_remembered),
                TEST(a_file_that_is_not_there_is_named),
                TEST(lesson_27_an_empty_file_is_an_error_and_not_all_defaults),
                TEST(a_secret_in_a_file_that_every_user_can_read_is_a_warning),
                TEST(a_full_arena_is_an_error_and_never_a_crash),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
